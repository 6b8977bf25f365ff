/* test_quant_rows.c - properties of the writers: equal bytes from every vector width and number of threads,
 * the grid is a fixed point, importance and sign do what they say. */
#include "quant_fixture.h"

#include "os/cpu.h"
#include "tensor/quant_writers.h"

enum { COLS = 1792, ROWS = 23 }; /* seven super-blocks, so that pairs leave one over */

typedef struct data {
    float *x, *y, *h; /* [ROWS, COLS], [ROWS, COLS], [COLS] */
    uint8_t *a, *b;   /* ROWS rows of at most 4 * COLS bytes */
} data;

static void *setup_array(size_t n, size_t size)
{
    void *p = sh_zalloc(n, size);
    assert_non_null(p);
    return p;
}

static int setup(void **state)
{
    data *d = setup_array(1, sizeof *d);
    d->x = setup_array(ROWS * COLS, 4);
    d->y = setup_array(ROWS * COLS, 4);
    d->h = setup_array(COLS, 4);
    d->a = setup_array(ROWS * COLS, 4);
    d->b = setup_array(ROWS * COLS, 4);
    fixture_noise(d->x, ROWS * COLS, 11, 0.05);
    /* rows of many sizes, some values far out, some blocks of zeros, flat ones and ones of one sign */
    for (size_t i = 0; i < ROWS * COLS; i++) {
        size_t block = i / 32;
        if (i % 97 == 0) d->x[i] *= 20;
        if (block % 13 == 5) d->x[i] = 0;
        if (block % 17 == 3) d->x[i] = -0.125f;
        if (block % 19 == 7) d->x[i] = fabsf(d->x[i]);
        d->x[i] *= ldexpf(1, (int)(i / COLS) - 12);
    }
    fixture_noise(d->h, COLS, 12, 1);
    for (size_t c = 0; c < COLS; c++) d->h[c] = c % 50 < 3 ? 0 : d->h[c] * d->h[c];
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    data *d = *state;
    sh_free(d->x);
    sh_free(d->y);
    sh_free(d->h);
    sh_free(d->a);
    sh_free(d->b);
    sh_free(d);
    return 0;
}

static bool next_type(uint32_t *t)
{
    while (*t < SH_DTYPE_COUNT && !sh_quant_can_write((enum sh_dtype) * t)) ++*t;
    return *t < SH_DTYPE_COUNT;
}

static size_t row_bytes_of(uint32_t t)
{
    size_t n = 0;
    assert_true(sh_dtype_row_bytes(&n, (enum sh_dtype)t, COLS));
    return n;
}

static void test_vector_widths_agree(void **state)
{
    data *d = *state;
    const sh_quant_fit *wide[2];
    int n_wide = 0;
    if (sh_cpu()->avx2) wide[n_wide++] = &sh_quant_fit_avx2;
    if (sh_cpu()->avx512) wide[n_wide++] = &sh_quant_fit_avx512;
    if (!n_wide) skip();
    for (uint32_t t = 0; next_type(&t); t++)
        for (int k = 0; k < 2 * n_wide; k++) {
            const float *h = k & 1 ? d->h : NULL;
            size_t bytes = row_bytes_of(t);
            for (size_t r = 0; r < ROWS; r++) {
                const float *x = d->x + r * COLS;
                assert_int_equal(sh_quantize_row_with(&sh_quant_fit_base, t, x, d->a, COLS, h, NULL), SH_OK);
                assert_int_equal(sh_quantize_row_with(wide[k / 2], t, x, d->b, COLS, h, NULL), SH_OK);
                if (memcmp(d->a, d->b, bytes) != 0)
                    fail_msg("%s, row %zu: %s differs from base", sh_dtypes[t].name, r, wide[k / 2]->name);
            }
        }
}

static void test_threads_agree(void **state)
{
    data *d = *state;
    static const size_t counts[] = {1, 2, 3, 7};
    for (int k = 0; k < 4; k++) {
        sh_pool *pool = NULL;
        assert_int_equal(sh_pool_open(&pool, counts[k], NULL), SH_OK);
        for (uint32_t t = 0; next_type(&t); t++) {
            size_t bytes = row_bytes_of(t);
            assert_int_equal(sh_quantize((enum sh_dtype)t, d->x, d->a, ROWS, COLS, d->h, NULL, NULL), SH_OK);
            assert_int_equal(sh_quantize((enum sh_dtype)t, d->x, d->b, ROWS, COLS, d->h, pool, NULL), SH_OK);
            assert_memory_equal(d->a, d->b, ROWS * bytes);
        }
        sh_pool_free(pool);
    }
}

/* Whichever thread meets it, the first bad row is the one reported. */
static void test_first_bad_row_is_reported(void **state)
{
    data *d = *state;
    sh_pool *pool = NULL;
    assert_int_equal(sh_pool_open(&pool, 3, NULL), SH_OK);
    float keep[2] = {d->x[9 * COLS + 40], d->x[20 * COLS + 3]};
    d->x[9 * COLS + 40] = NAN;
    d->x[20 * COLS + 3] = NAN;
    for (int i = 0; i < 50; i++) {
        sh_err err = {0};
        assert_int_equal(sh_quantize(SH_Q8_0, d->x, d->a, ROWS, COLS, NULL, pool, &err), SH_E_RANGE);
        assert_non_null(strstr(err.msg, "row 9, column 40 "));
    }
    d->x[9 * COLS + 40] = keep[0];
    d->x[20 * COLS + 3] = keep[1];
    sh_pool_free(pool);
}

