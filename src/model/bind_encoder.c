/* bind_encoder.c - the parts that models of text alone do not have. */
#include <string.h>

#include "model/bind_internal.h"
#include "model/shown.h"

static uint64_t elements_of(const sh_tensor *t)
{
    uint64_t n = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) n *= t->dims[d]; /* the container checked the product */
    return n;
}

/* All elements of a tensor as floats; files differ in how many dimensions of size 1 they give it. */
static int bind_values(binder *b, enum sh_slot slot, uint32_t layer, uint64_t n, float **out)
{
    char text[BIND_MAX_NAME] = "";
    const sh_name *name;
    int rc;
    const sh_tensor *t = bind_find(b, slot, layer, 0, ".weight", &name, text);
    if (!t) return bind_fail_missing(b, text, slot, 0, n);
    if (!b->file && !t->n_dims) return SH_OK; /* a manifest without shapes */
    if (elements_of(t) != n) return bind_check_shape(b, t, &n, 1);
    if (b->file && (rc = sh_tensor_require(b->file, t, b->err)) < 0) return rc;
    if (!b->b) return SH_OK;
    *out = bind_floats(b->b, t, n);
    return *out ? SH_OK : sh_fail_nomem(b->err, n * sizeof(float));
}

/* A convolution whose windows do not overlap, or are laid out one after another: [rows, ...] seen as rows of
 * all the other dimensions together. */
static int bind_convolution(binder *b, enum sh_slot slot, uint64_t rows, uint64_t cols, bool has_bias,
                            sh_linear *out)
{
    char text[BIND_MAX_NAME] = "";
    matrix_view v = {.fused = SH_SLOT_COUNT, .rows = rows, .cols = cols};
    float *bias = NULL;
    int rc;
    v.t = bind_find(b, slot, 0, 0, ".weight", &v.name, text);
    if (!v.t) return bind_fail_missing(b, text, slot, rows, cols);
    const bool known = v.t->n_dims > 0,
               fits = known && elements_of(v.t) == rows * cols && v.t->dims[v.t->n_dims - 1] == rows;
    if ((known || b->file) && !fits && (rc = bind_check_shape(b, v.t, (const uint64_t[]){cols, rows}, 2)) < 0)
        return rc;
    if (b->file && (rc = sh_tensor_require(b->file, v.t, b->err)) < 0) return rc;
    if (has_bias) {
        const sh_name *name;
        const sh_tensor *t = bind_find(b, slot, 0, 0, ".bias", &name, text);
        if (!t) return bind_fail_missing(b, text, slot, 0, rows);
        if ((rc = bind_check_shape(b, t, &rows, 1)) < 0) return rc;
        if (b->b && !(bias = bind_floats(b->b, t, rows))) return sh_fail_nomem(b->err, rows * sizeof(float));
        out->bias = bias;
    }
    if (!b->b) return SH_OK;
    rc = bind_matrix(b->b, out, &v, b->hp, b->opts->rt, &b->n_bytes, b->err);
    return rc < 0 ? rc : bind_report_progress(b, v.t);
}

static int bind_patches(binder *b, sh_weights *w)
{
    const sh_hparams *hp = b->hp;
    const uint64_t e = hp->n_embd, cols = (uint64_t)hp->n_channels * hp->patch * hp->patch;
    float *tokens[2] = {NULL, NULL};
    int rc = bind_convolution(b, SH_SLOT_PATCH, e, cols, hp->patch_bias, &w->patch);
    if (rc == SH_OK && hp->n_prefix > 0) rc = bind_values(b, SH_SLOT_CLASS_TOKEN, 0, e, &tokens[0]);
    if (rc == SH_OK && hp->n_prefix > 1) rc = bind_values(b, SH_SLOT_DISTIL_TOKEN, 0, e, &tokens[1]);
    if (rc < 0 || !b->b || !hp->n_prefix) return rc;
    float *all = sh_arena_alloc(b->b->arena, hp->n_prefix * e, sizeof *all);
    if (!all) return sh_fail_nomem(b->err, hp->n_prefix * e * sizeof *all);
    for (uint32_t i = 0; i < hp->n_prefix; i++) memcpy(all + i * e, tokens[i], e * sizeof *all);
    w->prefix = all;
    return SH_OK;
}

