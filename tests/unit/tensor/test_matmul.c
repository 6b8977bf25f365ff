/* test_matmul.c - every level, thread count and tiling gives the bits of the reference, and the reference is
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "os/pool.h"
#include "tensor/matmul.h"
#include "tensor/matmul_internal.h"
#include "unit/tensor/tensor_fixture.h"

typedef struct problem {
    enum sh_dtype t;
    size_t n_rows, n_cols, n_tokens;
    uint8_t *src;
    float *x; /* [n_tokens, n_cols] */
} problem;

static problem make_problem(enum sh_dtype t, size_t n_rows, size_t n_cols, size_t n_tokens, uint64_t seed,
                            bool extremes)
{
    sh_rng rng = {seed};
    problem p = {t, n_rows, n_cols, n_tokens, fixture_weight(t, n_rows, n_cols, &rng, extremes), NULL};
    p.x = sh_alloc(n_tokens * n_cols, sizeof(float));
    assert_non_null(p.src);
    assert_non_null(p.x);
    fixture_floats(&rng, p.x, n_tokens * n_cols);
    if (extremes) {
        memset(p.x, 0, (n_cols < 96 ? n_cols : 96) * sizeof(float)); /* zero blocks */
        if (n_tokens > 1)
            for (size_t c = 0; c < n_cols; c++) p.x[n_cols + c] = c % 2 ? -3.5f : 3.5f; /* all codes +-127 */
    }
    return p;
}

static void free_problem(problem *p)
{
    sh_free(p->src);
    sh_free(p->x);
}

static float *multiply(const sh_kernels *k, sh_pool *pool, const problem *p)
{
    sh_err err = {0};
    sh_weight *w = NULL;
    sh_weight_opts opts = SH_WEIGHT_OPTS_INIT;
    opts.pool = pool;
    assert_int_equal(sh_weight_open(&w, k, p->t, p->n_rows, p->n_cols, p->src, &opts, &err), SH_OK);
    enum sh_act_kind kind = sh_weight_act_kind(w);
    void *act = sh_alloc_aligned(p->n_tokens, sh_act_stride(kind, p->n_cols));
    size_t y_stride = p->n_rows + 3;
    float *y = sh_alloc(p->n_tokens * y_stride, sizeof(float));
    assert_non_null(act);
    assert_non_null(y);
    for (size_t i = 0; i < p->n_tokens * y_stride; i++) y[i] = -77;
    sh_act_encode(k, pool, kind, p->x, p->n_cols, p->n_tokens, p->n_cols, act);
    sh_matmul_out out = {w, y, y_stride};
    sh_matmul(k, pool, act, p->n_tokens, &out, 1);
    for (size_t t = 0; t < p->n_tokens; t++)
        for (size_t i = p->n_rows; i < y_stride; i++)
            assert_true(y[t * y_stride + i] == -77); /* nothing beyond the row */
    sh_free(act);
    sh_weight_free(w);
    return y;
}

/* The values of an encoded activation row. */
static void decode_act(enum sh_act_kind kind, const void *row, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (kind == SH_ACT_Q8)
            x[i] = (double)sh_act_q8_at(row, n).scale[i / 32] * sh_act_q8_at(row, n).q[i];
        else if (kind == SH_ACT_Q8K)
            x[i] = (double)sh_act_q8k_at(row, n).scale[i / 256] * sh_act_q8k_at(row, n).q[i];
        else
            x[i] = (double)((const float *)row)[i];
    }
}

/* The reference against a product in double of the decoded weight and the decoded activations. */
static void check_reference(enum sh_dtype t)
{
    problem p = make_problem(t, 19, 512, 2, 99 + t, false);
    enum sh_act_kind kind = sh_dtype_act_kind(t);
    float *y = multiply(&*sh_kernels_get(SH_CPU_REF), NULL, &p), *w = sh_alloc(512, sizeof(float));
    void *act = sh_alloc_aligned(1, sh_act_stride(kind, 512));
    double x[512], worst = 0;
    size_t row_bytes;
    assert_true(sh_dtype_row_bytes(&row_bytes, t, 512));
    for (size_t tok = 0; tok < 2; tok++) {
        sh_kernels_get(SH_CPU_REF)->act_encode(kind, p.x + tok * 512, act, 512);
        decode_act(kind, act, x, 512);
        for (size_t r = 0; r < p.n_rows; r++) {
            double sum = 0, size = 1e-30, e;
            sh_dtypes[t].decode(p.src + r * row_bytes, w, 512);
            for (size_t c = 0; c < 512; c++) sum += w[c] * x[c], size += fabs(w[c] * x[c]);
            e = fabs(sum - (double)y[tok * (p.n_rows + 3) + r]) / size;
            worst = e > worst ? e : worst;
        }
    }
    if (!(worst < 2e-6)) printf("%s: %g\n", sh_dtypes[t].name, worst);
    assert_true(worst < 2e-6);
    sh_free(act);
    sh_free(w);
    sh_free(y);
    free_problem(&p);
}

