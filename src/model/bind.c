/* bind.c - which stored tensor is which weight.
 *
 * The walk over a model's slots is written once and serves both loading and checking a manifest: without a
 * binding the same names are looked up and the same shapes compared, and nothing is opened. */
#include "model/bind.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/bind_internal.h"
#include "model/shown.h"

static const sh_tensor *at_list(const void *ud, size_t i)
{
    return (const sh_tensor *)ud + i;
}
static const sh_tensor *at_file(const void *ud, size_t i)
{
    return sh_tensors_at(ud, i);
}

/* stem with its numbers and suffix: "model.layers.%.mlp.experts.#.w1" ->
 * "model.layers.3.mlp.experts.7.w1.weight" */
static void compose(const binder *b, char out[BIND_MAX_NAME], const char *stem, uint32_t layer,
                    uint32_t expert, const char *suffix)
{
    size_t n = 0, skip = 0;
    const char *prefix = b->arch->hf_prefix;
    if (*stem == '^')
        skip = 1;
    else if (b->naming == NAMES_IN_OUTER)
        n = (size_t)snprintf(out, BIND_MAX_NAME, "%s", b->outer);
    if (b->naming == NAMES_WITHOUT_PREFIX && sh_starts_with(stem, prefix)) skip = strlen(prefix);
    for (const char *p = stem + skip; *p && n < BIND_MAX_NAME - 1; p++) {
        if (*p == '%' || *p == '#')
            n += (size_t)snprintf(out + n, BIND_MAX_NAME - n, "%u", *p == '%' ? layer : expert);
        else
            out[n++] = *p;
        if (n >= BIND_MAX_NAME) n = BIND_MAX_NAME - 1;
    }
    snprintf(out + n, BIND_MAX_NAME - n, "%s", suffix);
}

static const sh_tensor *look_up(binder *b, const char *name, bool mark)
{
    uint64_t i;
    if (!sh_map_get(b->by_name, name, strlen(name), &i)) return NULL;
    if (mark) b->used[i] = 1;
    return b->at(b->ud, (size_t)i);
}

/* The tensor that stores a slot, or NULL; *name is the way of naming that found it, else the first way (for
 * messages). */
const sh_tensor *bind_find(binder *b, enum sh_slot slot, uint32_t layer, uint32_t expert, const char *suffix,
                           const sh_name **name, char text[BIND_MAX_NAME])
{
    *name = NULL;
    for (size_t i = 0;; i++) {
        const sh_name *n = sh_arch_name(b->arch, b->opts->is_gguf, slot, i);
        if (!n) break;
        char candidate[BIND_MAX_NAME], old[BIND_MAX_NAME];
        compose(b, candidate, n->stem, layer, expert, n->bare ? "" : suffix);
        const sh_tensor *t = look_up(b, candidate, true);
        if (!t && !b->opts->is_gguf &&
            sh_ends_with(n->stem, "LayerNorm")) { /* old BERTs, as TensorFlow has them */
            compose(b, old, n->stem, layer, expert, strcmp(suffix, ".weight") ? ".beta" : ".gamma");
            t = look_up(b, old, true);
        }
        if (!t && i) continue;
        memcpy(text, candidate, BIND_MAX_NAME);
        *name = n;
        if (t) return t;
    }
    return NULL;
}

int bind_fail_missing(const binder *b, const char *name, enum sh_slot slot, uint64_t rows, uint64_t cols)
{
    if (!name[0])
        return sh_fail(b->err, SH_E_UNSUPPORTED, "this file format has no name for %s of a %s model",
                       sh_slot_text(slot), b->arch->name);
    if (rows)
        return sh_fail(b->err, SH_E_CORRUPT, "tensor '%s' is missing (expected [%llu, %llu])", name,
                       (unsigned long long)rows, (unsigned long long)cols);
    return sh_fail(b->err, SH_E_CORRUPT, "tensor '%s' is missing (expected [%llu])", name,
                   (unsigned long long)cols);
}