int bind_inputs(binder *b, sh_weights *w)
{
    const sh_hparams *hp = b->hp;
    const uint64_t positions = (uint64_t)hp->n_ctx_train + hp->position_offset;
    int rc = SH_OK;
    if (hp->input == SH_INPUT_TOKENS) rc = bind_table(b, SH_SLOT_EMBED, hp->n_vocab, &w->embed);
    if (rc == SH_OK && hp->input == SH_INPUT_PATCHES) rc = bind_patches(b, w);
    if (rc == SH_OK && hp->input == SH_INPUT_MEL) {
        rc = bind_convolution(b, SH_SLOT_CONV1, hp->n_embd, (uint64_t)hp->n_mels * 3, true, &w->conv1);
        if (rc == SH_OK)
            rc = bind_convolution(b, SH_SLOT_CONV2, hp->n_embd, (uint64_t)hp->n_embd * 3, true, &w->conv2);
    }
    if (rc == SH_OK && hp->n_types) rc = bind_table(b, SH_SLOT_TYPES, hp->n_types, &w->types);
    if (rc == SH_OK && hp->position == SH_POSITION_LEARNED)
        rc = bind_table(b, SH_SLOT_POSITION, positions, &w->position);
    if (rc == SH_OK && hp->embed_norm) rc = bind_gain(b, SH_SLOT_EMBED_NORM, 0, hp->n_embd, &w->embed_norm);
    return rc;
}

/* ---- layers ---- */

int bind_cross(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    const uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;
    const enum sh_bias key = hp->no_key_bias ? SH_BIAS_NO : hp->bias_qkv;
    int rc;
    if ((rc = bind_linear(b, SH_SLOT_CROSS_Q, layer, 0, q, hp->n_embd, hp->bias_qkv, &l->cross_q)) < 0 ||
        (rc = bind_linear(b, SH_SLOT_CROSS_K, layer, 0, kv, hp->n_cross, key, &l->cross_k)) < 0 ||
        (rc = bind_linear(b, SH_SLOT_CROSS_V, layer, 0, kv, hp->n_cross, hp->bias_qkv, &l->cross_v)) < 0)
        return rc;
    return bind_linear(b, SH_SLOT_CROSS_O, layer, 0, hp->n_embd, q, hp->bias_o, &l->cross_o);
}

/* Rows of a table of score biases. */
static uint64_t relative_rows(const sh_hparams *hp)
{
    if (hp->relative == SH_RELATIVE_BUCKETS) return 32;
    const uint64_t h = hp->image_h / hp->patch, w = hp->image_w / hp->patch;
    return (2 * h - 1) * (2 * w - 1) + 3;
}

static int bind_relative(binder *b, enum sh_slot slot, uint32_t layer, const float **out)
{
    float *values = NULL;
    int rc = bind_values(b, slot, layer, relative_rows(b->hp) * b->hp->n_heads, &values);
    *out = values;
    return rc;
}

int bind_extras(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    float *attn = NULL, *ffn = NULL;
    int rc = SH_OK;
    if (hp->layer_scale) {
        rc = bind_values(b, SH_SLOT_ATTN_SCALE, layer, hp->n_embd, &attn);
        if (rc == SH_OK) rc = bind_values(b, SH_SLOT_FFN_SCALE, layer, hp->n_embd, &ffn);
        l->attn_scale = attn, l->ffn_scale = ffn;
    }
    if (rc == SH_OK && hp->relative != SH_RELATIVE_NONE && !hp->relative_shared)
        rc = bind_relative(b, SH_SLOT_LAYER_REL_BIAS, layer, &l->relative);
    return rc;
}

/* ---- what follows the last layer ---- */

/* A matrix that a file may have, of as many rows as it has. *n is 0 without it. */
static int bind_optional(binder *b, enum sh_slot slot, uint64_t cols, uint32_t *n, sh_linear *out)
{
    char text[BIND_MAX_NAME] = "";
    const sh_name *name;
    *n = 0;
    if (!sh_arch_name(b->arch, b->opts->is_gguf, slot, 0)) return SH_OK;
    const sh_tensor *t = bind_find(b, slot, 0, 0, ".weight", &name, text);
    if (!t) return SH_OK;
    const uint64_t rows = t->n_dims ? elements_of(t) / (cols ? cols : 1) : 1;
    if (rows < 1 || rows > 1u << 24) return bind_check_shape(b, t, (const uint64_t[]){cols, 1}, 2);
    *n = (uint32_t)rows;
    return bind_linear(b, slot, 0, 0, rows, cols, SH_BIAS_IF_PRESENT, out);
}

