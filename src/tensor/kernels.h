/* kernels.h - the inner loops, one table per instruction set, all equal bit for bit.
 *
 * The order of every float operation is written down in docs/exact-arithmetic.md; kernels/ref_*.c is that page as plain
 * C and the other levels are tested against it with ==. In short:
 *   - a sum over a row (norms, softmax denominators, F32/F16/BF16 dot products) uses 16 lanes, lane l taking elements
 *     l, l+16, ... in order with multiply then add, a short tail entering its lanes, then a fixed tree
 *     (l += l+8, l += l+4, l += l+2, l += l+1);
 *   - a quantised dot product takes its blocks in index order; inside a block the integer sum is exact;
 *   - attention scores and the weighted sum of values are sequential per output (over head_dim, over positions);
 *   - element-wise functions are those of exactmath.h.
 * Kernels have no state, allocate nothing and may be called from any thread. Pointers need no alignment unless said. */
#ifndef SH_TENSOR_KERNELS_H
#define SH_TENSOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/attention.h"
#include "tensor/dtype.h"

enum sh_cpu_level { SH_CPU_REF, SH_CPU_AVX2, SH_CPU_AVX512, SH_CPU_AMX, SH_CPU_NEON, SH_CPU_LEVEL_COUNT };

/* What a weight multiplies: floats, or int8 blocks made from them once per row (see sh_act_encode in matmul.h). */
enum sh_act_kind {
    SH_ACT_F32,  /* the floats themselves */
    SH_ACT_Q8,   /* blocks of 32: scale = amax/127 (float), int8 = round to even of x * (127/amax), and their sum */
    SH_ACT_Q8K,  /* blocks of 256 likewise, and sums of each 16 */
    SH_ACT_COUNT
};

enum sh_activation {
    SH_ACTIVATION_SILU,
    SH_ACTIVATION_GELU_TANH,
    SH_ACTIVATION_GELU_ERF,
    SH_ACTIVATION_RELU,
    SH_ACTIVATION_GELU_QUICK, /* x * sigmoid(1.702 x) */
    SH_ACTIVATION_TANH
};

enum sh_rope_style {
    SH_ROPE_HALF,       /* pairs (x[j], x[j + d/2]): Hugging Face Llama, Qwen, Phi */
    SH_ROPE_INTERLEAVED /* pairs (x[2j], x[2j + 1]): GPT-J, CodeGen, and Llama in GGUF files */
};

struct sh_matmul_job; /* matmul_internal.h */

typedef struct sh_kernels {
    const char *name; /* "ref", "avx2", "avx512", "amx", "neon" */
    enum sh_cpu_level level;

    /* y[i] = x[i] / sqrt(mean(x^2) + eps) * gain[i]; gain NULL = 1. add_one: gain + 1 (Gemma). y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *gain, size_t n, float eps, bool add_one);
    /* y[i] = (x[i] - mean) / sqrt(var + eps) * gain[i] + bias[i]; gain, bias may be NULL. y may be x. */
    void (*layer_norm)(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps);
    /* x[i] = exp(x[i] - max) / sum, in place; all -inf gives NaN-free zeros. */
    void (*softmax)(float *x, size_t n);
    /* gate[i] = act(gate[i]) * up[i]; up NULL: gate[i] = act(gate[i]). */
    void (*activate)(enum sh_activation act, float *gate, const float *up, size_t n);
    void (*add)(float *y, const float *x, size_t n);          /* y += x */
    void (*scale)(float *y, float s, size_t n);               /* y *= s */
    void (*mul_add)(float *y, const float *x, float s, size_t n); /* y += s * x, multiply then add */
    void (*softcap)(float *y, float cap, size_t n);           /* y = cap * tanh(y / cap) */
    /* Rotate the first n_rot of each head's head_dim values; cos, sin [n_rot / 2]. x [n_heads, head_dim] */
    void (*rope)(float *x, size_t n_heads, size_t head_dim, size_t n_rot, enum sh_rope_style style, const float *cos_t,
                 const float *sin_t);
    /* One row of x [n] to activation blocks (layout private to tensor/). */
    void (*act_encode)(enum sh_act_kind kind, const float *x, void *out, size_t n);
    /* Rows [row_begin, row_end) of a product; see matmul_internal.h. */
    void (*matmul)(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
    /* One kv head, several queries: see attention.h. */
    void (*attention)(const sh_attention_job *job);
    /* Append one position to the caches of one kv head; see attention.h. */
    void (*kv_write)(const sh_kv_head *kv, size_t pos, const float *k, const float *v);
} sh_kernels;

/* The table of a level, or NULL when this build or this CPU lacks it. */
const sh_kernels *sh_kernels_get(enum sh_cpu_level level);
/* The best level of this machine; name (SHOAL_CPU's value, may be NULL or "") forces one: SH_E_INVALID for an unknown
 * name, SH_E_UNSUPPORTED when this CPU lacks it, both listing what there is. */
int sh_kernels_choose(const sh_kernels **out, const char *name, sh_err *err);

#endif
