/* test_routes.c - the route table, the description made from it, answers of errors, and the metrics' text. */
#include "unit/test.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "server/server_internal.h"

static json_t *answer_of(int (*handle)(sh_exchange *x))
{
    sh_exchange x = {0};
    json_t *doc = NULL;
    sh_err err = {0};
    assert_int_equal(handle(&x), SH_OK);
    assert_int_equal(x.status, 200);
    assert_string_equal(x.content_type, "application/json");
    assert_ok(sh_json_parse(&doc, x.reply.p, x.reply.n, "answer", &err), &err);
    sh_buf_clear(&x.reply);
    return doc;
}

static void test_rows(void **state)
{
    (void)state;
    size_t n = 0;
    for (const sh_route *r = sh_routes; r->method; r++, n++) {
        assert_true(strcmp(r->method, "GET") == 0 || strcmp(r->method, "POST") == 0);
        assert_int_equal(r->path[0], '/');
        assert_true(r->handle && r->tag && r->summary && *r->summary);
        assert_int_equal(r->fields != NULL, strcmp(r->method, "POST") == 0);
        const char *star = strchr(r->path, '*');
        assert_true(!star || (!star[1] && star[-1] == '/'));
        for (const sh_route *other = sh_routes; other != r; other++)
            assert_true(strcmp(r->path, other->path) != 0 || strcmp(r->method, other->method) != 0);
    }
    assert_int_equal(n, sh_route_count());
}

static const json_t *operation_of(const json_t *api, const sh_route *r)
{
    char path[128], method[8] = {0};
    snprintf(path, sizeof path, "%s%s", r->path, strchr(r->path, '*') ? "" : "*");
    snprintf(strchr(path, '*'), 8, "%s", strchr(r->path, '*') ? "{id}" : "");
    for (size_t i = 0; r->method[i] && i < sizeof method - 1; i++) method[i] = (char)tolower(r->method[i]);
    return json_object_get(json_object_get(json_object_get(api, "paths"), path), method);
}

static void resolve_all(const json_t *schemas, const json_t *v, size_t *n)
{
    const char *key, *ref = json_string_value(json_object_get(v, "$ref"));
    const json_t *part;
    size_t i;
    if (ref) {
        assert_true(strncmp(ref, "#/components/schemas/", 21) == 0);
        if (!json_object_get(schemas, ref + 21)) fail_msg("%s leads nowhere", ref);
        ++*n;
    }
    json_array_foreach(v, i, part) resolve_all(schemas, part, n);
    json_object_foreach((json_t *)v, key, part) resolve_all(schemas, part, n);
}

static void test_description(void **state)
{
    (void)state;
    json_t *api = answer_of(sh_api_openapi);
    const json_t *schemas = json_object_get(json_object_get(api, "components"), "schemas");
    size_t n_refs = 0;
    for (const sh_route *r = sh_routes; r->method; r++) {
        const json_t *op = operation_of(api, r), *responses = json_object_get(op, "responses");
        if (!op) fail_msg("%s %s is not described", r->method, r->path);
        assert_string_equal(json_string_value(json_object_get(op, "summary")), r->summary);
        assert_true(!r->answer || json_object_get(schemas, r->answer));
        assert_non_null(json_object_get(responses, "200"));
        assert_int_equal(json_object_get(op, "requestBody") != NULL, r->fields != NULL);
        assert_int_equal(json_object_get(responses, "401") != NULL, !(r->flags & SH_ROUTE_OPEN));
        assert_int_equal(json_object_get(responses, "429") != NULL, (r->flags & SH_ROUTE_STREAMS) != 0);
    }
    resolve_all(schemas, api, &n_refs);
    assert_true(n_refs > 20);
    json_decref(api);
}

static void expect_error(int status, const char *param, const char *code, const char *message,
                         const char *wanted)
{
    sh_exchange x = {0};
    sh_reply_error(&x, status, param, code, "%s", message);
    assert_int_equal(x.status, status);
    assert_string_equal(x.reply.p, wanted);
    sh_buf_clear(&x.reply);
}

