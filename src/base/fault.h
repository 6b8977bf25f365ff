/* fault.h - failing the k-th allocation or system call in tests.
 *
 * With -DSHOAL_FAULT=ON (presets debug, asan, tsan) each allocation and each wrapped system call asks
 * SH_FAULT(kind) first. In release builds SH_FAULT is the constant 0 and nothing of this is compiled.
 *
 * A test loops: arm k = 0, 1, 2, ... and run the operation until it succeeds; after every failure nothing may leak
 * and nothing may be half done. Counters are per thread, so a test thread fails only its own calls. */
#ifndef SH_BASE_FAULT_H
#define SH_BASE_FAULT_H

#include <stdbool.h>

enum sh_fault_kind { SH_FAULT_ALLOC, SH_FAULT_SYSCALL, SH_FAULT_COUNT };

#ifdef SHOAL_FAULT
bool sh_fault_hit(enum sh_fault_kind kind);
/* Fail the call number k (0 is the next one) of this kind on this thread, once; k < 0 disarms. */
void sh_fault_arm(enum sh_fault_kind kind, long k);
/* True when an armed fault has fired since sh_fault_arm. */
bool sh_fault_fired(enum sh_fault_kind kind);
#define SH_FAULT(kind) sh_fault_hit(kind)
#else
#define SH_FAULT(kind) 0
#endif

#endif
