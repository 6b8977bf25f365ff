/* cmd_serve.c - shoal serve: models behind HTTP. */
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/generate.h"
#include "os/clock.h"
#include "server/server.h"
#include "store/model_names.h"

enum { MAX_MODELS = 16 };

/* The models being served; all share one runtime. */
typedef struct served {
    sh_runtime *rt;
    sh_served_model models[MAX_MODELS];
    char *names[MAX_MODELS];
    size_t n;
} served;

static void served_clear(served *s)
{
    for (size_t i = 0; i < s->n; i++) {
        sh_engine_free(s->models[i].engine);
        sh_model_free(s->models[i].model);
        sh_free(s->names[i]);
    }
    sh_runtime_free(s->rt);
}

static int on_load(void *ud, double done)
{
    sh_progress_update(ud, done);
    return 0;
}

static int add_model(served *s, sh_cli *cli, const sh_args *args, const char *name, sh_err *err)
{
    char *path = NULL;
    sh_progress bar;
    sh_served_model *m = &s->models[s->n];
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
    eo.n_slots = (uint32_t)sh_args_int(args, "parallel", 0);
    eo.n_queue = (uint32_t)sh_args_int(args, "queue", 0);
    eo.n_ctx = (uint32_t)sh_args_int(args, "ctx", 0);
    eo.cache = sh_cache_type_from_args(args);
    mo.on_progress = on_load;
    mo.progress_ud = &bar;
    mo.tokenizer_path = sh_args_str(args, "tokenizer", NULL);
    int rc = sh_names_resolve(&path, name, err);
    if (rc < 0) return rc;
    sh_progress_begin(&bar, cli, "loading", "", 1);
    rc = sh_model_open(&m->model, s->rt, path, &mo, err);
    sh_progress_done(&bar);
    if (rc == SH_OK && !(s->names[s->n] = sh_names_of_path(path))) rc = sh_fail_nomem(err, 0);
    if (rc == SH_OK) rc = sh_engine_open(&m->engine, m->model, &eo, err);
    m->name = s->names[s->n];
    m->created_unix = sh_unix_seconds();
    s->n++; /* also after a failure: what was opened is released by served_clear */
    sh_free(path);
    return rc;
}

static void write_log(void *ud, enum sh_log_level level, const char *line)
{
    (void)level;
    fprintf((FILE *)ud, "%s\n", line);
}

/* "HOST:PORT", "HOST" or ":PORT" of SHOAL_HOST; --host and --port win. buf holds the host. */
static int listen_address(const sh_args *args, char *buf, size_t cap, const char **host, uint16_t *port,
                          sh_err *err)
{
    const char *env = getenv("SHOAL_HOST");
    *host = "127.0.0.1";
    *port = 11435;
    if (env && *env) {
        const char *colon = strrchr(env, ':');
        bool has_port = colon && (env[0] == '[' ? colon[-1] == ']' : strchr(env, ':') == colon);
        size_t n = has_port ? (size_t)(colon - env) : strlen(env);
        const char *begin = env;
        if (n >= 2 && env[0] == '[' && env[n - 1] == ']') begin++, n -= 2;
        if (n >= cap) return sh_fail(err, SH_E_INVALID, "SHOAL_HOST: '%.80s' is too long", env);
        memcpy(buf, begin, n);
        buf[n] = 0;
        if (n) *host = buf;
        if (has_port) {
            char *end;
            long p = strtol(colon + 1, &end, 10);
            if (*end || p < 1 || p > 65535)
                return sh_fail(err, SH_E_INVALID, "SHOAL_HOST: '%s' (expected HOST:PORT)", env);
            *port = (uint16_t)p;
        }
    }
    *host = sh_args_str(args, "host", *host);
    *port = (uint16_t)sh_args_int(args, "port", *port);
    return SH_OK;
}

static void announce(sh_cli *cli, const char *host, uint16_t port, const served *s)
{
    bool v6 = strchr(host, ':') != NULL;
    fprintf(cli->out, "listening on http://%s%s%s:%u (", v6 ? "[" : "", host, v6 ? "]" : "", port);
    for (size_t i = 0; i < s->n; i++) fprintf(cli->out, "%s%s", i ? ", " : "", s->models[i].name);
    fputs(")\n", cli->out);
    fflush(cli->out);
}

