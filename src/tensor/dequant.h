/* dequant.h - the decoders behind sh_dtypes: one function a type, all of sh_dtype_info.decode's shape.
 *
 * src holds whole blocks at any alignment, n is a multiple of the block. Every byte pattern is a legal block,
 * so no decoder can fail or read beyond its blocks. Layouts and formulas: docs/quantisation.md; each product
 * is rounded to float in the order written there, so the bits are the same on every machine. */
#ifndef SH_TENSOR_DEQUANT_H
#define SH_TENSOR_DEQUANT_H

#include <stddef.h>

/* dequant_plain.c: one number an element */
void sh_dequant_f32(const void *src, float *dst, size_t n);
void sh_dequant_f16(const void *src, float *dst, size_t n);
void sh_dequant_bf16(const void *src, float *dst, size_t n);
void sh_dequant_f64(const void *src, float *dst, size_t n);
void sh_dequant_i8(const void *src, float *dst, size_t n);
void sh_dequant_i16(const void *src, float *dst, size_t n);
void sh_dequant_i32(const void *src, float *dst, size_t n);
void sh_dequant_i64(const void *src, float *dst, size_t n);

/* dequant_legacy.c: blocks of 32 with one scale, and the two Q8 forms of activations */
void sh_dequant_q4_0(const void *src, float *dst, size_t n);
void sh_dequant_q4_1(const void *src, float *dst, size_t n);
void sh_dequant_q5_0(const void *src, float *dst, size_t n);
void sh_dequant_q5_1(const void *src, float *dst, size_t n);
void sh_dequant_q8_0(const void *src, float *dst, size_t n);
void sh_dequant_q8_1(const void *src, float *dst, size_t n);
void sh_dequant_q8_k(const void *src, float *dst, size_t n);
void sh_dequant_iq4_nl(const void *src, float *dst, size_t n);

/* dequant_kquant.c: super-blocks of 256 with scales of their sub-blocks */
void sh_dequant_q2_k(const void *src, float *dst, size_t n);
void sh_dequant_q3_k(const void *src, float *dst, size_t n);
void sh_dequant_q4_k(const void *src, float *dst, size_t n);
void sh_dequant_q5_k(const void *src, float *dst, size_t n);
void sh_dequant_q6_k(const void *src, float *dst, size_t n);
void sh_dequant_iq4_xs(const void *src, float *dst, size_t n);

/* dequant_tiny.c: one or two bits, trits, and the 4-bit floats of hardware */
void sh_dequant_q1_0(const void *src, float *dst, size_t n);
void sh_dequant_q2_0(const void *src, float *dst, size_t n);
void sh_dequant_tq1_0(const void *src, float *dst, size_t n);
void sh_dequant_tq2_0(const void *src, float *dst, size_t n);
void sh_dequant_mxfp4(const void *src, float *dst, size_t n);
void sh_dequant_nvfp4(const void *src, float *dst, size_t n);

/* dequant_iq.c: rows of a codebook with signs */
void sh_dequant_iq1_s(const void *src, float *dst, size_t n);
void sh_dequant_iq1_m(const void *src, float *dst, size_t n);
void sh_dequant_iq2_xxs(const void *src, float *dst, size_t n);
void sh_dequant_iq2_xs(const void *src, float *dst, size_t n);
void sh_dequant_iq2_s(const void *src, float *dst, size_t n);
void sh_dequant_iq3_xxs(const void *src, float *dst, size_t n);
void sh_dequant_iq3_s(const void *src, float *dst, size_t n);

#endif