/* dims as stored, contiguous one first; n of them, trailing ones of size 1 do not count. */
int bind_check_shape(const binder *b, const sh_tensor *t, const uint64_t *dims, uint32_t n)
{
    char found[96] = "", wanted[96] = "";
    size_t nf = 0, nw = 0;
    if (b->file) {
        int rc = sh_tensor_require(b->file, t, b->err);
        if (rc < 0) return rc;
    } else if (!t->n_dims) {
        return SH_OK; /* a manifest without shapes */
    }
    bool same = true;
    for (uint32_t d = 0; d < SH_MAX_DIMS; d++)
        same = same && (d < t->n_dims ? t->dims[d] : 1) == (d < n ? dims[d] : 1);
    if (same) return SH_OK;
    for (uint32_t d = t->n_dims; d-- > 0;)
        nf += (size_t)snprintf(found + nf, sizeof found - nf, "%llu%s", (unsigned long long)t->dims[d],
                               d ? ", " : "");
    for (uint32_t d = n; d-- > 0;)
        nw += (size_t)snprintf(wanted + nw, sizeof wanted - nw, "%llu%s", (unsigned long long)dims[d],
                               d ? ", " : "");
    return sh_fail(b->err, SH_E_CORRUPT, "tensor '%s': shape [%s] (expected [%s])",
                   sh_show(&(sh_shown){{0}}, t->name), found, wanted);
}

/* n floats of a gain, or of a bias (rows of `view` when it is a fused one). */
static int bind_vector(binder *b, enum sh_slot slot, uint32_t layer, const char *suffix, enum sh_bias need,
                       const matrix_view *view, uint64_t n_stored, uint64_t n, const float **out)
{
    const sh_name *name;
    char text[BIND_MAX_NAME] = "";
    int rc;
    if (need == SH_BIAS_NO) return SH_OK;
    const sh_tensor *t = bind_find(b, slot, layer, 0, suffix, &name, text);
    if (!t) return need == SH_BIAS_YES ? bind_fail_missing(b, text, slot, 0, n_stored) : SH_OK;
    if ((rc = bind_check_shape(b, t, &n_stored, 1)) < 0 || !b->b) return rc;
    float *all = bind_floats(b->b, t, n_stored), *part = all;
    if (!all) return sh_fail_nomem(b->err, n_stored * sizeof(float));
    if (view && view->fused != SH_SLOT_COUNT) {
        part = sh_arena_alloc(b->b->arena, n, sizeof *part);
        if (!part) return sh_fail_nomem(b->err, n * sizeof(float));
        for (uint64_t r = 0; r < n; r++) part[r] = all[bind_row(view, b->hp, r)];
    }
    *out = part;
    return SH_OK;
}

int bind_gain(binder *b, enum sh_slot slot, uint32_t layer, uint64_t n, sh_gain *out)
{
    int rc = bind_vector(b, slot, layer, ".weight", SH_BIAS_YES, NULL, n, n, &out->gain);
    if (rc < 0 || b->hp->norm != SH_NORM_LAYER) return rc;
    return bind_vector(b, slot, layer, ".bias", b->opts->is_gguf ? SH_BIAS_IF_PRESENT : SH_BIAS_YES, NULL, n,
                       n, &out->bias);
}

int bind_report_progress(binder *b, const sh_tensor *t)
{
    b->bytes_done += t->n_bytes;
    if (!b->opts->on_progress || !b->b) return SH_OK;
    double done = b->bytes_total ? (double)b->bytes_done / (double)b->bytes_total : 1;
    return b->opts->on_progress(b->opts->progress_ud, done < 1 ? done : 1)
               ? sh_fail(b->err, SH_E_CANCELLED, "loading was cancelled")
               : SH_OK;
}

