/* test_grammar_schema.c - JSON Schema through its automaton: golden instances, and what is refused. */
#include "unit/test.h"

#include <math.h>

#include "codec/json.h"
#include "text/grammar.h"

static bool takes(const sh_grammar *g, const char *p, size_t n)
{
    sh_grammar_state *s = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_state_open(&s, g, NULL, &err), &err);
    bool ok = sh_grammar_state_feed(s, p, n, &err) == SH_OK && sh_grammar_state_is_complete(s);
    sh_grammar_state_free(s);
    return ok;
}

/* jansson's compact text, or with ", " and ": ". The reader makes 10^20 a real: such numbers are written in
 * digits. */
static void write_value(sh_buf *out, const json_t *v, bool spaced)
{
    const char *key;
    json_t *x;
    size_t i = 0;
    if (json_is_object(v)) {
        sh_buf_putc(out, '{');
        json_object_foreach((json_t *)(uintptr_t)v, key, x)
        {
            if (i++) sh_buf_puts(out, spaced ? ", " : ",");
            sh_json_quote(out, key, strlen(key));
            sh_buf_puts(out, spaced ? ": " : ":");
            write_value(out, x, spaced);
        }
        sh_buf_putc(out, '}');
    } else if (json_is_array(v)) {
        sh_buf_putc(out, '[');
        json_array_foreach(v, i, x)
        {
            if (i) sh_buf_puts(out, spaced ? ", " : ",");
            write_value(out, x, spaced);
        }
        sh_buf_putc(out, ']');
    } else if (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)) &&
               json_real_value(v) <= 1e20) {
        sh_buf_printf(out, "%.0f", json_real_value(v));
    } else {
        assert_int_equal(sh_json_write(out, v, 0, NULL), SH_OK);
    }
}

typedef struct exception {
    const char *name, *instance; /* instance NULL: the schema is refused, naming `word` */
    const char *word;
} exception;

/* What the compiler refuses to half keep, and the one valid instance that it does not write: a format that is
 * asked for is kept. */
static const exception exceptions[] = {
    {"exclusive_multiple", NULL, "#/multipleOf"},
    {"array_bounds", NULL, "#/uniqueItems"},
    {"contains", NULL, "#/contains"},
    {"one_of", NULL, "#/oneOf"},
    {"not", NULL, "#/not"},
    {"if_then_else", NULL, "#/if"},
    {"dependent", NULL, "#/dependentRequired"},
    {"format_not_asserted", "\"not a date\"", NULL},
};

static const exception *find_exception(const char *name, const char *instance)
{
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        const exception *e = &exceptions[i];
        if (strcmp(e->name, name) != 0) continue;
        if (!instance ? !e->instance : e->instance && strcmp(e->instance, instance) == 0) return e;
    }
    return NULL;
}

static size_t check_instances(const char *name, const sh_grammar *g, const json_t *list, bool valid)
{
    const json_t *v;
    size_t i, n = 0;
    json_array_foreach(list, i, v)
    {
        for (int spaced = 0; spaced < 2; spaced++) {
            sh_buf text = {0};
            write_value(&text, v, spaced);
            bool want = valid && !find_exception(name, text.p);
            if (takes(g, text.p, text.n) != want)
                fail_msg("%s: %s should be %s", name, text.p, want ? "taken" : "refused");
            sh_buf_clear(&text);
            n++;
        }
    }
    return n;
}

static void test_golden(void **state)
{
    (void)state;
    json_t *all = NULL, *one;
    sh_err err = {0};
    size_t i, n = 0;
    if (sh_json_read_file(&all, SHOAL_GOLDEN_DIR "/golden/chat_templates/json_schema.json", 1 << 20, &err) <
        0) {
        print_message("no golden schemas here: %s\n", err.msg);
        skip();
    }
    json_array_foreach(all, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const exception *refused = find_exception(name, NULL);
        sh_grammar *g = NULL;
        int rc = sh_grammar_from_schema(&g, json_object_get(one, "schema"), name, &err);
        if (refused) {
            assert_int_equal(rc, SH_E_UNSUPPORTED);
            if (!strstr(err.msg, refused->word))
                fail_msg("%s: %s does not say %s", name, err.msg, refused->word);
            continue;
        }
        assert_ok(rc, &err);
        n += check_instances(name, g, json_object_get(one, "valid"), true);
        n += check_instances(name, g, json_object_get(one, "invalid"), false);
        sh_grammar_unref(g);
    }
    assert_true(n > 150);
    json_decref(all);
}

/* Schema, then texts: "+" taken, "-" refused. */
typedef struct schema_case {
    const char *schema;
    const char *texts[16];
} schema_case;

