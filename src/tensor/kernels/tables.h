/* tables.h - the kernel tables that this build contains, and the pieces they share. Private to tensor/. */
#ifndef SH_TENSOR_KERNELS_TABLES_H
#define SH_TENSOR_KERNELS_TABLES_H

#include "tensor/kernels.h"

extern const sh_kernels sh_kernels_ref;
#if defined(__x86_64__)
extern const sh_kernels sh_kernels_avx2;
extern const sh_kernels sh_kernels_avx512;
extern const sh_kernels sh_kernels_amx; /* the functions of avx512 */
#endif

/* ref_elementwise.c */
void sh_ref_rms_norm(float *y, const float *x, const float *gain, size_t n, float eps, bool add_one);
void sh_ref_layer_norm(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps);
void sh_ref_softmax(float *x, size_t n);
void sh_ref_activate(enum sh_activation act, float *gate, const float *up, size_t n);
void sh_ref_add(float *y, const float *x, size_t n);
void sh_ref_scale(float *y, float s, size_t n);
void sh_ref_mul_add(float *y, const float *x, float s, size_t n);
void sh_ref_softcap(float *y, float cap, size_t n);
void sh_ref_rope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, enum sh_rope_style style,
                 const float *cos_t, const float *sin_t);
/* ref_act.c */
void sh_ref_act_encode(enum sh_act_kind kind, const float *x, void *out, size_t n);
/* n (at most 256) floats to int8 with one scale, which is returned: amax / 127; q = x * (127 / amax) to
 * nearest even. amax below 2^-100 gives scale 0 and zeros; an infinity or a NaN gives a NaN scale and zeros,
 * so that it shows in every product and is no undefined conversion. */
float sh_ref_quantize_group(const float *x, int8_t *q, size_t n);
/* ref_matmul.c */
void sh_ref_matmul(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
/* ref_attention.c */
void sh_ref_attention(const sh_attention_job *job);
void sh_ref_kv_write(const sh_kv_head *kv, size_t pos, const float *k, const float *v);

/* Products by kind of activation: dense_<set>.c, quant_<set>.c, kquant_<set>.c */
void sh_avx2_matmul_dense(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
void sh_avx2_matmul_q8(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
void sh_avx2_matmul_q8k(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
void sh_avx512_matmul_dense(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
void sh_avx512_matmul_q8(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);
void sh_avx512_matmul_q8k(const struct sh_matmul_job *job, size_t row_begin, size_t row_end);

/* The fixed tree that ends every sum over 16 lanes. */
static inline float sh_ref_tree(float lanes[16])
{
    for (int step = 8; step >= 1; step /= 2)
        for (int l = 0; l < step; l++) lanes[l] = lanes[l] + lanes[l + step];
    return lanes[0];
}

#endif
