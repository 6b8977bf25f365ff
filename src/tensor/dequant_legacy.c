/* dequant_legacy.c - blocks of 32 elements with one scale (and one minimum), and the long Q8 blocks.
 *
 * Nibbles: byte j holds element j in its low half and element j + 16 in its high half, never neighbours. */
#include "tensor/dequant.h"

#include "tensor/quant_codes.h"

void sh_dequant_q4_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 18, dst += 32) {
        float d = sh_get_f16(p);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((p[2 + j] & 15) - 8) * d;
            dst[j + 16] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

void sh_dequant_q4_1(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 20, dst += 32) {
        float d = sh_get_f16(p), m = sh_get_f16(p + 2);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)(p[4 + j] & 15) * d + m;
            dst[j + 16] = (float)(p[4 + j] >> 4) * d + m;
        }
    }
}

void sh_dequant_q5_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 22, dst += 32) {
        float d = sh_get_f16(p);
        uint32_t high = sh_get_u32(p + 2);
        for (int j = 0; j < 16; j++) {
            int lo = (p[6 + j] & 15) | (int)(high >> j & 1) << 4;
            int hi = p[6 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[j] = (float)(lo - 16) * d;
            dst[j + 16] = (float)(hi - 16) * d;
        }
    }
}

void sh_dequant_q5_1(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 24, dst += 32) {
        float d = sh_get_f16(p), m = sh_get_f16(p + 2);
        uint32_t high = sh_get_u32(p + 4);
        for (int j = 0; j < 16; j++) {
            int lo = (p[8 + j] & 15) | (int)(high >> j & 1) << 4;
            int hi = p[8 + j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            dst[j] = (float)lo * d + m;
            dst[j + 16] = (float)hi * d + m;
        }
    }
}

static void decode_i8(const uint8_t *q, float d, float *dst, int n)
{
    for (int i = 0; i < n; i++) dst[i] = (float)(int8_t)q[i] * d;
}

void sh_dequant_q8_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 34, dst += 32) decode_i8(p + 2, sh_get_f16(p), dst, 32);
}

/* d f16, s f16 (d times the sum of the codes, redundant here), 32 codes */
void sh_dequant_q8_1(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 36, dst += 32) decode_i8(p + 4, sh_get_f16(p), dst, 32);
}

/* d f32, 256 codes, 16 sums of 16 codes (redundant here) */
void sh_dequant_q8_k(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 292, dst += 256) decode_i8(p + 4, sh_get_f32(p), dst, 256);
}

void sh_dequant_iq4_nl(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 18, dst += 32) {
        float d = sh_get_f16(p);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)sh_iq4_levels[p[2 + j] & 15];
            dst[j + 16] = d * (float)sh_iq4_levels[p[2 + j] >> 4];
        }
    }
}
