/* quant_kquant.c - super-blocks of 256 elements: Q2_K to Q6_K and IQ4_XS.
 *
 * 1. Each sub-block gets its own best scale (and minimum) by the search of quant_fit.h, sixteen sub-blocks at a time:
 *    one super-block of Q2_K, Q3_K and Q6_K, two of the others.
 * 2. The scales of a super-block become small integers times one f16.
 * 3. All codes are chosen again for the scales as they will be read.
 * Everything between loading and storing is in units of the super-block (quant_lanes.h), where no sum can overflow and
 * a row of tiny values is treated like any other. */
#include "tensor/quant_lanes.h"

#include <math.h>
#include <string.h>

#include "tensor/quant_codes.h"

enum { LANES = SH_QUANT_LANES, SUPER = 256 };

/* Up to two super-blocks in the lanes. */
typedef struct kgroup {
    sh_quant_lanes in;
    sh_quant_norm norm[2];
    int n_super, n_sub; /* super-blocks here; sub-blocks of each */
    _Alignas(64) float scale[LANES];
    _Alignas(64) float min[LANES];
    int8_t codes[SH_QUANT_MAX_N][LANES];
} kgroup;

typedef struct kweights {
    enum sh_quant_weight plain, with_importance;
    float energy; /* the mean square of the super-block times this, for W_ROOT_H */
} kweights;

/* The next super-blocks of a row into g. Returns false when one is out of range: *bad is its index in the group. */
static bool kgroup_load(kgroup *g, int n_sub, size_t n_left, const float *x, const float *importance, kweights kw,
                        int *bad)
{
    g->n_sub = n_sub;
    g->in.n = SUPER / n_sub;
    g->n_super = n_sub == LANES || n_left == SUPER ? 1 : 2;
    memset(g->min, 0, sizeof g->min);
    for (int s = 0; s < g->n_super; s++) {
        const float *h = importance ? importance + SUPER * s : NULL;
        if (!sh_quant_norm_of(&g->norm[s], x + SUPER * s, SUPER)) {
            *bad = s;
            return false;
        }
        sh_quant_load(&g->in, s * n_sub, n_sub, x + SUPER * s, &g->norm[s]);
        sh_quant_weigh(&g->in, s * n_sub, n_sub, h ? kw.with_importance : kw.plain, h,
                       kw.energy * g->norm[s].mean_square);
    }
    sh_quant_blank(&g->in, g->n_super * n_sub);
    return true;
}

/* The codes of super-block s in the order of the elements, `bias` added. */
static void kgroup_codes(const kgroup *g, int s, int bias, uint8_t out[SUPER])
{
    for (int l = 0; l < g->n_sub; l++)
        for (int i = 0; i < g->in.n; i++)
            out[l * g->in.n + i] = (uint8_t)(g->codes[i][s * g->n_sub + l] + bias);
}