static void test_reference_is_right(void **state)
{
    (void)state;
    for (int t = 0; t < SH_DTYPE_COUNT; t++)
        if (sh_dtypes[t].name && t != SH_I64 && t != SH_I32) check_reference((enum sh_dtype)t);
}

static void expect_same(const sh_kernels *k, sh_pool *pool, const problem *p, const float *want)
{
    size_t where = 0, y_stride = p->n_rows + 3;
    float *y = multiply(k, pool, p);
    bool same = fixture_all_same(want, y, p->n_tokens * y_stride, &where);
    if (!same)
        printf("%s %s %zux%zu, %zu tokens, %zu threads: token %zu row %zu is %a, want %a\n", k->name,
               sh_dtypes[p->t].name, p->n_rows, p->n_cols, p->n_tokens, sh_pool_threads(pool),
               where / y_stride, where % y_stride, (double)y[where], (double)want[where]);
    assert_true(same);
    sh_free(y);
}

static void check_levels(enum sh_dtype t, sh_pool *const pools[4])
{
    static const size_t shapes[][2] = {{1, 32},    {16, 64},  {37, 96},   {3, 256}, {48, 512},
                                       {50, 1280}, {5, 8192}, {33, 1056}, {2, 17}};
    static const size_t tokens[] = {1, 2, 3, 7, 16, 21, 64};
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t n_cols = shapes[s][1];
        if (n_cols % sh_dtypes[t].block_elements) continue;
        for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
            if (n_cols > 2000 && tokens[i] > 7) continue;
            problem p = make_problem(t, shapes[s][0], n_cols, tokens[i], 7 * s + i + 1000u * t, true);
            float *want = multiply(sh_kernels_get(SH_CPU_REF), NULL, &p);
            expect_same(sh_kernels_get(SH_CPU_REF), pools[3], &p, want);
            for (size_t l = 0; l < n_levels; l++)
                for (size_t j = 0; j < 4; j++) expect_same(levels[l], pools[j], &p, want);
            sh_free(want);
            free_problem(&p);
        }
    }
}

static void test_levels_agree(void **state)
{
    (void)state;
    static const size_t n_threads[4] = {1, 2, 3, 7};
    sh_pool *pools[4] = {0};
    sh_err err = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(sh_pool_open(&pools[i], n_threads[i], &err), SH_OK);
    for (int t = 0; t < SH_DTYPE_COUNT; t++)
        if (sh_dtypes[t].name) check_levels((enum sh_dtype)t, pools);
    for (int i = 0; i < 4; i++) sh_pool_free(pools[i]);
}

/* A token's result does not depend on its neighbours. */
static void test_tokens_are_independent(void **state)
{
    (void)state;
    const sh_kernels *best = NULL;
    assert_int_equal(sh_kernels_choose(&best, NULL, NULL), SH_OK);
    static const enum sh_dtype types[] = {SH_Q8_0, SH_Q4_K, SH_Q6_K, SH_F16, SH_IQ2_XS};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        problem p = make_problem(types[i], 40, 768, 29, 5, true);
        float *all = multiply(best, NULL, &p);
        for (size_t t = 0; t < p.n_tokens; t++) {
            problem one = p;
            one.n_tokens = 1, one.x = p.x + t * p.n_cols;
            float *y = multiply(best, NULL, &one);
            size_t where = 0;
            assert_true(fixture_all_same(all + t * (p.n_rows + 3), y, p.n_rows, &where));
            sh_free(y);
        }
        sh_free(all);
        free_problem(&p);
    }
}

