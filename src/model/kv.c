/* kv.c - one sequence's keys and values: room, rewinding, copies, and bytes for saving.
 *
 * All heads of all layers lie in one reservation of pages, so a long context costs what is used of it. The
 * saved form is u32 flags (bit 0: long_rope) | token i32 each | per layer and head: keys, values, key scales,
 * value scales with keys in whole groups of 16 positions, the unused tail of the last group written as zeros.
 */
#include "model/kv.h"

#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "model/rope.h"
#include "os/file.h"

enum { LANES = 16 };

int sh_kv_open(sh_kv **out, const sh_model *m, enum sh_kv_type type, uint32_t n_ctx, sh_err *err)
{
    const sh_hparams *hp = sh_model_hparams(m);
    int rc = sh_kind_need_text(hp, err);
    if (rc < 0) return rc;
    size_t n_heads = (size_t)hp->n_layers * hp->n_kv_heads, per_head, bytes;
    if (n_ctx == 0 || n_ctx > SH_MAX_POSITIONS)
        return sh_fail(err, SH_E_INVALID, "context of %u tokens (expected 1 to %d)", n_ctx, SH_MAX_POSITIONS);
    if ((unsigned)type >= SH_KV_TYPE_COUNT)
        return sh_fail(err, SH_E_INVALID, "cache type %d is unknown", (int)type);
    n_ctx = (n_ctx + LANES - 1) / LANES * LANES;
    if (!sh_mul3(&bytes, (size_t)n_ctx, hp->head_dim, 16) ||
        !sh_mul(&bytes, per_head = sh_kv_head_bytes(type, hp->head_dim, n_ctx), n_heads))
        return sh_fail(err, SH_E_RANGE, "a cache of %u tokens is larger than memory can be", n_ctx);
    sh_kv *kv = sh_new(sizeof *kv, err);
    if (!kv) return SH_E_NOMEM;
    *kv = (sh_kv){.m = m,
                  .type = type,
                  .n_ctx = n_ctx,
                  .n_layers = hp->n_layers,
                  .n_kv_heads = hp->n_kv_heads,
                  .head_dim = hp->head_dim,
                  .memory_bytes = bytes};
    kv->heads = sh_new_array(n_heads, sizeof *kv->heads, err);
    kv->tokens = sh_alloc(n_ctx, sizeof *kv->tokens);
    kv->memory = kv->heads && kv->tokens ? sh_pages_alloc(bytes) : NULL;
    if (!kv->memory) {
        sh_kv_free(kv);
        return sh_fail_nomem(err, bytes);
    }
    for (size_t h = 0; h < n_heads; h++)
        sh_kv_head_place(&kv->heads[h], type, hp->head_dim, n_ctx, kv->memory + h * per_head);
    *out = kv;
    return SH_OK;
}

void sh_kv_free(sh_kv *kv)
{
    if (!kv) return;
    if (kv->memory) sh_pages_free(kv->memory, kv->memory_bytes);
    sh_free(kv->tokens);
    sh_free(kv->heads);
    sh_free(kv);
}

uint32_t sh_kv_used(const sh_kv *kv)
{
    return kv->n_used;
}
uint32_t sh_kv_capacity(const sh_kv *kv)
{
    return kv->n_ctx;
}
enum sh_kv_type sh_kv_get_type(const sh_kv *kv)
{
    return kv->type;
}

void sh_kv_rewind(sh_kv *kv, uint32_t n_keep)
{
    if (n_keep < kv->n_used) kv->n_used = n_keep;
}

/* The four arrays of a head, and how many bytes of each the first n positions take. */
typedef struct head_part {
    uint8_t *p;
    size_t bytes, group_bytes;
} head_part; /* group_bytes: 16 positions of keys, or 0 */

static void head_parts(const sh_kv_head *h, uint32_t n, head_part parts[4])
{
    static const size_t element[SH_KV_TYPE_COUNT] = {4, 2, 1};
    const size_t size = element[h->type], groups = (n + LANES - 1) / LANES,
                 scales = (h->head_dim + 31) / 32 * sizeof(float);
    const bool scaled = h->type == SH_KV_Q8;
    parts[0] = (head_part){h->keys, groups * LANES * h->head_dim * size, LANES * h->head_dim * size};
    parts[1] = (head_part){h->values, (size_t)n * h->head_dim * size, 0};
    parts[2] = (head_part){(uint8_t *)h->key_scales, scaled ? groups * LANES * scales : 0,
                           scaled ? LANES * scales : 0};
    parts[3] = (head_part){(uint8_t *)h->value_scales, scaled ? n * scales : 0, 0};
}

