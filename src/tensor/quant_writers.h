/* quant_writers.h - one row to blocks, by type; quant_rows.c checks the input and names the failures. */
#ifndef SH_TENSOR_QUANT_WRITERS_H
#define SH_TENSOR_QUANT_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/half.h"
#include "tensor/quant_fit.h"

enum { SH_QUANT_ROW_OK = -1 };

/* x[n] is finite (whole blocks); importance [n] is finite and not negative, or NULL. Returns SH_QUANT_ROW_OK,
 * or the index of the first element of a block whose scale or minimum does not fit in f16 (dst is then partly
 * written). */
typedef ptrdiff_t sh_quant_row_fn(const float *x, uint8_t *dst, size_t n, const float *importance,
                                  const sh_quant_fit *fit);

/* quant_plain.c: conversions and round to nearest. The three float types take NaN and infinity too. */
sh_quant_row_fn sh_quant_row_f32, sh_quant_row_f16, sh_quant_row_bf16;
sh_quant_row_fn sh_quant_row_q8_0, sh_quant_row_tq1_0, sh_quant_row_tq2_0, sh_quant_row_mxfp4;
/* quant_legacy.c: round to nearest without importance, a search with it; IQ4_NL always searches */
sh_quant_row_fn sh_quant_row_q4_0, sh_quant_row_q4_1, sh_quant_row_q5_0, sh_quant_row_q5_1,
    sh_quant_row_iq4_nl;
/* quant_kquant.c */
sh_quant_row_fn sh_quant_row_q2_k, sh_quant_row_q3_k, sh_quant_row_q4_k, sh_quant_row_q5_k, sh_quant_row_q6_k;
sh_quant_row_fn sh_quant_row_iq4_xs;

/* The f16 code of v; false when that is an infinity (or v a NaN). */
static inline bool sh_quant_f16(float v, uint16_t *code)
{
    *code = sh_f32_to_f16(v);
    return (*code & 0x7c00u) != 0x7c00u;
}

/* quant_rows.c: sh_quantize_row with a chosen table of searches, for the tests that compare them. */
int sh_quantize_row_with(const sh_quant_fit *fit, uint32_t type, const float *src, void *dst, size_t n_cols,
                         const float *importance, sh_err *err);

#endif
