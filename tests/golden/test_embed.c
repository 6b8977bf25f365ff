/* test_embed.c - the embedders of the reference data: cosine to its vectors, alone and in a batch. */
#include <math.h>

#include "engine/embed.h"
#include "golden/model_golden.h"

typedef struct model_case {
    const char *folder, *texts, *vectors, *prompt;
    double worst; /* largest difference of an element that is granted */
} model_case;

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void run_case(sh_runtime *rt, const model_case *c)
{
    char dir[1024];
    sh_err err = {0};
    sh_model *m = NULL;
    sh_embedder *e = NULL;
    sh_str texts[64];
    size_t n_want = 0;
    snprintf(dir, sizeof dir, "%s/%s", SHOAL_GOLDEN_DIR, c->folder);
    json_t *list = golden_json(dir, c->texts);
    float *want = golden_floats(dir, c->vectors, &n_want);
    const json_t *strings = json_is_array(list) ? list : json_object_get(list, "texts");
    size_t n = json_array_size(strings);
    assert_true(n > 0 && n <= 64);
    for (size_t i = 0; i < n; i++) texts[i] = sh_str_of(json_string_value(json_array_get(strings, i)));
    if (sh_model_open(&m, rt, dir, NULL, &err) < 0 || sh_embedder_open(&e, m, dir, &err) < 0)
        fail_msg("%s", err.msg);
    const size_t dim = sh_embedder_dim(e);
    assert_int_equal(n_want, n * dim);
    float *got = sh_alloc(n * dim, sizeof *got), *alone = sh_alloc(dim, sizeof *alone);
    if (sh_embedder_run(e, texts, n, c->prompt, got, NULL, &err) < 0) fail_msg("%s: %s", c->folder, err.msg);
    double worst = 0, least = 1;
    for (size_t i = 0; i < n; i++) {
        double cos = cosine(got + i * dim, want + i * dim, dim);
        if (cos < least) least = cos;
        for (size_t k = 0; k < dim; k++)
            worst = fmax(worst, fabs((double)got[i * dim + k] - (double)want[i * dim + k]));
        assert_int_equal(sh_embedder_run(e, &texts[i], 1, c->prompt, alone, NULL, &err), SH_OK);
        assert_memory_equal(alone, got + i * dim, dim * sizeof *alone); /* neighbours change no bit */
    }
    printf("%s %s: least cosine %.8f, largest difference %.2g\n", c->folder, c->vectors, least, worst);
    assert_true(least > 0.999999 && worst <= c->worst);
    sh_free(got), sh_free(alone), sh_free(want);
    json_decref(list);
    sh_embedder_free(e);
    sh_model_free(m);
}

static void test_vectors(void **state)
{
    static const model_case cases[] = {
        {"golden/models/bert_mean", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/bert_cls", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/e5", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/gte", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/roberta_mean", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/xlmr_mean", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/me5_small", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/mpnet_mean", "texts.json", "embedding.f32", NULL, 1e-5},
        {"golden/models/e5", "texts.json", "embedding_query.f32", "query", 1e-5},
        {"golden/models/e5", "texts.json", "embedding_passage.f32", "passage", 1e-5},
        {"golden/models/bert_cls", "texts.json", "embedding_query.f32", "query", 1e-5},
        {"models/all-MiniLM-L6-v2", "golden/sentences.json", "golden/embeddings_f16w.f32", NULL, 1e-5},
    };
    sh_runtime *rt = NULL;
    sh_err err = {0};
    (void)state;
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR)) {
        puts("skipped: no reference data at " SHOAL_GOLDEN_DIR);
        skip();
    }
    if (sh_runtime_open(&rt, NULL, &err) < 0) fail_msg("%s", err.msg);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) run_case(rt, &cases[i]);
    sh_runtime_free(rt);
}

/* What cannot embed says so; a prompt that is not there names those that are. */
static void test_refusals(void **state)
{
    sh_runtime *rt = NULL;
    sh_model *m = NULL;
    sh_embedder *e = NULL;
    sh_err err = {0};
    (void)state;
    if (sh_runtime_open(&rt, NULL, &err) < 0) fail_msg("%s", err.msg);
    if (sh_model_open(&m, rt, SHOAL_SOURCE_DIR "/models/minnow.gguf", NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(sh_embedder_open(&e, m, NULL, &err), SH_E_UNSUPPORTED);
    assert_null(e);
    sh_model_free(m);
    sh_runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
