/* resample_sound.c - polyphase windowed sinc.
 *
 * Output j lies at input time j * down / up (the two rates, reduced): at a whole sample `base` plus a phase
 * out of `up`.
 *
 *   y[j] = sum over k of in[k] h(base + phase / up - k),   h(x) = 2 c sinc(2 c x) kaiser(x / half_width)
 *
 * h does not depend on j but through the phase, so it is tabulated: one row of taps a phase. Beyond
 * MAX_PHASES rows (rates with a small common divisor, such as 44099 and 16000) the table has MAX_PHASES of
 * them, evenly spaced, and y is interpolated between the sums of the two nearest: the error of a tone at half
 * the rate is (pi / 512)^2 / 8, -106 dB.
 *
 * Kaiser's formulas: attenuation A = 100 dB needs beta = 0.1102 (A - 8.7) and (A - 7.95) / (14.36 d) taps for
 * a transition of d cycles a sample. It runs from 0.91 to 1 of half the lower rate. Each row is scaled to sum
 * 1: a constant stays what it is. */
#include "media/resample_sound.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/sound.h"
#include "tensor/exactmath.h"

enum { MAX_PHASES = 512, LANES = 4, STEP = 4 * LANES, GRAIN = 1024 };

static const double attenuation_db = 100, pass_end = 0.91;

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

typedef struct resampler {
    uint64_t up, down;
    uint32_t n_rows; /* phases 0, 1/n_rows, ... n_rows/n_rows */
    size_t half;     /* taps on each side of an output */
    size_t n_taps;   /* 2 half, up to the next multiple of STEP (weights 0) */
    float *rows;     /* [n_rows + 1, n_taps] */
    float *edges;    /* [threads, n_taps] */
    const float *in;
    float *out;
    size_t n_in;
} resampler;

/* Modified Bessel function of order 0, by its series: fine for the arguments below 12 that occur. */
static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; term > sum * 0x1p-60; k++) {
        double f = x / (2 * k);
        term *= f * f;
        sum += term;
    }
    return sum;
}

static void fill_row(float *row, double *exact, const resampler *r, double phase, double half_width,
                     double cutoff)
{
    const double beta = 0.1102 * (attenuation_db - 8.7), pi = 0x1.921fb54442d18p+1;
    double sum = 0, s, c;
    for (size_t i = 0; i < 2 * r->half; i++) {
        double x = phase + (double)r->half - 1 - (double)i, u = x / half_width, w = 2 * cutoff;
        if (fabs(u) >= 1) {
            exact[i] = 0;
            continue;
        }
        sh_sincos(pi * w * x, &s, &c);
        exact[i] = (x == 0 ? w : s / (pi * x)) * bessel_i0(beta * sqrt(1 - u * u));
        sum += exact[i];
    }
    for (size_t i = 0; i < 2 * r->half; i++) row[i] = (float)(exact[i] / sum);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

static int open_tables(resampler *r, uint32_t from, uint32_t to, size_t n_threads, sh_err *err)
{
    uint64_t g = common_divisor(from, to);
    r->up = to / g, r->down = from / g;
    r->n_rows = r->up < MAX_PHASES ? (uint32_t)r->up : MAX_PHASES;
    double scale = to < from ? (double)to / from : 1; /* of the band, as a share of the input's */
    double half_width = (attenuation_db - 7.95) / (14.36 * 0.5 * (1 - pass_end) * scale) / 2;
    double cutoff = 0.5 * scale * (1 + pass_end) / 2;
    r->half = (size_t)ceil(half_width);
    r->n_taps = (2 * r->half + STEP - 1) / STEP * STEP;
    r->rows = sh_new_array(((size_t)r->n_rows + 1) * r->n_taps, sizeof *r->rows, err);
    r->edges = r->rows ? sh_new_array(n_threads * r->n_taps, sizeof *r->edges, err) : NULL;
    double *exact = r->edges ? sh_new_array(r->n_taps, sizeof *exact, err) : NULL;
    if (!exact) return SH_E_NOMEM;
    for (uint32_t i = 0; i <= r->n_rows; i++)
        fill_row(r->rows + i * r->n_taps, exact, r, (double)i / r->n_rows, half_width, cutoff);
    sh_free(exact);
    return SH_OK;
}

/* n is a multiple of STEP. Sixteen partial sums, added as a tree. */
static float dot(const float *a, const float *b, size_t n)
{
    lanes s[4] = {{0}};
    for (size_t i = 0; i < n; i += STEP)
        for (size_t k = 0; k < 4; k++)
            s[k] += *(const lanes *)(a + i + k * LANES) * *(const lanes *)(b + i + k * LANES);
    s[0] = (s[0] + s[1]) + (s[2] + s[3]);
    return (s[0][0] + s[0][1]) + (s[0][2] + s[0][3]);
}

/* The n_taps inputs from `first` on: in place, or a copy with zeros for what lies outside. */
static const float *inputs_at(const resampler *r, int64_t first, float *edge)
{
    int64_t n = (int64_t)r->n_in, end = first + (int64_t)r->n_taps;
    if (first >= 0 && end <= n) return r->in + first;
    int64_t lo = first < 0 ? 0 : first, hi = end > n ? n : end;
    memset(edge, 0, r->n_taps * sizeof *edge);
    if (lo < hi) memcpy(edge + (lo - first), r->in + lo, (size_t)(hi - lo) * sizeof *edge);
    return edge;
}

static void resample_range(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const resampler *r = ud;
    float *edge = r->edges + i_worker * r->n_taps;
    uint64_t base = begin * r->down / r->up, phase = begin * r->down % r->up;
    const uint64_t step = r->down / r->up, rest = r->down % r->up;
    for (size_t j = begin; j < end; j++) {
        const float *x = inputs_at(r, (int64_t)base - (int64_t)r->half + 1, edge);
        uint64_t row = phase * r->n_rows / r->up, between = phase * r->n_rows % r->up;
        const float *taps = r->rows + row * r->n_taps;
        float y = dot(x, taps, r->n_taps);
        if (between) y += (dot(x, taps + r->n_taps, r->n_taps) - y) * ((float)between / (float)r->up);
        r->out[j] = y;
        base += step, phase += rest;
        if (phase >= r->up) phase -= r->up, base++;
    }
}

size_t sh_resample_sound_count(size_t n, uint32_t from, uint32_t to)
{
    unsigned __int128 count = ((unsigned __int128)n * to * 2 + from) / ((uint64_t)from * 2);
    return count < SIZE_MAX ? (size_t)count : SIZE_MAX;
}

static bool is_rate(uint32_t rate)
{
    return rate >= SH_SOUND_MIN_RATE && rate <= SH_SOUND_MAX_RATE;
}

int sh_resample_sound(float *out, const float *in, size_t n, uint32_t from, uint32_t to, sh_pool *pool,
                      sh_err *err)
{
    resampler r = {.in = in, .out = out, .n_in = n};
    if (!is_rate(from) || !is_rate(to))
        return sh_fail(err, SH_E_RANGE, "resampling from %u to %u samples a second; expected %d to %d", from,
                       to, SH_SOUND_MIN_RATE, SH_SOUND_MAX_RATE);
    if (from == to) {
        if (n) memcpy(out, in, n * sizeof *out);
        return SH_OK;
    }
    int rc = open_tables(&r, from, to, sh_pool_threads(pool), err);
    if (rc == SH_OK) sh_pool_run(pool, sh_resample_sound_count(n, from, to), GRAIN, resample_range, &r);
    sh_free(r.edges);
    sh_free(r.rows);
    return rc;
}
