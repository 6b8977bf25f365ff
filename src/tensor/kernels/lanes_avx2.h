/* lanes_avx2.h - sixteen lanes as two AVX2 registers; the names are explained in lanes_avx512.h. */
#ifndef SH_TENSOR_KERNELS_LANES_AVX2_H
#define SH_TENSOR_KERNELS_LANES_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "tensor/kernels/lanes_common.h"

#define SH_LEVEL(name) sh_avx2_##name

/* Tile sizes: 16 registers, two a vector. */
enum {
    DENSE_ROWS = 2,
    DENSE_TOKENS = 2,
    ATTENTION_QUERIES = 4,
    ATTENTION_VECTORS = 1,
    ATTENTION_GROUPS = 1,
    MAX_TILE = 4,
    MAX_K_TILE = 4, /* tokens */
};

typedef struct vf {
    __m256 lo, hi;
} vf;
typedef struct vi {
    __m256i lo, hi;
} vi;
typedef struct vd {
    __m256d lo, hi;
} vd;
typedef vi vb;

/* One operation on both halves. */
#define BOTH(type, op, a) ((type){op((a).lo), op((a).hi)})
#define BOTH2(type, op, a, b) ((type){op((a).lo, (b).lo), op((a).hi, (b).hi)})

SH_INLINE vf vf_zero(void)
{
    return (vf){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
SH_INLINE vf vf_set1(float x)
{
    return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
SH_INLINE vf vf_load(const float *p)
{
    return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
SH_INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v.lo), _mm256_storeu_ps(p + 8, v.hi);
}
SH_INLINE __m256i first_lanes(size_t n, int from)
{
    return _mm256_cmpgt_epi32(
        _mm256_set1_epi32((int)n),
        _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(from)));
}
SH_INLINE vf vf_load_n(const float *p, size_t n)
{
    return (vf){_mm256_maskload_ps(p, first_lanes(n, 0)), _mm256_maskload_ps(p + 8, first_lanes(n, 8))};
}
SH_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n, 0), v.lo);
    _mm256_maskstore_ps(p + 8, first_lanes(n, 8), v.hi);
}
SH_INLINE vf vf_load_f16(const void *p)
{
    const __m128i *h = p;
    return (vf){_mm256_cvtph_ps(_mm_loadu_si128(h)), _mm256_cvtph_ps(_mm_loadu_si128(h + 1))};
}
SH_INLINE vi vi_load_u16(const void *p)
{
    const __m128i *h = p;
    return (vi){_mm256_cvtepu16_epi32(_mm_loadu_si128(h)), _mm256_cvtepu16_epi32(_mm_loadu_si128(h + 1))};
}
SH_INLINE vf vf_load_bf16(const void *p)
{
    vi v = vi_load_u16(p);
    return (vf){_mm256_castsi256_ps(_mm256_slli_epi32(v.lo, 16)),
                _mm256_castsi256_ps(_mm256_slli_epi32(v.hi, 16))};
}
SH_INLINE vf vf_add(vf a, vf b)
{
    return BOTH2(vf, _mm256_add_ps, a, b);
}
SH_INLINE vf vf_sub(vf a, vf b)
{
    return BOTH2(vf, _mm256_sub_ps, a, b);
}
SH_INLINE vf vf_mul(vf a, vf b)
{
    return BOTH2(vf, _mm256_mul_ps, a, b);
}
SH_INLINE vf vf_div(vf a, vf b)
{
    return BOTH2(vf, _mm256_div_ps, a, b);
}
SH_INLINE vf vf_max(vf a, vf b)
{
    return BOTH2(vf, _mm256_max_ps, a, b);
}
SH_INLINE __m256 half_relu(__m256 x)
{
    return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ), x);
}
SH_INLINE vf vf_relu(vf x)
{
    return BOTH(vf, half_relu, x);
}
SH_INLINE float vf_hmax(vf v)
{
    __m256 a = _mm256_max_ps(v.lo, v.hi);
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
SH_INLINE float vf_tree(vf v)
{
    __m256 a = _mm256_add_ps(v.lo, v.hi);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
SH_INLINE __m256 in_order(__m256 shuffled)
{
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(shuffled), 0xd8));
}
SH_INLINE void vf_split(vf a, vf b, vf *even, vf *odd)
{
    *even =
        (vf){in_order(_mm256_shuffle_ps(a.lo, a.hi, 0x88)), in_order(_mm256_shuffle_ps(b.lo, b.hi, 0x88))};
    *odd = (vf){in_order(_mm256_shuffle_ps(a.lo, a.hi, 0xdd)), in_order(_mm256_shuffle_ps(b.lo, b.hi, 0xdd))};
}
SH_INLINE vf half_join(__m256 even, __m256 odd)
{
    __m256 lo = _mm256_unpacklo_ps(even, odd), hi = _mm256_unpackhi_ps(even, odd);
    return (vf){_mm256_permute2f128_ps(lo, hi, 0x20), _mm256_permute2f128_ps(lo, hi, 0x31)};
}
SH_INLINE void vf_join(vf even, vf odd, vf *a, vf *b)
{
    *a = half_join(even.lo, odd.lo);
    *b = half_join(even.hi, odd.hi);
}

