/* futex_internal.h - sleeping until a 32-bit word changes: the only kernel service the pool needs. */
#ifndef SH_OS_LINUX_FUTEX_INTERNAL_H
#define SH_OS_LINUX_FUTEX_INTERNAL_H

#include <stdatomic.h>

/* Sleep while *word == seen. May return early: the caller looks again in a loop. */
void sh_futex_wait(atomic_uint *word, unsigned seen);
void sh_futex_wake_all(atomic_uint *word);

#endif
