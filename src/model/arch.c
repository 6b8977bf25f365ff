/* arch.c - the rows: one family each. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

#include "model/hf_config.h"
#include "model/names.h"
#include "model/shown.h"

/* Traits of nearly every family since Llama; a row states what differs. */
#define LLAMA_LIKE                                                                                           \
    .flags = SH_ARCH_GATED, .norm = SH_NORM_RMS, .place = SH_NORM_PRE, .residual = SH_RESIDUAL_SEQUENTIAL,   \
    .position = SH_POSITION_ROPE, .hf_rope = SH_ROPE_HALF, .gguf_rope = SH_ROPE_HALF,                        \
    .activation = SH_ACTIVATION_SILU, .rope_theta = 10000, .rotary_fraction = 1,                             \
    .hf_names = {sh_names_llama}, .gguf_names = {sh_names_gguf}
#define GPT2_LIKE                                                                                            \
    .norm = SH_NORM_LAYER, .place = SH_NORM_PRE, .residual = SH_RESIDUAL_SEQUENTIAL,                         \
    .position = SH_POSITION_LEARNED, .activation = SH_ACTIVATION_GELU_TANH, .rope_theta = 10000,             \
    .rotary_fraction = 1, .hf_names = {sh_names_gpt2}, .gguf_names = {sh_names_gguf},                        \
    .hf_prefix = "transformer."
/* BERT and its kin: norms after the sums, no logits, positions learned. */
#define BERT_LIKE                                                                                            \
    .norm = SH_NORM_LAYER, .place = SH_NORM_AFTER_ADD, .residual = SH_RESIDUAL_SEQUENTIAL,                   \
    .position = SH_POSITION_LEARNED, .activation = SH_ACTIVATION_GELU_ERF, .rope_theta = 10000,              \
    .rotary_fraction = 1, .hf_names = {sh_names_bert}, .gguf_names = {sh_names_gguf_bert, sh_names_gguf}
#define BERT_FLAGS                                                                                           \
    (BIAS_ALL | SH_ARCH_BIDIRECTIONAL | SH_ARCH_NO_FINAL_NORM | SH_ARCH_EMBED_NORM | SH_ARCH_NO_OUTPUT)
/* Encoders of pictures, sound and CLIP's texts, decoders of seq2seq models: norms before the branches. */
#define TOWER_LIKE                                                                                           \
    .norm = SH_NORM_LAYER, .place = SH_NORM_PRE, .residual = SH_RESIDUAL_SEQUENTIAL,                         \
    .position = SH_POSITION_LEARNED, .activation = SH_ACTIVATION_GELU_ERF, .rope_theta = 10000,              \
    .rotary_fraction = 1
#define TOWER_FLAGS (BIAS_ALL | SH_ARCH_BIDIRECTIONAL | SH_ARCH_NO_OUTPUT)
#define VISION                                                                                               \
    TOWER_LIKE, .flags = TOWER_FLAGS, .input = SH_INPUT_PATCHES, .n_prefix = 1,   \
        .gguf_names = {sh_names_gguf_vision}
/* What the reference's configuration classes assume. */
#define VISION_DEFAULTS                                                                                      \
    "\"hidden_size\": 768, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, "                         \
    "\"intermediate_size\": 3072, \"image_size\": 224, \"num_channels\": 3"
#define BIAS_ALL (SH_ARCH_BIAS_QKV | SH_ARCH_BIAS_O | SH_ARCH_BIAS_MLP)

