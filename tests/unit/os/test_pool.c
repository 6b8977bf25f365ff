/* test_pool.c - the pool: every index exactly once, ranges by grain, unique workers, callers in turn, faults. */
#include "unit/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/fault.h"
#include "base/mem.h"
#include "os/clock.h"
#include "os/linux/cgroup_internal.h"
#include "os/pool.h"
#include "unit/tmpdir.h"

static const size_t thread_counts[] = {1, 2, 3, 7};

typedef struct record {
    unsigned *hits; /* [n], plain: a double visit is also a race that the thread sanitizer reports */
    size_t n, grain, n_threads;
    atomic_uint busy[256];
    atomic_uint n_calls, n_bad;
} record;

static void mark(void *ud, size_t begin, size_t end, size_t i_worker)
{
    record *r = ud;
    bool bad = begin >= end || end > r->n || begin % r->grain || (end % r->grain && end != r->n);
    bad = bad || i_worker >= r->n_threads || atomic_fetch_add(&r->busy[i_worker], 1) != 0;
    if (bad) atomic_fetch_add(&r->n_bad, 1);
    for (size_t i = begin; i < end; i++) r->hits[i]++;
    atomic_fetch_add(&r->n_calls, 1);
    atomic_fetch_sub(&r->busy[i_worker], 1);
}

static void check_run(sh_pool *pool, size_t n, size_t grain)
{
    record r = {.hits = sh_zalloc(n, sizeof *r.hits), .n = n, .grain = grain, .n_threads = sh_pool_threads(pool)};
    assert_non_null(r.hits);
    sh_pool_run(pool, n, grain, mark, &r);
    for (size_t i = 0; i < n; i++) assert_int_equal(r.hits[i], 1);
    size_t n_chunks = n / grain + (n % grain != 0);
    size_t parts = n_chunks < r.n_threads ? n_chunks : r.n_threads;
    assert_int_equal(r.n_calls, parts);
    assert_int_equal(r.n_bad, 0);
    sh_free(r.hits);
}

static void test_every_index_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 6, 7, 8, 31, 64, 1000}, grains[] = {1, 2, 7, 64, 5000};
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        sh_pool *pool = NULL;
        sh_err err = {0};
        assert_ok(sh_pool_open(&pool, thread_counts[t], &err), &err);
        assert_int_equal(sh_pool_threads(pool), thread_counts[t]);
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t g = 0; g < COUNT(grains); g++) check_run(pool, sizes[s], grains[g]);
        sh_pool_free(pool);
    }
    check_run(NULL, 100, 3);
    assert_int_equal(sh_pool_threads(NULL), 1);
    sh_pool_free(NULL);
}

typedef struct extent {
    atomic_size_t end_max;
    atomic_uint n_empty;
} extent;

static void note_end(void *ud, size_t begin, size_t end, size_t i_worker)
{
    extent *x = ud;
    (void)i_worker;
    if (begin >= end) atomic_fetch_add(&x->n_empty, 1);
    size_t old = atomic_load(&x->end_max);
    while (old < end && !atomic_compare_exchange_weak(&x->end_max, &old, end)) continue;
}

/* The split must not overflow for a range that nobody could store. */
static void test_huge_range(void **state)
{
    (void)state;
    sh_pool *pool = NULL;
    extent x = {0};
    assert_ok(sh_pool_open(&pool, 3, NULL), NULL);
    sh_pool_run(pool, SIZE_MAX, 1, note_end, &x);
    assert_true(x.end_max == SIZE_MAX);
    atomic_store(&x.end_max, 0);
    sh_pool_run(pool, SIZE_MAX, SIZE_MAX / 2, note_end, &x);
    assert_true(x.end_max == SIZE_MAX);
    assert_int_equal(x.n_empty, 0);
    sh_pool_free(pool);
}

static void add_one(void *ud, size_t begin, size_t end, size_t i_worker)
{
    (void)i_worker;
    for (size_t i = begin; i < end; i++) ((uint64_t *)ud)[i]++;
}

/* Short runs back to back, with pauses that let the workers fall asleep: no wake-up may be lost. */
static void test_many_runs_and_sleeps(void **state)
{
    (void)state;
    enum { N = 64, RUNS = 3000 };
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        sh_pool *pool = NULL;
        uint64_t sums[N] = {0};
        assert_ok(sh_pool_open(&pool, thread_counts[t], NULL), NULL);
        for (int i = 0; i < RUNS; i++) {
            sh_pool_run(pool, i % 5 ? N : N / 8, i % 3 ? 1 : 32, add_one, sums);
            if (i % 200 == 0) sh_sleep_us(300);
        }
        assert_int_equal(sums[0], RUNS);
        assert_int_equal(sums[N - 1], RUNS - RUNS / 5);
        sh_pool_free(pool);
    }
}

