/* sampler.c - one generation's settings as a fixed chain, its history, and its stream of random numbers. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

typedef struct token_list {
    sh_token *ids;
    size_t n, cap;
} token_list;

enum { SAMPLER_MAX_STEPS = 8 };

struct sh_sampler {
    sh_scores *scores;
    sh_rng rng;
    bool greedy;
    sh_step steps[SAMPLER_MAX_STEPS];
    size_t n_steps;
    sh_sequence_bias *bias; /* [n_bias], then the ids they point to */
    sh_token *bias_ids;
    token_list all, generated;
    size_t all_max; /* history beyond this many tokens is not needed; 0: all of it is */
};

static int check_range(const char *name, double value, double lo, double hi, sh_err *err)
{
    if (value >= lo && value <= hi) return SH_OK; /* NaN fails both */
    return sh_fail(err, SH_E_INVALID, "%s is %g: expected %g to %g", name, value, lo, hi);
}

int sh_sampling_check(const sh_sampling *o, int32_t n_vocab, sh_err *err)
{
    const struct {
        const char *name;
        double value, lo, hi;
    } rules[] = {
        {"temperature", o->temperature, 0, 1e6},
        {"top_k", o->top_k, 0, INT32_MAX},
        {"top_p", o->top_p, 0, 1},
        {"min_p", o->min_p, 0, 1},
        {"typical_p", o->typical_p, 0, 1},
        {"repetition_penalty", o->repetition_penalty, 1e-3, 1e3},
        {"repetition_window", o->repetition_window, 0, INT32_MAX},
        {"frequency_penalty", o->frequency_penalty, -1e3, 1e3},
        {"presence_penalty", o->presence_penalty, -1e3, 1e3},
    };
    if (o->version != 1)
        return sh_fail(err, SH_E_INVALID, "sampling settings of version %d: expected 1", o->version);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int rc = check_range(rules[i].name, rules[i].value, rules[i].lo, rules[i].hi, err);
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < o->n_bias; i++) {
        if (o->bias[i].token < 0 || o->bias[i].token >= n_vocab)
            return sh_fail(err, SH_E_RANGE, "logit bias for token %d: the vocabulary has %d",
                           o->bias[i].token, n_vocab);
        if (isnan(o->bias[i].bias) || o->bias[i].bias == INFINITY)
            return sh_fail(err, SH_E_INVALID, "logit bias of token %d is no number", o->bias[i].token);
    }
    return SH_OK;
}

static void sampler_step(sh_sampler *s, bool wanted, const char *name, double a, double b)
{
    if (wanted) s->steps[s->n_steps++] = (sh_step){.processor = sh_processor_find(name), .a = a, .b = b};
}

/* The order is the contract of sh_sampling. */
static int sampler_chain(sh_sampler *s, const sh_sampling *o, sh_err *err)
{
    if (o->n_bias) {
        s->bias = sh_new_array(o->n_bias, sizeof *s->bias, err);
        s->bias_ids = sh_new_array(o->n_bias, sizeof *s->bias_ids, err);
        if (!s->bias || !s->bias_ids) return SH_E_NOMEM;
        for (size_t i = 0; i < o->n_bias; i++) {
            s->bias_ids[i] = o->bias[i].token;
            s->bias[i] = (sh_sequence_bias){&s->bias_ids[i], 1, o->bias[i].bias};
        }
        sampler_step(s, true, "logit_bias", 0, 0);
        s->steps[0].sequences = s->bias;
        s->steps[0].n_sequences = o->n_bias;
    }
    sampler_step(s, o->repetition_penalty != 1.0f, "repetition_penalty", o->repetition_penalty,
                 o->repetition_window);
    sampler_step(s, o->frequency_penalty != 0.0f || o->presence_penalty != 0.0f, "openai_penalties",
                 o->frequency_penalty, o->presence_penalty);
    if (s->greedy) return SH_OK;
    sampler_step(s, o->temperature != 1.0f, "temperature", o->temperature, 0);
    sampler_step(s, o->top_k > 0, "top_k", o->top_k, 0);
    sampler_step(s, o->top_p < 1.0f, "top_p", o->top_p, 0);
    sampler_step(s, o->min_p > 0.0f, "min_p", o->min_p, 0);
    sampler_step(s, o->typical_p < 1.0f, "typical_p", o->typical_p, 0);
    return SH_OK;
}

