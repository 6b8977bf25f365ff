/* quant.h - float rows to blocks and back. Block layouts: docs/quantisation.md.
 *
 * Round-to-nearest types (Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 F16 BF16 ...) give exactly the bytes ggml gives; K-quants and IQ4 use the
 * published search and are held to its quality. A value that cannot be represented (NaN, infinity, a scale beyond f16)
 * is SH_E_RANGE and nothing is written: no block with an infinite scale ever leaves this module. */
#ifndef SH_TENSOR_QUANT_H
#define SH_TENSOR_QUANT_H

#include "os/pool.h"
#include "tensor/dtype.h"

bool sh_quant_can_write(enum sh_dtype t);
/* Quantise n_rows rows of n_cols floats (n_cols a multiple of the block) to dst (n_rows * row bytes).
 *   importance  [n_cols] non-negative weights of the columns, or NULL
 *   pool        rows are shared among its threads; the bytes do not depend on their number */
int sh_quantize(enum sh_dtype t, const float *src, void *dst, size_t n_rows, size_t n_cols, const float *importance,
                sh_pool *pool, sh_err *err);
/* The same for one row, on this thread. */
int sh_quantize_row(enum sh_dtype t, const float *src, void *dst, size_t n_cols, const float *importance, sh_err *err);
void sh_dequantize_row(enum sh_dtype t, const void *src, float *dst, size_t n_cols);

#endif
