/* lanes_avx512.h - sixteen lanes as one AVX-512 register.
 *
 * The bodies lanes_*.h are written once over these names and built for each instruction set:
 *   vf 16 floats   vi 16 int32   vd 8 doubles   vb 64 bytes: 16 lanes of 4
 * Every operation rounds like its scalar twin. vf_max(a, b) gives b when either is NaN or both are zero. */
#ifndef SH_TENSOR_KERNELS_LANES_AVX512_H
#define SH_TENSOR_KERNELS_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "tensor/kernels/lanes_common.h"

#define SH_LEVEL(name) sh_avx512_##name

/* Tile sizes: 32 registers, one a vector. */
enum {
    DENSE_ROWS = 4,
    DENSE_TOKENS = 4,
    ATTENTION_QUERIES = 4,
    ATTENTION_VECTORS = 4,
    ATTENTION_GROUPS = 4,
    MAX_TILE = 16,
    MAX_K_TILE = 16, /* tokens */
};

typedef __m512 vf;
typedef __m512i vi;
typedef __m512d vd;
typedef __m512i vb;

SH_INLINE __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

SH_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
SH_INLINE vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
SH_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
SH_INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
/* The first n < 16 lanes; the others read as zero and are not written. */
SH_INLINE vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
SH_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
SH_INLINE vf vf_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}
SH_INLINE vf vf_load_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
SH_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
SH_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
SH_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
SH_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
SH_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
/* x < 0 ? 0 : x */
SH_INLINE vf vf_relu(vf x)
{
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, vf_zero(), _CMP_LT_OQ), vf_zero());
}
SH_INLINE float vf_hmax(vf v)
{
    return _mm512_reduce_max_ps(v);
}
/* The fixed tree: l += l+8, l+4, l+2, l+1. */
SH_INLINE float vf_tree(vf v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* Even and odd lanes of 32 neighbours, and back. */
SH_INLINE void vf_split(vf a, vf b, vf *even, vf *odd)
{
    const vi index = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, index, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(index, _mm512_set1_epi32(1)), b);
}
SH_INLINE void vf_join(vf even, vf odd, vf *a, vf *b)
{
    const vi index = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *a = _mm512_permutex2var_ps(even, index, odd);
    *b = _mm512_permutex2var_ps(even, _mm512_add_epi32(index, _mm512_set1_epi32(8)), odd);
}

/* Has *v in a register now: otherwise GCC reorders integer sums so that all products of a super-block are
 * kept. */
SH_INLINE void vi_keep(vi *v)
{
    __asm__("" : "+v"(*v));
}
SH_INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
SH_INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
SH_INLINE vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
SH_INLINE vi vi_load_u16(const void *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
}
SH_INLINE vi vi_load_u8(const void *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(p));
}
SH_INLINE vi vi_load_i8(const void *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(p));
}
SH_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
SH_INLINE vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
SH_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}
SH_INLINE vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}
SH_INLINE vi vi_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}
SH_INLINE vi vi_shl(vi a, int n)
{
    return (vi)((__v16su)a << n);
}
SH_INLINE vi vi_shr(vi a, int n)
{
    return (vi)((__v16su)a >> n);
}
SH_INLINE vi vi_sar(vi a, int n)
{
    return (vi)((__v16si)a >> n);
}
SH_INLINE vi vi_mul_small(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}
SH_INLINE vf vi_to_f(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
SH_INLINE vi vf_round_to_i(vf a)
{
    return _mm512_cvtps_epi32(a);
}
SH_INLINE vi vf_bits(vf a)
{
    return _mm512_castps_si512(a);
}
SH_INLINE vf vi_as_f(vi a)
{
    return _mm512_castsi512_ps(a);
}
SH_INLINE int32_t vi_hmax(vi v)
{
    return _mm512_reduce_max_epi32(v);
}
SH_INLINE int32_t vi_hsum(vi v)
{
    return _mm512_reduce_add_epi32(v);
}
SH_INLINE void vi_store_i8(int8_t *p, vi v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(v));
}
/* a < b ? x : y in each lane */
SH_INLINE vi vi_select_lt(vi a, vi b, vi x, vi y)
{
    return _mm512_mask_mov_epi32(y, _mm512_cmplt_epi32_mask(a, b), x);
}
SH_INLINE vi vi_shl_lanes(vi a, vi n)
{
    return _mm512_sllv_epi32(a, n);
}

