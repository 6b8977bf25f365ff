/* machine.c - /proc/meminfo and the memory limits of control groups, version 2. */
#include "os/machine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "os/file.h"
#include "os/linux/cgroup_internal.h"

static uint64_t read_number(const char *dir, const char *name)
{
    sh_buf text = {0};
    uint64_t v = UINT64_MAX; /* "max", or no such file: no limit */
    char *path = sh_path_join(dir, name), *end;
    if (path && sh_file_read(path, 1 << 12, &text, NULL) == SH_OK && text.n) {
        unsigned long long n = strtoull(text.p, &end, 10);
        if (end != text.p) v = n;
    }
    sh_buf_clear(&text);
    sh_free(path);
    return v;
}

static uint64_t left_in_group(const char *dir)
{
    uint64_t max = read_number(dir, "memory.max"), used = read_number(dir, "memory.current");
    if (max == UINT64_MAX || used == UINT64_MAX) return UINT64_MAX;
    return used < max ? max - used : 0;
}

uint64_t sh_machine_available_bytes(void)
{
    sh_buf meminfo = {0};
    uint64_t bytes = 0;
    if (sh_file_read("/proc/meminfo", 1 << 16, &meminfo, NULL) == SH_OK && meminfo.n) {
        const char *line = strstr(meminfo.p, "MemAvailable:");
        if (line) bytes = strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024;
    }
    sh_buf_clear(&meminfo);
    uint64_t left = sh_cgroup_least("/sys/fs/cgroup", left_in_group);
    return left < bytes ? left : bytes;
}
