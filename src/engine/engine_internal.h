/* engine_internal.h - the batcher's parts: requests (request.c), slots (slot.c), the thread that steps them
 * (engine.c).
 *
 * Who touches what:
 *   engine.lock     queue, n_waiting, n_active, stopping, stats
 *   request.lock    done
 *   request.cancel  atomic, set by anyone
 *   all the rest    the engine's thread alone, once a request was queued
 * No lock is held while on_event runs or a forward pass computes; engine.lock and request.lock are never held
 * together. */
#ifndef SH_ENGINE_ENGINE_INTERNAL_H
#define SH_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <shoal/engine.h>

#include "engine/constrain.h"
#include "engine/stop.h"
#include "model/forward.h"

struct sh_request {
    /* fixed at submit */
    sh_token *prompt; /* [n_prompt] */
    uint32_t n_prompt, max_tokens;
    sh_request_opts opts; /* prompt and stop point nowhere: see prompt and stop below */
    sh_logit_bias *bias;
    sh_grammar *grammar; /* a reference, or NULL */
    const sh_model *model;
    sh_stop *stop;
    uint64_t submit_us;
    /* both sides */
    atomic_int n_refs; /* the caller's and the engine's */
    atomic_bool cancel;
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    bool done;
    /* the engine's */
    struct sh_request *next; /* in the queue */
    sh_sampler *sampler;
    sh_constraint *constraint; /* NULL without a grammar */
    struct sh_detok *detok;    /* NULL without a tokenizer */
    sh_buf raw, text;          /* one token's text before and after the stop strings */
    uint64_t start_us, prompt_us;
    uint32_t n_cached, n_generated;
    sh_token_logprob top[SH_MAX_TOP_LOGPROBS];
};

/* Copy and check opts; n_ctx bounds prompt and answer. The request has two references. */
int sh_request_open(sh_request **out, const sh_model *m, uint32_t n_ctx, const sh_request_opts *opts,
                    sh_err *err);
void sh_request_unref(sh_request *r);
/* On the engine's thread, when a slot is free: make sampler and detokenizer, let them see the prompt. */
int sh_request_start(sh_request *r, sh_err *err);
void sh_request_prompt_done(sh_request *r);
/* Draw the token that follows `logits` and tell the listener of it. *token is set when the request goes on;
 * otherwise *finished is true and *finish (and *stop, or a negative return with err) say how it ended. */
int sh_request_advance(sh_request *r, const float *logits, sh_token *token, bool *finished,
                       enum sh_finish *finish, const char **stop, sh_err *err);
/* DONE: let out what is held back, tell the listener, wake who waits, drop the engine's reference. */
void sh_request_finish(sh_request *r, enum sh_finish finish, const char *stop, const sh_err *error);
/* True when the request is to end before its answer does. */
bool sh_request_is_over(const sh_request *r, uint64_t now_us, enum sh_finish *finish);

/* A place where one request at a time is computed. Its cache outlives the request. */
typedef struct sh_slot {
    sh_kv *kv;        /* NULL until first used */
    float *logits;    /* [n_vocab] */
    sh_token *tokens; /* [n_ctx]: the first sh_kv_used are computed; the rest up to n_tokens is known and to
                         be computed */
    uint32_t n_tokens;
    sh_request *request; /* NULL: free */
    bool prompt_done;
    uint64_t turn; /* number of the admission that last used it; 0: never */
} sh_slot;

typedef struct sh_slots {
    sh_slot *slots; /* [n] */
    uint32_t n, n_ctx, n_vocab;
    uint64_t n_turns;
    const sh_model *model;
    enum sh_kv_type type;
} sh_slots;

int sh_slots_open(sh_slots *s, const sh_model *m, uint32_t n, uint32_t n_ctx, enum sh_kv_type type,
                  sh_err *err);
void sh_slots_clear(sh_slots *s);
/* Give r the free slot that suits it best; its cache keeps what r's prompt begins with. *out is NULL when
 * none is free. On failure the slot stays free. */
int sh_slots_admit(sh_slots *s, sh_request *r, sh_slot **out, sh_err *err);
/* The slot is free again; what it has computed stays for a later request. Returns its request. */
sh_request *sh_slot_release(sh_slot *slot);
/* Take over what another slot has already computed of this slot's prompt. Returns true when it is better to
 * wait: an earlier request is just computing a long stretch that this prompt also begins with. */
bool sh_slots_share_prefix(sh_slots *s, sh_slot *slot);
uint32_t sh_slot_done(const sh_slot *slot); /* tokens computed */

#endif
