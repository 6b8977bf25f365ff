/* test_base_text.c - errors, buffers, log, UTF-8. */
#include "unit/test.h"

#include <errno.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        int os, code;
    } map[] = {{ENOENT, SH_E_NOTFOUND}, {ENOTDIR, SH_E_NOTFOUND}, {EACCES, SH_E_DENIED}, {EPERM, SH_E_DENIED},
               {ENOMEM, SH_E_NOMEM},    {EEXIST, SH_E_EXISTS},    {EIO, SH_E_IO},        {ETIMEDOUT, SH_E_TIMEOUT}};
    sh_err err = {0};
    assert_int_equal(sh_fail(&err, SH_E_RANGE, "%d is too much", 5), SH_E_RANGE);
    assert_string_equal(err.msg, "5 is too much");
    assert_int_equal(sh_fail(NULL, SH_E_IO, "nobody listens"), SH_E_IO);
    for (size_t i = 0; i < COUNT(map); i++) {
        assert_int_equal(sh_fail_os(&err, map[i].os, "f"), map[i].code);
        assert_int_equal(sh_fail_os(NULL, map[i].os, "f"), map[i].code);
        assert_int_equal(err.os_errno, map[i].os);
    }
    sh_fail_os(&err, ENOENT, "model.gguf");
    assert_string_equal(err.msg, "model.gguf: No such file or directory");
    assert_string_equal(sh_code_text(SH_E_CORRUPT), "corrupt data");
    assert_string_equal(sh_code_text(-999), "unknown error");
    sh_fail(&err, SH_E_IO, "again: %s", err.msg); /* an argument inside the struct itself */
    assert_string_equal(err.msg, "again: model.gguf: No such file or directory");
}