/* A matrix stored alone, or one of a stack of experts. */
int bind_linear(binder *b, enum sh_slot slot, uint32_t layer, uint32_t expert, uint64_t rows, uint64_t cols,
                enum sh_bias bias, sh_linear *out)
{
    int rc;
    char text[BIND_MAX_NAME] = "";
    matrix_view v = {.fused = SH_SLOT_COUNT, .rows = rows, .cols = cols};
    v.t = bind_find(b, slot, layer, expert, ".weight", &v.name, text);
    if (!v.t) return bind_fail_missing(b, text, slot, rows, cols);
    bool stacked = slot >= SH_SLOT_EXPERT_GATE && slot <= SH_SLOT_EXPERT_DOWN && !strchr(v.name->stem, '#');
    uint64_t dims[3] = {v.name->transposed ? rows : cols, v.name->transposed ? cols : rows, b->hp->n_experts};
    if ((rc = bind_check_shape(b, v.t, dims, stacked ? 3 : 2)) < 0) return rc;
    v.i_stacked = stacked ? expert : 0;
    if ((rc = bind_vector(b, slot, layer, ".bias", bias, NULL, rows, rows, &out->bias)) < 0) return rc;
    if (!b->b) return SH_OK;
    if ((rc = bind_matrix(b->b, out, &v, b->hp, b->opts->rt, &b->n_bytes, b->err)) < 0) return rc;
    return stacked && expert + 1 < b->hp->n_experts ? SH_OK : bind_report_progress(b, v.t);
}

/* parts [n] from one stored tensor when the file has it. *found tells. */
static int bind_fused(binder *b, enum sh_slot slot, uint32_t layer, sh_linear *const *parts,
                      const uint64_t *rows, unsigned n, enum sh_bias bias, bool *found)
{
    int rc = SH_OK;
    char text[BIND_MAX_NAME] = "";
    uint64_t total = 0;
    matrix_view v = {.fused = slot, .cols = b->hp->n_embd};
    v.t = bind_find(b, slot, layer, 0, ".weight", &v.name, text);
    *found = v.t != NULL;
    if (!v.t) return SH_OK;
    for (unsigned i = 0; i < n; i++) total += rows[i];
    uint64_t dims[2] = {v.name->transposed ? total : v.cols, v.name->transposed ? v.cols : total};
    if ((rc = bind_check_shape(b, v.t, dims, 2)) < 0) return rc;
    for (v.part = 0; v.part < n && rc == SH_OK; v.part++) {
        v.rows = rows[v.part];
        rc = bind_vector(b, slot, layer, ".bias", bias, &v, total, v.rows, &parts[v.part]->bias);
        if (rc == SH_OK && b->b)
            rc = bind_matrix(b->b, parts[v.part], &v, b->hp, b->opts->rt, &b->n_bytes, b->err);
    }
    return rc < 0 ? rc : bind_report_progress(b, v.t);
}

static int bind_attention(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    const uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;
    bool fused;
    int rc = bind_fused(b, SH_SLOT_QKV, layer, (sh_linear *const[]){&l->q, &l->k, &l->v},
                        (const uint64_t[]){q, kv, kv}, 3, hp->bias_qkv, &fused);
    if (rc < 0) return rc;
    if (!fused && sh_arch_name(b->arch, b->opts->is_gguf, SH_SLOT_Q, 0)) {
        if ((rc = bind_linear(b, SH_SLOT_Q, layer, 0, q, hp->n_embd, hp->bias_qkv, &l->q)) < 0) return rc;
        if ((rc = bind_linear(b, SH_SLOT_K, layer, 0, kv, hp->n_embd,
                              hp->no_key_bias ? SH_BIAS_NO : hp->bias_qkv, &l->k)) < 0)
            return rc;
        if ((rc = bind_linear(b, SH_SLOT_V, layer, 0, kv, hp->n_embd, hp->bias_qkv, &l->v)) < 0) return rc;
    } else if (!fused) {
        return bind_linear(b, SH_SLOT_QKV, layer, 0, q + 2 * kv, hp->n_embd, SH_BIAS_NO,
                           &l->q); /* says what is missing */
    }
    if (hp->qk_norm != SH_QK_NORM_NONE) {
        bool whole = hp->qk_norm == SH_QK_NORM_WHOLE;
        if ((rc = bind_gain(b, SH_SLOT_Q_NORM, layer, whole ? q : hp->head_dim, &l->q_norm)) < 0) return rc;
        if ((rc = bind_gain(b, SH_SLOT_K_NORM, layer, whole ? kv : hp->head_dim, &l->k_norm)) < 0) return rc;
    }
    return bind_linear(b, SH_SLOT_O, layer, 0, hp->n_embd, q, hp->bias_o, &l->o);
}

