/* test_unpack.c - a row read back from a repacked weight has the bits of its source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tensor/matmul.h"
#include "tensor/matmul_internal.h"
#include "tensor/pack.h"
#include "unit/tensor/tensor_fixture.h"

/* 18 rows: a full group, and one that is filled up. An odd number of blocks: half a packed pair is empty. */
static void check_type(enum sh_dtype t, const sh_kernels *kernels)
{
    enum { ROWS = 18 };
    const sh_dtype_info *type = &sh_dtypes[t];
    const size_t n_cols = (size_t)type->block_elements * 5;
    sh_rng rng = {t + 1u};
    sh_weight *w = NULL;
    uint8_t *src = fixture_weight(t, ROWS, n_cols, &rng, true);
    float *expected = sh_alloc(n_cols, sizeof(float)), *got = sh_alloc(n_cols, sizeof(float));
    size_t row_bytes;
    assert_non_null(src);
    assert_non_null(expected);
    assert_non_null(got);
    assert_true(sh_dtype_row_bytes(&row_bytes, t, n_cols));
    assert_int_equal(sh_weight_open(&w, kernels, t, ROWS, n_cols, src, NULL, NULL), SH_OK);
    assert_int_equal(w->packed != NULL, kernels->level != SH_CPU_REF && sh_pack_get(t) != NULL);
    for (size_t r = 0; r < ROWS; r++) {
        type->decode(src + r * row_bytes, expected, n_cols);
        memset(got, 0xa5, n_cols * sizeof(float));
        if (w->packed) memset(src + r * row_bytes, 0x5a, row_bytes); /* must not be looked at */
        sh_weight_get_row(w, r, got);
        assert_memory_equal(got, expected, n_cols * sizeof(float));
    }
    sh_weight_free(w);
    sh_free(src);
    sh_free(expected);
    sh_free(got);
}

static void test_rows_come_back(void **state)
{
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels), n_types = 0;
    (void)state;
    for (uint32_t t = 0; t < SH_DTYPE_COUNT; t++) {
        if (!sh_dtypes[t].name) continue;
        check_type((enum sh_dtype)t, sh_kernels_get(SH_CPU_REF));
        for (size_t l = 0; l < n_levels; l++) check_type((enum sh_dtype)t, levels[l]);
        n_types += sh_pack_get((enum sh_dtype)t) != NULL;
    }
    assert_true(n_types >= 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
