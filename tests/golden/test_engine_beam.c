/* Beam search and speculative sampling against recorded runs of the transformers library and of plain double
 * arithmetic. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/rng.h"
#include "codec/json.h"
#include "engine/beam.h"
#include "engine/logprob.h"
#include "engine/spec.h"
#include "os/file.h"

#define DIR SHOAL_GOLDEN_DIR "/golden/sampling/"
enum { V = 12, MAX_BEAMS = 8, MAX_IDS = 64 };

static json_t *load_json(const char *name)
{
    char path[4096];
    json_t *v = NULL;
    sh_err err = {0};
    snprintf(path, sizeof path, DIR "%s", name);
    assert_ok(sh_json_read_file(&v, path, 16u << 20, &err), &err);
    return v;
}

static size_t ids_from(const json_t *list, sh_token *out)
{
    size_t n = json_array_size(list);
    assert_true(n <= MAX_IDS);
    for (size_t i = 0; i < n; i++) out[i] = (sh_token)json_integer_value(json_array_get(list, i));
    return n;
}

/* The chain that generate() makes of a configuration, in its order. */
static sh_chain *chain_of(const json_t *config, size_t n_prompt, size_t max_length)
{
    static const char *const plain[] = {"repetition_penalty", "no_repeat_ngram_size", "bad_words_ids"};
    json_t *steps = json_array();
    sh_chain *chain = NULL;
    sh_err err = {0};
    for (size_t i = 0; i < COUNT(plain); i++)
        if (json_object_get(config, plain[i]))
            json_array_append_new(steps, json_pack("[sO]", plain[i], json_object_get(config, plain[i])));
    json_t *v = json_object_get(config, "min_new_tokens");
    if (v) json_array_append_new(steps, json_pack("[s[IO]]", "min_new_tokens", (json_int_t)n_prompt, v));
    v = json_object_get(config, "forced_eos_token_id");
    if (v)
        json_array_append_new(steps, json_pack("[s[IO]]", "forced_eos_token_id", (json_int_t)max_length, v));
    if (json_is_true(json_object_get(config, "renormalize_logits")))
        json_array_append_new(steps, json_pack("[sb]", "renormalize", 1));
    assert_ok(sh_chain_from_json(&chain, steps, &err), &err);
    json_decref(steps);
    return chain;
}

static enum sh_beam_stopping stopping_of(const json_t *config)
{
    const json_t *v = json_object_get(config, "early_stopping");
    if (json_is_string(v)) return SH_BEAM_NEVER;
    return json_is_true(v) ? SH_BEAM_EARLY : SH_BEAM_HEURISTIC;
}

static void beam_rows(const sh_beam *b, uint32_t n_beams, const float *table, float *logits)
{
    for (uint32_t i = 0; i < n_beams; i++) {
        const sh_token *ids = sh_beam_running(b, i, NULL);
        memcpy(logits + i * V, table + ids[sh_beam_length(b) - 1] * V, V * sizeof *logits);
    }
}

/* The exact log-probability of a text. Texts that go round the same loop in another order have equal ones,
 * and which of them the reference kept is chance. */
static double log_probability(const float *table, const sh_token *ids, size_t n_prompt, size_t n)
{
    double sum = 0;
    for (size_t i = n_prompt; i < n; i++) {
        const float *row = table + ids[i - 1] * V;
        sum += (double)row[ids[i]] - sh_log_sum_exp(row, V);
    }
    return sum;
}

static bool is_tie(const json_t *want, const float *table, const sh_token *ids, size_t n_prompt, size_t n)
{
    sh_token other[MAX_IDS];
    if (ids_from(want, other) != n) return false;
    return fabs(log_probability(table, ids, n_prompt, n) - log_probability(table, other, n_prompt, n)) < 1e-9;
}

static bool same_ids(const json_t *want, const sh_token *ids, size_t n, sh_token pad)
{
    for (size_t i = 0; i < json_array_size(want); i++)
        if (json_integer_value(json_array_get(want, i)) != (i < n ? ids[i] : pad)) return false;
    return n <= json_array_size(want);
}

/* Greedy search by the same chain: what num_beams 1 means. */
static size_t run_greedy(const sh_beam_opts *o, const float *table, sh_token *ids)
{
    sh_scores *s = NULL;
    sh_err err = {0};
    size_t n = o->n_prompt;
    memcpy(ids, o->prompt, n * sizeof *ids);
    assert_ok(sh_scores_open(&s, V, &err), &err);
    while (n < o->max_length) {
        sh_history h = {ids, n, ids, n, o->end, o->n_end};
        sh_scores_load(s, table + ids[n - 1] * V);
        assert_ok(sh_chain_run(o->chain, s, &h, &err), &err);
        ids[n++] = sh_scores_id(s, sh_scores_best(s));
        bool ends = false;
        for (size_t i = 0; i < o->n_end; i++) ends |= ids[n - 1] == o->end[i];
        if (ends) break;
    }
    sh_scores_free(s);
    return n;
}

