/* test_mel_features.c - properties of the log-mel features: against the formula in double for many frame
 * lengths, where tones land, windows of a long sound, threads, and the recipe's errors. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/rng.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "media/mel.h"
#include "unit/tmpdir.h"

static const double two_pi = 6.283185307179586;

static float *compute(const sh_mel_recipe *r, const sh_sound *s, size_t start, size_t n_frames, sh_pool *pool)
{
    sh_err err = {0};
    float *out = malloc(r->n_mels * n_frames * sizeof *out);
    assert_non_null(out);
    assert_ok(sh_mel_compute(r, s, start, n_frames, pool, out, &err), &err);
    return out;
}

static sh_sound noise(size_t n, uint32_t rate, uint64_t seed)
{
    sh_rng rng = {seed};
    sh_sound s = {malloc(n * sizeof(float)), n, rate};
    assert_non_null(s.samples);
    for (size_t i = 0; i < n; i++) s.samples[i] = (float)(sh_rng_unit(&rng) * 2 - 1);
    return s;
}

/* The features as the header states them, in double, the DFT by its definition. */
static double *by_formula(const sh_mel_recipe *r, const sh_sound *s, size_t start, size_t n_frames)
{
    const size_t n = n_frames * r->hop, half = r->n_fft / 2;
    double *out = malloc(r->n_mels * n_frames * sizeof *out), top = -1e9;
    float *filters = malloc((half + 1) * r->n_mels * sizeof *filters);
    sh_err err = {0};
    assert_true(out && filters);
    assert_ok(sh_mel_filters(r, filters, &err), &err);
    for (size_t t = 0; t < n_frames; t++) {
        for (size_t m = 0; m < r->n_mels; m++) out[m * n_frames + t] = 0;
        for (size_t k = 0; k <= half; k++) {
            double re = 0, im = 0;
            for (size_t i = 0; i < r->n_fft; i++) {
                int64_t at = (int64_t)(t * r->hop + i) - (int64_t)half;
                if (at < 0) at = -at;
                if (at >= (int64_t)n) at = 2 * (int64_t)n - 2 - at;
                double x = start + (size_t)at < s->n ? (double)s->samples[start + (size_t)at] : 0;
                double a = two_pi * (double)(i * k % r->n_fft) / r->n_fft;
                x *= 0.5 - 0.5 * cos(two_pi * (double)i / r->n_fft);
                re += x * cos(a), im -= x * sin(a);
            }
            for (size_t m = 0; m < r->n_mels; m++)
                out[m * n_frames + t] += (double)filters[k * r->n_mels + m] * (re * re + im * im);
        }
    }
    for (size_t i = 0; i < r->n_mels * n_frames; i++) top = fmax(top, out[i] = log10(fmax(out[i], 1e-10)));
    for (size_t i = 0; i < r->n_mels * n_frames; i++) out[i] = (fmax(out[i], top - 8) + 4) / 4;
    free(filters);
    return out;
}

static void test_formula(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_fft, hop;
    } cases[] = {{400, 160}, {2, 3},     {6, 4},      {8, 5},       {16, 7},    {30, 11},
                 {50, 20},   {96, 32},   {154, 40},   {256, 128},   {286, 99},  {338, 1},
                 {512, 160}, {600, 240}, {1024, 256}, {62 * 2, 31}, {1000, 300}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sh_mel_recipe r = {.n_mels = 20, .rate = 16000, .hop = cases[i].hop, .n_fft = cases[i].n_fft};
        /* Window lengths around the group size; a sound that ends inside the window; one that fills it. */
        size_t least = r.n_fft / 2 / r.hop + 1;
        for (size_t extra = 0; extra < 6; extra++) {
            size_t n_frames = least + extra;
            sh_sound s = noise(extra % 2 ? n_frames * r.hop + 50 : n_frames * r.hop * 2 / 3 + 1, 16000, i);
            float *out = compute(&r, &s, extra, n_frames, NULL);
            double *told = by_formula(&r, &s, extra, n_frames);
            for (size_t k = 0; k < r.n_mels * n_frames; k++)
                if (!(fabs((double)out[k] - told[k]) < 2e-5))
                    fail_msg("n_fft %u, %zu frames: value %zu is %g, expected %g", r.n_fft, n_frames, k,
                             (double)out[k], told[k]);
            free(out);
            free(told);
            free(s.samples);
        }
    }
}

