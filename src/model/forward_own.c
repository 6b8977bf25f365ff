/* forward_own.c - sequences that keep no cache: encoders, and texts that are read once. */
#include <string.h>

#include "base/mem.h"
#include "model/forward_internal.h"
#include "os/file.h"

void sh_forward_own_free(sh_forward *f)
{
    if (f->own) sh_pages_free(f->own, f->own_bytes);
    sh_free(f->own_heads);
    sh_free(f->i_own);
    sh_free(f->relative);
    f->own = NULL, f->own_heads = NULL, f->i_own = NULL, f->relative = NULL;
    f->own_bytes = f->n_relative = 0;
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
    uint32_t power = 0; /* of sqrt 2: the largest with 8 sqrt(2)^power <= n, in whole numbers */
    if (n < 8) return base + (uint32_t)n;
    while (power < 7 && n < 1u << 20 && n * n >= UINT64_C(64) << (power + 1)) power++;
    return base + 8 + (n < 1u << 20 ? power : 7);
}

void sh_forward_relative(const sh_forward *f, const float *table, uint32_t head, uint32_t i, uint32_t n,
                         float *out)
{
    const sh_hparams *hp = f->hp;
    for (uint32_t j = 0; j < n; j++) {
        out[j] = table[bucket_of((int64_t)i - j) * hp->n_heads + head];
    }
}
