/* gguf_config_write.c - the metadata of a model's shape. */
#include "model/gguf_config.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/load.h"
#include "tensor/exactmath.h"

typedef struct setter {
    sh_gguf_writer *w;
    const char *arch;
    sh_err *err;
    int rc; /* the first failure; later sets do nothing */
} setter;

static void set_u32(setter *s, const char *key, uint32_t v)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    if (s->rc == SH_OK) s->rc = sh_gguf_set_u32(s->w, name, v, s->err);
}

static void set_f32(setter *s, const char *key, double v)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    if (s->rc == SH_OK) s->rc = sh_gguf_set_f32(s->w, name, (float)v, s->err);
}

static void set_bool(setter *s, const char *key, bool v)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    if (s->rc == SH_OK) s->rc = sh_gguf_set_bool(s->w, name, v, s->err);
}

static void set_text(setter *s, const char *key, const char *v)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    if (s->rc == SH_OK) s->rc = sh_gguf_set_str(s->w, name, sh_str_of(v), s->err);
}

static void write_sizes(setter *s, const sh_hparams *hp)
{
    set_u32(s, "vocab_size", hp->n_vocab);
    set_u32(s, "context_length", hp->n_ctx_train);
    set_u32(s, "embedding_length", hp->n_embd);
    set_u32(s, "block_count", hp->n_layers);
    set_u32(s, "feed_forward_length", hp->n_ff);
    set_u32(s, "attention.head_count", hp->n_heads);
    set_u32(s, "attention.head_count_kv", hp->n_kv_heads);
    set_u32(s, "attention.key_length", hp->head_dim);
    set_u32(s, "attention.value_length", hp->head_dim);
    set_f32(s, hp->norm == SH_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
            (double)hp->norm_eps);
    if (!hp->n_experts) return;
    set_u32(s, "expert_count", hp->n_experts);
    set_u32(s, "expert_used_count", hp->n_experts_used);
    if (hp->n_ff_expert != hp->n_ff) set_u32(s, "expert_feed_forward_length", hp->n_ff_expert);
    if (hp->n_ff_shared) set_u32(s, "expert_shared_feed_forward_length", hp->n_ff_shared);
    if (hp->expert_norm_topk != !!(sh_arch_by_gguf(s->arch)->flags & SH_ARCH_TOPK_NORM))
        set_bool(s, "expert_weights_norm", hp->expert_norm_topk);
}

static void write_scales(setter *s, const sh_hparams *hp)
{
    const sh_arch *row = sh_arch_by_gguf(s->arch); /* the row that a reader will start from */
    const float usual_embed = row->flags & SH_ARCH_EMBED_SCALED ? sqrtf((float)hp->n_embd) : 1;
    if (hp->attention_scale != sh_gguf_default_scale(hp))
        set_f32(s, "attention.scale", (double)hp->attention_scale);
    if (hp->embed_scale != usual_embed) set_f32(s, "embedding_scale", (double)hp->embed_scale);
    if (hp->residual_scale != 1) set_f32(s, "residual_scale", (double)hp->residual_scale);
    if (hp->logit_scale != 1) set_f32(s, "logit_scale", 1 / (double)hp->logit_scale);
    if (hp->attention_softcap != 0) set_f32(s, "attn_logit_softcapping", (double)hp->attention_softcap);
    if (hp->final_softcap != 0) set_f32(s, "final_logit_softcapping", (double)hp->final_softcap);
    if (hp->position == SH_POSITION_ALIBI) set_f32(s, "attention.max_alibi_bias", (double)hp->alibi_max_bias);
    if (row->residual != SH_RESIDUAL_SEQUENTIAL)
        set_bool(s, "use_parallel_residual", hp->residual != SH_RESIDUAL_SEQUENTIAL);
    if (hp->activation != row->activation)
        set_text(s, "hidden_activation", sh_activation_text(hp->activation));
}

