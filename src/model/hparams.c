/* hparams.c - what must hold of a shape wherever it was read, and the defaults that follow from other values.
 */
#include "model/hparams.h"

#include <math.h>

#include "base/fail.h"
#include "model/arch.h"

void sh_hparams_from_arch(sh_hparams *hp, const sh_arch *arch)
{
    *hp = (sh_hparams){
        .arch = arch,
        .norm = arch->norm,
        .norm_place = arch->place,
        .residual = arch->residual,
        .qk_norm = arch->qk_norm,
        .position = arch->position,
        .activation = arch->activation,
        .gated = arch->flags & SH_ARCH_GATED,
        .tied_output = arch->flags & SH_ARCH_TIED,
        .norm_eps = 1e-5f,
        .residual_scale = 1,
        .logit_scale = 1,
        .embed_scale = 1,
        .bias_qkv = arch->flags & SH_ARCH_BIAS_QKV ? SH_BIAS_YES : SH_BIAS_NO,
        .bias_o = arch->flags & SH_ARCH_BIAS_O ? SH_BIAS_YES : SH_BIAS_NO,
        .bias_mlp = arch->flags & SH_ARCH_BIAS_MLP ? SH_BIAS_YES : SH_BIAS_NO,
        .bias_output = arch->flags & SH_ARCH_BIAS_OUTPUT ? SH_BIAS_YES : SH_BIAS_NO,
        .expert_norm_topk = arch->flags & SH_ARCH_TOPK_NORM,
        .alibi_max_bias = 8,
        .input = arch->input,
        .bidirectional = arch->flags & SH_ARCH_BIDIRECTIONAL,
        .final_norm = !(arch->flags & SH_ARCH_NO_FINAL_NORM),
        .embed_norm = arch->flags & SH_ARCH_EMBED_NORM,
        .no_key_bias = arch->flags & SH_ARCH_NO_KEY_BIAS,
        .no_output = arch->flags & SH_ARCH_NO_OUTPUT,
        .tie_if_absent = arch->flags & SH_ARCH_TIE_IF_ABSENT,
        .pad_positions = arch->flags & SH_ARCH_PAD_POSITIONS,
        .relative_shared = true,
        .patch_bias = !(arch->flags & SH_ARCH_NO_PATCH_BIAS),
        .pool_norm = arch->flags & SH_ARCH_POOL_NORM,
        .probe_head = arch->flags & SH_ARCH_PROBE,
        .n_prefix = arch->n_prefix,
        .rope = {.theta = arch->rope_theta,
                 .factor = 1,
                 .low_freq_factor = 1,
                 .high_freq_factor = 4,
                 .beta_fast = 32,
                 .beta_slow = 1,
                 .attention_factor = -1,
                 .gguf_attn_factor = 1},
    };
    hp->rope_local = hp->rope;
    if (arch->flags & SH_ARCH_LOCAL_ROPE) hp->rope_local.theta = 10000;
}

