/* chain.h - score processors as data: a chain is a list of (processor, its value), run in order.
 *
 * Names, formulas and the order that generation uses are those of the transformers library (docs/engine.md,
 * "Sampling"). A chain is immutable once built; sh_chain_run changes only the scores. Cost: O(n) a step,
 * sorts O(n) by radix. */
#ifndef SH_ENGINE_CHAIN_H
#define SH_ENGINE_CHAIN_H

#include <jansson.h>

#include "engine/scores.h"

/* A bias for the last of ids[0..n) when the text ends in the ones before it; n = 1: always. */
typedef struct sh_sequence_bias {
    const sh_token *ids;
    size_t n;
    float bias;
} sh_sequence_bias;

/* What is known when a token is about to be drawn. All borrowed. */
typedef struct sh_history {
    const sh_token *ids; /* [n] prompt and answer so far */
    size_t n;
    const sh_token *counted; /* [n_counted] what frequency and presence penalties count */
    size_t n_counted;
    const sh_token *end; /* [n_end] ends of an answer, for the processors that keep one from ending */
    size_t n_end;
} sh_history;

struct sh_step;
struct sh_chain;
typedef struct sh_processor {
    const char *name;
    const char *value; /* what it takes, in words, for messages and help */
    int (*apply)(sh_scores *s, const struct sh_step *step, const sh_history *h, sh_err *err);
    int (*parse)(struct sh_chain *c, struct sh_step *step, const json_t *value, sh_err *err);
} sh_processor;

typedef struct sh_step {
    const sh_processor *processor;
    double a, b; /* the numbers of the value, see processors.c */
    const sh_sequence_bias *sequences;
    size_t n_sequences;
} sh_step;

/* NULL when there is no such processor. */
const sh_processor *sh_processor_find(const char *name);
const sh_processor *sh_processor_at(size_t i); /* NULL past the last */

/* Run steps[0..n) over the scores. */
int sh_steps_run(const sh_step *steps, size_t n, sh_scores *s, const sh_history *h, sh_err *err);

/* A chain read from JSON: [["top_k", 40], ["temperature", 0.7], ...]. Owns all that its steps point to. */
typedef struct sh_chain sh_chain;
int sh_chain_from_json(sh_chain **out, const json_t *steps, sh_err *err);
void sh_chain_free(sh_chain *c);
int sh_chain_run(const sh_chain *c, sh_scores *s, const sh_history *h, sh_err *err);

/* The engineer's window: run settings over rows of logits [n_rows, n_vocab] and describe the outcome.
 *   settings  {"chain": [...], "history": [ids], "counted": [ids] (default: history), "eos": id or [ids],
 *              "row": index (default: every row), "u": number in [0,1) or list (default: none),
 *              "top": n (default 8)}
 *   *out      owned JSON: {"n_vocab", "rows": [{"row", "kept", "ids", "scores", "probabilities",
 *              "top": [[id, p], ...], "drawn": [id, ...]}]}; ids, scores and probabilities list the tokens
 *              that are left, ascending by id
 *   returns   SH_E_INVALID names the field that is wrong */
int sh_sample_describe(json_t **out, const float *logits, size_t n_rows, int32_t n_vocab,
                       const json_t *settings, sh_err *err);

#endif
