/* test_base_mem.c - checked sizes, arenas, injected failures. */
#include "unit/test.h"

#include "base/arena.h"
#include "base/fault.h"
#include "base/mem.h"

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t n;
    uint64_t v;
    assert_true(sh_add(&n, SIZE_MAX - 1, 1) && n == SIZE_MAX);
    assert_false(sh_add(&n, SIZE_MAX, 1));
    assert_true(sh_mul(&n, SIZE_MAX / 2, 2));
    assert_false(sh_mul(&n, SIZE_MAX / 2 + 1, 2));
    assert_true(sh_mul3(&n, 2, 3, 7) && n == 42);
    assert_false(sh_mul3(&n, SIZE_MAX / 4, 4, 2));
    assert_false(sh_add_u64(&v, UINT64_MAX, 1));
    assert_false(sh_mul_u64(&v, UINT64_MAX, 2));
    assert_int_equal(sh_align_up(1, 64), 64);
    assert_int_equal(sh_align_up(64, 64), 64);
    assert_int_equal(sh_align_up(0, 64), 0);
}

static void test_allocation(void **state)
{
    (void)state;
    sh_err err = {0};
    assert_null(sh_alloc(SIZE_MAX / 2, 3));
    assert_null(sh_zalloc(SIZE_MAX / 2, 3));
    assert_null(sh_alloc_aligned(SIZE_MAX / 2, 3));
    assert_null(sh_alloc_aligned(SIZE_MAX - 3, 1));
    assert_null(sh_strndup("x", SIZE_MAX));
    void *zero = sh_alloc(0, 8), *other = sh_alloc(0, 8);
    assert_non_null(zero);
    assert_ptr_not_equal(zero, other);
    sh_free(zero);
    sh_free(other);
    sh_free(NULL);
    unsigned char *z = sh_zalloc(3, 5);
    for (int i = 0; i < 15; i++) assert_int_equal(z[i], 0);
    assert_null(sh_realloc(z, SIZE_MAX / 2, 3)); /* and the old block is still there */
    z[14] = 7;
    z = sh_realloc(z, 1000, 1);
    assert_int_equal(z[14], 7);
    sh_free(z);
    char *a = sh_alloc_aligned(1, 1), *copy = sh_strndup("ab\0cd", 5);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_memory_equal(copy, "ab\0cd", 6);
    sh_free(a);
    sh_free(copy);
    assert_null(sh_new_array(SIZE_MAX / 2, 4, &err));
    assert_int_equal(err.code, SH_E_NOMEM);
}

static void test_arena(void **state)
{
    (void)state;
    sh_arena *a = sh_arena_open();
    unsigned char *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = sh_arena_alloc(a, i, 37);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 255), i * 37);
    }
    for (size_t i = 1; i < 300; i++) { /* no block overlaps another */
        assert_int_equal(blocks[i][0], i & 255);
        assert_int_equal(blocks[i][i * 37 - 1], i & 255);
    }
    assert_null(sh_arena_alloc(a, SIZE_MAX, 2));
    assert_null(sh_arena_alloc(a, SIZE_MAX, 1));
    assert_null(sh_arena_strndup(a, "x", SIZE_MAX));
    size_t held = sh_arena_bytes(a);
    assert_true(held > 1000000);
    sh_arena_reset(a);
    assert_true(sh_arena_bytes(a) < held && sh_arena_bytes(a) > 0);
    unsigned char *z = sh_arena_zalloc(a, 100, 10);
    for (int i = 0; i < 1000; i++) assert_int_equal(z[i], 0);
    assert_string_equal(sh_arena_strdup(a, "kept"), "kept");
    assert_string_equal(sh_arena_strndup(a, "keptnot", 4), "kept");
    sh_arena_free(a);
    sh_arena_free(NULL);
}

#ifdef SHOAL_FAULT
static void test_faults(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_fault_arm(SH_FAULT_ALLOC, 1);
    void *first = sh_alloc(1, 1);
    assert_non_null(first);
    assert_false(sh_fault_fired(SH_FAULT_ALLOC));
    assert_null(sh_alloc(1, 1));
    assert_true(sh_fault_fired(SH_FAULT_ALLOC));
    void *third = sh_alloc(1, 1); /* fails once only */
    assert_non_null(third);
    sh_free(first);
    sh_free(third);
    sh_fault_arm(SH_FAULT_ALLOC, 0);
    assert_null(sh_new(16, &err));
    assert_non_null(strstr(err.msg, "16"));
    for (long k = 0; k < 2; k++) {
        sh_fault_arm(SH_FAULT_ALLOC, k);
        sh_arena *a = sh_arena_open();
        assert_true(k == 0 ? a == NULL : sh_arena_alloc(a, 1, 1) == NULL);
        sh_arena_free(a);
    }
    sh_fault_arm(SH_FAULT_ALLOC, -1);
}
#else
static void test_faults(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checked_arithmetic),
        cmocka_unit_test(test_allocation),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
