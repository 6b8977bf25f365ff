/* kernels.c - which tables this build has and this CPU can run. */
#include "tensor/kernels.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "os/cpu.h"
#include "tensor/kernels/tables.h"

#if defined(__x86_64__)
static const sh_kernels *vector_table(enum sh_cpu_level level)
{
    const sh_cpu_info *cpu = sh_cpu();
    if (level == SH_CPU_AVX2 && cpu->avx2 && cpu->f16c) return &sh_kernels_avx2;
    if (level == SH_CPU_AVX512 && cpu->avx512) return &sh_kernels_avx512;
    if (level == SH_CPU_AMX && cpu->avx512 && cpu->amx_int8) return &sh_kernels_amx;
    return NULL;
}
#else
static const sh_kernels *vector_table(enum sh_cpu_level level)
{
    (void)level;
    return NULL;
}
#endif

const sh_kernels *sh_kernels_get(enum sh_cpu_level level)
{
    if (level == SH_CPU_REF) return &sh_kernels_ref;
    return vector_table(level);
}

static const char *const level_names[SH_CPU_LEVEL_COUNT] = {"ref", "avx2", "avx512", "amx", "neon"};

static int fail_with_list(int code, const char *name, const char *what, sh_err *err)
{
    sh_buf have = {0};
    for (int l = 0; l < SH_CPU_LEVEL_COUNT; l++)
        if (sh_kernels_get((enum sh_cpu_level)l)) sh_buf_printf(&have, " %s", level_names[l]);
    int rc = sh_fail(err, code, "CPU level '%s' %s; this machine has:%s", name, what, have.p ? have.p : "");
    sh_buf_clear(&have);
    return rc;
}

int sh_kernels_choose(const sh_kernels **out, const char *name, sh_err *err)
{
    bool any = !name || !*name;
    for (int l = SH_CPU_LEVEL_COUNT - 1; l >= 0; l--) {
        if (!any && strcasecmp(name, level_names[l]) != 0) continue;
        const sh_kernels *k = sh_kernels_get((enum sh_cpu_level)l);
        if (k) {
            *out = k;
            return SH_OK;
        }
        if (!any) return fail_with_list(SH_E_UNSUPPORTED, name, "needs instructions that this CPU or build lacks", err);
    }
    return fail_with_list(SH_E_INVALID, name, "is unknown", err);
}
