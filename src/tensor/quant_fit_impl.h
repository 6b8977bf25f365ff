/* quant_fit_impl.h - the bodies of quant_fit.h, compiled once for each vector width.
 *
 * A file that wants the searches for one instruction set includes this and defines a table with
 * SH_QUANT_FIT_TABLE. Everything is static, so the copies cannot be confused by the linker. The width only
 * says how many lanes run side by side: a pass over all 16 lanes is LANES / WIDTH independent passes.
 *
 * Rounding to nearest even is the addition of 1.5 * 2^23, exact for magnitudes below 2^22; codes are clamped
 * first. */
#ifndef SH_TENSOR_QUANT_FIT_IMPL_H
#define SH_TENSOR_QUANT_FIT_IMPL_H

#include <stddef.h>
#include <string.h>

#include "tensor/quant_codes.h"
#include "tensor/quant_fit.h"

/* Larger and smaller are `a > b ? a : b` and `a < b ? a : b`, which is what the instructions of x86 compute
 * to the letter; compilers do not find them in the portable form. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define VF_BYTES 64
#define VF_MAX(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define VF_MIN(a, b) ((vf)_mm512_min_ps((__m512)(a), (__m512)(b)))
#elif defined(__AVX__)
#include <immintrin.h>
#define VF_BYTES 32
#define VF_MAX(a, b) ((vf)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define VF_MIN(a, b) ((vf)_mm256_min_ps((__m256)(a), (__m256)(b)))
#elif defined(__SSE__)
#include <xmmintrin.h>
#define VF_BYTES 16
#define VF_MAX(a, b) ((vf)_mm_max_ps((__m128)(a), (__m128)(b)))
#define VF_MIN(a, b) ((vf)_mm_min_ps((__m128)(a), (__m128)(b)))
#else
#define VF_BYTES 16
#define VF_MAX(a, b) vf_select((a) > (b), a, b)
#define VF_MIN(a, b) vf_select((a) < (b), a, b)
#endif
#define VF_LANES (VF_BYTES / 4)
enum { POLISH = 2 }; /* rounds of choosing the codes again for the best scale */
/* A trial must be better by more than rounding errors are: among fits that are all perfect (equal values, a
 * few exact levels) the first one tried, the plain one, is kept in every lane, so that their scales agree. */
#define NOISE 0x1p-21f

typedef float vf __attribute__((vector_size(VF_BYTES), may_alias));
typedef int32_t vi __attribute__((vector_size(VF_BYTES), may_alias));
#define VF_INLINE static inline __attribute__((always_inline))

VF_INLINE vf vf_load(const float *p)
{
    return *(const vf *)p;
}
VF_INLINE void vf_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}
VF_INLINE vf vf_set(float f)
{
    return (vf){0} + f;
}
VF_INLINE vf vf_select(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
VF_INLINE vf vf_min(vf a, vf b)
{
    return VF_MIN(a, b);
}
VF_INLINE vf vf_max(vf a, vf b)
{
    return VF_MAX(a, b);
}
VF_INLINE vf vf_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}
VF_INLINE vf vf_clamp(vf v, vf lo, vf hi)
{
    return vf_min(vf_max(v, lo), hi);
}
VF_INLINE vf vf_round(vf v)
{
    return (v + 12582912.0f) - 12582912.0f;
}
/* 1/v, or 0 where v is 0 or so small that the quotient would overflow */
VF_INLINE vf vf_inverse(vf v)
{
    vi usable = vf_abs(v) > vf_set(0x1p-120f);
    return vf_select(usable, 1.0f / vf_select(usable, v, vf_set(1)), vf_set(0));
}

/* Nearest level of IQ4: start at the lowest, and add each gap whose midpoint lies below v. */
VF_INLINE vf vf_nearest_level(vf v)
{
    vf level = vf_set((float)sh_iq4_levels[0]);
#pragma GCC unroll 15
    for (int k = 0; k < 15; k++) {
        float lo = (float)sh_iq4_levels[k], hi = (float)sh_iq4_levels[k + 1];
        level += (vf)((v > vf_set(0.5f * (lo + hi))) & (vi)vf_set(hi - lo));
    }
    return level;
}

VF_INLINE vf vf_level_index(vf v)
{
    vi index = {0};
#pragma GCC unroll 15
    for (int k = 0; k < 15; k++)
        index -= v > vf_set(0.5f * ((float)sh_iq4_levels[k] + (float)sh_iq4_levels[k + 1]));
    return __builtin_convertvector(index, vf);
}

