/* machine.h - how much memory this machine can still give. */
#ifndef SH_OS_MACHINE_H
#define SH_OS_MACHINE_H

#include <stdint.h>

/* Bytes a new program could use without swapping: MemAvailable, or what the control group has left when that is less;
 * 0 when unknown. */
uint64_t sh_machine_available_bytes(void);

#endif