/* Round to nearest even; |v| < 2^22 */
static inline int nearest(float v) { return (int)((v + 12582912.0f) - 12582912.0f); }
static inline int clamp_int(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

/* d in units of the super-block becomes the f16 of the file and is replaced by what will be read. */
static bool store_scale(float *d, const sh_quant_norm *norm, uint8_t *dst)
{
    uint16_t code;
    if (!sh_quant_f16(*d * norm->down, &code)) return false;
    sh_put_u16(dst, code);
    *d = sh_f16_to_f32(code) * norm->up;
    return true;
}

/* n scales that are not negative as codes 0 .. top times d; the largest becomes top. */
static float unsigned_codes(const float *scale, int n, int top, uint8_t *codes)
{
    float largest = 0;
    for (int i = 0; i < n; i++) largest = scale[i] > largest ? scale[i] : largest;
    float inv = largest > 0 ? (float)top / largest : 0;
    for (int i = 0; i < n; i++) codes[i] = (uint8_t)clamp_int(nearest(inv * scale[i]), 0, top);
    return largest / (float)top;
}

/* n scales of either sign as codes -half .. half - 1 times d; the one of largest magnitude becomes -half. */
static float signed_codes(const float *scale, int n, int half, int8_t *codes)
{
    float extreme = 0;
    for (int i = 0; i < n; i++) extreme = fabsf(scale[i]) > fabsf(extreme) ? scale[i] : extreme;
    float inv = extreme != 0 ? -(float)half / extreme : 0;
    for (int i = 0; i < n; i++) codes[i] = (int8_t)clamp_int(nearest(inv * scale[i]), -half, half - 1);
    return extreme / -(float)half;
}

/* ---- scale and minimum: Q2_K, Q4_K, Q5_K ---- */

typedef struct range_type {
    int n_sub, top_code, top_scale;
    size_t bytes, d_at, dmin_at;
    sh_quant_trials plain, weighted;
    kweights weights;
    void (*pack)(uint8_t *dst, const uint8_t *scale, const uint8_t *min, const uint8_t codes[SUPER]);
} range_type;

static bool range_scales(kgroup *g, const range_type *t, int s, uint8_t *dst, uint8_t *scale, uint8_t *min)
{
    float *sub_scale = g->scale + s * g->n_sub, *sub_min = g->min + s * g->n_sub, depth[LANES];
    for (int l = 0; l < g->n_sub; l++) depth[l] = -sub_min[l];
    float d = unsigned_codes(sub_scale, g->n_sub, t->top_scale, scale);
    float dmin = unsigned_codes(depth, g->n_sub, t->top_scale, min);
    if (!store_scale(&d, &g->norm[s], dst + t->d_at) || !store_scale(&dmin, &g->norm[s], dst + t->dmin_at))
        return false;
    for (int l = 0; l < g->n_sub; l++) {
        sub_scale[l] = d * (float)scale[l];
        sub_min[l] = -(dmin * (float)min[l]);
    }
    return true;
}

static ptrdiff_t write_range(const range_type *t, const float *x, uint8_t *dst, size_t n, const float *importance,
                             const sh_quant_fit *fit)
{
    kgroup g;
    int bad = 0;
    for (size_t at = 0; at < n; at += (size_t)g.n_super * SUPER) {
        uint8_t scale[2][LANES], min[2][LANES], codes[SUPER];
        if (!kgroup_load(&g, t->n_sub, n - at, x + at, importance ? importance + at : NULL, t->weights, &bad))
            return (ptrdiff_t)(at + (size_t)bad * SUPER);
        fit->range(&g.in, (float)t->top_code, importance ? t->weighted : t->plain, true, g.scale, g.min);
        for (int s = 0; s < g.n_super; s++)
            if (!range_scales(&g, t, s, dst + (size_t)s * t->bytes, scale[s], min[s]))
                return (ptrdiff_t)(at + (size_t)s * SUPER);
        fit->code_linear(&g.in, g.scale, g.min, 0, (float)t->top_code, g.codes);
        for (int s = 0; s < g.n_super; s++, dst += t->bytes) {
            kgroup_codes(&g, s, 0, codes);
            t->pack(dst, scale[s], min[s], codes);
        }
    }
    return SH_QUANT_ROW_OK;
}

static void pack_q2_k(uint8_t *dst, const uint8_t *scale, const uint8_t *min, const uint8_t codes[SUPER])
{
    for (int s = 0; s < 16; s++) dst[s] = (uint8_t)(scale[s] | min[s] << 4);
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *q = codes + 128 * h + l;
            dst[16 + 32 * h + l] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
}

static void pack_scale_min_k4(uint8_t *p, const uint8_t *scale, const uint8_t *min)
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

static void pack_q4_k(uint8_t *dst, const uint8_t *scale, const uint8_t *min, const uint8_t codes[SUPER])
{
    pack_scale_min_k4(dst + 4, scale, min);
    pack_nibble_pairs(dst + 16, codes);
}

static void pack_q5_k(uint8_t *dst, const uint8_t *scale, const uint8_t *min, const uint8_t codes[SUPER])
{
    pack_scale_min_k4(dst + 4, scale, min);
    for (int l = 0; l < 32; l++) {
        unsigned high = 0;
        for (int g = 0; g < 8; g++) high |= (unsigned)(codes[32 * g + l] >> 4) << g;
        dst[16 + l] = (uint8_t)high;
    }
    pack_nibble_pairs(dst + 48, codes);
}

static const range_type q2_k = {
    .n_sub = 16, .top_code = 3, .top_scale = 15, .bytes = 84, .d_at = 80, .dmin_at = 82,
    .plain = {-0.5f, 0.1f, 16}, .weighted = {-0.9f, 0.05f, 38},
    .weights = {SH_QUANT_W_ABS, SH_QUANT_W_ROOT_H, 1}, .pack = pack_q2_k,
};
static const range_type q4_k = {
    .n_sub = 8, .top_code = 15, .top_scale = 63, .bytes = 144, .d_at = 0, .dmin_at = 2,
    .plain = {-1, 0.1f, 22}, .weighted = {-0.9f, 0.05f, 38},
    .weights = {SH_QUANT_W_RMS_ABS, SH_QUANT_W_ROOT_H, 2}, .pack = pack_q4_k,
};
static const range_type q5_k = {
    .n_sub = 8, .top_code = 31, .top_scale = 63, .bytes = 176, .d_at = 0, .dmin_at = 2,
    .plain = {-0.5f, 0.1f, 16}, .weighted = {-0.9f, 0.05f, 38},
    .weights = {SH_QUANT_W_RMS_ABS, SH_QUANT_W_ROOT_H, 2}, .pack = pack_q5_k,
};

ptrdiff_t sh_quant_row_q2_k(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_range(&q2_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q4_k(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_range(&q4_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q5_k(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_range(&q5_k, x, dst, n, importance, fit);
}

/* ---- scale only: Q3_K, Q6_K, IQ4_XS ---- */

typedef struct scale_type {
    int n_sub, half_code, half_scale; /* half_code 0: the levels of IQ4 */
    size_t bytes, d_at;
    sh_quant_trials trials;
    kweights weights;
    void (*pack)(uint8_t *dst, const int8_t *scale, const uint8_t codes[SUPER]);
} scale_type;

static ptrdiff_t write_scaled(const scale_type *t, const float *x, uint8_t *dst, size_t n, const float *importance,
                              const sh_quant_fit *fit)
{
    kgroup g;
    int bad = 0;
    for (size_t at = 0; at < n; at += (size_t)g.n_super * SUPER) {
        uint8_t codes[SUPER];
        int8_t scale[2][LANES];
        if (!kgroup_load(&g, t->n_sub, n - at, x + at, importance ? importance + at : NULL, t->weights, &bad))
            return (ptrdiff_t)(at + (size_t)bad * SUPER);
        if (t->half_code)
            fit->symmetric(&g.in, (float)t->half_code, t->trials, g.scale);
        else
            fit->levels(&g.in, t->trials, g.scale);
        for (int s = 0; s < g.n_super; s++) {
            float *sub_scale = g.scale + s * g.n_sub, d = signed_codes(sub_scale, g.n_sub, t->half_scale, scale[s]);
            if (!store_scale(&d, &g.norm[s], dst + (size_t)s * t->bytes + t->d_at))
                return (ptrdiff_t)(at + (size_t)s * SUPER);
            for (int l = 0; l < g.n_sub; l++) sub_scale[l] = d * (float)scale[s][l];
        }
        if (t->half_code)
            fit->code_linear(&g.in, g.scale, g.min, -(float)t->half_code, (float)(t->half_code - 1), g.codes);
        else
            fit->code_levels(&g.in, g.scale, g.codes);
        for (int s = 0; s < g.n_super; s++, dst += t->bytes) {
            kgroup_codes(&g, s, t->half_code, codes);
            t->pack(dst, scale[s], codes);
        }
    }
    return SH_QUANT_ROW_OK;
}

static void pack_q3_k(uint8_t *dst, const int8_t *scale, const uint8_t codes[SUPER])
{
    memset(dst, 0, 108);
    for (int i = 0; i < SUPER; i++) {
        int h = i / 128, k = i % 128 / 32, l = i % 32;
        dst[l] |= (uint8_t)((codes[i] >> 2) << (4 * h + k));
        dst[32 + 32 * h + l] |= (uint8_t)((codes[i] & 3) << 2 * k);
    }
    for (int s = 0; s < 16; s++) {
        unsigned sc = (unsigned)(scale[s] + 32);
        dst[96 + s % 8] |= (uint8_t)((sc & 15) << 4 * (s / 8));
        dst[104 + s % 4] |= (uint8_t)((sc >> 4) << 2 * (s / 4));
    }
}

static void pack_q6_k(uint8_t *dst, const int8_t *scale, const uint8_t codes[SUPER])
{
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *q = codes + 128 * h + l;
            uint8_t *low = dst + 64 * h + l;
            low[0] = (uint8_t)((q[0] & 15) | (q[64] & 15) << 4);
            low[32] = (uint8_t)((q[32] & 15) | (q[96] & 15) << 4);
            dst[128 + 32 * h + l] = (uint8_t)(q[0] >> 4 | q[32] >> 4 << 2 | q[64] >> 4 << 4 | q[96] >> 4 << 6);
        }
    for (int s = 0; s < 16; s++) dst[192 + s] = (uint8_t)scale[s];
}

static void pack_iq4_xs(uint8_t *dst, const int8_t *scale, const uint8_t codes[SUPER])
{
    unsigned high = 0;
    memset(dst + 4, 0, 4);
    for (int g = 0; g < 8; g++) {
        unsigned ls = (unsigned)(scale[g] + 32);
        dst[4 + g / 2] |= (uint8_t)((ls & 15) << 4 * (g % 2));
        high |= (ls >> 4) << 2 * g;
        for (int l = 0; l < 16; l++)
            dst[8 + 16 * g + l] = (uint8_t)(codes[32 * g + l] | codes[32 * g + 16 + l] << 4);
    }
    sh_put_u16(dst + 2, (uint16_t)high);
}

static const scale_type q3_k = {
    .n_sub = 16, .half_code = 4, .half_scale = 32, .bytes = 110, .d_at = 108, .trials = {-0.9f, 0.1f, 20},
    .weights = {SH_QUANT_W_SQUARE, SH_QUANT_W_ROOT_H, 2}, .pack = pack_q3_k,
};
static const scale_type q6_k = {
    .n_sub = 16, .half_code = 32, .half_scale = 128, .bytes = 210, .d_at = 208, .trials = {-0.9f, 0.1f, 20},
    .weights = {SH_QUANT_W_SQUARE, SH_QUANT_W_PLAIN_H, 1}, .pack = pack_q6_k,
};
static const scale_type iq4_xs = {
    .n_sub = 8, .half_code = 0, .half_scale = 32, .bytes = 136, .d_at = 0, .trials = {-7, 1, 15},
    .weights = {SH_QUANT_W_SQUARE, SH_QUANT_W_ROOT_H, 2}, .pack = pack_iq4_xs,
};

ptrdiff_t sh_quant_row_q3_k(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_scaled(&q3_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_q6_k(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_scaled(&q6_k, x, dst, n, importance, fit);
}

ptrdiff_t sh_quant_row_iq4_xs(const float *x, uint8_t *dst, size_t n, const float *importance, const sh_quant_fit *fit)
{
    return write_scaled(&iq4_xs, x, dst, n, importance, fit);
}
