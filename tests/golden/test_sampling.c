/* Score processors, drawing and log-probabilities against recorded values of the transformers library. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/json.h"
#include "engine/chain.h"
#include "engine/logprob.h"
#include "os/file.h"

#define DIR SHOAL_GOLDEN_DIR "/golden/sampling/"

static json_t *load_json(const char *name)
{
    char path[4096];
    json_t *v = NULL;
    sh_err err = {0};
    snprintf(path, sizeof path, DIR "%s", name);
    assert_ok(sh_json_read_file(&v, path, 16u << 20, &err), &err);
    return v;
}

static sh_buf load_bytes(const char *name)
{
    char path[4096];
    sh_buf b = {0};
    sh_err err = {0};
    snprintf(path, sizeof path, DIR "%s", name);
    assert_ok(sh_file_read(path, 16u << 20, &b, &err), &err);
    return b;
}

typedef struct set {
    const char *name; /* "64", "1000" */
    int32_t n_vocab;
    json_t *cases, *meta;
    sh_buf logits, scores, probs, kept;
} set;

static set open_set(const char *name, json_t *meta)
{
    char file[64];
    set s = {.name = name, .n_vocab = atoi(name)};
    s.meta = json_object_get(json_object_get(meta, "sets"), name);
    snprintf(file, sizeof file, "cases_%s.json", name);
    s.cases = load_json(file);
    snprintf(file, sizeof file, "logits_%s.f32", name);
    s.logits = load_bytes(file);
    if (s.n_vocab == 64) {
        s.scores = load_bytes("scores_64.f32");
        s.probs = load_bytes("probs_64.f32");
    } else {
        s.kept = load_bytes("kept_1000.u8");
    }
    return s;
}

static void close_set(set *s)
{
    json_decref(s->cases);
    sh_buf_clear(&s->logits);
    sh_buf_clear(&s->scores);
    sh_buf_clear(&s->probs);
    sh_buf_clear(&s->kept);
}

static int64_t row_index(const json_t *rows, const char *name)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(json_string_value(json_array_get(rows, i)), name) == 0) return (int64_t)i;
    fail_msg("no row %s", name);
    return -1;
}

static bool close_to(double a, double b, double rel)
{
    return fabs(a - b) <= rel * fmax(1.0, fabs(b));
}

/* What is wrong with one outcome, or NULL. */
static const char *compare_64(const set *s, const json_t *row, size_t i)
{
    const float *want = (const float *)s->scores.p + i * 64, *prob = (const float *)s->probs.p + i * 64;
    const json_t *ids = json_object_get(row, "ids"), *x = json_object_get(row, "scores");
    size_t at = 0;
    for (int id = 0; id < 64; id++) {
        bool kept = at < json_array_size(ids) && json_integer_value(json_array_get(ids, at)) == id;
        if (kept != (want[id] != -INFINITY)) return "kept set";
        if (!kept) continue;
        if (!close_to(json_real_value(json_array_get(x, at)), want[id], 1e-6)) return "score";
        double p = json_real_value(json_array_get(json_object_get(row, "probabilities"), at));
        if (!close_to(p, prob[id], 1e-6)) return "probability";
        at++;
    }
    return NULL;
}

static const char *compare_1000(const set *s, const json_t *row, const json_t *test, size_t i)
{
    const uint8_t *bits = (const uint8_t *)s->kept.p + i * 125;
    const json_t *ids = json_object_get(row, "ids"), *probs = json_object_get(row, "probabilities");
    const json_t *top8 = json_object_get(test, "top8");
    double p[1000] = {0};
    size_t at = 0;
    for (int id = 0; id < 1000; id++) {
        bool kept = at < json_array_size(ids) && json_integer_value(json_array_get(ids, at)) == id;
        if (kept != (bits[id / 8] >> id % 8 & 1)) return "kept set";
        if (kept) p[id] = json_real_value(json_array_get(probs, at++));
    }
    for (size_t k = 0; k < json_array_size(top8); k++) {
        const json_t *pair = json_array_get(top8, k);
        double want = json_real_value(json_array_get(pair, 1));
        if (!close_to(p[json_integer_value(json_array_get(pair, 0))], want, 1e-6)) return "top 8 probability";
    }
    return NULL;
}

