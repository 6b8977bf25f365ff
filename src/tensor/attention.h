/* attention.h - attention of queries over one key/value head, and the cache layout it reads.
 *
 * Cache of one kv head in one layer, room for n_ctx (a multiple of 16) positions:
 *   keys    position-interleaved, so that one vector lane is one position: element (pos, e) of
 *           [n_ctx / 16][head_dim][16] is at ((pos / 16) * head_dim + e) * 16 + pos % 16
 *   values  plain rows [n_ctx][head_dim]: one lane is one output element
 * Elements are F32 or F16 (round to nearest even), or Q8_0-like: int8 in the same places with one float scale
 * per position and 32 elements (amax/127, round to even): key_scales [n_ctx / 16][n_groups][16], value_scales
 * [n_ctx][n_groups], n_groups = ceil(head_dim / 32).
 *
 * Canonical arithmetic, for one query q at positions [begin, end):
 *   s_j = sum over e in order of q_e * k_je, each product rounded, then added (first term: 0 + q_0 k_j0);
 *   with alibi: s_j = s_j + slope * j (product rounded); then s_j = s_j * scale; with softcap: s_j = cap *
 * tanh(s_j / cap); with a bias: s_j = s_j + bias_j;
 *   m = max s_j; p_j = exp(s_j - m); denominator: 16 lanes, lane = j mod 16 of the absolute
 * position, then the tree; o_e = sum over j in order of p_j * v_je;  o_e = o_e * (1 / denominator). A
 * dequantised element is (float)int8 * scale, rounded, before it is multiplied. */
#ifndef SH_TENSOR_ATTENTION_H
#define SH_TENSOR_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum sh_kv_type { SH_KV_F32, SH_KV_F16, SH_KV_Q8, SH_KV_TYPE_COUNT };

typedef struct sh_kv_head {
    enum sh_kv_type type;
    uint32_t head_dim, n_ctx;
    void *keys, *values;
    float *key_scales, *value_scales; /* SH_KV_Q8 only */
} sh_kv_head;

/* Bytes that one kv head of one layer needs, every part a multiple of 64; sh_kv_head_place lays the parts out
 * in memory[0..bytes), 64-byte aligned. */
size_t sh_kv_head_bytes(enum sh_kv_type type, uint32_t head_dim, uint32_t n_ctx);
void sh_kv_head_place(sh_kv_head *kv, enum sh_kv_type type, uint32_t head_dim, uint32_t n_ctx, void *memory);

typedef struct sh_attention_query {
    const float *q;      /* [head_dim] */
    float *out;          /* [head_dim] */
    uint32_t begin, end; /* visible positions, begin < end <= n_ctx */
    float alibi_slope;   /* 0: none. The term is slope * j, before scale (scale multiplies both), as Falcon-RW
                            has it */
    const float *bias;   /* [end] added to the scores of positions 0 .. end - 1, last of all, or NULL */
} sh_attention_query;

typedef struct sh_attention_job {
    const sh_kv_head *kv;
    const sh_attention_query
        *queries; /* [n_queries]: the heads of a group, and neighbouring tokens of one sequence */
    size_t n_queries;
    float scale, softcap; /* softcap 0: none */
    float *scratch;       /* sh_attention_scratch(n_ctx) floats for this thread, 64-byte aligned */
} sh_attention_job;

enum { SH_ATTENTION_MAX_QUERIES = 32 };
size_t sh_attention_scratch(uint32_t n_ctx); /* floats that a job of up to SH_ATTENTION_MAX_QUERIES needs */

#endif
