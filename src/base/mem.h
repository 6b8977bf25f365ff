/* mem.h - allocation with checked sizes.
 *
 * Every heap block of the library comes from here, so that tests can fail the k-th request (fault.h).
 * Multiplications are checked: a size made from foreign numbers never wraps. */
#ifndef SH_BASE_MEM_H
#define SH_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

static inline bool sh_add(size_t *out, size_t a, size_t b) { return !__builtin_add_overflow(a, b, out); }
static inline bool sh_mul(size_t *out, size_t a, size_t b) { return !__builtin_mul_overflow(a, b, out); }
static inline bool sh_mul3(size_t *out, size_t a, size_t b, size_t c)
{
    return sh_mul(out, a, b) && sh_mul(out, *out, c);
}
static inline bool sh_add_u64(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_add_overflow(a, b, out); }
static inline bool sh_mul_u64(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_mul_overflow(a, b, out); }
/* The smallest multiple of align (a power of two) that is >= n; n must be at least align below SIZE_MAX. */
static inline size_t sh_align_up(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

/* NULL when memory is short or n * size overflows; a zero size gives a distinct, freeable pointer.
 * sh_zalloc clears. sh_realloc keeps the old block on failure. All are freed with sh_free (NULL is a no-op). */
void *sh_alloc(size_t n, size_t size);
void *sh_zalloc(size_t n, size_t size);
void *sh_realloc(void *p, size_t n, size_t size);
/* 64-byte aligned (one cache line, one AVX-512 register); freed with sh_free too. */
void *sh_alloc_aligned(size_t n, size_t size);
char *sh_strdup(const char *s);
char *sh_strndup(const char *s, size_t n); /* copies exactly n bytes and adds a NUL */
void sh_free(void *p);

/* The same, filling *err on failure: `p = sh_new(sizeof *p, err); if (!p) return SH_E_NOMEM;` gives zeroed memory. */
void *sh_new(size_t size, sh_err *err);
void *sh_new_array(size_t n, size_t size, sh_err *err);

#endif
