/* dequant_plain.c - types with one stored number an element. */
#include "tensor/dequant.h"

#include "base/endian.h"
#include "base/half.h"

void sh_dequant_f32(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = sh_get_f32(p + 4 * i);
}

void sh_dequant_f16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = sh_f16_to_f32(sh_get_u16(p + 2 * i));
}

void sh_dequant_bf16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = sh_bf16_to_f32(sh_get_u16(p + 2 * i));
}

/* A double beyond float's range rounds to infinity, as IEEE 754 says (Annex F makes the conversion defined).
 */
void sh_dequant_f64(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = (float)sh_get_f64(p + 8 * i);
}

void sh_dequant_i8(const void *src, float *dst, size_t n)
{
    const int8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = (float)p[i];
}

void sh_dequant_i16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = (float)(int16_t)sh_get_u16(p + 2 * i);
}

void sh_dequant_i32(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = (float)(int32_t)sh_get_u32(p + 4 * i);
}

void sh_dequant_i64(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = (float)(int64_t)sh_get_u64(p + 8 * i);
}
