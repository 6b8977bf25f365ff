/* lanes_attention.h - attention over 16 lanes, equal to ref_attention.c bit for bit. Included once by each
 * table_<set>.c.
 *
 * Scores: one lane is one position, so a key vector serves all queries of a tile, and each score is a
 * sequential sum. Values: one lane is one output element; a value vector serves all queries of the tile that
 * see the position. Scores of whole groups of 16 positions are computed; those outside a query's range are
 * then set to -inf, so that their exp is +0 and leaves the denominator's lanes as they are. Values outside
 * the range are never read. */
#ifndef SH_TENSOR_KERNELS_LANES_ATTENTION_H
#define SH_TENSOR_KERNELS_LANES_ATTENTION_H

#include <math.h>

#include "tensor/kernels/tables.h"

typedef struct tile {
    const sh_attention_job *job;
    const sh_attention_query *q; /* [n] */
    float *p[ATTENTION_QUERIES]; /* scores, then probabilities, by absolute position */
    float inverse[ATTENTION_QUERIES];
} tile;

/* 16 neighbours from element index i on, the first n of them (n 16: all). */
SH_INLINE vf load_elements(enum sh_kv_type type, const void *data, size_t i, size_t n, vf scale)
{
    if (n < 16) { /* the end of a head whose size is no multiple of 16 */
        uint8_t rest[64] = {0};
        size_t size = type == SH_KV_F32 ? 4 : type == SH_KV_F16 ? 2 : 1;
        memcpy(rest, (const uint8_t *)data + i * size, n * size);
        return type == SH_KV_F32   ? vf_load((const float *)(const void *)rest)
               : type == SH_KV_F16 ? vf_load_f16(rest)
                                   : vf_mul(vi_to_f(vi_load_i8(rest)), scale);
    }
    if (type == SH_KV_F32) return vf_load((const float *)data + i);
    if (type == SH_KV_F16) return vf_load_f16((const uint16_t *)data + i);
    return vf_mul(vi_to_f(vi_load_i8((const int8_t *)data + i)), scale);
}

/* Dot products of nq queries with the keys of ng groups of 16 positions from group g on. */
SH_INLINE void dot_groups(enum sh_kv_type type, const tile *t, size_t g, int nq, int ng)
{
    const sh_kv_head *kv = t->job->kv;
    size_t dim = kv->head_dim, n_scales = (dim + 31) / 32;
    vf acc[ATTENTION_QUERIES][ATTENTION_GROUPS];
    for (int i = 0; i < nq; i++)
        for (int j = 0; j < ng; j++) acc[i][j] = vf_zero();
    for (size_t e = 0; e < dim; e++) {
        vf k[ATTENTION_GROUPS];
        SH_UNROLL
        for (int j = 0; j < ng; j++) {
            vf scale = type == SH_KV_Q8 ? vf_load(kv->key_scales + ((g + (size_t)j) * n_scales + e / 32) * 16)
                                        : vf_zero();
            k[j] = load_elements(type, kv->keys, ((g + (size_t)j) * dim + e) * 16, 16, scale);
        }
        SH_UNROLL
        for (int i = 0; i < nq; i++) {
            vf q = vf_set1(t->q[i].q[e]);
            SH_UNROLL
            for (int j = 0; j < ng; j++) acc[i][j] = vf_add(acc[i][j], vf_mul(q, k[j]));
        }
    }
    for (int i = 0; i < nq; i++)
        for (int j = 0; j < ng; j++) vf_store(t->p[i] + (g + (size_t)j) * 16, acc[i][j]);
}

SH_INLINE void dot_all(enum sh_kv_type type, const tile *t, int nq)
{
    size_t begin = t->q[0].begin, end = t->q[0].end;
    for (int i = 1; i < nq; i++) {
        begin = t->q[i].begin < begin ? t->q[i].begin : begin;
        end = t->q[i].end > end ? t->q[i].end : end;
    }
    size_t g = begin / 16, g_end = (end + 15) / 16;
    for (; g + ATTENTION_GROUPS <= g_end; g += ATTENTION_GROUPS) dot_groups(type, t, g, nq, ATTENTION_GROUPS);
    for (; g < g_end; g++) dot_groups(type, t, g, nq, 1);
}

/* Biases of positions j .. j + 15; there are none past the query's end, where the score is set to -inf. */
SH_INLINE vf load_bias(const sh_attention_query *q, size_t j)
{
    float rest[16] = {0};
    if (j + 16 <= q->end) return vf_load(q->bias + j);
    memcpy(rest, q->bias + j, (q->end - j) * sizeof(float));
    return vf_load(rest);
}

/* Raw dot products to probabilities not yet divided; returns 1 / denominator. */
static float probabilities(const sh_attention_job *job, const sh_attention_query *q, float *p)
{
    static const float lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t from = q->begin & ~15u, to = ((size_t)q->end + 15) & ~(size_t)15;
    vf scale = vf_set1(job->scale), cap = vf_set1(job->softcap), slope = vf_set1(q->alibi_slope);
    for (size_t j = from; j < to; j += 16) {
        vf s = vf_load(p + j);
        if (q->alibi_slope != 0)
            s = vf_add(s, vf_mul(slope, vf_add(vf_set1((float)j), vf_load(lane_numbers))));
        s = vf_mul(s, scale);
        if (job->softcap != 0) s = vf_mul(cap, vf_tanh(vf_div(s, cap)));
        if (q->bias) s = vf_add(s, load_bias(q, j));
        vf_store(p + j, s);
    }
    for (size_t j = from; j < q->begin; j++) p[j] = -INFINITY;
    for (size_t j = q->end; j < to; j++) p[j] = -INFINITY;
    vf m = vf_set1(-INFINITY), sum = vf_zero();
    for (size_t j = from; j < to; j += 16) m = vf_max(vf_load(p + j), m);
    m = vf_set1(vf_hmax(m));
    for (size_t j = from; j < to; j += 16) {
        vf e = vf_exp(vf_sub(vf_load(p + j), m));
        vf_store(p + j, e);
        sum = vf_add(sum, e);
    }
    return 1 / vf_tree(sum);
}

