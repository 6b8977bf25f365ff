/* ref_codes.h - a block of weights as integers: w = d * scale * q - dmin * min (K types), d * q + m (blocks of 32). */
#ifndef SH_TENSOR_KERNELS_REF_CODES_H
#define SH_TENSOR_KERNELS_REF_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/dtype.h"

typedef struct sh_ref_block32 {
    float d, m;
    bool has_min;
    int8_t q[32];
} sh_ref_block32;

typedef struct sh_ref_block256 {
    float d, dmin;
    bool has_min;
    int8_t q[256];
    int scale[16], min[16]; /* of each 16 elements; a sub-block of 32 fills two entries */
} sh_ref_block256;

/* t: Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4. p: one block of that type. */
void sh_ref_unpack32(enum sh_dtype t, const uint8_t *p, sh_ref_block32 *out);
/* t: Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_XS. */
void sh_ref_unpack256(enum sh_dtype t, const uint8_t *p, sh_ref_block256 *out);

#endif