/* GCC and clang warn about a field given twice; the later one wins by C11 6.7.9p19, and that is what rows
 * rely on. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const sh_arch archs[] = {
    {LLAMA_LIKE, .name = "llama", .hf_type = "llama",
     .flags = SH_ARCH_GATED | SH_ARCH_BIAS_KEYS | SH_ARCH_TOPK_NORM, .gguf_rope = SH_ROPE_INTERLEAVED,
     .window = SH_WINDOW_ALL, .hf_extra = sh_hf_llama},
    {LLAMA_LIKE, .name = "llama", .hf_type = "mistral", .gguf_rope = SH_ROPE_INTERLEAVED,
     .window = SH_WINDOW_ALL},
    {LLAMA_LIKE, .name = "llama", .hf_type = "mixtral", .flags = SH_ARCH_GATED | SH_ARCH_TOPK_NORM,
     .gguf_rope = SH_ROPE_INTERLEAVED, .window = SH_WINDOW_ALL, .rope_theta = 1e6,
     .hf_names = {sh_names_mixtral, sh_names_llama}, .hf_extra = sh_hf_mixtral},
    {LLAMA_LIKE, .name = "qwen2", .hf_type = "qwen2", .flags = SH_ARCH_GATED | SH_ARCH_BIAS_QKV,
     .window = SH_WINDOW_OPT_IN},
    {LLAMA_LIKE, .name = "qwen2moe", .hf_type = "qwen2_moe", .flags = SH_ARCH_GATED | SH_ARCH_BIAS_QKV,
     .window = SH_WINDOW_OPT_IN, .hf_names = {sh_names_qwen_moe, sh_names_llama}, .hf_extra = sh_hf_qwen_moe},
    {LLAMA_LIKE, .name = "qwen3", .hf_type = "qwen3", .flags = SH_ARCH_GATED | SH_ARCH_BIAS_KEYS,
     .qk_norm = SH_QK_NORM_HEAD, .window = SH_WINDOW_OPT_IN},
    {LLAMA_LIKE, .name = "qwen3moe", .hf_type = "qwen3_moe",
     .flags = SH_ARCH_GATED | SH_ARCH_BIAS_KEYS | SH_ARCH_TOPK_NORM, .qk_norm = SH_QK_NORM_HEAD,
     .window = SH_WINDOW_OPT_IN, .hf_names = {sh_names_qwen_moe, sh_names_llama}, .hf_extra = sh_hf_qwen_moe},
    {LLAMA_LIKE, .name = "gemma", .hf_type = "gemma",
     .flags = SH_ARCH_GATED | SH_ARCH_TIED | SH_ARCH_NORM_ADD_ONE | SH_ARCH_EMBED_SCALED |
              SH_ARCH_GELU_IS_TANH | SH_ARCH_BIAS_KEYS,
     .activation = SH_ACTIVATION_GELU_TANH},
    {LLAMA_LIKE, .name = "gemma2", .hf_type = "gemma2", .place = SH_NORM_SANDWICH,
     .flags = SH_ARCH_GATED | SH_ARCH_TIED | SH_ARCH_NORM_ADD_ONE | SH_ARCH_EMBED_SCALED |
              SH_ARCH_GELU_IS_TANH | SH_ARCH_BIAS_KEYS,
     .activation = SH_ACTIVATION_GELU_TANH, .window = SH_WINDOW_PERIODIC, .window_period = 2,
     .hf_names = {sh_names_sandwich, sh_names_llama}},
    {LLAMA_LIKE, .name = "gemma3", .hf_type = "gemma3_text", .place = SH_NORM_SANDWICH,
     .qk_norm = SH_QK_NORM_HEAD,
     .flags = SH_ARCH_GATED | SH_ARCH_TIED | SH_ARCH_NORM_ADD_ONE | SH_ARCH_EMBED_SCALED |
              SH_ARCH_GELU_IS_TANH | SH_ARCH_BIAS_KEYS | SH_ARCH_NO_ATTN_SOFTCAP | SH_ARCH_LOCAL_ROPE,
     .activation = SH_ACTIVATION_GELU_TANH, .rope_theta = 1e6, .window = SH_WINDOW_PERIODIC,
     .window_period = 6, .hf_names = {sh_names_sandwich, sh_names_llama}, .outer_prefix = "language_model.",
     .hf_extra = sh_hf_gemma3},
    {LLAMA_LIKE, .name = "phi2", .hf_type = "phi", .flags = BIAS_ALL | SH_ARCH_BIAS_OUTPUT,
     .norm = SH_NORM_LAYER, .residual = SH_RESIDUAL_PARALLEL_ONE_NORM, .activation = SH_ACTIVATION_GELU_TANH,
     .rotary_fraction = 0.5, .hf_names = {sh_names_phi, sh_names_llama}, .hf_extra = sh_hf_phi},
    {LLAMA_LIKE, .name = "phi3", .hf_type = "phi3", .window = SH_WINDOW_ALL,
     .hf_names = {sh_names_phi3, sh_names_llama}, .gguf_names = {sh_names_gguf_phi3, sh_names_gguf}},
    {LLAMA_LIKE, .name = "starcoder2", .hf_type = "starcoder2",
     .flags = SH_ARCH_TIED | BIAS_ALL | SH_ARCH_BIAS_KEYS, .norm = SH_NORM_LAYER,
     .activation = SH_ACTIVATION_GELU_TANH, .window = SH_WINDOW_ALL,
     .hf_names = {sh_names_starcoder2, sh_names_llama}},
    {LLAMA_LIKE, .name = "olmo2", .hf_type = "olmo2", .flags = SH_ARCH_GATED | SH_ARCH_BIAS_KEYS,
     .place = SH_NORM_POST, .qk_norm = SH_QK_NORM_WHOLE, .hf_names = {sh_names_olmo2, sh_names_llama}},
    {LLAMA_LIKE, .name = "smollm3", .hf_type = "smollm3",
     .flags = SH_ARCH_GATED | SH_ARCH_TIED | SH_ARCH_BIAS_KEYS, .gguf_rope = SH_ROPE_INTERLEAVED,
     .rope_theta = 2e6, .window = SH_WINDOW_OPT_IN, .hf_extra = sh_hf_smollm3},
    {LLAMA_LIKE, .name = "granite", .hf_type = "granite", .flags = SH_ARCH_GATED | SH_ARCH_BIAS_KEYS,
     .gguf_rope = SH_ROPE_INTERLEAVED, .hf_extra = sh_hf_granite},
    {GPT2_LIKE, .name = "gpt2", .hf_type = "gpt2", .flags = SH_ARCH_TIED | BIAS_ALL, .hf_extra = sh_hf_gpt2},
    {GPT2_LIKE, .name = "starcoder", .hf_type = "gpt_bigcode", .flags = SH_ARCH_TIED | BIAS_ALL,
     .hf_names = {sh_names_bigcode, sh_names_gpt2}, .hf_extra = sh_hf_bigcode},
    {GPT2_LIKE, .name = "gptneo", .hf_type = "gpt_neo",
     .flags = SH_ARCH_TIED | SH_ARCH_BIAS_O | SH_ARCH_BIAS_MLP | SH_ARCH_NO_SCALE,
     .hf_names = {sh_names_neo, sh_names_gpt2}, .hf_extra = sh_hf_neo},
    {GPT2_LIKE, .name = "gptj", .hf_type = "gptj", .flags = SH_ARCH_BIAS_MLP | SH_ARCH_BIAS_OUTPUT,
     .residual = SH_RESIDUAL_PARALLEL_ONE_NORM, .position = SH_POSITION_ROPE, .hf_rope = SH_ROPE_INTERLEAVED,
     .gguf_rope = SH_ROPE_INTERLEAVED, .hf_names = {sh_names_gptj}, .hf_extra = sh_hf_gptj},
    {GPT2_LIKE, .name = "codegen", .hf_type = "codegen", .flags = SH_ARCH_BIAS_MLP | SH_ARCH_BIAS_OUTPUT,
     .residual = SH_RESIDUAL_PARALLEL_ONE_NORM, .position = SH_POSITION_ROPE, .hf_rope = SH_ROPE_INTERLEAVED,
     .gguf_rope = SH_ROPE_INTERLEAVED, .hf_names = {sh_names_gptj}, .hf_extra = sh_hf_codegen},
    {LLAMA_LIKE, .name = "gptneox", .hf_type = "gpt_neox", .flags = BIAS_ALL | SH_ARCH_BIAS_KEYS,
     .norm = SH_NORM_LAYER, .residual = SH_RESIDUAL_PARALLEL_TWO_NORMS, .activation = SH_ACTIVATION_GELU_ERF,
     .rotary_fraction = 0.25, .hf_names = {sh_names_neox}, .hf_prefix = "gpt_neox.", .hf_extra = sh_hf_neox},
    {LLAMA_LIKE, .name = "falcon", .hf_type = "falcon", .flags = SH_ARCH_TIED | SH_ARCH_BIAS_KEYS,
     .norm = SH_NORM_LAYER, .residual = SH_RESIDUAL_PARALLEL_ONE_NORM, .activation = SH_ACTIVATION_GELU_ERF,
     .hf_names = {sh_names_falcon}, .gguf_names = {sh_names_gguf_falcon, sh_names_gguf},
     .hf_prefix = "transformer.", .hf_extra = sh_hf_falcon},

    {BERT_LIKE, .name = "bert", .hf_type = "bert", .flags = BERT_FLAGS, .outer_prefix = "bert.",
     .hf_extra = sh_hf_bert},
    {BERT_LIKE, .name = "bert", .hf_type = "roberta", .flags = BERT_FLAGS | SH_ARCH_PAD_POSITIONS,
     .outer_prefix = "roberta.", .hf_extra = sh_hf_bert},
    {BERT_LIKE, .name = "bert", .hf_type = "xlm-roberta", .flags = BERT_FLAGS | SH_ARCH_PAD_POSITIONS,
     .outer_prefix = "roberta.", .hf_extra = sh_hf_bert},
    {BERT_LIKE, .name = "bert", .hf_type = "camembert", .flags = BERT_FLAGS | SH_ARCH_PAD_POSITIONS,
     .outer_prefix = "roberta.", .hf_extra = sh_hf_bert},
    {BERT_LIKE, .name = "mpnet", .hf_type = "mpnet", .flags = BERT_FLAGS | SH_ARCH_PAD_POSITIONS,
     .hf_names = {sh_names_mpnet, sh_names_bert}, .outer_prefix = "mpnet.", .hf_extra = sh_hf_mpnet},
    {VISION, .name = "vit", .hf_type = "vit", .hf_names = {sh_names_vit}, .outer_prefix = "vit.|encoder.",
     .defaults = "{" VISION_DEFAULTS ", \"patch_size\": 16, \"layer_norm_eps\": 1e-12}",
     .hf_extra = sh_hf_vision},
    {VISION, .name = "deit", .hf_type = "deit", .hf_names = {sh_names_deit, sh_names_vit},
     .outer_prefix = "deit.|encoder.", .n_prefix = 2,
     .defaults = "{" VISION_DEFAULTS ", \"patch_size\": 16, \"layer_norm_eps\": 1e-12}",
     .hf_extra = sh_hf_vision},
    {VISION, .name = "beit", .hf_type = "beit", .flags = TOWER_FLAGS | SH_ARCH_NO_KEY_BIAS,
     .hf_names = {sh_names_beit, sh_names_vit}, .outer_prefix = "beit.|encoder.",
     .defaults = "{" VISION_DEFAULTS ", \"patch_size\": 16, \"layer_norm_eps\": 1e-12}",
     .hf_extra = sh_hf_beit},
    {TOWER_LIKE, .name = "clip", .hf_type = "clip_text_model", .flags = BIAS_ALL | SH_ARCH_NO_OUTPUT,
     .activation = SH_ACTIVATION_GELU_QUICK, .hf_names = {sh_names_clip_text},
     .gguf_names = {sh_names_gguf_text_tower, sh_names_gguf},
     .defaults = "{\"vocab_size\": 49408, \"hidden_size\": 512, \"num_hidden_layers\": 12, "
                 "\"num_attention_heads\": 8, \"intermediate_size\": 2048, \"max_position_embeddings\": 77, "
                 "\"layer_norm_eps\": 1e-5}"},
    {VISION, .name = "clip_vision", .hf_type = "clip_vision_model",
     .flags =
         TOWER_FLAGS | SH_ARCH_EMBED_NORM | SH_ARCH_NO_FINAL_NORM | SH_ARCH_NO_PATCH_BIAS | SH_ARCH_POOL_NORM,
     .activation = SH_ACTIVATION_GELU_QUICK, .hf_names = {sh_names_clip_vision},
     .defaults = "{" VISION_DEFAULTS ", \"patch_size\": 32, \"layer_norm_eps\": 1e-5}",
     .hf_extra = sh_hf_vision},
    {TOWER_LIKE, .name = "siglip", .hf_type = "siglip_text_model", .flags = TOWER_FLAGS,
     .activation = SH_ACTIVATION_GELU_TANH, .hf_names = {sh_names_siglip_text},
     .gguf_names = {sh_names_gguf_text_tower, sh_names_gguf},
     .defaults = "{\"vocab_size\": 32000, \"hidden_size\": 768, \"num_hidden_layers\": 12, "
                 "\"num_attention_heads\": 12, \"intermediate_size\": 3072, \"max_position_embeddings\": 64, "
                 "\"layer_norm_eps\": 1e-6}"},
    {VISION, .name = "siglip_vision", .hf_type = "siglip_vision_model", .flags = TOWER_FLAGS | SH_ARCH_PROBE,
     .n_prefix = 0, .activation = SH_ACTIVATION_GELU_TANH,
     .hf_names = {sh_names_siglip_vision},
     .defaults = "{" VISION_DEFAULTS ", \"patch_size\": 16, \"layer_norm_eps\": 1e-6}",
     .hf_extra = sh_hf_vision},
    {TOWER_LIKE, .name = "trocr", .hf_type = "trocr", .place = SH_NORM_AFTER_ADD,
     .flags = BIAS_ALL | SH_ARCH_NO_FINAL_NORM | SH_ARCH_CROSS | SH_ARCH_TIE_IF_ABSENT | SH_ARCH_DECODER_KEYS,
     .hf_names = {sh_names_trocr}, .gguf_names = {sh_names_gguf_after, sh_names_gguf},
     .outer_prefix = "decoder.model.decoder.",
     .defaults =
         "{\"vocab_size\": 50265, \"d_model\": 1024, \"decoder_layers\": 12, "
         "\"decoder_attention_heads\": 16, \"decoder_ffn_dim\": 4096, \"max_position_embeddings\": 512}",
     .hf_extra = sh_hf_trocr},
    {TOWER_LIKE, .name = "whisper", .hf_type = "whisper",
     .flags = BIAS_ALL | SH_ARCH_NO_KEY_BIAS | SH_ARCH_CROSS | SH_ARCH_TIED | SH_ARCH_DECODER_KEYS,
     .hf_names = {sh_names_whisper}, .gguf_names = {sh_names_gguf_cross, sh_names_gguf},
     .outer_prefix = "model.", .hf_extra = sh_hf_whisper},
    {TOWER_LIKE, .name = "whisper_encoder", .hf_type = "whisper_encoder", .input = SH_INPUT_MEL,
     .flags = TOWER_FLAGS | SH_ARCH_NO_KEY_BIAS | SH_ARCH_ENCODER_KEYS,
     .hf_names = {sh_names_whisper_encoder}, .gguf_names = {sh_names_gguf_audio}, .outer_prefix = "model.",
     .hf_extra = sh_hf_whisper_encoder},
};
#pragma GCC diagnostic pop

size_t sh_arch_count(void)
{
    return sizeof archs / sizeof archs[0];
}
const sh_arch *sh_arch_at(size_t i)
{
    return i < sh_arch_count() ? &archs[i] : NULL;
}

const sh_arch *sh_arch_by_hf(const char *model_type)
{
    for (size_t i = 0; i < sh_arch_count(); i++)
        if (!strcmp(archs[i].hf_type, model_type)) return &archs[i];
    return NULL;
}

const sh_arch *sh_arch_by_gguf(const char *name)
{
    for (size_t i = 0; i < sh_arch_count(); i++)
        if (!strcmp(archs[i].name, name)) return &archs[i];
    return NULL;
}

/* Edit distance of two short names; only the first 31 bytes count. */
static unsigned name_distance(const char *a, const char *b)
{
    unsigned row[32];
    size_t na = strnlen(a, 31), nb = strnlen(b, 31);
    for (unsigned j = 0; j <= nb; j++) row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

int sh_arch_unknown(const char *found, bool is_gguf, sh_err *err)
{
    const char *near[3] = {NULL, NULL, NULL};
    unsigned dist[3] = {~0u, ~0u, ~0u};
    for (size_t i = 0; i < sh_arch_count(); i++) {
        const char *name = is_gguf ? archs[i].name : archs[i].hf_type;
        bool repeated = near[0] && (!strcmp(near[0], name) || (near[1] && !strcmp(near[1], name)) ||
                                    (near[2] && !strcmp(near[2], name)));
        if (repeated) continue;
        unsigned d = name_distance(found, name);
        for (int k = 0; k < 3; k++) {
            if (d >= dist[k]) continue;
            for (int m = 2; m > k; m--) near[m] = near[m - 1], dist[m] = dist[m - 1];
            near[k] = name, dist[k] = d;
            break;
        }
    }
    sh_shown shown;
    return sh_fail(err, SH_E_UNSUPPORTED, "architecture '%.60s' is not supported (nearest: %s, %s, %s)",
                   sh_show(&shown, found), near[0], near[1], near[2]);
}

bool sh_arch_outer(const sh_arch *a, size_t i, char out[64])
{
    const char *p = a->outer_prefix;
    while (p && i--) p = (p = strchr(p, '|')) ? p + 1 : NULL;
    if (!p) return false;
    snprintf(out, 64, "%.*s", (int)strcspn(p, "|"), p);
    return true;
}

const sh_name *sh_arch_name(const sh_arch *a, bool is_gguf, enum sh_slot slot, size_t i)
{
    const sh_name *const *lists = is_gguf ? a->gguf_names : a->hf_names;
    for (size_t l = 0; l < 2 && lists[l]; l++) {
        bool named = false;
        for (const sh_name *n = lists[l]; n->stem; n++) {
            if (n->slot != slot) continue;
            named = true;
            if (i-- == 0) return n;
        }
        if (named) return NULL;
    }
    return NULL;
}

bool sh_arch_has_slot(const sh_hparams *hp, enum sh_slot slot, uint32_t layer)
{
    const bool experts = hp->layers && hp->layers[layer].experts;
    switch (slot) {
    case SH_SLOT_EMBED:
        return hp->input == SH_INPUT_TOKENS;
    case SH_SLOT_TYPES:
        return hp->n_types != 0;
    case SH_SLOT_POSITION:
        return hp->position == SH_POSITION_LEARNED;
    case SH_SLOT_EMBED_NORM:
        return hp->embed_norm;
    case SH_SLOT_OUTPUT_NORM:
        return hp->final_norm;
    case SH_SLOT_PATCH:
        return hp->input == SH_INPUT_PATCHES;
    case SH_SLOT_CLASS_TOKEN:
        return hp->n_prefix > 0;
    case SH_SLOT_DISTIL_TOKEN:
        return hp->n_prefix > 1;
    case SH_SLOT_CONV1:
    case SH_SLOT_CONV2:
        return hp->input == SH_INPUT_MEL;
    case SH_SLOT_REL_BIAS:
        return hp->relative != SH_RELATIVE_NONE && hp->relative_shared;
    case SH_SLOT_LAYER_REL_BIAS:
        return hp->relative != SH_RELATIVE_NONE && !hp->relative_shared;
    case SH_SLOT_CROSS_NORM:
        return hp->n_cross && hp->norm_place == SH_NORM_PRE;
    case SH_SLOT_CROSS_POST_NORM:
        return hp->n_cross && hp->norm_place == SH_NORM_AFTER_ADD;
    case SH_SLOT_CROSS_Q:
    case SH_SLOT_CROSS_K:
    case SH_SLOT_CROSS_V:
    case SH_SLOT_CROSS_O:
        return hp->n_cross != 0;
    case SH_SLOT_ATTN_SCALE:
    case SH_SLOT_FFN_SCALE:
        return hp->layer_scale;
    case SH_SLOT_OUTPUT:
        return !hp->tied_output && !hp->no_output;
    case SH_SLOT_ROPE_FREQS:
        return hp->rope.scaling == SH_ROPE_SCALE_LLAMA3;
    case SH_SLOT_ROPE_LONG:
    case SH_SLOT_ROPE_SHORT:
        return hp->rope.scaling == SH_ROPE_SCALE_LONGROPE;
    case SH_SLOT_ATTN_NORM:
        return hp->norm_place == SH_NORM_PRE || hp->norm_place == SH_NORM_SANDWICH;
    case SH_SLOT_FFN_NORM:
        return (hp->norm_place == SH_NORM_PRE || hp->norm_place == SH_NORM_SANDWICH) &&
               hp->residual != SH_RESIDUAL_PARALLEL_ONE_NORM;
    case SH_SLOT_ATTN_POST_NORM:
    case SH_SLOT_FFN_POST_NORM:
        return hp->norm_place != SH_NORM_PRE;
    case SH_SLOT_Q_NORM:
    case SH_SLOT_K_NORM:
        return hp->qk_norm != SH_QK_NORM_NONE;
    case SH_SLOT_GATE:
    case SH_SLOT_GATE_UP:
        return hp->gated && !experts;
    case SH_SLOT_UP:
    case SH_SLOT_DOWN:
        return !experts;
    case SH_SLOT_ROUTER:
    case SH_SLOT_EXPERT_GATE:
    case SH_SLOT_EXPERT_UP:
    case SH_SLOT_EXPERT_DOWN:
    case SH_SLOT_EXPERT_GATE_UP:
        return experts;
    case SH_SLOT_SHARED_GATE:
    case SH_SLOT_SHARED_UP:
    case SH_SLOT_SHARED_DOWN:
    case SH_SLOT_SHARED_ROUTER:
        return experts && hp->n_ff_shared;
    default:
        return slot < SH_SLOT_COUNT;
    }
}

const char *sh_arch_gguf_stem(const sh_hparams *hp, enum sh_slot slot)
{
    /* Falcon alone has two ways, which change places: with two parallel norms the MLP's is called attn_norm.
     */
    bool two = hp->residual == SH_RESIDUAL_PARALLEL_TWO_NORMS;
    bool second = hp->arch->gguf_names[0] == sh_names_gguf_falcon &&
                  ((slot == SH_SLOT_ATTN_NORM && !two) || (slot == SH_SLOT_FFN_NORM && two));
    const sh_name *n = sh_arch_name(hp->arch, true, slot, second);
    return n ? n->stem : NULL;
}

const char *sh_slot_text(enum sh_slot slot)
{
    const sh_name *const lists[] = {sh_names_gguf,        sh_names_gguf_bert,  sh_names_gguf_cross,
                                    sh_names_gguf_vision, sh_names_gguf_audio, sh_names_gguf_text_tower};
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++)
        for (const sh_name *n = lists[l]; n->stem; n++)
            if (n->slot == slot) return sh_starts_with(n->stem, "blk.%.") ? n->stem + 6 : n->stem;
    return "ffn_gate_up"; /* the one slot that GGUF has no common name for */
}

