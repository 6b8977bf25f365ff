/* buf.c - a growing byte string. */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"

bool sh_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

void sh_buf_clear(sh_buf *b)
{
    sh_free(b->p);
    *b = (sh_buf){0};
}

bool sh_buf_reserve(sh_buf *b, size_t more)
{
    size_t need;
    if (b->failed) return false;
    if (!sh_add(&need, b->n, more) || !sh_add(&need, need, 1)) goto fail;
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) {
        if (cap > SIZE_MAX / 2) goto fail;
        cap *= 2;
    }
    char *p = sh_realloc(b->p, cap, 1);
    if (!p) goto fail;
    b->p = p;
    b->cap = cap;
    b->p[b->n] = 0;
    return true;
fail:
    b->failed = true;
    return false;
}

void sh_buf_add(sh_buf *b, const void *p, size_t n)
{
    if (!sh_buf_reserve(b, n)) return;
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void sh_buf_puts(sh_buf *b, const char *s) { sh_buf_add(b, s, strlen(s)); }

void sh_buf_putc(sh_buf *b, char c) { sh_buf_add(b, &c, 1); }

void sh_buf_vprintf(sh_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) b->failed = true;
    if (n >= 0 && sh_buf_reserve(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void sh_buf_printf(sh_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    sh_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

int sh_buf_ok(const sh_buf *b, sh_err *err) { return b->failed ? sh_fail_nomem(err, b->n) : SH_OK; }

char *sh_buf_detach(sh_buf *b)
{
    if (b->failed || !sh_buf_reserve(b, 0)) {
        sh_buf_clear(b);
        return NULL;
    }
    char *p = b->p;
    *b = (sh_buf){0};
    return p;
}
