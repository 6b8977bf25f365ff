/* processors_cut.c - temperature, and the cuts that drop unlikely tokens. p is the softmax of the scores.
 *
 * The most likely token always stays. Sources of the rules: top-p, Holtzman et al. 2020; typical, Meister et
 * al. 2023; epsilon and eta, Hewitt et al. 2022; min-p, Nguyen et al. 2024. */
#include "engine/processors_internal.h"

#include <math.h>
#include <string.h>

#include "tensor/exactmath.h"

/* x / a. A temperature so small that the best score overflows leaves the best token alone: the limit towards 0. */
int sh_apply_temperature(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h, (void)err;
    float t = (float)step->a;
    if (t == 1.0f) return SH_OK;
    int32_t best = sh_scores_best(s);
    if (best < 0) return SH_OK;
    sh_scores_changed(s);
    if (!(t > 0) || isinf(s->x[best] / t)) {
        float x = s->x[best];
        for (int32_t i = 0; i < s->n; i++) s->x[i] = i == best ? x : -INFINITY;
        return SH_OK;
    }
    float *restrict x = s->x;
    for (int32_t i = 0; i < s->n; i++) x[i] = x[i] / t;
    return SH_OK;
}

/* Drop x < the a-th largest; all that tie with it stay. */
int sh_apply_top_k(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h;
    if (step->a >= s->n) return SH_OK;
    float least;
    int rc = sh_scores_kth(s, (int32_t)step->a, &least, err);
    if (rc < 0) return rc;
    sh_scores_cut(s, least);
    return SH_OK;
}

/* Keep the smallest set of best tokens with mass >= a, the one that crosses included. a = 1 drops only what
 * has no mass. */
int sh_apply_top_p(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h;
    int rc = sh_scores_softmax(s, err);
    if (rc < 0 || s->total <= 0) return rc;
    if (step->a >= 1) {
        for (int32_t i = 0; i < s->n; i++)
            if (s->p[i] <= 0) s->x[i] = -INFINITY;
    } else {
        if ((rc = sh_scores_sort(s, err)) < 0) return rc;
        double above = s->p[s->sorted[0].i], enough = step->a * s->total;
        for (int32_t k = 1; k < s->n; k++) {
            uint32_t i = s->sorted[k].i;
            if (above >= enough) s->x[i] = -INFINITY;
            above += s->p[i];
        }
    }
    sh_scores_cut(s, -INFINITY);
    return SH_OK;
}

/* Drop p < a * largest p, that is x < largest x + log a. */
int sh_apply_min_p(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h, (void)err;
    int32_t best = sh_scores_best(s);
    if (best < 0 || step->a <= 0) return SH_OK;
    double most = s->x[best], room = sh_log(step->a);
    for (int32_t i = 0; i < s->n; i++)
        if ((double)s->x[i] - most < room) s->x[i] = -INFINITY;
    sh_scores_cut(s, -INFINITY);
    return SH_OK;
}

/* Order by |-log p - entropy|; keep until the mass reaches a, with all that tie with the one that crosses. */
int sh_apply_typical_p(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h;
    sh_scores_cut(s, -INFINITY);
    int rc = sh_scores_softmax(s, err);
    if (rc < 0 || s->total <= 0) return rc;
    if ((rc = sh_scores_reserve_sort(s, err)) < 0) return rc;
    double entropy = sh_scores_entropy(s), most = s->x[sh_scores_best(s)], log_total = sh_log(s->total);
    for (int32_t i = 0; i < s->n; i++) {
        double distance = fabs(log_total - ((double)s->x[i] - most) - entropy);
        uint64_t key;
        memcpy(&key, &distance, sizeof key); /* bits of non-negative doubles are in order */
        s->sorted[i] = (sh_sort_entry){key, (uint32_t)i};
    }
    sh_scores_sort_keys(s, 8);
    double mass = 0, enough = step->a * s->total;
    int32_t last = 0;
    for (; last < s->n - 1; last++) {
        mass += s->p[s->sorted[last].i];
        if (mass >= enough) break;
    }
    for (int32_t k = last + 1; k < s->n; k++)
        if (s->sorted[k].key > s->sorted[last].key) s->x[s->sorted[k].i] = -INFINITY;
    sh_scores_cut(s, -INFINITY);
    return SH_OK;
}

static void scores_drop_below(sh_scores *s, double least_p)
{
    float most = s->x[sh_scores_best(s)];
    for (int32_t i = 0; i < s->n; i++)
        if (s->p[i] / s->total < least_p && s->x[i] < most) s->x[i] = -INFINITY;
    sh_scores_cut(s, -INFINITY);
}

/* Drop p < a. */
int sh_apply_epsilon(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h;
    int rc = sh_scores_softmax(s, err);
    if (rc < 0 || s->total <= 0) return rc;
    scores_drop_below(s, step->a);
    return SH_OK;
}

/* Drop p < min(a, sqrt(a) * exp(-entropy)). */
int sh_apply_eta(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)h;
    int rc = sh_scores_softmax(s, err);
    if (rc < 0 || s->total <= 0) return rc;
    double eta = sqrt(step->a) * sh_exp(-sh_scores_entropy(s));
    scores_drop_below(s, eta < step->a ? eta : step->a);
    return SH_OK;
}

/* Scores become log-probabilities. */
int sh_apply_renormalize(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)step, (void)h;
    int rc = sh_scores_softmax(s, err);
    if (rc < 0 || s->total <= 0) return rc;
    double most = s->x[sh_scores_best(s)], log_total = sh_log(s->total);
    for (int32_t i = 0; i < s->n; i++) s->x[i] = (float)((double)s->x[i] - most - log_total);
    sh_scores_changed(s);
    return SH_OK;
}
