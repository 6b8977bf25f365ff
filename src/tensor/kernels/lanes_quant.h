/* lanes_quant.h - products with packed blocks of 32 columns and activations SH_ACT_Q8; lane r is row r of a
 * group of 16. Packed layouts: pack.c. The codes of a block are unpacked to registers once and multiplied
 * with all tokens of a tile. Included once by each quant_<set>.c. */
#ifndef SH_TENSOR_KERNELS_LANES_QUANT_H
#define SH_TENSOR_KERNELS_LANES_QUANT_H

#include "tensor/kernels/lanes_range.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul_internal.h"
#include "tensor/pack.h"
#include "tensor/quant_codes.h"

typedef struct block32 {
    vb w[8]; /* register k: columns 4k .. 4k+3 of the 16 rows */
    vf d, m;
} block32;

SH_INLINE bool is_signed(enum sh_dtype t)
{
    return t == SH_Q8_0 || t == SH_IQ4_NL || t == SH_MXFP4;
}
SH_INLINE bool has_min(enum sh_dtype t)
{
    return t == SH_Q4_1 || t == SH_Q5_1;
}
SH_INLINE int largest_code(enum sh_dtype t)
{
    return t == SH_Q5_0 || t == SH_Q5_1 ? 31 : 15;
}
/* log2 of what the integer codes of the registers are too large by, -1 for nothing */
SH_INLINE int offset_shift(enum sh_dtype t)
{
    return t == SH_Q4_0 ? 3 : t == SH_Q5_0 ? 4 : is_signed(t) && SIGNED_OFFSET == 128 ? 7 : -1;
}

/* 4 registers of nibbles: low ones are columns 0..15, high ones 16..31. */
SH_INLINE void unpack_nibbles(const uint8_t *p, vb *w)
{
    SH_UNROLL
    for (int k = 0; k < 4; k++) {
        vb v = vb_load(p + 64 * k);
        w[k] = vb_and(v, 15);
        w[k + 4] = vb_shr(v, 4, 15);
    }
}

/* One unit holds the 32 high bits of each row. Byte b of a lane must become 4 bytes with one bit each. */
SH_INLINE void unpack_fifth_bits(const uint8_t *p, vb *w)
{
    vi high = vi_load(p), ones = vi_set1(0x01010101), spread = vi_set1(0x00204081);
    SH_UNROLL
    for (int k = 0; k < 8; k++) {
        /* bits 4k..4k+3 as a number b3b2b1b0; times 2^0 + 2^7 + 2^14 + 2^21 puts bit i at 8i */
        vi four = vi_and(vi_shr(high, 4 * k), vi_set1(15));
        w[k] = vb_or(w[k], vb_shl(vi_and(vi_mul_small(four, spread), ones), 4));
    }
}

SH_INLINE void look_up_all(const int8_t levels[16], vb *w)
{
    SH_UNROLL
    for (int k = 0; k < 8; k++) w[k] = vb_signed(vb_look_up(levels, w[k]));
}

/* 2^(e - 128) of 16 bytes e. */
SH_INLINE vf load_e8m0_half(const uint8_t *p)
{
    vi e = vi_load_u8(p);
    vi subnormal = vi_shl_lanes(vi_set1(0x00200000), e), normal = vi_shl(vi_sub(e, vi_set1(1)), 23);
    return vi_as_f(vi_select_lt(e, vi_set1(2), subnormal, normal));
}

/* Block i of the packed block at p. */
SH_INLINE void unpack_block32(enum sh_dtype t, const uint8_t *p, size_t i, block32 *out)
{
    out->m = vf_zero();
    switch ((int)t) {
    case SH_Q8_0:
        out->d = vf_load_f16(p + 32 * i);
        SH_UNROLL
        for (int k = 0; k < 8; k++) out->w[k] = vb_signed(vb_load(p + 64 + 512 * i + 64 * k));
        break;
    case SH_Q4_0:
        out->d = vf_load_f16(p + 32 * i), unpack_nibbles(p + 64 + 256 * i, out->w);
        break;
    case SH_IQ4_NL:
        out->d = vf_load_f16(p + 32 * i), unpack_nibbles(p + 64 + 256 * i, out->w);
        look_up_all(sh_iq4_levels, out->w);
        break;
    case SH_MXFP4:
        out->d = load_e8m0_half(p + 16 * i), unpack_nibbles(p + 64 + 256 * i, out->w);
        look_up_all(sh_fp4_levels, out->w);
        break;
    case SH_Q5_0:
        out->d = vf_load_f16(p + 32 * i), unpack_nibbles(p + 128 + 320 * i, out->w);
        unpack_fifth_bits(p + 64 + 320 * i, out->w);
        break;
    case SH_Q4_1:
        out->d = vf_load_f16(p), out->m = vf_load_f16(p + 32), unpack_nibbles(p + 64, out->w);
        break;
    case SH_Q5_1:
        out->d = vf_load_f16(p), out->m = vf_load_f16(p + 32), unpack_nibbles(p + 128, out->w);
        unpack_fifth_bits(p + 64, out->w);
        break;
    }
}

