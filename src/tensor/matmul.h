/* matmul.h - weights made ready for multiplication, and the product of activations with them.
 *
 * y[t][r] = sum over c of x[t][c] * w[r][c]  (+ nothing: biases are added by the caller)
 *
 * A quantised weight is repacked when opened (levels above ref): 16 rows interleaved, so that one vector lane
 * is one output row. The source pages are given back to the system as they are read (dont_need), so a model
 * costs its size once. Types without a kernel of their own are multiplied through their exact float values.
 */
#ifndef SH_TENSOR_MATMUL_H
#define SH_TENSOR_MATMUL_H

#include "os/pool.h"
#include "tensor/kernels.h"

typedef struct sh_weight
    sh_weight; /* a matrix [n_rows, n_cols]; immutable, any number of threads may use it */

typedef struct sh_weight_opts {
    int version;      /* 1 */
    bool drop_source; /* src is a file mapping: let its pages go after repacking */
    sh_pool *pool;    /* repacks in parallel; may be NULL */
} sh_weight_opts;
#define SH_WEIGHT_OPTS_INIT {.version = 1}

/* src: n_rows rows of sh_dtype_row_bytes(dtype, n_cols) bytes, any alignment; borrowed for the weight's life.
 */
int sh_weight_open(sh_weight **out, const sh_kernels *kernels, enum sh_dtype dtype, uint64_t n_rows,
                   uint64_t n_cols, const void *src, const sh_weight_opts *opts, sh_err *err);
void sh_weight_free(sh_weight *w);
uint64_t sh_weight_rows(const sh_weight *w);
uint64_t sh_weight_cols(const sh_weight *w);
enum sh_dtype sh_weight_dtype(const sh_weight *w);
size_t sh_weight_owned_bytes(const sh_weight *w); /* memory held beyond the source */
enum sh_act_kind sh_weight_act_kind(const sh_weight *w);
/* The exact values of one row. A repacked weight is read where it was packed: its source stays untouched. */
void sh_weight_get_row(const sh_weight *w, uint64_t row, float *dst);

/* Bytes of n_tokens encoded rows of n_cols; rows are sh_act_stride apart. Buffers 64-byte aligned. */
size_t sh_act_stride(enum sh_act_kind kind, size_t n_cols);
/* x [n_tokens] rows of n_cols floats, x_stride floats apart. SH_ACT_F32 copies. Split over tokens in the
 * pool. */
void sh_act_encode(const sh_kernels *k, sh_pool *pool, enum sh_act_kind kind, const float *x, size_t x_stride,
                   size_t n_tokens, size_t n_cols, void *out);

typedef struct sh_matmul_out {
    const sh_weight *w;
    float *y; /* [n_tokens] rows of w's n_rows floats, y_stride floats apart */
    size_t y_stride;
} sh_matmul_out;
/* Up to 4 products of the same activations (q, k, v; gate and up) in one pass over the pool: weights of equal
 * n_cols and equal act kind. act: as sh_act_encode wrote it. Split by output rows, so threads never change a
 * bit. */
void sh_matmul(const sh_kernels *k, sh_pool *pool, const void *act, size_t n_tokens,
               const sh_matmul_out *outs, size_t n_outs);

#endif
