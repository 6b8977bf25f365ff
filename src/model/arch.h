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
    SH_SLOT_POSITION,
    SH_SLOT_OUTPUT_NORM,
    SH_SLOT_OUTPUT,
    SH_SLOT_ROPE_FREQS,
    SH_SLOT_ROPE_LONG,
    SH_SLOT_ROPE_SHORT, /* GGUF only: divisors of the rotary frequencies */
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
 * slot is one stacked tensor [n_experts, rows, cols]. */
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
    SH_ARCH_NO_ATTN_SOFTCAP = 1 << 12 /* the reference ignores attn_logit_softcapping (Gemma 3) */
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
    const sh_name *hf_names[2]; /* ended by stem NULL; the first list with a name for a slot decides, all its
                                   names are tried */
    const sh_name *gguf_names[2]; /* likewise */
    const char *hf_prefix; /* published files may lack this prefix of all names ("transformer."), or NULL */
    const char *outer_prefix;     /* files of larger models may put this before all names, or NULL */
    /* What only this family has in its config.json; may be NULL. */
    int (*hf_extra)(const struct sh_config *c, sh_hparams *hp, sh_err *err);
} sh_arch;

size_t sh_arch_count(void);
const sh_arch *sh_arch_at(size_t i);
const sh_arch *sh_arch_by_hf(const char *model_type);
const sh_arch *sh_arch_by_gguf(const char *name); /* the first row of that name */
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
