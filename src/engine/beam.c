/* beam.c - see beam.h. The names of the steps follow the definition there. */
#include "engine/beam.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/exactmath.h"

/* What an absent text scores: finite, so that it takes part in comparisons as the reference does. */
static const float absent = -1e9f;

typedef struct hypothesis {
    sh_token *ids; /* [max_length] */
    float score;
    size_t n;
    uint32_t parent;
    bool is_finished;
} hypothesis;

typedef struct candidate {
    float score;
    uint32_t beam;
    sh_token token;
    bool ends;
} candidate;

struct sh_beam {
    sh_beam_opts opts;
    sh_token *end;
    sh_scores *scores;
    hypothesis *running, *next, *finished, *merged; /* [n_beams] each */
    candidate *candidates;                          /* [n_candidates], best first */
    size_t n_candidates, length, n_prompt;
    bool can_improve, is_done;
};

static hypothesis *hypotheses_open(uint32_t n, size_t max_length, sh_err *err)
{
    hypothesis *h = sh_new_array(n, sizeof *h, err);
    for (uint32_t i = 0; h && i < n; i++) {
        h[i].score = absent;
        if ((h[i].ids = sh_new_array(max_length, sizeof *h[i].ids, err))) continue;
        while (i > 0) sh_free(h[--i].ids);
        sh_free(h);
        return NULL;
    }
    return h;
}

static void hypotheses_free(hypothesis *h, uint32_t n)
{
    for (uint32_t i = 0; h && i < n; i++) sh_free(h[i].ids);
    sh_free(h);
}

static int beam_check_opts(const sh_beam_opts *o, sh_err *err)
{
    if (o->version != 1)
        return sh_fail(err, SH_E_INVALID, "beam options of version %d: expected 1", o->version);
    if (o->n_beams < 1 || o->n_beams > 1024)
        return sh_fail(err, SH_E_RANGE, "%u beams: expected 1 to 1024", o->n_beams);
    if (o->n_prompt < 1 || o->n_prompt >= o->max_length)
        return sh_fail(err, SH_E_RANGE, "a prompt of %zu tokens and a length of at most %zu", o->n_prompt,
                       o->max_length);
    if (o->n_end > 1024) return sh_fail(err, SH_E_RANGE, "%zu end tokens: at most 1024", o->n_end);
    if (!isfinite(o->length_penalty)) return sh_fail(err, SH_E_INVALID, "the length penalty is no number");
    return SH_OK;
}

int sh_beam_open(sh_beam **out, const sh_beam_opts *o, sh_err *err)
{
    int rc = beam_check_opts(o, err);
    if (rc < 0) return rc;
    sh_beam *b = sh_new(sizeof *b, err);
    if (!b) return SH_E_NOMEM;
    size_t branches = o->n_end > 1 ? 1 + o->n_end : 2;
    b->opts = *o;
    b->length = b->n_prompt = o->n_prompt;
    b->n_candidates = branches * o->n_beams;
    b->can_improve = true;
    if ((rc = sh_scores_open(&b->scores, o->n_vocab, err)) < 0) goto fail;
    rc = SH_E_NOMEM;
    if (!(b->end = sh_new_array(o->n_end, sizeof *b->end, err))) goto fail;
    if (o->n_end) memcpy(b->end, o->end, o->n_end * sizeof *b->end);
    if (!(b->running = hypotheses_open(o->n_beams, o->max_length, err))) goto fail;
    if (!(b->next = hypotheses_open(o->n_beams, o->max_length, err))) goto fail;
    if (!(b->finished = hypotheses_open(o->n_beams, o->max_length, err))) goto fail;
    if (!(b->merged = hypotheses_open(o->n_beams, o->max_length, err))) goto fail;
    if (!(b->candidates = sh_new_array(b->n_candidates, sizeof *b->candidates, err))) goto fail;
    for (uint32_t i = 0; i < o->n_beams; i++) {
        memcpy(b->running[i].ids, o->prompt, o->n_prompt * sizeof *o->prompt);
        b->running[i].n = o->n_prompt;
        b->running[i].score = i ? absent : 0; /* all are the same text: only the first may branch */
    }
    b->opts.prompt = NULL, b->opts.end = b->end;
    *out = b;
    return SH_OK;
fail:
    sh_beam_free(b);
    return rc;
}

void sh_beam_free(sh_beam *b)
{
    if (!b) return;
    hypotheses_free(b->running, b->opts.n_beams);
    hypotheses_free(b->next, b->opts.n_beams);
    hypotheses_free(b->finished, b->opts.n_beams);
    hypotheses_free(b->merged, b->opts.n_beams);
    sh_free(b->candidates);
    sh_free(b->end);
    sh_scores_free(b->scores);
    sh_free(b);
}

static bool beam_is_end(const sh_beam *b, sh_token token)
{
    for (size_t i = 0; i < b->opts.n_end; i++)
        if (b->end[i] == token) return true;
    return false;
}

/* Put c among the best n, which are sorted; of equal scores the later offered comes first. Texts that go
 * round the same loop in another order tie to the last bit; the reference then keeps whichever its selection
 * algorithm meets, most often the later one. */
static void candidates_offer(candidate *best, size_t n, candidate c)
{
    if (!(c.score >= best[n - 1].score)) return;
    size_t at = n - 1;
    for (; at > 0 && c.score >= best[at - 1].score; at--) best[at] = best[at - 1];
    best[at] = c;
}

