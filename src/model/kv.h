/* kv.h - the inside of sh_kv for the forward pass. The public half is in forward.h. */
#ifndef SH_MODEL_KV_H
#define SH_MODEL_KV_H

#include "model/forward.h"

struct sh_kv {
    const sh_model *m;
    enum sh_kv_type type;
    uint32_t n_ctx, n_used; /* n_ctx is a multiple of 16 */
    uint32_t n_layers, n_kv_heads, head_dim;
    bool long_rope;         /* the keys were turned with longrope's long factors */
    sh_token *tokens;       /* [n_ctx] what stands at each position: longrope makes keys anew out of them */
    sh_kv_head *heads;      /* [n_layers, n_kv_heads] */
    uint8_t *memory;
    size_t memory_bytes;
};

static inline const sh_kv_head *sh_kv_head_at(const sh_kv *kv, uint32_t layer, uint32_t head)
{
    return &kv->heads[(size_t)layer * kv->n_kv_heads + head];
}

#endif
