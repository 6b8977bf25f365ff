/* cpu.h - which instruction sets this machine really has. */
#ifndef SH_OS_CPU_H
#define SH_OS_CPU_H

#include <stdbool.h>

typedef struct sh_cpu_info {
    char name[64];  /* "AMD EPYC 9B14", for reports */
    bool avx2, f16c;          /* with the operating system saving YMM registers */
    bool avx512;              /* F, BW, DQ, VL and VNNI, with ZMM registers saved */
    bool avx512_bf16;
    bool amx_int8, amx_bf16;  /* tiles, and the kernel granted permission to use them */
    bool neon_dot, neon_i8mm;
    unsigned l1d_bytes, l2_bytes, l3_bytes; /* 0 when unknown */
} sh_cpu_info;

const sh_cpu_info *sh_cpu(void); /* probed once, thread-safe */

#endif
