/* gguf_config.c - GGUF metadata to hparams. Every key that is read: docs/gguf-keys.md. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "model/load.h"
#include "model/shown.h"

typedef struct reader {
    const sh_tensors *t;
    const char *arch; /* keys begin with it */
    sh_err *err;
} reader;

/* "ARCH.key" */
static const char *full_key(const reader *r, const char *key, char out[128])
{
    snprintf(out, 128, "%s.%s", r->arch, key);
    return out;
}

/* An integer, or an array of equal ones (a value a layer). Absent: left alone, or an error when required. */
static int get_u32(const reader *r, const char *key, uint32_t *value, bool required)
{
    char name[128];
    uint64_t v = 0;
    const sh_meta *m = sh_tensors_meta(r->t, full_key(r, key, name));
    if (!m) return required ? sh_fail(r->err, SH_E_CORRUPT, "no %s in the metadata", name) : SH_OK;
    if (m->type == SH_META_ARRAY && (m->elem_type == SH_META_I32 || m->elem_type == SH_META_U32) &&
        m->n_elems) {
        v = sh_get_u32(m->elems);
        for (uint64_t i = 1; i < m->n_elems; i++)
            if (sh_get_u32(m->elems + 4 * i) != v)
                return sh_fail(r->err, SH_E_UNSUPPORTED, "%s differs between layers: not supported", name);
        *value = (uint32_t)v;
        return SH_OK;
    }
    int rc = sh_meta_get_u64(r->t, name, &v, UINT32_MAX, r->err);
    if (rc == SH_OK) *value = (uint32_t)v;
    return rc;
}

static int get_f64(const reader *r, const char *key, double *value)
{
    char name[128];
    if (!sh_tensors_meta(r->t, full_key(r, key, name))) return SH_OK;
    return sh_meta_get_f64(r->t, name, value, r->err);
}

static int get_f32(const reader *r, const char *key, float *value)
{
    double v = *value;
    int rc = get_f64(r, key, &v);
    *value = (float)v;
    return rc;
}

static int get_bool(const reader *r, const char *key, bool *value)
{
    char name[128];
    if (!sh_tensors_meta(r->t, full_key(r, key, name))) return SH_OK;
    return sh_meta_get_bool(r->t, name, value, r->err);
}

/* The text of a key, cut to fit; "" when absent. */
static int get_text(const reader *r, const char *key, char out[64])
{
    char name[128];
    sh_str v = {0};
    out[0] = 0;
    if (!sh_tensors_meta(r->t, full_key(r, key, name))) return SH_OK;
    int rc = sh_meta_get_str(r->t, name, &v, r->err);
    if (rc == SH_OK) snprintf(out, 64, "%.*s", (int)(v.n < 63 ? v.n : 63), v.n ? v.p : "");
    return rc;
}

static uint64_t vocabulary_rows(const sh_tensors *t)
{
    const sh_tensor *embed = sh_tensors_find(t, "token_embd.weight");
    const sh_meta *tokens = sh_tensors_meta(t, "tokenizer.ggml.tokens");
    if (embed) return embed->dims[1];
    return tokens && tokens->type == SH_META_ARRAY ? tokens->n_elems : 0;
}

