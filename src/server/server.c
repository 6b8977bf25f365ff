/* server.c - starting and stopping the HTTP server. */
#include "server/server_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"
#include "server/job.h"

enum {
    MAX_BODY_BYTES = 8 << 20,
    REQUEST_TIMEOUT_S = 600,
    IDLE_TIMEOUT_S = 60,
    MAX_CONNECTIONS = 1024,
    N_THREADS = 4 /* reading a body of megabytes takes one of them for a second or two */
};

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    if (a->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    return false;
}

/* A listening socket on host:port. */
static int listen_on(struct sh_server *s, uint16_t port, int *fd_out, sh_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *list = NULL;
    char service[8];
    int one = 1, fd = -1, rc;
    snprintf(service, sizeof service, "%u", port);
    int e = getaddrinfo(s->host, service, &hints, &list);
    if (e) return sh_fail(err, SH_E_INVALID, "host '%s': %s", s->host, gai_strerror(e));
    s->is_loopback = is_loopback(list->ai_addr);
    if (!s->is_loopback && !s->token) {
        rc = sh_fail(err, SH_E_DENIED,
                     "host '%s' is reachable from other machines: give a token (--token or SHOAL_TOKEN)",
                     s->host);
        goto fail;
    }
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 1024) < 0) {
        rc = sh_fail_os(err, errno, "cannot listen on %s port %u", s->host, port);
        goto fail;
    }
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &n) < 0) {
        rc = sh_fail_os(err, errno, "cannot listen on %s port %u", s->host, port);
        goto fail;
    }
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    freeaddrinfo(list);
    *fd_out = fd;
    return SH_OK;
fail:
    if (fd >= 0) close(fd);
    freeaddrinfo(list);
    return rc;
}

static int copy_opts(struct sh_server *s, const sh_server_opts *o, sh_err *err)
{
    s->max_body_bytes = o->max_body_bytes ? o->max_body_bytes : MAX_BODY_BYTES;
    s->request_timeout_s = o->request_timeout_s ? o->request_timeout_s : REQUEST_TIMEOUT_S;
    s->log = o->log;
    s->n_models = o->n_models;
    s->host = sh_strdup(o->host ? o->host : "127.0.0.1");
    if (o->token) s->token = sh_strdup(o->token);
    if (o->cors_origin) s->cors_origin = sh_strdup(o->cors_origin);
    s->models = sh_new_array(o->n_models, sizeof *s->models, err);
    s->metrics = sh_new_array(sh_route_count() + 1, sizeof *s->metrics, err);
    if (!s->host || (o->token && !s->token) || (o->cors_origin && !s->cors_origin) || !s->models ||
        !s->metrics)
        return sh_fail_nomem(err, 0);
    for (size_t i = 0; i < o->n_models; i++) s->models[i] = o->models[i];
    return SH_OK;
}

int sh_server_start(sh_server **out, const sh_server_opts *opts, sh_err *err)
{
    int fd = -1, rc;
    if (!opts->n_models) return sh_fail(err, SH_E_INVALID, "a server needs at least one model");
    sh_server *s = sh_new(sizeof *s, err);
    if (!s) return SH_E_NOMEM;
    s->epoll_fd = s->wake_fd = -1;
    s->started_us = sh_now_us();
    pthread_mutex_init(&s->lock, NULL);
    if ((rc = copy_opts(s, opts, err)) < 0 || (rc = listen_on(s, opts->port, &fd, err)) < 0 ||
        (rc = sh_watcher_start(s, err)) < 0)
        goto fail;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, sh_http_request, s,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, sh_http_completed, s,
        MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(opts->idle_timeout_s ? opts->idle_timeout_s : IDLE_TIMEOUT_S), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(opts->max_connections ? opts->max_connections : MAX_CONNECTIONS),
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)N_THREADS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)64 << 10, MHD_OPTION_END);
    if (!s->daemon) {
        rc = sh_fail(err, SH_E_IO, "the HTTP server cannot start on %s port %u", s->host, opts->port);
        goto fail;
    }
    *out = s;
    return SH_OK;
fail:
    if (fd >= 0) close(fd);
    sh_server_free(s);
    return rc;
}

uint16_t sh_server_port(const sh_server *s)
{
    return s->port;
}

static bool has_jobs(sh_server *s)
{
    pthread_mutex_lock(&s->lock);
    bool yes = s->jobs != NULL;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

/* Tell every job that its client is not waited for any longer, so that no connection stays suspended. */
static void cut_off(sh_server *s)
{
    pthread_mutex_lock(&s->lock);
    for (sh_job *j = s->jobs; j; j = j->next) {
        pthread_mutex_lock(&j->lock);
        j->gone = true;
        if (j->suspended && j->connection) {
            j->suspended = false;
            MHD_resume_connection(j->connection);
        }
        pthread_mutex_unlock(&j->lock);
        sh_job_cancel(j); /* server->lock keeps the watcher from freeing it meanwhile */
    }
    pthread_mutex_unlock(&s->lock);
}

void sh_server_stop(sh_server *s, uint32_t grace_ms)
{
    if (!s->daemon) return;
    uint64_t end = sh_now_us() + (uint64_t)grace_ms * 1000;
    int fd = MHD_quiesce_daemon(s->daemon);
    /* From here on connections that are still open get 503: libmicrohttpd must not find one suspended in the
     * end. */
    pthread_mutex_lock(&s->lock);
    s->draining = true;
    pthread_mutex_unlock(&s->lock);
    if (fd >= 0) close(fd);
    while (has_jobs(s) && sh_now_us() < end) sh_sleep_us(10000);
    cut_off(s);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    sh_watcher_stop(s);
}

void sh_server_free(sh_server *s)
{
    if (!s) return;
    sh_server_stop(s, 0);
    sh_watcher_stop(s);
    pthread_mutex_destroy(&s->lock);
    sh_free(s->models);
    sh_free(s->metrics);
    sh_free(s->host);
    sh_free(s->token);
    sh_free(s->cors_origin);
    sh_free(s);
}