/* Gate and up of expert e out of one stack [n_experts, 2 n_ff_expert, n_embd], when the file has it. */
static int bind_stacked_pair(binder *b, uint32_t layer, uint32_t e, sh_expert *x, bool *found)
{
    const sh_hparams *hp = b->hp;
    char text[BIND_MAX_NAME] = "";
    matrix_view v = {.fused = SH_SLOT_COUNT, .rows = hp->n_ff_expert, .cols = hp->n_embd};
    const uint64_t dims[3] = {hp->n_embd, 2 * (uint64_t)hp->n_ff_expert, hp->n_experts};
    int rc;
    v.t = bind_find(b, SH_SLOT_EXPERT_GATE_UP, layer, 0, ".weight", &v.name, text);
    *found = v.t != NULL;
    if (!v.t || (rc = bind_check_shape(b, v.t, dims, 3)) < 0) return v.t ? rc : SH_OK;
    for (unsigned part = 0; part < 2 && b->b; part++) {
        v.i_stacked = 2 * (uint64_t)e + part;
        rc = bind_matrix(b->b, part ? &x->up : &x->gate, &v, hp, b->opts->rt, &b->n_bytes, b->err);
        if (rc < 0) return rc;
    }
    return e + 1 < hp->n_experts ? SH_OK : bind_report_progress(b, v.t);
}

static int bind_expert(binder *b, uint32_t layer, uint32_t e, sh_expert *x)
{
    const uint64_t ff = b->hp->n_ff_expert, width = b->hp->n_embd;
    bool found;
    int rc = bind_stacked_pair(b, layer, e, x, &found);
    if (rc == SH_OK && !found)
        rc = bind_linear(b, SH_SLOT_EXPERT_GATE, layer, e, ff, width, SH_BIAS_NO, &x->gate);
    if (rc == SH_OK && !found)
        rc = bind_linear(b, SH_SLOT_EXPERT_UP, layer, e, ff, width, SH_BIAS_NO, &x->up);
    return rc < 0 ? rc : bind_linear(b, SH_SLOT_EXPERT_DOWN, layer, e, width, ff, SH_BIAS_NO, &x->down);
}

static int bind_experts(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    uint64_t s_ff = hp->n_ff_shared, width = hp->n_embd;
    sh_expert ignored = {0};
    int rc = bind_linear(b, SH_SLOT_ROUTER, layer, 0, hp->n_experts, width, SH_BIAS_NO, &l->router);
    if (rc < 0) return rc;
    if (b->b && !(l->experts = sh_arena_zalloc(b->b->arena, hp->n_experts, sizeof *l->experts)))
        return sh_fail_nomem(b->err, hp->n_experts * sizeof *l->experts);
    for (uint32_t e = 0; e < hp->n_experts; e++) {
        if ((rc = bind_expert(b, layer, e, l->experts ? &l->experts[e] : &ignored)) < 0) return rc;
    }
    if (!s_ff) return SH_OK;
    if ((rc = bind_linear(b, SH_SLOT_SHARED_GATE, layer, 0, s_ff, width, SH_BIAS_NO, &l->shared.gate)) < 0)
        return rc;
    if ((rc = bind_linear(b, SH_SLOT_SHARED_UP, layer, 0, s_ff, width, SH_BIAS_NO, &l->shared.up)) < 0)
        return rc;
    if ((rc = bind_linear(b, SH_SLOT_SHARED_DOWN, layer, 0, width, s_ff, SH_BIAS_NO, &l->shared.down)) < 0)
        return rc;
    return bind_linear(b, SH_SLOT_SHARED_ROUTER, layer, 0, 1, width, SH_BIAS_NO, &l->shared_router);
}

