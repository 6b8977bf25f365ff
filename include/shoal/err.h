/* shoal/err.h - how a Shoal call says what went wrong.
 *
 * A call that can fail returns SH_OK (0) or a negative code and takes an `sh_err *err` as its last argument.
 * `err` may be NULL. It is untouched on success, so calls chain: test the return value, then read err->msg once. */
#ifndef SHOAL_ERR_H
#define SHOAL_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SH_API __attribute__((visibility("default")))
#define SH_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#else
#define SH_API
#define SH_PRINTF(fmt_index, first_arg)
#endif

/* One code per failure that a caller can act on. */
#define SH_ERR_MAP(X)                                                                                          \
    X(OK, 0, "ok")                                                                                             \
    X(E_NOMEM, -1, "out of memory")                                                                            \
    X(E_NOTFOUND, -2, "not found")                                                                             \
    X(E_CORRUPT, -3, "corrupt data")                                                                           \
    X(E_RANGE, -4, "out of range")                                                                             \
    X(E_CANCELLED, -5, "cancelled")                                                                            \
    X(E_IO, -6, "input/output error")                                                                          \
    X(E_UNSUPPORTED, -7, "not supported")                                                                      \
    X(E_INVALID, -8, "invalid argument")                                                                       \
    X(E_BUSY, -9, "busy")                                                                                      \
    X(E_LIMIT, -10, "limit exceeded")                                                                          \
    X(E_DENIED, -11, "permission denied")                                                                      \
    X(E_EXISTS, -12, "already exists")                                                                         \
    X(E_TIMEOUT, -13, "timed out")

enum sh_code {
#define X(name, value, text) SH_##name = value,
    SH_ERR_MAP(X)
#undef X
};

typedef struct sh_err {
    int code;      /* an enum sh_code */
    int os_errno;  /* errno of the failed system call, or 0 */
    char msg[488]; /* one line for a person: what, where, what was expected */
} sh_err;

/* The fixed text of a code ("corrupt data"); "unknown error" for a number that is no code. */
SH_API const char *sh_code_text(int code);

#ifdef __cplusplus
}
#endif
#endif
