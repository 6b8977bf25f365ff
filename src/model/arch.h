/* arch.h - the architecture table: what a family is called, which traits it has, how its tensors are named.
 *
 * A row serves four readers: hf_config.c and gguf_config.c (traits), bind.c (names and layouts when loading)
 * and the conversion to GGUF (the same names and layouts, read the other way round). A new family is a row
 * and, where its checkpoints differ, a list of names. */
#ifndef SH_MODEL_ARCH_H
#define SH_MODEL_ARCH_H

#include "model/hparams.h"

/* What a stored tensor is to the forward pass. A stem with ".weight" is the matrix or gain, with ".bias" its
 * bias. */
enum sh_slot {
    SH_SLOT_EMBED,
    SH_SLOT_TYPES, /* [n_types, n_embd]: which of two texts a token belongs to */
    SH_SLOT_POSITION,
    SH_SLOT_OUTPUT_NORM,
    SH_SLOT_OUTPUT,
    SH_SLOT_ROPE_FREQS,
    SH_SLOT_ROPE_LONG,
    SH_SLOT_ROPE_SHORT, /* GGUF only: divisors of the rotary frequencies */
    SH_SLOT_EMBED_NORM, /* of the input rows, positions included */
    SH_SLOT_PATCH,      /* [n_embd, channels * patch * patch], a convolution whose stride is its kernel */
    SH_SLOT_CLASS_TOKEN,
    SH_SLOT_DISTIL_TOKEN, /* [n_embd]: rows before those of the patches */
    SH_SLOT_CONV1,
    SH_SLOT_CONV2,    /* [n_embd, inputs * 3]: over the frames of log-mel features */
    SH_SLOT_REL_BIAS, /* one table of score biases for all layers */
    SH_SLOT_POOLER,   /* what follows the last layer in models that embed or classify: see head.h */
    SH_SLOT_POOL_NORM,
    SH_SLOT_CLASSIFIER,
    SH_SLOT_CLASSIFIER2,
    SH_SLOT_PROJECTION,
    SH_SLOT_PROBE,
    SH_SLOT_PROBE_QKV,
    SH_SLOT_PROBE_QKV_BIAS,
    SH_SLOT_PROBE_O,
    SH_SLOT_PROBE_NORM,
    SH_SLOT_PROBE_UP,
    SH_SLOT_PROBE_DOWN,
    SH_SLOT_LOGIT_SCALE,
    SH_SLOT_LOGIT_BIAS,
    SH_SLOT_ATTN_NORM,
    SH_SLOT_FIRST_OF_LAYER = SH_SLOT_ATTN_NORM,
    SH_SLOT_Q,
    SH_SLOT_K,
    SH_SLOT_V,
    SH_SLOT_QKV,
    SH_SLOT_O,
    SH_SLOT_Q_NORM,
    SH_SLOT_K_NORM,
    SH_SLOT_ATTN_POST_NORM, /* of the attention output, before it is added */
    SH_SLOT_FFN_NORM,
    SH_SLOT_GATE,
    SH_SLOT_UP,
    SH_SLOT_GATE_UP,
    SH_SLOT_DOWN,
    SH_SLOT_FFN_POST_NORM,
    SH_SLOT_ROUTER, /* [n_experts, n_embd] */
    SH_SLOT_EXPERT_GATE,
    SH_SLOT_EXPERT_UP,
    SH_SLOT_EXPERT_DOWN, /* one tensor an expert, or all stacked in one */
    SH_SLOT_SHARED_GATE,
    SH_SLOT_SHARED_UP,
    SH_SLOT_SHARED_DOWN,
    SH_SLOT_SHARED_ROUTER, /* [1, n_embd]: its sigmoid weighs the shared expert */
    SH_SLOT_EXPERT_GATE_UP, /* stacked, each [gate | up]: transformers 5 may write experts so */
    SH_SLOT_CROSS_NORM,
    SH_SLOT_CROSS_POST_NORM,
    SH_SLOT_CROSS_Q,
    SH_SLOT_CROSS_K, /* [.., width of the encoder's states] */
    SH_SLOT_CROSS_V,
    SH_SLOT_CROSS_O,
    SH_SLOT_ATTN_SCALE, /* [n_embd] of a branch's result before it is added: BEiT's lambda_1, lambda_2 */
    SH_SLOT_FFN_SCALE,
    SH_SLOT_LAYER_REL_BIAS, /* a table of score biases of this layer's own */
    SH_SLOT_COUNT
};

