/* lanes_dense.h - products with F32, F16 and BF16 rows, and with any other type through its float values:
 * lane l of an output adds the columns l, l + 16, ... in order, then the tree. Included once by each
 * dense_<set>.c. */
#ifndef SH_TENSOR_KERNELS_LANES_DENSE_H
#define SH_TENSOR_KERNELS_LANES_DENSE_H

#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"

SH_INLINE vf load_weights(enum sh_dtype t, const uint8_t *row, size_t c)
{
    if (t == SH_F16) return vf_load_f16(row + 2 * c);
    if (t == SH_BF16) return vf_load_bf16(row + 2 * c);
    return vf_load((const float *)(const void *)(row + 4 * c));
}

SH_INLINE size_t weight_bytes(enum sh_dtype t)
{
    return t == SH_F32 ? 4 : 2;
}

/* The last n < 16 columns, zero beyond. Adding 0 * 0 leaves a lane's bits: no sum that began at +0 is ever
 * -0. */
SH_INLINE vf load_weights_n(enum sh_dtype t, const uint8_t *row, size_t c, size_t n)
{
    size_t size = weight_bytes(t);
    uint8_t rest[64] = {0};
    memcpy(rest, row + c * size, n * size);
    return load_weights(t, rest, 0);
}

/* A block of outputs goes over the columns in chunks: the lanes wait in acc while a chunk of the block's rows
 * (at most 32 KiB) stays in the first-level cache for all token tiles, and a chunk of a token tile for all
 * rows of the block. */
enum { BLOCK_ROWS = 16, BLOCK_TOKENS = 64, CHUNK_COLUMNS = 512 };

/* Columns [c, end) of nr rows and nt tokens; lanes of row r, token i in acc[r * BLOCK_TOKENS + i]. */
SH_INLINE void dense_tile(enum sh_dtype t, const sh_matmul_job *job, size_t row, int nr, size_t token, int nt,
                          size_t c, size_t end, vf *acc)
{
    const sh_weight *w = job->w;
    const uint8_t *src = w->src + row * w->row_bytes, *act = job->act + token * job->act_stride;
    /* one token runs at the speed of memory: short rows fetch the next rows ahead, long ones their own next
     * page */
    size_t ahead = w->row_bytes < 4096 ? (size_t)nr * w->row_bytes : 2048;
    vf lanes[DENSE_ROWS][DENSE_TOKENS];
    SH_UNROLL
    for (int r = 0; r < nr; r++)
        for (int i = 0; i < nt; i++) lanes[r][i] = acc[r * BLOCK_TOKENS + i];
    for (; c + 16 <= end; c += 16) {
        vf v[DENSE_ROWS];
        SH_UNROLL
        for (int r = 0; r < nr; r++) {
            v[r] = load_weights(t, src + (size_t)r * w->row_bytes, c);
            if (nt == 1) __builtin_prefetch(src + (size_t)r * w->row_bytes + c * weight_bytes(t) + ahead);
        }
        SH_UNROLL
        for (int i = 0; i < nt; i++) {
            vf x = vf_load((const float *)(const void *)(act + (size_t)i * job->act_stride) + c);
            SH_UNROLL
            for (int r = 0; r < nr; r++) lanes[r][i] = vf_add(lanes[r][i], vf_mul(x, v[r]));
        }
    }
    if (c < end)
        for (int r = 0; r < nr; r++) {
            vf v = load_weights_n(t, src + (size_t)r * w->row_bytes, c, end - c);
            for (int i = 0; i < nt; i++) {
                vf x =
                    vf_load_n((const float *)(const void *)(act + (size_t)i * job->act_stride) + c, end - c);
                lanes[r][i] = vf_add(lanes[r][i], vf_mul(x, v));
            }
        }
    SH_UNROLL
    for (int r = 0; r < nr; r++)
        for (int i = 0; i < nt; i++) acc[r * BLOCK_TOKENS + i] = lanes[r][i];
}

SH_INLINE void dense_token_tile(enum sh_dtype t, const sh_matmul_job *job, size_t row, size_t n_rows,
                                size_t token, int nt, size_t c, size_t end, vf *acc)
{
    size_t r = 0;
    for (; r + DENSE_ROWS <= n_rows; r += DENSE_ROWS)
        dense_tile(t, job, row + r, DENSE_ROWS, token, nt, c, end, acc + r * BLOCK_TOKENS);
    for (; r < n_rows; r++) dense_tile(t, job, row + r, 1, token, nt, c, end, acc + r * BLOCK_TOKENS);
}

