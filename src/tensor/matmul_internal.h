/* matmul_internal.h - what weights, activations and kernels know of each other inside tensor/.
 *
 * Activation rows (sh_act_encode), every part padded to 64 bytes, n_blocks = n_cols / block:
 *   SH_ACT_F32  float [n_cols]
 *   SH_ACT_Q8   float scale [n_blocks] | int32 sum [n_blocks] | float scaled_sum [n_blocks] | int8 q [n_cols], block 32
 *               scaled_sum = scale * (float)sum, what a weight block's minimum is multiplied with
 *   SH_ACT_Q8K  float scale [n_blocks] | int16 sums [n_blocks][16] | int8 q [n_cols], block 256
 *               sums of 16 neighbours: at most 16 * 127 = 2032 in size
 *
 * Packed weights: groups of 16 rows, one after another, 64-byte aligned; the last group is filled up with zero rows.
 * Inside a group the blocks follow in column order; how one block (or pair) of 16 rows lies: pack.h. */
#ifndef SH_TENSOR_MATMUL_INTERNAL_H
#define SH_TENSOR_MATMUL_INTERNAL_H

#include "tensor/kernels.h"
#include "tensor/matmul.h"

enum { SH_GROUP_ROWS = 16 };

struct sh_weight {
    enum sh_dtype dtype;
    enum sh_act_kind act_kind;
    size_t n_rows, n_cols;
    const uint8_t *src; /* [n_rows] rows of row_bytes, borrowed */
    size_t row_bytes;
    uint8_t *packed; /* NULL: kernels read src */
    size_t packed_bytes, group_bytes;
};

/* y[t][r] for all tokens t and the rows r of the range that sh_kernels.matmul is given. Ranges begin at multiples of
 * SH_GROUP_ROWS. */
typedef struct sh_matmul_job {
    const sh_weight *w;
    const uint8_t *act; /* [n_tokens] rows of act_stride bytes, 64-byte aligned */
    size_t act_stride;
    size_t n_tokens;
    float *y; /* row t at y + t * y_stride */
    size_t y_stride;
} sh_matmul_job;

/* How the products of a type are formed, at every level (docs/exact-arithmetic.md). */
enum sh_act_kind sh_dtype_act_kind(enum sh_dtype t);

static inline size_t sh_pad64(size_t n) { return (n + 63) & ~(size_t)63; }

/* The parts of one encoded row. */
typedef struct sh_act_q8 {
    const float *scale;
    const int32_t *sum;
    const float *scaled_sum;
    const int8_t *q;
} sh_act_q8;

typedef struct sh_act_q8k {
    const float *scale;
    const int16_t *sums;
    const int8_t *q;
} sh_act_q8k;

static inline sh_act_q8 sh_act_q8_at(const void *row, size_t n_cols)
{
    const uint8_t *p = row;
    size_t part = sh_pad64(n_cols / 32 * 4);
    return (sh_act_q8){(const float *)(const void *)p, (const int32_t *)(const void *)(p + part),
                       (const float *)(const void *)(p + 2 * part), (const int8_t *)(p + 3 * part)};
}

static inline sh_act_q8k sh_act_q8k_at(const void *row, size_t n_cols)
{
    const uint8_t *p = row;
    size_t scales = sh_pad64(n_cols / 256 * 4), sums = sh_pad64(n_cols / 256 * 32);
    return (sh_act_q8k){(const float *)(const void *)p, (const int16_t *)(const void *)(p + scales),
                        (const int8_t *)(p + scales + sums)};
}

#endif
