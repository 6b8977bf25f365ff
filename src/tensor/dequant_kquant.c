/* dequant_kquant.c - super-blocks of 256 elements: an f16 scale, small integer scales of the sub-blocks,
 * codes.
 *
 * Names as in docs/quantisation.md: h is the half (128 elements), k the quarter of a half (32), l the element
 * in it. */
#include "tensor/dequant.h"

#include "tensor/quant_codes.h"

void sh_dequant_q2_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 84, dst += 256) {
        const uint8_t *qs = p + 16;
        float d = sh_get_f16(p + 80), dmin = sh_get_f16(p + 82);
        for (int s = 0; s < 16; s++) {
            const uint8_t *q = qs + 32 * (s / 8) + 16 * (s % 2);
            int shift = 2 * (s / 2 % 4);
            float scale = d * (float)(p[s] & 15), min = dmin * (float)(p[s] >> 4);
            for (int l = 0; l < 16; l++) dst[16 * s + l] = scale * (float)(q[l] >> shift & 3) - min;
        }
    }
}

/* The 6-bit scale s of Q3_K, biased by 32. */
static int q3_k_scale(const uint8_t *scales, int s)
{
    int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
    return low | (scales[8 + s % 4] >> 2 * (s / 4) & 3) << 4;
}

void sh_dequant_q3_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 110, dst += 256) {
        float d = sh_get_f16(p + 108);
        for (int s = 0; s < 16; s++) {
            const uint8_t *high = p + 16 * (s % 2), *q = p + 32 + 32 * (s / 8) + 16 * (s % 2);
            int shift = 2 * (s / 2 % 4), bit = s / 2;
            float scale = d * (float)(q3_k_scale(p + 96, s) - 32);
            /* a set bit of the mask means that nothing is subtracted */
            for (int l = 0; l < 16; l++)
                dst[16 * s + l] = scale * (float)((q[l] >> shift & 3) + (high[l] >> bit & 1) * 4 - 4);
        }
    }
}

void sh_dequant_q4_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 144, dst += 256) {
        float d = sh_get_f16(p), dmin = sh_get_f16(p + 2);
        for (unsigned g = 0; g < 8; g++) {
            const uint8_t *q = p + 16 + 32 * (g / 2);
            int shift = 4 * (g % 2);
            uint8_t sc, mn;
            sh_get_scale_min_k4(p + 4, g, &sc, &mn);
            float scale = d * (float)sc, min = dmin * (float)mn;
            for (int l = 0; l < 32; l++) dst[32 * g + l] = scale * (float)(q[l] >> shift & 15) - min;
        }
    }
}

void sh_dequant_q5_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 176, dst += 256) {
        const uint8_t *high = p + 16;
        float d = sh_get_f16(p), dmin = sh_get_f16(p + 2);
        for (unsigned g = 0; g < 8; g++) {
            const uint8_t *q = p + 48 + 32 * (g / 2);
            int shift = 4 * (g % 2);
            uint8_t sc, mn;
            sh_get_scale_min_k4(p + 4, g, &sc, &mn);
            float scale = d * (float)sc, min = dmin * (float)mn;
            for (int l = 0; l < 32; l++)
                dst[32 * g + l] = scale * (float)((q[l] >> shift & 15) | (high[l] >> g & 1) << 4) - min;
        }
    }
}

void sh_dequant_q6_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 210, dst += 256) {
        float d = sh_get_f16(p + 208);
        for (int s = 0; s < 16; s++) {
            int h = s / 8, k = s / 2 % 4;
            const uint8_t *low = p + 64 * h + 32 * (k & 1) + 16 * (s % 2),
                          *high = p + 128 + 32 * h + 16 * (s % 2);
            int low_shift = 4 * (k >> 1), high_shift = 2 * k;
            float scale = d * (float)(int8_t)p[192 + s];
            for (int l = 0; l < 16; l++)
                dst[16 * s + l] =
                    scale * (float)(((low[l] >> low_shift & 15) | (high[l] >> high_shift & 3) << 4) - 32);
        }
    }
}

void sh_dequant_iq4_xs(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 136, dst += 256) {
        float d = sh_get_f16(p);
        unsigned high = sh_get_u16(p + 2);
        for (int g = 0; g < 8; g++) {
            const uint8_t *q = p + 8 + 16 * g;
            int ls = (p[4 + g / 2] >> 4 * (g % 2) & 15) | (int)(high >> 2 * g & 3) << 4;
            float scale = d * (float)(ls - 32), *y = dst + 32 * g;
            for (int l = 0; l < 16; l++) {
                y[l] = scale * (float)sh_iq4_levels[q[l] & 15];
                y[l + 16] = scale * (float)sh_iq4_levels[q[l] >> 4];
            }
        }
    }
}
