/* test_quant_exact.c - the writers that round to nearest give the reference's bytes; what cannot be written
 * is refused. */
#include "quant_fixture.h"

#include "base/half.h"

static const enum sh_dtype exact_types[] = {SH_Q8_0, SH_Q4_0,  SH_Q4_1,  SH_Q5_0,
                                            SH_Q5_1, SH_TQ1_0, SH_TQ2_0, SH_MXFP4};
enum { N_EXACT = sizeof exact_types / sizeof *exact_types };

static void assert_same_bytes(const uint8_t *got, const uint8_t *want, size_t n, size_t block,
                              const char *type, const char *row)
{
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("%s, row %s: byte %zu of block %zu is %02x, expected %02x", type, row, i % block,
                     i / block, got[i], want[i]);
}

static void test_round_to_nearest_bytes(void **state)
{
    (void)state;
    size_t n, row_bytes;
    float *rows = fixture_read("inputs/rows.f32", &n);
    assert_int_equal(n, (size_t)FIXTURE_ROWS * FIXTURE_COLS * 4);
    for (int k = 0; k < N_EXACT; k++) {
        enum sh_dtype t = exact_types[k];
        uint8_t *want = fixture_read_type("quantised", t, ".plain.ggml.u8", &n), got[FIXTURE_COLS * 2];
        assert_true(sh_dtype_row_bytes(&row_bytes, t, FIXTURE_COLS));
        assert_int_equal(n, FIXTURE_ROWS * row_bytes);
        for (int r = 0; r < FIXTURE_ROWS; r++) {
            const uint8_t *ref = want + (size_t)r * row_bytes;
            const char *name = fixture_rows[r];
            float ref_values[FIXTURE_COLS];
            bool finite = true;
            sh_dequantize_row(t, ref, ref_values, FIXTURE_COLS);
            for (int i = 0; i < FIXTURE_COLS; i++) finite = finite && isfinite(ref_values[i]);
            sh_err err = {0};
            int rc = sh_quantize_row(t, rows + r * FIXTURE_COLS, got, FIXTURE_COLS, NULL, &err);
            /* The reference writes infinite scales where we refuse. */
            assert_int_equal(rc, finite ? SH_OK : SH_E_RANGE);
            /* "tiny" is undefined arithmetic in the reference: only what it reads as is comparable (below).
             */
            if (rc == SH_OK && strcmp(name, "tiny") != 0)
                assert_same_bytes(got, ref, row_bytes, sh_dtypes[t].block_bytes, sh_dtypes[t].name, name);
        }
        sh_free(want);
    }
    sh_free(rows);
}

static void test_float_edges(void **state)
{
    (void)state;
    static const enum sh_dtype types[] = {SH_F16, SH_BF16};
    size_t n_bytes;
    float *x = fixture_read("inputs/float_edges.f32", &n_bytes);
    size_t n = n_bytes / 4;
    for (int k = 0; k < 2; k++) {
        uint8_t *want = fixture_read_type("quantised", types[k], ".float_edges.u8", &n_bytes);
        uint8_t *got = sh_alloc(n, 2);
        float *got_values = sh_alloc(n, 4), *values = sh_alloc(n, 4);
        assert_int_equal(n_bytes, 2 * n);
        assert_int_equal(sh_quantize_row(types[k], x, got, n, NULL, NULL), SH_OK);
        sh_dequantize_row(types[k], got, got_values, n);
        sh_dequantize_row(types[k], want, values, n);
        for (size_t i = 0; i < n; i++) {
            if (isnan(x[i]))
                assert_true(isnan(got_values[i]) && isnan(values[i]));
            else if (memcmp(got + 2 * i, want + 2 * i, 2) != 0)
                fail_msg("%s: %.9g became %.9g, expected %.9g", sh_dtypes[types[k]].name, (double)x[i],
                         (double)got_values[i], (double)values[i]);
        }
        sh_free(got);
        sh_free(got_values);
        sh_free(values);
        sh_free(want);
    }
    float back[3];
    const float odd[3] = {NAN, -INFINITY, 0x1p-149f};
    uint8_t bytes[12];
    assert_int_equal(sh_quantize_row(SH_F32, odd, bytes, 3, NULL, NULL), SH_OK);
    sh_dequantize_row(SH_F32, bytes, back, 3);
    assert_memory_equal(back, odd, sizeof odd);
    sh_free(x);
}

