/* cpu_count.c - cores this process may use: its affinity mask, cut by the CPU quota of its control groups. */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "os/linux/cgroup_internal.h"
#include "os/pool.h"

enum { CPUS_MAX = 1 << 16 };

static size_t affinity_cpus(void)
{
    /* The kernel refuses a mask smaller than its own: double until it fits. */
    for (size_t n = 1024; n <= CPUS_MAX; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (!set) break;
        size_t bytes = CPU_ALLOC_SIZE(n);
        int rc = sched_getaffinity(0, bytes, set);
        int count = rc == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) return (size_t)count;
        if (errno != EINVAL) break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

size_t sh_cpu_count(void)
{
    size_t cpus = affinity_cpus();
    uint64_t quota = sh_cgroup_least("/sys/fs/cgroup", sh_cgroup_cpus);
    return quota < cpus ? (size_t)quota : cpus;
}
