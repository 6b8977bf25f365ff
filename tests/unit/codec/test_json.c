/* test_json.c - the reader's grammar, numbers, strings and errors; trees; text; look-ups; failing allocations. */
#include "unit/test.h"

#include <locale.h>
#include <math.h>

#include "base/fault.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/json_reader.h"
#include "unit/tmpdir.h"

/* All events of a text as one line; the negative code of a failure. */
static int trace(const char *p, size_t n, sh_buf *out, sh_err *err)
{
    sh_json_reader r;
    int t;
    sh_json_reader_init(&r, p, n, "test");
    while ((t = sh_json_next(&r, err)) > 0) {
        static const char marks[] = " {}[]ksnbz";
        sh_buf_putc(out, marks[t]);
        if (t == SH_JSON_KEY || t == SH_JSON_STRING) sh_buf_printf(out, "(%.*s)", (int)r.str.n, r.str.p);
        if (t == SH_JSON_NUMBER && r.is_int) sh_buf_printf(out, "(%lld)", (long long)r.integer);
        if (t == SH_JSON_NUMBER && !r.is_int) sh_buf_printf(out, "(%.17g)", r.num);
        if (t == SH_JSON_BOOL) sh_buf_printf(out, "(%d)", r.flag);
    }
    if (t == SH_JSON_END) assert_int_equal(sh_json_next(&r, err), SH_JSON_END); /* stays at the end */
    if (t < 0) assert_true(sh_json_next(&r, NULL) < 0);                         /* and stays failed */
    sh_json_reader_clear(&r);
    return t;
}

/* The text is copied to an exact block, so that the address sanitizer sees a read past its end. */
static int trace_exact(const char *p, size_t n, sh_buf *out, sh_err *err)
{
    char *copy = sh_alloc(n, 1);
    memcpy(copy, p, n);
    int rc = trace(copy, n, out, err);
    sh_free(copy);
    return rc;
}

static void test_accepts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"null", "z"},
        {" \t\r\n true ", "b(1)"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[1, -2,\n3]", "[n(1)n(-2)n(3)]"},
        {"{\"a\":{\"b\":[false]},\"c\":\"\"}", "{k(a){k(b)[b(0)]}k(c)s()}"},
        {"{\"a\":1,\"a\":2}", "{k(a)n(1)k(a)n(2)}"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s(\"\\/\b\f\n\r\t)"},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "s(A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80)"},
        {"\"\\ud83d\"", "s(\xef\xbf\xbd)"},
        {"\"\\ude00x\"", "s(\xef\xbf\xbdx)"},
        {"\"\\ud83d\\u0041\"", "s(\xef\xbf\xbd" "A)"},
        {"\"\\ud83d\\ud83d\\ude00\"", "s(\xef\xbf\xbd\xf0\x9f\x98\x80)"},
        {"\"\\ud83d\\n\"", "s(\xef\xbf\xbd\n)"},
        {"\"a long plain run of text, then \\u00e9 and more plain text after it\"",
         "s(a long plain run of text, then \xc3\xa9 and more plain text after it)"},
        {"\"\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x90\x9f\"",
         "s(\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x90\x9f)"},
        {"\"\x7f\"", "s(\x7f)"},
        {"-0", "n(0)"},
        {"9223372036854775807", "n(9223372036854775807)"},
        {"-9223372036854775808", "n(-9223372036854775808)"},
        {"9223372036854775808", "n(9.2233720368547758e+18)"},
        {"1000000000000000019884624838656", "n(1e+30)"},
        {"1.0", "n(1)"},
        {"1e-400", "n(0)"},
        {"-12.5E+1", "n(-125)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_buf out = {0};
        sh_err err = {0};
        assert_ok(trace_exact(cases[i][0], strlen(cases[i][0]), &out, &err), &err);
        assert_string_equal(out.p, cases[i][1]);
        sh_buf_clear(&out);
    }
}

