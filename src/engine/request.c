/* request.c - one generation of the batcher: its copy of the options, its text, its events. */
#include "engine/engine_internal.h"

#include <string.h>

#include "base/mem.h"
#include "engine/logprob.h"
#include "engine/sampler.h"
#include "engine/session_internal.h"
#include "os/clock.h"

/* The first token of an answer that goes on from a prompt is spelled as it is in mid-text (a space before a
 * word). For that the detokenizer sees so many of the prompt's last tokens first; more would change nothing.
 */
enum { DETOK_LEAD_TOKENS = 8 };

static int request_check(const sh_model *m, uint32_t n_ctx, const sh_request_opts *o, sh_err *err)
{
    int rc;
    uint32_t n_vocab = sh_model_hparams(m)->n_vocab;
    if (o->version != 1)
        return sh_fail(err, SH_E_INVALID, "request options of version %d: expected 1", o->version);
    if (o->n_prompt == 0) return sh_fail(err, SH_E_RANGE, "the prompt is empty");
    if (o->n_prompt >= n_ctx)
        return sh_fail(err, SH_E_RANGE,
                       "the prompt has %zu tokens: a context of %u leaves no room for an answer", o->n_prompt,
                       n_ctx);
    if ((rc = sh_check_tokens(o->prompt, o->n_prompt, n_vocab, err)) < 0)
        return sh_fail_in(err, rc, "prompt");
    if (o->n_top_logprobs < -1 || o->n_top_logprobs > SH_MAX_TOP_LOGPROBS)
        return sh_fail(err, SH_E_INVALID, "%d top log-probabilities: expected at most %d", o->n_top_logprobs,
                       SH_MAX_TOP_LOGPROBS);
    if (o->n_stop && !sh_model_tokenizer(m))
        return sh_fail(err, SH_E_UNSUPPORTED, "stop strings need a tokenizer, and this model has none");
    if (o->grammar && !sh_model_tokenizer(m))
        return sh_fail(err, SH_E_UNSUPPORTED, "a grammar needs a tokenizer, and this model has none");
    return sh_sampling_check(&o->sampling, (int32_t)n_vocab, err);
}

static int request_copy(sh_request *r, const sh_request_opts *o, sh_err *err)
{
    r->opts = *o;
    r->opts.prompt = NULL, r->opts.stop = NULL;
    r->grammar = sh_grammar_ref(o->grammar);
    r->n_prompt = (uint32_t)o->n_prompt;
    if (!(r->prompt = sh_new_array(o->n_prompt, sizeof *r->prompt, err))) return SH_E_NOMEM;
    memcpy(r->prompt, o->prompt, o->n_prompt * sizeof *r->prompt);
    if (o->sampling.n_bias) {
        if (!(r->bias = sh_new_array(o->sampling.n_bias, sizeof *r->bias, err))) return SH_E_NOMEM;
        memcpy(r->bias, o->sampling.bias, o->sampling.n_bias * sizeof *r->bias);
        r->opts.sampling.bias = r->bias;
    }
    return sh_stop_open(&r->stop, o->stop, o->n_stop, err);
}

int sh_request_open(sh_request **out, const sh_model *m, uint32_t n_ctx, const sh_request_opts *opts,
                    sh_err *err)
{
    int rc = request_check(m, n_ctx, opts, err);
    if (rc < 0) return rc;
    sh_request *r = sh_new(sizeof *r, err);
    if (!r) return SH_E_NOMEM;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->is_done, NULL);
    atomic_init(&r->n_refs, 2);
    atomic_init(&r->cancel, false);
    r->model = m;
    r->submit_us = sh_now_us();
    if ((rc = request_copy(r, opts, err)) < 0) {
        atomic_store(&r->n_refs, 1);
        sh_request_unref(r);
        return rc;
    }
    uint32_t room = n_ctx - r->n_prompt;
    r->max_tokens = opts->max_tokens && opts->max_tokens < room ? opts->max_tokens : room;
    *out = r;
    return SH_OK;
}

