/* test_digest.c - SHA-256 against FIPS 180-4 examples, hexadecimal, base64 against RFC 4648. */
#include "unit/test.h"

#include "base/fault.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/digest.h"

static void assert_digest(const sh_digest *d, const char *wanted)
{
    char hex[2 * SH_SHA256_BYTES + 1];
    sh_hex(d->bytes, sizeof d->bytes, hex);
    assert_string_equal(hex, wanted);
}

static void test_sha256(void **state)
{
    (void)state;
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    sh_digest d;
    sh_hasher *h = NULL;
    sh_err err = {0};
    assert_ok(sh_sha256("abc", 3, &d, &err), &err);
    assert_digest(&d, abc);
    assert_ok(sh_sha256("", 0, &d, &err), &err);
    assert_digest(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ok(sh_hasher_open(&h, &err), &err);
    for (int round = 0; round < 2; round++) { /* finish starts anew */
        for (const char *p = "abc"; *p; p++) assert_ok(sh_hasher_add(h, p, 1, &err), &err);
        assert_ok(sh_hasher_finish(h, &d, &err), &err);
        assert_digest(&d, abc);
    }
    char a[1000];
    memset(a, 'a', sizeof a);
    for (int i = 0; i < 1000; i++) assert_ok(sh_hasher_add(h, a, sizeof a, &err), &err);
    assert_ok(sh_hasher_finish(h, &d, &err), &err);
    assert_digest(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    sh_hasher_free(h);
    sh_hasher_free(NULL);
#ifdef SHOAL_FAULT
    sh_fault_arm(SH_FAULT_ALLOC, 0);
    h = NULL;
    assert_int_equal(sh_hasher_open(&h, &err), SH_E_NOMEM);
    assert_null(h);
#endif
}

static void test_hex(void **state)
{
    (void)state;
    unsigned char bytes[3] = {0};
    char text[7];
    assert_int_equal(sh_unhex("00fFA9", 6, bytes), 0);
    assert_memory_equal(bytes, "\x00\xff\xa9", 3);
    sh_hex(bytes, 3, text);
    assert_string_equal(text, "00ffa9");
    sh_hex(bytes, 0, text);
    assert_string_equal(text, "");
    assert_int_equal(sh_unhex("00f", 3, bytes), -1);
    assert_int_equal(sh_unhex("0g", 2, bytes), -1);
    assert_int_equal(sh_unhex(" 0", 2, bytes), -1);
    assert_int_equal(sh_unhex("", 0, bytes), 0);
}

static void test_base64_vectors(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int kind = SH_BASE64_STD; kind <= SH_BASE64_URL_NOPAD; kind++) {
            const char *coded = cases[i][1 + kind];
            sh_buf b = {0};
            sh_err err = {0};
            sh_buf_puts(&b, "<");
            sh_base64_encode(&b, cases[i][0], strlen(cases[i][0]), (enum sh_base64_kind)kind);
            assert_string_equal(b.p + 1, coded);
            sh_buf_reset(&b);
            sh_buf_puts(&b, "<");
            assert_ok(sh_base64_decode(&b, coded, strlen(coded), (enum sh_base64_kind)kind, &err), &err);
            assert_string_equal(b.p + 1, cases[i][0]);
            sh_buf_clear(&b);
        }
    }
}

static void test_base64_round_trip(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(255 - i);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        for (int kind = SH_BASE64_STD; kind <= SH_BASE64_URL_NOPAD; kind++) {
            sh_buf text = {0}, back = {0};
            sh_base64_encode(&text, bytes, n, (enum sh_base64_kind)kind);
            assert_int_equal(sh_base64_decode(&back, text.p, text.n, (enum sh_base64_kind)kind, NULL), SH_OK);
            assert_int_equal(back.n, n);
            assert_memory_equal(back.p, bytes, n);
            sh_buf_clear(&text);
            sh_buf_clear(&back);
        }
    }
}

static void test_base64_rejects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sh_base64_kind kind;
        size_t at;
    } cases[] = {
        {"Zg", SH_BASE64_STD, 2},     {"Zg=", SH_BASE64_STD, 3},        {"Zg===", SH_BASE64_STD, 5},
        {"Zh==", SH_BASE64_STD, 1},   {"Zm9=", SH_BASE64_STD, 2},       {"====", SH_BASE64_STD, 0},
        {"Zg==Zg==", SH_BASE64_STD, 2}, {"Zm 9", SH_BASE64_STD, 2},     {"Zm9v\n", SH_BASE64_STD, 5},
        {"-_-_", SH_BASE64_STD, 0},   {"+/+/", SH_BASE64_URL_NOPAD, 0}, {"Zg==", SH_BASE64_URL_NOPAD, 2},
        {"Z", SH_BASE64_URL_NOPAD, 1}, {"Zh", SH_BASE64_URL_NOPAD, 1},  {"Zm\xc3v", SH_BASE64_STD, 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_buf b = {0};
        sh_err err = {0};
        char byte[32];
        sh_buf_puts(&b, "kept");
        int rc = sh_base64_decode(&b, cases[i].text, strlen(cases[i].text), cases[i].kind, &err);
        if (rc != SH_E_INVALID) fail_msg("%s gives %d", cases[i].text, rc);
        snprintf(byte, sizeof byte, "byte %zu:", cases[i].at);
        if (!strstr(err.msg, byte)) fail_msg("%s: wanted %s, got: %s", cases[i].text, byte, err.msg);
        assert_string_equal(b.p, "kept");
        sh_buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),         cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors), cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_rejects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
