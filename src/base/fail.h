/* fail.h - filling in an sh_err. */
#ifndef SH_BASE_FAIL_H
#define SH_BASE_FAIL_H

#include <shoal/err.h>

/* Set *err (when not NULL) to code and the formatted line; returns code, so that `return sh_fail(...)` reads well. */
int sh_fail(sh_err *err, int code, const char *fmt, ...) SH_PRINTF(3, 4);
/* The same for a failed system call: ": strerror" is appended and the code follows os_errno
 * (ENOENT -> SH_E_NOTFOUND, EACCES/EPERM -> SH_E_DENIED, ENOMEM -> SH_E_NOMEM, EEXIST -> SH_E_EXISTS, else SH_E_IO). */
int sh_fail_os(sh_err *err, int os_errno, const char *fmt, ...) SH_PRINTF(3, 4);
/* SH_E_NOMEM for a request of n bytes. */
int sh_fail_nomem(sh_err *err, unsigned long long n_bytes);
/* Put "prefix: " in front of the message already in *err; returns err->code (SH_E_INVALID when err is NULL). */
int sh_fail_in(sh_err *err, int code, const char *fmt, ...) SH_PRINTF(3, 4);

#endif