static bool check_run(const json_t *run, const float *tables, sh_token eos, sh_token pad, size_t *n_ties)
{
    const json_t *config = json_object_get(run, "config"), *want = json_object_get(run, "sequences");
    const json_t *ends = json_object_get(config, "eos_token_id");
    sh_token prompt[MAX_IDS], end[MAX_IDS] = {eos};
    sh_beam_opts o = SH_BEAM_OPTS_INIT;
    sh_err err = {0};
    double penalty = 1;
    bool good = true;
    const float *table = tables + json_integer_value(json_object_get(run, "table")) * V * V;
    o.prompt = prompt, o.n_prompt = ids_from(json_object_get(run, "prompt"), prompt);
    o.max_length = o.n_prompt + (size_t)json_integer_value(json_object_get(run, "max_new_tokens"));
    o.end = end, o.n_end = ends ? ids_from(ends, end) : 1;
    o.n_beams = (uint32_t)json_integer_value(json_object_get(config, "num_beams"));
    assert_ok(sh_json_get_num(config, "length_penalty", &penalty, -10, 10, &err), &err);
    o.length_penalty = penalty, o.stopping = stopping_of(config), o.n_vocab = V;
    sh_chain *chain = chain_of(config, o.n_prompt, o.max_length);
    o.chain = chain;
    if (o.n_beams == 1) {
        sh_token ids[MAX_IDS];
        size_t n = run_greedy(&o, table, ids);
        good = same_ids(json_array_get(want, 0), ids, n, pad);
    } else {
        sh_beam *b = NULL;
        float logits[MAX_BEAMS * V];
        assert_ok(sh_beam_open(&b, &o, &err), &err);
        while (!sh_beam_is_done(b)) {
            beam_rows(b, o.n_beams, table, logits);
            assert_ok(sh_beam_step(b, logits, &err), &err);
        }
        for (uint32_t i = 0; i < json_array_size(want); i++) {
            const sh_token *ids;
            size_t n;
            double score;
            if (!sh_beam_result(b, i, &ids, &n, &score)) {
                good = false;
            } else if (!same_ids(json_array_get(want, i), ids, n, pad)) {
                good = good && is_tie(json_array_get(want, i), table, ids, o.n_prompt, n);
                *n_ties += good;
            }
            const json_t *scores = json_object_get(run, "sequences_scores");
            if (good && scores) {
                double w = json_real_value(json_array_get(scores, i));
                if (fabs(score - w) > 1e-5 * fmax(1, fabs(w))) good = false;
            }
        }
        sh_beam_free(b);
    }
    sh_chain_free(chain);
    return good;
}

static sh_buf load_tables(void)
{
    sh_buf tables = {0};
    sh_err err = {0};
    assert_ok(sh_file_read(DIR "markov_tables.f32", 1u << 20, &tables, &err), &err);
    assert_int_equal(tables.n, 2 * V * V * sizeof(float));
    return tables;
}

static void test_generate(void **state)
{
    (void)state;
    json_t *doc = load_json("generate.json");
    const json_t *runs = json_object_get(doc, "runs");
    sh_buf tables = load_tables();
    sh_token eos = (sh_token)json_integer_value(json_object_get(doc, "eos"));
    sh_token pad = (sh_token)json_integer_value(json_object_get(doc, "pad"));
    size_t n_bad = 0, n_ties = 0;
    assert_true(json_array_size(runs) > 100);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        if (check_run(json_array_get(runs, i), (const float *)(void *)tables.p, eos, pad, &n_ties)) continue;
        char *text = json_dumps(json_array_get(runs, i), JSON_COMPACT);
        print_error("run %zu: %.400s\n", i, text);
        free(text);
        n_bad++;
    }
    sh_buf_clear(&tables);
    json_decref(doc);
    assert_int_equal(n_bad, 0);
    assert_true(n_ties <= 4);
}

