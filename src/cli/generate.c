/* generate.c - one generation whose text streams to the terminal. */
#include "cli/generate.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "model/model.h"
#include "os/clock.h"

static double pick(const sh_args *args, const char *opt, double recommended, double fallback)
{
    return sh_args_num(args, opt, recommended >= 0 ? recommended : fallback);
}

void sh_sampling_from_args(sh_sampling *out, const sh_model *m, const sh_args *args)
{
    sh_sampling s = SH_SAMPLING_INIT;
    sh_model_sampling r;
    uint64_t seed = 0;
    sh_model_get_sampling(m, &r);
    sh_os_entropy(&seed, sizeof seed);
    s.temperature = (float)pick(args, "temperature", r.temperature, s.temperature);
    s.top_k = (int32_t)pick(args, "top-k", r.top_k, s.top_k);
    s.top_p = (float)pick(args, "top-p", r.top_p, s.top_p);
    s.min_p = (float)pick(args, "min-p", r.min_p, s.min_p);
    s.repetition_penalty = (float)pick(args, "repeat-penalty", r.repetition_penalty, s.repetition_penalty);
    s.frequency_penalty = (float)sh_args_num(args, "frequency-penalty", 0);
    s.presence_penalty = (float)sh_args_num(args, "presence-penalty", 0);
    /* 53 bits, so that a seed that is reported can be given back in JSON. */
    s.seed = (uint64_t)sh_args_int(args, "seed", (int64_t)(seed >> 11));
    *out = s;
}

enum sh_cache_type sh_cache_type_from_args(const sh_args *args)
{
    const char *v = sh_args_str(args, "cache-type", "f16");
    return strcmp(v, "f32") == 0 ? SH_CACHE_F32 : strcmp(v, "q8") == 0 ? SH_CACHE_Q8 : SH_CACHE_F16;
}

void sh_generated_clear(sh_generated *g)
{
    sh_buf_clear(&g->text);
}

/* Ctrl-C. A handler may do little more than raise a semaphore; the thread that waits for it may cancel a
 * request, which then ends within a step, also in the middle of a long prompt. The one piece of process state
 * a handler can reach. */
static sem_t interrupt;

static void on_interrupt(int sig)
{
    (void)sig;
    int saved = errno;
    sem_post(&interrupt);
    errno = saved;
}

typedef struct watcher {
    sh_request *request;
    atomic_bool is_done; /* the request has ended: the semaphore only wakes the thread up */
    pthread_t thread;
} watcher;

static void *watch(void *ud)
{
    watcher *w = ud;
    while (sem_wait(&interrupt) != 0) {
    }
    if (!atomic_load(&w->is_done)) sh_request_cancel(w->request);
    return NULL;
}

/* Wait for the request; SIGINT cancels it. Without a thread to spare it only runs to its end. */
static void wait_interruptibly(sh_request *request)
{
    watcher w = {.request = request};
    bool watched = pthread_create(&w.thread, NULL, watch, &w) == 0;
    sh_request_wait(request);
    atomic_store(&w.is_done, true);
    if (!watched) return;
    sem_post(&interrupt);
    pthread_join(w.thread, NULL);
}

typedef struct receiver {
    sh_generated *g;
    sh_cli *cli;
    bool is_silent;
    int write_errno; /* of the first write that failed */
    sh_err error;
} receiver;

static int on_event(void *ud, const sh_event *ev)
{
    receiver *r = ud;
    sh_generated *g = r->g;
    sh_buf_add(&g->text, ev->text ? ev->text : "", ev->n_text);
    if (!r->is_silent && ev->n_text && !r->write_errno) {
        errno = 0;
        if (fwrite(ev->text, 1, ev->n_text, r->cli->out) != ev->n_text || fflush(r->cli->out) != 0)
            r->write_errno = errno ? errno : EIO;
    }
    if (ev->kind == SH_EVENT_DONE) {
        g->n_prompt = ev->n_prompt;
        g->n_cached = ev->n_cached;
        g->n_generated = ev->n_generated;
        g->prefill_us = ev->prefill_us;
        g->decode_us = ev->decode_us;
        g->finish = ev->finish;
        if (ev->error) r->error = *ev->error;
    }
    return r->write_errno || g->text.failed;
}

static void request_opts(sh_request_opts *ro, const sh_generate_job *job, receiver *r)
{
    *ro = (sh_request_opts)SH_REQUEST_OPTS_INIT;
    ro->prompt = job->prompt;
    ro->n_prompt = job->n_prompt;
    ro->sampling = job->sampling;
    ro->max_tokens = job->max_tokens;
    ro->stop = job->stop;
    ro->n_stop = job->n_stop;
    ro->grammar = job->grammar;
    ro->ignore_end = job->ignore_end;
    ro->keep_special = job->keep_special;
    ro->is_reply = job->is_reply;
    ro->on_event = on_event;
    ro->ud = r;
}

int sh_generate(sh_generated *g, sh_cli *cli, const sh_generate_job *job, sh_err *err)
{
    receiver r = {.g = g, .cli = cli, .is_silent = job->silent};
    sh_request_opts ro;
    sh_request *req = NULL;
    struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART}, old;
    request_opts(&ro, job, &r);
    sh_buf_reset(&g->text);
    if (sem_init(&interrupt, 0, 0) != 0) return sh_fail_os(err, errno, "semaphore");
    sigaction(SIGINT, &act, &old);
    int rc = sh_engine_submit(job->engine, &ro, &req, err);
    if (rc == SH_OK) wait_interruptibly(req);
    sh_request_free(req);
    sigaction(SIGINT, &old, NULL);
    sem_destroy(&interrupt);
    if (rc < 0) return rc;
    if (g->finish == SH_FINISH_ERROR)
        return sh_fail(err, r.error.code ? r.error.code : SH_E_IO, "%s", r.error.msg);
    /* A reader of a pipe that has enough simply goes: that is no news. A full disk is. */
    if (r.write_errno && r.write_errno != EPIPE) return sh_fail_os(err, r.write_errno, "the output");
    return sh_buf_ok(&g->text, err);
}

json_t *sh_generated_stats(const sh_generated *g)
{
    static const char *const reasons[] = {"stop", "length", "cancelled", "error"};
    double prefill = (double)g->prefill_us * 1e-6, decode = (double)g->decode_us * 1e-6;
    uint32_t fresh = g->n_prompt - g->n_cached, steps = g->n_generated ? g->n_generated - 1 : 0;
    return json_pack("{s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:s}", "prompt_tokens", (int)g->n_prompt, "cached_tokens",
                     (int)g->n_cached, "generated_tokens", (int)g->n_generated, "prompt_seconds", prefill,
                     "prompt_tokens_per_second", prefill > 0 ? fresh / prefill : 0.0, "generation_seconds",
                     decode, "tokens_per_second", decode > 0 ? steps / decode : 0.0, "finish_reason",
                     reasons[g->finish]);
}
