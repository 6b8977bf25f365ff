/* lanes_kquant.h - products with packed super-blocks of 256 columns and activations SH_ACT_Q8K; lane r is row
 * r of a group of 16. A super-block is taken in 8 chunks of 32 columns. Included once by each kquant_<set>.c.
 *
 * The integer sum of a super-block stays far inside 32 bits. Largest: Q6_K, unsigned codes to 63 and scales
 * to 128: 256 * 63 * 127 * 128 = 262 million; IQ4_XS plus 128: 256 * 255 * 127 * 32 = 265 million; the
 * offsets subtracted from them are smaller still. */
#ifndef SH_TENSOR_KERNELS_LANES_KQUANT_H
#define SH_TENSOR_KERNELS_LANES_KQUANT_H

#include "tensor/kernels/lanes_range.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"
#include "tensor/pack.h"
#include "tensor/quant_codes.h"

typedef struct super {
    vf d, dmin;
    vi scales[4]; /* quad i: the bytes of a lane are scales 4i .. 4i+3 of its row */
    vi mins[4];
} super;

typedef struct chunk {
    vb w[8];      /* register k: columns 4k .. 4k+3 */
    vi low, high; /* scales of columns 0..15 and 16..31 */
} chunk;

SH_INLINE bool k_has_min(enum sh_dtype t)
{
    return t == SH_Q2_K || t == SH_Q4_K || t == SH_Q5_K;
}
SH_INLINE bool k_is_signed(enum sh_dtype t)
{
    return t == SH_IQ4_XS;
}
SH_INLINE bool k_by_32(enum sh_dtype t)
{
    return t == SH_Q4_K || t == SH_Q5_K || t == SH_IQ4_XS;
}
SH_INLINE int k_largest_code(enum sh_dtype t)
{
    return t == SH_Q2_K ? 3 : t == SH_Q3_K ? 7 : t == SH_Q4_K ? 15 : t == SH_Q5_K ? 31 : 63;
}
/* log2 of the codes' offset, -1 for none */
SH_INLINE int k_offset_shift(enum sh_dtype t)
{
    return t == SH_Q3_K ? 2 : t == SH_Q6_K ? 5 : t == SH_IQ4_XS && SIGNED_OFFSET == 128 ? 7 : -1;
}

/* The 6-bit scales and minima of Q4_K and Q5_K, 4 in a lane at once. */
SH_INLINE void unpack_scales_k4(const uint8_t *p, super *s)
{
    vi a = vi_load(p), b = vi_load(p + 64), c = vi_load(p + 128);
    vi six = vi_set1(0x3f3f3f3f), four = vi_set1(0x0f0f0f0f), two = vi_set1(0x03030303);
    s->scales[0] = vi_and(a, six);
    s->mins[0] = vi_and(b, six);
    s->scales[1] = vi_or(vi_and(c, four), vi_shl(vi_and(vi_shr(a, 6), two), 4));
    s->mins[1] = vi_or(vi_and(vi_shr(c, 4), four), vi_shl(vi_and(vi_shr(b, 6), two), 4));
}

SH_INLINE void unpack_scales_q3(const uint8_t *p, super *s)
{
    vi a = vi_load(p), b = vi_load(p + 64), c = vi_load(p + 128);
    vi four = vi_set1(0x0f0f0f0f), two = vi_set1(0x03030303);
    vi lows[4] = {vi_and(a, four), vi_and(b, four), vi_and(vi_shr(a, 4), four), vi_and(vi_shr(b, 4), four)};
    SH_UNROLL
    for (int i = 0; i < 4; i++) s->scales[i] = vi_or(lows[i], vi_shl(vi_and(vi_shr(c, 2 * i), two), 4));
}

SH_INLINE void unpack_super(enum sh_dtype t, const uint8_t *p, super *s)
{
    s->d = vf_load_f16(p);
    s->dmin = k_has_min(t) ? vf_load_f16(p + 32) : vf_zero();
    if (t == SH_Q4_K || t == SH_Q5_K) unpack_scales_k4(p + 64, s);
    if (t == SH_Q3_K) unpack_scales_q3(p + 64, s);
    if (t == SH_Q2_K || t == SH_Q6_K) {
        SH_UNROLL
        for (int i = 0; i < 4; i++) {
            vi v = vi_load(p + 64 + 64 * i);
            s->scales[i] = t == SH_Q6_K ? v : vi_and(v, vi_set1(0x0f0f0f0f));
            if (t == SH_Q2_K) s->mins[i] = vi_and(vi_shr(v, 4), vi_set1(0x0f0f0f0f));
        }
    }
    if (t == SH_IQ4_XS) s->scales[0] = vi_load(p + 64), s->scales[1] = vi_load_u16(p + 32);
}