/* ---- scale and minimum ---- */

typedef struct range_state {
    vf sum_w, sum_x;          /* sum of w, of w x */
    vf low, span;             /* the smallest value and the distance to the largest */
    vf scale, min, gain;      /* the best so far; gain is how much of sum w x^2 it explains */
    vf (*wx)[SH_QUANT_MAX_N]; /* w x of each element */
} range_state;

/* What one trial sums up: codes q of weight w. */
typedef struct range_sums {
    vf q, qq, xq;
} range_sums;

VF_INLINE void range_accept(range_state *st, range_sums s, bool clamp_min)
{
    vf det = st->sum_w * s.qq - s.q * s.q;
    /* Where all codes are equal the two unknowns cannot be told apart: det is rounding noise, and the scale
     * alone is fitted, as it is where the minimum would come out positive. */
    vi both = det > 1e-6f * st->sum_w * s.qq;
    vf safe_det = vf_select(both, det, vf_set(1));
    vf min = (s.qq * st->sum_x - s.q * s.xq) / safe_det;
    vf scale = (st->sum_w * s.xq - st->sum_x * s.q) / safe_det;
    if (clamp_min) both &= min <= vf_set(0);
    vi some = s.qq > vf_set(0);
    min = vf_select(both, min, vf_set(0));
    scale = vf_select(both, scale, s.xq / vf_select(some, s.qq, vf_set(1)));
    /* At the least-squares solution the explained part is linear in it. */
    vf gain = scale * s.xq + min * st->sum_x;
    vi better = (gain > st->gain + NOISE * vf_abs(st->gain)) & some;
    st->gain = vf_select(better, gain, st->gain);
    st->scale = vf_select(better, scale, st->scale);
    st->min = vf_select(better, min, st->min);
}

VF_INLINE range_state range_begin(const sh_quant_lanes *in, int at, float max_code, bool clamp_min,
                                  vf (*wx)[SH_QUANT_MAX_N])
{
    range_state st = {.wx = wx};
    vf low = vf_load(&in->x[0][at]), high = low;
    for (int i = 0; i < in->n; i++) {
        vf x = vf_load(&in->x[i][at]), w = vf_load(&in->w[i][at]);
        (*wx)[i] = w * x;
        st.sum_w += w;
        st.sum_x += w * x;
        low = vf_min(low, x);
        high = vf_max(high, x);
    }
    st.low = clamp_min ? vf_min(low, vf_set(0)) : low;
    st.span = high - st.low;
    st.scale = st.span / max_code;
    st.min = st.low;
    st.gain = vf_set(-0x1p120f);
    return st;
}

/* One inverse scale, with the codes shifted up and down by a quarter: where a few values far out set the
 * scale, what is left to choose is where the grid lies under the many. */
VF_INLINE void range_trial(const sh_quant_lanes *in, int at, range_state *st, float max_code, vf inv,
                           bool clamp_min)
{
    range_sums a = {0}, b = {0};
    vf zero = vf_set(0), top = vf_set(max_code), low = st->low;
    for (int i = 0; i < in->n; i++) {
        vf t = (vf_load(&in->x[i][at]) - low) * inv, w = vf_load(&in->w[i][at]), wx = (*st->wx)[i];
        vf q0 = vf_round(vf_clamp(t + 0.25f, zero, top)), q1 = vf_round(vf_clamp(t - 0.25f, zero, top));
        vf wq0 = w * q0, wq1 = w * q1;
        a.q += wq0, a.qq += wq0 * q0, a.xq += wx * q0;
        b.q += wq1, b.qq += wq1 * q1, b.xq += wx * q1;
    }
    range_accept(st, a, clamp_min);
    range_accept(st, b, clamp_min);
}

VF_INLINE void range_polish(const sh_quant_lanes *in, int at, range_state *st, float max_code, bool clamp_min)
{
    range_sums s = {0};
    vf zero = vf_set(0), top = vf_set(max_code), inv = vf_inverse(st->scale), min = st->min;
    for (int i = 0; i < in->n; i++) {
        vf q = vf_round(vf_clamp((vf_load(&in->x[i][at]) - min) * inv, zero, top));
        vf wq = vf_load(&in->w[i][at]) * q;
        s.q += wq, s.qq += wq * q, s.xq += (*st->wx)[i] * q;
    }
    range_accept(st, s, clamp_min);
}

