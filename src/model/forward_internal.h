/* forward_internal.h - the scratch of a forward pass and its stages.
 *
 * All tokens of a batch are rows of one matrix, whatever sequence they belong to. A stage is a product
 * (matmul.h) or a pass over rows that does everything between two products, so one token costs five runs of
 * the pool a layer. Letters: n rows, E n_embd, H heads, G key/value heads, D head_dim, F inner size. */
#ifndef SH_MODEL_FORWARD_INTERNAL_H
#define SH_MODEL_FORWARD_INTERNAL_H

#include "model/kv.h"
#include "model/model_internal.h"

enum { SH_LOGIT_ROWS = 32 }; /* rows of logits computed at a time when they go to different places */

typedef struct row_info {
    uint32_t i_chunk, i_in_chunk, pos;
    uint32_t place; /* row of the position table */
} row_info;

/* Neighbouring tokens of one sequence whose queries go over the cache together. */
typedef struct row_tile {
    uint32_t first, n;
} row_tile;

struct sh_forward {
    const sh_model *m;
    const sh_hparams *hp;
    const sh_kernels *k;
    sh_pool *pool;
    uint32_t max_tokens, cap; /* rows that the buffers below have room for */

    /* Rows, each stride floats apart: strides are widths rounded up to 16. */
    size_t s_embd, s_q, s_kv, s_ff;
    float *x, *norm, *branch, *branch2; /* [cap, E] */
    float *q, *attn;                    /* [cap, H * D] */
    float *key, *value;                 /* [cap, G * D] */
    float *gate, *up;                   /* [cap, F], F the widest inner size */
    float *cos_t, *sin_t, *cos_local, *sin_local; /* [cap, n_rot / 2] */
    void *act;                          /* encoded activations of cap rows, widest kind and width */
    /* mixture of experts */
    float *router;                      /* [cap, n_experts] */
    float *gathered, *expert_out;       /* [cap, E] */
    uint32_t *chosen;                   /* [cap, n_experts_used] ascending expert numbers */
    float *chosen_weight;               /* [cap, n_experts_used] */
    uint32_t *members;                  /* [cap] rows that one expert works on, and */
    float *member_weight;               /* [cap] their weights */

    row_info *rows;  /* [cap] */
    row_tile *tiles; /* [cap] */
    uint8_t *slab;   /* all of the above */

    /* Keys and values of sequences without a cache: one layer's, made anew by each. */
    sh_kv_head *own_heads; /* [chunks without a cache, G] */
    uint32_t *i_own;       /* [n_chunks] which of them is a chunk's */
    uint8_t *own;
    size_t own_bytes;
    float *relative; /* [threads, SH_ATTENTION_MAX_QUERIES, longest sequence] score biases of a tile */
    size_t n_relative;

    float *logits;   /* [SH_LOGIT_ROWS, V], made when first needed */
    float *scratch;  /* [threads, n_scratch] for attention */
    size_t n_scratch, scratch_bytes;

    /* The batch being run. */
    const sh_chunk *chunks;
    size_t n_chunks;
    uint32_t n;       /* rows */
    uint32_t n_tiles, tile_heads; /* query heads of one kv head taken together */
};

static inline size_t sh_row_stride(size_t width) { return (width + 15) / 16 * 16; }

/* fn over rows [0, n) that each cost about `width` simple steps: few rows stay on this thread. */
void sh_forward_rows(sh_forward *f, size_t n, size_t width, sh_range_fn fn, void *ud);
/* y_i = W_i x for rows x; no biases. Matrices may need different encodings of x. */
typedef struct sh_product { const sh_linear *l; float *y; size_t stride; } sh_product;
void sh_forward_products(sh_forward *f, const float *x, size_t x_stride, size_t n, const sh_product *out,
                         size_t n_out);
/* y = norm(x) of one row of n, by the model's kind of norm. y may be x. */
void sh_forward_norm(const sh_forward *f, float *y, const float *x, const sh_gain *g, size_t n);

/* Keys and values of a row's sequence. */
const sh_kv_head *sh_forward_kv_head(const sh_forward *f, uint32_t i_chunk, uint32_t layer, uint32_t head);
/* forward_own.c: room for sequences without a cache; the bias of scores of head h, query i, over n positions. */
int sh_forward_own_reserve(sh_forward *f, sh_err *err);
void sh_forward_own_free(sh_forward *f);
void sh_forward_relative(const sh_forward *f, const float *table, uint32_t head, uint32_t i, uint32_t n, float *out);
/* forward_attention.c: f->branch = O(attention of in); keys and values enter the caches. */
void sh_forward_attention(sh_forward *f, uint32_t layer, const float *in);
void sh_forward_angles(sh_forward *f); /* the batch's rotary tables */
/* forward_mlp.c: out = the MLP or the experts of `in` (without the last bias). */
void sh_forward_mlp(sh_forward *f, uint32_t layer, const float *in, float *out);
/* act(gate + bias) * (up + bias), or act(up + bias), into gate (gated) or up; returns which. */
float *sh_forward_activate(sh_forward *f, const sh_linear *gate, const sh_linear *up, size_t n, size_t width);
/* experts.c: out = weighted sum of the chosen experts of each row, and of the shared one. */
void sh_forward_experts(sh_forward *f, const sh_layer *l, const float *in, float *out);
/* forward_output.c: final norm, output matrix and what follows it, for the rows that the chunks want. */
int sh_forward_output(sh_forward *f, sh_err *err);

#endif
