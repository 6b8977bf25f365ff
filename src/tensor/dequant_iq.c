/* dequant_iq.c - the codebook types: a few bits choose a row of 8 (or 4) magnitudes, others give the signs.
 *
 * Names as in docs/quantisation.md: g is the group of 32 elements, r the row of 8 in it. */
#include "tensor/dequant.h"

#include "tensor/iq_tables.h"
#include "tensor/quant_codes.h"

/* y[j] = (scale * magnitude j) * sign j. The last product is exact, so only the sign bit matters; it is a
 * product so that a scale of zero gives minus zero where the format does. */
static inline void put_signed8(float *y, uint64_t row, uint8_t signs, float scale)
{
    for (int j = 0; j < 8; j++) y[j] = scale * (float)(row >> 8 * j & 255) * (signs >> j & 1 ? -1.0f : 1.0f);
}

static inline uint64_t two_rows(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

void sh_dequant_iq2_xxs(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 66, dst += 256) {
        float d = sh_get_f16(p);
        for (int g = 0; g < 8; g++) {
            const uint8_t *a = p + 2 + 8 * g;
            uint32_t bits = sh_get_u32(a + 4);
            float scale = d * (0.5f + (float)(bits >> 28)) * 0.25f;
            for (int r = 0; r < 4; r++)
                put_signed8(dst + 32 * g + 8 * r, sh_iq2xxs_grid[a[r]], sh_iq_signs[bits >> 7 * r & 127],
                            scale);
        }
    }
}

/* The 4-bit scale of half a group, as IQ2_XS and IQ2_S store it. */
static inline float iq2_scale(float d, uint8_t nibbles, int r)
{
    return d * (0.5f + (float)(r < 2 ? nibbles & 15 : nibbles >> 4)) * 0.25f;
}

void sh_dequant_iq2_xs(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 74, dst += 256) {
        float d = sh_get_f16(p);
        for (int i = 0; i < 32; i++) {
            unsigned q = sh_get_u16(p + 2 + 2 * i);
            put_signed8(dst + 8 * i, sh_iq2xs_grid[q & 511], sh_iq_signs[q >> 9],
                        iq2_scale(d, p[66 + i / 4], i % 4));
        }
    }
}

void sh_dequant_iq2_s(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 82, dst += 256) {
        float d = sh_get_f16(p);
        for (int i = 0; i < 32; i++) {
            int g = i / 4, r = i % 4;
            unsigned row = p[2 + i] | (unsigned)(p[66 + g] >> 2 * r & 3) << 8;
            put_signed8(dst + 8 * i, sh_iq2s_grid[row], p[34 + i], iq2_scale(d, p[74 + g], r));
        }
    }
}

void sh_dequant_iq3_xxs(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 98, dst += 256) {
        const uint8_t *qs = p + 2;
        float d = sh_get_f16(p);
        for (int g = 0; g < 8; g++) {
            uint32_t bits = sh_get_u32(p + 66 + 4 * g);
            float scale = d * (0.5f + (float)(bits >> 28)) * 0.5f;
            for (int r = 0; r < 4; r++) {
                const uint8_t *q = qs + 8 * g + 2 * r;
                uint64_t row = two_rows(sh_iq3xxs_grid[q[0]], sh_iq3xxs_grid[q[1]]);
                put_signed8(dst + 32 * g + 8 * r, row, sh_iq_signs[bits >> 7 * r & 127], scale);
            }
        }
    }
}

void sh_dequant_iq3_s(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 110, dst += 256) {
        const uint8_t *qs = p + 2;
        float d = sh_get_f16(p);
        for (int i = 0; i < 32; i++) {
            int g = i / 4, r = i % 4;
            unsigned nib = p[106 + g / 2] >> 4 * (g % 2) & 15, high = p[66 + g];
            unsigned r0 = qs[2 * i] | (high >> 2 * r & 1) << 8, r1 = qs[2 * i + 1] | (high >> (2 * r + 1) & 1)
                                                                                         << 8;
            put_signed8(dst + 8 * i, two_rows(sh_iq3s_grid[r0], sh_iq3s_grid[r1]), p[74 + i],
                        d * (float)(1 + 2 * nib));
        }
    }
}

static inline void put_shifted8(float *y, uint64_t row, float delta, float scale)
{
    for (int j = 0; j < 8; j++) y[j] = scale * ((float)(int8_t)(row >> 8 * j & 255) + delta);
}

void sh_dequant_iq1_s(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 50, dst += 256) {
        float d = sh_get_f16(p);
        for (int i = 0; i < 32; i++) {
            unsigned qh = sh_get_u16(p + 34 + 2 * (i / 4));
            unsigned row = p[2 + i] | (qh >> 3 * (i % 4) & 7) << 8;
            put_shifted8(dst + 8 * i, sh_iq1s_grid[row], qh & 0x8000 ? -0.125f : 0.125f,
                         d * (float)(2 * (qh >> 12 & 7) + 1));
        }
    }
}

/* The f16 scale is spread over the top nibbles of the four scale words, the lowest first. */
static float iq1_m_scale(const uint8_t *sc)
{
    unsigned bits = 0;
    for (int k = 0; k < 4; k++) bits |= (unsigned)(sh_get_u16(sc + 2 * k) >> 12) << 4 * k;
    return sh_f16_to_f32((uint16_t)bits);
}

void sh_dequant_iq1_m(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t b = 0; b < n / 256; b++, p += 56, dst += 256) {
        const uint8_t *qh = p + 32, *sc = p + 48;
        float d = iq1_m_scale(sc);
        for (int i = 0; i < 32; i++) {
            int g = i / 4, r = i % 4;
            unsigned nib = qh[i / 2] >> 4 * (r % 2) & 15, row = p[i] | (nib & 7) << 8;
            unsigned scale = sh_get_u16(sc + 2 * (g / 2)) >> (6 * (g % 2) + 3 * (r / 2)) & 7;
            put_shifted8(dst + 8 * i, sh_iq1s_grid[row], nib & 8 ? -0.125f : 0.125f,
                         d * (float)(2 * scale + 1));
        }
    }
}
