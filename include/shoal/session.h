/* shoal/session.h - one mutable timeline of tokens over a model: prefill, look at logits, sample, go on, rewind.
 *
 * Threads: one caller per session; sessions of one model may run at the same time from different threads (they take
 * turns on the runtime's pool). */
#ifndef SHOAL_SESSION_H
#define SHOAL_SESSION_H

#include <shoal/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_session sh_session;
typedef struct sh_sampler sh_sampler;

enum sh_cache_type { SH_CACHE_F16, SH_CACHE_F32, SH_CACHE_Q8 };
enum sh_on_full { SH_FULL_ERROR, SH_FULL_SHIFT };

typedef struct sh_session_opts {
    int version;               /* 1 */
    uint32_t n_ctx;            /* 0: the model's training context, at most 8192 */
    enum sh_cache_type cache;  /* default F16 */
    uint32_t chunk;            /* prompt tokens per forward pass; 0: 512. Never changes a result */
    enum sh_on_full on_full;   /* SHIFT: drop the older half after n_keep tokens, recompute the rest, go on */
    uint32_t n_keep;
} sh_session_opts;
#define SH_SESSION_OPTS_INIT {.version = 1}

SH_API int sh_session_open(sh_session **out, sh_model *m, const sh_session_opts *opts, sh_err *err);
SH_API void sh_session_free(sh_session *s);
/* Score n tokens (n >= 1); afterwards the session holds the logits that follow the last one.
 * SH_E_RANGE: context full (session unchanged) or a bad id. SH_E_CANCELLED: the callback said so; whole chunks are
 * kept, of what the timeline will be. */
SH_API int sh_session_prefill(sh_session *s, const sh_token *tokens, size_t n, sh_err *err);
/* Called between chunks of a prefill with the tokens done so far; non-zero cancels. NULL removes it. */
SH_API void sh_session_on_progress(sh_session *s, int (*fn)(void *ud, size_t done, size_t total), void *ud);
/* [vocabulary], valid until the next call; NULL before the first prefill and after a rewind. */
SH_API const float *sh_session_logits(const sh_session *s);
SH_API size_t sh_session_used(const sh_session *s);
SH_API size_t sh_session_capacity(const sh_session *s);
SH_API const sh_token *sh_session_tokens(const sh_session *s); /* [sh_session_used] */
/* Keep the first n tokens; logits are gone until the next prefill. */
SH_API int sh_session_rewind(sh_session *s, size_t n, sh_err *err);
/* State on disk: model digest, tokens, cache, logits. Restoring into another model or cache type is SH_E_INVALID, into
 * too small a context SH_E_RANGE; a damaged file is SH_E_CORRUPT: the session is then what it was. Both compute four
 * tokens, for the model's digest. */
SH_API int sh_session_save(const sh_session *s, const char *path, sh_err *err);
SH_API int sh_session_restore(sh_session *s, const char *path, sh_err *err);

typedef struct sh_logit_bias { sh_token token; float bias; } sh_logit_bias;

/* Settings of one generation. Order of work: logit bias, repetition, frequency and presence penalties, then (when
 * temperature > 0) temperature, top-k, top-p, min-p, typical-p, then the draw. temperature 0: the first largest. */
typedef struct sh_sampling {
    int version;              /* 1 */
    float temperature;        /* 0: greedy */
    int32_t top_k;            /* 0: off */
    float top_p, min_p, typical_p; /* 1, 0, 1: off */
    float repetition_penalty; /* 1: off; ids of the last repetition_window tokens, prompt included */
    int32_t repetition_window; /* 0: everything, default 256 */
    float frequency_penalty, presence_penalty; /* OpenAI's; counted over the generated text */
    uint64_t seed;            /* same seed, same text */
    const sh_logit_bias *bias;
    size_t n_bias;
} sh_sampling;
#define SH_SAMPLING_INIT {.version = 1, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, \
                          .typical_p = 1.0f, .repetition_penalty = 1.0f, .repetition_window = 256}

SH_API int sh_sampler_open(sh_sampler **out, const sh_sampling *settings, int32_t n_vocab, sh_err *err);
SH_API void sh_sampler_free(sh_sampler *s);
/* Tell the sampler of a token that is now part of the text; is_prompt keeps it out of frequency and presence counts. */
SH_API int sh_sampler_accept(sh_sampler *s, sh_token token, bool is_prompt, sh_err *err);
/* Draw the next token from logits [n_vocab] (not changed). SH_E_RANGE when no token has a finite score. */
SH_API int sh_sampler_draw(sh_sampler *s, const float *logits, sh_token *out, sh_err *err);

#ifdef __cplusplus
}
#endif
#endif