/* A tone at the centre of a filter is loudest in that filter, in every frame away from the ends. */
static void test_tones(void **state)
{
    (void)state;
    sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    for (uint32_t n_mels = 80; n_mels <= 128; n_mels += 48) {
        r.n_mels = n_mels;
        for (size_t m = 12; m < n_mels; m += 5) {
            double mel = 45.245640471924965 * (double)(m + 1) / (n_mels + 1); /* of 8000 Hz */
            double hz = mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
            sh_sound s = noise(16000, 16000, 1);
            for (size_t i = 0; i < s.n; i++)
                s.samples[i] = (float)(0.3 * sin(two_pi * hz * (double)i / 16000));
            float *out = compute(&r, &s, 0, 100, NULL);
            for (size_t t = 3; t < 97; t++) {
                size_t best = 0;
                for (size_t k = 1; k < n_mels; k++)
                    if (out[k * 100 + t] > out[best * 100 + t]) best = k;
                /* Low filters are narrower than a bin: the loudest may be a neighbour. */
                size_t off = best > m ? best - m : m - best;
                if (off > (hz < 1300)) fail_msg("%g Hz: filter %zu, expected %zu", hz, best, m);
            }
            free(out);
            free(s.samples);
        }
    }
}

/* A tenth of the amplitude lowers everything above the clamp by log10(100) / 4. */
static void test_level(void **state)
{
    (void)state;
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    sh_sound s = noise(16000, 16000, 3);
    float *loud = compute(&r, &s, 0, 100, NULL);
    for (size_t i = 0; i < s.n; i++) s.samples[i] *= 0.1f;
    float *soft = compute(&r, &s, 0, 100, NULL);
    for (size_t i = 0; i < 8000; i++) assert_true(fabs((double)loud[i] - (double)soft[i] - 0.5) < 1e-5);
    free(loud);
    free(soft);
    free(s.samples);
}

static void test_silence(void **state)
{
    (void)state;
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    sh_sound s = noise(5000, 16000, 2);
    static const size_t starts[] = {5000, 5001, SIZE_MAX};
    for (size_t i = 0; i < COUNT(starts); i++) {
        float *out = compute(&r, &s, starts[i], 30, NULL);
        for (size_t k = 0; k < 80 * 30; k++) assert_true(out[k] == -1.5f);
        free(out);
    }
    const sh_sound nothing = {NULL, 0, 16000};
    float *out = compute(&r, &nothing, 0, r.n_frames, NULL);
    for (size_t k = 0; k < 80 * 3000; k++) assert_true(out[k] == -1.5f);
    free(out);
    free(s.samples);
}

/* A window is what that part of the sound, cut out, gives; the sound behind it does not matter. */
static void test_windows(void **state)
{
    (void)state;
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    sh_sound s = noise(160 * 500 + 77, 16000, 4);
    for (size_t start = 0; start < s.n; start += 160 * 99 + 13) {
        const sh_sound cut = {s.samples + start, s.n - start < 16000 ? s.n - start : 16000, 16000};
        float *here = compute(&r, &s, start, 100, NULL), *alone = compute(&r, &cut, 0, 100, NULL);
        assert_memory_equal(here, alone, 80 * 100 * sizeof *here);
        free(here);
        free(alone);
    }
    free(s.samples);
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    static const size_t frames[] = {2, 31, 97, 333, 1000};
    sh_sound s = noise(100000, 16000, 5);
    for (size_t i = 0; i < COUNT(frames); i++) {
        float *one = compute(&r, &s, 0, frames[i], NULL);
        for (size_t threads = 2; threads <= 5; threads++) {
            sh_pool *pool = NULL;
            sh_err err = {0};
            assert_ok(sh_pool_open(&pool, threads, &err), &err);
            float *many = compute(&r, &s, 0, frames[i], pool);
            assert_memory_equal(one, many, 80 * frames[i] * sizeof *one);
            free(many);
            sh_pool_free(pool);
        }
        free(one);
    }
    free(s.samples);
}