static void test_rejects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at; /* the byte the message names */
    } cases[] = {
        {"", 0},           {" ", 1},          {"[", 1},           {"[1", 2},          {"[1,", 3},
        {"[1,]", 3},       {"[,1]", 1},       {"[1 2]", 3},       {"]", 0},           {"{", 1},
        {"{1:2}", 1},      {"{\"a\"}", 4},    {"{\"a\":}", 5},    {"{\"a\":1,}", 7},  {"{\"a\" 1}", 5},
        {"{\"a\":1]", 6},  {"[1}", 2},        {"1 2", 2},         {"[] x", 3},        {"nul", 0},
        {"nulll", 4},      {"True", 0},       {"NaN", 0},         {"Infinity", 0},    {"-", 1},
        {"+1", 0},         {"01", 1},         {"-01", 2},         {".5", 0},          {"1.", 2},
        {"1.e5", 2},       {"1e", 2},         {"1e+", 2},         {"0x10", 1},        {"1e999", 0},
        {"-1e999", 0},     {"'a'", 0},        {"\"a", 2},         {"\"a\\", 3},       {"\"\\x\"", 2},
        {"\"\\u12\"", 3},  {"\"\\u12g4\"", 3}, {"\"a\nb\"", 2},   {"\"\t\"", 1},      {"\"\xff\"", 1},
        {"\"ab\xc3\"", 3}, {"\"\xed\xa0\x80\"", 1}, {"\"\xc0\xaf\"", 1}, {"\xef\xbb\xbf[]", 0}, {"[1]//c", 3},
        {"\"0123456789\x1f\"", 11}, {"[\f1]", 1}, {"{\"a\":1 \"b\":2}", 7},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_buf out = {0};
        sh_err err = {0};
        char byte[32];
        int rc = trace_exact(cases[i].text, strlen(cases[i].text), &out, &err);
        if (rc != SH_E_CORRUPT) fail_msg("%s gives %d", cases[i].text, rc);
        snprintf(byte, sizeof byte, "(byte %zu)", cases[i].at);
        if (!strstr(err.msg, byte)) fail_msg("%s: wanted %s, got: %s", cases[i].text, byte, err.msg);
        sh_buf_clear(&out);
    }
    sh_buf out = {0};
    assert_int_equal(trace_exact("\"a\0b\"", 5, &out, NULL), SH_E_CORRUPT);
    sh_buf_clear(&out);
}

static void test_message(void **state)
{
    (void)state;
    static const char text[] = "{\n  \"\xc3\xa9\": 1,\n  \"\xc3\xa9\xc3\xa9\": oops\n}";
    json_t *v = NULL;
    sh_err err = {0};
    assert_int_equal(sh_json_parse(&v, text, strlen(text), "config.json", &err), SH_E_CORRUPT);
    assert_null(v);
    assert_string_equal(err.msg, "config.json: line 3, column 9 (byte 23): expected a value");
}

static void test_depth(void **state)
{
    (void)state;
    char text[300] = "";
    sh_buf out = {0};
    sh_err err = {0};
    memset(text, '[', 128);
    memset(text + 128, ']', 128);
    assert_ok(trace_exact(text, 256, &out, &err), &err);
    memset(text, '[', 129);
    memset(text + 129, ']', 129);
    assert_int_equal(trace_exact(text, 258, &out, &err), SH_E_LIMIT);
    sh_buf_clear(&out);
}

static double number(const char *text)
{
    sh_json_reader r;
    sh_err err = {0};
    sh_json_reader_init(&r, text, strlen(text), "n");
    int rc = sh_json_next(&r, &err);
    if (rc < 0) fail_msg("%s", err.msg);
    double v = r.num;
    sh_json_reader_clear(&r);
    return v;
}

/* Rounded as strtod rounds, at the edges of the fast path and beyond, in any locale. */
static void test_numbers(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0.1",        "123.456",       "9007199254740992e22", "9007199254740993.0", "9007199254740992e-22", "1e23",
        "8.5e22",     "-13.53892230987549", "0.30000000000000004", "5e-324",       "2.4703282292062327e-324",
        "1.7976931348623157e308", "2.2250738585072011e-308", "0.000000000000000000000000000000000001",
        "123456789012345678901234567890.0", "18446744073709551615", "18446744073709551616", "0.1e-5", "1E2", "100e-2",
        "1.00000000000000000000000000000000000000000000000001", "0e999999999999", "0.0e-99999999999", "-0.0",
        "179769313486231570000000000000000000000e270",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double got = number(cases[i]), wanted = strtod(cases[i], NULL);
        if (memcmp(&got, &wanted, sizeof got) != 0) fail_msg("%s: %a, not %a", cases[i], got, wanted);
    }
    char *other = setlocale(LC_NUMERIC, "de_DE.UTF-8");
    assert_true(number("0.30000000000000004") == 0.30000000000000004);
    assert_true(number("2.5") == 2.5);
    if (other) setlocale(LC_NUMERIC, "C");
}

