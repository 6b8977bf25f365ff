/* quant_codes.h - small facts of the block formats that readers and writers share. */
#ifndef SH_TENSOR_QUANT_CODES_H
#define SH_TENSOR_QUANT_CODES_H

#include <stdint.h>

#include "base/endian.h"
#include "base/half.h"

/* The 16 levels of IQ4_NL and IQ4_XS. */
static const int8_t sh_iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
/* E2M1 times two, so that every level is an integer; code 8 (minus zero) reads as plus zero. */
static const int8_t sh_fp4_levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static inline float sh_get_f16(const void *p)
{
    return sh_f16_to_f32(sh_get_u16(p));
}

/* 2^(e-128): the scale of MXFP4, halved because sh_fp4_levels is doubled; e of 0 and 1 give subnormal floats.
 */
static inline float sh_e8m0_half(uint8_t e)
{
    return sh_f32_from_bits(e < 2 ? UINT32_C(0x00200000) << e : (uint32_t)(e - 1) << 23);
}

/* The 6-bit scale and minimum of sub-block g of Q4_K and Q5_K, out of their 12 packed bytes. */
static inline void sh_get_scale_min_k4(const uint8_t *p, unsigned g, uint8_t *scale, uint8_t *min)
{
    if (g < 4) {
        *scale = p[g] & 63;
        *min = p[g + 4] & 63;
    } else {
        *scale = (uint8_t)((p[g + 4] & 15) | (p[g - 4] >> 6) << 4);
        *min = (uint8_t)(p[g + 4] >> 4 | (p[g] >> 6) << 4);
    }
}

#endif