static double row_error(const float *x, const float *y, const float *h)
{
    double sum = 0;
    for (int i = 0; i < COLS; i++) {
        double e = (double)x[i] - (double)y[i];
        sum += (h ? (double)h[i] : 1) * e * e;
    }
    return sum;
}

/* What was read back lies on a grid, so writing it again may lose hardly anything more. */
static void test_second_writing_is_almost_free(void **state)
{
    data *d = *state;
    for (uint32_t t = 0; next_type(&t); t++)
        for (size_t r = 6; r < ROWS;
             r++) { /* below that, f16 scales are subnormal and the grids themselves move */
            float *x = d->x + r * COLS, *y = d->y, *z = d->y + COLS;
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, x, d->a, COLS, NULL, NULL), SH_OK);
            sh_dequantize_row((enum sh_dtype)t, d->a, y, COLS);
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, y, d->a, COLS, NULL, NULL), SH_OK);
            sh_dequantize_row((enum sh_dtype)t, d->a, z, COLS);
            double first = row_error(x, y, NULL), second = row_error(y, z, NULL);
            if (second > 0.3 * first)
                fail_msg("%s, row %zu: %g after %g", sh_dtypes[t].name, r, second, first);
        }
}

/* A power of two changes nothing but the scale: same codes, as long as f16 has room. */
static void test_scaling_by_two_scales_the_values(void **state)
{
    data *d = *state;
    for (uint32_t t = 0; next_type(&t); t++)
        for (int with_h = 0; with_h < 2; with_h++) {
            const float *x = d->x + 16 * COLS, *h = with_h ? d->h : NULL;
            float *twice = d->y + COLS, *two_y = d->y + 2 * COLS;
            for (int i = 0; i < COLS; i++) twice[i] = 2 * x[i];
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, x, d->a, COLS, h, NULL), SH_OK);
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, twice, d->b, COLS, h, NULL), SH_OK);
            sh_dequantize_row((enum sh_dtype)t, d->a, d->y, COLS);
            sh_dequantize_row((enum sh_dtype)t, d->b, two_y, COLS);
            for (int i = 0; i < COLS; i++)
                if (two_y[i] != 2 * d->y[i])
                    fail_msg("%s: column %d is %g, twice is %g", sh_dtypes[t].name, i, (double)d->y[i],
                             (double)two_y[i]);
        }
}

static void test_importance_lowers_the_weighted_error(void **state)
{
    data *d = *state;
    static const enum sh_dtype types[] = {SH_Q4_0, SH_Q4_1, SH_Q5_0, SH_Q5_1,   SH_Q2_K,  SH_Q3_K,
                                          SH_Q4_K, SH_Q5_K, SH_Q6_K, SH_IQ4_NL, SH_IQ4_XS};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        double plain = 0, weighted = 0;
        for (size_t r = 8; r < ROWS; r++) {
            const float *x = d->x + r * COLS;
            assert_int_equal(sh_quantize_row(types[k], x, d->a, COLS, NULL, NULL), SH_OK);
            sh_dequantize_row(types[k], d->a, d->y, COLS);
            plain += ldexp(row_error(x, d->y, d->h), -2 * (int)r);
            assert_int_equal(sh_quantize_row(types[k], x, d->a, COLS, d->h, NULL), SH_OK);
            sh_dequantize_row(types[k], d->a, d->y, COLS);
            weighted += ldexp(row_error(x, d->y, d->h), -2 * (int)r);
        }
        if (weighted > 0.99 * plain)
            fail_msg("%s: weighted %g, plain %g", sh_dtypes[types[k]].name, weighted, plain);
    }
}

/* Importances of any size, or none at all, must not upset the search. */
static void test_extreme_importance(void **state)
{
    data *d = *state;
    static const float sizes[] = {0, 0x1p-149f, 1e-38f, 1e-20f, 1e20f, 3e38f};
    float h[COLS];
    const float *x = d->x + 12 * COLS;
    for (uint32_t t = 0; next_type(&t); t++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            for (int i = 0; i < COLS; i++) h[i] = i % 3 ? sizes[k] : 0;
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, x, d->a, COLS, NULL, NULL), SH_OK);
            sh_dequantize_row((enum sh_dtype)t, d->a, d->y, COLS);
            double plain = row_error(x, d->y, NULL);
            assert_int_equal(sh_quantize_row((enum sh_dtype)t, x, d->a, COLS, h, NULL), SH_OK);
            sh_dequantize_row((enum sh_dtype)t, d->a, d->y, COLS);
            double got = row_error(x, d->y, NULL);
            if (!(got <= 4 * plain))
                fail_msg("%s: %g with importance %g, %g without", sh_dtypes[t].name, got, (double)sizes[k],
                         plain);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_widths_agree),
        cmocka_unit_test(test_threads_agree),
        cmocka_unit_test(test_first_bad_row_is_reported),
        cmocka_unit_test(test_second_writing_is_almost_free),
        cmocka_unit_test(test_scaling_by_two_scales_the_values),
        cmocka_unit_test(test_importance_lowers_the_weighted_error),
        cmocka_unit_test(test_extreme_importance),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