static void test_skip(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,{\"x\":[]},\"]\"],\"b\":5,\"c\":[7,8]}";
    sh_json_reader r;
    sh_err err = {0};
    sh_json_reader_init(&r, text, strlen(text), "skip");
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_OBJECT);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_KEY);
    assert_ok(sh_json_skip(&r, &err), &err);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_KEY);
    assert_true(sh_str_is(r.str, "b"));
    assert_ok(sh_json_skip(&r, &err), &err);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_KEY);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_ARRAY);
    assert_ok(sh_json_skip(&r, &err), &err);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_NUMBER);
    assert_int_equal(r.integer, 8);
    assert_int_equal(sh_json_skip(&r, &err), SH_JSON_ARRAY_END);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_OBJECT_END);
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_END);
    sh_json_reader_clear(&r);
    sh_json_reader_init(&r, "[[1,", 4, "skip");
    assert_int_equal(sh_json_next(&r, &err), SH_JSON_ARRAY);
    assert_int_equal(sh_json_skip(&r, &err), SH_E_CORRUPT);
    sh_json_reader_clear(&r);
}

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    sh_err err = {0};
    assert_ok(sh_json_parse(&v, text, strlen(text), "tree", &err), &err);
    return v;
}

static void assert_written(const char *text, size_t flags, const char *wanted)
{
    json_t *v = parse(text);
    sh_buf out = {0};
    sh_err err = {0};
    assert_ok(sh_json_write(&out, v, flags, &err), &err);
    assert_string_equal(out.p, wanted);
    json_t *again = parse(out.p);
    assert_true(json_equal(v, again));
    json_decref(again);
    json_decref(v);
    sh_buf_clear(&out);
}

static void test_tree(void **state)
{
    (void)state;
    json_t *v = parse("{\"a\":1,\"b\":[true,null,\"x\\u0000y\",2.5],\"a\":2,\"big\":1000000000000000019884624838656}");
    assert_int_equal(json_object_size(v), 3);
    assert_int_equal(json_integer_value(json_object_get(v, "a")), 2); /* the last one counts */
    json_t *b = json_object_get(v, "b");
    assert_int_equal(json_array_size(b), 4);
    assert_int_equal(json_string_length(json_array_get(b, 2)), 3);
    assert_memory_equal(json_string_value(json_array_get(b, 2)), "x\0y", 4);
    assert_true(json_is_real(json_object_get(v, "big")));
    json_decref(v);
    v = NULL;
    sh_err err = {0};
    assert_int_equal(sh_json_parse(&v, "{\"a\\u0000b\":1}", 14, "tree", &err), SH_E_CORRUPT);
    assert_non_null(strstr(err.msg, "NUL"));
    assert_int_equal(sh_json_parse(&v, "[1,{\"a\":[2", 10, "tree", &err), SH_E_CORRUPT);
    assert_null(v);
}

static void test_write(void **state)
{
    (void)state;
    assert_written("[ ]", 0, "[]");
    assert_written("{ }", JSON_INDENT(2), "{}");
    assert_written("{\"b\":[1,-2.5,0.7],\"a\":null}", 0, "{\"b\":[1,-2.5,0.7],\"a\":null}");
    assert_written("{\"b\":1,\"a\":[true,false]}", JSON_SORT_KEYS | JSON_INDENT(2),
                   "{\n  \"a\": [\n    true,\n    false\n  ],\n  \"b\": 1\n}");
    assert_written("\"\\u00e9\\ud83d\\ude00/\\u0001\\n\"", 0, "\"\xc3\xa9\xf0\x9f\x98\x80/\\u0001\\n\"");
    assert_written("\"\\u00e9\\ud83d\\ude00\"", JSON_ENSURE_ASCII, "\"\\u00e9\\ud83d\\ude00\"");
    assert_written("[100.0,1e300,5e-324,0.30000000000000004,-0.0,1e22]", 0,
                   "[100.0,1e+300,4.94065645841247e-324,0.30000000000000004,-0.0,1e+22]");
    sh_buf out = {0};
    sh_err err = {0};
    assert_int_equal(sh_json_write(&out, NULL, 0, &err), SH_E_NOMEM);
    json_t *deep = json_array(), *inner = deep;
    for (int i = 0; i < 1100; i++) {
        json_t *next = json_array();
        json_array_append_new(inner, next);
        inner = next;
    }
    assert_int_equal(sh_json_write(&out, deep, 0, &err), SH_E_LIMIT);
    json_decref(deep);
    sh_buf_clear(&out);
}

static void test_quote(void **state)
{
    (void)state;
    sh_buf out = {0};
    sh_json_quote(&out, "a\"\\\x01\x7f\0\xff\xe2\x82", 9);
    assert_string_equal(out.p, "\"a\\\"\\\\\\u0001\x7f\\u0000\xef\xbf\xbd\xef\xbf\xbd\"");
    sh_buf_reset(&out);
    sh_json_quote(&out, "", 0);
    assert_string_equal(out.p, "\"\"");
    sh_buf_clear(&out);
}