typedef struct rival {
    sh_pool *pool;
    uint64_t sums[32];
    atomic_uint *inside;
    atomic_uint n_overlaps;
} rival;

static void rival_part(void *ud, size_t begin, size_t end, size_t i_worker)
{
    rival *r = ud;
    if (i_worker == 0 && atomic_fetch_add(r->inside, 1) != 0) atomic_fetch_add(&r->n_overlaps, 1);
    for (size_t i = begin; i < end; i++) r->sums[i]++;
    if (i_worker == 0) atomic_fetch_sub(r->inside, 1);
}

static void *rival_main(void *ud)
{
    rival *r = ud;
    for (int i = 0; i < 500; i++) sh_pool_run(r->pool, 32, i % 2 ? 1 : 32, rival_part, r);
    return NULL;
}

static void test_callers_take_turns(void **state)
{
    (void)state;
    static atomic_uint inside;
    sh_pool *pool = NULL;
    rival r[3];
    pthread_t threads[3];
    assert_ok(sh_pool_open(&pool, 3, NULL), NULL);
    for (int i = 0; i < 3; i++) {
        r[i] = (rival){.pool = pool, .inside = &inside};
        assert_int_equal(pthread_create(&threads[i], NULL, rival_main, &r[i]), 0);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].n_overlaps, 0);
        for (int k = 0; k < 32; k++) assert_int_equal(r[i].sums[k], 500);
    }
    sh_pool_free(pool);
}

static void test_limits(void **state)
{
    (void)state;
    sh_pool *pool = NULL;
    sh_err err = {0};
    assert_int_equal(sh_pool_open(&pool, 257, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "257"));
    assert_null(pool);
    assert_ok(sh_pool_open(&pool, 0, &err), &err);
    size_t n_cpus = sh_cpu_count();
    assert_int_equal(sh_pool_threads(pool), n_cpus < 256 ? n_cpus : 256);
    sh_pool_free(pool);
}

#ifdef SHOAL_FAULT
static void fail_until_success(enum sh_fault_kind kind)
{
    int rc = SH_E_IO;
    long k = 0;
    for (; rc != SH_OK; k++) {
        sh_pool *pool = NULL;
        sh_err err = {0};
        assert_in_range(k, 0, 100);
        sh_fault_arm(kind, k);
        rc = sh_pool_open(&pool, 4, &err);
        bool fired = sh_fault_fired(kind);
        sh_fault_arm(kind, -1);
        /* A system call that sh_cpu_count misses costs it only the quota. */
        if (rc == SH_OK && fired) rc = SH_E_IO, check_run(pool, 100, 1);
        else if (rc == SH_OK) check_run(pool, 100, 1);
        else assert_null(pool), assert_true(err.msg[0] != 0);
        sh_pool_free(pool);
    }
    assert_true(k > 2);
}

static void test_faults(void **state)
{
    (void)state;
    fail_until_success(SH_FAULT_ALLOC);
    fail_until_success(SH_FAULT_SYSCALL);
}
#else
static void test_faults(void **state)
{
    (void)state;
    skip();
}
#endif

static uint64_t quota(const char *root, const char *membership)
{
    return sh_cgroup_least_of(root, membership, sh_cgroup_cpus);
}

static void test_cgroup_quota(void **state)
{
    (void)state;
    char *root = tmpdir_make();
    assert_true(quota(root, "0::/\n") == UINT64_MAX);
    tmpdir_write(root, "a/b/cpu.max", "150000 100000\n");
    assert_int_equal(quota(root, "3:cpu:/x\n0::/a/b\n"), 2);
    assert_int_equal(quota(root, "0::/a/b/gone\n"), 2);
    assert_true(quota(root, "0::/a\n") == UINT64_MAX);
    assert_true(quota(root, "3:cpu:/a/b\n") == UINT64_MAX);
    tmpdir_write(root, "a/cpu.max", "100000 100000\n");
    assert_int_equal(quota(root, "0::/a/b"), 1); /* a group above binds too */
    tmpdir_write(root, "a/cpu.max", "max 100000\n");
    assert_int_equal(quota(root, "0::/a/b"), 2);
    tmpdir_write(root, "cpu.max", "1000 100000\n");
    assert_int_equal(quota(root, "0::/a/b"), 1);
    assert_int_equal(quota(root, "0::/"), 1);
    tmpdir_write(root, "cpu.max", "nonsense\n");
    assert_true(quota(root, "") == UINT64_MAX);
    tmpdir_remove(root);
    assert_true(sh_cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_index_once),   cmocka_unit_test(test_huge_range),
        cmocka_unit_test(test_many_runs_and_sleeps), cmocka_unit_test(test_callers_take_turns),
        cmocka_unit_test(test_limits),             cmocka_unit_test(test_faults),
        cmocka_unit_test(test_cgroup_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
