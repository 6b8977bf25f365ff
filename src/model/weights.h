/* weights.h - a bound model: every matrix and vector where the forward pass looks for it. */
#ifndef SH_MODEL_WEIGHTS_H
#define SH_MODEL_WEIGHTS_H

#include "model/hparams.h"
#include "tensor/matmul.h"

typedef struct sh_linear {
    sh_weight *w;      /* NULL: this model has no such matrix */
    const float *bias; /* [rows of w] or NULL */
} sh_linear;

typedef struct sh_gain {
    const float *gain; /* NULL: no norm here */
    const float *bias; /* layer norms may have one */
} sh_gain;

/* Rows that are looked up, not multiplied: token and position embeddings. They are read where the file has
 * them, but for a table that is a matrix too (a tied output): its file pages were given back when it was
 * repacked, and looking there would bring the table into memory a second time. */
typedef struct sh_table {
    const uint8_t *rows;
    enum sh_dtype dtype;
    size_t row_bytes;
    uint64_t n_rows, n_cols;
    const sh_weight *matrix; /* the same rows as a matrix, or NULL */
} sh_table;

typedef struct sh_expert { sh_linear gate, up, down; } sh_expert;

typedef struct sh_layer {
    sh_gain attn_norm, q_norm, k_norm, attn_post_norm, ffn_norm, ffn_post_norm;
    sh_linear q, k, v, o, gate, up, down;
    sh_gain cross_norm, cross_post_norm;
    sh_linear cross_q, cross_k, cross_v, cross_o;
    const float *attn_scale, *ffn_scale; /* [n_embd] or NULL */
    const float *relative;               /* score biases, see enum sh_relative, or NULL */
    sh_linear router;
    sh_expert *experts; /* [n_experts] or NULL */
    sh_expert shared;
    sh_linear shared_router;
} sh_layer;

/* One learned query over all rows, and an MLP behind it (SigLIP): a = O attend(probe); y = a + mlp(norm a). */
typedef struct sh_probe {
    const float *query; /* [n_embd] or NULL: no such head */
    sh_linear q, k, v, o, up, down;
    sh_gain norm;
} sh_probe;

/* What follows the last layer; parts that a model lacks are empty. */
typedef struct sh_head {
    sh_linear pooler; /* tanh(pooler row 0), or SigLIP's text head without the tanh */
    sh_gain norm;
    sh_linear classifier, classifier2, projection;
    sh_probe probe;
    float logit_scale, logit_bias; /* of similarities: exp(scale) * cosine + bias */
} sh_head;

typedef struct sh_weights {
    sh_table embed, types, position;
    sh_gain embed_norm;
    sh_linear patch, conv1, conv2;
    const float *prefix; /* [n_prefix, n_embd] class tokens */
    const float *relative;
    sh_head head;
    sh_gain output_norm;
    sh_linear output;
    sh_layer *layers;  /* [n_layers] */
    uint64_t n_bytes;  /* memory that the matrices take, the file's own pages included */
} sh_weights;

#endif