/* q, k, v of the probe lie in one matrix, as torch keeps them. */
static int bind_probe(binder *b, sh_probe *p)
{
    const uint64_t e = b->hp->n_embd, ff = b->hp->n_ff, all = 3 * e;
    char text[BIND_MAX_NAME] = "";
    float *query = NULL, *bias = NULL;
    sh_linear *const parts[] = {&p->q, &p->k, &p->v};
    matrix_view v = {.fused = SH_SLOT_COUNT, .rows = e, .cols = e};
    int rc = bind_values(b, SH_SLOT_PROBE, 0, e, &query);
    if (rc == SH_OK) rc = bind_values(b, SH_SLOT_PROBE_QKV_BIAS, 0, all, &bias);
    if (rc < 0) return rc;
    v.t = bind_find(b, SH_SLOT_PROBE_QKV, 0, 0, ".weight", &v.name, text);
    if (!v.t) return bind_fail_missing(b, text, SH_SLOT_PROBE_QKV, all, e);
    if ((rc = bind_check_shape(b, v.t, (const uint64_t[]){e, all}, 2)) < 0) return rc;
    for (v.i_stacked = 0; v.i_stacked < 3 && b->b; v.i_stacked++) {
        rc = bind_matrix(b->b, parts[v.i_stacked], &v, b->hp, b->opts->rt, &b->n_bytes, b->err);
        if (rc < 0) return rc;
        parts[v.i_stacked]->bias = bias + v.i_stacked * e;
    }
    p->query = query;
    if ((rc = bind_linear(b, SH_SLOT_PROBE_O, 0, 0, e, e, SH_BIAS_YES, &p->o)) < 0 ||
        (rc = bind_gain(b, SH_SLOT_PROBE_NORM, 0, e, &p->norm)) < 0 ||
        (rc = bind_linear(b, SH_SLOT_PROBE_UP, 0, 0, ff, e, SH_BIAS_YES, &p->up)) < 0)
        return rc;
    return bind_linear(b, SH_SLOT_PROBE_DOWN, 0, 0, e, ff, SH_BIAS_YES, &p->down);
}

static int bind_scalar(binder *b, enum sh_slot slot, float *out)
{
    char text[BIND_MAX_NAME] = "";
    const sh_name *name;
    float *value = NULL;
    if (!sh_arch_name(b->arch, b->opts->is_gguf, slot, 0)) return SH_OK;
    if (!bind_find(b, slot, 0, 0, ".weight", &name, text)) return SH_OK;
    int rc = bind_values(b, slot, 0, 1, &value);
    if (value) *out = *value;
    return rc;
}

int bind_head(binder *b, sh_weights *w)
{
    sh_hparams *hp = b->hp;
    sh_head *h = &w->head;
    const uint64_t e = hp->n_embd;
    uint32_t n_pooler = 0, n_second = 0;
    int rc = SH_OK;
    if (!hp->no_output) return SH_OK;
    if (hp->relative != SH_RELATIVE_NONE && hp->relative_shared)
        rc = bind_relative(b, SH_SLOT_REL_BIAS, 0, &w->relative);
    if (rc == SH_OK) rc = bind_optional(b, SH_SLOT_POOLER, e, &n_pooler, &h->pooler);
    if (rc == SH_OK && hp->pool_norm) rc = bind_gain(b, SH_SLOT_POOL_NORM, 0, e, &h->norm);
    if (rc == SH_OK) rc = bind_optional(b, SH_SLOT_CLASSIFIER, e, &hp->n_labels, &h->classifier);
    if (rc == SH_OK) rc = bind_optional(b, SH_SLOT_CLASSIFIER2, e, &n_second, &h->classifier2);
    if (rc == SH_OK) rc = bind_optional(b, SH_SLOT_PROJECTION, e, &hp->n_projection, &h->projection);
    if (rc == SH_OK && hp->probe_head) rc = bind_probe(b, &h->probe);
    if (rc == SH_OK) rc = bind_scalar(b, SH_SLOT_LOGIT_SCALE, &h->logit_scale);
    if (rc == SH_OK) rc = bind_scalar(b, SH_SLOT_LOGIT_BIAS, &h->logit_bias);
    if (rc < 0) return rc;
    if (n_pooler && n_pooler != hp->n_embd)
        return sh_fail(b->err, SH_E_CORRUPT, "pooler of %u rows (expected %u)", n_pooler, hp->n_embd);
    if (n_second && n_second != hp->n_labels)
        return sh_fail(b->err, SH_E_CORRUPT, "classifiers of %u and %u labels", hp->n_labels, n_second);
    return SH_OK;
}
