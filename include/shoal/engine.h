/* shoal/engine.h - many generations at once over one model: continuous batching with a bounded queue.
 *
 * One thread steps all active requests together: prompt chunks and single tokens share forward passes. A request's text
 * does not depend on its neighbours, down to the last bit. Slots keep their cache after a request ends, so a following
 * request with the same beginning starts where it differs; a long beginning that another slot holds is copied from it.
 *
 * Threads: every call may come from any thread, also from on_event but for sh_request_wait, sh_request_free and
 * sh_engine_free. on_event runs on the engine's thread with no lock held. The engine's lock guards its queue and its
 * statistics, each request's lock its end; neither is held while anything computes. */
#ifndef SHOAL_ENGINE_H
#define SHOAL_ENGINE_H

#include <shoal/grammar.h>
#include <shoal/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_engine sh_engine;
typedef struct sh_request sh_request;

typedef struct sh_engine_opts {
    int version;              /* 1 */
    uint32_t n_slots;         /* requests generated at the same time; 0: 8 */
    uint32_t n_queue;         /* requests waiting beyond them; 0: 64 */
    uint32_t n_ctx;           /* per request; 0: the model's training context, at most 8192 */
    enum sh_cache_type cache;
    uint32_t chunk;           /* prompt tokens per step over all requests; 0: 512 */
} sh_engine_opts;
#define SH_ENGINE_OPTS_INIT {.version = 1}

/* m is borrowed and must outlive the engine. Starts the engine's thread. */
SH_API int sh_engine_open(sh_engine **out, sh_model *m, const sh_engine_opts *opts, sh_err *err);
SH_API void sh_engine_free(sh_engine *e); /* cancels what is left (their on_event hears DONE), waits for the thread */

enum sh_finish { SH_FINISH_STOP, SH_FINISH_LENGTH, SH_FINISH_CANCELLED, SH_FINISH_ERROR };
enum { SH_MAX_TOP_LOGPROBS = 20 };
typedef struct sh_token_logprob { sh_token token; float logprob; } sh_token_logprob;

enum sh_event_kind {
    SH_EVENT_PROMPT, /* prompt is processed (n_prompt, n_cached are final) */
    SH_EVENT_TOKEN,  /* one generated token; text may be empty (held back: half a character, a possible stop string).
                        The token that ends an answer is neither told nor counted */
    SH_EVENT_DONE    /* last event, exactly once per accepted request; text: what was still held back */
};
typedef struct sh_event {
    enum sh_event_kind kind;
    sh_token token;
    const char *text; /* [n_text] valid UTF-8, NUL-terminated, valid during the call */
    size_t n_text;
    float logprob;    /* of token, from the raw logits; when asked for */
    const sh_token_logprob *top; /* [n_top] best first */
    uint32_t n_top;
    /* DONE (and PROMPT for the first two) */
    uint32_t n_prompt, n_cached, n_generated;
    enum sh_finish finish;
    const char *stop;            /* the stop string that matched, or NULL */
    const sh_err *error;         /* SH_FINISH_ERROR */
    uint64_t queue_us, prefill_us, decode_us;
} sh_event;

typedef struct sh_request_opts {
    int version;              /* 1 */
    const sh_token *prompt;   /* [n_prompt], copied */
    size_t n_prompt;
    sh_sampling sampling;     /* bias copied */
    uint32_t max_tokens;      /* 0: until the context is full */
    const char *const *stop;  /* [n_stop] copied; never part of the text */
    size_t n_stop;
    bool ignore_end;          /* go on past end-of-answer tokens */
    bool keep_special;        /* control tokens appear in the text */
    bool is_reply;            /* the text starts afresh, as after a chat prompt: no space that joins it to the prompt */
    int32_t n_top_logprobs;   /* -1: no logprobs; 0..20 */
    const sh_grammar *grammar; /* the answer follows it, NULL: anything goes; the request takes a reference. The answer
                                 ends by itself when nothing may follow. Needs a tokenizer */
    uint64_t deadline_us;     /* wall time the request may take from submit, 0: none; then finish LENGTH */
    /* From the engine's thread, one at a time per engine; must not block. Non-zero cancels the request. */
    int (*on_event)(void *ud, const sh_event *ev);
    void *ud;
} sh_request_opts;
#define SH_REQUEST_OPTS_INIT {.version = 1, .sampling = SH_SAMPLING_INIT, .n_top_logprobs = -1}

/* SH_E_BUSY: queue full. SH_E_RANGE: prompt empty, with a bad id, or as long as the context. SH_E_INVALID,
 * SH_E_LIMIT: bad settings or stop strings. On success *out is owned by the caller; the first event may come before
 * this returns. */
SH_API int sh_engine_submit(sh_engine *e, const sh_request_opts *opts, sh_request **out, sh_err *err);
SH_API void sh_request_cancel(sh_request *r); /* any thread; DONE follows within a step */
SH_API void sh_request_free(sh_request *r);   /* cancels when still running and waits for DONE; not from on_event */
SH_API int sh_request_wait(sh_request *r);    /* blocks until DONE was delivered */

typedef struct sh_engine_stats {
    uint32_t n_active, n_waiting, n_slots, n_queue;
    /* since the start; n_prompt_tokens were computed, n_cached_tokens were not, n_generated_tokens were drawn */
    uint64_t n_requests, n_rejected, n_cancelled, n_prompt_tokens, n_cached_tokens, n_generated_tokens, busy_us;
} sh_engine_stats;
SH_API void sh_engine_get_stats(sh_engine *e, sh_engine_stats *out);

#ifdef __cplusplus
}
#endif
#endif
