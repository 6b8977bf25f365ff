/* runtime.c - opening the pool and choosing the kernels. */
#include "tensor/runtime.h"

#include "base/mem.h"

int sh_runtime_open(sh_runtime **out, const sh_runtime_opts *opts, sh_err *err)
{
    int rc, n_threads = opts ? opts->n_threads : 0;
    if (n_threads < 0 || n_threads > 256)
        return sh_fail(err, SH_E_INVALID, "threads: %d (expected 0 to 256)", n_threads);
    sh_runtime *rt = sh_new(sizeof *rt, err);
    if (!rt) return SH_E_NOMEM;
    if ((rc = sh_kernels_choose(&rt->kernels, opts ? opts->cpu : NULL, err)) < 0) goto fail;
    if ((rc = sh_pool_open(&rt->pool, (size_t)n_threads, err)) < 0) goto fail;
    *out = rt;
    return SH_OK;
fail:
    sh_runtime_free(rt);
    return rc;
}

void sh_runtime_free(sh_runtime *rt)
{
    if (!rt) return;
    sh_pool_free(rt->pool);
    sh_free(rt);
}

const char *sh_runtime_cpu(const sh_runtime *rt) { return rt->kernels->name; }

int sh_runtime_threads(const sh_runtime *rt) { return (int)sh_pool_threads(rt->pool); }