static void fit_range(const sh_quant_lanes *in, float max_code, sh_quant_trials trials, bool clamp_min,
                      float *scale, float *min)
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf wx[SH_QUANT_MAX_N];
        range_state st = range_begin(in, at, max_code, clamp_min, &wx);
        vf unit = vf_inverse(st.span);
        range_polish(in, at, &st, max_code, clamp_min);
        for (int k = 0; k < trials.count; k++)
            range_trial(in, at, &st, max_code, (max_code + trials.first + trials.step * (float)k) * unit,
                        clamp_min);
        for (int k = 0; k < POLISH; k++) range_polish(in, at, &st, max_code, clamp_min);
        vf_store(scale + at, st.scale);
        vf_store(min + at, st.min);
    }
}

/* ---- scale only ---- */

typedef struct scale_state {
    vf extreme; /* the value of largest magnitude, the first of equals */
    vf scale, gain;
    vf (*wx)[SH_QUANT_MAX_N];
} scale_state;

VF_INLINE scale_state scale_begin(const sh_quant_lanes *in, int at, vf (*wx)[SH_QUANT_MAX_N])
{
    scale_state st = {.wx = wx};
    for (int i = 0; i < in->n; i++) {
        vf x = vf_load(&in->x[i][at]);
        (*wx)[i] = vf_load(&in->w[i][at]) * x;
        st.extreme = vf_select(vf_abs(x) > vf_abs(st.extreme), x, st.extreme);
    }
    return st;
}

/* gain is (sum w x q)^2 / sum w q^2, what the best scale for these codes explains */
VF_INLINE void scale_accept(scale_state *st, vf qq, vf xq)
{
    vi some = qq > vf_set(0);
    vf scale = xq / vf_select(some, qq, vf_set(1)), gain = scale * xq;
    vi better = (gain > st->gain + NOISE * st->gain) & some;
    st->gain = vf_select(better, gain, st->gain);
    st->scale = vf_select(better, scale, st->scale);
}

VF_INLINE void symmetric_trial(const sh_quant_lanes *in, int at, scale_state *st, float half, vf inv)
{
    vf lo = vf_set(-half), hi = vf_set(half - 1), qq0 = {0}, qq1 = {0}, xq0 = {0}, xq1 = {0};
    for (int i = 0; i < in->n; i++) {
        vf t = vf_load(&in->x[i][at]) * inv, w = vf_load(&in->w[i][at]), wx = (*st->wx)[i];
        vf q0 = vf_round(vf_clamp(t, lo, hi)), q1 = vf_round(vf_clamp(-t, lo, hi));
        qq0 += w * q0 * q0, xq0 += wx * q0;
        qq1 += w * q1 * q1, xq1 += wx * q1;
    }
    scale_accept(st, qq0, xq0);
    scale_accept(st, qq1, xq1);
}

static void fit_symmetric(const sh_quant_lanes *in, float half, sh_quant_trials trials, float *scale)
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf wx[SH_QUANT_MAX_N];
        scale_state st = scale_begin(in, at, &wx);
        vf unit = vf_inverse(st.extreme);
        symmetric_trial(in, at, &st, half, -half * unit);
        for (int k = 0; k < trials.count; k++)
            symmetric_trial(in, at, &st, half, (half + trials.first + trials.step * (float)k) * unit);
        for (int k = 0; k < POLISH; k++) symmetric_trial(in, at, &st, half, vf_inverse(st.scale));
        vf_store(scale + at, st.scale);
    }
}

VF_INLINE void levels_trial(const sh_quant_lanes *in, int at, scale_state *st, vf inv)
{
    vf qq = {0}, xq = {0};
    for (int i = 0; i < in->n; i++) {
        vf q = vf_nearest_level(vf_load(&in->x[i][at]) * inv);
        qq += vf_load(&in->w[i][at]) * q * q;
        xq += (*st->wx)[i] * q;
    }
    scale_accept(st, qq, xq);
}

static void fit_levels(const sh_quant_lanes *in, sh_quant_trials trials, float *scale)
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf wx[SH_QUANT_MAX_N];
        scale_state st = scale_begin(in, at, &wx);
        vf unit = vf_inverse(st.extreme);
        levels_trial(in, at, &st, -127.0f * unit);
        for (int k = 0; k < trials.count; k++) {
            vf inv = (127.0f + trials.first + trials.step * (float)k) * unit;
            levels_trial(in, at, &st, inv);
            levels_trial(in, at, &st, -inv);
        }
        for (int k = 0; k < POLISH; k++) levels_trial(in, at, &st, vf_inverse(st.scale));
        vf_store(scale + at, st.scale);
    }
}