static void test_error_prefix(void **state)
{
    (void)state;
    sh_err err = {0};
    char big[1000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    sh_fail(&err, SH_E_IO, "short read");
    assert_int_equal(sh_fail_in(&err, SH_E_CORRUPT, "tensor %d", 7), SH_E_CORRUPT);
    assert_string_equal(err.msg, "tensor 7: short read");
    assert_int_equal(err.code, SH_E_CORRUPT);
    sh_fail_in(&err, SH_E_CORRUPT, "%s", big); /* a prefix longer than its room is cut, the message stays readable */
    assert_int_equal(strlen(err.msg), 255 + 2 + strlen("tensor 7: short read"));
    assert_non_null(strstr(err.msg, "xx: tensor 7: short read"));
    sh_fail(&err, SH_E_IO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    sh_fail_in(&err, SH_E_IO, "p");
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    assert_memory_equal(err.msg, "p: xx", 5);
    assert_int_equal(sh_fail_in(NULL, SH_E_IO, "p"), SH_E_IO);
}

static void test_buffer(void **state)
{
    (void)state;
    sh_buf b = {0};
    assert_int_equal(sh_buf_str(&b).n, 0);
    for (int i = 0; i < 1000; i++) sh_buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.p, "0,1,2,", 6);
    assert_int_equal(b.p[b.n], 0);
    sh_buf_reset(&b);
    sh_buf_add(&b, "a\0b", 3);
    sh_buf_putc(&b, 'c');
    sh_buf_puts(&b, "");
    assert_true(sh_str_eq(sh_buf_str(&b), sh_str_n("a\0bc", 4)));
    assert_false(sh_str_is(sh_buf_str(&b), "a"));
    char *s = sh_buf_detach(&b);
    assert_memory_equal(s, "a\0bc", 5);
    assert_null(b.p);
    sh_free(s);
    s = sh_buf_detach(&b);
    assert_string_equal(s, "");
    sh_free(s);
    assert_false(sh_buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    sh_buf_puts(&b, "ignored");
    assert_int_equal(b.n, 0);
    assert_int_equal(sh_buf_ok(&b, NULL), SH_E_NOMEM);
    assert_null(sh_buf_detach(&b));
    assert_int_equal(sh_buf_ok(&b, NULL), SH_OK); /* empty and usable again */
    assert_true(sh_ends_with("model.gguf", ".gguf") && !sh_ends_with("f", ".gguf"));
    assert_true(sh_starts_with("hf:x", "hf:") && !sh_starts_with("h", "hf:"));
}

static void keep_line(void *ud, enum sh_log_level level, const char *line)
{
    snprintf(ud, 100, "%d %s", (int)level, line);
}

static void test_log(void **state)
{
    (void)state;
    char kept[100] = "";
    sh_log log = {keep_line, kept, SH_LOG_INFO};
    sh_logf(&log, SH_LOG_DEBUG, "quiet");
    assert_string_equal(kept, "");
    sh_logf(&log, SH_LOG_INFO, "loaded %s", "minnow");
    assert_string_equal(kept, "2 loaded minnow");
    sh_logf(NULL, SH_LOG_ERROR, "nobody");
}

static void test_utf8_round_trip(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char p[4];
        uint32_t back;
        bool ok;
        if (cp == 0xd800) cp = 0xe000;
        size_t n = sh_utf8_encode(cp, p);
        if (sh_utf8_decode(p, n, &back, &ok) != n || !ok || back != cp || !sh_utf8_valid(p, n)) fail_msg("U+%04X", cp);
        for (size_t k = 1; k < n; k++) /* every prefix could still become valid, and is no character yet */
            if (sh_utf8_valid(p, k) || sh_utf8_tail(p, k) != k) fail_msg("U+%04X cut to %zu", cp, k);
        if (sh_utf8_tail(p, n) != 0) fail_msg("U+%04X has no tail", cp);
    }
}

/* Unicode 15, table 3-8 and the examples after D93b: one replacement per maximal subpart. */
static void test_utf8_ill_formed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lengths;
    } cases[] = {
        {"\xc0\xaf", "11"},           {"\xe0\x80\xbf", "111"},      {"\xed\xa0\x80", "111"},
        {"\xf4\x91\x92\x93", "1111"},
        {"\xf0\x80\x80\x41", "1111"}, {"\xe1\x80\xe2\x41", "211"},  {"\xf1\x91\x92\x41", "31"},
        {"\x80\x41", "11"},           {"\xff", "1"},                {"\xf8\x88\x80", "111"}, {"\xc2", "1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *p = cases[i].text, *end = p + strlen(p);
        assert_false(sh_utf8_valid(p, strlen(p)));
        for (const char *l = cases[i].lengths; *l; l++) {
            uint32_t cp;
            bool ok;
            size_t n = sh_utf8_decode(p, (size_t)(end - p), &cp, &ok);
            assert_int_equal(n, *l - '0');
            assert_true(ok ? cp == 0x41 : cp == 0xfffd);
            p += n;
        }
        assert_ptr_equal(p, end);
    }
    assert_int_equal(sh_utf8_tail("\xed\xa0", 2), 0); /* can never be completed */
    assert_int_equal(sh_utf8_tail("\x80\x80\x80", 3), 0);
    assert_int_equal(sh_utf8_tail("", 0), 0);
    assert_int_equal(sh_utf8_tail("a\xf0\x9f\x98", 4), 3);
}

#ifdef SHOAL_FAULT
static void test_buffer_faults(void **state)
{
    (void)state;
    for (long k = 0; k < 2; k++) {
        sh_buf b = {0};
        sh_err err = {0};
        sh_fault_arm(SH_FAULT_ALLOC, k);
        sh_buf_puts(&b, "first");
        for (int i = 0; i < 100; i++) sh_buf_puts(&b, "more");
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_int_equal(sh_buf_ok(&b, &err), SH_E_NOMEM);
        if (k == 1) assert_memory_equal(b.p, "firstmore", 9); /* what was there stays whole */
        sh_buf_clear(&b);
    }
}
#else
static void test_buffer_faults(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),          cmocka_unit_test(test_error_prefix),
        cmocka_unit_test(test_buffer),          cmocka_unit_test(test_log),
        cmocka_unit_test(test_utf8_round_trip), cmocka_unit_test(test_utf8_ill_formed),
        cmocka_unit_test(test_buffer_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
