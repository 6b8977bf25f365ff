/* constrain.c - a grammar between logits and sampler. */
#include "engine/constrain.h"

#include <math.h>

#include "base/mem.h"

struct sh_constraint {
    sh_grammar_state *state;
    const sh_tokenizer *t;
    float *masked; /* [n_vocab] */
    int32_t n_vocab;
    bool bans_end;
};

int sh_constraint_open(sh_constraint **out, const sh_grammar *g, const sh_tokenizer *t, int32_t n_vocab,
                       bool bans_end, sh_err *err)
{
    if (!t) return sh_fail(err, SH_E_UNSUPPORTED, "a grammar needs a tokenizer, and this model has none");
    sh_constraint *c = sh_new(sizeof *c, err);
    if (!c) return SH_E_NOMEM;
    c->t = t;
    c->n_vocab = n_vocab;
    c->bans_end = bans_end;
    c->masked = sh_new_array((size_t)n_vocab, sizeof *c->masked, err);
    int rc = c->masked ? sh_grammar_state_open(&c->state, g, t, err) : SH_E_NOMEM;
    if (rc < 0)
        sh_constraint_free(c);
    else
        *out = c;
    return rc;
}

void sh_constraint_free(sh_constraint *c)
{
    if (!c) return;
    sh_grammar_state_free(c->state);
    sh_free(c->masked);
    sh_free(c);
}

/* A word of the mask is 32 tokens: whole words are the common case. */
static uint32_t copy_allowed(float *out, const float *logits, uint32_t word, int32_t n)
{
    if (word == 0 || word == UINT32_MAX) {
        for (int32_t k = 0; k < n; k++) out[k] = word ? logits[k] : -INFINITY;
        return word;
    }
    for (int32_t k = 0; k < n; k++) out[k] = word >> k & 1 ? logits[k] : -INFINITY;
    return word;
}

int sh_constraint_apply(sh_constraint *c, const float *logits, const float **masked, sh_err *err)
{
    const uint32_t *words;
    int32_t known = sh_tokenizer_size(c->t), n = known < c->n_vocab ? known : c->n_vocab;
    uint32_t any = 0;
    int rc = sh_grammar_state_mask(c->state, &words, err);
    if (rc < 0) return rc;
    for (int32_t i = 0; i < n; i += 32)
        any |= copy_allowed(c->masked + i, logits + i, words[i / 32], n - i < 32 ? n - i : 32);
    for (int32_t i = n; i < c->n_vocab; i++) c->masked[i] = -INFINITY;
    for (int32_t i = 0; c->bans_end && i < n; i++)
        if (sh_tokenizer_is_end(c->t, i)) c->masked[i] = -INFINITY;
    if (!any) return sh_fail(err, SH_E_RANGE, "no token of this model spells what the grammar asks for here");
    *masked = c->masked;
    return SH_OK;
}

int sh_constraint_accept(sh_constraint *c, sh_token token, bool *over, sh_err *err)
{
    int rc = sh_grammar_state_accept(c->state, token, err);
    if (rc == SH_OK) *over = sh_grammar_state_is_over(c->state);
    return rc;
}
