/* constrain.h - a grammar between logits and sampler: what the answer may not say next is out of the draw.
 *
 * The mask is laid over a copy of the logits before any processor sees them, so penalties, cuts and the draw
 * work on what is left, and log-probabilities are still those of the model. One user at a time. */
#ifndef SH_ENGINE_CONSTRAIN_H
#define SH_ENGINE_CONSTRAIN_H

#include <shoal/grammar.h>

typedef struct sh_constraint sh_constraint;

/* g gains a reference; t is borrowed. n_vocab is the model's, ids past the tokenizer's are never allowed.
 * bans_end: end-of-answer tokens are not allowed either; the answer goes on as long as the grammar lets it.
 */
int sh_constraint_open(sh_constraint **out, const sh_grammar *g, const sh_tokenizer *t, int32_t n_vocab,
                       bool bans_end, sh_err *err);
void sh_constraint_free(sh_constraint *c);
/* *masked [n_vocab] is logits with -inf for what may not come; it lives until the next call.
 * SH_E_RANGE: no token of the vocabulary spells what the grammar asks for. */
int sh_constraint_apply(sh_constraint *c, const float *logits, const float **masked, sh_err *err);
/* Go on by the token drawn; *over: nothing may follow, the answer is complete. */
int sh_constraint_accept(sh_constraint *c, sh_token token, bool *over, sh_err *err);

#endif
