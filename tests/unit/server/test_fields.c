/* test_fields.c - what the rows check is what their schemas say: every value is held against both. */
#include "unit/test.h"

#include <math.h>

#include "codec/json.h"
#include "server/exchange.h"

static const sh_field *const tables[] = {sh_chat_fields, sh_completion_fields, sh_tokenize_fields,
                                         sh_detokenize_fields};

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    sh_err err = {0};
    assert_ok(sh_json_parse(&v, text, strlen(text), text, &err), &err);
    return v;
}

/* The part of JSON Schema that simple rows use, read as its specification has it. */
static bool has_type(const char *type, const json_t *v)
{
    if (strcmp(type, "null") == 0) return json_is_null(v);
    if (strcmp(type, "boolean") == 0) return json_is_boolean(v);
    if (strcmp(type, "string") == 0) return json_is_string(v);
    if (strcmp(type, "number") == 0) return json_is_number(v);
    if (strcmp(type, "integer") == 0) return json_is_number(v) && fmod(json_number_value(v), 1) == 0;
    fail_msg("a type the test does not know: %s", type);
    return false;
}

static bool schema_allows(const json_t *schema, const json_t *v)
{
    const json_t *type = json_object_get(schema, "type"), *lo = json_object_get(schema, "minimum"),
                 *hi = json_object_get(schema, "maximum");
    bool typed = json_is_string(type) && has_type(json_string_value(type), v);
    for (size_t i = 0; i < json_array_size(type); i++)
        typed |= has_type(json_string_value(json_array_get(type, i)), v);
    if (!typed || !json_is_number(v)) return typed;
    return !(lo && json_number_value(v) < json_number_value(lo)) &&
           !(hi && json_number_value(v) > json_number_value(hi));
}

static const char *const values[] = {
    "null",
    "true",
    "false",
    "\"\"",
    "\"text\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[1]",
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "0.5",
    "-0.5",
    "2.0",
    "2.0000001",
    "-2.0000001",
    "1.5",
    "16",
    "17",
    "20",
    "21",
    "0.01",
    "0.0099",
    "100",
    "100.5",
    "1000000",
    "1000001",
    "16777216",
    "16777217",
    "9223372036854774784",
    "-9223372036854775808",
    "9.3e18",
    "-9.3e18",
    "1e300",
    "1e-300",
    "-0.0",
};

static void hold_against_schema(const sh_field *f, const json_t *schema)
{
    for (size_t i = 0; i < COUNT(values); i++) {
        sh_field row[2] = {*f, {0}};
        json_t *v = parse(values[i]), *body = json_pack("{s:O}", f->name, v);
        const char *param = NULL;
        sh_err err = {0};
        bool allowed = schema_allows(schema, v), taken = sh_fields_check(body, row, &param, &err) == SH_OK;
        if (allowed != taken)
            fail_msg("%s: %s: the schema %s it, the check %s it (%s)", f->name, values[i],
                     allowed ? "allows" : "forbids", taken ? "takes" : "refuses", err.msg);
        if (!taken) {
            assert_string_equal(param, f->name);
            assert_non_null(strstr(err.msg, f->name));
        }
        json_decref(body);
        json_decref(v);
    }
}

static void test_check_is_schema(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t t = 0; t < COUNT(tables); t++) {
        json_t *schema = sh_fields_schema(tables[t]);
        for (const sh_field *f = tables[t]; f->name; f++) {
            const json_t *s = json_object_get(json_object_get(schema, "properties"), f->name);
            assert_true(json_is_object(s));
            assert_true(json_string_length(json_object_get(s, "description")) > 0);
            if (f->kind == SH_FIELD_OTHER) continue;
            hold_against_schema(f, s);
            n++;
        }
        json_decref(schema);
    }
    assert_true(n > 30);
}

static bool allows_null(const json_t *schema)
{
    static const char *const lists[] = {"oneOf", "enum", "type"};
    for (size_t k = 0; k < COUNT(lists); k++) {
        const json_t *list = json_object_get(schema, lists[k]), *v;
        size_t i;
        json_array_foreach(list, i, v)
        {
            const char *type = json_string_value(json_is_object(v) ? json_object_get(v, "type") : v);
            if (json_is_null(v) || (type && strcmp(type, "null") == 0)) return true;
        }
    }
    return false;
}

/* Written schemas parse, and say null exactly when the row does. */
static void test_written_schemas(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (const sh_field *f = tables[t]; f->name; f++) {
            if (f->kind != SH_FIELD_OTHER) continue;
            json_t *schema = parse(f->schema);
            assert_true(json_is_object(schema));
            if (f->nullable != allows_null(schema)) fail_msg("%s: null or not?", f->name);
            json_decref(schema);
        }
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (const sh_field *f = tables[t]; f->name; f++)
            for (const sh_field *g = tables[t]; g != f; g++) assert_string_not_equal(f->name, g->name);
}

static void test_required(void **state)
{
    (void)state;
    const char *param = NULL;
    sh_err err = {0};
    json_t *empty = json_object(), *list = json_array(), *schema = sh_fields_schema(sh_tokenize_fields);
    assert_int_equal(sh_fields_check(empty, sh_tokenize_fields, &param, &err), SH_E_INVALID);
    assert_string_equal(param, "content");
    assert_string_equal(err.msg, "'content' is missing");
    assert_int_equal(sh_fields_check(list, sh_tokenize_fields, &param, &err), SH_E_INVALID);
    assert_null(param);
    assert_string_equal(json_string_value(json_array_get(json_object_get(schema, "required"), 0)), "content");
    json_decref(empty);
    json_decref(list);
    json_decref(schema);
}

static void test_values(void **state)
{
    (void)state;
    json_t *b =
        parse("{\"i\": 7, \"whole\": 8.0, \"x\": 0.25, \"t\": true, \"s\": \"text\", \"none\": null}");
    assert_int_equal(sh_field_int(b, "i", 1), 7);
    assert_int_equal(sh_field_int(b, "whole", 1), 8);
    assert_int_equal(sh_field_int(b, "none", 1), 1);
    assert_true(sh_field_num(b, "x", 1) == 0.25 && sh_field_num(b, "i", 1) == 7 &&
                sh_field_num(b, "absent", 1) == 1);
    assert_true(sh_field_bool(b, "t", false) && sh_field_bool(b, "none", true) &&
                !sh_field_bool(b, "absent", false));
    assert_string_equal(sh_field_str(b, "s", "other"), "text");
    assert_string_equal(sh_field_str(b, "none", "other"), "other");
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_is_schema),  cmocka_unit_test(test_written_schemas),
        cmocka_unit_test(test_names_are_unique), cmocka_unit_test(test_required),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
