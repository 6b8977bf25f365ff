/* lanes_elementwise.h - norms, softmax, activations, rope and act_encode over 16 lanes, equal to ref_elementwise.c and
 * ref_act.c bit for bit. Included once by each table_<set>.c. */
#ifndef SH_TENSOR_KERNELS_LANES_ELEMENTWISE_H
#define SH_TENSOR_KERNELS_LANES_ELEMENTWISE_H

#include <math.h>

#include "base/half.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"

static float lanes_sum_of_squares(const float *x, float minus, size_t n)
{
    vf acc = vf_zero(), m = vf_set1(minus), d;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) d = vf_sub(vf_load(x + i), m), acc = vf_add(acc, vf_mul(d, d));
    if (i < n) {
        /* lanes beyond the end must add +0: subtract from nothing but what is there */
        float rest[16] = {0};
        for (size_t l = 0; l < n - i; l++) rest[l] = x[i + l] - minus;
        d = vf_load(rest), acc = vf_add(acc, vf_mul(d, d));
    }
    return vf_tree(acc);
}

static void lanes_rms_norm(float *y, const float *x, const float *gain, size_t n, float eps, bool add_one)
{
    float s = 1 / sqrtf(lanes_sum_of_squares(x, 0, n) / (float)n + eps);
    vf scale = vf_set1(s), one = vf_set1(1);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf v = vf_mul(vf_load(x + i), scale);
        if (gain) v = vf_mul(v, add_one ? vf_add(vf_load(gain + i), one) : vf_load(gain + i));
        vf_store(y + i, v);
    }
    for (; i < n; i++) {
        float v = x[i] * s;
        y[i] = !gain ? v : v * (add_one ? gain[i] + 1 : gain[i]);
    }
}

static float lanes_sum(const float *x, size_t n)
{
    vf acc = vf_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) acc = vf_add(acc, vf_load(x + i));
    if (i < n) acc = vf_add(acc, vf_load_n(x + i, n - i));
    return vf_tree(acc);
}

static void lanes_layer_norm(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps)
{
    float mean = lanes_sum(x, n) / (float)n;
    float s = 1 / sqrtf(lanes_sum_of_squares(x, mean, n) / (float)n + eps);
    vf m = vf_set1(mean), scale = vf_set1(s);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf v = vf_mul(vf_sub(vf_load(x + i), m), scale);
        if (gain) v = vf_mul(v, vf_load(gain + i));
        if (bias) v = vf_add(v, vf_load(bias + i));
        vf_store(y + i, v);
    }
    for (; i < n; i++) {
        float v = (x[i] - mean) * s;
        if (gain) v = v * gain[i];
        if (bias) v = v + bias[i];
        y[i] = v;
    }
}

static void lanes_softmax(float *x, size_t n)
{
    size_t whole = n & ~(size_t)15;
    vf m = vf_set1(-INFINITY), acc = vf_zero();
    for (size_t i = 0; i < whole; i += 16) m = vf_max(vf_load(x + i), m);
    float max = vf_hmax(m);
    for (size_t i = whole; i < n; i++) max = x[i] > max ? x[i] : max;
    if (max == -INFINITY) {
        /* nothing but -inf and NaN, which the reference turns into zeros */
        memset(x, 0, n * sizeof *x);
        return;
    }
    m = vf_set1(max);
    for (size_t i = 0; i < n; i += 16) {
        if (i < whole) {
            vf e = vf_exp(vf_sub(vf_load(x + i), m));
            vf_store(x + i, e), acc = vf_add(acc, e);
        } else {
            vf e = vf_exp(vf_sub(vf_load_n(x + i, n - i), m));
            vf_store_n(x + i, e, n - i), acc = vf_add(acc, vf_load_n(x + i, n - i));
        }
    }
    float total = vf_tree(acc);
    vf sum = vf_set1(total);
    if (total == 0) return;
    for (size_t i = 0; i < whole; i += 16) vf_store(x + i, vf_div(vf_load(x + i), sum));
    for (size_t i = whole; i < n; i++) x[i] = x[i] / total;
}

SH_INLINE void activate_all(vf (*f)(vf), float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf v = f(vf_load(gate + i));
        vf_store(gate + i, up ? vf_mul(v, vf_load(up + i)) : v);
    }
    if (i < n) {
        vf v = f(vf_load_n(gate + i, n - i));
        vf_store_n(gate + i, up ? vf_mul(v, vf_load_n(up + i, n - i)) : v, n - i);
    }
}

static void lanes_activate(enum sh_activation act, float *gate, const float *up, size_t n)
{
    switch (act) {
    case SH_ACTIVATION_SILU: activate_all(vf_silu, gate, up, n); break;
    case SH_ACTIVATION_GELU_TANH: activate_all(vf_gelu_tanh, gate, up, n); break;
    case SH_ACTIVATION_GELU_ERF: activate_all(vf_gelu_erf, gate, up, n); break;
    case SH_ACTIVATION_RELU: activate_all(vf_relu, gate, up, n); break;
    case SH_ACTIVATION_GELU_QUICK: activate_all(vf_gelu_quick, gate, up, n); break;
    case SH_ACTIVATION_TANH: activate_all(vf_tanh, gate, up, n); break;
    }
}

