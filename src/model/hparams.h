/* hparams.h - one model's shape and traits, read from config.json, GGUF metadata or a llama2.c header.
 *
 * An architecture is data: the loaders fill this struct and one forward (forward.c) walks it. A new family is
 * a row in arch.c (names of its tensors, defaults of its traits) and, where it needs something new, one more
 * trait here. */
#ifndef SH_MODEL_HPARAMS_H
#define SH_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/kernels.h"

enum sh_norm_kind { SH_NORM_RMS, SH_NORM_LAYER };
/* Where a block's norms stand. */
enum sh_norm_place {
    SH_NORM_PRE,      /* x += attn(norm x); x += mlp(norm x) */
    SH_NORM_POST,     /* x += norm(attn(x)); x += norm(mlp(x)): OLMo 2 */
    SH_NORM_SANDWICH, /* both: Gemma 2, 3 */
    SH_NORM_AFTER_ADD /* x = norm(x + attn(x)); x = norm(x + mlp(x)): BERT, TrOCR's decoder */
};
enum sh_residual { SH_RESIDUAL_SEQUENTIAL, SH_RESIDUAL_PARALLEL_ONE_NORM, SH_RESIDUAL_PARALLEL_TWO_NORMS };
enum sh_position {
    SH_POSITION_NONE,
    SH_POSITION_ROPE,
    SH_POSITION_LEARNED,
    SH_POSITION_ALIBI,
    SH_POSITION_SINUSOIDAL /* rows [sin | cos] made here, added like learned ones: TrOCR large */
};
/* What the first layer is fed with. */
enum sh_input { SH_INPUT_TOKENS, SH_INPUT_PATCHES, SH_INPUT_MEL };
/* Learned biases of scores by the places of query and key. */
enum sh_relative {
    SH_RELATIVE_NONE,
    SH_RELATIVE_BUCKETS, /* T5's, both ways: [32 buckets, n_heads] for all layers (MPNet) */
    SH_RELATIVE_WINDOW   /* BEiT's: [(2 h - 1)(2 w - 1) + 3, n_heads], a table a layer or one for all */
};
enum sh_rope_scaling {
    SH_ROPE_SCALE_NONE,
    SH_ROPE_SCALE_LINEAR,
    SH_ROPE_SCALE_LLAMA3,
    SH_ROPE_SCALE_YARN,
    SH_ROPE_SCALE_LONGROPE
};
enum sh_qk_norm { SH_QK_NORM_NONE, SH_QK_NORM_HEAD, SH_QK_NORM_WHOLE };
/* Whether linear maps have a bias. GGUF files do not say: there the tensors present decide. */
enum sh_bias { SH_BIAS_NO, SH_BIAS_YES, SH_BIAS_IF_PRESENT };

typedef struct sh_rope_params {
    double theta;
    enum sh_rope_style style;
    enum sh_rope_scaling scaling;
    double factor, low_freq_factor, high_freq_factor; /* linear, yarn; llama3 */
    double beta_fast, beta_slow, attention_factor, mscale,
        mscale_all_dim;      /* yarn; attention_factor < 0: computed */
    bool yarn_untruncated;   /* the bounds of the ramp are not rounded to whole pairs */
    double gguf_attn_factor; /* yarn in GGUF files: multiplies the computed factor; 1 elsewhere */
    uint32_t original_ctx;
    const float *short_factor, *long_factor; /* longrope divisors [n_rot / 2], owned by the model's arena */
    const float *freq_divisor;               /* [n_rot / 2] from a rope_freqs tensor, or NULL */
} sh_rope_params;

typedef struct sh_layer_traits {
    uint32_t window; /* 0: full attention; else a position sees itself and window - 1 before it */
    bool rope;       /* false: this layer has no rotation (SmolLM3) */
    bool local_rope; /* uses rope_local (Gemma 3) */
    bool experts;    /* mixture of experts instead of the plain MLP */
} sh_layer_traits;

enum { SH_MAX_LAYERS = 4096, SH_MAX_EXPERTS = 4096 };

typedef struct sh_hparams {
    const struct sh_arch *arch;
    uint32_t n_vocab, n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_rot, n_ff, n_ctx_train;
    enum sh_norm_kind norm;
    enum sh_norm_place norm_place;
    enum sh_residual residual;
    bool norm_add_one; /* gain is 1 + w */
    float norm_eps;
    enum sh_qk_norm qk_norm;
    enum sh_position position;
    sh_rope_params rope, rope_local;
    enum sh_activation activation;
    bool gated;
    bool tied_output; /* the output matrix is the embedding */
    enum sh_bias bias_qkv, bias_o, bias_mlp, bias_output;
    float embed_scale, residual_scale, attention_scale,
        logit_scale;                        /* multipliers; logit_scale multiplies the logits */
    float attention_softcap, final_softcap; /* 0: none */
    uint32_t n_experts, n_experts_used, n_ff_expert, n_ff_shared;
    bool expert_norm_topk; /* chosen probabilities are divided by their sum */
    float alibi_max_bias;  /* SH_POSITION_ALIBI: slopes fall from 2^(-max/n) to 2^-max */
    enum sh_input input;
    bool bidirectional, final_norm, embed_norm, no_key_bias, no_output, layer_scale;
    bool tie_if_absent;
    uint32_t n_types;         /* rows of token types; 0: none */
    uint32_t position_offset; /* row of the position table for position 0 */
    bool pad_positions;       /* tokens equal to pad_id stand at pad_id, others count from pad_id + 1 on */
    int32_t pad_id;
    uint32_t n_cross; /* width of the states that the layers attend to; 0: no cross-attention */
    enum sh_relative relative;
    bool relative_shared; /* BEiT: one table for all layers */
    /* SH_INPUT_PATCHES: pictures of image_h x image_w, cut into squares; n_prefix rows come before theirs. */
    uint32_t image_h, image_w, patch, n_channels, n_prefix;
    bool patch_bias;
    uint32_t n_mels; /* SH_INPUT_MEL: frames are 2 * n_ctx_train */
    /* What follows the last layer (head.h). */
    bool pool_norm, probe_head;
    uint32_t n_labels, n_projection; /* 0: no classifier, no projection; known once the weights are bound */
    struct sh_hparams
        *encoder; /* a model of two parts: its encoder's, owned by the model's arena; else NULL */
    const sh_layer_traits *layers; /* [n_layers], owned by the model's arena */
} sh_hparams;

/* The traits of a row; sizes are left 0 for the loader to fill in. */
void sh_hparams_from_arch(sh_hparams *hp, const struct sh_arch *arch);
/* SH_E_CORRUPT, naming `where` and the value, unless every size is possible: later code relies on these
 * bounds. */
int sh_hparams_check(const sh_hparams *hp, const char *where, sh_err *err);

/* "text generation", "text embedding", "image encoder", ... for people. */
const char *sh_kind_text(const sh_hparams *hp);
/* Whether a sequence has a cache of keys and values: models that read a text once and whole have none. */
bool sh_kind_has_cache(const sh_hparams *hp);
/* Whether the forward pass has all that this shape needs: encoders of pictures and sound, and decoders that
 * attend to one, are described and checked only. */
bool sh_kind_can_run(const sh_hparams *hp);
/* SH_E_UNSUPPORTED, in words for people, unless the model writes text. */
int sh_kind_need_text(const sh_hparams *hp, sh_err *err);

#endif