static size_t run_set(set *s)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < json_array_size(s->cases); i++) {
        json_t *test = json_array_get(s->cases, i), *result = NULL;
        sh_err err = {0};
        int64_t row =
            row_index(json_object_get(s->meta, "rows"), json_string_value(json_object_get(test, "row")));
        json_t *settings = json_pack("{sOsOsOsI}", "chain", json_object_get(test, "chain"), "history",
                                     json_object_get(s->meta, "history"), "eos",
                                     json_object_get(s->meta, "eos"), "row", (json_int_t)row);
        assert_ok(sh_sample_describe(&result, (const float *)s->logits.p, 11, s->n_vocab, settings, &err),
                  &err);
        const json_t *got = json_array_get(json_object_get(result, "rows"), 0);
        const char *wrong = NULL;
        int64_t kept = json_integer_value(json_object_get(got, "kept"));
        int64_t want = json_integer_value(json_object_get(test, "kept"));
        if (json_is_true(json_object_get(test, "tie_at_the_cut"))) {
            int64_t slack = json_real_value(json_object_get(test, "margin")) < 1e-12 ? 1 : 0;
            if (llabs(kept - want) > slack) wrong = "number kept";
        } else {
            wrong = s->n_vocab == 64 ? compare_64(s, got, i) : compare_1000(s, got, test, i);
        }
        if (wrong) {
            char *text = json_dumps(test, JSON_COMPACT);
            print_error("case %zu of %s: %s differs, kept %lld: %.300s\n", i, s->name, wrong, (long long)kept,
                        text);
            free(text);
            n_bad++;
        }
        json_decref(result);
        json_decref(settings);
    }
    return n_bad;
}

static void test_processors(void **state)
{
    (void)state;
    json_t *meta = load_json("meta.json");
    size_t n_bad = 0;
    for (int k = 0; k < 2; k++) {
        set s = open_set(k ? "1000" : "64", meta);
        assert_true(json_array_size(s.cases) > 600);
        n_bad += run_set(&s);
        close_set(&s);
    }
    json_decref(meta);
    assert_int_equal(n_bad, 0);
}

static void test_logprobs(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        int32_t v = k ? 1000 : 64;
        sh_buf logits = load_bytes(k ? "logits_1000.f32" : "logits_64.f32");
        sh_buf want = load_bytes(k ? "logprobs_1000.f32" : "logprobs_64.f32");
        for (int row = 0; row < 11; row++) {
            const float *x = (const float *)logits.p + row * v, *w = (const float *)want.p + row * v;
            double lse = sh_log_sum_exp(x, v);
            for (int32_t i = 0; i < v; i++) {
                if (w[i] == -INFINITY)
                    assert_true(x[i] == -INFINITY);
                else
                    assert_true(close_to((double)x[i] - lse, w[i], 1e-6));
            }
        }
        sh_buf_clear(&logits);
        sh_buf_clear(&want);
    }
}

static void test_categorical(void **state)
{
    (void)state;
    json_t *cases = load_json("categorical.json");
    assert_true(json_array_size(cases) > 0);
    for (size_t c = 0; c < json_array_size(cases); c++) {
        const json_t *test = json_array_get(cases, c), *probs = json_object_get(test, "probs");
        double p[4096];
        size_t n = json_array_size(probs);
        assert_true(n <= COUNT(p));
        for (size_t i = 0; i < n; i++) p[i] = json_number_value(json_array_get(probs, i));
        for (size_t k = 0; k < json_array_size(json_object_get(test, "u")); k++) {
            double u = json_number_value(json_array_get(json_object_get(test, "u"), k));
            int64_t id = json_integer_value(json_array_get(json_object_get(test, "id"), k));
            assert_int_equal(sh_categorical(p, (int32_t)n, u), id);
        }
    }
    json_decref(cases);
}

int main(void)
{
    if (!sh_file_exists(DIR "meta.json")) {
        printf("skipped: no reference data at " DIR "\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processors),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_categorical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
