/* The log-mel features of published sounds against the published extractor: filters, window, features of
 * every sound, the resampled one both from its reference and from its file. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "media/mel.h"
#include "os/file.h"

#define MODELS SHOAL_GOLDEN_DIR "/golden/models/"
#define FOLDER MODELS "mel/"

enum { N_TOLD = 320 }; /* frames that the goldens have */

/* An array of this folder, or "FOLDER/NAME" of another model's. */
static float *read_array(const char *name, size_t n)
{
    char path[512];
    sh_buf b = {0};
    sh_err err = {0};
    snprintf(path, sizeof path, strchr(name, '/') ? MODELS "%s.f32" : FOLDER "%s.f32", name);
    assert_ok(sh_file_read(path, 1 << 28, &b, &err), &err);
    assert_int_equal(b.n, n * sizeof(float));
    return (float *)(void *)sh_buf_detach(&b);
}

static double worst(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        assert_false(isnan(d));
        if (d > most) most = d;
    }
    return most;
}

static json_t *read_json(const char *name)
{
    char path[512];
    json_t *doc = NULL;
    sh_err err = {0};
    snprintf(path, sizeof path, FOLDER "%s", name);
    assert_ok(sh_json_read_file(&doc, path, 1 << 20, &err), &err);
    return doc;
}

static sh_mel_recipe recipe(void)
{
    sh_mel_recipe r;
    sh_err err = {0};
    json_t *doc = read_json("preprocessor_config.json");
    assert_ok(sh_mel_recipe_read(&r, doc, &err), &err);
    json_decref(doc);
    assert_int_equal(r.n_frames, 3000);
    return r;
}

static sh_sound read_sound(const char *name, uint32_t rate)
{
    char path[512];
    sh_sound s = {0};
    sh_err err = {0};
    snprintf(path, sizeof path, FOLDER "%s.wav", name);
    assert_ok(sh_sound_read(&s, path, rate, NULL, &err), &err);
    return s;
}

/* The whole window of 3000 frames: the first ones against `name`, the mean of the others against table.json.
 */
static float *features(const sh_mel_recipe *r, const sh_sound *s)
{
    sh_err err = {0};
    float *out = calloc((size_t)r->n_mels * r->n_frames, sizeof *out);
    assert_non_null(out);
    assert_ok(sh_mel_compute(r, s, 0, r->n_frames, NULL, out, &err), &err);
    return out;
}

static void check_features(const char *name, uint32_t n_mels, const sh_sound *s)
{
    sh_mel_recipe r = recipe();
    r.n_mels = n_mels;
    float *out = features(&r, s), *told = read_array(name, (size_t)n_mels * N_TOLD);
    double most = 0, sum = 0;
    for (size_t m = 0; m < n_mels; m++) {
        double d = worst(out + m * r.n_frames, told + m * N_TOLD, N_TOLD);
        if (d > most) most = d;
        for (size_t t = N_TOLD; t < r.n_frames; t++) sum += (double)out[m * r.n_frames + t];
    }
    json_t *table = read_json("table.json"), *row = json_object_get(table, name);
    double mean = sum / ((double)n_mels * (r.n_frames - N_TOLD));
    double told_mean = json_real_value(json_object_get(row, "mean_of_frames_320_to_2999"));
    print_message("%-12s worst %.2e (tolerance 2e-3), mean of the rest off by %.1e\n", name, most,
                  fabs(mean - told_mean));
    assert_int_equal(s->n, json_integer_value(json_object_get(row, "samples")));
    assert_true(most <= 2e-3 / 10); /* ten times better than asked: what F32 noise leaves */
    assert_true(fabs(mean - told_mean) <= 1e-5);
    json_decref(table);
    free(out);
    sh_free(told);
}

