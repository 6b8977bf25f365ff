/* process.c - what Linux tells about this process in /proc, and the well-known places. */
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sys_internal.h"

/* VmHWM belongs to this program alone; getrusage would carry over the peak of the process that started it. */
uint64_t sh_peak_rss_bytes(void)
{
    sh_buf status = {0};
    uint64_t kib = 0;
    struct rusage usage;
    if (sh_file_read("/proc/self/status", 1 << 16, &status, NULL) == SH_OK) {
        const char *line = strstr(status.p, "VmHWM:");
        if (line) kib = strtoull(line + strlen("VmHWM:"), NULL, 10);
    }
    sh_buf_clear(&status);
    if (!kib && getrusage(RUSAGE_SELF, &usage) == 0) kib = (uint64_t)usage.ru_maxrss;
    return kib * 1024;
}

char *sh_program_dir(void)
{
    char path[PATH_MAX];
    if (sys_fails()) return NULL;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    if (n <= 0 || (size_t)n >= sizeof path) return NULL;
    path[n] = 0;
    size_t n_dir = (size_t)(sh_path_base(path) - path);
    return sh_strndup(path, n_dir > 1 ? n_dir - 1 : n_dir);
}

static char *user_home(void)
{
    const char *home = getenv("HOME");
    struct passwd entry, *found = NULL;
    char text[1024];
    if (home && *home) return sh_strdup(home);
    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) != 0 || !found) return NULL;
    return sh_strdup(entry.pw_dir);
}

char *sh_home_dir(void)
{
    const char *own = getenv("SHOAL_HOME"), *data = getenv("XDG_DATA_HOME");
    if (own && *own) return sh_strdup(own);
    if (data && *data == '/') return sh_path_join(data, "shoal"); /* the standard says to ignore a relative one */
    char *home = user_home();
    char *dir = home ? sh_path_join(home, ".local/share/shoal") : NULL;
    sh_free(home);
    return dir;
}
