/* grammar_state.c - one answer's place in a grammar, and the tokens that may come next.
 *
 * The place is a number in a pool of its own. A mask is put together from the masks of the place's nodes
 * (grammar_mask.c) and kept by place: an answer that stays inside a string pays for one. A pool that has
 * grown is left behind for a fresh one that holds just the present place. */
#include "text/grammar_internal.h"

#include <string.h>

enum { KEPT_MASKS = 16 };

typedef struct kept_mask {
    uint32_t state; /* GRAM_STATE_UNKNOWN: free */
    uint32_t *words;
} kept_mask;

struct sh_grammar_state {
    sh_grammar *g;
    const sh_tokenizer *t; /* NULL: bytes alone */
    gram_vocab *vocab;
    gram_masks *masks;
    sh_token *ends; /* [n_ends] */
    size_t n_ends;
    gram_pool pool;
    uint32_t state;
    kept_mask kept[KEPT_MASKS];
    unsigned next_kept;
};

void sh_grammar_state_free(sh_grammar_state *s)
{
    if (!s) return;
    for (size_t i = 0; i < KEPT_MASKS; i++) sh_free(s->kept[i].words);
    gram_pool_clear(&s->pool);
    sh_free(s->ends);
    gram_vocab_unref(s->vocab);
    sh_grammar_unref(s->g);
    sh_free(s);
}

static int state_find_ends(sh_grammar_state *s, sh_err *err)
{
    for (int pass = 0; pass < 2; pass++) {
        s->n_ends = 0;
        for (sh_token id = 0; id < s->vocab->n; id++) {
            if (!sh_tokenizer_is_end(s->t, id)) continue;
            if (pass) s->ends[s->n_ends] = id;
            s->n_ends++;
        }
        if (!pass && !(s->ends = sh_new_array(s->n_ends + 1, sizeof *s->ends, err))) return SH_E_NOMEM;
    }
    return SH_OK;
}

static int state_bind(sh_grammar_state *s, const sh_tokenizer *t, sh_err *err)
{
    int rc;
    if (!t) return SH_OK;
    s->t = t;
    if ((rc = gram_vocab_get(&s->vocab, t, err)) < 0) return rc;
    if ((rc = gram_masks_get(&s->masks, s->g, s->vocab, err)) < 0) return rc;
    return state_find_ends(s, err);
}

int sh_grammar_state_open(sh_grammar_state **out, const sh_grammar *g, const sh_tokenizer *t, sh_err *err)
{
    sh_grammar_state *s = sh_new(sizeof *s, err);
    if (!s) return SH_E_NOMEM;
    s->g = sh_grammar_ref(g);
    int rc = gram_pool_init(&s->pool, g, err);
    if (rc == SH_OK) rc = gram_pool_enter(&s->pool, g->root, GRAM_STACK_EMPTY, &s->state, err);
    if (rc == SH_OK) rc = state_bind(s, t, err);
    if (rc < 0)
        sh_grammar_state_free(s);
    else
        *out = s;
    return rc;
}

int sh_grammar_state_copy(sh_grammar_state **out, const sh_grammar_state *s, sh_err *err)
{
    sh_grammar_state *c = sh_new(sizeof *c, err);
    if (!c) return SH_E_NOMEM;
    c->g = sh_grammar_ref(s->g);
    int rc = gram_pool_init(&c->pool, s->g, err);
    if (rc == SH_OK) rc = gram_pool_move(&c->pool, &s->pool, s->state, &c->state, err);
    if (rc == SH_OK) rc = state_bind(c, s->t, err);
    if (rc < 0)
        sh_grammar_state_free(c);
    else
        *out = c;
    return rc;
}

/* Leave a grown pool behind. */
static int state_tidy(sh_grammar_state *s, sh_err *err)
{
    gram_pool fresh;
    uint32_t state;
    if (s->pool.n_states <= GRAM_KEEP_STATES && s->pool.n_stacks <= GRAM_KEEP_STATES) return SH_OK;
    int rc = gram_pool_init(&fresh, s->g, err);
    if (rc < 0) return rc;
    if ((rc = gram_pool_move(&fresh, &s->pool, s->state, &state, err)) < 0) {
        gram_pool_clear(&fresh);
        return rc;
    }
    gram_pool_clear(&s->pool);
    s->pool = fresh;
    s->state = state;
    for (size_t i = 0; i < KEPT_MASKS; i++) s->kept[i].state = GRAM_STATE_UNKNOWN;
    return SH_OK;
}

/* --- masks --- */

static void add_mask(uint32_t *words, size_t n_words, const gram_mask *m)
{
    for (uint32_t i = 0; i < m->n_ids; i++) words[m->ids[i] / 32] |= 1u << m->ids[i] % 32;
    for (size_t w = 0; m->words && w < n_words; w++) words[w] |= m->words[w];
}

