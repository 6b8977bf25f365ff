/* quant_kquant.c - super-blocks of 256 elements: Q2_K to Q6_K and IQ4_XS.
 *
 * quant_super.c finds the scales; here are the parameters of each type and the packing of its bytes. */
#include "tensor/quant_super.h"

#include <string.h>

#include "base/endian.h"

enum { SUPER = SH_QUANT_SUPER };

/* Writes a row of super-blocks; `pack` stores everything but the f16 scales. */
typedef struct ktype {
    sh_quant_super_type super;
    size_t bytes, d_at, dmin_at;
    void (*pack)(uint8_t *dst, const sh_quant_super *b);
} ktype;

static ptrdiff_t write_row(const ktype *t, const float *x, uint8_t *dst, size_t n, const float *importance,
                           const sh_quant_fit *fit)
{
    sh_quant_super found[2];
    for (size_t at = 0; at < n;) {
        int n_super =
            sh_quant_super_fit(&t->super, fit, x + at, n - at, importance ? importance + at : NULL, found);
        for (int s = 0; s < n_super; s++, at += SUPER, dst += t->bytes) {
            if (!found[s].fits) return (ptrdiff_t)at;
            t->pack(dst, &found[s]);
            sh_put_u16(dst + t->d_at, found[s].d);
            if (t->super.has_min) sh_put_u16(dst + t->dmin_at, found[s].dmin);
        }
    }
    return SH_QUANT_ROW_OK;
}

static void pack_q2_k(uint8_t *dst, const sh_quant_super *b)
{
    for (int s = 0; s < 16; s++) dst[s] = (uint8_t)(b->scale[s] | b->min[s] << 4);
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *q = b->codes + 128 * h + l;
            dst[16 + 32 * h + l] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
}

static void pack_scale_min_k4(uint8_t *p, const int8_t *scale, const int8_t *min)
{
    for (int g = 0; g < 4; g++) {
        p[g] = (uint8_t)(scale[g] | scale[g + 4] >> 4 << 6);
        p[g + 4] = (uint8_t)(min[g] | min[g + 4] >> 4 << 6);
        p[g + 8] = (uint8_t)((scale[g + 4] & 15) | (min[g + 4] & 15) << 4);
    }
}

static void pack_nibble_pairs(uint8_t *dst, const uint8_t codes[SUPER])
{
    for (int c = 0; c < 4; c++)
        for (int l = 0; l < 32; l++)
            dst[32 * c + l] = (uint8_t)((codes[64 * c + l] & 15) | (codes[64 * c + 32 + l] & 15) << 4);
}

static void pack_q4_k(uint8_t *dst, const sh_quant_super *b)
{
    pack_scale_min_k4(dst + 4, b->scale, b->min);
    pack_nibble_pairs(dst + 16, b->codes);
}

static void pack_q5_k(uint8_t *dst, const sh_quant_super *b)
{
    pack_scale_min_k4(dst + 4, b->scale, b->min);
    for (int l = 0; l < 32; l++) {
        unsigned high = 0;
        for (int g = 0; g < 8; g++) high |= (unsigned)(b->codes[32 * g + l] >> 4) << g;
        dst[16 + l] = (uint8_t)high;
    }
    pack_nibble_pairs(dst + 48, b->codes);
}

static void pack_q3_k(uint8_t *dst, const sh_quant_super *b)
{
    memset(dst, 0, 108);
    for (int i = 0; i < SUPER; i++) {
        int h = i / 128, k = i % 128 / 32, l = i % 32;
        dst[l] |= (uint8_t)((b->codes[i] >> 2) << (4 * h + k));
        dst[32 + 32 * h + l] |= (uint8_t)((b->codes[i] & 3) << 2 * k);
    }
    for (int s = 0; s < 16; s++) {
        unsigned sc = (unsigned)(b->scale[s] + 32);
        dst[96 + s % 8] |= (uint8_t)((sc & 15) << 4 * (s / 8));
        dst[104 + s % 4] |= (uint8_t)((sc >> 4) << 2 * (s / 4));
    }
}

