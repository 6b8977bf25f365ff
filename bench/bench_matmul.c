/* bench_matmul.c - the speed of products with quantised weights, beside the memory bandwidth of the same
 * minute.
 *
 *   bench_matmul [TYPE...] [--level NAME] [--quick]
 *
 * Decode: one token; what counts is bytes of weights read a second, compared with the plain read bandwidth.
 * Prefill: 512 tokens; what counts is multiply and add operations a second (2 rows cols tokens). */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/file.h"
#include "os/pool.h"
#include "tensor/matmul.h"

enum { MAX_COPIES = 24, COPIES_BYTES = 160 << 20 };

typedef struct shape {
    size_t n_rows, n_cols;
    bool large; /* Q8_0 only: the output matrix of a small model */
} shape;

static const shape shapes[] = {
    {4864, 896, false}, {896, 4864, false}, {2048, 8192, false}, {151936, 896, true}};

static uint64_t sum_words(const uint64_t *p, size_t n)
{
    uint64_t s[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8) {
        __builtin_prefetch(p + i + 768); /* as the kernels do */
        for (int k = 0; k < 8; k++) s[k] += p[i + (size_t)k];
    }
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

typedef struct reading {
    const uint64_t *p;
    _Atomic uint64_t total;
} reading;

static void read_range(void *ud, size_t begin, size_t end, size_t i_worker)
{
    reading *r = ud;
    (void)i_worker;
    r->total += sum_words(r->p + begin, end - begin);
}

/* The best of several passes over 1 GiB, in bytes a second. */
static double read_bandwidth(sh_pool *pool)
{
    enum { PASSES = 6 };
    size_t bytes = (size_t)1 << 30;
    uint64_t *p = sh_pages_alloc(bytes), best = UINT64_MAX;
    if (!p) return 0;
    memset(p, 1, bytes);
    reading r = {p, 0};
    for (int i = 0; i < PASSES; i++) {
        uint64_t start = sh_now_us();
        sh_pool_run(pool, bytes / 8, 4096, read_range, &r);
        uint64_t us = sh_now_us() - start;
        best = us < best ? us : best;
    }
    sh_pages_free(p, bytes);
    return r.total ? (double)bytes / (double)best * 1e6 : 0;
}

/* Numbers that a model could have: products of subnormals would be slow on some machines. */
static void plain_value(enum sh_dtype t, sh_rng *rng, uint8_t *p)
{
    float v = (float)(sh_rng_unit(rng) - 0.5);
    uint16_t half = t == SH_F16 ? sh_f32_to_f16(v) : sh_f32_to_bf16(v);
    if (t == SH_F32)
        memcpy(p, &v, sizeof v);
    else
        memcpy(p, &half, sizeof half);
}

/* Random codes; the scales are whatever halves the bytes make, below 2. */
static uint8_t *random_rows(enum sh_dtype t, size_t n_rows, size_t n_cols)
{
    const sh_dtype_info *info = &sh_dtypes[t];
    size_t n = n_rows * (n_cols / info->block_elements);
    uint8_t *w = sh_alloc(n, info->block_bytes);
    sh_rng rng = {42};
    if (!w) return NULL;
    for (size_t i = 0; i + 8 <= n * info->block_bytes; i += 8) {
        uint64_t v = sh_rng_u64(&rng) & UINT64_C(0xbfbfbfbfbfbfbfbf);
        memcpy(w + i, &v, 8);
    }
    for (size_t i = 0; i < n && (t == SH_F32 || t == SH_F16 || t == SH_BF16); i++)
        plain_value(t, &rng, w + i * info->block_bytes);
    for (size_t i = 0; i < n && t == SH_MXFP4; i++) w[i * info->block_bytes] = 120;
    return w;
}

static size_t copies_of(size_t bytes)
{
    size_t n = COPIES_BYTES / bytes + 1;
    return n < MAX_COPIES ? n : MAX_COPIES;
}

typedef struct run {
    const sh_kernels *k;
    sh_pool *pool;
    sh_weight *w[MAX_COPIES]; /* copies, so that decode reads memory and not the cache */
    size_t n_copies;
} run;

/* src holds copies_of(bytes) copies one after another, so that unpacked weights are different memory too. */
static int run_open(run *r, const shape *s, enum sh_dtype t, const uint8_t *src, size_t bytes, sh_err *err)
{
    sh_weight_opts opts = SH_WEIGHT_OPTS_INIT;
    opts.pool = r->pool;
    r->n_copies = 0;
    for (size_t i = 0; i < copies_of(bytes); i++, r->n_copies++) {
        int rc = sh_weight_open(&r->w[i], r->k, t, s->n_rows, s->n_cols, src + i * bytes, &opts, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static void run_close(run *r)
{
    for (size_t i = 0; i < r->n_copies; i++) sh_weight_free(r->w[i]);
}

/* Seconds of one product; the best of several rounds over all copies. */
static double time_product(const run *r, const shape *s, size_t n_tokens, int rounds)
{
    enum sh_act_kind kind = sh_weight_act_kind(r->w[0]);
    void *act = sh_alloc_aligned(n_tokens, sh_act_stride(kind, s->n_cols));
    float *x = sh_zalloc(n_tokens * s->n_cols, sizeof *x), *y = sh_alloc(n_tokens * s->n_rows, sizeof *y);
    uint64_t best = UINT64_MAX;
    size_t n = n_tokens == 1 ? r->n_copies : 1;
    sh_rng rng = {7};
    if (!act || !x || !y) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n_tokens * s->n_cols; i++) x[i] = (float)(sh_rng_unit(&rng) - 0.5);
    sh_act_encode(r->k, r->pool, kind, x, s->n_cols, n_tokens, s->n_cols, act);
    for (int round = 0; round < rounds; round++) {
        uint64_t start = sh_now_us();
        for (size_t i = 0; i < n; i++) {
            sh_matmul_out out = {r->w[i], y, s->n_rows};
            sh_matmul(r->k, r->pool, act, n_tokens, &out, 1);
        }
        uint64_t us = sh_now_us() - start;
        best = us < best ? us : best;
    }
    sh_free(act), sh_free(x), sh_free(y);
    return (double)(best ? best : 1) / (double)n * 1e-6;
}

static void bench(const sh_kernels *k, sh_pool *const pools[2], const double bandwidth[2], enum sh_dtype t,
                  bool quick)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const shape *s = &shapes[i];
        if (s->n_cols % sh_dtypes[t].block_elements || (s->large && (t != SH_Q8_0 || quick))) continue;
        size_t bytes = s->n_rows * (s->n_cols / sh_dtypes[t].block_elements) * sh_dtypes[t].block_bytes;
        uint8_t *src = random_rows(t, s->n_rows * copies_of(bytes), s->n_cols);
        printf("%-7s %-6s %6zu x %-4zu ", k->name, sh_dtypes[t].name, s->n_rows, s->n_cols);
        for (int p = 0; src && p < 2; p++) {
            run r = {.k = k, .pool = pools[p]};
            sh_err err = {0};
            if (run_open(&r, s, t, src, bytes, &err) < 0) {
                fprintf(stderr, "%s\n", err.msg);
                exit(1);
            }
            double one = time_product(&r, s, 1, quick ? 6 : 12),
                   many = s->large ? 0 : time_product(&r, s, 512, quick ? 3 : 6);
            printf("| %d threads: %6.1f GB/s (%3.0f%%)", p + 1, (double)bytes / one * 1e-9,
                   (double)bytes / one / bandwidth[p] * 100);
            if (many > 0)
                printf(" %7.0f GOP/s ", 2.0 * (double)s->n_rows * (double)s->n_cols * 512 / many * 1e-9);
            run_close(&r);
        }
        printf("\n");
        fflush(stdout);
        sh_free(src);
    }
}

int main(int argc, char **argv)
{
    static const enum sh_dtype usual[] = {SH_Q8_0,   SH_Q4_0,   SH_Q4_K,  SH_Q6_K, SH_Q4_1, SH_Q5_0,
                                          SH_Q5_1,   SH_IQ4_NL, SH_MXFP4, SH_Q5_K, SH_Q2_K, SH_Q3_K,
                                          SH_IQ4_XS, SH_F16,    SH_BF16,  SH_F32};
    const char *level = NULL;
    bool quick = false, chosen[SH_DTYPE_COUNT] = {false}, any = false;
    for (int i = 1; i < argc; i++) {
        int t = sh_dtype_find(argv[i]);
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            level = argv[++i];
        else if (t >= 0)
            chosen[t] = any = true;
        else
            return fprintf(stderr, "usage: bench_matmul [TYPE...] [--level NAME] [--quick]\n"), 2;
    }
    sh_pool *pools[2] = {0};
    sh_err err = {0};
    double bandwidth[2];
    const sh_kernels *only = NULL;
    if (level && sh_kernels_choose(&only, level, &err) < 0) return fprintf(stderr, "%s\n", err.msg), 2;
    for (int p = 0; p < 2; p++) {
        if (sh_pool_open(&pools[p], (size_t)p + 1, &err) < 0) return fprintf(stderr, "%s\n", err.msg), 1;
        bandwidth[p] = read_bandwidth(pools[p]);
    }
    printf("%s: reads %.1f GB/s with 1 thread, %.1f GB/s with 2\n", sh_cpu()->name, bandwidth[0] * 1e-9,
           bandwidth[1] * 1e-9);
    for (int l = SH_CPU_AVX2; l < SH_CPU_LEVEL_COUNT; l++) {
        const sh_kernels *k = sh_kernels_get((enum sh_cpu_level)l);
        if (!k || (only && only != k)) continue;
        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
            if (!any || chosen[usual[i]]) bench(k, pools, bandwidth, usual[i], quick);
    }
    sh_pool_free(pools[0]);
    sh_pool_free(pools[1]);
    return 0;
}