/* ---- codes for given scales ---- */

VF_INLINE void measure_code(const sh_quant_lanes *in, int i, int at, vf q, vf scale, vf min, vf sums[6])
{
    vf w = vf_load(&in->w[i][at]), x = vf_load(&in->x[i][at]), wx = w * x, wq = w * q,
       miss = x - (scale * q + min);
    sums[0] += w, sums[1] += wx, sums[2] += wq, sums[3] += wq * q, sums[4] += wx * q,
        sums[5] += w * miss * miss;
}

VF_INLINE void measure_store(sh_quant_sums *out, int at, const vf sums[6])
{
    vf_store(out->w + at, sums[0]);
    vf_store(out->x + at, sums[1]);
    vf_store(out->q + at, sums[2]);
    vf_store(out->qq + at, sums[3]);
    vf_store(out->xq + at, sums[4]);
    vf_store(out->error + at, sums[5]);
}

static void measure_linear(const sh_quant_lanes *in, const float *scale, const float *min, float lo, float hi,
                           sh_quant_sums *out)
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf d = vf_load(scale + at), inv = vf_inverse(d), m = vf_load(min + at), bottom = vf_set(lo),
           top = vf_set(hi);
        vf sums[6] = {{0}};
        for (int i = 0; i < in->n; i++) {
            vf q = vf_round(vf_clamp((vf_load(&in->x[i][at]) - m) * inv, bottom, top));
            measure_code(in, i, at, q, d, m, sums);
        }
        measure_store(out, at, sums);
    }
}

static void measure_levels(const sh_quant_lanes *in, const float *scale, sh_quant_sums *out)
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf d = vf_load(scale + at), inv = vf_inverse(d), sums[6] = {{0}};
        for (int i = 0; i < in->n; i++)
            measure_code(in, i, at, vf_nearest_level(vf_load(&in->x[i][at]) * inv), d, vf_set(0), sums);
        measure_store(out, at, sums);
    }
}

/* Here a lane is a trial, and the sums run over the sub-blocks of one super-block. */
static void try_units(sh_quant_units *t, const float *target, const float *cost, int n, float lo, float hi)
{
    vf bottom = vf_set(lo), top = vf_set(hi);
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf inv = vf_load(t->inv + at), tc = {0}, cc = {0};
        for (int i = 0; i < n; i++) {
            vf code = vf_round(vf_clamp(vf_set(target[i]) * inv, bottom, top)),
               weighted = vf_set(cost[i]) * code;
            tc += weighted * target[i];
            cc += weighted * code;
        }
        vi some = cc > vf_set(0);
        vf unit = vf_select(some, tc / vf_select(some, cc, vf_set(1)), vf_set(0));
        vf_store(t->inv + at, vf_inverse(unit));
        vf_store(t->unit + at, unit);
        vf_store(t->gain + at, unit * tc);
    }
}

VF_INLINE void store_codes(int8_t *to, vf q)
{
    float f[VF_LANES];
    vf_store(f, q);
    for (int l = 0; l < VF_LANES; l++) to[l] = (int8_t)f[l];
}

static void code_linear(const sh_quant_lanes *in, const float *scale, const float *min, float lo, float hi,
                        int8_t (*codes)[SH_QUANT_LANES])
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf inv = vf_inverse(vf_load(scale + at)), m = vf_load(min + at), bottom = vf_set(lo),
           top = vf_set(hi);
        for (int i = 0; i < in->n; i++)
            store_codes(&codes[i][at], vf_round(vf_clamp((vf_load(&in->x[i][at]) - m) * inv, bottom, top)));
    }
}

static void code_levels(const sh_quant_lanes *in, const float *scale, int8_t (*codes)[SH_QUANT_LANES])
{
    for (int at = 0; at < SH_QUANT_LANES; at += VF_LANES) {
        vf inv = vf_inverse(vf_load(scale + at));
        for (int i = 0; i < in->n; i++)
            store_codes(&codes[i][at], vf_level_index(vf_load(&in->x[i][at]) * inv));
    }
}

#define SH_QUANT_FIT_TABLE(text)                                                                             \
    {.name = text,                                                                                           \
     .range = fit_range,                                                                                     \
     .symmetric = fit_symmetric,                                                                             \
     .levels = fit_levels,                                                                                   \
     .measure_linear = measure_linear,                                                                       \
     .measure_levels = measure_levels,                                                                       \
     .units = try_units,                                                                                     \
     .code_linear = code_linear,                                                                             \
     .code_levels = code_levels}

#endif