static void pack_q6_k(uint8_t *dst, const sh_quant_super *b)
{
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *q = b->codes + 128 * h + l;
            uint8_t *low = dst + 64 * h + l;
            low[0] = (uint8_t)((q[0] & 15) | (q[64] & 15) << 4);
            low[32] = (uint8_t)((q[32] & 15) | (q[96] & 15) << 4);
            dst[128 + 32 * h + l] =
                (uint8_t)(q[0] >> 4 | q[32] >> 4 << 2 | q[64] >> 4 << 4 | q[96] >> 4 << 6);
        }
    for (int s = 0; s < 16; s++) dst[192 + s] = (uint8_t)b->scale[s];
}

static void pack_iq4_xs(uint8_t *dst, const sh_quant_super *b)
{
    unsigned high = 0;
    memset(dst + 4, 0, 4);
    for (int g = 0; g < 8; g++) {
        unsigned ls = (unsigned)(b->scale[g] + 32);
        dst[4 + g / 2] |= (uint8_t)((ls & 15) << 4 * (g % 2));
        high |= (ls >> 4) << 2 * g;
        for (int l = 0; l < 16; l++)
            dst[8 + 16 * g + l] = (uint8_t)(b->codes[32 * g + l] | b->codes[32 * g + 16 + l] << 4);
    }
    sh_put_u16(dst + 2, (uint16_t)high);
}

/* The f16 scales are at d_at (and dmin_at); trials as first, step, count. */
static const ktype q2_k = {
    .super = {.n_sub = 16,
              .has_min = true,
              .has_levels = false,
              .lo = 0,
              .hi = 3,
              .scale_lo = 0,
              .scale_hi = 15,
              .plain = {-0.9f, 0.2f, 10},
              .weighted = {-0.9f, 0.2f, 10}},
    .bytes = 84,
    .d_at = 80,
    .dmin_at = 82,
    .pack = pack_q2_k,
};
static const ktype q3_k = {
    .super = {.n_sub = 16,
              .has_min = false,
              .has_levels = false,
              .lo = -4,
              .hi = 3,
              .scale_lo = -32,
              .scale_hi = 31,
              .plain = {-0.9f, 0.2f, 10},
              .weighted = {-0.9f, 0.2f, 10}},
    .bytes = 110,
    .d_at = 108,
    .dmin_at = 0,
    .pack = pack_q3_k,
};
static const ktype q4_k = {
    .super = {.n_sub = 8,
              .has_min = true,
              .has_levels = false,
              .lo = 0,
              .hi = 15,
              .scale_lo = 0,
              .scale_hi = 63,
              .plain = {-1.25f, 0.5f, 6},
              .weighted = {-1.25f, 0.5f, 6}},
    .bytes = 144,
    .d_at = 0,
    .dmin_at = 2,
    .pack = pack_q4_k,
};
static const ktype q5_k = {
    .super = {.n_sub = 8,
              .has_min = true,
              .has_levels = false,
              .lo = 0,
              .hi = 31,
              .scale_lo = 0,
              .scale_hi = 63,
              .plain = {-1.25f, 0.5f, 6},
              .weighted = {-2, 0.4f, 10}},
    .bytes = 176,
    .d_at = 0,
    .dmin_at = 2,
    .pack = pack_q5_k,
};
static const ktype q6_k = {
    .super = {.n_sub = 16,
              .has_min = false,
              .has_levels = false,
              .lo = -32,
              .hi = 31,
              .scale_lo = -128,
              .scale_hi = 127,
              .plain = {-0.9f, 0.2f, 10},
              .weighted = {-0.9f, 0.2f, 10}},
    .bytes = 210,
    .d_at = 208,
    .dmin_at = 0,
    .pack = pack_q6_k,
};
static const ktype iq4_xs = {
    .super = {.n_sub = 8,
              .has_min = false,
              .has_levels = true,
              .lo = 0,
              .hi = 15,
              .scale_lo = -32,
              .scale_hi = 31,
              .plain = {-7, 2, 8},
              .weighted = {-7, 2, 8}},
    .bytes = 136,
    .d_at = 0,
    .dmin_at = 0,
    .pack = pack_iq4_xs,
};

ptrdiff_t sh_quant_row_q2_k(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_row(&q2_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q3_k(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_row(&q3_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q4_k(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_row(&q4_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q5_k(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_row(&q5_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q6_k(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_row(&q6_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_iq4_xs(const float *x, uint8_t *dst, size_t n, const float *importance,
                              const sh_quant_fit *fit)
{
    return write_row(&iq4_xs, x, dst, n, importance, fit);
}