static void write_rope(setter *s, const sh_hparams *hp)
{
    const sh_rope_params *p = &hp->rope;
    bool local = false;
    if (hp->position != SH_POSITION_ROPE) return;
    for (uint32_t i = 0; i < hp->n_layers; i++) local = local || hp->layers[i].local_rope;
    set_u32(s, "rope.dimension_count", hp->n_rot);
    set_f32(s, "rope.freq_base", p->theta);
    if (local) set_f32(s, "rope.freq_base_swa", hp->rope_local.theta);
    switch (p->scaling) {
    case SH_ROPE_SCALE_NONE: case SH_ROPE_SCALE_LLAMA3: break;
    case SH_ROPE_SCALE_LINEAR:
        set_text(s, "rope.scaling.type", "linear");
        set_f32(s, "rope.scaling.factor", p->factor);
        break;
    case SH_ROPE_SCALE_YARN: {
        double usual = p->factor <= 1 ? 1 : 0.1 * sh_log(p->factor) + 1;
        set_text(s, "rope.scaling.type", "yarn");
        set_f32(s, "rope.scaling.factor", p->factor);
        set_u32(s, "rope.scaling.original_context_length", p->original_ctx);
        set_f32(s, "rope.scaling.yarn_beta_fast", p->beta_fast);
        set_f32(s, "rope.scaling.yarn_beta_slow", p->beta_slow);
        if (sh_rope_magnitude(p) != usual)
            set_f32(s, "rope.scaling.attn_factor", sh_rope_magnitude(p) / usual);
        break;
    }
    case SH_ROPE_SCALE_LONGROPE:
        set_text(s, "rope.scaling.type", "longrope");
        set_u32(s, "rope.scaling.original_context_length", p->original_ctx);
        set_f32(s, "rope.scaling.attn_factor", sh_rope_magnitude(p));
        break;
    }
}

/* Which layers have a window, and which are rotated: one number where a rule says it, else a list. */
static void write_layers(setter *s, const sh_hparams *hp)
{
    const uint32_t n = hp->n_layers, usual = sh_arch_by_gguf(s->arch)->window_period;
    uint32_t window = 0;
    bool as_usual = true, turned_as_usual = true;
    char name[128];
    for (uint32_t i = 0; i < n; i++) {
        if (hp->layers[i].window) window = hp->layers[i].window;
        turned_as_usual = turned_as_usual && (hp->position != SH_POSITION_ROPE ||
                                              hp->layers[i].rope == sh_gguf_default_turned(hp, i));
    }
    for (uint32_t i = 0; i < n; i++)
        as_usual = as_usual && (hp->layers[i].window != 0) == (usual ? (i + 1) % usual != 0 : true);
    int32_t *list = sh_alloc(n, sizeof *list);
    if (!list) {
        s->rc = sh_fail_nomem(s->err, n * sizeof *list);
        return;
    }
    if (window) set_u32(s, "attention.sliding_window", window);
    for (uint32_t i = 0; i < n; i++) list[i] = hp->layers[i].window != 0;
    snprintf(name, sizeof name, "%s.attention.sliding_window_pattern", s->arch);
    if (window && !as_usual && s->rc == SH_OK) s->rc = sh_gguf_set_i32s(s->w, name, list, n, s->err);
    for (uint32_t i = 0; i < n; i++) list[i] = hp->layers[i].rope;
    snprintf(name, sizeof name, "%s.rope.layers", s->arch);
    if (!turned_as_usual && s->rc == SH_OK) s->rc = sh_gguf_set_i32s(s->w, name, list, n, s->err);
    sh_free(list);
}

int sh_gguf_config_write(sh_gguf_writer *w, const sh_hparams *hp, sh_err *err)
{
    setter s = {w, hp->arch->name, err, SH_OK};
    s.rc = sh_gguf_set_str(w, "general.architecture", sh_str_of(s.arch), err);
    write_sizes(&s, hp);
    write_scales(&s, hp);
    write_rope(&s, hp);
    if (s.rc == SH_OK) write_layers(&s, hp);
    return s.rc;
}
