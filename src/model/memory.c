/* memory.c - sums over a shape. Checked against published models (tests/golden/test_shapes.c) and against
 * what runs really take (tests/golden/test_memory.c). */
#include "model/memory.h"

#include "base/mem.h"
#include "model/arch.h"
#include "model/model_internal.h"
#include "tensor/pack.h"

enum { CHUNK_USUAL = 512, LANES = 16 };
/* Measured: the program and its libraries; a token's text, rank and place in a table, with its merges. */
enum { PROGRAM_BYTES = 7 << 20, TOKENIZER_BYTES_A_TOKEN = 256 };
/* Logits of one position, and what a sampler keeps beside them. */
enum { SAMPLING_BYTES_A_TOKEN = 32 };

/* ---- parameters ---- */

static uint64_t layer_parameters(const sh_hparams *hp, uint32_t layer)
{
    static const enum sh_slot norms[] = {SH_SLOT_ATTN_NORM, SH_SLOT_ATTN_POST_NORM, SH_SLOT_FFN_NORM,
                                         SH_SLOT_FFN_POST_NORM};
    const uint64_t e = hp->n_embd, f = hp->n_ff, q = (uint64_t)hp->n_heads * hp->head_dim,
                   kv = (uint64_t)hp->n_kv_heads * hp->head_dim, n_gain = hp->norm == SH_NORM_LAYER ? 2 : 1;
    uint64_t n = 2 * q * e + 2 * kv * e;
    for (size_t i = 0; i < sizeof norms / sizeof norms[0]; i++)
        if (sh_arch_has_slot(hp, norms[i], layer)) n += n_gain * e;
    if (hp->bias_qkv == SH_BIAS_YES) n += q + 2 * kv;
    if (hp->bias_o == SH_BIAS_YES) n += e;
    if (hp->qk_norm == SH_QK_NORM_HEAD) n += 2 * (uint64_t)hp->head_dim;
    if (hp->qk_norm == SH_QK_NORM_WHOLE) n += q + kv;
    if (sh_arch_has_slot(hp, SH_SLOT_ROUTER, layer)) {
        n += hp->n_experts * e * (1 + 3 * (uint64_t)hp->n_ff_expert);
        return hp->n_ff_shared ? n + 3 * e * hp->n_ff_shared + e : n;
    }
    n += (hp->gated ? 3 : 2) * e * f;
    return hp->bias_mlp == SH_BIAS_YES ? n + (hp->gated ? 2 : 1) * f + e : n;
}

uint64_t sh_shape_parameters(const sh_hparams *hp)
{
    const uint64_t e = hp->n_embd, v = hp->n_vocab;
    if (!sh_kind_has_cache(hp) || hp->n_cross) return 0;
    uint64_t n = v * e * (hp->tied_output ? 1 : 2) + e * (hp->norm == SH_NORM_LAYER ? 2 : 1);
    if (hp->bias_output == SH_BIAS_YES) n += v;
    if (hp->position == SH_POSITION_LEARNED) n += hp->n_ctx_train * e;
    for (uint32_t i = 0; i < hp->n_layers; i++) n += layer_parameters(hp, i);
    return n;
}

uint64_t sh_shape_active(const sh_hparams *hp, uint64_t n)
{
    if (!hp->n_experts) return n;
    uint64_t idle = 0, expert = 3 * (uint64_t)hp->n_embd * hp->n_ff_expert;
    for (uint32_t i = 0; i < hp->n_layers; i++)
        if (sh_arch_has_slot(hp, SH_SLOT_ROUTER, i)) idle += (hp->n_experts - hp->n_experts_used) * expert;
    return n > idle ? n - idle : 0;
}

/* ---- bytes ---- */