SH_INLINE void dense_block(enum sh_dtype t, const sh_matmul_job *job, size_t row, size_t n_rows, size_t token,
                           size_t n_tokens)
{
    vf acc[BLOCK_ROWS * BLOCK_TOKENS];
    size_t n_cols = job->w->n_cols, step = n_tokens <= DENSE_TOKENS ? n_cols : CHUNK_COLUMNS;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n_tokens; i++) acc[r * BLOCK_TOKENS + i] = vf_zero();
    for (size_t c = 0; c < n_cols; c += step) {
        size_t end = n_cols - c < step ? n_cols : c + step, i = 0;
        for (; i + DENSE_TOKENS <= n_tokens; i += DENSE_TOKENS)
            dense_token_tile(t, job, row, n_rows, token + i, DENSE_TOKENS, c, end, acc + i);
        for (; i < n_tokens; i++) dense_token_tile(t, job, row, n_rows, token + i, 1, c, end, acc + i);
    }
    for (size_t i = 0; i < n_tokens; i++)
        for (size_t r = 0; r < n_rows; r++)
            job->y[(token + i) * job->y_stride + row + r] = vf_tree(acc[r * BLOCK_TOKENS + i]);
}

SH_INLINE void dense_range(enum sh_dtype t, const sh_matmul_job *job, size_t row, size_t row_end)
{
    for (; row < row_end; row += BLOCK_ROWS) {
        size_t n_rows = row_end - row < BLOCK_ROWS ? row_end - row : BLOCK_ROWS;
        for (size_t token = 0; token < job->n_tokens; token += BLOCK_TOKENS) {
            size_t n = job->n_tokens - token < BLOCK_TOKENS ? job->n_tokens - token : BLOCK_TOKENS;
            dense_block(t, job, row, n_rows, token, n);
        }
    }
}

static void range_f32(const sh_matmul_job *job, size_t begin, size_t end)
{
    dense_range(SH_F32, job, begin, end);
}
static void range_f16(const sh_matmul_job *job, size_t begin, size_t end)
{
    dense_range(SH_F16, job, begin, end);
}
static void range_bf16(const sh_matmul_job *job, size_t begin, size_t end)
{
    dense_range(SH_BF16, job, begin, end);
}

enum {
    CHUNK = 256,
    DECODED_TOKENS = 64
}; /* a chunk is a multiple of every block; the lanes of 64 tokens are 4 KiB */

/* acc[i] of nt tokens goes on over n columns from column c, whose weights are values[0..n), zero up to 16. */
SH_INLINE void decoded_tile(const sh_matmul_job *job, const float *values, size_t c, size_t n, size_t token,
                            int nt, vf *acc)
{
    vf lanes[4];
    const float *x[4];
    for (int i = 0; i < nt; i++) {
        lanes[i] = acc[i];
        x[i] = (const float *)(const void *)(job->act + (token + (size_t)i) * job->act_stride) + c;
    }
    size_t k = 0;
    for (; k + 16 <= n; k += 16) {
        vf v = vf_load(values + k);
        SH_UNROLL
        for (int i = 0; i < nt; i++) lanes[i] = vf_add(lanes[i], vf_mul(vf_load(x[i] + k), v));
    }
    if (k < n)
        for (int i = 0; i < nt; i++)
            lanes[i] = vf_add(lanes[i], vf_mul(vf_load_n(x[i] + k, n - k), vf_load(values + k)));
    for (int i = 0; i < nt; i++) acc[i] = lanes[i];
}

static void decoded_row(const sh_matmul_job *job, size_t row, size_t token, size_t nt)
{
    const sh_weight *w = job->w;
    const sh_dtype_info *info = &sh_dtypes[w->dtype];
    const uint8_t *src = w->src + row * w->row_bytes;
    float values[CHUNK + 16] = {0};
    vf acc[DECODED_TOKENS];
    for (size_t i = 0; i < nt; i++) acc[i] = vf_zero();
    for (size_t c = 0; c < w->n_cols; c += CHUNK) {
        size_t n = w->n_cols - c < CHUNK ? w->n_cols - c : CHUNK, i = 0;
        info->decode(src + c / info->block_elements * info->block_bytes, values, n);
        if (n % 16) memset(values + n, 0, 16 * sizeof *values);
        for (; i + 4 <= nt; i += 4) decoded_tile(job, values, c, n, token + i, 4, acc + i);
        for (; i < nt; i++) decoded_tile(job, values, c, n, token + i, 1, acc + i);
    }
    for (size_t i = 0; i < nt; i++) job->y[(token + i) * job->y_stride + row] = vf_tree(acc[i]);
}

static void range_decoded(const sh_matmul_job *job, size_t begin, size_t end)
{
    for (size_t token = 0; token < job->n_tokens; token += DECODED_TOKENS) {
        size_t nt = job->n_tokens - token < DECODED_TOKENS ? job->n_tokens - token : DECODED_TOKENS;
        for (size_t r = begin; r < end; r++) decoded_row(job, r, token, nt);
    }
}

void SH_LEVEL(matmul_dense)(const sh_matmul_job *job, size_t begin, size_t end)
{
    switch ((int)job->w->dtype) {
    case SH_F32:
        range_f32(job, begin, end);
        break;
    case SH_F16:
        range_f16(job, begin, end);
        break;
    case SH_BF16:
        range_bf16(job, begin, end);
        break;
    default:
        range_decoded(job, begin, end);
        break;
    }
}

#endif