/* The best continuations of all running texts. */
static int beam_expand(sh_beam *b, const float *logits, sh_err *err)
{
    sh_scores *s = b->scores;
    const sh_step renormalize = {.processor = sh_processor_find("renormalize")};
    for (size_t i = 0; i < b->n_candidates; i++) b->candidates[i] = (candidate){.score = -INFINITY};
    for (uint32_t k = 0; k < b->opts.n_beams; k++) {
        const hypothesis *text = &b->running[k];
        sh_history h = {text->ids, b->length, text->ids, b->length, b->end, b->opts.n_end};
        int rc;
        sh_scores_load(s, logits + (size_t)k * (size_t)b->opts.n_vocab);
        if ((rc = sh_steps_run(&renormalize, 1, s, &h, err)) < 0) return rc;
        if (b->opts.chain && (rc = sh_chain_run(b->opts.chain, s, &h, err)) < 0) return rc;
        for (int32_t i = 0; i < s->n; i++)
            candidates_offer(
                b->candidates, b->n_candidates,
                (candidate){.score = text->score + s->x[i], .beam = k, .token = sh_scores_id(s, i)});
    }
    for (size_t i = 0; i < b->n_candidates; i++)
        b->candidates[i].ends = b->length + 1 >= b->opts.max_length || beam_is_end(b, b->candidates[i].token);
    return SH_OK;
}

static void hypothesis_set(hypothesis *to, const sh_beam *b, const candidate *c, float score)
{
    memcpy(to->ids, b->running[c->beam].ids, b->length * sizeof *to->ids);
    to->ids[b->length] = c->token;
    to->n = b->length + 1;
    to->score = score;
    to->parent = c->beam;
}

/* The best that do not end run on; those that end follow with the score of absent texts, so that there are
 * n_beams. */
static void beam_keep_running(sh_beam *b)
{
    uint32_t n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < b->n_candidates && n < b->opts.n_beams; i++) {
            const candidate *c = &b->candidates[i];
            if (c->ends == (pass == 1))
                hypothesis_set(&b->next[n++], b, c, c->score + (c->ends ? absent : 0));
        }
    hypothesis *t = b->running;
    b->running = b->next, b->next = t;
}

static float length_scale(const sh_beam *b, size_t length)
{
    return length > b->n_prompt ? (float)sh_pow((double)(length - b->n_prompt), b->opts.length_penalty) : 1;
}

static bool finished_all(const sh_beam *b)
{
    for (uint32_t i = 0; i < b->opts.n_beams; i++)
        if (!b->finished[i].is_finished) return false;
    return true;
}

/* Copy a hypothesis of the list of finished ones, keeping the memory of both. */
static void hypothesis_copy(hypothesis *to, const hypothesis *from)
{
    sh_token *ids = to->ids;
    memcpy(ids, from->ids, from->n * sizeof *ids);
    *to = *from;
    to->ids = ids;
}

/* Merge what just ended, if among the best n_beams, into the finished ones; those that were there first win ties. */
static void beam_collect_finished(sh_beam *b)
{
    float scale = length_scale(b, b->length + 1);
    bool closed = !b->can_improve || (b->opts.stopping == SH_BEAM_EARLY && finished_all(b));
    uint32_t from_old = 0;
    size_t from_new = 0;
    for (uint32_t n = 0; n < b->opts.n_beams; n++) {
        const candidate *c = NULL;
        for (; !closed && from_new < b->opts.n_beams; from_new++)
            if (b->candidates[from_new].ends && isfinite(b->candidates[from_new].score)) {
                c = &b->candidates[from_new];
                break;
            }
        const hypothesis *old = &b->finished[from_old];
        if (c && c->score / scale > old->score) {
            hypothesis_set(&b->merged[n], b, c, c->score / scale);
            b->merged[n].is_finished = true;
            from_new++;
        } else {
            hypothesis_copy(&b->merged[n], old);
            from_old++;
        }
    }
    hypothesis *t = b->finished;
    b->finished = b->merged, b->merged = t;
}

/* Whether the best running text may still beat the worst finished one. */
static bool beam_may_improve(const sh_beam *b)
{
    bool longest = b->opts.stopping == SH_BEAM_NEVER && b->opts.length_penalty > 0;
    float best = b->running[0].score / length_scale(b, longest ? b->opts.max_length : b->length);
    float worst = b->finished[b->opts.n_beams - 1].score;
    return best > (finished_all(b) ? worst : absent);
}

int sh_beam_step(sh_beam *b, const float *logits, sh_err *err)
{
    if (b->is_done) return sh_fail(err, SH_E_INVALID, "the search is done");
    int rc = beam_expand(b, logits, err);
    if (rc < 0) return rc;
    bool all_end = true;
    for (size_t i = 0; i < b->n_candidates; i++) all_end &= b->candidates[i].ends;
    beam_collect_finished(b); /* reads the running texts, so before they move on */
    beam_keep_running(b);
    b->length++;
    b->can_improve = b->can_improve && beam_may_improve(b);
    b->is_done = !b->can_improve || (b->opts.stopping == SH_BEAM_EARLY && finished_all(b)) || all_end;
    return SH_OK;
}

bool sh_beam_is_done(const sh_beam *b)
{
    return b->is_done;
}
size_t sh_beam_length(const sh_beam *b)
{
    return b->length;
}
double sh_beam_running_score(const sh_beam *b, uint32_t i)
{
    return b->running[i].score;
}

const sh_token *sh_beam_running(const sh_beam *b, uint32_t i, uint32_t *parent)
{
    if (parent) *parent = b->running[i].parent;
    return b->running[i].ids;
}

bool sh_beam_result(const sh_beam *b, uint32_t i, const sh_token **ids, size_t *n, double *score)
{
    /* With nothing finished, the running texts are what there is. */
    const hypothesis *h = b->finished[0].is_finished ? &b->finished[i] : &b->running[i];
    if (i >= b->opts.n_beams || (b->finished[0].is_finished && !h->is_finished)) return false;
    *ids = h->ids;
    *n = h->n;
    *score = h->score;
    return true;
}
