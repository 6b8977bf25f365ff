/* test_multipart.c - forms as clients send them, and bodies that are none. */
#include "unit/test.h"

#include "server/multipart.h"

#define TYPE "multipart/form-data; boundary=XyZ"

static sh_multipart parsed(const char *type, const char *body, size_t n)
{
    sh_multipart m;
    sh_err err = {0};
    assert_ok(sh_multipart_parse(&m, type, body, n, &err), &err);
    return m;
}

static void expect(const sh_multipart *m, const char *name, const char *data)
{
    const sh_part *p = sh_multipart_find(m, name);
    assert_non_null(p);
    if (!sh_str_is(p->data, data)) fail_msg("%s: '%.*s'", name, (int)p->data.n, p->data.p);
}

static void test_types(void **state)
{
    (void)state;
    assert_true(sh_multipart_is("multipart/form-data; boundary=x"));
    assert_true(sh_multipart_is("Multipart/Form-Data;boundary=x"));
    assert_false(sh_multipart_is("multipart/form-datax"));
    assert_false(sh_multipart_is("multipart/mixed; boundary=x"));
    assert_false(sh_multipart_is("application/json"));
    assert_false(sh_multipart_is(NULL));
}

static void test_fields_and_files(void **state)
{
    static const char body[] =
        "words before are ignored\r\n--XyZ\r\n"
        "Content-Disposition: form-data; name=\"model\"\r\n\r\ntesseract\r\n"
        "--XyZ \t\r\n"
        "content-disposition:form-data;filename=\"a \\\"b\\\"; c.png\" ; name=file\r\n"
        "Content-Type: image/png\r\nX-Other: 1\r\n\r\n\0\r\n--XyZa\r\n--Xy\r\r\n"
        "--XyZ\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--XyZ--\r\nafter";
    (void)state;
    sh_multipart m = parsed(TYPE, body, sizeof body - 1);
    assert_int_equal(m.n, 3);
    expect(&m, "model", "tesseract");
    assert_null(m.parts[0].filename.p);
    assert_null(m.parts[0].type.p);
    expect(&m, "empty", "");
    const sh_part *file = sh_multipart_find(&m, "file");
    assert_non_null(file);
    assert_true(sh_str_eq(file->data, sh_str_n("\0\r\n--XyZa\r\n--Xy\r", 16)));
    assert_true(sh_str_is(file->type, "image/png"));
    assert_true(sh_str_is(file->filename, "a \\\"b\\\"; c.png"));
    assert_null(sh_multipart_find(&m, "absent"));
}

static void test_boundaries(void **state)
{
    static const char body[] = "--a;b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a;b--";
    (void)state;
    sh_multipart m = parsed("multipart/form-data; charset=utf-8; boundary=\"a;b\"", body, sizeof body - 1);
    expect(&m, "x", "1");
    m = parsed(TYPE, "--XyZ--", 7);
    assert_int_equal(m.n, 0);
}

static void refused(const char *type, const char *body, int code, const char *word)
{
    sh_multipart m;
    sh_err err = {0};
    assert_int_equal(sh_multipart_parse(&m, type, body, strlen(body), &err), code);
    if (!strstr(err.msg, word)) fail_msg("'%s' lacks '%s'", err.msg, word);
}

static void test_refused(void **state)
{
    (void)state;
    refused("multipart/form-data", "--x--", SH_E_INVALID, "boundary");
    refused("multipart/form-data; boundary=", "--x--", SH_E_INVALID, "boundary");
    refused(TYPE, "", SH_E_CORRUPT, "first boundary");
    refused(TYPE, "--Xy", SH_E_CORRUPT, "first boundary");
    refused(TYPE, "--XyZ", SH_E_CORRUPT, "byte 5");
    refused(TYPE, "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut", SH_E_CORRUPT,
            "closing boundary");
    refused(TYPE, "--XyZ\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XyZ--", SH_E_CORRUPT, "no name");
    refused(TYPE, "--XyZ\r\nContent-Disposition: inline; name=\"a\"\r\n\r\n1\r\n--XyZ--", SH_E_CORRUPT,
            "no name");
    refused(TYPE, "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n--XyZ--", SH_E_CORRUPT, "headers");
    refused(TYPE, "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--XyZ--", SH_E_CORRUPT,
            "no data");
    refused(TYPE, "--XyZx\r\n", SH_E_CORRUPT, "first boundary");
    refused(TYPE, "--XyZ-x\r\n", SH_E_CORRUPT, "end of the line");
}

static void test_too_many(void **state)
{
    sh_buf body = {0};
    sh_multipart m;
    sh_err err = {0};
    (void)state;
    for (int i = 0; i <= SH_MULTIPART_MAX_PARTS; i++)
        sh_buf_puts(&body, "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n");
    sh_buf_puts(&body, "--XyZ--");
    assert_int_equal(sh_multipart_parse(&m, TYPE, body.p, body.n, &err), SH_E_LIMIT);
    sh_buf_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types), cmocka_unit_test(test_fields_and_files),
                                       cmocka_unit_test(test_boundaries), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
