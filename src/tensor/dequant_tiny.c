/* dequant_tiny.c - one bit, two bits, trits, and the 4-bit floats that hardware multiplies. */
#include "tensor/dequant.h"

#include "tensor/quant_codes.h"

void sh_dequant_q1_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 128; b++, p += 18, dst += 128) {
        float d = sh_get_f16(p);
        for (int i = 0; i < 128; i++) dst[i] = p[2 + i / 8] >> i % 8 & 1 ? d : -d;
    }
}

/* neighbours share a byte here, unlike TQ2_0 */
void sh_dequant_q2_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 64; b++, p += 18, dst += 64) {
        float d = sh_get_f16(p);
        for (int i = 0; i < 64; i++) dst[i] = (float)((p[2 + i / 4] >> 2 * (i % 4) & 3) - 1) * d;
    }
}

/* A byte is the fraction f / 256 of five base-3 digits: multiplying by 3^k (mod 256) moves digit k to the
 * front, and times 3 / 256 reads it. */
static void decode_trits(const uint8_t *q, int n_bytes, int n_digits, float d, float *dst)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    for (int k = 0; k < n_digits; k++)
        for (int j = 0; j < n_bytes; j++) {
            unsigned front = (uint8_t)(q[j] * power[k]);
            dst[n_bytes * k + j] = (float)((int)(front * 3 >> 8) - 1) * d;
        }
}

void sh_dequant_tq1_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 54, dst += 256) {
        float d = sh_get_f16(p + 52);
        decode_trits(p, 32, 5, d, dst);
        decode_trits(p + 32, 16, 5, d, dst + 160);
        decode_trits(p + 48, 4, 4, d, dst + 240);
    }
}

void sh_dequant_tq2_0(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 66, dst += 256) {
        float d = sh_get_f16(p + 64);
        for (int g = 0; g < 8; g++)
            for (int l = 0; l < 32; l++)
                dst[32 * g + l] = (float)((p[32 * (g / 4) + l] >> 2 * (g % 4) & 3) - 1) * d;
    }
}

void sh_dequant_mxfp4(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 32; b++, p += 17, dst += 32) {
        float d = sh_e8m0_half(p[0]);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)sh_fp4_levels[p[1 + j] & 15] * d;
            dst[j + 16] = (float)sh_fp4_levels[p[1 + j] >> 4] * d;
        }
    }
}

/* Half of an unsigned E4M3; 0x7f (its NaN) reads as 0, while 0xff keeps the value of the bits, as other
 * readers do. */
static float ue4m3_half(uint8_t e)
{
    int exponent = e >> 3 & 15, man = e & 7;
    if (e == 0x7f) return 0;
    if (exponent == 0) return (float)man * 0x1p-10f;
    return (float)(8 + man) * sh_f32_from_bits((uint32_t)(exponent - 11 + 127) << 23);
}

void sh_dequant_nvfp4(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 64; b++, p += 36, dst += 64)
        for (int s = 0; s < 4; s++) {
            const uint8_t *q = p + 4 + 8 * s;
            float u = ue4m3_half(p[s]), *y = dst + 16 * s;
            for (int j = 0; j < 8; j++) {
                y[j] = (float)sh_fp4_levels[q[j] & 15] * u;
                y[j + 8] = (float)sh_fp4_levels[q[j] >> 4] * u;
            }
        }
}
