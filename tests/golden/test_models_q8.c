/* test_models_q8.c - Q8_0 files of our converter against the same weights in float: the same most likely
 * token.
 *
 * A trained model decides: on its own text the bundled one must agree at 99 of 100 positions. The reference
 * folders hold small models with random weights, whose logits lie close together: where the best two of 256
 * are nearer to each other than what rounding the weights moves a logit by, either may come first, and
 * counting those positions says nothing about the code. So per family
 *   - noise at a position is the root mean square of the differences of its logits; a position is decided
 * when the gap between its best two float logits is more than DECIDED times that (the difference of two
 * logits with such noise exceeds it once in about 200 positions if it is normal);
 *   - of the decided ones 99 in 100 must agree, and a fifth of all must be decided;
 *   - of all positions, near ties included, 9 in 10 must agree;
 *   - noise over all positions must stay below a ninth of the logits: a row in the wrong place or a block
 * read wrongly costs far more. */
#include "families.h"
#include "model_golden.h"

#include <math.h>
#include <unistd.h>

#include "base/rng.h"
#include "model/convert.h"

enum { N_SEQUENCES = 40, MAX_LENGTH = 128, DECIDED = 4 };

typedef struct agreement {
    size_t n, same, decided, decided_same;
    double noise, signal; /* sums of squares */
    double widest;        /* gap, in units of noise, of a position that came out different */
} agreement;

static char *quantised(sh_runtime *rt, const char *folder)
{
    char path[] = "/tmp/shoal-q8-XXXXXX";
    sh_err err = {0};
    sh_convert_opts o = SH_CONVERT_OPTS_INIT;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    o.target = sh_mixture_find("q8_0");
    o.overwrite = true;
    if (sh_convert(rt, folder, path, &o, NULL, &err) < 0) fail_msg("%s: %s", folder, err.msg);
    return sh_strdup(path);
}

/* One position: x as in float, y from blocks. */
static void compare_row(agreement *a, const float *x, const float *y, uint32_t v)
{
    uint32_t first = golden_argmax(x, v), second = first == 0;
    double noise = 0;
    for (uint32_t i = 0; i < v; i++) {
        double d = (double)x[i] - (double)y[i];
        if (i != first && x[i] > x[second]) second = i;
        noise += d * d;
        a->signal += (double)x[i] * (double)x[i];
    }
    bool same = golden_argmax(y, v) == first;
    double gap = (double)x[first] - (double)x[second], rms = sqrt(noise / v);
    a->noise += noise;
    a->n++;
    a->same += same;
    if (!same && gap > a->widest * rms) a->widest = gap / rms;
    if (!(gap > DECIDED * rms)) return;
    a->decided++;
    a->decided_same += same;
}

/* Positions from .. n - 1 of n tokens. */
static void compare(agreement *a, const sh_model *floats, const sh_model *blocks, const sh_token *tokens,
                    uint32_t n, uint32_t from)
{
    const uint32_t v = sh_model_hparams(floats)->n_vocab;
    float *x = golden_logits(floats, tokens, n), *y = golden_logits(blocks, tokens, n);
    for (size_t i = from; i < n; i++) compare_row(a, x + i * v, y + i * v, v);
    sh_free(x);
    sh_free(y);
}

static double percent(size_t part, size_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void report(const char *name, const agreement *a)
{
    print_message(
        "%-18s %6.2f%% of %zu positions, %6.2f%% of the %2.0f%% decided, noise %.2f%% of the logits, "
        "widest gap that flipped %.1f\n",
        name, percent(a->same, a->n), a->n, percent(a->decided_same, a->decided), percent(a->decided, a->n),
        100 * sqrt(a->noise / a->signal), a->widest);
}

static void test_family(void **state)
{
    char folder[1024];
    sh_token tokens[MAX_LENGTH];
    agreement a = {0};
    sh_runtime *rt = golden_runtime(NULL, 2);
    golden_path(folder, SHOAL_GOLDEN_DIR "/golden/models", *state);
    char *path = quantised(rt, folder);
    sh_model *floats = golden_open(rt, folder), *blocks = golden_open(rt, path);
    const sh_hparams *hp = sh_model_hparams(floats);
    const uint32_t n = hp->n_ctx_train < MAX_LENGTH ? hp->n_ctx_train : MAX_LENGTH;
    for (uint64_t s = 0; s < N_SEQUENCES; s++) {
        sh_rng r = {1000 + s};
        for (uint32_t i = 0; i < n; i++) tokens[i] = (sh_token)(sh_rng_u64(&r) % hp->n_vocab);
        compare(&a, floats, blocks, tokens, n, 0);
    }
    report(*state, &a);
    assert_true(percent(a.decided_same, a.decided) >= 99);
    assert_true(percent(a.decided, a.n) >= 20);
    assert_true(percent(a.same, a.n) >= 90);
    assert_true(sqrt(a.noise / a.signal) < 1.0 / 9);
    unlink(path);
    sh_free(path);
    sh_model_free(floats), sh_model_free(blocks);
    sh_runtime_free(rt);
}

/* The trained model on what it was asked and what it answered. Its answers alone, where it chooses among
 * words that it learnt, need no allowance. */
static void test_trained(void **state)
{
    const char *folder = SHOAL_GOLDEN_DIR "/models/minnow";
    agreement all = {0}, answers = {0};
    (void)state;
    if (!sh_file_is_dir(folder)) {
        print_message("skipped: no %s\n", folder);
        skip();
    }
    sh_runtime *rt = golden_runtime(NULL, 2);
    char *path = quantised(rt, folder);
    sh_model *floats = golden_open(rt, folder), *blocks = golden_open(rt, path);
    json_t *entries = golden_json(folder, "golden/greedy.json");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i), *answer = json_object_get(e, "greedy_ids");
        sh_token ids[GOLDEN_MAX_TOKENS];
        const uint32_t n_prompt = golden_tokens(json_object_get(e, "prompt_ids"), ids);
        uint32_t n = n_prompt;
        for (size_t k = 0; k < json_array_size(answer) && n < GOLDEN_MAX_TOKENS; k++)
            ids[n++] = (sh_token)json_integer_value(json_array_get(answer, k));
        compare(&all, floats, blocks, ids, n, 0);
        if (n > n_prompt) compare(&answers, floats, blocks, ids, n - 1, n_prompt - 1);
    }
    report("minnow", &all);
    report("minnow's answers", &answers);
    assert_true(all.n > 400 && percent(all.decided_same, all.decided) >= 99 &&
                percent(all.same, all.n) >= 97);
    assert_true(answers.n > 400 && percent(answers.same, answers.n) >= 99);
    json_decref(entries);
    unlink(path);
    sh_free(path);
    sh_model_free(floats), sh_model_free(blocks);
    sh_runtime_free(rt);
}

int main(void)
{
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/golden/models")) {
        printf("skipped: no reference data at " SHOAL_GOLDEN_DIR "/golden/models\n");
        return 77;
    }
    struct CMUnitTest tests[N_FAMILIES + 1];
    for (size_t i = 0; i < N_FAMILIES; i++)
        tests[i] = (struct CMUnitTest){families[i], test_family, NULL, NULL, (void *)(uintptr_t)families[i]};
    tests[N_FAMILIES] = (struct CMUnitTest)cmocka_unit_test(test_trained);
    return _cmocka_run_group_tests("models_q8", tests, N_FAMILIES + 1, NULL, NULL);
}
