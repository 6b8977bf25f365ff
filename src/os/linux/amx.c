/* amx.c - permission to use AMX tile data, asked from the kernel once per process (Documentation/arch/x86/xstate.rst).
 * Threads started later inherit it. */
#include <sys/syscall.h>
#include <unistd.h>

#include "os/cpu_internal.h"

#if defined(__x86_64__)
enum { REQUEST_XCOMP_PERMISSION = 0x1023, XTILEDATA = 18 };

bool sh_amx_request(void) { return syscall(SYS_arch_prctl, REQUEST_XCOMP_PERMISSION, XTILEDATA) == 0; }
#else
bool sh_amx_request(void) { return false; }
#endif
