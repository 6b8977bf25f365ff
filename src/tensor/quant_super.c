/* quant_super.c - finding the scales of super-blocks.
 *
 * 1. Each sub-block gets its own best scale (and minimum) by the search of quant_fit.h, sixteen sub-blocks at
 * a time: one super-block of sixteen, or two of eight.
 * 2. With its codes held, the error of a sub-block is a quadratic in its scale s and minimum m, known from
 * five sums. The integers that stand for the scales of a super-block, and the f16 that they multiply, are
 * chosen to lose least by these quadratics: first the scales, each judged with its best minimum, then the
 * minima given the scales.
 * 3. The codes are chosen again for the scales as they will be read. That gives new quadratics: steps 2 and 3
 * are done ROUNDS times and the best outcome is kept.
 *
 * Everything is in units of the super-block (quant_lanes.h), where no sum can overflow and a row of tiny
 * values is treated like any other. */
#include "tensor/quant_super.h"

#include <math.h>
#include <string.h>

enum { LANES = SH_QUANT_LANES, SUPER = SH_QUANT_SUPER, ROUNDS = 2 };

/* Up to two super-blocks in the lanes. */
typedef struct kgroup {
    sh_quant_lanes in;
    sh_quant_norm norm[2];
    int n_super, n_sub;
    _Alignas(64) float scale[LANES], min[LANES]; /* under trial */
    _Alignas(64) float best_scale[LANES], best_min[LANES];
    float best_error[2];
    sh_quant_sums sums;
    int8_t codes[SH_QUANT_MAX_N][LANES];
} kgroup;

static void group_load(kgroup *g, const sh_quant_super_type *t, const float *x, size_t n_left,
                       const float *importance, sh_quant_super *out)
{
    g->n_sub = t->n_sub;
    g->in.n = SUPER / t->n_sub;
    g->n_super = t->n_sub == LANES || n_left == SUPER ? 1 : 2;
    memset(g->min, 0, sizeof g->min);
    memset(g->best_scale, 0, sizeof g->best_scale);
    memset(g->best_min, 0, sizeof g->best_min);
    for (int s = 0; s < g->n_super; s++, x += SUPER) {
        out[s].fits = sh_quant_norm_of(&g->norm[s], x, SUPER);
        g->best_error[s] = INFINITY;
        sh_quant_load(&g->in, s * g->n_sub, g->n_sub, x, &g->norm[s]);
        sh_quant_weigh(&g->in, s * g->n_sub, g->n_sub, importance ? importance + SUPER * s : NULL,
                       g->norm[s].mean_square);
    }
    sh_quant_blank(&g->in, g->n_super * g->n_sub);
}

static void measure(kgroup *g, const sh_quant_super_type *t, const sh_quant_fit *fit)
{
    if (t->has_levels)
        fit->measure_levels(&g->in, g->scale, &g->sums);
    else
        fit->measure_linear(&g->in, g->scale, g->min, (float)t->lo, (float)t->hi, &g->sums);
}

/* The quadratics of all lanes: the least-squares scale and minimum, and how much a deviation of the scale
 * costs. */
typedef struct optimum {
    float scale[LANES], min[LANES];
    float slope[LANES]; /* the best minimum moves by -slope for each unit of the scale */
    float cost[LANES];
} optimum;

static void solve(const sh_quant_sums *s, bool has_min, optimum *o)
{
    for (int l = 0; l < LANES; l++) {
        float det = s->w[l] * s->qq[l] - s->q[l] * s->q[l];
        bool both = has_min && det > 1e-6f * s->w[l] * s->qq[l];
        float min = both ? (s->qq[l] * s->x[l] - s->q[l] * s->xq[l]) / det : 0;
        both = both && min <= 0;
        o->min[l] = both ? min : has_min && s->qq[l] == 0 && s->x[l] < 0 ? s->x[l] / s->w[l] : 0;
        o->scale[l] = both           ? (s->w[l] * s->xq[l] - s->x[l] * s->q[l]) / det
                      : s->qq[l] > 0 ? s->xq[l] / s->qq[l]
                                     : 0;
        o->slope[l] = both ? s->q[l] / s->w[l] : 0;
        o->cost[l] = both ? det / s->w[l] : s->qq[l];
    }
}

/* Round to nearest even within lo .. hi */
static inline float round_within(float v, float lo, float hi)
{
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    return (v + 12582912.0f) - 12582912.0f;
}

/* The unit d for which codes lo .. hi times d come nearest to n targets, by cost. Tried: the largest target
 * at the end of the range and near it, then one round of choosing the codes again. 0 when all targets are 0
 * or cost nothing. */
static float fit_unit(const sh_quant_fit *fit, const float *target, const float *cost, int n, float lo,
                      float hi)
{
    float extreme = 0, d = 0, gain = 0, end = lo < 0 ? lo : hi;
    for (int i = 0; i < n; i++) extreme = fabsf(target[i]) > fabsf(extreme) ? target[i] : extreme;
    if (fabsf(extreme) < 0x1p-100f) return 0;
    sh_quant_units t;
    for (int k = 0; k < LANES; k++) t.inv[k] = (end + (float)(k - LANES / 2) * 0.5f) / extreme;
    for (int round = 0; round < 2; round++) {
        fit->units(&t, target, cost, n, lo, hi);
        for (int k = 0; k < LANES; k++) {
            bool better = t.gain[k] > gain;
            gain = better ? t.gain[k] : gain;
            d = better ? t.unit[k] : d;
        }
    }
    return d;
}