SH_INLINE void vi_keep(vi *v)
{
    __asm__("" : "+x"(v->lo), "+x"(v->hi));
}
SH_INLINE vi vi_zero(void)
{
    return (vi){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
SH_INLINE vi vi_set1(int32_t x)
{
    return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
SH_INLINE vi vi_load(const void *p)
{
    const __m256i *h = p;
    return (vi){_mm256_loadu_si256(h), _mm256_loadu_si256(h + 1)};
}
SH_INLINE vi vi_load_u8(const void *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    return (vi){_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(v, v))};
}
SH_INLINE vi vi_load_i8(const void *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    return (vi){_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(v, v))};
}
SH_INLINE vi vi_add(vi a, vi b)
{
    return BOTH2(vi, _mm256_add_epi32, a, b);
}
SH_INLINE vi vi_sub(vi a, vi b)
{
    return BOTH2(vi, _mm256_sub_epi32, a, b);
}
SH_INLINE vi vi_and(vi a, vi b)
{
    return BOTH2(vi, _mm256_and_si256, a, b);
}
SH_INLINE vi vi_or(vi a, vi b)
{
    return BOTH2(vi, _mm256_or_si256, a, b);
}
SH_INLINE vi vi_max(vi a, vi b)
{
    return BOTH2(vi, _mm256_max_epi32, a, b);
}
SH_INLINE vi vi_shl(vi a, int n)
{
    return (vi){(__m256i)((__v8su)a.lo << n), (__m256i)((__v8su)a.hi << n)};
}
SH_INLINE vi vi_shr(vi a, int n)
{
    return (vi){(__m256i)((__v8su)a.lo >> n), (__m256i)((__v8su)a.hi >> n)};
}
SH_INLINE vi vi_sar(vi a, int n)
{
    return (vi){(__m256i)((__v8si)a.lo >> n), (__m256i)((__v8si)a.hi >> n)};
}
SH_INLINE vi vi_mul_small(vi a, vi b)
{
    return BOTH2(vi, _mm256_mullo_epi32, a, b);
}
SH_INLINE vf vi_to_f(vi a)
{
    return BOTH(vf, _mm256_cvtepi32_ps, a);
}
SH_INLINE vi vf_round_to_i(vf a)
{
    return BOTH(vi, _mm256_cvtps_epi32, a);
}
SH_INLINE vi vf_bits(vf a)
{
    return BOTH(vi, _mm256_castps_si256, a);
}
SH_INLINE vf vi_as_f(vi a)
{
    return BOTH(vf, _mm256_castsi256_ps, a);
}
SH_INLINE int32_t vi_hmax(vi v)
{
    __m256i a = _mm256_max_epi32(v.lo, v.hi);
    __m128i b = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_max_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}
SH_INLINE int32_t vi_hsum(vi v)
{
    __m256i a = _mm256_add_epi32(v.lo, v.hi);
    __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}
SH_INLINE void vi_store_i8(int8_t *p, vi v)
{
    __m256i h = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.lo, v.hi), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packs_epi16(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
}
SH_INLINE __m256i half_select_lt(__m256i a, __m256i b, __m256i x, __m256i y)
{
    return _mm256_blendv_epi8(y, x, _mm256_cmpgt_epi32(b, a));
}
SH_INLINE vi vi_select_lt(vi a, vi b, vi x, vi y)
{
    return (vi){half_select_lt(a.lo, b.lo, x.lo, y.lo), half_select_lt(a.hi, b.hi, x.hi, y.hi)};
}
SH_INLINE vi vi_shl_lanes(vi a, vi n)
{
    return BOTH2(vi, _mm256_sllv_epi32, a, n);
}

SH_INLINE vd vd_set1(double x)
{
    return (vd){_mm256_set1_pd(x), _mm256_set1_pd(x)};
}
SH_INLINE vd vd_add(vd a, vd b)
{
    return BOTH2(vd, _mm256_add_pd, a, b);
}
SH_INLINE vd vd_sub(vd a, vd b)
{
    return BOTH2(vd, _mm256_sub_pd, a, b);
}
SH_INLINE vd vd_mul(vd a, vd b)
{
    return BOTH2(vd, _mm256_mul_pd, a, b);
}
SH_INLINE vd vd_div(vd a, vd b)
{
    return BOTH2(vd, _mm256_div_pd, a, b);
}
SH_INLINE vd vd_min(vd a, vd b)
{
    return BOTH2(vd, _mm256_min_pd, a, b);
}
SH_INLINE vd vd_max(vd a, vd b)
{
    return BOTH2(vd, _mm256_max_pd, a, b);
}
SH_INLINE vd vd_abs(vd a)
{
    vd sign = vd_set1(-0.0);
    return BOTH2(vd, _mm256_andnot_pd, sign, a);
}
SH_INLINE vd vd_copysign(vd size, vd sign)
{
    vd bit = vd_set1(-0.0), s = BOTH2(vd, _mm256_and_pd, bit, sign), a = vd_abs(size);
    return BOTH2(vd, _mm256_or_pd, a, s);
}
SH_INLINE __m256d half_select_lt_d(__m256d a, __m256d b, __m256d x, __m256d y)
{
    return _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
}
SH_INLINE vd vd_select_lt(vd a, vd b, vd x, vd y)
{
    return (vd){half_select_lt_d(a.lo, b.lo, x.lo, y.lo), half_select_lt_d(a.hi, b.hi, x.hi, y.hi)};
}
SH_INLINE __m256d half_add_exponent(__m256d a, __m256d t)
{
    return _mm256_castsi256_pd(
        _mm256_add_epi64(_mm256_castpd_si256(a), _mm256_slli_epi64(_mm256_castpd_si256(t), 52)));
}
SH_INLINE vd vd_add_exponent(vd a, vd t)
{
    return BOTH2(vd, half_add_exponent, a, t);
}
SH_INLINE vd half_to_d(__m256 a)
{
    return (vd){_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}
SH_INLINE void vf_to_d(vf a, vd *lo, vd *hi)
{
    *lo = half_to_d(a.lo), *hi = half_to_d(a.hi);
}
SH_INLINE __m256 half_to_f(vd a)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(a.lo)), _mm256_cvtpd_ps(a.hi), 1);
}
SH_INLINE vf vd_to_f(vd lo, vd hi)
{
    return (vf){half_to_f(lo), half_to_f(hi)};
}