int sh_sampler_open(sh_sampler **out, const sh_sampling *settings, int32_t n_vocab, sh_err *err)
{
    const sh_sampling usual = SH_SAMPLING_INIT;
    const sh_sampling *o = settings ? settings : &usual;
    int rc = sh_sampling_check(o, n_vocab, err);
    if (rc < 0) return rc;
    sh_sampler *s = sh_new(sizeof *s, err);
    if (!s) return SH_E_NOMEM;
    s->rng.state = o->seed;
    s->greedy = o->temperature <= 0;
    s->all_max = o->repetition_penalty == 1.0f ? 1 : (size_t)o->repetition_window;
    if ((rc = sh_scores_open(&s->scores, n_vocab, err)) < 0) goto fail;
    if ((rc = sampler_chain(s, o, err)) < 0) goto fail;
    *out = s;
    return SH_OK;
fail:
    sh_sampler_free(s);
    return rc;
}

void sh_sampler_free(sh_sampler *s)
{
    if (!s) return;
    sh_scores_free(s->scores);
    sh_free(s->bias);
    sh_free(s->bias_ids);
    sh_free(s->all.ids);
    sh_free(s->generated.ids);
    sh_free(s);
}

static int list_add(token_list *list, sh_token token, sh_err *err)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 256;
        sh_token *ids = sh_realloc(list->ids, cap, sizeof *ids);
        if (!ids) return sh_fail_nomem(err, cap * sizeof *ids);
        list->ids = ids;
        list->cap = cap;
    }
    list->ids[list->n++] = token;
    return SH_OK;
}

int sh_sampler_accept(sh_sampler *s, sh_token token, bool is_prompt, sh_err *err)
{
    if (token < 0 || token >= s->scores->n_vocab)
        return sh_fail(err, SH_E_RANGE, "token %d: the vocabulary has %d", token, s->scores->n_vocab);
    int rc = list_add(&s->all, token, err);
    if (rc == SH_OK && !is_prompt && (rc = list_add(&s->generated, token, err)) < 0) s->all.n--;
    if (rc == SH_OK && s->all_max > 0 && s->all.n >= 2 * s->all_max + 256) { /* keep a window, moved rarely */
        memmove(s->all.ids, s->all.ids + s->all.n - s->all_max, s->all_max * sizeof *s->all.ids);
        s->all.n = s->all_max;
    }
    return rc;
}

/* The first largest of plain logits. */
static sh_token first_largest(const float *logits, int32_t n)
{
    sh_token best = -1;
    float most = -INFINITY;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] > most && logits[i] < INFINITY) most = logits[i], best = i;
    return best;
}

int sh_sampler_draw(sh_sampler *s, const float *logits, sh_token *out, sh_err *err)
{
    sh_scores *scores = s->scores;
    sh_token token = -1;
    int32_t i = -1;
    if (s->greedy && s->n_steps == 0) {
        token = first_largest(logits, scores->n_vocab);
    } else {
        sh_history h = {s->all.ids, s->all.n, s->generated.ids, s->generated.n, NULL, 0};
        sh_scores_load(scores, logits);
        int rc = sh_steps_run(s->steps, s->n_steps, scores, &h, err);
        if (rc < 0) return rc;
        if (s->greedy)
            i = sh_scores_best(scores);
        else if ((rc = sh_scores_draw(scores, sh_rng_unit(&s->rng), &i, err)) < 0)
            return rc;
        if (i >= 0) token = sh_scores_id(scores, i);
    }
    if (token < 0) return sh_fail(err, SH_E_RANGE, "no token has a finite score");
    *out = token;
    return SH_OK;
}
