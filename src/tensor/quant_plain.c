/* quant_plain.c - writers without a search: floats, Q8_0, trits and MXFP4. The bytes are those of ggml. */
#include "tensor/quant_writers.h"

#include <math.h>
#include <string.h>

#include "tensor/quant_codes.h"

ptrdiff_t sh_quant_row_f32(const float *x, uint8_t *dst, size_t n, const float *importance,
                           const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t i = 0; i < n; i++) sh_put_f32(dst + 4 * i, x[i]);
    return SH_QUANT_ROW_OK;
}

ptrdiff_t sh_quant_row_f16(const float *x, uint8_t *dst, size_t n, const float *importance,
                           const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t i = 0; i < n; i++) sh_put_u16(dst + 2 * i, sh_f32_to_f16(x[i]));
    return SH_QUANT_ROW_OK;
}

ptrdiff_t sh_quant_row_bf16(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t i = 0; i < n; i++) sh_put_u16(dst + 2 * i, sh_f32_to_bf16(x[i]));
    return SH_QUANT_ROW_OK;
}

static float largest_magnitude(const float *x, int n)
{
    float m = 0;
    for (int i = 0; i < n; i++) m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
    return m;
}

/* 1/d; 0 for zero and where the quotient overflows: such a d is zero in f16, so every code reads as zero
 * anyway. */
static float inverse_or_zero(float d)
{
    float id = d != 0 ? 1.0f / d : 0;
    return isfinite(id) ? id : 0;
}

/* Half away from zero, for magnitudes well inside int: the bits of roundf without a call of it. */
static inline int round_away(float v)
{
    int whole = (int)v;
    float rest = v - (float)whole; /* exact */
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

ptrdiff_t sh_quant_row_q8_0(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t at = 0; at < n; at += 32, dst += 34) {
        float d = largest_magnitude(x + at, 32) / 127, id = inverse_or_zero(d);
        uint16_t code;
        if (!sh_quant_f16(d, &code)) return (ptrdiff_t)at;
        sh_put_u16(dst, code);
        for (int i = 0; i < 32; i++) dst[2 + i] = (uint8_t)round_away(x[at + (size_t)i] * id);
    }
    return SH_QUANT_ROW_OK;
}

/* One trit, 0 .. 2. */
static inline unsigned trit(float x, float id)
{
    return (unsigned)(round_away(x * id) + 1);
}

/* n_digits trits of n_bytes interleaved runs, first digit most significant, as a fraction of 256 rounded up.
 */
static void put_trits(uint8_t *q, const float *x, float id, int n_bytes, int n_digits)
{
    for (int j = 0; j < n_bytes; j++) {
        unsigned value = 0;
        for (int k = 0; k < n_digits; k++) value = value * 3 + trit(x[n_bytes * k + j], id);
        if (n_digits == 4) value *= 3;
        q[j] = (uint8_t)((value * 256 + 242) / 243);
    }
}

ptrdiff_t sh_quant_row_tq1_0(const float *x, uint8_t *dst, size_t n, const float *importance,
                             const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t at = 0; at < n; at += 256, dst += 54) {
        const float *v = x + at;
        float d = largest_magnitude(v, 256), id = inverse_or_zero(d);
        uint16_t code;
        if (!sh_quant_f16(d, &code)) return (ptrdiff_t)at;
        put_trits(dst, v, id, 32, 5);
        put_trits(dst + 32, v + 160, id, 16, 5);
        put_trits(dst + 48, v + 240, id, 4, 4);
        sh_put_u16(dst + 52, code);
    }
    return SH_QUANT_ROW_OK;
}

ptrdiff_t sh_quant_row_tq2_0(const float *x, uint8_t *dst, size_t n, const float *importance,
                             const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t at = 0; at < n; at += 256, dst += 66) {
        const float *v = x + at;
        float d = largest_magnitude(v, 256), id = inverse_or_zero(d);
        uint16_t code;
        if (!sh_quant_f16(d, &code)) return (ptrdiff_t)at;
        for (int h = 0; h < 2; h++)
            for (int l = 0; l < 32; l++) {
                unsigned q = 0;
                for (int k = 0; k < 4; k++) q |= trit(v[128 * h + 32 * k + l], id) << 2 * k;
                dst[32 * h + l] = (uint8_t)q;
            }
        sh_put_u16(dst + 64, code);
    }
    return SH_QUANT_ROW_OK;
}

/* floor(log2(amax)) - 2 + 127: the largest magnitude lands on 4 or 6 (or is clipped to 6). 0 where that is
 * below 0. */
static uint8_t mxfp4_exponent(float amax)
{
    uint32_t biased = sh_f32_bits(amax) >> 23; /* 0 for zero and subnormals: floor(log2) + 127 of the rest */
    return (uint8_t)(biased > 2 ? biased - 2 : 0);
}

/* The nearest level, the smaller magnitude on a tie. */
static inline unsigned mxfp4_code(float x, float d)
{
    float a = fabsf(x), best_distance = a;
    unsigned best = 0;
    for (unsigned k = 1; k < 8; k++) {
        float distance = fabsf((float)sh_fp4_levels[k] * d - a);
        bool closer = distance < best_distance;
        best = closer ? k : best;
        best_distance = closer ? distance : best_distance;
    }
    return best && x < 0 ? best | 8 : best;
}

ptrdiff_t sh_quant_row_mxfp4(const float *x, uint8_t *dst, size_t n, const float *importance,
                             const sh_quant_fit *fit)
{
    (void)importance, (void)fit;
    for (size_t at = 0; at < n; at += 32, dst += 17) {
        const float *v = x + at;
        dst[0] = mxfp4_exponent(largest_magnitude(v, 32));
        float d = sh_e8m0_half(dst[0]);
        for (int j = 0; j < 16; j++)
            dst[1 + j] = (uint8_t)(mxfp4_code(v[j], d) | mxfp4_code(v[j + 16], d) << 4);
    }
    return SH_QUANT_ROW_OK;
}