static int read_sizes(const reader *r, sh_hparams *hp)
{
    uint32_t value_length = 0;
    const struct { const char *key; uint32_t *value; bool required;
    } sizes[] = {
        {"block_count", &hp->n_layers, true},
        {"embedding_length", &hp->n_embd, true},
        {"attention.head_count", &hp->n_heads, true},
        {"feed_forward_length", &hp->n_ff, true},
        {"attention.head_count_kv", &hp->n_kv_heads, false},
        {"attention.key_length", &hp->head_dim, false},
        {"attention.value_length", &value_length, false},
        {"context_length", &hp->n_ctx_train, false},
        {"rope.dimension_count", &hp->n_rot, false},
        {"expert_count", &hp->n_experts, false},
        {"expert_used_count", &hp->n_experts_used, false},
        {"expert_feed_forward_length", &hp->n_ff_expert, false},
        {"expert_shared_feed_forward_length", &hp->n_ff_shared, false},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int rc = get_u32(r, sizes[i].key, sizes[i].value, sizes[i].required);
        if (rc < 0) return rc;
    }
    uint64_t rows = vocabulary_rows(r->t);
    hp->n_vocab = rows <= UINT32_MAX ? (uint32_t)rows : 0;
    if (!hp->n_heads) return sh_fail(r->err, SH_E_CORRUPT, "%s.attention.head_count is 0", r->arch);
    if (!hp->n_kv_heads) hp->n_kv_heads = hp->n_heads;
    if (!hp->head_dim) hp->head_dim = hp->n_embd / hp->n_heads;
    if (!hp->n_ctx_train) hp->n_ctx_train = 2048;
    if (value_length && value_length != hp->head_dim)
        return sh_fail(r->err, SH_E_UNSUPPORTED, "keys of %u and values of %u elements: not supported",
                       hp->head_dim, value_length);
    if (hp->n_experts && !hp->n_ff_expert) hp->n_ff_expert = hp->n_ff;
    return SH_OK;
}

/* Gemma's 27B models divide by the root of width / heads; their files do not say so. */
float sh_gguf_default_scale(const sh_hparams *hp)
{
    bool by_width = (!strcmp(hp->arch->name, "gemma2") && hp->n_layers == 46) ||
                    (!strcmp(hp->arch->name, "gemma3") && hp->n_layers == 62);
    if (hp->arch->flags & SH_ARCH_NO_SCALE) return 1;
    return (float)(1 / sqrt(by_width ? (double)hp->n_embd / hp->n_heads : hp->head_dim));
}