/* Byte i of each lane. */
SH_INLINE vi byte_of(vi quad, int i)
{
    return vi_and(vi_shr(quad, 8 * i), vi_set1(255));
}
SH_INLINE vi pair_of(vi low, vi high)
{
    return vi_or(vi_and(low, vi_set1(0xffff)), vi_shl(high, 16));
}

/* pair: int16 pairs to be multiplied with the sums of 16 activations: minima, or minus the codes' offset
 * times the scale */
SH_INLINE void unpack_chunk_scales(enum sh_dtype t, const super *s, int c, chunk *out, vi *pair)
{
    vi low, high;
    if (t == SH_IQ4_XS) {
        low = vi_or(vi_and(vi_shr(s->scales[0], 4 * c), vi_set1(15)),
                    vi_shl(vi_and(vi_shr(s->scales[1], 2 * c), vi_set1(3)), 4));
        low = high = vi_sub(low, vi_set1(32));
    } else if (k_by_32(t)) {
        low = high = byte_of(s->scales[c / 4], c % 4);
    } else if (t == SH_Q6_K) {
        vi quad = s->scales[c / 2];
        low = vi_sar(vi_shl(quad, 24 - 16 * (c % 2)), 24), high = vi_sar(vi_shl(quad, 16 - 16 * (c % 2)), 24);
    } else {
        vi quad = s->scales[c / 2];
        low = byte_of(quad, 2 * (c % 2)), high = byte_of(quad, 2 * (c % 2) + 1);
        if (t == SH_Q3_K) low = vi_sub(low, vi_set1(32)), high = vi_sub(high, vi_set1(32));
    }
    out->low = low, out->high = high;
    if (k_offset_shift(t) >= 0) {
        vi zero = vi_zero();
        *pair = pair_of(vi_shl(vi_sub(zero, low), k_offset_shift(t)),
                        vi_shl(vi_sub(zero, high), k_offset_shift(t)));
    } else if (t == SH_Q2_K) {
        vi quad = s->mins[c / 2];
        *pair = pair_of(byte_of(quad, 2 * (c % 2)), byte_of(quad, 2 * (c % 2) + 1));
    } else if (k_has_min(t)) {
        vi min = byte_of(s->mins[c / 4], c % 4);
        *pair = pair_of(min, min);
    }
}

SH_INLINE void unpack_chunk_codes(enum sh_dtype t, const uint8_t *p, int c, vb *w)
{
    SH_UNROLL
    for (int k = 0; k < 8; k++) {
        switch ((int)t) {
        case SH_Q4_K:
            w[k] = vb_shr(vb_load(p + 256 + 64 * (8 * (c / 2) + k)), 4 * (c % 2), 15);
            break;
        case SH_Q5_K:
            w[k] = vb_shr(vb_load(p + 768 + 64 * (8 * (c / 2) + k)), 4 * (c % 2), 15);
            w[k] = vb_insert(w[k], vb_load(p + 256 + 64 * k), c, 4, 0x10);
            break;
        case SH_Q6_K:
            w[k] = vb_shr(vb_load(p + 1344 + 64 * (16 * (c / 4) + 8 * (c & 1) + k)), 4 * (c >> 1 & 1), 15);
            w[k] = vb_insert(w[k], vb_load(p + 320 + 64 * (8 * (c / 4) + k)), 2 * (c % 4), 4, 0x30);
            break;
        case SH_Q2_K:
            w[k] = vb_shr(vb_load(p + 320 + 64 * (8 * (c / 4) + k)), 2 * (c % 4), 3);
            break;
        case SH_Q3_K:
            w[k] = vb_shr(vb_load(p + 768 + 64 * (8 * (c / 4) + k)), 2 * (c % 4), 3);
            w[k] = vb_insert(w[k], vb_load(p + 256 + 64 * k), c, 2, 4);
            break;
        case SH_IQ4_XS: {
            vb v = vb_load(p + 128 + 64 * (4 * c + k % 4));
            w[k] = vb_signed(vb_look_up(sh_iq4_levels, k < 4 ? vb_and(v, 15) : vb_shr(v, 4, 15)));
            break;
        }
        }
    }
}

SH_INLINE vi chunk_dot(enum sh_dtype t, vi acc, const chunk *c, const int8_t *x)
{
    if (k_is_signed(t)) return dot_signed_scaled(acc, c->w, x, 8, c->low);
    if (k_by_32(t)) return dot_unsigned_scaled(acc, c->w, x, 8, k_largest_code(t), c->low);
    acc = dot_unsigned_scaled(acc, c->w, x, 4, k_largest_code(t), c->low);
    return dot_unsigned_scaled(acc, c->w + 4, x + 16, 4, k_largest_code(t), c->high);
}