SH_INLINE vi block_dot(enum sh_dtype t, const vb *w, const int8_t *x, const int32_t *sum)
{
    vi dot = is_signed(t) ? dot_signed(w, x, 8) : dot_unsigned(w, x, 8, largest_code(t));
    if (offset_shift(t) >= 0) dot = vi_sub(dot, vi_shl(vi_set1(*sum), offset_shift(t)));
    return dot;
}

/* One group times nt tokens. */
SH_INLINE void tile32(enum sh_dtype t, const sh_matmul_job *job, size_t group, size_t token, int nt)
{
    const sh_weight *w = job->w;
    const uint8_t *p = w->packed + group * w->group_bytes;
    sh_act_q8 x = sh_act_q8_at(job->act + token * job->act_stride, w->n_cols);
    size_t n_blocks = w->n_cols / 32, step = job->act_stride, step4 = step / 4, per = blocks_in_packed(t),
           bytes = packed_bytes(t);
    vf acc[MAX_TILE];
    SH_UNROLL
    for (int i = 0; i < nt; i++) acc[i] = vf_zero();
    for (size_t b = 0; b < n_blocks; b++) {
        block32 wb;
        if (nt <= 2) prefetch_ahead(p + b / per * bytes + b % per * (bytes / per), bytes / per);
        unpack_block32(t, p + b / per * bytes, b % per, &wb);
        SH_UNROLL
        for (int i = 0; i < nt; i++) {
            size_t at = (size_t)i * step4 + b;
            vf dot = vi_to_f(block_dot(t, wb.w, x.q + (size_t)i * step + 32 * b, x.sum + at));
            acc[i] = vf_add(acc[i], vf_mul(vf_mul(wb.d, vf_set1(x.scale[at])), dot));
            if (has_min(t)) acc[i] = vf_add(acc[i], vf_mul(wb.m, vf_set1(x.scaled_sum[at])));
        }
    }
    SH_UNROLL
    for (int i = 0; i < nt; i++) store_group(job, group, token + (size_t)i, acc[i]);
}

#define DEFINE_RANGE(name, type)                                                                             \
    static void tile_##name(const sh_matmul_job *job, size_t group, size_t token, int nt)                    \
    {                                                                                                        \
        DISPATCH_TILE(tile32, MAX_TILE, type, job, group, token, nt);                                        \
    }
DEFINE_RANGE(q8_0, SH_Q8_0)
DEFINE_RANGE(q4_0, SH_Q4_0)
DEFINE_RANGE(q4_1, SH_Q4_1)
DEFINE_RANGE(q5_0, SH_Q5_0)
DEFINE_RANGE(q5_1, SH_Q5_1)
DEFINE_RANGE(iq4_nl, SH_IQ4_NL)
DEFINE_RANGE(mxfp4, SH_MXFP4)

void SH_LEVEL(matmul_q8)(const sh_matmul_job *job, size_t begin, size_t end)
{
    switch ((int)job->w->dtype) {
    case SH_Q8_0:
        run_tiles(job, begin, end, tile_q8_0, MAX_TILE);
        break;
    case SH_Q4_0:
        run_tiles(job, begin, end, tile_q4_0, MAX_TILE);
        break;
    case SH_Q4_1:
        run_tiles(job, begin, end, tile_q4_1, MAX_TILE);
        break;
    case SH_Q5_0:
        run_tiles(job, begin, end, tile_q5_0, MAX_TILE);
        break;
    case SH_Q5_1:
        run_tiles(job, begin, end, tile_q5_1, MAX_TILE);
        break;
    case SH_IQ4_NL:
        run_tiles(job, begin, end, tile_iq4_nl, MAX_TILE);
        break;
    case SH_MXFP4:
        run_tiles(job, begin, end, tile_mxfp4, MAX_TILE);
        break;
    }
}

#endif
