/* pack.c - the interleaving of 16 rows, driven by one row of data a type. Source layouts:
 * docs/quantisation.md. */
#include "tensor/pack.h"

#include <string.h>

/* Offsets of the packed blocks are also written down where kernels read them (kernels/lanes_quant.h,
 * lanes_kquant.h). */
static const sh_pack_info pack_table[SH_DTYPE_COUNT] = {
    /* 16 d | 16 d of the second block | 8 units of codes each */
    [SH_Q8_0] = {2, 1088, {{0, 2, 1, 0, 32}, {2, 4, 8, 64, 512}}},
    [SH_Q4_0] = {2, 576, {{0, 2, 1, 0, 32}, {2, 4, 4, 64, 256}}},
    [SH_IQ4_NL] = {2, 576, {{0, 2, 1, 0, 32}, {2, 4, 4, 64, 256}}},
    /* 4 times 16 exponents | 4 units of nibbles each */
    [SH_MXFP4] = {4, 1088, {{0, 1, 1, 0, 16}, {1, 4, 4, 64, 256}}},
    /* d, d | high bits, 4 units of nibbles | the same of the second block */
    [SH_Q5_0] = {2, 704, {{0, 2, 1, 0, 32}, {2, 4, 1, 64, 320}, {6, 4, 4, 128, 320}}},
    /* d, m | nibbles; d, m | high bits | nibbles */
    [SH_Q4_1] = {1, 320, {{0, 2, 2, 0, 0}, {4, 4, 4, 64, 0}}},
    [SH_Q5_1] = {1, 384, {{0, 2, 2, 0, 0}, {4, 4, 1, 64, 0}, {8, 4, 4, 128, 0}}},
    /* d, dmin | scales | codes */
    [SH_Q2_K] = {1, 1344, {{80, 2, 2, 0, 0}, {0, 4, 4, 64, 0}, {16, 4, 16, 320, 0}}},
    [SH_Q4_K] = {1, 2304, {{0, 2, 2, 0, 0}, {4, 4, 3, 64, 0}, {16, 4, 32, 256, 0}}},
    [SH_Q5_K] = {1, 2816, {{0, 2, 2, 0, 0}, {4, 4, 3, 64, 0}, {16, 4, 8, 256, 0}, {48, 4, 32, 768, 0}}},
    /* d, half a line unused | scales | high bits | codes */
    [SH_Q3_K] = {1, 1792, {{108, 2, 1, 0, 0}, {96, 4, 3, 64, 0}, {0, 4, 8, 256, 0}, {32, 4, 16, 768, 0}}},
    [SH_Q6_K] = {1, 3392, {{208, 2, 1, 0, 0}, {192, 4, 4, 64, 0}, {128, 4, 16, 320, 0}, {0, 4, 32, 1344, 0}}},
    /* d, high bits of the scales | their low bits | codes */
    [SH_IQ4_XS] = {1, 2176, {{0, 2, 2, 0, 0}, {4, 4, 1, 64, 0}, {8, 4, 32, 128, 0}}},
};

const sh_pack_info *sh_pack_get(enum sh_dtype t)
{
    return pack_table[t].n_blocks ? &pack_table[t] : NULL;
}

size_t sh_pack_group_bytes(enum sh_dtype t, size_t n_cols)
{
    const sh_pack_info *pack = &pack_table[t];
    size_t n_blocks = n_cols / sh_dtypes[t].block_elements;
    return (n_blocks + pack->n_blocks - 1) / pack->n_blocks * pack->bytes;
}

static void pack_row_block(const sh_pack_info *pack, const uint8_t *src, size_t row, size_t i_block,
                           uint8_t *dst)
{
    for (size_t f = 0; f < sizeof pack->fields / sizeof pack->fields[0] && pack->fields[f].n_units; f++) {
        const sh_pack_field *field = &pack->fields[f];
        uint8_t *to = dst + field->dst + i_block * field->dst_step + row * field->unit;
        for (size_t u = 0; u < field->n_units; u++) {
            if (field->unit == 4)
                memcpy(to + u * 64, src + field->src + 4 * u, 4);
            else if (field->unit == 2)
                memcpy(to + u * 32, src + field->src + 2 * u, 2);
            else
                *to = src[field->src];
        }
    }
}

void sh_pack_group(enum sh_dtype t, const uint8_t *src, size_t row_bytes, size_t n_rows, size_t n_cols,
                   uint8_t *dst)
{
    const sh_pack_info *pack = &pack_table[t];
    size_t block_bytes = sh_dtypes[t].block_bytes, n_blocks = n_cols / sh_dtypes[t].block_elements;
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t r = 0; r < n_rows; r++)
            pack_row_block(pack, src + r * row_bytes + b * block_bytes, r, b % pack->n_blocks,
                           dst + b / pack->n_blocks * pack->bytes);
}

void sh_unpack_block(enum sh_dtype t, const uint8_t *group, size_t row, size_t i_block, uint8_t *dst)
{
    const sh_pack_info *pack = &pack_table[t];
    const uint8_t *packed = group + i_block / pack->n_blocks * pack->bytes;
    for (size_t f = 0; f < sizeof pack->fields / sizeof pack->fields[0] && pack->fields[f].n_units; f++) {
        const sh_pack_field *field = &pack->fields[f];
        const uint8_t *from =
            packed + field->dst + i_block % pack->n_blocks * field->dst_step + row * field->unit;
        for (size_t u = 0; u < field->n_units; u++)
            memcpy(dst + field->src + u * field->unit, from + u * 16 * field->unit, field->unit);
    }
}
