/* watcher.c - one thread that sees what libmicrohttpd does not: clients that leave a suspended stream,
 * streams that have been silent so long that a proxy would cut them, and jobs whose last reference is gone.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "os/clock.h"
#include "server/render.h"

enum { TICK_MS = 1000, HEARTBEAT_US = 15 * 1000 * 1000 };

void sh_watcher_wake(struct sh_server *s)
{
    uint64_t one = 1;
    while (write(s->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void client_left(sh_job *j)
{
    pthread_mutex_lock(&j->lock);
    bool was_connected = j->connection != NULL;
    j->gone = true;
    if (j->suspended && j->connection) {
        j->suspended = false;
        MHD_resume_connection(j->connection); /* libmicrohttpd then finds the socket closed */
    }
    pthread_mutex_unlock(&j->lock);
    if (was_connected) sh_job_cancel(j);
}

static void heartbeat(sh_job *j, uint64_t now)
{
    pthread_mutex_lock(&j->lock);
    if (j->stream && j->suspended && j->connection && now - j->last_write_us > HEARTBEAT_US) {
        sh_buf_puts(&j->out, j->render->heartbeat);
        j->suspended = false;
        MHD_resume_connection(j->connection);
    }
    pthread_mutex_unlock(&j->lock);
}

/* Unlink what nobody refers to any more. Returns a list to free without the server's lock. */
static sh_job *collect(struct sh_server *s, uint64_t now)
{
    sh_job *dead = NULL;
    pthread_mutex_lock(&s->lock);
    for (sh_job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        pthread_mutex_lock(&j->lock);
        bool unused = j->refs == 0;
        pthread_mutex_unlock(&j->lock);
        if (!unused) {
            heartbeat(j, now);
            continue;
        }
        if (j->prev)
            j->prev->next = next;
        else
            s->jobs = next;
        if (next) next->prev = j->prev;
        j->next = dead;
        dead = j;
    }
    pthread_mutex_unlock(&s->lock);
    return dead;
}

static void *watch(void *ud)
{
    struct sh_server *s = ud;
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(s->epoll_fd, events, 64, TICK_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                client_left(events[i].data.ptr);
                continue;
            }
            uint64_t count;
            while (read(s->wake_fd, &count, sizeof count) < 0 && errno == EINTR) continue;
        }
        /* Jobs are freed only here, after all events of this round: no event can name a freed job. */
        for (sh_job *j = collect(s, sh_now_us()), *next; j; j = next) {
            next = j->next;
            sh_job_free(j);
        }
        pthread_mutex_lock(&s->lock);
        bool end = s->stopping && !s->jobs;
        pthread_mutex_unlock(&s->lock);
        if (end) return NULL;
    }
}

int sh_watcher_start(struct sh_server *s, sh_err *err)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (s->epoll_fd < 0 || s->wake_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &ev) < 0)
        return sh_fail_os(err, errno, "the server's watcher cannot start");
    int e = pthread_create(&s->watcher, NULL, watch, s);
    if (e) return sh_fail_os(err, e, "the server's watcher cannot start");
    s->has_watcher = true;
    return SH_OK;
}

void sh_watcher_stop(struct sh_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    if (s->has_watcher) {
        sh_watcher_wake(s);
        pthread_join(s->watcher, NULL);
        s->has_watcher = false;
    }
    if (s->epoll_fd >= 0) close(s->epoll_fd);
    if (s->wake_fd >= 0) close(s->wake_fd);
    s->epoll_fd = s->wake_fd = -1;
}