SH_INLINE vb vb_load(const uint8_t *p)
{
    return vi_load(p);
}
SH_INLINE vb vb_and(vb a, uint8_t mask)
{
    __m256i m = _mm256_set1_epi8((char)mask);
    return (vb){_mm256_and_si256(a.lo, m), _mm256_and_si256(a.hi, m)};
}
SH_INLINE vb vb_or(vb a, vb b)
{
    return vi_or(a, b);
}
SH_INLINE vb vb_shr(vb a, int n, uint8_t mask)
{
    return vb_and((vb){(__m256i)((__v16hu)a.lo >> n), (__m256i)((__v16hu)a.hi >> n)}, mask);
}
SH_INLINE vb vb_shl(vb a, int n)
{
    return (vb){(__m256i)((__v16hu)a.lo << n), (__m256i)((__v16hu)a.hi << n)};
}
/* a with the bits of mask from b, where they stand at bit `from` of each byte instead of `to`; a has them
 * zero. */
SH_INLINE vb vb_insert(vb a, vb b, int from, int to, uint8_t mask)
{
    return vb_or(
        a, vb_and((vb){(__m256i)(((__v16hu)b.lo >> from) << to), (__m256i)(((__v16hu)b.hi >> from) << to)},
                  mask));
}
SH_INLINE vb vb_look_up(const int8_t table[16], vb index)
{
    __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
    return (vb){_mm256_shuffle_epi8(t, index.lo), _mm256_shuffle_epi8(t, index.hi)};
}

