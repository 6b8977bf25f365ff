/* Stop strings: every cut of a text into pieces gives the same answer, which is the one of the plain definition. */
#include "unit/test.h"

#include "base/fault.h"
#include "base/rng.h"
#include "engine/stop.h"

/* The definition, slowly: the first end at which a stop string ends, the longest of those. Returns the
 * answer's length. */
static size_t plain_answer(const char *text, const char *const *stops, size_t n_stops, int *match)
{
    for (size_t end = 1; end <= strlen(text); end++) {
        size_t longest = 0;
        for (size_t i = 0; i < n_stops; i++) {
            size_t n = strlen(stops[i]);
            if (n <= end && n > longest && memcmp(text + end - n, stops[i], n) == 0)
                longest = n, *match = (int)i;
        }
        if (longest) return end - longest;
    }
    *match = -1;
    return strlen(text);
}

/* Feed the text in pieces drawn from r; checks the answer, the match, and that nothing of the match got out early. */
static void check_pieces(const char *text, const char *const *stops, size_t n_stops, sh_rng *r)
{
    sh_stop *s = NULL;
    sh_err err = {0};
    sh_buf out = {0};
    int want_match;
    size_t want = plain_answer(text, stops, n_stops, &want_match), n = strlen(text);
    const char *match = NULL;
    assert_ok(sh_stop_open(&s, stops, n_stops, &err), &err);
    for (size_t at = 0; at < n;) {
        size_t k = 1 + sh_rng_u64(r) % 4;
        if (k > n - at) k = n - at;
        assert_ok(sh_stop_add(s, text + at, k, &out, &match, &err), &err);
        assert_true(out.n <= want);
        at += k;
        if (match) break;
    }
    assert_ok(sh_stop_flush(s, &out, &err), &err);
    assert_int_equal(out.n, want);
    assert_memory_equal(out.p ? out.p : "", text, want);
    if (want_match < 0)
        assert_null(match);
    else
        assert_string_equal(match, stops[want_match]);
    sh_buf_clear(&out);
    sh_stop_free(s);
}

static void test_every_cut_gives_the_same(void **state)
{
    (void)state;
    sh_rng r = {2};
    for (int round = 0; round < 20000; round++) {
        char text[40], strings[4][8];
        const char *stops[4];
        size_t n_stops = sh_rng_u64(&r) % 5, n_text = sh_rng_u64(&r) % sizeof text;
        for (size_t i = 0; i < n_text; i++) text[i] = (char)('a' + sh_rng_u64(&r) % 3);
        text[n_text] = 0;
        for (size_t i = 0; i < n_stops; i++) {
            size_t n = 1 + sh_rng_u64(&r) % 6;
            for (size_t j = 0; j < n; j++) strings[i][j] = (char)('a' + sh_rng_u64(&r) % 3);
            strings[i][n] = 0;
            stops[i] = strings[i];
        }
        check_pieces(text, stops, n_stops, &r);
    }
}

static void test_text_flows_without_delay(void **state)
{
    (void)state;
    sh_stop *s = NULL;
    sh_err err = {0};
    sh_buf out = {0};
    const char *match = NULL;
    const char *const stops[] = {"\n\nUser:"};
    assert_ok(sh_stop_open(&s, stops, 1, &err), &err);
    assert_ok(sh_stop_add(s, "Hello.\n", 7, &out, &match, &err), &err);
    assert_string_equal(out.p, "Hello."); /* only what may begin the stop string waits */
    assert_ok(sh_stop_add(s, "\nUse it", 7, &out, &match, &err), &err);
    assert_string_equal(out.p, "Hello.\n\nUse it");
    assert_null(match);
    sh_buf_clear(&out);
    sh_stop_free(s);
}

static void test_persian(void **state)
{
    (void)state;
    sh_rng r = {4};
    const char *const stops[] = {"پایان", "\xf0\x9f\x8c\x99"};
    sh_stop *s = NULL;
    sh_err err = {0};
    for (int round = 0; round < 50; round++) {
        check_pieces("سلام دنیا پایا پایان و بعد", stops, 2, &r);
        check_pieces("night \xf0\x9f\x8c\x98 and \xf0\x9f\x8c\x99 moon", stops, 2, &r);
    }
    const char *const bad[] = {"\xd9"};
    const char *const empty[] = {"x", ""};
    assert_int_equal(sh_stop_open(&s, bad, 1, &err), SH_E_INVALID);
    assert_int_equal(sh_stop_open(&s, empty, 2, &err), SH_E_INVALID);
    assert_string_equal(err.msg, "stop string 1 is empty");
    assert_null(s);
}

#ifdef SHOAL_FAULT
static void test_memory(void **state)
{
    (void)state;
    const char *const stops[] = {"one", "two"};
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        sh_stop *s = NULL;
        sh_err err = {0};
        sh_buf out = {0};
        const char *match;
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_stop_open(&s, stops, 2, &err);
        if (rc == SH_OK) rc = sh_stop_add(s, "zero one", 8, &out, &match, &err);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
        sh_stop_free(s);
        sh_buf_clear(&out);
    }
    sh_fault_arm(SH_FAULT_ALLOC, -1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_gives_the_same),
        cmocka_unit_test(test_text_flows_without_delay),
        cmocka_unit_test(test_persian),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
