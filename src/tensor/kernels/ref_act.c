/* ref_act.c - rows of floats to activation blocks; layouts in matmul_internal.h. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"

float sh_ref_quantize_group(const float *x, int8_t *q, size_t n)
{
    uint32_t top = 0; /* bits of |x| order like |x|, with infinity and NaN above all numbers */
    for (size_t i = 0; i < n; i++) {
        uint32_t u = sh_f32_bits(x[i]) & 0x7fffffffu;
        top = u > top ? u : top;
    }
    float amax = sh_f32_from_bits(top);
    if (top >= 0x7f800000u || amax < 0x1p-100f) {
        memset(q, 0, n);
        return top >= 0x7f800000u ? sh_f32_from_bits(0x7fc00000u) : 0;
    }
    float inverse = 127 / amax;
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)rintf(x[i] * inverse);
    return amax / 127;
}

static int32_t sum_of(const int8_t *q, size_t n)
{
    int32_t s = 0;
    for (size_t i = 0; i < n; i++) s += q[i];
    return s;
}

static void encode_q8(const float *x, void *out, size_t n)
{
    sh_act_q8 a = sh_act_q8_at(out, n);
    float *scale = (float *)a.scale, *scaled_sum = (float *)a.scaled_sum;
    int32_t *sum = (int32_t *)a.sum;
    int8_t *q = (int8_t *)a.q;
    for (size_t b = 0; b < n / 32; b++) {
        scale[b] = sh_ref_quantize_group(x + 32 * b, q + 32 * b, 32);
        sum[b] = sum_of(q + 32 * b, 32);
        scaled_sum[b] = scale[b] * (float)sum[b];
    }
}

static void encode_q8k(const float *x, void *out, size_t n)
{
    sh_act_q8k a = sh_act_q8k_at(out, n);
    float *scale = (float *)a.scale;
    int16_t *sums = (int16_t *)a.sums;
    int8_t *q = (int8_t *)a.q;
    for (size_t b = 0; b < n / 256; b++) scale[b] = sh_ref_quantize_group(x + 256 * b, q + 256 * b, 256);
    for (size_t s = 0; s < n / 16; s++) sums[s] = (int16_t)sum_of(q + 16 * s, 16);
}

void sh_ref_act_encode(enum sh_act_kind kind, const float *x, void *out, size_t n)
{
    if (kind == SH_ACT_Q8)
        encode_q8(x, out, n);
    else if (kind == SH_ACT_Q8K)
        encode_q8k(x, out, n);
    else
        memcpy(out, x, n * sizeof *x);
}
