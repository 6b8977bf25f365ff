/* clock.c - time and randomness. */
#include "os/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "os/sys_internal.h"

uint64_t sh_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

int64_t sh_unix_seconds(void) { return (int64_t)time(NULL); }

void sh_sleep_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000u), (long)(us % 1000000u) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) continue;
}

int sh_os_entropy(void *out, size_t n)
{
    unsigned char *p = out;
    while (n) {
        if (sys_fails()) return -1;
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return -1;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}
