/* cgroup.c - walking from a process's control group up to the root: a limit of any group on the way binds. */
#include "os/linux/cgroup_internal.h"

#include <stdlib.h>

#include "base/mem.h"
#include "os/file.h"

enum { PROC_TEXT_MAX = 1 << 16 };

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

uint64_t sh_cgroup_least_of(const char *root, const char *membership, uint64_t (*limit)(const char *dir))
{
    sh_str group = group_path(membership);
    uint64_t least = UINT64_MAX;
    size_t n_root = strlen(root);
    sh_buf dir = {0};
    sh_buf_puts(&dir, root);
    sh_buf_add(&dir, group.p, group.n);
    while (!dir.failed) {
        uint64_t here = limit(dir.p);
        if (here < least) least = here;
        if (dir.n == n_root) break;
        while (dir.n > n_root && dir.p[dir.n - 1] != '/') dir.n--;
        if (dir.n > n_root) dir.n--;
        dir.p[dir.n] = 0;
    }
    sh_buf_clear(&dir);
    return least;
}

uint64_t sh_cgroup_least(const char *root, uint64_t (*limit)(const char *dir))
{
    sh_buf membership = {0};
    uint64_t least = UINT64_MAX;
    if (sh_file_read("/proc/self/cgroup", PROC_TEXT_MAX, &membership, NULL) == SH_OK && membership.n)
        least = sh_cgroup_least_of(root, membership.p, limit);
    sh_buf_clear(&membership);
    return least;
}

/* "QUOTA PERIOD" or "max PERIOD", in microseconds of CPU time per period. */
static uint64_t cpus_of_quota(const char *text)
{
    char *end;
    unsigned long long quota = strtoull(text, &end, 10);
    if (end == text) return UINT64_MAX;
    unsigned long long period = strtoull(end, NULL, 10);
    if (!quota || !period) return UINT64_MAX;
    return quota / period + (quota % period != 0);
}

uint64_t sh_cgroup_cpus(const char *dir)
{
    sh_buf text = {0};
    uint64_t cpus = UINT64_MAX;
    char *path = sh_path_join(dir, "cpu.max");
    if (path && sh_file_read(path, PROC_TEXT_MAX, &text, NULL) == SH_OK && text.n) cpus = cpus_of_quota(text.p);
    sh_buf_clear(&text);
    sh_free(path);
    return cpus;
}