static int read_scales(const reader *r, sh_hparams *hp)
{
    int rc;
    float logits = 1, max_alibi = 0;
    const uint32_t flags = hp->arch->flags;
    bool parallel = hp->residual != SH_RESIDUAL_SEQUENTIAL;
    char act[64];
    sh_shown shown;
    hp->attention_scale = sh_gguf_default_scale(hp);
    if (flags & SH_ARCH_EMBED_SCALED) hp->embed_scale = sqrtf((float)hp->n_embd);
    const struct { const char *key; float *value; } numbers[] = {
        {"attention.layer_norm_epsilon", &hp->norm_eps}, {"attention.layer_norm_rms_epsilon", &hp->norm_eps},
        {"attention.scale", &hp->attention_scale}, {"embedding_scale", &hp->embed_scale},
        {"residual_scale", &hp->residual_scale}, {"logit_scale", &logits},
        {"attn_logit_softcapping", &hp->attention_softcap}, {"final_logit_softcapping", &hp->final_softcap},
        {"attention.max_alibi_bias", &max_alibi},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if ((rc = get_f32(r, numbers[i].key, numbers[i].value)) < 0) return rc;
    if (flags & SH_ARCH_NO_ATTN_SOFTCAP) hp->attention_softcap = 0;
    if (logits != 0) hp->logit_scale = 1 / logits;
    if (max_alibi > 0) hp->position = SH_POSITION_ALIBI, hp->alibi_max_bias = max_alibi;
    if ((rc = get_bool(r, "use_parallel_residual", &parallel)) < 0) return rc;
    if (!parallel) hp->residual = SH_RESIDUAL_SEQUENTIAL;
    if ((rc = get_bool(r, "expert_weights_norm", &hp->expert_norm_topk)) < 0) return rc;
    if ((rc = get_text(r, "hidden_activation", act)) < 0 || !act[0]) return rc;
    if (sh_activation_find(act) < 0)
        return sh_fail(r->err, SH_E_UNSUPPORTED, "activation '%.40s' is not supported", sh_show(&shown, act));
    hp->activation = (enum sh_activation)sh_activation_find(act);
    return SH_OK;
}

/* attn_factor multiplies what yarn's formula gives; for longrope it is the factor itself. */
static int read_rope(const reader *r, sh_hparams *hp)
{
    int rc;
    char kind[64];
    sh_shown shown;
    double attn_factor = 0;
    sh_rope_params *p = &hp->rope;
    if (hp->position != SH_POSITION_ROPE) return hp->n_rot = 0, SH_OK;
    if (!hp->n_rot) hp->n_rot = hp->head_dim;
    const struct { const char *key; double *value;
    } numbers[] = {
        {"rope.freq_base", &p->theta},
        {"rope.freq_base_swa", &hp->rope_local.theta},
        {"rope.scale_linear", &p->factor},
        {"rope.scaling.factor", &p->factor}, /* the former in files of 2023 */
        {"rope.scaling.attn_factor", &attn_factor},
        {"rope.scaling.yarn_beta_fast", &p->beta_fast},
        {"rope.scaling.yarn_beta_slow", &p->beta_slow},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if ((rc = get_f64(r, numbers[i].key, numbers[i].value)) < 0) return rc;
    if ((rc = get_u32(r, "rope.scaling.original_context_length", &p->original_ctx, false)) < 0) return rc;
    if ((rc = get_text(r, "rope.scaling.type", kind)) < 0) return rc;
    if (!p->original_ctx) p->original_ctx = hp->n_ctx_train;
    bool has_long = sh_tensors_find(r->t, "rope_factors_long.weight");
    if (!strcmp(kind, "linear") || (!kind[0] && p->factor != 1 && !has_long))
        p->scaling = SH_ROPE_SCALE_LINEAR;
    else if (!strcmp(kind, "yarn")) p->scaling = SH_ROPE_SCALE_YARN;
    else if (!strcmp(kind, "longrope") || has_long) p->scaling = SH_ROPE_SCALE_LONGROPE;
    else if (kind[0] && strcmp(kind, "none"))
        return sh_fail(r->err, SH_E_UNSUPPORTED, "rope scaling '%.40s' is not supported",
                       sh_show(&shown, kind));
    if (p->scaling != SH_ROPE_SCALE_NONE && p->scaling != SH_ROPE_SCALE_LONGROPE && !(p->factor > 0))
        return sh_fail(r->err, SH_E_CORRUPT, "%s.rope.scaling.factor is not positive", r->arch);
    if (p->scaling == SH_ROPE_SCALE_LONGROPE) p->factor = (double)hp->n_ctx_train / p->original_ctx;
    if (attn_factor > 0 && p->scaling == SH_ROPE_SCALE_LONGROPE) p->attention_factor = attn_factor;
    p->style = hp->rope_local.style = hp->arch->gguf_rope;
    if (attn_factor > 0 && p->scaling == SH_ROPE_SCALE_YARN) p->gguf_attn_factor = attn_factor;
    return SH_OK;
}

/* Element i of an array of bools or integers. */
static bool array_bit(const sh_meta *m, uint64_t i)
{
    const uint64_t size = m->n_elems ? m->n_elem_bytes / m->n_elems : 0;
    for (uint64_t b = 0; b < size; b++)
        if (m->elems[i * size + b]) return true;
    return false;
}

/* A list with an entry a layer under `key`, or NULL. */
static int get_list(const reader *r, const char *key, uint32_t n, const sh_meta **out)
{
    char name[128];
    const sh_meta *m = sh_tensors_meta(r->t, full_key(r, key, name));
    *out = m && m->type == SH_META_ARRAY && m->elems ? m : NULL;
    if (*out && m->n_elems != n)
        return sh_fail(r->err, SH_E_CORRUPT, "%s has %llu entries for %u layers", name,
                       (unsigned long long)m->n_elems, n);
    return SH_OK;
}

/* SmolLM3 leaves every fourth layer unturned. */
bool sh_gguf_default_turned(const sh_hparams *hp, uint32_t layer)
{
    return strcmp(hp->arch->name, "smollm3") != 0 || (layer + 1) % 4 != 0;
}

static int read_layers(const reader *r, sh_hparams *hp, sh_arena *arena)
{
    int rc;
    uint32_t window = 0, period = hp->arch->window_period;
    const sh_meta *windowed_list, *rope_list;
    sh_layer_traits *layers = sh_arena_zalloc(arena, hp->n_layers, sizeof *layers);
    if (!layers) return sh_fail_nomem(r->err, hp->n_layers * sizeof *layers);
    if ((rc = get_u32(r, "attention.sliding_window", &window, false)) < 0) return rc;
    if ((rc = get_list(r, "attention.sliding_window_pattern", hp->n_layers, &windowed_list)) < 0) return rc;
    if (!windowed_list && (rc = get_u32(r, "attention.sliding_window_pattern", &period, false)) < 0)
        return rc;
    if ((rc = get_list(r, "rope.layers", hp->n_layers, &rope_list)) < 0) return rc;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        char router[48];
        bool windowed = windowed_list ? array_bit(windowed_list, i) : period ? (i + 1) % period != 0 : true;
        snprintf(router, sizeof router, "blk.%u.ffn_gate_inp.weight", i);
        layers[i].window = windowed ? window : 0;
        layers[i].local_rope = windowed && (hp->arch->flags & SH_ARCH_LOCAL_ROPE);
        layers[i].experts = hp->n_experts && sh_tensors_find(r->t, router);
        layers[i].rope = hp->position == SH_POSITION_ROPE &&
                         (rope_list ? array_bit(rope_list, i) : sh_gguf_default_turned(hp, i));
    }
    hp->layers = layers;
    return SH_OK;
}

int sh_gguf_config_read(sh_hparams *hp, const sh_tensors *t, sh_arena *arena, sh_err *err)
{
    char arch[64];
    sh_str name;
    int rc = sh_meta_get_str(t, "general.architecture", &name, err);
    if (rc == SH_E_NOTFOUND) return sh_fail(err, SH_E_CORRUPT, "no general.architecture in the metadata");
    if (rc < 0) return rc;
    snprintf(arch, sizeof arch, "%.*s", (int)(name.n < 63 ? name.n : 63), name.n ? name.p : "");
    const sh_arch *row = sh_arch_by_gguf(arch);
    if (!row) return sh_arch_unknown(arch, true, err);
    if (row->flags & (SH_ARCH_NO_OUTPUT | SH_ARCH_CROSS) || row->input != SH_INPUT_TOKENS)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s models are read from Hugging Face folders only", row->name);
    reader r = {t, row->name, err};
    sh_hparams_from_arch(hp, row);
    hp->bias_qkv = hp->bias_o = hp->bias_mlp = hp->bias_output = SH_BIAS_IF_PRESENT;
    hp->tied_output = !sh_tensors_find(t, "output.weight");
    if (sh_tensors_find(t, "blk.0.attn_norm_2.weight"))
        hp->residual = SH_RESIDUAL_PARALLEL_TWO_NORMS; /* Falcon 40B */
    if ((rc = read_sizes(&r, hp)) < 0 || (rc = read_scales(&r, hp)) < 0 || (rc = read_rope(&r, hp)) < 0)
        return rc;
    if ((rc = sh_hparams_check(hp, "metadata", err)) < 0) return rc;
    return read_layers(&r, hp, arena);
}

const char *sh_gguf_file_type(uint64_t general_file_type)
{
    static const char *const names[] = {
        [0] = "F32",      [1] = "F16",      [2] = "Q4_0",       [3] = "Q4_1",    [7] = "Q8_0",
        [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",      [11] = "Q3_K_S", [12] = "Q3_K_M",
        [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M",    [16] = "Q5_K_S", [17] = "Q5_K_M",
        [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS",    [21] = "Q2_K_S", [22] = "IQ3_XS",
        [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL",    [26] = "IQ3_S",  [27] = "IQ3_M",
        [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS",    [31] = "IQ1_M",  [32] = "BF16",
        [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4_MOE",
    };
    return general_file_type < sizeof names / sizeof names[0] ? names[general_file_type] : NULL;
}