uint64_t sh_memory_weights(const sh_model *m)
{
    uint64_t n_bytes = 0;
    const bool repacks = m->rt->kernels->level != SH_CPU_REF;
    for (size_t i = 0; m->tensors && i < sh_tensors_count(m->tensors); i++) {
        const sh_tensor *t = sh_tensors_at(m->tensors, i);
        if (!sh_dtype_is_known(t->dtype)) continue;
        const bool packed = repacks && t->n_dims > 1 && sh_pack_get(t->dtype);
        const uint64_t n_rows = t->dims[1] * t->dims[2] * t->dims[3];
        n_bytes += packed ? (n_rows + LANES - 1) / LANES * sh_pack_group_bytes(t->dtype, (size_t)t->dims[0])
                          : t->n_bytes;
    }
    return n_bytes;
}

/* a * b added to *sum, which stays at UINT64_MAX once it overflowed. */
static void add_product(uint64_t *sum, uint64_t a, uint64_t b)
{
    uint64_t product;
    if (!sh_mul_u64(&product, a, b) || !sh_add_u64(sum, *sum, product)) *sum = UINT64_MAX;
}

/* Rows as forward.c lays them out: the stream, its norm and two branches, queries and what attention gives,
 * keys and values, gate and up, rotary tables, and the widest encoding of one row. */
static uint64_t row_bytes(const sh_hparams *hp)
{
    uint64_t ff = hp->n_ff > hp->n_ff_expert ? hp->n_ff : hp->n_ff_expert;
    if (hp->n_ff_shared > ff) ff = hp->n_ff_shared;
    const uint64_t e = hp->n_embd, q = (uint64_t)hp->n_heads * hp->head_dim,
                   kv = (uint64_t)hp->n_kv_heads * hp->head_dim,
                   widest = ff > q  ? (ff > e ? ff : e)
                            : q > e ? q
                                    : e;
    const uint64_t experts = hp->n_experts ? hp->n_experts + 2 * e : 0;
    return sizeof(float) * (4 * e + 2 * q + 2 * kv + 2 * ff + 2 * (uint64_t)hp->n_rot + widest + experts);
}

void sh_memory_needed(sh_memory *out, const sh_hparams *hp, const sh_memory_ask *ask)
{
    const uint64_t n_ctx = ((uint64_t)ask->n_ctx + LANES - 1) / LANES * LANES;
    uint64_t chunk = ask->chunk ? ask->chunk : CHUNK_USUAL;
    sh_memory n = {.weights = ask->weights, .program = PROGRAM_BYTES};
    if (sh_kind_has_cache(hp)) {
        if (n_ctx <= SH_MAX_POSITIONS)
            add_product(&n.kv_cache, (uint64_t)hp->n_layers * hp->n_kv_heads,
                        sh_kv_head_bytes(ask->kv, hp->head_dim, (uint32_t)n_ctx));
        else
            n.kv_cache = UINT64_MAX;
        add_product(&n.kv_cache, n_ctx, sizeof(sh_token));
        add_product(&n.scratch, hp->n_vocab, SAMPLING_BYTES_A_TOKEN);
    } else {
        chunk = n_ctx; /* a text or a picture is computed whole */
    }
    add_product(&n.scratch, row_bytes(hp), chunk < n_ctx ? chunk : n_ctx);
    add_product(&n.scratch, (uint64_t)SH_ATTENTION_MAX_QUERIES * sizeof(float) * ask->n_threads, n_ctx);
    add_product(&n.program, hp->n_vocab, TOKENIZER_BYTES_A_TOKEN);
    const uint64_t parts[] = {n.weights, n.kv_cache, n.scratch, n.program};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) add_product(&n.total, parts[i], 1);
    *out = n;
}

uint32_t sh_memory_longest(const sh_hparams *hp, const sh_memory_ask *ask, uint64_t n_bytes)
{
    uint32_t lo = 0, hi = hp->n_ctx_train < SH_MAX_POSITIONS ? hp->n_ctx_train : SH_MAX_POSITIONS;
    while (lo < hi) { /* lo fits (or is 0), hi + 1 does not */
        sh_memory need;
        sh_memory_ask at = *ask;
        at.n_ctx = lo + (hi - lo + 1) / 2;
        sh_memory_needed(&need, hp, &at);
        if (need.total <= n_bytes)
            lo = at.n_ctx;
        else
            hi = at.n_ctx - 1;
    }
    return lo;
}
