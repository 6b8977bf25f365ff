/* forward_attention.c - queries, keys and values of a layer; the cache; the weighted sum. */
#include "model/forward_internal.h"

/* ---- rotary angles of the batch, once for all layers ---- */

static void angle_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    sh_forward *f = ud;
    const size_t pairs = f->hp->n_rot / 2;
    const bool local = f->m->rope_local.n_pairs > 0;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        const row_info *r = &f->rows[t];
        const sh_kv *kv = f->chunks[r->i_chunk].kv;
        sh_rope_at(&f->m->rope, r->pos, kv && kv->long_rope, f->cos_t + t * pairs, f->sin_t + t * pairs);
        if (local)
            sh_rope_at(&f->m->rope_local, r->pos, false, f->cos_local + t * pairs, f->sin_local + t * pairs);
    }
}

void sh_forward_angles(sh_forward *f)
{
    enum { STEPS_PER_PAIR = 40 };
    if (f->hp->position == SH_POSITION_ROPE && f->hp->n_rot)
        sh_forward_rows(f, f->n, f->hp->n_rot / 2 * STEPS_PER_PAIR, angle_rows, f);
}

/* ---- bias, norms of q and k, rotation, and the new cache entries ---- */

typedef struct layer_job {
    sh_forward *f;
    const sh_layer *l;
    uint32_t layer;
} layer_job;

static void norm_heads(const sh_forward *f, float *x, const sh_gain *g, size_t n_heads)
{
    const size_t d = f->hp->head_dim;
    if (f->hp->qk_norm == SH_QK_NORM_WHOLE) sh_forward_norm(f, x, x, g, n_heads * d);
    if (f->hp->qk_norm == SH_QK_NORM_HEAD)
        for (size_t h = 0; h < n_heads; h++) sh_forward_norm(f, x + h * d, x + h * d, g, d);
}

static void prepare_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const layer_job *j = ud;
    sh_forward *f = j->f;
    const sh_hparams *hp = f->hp;
    const sh_layer *l = j->l;
    const sh_layer_traits *traits = &hp->layers[j->layer];
    const size_t d = hp->head_dim, pairs = hp->n_rot / 2;
    const float *cos_t = traits->local_rope ? f->cos_local : f->cos_t,
                *sin_t = traits->local_rope ? f->sin_local : f->sin_t;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        float *q = f->q + t * f->s_q, *key = f->key + t * f->s_kv, *value = f->value + t * f->s_kv;
        const row_info *r = &f->rows[t];
        if (l->q.bias) f->k->add(q, l->q.bias, hp->n_heads * d);
        if (l->k.bias) f->k->add(key, l->k.bias, hp->n_kv_heads * d);
        if (l->v.bias) f->k->add(value, l->v.bias, hp->n_kv_heads * d);
        norm_heads(f, q, &l->q_norm, hp->n_heads);
        norm_heads(f, key, &l->k_norm, hp->n_kv_heads);
        if (traits->rope && pairs) {
            f->k->rope(q, hp->n_heads, d, hp->n_rot, hp->rope.style, cos_t + t * pairs, sin_t + t * pairs);
            f->k->rope(key, hp->n_kv_heads, d, hp->n_rot, hp->rope.style, cos_t + t * pairs,
                       sin_t + t * pairs);
        }
        for (uint32_t g = 0; g < hp->n_kv_heads; g++)
            f->k->kv_write(sh_forward_kv_head(f, r->i_chunk, j->layer, g), r->pos, key + g * d,
                           value + g * d);
    }
}

/* ---- attention by (key/value head, part of its query heads, tile of tokens) ---- */

static void attend_tiles(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const layer_job *j = ud;
    sh_forward *f = j->f;
    const sh_hparams *hp = f->hp;
    const uint32_t group = hp->n_heads / hp->n_kv_heads, parts = (group + f->tile_heads - 1) / f->tile_heads;
    const uint32_t window = hp->layers[j->layer].window;
    const size_t d = hp->head_dim;
    sh_attention_query queries[SH_ATTENTION_MAX_QUERIES];
    for (size_t item = begin; item < end; item++) {
        const row_tile *tile = &f->tiles[item % f->n_tiles];
        const uint32_t kv_head = (uint32_t)(item / f->n_tiles / parts),
                       part = (uint32_t)(item / f->n_tiles % parts);
        const uint32_t h0 = part * f->tile_heads,
                       h1 = h0 + f->tile_heads < group ? h0 + f->tile_heads : group;
        const uint32_t i_chunk = f->rows[tile->first].i_chunk;
        const float *relative = j->l->relative ? j->l->relative : f->m->w.relative;
        float *bias = relative ? f->relative + i_worker * f->n_relative : NULL;
        sh_attention_job job = {.kv = sh_forward_kv_head(f, i_chunk, j->layer, kv_head),
                                .queries = queries,
                                .scale = hp->attention_scale,
                                .softcap = hp->attention_softcap,
                                .scratch = f->scratch + i_worker * f->n_scratch};
        for (uint32_t t = tile->first; t < tile->first + tile->n; t++)
            for (uint32_t h = h0; h < h1; h++) {
                const size_t head = (size_t)kv_head * group + h;
                const uint32_t seen = hp->bidirectional ? f->chunks[i_chunk].n_tokens : f->rows[t].pos + 1;
                if (relative) sh_forward_relative(f, relative, (uint32_t)head, f->rows[t].pos, seen, bias);
                queries[job.n_queries++] =
                    (sh_attention_query){.q = f->q + t * f->s_q + head * d,
                                         .out = f->attn + t * f->s_q + head * d,
                                         .end = seen,
                                         .begin = window && seen > window ? seen - window : 0,
                                         .alibi_slope = f->m->alibi_slopes ? f->m->alibi_slopes[head] : 0,
                                         .bias = bias};
                if (relative) bias += seen;
            }
        f->k->attention(&job);
    }
}

/* Items that are worth a thread's waking: about 2^18 multiply-adds of scores, by the longest sequence. */
static size_t attention_grain(const sh_forward *f, uint32_t layer)
{
    enum { GRAIN_STEPS = 1 << 18 };
    const uint32_t window = f->hp->layers[layer].window;
    uint32_t longest = 0;
    for (size_t c = 0; c < f->n_chunks; c++) {
        uint32_t end = (f->chunks[c].kv ? f->chunks[c].kv->n_used : 0) + f->chunks[c].n_tokens;
        if (end > longest) longest = end;
    }
    if (window && longest > window) longest = window;
    return 1 + GRAIN_STEPS / ((size_t)longest * f->hp->head_dim * f->tile_heads * f->tiles[0].n);
}

void sh_forward_attention(sh_forward *f, uint32_t layer, const float *in)
{
    const sh_hparams *hp = f->hp;
    const sh_layer *l = &f->m->w.layers[layer];
    const uint32_t group = hp->n_heads / hp->n_kv_heads, parts = (group + f->tile_heads - 1) / f->tile_heads;
    layer_job job = {f, l, layer};
    const sh_product qkv[] = {{&l->q, f->q, f->s_q}, {&l->k, f->key, f->s_kv}, {&l->v, f->value, f->s_kv}};
    sh_forward_products(f, in, f->s_embd, f->n, qkv, 3);
    sh_forward_rows(f, f->n, 4 * f->s_q, prepare_rows, &job);
    sh_pool_run(f->pool, (size_t)hp->n_kv_heads * parts * f->n_tiles, attention_grain(f, layer), attend_tiles,
                &job);
    const sh_product o = {&l->o, f->branch, f->s_embd};
    sh_forward_products(f, f->attn, f->s_q, f->n, &o, 1);
}
