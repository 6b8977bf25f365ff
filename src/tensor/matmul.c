/* matmul.c - weights: opening with repacking, rows back as floats; products: splitting over the pool. */
#include "tensor/matmul.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "os/file.h"
#include "tensor/matmul_internal.h"
#include "tensor/pack.h"

enum sh_act_kind sh_dtype_act_kind(enum sh_dtype t)
{
    switch ((int)t) {
    case SH_Q4_0:
    case SH_Q4_1:
    case SH_Q5_0:
    case SH_Q5_1:
    case SH_Q8_0:
    case SH_IQ4_NL:
    case SH_MXFP4:
        return SH_ACT_Q8;
    case SH_Q2_K:
    case SH_Q3_K:
    case SH_Q4_K:
    case SH_Q5_K:
    case SH_Q6_K:
    case SH_IQ4_XS:
        return SH_ACT_Q8K;
    default:
        return SH_ACT_F32;
    }
}

typedef struct repack {
    sh_weight *w;
    bool drop_source;
} repack;

static void repack_groups(void *ud, size_t begin, size_t end, size_t i_worker)
{
    enum { DROP_BYTES = 1 << 20 };
    const repack *job = ud;
    const sh_weight *w = job->w;
    const uint8_t *kept = w->src + begin * SH_GROUP_ROWS * w->row_bytes; /* read, not yet given back */
    (void)i_worker;
    for (size_t g = begin; g < end; g++) {
        size_t row = g * SH_GROUP_ROWS, n = w->n_rows - row < SH_GROUP_ROWS ? w->n_rows - row : SH_GROUP_ROWS;
        const uint8_t *src = w->src + row * w->row_bytes, *src_end = src + n * w->row_bytes;
        sh_pack_group(w->dtype, src, w->row_bytes, n, w->n_cols, w->packed + g * w->group_bytes);
        if (job->drop_source && (src_end - kept >= DROP_BYTES || g + 1 == end)) {
            sh_map_file_dont_need(kept, (size_t)(src_end - kept));
            kept = src_end;
        }
    }
}

static int weight_pack(sh_weight *w, const sh_weight_opts *opts, sh_err *err)
{
    size_t n_groups = (w->n_rows + SH_GROUP_ROWS - 1) / SH_GROUP_ROWS;
    w->group_bytes = sh_pack_group_bytes(w->dtype, w->n_cols);
    if (!sh_mul(&w->packed_bytes, n_groups, w->group_bytes))
        return sh_fail(err, SH_E_RANGE, "weight of %zu x %zu is too large to pack", w->n_rows, w->n_cols);
    w->packed = sh_pages_alloc(w->packed_bytes);
    if (!w->packed) return sh_fail_nomem(err, w->packed_bytes);
    repack job = {w, opts->drop_source};
    sh_pool_run(opts->pool, n_groups, 1, repack_groups, &job);
    return SH_OK;
}

int sh_weight_open(sh_weight **out, const sh_kernels *kernels, enum sh_dtype dtype, uint64_t n_rows,
                   uint64_t n_cols, const void *src, const sh_weight_opts *opts, sh_err *err)
{
    static const sh_weight_opts defaults = SH_WEIGHT_OPTS_INIT;
    const sh_dtype_info *info = sh_dtype_get((uint32_t)dtype);
    size_t row_bytes, total;
    if (!info) return sh_fail(err, SH_E_INVALID, "unknown element type %d", (int)dtype);
    if (n_rows == 0 || n_cols == 0 || !sh_dtype_row_bytes(&row_bytes, dtype, n_cols) ||
        !sh_mul(&total, (size_t)n_rows, row_bytes))
        return sh_fail(err, SH_E_RANGE, "no weight can be %llu x %llu of %s: columns come in blocks of %u",
                       (unsigned long long)n_rows, (unsigned long long)n_cols, info->name,
                       info->block_elements);
    sh_weight *w = sh_new(sizeof *w, err);
    if (!w) return SH_E_NOMEM;
    w->dtype = dtype, w->act_kind = sh_dtype_act_kind(dtype);
    w->n_rows = (size_t)n_rows, w->n_cols = (size_t)n_cols;
    w->src = src, w->row_bytes = row_bytes;
    int rc = SH_OK;
    if (kernels->level != SH_CPU_REF && sh_pack_get(dtype)) rc = weight_pack(w, opts ? opts : &defaults, err);
    if (rc < 0)
        sh_weight_free(w);
    else
        *out = w;
    return rc;
}

void sh_weight_free(sh_weight *w)
{
    if (!w) return;
    if (w->packed) sh_pages_free(w->packed, w->packed_bytes);
    sh_free(w);
}

