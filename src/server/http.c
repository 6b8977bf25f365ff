/* http.c - libmicrohttpd's callbacks: collect a request, check who may ask, hand it to its route, send the
 * answer. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "codec/json.h"
#include "os/clock.h"
#include "server/job.h"

int sh_reply_text(sh_exchange *x, int status, const char *content_type, sh_buf *text)
{
    sh_buf_clear(&x->reply);
    x->status = text->failed ? 500 : status;
    x->content_type = content_type;
    x->reply = *text;
    *text = (sh_buf){0};
    return SH_OK;
}

int sh_reply_json(sh_exchange *x, int status, json_t *doc)
{
    sh_buf text = {0};
    if (!doc || sh_json_write(&text, doc, 0, NULL) < 0) {
        sh_buf_clear(&text);
        sh_buf_puts(&text, "{\"error\":{\"message\":\"out of "
                           "memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
        status = 500;
    }
    json_decref(doc);
    return sh_reply_text(x, status, "application/json", &text);
}

int sh_reply_error(sh_exchange *x, int status, const char *param, const char *code, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    const char *type = status == 401   ? "authentication_error"
                       : status == 403 ? "permission_error"
                       : status == 429 ? "rate_limit_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    json_t *text = json_string(message);
    return sh_reply_json(x, status,
                         json_pack("{s:{s:o,s:s,s:s?,s:s?}}", "error", "message",
                                   text ? text : json_string("invalid request"), "type", type, "param", param,
                                   "code", code));
}

int sh_reply_failure(sh_exchange *x, int rc, const char *param, const sh_err *err)
{
    switch (rc) {
    case SH_E_BUSY:
        x->extra_name = "Retry-After";
        x->extra_value = "1";
        return sh_reply_error(x, 429, param, "queue_full", "%s", err->msg);
    case SH_E_NOTFOUND:
        return sh_reply_error(x, 404, param, NULL, "%s", err->msg);
    case SH_E_NOMEM:
    case SH_E_IO:
        return sh_reply_error(x, 500, param, NULL, "%s", err->msg);
    case SH_E_RANGE:
        return sh_reply_error(x, 400, param, "context_length_exceeded", "%s", err->msg);
    default:
        return sh_reply_error(x, 400, param, NULL, "%s", err->msg);
    }
}

const sh_served_model *sh_find_model(sh_exchange *x, const char *name)
{
    struct sh_server *s = x->server;
    if (!name) return &s->models[0];
    for (size_t i = 0; i < s->n_models; i++)
        if (strcmp(s->models[i].name, name) == 0) return &s->models[i];
    sh_reply_error(x, 404, "model", "model_not_found",
                   "the model '%.100s' is not served here (GET /v1/models lists those that are)", name);
    return NULL;
}

static const char *header(const sh_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* Equal bytes in a time that does not depend on where they differ. */
static bool same_secret(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned char difference = na != nb;
    for (size_t i = 0; i < na; i++) difference |= (unsigned char)(a[i] ^ b[nb ? i % nb : 0]);
    return difference == 0;
}

static bool names_this_machine(const char *host)
{
    static const char *const names[] = {"localhost", "127.", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncasecmp(host, names[i], strlen(names[i])) == 0) return true;
    return false;
}

/* A page of some web site must not reach a server that asks for no token: its Origin gives it away, and a
 * name that was pointed at 127.0.0.1 (DNS rebinding) shows in Host. */
