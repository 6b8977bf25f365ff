/* cpu_generic.c - a processor about which nothing is known: the plain kernels run. */
#if !defined(__x86_64__) && !defined(__aarch64__)

#include <stdio.h>

#include "os/cpu_internal.h"

void sh_cpu_probe(sh_cpu_info *out) { snprintf(out->name, sizeof out->name, "unknown processor"); }

#endif