static int run_serve(sh_cli *cli, const sh_args *args, sh_err *err)
{
    served s = {0};
    sh_server *server = NULL;
    char host_buf[128];
    sh_server_opts so = SH_SERVER_OPTS_INIT;
    sh_runtime_opts ro = {.version = 1, .n_threads = cli->n_threads, .cpu = cli->cpu};
    sh_log log = {write_log, cli->diag, cli->quiet ? SH_LOG_WARN : SH_LOG_INFO};
    const char *token = getenv("SHOAL_TOKEN");
    sigset_t stop_signals, old;
    int rc = listen_address(args, host_buf, sizeof host_buf, &so.host, &so.port, err), sig;
    if (rc < 0) return rc;
    /* Every thread started below inherits the mask, so these signals reach sigwait alone. */
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGINT);
    sigaddset(&stop_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop_signals, &old);
    if ((rc = sh_runtime_open(&s.rt, &ro, err)) < 0) goto out;
    size_t n = sh_args_count(args);
    for (size_t i = 0; rc == SH_OK && i < (n ? n : 1); i++)
        rc = add_model(&s, cli, args, n ? sh_args_at(args, i) : SH_DEFAULT_MODEL, err);
    if (rc < 0) goto out;
    so.token = sh_args_str(args, "token", token && *token ? token : NULL);
    so.models = s.models;
    so.n_models = s.n;
    so.max_body_bytes = (size_t)sh_args_int(args, "max-body", 0);
    so.request_timeout_s = (uint32_t)sh_args_int(args, "timeout", 0);
    so.cors_origin = sh_args_str(args, "cors", NULL);
    so.log = &log;
    if ((rc = sh_server_start(&server, &so, err)) < 0) goto out;
    announce(cli, so.host, sh_server_port(server), &s);
    sigwait(&stop_signals, &sig);
    if (!cli->quiet) fputs("stopping\n", cli->diag);
    sh_server_stop(server, 3000);
out:
    sh_server_free(server);
    served_clear(&s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

const sh_command sh_cmd_serve = {
    .name = "serve",
    .synopsis = "[MODEL...]",
    .summary = "Answer HTTP requests in OpenAI's API",
    .details = "Without MODEL the bundled one is served. The first MODEL answers requests that name none.\n"
               "Beyond loopback a bearer token is required (--token or SHOAL_TOKEN).\n\n"
               "  shoal serve minnow &\n"
               "  curl http://127.0.0.1:11435/v1/chat/completions \\\n"
               "    -H 'Content-Type: application/json' \\\n"
               "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"A story, please.\"}]}'\n\n"
               "/openapi.json describes every route, /metrics is for Prometheus, /health says ok.",
    .opts =
        (const sh_opt[]){
            {"host", 0, SH_OPT_STR, "ADDRESS", "address to listen on (default 127.0.0.1, or SHOAL_HOST)", 0,
             0, false},
            {"port", 'p', SH_OPT_INT, "N", "port (default 11435; 0 takes a free one)", 0, 65535, false},
            {"token", 0, SH_OPT_STR, "TEXT",
             "bearer token that requests must carry (default SHOAL_TOKEN; a command line is visible to "
             "others)",
             0, 0, false},
            {"parallel", 0, SH_OPT_INT, "N", "requests answered at the same time, per model (default 8)", 1,
             256, false},
            {"queue", 0, SH_OPT_INT, "N", "requests that may wait; beyond it 429 (default 64)", 1, 65536,
             false},
            {"timeout", 0, SH_OPT_INT, "S", "seconds a request may take (default 600)", 1, 86400, false},
            {"max-body", 0, SH_OPT_INT, "BYTES", "largest request body (default 8 MiB)", 1024, 1 << 30,
             false},
            {"cors", 0, SH_OPT_STR, "ORIGIN", "let web pages of this origin call the server ('*' for any)", 0,
             0, false},
            SH_OPTS_CONTEXT,
            SH_OPT_TOKENIZER,
            {0}},
    .max_args = MAX_MODELS,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_serve,
};