/* Every type that is written, at the sizes where floats stop behaving: nothing overflows, and values below
 * the reach of f16 read as (nearly) zero. The sanitizers check the rest. */
static void test_tiny_and_zero_rows(void **state)
{
    (void)state;
    static const float sizes[] = {0, 0x1p-149f, 0x1p-130f, 0x1p-126f, 1e-30f, 1e-20f, 1e-12f};
    float x[512], y[512], h[512];
    uint8_t bytes[2048];
    fixture_noise(h, 512, 5, 1);
    for (int i = 0; i < 512; i++) h[i] = fabsf(h[i]);
    for (uint32_t t = 0; t < SH_DTYPE_COUNT; t++) {
        if (!sh_quant_can_write((enum sh_dtype)t)) continue;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (int with_importance = 0; with_importance < 2; with_importance++) {
                fixture_noise(x, 512, 6 + k, 1);
                for (int i = 0; i < 512; i++) x[i] *= sizes[k];
                sh_err err = {0};
                assert_int_equal(
                    sh_quantize_row((enum sh_dtype)t, x, bytes, 512, with_importance ? h : NULL, &err),
                    SH_OK);
                sh_dequantize_row((enum sh_dtype)t, bytes, y, 512);
                float limit = sizes[k] * 8 + (sh_dtypes[t].is_quantized ? 1e-6f : 0);
                for (int i = 0; i < 512; i++) assert_true(fabsf(y[i]) <= limit);
            }
    }
}

static void test_what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    float x[1024];
    uint8_t bytes[1024 * 4];
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (uint32_t t = 0; t < SH_DTYPE_COUNT; t++) {
        if (!sh_quant_can_write((enum sh_dtype)t) || !sh_dtypes[t].is_quantized) continue;
        for (int k = 0; k < 3; k++) {
            sh_err err = {0};
            fixture_noise(x, 1024, 1, 1);
            x[777] = bad[k];
            assert_int_equal(sh_quantize((enum sh_dtype)t, x, bytes, 2, 512, NULL, NULL, &err), SH_E_RANGE);
            assert_non_null(strstr(err.msg, "row 1, column 265"));
        }
        if (t == SH_MXFP4) continue; /* its scale is a power of two and reaches as far as float */
        sh_err err = {0};
        char expected[64];
        for (float size = 1e13f; size < 1e38f; size *= 1e6f) {
            fixture_noise(x, 1024, 1, 1);
            x[777] = size;
            unsigned block = sh_dtypes[t].block_elements, first = 265 / block * block;
            snprintf(expected, sizeof expected, "row 1, columns %u to %u", first, first + block - 1);
            assert_int_equal(sh_quantize((enum sh_dtype)t, x, bytes, 2, 512, NULL, NULL, &err), SH_E_RANGE);
            if (!strstr(err.msg, expected)) fail_msg("expected '%s' in: %s", expected, err.msg);
            assert_non_null(strstr(err.msg, sh_dtypes[t].name));
        }
    }
}

static void test_calls_that_make_no_sense(void **state)
{
    (void)state;
    float x[512] = {0}, h[512];
    uint8_t bytes[2048];
    sh_err err = {0};
    assert_int_equal(sh_quantize_row(SH_Q4_K, x, bytes, 288, NULL, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "multiple of 256"));
    assert_int_equal(sh_quantize_row(SH_IQ2_XXS, x, bytes, 256, NULL, &err), SH_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "iq2_xxs"));
    assert_int_equal(sh_quantize_row((enum sh_dtype)5, x, bytes, 256, NULL, &err), SH_E_INVALID);
    assert_false(sh_quant_can_write(SH_Q8_K));
    assert_false(sh_quant_can_write((enum sh_dtype)5));
    assert_true(sh_quant_can_write(SH_Q4_K));
    static const float bad[] = {-1, NAN, INFINITY};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 512; i++) h[i] = 1;
        h[300] = bad[k];
        assert_int_equal(sh_quantize_row(SH_Q4_K, x, bytes, 512, h, &err), SH_E_INVALID);
        assert_non_null(strstr(err.msg, "column 300"));
    }
    assert_int_equal(sh_quantize(SH_Q4_K, x, bytes, 0, 512, NULL, NULL, NULL), SH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_to_nearest_bytes),
        cmocka_unit_test(test_float_edges),
        cmocka_unit_test(test_tiny_and_zero_rows),
        cmocka_unit_test(test_what_cannot_be_written_is_refused),
        cmocka_unit_test(test_calls_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
