/* spec.c - see spec.h. */
#include "engine/spec.h"

#include <string.h>

double sh_spec_accept_probability(double p, double q)
{
    if (q <= 0) return 0;
    return p < q ? p / q : 1;
}

void sh_spec_residual(const double *p, const double *q, int32_t n, double *out)
{
    double total = 0;
    for (int32_t i = 0; i < n; i++) {
        out[i] = p[i] > q[i] ? p[i] - q[i] : 0;
        total += out[i];
    }
    for (int32_t i = 0; i < n; i++) out[i] = total > 0 ? out[i] / total : p[i];
}

double sh_spec_acceptance_rate(const double *p, const double *q, int32_t n)
{
    double rate = 0;
    for (int32_t i = 0; i < n; i++) rate += p[i] < q[i] ? p[i] : q[i];
    return rate;
}

double sh_spec_expected_tokens(const double *rates, size_t n_draft)
{
    double expected = 1, all = 1; /* the token drawn at the end always comes */
    for (size_t i = 0; i < n_draft; i++) expected += all *= rates[i];
    return expected;
}

size_t sh_spec_round(const double *p, const double *q, const sh_token *drafts, const double *u,
                     size_t n_draft, int32_t n, double *next)
{
    for (size_t i = 0; i < n_draft; i++) {
        const double *pi = p + i * (size_t)n, *qi = q + i * (size_t)n;
        if (u[i] < sh_spec_accept_probability(pi[drafts[i]], qi[drafts[i]])) continue;
        sh_spec_residual(pi, qi, n, next);
        return i;
    }
    memcpy(next, p + n_draft * (size_t)n, (size_t)n * sizeof *next);
    return n_draft;
}