static void test_filters_and_window(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_mels;
        const char *name;
    } cases[] = {{80, "mel_filters_80"}, {128, "mel_filters_128"}};
    sh_err err = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_mel_recipe r = recipe();
        r.n_mels = cases[i].n_mels;
        size_t n = 201 * (size_t)r.n_mels;
        float *told = read_array(cases[i].name, n), *out = calloc(n, sizeof *out);
        assert_non_null(out);
        assert_ok(sh_mel_filters(&r, out, &err), &err);
        print_message("%s worst %.1e\n", cases[i].name, worst(out, told, n));
        assert_true(worst(out, told, n) <= 1e-7);
        free(out);
        sh_free(told);
    }
    float window[400], *told = read_array("hann", 400);
    sh_mel_window(window, 400);
    assert_true(worst(window, told, 400) <= 1e-6);
    sh_free(told);
}

static void test_mono_sounds(void **state)
{
    (void)state;
    static const struct {
        const char *sound, *name;
        uint32_t n_mels;
    } cases[] = {
        {"sweep", "sweep_80", 80},
        {"noise", "noise_80", 80},
        {"speech", "speech_80", 80},
        {"speech", "speech_128", 128},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_sound s = read_sound(cases[i].sound, 0);
        assert_int_equal(s.rate, 16000);
        check_features(cases[i].name, cases[i].n_mels, &s);
        sh_sound_clear(&s);
    }
}

/* Chunks of three seconds, as a model of them is given: one sound is cut, two are filled up. */
static void test_short_chunks(void **state)
{
    (void)state;
    static const char *const sounds[] = {"sweep", "noise", "speech"};
    sh_mel_recipe r;
    sh_err err = {0};
    assert_ok(sh_mel_recipe_load(&r, MODELS "whisper", &err), &err);
    assert_int_equal(r.n_frames, 300);
    const size_t n = (size_t)r.n_mels * r.n_frames;
    float *told = read_array("whisper/input_features", COUNT(sounds) * n);
    for (size_t i = 0; i < COUNT(sounds); i++) {
        sh_sound s = read_sound(sounds[i], 0);
        float *out = features(&r, &s);
        double most = worst(out, told + i * n, n);
        print_message("%-6s in 3 s: worst %.2e\n", sounds[i], most);
        assert_true(most <= 2e-4);
        free(out);
        sh_sound_clear(&s);
    }
    sh_free(told);
}

static void test_resampled_reference(void **state)
{
    (void)state;
    sh_sound s = {read_array("stereo44_16k", 12800), 12800, 16000};
    check_features("stereo44_80", 80, &s);
    sh_sound_clear(&s);
}

/* Another good resampler differs most where the sound begins and ends. */
static void test_resampled_here(void **state)
{
    (void)state;
    enum { N_INSIDE = 78, N_AROUND = 84 };
    sh_mel_recipe r = recipe();
    sh_sound s = read_sound("stereo44", 16000);
    float *out = features(&r, &s), *told = read_array("stereo44_80", 80 * N_TOLD),
          *wave = read_array("stereo44_16k", 12800);
    double inside = 0, sum = 0, outside = 0;
    assert_int_equal(s.n, 12800);
    for (size_t m = 0; m < 80; m++) {
        const float *a = out + m * r.n_frames, *b = told + m * N_TOLD;
        inside = fmax(inside, worst(a, b, N_INSIDE));
        for (size_t t = 0; t < N_INSIDE; t++) sum += fabs((double)a[t] - b[t]);
        outside = fmax(outside, worst(a + N_INSIDE, b + N_INSIDE, N_TOLD - N_INSIDE));
    }
    double mean = sum / (80 * N_INSIDE), samples = worst(s.samples, wave, 12800);
    print_message("frames 0..77: worst %.4f mean %.2e; others: worst %.4f; samples: worst %.4f\n", inside,
                  mean, outside, samples);
    assert_true(inside <= 0.1);
    assert_true(mean <= 0.005);
    assert_true(outside <= 0.25);
    assert_true(samples <= 0.02);
    free(out);
    sh_free(told);
    sh_free(wave);
    sh_sound_clear(&s);
}

int main(void)
{
    if (!sh_file_is_dir(FOLDER)) {
        printf("skipped: no folder " FOLDER "\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_and_window), cmocka_unit_test(test_mono_sounds),
        cmocka_unit_test(test_short_chunks),       cmocka_unit_test(test_resampled_reference),
        cmocka_unit_test(test_resampled_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