void sh_request_unref(sh_request *r)
{
    if (atomic_fetch_sub(&r->n_refs, 1) > 1) return;
    sh_sampler_free(r->sampler);
    sh_constraint_free(r->constraint);
    sh_grammar_unref(r->grammar);
    sh_detok_free(r->detok);
    sh_stop_free(r->stop);
    sh_buf_clear(&r->raw);
    sh_buf_clear(&r->text);
    sh_free(r->prompt);
    sh_free(r->bias);
    pthread_cond_destroy(&r->is_done);
    pthread_mutex_destroy(&r->lock);
    sh_free(r);
}

/* ---- the caller's side ---- */

void sh_request_cancel(sh_request *r)
{
    atomic_store(&r->cancel, true);
}

int sh_request_wait(sh_request *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->done) pthread_cond_wait(&r->is_done, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return SH_OK;
}

void sh_request_free(sh_request *r)
{
    if (!r) return;
    sh_request_cancel(r);
    sh_request_wait(r);
    sh_request_unref(r);
}

/* ---- the engine's side ---- */

int sh_request_start(sh_request *r, sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(r->model);
    int rc;
    r->start_us = r->prompt_us = sh_now_us();
    int32_t n_vocab = (int32_t)sh_model_hparams(r->model)->n_vocab;
    if ((rc = sh_sampler_open(&r->sampler, &r->opts.sampling, n_vocab, err)) < 0) return rc;
    if (r->grammar &&
        (rc = sh_constraint_open(&r->constraint, r->grammar, t, n_vocab, r->opts.ignore_end, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < r->n_prompt; i++)
        if ((rc = sh_sampler_accept(r->sampler, r->prompt[i], true, err)) < 0) return rc;
    if (!t) return SH_OK;
    if ((rc = sh_detok_open(&r->detok, t, !r->opts.keep_special, err)) < 0) return rc;
    if (r->opts.is_reply) return SH_OK;
    uint32_t lead = r->n_prompt < DETOK_LEAD_TOKENS ? r->n_prompt : DETOK_LEAD_TOKENS;
    for (uint32_t i = r->n_prompt - lead; i < r->n_prompt; i++)
        if ((rc = sh_detok_add(r->detok, r->prompt[i], &r->raw, err)) < 0) return rc;
    sh_buf_reset(&r->raw);
    return SH_OK;
}

bool sh_request_is_over(const sh_request *r, uint64_t now_us, enum sh_finish *finish)
{
    *finish = SH_FINISH_CANCELLED;
    if (atomic_load(&r->cancel)) return true;
    *finish = SH_FINISH_LENGTH;
    return r->opts.deadline_us && now_us - r->submit_us >= r->opts.deadline_us;
}

static void request_tell(sh_request *r, sh_event *ev)
{
    ev->text = r->text.p ? r->text.p : "";
    ev->n_text = r->text.n;
    ev->n_prompt = r->n_prompt;
    ev->n_cached = r->n_cached;
    ev->n_generated = r->n_generated;
    if (r->opts.on_event && r->opts.on_event(r->opts.ud, ev) != 0) sh_request_cancel(r);
    sh_buf_reset(&r->text);
}

void sh_request_prompt_done(sh_request *r)
{
    sh_event ev = {.kind = SH_EVENT_PROMPT, .token = -1};
    r->prompt_us = sh_now_us();
    ev.queue_us = r->start_us - r->submit_us;
    ev.prefill_us = r->prompt_us - r->start_us;
    request_tell(r, &ev);
}

static void request_logprobs(sh_request *r, const float *logits, sh_event *ev)
{
    sh_token best[SH_MAX_TOP_LOGPROBS];
    int32_t n_vocab = (int32_t)sh_model_hparams(r->model)->n_vocab;
    double log_sum = sh_log_sum_exp(logits, n_vocab);
    ev->logprob = (float)((double)logits[ev->token] - log_sum);
    ev->n_top = (uint32_t)sh_top_logits(logits, n_vocab, r->opts.n_top_logprobs, best);
    for (uint32_t i = 0; i < ev->n_top; i++)
        r->top[i] = (sh_token_logprob){best[i], (float)((double)logits[best[i]] - log_sum)};
    ev->top = r->top;
}

/* The text that a token makes certain goes to r->text. */
static int request_add_text(sh_request *r, sh_token token, const char **stop, sh_err *err)
{
    int rc;
    *stop = NULL;
    if (!r->detok) return SH_OK;
    sh_buf_reset(&r->raw);
    if ((rc = sh_detok_add(r->detok, token, &r->raw, err)) < 0) return rc;
    return sh_stop_add(r->stop, r->raw.p, r->raw.n, &r->text, stop, err);
}

/* The next token; *over: the grammar lets nothing follow it. Of an end-of-answer token nobody is told. */
static int request_draw(sh_request *r, const float *logits, sh_token *token, bool *over, sh_err *err)
{
    const float *allowed = logits;
    int rc;
    *over = false;
    if (r->constraint && (rc = sh_constraint_apply(r->constraint, logits, &allowed, err)) < 0) return rc;
    if ((rc = sh_sampler_draw(r->sampler, allowed, token, err)) < 0 || !r->constraint) return rc;
    return sh_constraint_accept(r->constraint, *token, over, err);
}

int sh_request_advance(sh_request *r, const float *logits, sh_token *token, bool *finished,
                       enum sh_finish *finish, const char **stop, sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(r->model);
    sh_event ev = {.kind = SH_EVENT_TOKEN};
    bool over;
    int rc;
    *finished = true;
    *finish = SH_FINISH_STOP;
    *stop = NULL;
    if ((rc = request_draw(r, logits, &ev.token, &over, err)) < 0) return rc;
    if (t && !r->opts.ignore_end && sh_tokenizer_is_end(t, ev.token)) return SH_OK;
    if ((rc = sh_sampler_accept(r->sampler, ev.token, false, err)) < 0) return rc;
    if ((rc = request_add_text(r, ev.token, stop, err)) < 0) return rc;
    if (r->opts.n_top_logprobs >= 0) request_logprobs(r, logits, &ev);
    r->n_generated++;
    request_tell(r, &ev);
    if (*stop || over) return SH_OK;
    if (sh_request_is_over(r, sh_now_us(), finish)) return SH_OK;
    if (r->n_generated == r->max_tokens) {
        *finish = SH_FINISH_LENGTH;
        return SH_OK;
    }
    *finished = false;
    *token = ev.token;
    return SH_OK;
}

/* What detokenizer and stop strings hold back; an unfinished character may still complete a stop string. */
static void request_flush(sh_request *r, enum sh_finish *finish, const char **stop)
{
    const char *match = NULL;
    if (!r->detok || *stop) return;
    sh_buf_reset(&r->raw);
    if (sh_detok_flush(r->detok, &r->raw, NULL) < 0) return;
    if (sh_stop_add(r->stop, r->raw.p, r->raw.n, &r->text, &match, NULL) < 0) return;
    if (match && (*finish == SH_FINISH_STOP || *finish == SH_FINISH_LENGTH))
        *finish = SH_FINISH_STOP, *stop = match;
    if (!match) (void)sh_stop_flush(r->stop, &r->text, NULL);
}

void sh_request_finish(sh_request *r, enum sh_finish finish, const char *stop, const sh_err *error)
{
    uint64_t now = sh_now_us(), start = r->start_us ? r->start_us : now,
             prompt = r->prompt_us ? r->prompt_us : now;
    sh_event ev = {.kind = SH_EVENT_DONE, .token = -1};
    request_flush(r, &finish, &stop);
    ev.finish = finish;
    ev.stop = stop;
    ev.error = finish == SH_FINISH_ERROR ? error : NULL;
    ev.queue_us = start - r->submit_us;
    ev.prefill_us = prompt - start;
    ev.decode_us = now - prompt;
    request_tell(r, &ev);
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_broadcast(&r->is_done);
    pthread_mutex_unlock(&r->lock);
    sh_request_unref(r);
}
