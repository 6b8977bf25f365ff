/* test_fields.c - the rows of request fields: what is checked, and that the description says the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/exchange.h"

static const sh_field rows[] = {
    {"name", SH_FIELD_STR, 0, 0, true, false, NULL, "A name."},
    {"count", SH_FIELD_INT, 1, 10, false, true, NULL, "A count."},
    {"share", SH_FIELD_NUM, 0, 1, false, false, NULL, "A share."},
    {"flag", SH_FIELD_BOOL, 0, 0, false, false, NULL, "A flag."},
    {0},
};

static void test_check(void **state)
{
    static const struct {
        const char *body, *wrong;
    } cases[] = {
        {"{\"name\":\"x\"}", NULL},
        {"{\"name\":\"x\",\"count\":10,\"share\":1,\"flag\":false,\"more\":[]}", NULL},
        {"{\"name\":\"x\",\"count\":null}", NULL},
        {"{\"name\":\"x\",\"count\":2.0}", NULL},
        {"{}", "name"},
        {"{\"name\":null}", "name"},
        {"{\"name\":1}", "name"},
        {"{\"name\":\"x\",\"count\":0}", "count"},
        {"{\"name\":\"x\",\"count\":11}", "count"},
        {"{\"name\":\"x\",\"count\":2.5}", "count"},
        {"{\"name\":\"x\",\"count\":true}", "count"},
        {"{\"name\":\"x\",\"share\":null}", "share"},
        {"{\"name\":\"x\",\"share\":-0.1}", "share"},
        {"{\"name\":\"x\",\"flag\":1}", "flag"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sh_err err = {0};
        const char *param = NULL;
        json_t *body = json_loads(cases[i].body, 0, NULL);
        assert_non_null(body);
        int rc = sh_fields_check(body, rows, &param, &err);
        if (!cases[i].wrong)
            assert_int_equal(rc, SH_OK);
        else {
            assert_int_equal(rc, SH_E_INVALID);
            assert_string_equal(param, cases[i].wrong);
            assert_non_null(strstr(err.msg, cases[i].wrong));
        }
        json_decref(body);
    }
    sh_err err = {0};
    const char *param;
    json_t *list = json_array();
    assert_int_equal(sh_fields_check(list, rows, &param, &err), SH_E_INVALID);
    json_decref(list);
}

static void test_schema(void **state)
{
    json_t *s = sh_fields_schema(rows), *p = json_object_get(s, "properties");
    (void)state;
    assert_int_equal(json_object_size(p), 4);
    assert_string_equal(json_string_value(json_array_get(json_object_get(s, "required"), 0)), "name");
    json_t *count = json_object_get(p, "count");
    assert_int_equal(json_array_size(json_object_get(count, "type")), 2);
    assert_int_equal(json_integer_value(json_object_get(count, "maximum")), 10);
    assert_string_equal(json_string_value(json_object_get(json_object_get(p, "share"), "type")), "number");
    json_decref(s);
}

/* Every row of every route: named once, described, and with a schema that is JSON. */
static void test_routes(void **state)
{
    (void)state;
    for (const sh_route *r = sh_routes; r->method; r++) {
        assert_non_null(r->handle);
        assert_true(r->summary && *r->summary && r->tag && *r->tag);
        for (const sh_route *other = sh_routes; other != r; other++)
            assert_false(!strcmp(other->path, r->path) && !strcmp(other->method, r->method));
        for (const sh_field *f = r->fields; f && f->name; f++) {
            assert_true(f->help && *f->help);
            for (const sh_field *g = r->fields; g != f; g++) assert_string_not_equal(f->name, g->name);
            if (f->kind != SH_FIELD_OTHER) continue;
            json_t *schema = json_loads(f->schema, 0, NULL);
            assert_true(json_is_object(schema));
            json_decref(schema);
        }
    }
    assert_true(sh_route_count() >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_check), cmocka_unit_test(test_schema),
                                       cmocka_unit_test(test_routes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