static int bind_mlp(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    const uint64_t ff = hp->n_ff;
    bool fused = false;
    int rc = SH_OK;
    if (sh_arch_has_slot(hp, SH_SLOT_ROUTER, layer)) return bind_experts(b, layer, l);
    if (hp->gated)
        rc = bind_fused(b, SH_SLOT_GATE_UP, layer, (sh_linear *const[]){&l->gate, &l->up},
                        (const uint64_t[]){ff, ff}, 2, hp->bias_mlp, &fused);
    if (rc == SH_OK && hp->gated && !fused)
        rc = bind_linear(b, SH_SLOT_GATE, layer, 0, ff, hp->n_embd, hp->bias_mlp, &l->gate);
    if (rc == SH_OK && !fused)
        rc = bind_linear(b, SH_SLOT_UP, layer, 0, ff, hp->n_embd, hp->bias_mlp, &l->up);
    return rc < 0 ? rc : bind_linear(b, SH_SLOT_DOWN, layer, 0, hp->n_embd, ff, hp->bias_mlp, &l->down);
}

static int bind_layer(binder *b, uint32_t layer, sh_layer *l)
{
    const sh_hparams *hp = b->hp;
    const struct {
        enum sh_slot slot;
        sh_gain *out;
    } norms[] = {
        {SH_SLOT_ATTN_NORM, &l->attn_norm},   {SH_SLOT_ATTN_POST_NORM, &l->attn_post_norm},
        {SH_SLOT_CROSS_NORM, &l->cross_norm}, {SH_SLOT_CROSS_POST_NORM, &l->cross_post_norm},
        {SH_SLOT_FFN_NORM, &l->ffn_norm},     {SH_SLOT_FFN_POST_NORM, &l->ffn_post_norm},
    };
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++) {
        if (!sh_arch_has_slot(hp, norms[i].slot, layer)) continue;
        int rc = bind_gain(b, norms[i].slot, layer, hp->n_embd, norms[i].out);
        if (rc < 0) return rc;
    }
    int rc = bind_attention(b, layer, l);
    if (rc == SH_OK && hp->n_cross) rc = bind_cross(b, layer, l);
    if (rc == SH_OK) rc = bind_extras(b, layer, l);
    return rc < 0 ? rc : bind_mlp(b, layer, l);
}

int bind_table(binder *b, enum sh_slot slot, uint64_t rows, sh_table *out)
{
    char text[BIND_MAX_NAME] = "";
    const sh_name *name;
    const sh_tensor *t = bind_find(b, slot, 0, 0, ".weight", &name, text);
    uint64_t dims[2] = {b->hp->n_embd, rows};
    int rc;
    if (!t) return bind_fail_missing(b, text, slot, rows, b->hp->n_embd);
    if ((rc = bind_check_shape(b, t, dims, 2)) < 0) return rc;
    *out = (sh_table){.rows = t->data, .dtype = t->dtype, .n_rows = rows, .n_cols = b->hp->n_embd};
    if (b->b && !sh_dtype_row_bytes(&out->row_bytes, t->dtype, b->hp->n_embd))
        return sh_fail(b->err, SH_E_UNSUPPORTED, "tensor '%s': rows of %u do not fit its blocks",
                       sh_show(&(sh_shown){{0}}, t->name), b->hp->n_embd);
    return SH_OK;
}

/* Divisors of rotary frequencies that GGUF keeps as tensors. */
static int bind_rope_factors(binder *b, sh_hparams *hp)
{
    const uint64_t n = hp->n_rot / 2;
    int rc;
    if (!b->opts->is_gguf || !n) return SH_OK;
    if ((rc = bind_vector(b, SH_SLOT_ROPE_FREQS, 0, ".weight", SH_BIAS_IF_PRESENT, NULL, n, n,
                          &hp->rope.freq_divisor)) < 0)
        return rc;
    enum sh_bias need = hp->rope.scaling == SH_ROPE_SCALE_LONGROPE ? SH_BIAS_YES : SH_BIAS_IF_PRESENT;
    if ((rc = bind_vector(b, SH_SLOT_ROPE_LONG, 0, ".weight", need, NULL, n, n, &hp->rope.long_factor)) < 0)
        return rc;
    return bind_vector(b, SH_SLOT_ROPE_SHORT, 0, ".weight", need, NULL, n, n, &hp->rope.short_factor);
}