static const schema_case cases[] = {
    {"{\"type\":\"integer\",\"minimum\":-12,\"maximum\":107}",
     {"+-12", "+0", "+107", "+99", "+-1", "+10", "--13", "-108", "-110", "-007", "--0", "-1e1", "-12.0"}},
    {"{\"type\":\"integer\",\"minimum\":9223372036854775806}",
     {"+9223372036854775806", "+9223372036854775807", "+10000000000000000000", "-9223372036854775805",
      "-922337203685477580"}},
    {"{\"type\":\"integer\",\"exclusiveMaximum\":-5}", {"+-6", "+-10", "+-99999", "--5", "-0", "-6"}},
    {"{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":2.5}", {"+1", "+2", "-0", "-3"}},
    {"{\"type\":\"integer\",\"multipleOf\":7}", {"+0", "+7", "+-21", "+700", "-8", "-07", "-"}},
    {"{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":12,\"maximum\":21}",
     {"+15", "+20", "-10", "-25", "-12"}},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
     {"+0", "+1", "+0.25", "+1.0", "-1.1", "--0.5", "-2"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":-2,\"exclusiveMaximum\":3}",
     {"+-1.99", "+0", "+2.999", "+-0.5", "+-1", "--2", "--2.0", "-3", "-3.0"}},
    {"{\"type\":\"string\",\"format\":\"date\"}",
     {"+\"2024-02-28\"", "+\"1900-12-31\"", "-\"2024-02-30\"", "-\"2024-13-01\"", "-\"2024-1-1\""}},
    {"{\"type\":\"string\",\"format\":\"date-time\"}",
     {"+\"2024-02-28T23:59:59Z\"", "+\"2024-02-28T00:00:00.5+03:30\"", "-\"2024-02-28\"",
      "-\"2024-02-28T24:00:00Z\""}},
    {"{\"type\":\"string\",\"format\":\"uuid\"}",
     {"+\"123e4567-e89b-12d3-a456-426614174000\"", "-\"123e4567\""}},
    {"{\"type\":\"string\",\"format\":\"email\"}", {"+\"a.b@example.org\"", "-\"a.b\"", "-\"@x.org\""}},
    {"{\"type\":\"string\",\"format\":\"ipv4\"}", {"+\"192.168.0.255\"", "-\"256.1.1.1\"", "-\"1.2.3\""}},
    {"{\"type\":\"string\",\"format\":\"ipv6\"}", {"+\"::1\"", "+\"fe80::1\"", "-\"1.2.3.4\""}},
    {"{\"type\":\"string\",\"pattern\":\"^(ab|c)+?\\\\d{2,3}$|^x\"}",
     {"+\"abc12\"", "+\"c123\"", "+\"xyz\"", "-\"12\"", "-\"c1\"", "-\"yx\""}},
    {"{\"type\":\"string\",\"pattern\":\"^[^a-c\\\"]$\"}",
     {"+\"d\"", "+\"\xd9\x82\"", "+\"\\n\"", "+\"\\\\\"", "-\"b\"", "-\"\\\"\"", "-\"\""}},
    {"{\"type\":\"string\",\"maxLength\":1}",
     {"+\"\"", "+\"\\ud83d\\ude00\"", "+\"\xf0\x9f\x98\x80\"", "-\"\\ud83d\"", "-\"ab\"", "-\"\xff\""}},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"\xd9\x82\":{\"type\":\"null\"},\"ab\":false},"
     "\"required\":[\"a\"]}",
     {"+{\"a\":1}", "+{\"a\":1,\"\xd9\x82\":null}", "+{\"a\":1,\"abc\":[]}", "-{\"a\":1,\"ab\":2}",
      "-{\"a\":1,\"\xd9\x82\":2}", "-{\"a\":1,\"a\":\"x\"}", "+{\n  \"a\": 1,\n  \"b\": {}\n}",
      "-{\"a\":1,}"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{},\"c\":{}},\"minProperties\":2,\"maxProperties\":"
     "2,\"additionalProperties\":false}",
     {"+{\"a\":1,\"b\":1}", "+{\"a\":1,\"c\":1}", "+{\"b\":1,\"c\":1}", "-{\"a\":1}",
      "-{\"a\":1,\"b\":1,\"c\":1}", "-{}"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"string\"},"
     "\"minItems\":2,\"maxItems\":3}",
     {"+[1,\"a\"]", "+[1, \"a\", \"b\"]", "-[1]", "-[]", "-[1,2]", "-[1,\"a\",\"b\",\"c\"]"}},
    {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\"}},"
     "\"required\":[\"t\",\"v\"],\"additionalProperties\":false},"
     "{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"y\"}},\"required\":[\"t\"],"
     "\"additionalProperties\":false}]}",
     {"+{\"t\":\"x\",\"v\":1}", "+{\"t\":\"y\"}", "-{\"t\":\"x\"}", "-{\"t\":\"y\",\"v\":1}"}},
    {"{\"$defs\":{\"l\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
     "l\"},\"maxItems\":1}]}},\"$ref\":\"#/$defs/l\"}",
     {"+null", "+[[[null]]]", "+[]", "-[null,null]", "-[1]"}},
    {"{\"type\":\"string\",\"nullable\":true}", {"+null", "+\"a\"", "-1"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],\"anyOf\":[{"
     "\"properties\":{\"a\":{\"minLength\":2}}},{\"properties\":{\"a\":{\"const\":\"\"}}}],"
     "\"additionalProperties\":false}",
     {"+{\"a\":\"xy\"}", "+{\"a\":\"\"}", "-{\"a\":\"x\"}"}},
    {"true", {"+1", "+[{\"a\":null}]", "+-0.5e-7", "-tru", "-01"}},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_grammar *g = NULL;
        sh_err err = {0};
        assert_ok(sh_grammar_from_json_schema(&g, cases[i].schema, strlen(cases[i].schema), "schema", &err),
                  &err);
        for (size_t k = 0; k < COUNT(cases[i].texts) && cases[i].texts[k]; k++) {
            const char *t = cases[i].texts[k];
            if (takes(g, t + 1, strlen(t + 1)) != (*t == '+')) fail_msg("%s: %s", cases[i].schema, t);
        }
        sh_grammar_unref(g);
    }
}

