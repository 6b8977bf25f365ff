/* beam.h - beam search over any source of logits, with the rules of transformers' generate().
 *
 * Scores are log_softmax of the raw logits; the chain is applied to these log-probabilities (a repetition
 * penalty multiplies them) and they are not normalised again unless the chain says so. Each step takes the
 * best max(2, 1 + ends) * beams continuations; one that ends counts as finished only if it is among the best
 * `beams` of them. A finished text scores sum / n^length_penalty with n new tokens, its end included. The
 * caller owns the model: it asks for the running texts, gives one row of logits for each, and steps. */
#ifndef SH_ENGINE_BEAM_H
#define SH_ENGINE_BEAM_H

#include "engine/chain.h"

enum sh_beam_stopping {
    SH_BEAM_HEURISTIC, /* early_stopping false: no running text can beat the worst finished one at its present
                          length */
    SH_BEAM_EARLY,     /* true: as soon as there are `beams` finished ones */
    SH_BEAM_NEVER      /* "never": not even at the greatest length (for a positive penalty) */
};

typedef struct sh_beam_opts {
    int version; /* 1 */
    uint32_t n_beams;
    double length_penalty;
    enum sh_beam_stopping stopping;
    const sh_token *prompt;      /* [n_prompt] copied, at least 1 */
    size_t n_prompt, max_length; /* max_length: prompt and answer */
    const sh_token *end;         /* [n_end] copied */
    size_t n_end;
    const sh_chain *chain; /* borrowed until free; NULL: none */
    int32_t n_vocab;
} sh_beam_opts;
#define SH_BEAM_OPTS_INIT {.version = 1, .n_beams = 4, .length_penalty = 1.0}

typedef struct sh_beam sh_beam;
int sh_beam_open(sh_beam **out, const sh_beam_opts *opts, sh_err *err);
void sh_beam_free(sh_beam *b);
bool sh_beam_is_done(const sh_beam *b);
/* The running texts, best first; *parent is the index of the text it continues in the step before (whose
 * cache it can go on from). i < n_beams; all have sh_beam_length tokens. At first all are the prompt. */
const sh_token *sh_beam_running(const sh_beam *b, uint32_t i, uint32_t *parent);
size_t sh_beam_length(const sh_beam *b);
double sh_beam_running_score(const sh_beam *b, uint32_t i);
/* One step from logits [n_beams, n_vocab], one row per running text. */
int sh_beam_step(sh_beam *b, const float *logits, sh_err *err);
/* The i-th best result (i < n_beams); false when there are fewer. The tokens are borrowed from b. */
bool sh_beam_result(const sh_beam *b, uint32_t i, const sh_token **ids, size_t *n, double *score);

#endif