static int bind_output(binder *b, sh_weights *w)
{
    const sh_hparams *hp = b->hp;
    int rc = hp->final_norm ? bind_gain(b, SH_SLOT_OUTPUT_NORM, 0, hp->n_embd, &w->output_norm) : SH_OK;
    if (rc < 0 || hp->no_output) return rc;
    enum sh_slot slot = hp->tied_output ? SH_SLOT_EMBED : SH_SLOT_OUTPUT;
    if ((rc = bind_linear(b, slot, 0, 0, hp->n_vocab, hp->n_embd, SH_BIAS_NO, &w->output)) < 0) return rc;
    return bind_vector(b, SH_SLOT_OUTPUT, 0, ".bias", hp->bias_output, NULL, hp->n_vocab, hp->n_vocab,
                       &w->output.bias);
}

/* Stored by old writers and of no use: masks, rotary tables, a copy of a tied output matrix. */
static bool is_harmless(const binder *b, const char *name)
{
    static const char *const endings[] = {"rotary_emb.inv_freq",     ".attn.bias",
                                          ".attn.masked_bias",       ".attention.bias",
                                          ".attention.masked_bias",  ".attn.causal_mask",
                                          ".attn_rot_embd.weight",   "position_ids",
                                          "relative_position_index", "embed_positions._float_tensor"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (sh_ends_with(name, endings[i])) return true;
    if (b->naming == NAMES_IN_OUTER && !sh_starts_with(name, b->outer))
        return true; /* a vision tower, a head for training */
    return b->hp->tied_output && (sh_ends_with(name, "lm_head.weight") || !strcmp(name, "output.weight"));
}

static int check_left_over(const binder *b)
{
    for (size_t i = 0; i < b->n_tensors; i++) {
        const sh_tensor *t = b->at(b->ud, i);
        if (!b->used[i] && !is_harmless(b, t->name))
            return sh_fail(b->err, SH_E_CORRUPT, "tensor '%s' is not part of this %s model",
                           sh_show(&(sh_shown){{0}}, t->name), b->arch->name);
    }
    return SH_OK;
}

/* Files may lack the reference's outermost prefix, or stand inside a larger model: the embedding's name
 * tells. */
static bool naming_fits(binder *b)
{
    static const enum sh_slot anchors[] = {SH_SLOT_EMBED, SH_SLOT_PATCH, SH_SLOT_CONV1, SH_SLOT_Q};
    char name[BIND_MAX_NAME];
    for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++) {
        const sh_name *n = sh_arch_name(b->arch, b->opts->is_gguf, anchors[i], 0);
        if (!n) continue;
        compose(b, name, n->stem, 0, 0, ".weight");
        if (look_up(b, name, false)) return true;
    }
    return false;
}

static void choose_naming(binder *b)
{
    b->naming = NAMES_AS_WRITTEN;
    if (b->opts->is_gguf || naming_fits(b)) return;
    b->naming = NAMES_WITHOUT_PREFIX;
    if (b->arch->hf_prefix && naming_fits(b)) return;
    b->naming = NAMES_IN_OUTER;
    for (size_t i = 0; sh_arch_outer(b->arch, i, b->outer); i++)
        if (naming_fits(b)) return;
    b->naming = NAMES_AS_WRITTEN;
}

/* A model whose output matrix may be left out when it equals the embedding. */
static void settle_tie(binder *b)
{
    char text[BIND_MAX_NAME] = "";
    const sh_name *name;
    if (b->hp->tie_if_absent)
        b->hp->tied_output = !bind_find(b, SH_SLOT_OUTPUT, 0, 0, ".weight", &name, text);
}