/* The tokens that go on after node's rule has returned into the real stack. */
static int add_returns(sh_grammar_state *s, const gram_mask *m, uint32_t stack, uint32_t *words, sh_err *err)
{
    uint32_t after;
    if (stack == GRAM_STACK_EMPTY || !m->n_resume) return SH_OK;
    gram_stack top = s->pool.stacks[stack];
    int rc = gram_pool_enter(&s->pool, top.ret, top.parent, &after, err);
    for (uint32_t i = 0; i < m->n_resume && rc == SH_OK; i++)
        rc = gram_walk(&s->pool, s->vocab, m->resume[i] + 1, s->vocab->nodes[m->resume[i]].end, after, words,
                       NULL, err);
    return rc;
}

/* One configuration alone, when its node's mask is not kept. */
static int add_config(sh_grammar_state *s, gram_config c, uint32_t *words, sh_err *err)
{
    uint32_t alone;
    int rc = gram_pool_enter(&s->pool, c.node, c.stack, &alone, err);
    return rc < 0 ? rc : gram_walk(&s->pool, s->vocab, 0, s->vocab->n_nodes, alone, words, NULL, err);
}

static int mask_fill(sh_grammar_state *s, uint32_t *words, sh_err *err)
{
    size_t n_words = gram_vocab_words(s->vocab);
    gram_state now = s->pool.states[s->state];
    int rc = SH_OK;
    memset(words, 0, n_words * sizeof *words);
    for (uint32_t i = 0; i < now.n_configs && rc == SH_OK; i++) {
        gram_config c = s->pool.configs[now.config + i];
        const gram_mask *m;
        if ((rc = gram_masks_node(s->masks, c.node, &m, err)) < 0) break;
        if (m) add_mask(words, n_words, m);
        rc = m ? add_returns(s, m, c.stack, words, err) : add_config(s, c, words, err);
    }
    for (size_t i = 0; now.complete && i < s->n_ends; i++) words[s->ends[i] / 32] |= 1u << s->ends[i] % 32;
    return rc;
}

int sh_grammar_state_mask(sh_grammar_state *s, const uint32_t **words, sh_err *err)
{
    int rc;
    if (!s->t) return sh_fail(err, SH_E_INVALID, "a grammar's state without a tokenizer has no mask");
    if ((rc = state_tidy(s, err)) < 0) return rc;
    for (size_t i = 0; i < KEPT_MASKS; i++)
        if (s->kept[i].state == s->state) return *words = s->kept[i].words, SH_OK;
    kept_mask *k = &s->kept[s->next_kept];
    k->state = GRAM_STATE_UNKNOWN;
    if (!k->words && !(k->words = sh_new_array(gram_vocab_words(s->vocab) + 1, sizeof *k->words, err)))
        return SH_E_NOMEM;
    if ((rc = mask_fill(s, k->words, err)) < 0) return rc;
    k->state = s->state;
    s->next_kept = (s->next_kept + 1) % KEPT_MASKS;
    *words = k->words;
    return SH_OK;
}

/* --- going on --- */

int sh_grammar_state_feed(sh_grammar_state *s, const void *bytes, size_t n, sh_err *err)
{
    const uint8_t *p = bytes;
    int rc = state_tidy(s, err);
    if (rc < 0) return rc;
    uint32_t state = s->state;
    for (size_t i = 0; i < n; i++) {
        if ((rc = gram_pool_step(&s->pool, state, p[i], &state, err)) < 0) return rc;
        if (state == GRAM_STATE_DEAD)
            return sh_fail(err, SH_E_INVALID, "the grammar does not allow byte 0x%02x at place %zu", p[i], i);
    }
    s->state = state;
    return SH_OK;
}

int sh_grammar_state_accept(sh_grammar_state *s, sh_token id, sh_err *err)
{
    if (!s->t) return sh_fail(err, SH_E_INVALID, "a grammar's state without a tokenizer takes no tokens");
    if (id < 0 || id >= s->vocab->n)
        return sh_fail(err, SH_E_RANGE, "token %d: the vocabulary has %d", id, s->vocab->n);
    if (sh_tokenizer_is_end(s->t, id)) {
        if (sh_grammar_state_is_complete(s)) return SH_OK;
        return sh_fail(err, SH_E_INVALID, "the grammar does not allow an end here");
    }
    uint32_t begin = s->vocab->off[id], n = s->vocab->off[id + 1] - begin;
    if (!n) return sh_fail(err, SH_E_INVALID, "token %d has no text that a grammar could allow", id);
    int rc = sh_grammar_state_feed(s, s->vocab->text + begin, n, err);
    return rc < 0 ? sh_fail_in(err, rc, "token %d", id) : rc;
}

bool sh_grammar_state_is_complete(const sh_grammar_state *s)
{
    return s->pool.states[s->state].complete;
}

bool sh_grammar_state_is_over(const sh_grammar_state *s)
{
    return s->pool.states[s->state].complete && !s->pool.states[s->state].n_configs;
}