/* The law of exact arithmetic: these bits on every machine, with every compiler. */
static void test_pinned(void **state)
{
    (void)state;
    static const char told[] = "f2b7a26bb67a448324ae7a79cf0568db09dcc0eb54601ce2eee77a51030f1649";
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    sh_sound s = noise(30000, 16000, 6);
    for (size_t i = 0; i < s.n; i++) s.samples[i] *= (float)i / (float)s.n; /* loud and quiet frames */
    float *out = compute(&r, &s, 0, 200, NULL);
    sh_digest d;
    sh_err err = {0};
    char hex[2 * SH_SHA256_BYTES + 1];
    assert_ok(sh_sha256(out, 80 * 200 * sizeof *out, &d, &err), &err);
    sh_hex(d.bytes, sizeof d.bytes, hex);
    assert_string_equal(hex, told);
    free(out);
    free(s.samples);
}

static void test_refused(void **state)
{
    (void)state;
    sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    float x[400] = {0}, out[80 * 2];
    sh_sound s = {x, 400, 8000};
    sh_err err = {0};
    assert_int_equal(sh_mel_compute(&r, &s, 0, 2, NULL, out, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "8000 samples a second; the model expects 16000"));
    s.rate = 16000;
    assert_int_equal(sh_mel_compute(&r, &s, 0, 0, NULL, out, &err), SH_E_RANGE);
    assert_int_equal(sh_mel_compute(&r, &s, 0, 1, NULL, out, &err),
                     SH_E_RANGE); /* 160 samples, 200 to mirror */
    assert_int_equal(sh_mel_compute(&r, &s, 0, SIZE_MAX / 2, NULL, out, &err), SH_E_RANGE);
    assert_ok(sh_mel_compute(&r, &s, 0, 2, NULL, out, &err), &err);
    r.n_fft = 2 * 37; /* a prime that no published model needs */
    assert_int_equal(sh_mel_compute(&r, &s, 0, 2, NULL, out, &err), SH_E_UNSUPPORTED);
    r.n_fft = 401;
    assert_int_equal(sh_mel_compute(&r, &s, 0, 2, NULL, out, &err), SH_E_UNSUPPORTED);
#ifdef SHOAL_FAULT
    r.n_fft = 400;
    long k = 0;
    for (int rc = -1; rc != SH_OK; k++) {
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_mel_compute(&r, &s, 0, 2, NULL, out, &err);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
    }
    assert_int_equal(k, 7); /* window and roots, filters twice, samples, two for each thread; then it works */
#endif
}

static int read_recipe(sh_mel_recipe *r, const char *text, sh_err *err)
{
    json_t *doc = NULL;
    assert_ok(sh_json_parse(&doc, text, strlen(text), "test", err), err);
    int rc = sh_mel_recipe_read(r, doc, err);
    json_decref(doc);
    return rc;
}

