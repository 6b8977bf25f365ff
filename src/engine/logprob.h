/* logprob.h - log-probabilities of raw logits: log_softmax in double, in id order, by sh_exp and sh_log. Pure
 * functions. */
#ifndef SH_ENGINE_LOGPROB_H
#define SH_ENGINE_LOGPROB_H

#include <stddef.h>
#include <stdint.h>

#include <shoal/tokenizer.h>

/* log sum exp(logits[0..n)); -inf entries count nothing, NaN ones neither. -inf when nothing is finite. */
double sh_log_sum_exp(const float *logits, int32_t n);
/* The k (at most n) largest logits, best first, equal ones by id; returns how many were written to ids. k
 * small: O(n + k log n). */
int32_t sh_top_logits(const float *logits, int32_t n, int32_t k, sh_token *ids);

#endif