int sh_hparams_check(const sh_hparams *hp, const char *where, sh_err *err)
{
    const struct {
        const char *what;
        uint32_t value, lo, hi;
    } sizes[] = {
        {"layers", hp->n_layers, 1, SH_MAX_LAYERS},
        {"embedding length", hp->n_embd, 1, 1u << 20},
        {"vocabulary", hp->n_vocab, hp->input == SH_INPUT_TOKENS, 1u << 24},
        {"heads", hp->n_heads, 1, 1u << 16},
        {"key/value heads", hp->n_kv_heads, 1, hp->n_heads},
        {"head size", hp->head_dim, 1, 1u << 14},
        {"rotary size", hp->n_rot, 0, hp->head_dim},
        {"inner size", hp->n_ff, 1, 1u << 24},
        {"context length", hp->n_ctx_train, 1, 1u << 30},
        {"experts", hp->n_experts, 0, SH_MAX_EXPERTS},
        {"experts used", hp->n_experts_used, hp->n_experts ? 1 : 0, hp->n_experts},
        {"expert inner size", hp->n_ff_expert, hp->n_experts ? 1 : 0, 1u << 24},
        {"shared expert inner size", hp->n_ff_shared, 0, 1u << 24},
        {"token types", hp->n_types, 0, 1u << 16},
        {"position offset", hp->position_offset, 0, 1u << 20},
        {"width of the encoder", hp->n_cross, 0, 1u << 20},
        {"image height", hp->image_h, hp->input == SH_INPUT_PATCHES, 1u << 15},
        {"image width", hp->image_w, hp->input == SH_INPUT_PATCHES, 1u << 15},
        {"patch size", hp->patch, hp->input == SH_INPUT_PATCHES, 1u << 12},
        {"channels", hp->n_channels, hp->input == SH_INPUT_PATCHES, 16},
        {"mel bins", hp->n_mels, hp->input == SH_INPUT_MEL, 1u << 12},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].value < sizes[i].lo || sizes[i].value > sizes[i].hi)
            return sh_fail(err, SH_E_CORRUPT, "%s: %s: %u (expected %u to %u)", where, sizes[i].what,
                           sizes[i].value, sizes[i].lo, sizes[i].hi);
    if (hp->n_heads % hp->n_kv_heads)
        return sh_fail(err, SH_E_CORRUPT, "%s: %u heads are no multiple of %u key/value heads", where,
                       hp->n_heads, hp->n_kv_heads);
    if (hp->n_rot % 2) return sh_fail(err, SH_E_CORRUPT, "%s: rotary size %u is odd", where, hp->n_rot);
    if (!(hp->norm_eps >= 0 && hp->norm_eps < 1))
        return sh_fail(err, SH_E_CORRUPT, "%s: norm epsilon %g (expected 0 to 1)", where,
                       (double)hp->norm_eps);
    const float scales[] = {hp->attention_scale, hp->embed_scale,       hp->residual_scale,
                            hp->logit_scale,     hp->attention_softcap, hp->final_softcap};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        if (!isfinite(scales[i]))
            return sh_fail(err, SH_E_CORRUPT, "%s: a scale or cap is not finite", where);
    if (!(hp->alibi_max_bias > 0 && hp->alibi_max_bias <= 64))
        return sh_fail(err, SH_E_CORRUPT, "%s: alibi bias %g (expected up to 64)", where,
                       (double)hp->alibi_max_bias);
    if (hp->position == SH_POSITION_ROPE &&
        !(hp->rope.theta > 0 && hp->rope.theta < 1e18 && hp->rope_local.theta > 0))
        return sh_fail(err, SH_E_CORRUPT, "%s: rotary base %g (expected a positive number)", where,
                       hp->rope.theta);
    return SH_OK;
}

bool sh_kind_has_cache(const sh_hparams *hp)
{
    return hp->input == SH_INPUT_TOKENS && !hp->bidirectional && !hp->no_output;
}

const char *sh_kind_text(const sh_hparams *hp)
{
    if (hp->input == SH_INPUT_PATCHES) return hp->n_labels ? "image classification" : "image encoder";
    if (hp->input == SH_INPUT_MEL) return "speech encoder";
    if (hp->n_cross) return "decoder of an encoder's states";
    if (sh_kind_has_cache(hp)) return "text generation";
    return hp->n_labels ? "text classification" : "text embedding";
}

bool sh_kind_can_run(const sh_hparams *hp)
{
    return hp->input == SH_INPUT_TOKENS && !hp->n_cross && !hp->encoder;
}

int sh_kind_need_text(const sh_hparams *hp, sh_err *err)
{
    if (sh_kind_has_cache(hp)) return SH_OK;
    return sh_fail(err, SH_E_UNSUPPORTED, "%s models read text and write none (see 'shoal embed')",
                   hp->arch->name);
}
