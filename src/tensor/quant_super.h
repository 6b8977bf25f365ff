/* quant_super.h - the scales and codes of super-blocks: the part that all K-quants and IQ4_XS share. */
#ifndef SH_TENSOR_QUANT_SUPER_H
#define SH_TENSOR_QUANT_SUPER_H

#include "tensor/quant_lanes.h"

enum { SH_QUANT_SUPER = 256 };

typedef struct sh_quant_super_type {
    int n_sub;                       /* sub-blocks: 8 or 16 */
    bool has_min;                    /* value = d scale q - dmin min; else d scale q */
    bool has_levels;                 /* q is a level of IQ4; else a linear code */
    int lo, hi;                      /* linear codes as fitted; stored codes have lo subtracted */
    int scale_lo, scale_hi;          /* codes of the scales */
    sh_quant_trials plain, weighted; /* trial scales of a sub-block without and with importance */
} sh_quant_super_type;

typedef struct sh_quant_super {
    bool fits;        /* false: the scales exceed f16, the rest is not set */
    uint16_t d, dmin; /* f16 */
    int8_t scale[16], min[16];
    uint8_t codes[SH_QUANT_SUPER]; /* in the order of the elements, 0 .. hi - lo or the index of a level */
} sh_quant_super;

/* The next one or two super-blocks of a row (n_left elements are left): returns how many were fitted. x is
 * finite. */
int sh_quant_super_fit(const sh_quant_super_type *t, const sh_quant_fit *fit, const float *x, size_t n_left,
                       const float *importance, sh_quant_super out[2]);

#endif