/* Sum over the 16 sums of 16 activations of a super-block. */
SH_INLINE vi sums_dot(const vi *pairs, const int16_t *sums)
{
    vi acc = vi_zero();
    SH_UNROLL
    for (int c = 0; c < 8; c++) acc = dot_pairs(acc, pairs[c], sums + 2 * c);
    return acc;
}

/* Chunk c of the super-block at p times nt tokens, whose codes are at x, step bytes apart. */
SH_INLINE void add_chunk(enum sh_dtype t, const uint8_t *p, const super *s, int c, const int8_t *x,
                         size_t step, int nt, vi *sum, vi *pair)
{
    chunk ch;
    unpack_chunk_scales(t, s, c, &ch, pair);
    unpack_chunk_codes(t, p, c, ch.w);
    SH_UNROLL
    for (int i = 0; i < nt; i++) {
        sum[i] = chunk_dot(t, sum[i], &ch, x + (size_t)i * step + 32 * c);
        if (nt > 2) vi_keep(&sum[i]);
    }
}

SH_INLINE void tile256(enum sh_dtype t, const sh_matmul_job *job, size_t group, size_t token, int nt)
{
    const sh_weight *w = job->w;
    const uint8_t *p = w->packed + group * w->group_bytes;
    sh_act_q8k x = sh_act_q8k_at(job->act + token * job->act_stride, w->n_cols);
    size_t n_blocks = w->n_cols / 256, step = job->act_stride, bytes = packed_bytes(t);
    vf acc[MAX_K_TILE];
    SH_UNROLL
    for (int i = 0; i < nt; i++) acc[i] = vf_zero();
    for (size_t b = 0; b < n_blocks; b++, p += bytes) {
        super s;
        vi sum[MAX_K_TILE], pairs[8];
        if (nt <= 2) prefetch_ahead(p, bytes);
        unpack_super(t, p, &s);
        SH_UNROLL
        for (int i = 0; i < nt; i++) sum[i] = vi_zero();
        if (nt <= 2) { /* small enough to unroll: shifts become constants, a register of codes serves all its
                          chunks */
            SH_UNROLL
            for (int c = 0; c < 8; c++) add_chunk(t, p, &s, c, x.q + 256 * b, step, nt, sum, &pairs[c]);
        } else { /* unrolled, this would not fit the cache of decoded instructions */
            SH_NO_UNROLL
            for (int c = 0; c < 8; c++) add_chunk(t, p, &s, c, x.q + 256 * b, step, nt, sum, &pairs[c]);
        }
        SH_UNROLL
        for (int i = 0; i < nt; i++) {
            const int16_t *sums = x.sums + (size_t)i * (step / 2) + 16 * b;
            vf scale = vf_set1(x.scale[(size_t)i * (step / 4) + b]);
            if (k_offset_shift(t) >= 0) sum[i] = vi_add(sum[i], sums_dot(pairs, sums));
            acc[i] = vf_add(acc[i], vf_mul(vf_mul(s.d, scale), vi_to_f(sum[i])));
            if (k_has_min(t))
                acc[i] = vf_sub(acc[i], vf_mul(vf_mul(s.dmin, scale), vi_to_f(sums_dot(pairs, sums))));
        }
    }
    SH_UNROLL
    for (int i = 0; i < nt; i++) store_group(job, group, token + (size_t)i, acc[i]);
}

#define DEFINE_RANGE(name, type)                                                                             \
    static void tile_##name(const sh_matmul_job *job, size_t group, size_t token, int nt)                    \
    {                                                                                                        \
        DISPATCH_TILE(tile256, MAX_K_TILE, type, job, group, token, nt);                                     \
    }
DEFINE_RANGE(q2_k, SH_Q2_K)
DEFINE_RANGE(q3_k, SH_Q3_K)
DEFINE_RANGE(q4_k, SH_Q4_K)
DEFINE_RANGE(q5_k, SH_Q5_K)
DEFINE_RANGE(q6_k, SH_Q6_K)
DEFINE_RANGE(iq4_xs, SH_IQ4_XS)

void SH_LEVEL(matmul_q8k)(const sh_matmul_job *job, size_t begin, size_t end)
{
    switch ((int)job->w->dtype) {
    case SH_Q2_K:
        run_tiles(job, begin, end, tile_q2_k, MAX_K_TILE);
        break;
    case SH_Q3_K:
        run_tiles(job, begin, end, tile_q3_k, MAX_K_TILE);
        break;
    case SH_Q4_K:
        run_tiles(job, begin, end, tile_q4_k, MAX_K_TILE);
        break;
    case SH_Q5_K:
        run_tiles(job, begin, end, tile_q5_k, MAX_K_TILE);
        break;
    case SH_Q6_K:
        run_tiles(job, begin, end, tile_q6_k, MAX_K_TILE);
        break;
    case SH_IQ4_XS:
        run_tiles(job, begin, end, tile_iq4_xs, MAX_K_TILE);
        break;
    }
}

#endif
