/* forward.c - the walk through the layers. */
#include "model/forward.h"

#include <string.h>

#include "base/mem.h"
#include "model/forward_internal.h"
#include "os/file.h"

/* ---- scratch ---- */

int sh_forward_open(sh_forward **out, const sh_model *m, uint32_t max_tokens, sh_err *err)
{
    if (!m->w.layers) return sh_fail(err, SH_E_INVALID, "the model was opened without its weights");
    if (!max_tokens || max_tokens > 1u << 20)
        return sh_fail(err, SH_E_INVALID, "batch of %u tokens (expected 1 to %u)", max_tokens, 1u << 20);
    sh_forward *f = sh_new(sizeof *f, err);
    if (!f) return SH_E_NOMEM;
    f->m = m, f->hp = &m->hp, f->k = m->rt->kernels, f->pool = m->rt->pool, f->max_tokens = max_tokens;
    *out = f;
    return SH_OK;
}

void sh_forward_free(sh_forward *f)
{
    if (!f) return;
    if (f->scratch) sh_pages_free(f->scratch, f->scratch_bytes);
    sh_forward_own_free(f);
    sh_free(f->logits);
    sh_free(f->slab);
    sh_free(f);
}

typedef struct region {
    void *at;
    size_t row_bytes;
} region; /* at: the address of a pointer of sh_forward */

/* Largest encoding of one row, over the widths and kinds that products of this model can have. */
static size_t act_row_bytes(const sh_hparams *hp)
{
    const size_t widths[] = {hp->n_embd, (size_t)hp->n_heads * hp->head_dim, hp->n_ff, hp->n_ff_expert,
                             hp->n_ff_shared};
    size_t most = 0;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        for (int kind = 0; kind < SH_ACT_COUNT; kind++) {
            size_t bytes = sh_act_stride((enum sh_act_kind)kind, widths[i]);
            if (bytes > most) most = bytes;
        }
    return most;
}

/* Room for n rows in one slab; the old content is not kept. */
static int forward_reserve(sh_forward *f, uint32_t n, sh_err *err)
{
    const sh_hparams *hp = f->hp;
    if (n <= f->cap) return SH_OK;
    size_t ff = hp->n_ff > hp->n_ff_expert ? hp->n_ff : hp->n_ff_expert, total = 0;
    if (hp->n_ff_shared > ff) ff = hp->n_ff_shared;
    f->s_embd = sh_row_stride(hp->n_embd), f->s_ff = sh_row_stride(ff);
    f->s_q = sh_row_stride((size_t)hp->n_heads * hp->head_dim);
    f->s_kv = sh_row_stride((size_t)hp->n_kv_heads * hp->head_dim);
    const size_t e = f->s_embd * 4, q = f->s_q * 4, kv = f->s_kv * 4, inner = f->s_ff * 4,
                 pairs = hp->n_rot / 2 * 4, used = hp->n_experts_used * 4, one = hp->n_experts ? 4 : 0;
    /* clang-format off */
    const region regions[] = {
        {&f->x, e}, {&f->norm, e}, {&f->branch, e}, {&f->branch2, e},
        {&f->q, q}, {&f->attn, q}, {&f->key, kv}, {&f->value, kv},
        {&f->gate, inner}, {&f->up, inner}, {&f->cos_t, pairs}, {&f->sin_t, pairs},
        {&f->cos_local, pairs}, {&f->sin_local, pairs}, {&f->act, act_row_bytes(hp)},
        {&f->router, hp->n_experts * 4},
        {&f->gathered, one * f->s_embd}, {&f->expert_out, one * f->s_embd}, {&f->chosen, used},
        {&f->chosen_weight, used}, {&f->members, one}, {&f->member_weight, one},
        {&f->rows, sizeof *f->rows}, {&f->tiles, sizeof *f->tiles},
    };
    /* clang-format on */
    enum { N = sizeof regions / sizeof regions[0] };
    for (int i = 0; i < N; i++) {
        size_t bytes;
        if (!sh_mul(&bytes, regions[i].row_bytes, n) || !sh_add(&bytes, bytes, 63) ||
            !sh_add(&total, total, bytes / 64 * 64))
            return sh_fail(err, SH_E_RANGE, "scratch for %u tokens is larger than memory can be", n);
    }
    sh_free(f->slab);
    f->cap = 0;
    if (!(f->slab = sh_alloc_aligned(total, 1))) return sh_fail_nomem(err, total);
    uint8_t *at = f->slab;
    for (int i = 0; i < N; i++) {
        memcpy(regions[i].at, &at, sizeof at);
        at += (regions[i].row_bytes * n + 63) / 64 * 64;
    }
    f->cap = n;
    return SH_OK;
}

