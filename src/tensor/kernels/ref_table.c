/* ref_table.c - the reference level: docs/exact-arithmetic.md as plain C. */
#include "tensor/kernels/tables.h"

const sh_kernels sh_kernels_ref = {
    .name = "ref",
    .level = SH_CPU_REF,
    .rms_norm = sh_ref_rms_norm,
    .layer_norm = sh_ref_layer_norm,
    .softmax = sh_ref_softmax,
    .activate = sh_ref_activate,
    .add = sh_ref_add,
    .scale = sh_ref_scale,
    .mul_add = sh_ref_mul_add,
    .softcap = sh_ref_softcap,
    .rope = sh_ref_rope,
    .act_encode = sh_ref_act_encode,
    .matmul = sh_ref_matmul,
    .attention = sh_ref_attention,
    .kv_write = sh_ref_kv_write,
};