uint64_t sh_layout_row(const sh_hparams *hp, enum sh_layout layout, enum sh_slot fused, unsigned part,
                       uint64_t r)
{
    uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim,
             d = hp->head_dim;
    if (fused == SH_SLOT_GATE_UP) return part * (uint64_t)hp->n_ff + r;
    if (layout == SH_LAYOUT_GROUPED) { /* per kv head: n_heads / n_kv_heads query heads, then k, then v */
        uint64_t per = hp->n_heads / hp->n_kv_heads, head = r / d;
        uint64_t group = part == 0 ? head / per : head, in_group = part == 0 ? head % per : per + part - 1;
        return (group * (per + 2) + in_group) * d + r % d;
    }
    if (layout == SH_LAYOUT_CODEGEN) { /* the middle third of a group is v */
        uint64_t quarter = q / 4, place = part == 0 ? 0 : part == 1 ? 2 : 1;
        return r / quarter * 3 * quarter + place * quarter + r % quarter;
    }
    return (part == 0 ? 0 : part == 1 ? q : q + kv) + r;
}

uint64_t sh_row_of_interleaved(const sh_hparams *hp, uint64_t r)
{
    uint64_t head = r / hp->head_dim, e = r % hp->head_dim;
    if (e >= hp->n_rot) return r;
    return head * hp->head_dim + (e % 2 ? hp->n_rot / 2 : 0) + e / 2;
}

/* The usual name of each comes first. */
static const struct {
    const char *name;
    enum sh_activation act;
} activations[] = {
    {"silu", SH_ACTIVATION_SILU},          {"swish", SH_ACTIVATION_SILU},
    {"gelu", SH_ACTIVATION_GELU_ERF},      {"gelu_pytorch_tanh", SH_ACTIVATION_GELU_TANH},
    {"gelu_new", SH_ACTIVATION_GELU_TANH}, {"gelu_fast", SH_ACTIVATION_GELU_TANH},
    {"relu", SH_ACTIVATION_RELU},          {"quick_gelu", SH_ACTIVATION_GELU_QUICK},
    {"tanh", SH_ACTIVATION_TANH},
};
enum { N_ACTIVATIONS = sizeof activations / sizeof activations[0] };

int sh_activation_find(const char *name)
{
    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        if (!strcmp(activations[i].name, name)) return (int)activations[i].act;
    return -1;
}

const char *sh_activation_text(enum sh_activation act)
{
    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        if (activations[i].act == act) return activations[i].name;
    return "";
}
