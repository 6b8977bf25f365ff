/* quant_lanes.h - loading sub-blocks into lanes for the searches of quant_fit.h. */
#ifndef SH_TENSOR_QUANT_LANES_H
#define SH_TENSOR_QUANT_LANES_H

#include "tensor/quant_writers.h"

/* One scaled block (a super-block, or a whole block of the simple types): stored value = x * up, up a power
 * of two such that the largest magnitude is in [1, 2); down = 1 / up. An all-zero block has up = 1. */
typedef struct sh_quant_norm {
    float up, down;
    float mean_square; /* of the scaled values */
} sh_quant_norm;

/* False when a magnitude exceeds 2^40, beyond what any block with f16 scales can hold. */
bool sh_quant_norm_of(sh_quant_norm *out, const float *x, int n);

/* Lanes first .. first + n_sub - 1 get the sub-blocks of x (n_sub * in->n values), scaled by norm. */
void sh_quant_load(sh_quant_lanes *in, int first, int n_sub, const float *x, const sh_quant_norm *norm);
/* Their weights: 1 without importance (the plain error is what counts); else importance (of the same
 * elements) raised by a small share of its mean, times sqrt(1.5 energy + x^2), energy being the mean square
 * around, in scaled units. A lane whose weights all vanish is weighted evenly. */
void sh_quant_weigh(sh_quant_lanes *in, int first, int n_sub, const float *importance, float energy);
/* Lanes first .. 15 become zeros with weight one. */
void sh_quant_blank(sh_quant_lanes *in, int first);

#endif