/* How the rows of a stored matrix (and the entries of its bias) lie. All but ROWS hold several matrices in
 * one. */
enum sh_layout {
    SH_LAYOUT_ROWS,
    SH_LAYOUT_CONCAT,  /* [q | k | v] or [gate | up] */
    SH_LAYOUT_GROUPED, /* for each key/value head [its query heads | k | v]: Falcon, GPT-NeoX, GPTBigCode */
    SH_LAYOUT_CODEGEN  /* four groups, each [q | v | k] of a quarter of the heads */
};

/* One way to store a slot. In `stem` '%' is the layer's number and '#' the expert's; without '#' an expert
 * slot is one stacked tensor [n_experts, rows, cols]. A stem that begins with '^' stands outside the prefix
 * that a file may put before all names. */
typedef struct sh_name {
    enum sh_slot slot;
    const char *stem;
    enum sh_layout layout;
    bool transposed; /* stored [in, out] (GPT-2's Conv1D) */
    bool bare;       /* the matrix is called by the stem alone, without ".weight" */
} sh_name;

/* Which layers have a window when the file gives no list (layer_types). */
enum sh_window_rule {
    SH_WINDOW_NONE,
    SH_WINDOW_ALL,     /* sliding_window, when set, holds in every layer */
    SH_WINDOW_OPT_IN,  /* layers from max_window_layers on, and only with use_sliding_window (Qwen) */
    SH_WINDOW_PERIODIC /* every layer but each window_period-th (Gemma 2, 3) */
};

/* Bits of sh_arch.flags. */
enum {
    SH_ARCH_GATED = 1 << 0,
    SH_ARCH_TIED = 1 << 1,         /* output matrix = embedding when config.json does not say */
    SH_ARCH_NORM_ADD_ONE = 1 << 2, /* Hugging Face gains are w of 1 + w; GGUF stores 1 + w */
    SH_ARCH_EMBED_SCALED = 1 << 3, /* embeddings times sqrt(n_embd) */
    SH_ARCH_GELU_IS_TANH = 1 << 4, /* "gelu" in config.json means the tanh form */
    SH_ARCH_BIAS_QKV = 1 << 5,
    SH_ARCH_BIAS_O = 1 << 6,
    SH_ARCH_BIAS_MLP = 1 << 7,
    SH_ARCH_BIAS_OUTPUT = 1 << 8,
    SH_ARCH_BIAS_KEYS = 1 << 9, /* attention_bias, mlp_bias, use_bias, bias, qkv_bias in config.json decide */
    SH_ARCH_NO_SCALE = 1 << 10, /* scores are not divided by sqrt(head_dim) */
    SH_ARCH_TOPK_NORM = 1 << 11,      /* chosen experts' probabilities sum to 1 when the file does not say */
    SH_ARCH_LOCAL_ROPE = 1 << 13,     /* windowed layers rotate by sh_hparams.rope_local */
    SH_ARCH_NO_ATTN_SOFTCAP = 1 << 12, /* the reference ignores attn_logit_softcapping (Gemma 3) */
    SH_ARCH_BIDIRECTIONAL = 1 << 14,   /* every row sees every row of its sequence */
    SH_ARCH_NO_FINAL_NORM = 1 << 15,
    SH_ARCH_EMBED_NORM = 1 << 16,
    SH_ARCH_NO_KEY_BIAS = 1 << 17,    /* bias_qkv without the keys' (BEiT, Whisper) */
    SH_ARCH_CROSS = 1 << 18,          /* attends to an encoder's states */
    SH_ARCH_NO_OUTPUT = 1 << 19,      /* gives states, no logits over a vocabulary */
    SH_ARCH_PAD_POSITIONS = 1 << 20,  /* positions count the tokens that are no padding, from pad + 1 on */
    SH_ARCH_TIE_IF_ABSENT = 1 << 21,  /* output = embedding when the file has no output matrix */
    SH_ARCH_ENCODER_KEYS = 1 << 22,   /* config.json: encoder_layers, encoder_attention_heads, ... */
    SH_ARCH_DECODER_KEYS = 1 << 23,   /* config.json: decoder_layers, ... */
    SH_ARCH_NO_PATCH_BIAS = 1 << 24,
    SH_ARCH_POOL_NORM = 1 << 25, /* the pooled row is normed */
    SH_ARCH_PROBE = 1 << 26      /* a learned query pools the rows (SigLIP) */
};

