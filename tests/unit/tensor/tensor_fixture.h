/* tensor_fixture.h - levels of this machine, and weights to try them on. */
#ifndef SH_TESTS_TENSOR_FIXTURE_H
#define SH_TESTS_TENSOR_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"

static const char *const fixture_level_names[SH_CPU_LEVEL_COUNT] = {"ref", "avx2", "avx512", "amx", "neon"};

/* The levels above ref that can run here; says which cannot. */
static inline size_t fixture_levels(const sh_kernels *out[SH_CPU_LEVEL_COUNT])
{
    size_t n = 0;
    for (int l = SH_CPU_REF + 1; l < SH_CPU_LEVEL_COUNT; l++) {
        const sh_kernels *k = sh_kernels_get((enum sh_cpu_level)l);
        if (k)
            out[n++] = k;
        else
            printf("skipped: this machine or build lacks %s\n", fixture_level_names[l]);
    }
    return n;
}

static inline float fixture_float(sh_rng *rng)
{
    return (float)(sh_rng_unit(rng) * 2 - 1);
}

static inline void fixture_floats(sh_rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = fixture_float(rng) * (sh_rng_u64(rng) % 31 == 0 ? 9 : 1);
}

/* Equal bits, or both NaN. */
static inline bool fixture_same(float a, float b)
{
    return sh_f32_bits(a) == sh_f32_bits(b) || (a != a && b != b);
}

static inline bool fixture_all_same(const float *a, const float *b, size_t n, size_t *where)
{
    for (size_t i = 0; i < n; i++)
        if (!fixture_same(a[i], b[i])) {
            *where = i;
            return false;
        }
    return true;
}

/* Where a block keeps its half-precision scales; -1 ends. */
static inline const int *fixture_scales(enum sh_dtype t)
{
    static const int none[] = {-1}, at_0[] = {0, -1}, at_0_2[] = {0, 2, -1}, at_80_82[] = {80, 82, -1},
                     at_108[] = {108, -1}, at_208[] = {208, -1};
    switch ((int)t) {
    case SH_Q4_1:
    case SH_Q5_1:
    case SH_Q4_K:
    case SH_Q5_K:
        return at_0_2;
    case SH_Q2_K:
        return at_80_82;
    case SH_Q3_K:
        return at_108;
    case SH_Q6_K:
        return at_208;
    case SH_Q4_0:
    case SH_Q5_0:
    case SH_Q8_0:
    case SH_IQ4_NL:
    case SH_IQ4_XS:
        return at_0;
    default:
        return none;
    }
}

enum fixture_kind { FIXTURE_RANDOM, FIXTURE_ONES, FIXTURE_MINIMA, FIXTURE_ZERO, FIXTURE_KIND_COUNT };

static inline void fixture_plain(enum sh_dtype t, sh_rng *rng, uint8_t *p)
{
    float v = fixture_float(rng);
    switch ((int)t) {
    case SH_F32:
        memcpy(p, &v, 4);
        break;
    case SH_F16:
        sh_put_u16(p, sh_f32_to_f16(v));
        break;
    case SH_BF16:
        sh_put_u16(p, sh_f32_to_bf16(v));
        break;
    case SH_F64:
        sh_put_f64(p, (double)v);
        break;
    }
}

/* One block of the type with finite values. ONES: every code bit set and the largest scale; MINIMA: bytes
 * 0x80. */
static inline void fixture_block(enum sh_dtype t, enum fixture_kind kind, sh_rng *rng, uint8_t *p)
{
    const sh_dtype_info *info = &sh_dtypes[t];
    float values[256];
    if (t == SH_F32 || t == SH_F16 || t == SH_BF16 || t == SH_F64) {
        fixture_plain(t, rng, p);
        return;
    }
    for (bool finite = false; !finite;) {
        for (size_t i = 0; i < info->block_bytes; i++)
            p[i] = kind == FIXTURE_RANDOM   ? (uint8_t)sh_rng_u64(rng)
                   : kind == FIXTURE_ONES   ? 0xff
                   : kind == FIXTURE_MINIMA ? 0x80
                                            : 0;
        for (const int *s = fixture_scales(t); *s >= 0; s++) {
            float d = kind == FIXTURE_RANDOM   ? fixture_float(rng) * 0.02f
                      : kind == FIXTURE_ONES   ? 65504
                      : kind == FIXTURE_MINIMA ? -0x1p-24f
                                               : 0;
            sh_put_u16(p + *s, sh_f32_to_f16(d));
        }
        if (t == SH_MXFP4) p[0] = (uint8_t)(kind == FIXTURE_ZERO ? 0 : 110 + sh_rng_u64(rng) % 30);
        finite = true;
        info->decode(p, values, info->block_elements);
        for (size_t i = 0; i < info->block_elements; i++) finite = finite && isfinite(values[i]);
        if (!finite && kind != FIXTURE_RANDOM) kind = FIXTURE_RANDOM;
    }
}

/* Rows of mixed blocks: mostly random, now and then one of the extreme kinds; row 1 is all zero, row 2 all
 * extreme. */
static inline uint8_t *fixture_weight(enum sh_dtype t, size_t n_rows, size_t n_cols, sh_rng *rng,
                                      bool allow_extremes)
{
    const sh_dtype_info *info = &sh_dtypes[t];
    size_t per_row = n_cols / info->block_elements;
    uint8_t *w = sh_alloc(n_rows * per_row, info->block_bytes), *p = w;
    for (size_t r = 0; w && r < n_rows; r++)
        for (size_t b = 0; b < per_row; b++, p += info->block_bytes) {
            enum fixture_kind kind = FIXTURE_RANDOM;
            if (allow_extremes && sh_rng_u64(rng) % 13 == 0)
                kind = (enum fixture_kind)(sh_rng_u64(rng) % FIXTURE_KIND_COUNT);
            if (allow_extremes && r == 1) kind = FIXTURE_ZERO;
            if (allow_extremes && r == 2) kind = FIXTURE_ONES;
            fixture_block(t, kind, rng, p);
        }
    return w;
}

#endif