static void test_recipe(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sh_mel_recipe r;
    } good[] = {
        {"{}", {80, 16000, 160, 400, 3000}},
        {"{\"feature_size\": 128, \"chunk_length\": 3, \"dither\": 0.0}", {128, 16000, 160, 400, 300}},
        {"{\"feature_extractor\": {\"feature_size\": 128}, \"feature_size\": 1}",
         {128, 16000, 160, 400, 3000}},
        {"{\"hop_length\": 100, \"n_fft\": 256, \"sampling_rate\": 8000, \"nb_max_frames\": 7, "
         "\"do_normalize\": false,"
         "\"feature_extractor_type\": \"WhisperFeatureExtractor\", \"padding_value\": 0, \"mel_filters\": "
         "[[0.5]]}",
         {80, 8000, 100, 256, 2400}},
    };
    static const struct {
        const char *text;
        int code;
        const char *part;
    } bad[] = {
        {"{\"feature_size\": 0}", SH_E_RANGE, "feature_size"},
        {"{\"feature_size\": \"80\"}", SH_E_INVALID, "feature_size"},
        {"{\"hop_length\": 0}", SH_E_RANGE, "hop_length"},
        {"{\"hop_length\": 160.5}", SH_E_INVALID, "hop_length"},
        {"{\"sampling_rate\": 10}", SH_E_RANGE, "sampling_rate"},
        {"{\"n_fft\": 1000000}", SH_E_RANGE, "n_fft"},
        {"{\"chunk_length\": -1}", SH_E_RANGE, "chunk_length"},
        {"{\"chunk_length\": 3600, \"hop_length\": 1}", SH_E_RANGE, "57600000 frames"},
        {"{\"hop_length\": 16000, \"sampling_rate\": 1000, \"chunk_length\": 1}", SH_E_RANGE, "0 frames"},
        {"{\"n_fft\": 16384, \"sampling_rate\": 1000, \"chunk_length\": 1}", SH_E_RANGE,
         "more than half of n_fft 16384"},
        {"{\"dither\": 0.1}", SH_E_UNSUPPORTED,
         "dither of the feature extractor is not supported; expected 0"},
        {"{\"padding_value\": 1}", SH_E_UNSUPPORTED, "padding_value"},
        {"{\"do_normalize\": true}", SH_E_UNSUPPORTED,
         "do_normalize of the feature extractor is not supported; expected false"},
        {"{\"image_mean\": [0.5], \"do_normalize\": true}", SH_E_UNSUPPORTED, "a model for images"},
        {"{\"feature_extractor_type\": \"Wav2Vec2FeatureExtractor\"}", SH_E_UNSUPPORTED,
         "Wav2Vec2FeatureExtractor"},
    };
    sh_mel_recipe r;
    sh_err err = {0};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_ok(read_recipe(&r, good[i].text, &err), &err);
        assert_memory_equal(&r, &good[i].r, sizeof r);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int rc = read_recipe(&r, bad[i].text, &err);
        if (rc != bad[i].code || !strstr(err.msg, bad[i].part))
            fail_msg("%s: %d, \"%s\"", bad[i].text, rc, err.msg);
    }
}

static void test_recipe_of_a_folder(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_mel_recipe r;
    sh_err err = {0};
    assert_int_equal(sh_mel_recipe_load(&r, dir, &err), SH_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "no preprocessor_config.json"));
    tmpdir_write(dir, "processor_config.json", "{\"feature_extractor\": {\"feature_size\": 128}}");
    assert_ok(sh_mel_recipe_load(&r, dir, &err), &err);
    assert_int_equal(r.n_mels, 128);
    tmpdir_write(dir, "preprocessor_config.json", "{\"feature_size\": 64}"); /* counts before the other */
    assert_ok(sh_mel_recipe_load(&r, dir, &err), &err);
    assert_int_equal(r.n_mels, 64);
    tmpdir_write(dir, "preprocessor_config.json", "{\"hop_length\": 0}");
    assert_int_equal(sh_mel_recipe_load(&r, dir, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "/preprocessor_config.json: \"hop_length\""));
    tmpdir_write(dir, "preprocessor_config.json", "{");
    assert_int_equal(sh_mel_recipe_load(&r, dir, &err), SH_E_CORRUPT);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula), cmocka_unit_test(test_tones),
        cmocka_unit_test(test_level),   cmocka_unit_test(test_silence),
        cmocka_unit_test(test_windows), cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_pinned),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_recipe),  cmocka_unit_test(test_recipe_of_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
