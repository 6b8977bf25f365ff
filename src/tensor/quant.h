/* quant.h - float rows to blocks and back. Block layouts and the search: docs/quantisation.md.
 *
 * Round-to-nearest types (Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 TQ1_0 TQ2_0 MXFP4) give exactly the bytes ggml gives;
 * K-quants and IQ4 search, and are held to its quality. The bytes depend neither on the machine nor on the
 * number of threads. A block type refuses NaN, infinity and values whose scale exceeds f16 (SH_E_RANGE,
 * naming row and columns): no block with an infinite scale ever leaves this module. F32, F16 and BF16 are
 * plain conversions to nearest even: NaN stays NaN, and what is beyond F16 becomes its infinity. */
#ifndef SH_TENSOR_QUANT_H
#define SH_TENSOR_QUANT_H

#include "os/pool.h"
#include "tensor/dtype.h"

bool sh_quant_can_write(enum sh_dtype t);
/* Quantise n_rows rows of n_cols floats (n_cols a multiple of the block) to dst (n_rows * row bytes).
 *   importance  [n_cols] finite, non-negative weights of the columns, or NULL. Types without a search ignore
 * them (F32 F16 BF16 Q8_0 TQ1_0 TQ2_0 MXFP4); Q4_0 to Q5_1 search when they are given pool        rows are
 * shared among its threads; NULL: this thread returns     SH_OK | SH_E_RANGE (bad row length; a value or
 * scale that the type cannot hold: the first such row is named, and dst is then partly written) |
 * SH_E_UNSUPPORTED (not a type that is written) | SH_E_INVALID (no such type; bad importance) No heap use;
 * less than 16 kB of stack. */
int sh_quantize(enum sh_dtype t, const float *src, void *dst, size_t n_rows, size_t n_cols,
                const float *importance, sh_pool *pool, sh_err *err);
/* The same for one row, on this thread. */
int sh_quantize_row(enum sh_dtype t, const float *src, void *dst, size_t n_cols, const float *importance,
                    sh_err *err);
void sh_dequantize_row(enum sh_dtype t, const void *src, float *dst, size_t n_cols);

#endif
