/* server_internal.h - the server's state. Locks: `lock` guards jobs (the list), `draining` and `stopping`;
 * counters are atomic. */
#ifndef SH_SERVER_INTERNAL_H
#define SH_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/exchange.h"

enum { SH_STATUS_CLASSES = 6, SH_LATENCY_BUCKETS = 12 };

typedef struct sh_route_metrics {
    atomic_ullong by_class[SH_STATUS_CLASSES]; /* index status / 100 */
    atomic_ullong bucket[SH_LATENCY_BUCKETS + 1], sum_us, count;
} sh_route_metrics;

struct sh_server {
    struct MHD_Daemon *daemon;
    sh_served_model *models;
    size_t n_models;
    char *host, *token, *cors_origin;
    bool is_loopback;
    size_t max_body_bytes;
    uint32_t request_timeout_s;
    uint16_t port;
    const sh_log *log;
    uint64_t started_us;
    sh_route_metrics *metrics; /* [routes + 1]; the last row is for requests without a route */
    pthread_mutex_t lock;
    struct sh_job *jobs; /* all that live, newest first */
    bool draining; /* no further jobs */
    bool stopping; /* the watcher ends after the last job */
    /* The watcher: sees clients that leave, keeps silent streams alive, frees finished jobs. */
    pthread_t watcher;
    bool has_watcher;
    int epoll_fd, wake_fd;
};

extern const double sh_latency_bounds[SH_LATENCY_BUCKETS]; /* seconds */
void sh_metrics_count(struct sh_server *s, const sh_route *route, int status, uint64_t us);

int sh_watcher_start(struct sh_server *s, sh_err *err);
void sh_watcher_stop(struct sh_server *s);
void sh_watcher_wake(struct sh_server *s);

/* http.c: libmicrohttpd's callbacks. */
enum MHD_Result sh_http_request(void *server, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **state);
void sh_http_completed(void *server, struct MHD_Connection *c, void **state,
                       enum MHD_RequestTerminationCode why);

#endif
