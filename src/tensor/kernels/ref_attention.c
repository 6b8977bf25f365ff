/* ref_attention.c - attention of one query after another; the cache's layout is drawn in attention.h. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "tensor/exactmath.h"
#include "tensor/kernels/tables.h"

static size_t key_index(const sh_kv_head *kv, size_t pos, size_t e)
{
    return (pos / 16 * kv->head_dim + e) * 16 + pos % 16;
}

static size_t n_groups(const sh_kv_head *kv)
{
    return (kv->head_dim + 31) / 32;
}

static size_t key_scale_index(const sh_kv_head *kv, size_t pos, size_t g)
{
    return (pos / 16 * n_groups(kv) + g) * 16 + pos % 16;
}

static float stored(const sh_kv_head *kv, const void *data, size_t i, const float *scale)
{
    if (kv->type == SH_KV_F32) return ((const float *)data)[i];
    if (kv->type == SH_KV_F16) return sh_f16_to_f32(((const uint16_t *)data)[i]);
    return (float)((const int8_t *)data)[i] * *scale;
}

static float key_at(const sh_kv_head *kv, size_t pos, size_t e)
{
    const float *scale = kv->type == SH_KV_Q8 ? &kv->key_scales[key_scale_index(kv, pos, e / 32)] : NULL;
    return stored(kv, kv->keys, key_index(kv, pos, e), scale);
}

static float value_at(const sh_kv_head *kv, size_t pos, size_t e)
{
    const float *scale = kv->type == SH_KV_Q8 ? &kv->value_scales[pos * n_groups(kv) + e / 32] : NULL;
    return stored(kv, kv->values, pos * kv->head_dim + e, scale);
}

static float score(const sh_attention_job *job, const sh_attention_query *q, size_t j)
{
    float s = 0;
    for (size_t e = 0; e < job->kv->head_dim; e++) s = s + q->q[e] * key_at(job->kv, j, e);
    if (q->alibi_slope != 0) s = s + q->alibi_slope * (float)j;
    s = s * job->scale;
    if (job->softcap != 0) s = job->softcap * sh_tanhf(s / job->softcap);
    return q->bias ? s + q->bias[j] : s;
}

static void attend(const sh_attention_job *job, const sh_attention_query *q, float *p)
{
    float max = -INFINITY, lanes[16] = {0};
    for (size_t j = q->begin; j < q->end; j++) {
        p[j] = score(job, q, j);
        max = p[j] > max ? p[j] : max;
    }
    for (size_t j = q->begin; j < q->end; j++) {
        p[j] = sh_expf(p[j] - max);
        lanes[j % 16] = lanes[j % 16] + p[j];
    }
    float inverse = 1 / sh_ref_tree(lanes);
    for (size_t e = 0; e < job->kv->head_dim; e++) {
        float o = 0;
        for (size_t j = q->begin; j < q->end; j++) o = o + p[j] * value_at(job->kv, j, e);
        q->out[e] = o * inverse;
    }
}

void sh_ref_attention(const sh_attention_job *job)
{
    for (size_t i = 0; i < job->n_queries; i++) attend(job, &job->queries[i], job->scratch);
}

static void store(const sh_kv_head *kv, void *data, size_t i, float v)
{
    if (kv->type == SH_KV_F32)
        ((float *)data)[i] = v;
    else
        ((uint16_t *)data)[i] = sh_f32_to_f16(v);
}

static void write_q8(const sh_kv_head *kv, size_t pos, const float *k, const float *v)
{
    for (size_t g = 0; g < n_groups(kv); g++) {
        size_t e0 = 32 * g, n = kv->head_dim - e0 < 32 ? kv->head_dim - e0 : 32;
        int8_t q[32];
        kv->key_scales[key_scale_index(kv, pos, g)] = sh_ref_quantize_group(k + e0, q, n);
        for (size_t i = 0; i < n; i++) ((int8_t *)kv->keys)[key_index(kv, pos, e0 + i)] = q[i];
        kv->value_scales[pos * n_groups(kv) + g] = sh_ref_quantize_group(v + e0, q, n);
        memcpy((int8_t *)kv->values + pos * kv->head_dim + e0, q, n);
    }
}

void sh_ref_kv_write(const sh_kv_head *kv, size_t pos, const float *k, const float *v)
{
    if (kv->type == SH_KV_Q8) {
        write_q8(kv, pos, k, v);
        return;
    }
    for (size_t e = 0; e < kv->head_dim; e++) {
        store(kv, kv->keys, key_index(kv, pos, e), k[e]);
        store(kv, kv->values, pos * kv->head_dim + e, v[e]);
    }
}
