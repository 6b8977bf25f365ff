/* job.c - generations behind one HTTP request. */
#include "server/render.h"

#include <sys/epoll.h>

#include "base/mem.h"
#include "codec/digest.h"
#include "os/clock.h"

enum {
    MAX_WAITING_BYTES = 8 << 20, /* a reader this far behind is cut off */
    DROP_BYTES = 64 << 10        /* sent bytes kept before the rest is moved to the front */
};

/* Caller holds j->lock. Wake the connection when there is something for it. */
static void resume_if_ready(sh_job *j)
{
    bool ready = j->gone || j->finished || (j->stream && j->out.n > j->out_off);
    if (!j->suspended || !ready || !j->connection) return;
    j->suspended = false;
    MHD_resume_connection(j->connection);
}

static void choice_done(sh_choice *c, const sh_event *ev)
{
    sh_job *j = c->job;
    c->done = true;
    c->finish = ev->finish;
    c->n_prompt = ev->n_prompt;
    c->n_cached = ev->n_cached;
    c->n_generated = ev->n_generated;
    c->queue_us = ev->queue_us;
    c->prefill_us = ev->prefill_us;
    c->decode_us = ev->decode_us;
    if (ev->error) c->error = *ev->error;
    j->n_done++;
    j->finished = j->n_done == j->n_choices;
}

static int job_on_event(void *ud, const sh_event *ev)
{
    sh_choice *c = ud;
    sh_job *j = c->job;
    bool last_reference = false;
    pthread_mutex_lock(&j->lock);
    if (ev->kind == SH_EVENT_DONE) choice_done(c, ev);
    if (ev->kind == SH_EVENT_TOKEN && j->keep_ids) sh_buf_add(&c->ids, &ev->token, sizeof ev->token);
    if (ev->kind != SH_EVENT_PROMPT && !j->gone) {
        if (j->stream) {
            j->render->chunk(j, c, ev, &j->out);
            if (j->finished) j->render->end(j, &j->out);
            if (j->out.failed || j->out.n - j->out_off > MAX_WAITING_BYTES) j->gone = true;
        } else {
            sh_buf_add(&c->text, ev->text ? ev->text : "", ev->n_text);
            sh_render_logprob(j, c, ev);
        }
    }
    resume_if_ready(j);
    int cancel = j->gone;
    if (ev->kind == SH_EVENT_DONE) last_reference = --j->refs == 0;
    /* After the unlock below the watcher may free the job, but only once sh_request_free saw this call
     * return. */
    struct sh_server *server = j->server;
    pthread_mutex_unlock(&j->lock);
    if (last_reference) sh_watcher_wake(server);
    return cancel;
}

static void make_id(sh_job *j)
{
    unsigned char random[12];
    char hex[2 * sizeof random + 1];
    if (sh_os_entropy(random, sizeof random) != 0) memset(random, 0, sizeof random);
    sh_hex(random, sizeof random, hex);
    snprintf(j->id, sizeof j->id, "%s-%s", j->is_chat ? "chatcmpl" : "cmpl", hex);
}

static sh_job *job_new(sh_exchange *x, const sh_job_opts *o, sh_err *err)
{
    sh_job *j = sh_new(sizeof *j, err);
    if (!j) return NULL;
    pthread_mutex_init(&j->lock, NULL);
    j->server = x->server;
    j->connection = x->connection;
    j->refs = 1;
    j->model = o->model;
    j->render = o->render ? o->render : &sh_render_openai;
    j->is_chat = o->is_chat;
    j->keep_ids = o->keep_ids;
    j->stream = o->stream;
    j->include_usage = o->include_usage;
    j->want_logprobs = o->request.n_top_logprobs >= 0;
    j->n_per_prompt = o->n_per_prompt;
    j->n_choices = o->n_prompts * o->n_per_prompt;
    j->created_unix = sh_unix_seconds();
    j->last_write_us = sh_now_us();
    make_id(j);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    j->fd = info ? info->connect_fd : -1;
    return j;
}

/* False when the server is stopping: then nothing would cut the job off. It is in the list all the same,
 * since the watcher frees it. */
static bool list_add(sh_job *j)
{
    struct sh_server *s = j->server;
    pthread_mutex_lock(&s->lock);
    j->next = s->jobs;
    if (s->jobs) s->jobs->prev = j;
    s->jobs = j;
    bool draining = s->draining;
    pthread_mutex_unlock(&s->lock);
    return !draining;
}

