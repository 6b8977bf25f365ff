/* The language, case by case, against what jinja2 made of the same templates
 * (tests/data/templates/cases.json). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "text/chat_template.h"

enum { CLOCK = 1769862896 /* 2026-01-31 12:34:56 UTC */ };

static const char *const kind_names[] = {"ok", "raise_exception", "undefined", "security", "other"};

/* NULL when got agrees with what the case wants, else what differs. */
static const char *compare(const json_t *c, int opened, int rc, enum sh_template_error kind,
                           const sh_buf *got, const sh_err *err)
{
    const char *error = json_string_value(json_object_get(c, "error"));
    const char *message = json_string_value(json_object_get(c, "message"));
    const json_t *out = json_object_get(c, "out");
    if (!error) {
        if (opened < 0 || rc < 0) return err->msg;
        bool same = got->n == json_string_length(out) &&
                    memcmp(sh_buf_str(got).p, json_string_value(out), got->n) == 0;
        return same ? NULL : sh_buf_str(got).p;
    }
    if (strcmp(error, "syntax") == 0) return opened < 0 ? NULL : "(accepted)";
    if (opened < 0) return strcmp(error, "other") == 0 ? NULL : err->msg;
    if (rc == SH_OK) return sh_buf_str(got).p;
    if (strcmp(error, kind_names[kind]) != 0) return err->msg;
    return message && strcmp(message, err->msg) != 0 ? err->msg : NULL;
}

static bool run_case(const json_t *c, const json_t *vars)
{
    const json_t *source = json_object_get(c, "t");
    sh_template_opts opts = SH_TEMPLATE_OPTS_INIT;
    sh_template *t = NULL;
    sh_buf out = {0};
    sh_err err = {0};
    enum sh_template_error kind = SH_TEMPLATE_OK;
    opts.now_unix = CLOCK;
    int rc = SH_OK,
        opened = sh_template_open(&t, json_string_value(source), json_string_length(source), &err);
    if (opened == SH_OK) rc = sh_template_render(t, vars, &opts, &out, NULL, NULL, &kind, &err);
    const char *differs = compare(c, opened, rc, kind, &out, &err);
    if (differs) {
        const char *want = json_string_value(json_object_get(c, "out"));
        print_message("%s\n  expected: %s\n  rendered: %s\n", json_string_value(source),
                      want ? want : json_string_value(json_object_get(c, "error")), differs);
    }
    sh_buf_clear(&out);
    sh_template_free(t);
    return !differs;
}

static void as_jinja2(void **state)
{
    json_error_t why;
    size_t failed = 0;
    (void)state;
    json_t *all = json_load_file(SHOAL_SOURCE_DIR "/tests/data/templates/cases.json", JSON_ALLOW_NUL, &why);
    assert_non_null(all);
    const json_t *cases = json_object_get(all, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++)
        failed += !run_case(json_array_get(cases, i), json_object_get(all, "variables"));
    print_message("%zu of %zu cases as jinja2\n", json_array_size(cases) - failed, json_array_size(cases));
    assert_true(json_array_size(cases) > 300);
    assert_int_equal(failed, 0);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_jinja2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