static int walk(binder *b, sh_weights *w, sh_hparams *rope_target)
{
    int rc;
    sh_layer ignored;
    choose_naming(b);
    settle_tie(b);
    if ((rc = bind_inputs(b, w)) < 0) return rc;
    if (rope_target && (rc = bind_rope_factors(b, rope_target)) < 0) return rc;
    for (uint32_t i = 0; i < b->hp->n_layers; i++) {
        memset(&ignored, 0, sizeof ignored);
        if ((rc = bind_layer(b, i, w->layers ? &w->layers[i] : &ignored)) < 0) return rc;
    }
    if ((rc = bind_output(b, w)) < 0 || (rc = bind_head(b, w)) < 0) return rc;
    if (b->hp->tied_output) w->embed.matrix = w->output.w;
    return b->opts->keep_looking ? SH_OK : check_left_over(b);
}

static int index_names(binder *b, sh_err *err)
{
    b->used = b->opts->used ? b->opts->used : sh_zalloc(b->n_tensors ? b->n_tensors : 1, 1);
    b->by_name = sh_map_open(0);
    if (!b->used || !b->by_name || !sh_map_reserve(b->by_name, b->n_tensors))
        return sh_fail_nomem(err, b->n_tensors * 32);
    for (size_t i = 0; i < b->n_tensors; i++) {
        const sh_tensor *t = b->at(b->ud, i);
        if (!sh_map_set(b->by_name, t->name, strlen(t->name), i)) return sh_fail_nomem(err, 32);
        b->bytes_total += t->n_bytes;
    }
    return SH_OK;
}

int sh_bind_check(const sh_hparams *hp, bool is_gguf, const sh_tensor *tensors, size_t n, sh_err *err)
{
    sh_weights ignored = {0};
    uint8_t *used = sh_zalloc(n ? n : 1, 1);
    const sh_hparams *const parts[] = {hp, hp->encoder};
    int rc = used ? SH_OK : sh_fail_nomem(err, n);
    for (size_t i = 0; i < 2 && parts[i] && rc == SH_OK; i++) {
        sh_hparams copy = *parts[i];
        sh_bind_opts opts = {.is_gguf = is_gguf, .used = used, .keep_looking = i == 0 && hp->encoder};
        binder b = {.hp = &copy,
                    .arch = copy.arch,
                    .opts = &opts,
                    .at = at_list,
                    .ud = tensors,
                    .n_tensors = n,
                    .err = err};
        rc = index_names(&b, err);
        if (rc == SH_OK) rc = walk(&b, &ignored, &copy);
        sh_map_free(b.by_name);
    }
    sh_free(used);
    return rc;
}

int sh_bind(sh_binding **out, sh_weights *weights, sh_hparams *hp, const sh_tensors *t,
            const sh_bind_opts *opts, sh_err *err)
{
    binder b = {.hp = hp,
                .arch = hp->arch,
                .opts = opts,
                .file = t,
                .at = at_file,
                .ud = t,
                .n_tensors = sh_tensors_count(t),
                .err = err};
    sh_weights w = {0};
    int rc = SH_E_NOMEM;
    sh_binding *binding = sh_new(sizeof *binding, err);
    if (!binding) return SH_E_NOMEM;
    b.b = binding;
    if (!(binding->arena = sh_arena_open()) ||
        !(w.layers = sh_arena_zalloc(binding->arena, hp->n_layers, sizeof *w.layers))) {
        rc = sh_fail_nomem(err, hp->n_layers * sizeof *w.layers);
        goto out;
    }
    if ((rc = index_names(&b, err)) < 0 || (rc = walk(&b, &w, hp)) < 0) goto out;
    w.n_bytes = b.n_bytes + (hp->tied_output ? 0 : w.embed.n_rows * w.embed.row_bytes);
    *weights = w;
    *out = binding;
    binding = NULL;
out:
    sh_binding_free(binding);
    sh_map_free(b.by_name);
    if (b.used != b.opts->used) sh_free(b.used);
    return rc;
}

void sh_binding_free(sh_binding *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->n_matrices; i++) sh_weight_free(b->matrices[i]);
    sh_free(b->matrices);
    for (owned_block *o = b->blocks; o; o = o->next) sh_free(o->p);
    sh_arena_free(b->arena);
    sh_free(b);
}
