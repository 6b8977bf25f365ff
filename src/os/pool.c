/* pool.c - worker threads for short, frequent, evenly split loops.
 *
 * A run publishes one 64-bit ticket: a sequence number and the number of parts. Workers spin on the ticket for
 * SPIN_US, which outlasts the gap between two operators of a decode step, and then sleep on the bell.
 *
 *   caller                                  worker i
 *   write job, n_pending = parts - 1        see a new ticket
 *   ticket = next    (release)              i >= parts, or part i claimed? wait on
 *   someone asleep?  bell++, wake           claim and run part i
 *   run part 0                              n_pending-- ; was it the last and the caller asleep? wake it
 *   claim and run parts not begun yet
 *   wait for n_pending == 0
 *
 * A part is claimed by writing the run's sequence number over an older one. The caller takes over what a worker
 * that lost its core has not begun: on a busy machine a run then costs no more than on one thread.
 * Only who claimed a part touches the job, and the caller waits for exactly those, so the job is never overwritten
 * under a reader; a worker that comes late finds its part claimed, and may sleep through any number of runs.
 * Sleeping is race-free both ways: the sleeper announces itself and then looks again, the waker changes the word and
 * then looks for sleepers, all sequentially consistent, so at least one of the two sees the other. */
#include "os/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/linux/futex_internal.h"
#include "os/relax_internal.h"
#include "os/sys_internal.h"

enum { THREADS_MAX = 256, PARTS_BITS = 9, LINE = 64 };
enum { SPIN_US = 50, LOOKS_BEFORE_YIELD = 64, RELAXES_PER_LOOK = 4 };
_Static_assert(THREADS_MAX < 1 << PARTS_BITS, "a ticket holds the number of parts");

typedef struct worker {
    sh_pool *pool;
    size_t index; /* the caller is 0 */
    pthread_t thread;
    _Alignas(LINE) atomic_uint_fast64_t claimed; /* the last run whose part `index` somebody took */
} worker;

typedef struct job {
    sh_range_fn fn;
    void *ud;
    size_t n, grain, parts;
} job;

struct sh_pool {
    size_t n_threads;
    bool spin_yields; /* more threads than cores: a spinning thread would keep a working one from its core */
    worker *workers;  /* [n_threads - 1] */
    pthread_mutex_t turn;
    job job;
    _Alignas(LINE) atomic_uint_fast64_t ticket;
    _Alignas(LINE) atomic_uint bell;
    atomic_uint n_asleep;
    atomic_bool stop;
    _Alignas(LINE) atomic_uint n_pending;
    atomic_bool caller_asleep;
};

static void run_part(const job *j, size_t i)
{
    size_t n_chunks = j->n / j->grain + (j->n % j->grain != 0);
    size_t each = n_chunks / j->parts, extra = n_chunks % j->parts;
    size_t first = i * each + (i < extra ? i : extra);
    size_t last = first + each + (i < extra);
    j->fn(j->ud, first * j->grain, i + 1 == j->parts ? j->n : last * j->grain, i);
}

typedef struct spinner {
    unsigned n_looks;
    uint64_t start_us; /* of the yielding part */
} spinner;

/* One step of a spin loop; false when SPIN_US are over. The first steps, several microseconds, keep the core and
 * read no clock: most answers come then. Later steps offer the core to whoever else wants it, which may be the very
 * thread that is waited for. */
static bool spin(const sh_pool *pool, spinner *s)
{
    if (!pool->spin_yields && s->n_looks < LOOKS_BEFORE_YIELD) {
        s->n_looks++;
        for (int i = 0; i < RELAXES_PER_LOOK; i++) sh_cpu_relax();
        return true;
    }
    if (!s->start_us) s->start_us = sh_now_us();
    sched_yield();
    return sh_now_us() - s->start_us < SPIN_US;
}

static uint64_t wait_for_ticket(sh_pool *pool, uint64_t seen)
{
    spinner s = {0};
    uint64_t now;
    do {
        if ((now = atomic_load_explicit(&pool->ticket, memory_order_acquire)) != seen) return now;
    } while (spin(pool, &s));
    atomic_fetch_add(&pool->n_asleep, 1);
    for (;;) {
        unsigned bell = atomic_load(&pool->bell);
        if ((now = atomic_load(&pool->ticket)) != seen) break;
        sh_futex_wait(&pool->bell, bell);
    }
    atomic_fetch_sub(&pool->n_asleep, 1);
    return now;
}

/* True for the one of worker and caller that is to run the worker's part of run `sequence`. */
static bool claim(worker *w, uint64_t sequence)
{
    uint64_t last = atomic_load_explicit(&w->claimed, memory_order_relaxed);
    return last < sequence && atomic_compare_exchange_strong(&w->claimed, &last, sequence);
}

