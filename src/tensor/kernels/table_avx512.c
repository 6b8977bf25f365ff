/* table_avx512.c - the kernel tables of levels avx512 and amx (the same functions). */
#if defined(__x86_64__)
#include "tensor/kernels/lanes_avx512.h"

#include "tensor/kernels/lanes_math.h"

#include "tensor/kernels/lanes_attention.h"
#include "tensor/kernels/lanes_elementwise.h"
#include "tensor/kernels/tables.h"

static void lanes_matmul(const sh_matmul_job *job, size_t row_begin, size_t row_end)
{
    switch (job->w->act_kind) {
    case SH_ACT_Q8: sh_avx512_matmul_q8(job, row_begin, row_end); break;
    case SH_ACT_Q8K: sh_avx512_matmul_q8k(job, row_begin, row_end); break;
    default: sh_avx512_matmul_dense(job, row_begin, row_end); break;
    }
}

#define FUNCTIONS                                                                                                  \
    .rms_norm = lanes_rms_norm,                                                                                    \
    .layer_norm = lanes_layer_norm,                                                                                \
    .softmax = lanes_softmax,                                                                                      \
    .activate = lanes_activate,                                                                                    \
    .add = sh_ref_add,                                                                                             \
    .scale = sh_ref_scale,                                                                                         \
    .mul_add = sh_ref_mul_add,                                                                                     \
    .softcap = lanes_softcap,                                                                                      \
    .rope = lanes_rope,                                                                                            \
    .act_encode = lanes_act_encode,                                                                                \
    .matmul = lanes_matmul,                                                                                        \
    .attention = lanes_attention,                                                                                  \
    .kv_write = sh_ref_kv_write

const sh_kernels sh_kernels_avx512 = {.name = "avx512", .level = SH_CPU_AVX512, FUNCTIONS};
const sh_kernels sh_kernels_amx = {.name = "amx", .level = SH_CPU_AMX, FUNCTIONS};
#endif