static int scratch_reserve(sh_forward *f, uint32_t n_ctx, sh_err *err)
{
    size_t n = sh_row_stride(sh_attention_scratch(n_ctx)),
           bytes = n * sizeof(float) * sh_pool_threads(f->pool);
    if (n <= f->n_scratch) return SH_OK;
    if (f->scratch) sh_pages_free(f->scratch, f->scratch_bytes);
    f->n_scratch = 0;
    if (!(f->scratch = sh_pages_alloc(bytes))) return sh_fail_nomem(err, bytes);
    f->n_scratch = n, f->scratch_bytes = bytes;
    return SH_OK;
}

/* ---- tools of the stages ---- */

void sh_forward_rows(sh_forward *f, size_t n, size_t width, sh_range_fn fn, void *ud)
{
    enum { GRAIN_STEPS = 16384 }; /* below this, waking a thread costs more than it saves */
    sh_pool_run(f->pool, n, 1 + GRAIN_STEPS / (width + 1), fn, ud);
}

void sh_forward_products(sh_forward *f, const float *x, size_t x_stride, size_t n, const sh_product *out,
                         size_t n_out)
{
    for (int kind = 0; kind < SH_ACT_COUNT; kind++) {
        sh_matmul_out outs[4];
        size_t n_outs = 0;
        for (size_t i = 0; i < n_out; i++)
            if (sh_weight_act_kind(out[i].l->w) == (enum sh_act_kind)kind)
                outs[n_outs++] = (sh_matmul_out){out[i].l->w, out[i].y, out[i].stride};
        if (!n_outs) continue;
        sh_act_encode(f->k, f->pool, (enum sh_act_kind)kind, x, x_stride, n, sh_weight_cols(outs[0].w),
                      f->act);
        sh_matmul(f->k, f->pool, f->act, n, outs, n_outs);
    }
}

void sh_forward_norm(const sh_forward *f, float *y, const float *x, const sh_gain *g, size_t n)
{
    if (f->hp->norm == SH_NORM_RMS)
        f->k->rms_norm(y, x, g->gain, n, f->hp->norm_eps, f->hp->norm_add_one);
    else
        f->k->layer_norm(y, x, g->gain, g->bias, n, f->hp->norm_eps);
}

/* What enters block i (or leaves the last one), for a chunk that asked for it. */
static void copy_layer(const sh_forward *f, size_t row, uint32_t i_layer)
{
    const row_info *r = &f->rows[row];
    const sh_chunk *c = &f->chunks[r->i_chunk];
    if (!c->layers) return;
    size_t at = ((size_t)i_layer * c->n_tokens + r->i_in_chunk) * f->hp->n_embd;
    memcpy(c->layers + at, f->x + row * f->s_embd, f->hp->n_embd * sizeof(float));
}

/* ---- embedding ---- */

/* y = row of a table, the token embedding's own matrix where it is one. */
static void table_row(const sh_table *t, size_t row, float *y, size_t n)
{
    if (t->matrix)
        sh_weight_get_row(t->matrix, row, y);
    else
        sh_dtypes[t->dtype].decode(t->rows + row * t->row_bytes, y, n);
}

