/* pool.h - one set of worker threads per process, owned by app/ and handed down.
 *
 * sh_pool_run splits a loop over [0, n) into contiguous ranges, calls fn(ud, begin, end, i_worker) on the workers and
 * the calling thread, and returns when all are done. The split is by index only: kernels make every output from one
 * range alone, so the number of threads never changes a bit. Workers spin briefly, then sleep.
 * Threads: one sh_pool_run at a time per pool (a second caller waits its turn); fn must not call sh_pool_run. */
#ifndef SH_OS_POOL_H
#define SH_OS_POOL_H

#include <stddef.h>

#include "base/fail.h"

typedef struct sh_pool sh_pool;
typedef void (*sh_range_fn)(void *ud, size_t begin, size_t end, size_t i_worker);

/* n_threads counts the caller: 1 makes no thread at all; 0 means sh_cpu_count(). At most 256. */
int sh_pool_open(sh_pool **out, size_t n_threads, sh_err *err);
void sh_pool_free(sh_pool *pool);
size_t sh_pool_threads(const sh_pool *pool); /* 1 for NULL */
/* Ranges are multiples of `grain` (>= 1) but for the last one; n <= grain runs on the caller. pool NULL: on the caller.
 * i_worker < sh_pool_threads(pool) is unique among the calls that run at the same time. */
void sh_pool_run(sh_pool *pool, size_t n, size_t grain, sh_range_fn fn, void *ud);

size_t sh_cpu_count(void); /* cores this process may use (affinity mask, cgroup quota rounded up), at least 1 */

#endif