/* After each step the kept texts and their sums are the recorded ones. */
static void test_trace(void **state)
{
    (void)state;
    json_t *doc = load_json("generate.json");
    const json_t *trace = json_object_get(doc, "beam3_trace"), *steps = json_object_get(trace, "steps");
    sh_buf tables = load_tables();
    sh_token prompt[MAX_IDS], end = (sh_token)json_integer_value(json_object_get(doc, "eos"));
    sh_beam_opts o = SH_BEAM_OPTS_INIT;
    sh_err err = {0};
    sh_beam *b = NULL;
    float logits[MAX_BEAMS * V];
    o.n_beams = 3, o.n_vocab = V, o.end = &end, o.n_end = 1, o.max_length = 12;
    o.prompt = prompt, o.n_prompt = ids_from(json_object_get(trace, "prompt"), prompt);
    assert_ok(sh_beam_open(&b, &o, &err), &err);
    assert_int_equal(json_array_size(steps), 4);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *kept = json_object_get(json_array_get(steps, i), "kept");
        beam_rows(b, 3, (const float *)(void *)tables.p, logits);
        assert_ok(sh_beam_step(b, logits, &err), &err);
        for (uint32_t k = 0; k < 3; k++) {
            const json_t *want = json_array_get(kept, k);
            assert_true(
                same_ids(json_array_get(want, 1), sh_beam_running(b, k, NULL), sh_beam_length(b), -1));
            assert_true(fabs(sh_beam_running_score(b, k) - json_real_value(json_array_get(want, 0))) < 1e-5);
        }
    }
    sh_beam_free(b);
    sh_buf_clear(&tables);
    json_decref(doc);
}

static void doubles_from(const json_t *list, double *out, size_t n)
{
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++) out[i] = json_number_value(json_array_get(list, i));
}

static void check_spec_case(const json_t *test)
{
    enum { K = 4, N = 16 };
    double p[(K + 1) * N], q[K * N], u[K], rates[K], next[N], residual[N], want[N];
    sh_token drafts[K];
    const json_t *steps = json_object_get(test, "steps");
    for (size_t i = 0; i <= K; i++) doubles_from(json_array_get(json_object_get(test, "p"), i), p + i * N, N);
    for (size_t i = 0; i < K; i++) doubles_from(json_array_get(json_object_get(test, "q"), i), q + i * N, N);
    for (size_t i = 0; i < K; i++) {
        const json_t *step = json_array_get(steps, i);
        drafts[i] = (sh_token)json_integer_value(json_object_get(step, "draft"));
        u[i] = json_number_value(json_object_get(step, "u"));
        double accept =
            sh_spec_accept_probability(p[i * N + (size_t)drafts[i]], q[i * N + (size_t)drafts[i]]);
        assert_true(fabs(accept - json_number_value(json_object_get(step, "accept_probability"))) < 1e-12);
        assert_int_equal(u[i] < accept, json_is_true(json_object_get(step, "accepted")));
        sh_spec_residual(p + i * N, q + i * N, N, residual);
        doubles_from(json_object_get(step, "residual"), want, N);
        for (size_t k = 0; k < N; k++) assert_true(fabs(residual[k] - want[k]) < 1e-12);
        rates[i] = sh_spec_acceptance_rate(p + i * N, q + i * N, N);
        assert_true(fabs(rates[i] - json_number_value(json_object_get(step, "acceptance_rate"))) < 1e-12);
    }
    double expected = json_number_value(json_object_get(test, "expected_tokens"));
    assert_true(fabs(sh_spec_expected_tokens(rates, K) - expected) < 1e-12);
    size_t accepted = sh_spec_round(p, q, drafts, u, K, N, next);
    assert_int_equal(accepted, json_integer_value(json_object_get(test, "accepted")));
    if (accepted == K)
        memcpy(want, p + K * N, sizeof want);
    else
        sh_spec_residual(p + accepted * N, q + accepted * N, N, want);
    assert_memory_equal(next, want, sizeof want);
}

static void test_speculation(void **state)
{
    (void)state;
    json_t *cases = load_json("speculative.json");
    assert_true(json_array_size(cases) > 0);
    for (size_t i = 0; i < json_array_size(cases); i++) check_spec_case(json_array_get(cases, i));
    json_decref(cases);
}

/* Many rounds of one drafted token: what comes first is distributed as the target, whatever the draft. */
static void test_speculation_keeps_the_distribution(void **state)
{
    (void)state;
    const double p[8] = {0.5, 0.2, 0.2, 0.1, 0.25, 0.25, 0.25, 0.25}, q[4] = {0.1, 0.6, 0.05, 0.25};
    int count[4] = {0};
    enum { ROUNDS = 200000 };
    sh_rng r = {99};
    for (int i = 0; i < ROUNDS; i++) {
        double u = sh_rng_unit(&r), next[4];
        sh_token draft = sh_categorical(q, 4, sh_rng_unit(&r));
        size_t n = sh_spec_round(p, q, &draft, &u, 1, 4, next);
        count[n ? draft : sh_categorical(next, 4, sh_rng_unit(&r))]++;
    }
    for (int i = 0; i < 4; i++) assert_true(fabs((double)count[i] / ROUNDS - p[i]) < 0.005);
}

int main(void)
{
    if (!sh_file_exists(DIR "generate.json")) {
        printf("skipped: no reference data at " DIR "\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_speculation),
        cmocka_unit_test(test_speculation_keeps_the_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
