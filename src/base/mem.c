/* mem.c - allocation with checked sizes. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

void *sh_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size) || SH_FAULT(SH_FAULT_ALLOC)) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *sh_zalloc(size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size) || SH_FAULT(SH_FAULT_ALLOC)) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *sh_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size) || SH_FAULT(SH_FAULT_ALLOC)) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void *sh_alloc_aligned(size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size) || bytes > SIZE_MAX - 64 || SH_FAULT(SH_FAULT_ALLOC)) return NULL;
    return aligned_alloc(64, bytes ? sh_align_up(bytes, 64) : 64);
}

char *sh_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX) return NULL;
    char *copy = sh_alloc(n + 1, 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *sh_strdup(const char *s) { return sh_strndup(s, strlen(s)); }

void sh_free(void *p) { free(p); }

void *sh_new(size_t size, sh_err *err) { return sh_new_array(1, size, err); }

void *sh_new_array(size_t n, size_t size, sh_err *err)
{
    void *p = sh_zalloc(n, size);
    if (!p) {
        size_t bytes;
        sh_fail_nomem(err, sh_mul(&bytes, n, size) ? bytes : SIZE_MAX);
    }
    return p;
}