static void test_look_ups(void **state)
{
    (void)state;
    json_t *v = parse("{\"i\":5,\"r\":0.5,\"t\":true,\"s\":\"text\",\"n\":null}");
    sh_err err = {0};
    int64_t i = -1;
    double d = -1;
    bool b = false;
    const char *s = "default";
    assert_ok(sh_json_get_int(v, "i", &i, 0, 5, &err), &err);
    assert_int_equal(i, 5);
    assert_int_equal(sh_json_get_int(v, "i", &i, 6, 9, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "\"i\" is 5"));
    assert_int_equal(sh_json_get_int(v, "r", &i, 0, 9, &err), SH_E_INVALID);
    assert_string_equal(err.msg, "\"r\" must be an integer");
    assert_ok(sh_json_get_int(v, "none", &i, 0, 9, &err), &err);
    assert_ok(sh_json_get_int(v, "n", &i, 0, 9, &err), &err);
    assert_ok(sh_json_get_int(NULL, "n", &i, 0, 9, &err), &err);
    assert_int_equal(i, 5);
    assert_ok(sh_json_get_num(v, "r", &d, 0, 1, &err), &err);
    assert_true(d == 0.5);
    assert_ok(sh_json_get_num(v, "i", &d, 0, 9, &err), &err);
    assert_true(d == 5);
    assert_int_equal(sh_json_get_num(v, "i", &d, 0, 1, &err), SH_E_RANGE);
    assert_int_equal(sh_json_get_num(v, "s", &d, 0, 1, &err), SH_E_INVALID);
    assert_ok(sh_json_get_bool(v, "t", &b, &err), &err);
    assert_true(b);
    assert_int_equal(sh_json_get_bool(v, "i", &b, &err), SH_E_INVALID);
    assert_ok(sh_json_get_str(v, "n", &s, &err), &err);
    assert_string_equal(s, "default");
    assert_ok(sh_json_get_str(v, "s", &s, &err), &err);
    assert_string_equal(s, "text");
    assert_int_equal(sh_json_get_str(v, "t", &s, &err), SH_E_INVALID);
    json_decref(v);
}

static void test_read_file(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    json_t *v = NULL;
    sh_err err = {0};
    tmpdir_write(dir, "good.json", "{\"a\":[1]}");
    tmpdir_write(dir, "empty.json", "");
    assert_ok(sh_json_read_file(&v, tmpdir_path(dir, "good.json"), 100, &err), &err);
    assert_int_equal(json_object_size(v), 1);
    json_decref(v);
    assert_int_equal(sh_json_read_file(&v, tmpdir_path(dir, "good.json"), 3, &err), SH_E_LIMIT);
    assert_int_equal(sh_json_read_file(&v, tmpdir_path(dir, "none.json"), 3, &err), SH_E_NOTFOUND);
    assert_int_equal(sh_json_read_file(&v, tmpdir_path(dir, "empty.json"), 3, &err), SH_E_CORRUPT);
    assert_non_null(strstr(err.msg, "empty.json"));
    tmpdir_remove(dir);
}

#ifdef SHOAL_FAULT
static void test_faults(void **state)
{
    (void)state;
    static const char text[] = "{\"k\\n1\":[\"a\\u00e9\",123456789012345678901234567890],\"k2\":{\"z\":1,\"y\":2}}";
    bool fired = true;
    for (long k = 0; fired; k++) {
        json_t *v = NULL;
        sh_buf out = {0};
        sh_err err = {0};
        assert_in_range(k, 0, 100);
        sh_fault_arm(SH_FAULT_ALLOC, k);
        int rc = sh_json_parse(&v, text, strlen(text), "fault", &err);
        if (rc == SH_OK) rc = sh_json_write(&out, v, JSON_SORT_KEYS, &err);
        fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_int_equal(rc, fired ? SH_E_NOMEM : SH_OK);
        json_decref(v);
        sh_buf_clear(&out);
    }
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
        cmocka_unit_test(test_accepts),  cmocka_unit_test(test_rejects), cmocka_unit_test(test_message),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_numbers), cmocka_unit_test(test_skip),
        cmocka_unit_test(test_tree),     cmocka_unit_test(test_write),   cmocka_unit_test(test_quote),
        cmocka_unit_test(test_look_ups), cmocka_unit_test(test_read_file), cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