/* Several outputs in one pass equal the outputs one by one. */
static void test_joined_outputs(void **state)
{
    (void)state;
    const sh_kernels *k = NULL;
    sh_pool *pool = NULL;
    sh_err err = {0};
    enum { N = 4, COLS = 256, TOKENS = 5 };
    static const size_t rows[N] = {40, 16, 7, 100};
    static const enum sh_dtype types[N] = {SH_Q4_K, SH_Q6_K, SH_Q4_K, SH_Q2_K};
    assert_int_equal(sh_kernels_choose(&k, NULL, &err), SH_OK);
    assert_int_equal(sh_pool_open(&pool, 3, &err), SH_OK);
    sh_matmul_out outs[N];
    problem problems[N];
    float *want[N];
    for (int i = 0; i < N; i++) {
        problems[i] = make_problem(types[i], rows[i], COLS, TOKENS, 40 + (uint64_t)i, false);
        memcpy(problems[i].x, problems[0].x, TOKENS * COLS * sizeof(float));
        want[i] = multiply(k, NULL, &problems[i]);
        outs[i].y_stride = rows[i] + 3, outs[i].w = NULL;
        outs[i].y = sh_zalloc(TOKENS * outs[i].y_stride, sizeof(float));
        sh_weight *w = NULL;
        assert_int_equal(sh_weight_open(&w, k, types[i], rows[i], COLS, problems[i].src, NULL, &err), SH_OK);
        outs[i].w = w;
    }
    void *act = sh_alloc_aligned(TOKENS, sh_act_stride(SH_ACT_Q8K, COLS));
    sh_act_encode(k, pool, SH_ACT_Q8K, problems[0].x, COLS, TOKENS, COLS, act);
    sh_matmul(k, pool, act, TOKENS, outs, N);
    for (int i = 0; i < N; i++) {
        for (size_t t = 0; t < TOKENS; t++) {
            size_t where = 0, at = t * outs[i].y_stride;
            assert_true(fixture_all_same(want[i] + at, outs[i].y + at, rows[i], &where));
        }
        sh_weight_free((sh_weight *)outs[i].w);
        sh_free(outs[i].y);
        sh_free(want[i]);
        free_problem(&problems[i]);
    }
    sh_free(act);
    sh_pool_free(pool);
}

static void test_weight_facts(void **state)
{
    (void)state;
    const sh_kernels *k = NULL;
    sh_err err = {0};
    sh_weight *w = NULL;
    uint8_t none[64] = {0};
    assert_int_equal(sh_kernels_choose(&k, "", &err), SH_OK);
    assert_int_equal(sh_weight_open(&w, k, SH_Q4_0, 4, 33, none, NULL, &err), SH_E_RANGE);
    assert_int_equal(sh_weight_open(&w, k, SH_Q4_0, 0, 32, none, NULL, &err), SH_E_RANGE);
    assert_int_equal(sh_weight_open(&w, k, SH_Q4_0, UINT64_MAX / 2, 320, none, NULL, &err), SH_E_RANGE);
    assert_int_equal(sh_weight_open(&w, k, (enum sh_dtype)5, 1, 32, none, NULL, &err), SH_E_INVALID);
    assert_null(w);
    problem p = make_problem(SH_Q6_K, 21, 512, 1, 3, false);
    assert_int_equal(sh_weight_open(&w, k, p.t, p.n_rows, p.n_cols, p.src, NULL, &err), SH_OK);
    assert_true(sh_weight_rows(w) == 21 && sh_weight_cols(w) == 512 && sh_weight_dtype(w) == SH_Q6_K);
    float got[512], want[512];
    sh_weight_get_row(w, 20, got);
    sh_dtypes[SH_Q6_K].decode(p.src + (size_t)20 * 420, want, 512);
    assert_memory_equal(got, want, sizeof got);
    /* packing keeps the bits per weight: at most 2 percent and the filling of the last group are added */
    assert_true(sh_weight_owned_bytes(w) <= 32u * 420 * 102 / 100 + 512);
    sh_weight_free(w);
    sh_weight_free(NULL);
    free_problem(&p);
}

static void test_choose(void **state)
{
    (void)state;
    const sh_kernels *k = NULL;
    sh_err err = {0};
    assert_int_equal(sh_kernels_choose(&k, "REF", &err), SH_OK);
    assert_string_equal(k->name, "ref");
    assert_int_equal(sh_kernels_choose(&k, "mmx", &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "mmx"));
    assert_non_null(strstr(err.msg, " ref"));
#if defined(__x86_64__)
    assert_int_equal(sh_kernels_choose(&k, "neon", &err), SH_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, " ref"));
#endif
    assert_int_equal(sh_kernels_choose(&k, NULL, &err), SH_OK);
    for (int l = k->level + 1; l < SH_CPU_LEVEL_COUNT; l++) assert_null(sh_kernels_get((enum sh_cpu_level)l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_right),     cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_tokens_are_independent), cmocka_unit_test(test_joined_outputs),
        cmocka_unit_test(test_weight_facts),           cmocka_unit_test(test_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
