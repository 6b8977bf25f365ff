/* half.h - IEEE binary16 and bfloat16 <-> float in portable integer code, round to nearest even, NaN kept quiet.
 * Equal bit for bit to the F16C and AVX-512 instructions, so a kernel may use either. */
#ifndef SH_BASE_HALF_H
#define SH_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float sh_f32_from_bits(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t sh_f32_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

static inline float sh_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = (h >> 10) & 31u, man = h & 0x3ffu;
    if (exp == 31) return sh_f32_from_bits(sign | 0x7f800000u | man << 13 | (man ? 0x400000u : 0));
    if (exp) return sh_f32_from_bits(sign | (exp + 112) << 23 | man << 13);
    /* zero and subnormals: man * 2^-24 is exact in float */
    float v = (float)man * 0x1p-24f;
    return sh_f32_from_bits(sh_f32_bits(v) | sign);
}

static inline uint16_t sh_f32_to_f16(float f)
{
    uint32_t u = sh_f32_bits(f), sign = u >> 16 & 0x8000u, abs = u & 0x7fffffffu;
    if (abs > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (abs >> 13 & 0x3ffu));
    if (abs >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);            /* rounds to infinity */
    if (abs < 0x33000001u) return (uint16_t)sign;                          /* at most half the smallest subnormal */
    if (abs < 0x38800000u) {                                               /* subnormal result */
        uint32_t shift = 126 - (abs >> 23), man = (abs & 0x7fffffu) | 0x800000u;
        uint32_t q = man >> shift, rest = man & ((1u << shift) - 1), halfway = 1u << (shift - 1);
        q += rest > halfway || (rest == halfway && (q & 1));
        return (uint16_t)(sign | q);
    }
    abs += 0xfffu + (abs >> 13 & 1);                                        /* to nearest even */
    return (uint16_t)(sign | ((abs - 0x38000000u) >> 13));
}

static inline float sh_bf16_to_f32(uint16_t h) { return sh_f32_from_bits((uint32_t)h << 16); }

static inline uint16_t sh_f32_to_bf16(float f)
{
    uint32_t u = sh_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

#endif
