/* exchange.h - one HTTP request and its answer, as the API handlers see it. Internal to server/. */
#ifndef SH_SERVER_EXCHANGE_H
#define SH_SERVER_EXCHANGE_H

#include <jansson.h>
#include <microhttpd.h>

#include "base/buf.h"
#include "server/fields.h"
#include "server/server.h"

typedef struct sh_exchange sh_exchange;
struct sh_job;

enum { SH_ROUTE_OPEN = 1 /* needs no token */, SH_ROUTE_STREAMS = 2 };

typedef struct sh_route {
    const char *method, *path; /* a path that ends in a slash and a star takes a rest, see sh_exchange.rest */
    int flags;
    int (*handle)(
        sh_exchange *x);    /* must set the answer with one of the calls below; the return value is theirs */
    const sh_field *fields; /* of the JSON body, checked before handle; NULL: no body */
    const char *tag, *summary;
    const char *answer; /* name of the answer's schema in openapi.c, or NULL for text */
} sh_route;

extern const sh_route sh_routes[]; /* ends with method NULL */
size_t sh_route_count(void);

struct sh_exchange {
    struct sh_server *server;
    struct MHD_Connection *connection;
    const sh_route *route; /* NULL: none matched */
    const char *method;
    const char *rest; /* decoded rest of the path, NUL-terminated */
    char *path;
    sh_buf allow; /* the methods of the path, for 405 and OPTIONS */
    sh_buf body;
    size_t n_dropped_bytes; /* of the body of a request that is refused */
    json_t *json;           /* the body, when the route has fields; only while the route handles it */
    uint64_t begin_us;
    /* the answer */
    int status;
    sh_buf reply;
    const char *content_type;             /* NULL: no content */
    const char *extra_name, *extra_value; /* one more header */
    struct sh_job *job;                   /* a generation in progress: its answer comes later */
    bool answered;                        /* handed to libmicrohttpd */
};

const char *sh_exchange_header(const sh_exchange *x, const char *name); /* NULL when absent */
/* What every answer carries: caching, CORS. */
void sh_exchange_common_headers(const sh_exchange *x, struct MHD_Response *r);
/* Whether the one who asks may. Else false, and the answer (401, 403) is set. */
bool sh_access_check(sh_exchange *x);

/* Each sets the answer and returns SH_OK; when memory is short the answer becomes 500. */
int sh_reply_json(sh_exchange *x, int status, json_t *doc); /* takes the reference */
int sh_reply_text(sh_exchange *x, int status, const char *content_type, sh_buf *text); /* takes the bytes */
/* OpenAI's shape: {"error": {"message", "type", "param", "code"}}. type follows from the status. */
int sh_reply_error(sh_exchange *x, int status, const char *param, const char *code, const char *fmt, ...)
    SH_PRINTF(5, 6);
/* The status that fits a library error: NOTFOUND 404, BUSY 429 (with Retry-After), NOMEM and IO 500,
 * CANCELLED 503, any other 400. */
int sh_reply_failure(sh_exchange *x, int rc, const char *param, const sh_err *err);
/* Paths below /api/ are Ollama's, and errors there have its shape: {"error": message}. */
bool sh_is_ollama_path(const char *path);
/* The model a request names; NULL name: the first. NULL after replying 404. */
const sh_served_model *sh_find_model(sh_exchange *x, const char *name);

/* Handlers, one file per API. */
int sh_api_chat(sh_exchange *x);
int sh_api_completions(sh_exchange *x);
int sh_api_models(sh_exchange *x);
int sh_api_model(sh_exchange *x);
int sh_api_tokenize(sh_exchange *x);
int sh_api_detokenize(sh_exchange *x);
int sh_api_health(sh_exchange *x);
int sh_api_metrics(sh_exchange *x);
int sh_api_openapi(sh_exchange *x);
int sh_api_root(sh_exchange *x);
int sh_api_ollama_generate(sh_exchange *x);
int sh_api_ollama_chat(sh_exchange *x);
int sh_api_ollama_tags(sh_exchange *x);
int sh_api_ollama_ps(sh_exchange *x);
int sh_api_ollama_show(sh_exchange *x);
int sh_api_ollama_version(sh_exchange *x);

extern const sh_field sh_chat_fields[], sh_completion_fields[], sh_tokenize_fields[], sh_detokenize_fields[];
extern const sh_field sh_ollama_generate_fields[], sh_ollama_chat_fields[], sh_ollama_show_fields[];

#endif