struct sh_config; /* hf_config.h */

typedef struct sh_arch {
    const char *name;    /* general.architecture in GGUF */
    const char *hf_type; /* model_type in config.json; several may share one name */
    uint32_t flags;
    enum sh_norm_kind norm;
    enum sh_norm_place place;
    enum sh_residual residual;
    enum sh_qk_norm qk_norm;
    enum sh_position position;
    enum sh_rope_style hf_rope,
        gguf_rope; /* where they differ, q and k rows are permuted in GGUF: sh_row_of_interleaved */
    enum sh_activation activation;         /* when the file does not say */
    double rope_theta, rotary_fraction;    /* likewise */
    enum sh_window_rule window;
    uint32_t window_period;
    enum sh_input input;
    uint32_t n_prefix;       /* class tokens before the patches */
    const sh_name *hf_names[2]; /* ended by stem NULL; the first list with a name for a slot decides, all its
                                   names are tried */
    const sh_name *gguf_names[2]; /* likewise */
    const char *hf_prefix; /* published files may lack this prefix of all names ("transformer."), or NULL */
    /* files of larger models may put one of these before all names: "vit.|encoder.", or NULL */
    const char *outer_prefix;
    const char *defaults; /* JSON: what config.json may leave out, as the reference's class has it; may be NULL */
    /* What only this family has in its config.json; may be NULL. */
    int (*hf_extra)(const struct sh_config *c, sh_hparams *hp, sh_err *err);
} sh_arch;

size_t sh_arch_count(void);
const sh_arch *sh_arch_at(size_t i);
const sh_arch *sh_arch_by_hf(const char *model_type);
const sh_arch *sh_arch_by_gguf(const char *name); /* the first row of that name */
/* The i-th prefix of a row's outer_prefix into out, or false when there are no more. */
bool sh_arch_outer(const sh_arch *a, size_t i, char out[64]);
/* SH_E_UNSUPPORTED naming `found` and the known names nearest to it. */
int sh_arch_unknown(const char *found, bool is_gguf, sh_err *err);

/* The i-th way of naming a slot, or NULL when there are no more. */
const sh_name *sh_arch_name(const sh_arch *a, bool is_gguf, enum sh_slot slot, size_t i);
/* Whether a layer of this shape has a slot (stored alone or as a part of QKV, GATE_UP). Slots outside layers:
 * layer 0. Two slots of a family may share a name of which a given shape means only one. */
bool sh_arch_has_slot(const sh_hparams *hp, enum sh_slot slot, uint32_t layer);
/* The stem under which GGUF stores a slot of this model, or NULL when it has no name for it. */
const char *sh_arch_gguf_stem(const sh_hparams *hp, enum sh_slot slot);
/* Names of container formats for people and for errors: "attn_q" and so on. */
const char *sh_slot_text(enum sh_slot slot);

/* Row of the stored, fused matrix that holds row r of part 0 (q or gate), 1 (k or up), 2 (v). */
uint64_t sh_layout_row(const sh_hparams *hp, enum sh_layout layout, enum sh_slot fused, unsigned part,
                       uint64_t r);
/* Rotary rows of q and k: row r of the interleaved order (GGUF) is this row of the half order (Hugging Face).
 */
uint64_t sh_row_of_interleaved(const sh_hparams *hp, uint64_t r);

/* "silu", "gelu_new", ... -> enum sh_activation, or -1; and the usual name of one. */
const char *sh_activation_text(enum sh_activation act);
int sh_activation_find(const char *name);

#endif
