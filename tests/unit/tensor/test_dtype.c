/* test_dtype.c - the table of element types, and every decoder against the reference blocks, bit for bit. */
#include "quant_fixture.h"

#include "base/endian.h"
#include "base/half.h"

static void test_table_is_whole(void **state)
{
    (void)state;
    int n_named = 0;
    for (uint32_t t = 0; t < SH_DTYPE_COUNT; t++) {
        const sh_dtype_info *info = sh_dtype_get(t);
        if (!info) {
            assert_null(sh_dtypes[t].name);
            assert_false(sh_dtype_is_known(t));
            continue;
        }
        n_named++;
        assert_true(sh_dtype_is_known(t));
        assert_non_null(info->decode);
        assert_true(info->block_elements >= 1 && info->block_bytes >= 1);
        assert_int_equal(info->is_quantized, info->block_elements > 1);
        assert_int_equal(sh_dtype_find(info->name), (int)t);
    }
    assert_int_equal(n_named, 35);
    assert_null(sh_dtype_get(SH_DTYPE_COUNT));
    assert_null(sh_dtype_get(UINT32_MAX));
}

static void test_find_ignores_case(void **state)
{
    (void)state;
    assert_int_equal(sh_dtype_find("Q4_K"), SH_Q4_K);
    assert_int_equal(sh_dtype_find("q4_k"), SH_Q4_K);
    assert_int_equal(sh_dtype_find("Iq2_xXs"), SH_IQ2_XXS);
    assert_int_equal(sh_dtype_find("f32"), 0);
    assert_int_equal(sh_dtype_find(""), -1);
    assert_int_equal(sh_dtype_find("q4"), -1);
    assert_int_equal(sh_dtype_find("q4_k_m"), -1);
}

static void test_row_bytes(void **state)
{
    (void)state;
    size_t n = 7;
    assert_true(sh_dtype_row_bytes(&n, SH_Q4_K, 4096));
    assert_int_equal(n, 4096 / 256 * 144);
    assert_true(sh_dtype_row_bytes(&n, SH_F64, 3));
    assert_int_equal(n, 24);
    assert_true(sh_dtype_row_bytes(&n, SH_Q8_0, 0));
    assert_int_equal(n, 0);
    n = 7;
    assert_false(sh_dtype_row_bytes(&n, SH_Q4_K, 4096 + 32));
    assert_false(sh_dtype_row_bytes(&n, SH_F64, UINT64_MAX / 4));
    assert_false(sh_dtype_row_bytes(&n, (enum sh_dtype)4, 32)); /* a number that GGUF retired */
    assert_false(sh_dtype_row_bytes(&n, SH_DTYPE_COUNT, 32));
    assert_int_equal(n, 7);
}

/* NaN equals NaN; all else by its bits, so that zeros differ by sign. */
static void assert_same_floats(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(want[i]) ? isnan(got[i]) : sh_f32_bits(got[i]) == sh_f32_bits(want[i])) continue;
        fail_msg("%s: element %zu is %.9g (%08x), expected %.9g (%08x)", what, i, (double)got[i],
                 (unsigned)sh_f32_bits(got[i]), (double)want[i], (unsigned)sh_f32_bits(want[i]));
    }
}

static void test_decoders_give_reference_bits(void **state)
{
    (void)state;
    static const enum sh_dtype types[] = {
        SH_F16,   SH_BF16,   SH_Q4_0,   SH_Q4_1,  SH_Q5_0,  SH_Q5_1,    SH_Q8_0,   SH_Q2_K,  SH_Q3_K,
        SH_Q4_K,  SH_Q5_K,   SH_Q6_K,   SH_IQ1_S, SH_IQ1_M, SH_IQ2_XXS, SH_IQ2_XS, SH_IQ2_S, SH_IQ3_XXS,
        SH_IQ3_S, SH_IQ4_NL, SH_IQ4_XS, SH_TQ1_0, SH_TQ2_0, SH_MXFP4,   SH_NVFP4,  SH_Q1_0,  SH_Q2_0,
    };
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        const sh_dtype_info *info = sh_dtype_get(types[k]);
        size_t n_block_bytes, n_value_bytes;
        uint8_t *blocks = fixture_read_type("dequant", types[k], ".blocks.u8", &n_block_bytes);
        float *values = fixture_read_type("dequant", types[k], ".values.f32", &n_value_bytes);
        size_t n = n_value_bytes / 4;
        assert_int_equal(n_block_bytes / info->block_bytes * info->block_elements, n);
        /* Exact heap copies at an odd address: a read beyond the blocks, or one that needs alignment, is
         * caught. */
        uint8_t *odd = sh_alloc(n_block_bytes + 1, 1);
        float *got = sh_alloc(n, sizeof *got);
        memcpy(odd + 1, blocks, n_block_bytes);
        info->decode(odd + 1, got, n);
        assert_same_floats(got, values, n, info->name);
        sh_free(odd);
        sh_free(got);
        sh_free(blocks);
        sh_free(values);
    }
}

