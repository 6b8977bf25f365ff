/* buf.h - a growing byte string, and a borrowed view of bytes. */
#ifndef SH_BASE_BUF_H
#define SH_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"

/* A borrowed view; not NUL-terminated. */
typedef struct sh_str {
    const char *p;
    size_t n;
} sh_str;

static inline sh_str sh_str_of(const char *s) { return (sh_str){s, strlen(s)}; }
static inline sh_str sh_str_n(const char *p, size_t n) { return (sh_str){p, n}; }
static inline bool sh_str_eq(sh_str a, sh_str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool sh_str_is(sh_str a, const char *s) { return sh_str_eq(a, sh_str_of(s)); }
static inline bool sh_starts_with(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }
bool sh_ends_with(const char *s, const char *suffix);

/* p is always NUL-terminated once anything was added (the NUL is not counted in n). All zero is an empty buffer.
 * A failed append sets `failed` and makes every later append a no-op: test once with sh_buf_ok at the end. */
typedef struct sh_buf {
    char *p;
    size_t n, cap;
    bool failed;
} sh_buf;

void sh_buf_clear(sh_buf *b); /* frees; the buffer is empty and usable again */
static inline void sh_buf_reset(sh_buf *b) { b->n = 0, b->failed = false; if (b->p) b->p[0] = 0; }
bool sh_buf_reserve(sh_buf *b, size_t more); /* room for `more` further bytes and a NUL */
void sh_buf_add(sh_buf *b, const void *p, size_t n);
void sh_buf_puts(sh_buf *b, const char *s);
void sh_buf_putc(sh_buf *b, char c);
void sh_buf_printf(sh_buf *b, const char *fmt, ...) SH_PRINTF(2, 3);
void sh_buf_vprintf(sh_buf *b, const char *fmt, va_list ap);
int sh_buf_ok(const sh_buf *b, sh_err *err);         /* SH_OK, or SH_E_NOMEM when an append failed */
char *sh_buf_detach(sh_buf *b); /* the string, now the caller's (sh_free); "" when empty; NULL when out of memory */
static inline sh_str sh_buf_str(const sh_buf *b) { return (sh_str){b->p ? b->p : "", b->n}; }

#endif
