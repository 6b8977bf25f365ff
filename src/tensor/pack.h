/* pack.h - 16 rows of quantised blocks interleaved, so that one 32-bit vector lane is one row. Private to
 * tensor/.
 *
 * A packed block keeps every bit of the 16 source blocks and only moves them: the source block is cut into
 * units of 4 bytes (scales: 2 or 1), and unit u of the 16 rows lies together, row after row. A unit of codes
 * is then one vector register whose lane r holds 4 bytes of row r; a unit of scales is 16 halves or bytes to
 * be widened. Types whose scales fill a part of a line only are packed 2 or 4 blocks at once, so that codes
 * stay 64-byte aligned. */
#ifndef SH_TENSOR_PACK_H
#define SH_TENSOR_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

typedef struct sh_pack_field {
    uint16_t src, unit, n_units; /* byte offset in the source block, bytes of a unit, their number */
    uint32_t dst;                /* byte offset in the packed block */
    uint32_t dst_step;           /* added for each further block of the same packed block */
} sh_pack_field;

typedef struct sh_pack_info {
    uint32_t n_blocks; /* source blocks a row has in one packed block: 1, 2 or 4; 0: the type is not packed */
    uint32_t bytes;    /* of a packed block of 16 rows, a multiple of 64 */
    sh_pack_field fields[5];
} sh_pack_info;

const sh_pack_info *sh_pack_get(enum sh_dtype t); /* NULL: kernels read this type from its source rows */
/* Bytes of a packed group of 16 rows of n_cols. */
size_t sh_pack_group_bytes(enum sh_dtype t, size_t n_cols);
/* Pack n_rows (1..16) rows, row_bytes apart, to dst, which must be zeroed. */
void sh_pack_group(enum sh_dtype t, const uint8_t *src, size_t row_bytes, size_t n_rows, size_t n_cols,
                   uint8_t *dst);
/* The source bytes of one block of one row (0..15) of a packed group, back where they were: to dst. */
void sh_unpack_block(enum sh_dtype t, const uint8_t *group, size_t row, size_t i_block, uint8_t *dst);

#endif
