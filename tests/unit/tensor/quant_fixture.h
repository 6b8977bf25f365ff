/* quant_fixture.h - reading tests/data/quant, for the quantisation tests. */
#ifndef SH_TEST_QUANT_FIXTURE_H
#define SH_TEST_QUANT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/quant.h"

enum { FIXTURE_COLS = 2048, FIXTURE_ROWS = 18 };

static const char *const fixture_rows[FIXTURE_ROWS] = {
    "gauss",          "gauss_large",   "student_t3",   "uniform",      "zeros",
    "outlier_per_32", "tiny",          "huge",         "constant",     "constant_negative",
    "alternating",    "channel_scale", "all_positive", "all_negative", "mixed_magnitude",
    "ties",           "sparse",        "f16_edge",
};

/* The index of a row of inputs/rows.f32. */
static inline int fixture_row(const char *name)
{
    int i = 0;
    while (i < FIXTURE_ROWS && strcmp(fixture_rows[i], name) != 0) i++;
    assert_true(i < FIXTURE_ROWS);
    return i;
}

/* A whole file of tests/data/quant (sh_free it). A missing file fails the test: it is part of the sources. */
static inline void *fixture_read(const char *name, size_t *n_bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/quant/%s", SHOAL_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    assert_true(n > 0);
    rewind(f);
    void *p = sh_alloc((size_t)n, 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, (size_t)n, f), n);
    fclose(f);
    *n_bytes = (size_t)n;
    return p;
}

/* "q4_k" -> "Q4_K" in the file names */
static inline void *fixture_read_type(const char *folder, enum sh_dtype t, const char *suffix,
                                      size_t *n_bytes)
{
    char name[128], upper[16] = {0};
    for (size_t i = 0; sh_dtypes[t].name[i]; i++)
        upper[i] = (char)toupper((unsigned char)sh_dtypes[t].name[i]);
    snprintf(name, sizeof name, "%s/%s%s", folder, upper, suffix);
    return fixture_read(name, n_bytes);
}

static inline FILE *fixture_open(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/quant/%s", SHOAL_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("cannot open %s", path);
    return f;
}

typedef struct fixture_error {
    double rmse, wrmse; /* wrmse: each square weighted by the importance of its column */
} fixture_error;

static inline fixture_error fixture_compare(const float *x, const float *y, const float *importance,
                                            size_t rows, size_t cols)
{
    double sum = 0, weighted = 0, weights = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            double e = (double)y[r * cols + c] - (double)x[r * cols + c];
            sum += e * e;
            weighted += (double)importance[c] * e * e;
            weights += (double)importance[c];
        }
    return (fixture_error){sqrt(sum / (double)(rows * cols)), sqrt(weighted / weights)};
}

/* Sums of twelve uniforms less six: near Gaussian, the same numbers everywhere. */
static inline void fixture_noise(float *x, size_t n, uint64_t seed, double scale)
{
    sh_rng r = {seed};
    for (size_t i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) sum += sh_rng_unit(&r);
        x[i] = (float)(sum * scale);
    }
}

#endif
