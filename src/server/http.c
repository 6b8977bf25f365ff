/* http.c - libmicrohttpd's callbacks: collect a request, check who may ask, hand it to its route, send the
 * answer. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "codec/json.h"
#include "os/clock.h"
#include "server/job.h"

/* A refused upload of up to this size is read to its end: closing before would reset the connection, and the
 * client might never see why. */
enum { DROP_MAX_BYTES = 32 << 20 };

const char *sh_exchange_header(const sh_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
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

static bool path_matches(const sh_route *r, const char *path, const char **rest)
{
    size_t n = strlen(r->path);
    bool is_prefix = n >= 2 && r->path[n - 1] == '*';
    *rest = is_prefix ? path + n - 1 : "";
    return is_prefix ? strncmp(path, r->path, n - 1) == 0 && path[n - 1] : strcmp(path, r->path) == 0;
}

/* The route of method and path, or NULL. `allow` gets the methods that the path has. */
static const sh_route *find_route(const char *method, const char *path, const char **rest, sh_buf *allow)
{
    const sh_route *found = NULL;
    const char *end;
    /* HEAD is GET without the body, which libmicrohttpd leaves out. */
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (const sh_route *r = sh_routes; r->method; r++) {
        if (!path_matches(r, path, &end)) continue;
        if (strcmp(r->method, wanted) == 0) {
            *rest = end;
            found = r;
        }
        sh_buf_printf(allow, "%s%s", r->method, strcmp(r->method, "GET") == 0 ? ", HEAD, " : ", ");
    }
    if (allow->n) sh_buf_puts(allow, "OPTIONS");
    return found;
}

static void answer_unrouted(sh_exchange *x)
{
    if (!x->allow.n) {
        sh_reply_error(x, 404, NULL, "unknown_url",
                       "unknown path: %.16s %.200s (GET /openapi.json describes all)", x->method, x->path);
        return;
    }
    if (!x->allow.failed) x->extra_name = "Allow", x->extra_value = x->allow.p;
    if (strcmp(x->method, "OPTIONS") == 0) {
        sh_buf empty = {0};
        sh_reply_text(x, 204, NULL, &empty);
        return;
    }
    sh_reply_error(x, 405, NULL, "method_not_allowed", "%.16s is not possible here (allowed: %s)", x->method,
                   x->allow.p);
}

static void refuse_large(sh_exchange *x)
{
    sh_buf_clear(&x->body);
    sh_reply_error(x, 413, NULL, "body_too_large", "the body is larger than %zu bytes",
                   x->server->max_body_bytes);
}

/* The whole request is here: let its route answer, or start a job that will. */
static void dispatch(sh_exchange *x)
{
    const char *param = NULL;
    sh_err err = {0};
    if (!x->route->fields)
        x->route->handle(x);
    else if (sh_json_parse(&x->json, x->body.p ? x->body.p : "", x->body.n, "body", &err) < 0)
        sh_reply_error(x, 400, NULL, "invalid_json", "%s", err.msg);
    else if (sh_fields_check(x->json, x->route->fields, &param, &err) < 0)
        sh_reply_error(x, 400, param, NULL, "%s", err.msg);
    else
        x->route->handle(x);
    /* A generation can take minutes; what asked for it is not needed any longer. */
    json_decref(x->json);
    x->json = NULL;
    sh_buf_clear(&x->body);
}

void sh_exchange_common_headers(const sh_exchange *x, struct MHD_Response *r)
{
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (!x->server->cors_origin) return;
    MHD_add_response_header(r, "Access-Control-Allow-Origin", x->server->cors_origin);
    MHD_add_response_header(r, "Access-Control-Allow-Headers", "*, Authorization");
    MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    MHD_add_response_header(r, "Access-Control-Max-Age", "600");
    MHD_add_response_header(r, "Vary", "Origin");
}

static enum MHD_Result send_reply(sh_exchange *x)
{
    /* The bytes live in x->reply until libmicrohttpd reports the request as completed. */
    struct MHD_Response *r = MHD_create_response_from_buffer(x->reply.n, x->reply.n ? x->reply.p : (char *)"",
                                                             MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    if (x->content_type) MHD_add_response_header(r, "Content-Type", x->content_type);
    if (x->extra_name) MHD_add_response_header(r, x->extra_name, x->extra_value);
    sh_exchange_common_headers(x, r);
    enum MHD_Result ok = MHD_queue_response(x->connection, (unsigned)x->status, r);
    MHD_destroy_response(r);
    x->answered = ok == MHD_YES;
    return ok;
}

/* First call of a request: only its head is known. */
static enum MHD_Result begin(struct sh_server *s, struct MHD_Connection *c, const char *url,
                             const char *method, void **state)
{
    sh_exchange *x = sh_zalloc(1, sizeof *x);
    if (!x) return MHD_NO;
    *state = x;
    x->server = s;
    x->connection = c;
    x->begin_us = sh_now_us();
    x->method = method; /* lives as long as the request */
    if (!(x->path = sh_strdup(url))) return MHD_NO;
    x->route = find_route(method, x->path, &x->rest, &x->allow);
    const char *length = sh_exchange_header(x, "Content-Length"), *expect = sh_exchange_header(x, "Expect");
    unsigned long long n_declared = length ? strtoull(length, NULL, 10) : 0;
    if (!sh_access_check(x)) return expect || n_declared > DROP_MAX_BYTES ? send_reply(x) : MHD_YES;
    if (!x->route)
        answer_unrouted(x);
    else if (n_declared > s->max_body_bytes)
        refuse_large(x);
    /* Refused: at once when nothing or too much would follow, else after the body, see DROP_MAX_BYTES. */
    return x->status && (expect || n_declared > DROP_MAX_BYTES) ? send_reply(x) : MHD_YES;
}

/* Part of the body. */
static enum MHD_Result take(sh_exchange *x, const char *p, size_t n)
{
    if (!x->status && n > x->server->max_body_bytes - x->body.n) refuse_large(x);
    if (x->status) {
        x->n_dropped_bytes += n;
        return x->n_dropped_bytes <= DROP_MAX_BYTES ? MHD_YES : MHD_NO;
    }
    sh_buf_add(&x->body, p, n);
    return x->body.failed ? MHD_NO : MHD_YES;
}

enum MHD_Result sh_http_request(void *server, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **state)
{
    sh_exchange *x = *state;
    (void)version;
    if (!x) return begin(server, c, url, method, state);
    if (*upload_size) {
        size_t n = *upload_size;
        *upload_size = 0;
        return take(x, upload, n);
    }
    if (x->answered) return MHD_YES;
    if (!x->job && !x->status) dispatch(x);
    if (x->job && !x->status) {
        enum MHD_Result ok = sh_job_answer(x);
        if (x->answered || !x->status) return ok; /* streaming, or suspended */
    }
    return send_reply(x);
}

/* One line, whatever bytes the client chose. */
static void log_request(const sh_exchange *x, uint64_t us)
{
    char line[256];
    snprintf(line, sizeof line, "%.16s %.200s", x->method, x->path ? x->path : "?");
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
    sh_logf(x->server->log, SH_LOG_INFO, "%s %d %.1f ms", line, x->status, (double)us * 1e-3);
}

void sh_http_completed(void *server, struct MHD_Connection *c, void **state,
                       enum MHD_RequestTerminationCode why)
{
    sh_exchange *x = *state;
    (void)c;
    (void)why;
    if (!x) return;
    uint64_t us = sh_now_us() - x->begin_us;
    sh_metrics_count(server, x->route, x->status, us);
    log_request(x, us);
    if (x->job) sh_job_disconnect(x->job);
    json_decref(x->json);
    sh_buf_clear(&x->body);
    sh_buf_clear(&x->reply);
    sh_buf_clear(&x->allow);
    sh_free(x->path);
    sh_free(x);
    *state = NULL;
}
