/* clock.h - time and randomness from the system. */
#ifndef SH_OS_CLOCK_H
#define SH_OS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t sh_now_us(void);      /* monotonic, since an arbitrary start */
int64_t sh_unix_seconds(void); /* wall clock, UTC */
void sh_sleep_us(uint64_t us);
/* n bytes from the system's generator; 0 on success. */
int sh_os_entropy(void *out, size_t n);
uint64_t sh_peak_rss_bytes(void); /* the most memory this process has had resident */

#endif
