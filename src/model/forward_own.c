/* forward_own.c - sequences that keep no cache: encoders, and texts that are read once. */
#include <string.h>

#include "base/mem.h"
#include "model/forward_internal.h"
#include "os/file.h"
#include "tensor/exactmath.h"

void sh_forward_own_free(sh_forward *f)
{
    if (f->own) sh_pages_free(f->own, f->own_bytes);
    sh_free(f->own_heads);
    sh_free(f->i_own);
    sh_free(f->relative);
    f->own = NULL, f->own_heads = NULL, f->i_own = NULL, f->relative = NULL;
    f->own_bytes = f->n_own_heads = f->n_relative = 0;
}

static uint32_t padded(uint32_t n)
{
    return (n + 15) / 16 * 16;
}

/* Each layer writes its keys and values over the last one's, in F32. */
int sh_forward_own_reserve(sh_forward *f, sh_err *err)
{
    const sh_hparams *hp = f->hp;
    const uint32_t n_kv = hp->n_kv_heads;
    size_t bytes = 0, n_own = 0;
    uint32_t longest = 0;
    for (size_t c = 0; c < f->n_chunks; c++) {
        const uint32_t n = padded(f->chunks[c].n_tokens);
        size_t part;
        if (f->chunks[c].kv) continue;
        n_own++;
        if (n > longest) longest = n;
        if (!sh_mul(&part, sh_kv_head_bytes(SH_KV_F32, hp->head_dim, n), n_kv) ||
            !sh_add(&bytes, bytes, part))
            return sh_fail(err, SH_E_RANGE, "keys and values are larger than memory can be");
    }
    if (!n_own) return SH_OK;
    uint32_t *order = sh_realloc(f->i_own, f->n_chunks, sizeof *order);
    if (order) f->i_own = order;
    sh_kv_head *heads = sh_realloc(f->own_heads, n_own * n_kv, sizeof *heads);
    if (heads) f->own_heads = heads;
    if (!order || !heads) return sh_fail_nomem(err, n_own * n_kv * sizeof *heads);
    if (bytes > f->own_bytes) {
        if (f->own) sh_pages_free(f->own, f->own_bytes);
        f->own_bytes = 0;
        if (!(f->own = sh_pages_alloc(bytes))) return sh_fail_nomem(err, bytes);
        f->own_bytes = bytes;
    }
    uint8_t *at = f->own;
    uint32_t i = 0;
    for (size_t c = 0; c < f->n_chunks; c++) {
        const uint32_t n = padded(f->chunks[c].n_tokens);
        if (f->chunks[c].kv) continue;
        f->i_own[c] = i;
        for (uint32_t g = 0; g < n_kv; g++, at += sh_kv_head_bytes(SH_KV_F32, hp->head_dim, n))
            sh_kv_head_place(&f->own_heads[(size_t)i * n_kv + g], SH_KV_F32, hp->head_dim, n, at);
        i++;
    }
    const size_t n_relative = (size_t)SH_ATTENTION_MAX_QUERIES * longest;
    if (hp->relative == SH_RELATIVE_NONE || n_relative <= f->n_relative) return SH_OK;
    float *rows = sh_realloc(f->relative, n_relative * sh_pool_threads(f->pool), sizeof *rows);
    if (!rows) return sh_fail_nomem(err, n_relative * sizeof *rows);
    f->relative = rows, f->n_relative = n_relative;
    return SH_OK;
}

const sh_kv_head *sh_forward_kv_head(const sh_forward *f, uint32_t i_chunk, uint32_t layer, uint32_t head)
{
    const sh_kv *kv = f->chunks[i_chunk].kv;
    return kv ? sh_kv_head_at(kv, layer, head)
              : &f->own_heads[(size_t)f->i_own[i_chunk] * f->hp->n_kv_heads + head];
}

/* T5's buckets for both directions (Raffel et al. 2020, arXiv:1910.10683): half of the 32 for keys behind the
 * query; of each half 8 for the nearest distances, the rest growing by powers up to 128. */
static uint32_t bucket_of(int64_t behind)
{
    const uint32_t base = behind < 0 ? 16 : 0;
    const uint64_t n = (uint64_t)(behind < 0 ? -behind : behind);
    if (n < 8) return base + (uint32_t)n;
    const uint32_t far = 8 + (uint32_t)(sh_log((double)n / 8) / sh_log(16) * 8);
    return base + (far < 15 ? far : 15);
}

/* Row of BEiT's table for query i and key j; token 0 is the class (Bao et al. 2021, arXiv:2106.08254). */
static size_t window_row(const sh_hparams *hp, uint32_t i, uint32_t j)
{
    const size_t h = hp->image_h / hp->patch, w = hp->image_w / hp->patch,
                 rows = (2 * h - 1) * (2 * w - 1) + 3;
    if (i == 0 && j == 0) return rows - 1;
    if (i == 0) return rows - 3;
    if (j == 0) return rows - 2;
    const size_t yi = (i - 1) / w, xi = (i - 1) % w, yj = (j - 1) / w, xj = (j - 1) % w;
    return (yi + h - 1 - yj) * (2 * w - 1) + (xi + w - 1 - xj);
}

void sh_forward_relative(const sh_forward *f, const float *table, uint32_t head, uint32_t i, uint32_t n,
                         float *out)
{
    const sh_hparams *hp = f->hp;
    for (uint32_t j = 0; j < n; j++) {
        size_t row = hp->relative == SH_RELATIVE_BUCKETS ? bucket_of((int64_t)i - j) : window_row(hp, i, j);
        out[j] = table[row * hp->n_heads + head];
    }
}
