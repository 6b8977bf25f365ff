/* machine.c - /proc/meminfo and the cgroup v2 limit. */
#include "os/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t read_number(const char *path)
{
    char text[32] = "";
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    uint64_t v = 0;
    if (!fgets(text, sizeof text, f) || sscanf(text, "%" SCNu64, &v) != 1) v = 0; /* "max" is no limit */
    fclose(f);
    return v;
}

uint64_t sh_machine_available_bytes(void)
{
    char line[128];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) break;
    if (f) fclose(f);
    uint64_t bytes = kib * 1024, limit = read_number("/sys/fs/cgroup/memory.max"), used = read_number("/sys/fs/cgroup/memory.current");
    if (limit && used < limit && limit - used < bytes) bytes = limit - used;
    return bytes;
}
