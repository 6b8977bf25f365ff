/* server.h - the HTTP server: OpenAI's API, health, metrics, over libmicrohttpd.
 *
 * Routes are rows of one table (routes.c): method, path, flags (auth, stream), body limit, summary, JSON
 * Schemas of request and answer. Authentication, limits, metrics and /openapi.json derive from the row.
 * Threads: libmicrohttpd's own; engines call back from theirs. sh_server_stop may be called from any thread
 * but those. */
#ifndef SH_SERVER_SERVER_H
#define SH_SERVER_SERVER_H

#include <shoal/engine.h>

#include "base/log.h"

typedef struct sh_server sh_server;

/* A model that is served; the engine runs it. Borrowed, must outlive the server. */
typedef struct sh_served_model {
    const char *name; /* what requests call it */
    sh_model *model;
    sh_engine *engine;
    int64_t created_unix;
} sh_served_model;

typedef struct sh_server_opts {
    int version;                   /* 1 */
    const char *host;              /* "127.0.0.1"; another address than loopback needs a token */
    uint16_t port;                 /* 0: any free one, see sh_server_port */
    const char *token;             /* bearer token; NULL: none is asked */
    const sh_served_model *models; /* [n_models], the first is the default */
    size_t n_models;
    size_t max_body_bytes;      /* 0: 8 MiB */
    uint32_t request_timeout_s; /* time a generation may take; 0: 600 */
    uint32_t idle_timeout_s;    /* silent connections; 0: 60 */
    uint32_t max_connections;   /* 0: 1024 */
    const char *cors_origin;    /* value of Access-Control-Allow-Origin; NULL: none */
    const sh_log *log;          /* one line per request at INFO; may be NULL */
} sh_server_opts;
#define SH_SERVER_OPTS_INIT {.version = 1, .host = "127.0.0.1", .port = 11435}

/* Starts listening. SH_E_DENIED: a host beyond loopback without a token. SH_E_IO: the address is taken. opts'
 * strings are copied. */
int sh_server_start(sh_server **out, const sh_server_opts *opts, sh_err *err);
uint16_t sh_server_port(const sh_server *s);
/* No new connections; running requests get up to grace_ms, then are cut off. */
void sh_server_stop(sh_server *s, uint32_t grace_ms);
void sh_server_free(sh_server *s); /* stops first */

#endif
