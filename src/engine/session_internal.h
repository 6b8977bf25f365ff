/* session_internal.h - what sessions, their files and the batcher share. */
#ifndef SH_ENGINE_SESSION_INTERNAL_H
#define SH_ENGINE_SESSION_INTERNAL_H

#include <shoal/session.h>

#include "codec/digest.h"
#include "model/forward.h"

struct sh_session {
    sh_model *model; /* borrowed */
    sh_kv *kv;
    sh_forward *forward;
    sh_token *tokens; /* [n_ctx], the first n_used are in kv */
    float *logits;    /* [n_vocab] */
    uint32_t n_ctx, n_used, n_vocab, chunk, n_keep;
    enum sh_cache_type cache;
    enum sh_on_full on_full;
    bool has_logits;
    int (*on_progress)(void *ud, size_t done, size_t total);
    void *progress_ud;
};

/* The context a session or slot gets: `asked`, or for 0 the training context, at most 8192. SH_E_RANGE beyond
 * the learned positions of a model that has them; SH_E_INVALID for a model without weights. */
int sh_pick_ctx(const sh_model *m, uint32_t asked, uint32_t *out, sh_err *err);
int sh_pick_kv_type(enum sh_cache_type cache, enum sh_kv_type *out, sh_err *err);
/* SH_E_RANGE names the first id outside the vocabulary. */
int sh_check_tokens(const sh_token *tokens, size_t n, uint32_t n_vocab, sh_err *err);

/* What a model computes, as a digest: over its shape and the logits it gives for four fixed tokens with an
 * F32 cache. Logits are the same bits on every machine, so the digest is too, and two models share it only if
 * they answer alike: a merged or requantised copy differs, another container of the same weights does not.
 * Cost: four tokens. */
int sh_model_fingerprint(sh_model *m, sh_digest *out, sh_err *err);

/* A session file in memory, see session_file.c for the layout. Pointers borrow from the bytes that were parsed. */
typedef struct sh_session_file {
    enum sh_cache_type cache;
    sh_digest fingerprint;
    uint32_t n_vocab, n_tokens;
    bool has_logits;
    const uint8_t *tokens; /* [n_tokens] u32le */
    const uint8_t *kv;     /* [kv_bytes] */
    const uint8_t *logits; /* [n_vocab] f32le when has_logits */
    uint64_t kv_bytes;
} sh_session_file;
/* Check everything but the digest at the end; accepted means that every pointer may be read. `where` names
 * the file. */
int sh_session_file_layout(sh_session_file *out, const void *data, size_t n, const char *where, sh_err *err);
/* The layout and the digest. */
int sh_session_file_parse(sh_session_file *out, const void *data, size_t n, const char *where, sh_err *err);

#endif
