/* test_resample_sound.c - what the header promises of the resampler, measured with tones and impulses. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "codec/digest.h"
#include "media/resample_sound.h"
#include "media/sound.h"

static const double two_pi = 6.283185307179586;

static const struct {
    uint32_t from, to;
} ratios[] = {
    {44100, 16000}, {48000, 16000}, {8000, 16000},  {22050, 16000}, {11025, 16000}, {96000, 16000},
    {44099, 16000}, {16001, 16000}, {15999, 16000}, {7919, 16000},  {16000, 44100}, {192000, 16000},
};

static float *resample(const float *in, size_t n, uint32_t from, uint32_t to, sh_pool *pool, size_t *n_out)
{
    sh_err err = {0};
    *n_out = sh_resample_sound_count(n, from, to);
    float *out = malloc((*n_out + 1) * sizeof *out);
    assert_non_null(out);
    out[*n_out] = 12345;
    assert_ok(sh_resample_sound(out, in, n, from, to, pool, &err), &err);
    assert_true(out[*n_out] == 12345);
    return out;
}

static float *tone(size_t n, uint32_t rate, double hz)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)sin(two_pi * fmod(hz * (double)i / rate, 1));
    return x;
}

/* The share of sin and cos at hz in the middle of x, and what is left besides: amplitude, phase, rest (RMS).
 */
typedef struct fit {
    double amplitude, phase, rest;
} fit;

static fit fit_tone(const float *x, size_t n, uint32_t rate, double hz)
{
    size_t lo = n / 4, hi = n - n / 4;
    double ss = 0, sc = 0, cc = 0, xs = 0, xc = 0, rest = 0;
    for (size_t i = lo; i < hi; i++) {
        double a = two_pi * fmod(hz * (double)i / rate, 1), s = sin(a), c = cos(a);
        ss += s * s, sc += s * c, cc += c * c, xs += (double)x[i] * s, xc += (double)x[i] * c;
    }
    double det = ss * cc - sc * sc, a = (xs * cc - xc * sc) / det, b = (xc * ss - xs * sc) / det;
    for (size_t i = lo; i < hi; i++) {
        double t = two_pi * fmod(hz * (double)i / rate, 1), d = (double)x[i] - a * sin(t) - b * cos(t);
        rest += d * d;
    }
    return (fit){hypot(a, b), atan2(b, a), sqrt(rest / (double)(hi - lo))};
}

static double db(double ratio)
{
    return 20 * log10(ratio > 1e-12 ? ratio : 1e-12);
}

/* Tones in the band: amplitude, place in time, and images and noise besides. */
static void test_passes(void **state)
{
    (void)state;
    static const double shares[] = {0.01, 0.1, 0.25, 0.4, 0.455}; /* of the lower rate */
    double worst_gain = 0, worst_phase = 0, worst_rest = -200;
    for (size_t r = 0; r < COUNT(ratios); r++) {
        uint32_t from = ratios[r].from, to = ratios[r].to, lower = from < to ? from : to;
        for (size_t k = 0; k < COUNT(shares); k++) {
            double hz = shares[k] * lower;
            size_t n = from / 2, n_out;
            float *in = tone(n, from, hz), *out = resample(in, n, from, to, NULL, &n_out);
            fit f = fit_tone(out, n_out, to, hz);
            worst_gain = fmax(worst_gain, fabs(db(f.amplitude)));
            worst_phase = fmax(worst_phase, fabs(f.phase));
            worst_rest = fmax(worst_rest, db(f.rest * sqrt(2)));
            free(in);
            free(out);
        }
    }
    print_message("gain off by at most %.4f dB, phase by %.1e, everything else at %.1f dB\n", worst_gain,
                  worst_phase, worst_rest);
    assert_true(worst_gain <= 0.001);
    assert_true(worst_phase <= 1e-5);
    assert_true(worst_rest <= -100);
}

/* Tones beyond the new band vanish: nothing is folded into it. */
static void test_rejects(void **state)
{
    (void)state;
    static const double shares[] = {0.5, 0.51, 0.6, 0.75, 0.9, 1, 1.2}; /* of the new rate */
    double worst = -200;
    for (size_t r = 0; r < COUNT(ratios); r++) {
        uint32_t from = ratios[r].from, to = ratios[r].to;
        for (size_t k = 0; k < COUNT(shares); k++) {
            double hz = shares[k] * to;
            if (hz >= 0.5 * from) continue;
            size_t n = from / 2, n_out;
            float *in = tone(n, from, hz), *out = resample(in, n, from, to, NULL, &n_out);
            double power = 0;
            for (size_t i = n_out / 4; i < n_out - n_out / 4; i++) power += (double)out[i] * (double)out[i];
            worst = fmax(worst, db(sqrt(2 * power / ((double)n_out / 2))));
            free(in);
            free(out);
        }
    }
    print_message("aliases at most %.1f dB\n", worst);
    assert_true(worst <= -100);
}