/* acc[i][v] += p_i[j] * value[j][e + 16 v] for j in [begin, end), queries i0 .. i0 + nq */
SH_INLINE void add_values(enum sh_kv_type type, const tile *t, int i0, int nq, size_t e, int nv,
                          size_t n_last, size_t begin, size_t end,
                          vf acc[ATTENTION_QUERIES][ATTENTION_VECTORS])
{
    const sh_kv_head *kv = t->job->kv;
    size_t dim = kv->head_dim, n_scales = (dim + 31) / 32;
    for (size_t j = begin; j < end; j++) {
        vf v[ATTENTION_VECTORS];
        SH_UNROLL
        for (int k = 0; k < nv; k++) {
            size_t at = e + 16 * (size_t)k;
            vf scale = type == SH_KV_Q8 ? vf_set1(kv->value_scales[j * n_scales + at / 32]) : vf_zero();
            v[k] = load_elements(type, kv->values, j * dim + at, n_last, scale);
        }
        SH_UNROLL
        for (int i = 0; i < nq; i++) {
            vf p = vf_set1(t->p[i0 + i][j]);
            SH_UNROLL
            for (int k = 0; k < nv; k++) acc[i0 + i][k] = vf_add(acc[i0 + i][k], vf_mul(p, v[k]));
        }
    }
}

/* Output elements [e, e + 16 nv), or n_last < 16 elements when nv is 1. Positions that all queries see are
 * taken together; what one query sees before and after them goes first and last, so that each adds in order.
 */
SH_INLINE void weigh_vectors(enum sh_kv_type type, const tile *t, int nq, size_t e, int nv, size_t n_last)
{
    vf acc[ATTENTION_QUERIES][ATTENTION_VECTORS];
    size_t begin = t->q[0].begin, end = t->q[0].end;
    for (int i = 0; i < nq; i++) {
        for (int k = 0; k < nv; k++) acc[i][k] = vf_zero();
        begin = t->q[i].begin > begin ? t->q[i].begin : begin;
        end = t->q[i].end < end ? t->q[i].end : end;
    }
    if (begin >= end) begin = end = SIZE_MAX; /* nothing in common: everything is "before" */
    SH_UNROLL
    for (int i = 0; i < nq; i++)
        add_values(type, t, i, 1, e, nv, n_last, t->q[i].begin, begin < t->q[i].end ? begin : t->q[i].end,
                   acc);
    add_values(type, t, 0, nq, e, nv, n_last, begin, end, acc);
    SH_UNROLL
    for (int i = 0; i < nq; i++) add_values(type, t, i, 1, e, nv, n_last, end, t->q[i].end, acc);
    for (int i = 0; i < nq; i++)
        for (int k = 0; k < nv; k++) {
            vf o = vf_mul(acc[i][k], vf_set1(t->inverse[i]));
            if (n_last == 16)
                vf_store(t->q[i].out + e + 16 * (size_t)k, o);
            else
                vf_store_n(t->q[i].out + e, o, n_last);
        }
}

SH_INLINE void attend(enum sh_kv_type type, tile *t, int nq)
{
    size_t dim = t->job->kv->head_dim, e = 0;
    dot_all(type, t, nq);
    for (int i = 0; i < nq; i++) t->inverse[i] = probabilities(t->job, &t->q[i], t->p[i]);
    for (; e + 16 * ATTENTION_VECTORS <= dim; e += 16 * ATTENTION_VECTORS)
        weigh_vectors(type, t, nq, e, ATTENTION_VECTORS, 16);
    for (; e + 16 <= dim; e += 16) weigh_vectors(type, t, nq, e, 1, 16);
    if (e < dim) weigh_vectors(type, t, nq, e, 1, dim - e);
}

SH_INLINE void attend_type(enum sh_kv_type type, const sh_attention_job *job)
{
    size_t i = 0;
    tile t = {.job = job};
    for (int k = 0; k < ATTENTION_QUERIES; k++) t.p[k] = job->scratch + (size_t)k * job->kv->n_ctx;
    for (; i + ATTENTION_QUERIES <= job->n_queries; i += ATTENTION_QUERIES) {
        t.q = job->queries + i;
        attend(type, &t, ATTENTION_QUERIES);
    }
    t.q = job->queries + i;
    switch (job->n_queries - i) {
    case 3:
        attend(type, &t, 3);
        break;
    case 2:
        attend(type, &t, 2);
        break;
    case 1:
        attend(type, &t, 1);
        break;
    }
}

static void attention_f32(const sh_attention_job *job)
{
    attend_type(SH_KV_F32, job);
}
static void attention_f16(const sh_attention_job *job)
{
    attend_type(SH_KV_F16, job);
}
static void attention_q8(const sh_attention_job *job)
{
    attend_type(SH_KV_Q8, job);
}

static void lanes_attention(const sh_attention_job *job)
{
    switch (job->kv->type) {
    case SH_KV_F32:
        attention_f32(job);
        break;
    case SH_KV_F16:
        attention_f16(job);
        break;
    default:
        attention_q8(job);
        break;
    }
}

#endif