static void test_errors(void **state)
{
    (void)state;
    expect_error(400, "seed", NULL, "wrong",
                 "{\"error\":{\"message\":\"wrong\",\"type\":\"invalid_request_error\",\"param\":\"seed\","
                 "\"code\":null}}");
    expect_error(404, NULL, "x", "\xff\"\n",
                 "{\"error\":{\"message\":\"\xef\xbf\xbd\\\"\\n\",\"type\":\"invalid_request_error\","
                 "\"param\":null,\"code\":\"x\"}}");
    static const struct {
        int rc, status;
    } cases[] = {{SH_E_BUSY, 429}, {SH_E_NOTFOUND, 404}, {SH_E_CANCELLED, 503}, {SH_E_NOMEM, 500},
                 {SH_E_IO, 500},   {SH_E_RANGE, 400},    {SH_E_INVALID, 400},   {SH_E_LIMIT, 400}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_exchange x = {0};
        sh_err err = {.code = cases[i].rc, .msg = "why"};
        sh_reply_failure(&x, cases[i].rc, NULL, &err);
        assert_int_equal(x.status, cases[i].status);
        assert_int_equal(x.extra_name && strcmp(x.extra_name, "Retry-After") == 0, x.status == 429);
        sh_buf_clear(&x.reply);
    }
}

/* A text whose making ran out of memory is not sent. */
static void test_failed_text(void **state)
{
    (void)state;
    sh_exchange x = {0};
    sh_buf text = {0};
    sh_buf_puts(&text, "{\"half\":");
    text.failed = true;
    sh_reply_text(&x, 200, "application/json", &text);
    assert_int_equal(x.status, 500);
    assert_non_null(strstr(x.reply.p, "out of memory"));
    sh_buf_clear(&x.reply);
}

static double sample(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (!at) fail_msg("no %s in:\n%s", name, text);
    return strtod(at + strlen(name), NULL);
}

static void test_metrics(void **state)
{
    (void)state;
    struct sh_server s = {0};
    sh_exchange x = {.server = &s};
    s.metrics = sh_zalloc(sh_route_count() + 1, sizeof *s.metrics);
    assert_non_null(s.metrics);
    sh_metrics_count(&s, &sh_routes[0], 200, 500);
    sh_metrics_count(&s, &sh_routes[0], 200, 2000000);
    sh_metrics_count(&s, &sh_routes[0], 0, 1000);
    sh_metrics_count(&s, NULL, 404, 1);
    sh_metrics_count(&s, &sh_routes[0], 429, 3600000000u);
    sh_api_metrics(&x);
    const char *t = x.reply.p;
#define CHAT "{method=\"POST\",route=\"/v1/chat/completions\","
    assert_true(sample(t, "shoal_http_requests_total" CHAT "status=\"2xx\"} ") == 2);
    assert_true(sample(t, "shoal_http_requests_total" CHAT "status=\"4xx\"} ") == 1);
    assert_true(sample(t, "shoal_http_requests_total" CHAT "status=\"aborted\"} ") == 1);
    assert_true(sample(t, "shoal_http_requests_total{method=\"\",route=\"other\",status=\"4xx\"} ") == 1);
    assert_true(sample(t, "shoal_http_request_seconds_bucket" CHAT "le=\"0.001\"} ") ==
                2); /* bounds are inclusive */
    assert_true(sample(t, "shoal_http_request_seconds_bucket" CHAT "le=\"1\"} ") == 2);
    assert_true(sample(t, "shoal_http_request_seconds_bucket" CHAT "le=\"2.5\"} ") == 3);
    assert_true(sample(t, "shoal_http_request_seconds_bucket" CHAT "le=\"60\"} ") == 3);
    assert_true(sample(t, "shoal_http_request_seconds_bucket" CHAT "le=\"+Inf\"} ") == 4);
    assert_true(
        sample(t, "shoal_http_request_seconds_count{method=\"POST\",route=\"/v1/chat/completions\"} ") == 4);
    assert_true(
        sample(t, "shoal_http_request_seconds_sum{method=\"POST\",route=\"/v1/chat/completions\"} ") ==
        3602.0015);
    for (const char *line = t; *line; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n')); /* the last line is ended too */
        assert_true(*line == '#' || isalpha((unsigned char)*line));
    }
    sh_buf_clear(&x.reply);
    sh_free(s.metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_description), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_failed_text), cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
