/* dtype.c - the table of element types and the questions asked of it. */
#include "tensor/dtype.h"

#include <strings.h>

#include "base/mem.h"
#include "tensor/dequant.h"

const sh_dtype_info sh_dtypes[SH_DTYPE_COUNT] = {
    /* type          name       elements bytes quantized decode */
    [SH_F32] = {"f32", 1, 4, false, sh_dequant_f32},
    [SH_F16] = {"f16", 1, 2, false, sh_dequant_f16},
    [SH_BF16] = {"bf16", 1, 2, false, sh_dequant_bf16},
    [SH_F64] = {"f64", 1, 8, false, sh_dequant_f64},
    [SH_I8] = {"i8", 1, 1, false, sh_dequant_i8},
    [SH_I16] = {"i16", 1, 2, false, sh_dequant_i16},
    [SH_I32] = {"i32", 1, 4, false, sh_dequant_i32},
    [SH_I64] = {"i64", 1, 8, false, sh_dequant_i64},
    [SH_Q4_0] = {"q4_0", 32, 18, true, sh_dequant_q4_0},
    [SH_Q4_1] = {"q4_1", 32, 20, true, sh_dequant_q4_1},
    [SH_Q5_0] = {"q5_0", 32, 22, true, sh_dequant_q5_0},
    [SH_Q5_1] = {"q5_1", 32, 24, true, sh_dequant_q5_1},
    [SH_Q8_0] = {"q8_0", 32, 34, true, sh_dequant_q8_0},
    [SH_Q8_1] = {"q8_1", 32, 36, true, sh_dequant_q8_1},
    [SH_Q2_K] = {"q2_k", 256, 84, true, sh_dequant_q2_k},
    [SH_Q3_K] = {"q3_k", 256, 110, true, sh_dequant_q3_k},
    [SH_Q4_K] = {"q4_k", 256, 144, true, sh_dequant_q4_k},
    [SH_Q5_K] = {"q5_k", 256, 176, true, sh_dequant_q5_k},
    [SH_Q6_K] = {"q6_k", 256, 210, true, sh_dequant_q6_k},
    [SH_Q8_K] = {"q8_k", 256, 292, true, sh_dequant_q8_k},
    [SH_IQ1_S] = {"iq1_s", 256, 50, true, sh_dequant_iq1_s},
    [SH_IQ1_M] = {"iq1_m", 256, 56, true, sh_dequant_iq1_m},
    [SH_IQ2_XXS] = {"iq2_xxs", 256, 66, true, sh_dequant_iq2_xxs},
    [SH_IQ2_XS] = {"iq2_xs", 256, 74, true, sh_dequant_iq2_xs},
    [SH_IQ2_S] = {"iq2_s", 256, 82, true, sh_dequant_iq2_s},
    [SH_IQ3_XXS] = {"iq3_xxs", 256, 98, true, sh_dequant_iq3_xxs},
    [SH_IQ3_S] = {"iq3_s", 256, 110, true, sh_dequant_iq3_s},
    [SH_IQ4_NL] = {"iq4_nl", 32, 18, true, sh_dequant_iq4_nl},
    [SH_IQ4_XS] = {"iq4_xs", 256, 136, true, sh_dequant_iq4_xs},
    [SH_TQ1_0] = {"tq1_0", 256, 54, true, sh_dequant_tq1_0},
    [SH_TQ2_0] = {"tq2_0", 256, 66, true, sh_dequant_tq2_0},
    [SH_MXFP4] = {"mxfp4", 32, 17, true, sh_dequant_mxfp4},
    [SH_NVFP4] = {"nvfp4", 64, 36, true, sh_dequant_nvfp4},
    [SH_Q1_0] = {"q1_0", 128, 18, true, sh_dequant_q1_0},
    [SH_Q2_0] = {"q2_0", 64, 18, true, sh_dequant_q2_0},
};

const sh_dtype_info *sh_dtype_get(uint32_t t)
{
    return t < SH_DTYPE_COUNT && sh_dtypes[t].name ? &sh_dtypes[t] : NULL;
}

int sh_dtype_find(const char *name)
{
    for (int t = 0; t < SH_DTYPE_COUNT; t++)
        if (sh_dtypes[t].name && strcasecmp(sh_dtypes[t].name, name) == 0) return t;
    return -1;
}

bool sh_dtype_row_bytes(size_t *out, enum sh_dtype t, uint64_t n_elements)
{
    const sh_dtype_info *info = sh_dtype_get((uint32_t)t);
    if (!info || n_elements % info->block_elements) return false;
    uint64_t bytes;
    if (!sh_mul_u64(&bytes, n_elements / info->block_elements, info->block_bytes) || bytes > SIZE_MAX)
        return false;
    *out = (size_t)bytes;
    return true;
}
