/* quant_legacy.c - blocks of 32 elements: Q4_0, Q4_1, Q5_0, Q5_1 and IQ4_NL.
 *
 * Without importance the first four are round to nearest, byte for byte what ggml writes. With importance,
 * and always for IQ4_NL, the scale is searched for sixteen blocks at a time (quant_fit.h). */
#include "tensor/quant_lanes.h"

#include <math.h>

#include "tensor/quant_codes.h"

enum { LANES = SH_QUANT_LANES, BLOCK = 32 };

typedef struct legacy_type {
    int bits;
    bool has_min; /* value = q d + m; else (q - half) d */
    size_t bytes;
} legacy_type;

static const legacy_type q4_0 = {4, false, 18}, q4_1 = {4, true, 20}, q5_0 = {5, false, 22},
                         q5_1 = {5, true, 24};

/* Codes behind the scales: the fifth bits as one word, then nibble pairs (j, j + 16). */
static void put_codes(uint8_t *dst, const uint8_t codes[BLOCK], int bits)
{
    if (bits == 5) {
        uint32_t high = 0;
        for (int i = 0; i < BLOCK; i++) high |= (uint32_t)(codes[i] >> 4) << i;
        sh_put_u32(dst, high);
        dst += 4;
    }
    for (int j = 0; j < 16; j++) dst[j] = (uint8_t)((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

/* The inverse of a scale, or 0 where that overflows: such a scale is 0 in f16. */
static float inverse_or_zero(float d)
{
    float id = d != 0 ? 1.0f / d : 0;
    return isfinite(id) ? id : 0;
}

/* (x - low) * id + offset, cut to whole codes 0 .. top */
static void cut_codes(uint8_t codes[BLOCK], const float *x, float low, float id, float offset, int top)
{
    for (int i = 0; i < BLOCK; i++) {
        int q = (int)((x[i] - low) * id + offset);
        codes[i] = (uint8_t)(q < top ? q : top);
    }
}

static bool nearest_symmetric(const legacy_type *t, const float *x, uint8_t *dst)
{
    int half = 1 << (t->bits - 1);
    float extreme = 0;
    uint8_t codes[BLOCK];
    uint16_t d16;
    for (int i = 0; i < BLOCK; i++) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float d = extreme / (float)-half;
    if (!sh_quant_f16(d, &d16)) return false;
    sh_put_u16(dst, d16);
    cut_codes(codes, x, 0, inverse_or_zero(d), (float)half + 0.5f, 2 * half - 1);
    put_codes(dst + 2, codes, t->bits);
    return true;
}

static bool nearest_range(const legacy_type *t, const float *x, uint8_t *dst)
{
    int top = (1 << t->bits) - 1;
    float low = x[0], high = x[0];
    uint8_t codes[BLOCK];
    uint16_t d16, m16;
    for (int i = 1; i < BLOCK; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float d = (high - low) / (float)top;
    if (!sh_quant_f16(d, &d16) || !sh_quant_f16(low, &m16)) return false;
    sh_put_u16(dst, d16);
    sh_put_u16(dst + 2, m16);
    cut_codes(codes, x, low, inverse_or_zero(d), 0.5f, top);
    put_codes(dst + 4, codes, t->bits);
    return true;
}

/* ---- searches ---- */

typedef struct block_group {
    sh_quant_lanes in;
    sh_quant_norm norm[LANES];
    int n_blocks;
    _Alignas(64) float scale[LANES];
    _Alignas(64) float min[LANES];
    int8_t codes[SH_QUANT_MAX_N][LANES];
} block_group;

/* False: block *bad of the group is out of range. importance may be NULL. */
static bool group_load(block_group *g, const float *x, size_t n_left, const float *importance, int *bad)
{
    g->in.n = BLOCK;
    g->n_blocks = n_left / BLOCK < LANES ? (int)(n_left / BLOCK) : LANES;
    for (int b = 0; b < g->n_blocks; b++) {
        if (!sh_quant_norm_of(&g->norm[b], x + BLOCK * b, BLOCK)) {
            *bad = b;
            return false;
        }
        sh_quant_load(&g->in, b, 1, x + BLOCK * b, &g->norm[b]);
        sh_quant_weigh(&g->in, b, 1, importance ? importance + BLOCK * b : NULL, g->norm[b].mean_square);
    }
    sh_quant_blank(&g->in, g->n_blocks);
    for (int l = 0; l < LANES; l++) g->min[l] = 0;
    return true;
}

/* The f16 scale of lane b into dst, and what will be read of it back into *v; false beyond f16. */
static bool store_half(float *v, const sh_quant_norm *norm, uint8_t *dst)
{
    uint16_t code;
    if (!sh_quant_f16(*v * norm->down, &code)) return false;
    sh_put_u16(dst, code);
    *v = sh_f16_to_f32(code) * norm->up;
    return true;
}

static void block_codes(const block_group *g, int b, int bias, uint8_t out[BLOCK])
{
    for (int i = 0; i < BLOCK; i++) out[i] = (uint8_t)(g->codes[i][b] + bias);
}

static ptrdiff_t search_legacy(const legacy_type *t, const float *x, uint8_t *dst, size_t n,
                               const float *importance, const sh_quant_fit *fit)
{
    static const sh_quant_trials around = {-0.9f, 0.2f, 10}, inside = {-0.9f, 0.2f, 10};
    int half = 1 << (t->bits - 1), top = 2 * half - 1, bad = 0;
    block_group g;
    for (size_t at = 0; at < n; at += (size_t)g.n_blocks * BLOCK) {
        uint8_t codes[BLOCK];
        if (!group_load(&g, x + at, n - at, importance + at, &bad))
            return (ptrdiff_t)(at + (size_t)bad * BLOCK);
        if (t->has_min)
            fit->range(&g.in, (float)top, inside, false, g.scale, g.min);
        else
            fit->symmetric(&g.in, (float)half, around, g.scale);
        for (int b = 0; b < g.n_blocks; b++) {
            uint8_t *to = dst + (size_t)b * t->bytes;
            if (!store_half(&g.scale[b], &g.norm[b], to) ||
                (t->has_min && !store_half(&g.min[b], &g.norm[b], to + 2)))
                return (ptrdiff_t)(at + (size_t)b * BLOCK);
        }
        fit->code_linear(&g.in, g.scale, g.min, t->has_min ? 0 : (float)-half,
                         t->has_min ? (float)top : (float)(half - 1), g.codes);
        for (int b = 0; b < g.n_blocks; b++, dst += t->bytes) {
            block_codes(&g, b, t->has_min ? 0 : half, codes);
            put_codes(dst + (t->has_min ? 4 : 2), codes, t->bits);
        }
    }
    return SH_QUANT_ROW_OK;
}

static ptrdiff_t write_legacy(const legacy_type *t, const float *x, uint8_t *dst, size_t n,
                              const float *importance, const sh_quant_fit *fit)
{
    if (importance) return search_legacy(t, x, dst, n, importance, fit);
    for (size_t at = 0; at < n; at += BLOCK, dst += t->bytes)
        if (!(t->has_min ? nearest_range : nearest_symmetric)(t, x + at, dst)) return (ptrdiff_t)at;
    return SH_QUANT_ROW_OK;
}

ptrdiff_t sh_quant_row_q4_0(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_legacy(&q4_0, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q4_1(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_legacy(&q4_1, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q5_0(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_legacy(&q5_0, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q5_1(const float *x, uint8_t *dst, size_t n, const float *importance,
                            const sh_quant_fit *fit)
{
    return write_legacy(&q5_1, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_iq4_nl(const float *x, uint8_t *dst, size_t n, const float *importance,
                              const sh_quant_fit *fit)
{
    static const sh_quant_trials trials = {-7, 2, 8};
    int bad = 0;
    block_group g;
    for (size_t at = 0; at < n; at += (size_t)g.n_blocks * BLOCK) {
        uint8_t codes[BLOCK];
        if (!group_load(&g, x + at, n - at, importance ? importance + at : NULL, &bad))
            return (ptrdiff_t)(at + (size_t)bad * BLOCK);
        fit->levels(&g.in, trials, g.scale);
        for (int b = 0; b < g.n_blocks; b++)
            if (!store_half(&g.scale[b], &g.norm[b], dst + (size_t)b * 18))
                return (ptrdiff_t)(at + (size_t)b * BLOCK);
        fit->code_levels(&g.in, g.scale, g.codes);
        for (int b = 0; b < g.n_blocks; b++, dst += 18) {
            block_codes(&g, b, 0, codes);
            put_codes(dst + 2, codes, 4);
        }
    }
    return SH_QUANT_ROW_OK;
}