/* The integer products. maddubs adds two unsigned * signed products in 16 bits and would saturate at 32767.
 * Activations are -127..127, so: unsigned weights up to w_max: STEPS16 = 32767 / (2 * 127 * w_max) results
 * may be added in 16 bits before they are widened: 8 for 4-bit codes (30480), 4 for 5-bit (31496), 2 for
 * 6-bit (32004); signed weights, |w| <= 128: |w| times x with w's sign; one result is at most 2 * 128 * 127 =
 * 32512. */
enum { SIGNED_OFFSET = 0 };
SH_INLINE vb vb_signed(vb w)
{
    return w;
}
SH_INLINE __m256i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
}

/* acc + factor * dot; factor holds the same int16 twice in each lane, so the widening madd multiplies for
 * free. */
SH_INLINE vi dot_unsigned_pairs(vi acc, const vb *w, const int8_t *x, int n, int w_max, vi factor)
{
    const int steps = 32767 / (2 * 127 * w_max);
    __m256i lo = _mm256_setzero_si256(), hi = lo;
    SH_UNROLL
    for (int k = 0; k < n; k++) {
        __m256i b = broadcast4(x + 4 * k);
        lo = _mm256_add_epi16(lo, _mm256_maddubs_epi16(w[k].lo, b));
        hi = _mm256_add_epi16(hi, _mm256_maddubs_epi16(w[k].hi, b));
        if ((k + 1) % steps && k + 1 < n) continue;
        acc.lo = _mm256_add_epi32(acc.lo, _mm256_madd_epi16(lo, factor.lo));
        acc.hi = _mm256_add_epi32(acc.hi, _mm256_madd_epi16(hi, factor.hi));
        lo = hi = _mm256_setzero_si256();
    }
    return acc;
}
SH_INLINE vi dot_signed_pairs(vi acc, const vb *w, const int8_t *x, int n, vi factor)
{
    SH_UNROLL
    for (int k = 0; k < n; k++) {
        __m256i b = broadcast4(x + 4 * k);
        __m256i lo = _mm256_maddubs_epi16(_mm256_abs_epi8(w[k].lo), _mm256_sign_epi8(b, w[k].lo));
        __m256i hi = _mm256_maddubs_epi16(_mm256_abs_epi8(w[k].hi), _mm256_sign_epi8(b, w[k].hi));
        acc.lo = _mm256_add_epi32(acc.lo, _mm256_madd_epi16(lo, factor.lo));
        acc.hi = _mm256_add_epi32(acc.hi, _mm256_madd_epi16(hi, factor.hi));
    }
    return acc;
}
SH_INLINE vi twice_16(vi scale)
{
    return vi_or(vi_and(scale, vi_set1(0xffff)), vi_shl(scale, 16));
}
SH_INLINE vi dot_unsigned(const vb *w, const int8_t *x, int n, int w_max)
{
    return dot_unsigned_pairs(vi_zero(), w, x, n, w_max, vi_set1(0x10001));
}
SH_INLINE vi dot_signed(const vb *w, const int8_t *x, int n)
{
    return dot_signed_pairs(vi_zero(), w, x, n, vi_set1(0x10001));
}
SH_INLINE vi dot_unsigned_scaled(vi acc, const vb *w, const int8_t *x, int n, int w_max, vi scale)
{
    return dot_unsigned_pairs(acc, w, x, n, w_max, twice_16(scale));
}
SH_INLINE vi dot_signed_scaled(vi acc, const vb *w, const int8_t *x, int n, vi scale)
{
    return dot_signed_pairs(acc, w, x, n, twice_16(scale));
}
SH_INLINE vi dot_pairs(vi acc, vi a, const int16_t *b)
{
    __m256i v = broadcast4(b);
    return (vi){_mm256_add_epi32(acc.lo, _mm256_madd_epi16(a.lo, v)),
                _mm256_add_epi32(acc.hi, _mm256_madd_epi16(a.hi, v))};
}

#endif