static void embed_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    sh_forward *f = ud;
    const sh_weights *w = &f->m->w;
    const size_t n = f->hp->n_embd;
    const sh_gain *first = &w->layers[0].attn_norm;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        const row_info *r = &f->rows[t];
        const sh_chunk *c = &f->chunks[r->i_chunk];
        float *x = f->x + t * f->s_embd, *more = f->norm + t * f->s_embd;
        table_row(&w->embed, (size_t)c->tokens[r->i_in_chunk], x, n);
        if (f->hp->embed_scale != 1) f->k->scale(x, f->hp->embed_scale, n);
        if (f->hp->position == SH_POSITION_LEARNED) {
            table_row(&w->position, r->place, more, n);
            f->k->add(x, more, n);
        }
        if (f->hp->n_types) {
            table_row(&w->types, c->types ? (size_t)c->types[r->i_in_chunk] : 0, more, n);
            f->k->add(x, more, n);
        }
        if (f->hp->embed_norm) sh_forward_norm(f, x, x, &w->embed_norm, n);
        copy_layer(f, t, 0);
        if (first->gain) sh_forward_norm(f, f->norm + t * f->s_embd, x, first, n);
    }
}

/* ---- the end of a branch: bias, norm, residual sum, and the norm before what comes next ---- */

typedef struct branch_end {
    sh_forward *f;
    float *y[2]; /* branch results, added in this order; y[1] may be NULL */
    const float *bias[2];
    const sh_gain *post; /* norm of y[0] before it is added, or of the sum (SH_NORM_AFTER_ADD) */
    const float *scale;  /* [E] multiplies y[0] before it is added, or NULL */
    const sh_gain *next; /* norm of the sum into f->norm; NULL or without gain: none */
    uint32_t i_layer;    /* > 0: the sum is what leaves this many layers */
} branch_end;

static void branch_end_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const branch_end *e = ud;
    sh_forward *f = e->f;
    const size_t n = f->hp->n_embd;
    const bool after = f->hp->norm_place == SH_NORM_AFTER_ADD;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        float *x = f->x + t * f->s_embd;
        for (int i = 0; i < 2 && e->y[i]; i++) {
            float *y = e->y[i] + t * f->s_embd;
            if (e->bias[i]) f->k->add(y, e->bias[i], n);
            if (i == 0 && e->post->gain && !after) sh_forward_norm(f, y, y, e->post, n);
            if (f->hp->residual_scale != 1)
                f->k->mul_add(x, y, f->hp->residual_scale, n);
            else
                f->k->add(x, y, n);
        }
        if (after) sh_forward_norm(f, x, x, e->post, n);
        if (e->i_layer) copy_layer(f, t, e->i_layer);
        if (e->next && e->next->gain) sh_forward_norm(f, f->norm + t * f->s_embd, x, e->next, n);
    }
}

typedef struct norm_job {
    sh_forward *f;
    const sh_gain *g;
} norm_job;

static void norm_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const norm_job *j = ud;
    (void)i_worker;
    for (size_t t = begin; t < end; t++)
        sh_forward_norm(j->f, j->f->norm + t * j->f->s_embd, j->f->x + t * j->f->s_embd, j->g,
                        j->f->hp->n_embd);
}

/* ---- layers ---- */

static void layer_run(sh_forward *f, uint32_t i)
{
    const sh_hparams *hp = f->hp;
    const sh_layer *l = &f->m->w.layers[i];
    const sh_gain *next = i + 1 < hp->n_layers ? &f->m->w.layers[i + 1].attn_norm : NULL;
    const bool plain = hp->norm_place == SH_NORM_POST || hp->norm_place == SH_NORM_AFTER_ADD;
    const float *in = plain ? f->x : f->norm;
    sh_forward_attention(f, i, in);
    if (hp->residual == SH_RESIDUAL_SEQUENTIAL) {
        branch_end mid = {
            .f = f, .y = {f->branch}, .bias = {l->o.bias}, .post = &l->attn_post_norm, .next = &l->ffn_norm};
        sh_forward_rows(f, f->n, 4 * hp->n_embd, branch_end_rows, &mid);
        sh_forward_mlp(f, i, in, f->branch);
        branch_end last = {.f = f,
                           .y = {f->branch},
                           .bias = {l->down.bias},
                           .post = &l->ffn_post_norm,
                           .next = next,
                           .i_layer = i + 1};
        sh_forward_rows(f, f->n, 4 * hp->n_embd, branch_end_rows, &last);
        return;
    }
    if (hp->residual == SH_RESIDUAL_PARALLEL_TWO_NORMS) {
        norm_job second = {f, &l->ffn_norm};
        sh_forward_rows(f, f->n, 2 * hp->n_embd, norm_rows, &second);
    }
    sh_forward_mlp(f, i, in, f->branch2);
    branch_end both = {.f = f,
                       .y = {f->branch, f->branch2},
                       .bias = {l->o.bias, l->down.bias},
                       .post = &l->attn_post_norm,
                       .next = next,
                       .i_layer = i + 1};
    sh_forward_rows(f, f->n, 4 * hp->n_embd, branch_end_rows, &both);
}

