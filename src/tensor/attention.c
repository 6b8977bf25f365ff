/* attention.c - the sizes of a key/value cache. */
#include "tensor/attention.h"

#include <string.h>

#include "tensor/matmul_internal.h"

typedef struct parts {
    size_t elements, key_scales, value_scales; /* bytes, padded */
} parts;

static parts parts_of(enum sh_kv_type type, uint32_t head_dim, uint32_t n_ctx)
{
    static const size_t element_bytes[SH_KV_TYPE_COUNT] = {4, 2, 1};
    size_t scales = type == SH_KV_Q8 ? sh_pad64((size_t)n_ctx * ((head_dim + 31) / 32) * sizeof(float)) : 0;
    return (parts){sh_pad64((size_t)n_ctx * head_dim * element_bytes[type]), scales, scales};
}

size_t sh_kv_head_bytes(enum sh_kv_type type, uint32_t head_dim, uint32_t n_ctx)
{
    parts p = parts_of(type, head_dim, n_ctx);
    return 2 * p.elements + p.key_scales + p.value_scales;
}

void sh_kv_head_place(sh_kv_head *kv, enum sh_kv_type type, uint32_t head_dim, uint32_t n_ctx, void *memory)
{
    parts p = parts_of(type, head_dim, n_ctx);
    uint8_t *at = memory;
    memset(kv, 0, sizeof *kv);
    kv->type = type, kv->head_dim = head_dim, kv->n_ctx = n_ctx;
    kv->keys = at;
    kv->values = at + p.elements;
    if (type != SH_KV_Q8) return;
    kv->key_scales = (float *)(void *)(at + 2 * p.elements);
    kv->value_scales = (float *)(void *)(at + 2 * p.elements + p.key_scales);
}

size_t sh_attention_scratch(uint32_t n_ctx) { return (size_t)SH_ATTENTION_MAX_QUERIES * n_ctx; }