/* A constant is kept, from the second tap on to the last but one. */
static void test_constant(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(ratios); r++) {
        size_t n = 20000, n_out;
        float *in = malloc(n * sizeof *in), *out;
        assert_non_null(in);
        for (size_t i = 0; i < n; i++) in[i] = 0.75f;
        out = resample(in, n, ratios[r].from, ratios[r].to, NULL, &n_out);
        for (size_t i = n_out / 4; i < n_out - n_out / 4; i++)
            assert_true(fabs((double)out[i] - 0.75) < 1e-6);
        free(in);
        free(out);
    }
}

/* An impulse answers symmetrically around its own time: no delay, linear phase. */
static void test_impulse(void **state)
{
    (void)state;
    size_t n = 4001, n_out;
    float *in = calloc(n, sizeof *in);
    assert_non_null(in);
    in[1470] = 1; /* 1470 / 44100 s = 1600 / 48000 s */
    float *out = resample(in, n, 44100, 48000, NULL, &n_out);
    for (size_t i = 1; i < 200; i++) {
        assert_true(fabs((double)out[1600 + i] - (double)out[1600 - i]) < 1e-7);
        assert_true(out[1600 + i] < out[1600]);
    }
    free(in);
    free(out);
}

static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(sh_resample_sound_count(35280, 44100, 16000), 12800);
    assert_int_equal(sh_resample_sound_count(0, 44100, 16000), 0);
    assert_int_equal(sh_resample_sound_count(1, 44100, 16000), 0);
    assert_int_equal(sh_resample_sound_count(1, 32000, 16000), 1); /* half up */
    assert_int_equal(sh_resample_sound_count(3, 16000, 8000), 2);
    assert_int_equal(sh_resample_sound_count(SIZE_MAX, 16000, 16000), SIZE_MAX);
    assert_true(sh_resample_sound_count(SIZE_MAX, 8000, 16000) == SIZE_MAX);
    /* Sounds shorter than the filter, down to nothing. */
    for (size_t n = 0; n < 40; n++) {
        float in[40];
        size_t n_out;
        for (size_t i = 0; i < 40; i++) in[i] = 1;
        float *up = resample(in, n, 8000, 48000, NULL, &n_out);
        for (size_t i = 0; i < n_out; i++) assert_true(fabs((double)up[i]) < 1.3);
        free(up);
        free(resample(in, n, 44100, 16000, NULL, &n_out));
    }
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    sh_rng rng = {7};
    size_t n = 50000, n_out;
    float *in = malloc(n * sizeof *in);
    assert_non_null(in);
    for (size_t i = 0; i < n; i++) in[i] = (float)(sh_rng_unit(&rng) * 2 - 1);
    for (size_t r = 0; r < COUNT(ratios); r++) {
        float *one = resample(in, n, ratios[r].from, ratios[r].to, NULL, &n_out);
        for (size_t threads = 2; threads <= 5; threads++) {
            sh_pool *pool = NULL;
            sh_err err = {0};
            assert_ok(sh_pool_open(&pool, threads, &err), &err);
            float *many = resample(in, n, ratios[r].from, ratios[r].to, pool, &n_out);
            assert_memory_equal(one, many, n_out * sizeof *one);
            free(many);
            sh_pool_free(pool);
        }
        free(one);
    }
    free(in);
}

/* The law of exact arithmetic: these bits on every machine, with every compiler. */
static void test_pinned(void **state)
{
    (void)state;
    static const struct {
        uint32_t from, to;
        const char *sha256;
    } cases[] = {{44100, 16000, "3c2da0ae8bb888d593ffecc672130712fc1cc84c456cbdc3b479d9eb6141cf6c"},
                 {44099, 16000, "ca374d4540ffb18953f84361bdc3f395479f9425a2decfca2bc63be47ef02a13"}};
    sh_rng rng = {8};
    float in[20000];
    for (size_t i = 0; i < COUNT(in); i++) in[i] = (float)(sh_rng_unit(&rng) * 2 - 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n;
        float *out = resample(in, COUNT(in), cases[i].from, cases[i].to, NULL, &n);
        sh_digest d;
        sh_err err = {0};
        char hex[2 * SH_SHA256_BYTES + 1];
        assert_ok(sh_sha256(out, n * sizeof *out, &d, &err), &err);
        sh_hex(d.bytes, sizeof d.bytes, hex);
        assert_string_equal(hex, cases[i].sha256);
        free(out);
    }
}

static void test_rates(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, SH_SOUND_MIN_RATE - 1, SH_SOUND_MAX_RATE + 1, UINT32_MAX};
    float x[4] = {0}, y[4];
    sh_err err = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(sh_resample_sound(y, x, 0, bad[i], 16000, NULL, &err), SH_E_RANGE);
        assert_int_equal(sh_resample_sound(y, x, 0, 16000, bad[i], NULL, &err), SH_E_RANGE);
    }
    x[2] = 5;
    assert_ok(sh_resample_sound(y, x, 4, 16000, 16000, NULL, &err), &err);
    assert_memory_equal(x, y, sizeof x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),   cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_constant), cmocka_unit_test(test_impulse),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_pinned),   cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
