/* test_base_values.c - maps, hashes, random numbers, half floats, little-endian fields. */
#include "unit/test.h"

#include <math.h>

#include "base/endian.h"
#include "base/fault.h"
#include "base/half.h"
#include "base/map.h"
#include "base/rng.h"

enum { KEYS = 20000 };
static char keys[KEYS][12];

static void test_map(void **state)
{
    (void)state;
    sh_map *m = sh_map_open(7);
    uint64_t v = 99;
    assert_false(sh_map_get(m, "a", 1, &v));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "key %u", i);
        assert_true(sh_map_set(m, keys[i], strlen(keys[i]), i));
    }
    assert_int_equal(sh_map_count(m), KEYS);
    assert_true(sh_map_set(m, keys[3], strlen(keys[3]), 333));
    assert_int_equal(sh_map_count(m), KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        char other[12]; /* equal bytes at another place */
        memcpy(other, keys[i], sizeof other);
        assert_true(sh_map_get(m, other, strlen(other), &v));
        assert_int_equal(v, i == 3 ? 333 : i);
    }
    v = 99;
    assert_false(sh_map_get(m, "key", 3, &v));
    assert_int_equal(v, 99);
    assert_true(sh_map_get(m, keys[0], strlen(keys[0]), NULL));
    assert_true(sh_map_set(m, NULL, 0, 5)); /* the empty key is a key */
    assert_true(sh_map_get(m, "", 0, &v) && v == 5);
    assert_true(sh_map_set(m, "\0", 1, 6));
    assert_true(sh_map_get(m, "", 0, &v) && v == 5);
    assert_false(sh_map_reserve(m, SIZE_MAX / 2));
    sh_map_free(m);
    sh_map_free(NULL);
}

static void test_hash(void **state)
{
    (void)state;
    char text[64] = {0};
    /* Length, seed and every single bit change it. */
    for (size_t n = 0; n < sizeof text; n++) {
        assert_true(sh_hash(text, n, 1) != sh_hash(text, n + 1, 1));
        assert_true(sh_hash(text, n, 1) != sh_hash(text, n, 2));
    }
    uint64_t plain = sh_hash(text, sizeof text, 1);
    for (size_t i = 0; i < 8 * sizeof text; i++) {
        text[i / 8] = (char)(1 << i % 8);
        assert_true(sh_hash(text, sizeof text, 1) != plain);
        text[i / 8] = 0;
    }
}

static void test_rng(void **state)
{
    (void)state;
    sh_rng r = {1234567};
    /* The published test vector of splitmix64 for this seed. */
    assert_true(sh_rng_u64(&r) == UINT64_C(6457827717110365317));
    assert_true(sh_rng_u64(&r) == UINT64_C(3203168211198807973));
    assert_true(sh_rng_u64(&r) == UINT64_C(9817491932198370423));
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double u = sh_rng_unit(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(sum > 4900 && sum < 5100);
}

/* Every half there and back; then the values around every rounding boundary, against exact arithmetic. */
static void test_f16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = sh_f16_to_f32((uint16_t)h);
        bool is_nan = (h & 0x7fff) > 0x7c00;
        if (is_nan ? f == f : sh_f32_to_f16(f) != h) fail_msg("half %04x", h);
        if (is_nan && sh_f32_to_f16(f) != (h | 0x200)) fail_msg("NaN half %04x", h);
        if ((h & 0x7fff) >= 0x7c00) continue;
        int exp = h >> 10 & 31;
        float exact = ldexpf((float)(h & 0x3ff) + (exp ? 1024 : 0), (exp ? exp : 1) - 25);
        if (fabsf(f) != exact) fail_msg("half %04x is %a, not %a", h, (double)f, (double)exact);
        if ((h & 0x7fff) == 0x7bff) continue;
        float next = sh_f16_to_f32((uint16_t)(h + 1)), middle = (f + next) / 2; /* exact: 12 bits suffice */
        uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        if (sh_f32_to_f16(middle) != even) fail_msg("between %04x and the next", h);
        if (sh_f32_to_f16(nextafterf(middle, f)) != h) fail_msg("below the middle after %04x", h);
        if (sh_f32_to_f16(nextafterf(middle, next)) != h + 1) fail_msg("above the middle after %04x", h);
    }
    assert_int_equal(sh_f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(sh_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(sh_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(sh_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(sh_f32_to_f16(0x1.000002p-25f), 1);
    assert_int_equal(sh_f32_to_f16(-0.0f), 0x8000);
}

static void test_bf16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = sh_bf16_to_f32((uint16_t)h);
        uint16_t back = sh_f32_to_bf16(f);
        if (back != ((h & 0x7fff) > 0x7f80 ? h | 0x40 : h)) fail_msg("bfloat %04x", h);
    }
    assert_int_equal(sh_f32_to_bf16(sh_f32_from_bits(0x3f808000)), 0x3f80); /* tie to even */
    assert_int_equal(sh_f32_to_bf16(sh_f32_from_bits(0x3f818000)), 0x3f82);
    assert_int_equal(sh_f32_to_bf16(sh_f32_from_bits(0x3f808001)), 0x3f81);
    assert_int_equal(sh_f32_to_bf16(sh_f32_from_bits(0x7f7fffff)), 0x7f80);
    assert_int_equal(sh_f32_to_bf16(sh_f32_from_bits(0x7f800001)), 0x7fc0);
}

static void test_endian(void **state)
{
    (void)state;
    unsigned char p[9] = {0};
    sh_put_u64(p + 1, UINT64_C(0x0102030405060708));
    assert_int_equal(p[1], 8);
    assert_int_equal(p[8], 1);
    assert_int_equal(sh_get_u16(p + 1), 0x0708);
    assert_int_equal(sh_get_u32(p + 1), 0x05060708);
    assert_true(sh_get_u64(p + 1) == UINT64_C(0x0102030405060708));
    sh_put_f32(p + 1, -1.5f);
    assert_int_equal(p[4], 0xbf);
    assert_true(sh_get_f32(p + 1) == -1.5f);
    sh_put_f64(p + 1, 0.1);
    assert_true(sh_get_f64(p + 1) == 0.1);
    sh_put_u16(p + 1, 0xabcd);
    assert_int_equal(p[1], 0xcd);
    sh_put_u32(p + 1, 0xabcdef01);
    assert_int_equal(p[1], 0x01);
}

#ifdef SHOAL_FAULT
static void test_map_faults(void **state)
{
    (void)state;
    bool done = false;
    for (long k = 0; !done; k++) {
        assert_in_range(k, 0, 50);
        sh_fault_arm(SH_FAULT_ALLOC, k);
        sh_map *m = sh_map_open(1);
        size_t n = 0;
        while (m && n < 1000 && sh_map_set(m, keys[n], strlen(keys[n]), n)) n++;
        done = !sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        uint64_t v = 0;
        for (size_t i = 0; i < n; i++) assert_true(sh_map_get(m, keys[i], strlen(keys[i]), &v) && v == i);
        assert_true(done == (n == 1000));
        sh_map_free(m);
    }
}
#else
static void test_map_faults(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),  cmocka_unit_test(test_hash), cmocka_unit_test(test_rng),
        cmocka_unit_test(test_f16),  cmocka_unit_test(test_bf16), cmocka_unit_test(test_endian),
        cmocka_unit_test(test_map_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
