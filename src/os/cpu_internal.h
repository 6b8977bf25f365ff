/* cpu_internal.h - one probe per processor family; the build has the one that fits (each file is empty elsewhere). */
#ifndef SH_OS_CPU_INTERNAL_H
#define SH_OS_CPU_INTERNAL_H

#include "os/cpu.h"

/* Fill in what is known; *out is zero before. */
void sh_cpu_probe(sh_cpu_info *out);
/* Ask the kernel to let this process use AMX tile data; false when it may not. */
bool sh_amx_request(void);

#endif
