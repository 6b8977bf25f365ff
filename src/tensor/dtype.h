/* dtype.h - the element types of tensors. Numbers are those of GGUF, so a stored type is the enum value. */
#ifndef SH_TENSOR_DTYPE_H
#define SH_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

enum sh_dtype {
    SH_F32 = 0,
    SH_F16 = 1,
    SH_Q4_0 = 2,
    SH_Q4_1 = 3,
    SH_Q5_0 = 6,
    SH_Q5_1 = 7,
    SH_Q8_0 = 8,
    SH_Q8_1 = 9,
    SH_Q2_K = 10,
    SH_Q3_K = 11,
    SH_Q4_K = 12,
    SH_Q5_K = 13,
    SH_Q6_K = 14,
    SH_Q8_K = 15,
    SH_IQ2_XXS = 16,
    SH_IQ2_XS = 17,
    SH_IQ3_XXS = 18,
    SH_IQ1_S = 19,
    SH_IQ4_NL = 20,
    SH_IQ3_S = 21,
    SH_IQ2_S = 22,
    SH_IQ4_XS = 23,
    SH_I8 = 24,
    SH_I16 = 25,
    SH_I32 = 26,
    SH_I64 = 27,
    SH_F64 = 28,
    SH_IQ1_M = 29,
    SH_BF16 = 30,
    SH_TQ1_0 = 34,
    SH_TQ2_0 = 35,
    SH_MXFP4 = 39,
    SH_NVFP4 = 40,
    SH_Q1_0 = 41,
    SH_Q2_0 = 42,
    SH_DTYPE_COUNT = 43
};

/* One row per type; a hole in the numbering has name NULL. */
typedef struct sh_dtype_info {
    const char *name;        /* "q4_k", lower case; look-ups ignore case */
    uint32_t block_elements; /* 1, 32, 64, 128 or 256 */
    uint32_t block_bytes;
    bool is_quantized;
    /* n_elements (a multiple of block_elements) to float; exact bits as written in docs/quantisation.md.
     * Never NULL for a named type. */
    void (*decode)(const void *src, float *dst, size_t n_elements);
    /* NULL when Shoal does not write this type. Round to nearest or search without importance; row-wise in
     * quant.h. */
} sh_dtype_info;

extern const sh_dtype_info sh_dtypes[SH_DTYPE_COUNT];

static inline bool sh_dtype_is_known(uint32_t t);
const sh_dtype_info *sh_dtype_get(uint32_t t); /* NULL for an unknown number */
int sh_dtype_find(const char *name);           /* enum value, any case, or -1 */
static inline bool sh_dtype_is_known(uint32_t t)
{
    return sh_dtype_get(t) != NULL;
}
/* Bytes of a row of n elements; false when n is no multiple of the block or the size overflows. */
bool sh_dtype_row_bytes(size_t *out, enum sh_dtype t, uint64_t n_elements);

#endif