int sh_kv_copy(sh_kv *dst, const sh_kv *src, uint32_t n_positions, sh_err *err)
{
    if (dst->m != src->m || dst->type != src->type)
        return sh_fail(err, SH_E_INVALID, "a cache can be copied to one of the same model and type only");
    if (n_positions > src->n_used || n_positions > dst->n_ctx)
        return sh_fail(err, SH_E_RANGE, "copy of %u positions (source has %u, room for %u)", n_positions,
                       src->n_used, dst->n_ctx);
    for (size_t h = 0; h < (size_t)src->n_layers * src->n_kv_heads; h++) {
        head_part from[4], to[4];
        head_parts(&src->heads[h], n_positions, from);
        head_parts(&dst->heads[h], n_positions, to);
        for (int i = 0; i < 4; i++)
            if (from[i].bytes) memcpy(to[i].p, from[i].p, from[i].bytes);
    }
    memcpy(dst->tokens, src->tokens, n_positions * sizeof *dst->tokens);
    dst->n_used = n_positions;
    dst->long_rope = src->long_rope;
    return SH_OK;
}

/* The last group of keys holds 16 lanes of which only n % 16 are in use; the rest may be what was rewound. */
static int save_last_group(const head_part *part, uint32_t lanes_used, size_t element,
                           int (*write)(void *ud, const void *p, size_t n, sh_err *err), void *ud,
                           sh_err *err)
{
    uint8_t row[LANES * sizeof(float)];
    const uint8_t *group = part->p + part->bytes - part->group_bytes;
    for (size_t off = 0; off < part->group_bytes; off += LANES * element) {
        memset(row, 0, sizeof row);
        memcpy(row, group + off, lanes_used * element);
        int rc = write(ud, row, LANES * element, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int save_part(const sh_kv *kv, const head_part *part, size_t element,
                     int (*write)(void *ud, const void *p, size_t n, sh_err *err), void *ud, sh_err *err)
{
    uint32_t lanes = kv->n_used % LANES;
    bool ragged = part->group_bytes && lanes;
    size_t whole = part->bytes - (ragged ? part->group_bytes : 0);
    int rc = whole ? write(ud, part->p, whole, err) : SH_OK;
    if (rc < 0 || !ragged) return rc;
    return save_last_group(part, lanes, element, write, ud, err);
}

int sh_kv_save(const sh_kv *kv, int (*write)(void *ud, const void *p, size_t n, sh_err *err), void *ud,
               sh_err *err)
{
    static const size_t element[SH_KV_TYPE_COUNT] = {4, 2, 1};
    uint8_t word[4];
    int rc;
    sh_put_u32(word, kv->long_rope);
    if ((rc = write(ud, word, 4, err)) < 0) return rc;
    for (uint32_t i = 0; i < kv->n_used; i++) {
        sh_put_u32(word, (uint32_t)kv->tokens[i]);
        if ((rc = write(ud, word, 4, err)) < 0) return rc;
    }
    for (size_t h = 0; h < (size_t)kv->n_layers * kv->n_kv_heads; h++) {
        head_part parts[4];
        head_parts(&kv->heads[h], kv->n_used, parts);
        for (int i = 0; i < 4; i++) {
            if (!parts[i].bytes) continue;
            size_t size = i < 2 ? element[kv->type] : sizeof(float);
            if ((rc = save_part(kv, &parts[i], size, write, ud, err)) < 0) return rc;
        }
    }
    return SH_OK;
}

int sh_kv_restore(sh_kv *kv, uint32_t n_used, int (*read)(void *ud, void *p, size_t n, sh_err *err), void *ud,
                  sh_err *err)
{
    const uint32_t n_vocab = sh_model_hparams(kv->m)->n_vocab;
    uint8_t word[4];
    int rc;
    if (n_used > kv->n_ctx)
        return sh_fail(err, SH_E_RANGE, "saved cache of %u positions (room for %u)", n_used, kv->n_ctx);
    kv->n_used = 0; /* whatever fails below, no half-read position is ever visible */
    if ((rc = read(ud, word, 4, err)) < 0) return rc;
    kv->long_rope = sh_get_u32(word) & 1;
    for (uint32_t i = 0; i < n_used; i++) {
        if ((rc = read(ud, word, 4, err)) < 0) return rc;
        if (sh_get_u32(word) >= n_vocab)
            return sh_fail(err, SH_E_CORRUPT, "saved cache: token %u at position %u (vocabulary of %u)",
                           sh_get_u32(word), i, n_vocab);
        kv->tokens[i] = (sh_token)sh_get_u32(word);
    }
    for (size_t h = 0; h < (size_t)kv->n_layers * kv->n_kv_heads; h++) {
        head_part parts[4];
        head_parts(&kv->heads[h], n_used, parts);
        for (int i = 0; i < 4; i++)
            if (parts[i].bytes && (rc = read(ud, parts[i].p, parts[i].bytes, err)) < 0) return rc;
    }
    kv->n_used = n_used;
    return SH_OK;
}
