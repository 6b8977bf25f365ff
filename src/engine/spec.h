/* spec.h - speculative sampling: keeping drafted tokens so that the output is distributed exactly as the
 * target's.
 *
 * Leviathan, Kalman, Matias 2023; Chen et al. 2023. p is the target's and q the draft's distribution at a
 * position, both AFTER all score processors, normalised, [n] doubles. Pure functions, sums in id order. */
#ifndef SH_ENGINE_SPEC_H
#define SH_ENGINE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shoal/tokenizer.h>

/* min(1, p / q) of the drafted token; q(x) > 0 since it was drawn, q = 0 accepts nothing. */
double sh_spec_accept_probability(double p, double q);
/* max(0, p - q) normalised, to out[n]; p itself when p never exceeds q (they are equal: such a draft is
 * always accepted). */
void sh_spec_residual(const double *p, const double *q, int32_t n, double *out);
/* The chance that a token drawn from q is accepted: the sum of min(p, q). */
double sh_spec_acceptance_rate(const double *p, const double *q, int32_t n);
/* The number of tokens that one round yields on average, from the acceptance rates of its n_draft positions. */
double sh_spec_expected_tokens(const double *rates, size_t n_draft);

/* One round over drafts [n_draft].
 *   p     [n_draft + 1, n] target distributions, q [n_draft, n] draft distributions
 *   u     [n_draft] uniform numbers in [0, 1): draft i is accepted when u[i] < min(1, p / q)
 *   next  [n] receives the distribution to draw one more token from: the residual at the first rejected
 * position, or p[n_draft] when all were accepted returns the number of accepted drafts */
size_t sh_spec_round(const double *p, const double *q, const sh_token *drafts, const double *u,
                     size_t n_draft, int32_t n, double *next);

#endif
