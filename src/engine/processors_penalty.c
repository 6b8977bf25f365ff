/* processors_penalty.c - biases, penalties and bans that look at the text so far. A score of -inf stays -inf. */
#include "engine/processors_internal.h"

#include <math.h>
#include <string.h>

static void score_add(sh_scores *s, sh_token id, float bias)
{
    int32_t i = sh_scores_find(s, id);
    if (i < 0 || s->x[i] == -INFINITY) return;
    float x = s->x[i] + bias;
    s->x[i] = x < INFINITY ? x : 0x1.fffffep127f; /* a huge bias stays a finite score */
}

/* x + bias of each sequence whose beginning ends the text. A sequence longer than the whole text never
 * applies, even if the text is exactly its beginning (so it is in transformers). */
int sh_apply_sequence_bias(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    for (size_t k = 0; k < step->n_sequences; k++) {
        const sh_sequence_bias *q = &step->sequences[k];
        size_t before = q->n - 1;
        if (q->n > 1 && q->n > h->n) continue;
        if (before > 0 && memcmp(h->ids + h->n - before, q->ids, before * sizeof *q->ids) != 0) continue;
        score_add(s, q->ids[before], q->bias);
    }
    sh_scores_changed(s);
    return SH_OK;
}

/* For every id of the last b tokens (0: all), once: x < 0 ? x * a : x / a. */
int sh_apply_repetition_penalty(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    size_t window = step->b > 0 && step->b < (double)h->n ? (size_t)step->b : h->n;
    const sh_token *ids = h->ids + h->n - window;
    float r = (float)step->a;
    for (size_t k = 0; k < window; k++) {
        int32_t i = sh_scores_find(s, ids[k]);
        if (i < 0 || s->seen[ids[k]]++) continue;
        if (s->x[i] != -INFINITY) s->x[i] = s->x[i] < 0 ? s->x[i] * r : s->x[i] / r;
    }
    for (size_t k = 0; k < window; k++)
        if (ids[k] >= 0 && ids[k] < s->n_vocab) s->seen[ids[k]] = 0;
    sh_scores_changed(s);
    return SH_OK;
}

/* (x - count * a) - b for every id of h->counted, each step rounded to float. */
int sh_apply_openai_penalties(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    for (size_t k = 0; k < h->n_counted; k++)
        if (h->counted[k] >= 0 && h->counted[k] < s->n_vocab) s->seen[h->counted[k]]++;
    for (size_t k = 0; k < h->n_counted; k++) {
        sh_token id = h->counted[k];
        int32_t i = sh_scores_find(s, id);
        if (id < 0 || id >= s->n_vocab || !s->seen[id]) continue;
        float often = (float)s->seen[id] * (float)step->a;
        s->seen[id] = 0;
        if (i < 0) continue;
        score_add(s, id, -often);
        score_add(s, id, -(float)step->b);
    }
    sh_scores_changed(s);
    return SH_OK;
}

static void score_ban(sh_scores *s, sh_token id)
{
    int32_t i = sh_scores_find(s, id);
    if (i >= 0) s->x[i] = -INFINITY;
}

/* Ban each id that would repeat a run of a tokens: those that followed the last a - 1 tokens before. */
int sh_apply_no_repeat_ngram(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    size_t before = (size_t)step->a - 1;
    if (h->n < before + 1) return SH_OK;
    const sh_token *last = h->ids + h->n - before;
    for (size_t k = 0; k + before < h->n; k++)
        if (before == 0 || memcmp(h->ids + k, last, before * sizeof *last) == 0)
            score_ban(s, h->ids[k + before]);
    sh_scores_changed(s);
    return SH_OK;
}

static void scores_ban_end(sh_scores *s, const sh_history *h)
{
    for (size_t k = 0; k < h->n_end; k++) score_ban(s, h->end[k]);
    sh_scores_changed(s);
}

/* No end before the text has a tokens, prompt included. */
int sh_apply_min_length(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    if ((double)h->n < step->a) scores_ban_end(s, h);
    return SH_OK;
}

/* No end before b tokens follow a prompt of a tokens. */
int sh_apply_min_new_tokens(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    if ((double)h->n - step->a < step->b) scores_ban_end(s, h);
    return SH_OK;
}

/* Everything but the tokens of the step's sequences is out; they score 0. */
static void scores_force(sh_scores *s, const sh_step *step)
{
    for (int32_t i = 0; i < s->n; i++) s->x[i] = -INFINITY;
    for (size_t k = 0; k < step->n_sequences; k++) {
        int32_t i = sh_scores_find(s, step->sequences[k].ids[0]);
        if (i >= 0) s->x[i] = 0;
    }
    sh_scores_changed(s);
}

/* The first token drawn after a prompt of one token is given. */
int sh_apply_forced_bos(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    if (h->n == 1) scores_force(s, step);
    return SH_OK;
}

/* The last token of a text of at most a tokens is given. */
int sh_apply_forced_eos(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    (void)err;
    if ((double)h->n == step->a - 1) scores_force(s, step);
    return SH_OK;
}
