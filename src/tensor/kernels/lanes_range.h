/* lanes_range.h - the loops over row groups and tokens around the tiles of packed weights. */
#ifndef SH_TENSOR_KERNELS_LANES_RANGE_H
#define SH_TENSOR_KERNELS_LANES_RANGE_H

#include "tensor/matmul_internal.h"
#include "tensor/pack.h"

typedef void (*tile_fn)(const sh_matmul_job *job, size_t group, size_t token, int n_tokens);

/* Call tile(type, ..., n) with n a constant, so that a tile's accumulators are registers. */
#define DISPATCH_TILE(tile, type, job, group, token, n)                                                            \
    switch (n) {                                                                                                   \
    case 1: tile(type, job, group, token, 1); break;                                                               \
    case 2: tile(type, job, group, token, 2); break;                                                               \
    case 4: tile(type, job, group, token, 4); break;                                                               \
    case 8: tile(type, job, group, token, MAX_TILE < 8 ? MAX_TILE : 8); break;                                     \
    default: tile(type, job, group, token, MAX_TILE); break;                                                       \
    }

/* As pack.c has it, here as a constant for the compiler. */
SH_INLINE size_t blocks_in_packed(enum sh_dtype t)
{
    return t == SH_MXFP4 ? 4 : t == SH_Q4_1 || t == SH_Q5_1 ? 1 : 2;
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

static void run_group(const sh_matmul_job *job, size_t group, size_t token, size_t n_tokens, tile_fn tile)
{
    size_t end = token + n_tokens;
    for (int n = MAX_TILE; n >= 1; n /= 2)
        for (; token + (size_t)n <= end; token += (size_t)n) tile(job, group, token, n);
}

/* Weights of some groups stay in the second-level cache while all tokens pass, one tile of tokens after another. */
static void run_tiles(const sh_matmul_job *job, size_t row_begin, size_t row_end, tile_fn tile)
{
    enum { CACHED_BYTES = 256 << 10 };
    size_t g = row_begin / SH_GROUP_ROWS, g_end = (row_end + SH_GROUP_ROWS - 1) / SH_GROUP_ROWS;
    size_t step = job->w->group_bytes < CACHED_BYTES ? CACHED_BYTES / job->w->group_bytes : 1;
    for (; g < g_end; g += step) {
        size_t last = g_end - g < step ? g_end : g + step;
        for (size_t token = 0; token < job->n_tokens; token += MAX_TILE) {
            size_t n = job->n_tokens - token < MAX_TILE ? job->n_tokens - token : MAX_TILE;
            for (size_t i = g; i < last; i++) run_group(job, i, token, n, tile);
        }
    }
}

#endif
