/* test_models_llama2c.c - stories260K, a llama2.c checkpoint, against the logits of llama2.c itself at 200
 * positions; and Minnow, whose logits and greedy answers came from its own training code. */
#include "model_golden.h"

#define STORIES SHOAL_GOLDEN_DIR "/lm/stories260K"
#define MINNOW SHOAL_GOLDEN_DIR "/models/minnow"

static void test_stories(void **state)
{
    enum { N = 200 };
    (void)state;
    sh_runtime *rt = golden_runtime(NULL, 2);
    sh_model *m = golden_open(rt, STORIES "/stories260K.bin");
    sh_buf text = {0};
    sh_err err = {0};
    sh_token tokens[N];
    size_t n_want;
    assert_int_equal(sh_file_read(STORIES "/golden_tokens.txt", 65536, &text, &err), SH_OK);
    char *p = text.p;
    for (int i = 0; i < N; i++) {
        while (*p && (*p < '0' || *p > '9')) p++;
        tokens[i] = (sh_token)strtol(p, &p, 10);
    }
    float *want = golden_floats(STORIES, "golden_logits_200x512.f32", &n_want);
    const uint32_t v = sh_model_hparams(m)->n_vocab;
    assert_int_equal(n_want, N * v);
    float *got = sh_alloc(n_want, sizeof *got);
    golden_run r;
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, tokens, N, got, NULL, NULL);
    double worst = golden_max_error(got, want, n_want);
    print_message("stories260K: logits within %.2g\n", worst);
    assert_true(worst <= 1e-4);
    for (int t = 0; t < N; t++)
        assert_int_equal(golden_argmax(got + t * v, v), golden_argmax(want + t * v, v));
    golden_run_close(&r);
    sh_free(got);
    sh_free(want);
    sh_buf_clear(&text);
    sh_model_free(m);
    sh_runtime_free(rt);
}

/* Feed the prompt and the reference's own ids; each of ours must agree wherever its gap is wide enough to
 * mean something. */
static void check_answer(const sh_model *m, const json_t *entry)
{
    sh_token ids[GOLDEN_MAX_TOKENS], *answer;
    uint32_t n_prompt = golden_tokens(json_object_get(entry, "prompt_ids"), ids), n;
    const json_t *gaps = json_object_get(entry, "top1_minus_top2");
    const uint32_t v = sh_model_hparams(m)->n_vocab;
    if (!json_object_get(entry, "greedy_ids")) return;
    answer = ids + n_prompt;
    n = (uint32_t)json_array_size(json_object_get(entry, "greedy_ids"));
    assert_true(n_prompt + n <= GOLDEN_MAX_TOKENS);
    for (uint32_t i = 0; i < n; i++)
        answer[i] = (sh_token)json_integer_value(json_array_get(json_object_get(entry, "greedy_ids"), i));
    float *logits = sh_alloc((size_t)(n_prompt + n) * v, sizeof *logits);
    golden_run r;
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, ids, n_prompt + n, logits, NULL, NULL);
    for (uint32_t i = 0; i < n; i++)
        if (json_number_value(json_array_get(gaps, i)) > 0.002)
            assert_int_equal(golden_argmax(logits + (size_t)(n_prompt + i - 1) * v, v), answer[i]);
    golden_run_close(&r);
    sh_free(logits);
}

static void test_minnow(void **state)
{
    (void)state;
    sh_runtime *rt = golden_runtime(NULL, 2);
    sh_model *m = golden_open(rt, MINNOW);
    sh_model_info info;
    sh_model_get_info(m, &info);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.name, "minnow");
    assert_string_equal(info.quantization, "F16");
    assert_int_equal(info.n_parameters / 10000, 577);
    json_t *entries = golden_json(MINNOW, "golden/greedy.json");
    for (size_t i = 0; i < json_array_size(entries); i++) check_answer(m, json_array_get(entries, i));
    size_t n_want;
    float *want = golden_floats(MINNOW, "golden/logits.f32", &n_want);
    sh_token ids[GOLDEN_MAX_TOKENS];
    uint32_t n = golden_tokens(json_object_get(json_array_get(entries, 2), "prompt_ids"), ids);
    assert_int_equal(n_want, (size_t)n * info.n_vocab);
    float *got = sh_alloc(n_want, sizeof *got);
    golden_run r;
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, ids, n, got, NULL, NULL);
    double worst = golden_max_error(got, want, n_want);
    print_message("minnow: logits within %.2g\n", worst);
    assert_true(worst <= 1e-4);
    golden_run_close(&r);
    sh_free(got);
    sh_free(want);
    json_decref(entries);
    sh_model_free(m);
    sh_runtime_free(rt);
}

/* Long enough for every stage to be shared among threads: the same bits from 1 and 5 threads, whole and in
 * two pieces. */
static void test_minnow_threads(void **state)
{
    enum { N = 300, CUT = 131 };
    sh_token tokens[N];
    float *got[2];
    (void)state;
    for (int i = 0; i < N; i++) tokens[i] = (sh_token)(i * 991 % 4096);
    for (int i = 0; i < 2; i++) {
        sh_runtime *rt = golden_runtime(NULL, i ? 5 : 1);
        sh_model *m = golden_open(rt, MINNOW);
        golden_run r;
        golden_run_open(&r, m, SH_KV_F16);
        got[i] = sh_alloc((size_t)N * r.n_vocab, sizeof(float));
        if (i) golden_feed(&r, tokens, CUT, got[i], NULL, NULL);
        golden_feed(&r, tokens + (i ? CUT : 0), N - (i ? CUT : 0), got[i] + (i ? (size_t)CUT * r.n_vocab : 0),
                    NULL, NULL);
        if (i) assert_memory_equal(got[0], got[1], (size_t)N * r.n_vocab * sizeof(float));
        assert_non_null(sh_model_tokenizer(m));
        assert_non_null(sh_model_template(m));
        assert_null(sh_model_template_error(m));
        golden_run_close(&r);
        sh_model_free(m);
        sh_runtime_free(rt);
    }
    sh_free(got[0]);
    sh_free(got[1]);
}

int main(void)
{
    if (!sh_file_exists(STORIES "/stories260K.bin") || !sh_file_is_dir(MINNOW)) {
        printf("skipped: no reference data at " STORIES " and " MINNOW "\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stories), cmocka_unit_test(test_minnow),
                                       cmocka_unit_test(test_minnow_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