/* Codes of n targets in units of d, and the values they stand for. */
static void choose_codes(const float *target, int n, float d, float lo, float hi, int8_t *codes,
                         float *values)
{
    float inv = fabsf(d) > 0x1p-100f ? 1 / d : 0;
    for (int i = 0; i < n; i++) {
        float code = round_within(target[i] * inv, lo, hi);
        codes[i] = (int8_t)code;
        values[i] = d * code;
    }
}

/* d becomes what will be read for it, in units of the super-block; false beyond f16. */
static bool round_unit(float *d, const sh_quant_norm *norm, uint16_t *code)
{
    if (!sh_quant_f16(*d * norm->down, code)) return false;
    *d = sh_f16_to_f32(*code) * norm->up;
    return true;
}

/* Step 2 for super-block s: fills b and g->scale, g->min. False beyond f16. */
static bool choose_scales(kgroup *g, const sh_quant_super_type *t, const sh_quant_fit *fit, int s,
                          const optimum *o, sh_quant_super *b)
{
    int first = s * g->n_sub;
    float lo = (float)t->scale_lo, hi = (float)t->scale_hi, *scale = g->scale + first, *min = g->min + first;
    float d = fit_unit(fit, o->scale + first, o->cost + first, g->n_sub, lo, hi), depth[LANES];
    if (!round_unit(&d, &g->norm[s], &b->d)) return false;
    choose_codes(o->scale + first, g->n_sub, d, lo, hi, b->scale, scale);
    if (!t->has_min) return true;
    for (int l = 0; l < g->n_sub; l++) {
        float best = o->min[first + l] - o->slope[first + l] * (scale[l] - o->scale[first + l]);
        depth[l] = best < 0 ? -best : 0;
    }
    float dmin = fit_unit(fit, depth, g->sums.w + first, g->n_sub, 0, hi);
    if (!round_unit(&dmin, &g->norm[s], &b->dmin)) return false;
    choose_codes(depth, g->n_sub, dmin, 0, hi, b->min, min);
    for (int l = 0; l < g->n_sub; l++) min[l] = -min[l];
    return true;
}

/* Keep the trial where it is the best yet. */
static void keep_better(kgroup *g, int s, const sh_quant_super *trial, sh_quant_super *out)
{
    int first = s * g->n_sub;
    size_t bytes = (size_t)g->n_sub * sizeof(float);
    float error = 0;
    for (int l = 0; l < g->n_sub; l++) error += g->sums.error[first + l];
    if (!trial->fits || !(error < g->best_error[s])) return;
    g->best_error[s] = error;
    memcpy(g->best_scale + first, g->scale + first, bytes);
    memcpy(g->best_min + first, g->min + first, bytes);
    out->fits = true;
    out->d = trial->d, out->dmin = trial->dmin;
    memcpy(out->scale, trial->scale, sizeof out->scale);
    memcpy(out->min, trial->min, sizeof out->min);
}

static void search_scales(kgroup *g, const sh_quant_super_type *t, const sh_quant_fit *fit,
                          sh_quant_super *out)
{
    sh_quant_super trial[2] = {{0}};
    optimum o;
    bool in_range[2];
    for (int s = 0; s < g->n_super; s++) in_range[s] = out[s].fits, out[s].fits = false;
    measure(g, t, fit);
    for (int round = 0; round < ROUNDS; round++) {
        solve(&g->sums, t->has_min, &o);
        for (int s = 0; s < g->n_super; s++)
            trial[s].fits = in_range[s] && choose_scales(g, t, fit, s, &o, &trial[s]);
        measure(g, t, fit);
        for (int s = 0; s < g->n_super; s++) keep_better(g, s, &trial[s], &out[s]);
    }
}

static void choose_all_codes(kgroup *g, const sh_quant_super_type *t, const sh_quant_fit *fit,
                             sh_quant_super *out)
{
    if (t->has_levels)
        fit->code_levels(&g->in, g->best_scale, g->codes);
    else
        fit->code_linear(&g->in, g->best_scale, g->best_min, (float)t->lo, (float)t->hi, g->codes);
    for (int s = 0; s < g->n_super; s++)
        for (int l = 0; l < g->n_sub; l++)
            for (int i = 0; i < g->in.n; i++)
                out[s].codes[l * g->in.n + i] = (uint8_t)(g->codes[i][s * g->n_sub + l] - t->lo);
}

int sh_quant_super_fit(const sh_quant_super_type *t, const sh_quant_fit *fit, const float *x, size_t n_left,
                       const float *importance, sh_quant_super out[2])
{
    kgroup g;
    sh_quant_trials trials = importance ? t->weighted : t->plain;
    group_load(&g, t, x, n_left, importance, out);
    if (t->has_levels)
        fit->levels(&g.in, trials, g.scale);
    else if (t->has_min)
        fit->range(&g.in, (float)t->hi, trials, true, g.scale, g.min);
    else
        fit->symmetric(&g.in, (float)-t->lo, trials, g.scale);
    search_scales(&g, t, fit, out);
    memset(g.codes, 0, sizeof g.codes);
    choose_all_codes(&g, t, fit, out);
    return g.n_super;
}