SH_INLINE vd vd_set1(double x)
{
    return _mm512_set1_pd(x);
}
SH_INLINE vd vd_add(vd a, vd b)
{
    return _mm512_add_pd(a, b);
}
SH_INLINE vd vd_sub(vd a, vd b)
{
    return _mm512_sub_pd(a, b);
}
SH_INLINE vd vd_mul(vd a, vd b)
{
    return _mm512_mul_pd(a, b);
}
SH_INLINE vd vd_div(vd a, vd b)
{
    return _mm512_div_pd(a, b);
}
SH_INLINE vd vd_min(vd a, vd b)
{
    return _mm512_min_pd(a, b);
} /* b when either is NaN */
SH_INLINE vd vd_max(vd a, vd b)
{
    return _mm512_max_pd(a, b);
}
SH_INLINE vd vd_abs(vd a)
{
    return _mm512_abs_pd(a);
}
SH_INLINE vd vd_copysign(vd size, vd sign)
{
    return _mm512_or_pd(_mm512_andnot_pd(vd_set1(-0.0), size), _mm512_and_pd(vd_set1(-0.0), sign));
}
/* a < b ? x : y */
SH_INLINE vd vd_select_lt(vd a, vd b, vd x, vd y)
{
    return _mm512_mask_mov_pd(y, _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), x);
}
/* The bits of a, plus the low 12 bits of t's as exponent. */
SH_INLINE vd vd_add_exponent(vd a, vd t)
{
    return _mm512_castsi512_pd(
        _mm512_add_epi64(_mm512_castpd_si512(a), _mm512_slli_epi64(_mm512_castpd_si512(t), 52)));
}
SH_INLINE void vf_to_d(vf a, vd *lo, vd *hi)
{
    *lo = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    *hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}
SH_INLINE vf vd_to_f(vd lo, vd hi)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lo)), _mm512_cvtpd_ps(hi), 1);
}

SH_INLINE vb vb_load(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}
SH_INLINE vb vb_and(vb a, uint8_t mask)
{
    return _mm512_and_si512(a, _mm512_set1_epi8((char)mask));
}
SH_INLINE vb vb_or(vb a, vb b)
{
    return _mm512_or_si512(a, b);
}
/* Bytes shifted right by n < 8 and cut to mask, which must clear the bits that enter from the neighbour. */
SH_INLINE vb vb_shr(vb a, int n, uint8_t mask)
{
    return vb_and((vb)((__v32hu)a >> n), mask);
}
SH_INLINE vb vb_shl(vb a, int n)
{
    return (vb)((__v32hu)a << n);
} /* no bit may leave its byte */
/* a with the bits of mask from b, where they stand at bit `from` of each byte instead of `to`; a has them
 * zero. */
SH_INLINE vb vb_insert(vb a, vb b, int from, int to, uint8_t mask)
{
    return vb_or(a, vb_and((vb)(((__v32hu)b >> from) << to), mask));
}
SH_INLINE vb vb_look_up(const int8_t table[16], vb index)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table)),
                               index);
}

/* The integer products. dpbusd multiplies unsigned by signed bytes and never saturates, so signed weights are
 * taken plus 128 and SIGNED_OFFSET times the sum of the activations is subtracted, all exact. */
enum { SIGNED_OFFSET = 128 };
SH_INLINE vb vb_signed(vb w)
{
    return _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80));
}
SH_INLINE vi broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

/* sum over 4 n columns; w_max is the largest unsigned weight (used by instruction sets that could saturate)
 */
SH_INLINE vi dot_unsigned(const vb *w, const int8_t *x, int n, int w_max)
{
    vi acc = vi_zero();
    (void)w_max;
    SH_UNROLL
    for (int k = 0; k < n; k++) acc = _mm512_dpbusd_epi32(acc, w[k], broadcast4(x + 4 * k));
    return acc;
}
SH_INLINE vi dot_signed(const vb *w, const int8_t *x, int n)
{
    return dot_unsigned(w, x, n, 255);
}
/* acc + scale * dot, |scale| < 2^15 */
SH_INLINE vi dot_unsigned_scaled(vi acc, const vb *w, const int8_t *x, int n, int w_max, vi scale)
{
    return vi_add(acc, _mm512_mullo_epi32(dot_unsigned(w, x, n, w_max), scale));
}
SH_INLINE vi dot_signed_scaled(vi acc, const vb *w, const int8_t *x, int n, vi scale)
{
    return dot_unsigned_scaled(acc, w, x, n, 255, scale);
}
/* acc + a0 b0 + a1 b1 for the two int16 of each lane; b is one pair for all lanes */
SH_INLINE vi dot_pairs(vi acc, vi a, const int16_t *b)
{
    return _mm512_dpwssd_epi32(acc, a, broadcast4(b));
}

#endif
