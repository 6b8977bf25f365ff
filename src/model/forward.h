/* forward.h - the one transformer forward pass: a batch of token chunks from any number of sequences.
 *
 * Exactness: the logits of a sequence depend on its tokens, the weights and the cache type alone. Other
 * chunks in the batch, the way a prompt is cut into chunks, threads and instruction set change no bit
 * (docs/exact-arithmetic.md). Cost: O(sum of chunk lengths * weights) + attention. */
#ifndef SH_MODEL_FORWARD_H
#define SH_MODEL_FORWARD_H

#include "model/model.h"

/* One sequence's keys and values: position 0 .. n_used - 1 are filled. One writer at a time. */
typedef struct sh_kv sh_kv;
/* n_ctx positions (rounded up to 16). Memory is reserved, not touched: it costs what is used. */
int sh_kv_open(sh_kv **out, const sh_model *m, enum sh_kv_type type, uint32_t n_ctx, sh_err *err);
void sh_kv_free(sh_kv *kv);
uint32_t sh_kv_used(const sh_kv *kv);
uint32_t sh_kv_capacity(const sh_kv *kv);
enum sh_kv_type sh_kv_get_type(const sh_kv *kv);
void sh_kv_rewind(sh_kv *kv, uint32_t n_keep); /* forget positions >= n_keep (no-op when fewer are used) */
int sh_kv_copy(sh_kv *dst, const sh_kv *src, uint32_t n_positions,
               sh_err *err); /* same model, same type; dst holds exactly these afterwards */
/* Raw bytes of the used positions for save and restore, in an order independent of n_ctx. */
int sh_kv_save(const sh_kv *kv, int (*write)(void *ud, const void *p, size_t n, sh_err *err), void *ud,
               sh_err *err);
int sh_kv_restore(sh_kv *kv, uint32_t n_used, int (*read)(void *ud, void *p, size_t n, sh_err *err), void *ud,
                  sh_err *err);

enum sh_want { SH_WANT_NONE, SH_WANT_LAST, SH_WANT_ALL };
typedef struct sh_chunk {
    sh_kv *kv; /* the tokens take positions n_used, n_used + 1, ...; n_used grows on success. NULL: the chunk
                  is a whole sequence, nothing of it is kept (always so for bidirectional models) */
    const sh_token *tokens; /* [n_tokens] */
    uint32_t n_tokens;
    const int32_t *types; /* [n_tokens] token types below n_types, or NULL: all 0 */
    enum sh_want want;
    float *logits; /* SH_WANT_LAST: [n_vocab]; SH_WANT_ALL: [n_tokens, n_vocab]; written on success */
    float *hidden; /* optional, SH_WANT_ALL only: [n_tokens, n_embd] after the final norm */
    float *layers; /* optional: [n_layers + 1, n_tokens, n_embd], what enters block 0 and what each block
                      gives */
} sh_chunk;

/* Scratch of one caller at a time; grows to the largest batch seen. max_tokens bounds the sum of a batch's
 * n_tokens. */
typedef struct sh_forward sh_forward;
int sh_forward_open(sh_forward **out, const sh_model *m, uint32_t max_tokens, sh_err *err);
void sh_forward_free(sh_forward *f);
/* SH_E_RANGE: a token outside the vocabulary, or no room in a cache (nothing was changed). Distinct kv per
 * chunk. */
int sh_forward_run(sh_forward *f, const sh_chunk *chunks, size_t n_chunks, sh_err *err);

#endif
