/* test_quant_quality.c - how close the searched types come: at most 1% more error than the reference.
 *
 * Without importance the plain error counts; with it the error weighted by importance. Both references were
 * measured on the same rows and the same generated sets (tests/data/quant/SOURCE.txt). */
#include "quant_fixture.h"

enum { SET_ROWS = 64, SET_COLS = 4096, SET_SEED = 1001, IMPORTANCE_SEED = 2001 };

/* Output i (from 1) of splitmix64. */
static uint64_t splitmix_at(uint64_t seed, uint64_t i)
{
    sh_rng r = {seed + (i - 1) * 0x9e3779b97f4a7c15ull};
    return sh_rng_u64(&r);
}

static double set_factor(char set, uint64_t e, size_t column)
{
    static const double channel[4] = {0.25, 0.5, 1, 2};
    if (set == 'h') return e % 1024 == 0 ? 16 : e % 64 == 1 ? 4 : 1;
    if (set == 'c') return channel[splitmix_at(SET_SEED ^ 0xc0ffee, column + 1) % 4];
    return 1;
}

/* normal: a Gaussian of deviation 0.02; heavy: with outliers of 4 and 16 times; channel: columns of four
 * sizes. */
static void make_set(float *x, char set)
{
    for (uint64_t n = 0; n < SET_ROWS * SET_COLS; n++) {
        double sum = 0;
        for (uint64_t k = 1; k <= 6; k++) {
            uint64_t z = splitmix_at(SET_SEED, 7 * n + k);
            sum += (double)(z & 0xffffffffu) + (double)(z >> 32);
        }
        double g = sum / 0x1p32 - 6, f = set_factor(set, splitmix_at(SET_SEED, 7 * n + 7), n % SET_COLS);
        x[n] = (float)(set == 'c' ? g * 0.02 * f : g * f * 0.02);
    }
}

static void make_importance(float *h)
{
    for (size_t c = 0; c < SET_COLS; c++) {
        uint64_t u = splitmix_at(IMPORTANCE_SEED, c + 1);
        h[c] = (float)((double)(1 + u % 256) * (double)(1u << (u >> 8) % 8) / 256);
    }
}

typedef struct measurement {
    char type[16], mode[16], where[32];
    double rmse, wrmse;
} measurement;

static bool next_measurement(FILE *f, measurement *m)
{
    return fscanf(f, "%15s %15s %31s %lf %lf", m->type, m->mode, m->where, &m->rmse, &m->wrmse) == 5;
}

/* Quantise as m says and hold the error against it; slack is allowed on top of 1%. */
static void check_quality(const measurement *m, const float *x, size_t rows, size_t cols, const float *h,
                          double slack)
{
    int t = sh_dtype_find(m->type);
    bool weighted = strcmp(m->mode, "imatrix") == 0;
    size_t row_bytes = 0;
    sh_err err = {0};
    assert_true(t >= 0 && sh_dtype_row_bytes(&row_bytes, (enum sh_dtype)t, cols));
    uint8_t *bytes = sh_alloc(rows, row_bytes);
    float *y = sh_alloc(rows * cols, sizeof *y);
    if (sh_quantize((enum sh_dtype)t, x, bytes, rows, cols, weighted ? h : NULL, NULL, &err) != SH_OK)
        fail_msg("%s %s %s: %s", m->type, m->mode, m->where, err.msg);
    for (size_t r = 0; r < rows; r++)
        sh_dequantize_row((enum sh_dtype)t, bytes + r * row_bytes, y + r * cols, cols);
    fixture_error e = fixture_compare(x, y, h, rows, cols);
    double got = weighted ? e.wrmse : e.rmse, want = weighted ? m->wrmse : m->rmse;
    if (!(got <= want * 1.01 + slack))
        fail_msg("%s %s %s: error %.6g is %.4f times the reference", m->type, m->mode, m->where, got,
                 got / want);
    sh_free(bytes);
    sh_free(y);
}

static void test_generated_sets(void **state)
{
    (void)state;
    static const float first[] = {0.002163652330636978f, 0.04355531930923462f, 0.009403652511537075f};
    float *x = sh_alloc(SET_ROWS * SET_COLS, sizeof *x), *h = sh_alloc(SET_COLS, sizeof *h);
    measurement m;
    char made = 0;
    int n = 0;
    make_importance(h);
    FILE *f = fixture_open("quality.txt");
    for (; next_measurement(f, &m); n++) {
        if (m.where[0] != made) make_set(x, made = m.where[0]);
        if (made == 'n') assert_memory_equal(x, first, sizeof first);
        check_quality(&m, x, SET_ROWS, SET_COLS, h, 0);
    }
    fclose(f);
    assert_int_equal(n, 84);
    sh_free(x);
    sh_free(h);
}

/* What is allowed beyond 1%: rows of equal magnitudes have (almost) no error in the reference, so a ratio
 * says nothing, and a thousandth of the magnitude is granted; the error of `sparse` comes from a few dozen
 * values, where the weights of the search and of the measure can part by another 2%. */
static double slack_of(const measurement *m, const float *x)
{
    bool is_flat = strncmp(m->where, "constant", 8) == 0 || strcmp(m->where, "alternating") == 0;
    if (is_flat) return fabs((double)x[0]) * 1e-3;
    return strcmp(m->where, "sparse") == 0 ? 0.02 * m->wrmse : 0;
}

static void test_fixture_rows(void **state)
{
    (void)state;
    size_t n_bytes;
    float *rows = fixture_read("inputs/rows.f32", &n_bytes),
          *h = fixture_read("inputs/importance.f32", &n_bytes);
    measurement m;
    int n = 0;
    FILE *f = fixture_open("rmse.txt");
    for (; next_measurement(f, &m); n++) {
        const float *x = rows + fixture_row(m.where) * FIXTURE_COLS;
        /* The reference wrote zeros for a few types where we refuse the row: test_quant_exact.c. */
        if (strcmp(m.where, "huge") == 0 && strcmp(m.type, "mxfp4") != 0) continue;
        check_quality(&m, x, 1, FIXTURE_COLS, h, slack_of(&m, x));
    }
    fclose(f);
    assert_int_equal(n, 428);
    sh_free(rows);
    sh_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_generated_sets),
                                       cmocka_unit_test(test_fixture_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
