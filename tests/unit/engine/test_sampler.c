/* The public sampler: settings, history, seed, hostile logits, memory. */
#include "unit/test.h"

#include <math.h>

#include "base/fault.h"
#include "base/rng.h"
#include "engine/chain.h"

#include <shoal/session.h>

enum { V = 50 };

static void fill(float *x, int n, uint64_t seed)
{
    sh_rng r = {seed};
    for (int i = 0; i < n; i++) x[i] = (float)(sh_rng_unit(&r) * 8 - 4);
}

static sh_sampler *open_sampler(const sh_sampling *o, int32_t n_vocab)
{
    sh_sampler *s = NULL;
    sh_err err = {0};
    assert_ok(sh_sampler_open(&s, o, n_vocab, &err), &err);
    return s;
}

static sh_token draw(sh_sampler *s, const float *x)
{
    sh_token t = -1;
    sh_err err = {0};
    assert_ok(sh_sampler_draw(s, x, &t, &err), &err);
    return t;
}

static void test_greedy_takes_the_first_largest(void **state)
{
    (void)state;
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = 0;
    sh_sampler *s = open_sampler(&o, V);
    float x[V] = {0};
    x[7] = x[9] = 3;
    x[2] = NAN;
    x[3] = INFINITY;
    assert_int_equal(draw(s, x), 7);
    sh_sampler_free(s);
}

static void test_same_seed_same_tokens(void **state)
{
    (void)state;
    float x[V];
    sh_token a[200], b[200];
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = 1.5f, o.top_k = 0, o.top_p = 1, o.min_p = 0;
    size_t n_other = 0;
    for (int round = 0; round < 3; round++) {
        o.seed = round < 2 ? 11 : 12;
        sh_sampler *s = open_sampler(&o, V);
        for (int i = 0; i < 200; i++) {
            fill(x, V, (uint64_t)i);
            sh_token t = draw(s, x);
            if (round == 0)
                a[i] = t;
            else if (round == 1)
                b[i] = t;
            else
                n_other += t != a[i];
        }
        sh_sampler_free(s);
    }
    assert_memory_equal(a, b, sizeof a);
    assert_true(n_other > 20);
}

/* Frequencies of many draws follow the softmax. */
static void test_draws_follow_the_probabilities(void **state)
{
    (void)state;
    const float x[4] = {0.0f, 0.6931472f, -INFINITY, 1.0986123f}; /* 1 : 2 : 0 : 3 */
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = 1, o.top_k = 0, o.top_p = 1, o.min_p = 0, o.seed = 5;
    sh_sampler *s = open_sampler(&o, 4);
    int count[4] = {0};
    for (int i = 0; i < 60000; i++) count[draw(s, x)]++;
    assert_int_equal(count[2], 0);
    assert_in_range(count[0], 9600, 10400);
    assert_in_range(count[1], 19500, 20500);
    assert_in_range(count[3], 29400, 30600);
    sh_sampler_free(s);
}

static void test_penalties_see_what_they_should(void **state)
{
    (void)state;
    sh_err err = {0};
    float x[V] = {0};
    x[4] = 2.0f, x[5] = 1.5f;
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = 0, o.presence_penalty = 1;
    sh_sampler *s = open_sampler(&o, V);
    assert_ok(sh_sampler_accept(s, 4, true, &err), &err);
    assert_int_equal(draw(s, x), 4); /* the prompt does not count for presence */
    assert_ok(sh_sampler_accept(s, 4, false, &err), &err);
    assert_int_equal(draw(s, x), 5);
    sh_sampler_free(s);

    o.presence_penalty = 0, o.repetition_penalty = 2, o.repetition_window = 3;
    s = open_sampler(&o, V);
    assert_ok(sh_sampler_accept(s, 4, true, &err), &err);
    assert_int_equal(draw(s, x), 5); /* but it does for repetition */
    for (int i = 0; i < 700; i++) {
        assert_ok(sh_sampler_accept(s, 20, false, &err), &err);
        assert_int_equal(draw(s, x), i < 2 ? 5 : 4); /* until it has left the window */
    }
    sh_sampler_free(s);
}

static void test_bias(void **state)
{
    (void)state;
    float x[V] = {0};
    x[1] = 1;
    const sh_logit_bias up[] = {{8, 5.0f}, {1, -INFINITY}};
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = 0, o.bias = up, o.n_bias = 2;
    sh_sampler *s = open_sampler(&o, V);
    assert_int_equal(draw(s, x), 8);
    sh_sampler_free(s);
}

static void test_bad_settings_are_named(void **state)
{
    (void)state;
    sh_sampler *s = NULL;
    sh_err err = {0};
    const sh_logit_bias outside = {V, 1};
    sh_sampling o = SH_SAMPLING_INIT;
    o.temperature = -1;
    assert_int_equal(sh_sampler_open(&s, &o, V, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "temperature"));
    o.temperature = NAN;
    assert_int_equal(sh_sampler_open(&s, &o, V, &err), SH_E_INVALID);
    o.temperature = 1, o.top_p = 1.5f;
    assert_int_equal(sh_sampler_open(&s, &o, V, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "top_p"));
    o.top_p = 1, o.bias = &outside, o.n_bias = 1;
    assert_int_equal(sh_sampler_open(&s, &o, V, &err), SH_E_RANGE);
    assert_null(s);
}

