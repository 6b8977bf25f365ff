/* generate.c - one generation whose text streams to the terminal. */
#include "cli/generate.h"

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

/* Set by the signal handler, read by the engine's thread: the one piece of process state a handler can reach.
 */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

typedef struct receiver {
    sh_generated *g;
    sh_cli *cli;
    bool silent, write_failed;
    sh_err error;
} receiver;

static int on_event(void *ud, const sh_event *ev)
{
    receiver *r = ud;
    sh_generated *g = r->g;
    sh_buf_add(&g->text, ev->text ? ev->text : "", ev->n_text);
    if (!r->silent && ev->n_text) {
        fwrite(ev->text, 1, ev->n_text, r->cli->out);
        if (fflush(r->cli->out) != 0)
            r->write_failed = true; /* the reader of a pipe has gone: stop working for it */
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
    return interrupted || r->write_failed || g->text.failed;
}

int sh_generate(sh_generated *g, sh_cli *cli, const sh_generate_job *job, sh_err *err)
{
    receiver r = {.g = g, .cli = cli, .silent = job->silent};
    sh_request_opts ro = SH_REQUEST_OPTS_INIT;
    sh_request *req = NULL;
    ro.prompt = job->prompt;
    ro.n_prompt = job->n_prompt;
    ro.sampling = job->sampling;
    ro.max_tokens = job->max_tokens;
    ro.stop = job->stop;
    ro.n_stop = job->n_stop;
    ro.ignore_end = job->ignore_end;
    ro.keep_special = job->keep_special;
    ro.is_reply = job->is_reply;
    ro.on_event = on_event;
    ro.ud = &r;
    sh_buf_reset(&g->text);
    interrupted = 0;
    struct sigaction act = {.sa_handler = on_interrupt}, old_int, old_pipe, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGPIPE, &ignore, &old_pipe);
    int rc = sh_engine_submit(job->engine, &ro, &req, err);
    if (rc == SH_OK) sh_request_wait(req);
    sh_request_free(req);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGPIPE, &old_pipe, NULL);
    if (rc < 0) return rc;
    if (g->finish == SH_FINISH_ERROR)
        return sh_fail(err, r.error.code ? r.error.code : SH_E_IO, "%s", r.error.msg);
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