static void lanes_softcap(float *y, float cap, size_t n)
{
    vf c = vf_set1(cap);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) vf_store(y + i, vf_mul(c, vf_tanh(vf_div(vf_load(y + i), c))));
    if (i < n) vf_store_n(y + i, vf_mul(c, vf_tanh(vf_div(vf_load_n(y + i, n - i), c))), n - i);
}

static void rope_half(float *x, size_t half, const float *cos_t, const float *sin_t)
{
    for (size_t j = 0; j + 16 <= half; j += 16) {
        vf a = vf_load(x + j), b = vf_load(x + half + j), c = vf_load(cos_t + j), s = vf_load(sin_t + j);
        vf_store(x + j, vf_sub(vf_mul(a, c), vf_mul(b, s)));
        vf_store(x + half + j, vf_add(vf_mul(a, s), vf_mul(b, c)));
    }
}

static void rope_interleaved(float *x, size_t half, const float *cos_t, const float *sin_t)
{
    for (size_t j = 0; j + 16 <= half; j += 16) {
        vf a, b, c = vf_load(cos_t + j), s = vf_load(sin_t + j), first, second;
        vf_split(vf_load(x + 2 * j), vf_load(x + 2 * j + 16), &a, &b);
        vf_join(vf_sub(vf_mul(a, c), vf_mul(b, s)), vf_add(vf_mul(a, s), vf_mul(b, c)), &first, &second);
        vf_store(x + 2 * j, first);
        vf_store(x + 2 * j + 16, second);
    }
}

static void lanes_rope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, enum sh_rope_style style,
                       const float *cos_t, const float *sin_t)
{
    if (n_rot % 32) { /* no model of size: pairs do not fill the lanes */
        sh_ref_rope(x, n_heads, head_dim, n_rot, style, cos_t, sin_t);
        return;
    }
    for (size_t h = 0; h < n_heads; h++, x += head_dim) {
        if (style == SH_ROPE_HALF)
            rope_half(x, n_rot / 2, cos_t, sin_t);
        else
            rope_interleaved(x, n_rot / 2, cos_t, sin_t);
    }
}

/* n floats (a multiple of 16) to int8 as sh_ref_quantize_group does; *sums gets the sum of each 16. */
SH_INLINE float quantize_group(const float *x, int8_t *q, size_t n, int32_t *sums)
{
    vi top = vi_zero(), magnitude = vi_set1(0x7fffffff);
    for (size_t i = 0; i < n; i += 16) top = vi_max(top, vi_and(vf_bits(vf_load(x + i)), magnitude));
    int32_t bits = vi_hmax(top);
    float amax = sh_f32_from_bits((uint32_t)bits);
    if (bits >= 0x7f800000 || amax < 0x1p-100f) {
        memset(q, 0, n);
        memset(sums, 0, n / 16 * sizeof *sums);
        return bits >= 0x7f800000 ? sh_f32_from_bits(0x7fc00000u) : 0;
    }
    vf inverse = vf_set1(127 / amax);
    for (size_t i = 0; i < n; i += 16) {
        vi v = vf_round_to_i(vf_mul(vf_load(x + i), inverse));
        vi_store_i8(q + i, v);
        sums[i / 16] = vi_hsum(v);
    }
    return amax / 127;
}

static void encode_q8(const float *x, void *out, size_t n)
{
    sh_act_q8 a = sh_act_q8_at(out, n);
    float *scale = (float *)a.scale, *scaled_sum = (float *)a.scaled_sum;
    int32_t *sum = (int32_t *)a.sum, sums[2];
    int8_t *q = (int8_t *)a.q;
    for (size_t b = 0; b < n / 32; b++) {
        scale[b] = quantize_group(x + 32 * b, q + 32 * b, 32, sums);
        sum[b] = sums[0] + sums[1];
        scaled_sum[b] = scale[b] * (float)sum[b];
    }
}

static void encode_q8k(const float *x, void *out, size_t n)
{
    sh_act_q8k a = sh_act_q8k_at(out, n);
    float *scale = (float *)a.scale;
    int16_t *all_sums = (int16_t *)a.sums;
    int32_t sums[16];
    int8_t *q = (int8_t *)a.q;
    for (size_t b = 0; b < n / 256; b++) {
        scale[b] = quantize_group(x + 256 * b, q + 256 * b, 256, sums);
        for (int s = 0; s < 16; s++) all_sums[16 * b + s] = (int16_t)sums[s];
    }
}

static void lanes_act_encode(enum sh_act_kind kind, const float *x, void *out, size_t n)
{
    if (kind == SH_ACT_Q8)
        encode_q8(x, out, n);
    else if (kind == SH_ACT_Q8K)
        encode_q8k(x, out, n);
    else
        memcpy(out, x, n * sizeof *x);
}

#endif
