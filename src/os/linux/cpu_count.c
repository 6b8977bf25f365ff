/* cpu_count.c - cores this process may use: its affinity mask, cut by the CPU quota of its control groups. */
#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "os/file.h"
#include "os/linux/cgroup_internal.h"
#include "os/pool.h"
#include "os/sys_internal.h"

enum { PROC_TEXT_MAX = 1 << 16, CPUS_MAX = 1 << 16 };

/* "QUOTA PERIOD" or "max PERIOD", in microseconds of CPU time per period. */
static size_t cpus_of_quota(const char *text)
{
    char *end;
    unsigned long long quota = strtoull(text, &end, 10);
    if (end == text) return SIZE_MAX;
    unsigned long long period = strtoull(end, NULL, 10);
    if (!quota || !period) return SIZE_MAX;
    return (size_t)(quota / period + (quota % period != 0));
}

static size_t cpus_of_group(const char *dir)
{
    sh_buf text = {0};
    size_t cpus = SIZE_MAX;
    char *path = sh_path_join(dir, "cpu.max");
    if (path && sh_file_read(path, PROC_TEXT_MAX, &text, NULL) == SH_OK && text.n) cpus = cpus_of_quota(text.p);
    sh_buf_clear(&text);
    sh_free(path);
    return cpus;
}

/* The path in the line "0::PATH", which is the one of version 2. */
static sh_str group_path(const char *membership)
{
    for (const char *line = membership; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!sh_starts_with(line, "0::/")) continue;
        return sh_str_n(line + 3, strcspn(line + 3, "\n"));
    }
    return sh_str_of("");
}

size_t sh_cgroup_cpus(const char *root, const char *membership)
{
    sh_str group = group_path(membership);
    size_t least = SIZE_MAX, n_root = strlen(root);
    sh_buf dir = {0};
    sh_buf_puts(&dir, root);
    sh_buf_add(&dir, group.p, group.n);
    while (!dir.failed && dir.n >= n_root) {
        size_t cpus = cpus_of_group(dir.p);
        if (cpus < least) least = cpus;
        if (dir.n == n_root) break;
        while (dir.n > n_root && dir.p[dir.n - 1] != '/') dir.n--;
        if (dir.n > n_root) dir.n--;
        dir.p[dir.n] = 0;
    }
    sh_buf_clear(&dir);
    return least;
}

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
    sh_buf membership = {0};
    size_t cpus = affinity_cpus();
    if (sh_file_read("/proc/self/cgroup", PROC_TEXT_MAX, &membership, NULL) == SH_OK && membership.n) {
        size_t quota = sh_cgroup_cpus("/sys/fs/cgroup", membership.p);
        if (quota < cpus) cpus = quota;
    }
    sh_buf_clear(&membership);
    return cpus ? cpus : 1;
}
