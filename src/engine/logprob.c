/* logprob.c - see logprob.h. */
#include "engine/logprob.h"

#include <math.h>

#include "tensor/exactmath.h"

double sh_log_sum_exp(const float *logits, int32_t n)
{
    float most = -INFINITY;
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] > most) most = logits[i];
    if (most == -INFINITY) return -(double)INFINITY;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] > -INFINITY) sum += sh_exp((double)logits[i] - (double)most);
    return (double)most + sh_log(sum);
}

int32_t sh_top_logits(const float *logits, int32_t n, int32_t k, sh_token *ids)
{
    int32_t kept = 0;
    if (k <= 0) return 0;
    for (int32_t i = 0; i < n; i++) {
        float x = logits[i];
        if (isnan(x) || (kept == k && !(x > logits[ids[kept - 1]]))) continue;
        int32_t at = kept < k ? kept++ : k - 1;
        for (; at > 0 && x > logits[ids[at - 1]]; at--) ids[at] = ids[at - 1];
        ids[at] = i;
    }
    return kept;
}
