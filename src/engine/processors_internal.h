/* processors_internal.h - the functions behind the table of chain.c. Each works on the scores by the formula
 * stated at its definition; `a`, `b`, `sequences` are the step's value. */
#ifndef SH_ENGINE_PROCESSORS_INTERNAL_H
#define SH_ENGINE_PROCESSORS_INTERNAL_H

#include "engine/chain.h"

typedef int sh_apply_fn(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err);

/* processors_penalty.c: they look at the history */
sh_apply_fn sh_apply_sequence_bias, sh_apply_repetition_penalty, sh_apply_openai_penalties,
    sh_apply_no_repeat_ngram, sh_apply_min_length, sh_apply_min_new_tokens, sh_apply_forced_bos,
    sh_apply_forced_eos;
/* processors_cut.c: they look at the scores alone */
sh_apply_fn sh_apply_temperature, sh_apply_top_k, sh_apply_top_p, sh_apply_min_p, sh_apply_typical_p,
    sh_apply_epsilon, sh_apply_eta, sh_apply_renormalize;

#endif
