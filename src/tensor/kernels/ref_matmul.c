/* ref_matmul.c - one output at a time: the order of docs/exact-arithmetic.md and nothing else. */
#include "tensor/kernels/ref_codes.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"

static int32_t dot_int(const int8_t *a, const int8_t *b, int n)
{
    int32_t s = 0;
    for (int i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

static float dot_q8(const sh_weight *w, const uint8_t *row, const uint8_t *act)
{
    const sh_dtype_info *info = &sh_dtypes[w->dtype];
    sh_act_q8 x = sh_act_q8_at(act, w->n_cols);
    float acc = 0;
    for (size_t b = 0; b < w->n_cols / 32; b++) {
        sh_ref_block32 wb;
        sh_ref_unpack32(w->dtype, row + b * info->block_bytes, &wb);
        acc = acc + (wb.d * x.scale[b]) * (float)dot_int(wb.q, x.q + 32 * b, 32);
        if (wb.has_min) acc = acc + wb.m * x.scaled_sum[b];
    }
    return acc;
}

static float dot_q8k(const sh_weight *w, const uint8_t *row, const uint8_t *act)
{
    const sh_dtype_info *info = &sh_dtypes[w->dtype];
    sh_act_q8k x = sh_act_q8k_at(act, w->n_cols);
    float acc = 0;
    for (size_t b = 0; b < w->n_cols / 256; b++) {
        sh_ref_block256 wb;
        int32_t sum = 0, min_sum = 0;
        sh_ref_unpack256(w->dtype, row + b * info->block_bytes, &wb);
        for (int s = 0; s < 16; s++) {
            sum += wb.scale[s] * dot_int(wb.q + 16 * s, x.q + 256 * b + 16 * s, 16);
            min_sum += wb.min[s] * x.sums[16 * b + s];
        }
        acc = acc + (wb.d * x.scale[b]) * (float)sum;
        if (wb.has_min) acc = acc - (wb.dmin * x.scale[b]) * (float)min_sum;
    }
    return acc;
}

/* Any type through its exact float values, in the 16-lane order. */
static float dot_f32(const sh_weight *w, const uint8_t *row, const uint8_t *act)
{
    enum { CHUNK = 256 }; /* a multiple of every block */
    const sh_dtype_info *info = &sh_dtypes[w->dtype];
    const float *x = (const float *)(const void *)act;
    float lanes[16] = {0}, values[CHUNK];
    for (size_t c = 0; c < w->n_cols; c += CHUNK) {
        size_t n = w->n_cols - c < CHUNK ? w->n_cols - c : CHUNK;
        info->decode(row + c / info->block_elements * info->block_bytes, values, n);
        for (size_t i = 0; i < n; i++) lanes[i % 16] = lanes[i % 16] + x[c + i] * values[i];
    }
    return sh_ref_tree(lanes);
}

void sh_ref_matmul(const struct sh_matmul_job *job, size_t row_begin, size_t row_end)
{
    const sh_weight *w = job->w;
    for (size_t r = row_begin; r < row_end; r++) {
        const uint8_t *row = w->src + r * w->row_bytes;
        for (size_t t = 0; t < job->n_tokens; t++) {
            const uint8_t *act = job->act + t * job->act_stride;
            float *y = job->y + t * job->y_stride + r;
            switch (w->act_kind) {
            case SH_ACT_Q8: *y = dot_q8(w, row, act); break;
            case SH_ACT_Q8K: *y = dot_q8k(w, row, act); break;
            default: *y = dot_f32(w, row, act); break;
            }
        }
    }
}
