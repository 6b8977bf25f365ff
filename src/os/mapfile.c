/* mapfile.c - read-only file mappings and large anonymous memory. */
#include "os/file.h"

#include "os/sys_internal.h"

/* What an empty file maps to: mmap refuses a length of zero. */
static const uint8_t empty_file[1];

int sh_map_file_open(sh_map_file *out, const char *path, sh_err *err)
{
    struct stat st;
    int rc = SH_OK;
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) return sh_fail_os(err, errno, "%s: cannot be opened", path);
    if (sys_fstat(fd, &st) < 0) {
        rc = sh_fail_os(err, errno, "%s: cannot be examined", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = sh_fail(err, SH_E_INVALID, "%s: is no regular file", path);
        goto out;
    }
    if (st.st_size == 0) {
        *out = (sh_map_file){empty_file, 0};
        goto out;
    }
    if ((uint64_t)st.st_size > SIZE_MAX / 2) {
        rc = sh_fail(err, SH_E_LIMIT, "%s: too large to map", path);
        goto out;
    }
    void *p = sys_mmap((size_t)st.st_size, PROT_READ, MAP_SHARED, fd);
    if (p == MAP_FAILED)
        rc = sh_fail_os(err, errno, "%s: cannot be mapped", path);
    else
        *out = (sh_map_file){p, (size_t)st.st_size};
out:
    close(fd);
    return rc;
}

void sh_map_file_close(sh_map_file *m)
{
    if (!m) return;
    if (m->n) munmap((void *)(uintptr_t)m->data, m->n);
    *m = (sh_map_file){0};
}

static uintptr_t page_mask(void) { return (uintptr_t)sysconf(_SC_PAGESIZE) - 1; }

/* Hints: a kernel that refuses one changes nothing but speed. */
void sh_map_file_will_need(const void *p, size_t n)
{
    uintptr_t mask = page_mask(), begin = (uintptr_t)p & ~mask, end = (uintptr_t)p + n;
    if (n) (void)madvise((void *)begin, end - begin, MADV_WILLNEED);
}

void sh_map_file_dont_need(const void *p, size_t n)
{
    uintptr_t mask = page_mask(), begin = ((uintptr_t)p + mask) & ~mask, end = ((uintptr_t)p + n) & ~mask;
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static bool pages_round(size_t *n_bytes)
{
    size_t mask = page_mask();
    if (*n_bytes > SIZE_MAX / 2) return false;
    *n_bytes = ((*n_bytes ? *n_bytes : 1) + mask) & ~mask;
    return true;
}

void *sh_pages_alloc(size_t n_bytes)
{
    /* Both an allocation and a system call: a test may fail it as either. */
    if (!pages_round(&n_bytes) || SH_FAULT(SH_FAULT_ALLOC)) return NULL;
    void *p = sys_mmap(n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (p == MAP_FAILED) return NULL;
    (void)madvise(p, n_bytes, MADV_HUGEPAGE);
    return p;
}

void sh_pages_free(void *p, size_t n_bytes)
{
    if (p && pages_round(&n_bytes)) munmap(p, n_bytes);
}
