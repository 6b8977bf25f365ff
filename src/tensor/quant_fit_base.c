/* quant_fit_base.c - the searches for the compiler's baseline, and the choice among the tables. */
#include "tensor/quant_fit_impl.h"

#include "os/cpu.h"

const sh_quant_fit sh_quant_fit_base = SH_QUANT_FIT_TABLE("base");

const sh_quant_fit *sh_quant_fit_get(void)
{
    const sh_cpu_info *cpu = sh_cpu();
    if (cpu->avx512) return &sh_quant_fit_avx512;
    if (cpu->avx2) return &sh_quant_fit_avx2;
    return &sh_quant_fit_base;
}