/* Every integer near every pair of bounds. */
static void test_bounds_exhaustively(void **state)
{
    (void)state;
    for (int lo = -123; lo <= 123; lo += 13) {
        for (int hi = lo; hi <= 130; hi += 11) {
            char text[96];
            sh_grammar *g = NULL;
            sh_err err = {0};
            snprintf(text, sizeof text, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", lo, hi);
            assert_ok(sh_grammar_from_json_schema(&g, text, strlen(text), "schema", &err), &err);
            for (int v = -140; v <= 140; v++) {
                snprintf(text, sizeof text, "%d", v);
                if (takes(g, text, strlen(text)) != (v >= lo && v <= hi)) fail_msg("%d in %d..%d", v, lo, hi);
            }
            sh_grammar_unref(g);
        }
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        int code;
        const char *word;
    } refused[] = {
        {"[]", SH_E_INVALID, "'#'"},
        {"{\"type\":\"strin\"}", SH_E_INVALID, "#/type"},
        {"{\"properties\":{\"a/b\":{\"not\":{}}}}", SH_E_UNSUPPORTED, "#/properties/a~1b/not"},
        {"{\"$ref\":\"#/$defs/x\"}", SH_E_INVALID, "#/$ref"},
        {"{\"$ref\":\"https://example.org/s\"}", SH_E_UNSUPPORTED, "#/$ref"},
        {"{\"$ref\":\"#\"}", SH_E_INVALID, "can never end"},
        {"{\"allOf\":[{\"$ref\":\"#\"}]}", SH_E_INVALID, "can never end"},
        {"{\"pattern\":\"a(?=b)\"}", SH_E_UNSUPPORTED, "look-around"},
        {"{\"pattern\":\"(a\"}", SH_E_INVALID, "group"},
        {"{\"pattern\":\"a\",\"minLength\":3}", SH_E_UNSUPPORTED, "pattern"},
        {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", SH_E_INVALID, "nothing satisfies"},
        {"{\"type\":\"object\",\"properties\":{\"a\":false},\"required\":[\"a\"]}", SH_E_INVALID,
         "nothing satisfies"},
        {"{\"type\":\"array\",\"minItems\":3,\"maxItems\":2}", SH_E_INVALID, "nothing satisfies"},
        {"{\"enum\":[]}", SH_E_INVALID, "#/enum"},
        {"{\"minLength\":-1}", SH_E_INVALID, "#/minLength"},
        {"{\"type\":\"string\",\"minLength\":2000000}", SH_E_LIMIT, "65536"},
        {"{", SH_E_CORRUPT, "line 1"},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        sh_grammar *g = NULL;
        sh_err err = {0};
        int rc =
            sh_grammar_from_json_schema(&g, refused[i].schema, strlen(refused[i].schema), "schema", &err);
        if (rc != refused[i].code || !strstr(err.msg, refused[i].word))
            fail_msg("%s: code %d: %s", refused[i].schema, rc, err.msg);
        assert_null(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_bounds_exhaustively),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