/* ---- a batch ---- */

/* Tokens before the chunk that are no padding, where positions count those. */
static uint32_t count_real(const sh_hparams *hp, const sh_chunk *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; hp->pad_positions && c->kv && i < c->kv->n_used; i++)
        n += c->kv->tokens[i] != hp->pad_id;
    return n;
}

/* Rows and tiles of the batch. */
static void lay_out(sh_forward *f)
{
    const uint32_t group = f->hp->n_heads / f->hp->n_kv_heads;
    f->tile_heads = group < SH_ATTENTION_MAX_QUERIES ? group : SH_ATTENTION_MAX_QUERIES;
    const uint32_t tile_rows = SH_ATTENTION_MAX_QUERIES / f->tile_heads;
    uint32_t row = 0;
    f->n_tiles = 0;
    for (uint32_t c = 0; c < f->n_chunks; c++) {
        const sh_chunk *chunk = &f->chunks[c];
        const uint32_t before = chunk->kv ? chunk->kv->n_used : 0;
        uint32_t n_real = count_real(f->hp, chunk);
        for (uint32_t t = 0; t < chunk->n_tokens; t++) {
            if (t % tile_rows == 0) f->tiles[f->n_tiles++] = (row_tile){row + t, 0};
            f->tiles[f->n_tiles - 1].n++;
            row_info *r = &f->rows[row + t];
            *r = (row_info){c, t, before + t, before + t + f->hp->position_offset};
            if (!f->hp->pad_positions) continue;
            bool is_pad = chunk->tokens[t] == f->hp->pad_id;
            r->place = (uint32_t)f->hp->pad_id + (is_pad ? 0 : ++n_real);
        }
        row += chunk->n_tokens;
    }
    f->n = row;
}

/* One pass over chunks that were checked. Grows the caches only when all is done. */
static int run_batch(sh_forward *f, const sh_chunk *chunks, size_t n_chunks, sh_err *err)
{
    int rc;
    uint32_t n = 0, n_ctx = 0;
    for (size_t i = 0; i < n_chunks; i++) {
        n += chunks[i].n_tokens;
        const uint32_t room = chunks[i].kv ? chunks[i].kv->n_ctx : (chunks[i].n_tokens + 15) / 16 * 16;
        if (room > n_ctx) n_ctx = room;
    }
    if ((rc = forward_reserve(f, n, err)) < 0 || (rc = scratch_reserve(f, n_ctx, err)) < 0) return rc;
    f->chunks = chunks, f->n_chunks = n_chunks;
    if ((rc = sh_forward_own_reserve(f, err)) < 0) return rc;
    lay_out(f);
    sh_forward_angles(f);
    sh_forward_rows(f, f->n, 4 * f->hp->n_embd, embed_rows, f);
    for (uint32_t i = 0; i < f->hp->n_layers; i++) layer_run(f, i);
    if ((rc = sh_forward_output(f, err)) < 0) return rc;
    for (size_t i = 0; i < n_chunks; i++) {
        sh_kv *kv = chunks[i].kv;
        if (!kv) continue;
        memcpy(kv->tokens + kv->n_used, chunks[i].tokens, chunks[i].n_tokens * sizeof *kv->tokens);
        kv->n_used += chunks[i].n_tokens;
    }
    return SH_OK;
}

/* Longrope turns all keys of a sequence by one set of factors, chosen by its length. When a chunk crosses the
 * limit (or follows a rewind below it), the positions before it are computed anew from their tokens. */
