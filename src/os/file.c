/* file.c - whole files, folders and paths. Writing is in writer.c, mapping in mapfile.c. */
#include "os/file.h"

#include <string.h>

#include "base/mem.h"
#include "os/sys_internal.h"

enum { READ_STEP = 1 << 16 };

/* Read fd to its end. Asking for one byte more than expected finds the end of a regular file without a last growth. */
static int read_all(int fd, const char *path, size_t expected, size_t max_bytes, sh_buf *out, sh_err *err)
{
    size_t start = out->n, step = expected < SIZE_MAX ? expected + 1 : expected;
    for (;;) {
        size_t have = out->n - start;
        if (have > max_bytes)
            return sh_fail(err, SH_E_LIMIT, "%s: larger than the limit of %zu bytes", path, max_bytes);
        if (!sh_buf_reserve(out, step)) return sh_fail_nomem(err, out->n + step);
        size_t want = max_bytes - have < step ? max_bytes - have + 1 : step;
        ssize_t got = sys_read(fd, out->p + out->n, want);
        if (got < 0) return sh_fail_os(err, errno, "%s: cannot be read", path);
        if (got == 0) return SH_OK;
        out->n += (size_t)got;
        step = have + (size_t)got < expected ? expected - have - (size_t)got + 1 : READ_STEP;
    }
}

int sh_file_read(const char *path, size_t max_bytes, sh_buf *out, sh_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    size_t start = out->n, expected = READ_STEP - 1;
    struct stat st;
    int rc;
    if (out->failed) return sh_fail_nomem(err, out->n);
    int fd = is_stdin ? STDIN_FILENO : sys_open(path, O_RDONLY, 0);
    if (fd < 0) return sh_fail_os(err, errno, "%s: cannot be opened", path);
    if (sys_fstat(fd, &st) < 0) {
        rc = sh_fail_os(err, errno, "%s: cannot be examined", path);
        goto out;
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        /* The limit comes before the allocation: the size is a foreign number. */
        if ((uint64_t)st.st_size > max_bytes) {
            rc = sh_fail(err, SH_E_LIMIT, "%s: %lld bytes, the limit is %zu", path, (long long)st.st_size, max_bytes);
            goto out;
        }
        expected = (size_t)st.st_size;
    }
    rc = read_all(fd, is_stdin ? "standard input" : path, expected, max_bytes, out, err);
out:
    if (!is_stdin) close(fd); /* nothing was written: its result tells nothing */
    out->failed = false;
    if (rc < 0) out->n = start;
    if (out->p) out->p[out->n] = 0;
    return rc;
}

bool sh_file_exists(const char *path)
{
    struct stat st;
    return sys_stat(path, &st) == 0;
}

bool sh_file_is_dir(const char *path)
{
    struct stat st;
    return sys_stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int sh_file_size(const char *path, uint64_t *out, sh_err *err)
{
    struct stat st;
    if (sys_stat(path, &st) < 0) return sh_fail_os(err, errno, "%s: cannot be examined", path);
    *out = (uint64_t)st.st_size;
    return SH_OK;
}

int sh_file_mtime_us(const char *path, uint64_t *out, sh_err *err)
{
    struct stat st;
    if (sys_stat(path, &st) < 0) return sh_fail_os(err, errno, "%s: cannot be examined", path);
    *out = (uint64_t)st.st_mtim.tv_sec * 1000000u + (uint64_t)st.st_mtim.tv_nsec / 1000u;
    return SH_OK;
}

int sh_file_remove(const char *path, sh_err *err)
{
    if (sys_remove(path) < 0) return sh_fail_os(err, errno, "%s: cannot be removed", path);
    return SH_OK;
}

static int dir_make_one(const char *path, sh_err *err)
{
    struct stat st;
    if (sys_mkdir(path, 0700) == 0) return SH_OK;
    int why = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode) && why == EEXIST) return SH_OK;
        if (!S_ISDIR(st.st_mode)) return sh_fail(err, SH_E_EXISTS, "%s: exists and is no folder", path);
    }
    return sh_fail_os(err, why, "%s: the folder cannot be made", path);
}

int sh_dir_make(const char *path, sh_err *err)
{
    int rc = SH_OK;
    if (!*path) return sh_fail(err, SH_E_INVALID, "a folder without a name cannot be made");
    char *copy = sh_strdup(path);
    if (!copy) return sh_fail_nomem(err, strlen(path) + 1);
    for (char *p = copy + 1; *p && rc == SH_OK; p++) {
        if (*p != '/' || p[-1] == '/') continue;
        *p = 0;
        rc = dir_make_one(copy, err);
        *p = '/';
    }
    if (rc == SH_OK) rc = dir_make_one(copy, err);
    sh_free(copy);
    return rc;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

typedef struct name_list {
    char **names;
    size_t n, cap;
} name_list;

static int name_list_add(name_list *l, const char *name, sh_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;
        char **names = sh_realloc(l->names, cap, sizeof *names);
        if (!names) return sh_fail_nomem(err, cap * sizeof *names);
        l->names = names;
        l->cap = cap;
    }
    l->names[l->n] = sh_strdup(name);
    if (!l->names[l->n]) return sh_fail_nomem(err, strlen(name) + 1);
    l->n++;
    return SH_OK;
}

int sh_dir_each(const char *path, int (*fn)(void *ud, const char *name), void *ud, sh_err *err)
{
    name_list list = {0};
    int rc = SH_OK;
    DIR *dir = sys_opendir(path);
    if (!dir) return sh_fail_os(err, errno, "%s: the folder cannot be opened", path);
    for (struct dirent *e; (e = sys_readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if ((rc = name_list_add(&list, e->d_name, err)) < 0) goto out;
    }
    if (errno) {
        rc = sh_fail_os(err, errno, "%s: the folder cannot be read", path);
        goto out;
    }
    if (list.n) qsort(list.names, list.n, sizeof *list.names, by_bytes);
    for (size_t i = 0; i < list.n && rc == 0; i++) rc = fn(ud, list.names[i]);
out:
    closedir(dir);
    for (size_t i = 0; i < list.n; i++) sh_free(list.names[i]);
    sh_free(list.names);
    return rc;
}

static char *join(const char *dir, size_t n_dir, const char *name)
{
    sh_buf b = {0};
    sh_buf_add(&b, dir, n_dir);
    if (n_dir && dir[n_dir - 1] != '/') sh_buf_putc(&b, '/');
    sh_buf_puts(&b, name);
    return sh_buf_detach(&b);
}

char *sh_path_join(const char *dir, const char *name) { return join(dir, strlen(dir), name); }

char *sh_path_sibling(const char *path, const char *name)
{
    size_t n = (size_t)(sh_path_base(path) - path);
    return n ? join(path, n, name) : join(".", 1, name);
}

const char *sh_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