static void test_whole_numbers_and_doubles(void **state)
{
    (void)state;
    const int8_t i8[] = {-128, -1, 0, 127};
    float got[5];
    sh_dtypes[SH_I8].decode(i8, got, 4);
    assert_same_floats(got, (const float[]){-128, -1, 0, 127}, 4, "i8");

    uint8_t bytes[5 * 8];
    const int64_t whole[] = {INT64_MIN, -1, 0, 16777217, INT64_MAX};
    for (int i = 0; i < 5; i++) sh_put_u64(bytes + 8 * i, (uint64_t)whole[i]);
    sh_dtypes[SH_I64].decode(bytes, got, 5);
    assert_same_floats(got, (const float[]){-0x1p63f, -1, 0, 16777216, 0x1p63f}, 5, "i64");
    for (int i = 0; i < 3; i++) sh_put_u32(bytes + 4 * i, (uint32_t)(i - 1) * 0x7fffffffu);
    sh_dtypes[SH_I32].decode(bytes, got, 3);
    assert_same_floats(got, (const float[]){-0x1p31f, 0, 0x1p31f}, 3, "i32");
    for (int i = 0; i < 3; i++) sh_put_u16(bytes + 2 * i, (uint16_t)((i - 1) * 32767));
    sh_dtypes[SH_I16].decode(bytes, got, 3);
    assert_same_floats(got, (const float[]){-32767, 0, 32767}, 3, "i16");
    const double doubles[] = {-0.0, 0.1, 1e300, 0x1p-149, (double)NAN};
    for (int i = 0; i < 5; i++) sh_put_f64(bytes + 8 * i, doubles[i]);
    sh_dtypes[SH_F64].decode(bytes, got, 5);
    assert_same_floats(got, (const float[]){-0.0f, 0.1f, INFINITY, 0x1p-149f, NAN}, 5, "f64");
    const float floats[] = {-0.0f, 0.1f, INFINITY, 0x1p-149f, NAN};
    for (int i = 0; i < 5; i++) sh_put_f32(bytes + 4 * i, floats[i]);
    sh_dtypes[SH_F32].decode(bytes, got, 5);
    assert_same_floats(got, floats, 5, "f32");
}

static void test_activation_blocks_can_be_read(void **state)
{
    (void)state;
    uint8_t q8_1[36] = {0}, q8_k[292] = {0};
    float got[256];
    sh_put_u16(q8_1, 0x3800);     /* 0.5 */
    sh_put_u16(q8_1 + 2, 0x7bff); /* the sum is not used */
    sh_put_f32(q8_k, -0.25f);
    for (int i = 0; i < 32; i++) q8_1[4 + i] = (uint8_t)(i - 16);
    for (int i = 0; i < 256; i++) q8_k[4 + i] = (uint8_t)(i - 128);
    memset(q8_k + 260, 0x55, 32); /* nor are these */
    sh_dtypes[SH_Q8_1].decode(q8_1, got, 32);
    for (int i = 0; i < 32; i++) assert_true(got[i] == 0.5f * (float)(i - 16));
    sh_dtypes[SH_Q8_K].decode(q8_k, got, 256);
    for (int i = 0; i < 256; i++) assert_true(got[i] == -0.25f * (float)(i - 128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_find_ignores_case),
        cmocka_unit_test(test_row_bytes),
        cmocka_unit_test(test_decoders_give_reference_bits),
        cmocka_unit_test(test_whole_numbers_and_doubles),
        cmocka_unit_test(test_activation_blocks_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
