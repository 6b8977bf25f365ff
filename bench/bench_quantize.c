/* bench_quantize.c - how fast rows of floats become blocks, in gigabytes of F32 input a second.
 *
 *   bench_quantize [TYPE...]
 *
 * For each type that is written: without and with importance, on one thread and on two. The best of five
 * passes over 2048 rows of 4096 (32 MiB: long enough for the second thread to find a core of its own). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "os/clock.h"
#include "tensor/quant.h"
#include "tensor/quant_fit.h"

enum { ROWS = 2048, COLS = 4096, PASSES = 5 };

typedef struct bench {
    float *x, *importance;
    uint8_t *blocks;
    sh_pool *pool[2]; /* of one thread and of two */
} bench;

static void fill(bench *b)
{
    sh_rng rng = {1};
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        double sum = -3;
        for (int k = 0; k < 6; k++) sum += sh_rng_unit(&rng);
        b->x[i] = (float)(0.03 * sum);
    }
    for (size_t i = 0; i < COLS; i++) b->importance[i] = (float)sh_rng_unit(&rng);
}

/* Gigabytes of input a second, or 0 when the rows cannot be written (the reason is printed). */
static double measure(const bench *b, enum sh_dtype t, bool with_importance, sh_pool *pool)
{
    uint64_t best = UINT64_MAX;
    for (int pass = 0; pass < PASSES; pass++) {
        sh_err err = {0};
        uint64_t begin = sh_now_us();
        if (sh_quantize(t, b->x, b->blocks, ROWS, COLS, with_importance ? b->importance : NULL, pool, &err) <
            0) {
            fprintf(stderr, "%s: %s\n", sh_dtypes[t].name, err.msg);
            return 0;
        }
        uint64_t us = sh_now_us() - begin;
        best = us < best ? us : best;
    }
    return (double)ROWS * COLS * sizeof(float) / ((double)(best ? best : 1) * 1e3);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (sh_dtype_find(argv[i]) == sh_dtype_find(name)) return true;
    return argc < 2;
}

static int run(bench *b, int argc, char **argv)
{
    sh_err err = {0};
    for (size_t k = 0; k < 2; k++)
        if (sh_pool_open(&b->pool[k], k + 1, &err) < 0) {
            fprintf(stderr, "%s\n", err.msg);
            return 1;
        }
    fill(b);
    printf("searches: %s; GB/s of F32 input\n%-8s %10s %10s %12s %12s\n", sh_quant_fit_get()->name, "type",
           "1 thread", "2 threads", "importance 1", "importance 2");
    for (uint32_t t = 0; t < SH_DTYPE_COUNT; t++) {
        enum sh_dtype type = (enum sh_dtype)t;
        if (!sh_quant_can_write(type) || !is_wanted(sh_dtypes[t].name, argc, argv)) continue;
        printf("%-8s %10.2f %10.2f %12.2f %12.2f\n", sh_dtypes[t].name, measure(b, type, false, b->pool[0]),
               measure(b, type, false, b->pool[1]), measure(b, type, true, b->pool[0]),
               measure(b, type, true, b->pool[1]));
    }
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (sh_dtype_find(argv[i]) < 0) {
            fprintf(stderr, "unknown type '%s'\nusage: bench_quantize [TYPE...]\n", argv[i]);
            return 2;
        }
    bench b = {.x = sh_alloc((size_t)ROWS * COLS, sizeof(float)),
               .importance = sh_alloc(COLS, sizeof(float)),
               .blocks = sh_alloc((size_t)ROWS * COLS, sizeof(float))};
    int rc = 1;
    if (b.x && b.importance && b.blocks)
        rc = run(&b, argc, argv);
    else
        fprintf(stderr, "out of memory\n");
    for (int k = 0; k < 2; k++) sh_pool_free(b.pool[k]);
    sh_free(b.x);
    sh_free(b.importance);
    sh_free(b.blocks);
    return rc;
}