static bool is_foreign_page(const sh_exchange *x)
{
    const char *origin = header(x, "Origin"), *host = header(x, "Host"), *allowed = x->server->cors_origin;
    if (!x->server->token && x->server->is_loopback && host && !names_this_machine(host)) return true;
    if (!origin || (allowed && (strcmp(allowed, "*") == 0 || strcasecmp(allowed, origin) == 0))) return false;
    const char *authority = strstr(origin, "://");
    return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

static bool is_allowed(sh_exchange *x)
{
    if (is_foreign_page(x)) {
        sh_reply_error(x, 403, NULL, "origin_not_allowed",
                       "requests from this origin are not allowed (see --cors)");
        return false;
    }
    if (!x->server->token || (x->route && x->route->flags & SH_ROUTE_OPEN)) return true;
    const char *given = header(x, "Authorization");
    if (given && strncasecmp(given, "Bearer ", 7) == 0 && same_secret(given + 7, x->server->token))
        return true;
    x->extra_name = "WWW-Authenticate";
    x->extra_value = "Bearer";
    sh_reply_error(x, 401, NULL, "invalid_api_key",
                   given ? "the bearer token is wrong"
                         : "a bearer token is needed (Authorization: Bearer ...)");
    return false;
}

/* The route of a path; *other_method tells that the path exists under another one. */
static const sh_route *find_route(const char *method, const char *path, const char **rest, sh_buf *allow)
{
    const sh_route *found = NULL;
    for (const sh_route *r = sh_routes; r->method; r++) {
        size_t n = strlen(r->path);
        bool is_prefix = n >= 2 && r->path[n - 1] == '*';
        bool match =
            is_prefix ? strncmp(path, r->path, n - 1) == 0 && path[n - 1] : strcmp(path, r->path) == 0;
        if (!match) continue;
        if (strcmp(r->method, method) == 0) {
            *rest = is_prefix ? path + n - 1 : "";
            found = r;
        }
        sh_buf_printf(allow, "%s%s", allow->n ? ", " : "", r->method);
    }
    return found;
}

static void answer_unrouted(sh_exchange *x, const sh_buf *allow)
{
    if (!allow->n) {
        sh_reply_error(x, 404, NULL, "unknown_url",
                       "unknown path: %s %.200s (GET /openapi.json describes all)", x->method, x->path);
        return;
    }
    if (strcmp(x->method, "OPTIONS") == 0) {
        sh_buf empty = {0};
        sh_reply_text(x, 204, "text/plain", &empty);
        return;
    }
    x->allow = sh_strdup(allow->p);
    if (x->allow) x->extra_name = "Allow", x->extra_value = x->allow;
    sh_reply_error(x, 405, NULL, "method_not_allowed", "%s is not possible here (allowed: %s)", x->method,
                   allow->p);
}

static void dispatch(sh_exchange *x)
{
    const char *param = NULL;
    sh_err err = {0};
    if (x->too_large) {
        sh_reply_error(x, 413, NULL, "body_too_large", "the body is larger than %zu bytes",
                       x->server->max_body_bytes);
        return;
    }
    if (x->route->fields) {
        if (sh_json_parse(&x->json, x->body.p ? x->body.p : "", x->body.n, "body", &err) < 0) {
            sh_reply_error(x, 400, NULL, "invalid_json", "%s", err.msg);
            return;
        }
        if (sh_fields_check(x->json, x->route->fields, &param, &err) < 0) {
            sh_reply_error(x, 400, param, NULL, "%s", err.msg);
            return;
        }
    }
    x->route->handle(x);
}

static enum MHD_Result send_reply(sh_exchange *x)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(x->reply.n, x->reply.n ? x->reply.p : (char *)"",
                                                             MHD_RESPMEM_MUST_COPY);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type",
                            x->content_type ? x->content_type : "text/plain; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (x->extra_name) MHD_add_response_header(r, x->extra_name, x->extra_value);
    if (x->server->cors_origin) {
        MHD_add_response_header(r, "Access-Control-Allow-Origin", x->server->cors_origin);
        MHD_add_response_header(r, "Access-Control-Allow-Headers", "Authorization, Content-Type");
        MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
        MHD_add_response_header(r, "Vary", "Origin");
    }
    enum MHD_Result ok = MHD_queue_response(x->connection, (unsigned)x->status, r);
    MHD_destroy_response(r);
    x->answered = ok == MHD_YES;
    return ok;
}

/* First call of a request: only its head is known. An answer set here (refused, unknown) is sent before the
 * body is read. */
static enum MHD_Result begin(struct sh_server *s, struct MHD_Connection *c, const char *url,
                             const char *method, void **state)
{
    sh_exchange *x = sh_zalloc(1, sizeof *x);
    sh_buf allow = {0};
    if (!x) return MHD_NO;
    *state = x;
    x->server = s;
    x->connection = c;
    x->begin_us = sh_now_us();
    x->path = sh_strdup(url);
    x->method = method; /* lives as long as the request */
    if (!x->path) return MHD_NO;
    /* HEAD is GET without the body, which libmicrohttpd leaves out. */
    x->route = find_route(strcmp(method, "HEAD") == 0 ? "GET" : method, x->path, &x->rest, &allow);
    const char *length = header(x, "Content-Length");
    if (!is_allowed(x)) {
        /* answered */
    } else if (!x->route) {
        answer_unrouted(x, &allow);
    } else if (length && strtoull(length, NULL, 10) > s->max_body_bytes) {
        x->too_large = true;
        dispatch(x);
    }
    sh_buf_clear(&allow);
    return x->status ? send_reply(x) : MHD_YES;
}

enum MHD_Result sh_http_request(void *server, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **state)
{
    sh_exchange *x = *state;
    (void)version;
    if (!x) return begin(server, c, url, method, state);
    if (*upload_size) {
        if (x->answered) {
            *upload_size = 0; /* a body nobody reads */
            return MHD_YES;
        }
        if (x->body.n + *upload_size > x->server->max_body_bytes)
            x->too_large = true; /* read on, keep nothing, answer 413 */
        if (!x->too_large) sh_buf_add(&x->body, upload, *upload_size);
        *upload_size = 0;
        return x->body.failed ? MHD_NO : MHD_YES;
    }
    if (x->answered) return MHD_YES;
    if (!x->job) dispatch(x);
    if (x->job && !x->status) {
        enum MHD_Result ok = sh_job_answer(x);
        if (x->answered || !x->status) return ok; /* streaming, or suspended */
    }
    return send_reply(x);
}

void sh_http_completed(void *server, struct MHD_Connection *c, void **state,
                       enum MHD_RequestTerminationCode why)
{
    sh_exchange *x = *state;
    (void)c;
    (void)why;
    if (!x) return;
    struct sh_server *s = server;
    uint64_t us = sh_now_us() - x->begin_us;
    sh_metrics_count(s, x->route, x->status, us);
    sh_logf(s->log, SH_LOG_INFO, "%s %.200s %d %.1f ms", x->method ? x->method : "?", x->path ? x->path : "?",
            x->status, (double)us * 1e-3);
    if (x->job) sh_job_disconnect(x->job);
    json_decref(x->json);
    sh_buf_clear(&x->body);
    sh_buf_clear(&x->reply);
    sh_free(x->path);
    sh_free(x->allow);
    sh_free(x);
    *state = NULL;
}
