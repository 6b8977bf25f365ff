/* cpu_arm64.c - the kernel's own list of instruction sets (getauxval). */
#if defined(__aarch64__)

#include <asm/hwcap.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "os/cpu_internal.h"

static unsigned cache_bytes(int name)
{
    long n = sysconf(name);
    return n > 0 ? (unsigned)n : 0;
}

void sh_cpu_probe(sh_cpu_info *out)
{
    snprintf(out->name, sizeof out->name, "ARM64");
    out->neon_dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
    out->neon_i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
    out->l1d_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE);
    out->l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE);
    out->l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE);
}

#endif