static int refit_longrope(sh_forward *f, const sh_chunk *chunk, sh_err *err)
{
    sh_kv *kv = chunk->kv;
    if (!kv) return SH_OK;
    const uint32_t limit = f->m->rope.original_ctx, n_before = kv->n_used;
    bool use_long = limit && n_before + chunk->n_tokens > limit;
    if (kv->long_rope == use_long) return SH_OK;
    kv->long_rope = use_long;
    kv->n_used = 0;
    while (kv->n_used < n_before) {
        uint32_t n = n_before - kv->n_used;
        if (n > f->max_tokens) n = f->max_tokens;
        sh_chunk again = {.kv = kv, .tokens = kv->tokens + kv->n_used, .n_tokens = n, .want = SH_WANT_NONE};
        int rc = run_batch(f, &again, 1, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int check_chunk(const sh_forward *f, const sh_chunk *c, sh_err *err)
{
    const sh_hparams *hp = f->hp;
    const uint32_t n_used = c->kv ? c->kv->n_used : 0;
    uint32_t room = c->kv ? c->kv->n_ctx : UINT32_MAX;
    if (c->kv && hp->bidirectional) return sh_fail(err, SH_E_INVALID, "a bidirectional model keeps no cache");
    if (!c->kv && hp->rope.scaling == SH_ROPE_SCALE_LONGROPE)
        return sh_fail(err, SH_E_INVALID, "this model needs a cache");
    if (c->kv && c->kv->m != f->m) return sh_fail(err, SH_E_INVALID, "the cache belongs to another model");
    if (!c->n_tokens) return sh_fail(err, SH_E_INVALID, "a chunk without tokens");
    if (c->hidden && c->want != SH_WANT_ALL)
        return sh_fail(err, SH_E_INVALID, "hidden states need SH_WANT_ALL");
    if (c->want == SH_WANT_LAST && !c->logits) return sh_fail(err, SH_E_INVALID, "no place for the logits");
    if (hp->position == SH_POSITION_LEARNED && hp->n_ctx_train < room) room = hp->n_ctx_train;
    if (n_used > room || c->n_tokens > room - n_used)
        return sh_fail(err, SH_E_RANGE, "%u tokens after %u do not fit a context of %u", c->n_tokens, n_used,
                       room);
    for (uint32_t i = 0; i < c->n_tokens; i++)
        if (c->tokens[i] < 0 || (uint32_t)c->tokens[i] >= hp->n_vocab)
            return sh_fail(err, SH_E_RANGE, "token %d at %u (vocabulary of %u)", c->tokens[i], i,
                           hp->n_vocab);
    for (uint32_t i = 0; c->types && i < c->n_tokens; i++)
        if (c->types[i] < 0 || (uint32_t)c->types[i] >= hp->n_types)
            return sh_fail(err, SH_E_RANGE, "token type %d at %u (the model has %u)", c->types[i], i,
                           hp->n_types);
    if (c->logits && hp->no_output) return sh_fail(err, SH_E_INVALID, "this model gives no logits");
    return SH_OK;
}

int sh_forward_run(sh_forward *f, const sh_chunk *chunks, size_t n_chunks, sh_err *err)
{
    int rc;
    uint64_t n = 0;
    for (size_t i = 0; i < n_chunks; i++) {
        if ((rc = check_chunk(f, &chunks[i], err)) < 0) return rc;
        for (size_t j = 0; j < i; j++)
            if (chunks[i].kv && chunks[i].kv == chunks[j].kv)
                return sh_fail(err, SH_E_INVALID, "two chunks of one batch share a cache");
        n += chunks[i].n_tokens;
    }
    if (n > f->max_tokens)
        return sh_fail(err, SH_E_RANGE, "batch of %llu tokens (room for %u)", (unsigned long long)n,
                       f->max_tokens);
    if (!n) return SH_OK;
    for (size_t i = 0; i < n_chunks; i++)
        if ((rc = refit_longrope(f, &chunks[i], err)) < 0) return rc;
    return run_batch(f, chunks, n_chunks, err);
}
