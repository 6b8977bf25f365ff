/* fail.c - filling in an sh_err. */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *sh_code_text(int code)
{
    switch (code) {
#define X(name, value, text)                                                                                   \
    case value:                                                                                                \
        return text;
        SH_ERR_MAP(X)
#undef X
    default:
        return "unknown error";
    }
}

static void err_vset(sh_err *err, int code, int os_errno, const char *fmt, va_list ap)
{
    if (!err) return;
    /* Format beside the struct first: an argument may point into err->msg. */
    char msg[sizeof err->msg];
    int n = vsnprintf(msg, sizeof msg, fmt, ap);
    if (n < 0) msg[0] = 0;
    err->code = code;
    err->os_errno = os_errno;
    memcpy(err->msg, msg, sizeof msg);
}

int sh_fail(sh_err *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(err, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

static int code_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOENT:
    case ENOTDIR:
        return SH_E_NOTFOUND;
    case EACCES:
    case EPERM:
        return SH_E_DENIED;
    case ENOMEM:
        return SH_E_NOMEM;
    case EEXIST:
        return SH_E_EXISTS;
    case ETIMEDOUT:
        return SH_E_TIMEOUT;
    default:
        return SH_E_IO;
    }
}

int sh_fail_os(sh_err *err, int os_errno, const char *fmt, ...)
{
    int code = code_of_errno(os_errno);
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    err_vset(err, code, os_errno, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->msg);
    char text[96];
    /* strerror_r of glibc (_GNU_SOURCE) may return a static string instead of filling text. */
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", strerror_r(os_errno, text, sizeof text));
    return code;
}

int sh_fail_nomem(sh_err *err, unsigned long long n_bytes)
{
    return sh_fail(err, SH_E_NOMEM, "out of memory (%llu bytes were asked for)", n_bytes);
}

int sh_fail_in(sh_err *err, int code, const char *fmt, ...)
{
    if (!err) return code;
    char prefix[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    if (n < 0) return code;
    size_t n_prefix = (size_t)n < sizeof prefix ? (size_t)n : sizeof prefix - 1;
    size_t n_old = strnlen(err->msg, sizeof err->msg - 1), room = sizeof err->msg - n_prefix - 3;
    if (n_old > room) n_old = room;
    memmove(err->msg + n_prefix + 2, err->msg, n_old);
    memcpy(err->msg, prefix, n_prefix);
    memcpy(err->msg + n_prefix, ": ", 2);
    err->msg[n_prefix + 2 + n_old] = 0;
    err->code = code;
    return code;
}
