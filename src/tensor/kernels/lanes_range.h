/* lanes_range.h - the loops over row groups and tokens around the tiles of packed weights. */
#ifndef SH_TENSOR_KERNELS_LANES_RANGE_H
#define SH_TENSOR_KERNELS_LANES_RANGE_H

#include "tensor/matmul_internal.h"
#include "tensor/pack.h"

typedef void (*tile_fn)(const sh_matmul_job *job, size_t group, size_t token, int n_tokens);

/* Call tile(type, ..., n) with n a constant, so that a tile's accumulators are registers. n is a power of two. */
#define DISPATCH_TILE(tile, max, type, job, group, token, n)                                                       \
    switch (n) {                                                                                                   \
    case 1: tile(type, job, group, token, 1); break;                                                               \
    case 2: tile(type, job, group, token, 2); break;                                                               \
    case 4: tile(type, job, group, token, 4); break;                                                               \
    case 8: tile(type, job, group, token, (max) < 8 ? (max) : 8); break;                                           \
    default: tile(type, job, group, token, max); break;                                                            \
    }

/* As pack.c has them, here as constants for the compiler. */
SH_INLINE size_t blocks_in_packed(enum sh_dtype t) { return t == SH_MXFP4 ? 4 : t == SH_Q4_1 || t == SH_Q5_1 ? 1 : 2; }
SH_INLINE size_t packed_bytes(enum sh_dtype t)
{
    switch ((int)t) {
    case SH_Q8_0: case SH_MXFP4: return 1088;
    case SH_Q4_0: case SH_IQ4_NL: return 576;
    case SH_Q5_0: return 704;
    case SH_Q4_1: return 320;
    case SH_Q5_1: return 384;
    case SH_Q2_K: return 1344;
    case SH_Q3_K: return 1792;
    case SH_Q4_K: return 2304;
    case SH_Q5_K: return 2816;
    case SH_Q6_K: return 3392;
    default: return 2176; /* IQ4_XS */
    }
}

SH_INLINE void store_group(const sh_matmul_job *job, size_t group, size_t token, vf y)
{
    size_t row = group * SH_GROUP_ROWS, n = job->w->n_rows - row;
    float *out = job->y + token * job->y_stride + row;
    if (n >= SH_GROUP_ROWS)
        vf_store(out, y);
    else
        vf_store_n(out, y, n);
}

static void run_group(const sh_matmul_job *job, size_t group, size_t token, size_t n_tokens, tile_fn tile, int max_tile)
{
    size_t end = token + n_tokens;
    for (int n = max_tile; n >= 1; n /= 2)
        for (; token + (size_t)n <= end; token += (size_t)n) tile(job, group, token, n);
}

/* Weights of some groups stay in the second-level cache while all tokens pass, one tile of tokens after another. */
static void run_tiles(const sh_matmul_job *job, size_t row_begin, size_t row_end, tile_fn tile, int max_tile)
{
    enum { CACHED_BYTES = 256 << 10 };
    size_t g = row_begin / SH_GROUP_ROWS, g_end = (row_end + SH_GROUP_ROWS - 1) / SH_GROUP_ROWS;
    size_t step = job->w->group_bytes < CACHED_BYTES ? CACHED_BYTES / job->w->group_bytes : 1;
    for (; g < g_end; g += step) {
        size_t last = g_end - g < step ? g_end : g + step;
        for (size_t token = 0; token < job->n_tokens; token += (size_t)max_tile) {
            size_t n = job->n_tokens - token < (size_t)max_tile ? job->n_tokens - token : (size_t)max_tile;
            for (size_t i = g; i < last; i++) run_group(job, i, token, n, tile, max_tile);
        }
    }
}

#endif