uint64_t sh_weight_rows(const sh_weight *w)
{
    return w->n_rows;
}
uint64_t sh_weight_cols(const sh_weight *w)
{
    return w->n_cols;
}
enum sh_dtype sh_weight_dtype(const sh_weight *w)
{
    return w->dtype;
}
size_t sh_weight_owned_bytes(const sh_weight *w)
{
    return sizeof *w + w->packed_bytes;
}
enum sh_act_kind sh_weight_act_kind(const sh_weight *w)
{
    return w->act_kind;
}

void sh_weight_get_row(const sh_weight *w, uint64_t row, float *dst)
{
    const sh_dtype_info *type = &sh_dtypes[w->dtype];
    uint8_t block[256];
    assert(row < w->n_rows);
    if (!w->packed) {
        type->decode(w->src + (size_t)row * w->row_bytes, dst, w->n_cols);
        return;
    }
    assert(type->block_bytes <= sizeof block);
    const uint8_t *group = w->packed + (size_t)row / SH_GROUP_ROWS * w->group_bytes;
    for (size_t b = 0; b < w->n_cols / type->block_elements; b++) {
        sh_unpack_block(w->dtype, group, (size_t)row % SH_GROUP_ROWS, b, block);
        type->decode(block, dst + b * type->block_elements, type->block_elements);
    }
}

static size_t act_bytes(enum sh_act_kind kind, size_t n_cols)
{
    switch (kind) {
    case SH_ACT_Q8:
        return 3 * sh_pad64(n_cols / 32 * 4) + sh_pad64(n_cols);
    case SH_ACT_Q8K:
        return sh_pad64(n_cols / 256 * 4) + sh_pad64(n_cols / 256 * 32) + sh_pad64(n_cols);
    default:
        return sh_pad64(n_cols * sizeof(float));
    }
}

/* An odd number of cache lines: rows a power of two apart would all fall into the same sets of the cache. */
size_t sh_act_stride(enum sh_act_kind kind, size_t n_cols)
{
    return act_bytes(kind, n_cols) | 64;
}

typedef struct encode {
    const sh_kernels *k;
    enum sh_act_kind kind;
    const float *x;
    size_t x_stride, n_cols, stride;
    uint8_t *out;
} encode;

static void encode_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const encode *e = ud;
    (void)i_worker;
    for (size_t t = begin; t < end; t++)
        e->k->act_encode(e->kind, e->x + t * e->x_stride, e->out + t * e->stride, e->n_cols);
}

void sh_act_encode(const sh_kernels *k, sh_pool *pool, enum sh_act_kind kind, const float *x, size_t x_stride,
                   size_t n_tokens, size_t n_cols, void *out)
{
    enum { GRAIN_FLOATS = 16384 }; /* below this, waking a thread costs more than it saves */
    encode e = {k, kind, x, x_stride, n_cols, sh_act_stride(kind, n_cols), out};
    sh_pool_run(pool, n_tokens, 1 + GRAIN_FLOATS / n_cols, encode_rows, &e);
}

typedef struct product {
    const sh_kernels *k;
    const void *act;
    size_t n_tokens, n_outs;
    const sh_matmul_out *outs;
} product;

static size_t group_count(const sh_weight *w)
{
    return (w->n_rows + SH_GROUP_ROWS - 1) / SH_GROUP_ROWS;
}

/* [begin, end) counts groups of rows through all outputs, one output after another. */
static void product_groups(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const product *p = ud;
    size_t first = 0; /* group number of the output's first group */
    (void)i_worker;
    for (size_t i = 0; i < p->n_outs; i++) {
        const sh_weight *w = p->outs[i].w;
        size_t n = group_count(w), from = begin > first ? begin - first : 0,
               to = end - first < n ? end - first : n;
        if (end <= first) break;
        if (from < to) {
            sh_matmul_job job = {w,           p->act,       sh_act_stride(w->act_kind, w->n_cols),
                                 p->n_tokens, p->outs[i].y, p->outs[i].y_stride};
            size_t row_end = to * SH_GROUP_ROWS < w->n_rows ? to * SH_GROUP_ROWS : w->n_rows;
            p->k->matmul(&job, from * SH_GROUP_ROWS, row_end);
        }
        first += n;
    }
}

void sh_matmul(const sh_kernels *k, sh_pool *pool, const void *act, size_t n_tokens,
               const sh_matmul_out *outs, size_t n_outs)
{
    size_t n_groups = 0;
    for (size_t i = 0; i < n_outs; i++) {
        assert(outs[i].w->n_cols == outs[0].w->n_cols && outs[i].w->act_kind == outs[0].w->act_kind);
        n_groups += group_count(outs[i].w);
    }
    /* A few microseconds of work: less than that and waiting for the other thread costs more than it saves, the
     * more so when other programs keep it from its core. */
    enum { GRAIN_PRODUCTS = 1 << 18 };
    const size_t group_products = SH_GROUP_ROWS * outs[0].w->n_cols * n_tokens;
    product p = {k, act, n_tokens, n_outs, outs};
    sh_pool_run(pool, n_groups, 1 + GRAIN_PRODUCTS / group_products, product_groups, &p);
}
