/* test_ollama.c - Ollama's options and prompt templates, and the shape of its errors. */
#include "unit/test.h"

#include "base/mem.h"
#include "codec/json.h"
#include "server/ollama.h"
#include "server/server_internal.h"

static json_t *parse(const char *text)
{
    json_t *doc = NULL;
    sh_err err = {0};
    assert_ok(sh_json_parse(&doc, text, strlen(text), "test", &err), &err);
    return doc;
}

/* What /openapi.json says of options is what the rows check. */
static void test_options_schema(void **state)
{
    (void)state;
    json_t *told = parse(SH_OLLAMA_OPTIONS_SCHEMA), *rows = sh_fields_schema(sh_ollama_options), *row;
    json_t *told_rows = json_object_get(told, "properties");
    const char *key;
    json_object_foreach(json_object_get(rows, "properties"), key, row)
    {
        const json_t *other = json_object_get(told_rows, key);
        assert_non_null(other);
        assert_true(json_equal(json_object_get(other, "type"), json_object_get(row, "type")));
        assert_true(json_number_value(json_object_get(other, "minimum")) ==
                    json_number_value(json_object_get(row, "minimum")));
        assert_true(json_number_value(json_object_get(other, "maximum")) ==
                    json_number_value(json_object_get(row, "maximum")));
    }
    assert_int_equal(json_object_size(told_rows),
                     json_object_size(json_object_get(rows, "properties")) + 1); /* stop */
    json_decref(told);
    json_decref(rows);
}

static void expect_template(const char *source, const char *want, const char *plain)
{
    const sh_ollama_vars vars = {.system = "S", .prompt = "<p>"};
    sh_buf out = {0}, marked = {0};
    sh_span *spans = NULL;
    size_t n = 0;
    sh_err err = {0};
    assert_ok(sh_ollama_template(source, &vars, &out, &spans, &n, &err), &err);
    assert_string_equal(out.p ? out.p : "", want);
    for (size_t i = 0; i < n; i++) sh_buf_add(&marked, out.p + spans[i].begin, spans[i].end - spans[i].begin);
    assert_string_equal(marked.p ? marked.p : "", plain);
    sh_buf_clear(&out);
    sh_buf_clear(&marked);
    sh_free(spans);
}

static void test_template(void **state)
{
    (void)state;
    expect_template("", "", "");
    expect_template("a {{ .Prompt }} b", "a <p> b", "<p>");
    expect_template("{{if .System}}[{{.System}}]{{end}}{{ .Prompt }}", "[S]<p>", "S<p>");
    expect_template("{{ if .Suffix }}no{{ else }}yes{{ end }}", "yes", "");
    expect_template("{{ if not .Suffix }}yes{{ end }}", "yes", "");
    expect_template("{{ if .Suffix }}{{ if .System }}no{{ else }}no{{ end }}no{{ end }}x", "x", "");
    expect_template("a  {{- .Prompt -}}  b {{/* said */}}c", "a<p>b c", "<p>");
    expect_template("{{ .Prompt }}|{{ .Response }}|</s>", "<p>|", "<p>");
    expect_template("}} {{ .Prompt }} }", "}} <p> }", "<p>");
}

static void test_template_refused(void **state)
{
    (void)state;
    const struct {
        const char *source;
        int code;
        const char *says;
    } cases[] = {
        {"{{ .Prompt", SH_E_INVALID, "not closed"},
        {"{{ end }}", SH_E_INVALID, "without an if"},
        {"{{ else }}", SH_E_INVALID, "without an if"},
        {"{{ if .System }}{{ else }}{{ else }}{{ end }}", SH_E_INVALID, "without an if"},
        {"{{ if .System }}x", SH_E_INVALID, "no {{ end }}"},
        {"{{ range .Messages }}{{ end }}", SH_E_UNSUPPORTED, "range .Messages"},
        {"{{ if and .System .Prompt }}{{ end }}", SH_E_UNSUPPORTED, "and .System"},
        {"{{ .Nothing }}", SH_E_UNSUPPORTED, ".Nothing"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sh_ollama_vars vars = {.system = "S", .prompt = "p"};
        sh_buf out = {0};
        sh_span *spans = NULL;
        size_t n = 0;
        sh_err err = {0};
        assert_int_equal(sh_ollama_template(cases[i].source, &vars, &out, &spans, &n, &err), cases[i].code);
        if (!strstr(err.msg, cases[i].says)) fail_msg("%s: %s", cases[i].source, err.msg);
        assert_null(spans);
        sh_buf_clear(&out);
    }
    /* Deeper than any real template: refused, not overrun. */
    sh_buf deep = {0}, out = {0};
    for (int i = 0; i < 100; i++) sh_buf_puts(&deep, "{{ if .System }}{{ .System }}");
    const sh_ollama_vars vars = {.system = "S"};
    sh_span *spans = NULL;
    size_t n = 0;
    assert_int_equal(sh_ollama_template(deep.p, &vars, &out, &spans, &n, NULL), SH_E_LIMIT);
    sh_buf_clear(&deep);
    sh_buf_clear(&out);
}

static void test_errors_have_its_shape(void **state)
{
    (void)state;
    char path[] = "/api/chat";
    sh_exchange x = {.path = path};
    sh_reply_error(&x, 404, "model", "model_not_found", "model '%s' not found", "a\"b");
    assert_int_equal(x.status, 404);
    assert_string_equal(x.reply.p, "{\"error\":\"model 'a\\\"b' not found\"}");
    sh_buf_clear(&x.reply);
    assert_false(sh_is_ollama_path("/v1/api/chat"));
    assert_false(sh_is_ollama_path(NULL));
}

static int ask(const char *body, sh_buf *answer)
{
    char path[] = "/api/chat";
    struct sh_server server = {.request_timeout_s = 1};
    sh_exchange x = {.server = &server, .path = path, .json = parse(body)};
    assert_null(sh_ollama_model(&x));
    json_decref(x.json);
    *answer = x.reply;
    return x.status;
}

static void test_model_names(void **state)
{
    (void)state;
    sh_served_model models[] = {{.name = "a"}, {.name = "b:7b"}};
    struct sh_server server = {.models = models, .n_models = 2};
    const struct {
        const char *body;
        int want;
    } cases[] = {{"{\"model\":\"a\"}", 0},  {"{\"model\":\"a:latest\"}", 0}, {"{\"name\":\"b:7b\"}", 1},
                 {"{\"model\":\"b\"}", -1}, {"{\"model\":\"ab\"}", -1},      {"{\"model\":\"a:other\"}", -1},
                 {"{\"model\":\"a:\"}", -1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_exchange x = {.server = &server, .json = parse(cases[i].body)};
        const sh_served_model *m = sh_ollama_model(&x);
        assert_int_equal(m ? m - models : -1, cases[i].want);
        assert_int_equal(x.status, m ? 0 : 404);
        json_decref(x.json);
        sh_buf_clear(&x.reply);
    }
    sh_buf answer = {0};
    assert_int_equal(ask("{}", &answer), 400);
    sh_buf_clear(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_schema),   cmocka_unit_test(test_template),
        cmocka_unit_test(test_template_refused), cmocka_unit_test(test_errors_have_its_shape),
        cmocka_unit_test(test_model_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