int sh_job_start(sh_exchange *x, const sh_job_opts *o, sh_err *err)
{
    sh_job *j = job_new(x, o, err);
    int rc = j ? SH_OK : SH_E_NOMEM;
    if (!j) return rc;
    for (unsigned i = 0; i < j->n_choices; i++) {
        const sh_prompt *p = &o->prompts[i / o->n_per_prompt];
        j->choices[i].job = j;
        j->choices[i].index = i;
        j->choices[i].n_logprob_text = sh_render_length(p->echo.p, p->echo.n);
        sh_buf_add(&j->choices[i].echo, p->echo.p ? p->echo.p : "", p->echo.n);
        if (o->keep_ids) sh_buf_add(&j->choices[i].ids, p->ids, p->n * sizeof *p->ids);
        if (rc == SH_OK) rc = sh_buf_ok(&j->choices[i].echo, err);
        if (rc == SH_OK) rc = sh_buf_ok(&j->choices[i].ids, err);
    }
    if (j->stream) j->render->begin(j, &j->out);
    for (unsigned i = 0; i < j->n_choices && rc == SH_OK; i++) {
        sh_choice *c = &j->choices[i];
        sh_request_opts ro = o->request;
        ro.prompt = o->prompts[i / o->n_per_prompt].ids;
        ro.n_prompt = o->prompts[i / o->n_per_prompt].n;
        ro.sampling.seed += i;
        ro.on_event = job_on_event;
        ro.ud = c;
        pthread_mutex_lock(&j->lock);
        j->refs++;
        pthread_mutex_unlock(&j->lock);
        if ((rc = sh_engine_submit(o->model->engine, &ro, &c->request, err)) < 0) {
            pthread_mutex_lock(&j->lock);
            j->refs--;
            pthread_mutex_unlock(&j->lock);
        }
    }
    if (!list_add(j) && rc == SH_OK) rc = sh_fail(err, SH_E_CANCELLED, "the server is stopping");
    if (rc < 0) {
        sh_job_disconnect(j); /* what was submitted is cancelled; the watcher frees */
        return rc;
    }
    if (j->fd >= 0) {
        struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = j};
        epoll_ctl(x->server->epoll_fd, EPOLL_CTL_ADD, j->fd, &ev);
    }
    x->job = j;
    return SH_OK;
}

/* A reader that is always a little behind must not make the buffer grow for ever. */
static void drop_sent(sh_job *j)
{
    size_t waiting = j->out.n - j->out_off;
    if (waiting && (j->out_off < DROP_BYTES || j->out_off < waiting)) return;
    if (waiting) memmove(j->out.p, j->out.p + j->out_off, waiting);
    j->out.n = waiting;
    j->out.p[waiting] = 0;
    j->out_off = 0;
}

static ssize_t read_stream(void *ud, uint64_t pos, char *buf, size_t max)
{
    sh_job *j = ud;
    ssize_t n = 0;
    (void)pos;
    pthread_mutex_lock(&j->lock);
    size_t waiting = j->out.n - j->out_off;
    if (j->gone) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (waiting) {
        n = (ssize_t)(waiting < max ? waiting : max);
        memcpy(buf, j->out.p + j->out_off, (size_t)n);
        j->out_off += (size_t)n;
        j->last_write_us = sh_now_us();
        drop_sent(j);
    } else if (j->finished) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        j->suspended = true;
        MHD_suspend_connection(j->connection);
    }
    pthread_mutex_unlock(&j->lock);
    return n;
}

static enum MHD_Result answer_stream(sh_exchange *x)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, x->job, NULL);
    if (!r) return MHD_NO;
    x->status = 200;
    MHD_add_response_header(r, "Content-Type", x->job->render->stream_type);
    MHD_add_response_header(r, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    sh_exchange_common_headers(x, r);
    enum MHD_Result ok = MHD_queue_response(x->connection, 200, r);
    MHD_destroy_response(r);
    x->answered = ok == MHD_YES;
    return ok;
}

/* The first choice that failed decides: a request is answered whole or not at all. */
static void compose(sh_exchange *x)
{
    sh_job *j = x->job;
    for (unsigned i = 0; i < j->n_choices; i++) {
        const sh_choice *c = &j->choices[i];
        if (c->finish == SH_FINISH_ERROR) {
            sh_reply_failure(x, c->error.code ? c->error.code : SH_E_IO, NULL, &c->error);
            return;
        }
        if (c->finish == SH_FINISH_CANCELLED) {
            sh_reply_error(x, 503, NULL, "cancelled", "the generation was cancelled");
            return;
        }
    }
    sh_reply_json(x, 200, j->render->answer(j));
}

enum MHD_Result sh_job_answer(sh_exchange *x)
{
    sh_job *j = x->job;
    if (j->stream) return answer_stream(x);
    enum MHD_Result result = MHD_YES;
    pthread_mutex_lock(&j->lock);
    if (j->gone) {
        result = MHD_NO;
    } else if (j->finished) {
        compose(x);
    } else {
        j->suspended = true;
        MHD_suspend_connection(j->connection);
    }
    pthread_mutex_unlock(&j->lock);
    return result;
}

void sh_job_cancel(sh_job *j)
{
    for (unsigned i = 0; i < j->n_choices; i++)
        if (j->choices[i].request) sh_request_cancel(j->choices[i].request);
}

void sh_job_disconnect(sh_job *j)
{
    struct sh_server *server = j->server;
    pthread_mutex_lock(&j->lock);
    bool finished = j->finished;
    j->gone = true;
    j->connection = NULL;
    if (j->fd >= 0) epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, j->fd, NULL);
    j->fd = -1;
    pthread_mutex_unlock(&j->lock);
    if (!finished) sh_job_cancel(j); /* without the lock: the engine may be calling job_on_event */
    pthread_mutex_lock(&j->lock);
    bool last = --j->refs == 0;
    pthread_mutex_unlock(&j->lock);
    if (last) sh_watcher_wake(server);
}

void sh_job_free(sh_job *j)
{
    for (unsigned i = 0; i < j->n_choices; i++) {
        sh_choice *c = &j->choices[i];
        sh_request_free(c->request);
        sh_buf_clear(&c->text);
        sh_buf_clear(&c->echo);
        sh_buf_clear(&c->ids);
        json_decref(c->logprobs);
    }
    sh_buf_clear(&j->out);
    pthread_mutex_destroy(&j->lock);
    sh_free(j);
}