static void test_nothing_to_draw(void **state)
{
    (void)state;
    float x[V];
    sh_token t = 77;
    sh_err err = {0};
    for (int i = 0; i < V; i++) x[i] = i % 2 ? NAN : -INFINITY;
    for (int greedy = 0; greedy < 2; greedy++) {
        sh_sampling o = SH_SAMPLING_INIT;
        if (greedy) o.temperature = 0;
        o.typical_p = 0.5f;
        sh_sampler *s = open_sampler(&o, V);
        assert_int_equal(sh_sampler_draw(s, x, &t, &err), SH_E_RANGE);
        assert_int_equal(t, 77);
        assert_int_equal(sh_sampler_accept(s, V, false, &err), SH_E_RANGE);
        sh_sampler_free(s);
    }
}

static void test_tiny_temperature_is_greedy(void **state)
{
    (void)state;
    float x[V];
    fill(x, V, 3);
    for (int i = 0; i < V; i++) x[i] *= 1e4f;
    sh_sampling greedy = SH_SAMPLING_INIT, o = SH_SAMPLING_INIT;
    greedy.temperature = 0;
    o.temperature = 1e-38f, o.top_k = 0;
    sh_sampler *a = open_sampler(&greedy, V), *b = open_sampler(&o, V);
    assert_int_equal(draw(a, x), draw(b, x));
    sh_sampler_free(a);
    sh_sampler_free(b);
}

/* Cuts over a large vocabulary agree with a full sort, for every size of k, through heap and radix paths. */
static void test_kth_equals_a_full_sort(void **state)
{
    (void)state;
    enum { N = 5000 };
    static float x[N], sorted[N];
    sh_scores *s = NULL;
    sh_err err = {0};
    assert_ok(sh_scores_open(&s, N, &err), &err);
    for (int round = 0; round < 4; round++) {
        fill(x, N, 100 + (uint64_t)round);
        if (round >= 2)
            for (int i = 0; i < N; i++) x[i] = rintf(x[i] * 4) / 4; /* many ties, both signs of zero */
        if (round == 3)
            for (int i = 0; i < N; i += 3) x[i] = -INFINITY;
        memcpy(sorted, x, sizeof x);
        for (int i = 1; i < N; i++) /* insertion sort, descending: the plain reference */
            for (int j = i; j > 0 && sorted[j] > sorted[j - 1]; j--) {
                float t = sorted[j];
                sorted[j] = sorted[j - 1], sorted[j - 1] = t;
            }
        for (int k = 1; k <= N; k = k * 3 + 1) {
            float kth;
            sh_scores_load(s, x);
            assert_ok(sh_scores_kth(s, k, &kth, &err), &err);
            assert_true(kth == sorted[k - 1]);
            int32_t expected = 0;
            for (int i = 0; i < N; i++) expected += x[i] >= kth && x[i] != -INFINITY;
            sh_scores_cut(s, kth);
            assert_int_equal(s->n, expected);
            for (int32_t i = 0; i < s->n; i++) {
                assert_true(x[s->ids[i]] == s->x[i]);
                assert_int_equal(sh_scores_find(s, s->ids[i]), i);
            }
        }
        sh_scores_load(s, x);
        assert_ok(sh_scores_sort(s, &err), &err);
        for (int i = 0; i < N; i++) assert_true(s->x[s->sorted[i].i] == sorted[i]);
    }
    sh_scores_free(s);
}

#ifdef SHOAL_FAULT
static void test_memory(void **state)
{
    (void)state;
    sh_sampling o = SH_SAMPLING_INIT;
    const sh_logit_bias bias = {3, 1};
    sh_sampler *s = NULL;
    sh_err err = {0};
    float x[V];
    sh_token t;
    fill(x, V, 9);
    o.bias = &bias, o.n_bias = 1, o.typical_p = 0.9f, o.top_k = 0, o.repetition_penalty = 1.2f;
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        assert_true(k < 50);
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_sampler_open(&s, &o, V, &err);
        if (rc == SH_OK && (rc = sh_sampler_accept(s, 1, false, &err)) == SH_OK)
            rc = sh_sampler_draw(s, x, &t, &err);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
        if (rc != SH_OK) sh_sampler_free(s), s = NULL;
    }
    for (int i = 0; i < 20; i++) { /* a steady state draws without asking for memory */
        sh_fault_arm(SH_FAULT_ALLOC, 0);
        fill(x, V, (uint64_t)i);
        assert_ok(sh_sampler_draw(s, x, &t, &err), &err);
        assert_false(sh_fault_fired(SH_FAULT_ALLOC));
    }
    sh_fault_arm(SH_FAULT_ALLOC, -1);
    sh_sampler_free(s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_takes_the_first_largest),
        cmocka_unit_test(test_same_seed_same_tokens),
        cmocka_unit_test(test_draws_follow_the_probabilities),
        cmocka_unit_test(test_penalties_see_what_they_should),
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_bad_settings_are_named),
        cmocka_unit_test(test_nothing_to_draw),
        cmocka_unit_test(test_tiny_temperature_is_greedy),
        cmocka_unit_test(test_kth_equals_a_full_sort),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