static void *worker_main(void *ud)
{
    worker *w = ud;
    sh_pool *pool = w->pool;
    uint64_t seen = 0;
    for (;;) {
        seen = wait_for_ticket(pool, seen);
        if (atomic_load_explicit(&pool->stop, memory_order_relaxed)) return NULL;
        if (w->index >= (seen & ((1u << PARTS_BITS) - 1)) || !claim(w, seen >> PARTS_BITS)) continue;
        run_part(&pool->job, w->index);
        if (atomic_fetch_sub(&pool->n_pending, 1) == 1 && atomic_load(&pool->caller_asleep))
            sh_futex_wake_all(&pool->n_pending);
    }
}

/* Returns the run's sequence number. */
static uint64_t publish(sh_pool *pool, size_t parts)
{
    uint64_t next = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> PARTS_BITS) + 1;
    atomic_store(&pool->ticket, next << PARTS_BITS | parts);
    if (atomic_load(&pool->n_asleep) != 0) {
        atomic_fetch_add(&pool->bell, 1);
        sh_futex_wake_all(&pool->bell);
    }
    return next;
}

static void take_over(sh_pool *pool, size_t parts, uint64_t sequence)
{
    for (size_t i = parts - 1; i >= 1; i--) {
        if (!claim(&pool->workers[i - 1], sequence)) continue;
        run_part(&pool->job, i);
        atomic_fetch_sub(&pool->n_pending, 1);
    }
}

static void wait_for_workers(sh_pool *pool)
{
    spinner s = {0};
    do {
        if (atomic_load_explicit(&pool->n_pending, memory_order_acquire) == 0) return;
    } while (spin(pool, &s));
    atomic_store(&pool->caller_asleep, true);
    for (unsigned left; (left = atomic_load(&pool->n_pending)) != 0;) sh_futex_wait(&pool->n_pending, left);
    atomic_store_explicit(&pool->caller_asleep, false, memory_order_relaxed);
}

void sh_pool_run(sh_pool *pool, size_t n, size_t grain, sh_range_fn fn, void *ud)
{
    assert(grain >= 1);
    if (n == 0) return;
    if (!pool) {
        fn(ud, 0, n, 0);
        return;
    }
    /* Also for a run of one part: i_worker 0 must not be handed out twice at the same time. */
    pthread_mutex_lock(&pool->turn);
    size_t n_chunks = n / grain + (n % grain != 0);
    size_t parts = n_chunks < pool->n_threads ? n_chunks : pool->n_threads;
    if (parts == 1) {
        fn(ud, 0, n, 0);
    } else {
        pool->job = (job){fn, ud, n, grain, parts};
        atomic_store_explicit(&pool->n_pending, (unsigned)parts - 1, memory_order_relaxed);
        uint64_t sequence = publish(pool, parts);
        run_part(&pool->job, 0);
        take_over(pool, parts, sequence);
        wait_for_workers(pool);
    }
    pthread_mutex_unlock(&pool->turn);
}

/* Workers take no signals: Ctrl-C belongs to the thread that waits for it. */
static int start_worker(worker *w)
{
    sigset_t all, old;
    if (sys_fails()) return EIO;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) (void)pthread_setname_np(w->thread, "shoal-worker");
    return rc;
}

int sh_pool_open(sh_pool **out, size_t n_threads, sh_err *err)
{
    size_t n_cpus = sh_cpu_count();
    int rc = SH_OK;
    if (n_threads == 0) n_threads = n_cpus < THREADS_MAX ? n_cpus : THREADS_MAX;
    if (n_threads > THREADS_MAX)
        return sh_fail(err, SH_E_RANGE, "%zu threads were asked for, the most is %d", n_threads, THREADS_MAX);
    sh_pool *pool = sh_alloc_aligned(1, sizeof *pool);
    if (!pool) return sh_fail_nomem(err, sizeof *pool);
    *pool = (sh_pool){.n_threads = 1, .spin_yields = n_threads > n_cpus};
    pthread_mutex_init(&pool->turn, NULL);
    pool->workers = sh_alloc_aligned(n_threads - 1, sizeof *pool->workers);
    if (!pool->workers) {
        rc = sh_fail_nomem(err, (n_threads - 1) * sizeof *pool->workers);
        goto fail;
    }
    for (size_t i = 1; i < n_threads; i++) {
        worker *w = &pool->workers[i - 1];
        *w = (worker){.pool = pool, .index = i};
        int os_errno = start_worker(w);
        if (os_errno) {
            rc = sh_fail_os(err, os_errno, "worker thread %zu of %zu cannot be started", i, n_threads - 1);
            goto fail;
        }
        pool->n_threads = i + 1; /* counted as they start, so that a failure stops and joins just these */
    }
    *out = pool;
    return SH_OK;
fail:
    sh_pool_free(pool);
    return rc;
}

void sh_pool_free(sh_pool *pool)
{
    if (!pool) return;
    atomic_store_explicit(&pool->stop, true, memory_order_relaxed); /* published by the ticket */
    publish(pool, 0);
    for (size_t i = 1; i < pool->n_threads; i++) pthread_join(pool->workers[i - 1].thread, NULL);
    pthread_mutex_destroy(&pool->turn);
    sh_free(pool->workers);
    sh_free(pool);
}

size_t sh_pool_threads(const sh_pool *pool) { return pool ? pool->n_threads : 1; }
