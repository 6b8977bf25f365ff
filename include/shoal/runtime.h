/* shoal/runtime.h - what one process computes with: its worker threads and its instruction set. Open one,
 * hand it down. */
#ifndef SHOAL_RUNTIME_H
#define SHOAL_RUNTIME_H

#include <shoal/err.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_runtime sh_runtime;

typedef struct sh_runtime_opts {
    int version;   /* 1 */
    int n_threads; /* 0: all cores this process may use (environment SHOAL_THREADS is read by the program, not
                      here) */
    const char
        *cpu; /* "ref", "avx2", "avx512", "amx"; NULL: the best this machine has. Never changes a result. */
} sh_runtime_opts;
#define SH_RUNTIME_OPTS_INIT {.version = 1}

/* opts may be NULL. Everything made with a runtime must be freed before it. */
SH_API int sh_runtime_open(sh_runtime **out, const sh_runtime_opts *opts, sh_err *err);
SH_API void sh_runtime_free(sh_runtime *rt);
SH_API const char *sh_runtime_cpu(const sh_runtime *rt); /* the level in use */
SH_API int sh_runtime_threads(const sh_runtime *rt);

#ifdef __cplusplus
}
#endif
#endif
