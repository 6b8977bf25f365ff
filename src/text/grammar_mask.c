/* grammar_mask.c - what one node of the automaton allows of a vocabulary, whatever the stack below it.
 *
 * Most tokens are decided by the innermost rule alone: inside a string nearly all of them go on with the
 * string. Such a node is asked once for all its requests, over a stack of which nothing is known; where its
 * rule may have returned into the unknown, the trie node is noted, and only the (short) tokens that go on
 * from there are read again over the real stack. The split into tokens that do not depend on the context and
 * those that do is that of XGrammar (Dong et al. 2024, arXiv 2411.15100, section 3.1). */
#include "text/grammar_internal.h"

#include <string.h>

int gram_walk(gram_pool *p, const gram_vocab *v, uint32_t begin, uint32_t end, uint32_t state,
              uint32_t *words, sh_buf *resume, sh_err *err)
{
    if (begin >= end) return SH_OK;
    uint32_t *path = sh_new_array((size_t)v->max_depth + 1, sizeof *path, err);
    int rc = path ? SH_OK : SH_E_NOMEM;
    if (path) path[v->nodes[begin].depth - 1] = state;
    for (uint32_t i = begin; i < end && rc == SH_OK;) {
        const gram_trie *node = &v->nodes[i];
        uint32_t s;
        if ((rc = gram_pool_step(p, path[node->depth - 1], node->byte, &s, err)) < 0) break;
        if (s == GRAM_STATE_DEAD) {
            i = node->end;
            continue;
        }
        for (int32_t id = node->token; id >= 0; id = v->same[id]) words[id / 32] |= 1u << id % 32;
        if (resume && p->states[s].escapes && node->end > i + 1) sh_buf_add(resume, &i, sizeof i);
        path[node->depth] = s;
        i++;
    }
    sh_free(path);
    return rc < 0 ? rc : resume ? sh_buf_ok(resume, err) : SH_OK;
}

/* --- one node's mask --- */

static void mask_free(const gram_mask *m)
{
    if (!m) return;
    sh_free((void *)(uintptr_t)m->words);
    sh_free((void *)(uintptr_t)m->ids);
    sh_free((void *)(uintptr_t)m->resume);
    sh_free((void *)(uintptr_t)m);
}

static int list_ids(gram_mask *m, const uint32_t *words, size_t n_words, uint32_t n_ids, sh_err *err)
{
    int32_t *ids = sh_new_array((size_t)n_ids + 1, sizeof *ids, err);
    if (!ids) return SH_E_NOMEM;
    m->ids = ids;
    for (size_t w = 0; w < n_words; w++)
        for (uint32_t bits = words[w]; bits; bits &= bits - 1)
            ids[m->n_ids++] = (int32_t)(w * 32) + __builtin_ctz(bits);
    return SH_OK;
}

/* Few tokens are kept as a list, many as a bitmap. */
static int mask_make(gram_masks *m, uint32_t node, gram_mask **out, sh_err *err)
{
    size_t n_words = gram_vocab_words(m->vocab);
    uint32_t state, n_ids = 0;
    sh_buf resume = {0};
    gram_mask *mask = sh_new(sizeof *mask, err);
    uint32_t *words = sh_new_array(n_words + 1, sizeof *words, err);
    int rc = mask && words ? gram_pool_enter(&m->pool, node, GRAM_STACK_BOTTOM, &state, err) : SH_E_NOMEM;
    if (rc == SH_OK) rc = gram_walk(&m->pool, m->vocab, 0, m->vocab->n_nodes, state, words, &resume, err);
    if (rc < 0) goto fail;
    mask->n_resume = (uint32_t)(resume.n / sizeof(uint32_t));
    if (mask->n_resume) mask->resume = (uint32_t *)(void *)resume.p, resume.p = NULL;
    for (size_t w = 0; w < n_words; w++) n_ids += (uint32_t)__builtin_popcount(words[w]);
    if (n_ids < n_words) {
        if ((rc = list_ids(mask, words, n_words, n_ids, err)) < 0) goto fail;
        sh_free(words);
    } else {
        mask->words = words;
        m->n_dense++;
    }
    sh_free(resume.p);
    *out = mask;
    return SH_OK;
fail:
    sh_free(resume.p);
    sh_free(words);
    mask_free(mask);
    return rc;
}

int gram_masks_node(gram_masks *m, uint32_t node, const gram_mask **mask, sh_err *err)
{
    int rc = SH_OK;
    *mask = atomic_load_explicit(&m->by_node[node], memory_order_acquire);
    if (*mask) return SH_OK;
    pthread_mutex_lock(&m->lock);
    *mask = atomic_load_explicit(&m->by_node[node], memory_order_acquire);
    if (!*mask && m->n_dense < GRAM_DENSE_MASKS) {
        gram_mask *made;
        if (m->pool.n_states > GRAM_KEEP_STATES) {
            gram_pool_clear(&m->pool);
            rc = gram_pool_init(&m->pool, m->g, err);
        }
        if (rc == SH_OK) rc = mask_make(m, node, &made, err);
        if (rc == SH_OK) atomic_store_explicit(&m->by_node[node], *mask = made, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* --- all of a grammar's over a vocabulary --- */

static void masks_free_one(gram_masks *m, uint32_t n_nodes)
{
    for (uint32_t i = 0; m->by_node && i < n_nodes; i++)
        mask_free(atomic_load_explicit(&m->by_node[i], memory_order_relaxed));
    sh_free((void *)m->by_node);
    gram_pool_clear(&m->pool);
    gram_vocab_unref(m->vocab);
    pthread_mutex_destroy(&m->lock);
    sh_free(m);
}

void gram_masks_free(gram_masks *m)
{
    while (m) {
        gram_masks *next = m->next;
        masks_free_one(m, m->g->n_nodes);
        m = next;
    }
}

static int masks_make(gram_masks **out, const sh_grammar *g, gram_vocab *v, sh_err *err)
{
    gram_masks *m = sh_new(sizeof *m, err);
    if (!m) return SH_E_NOMEM;
    pthread_mutex_init(&m->lock, NULL);
    m->g = g;
    m->vocab = v;
    atomic_fetch_add(&v->n_refs, 1);
    m->by_node = sh_new_array((size_t)g->n_nodes + 1, sizeof *m->by_node, err);
    int rc = m->by_node ? gram_pool_init(&m->pool, g, err) : SH_E_NOMEM;
    if (rc < 0)
        masks_free_one(m, g->n_nodes);
    else
        *out = m;
    return rc;
}

int gram_masks_get(gram_masks **out, sh_grammar *g, gram_vocab *v, sh_err *err)
{
    int rc = SH_OK;
    pthread_mutex_lock(&g->lock);
    gram_masks *m = g->masks;
    while (m && m->vocab != v) m = m->next;
    if (!m && (rc = masks_make(&m, g, v, err)) == SH_OK) {
        m->next = g->masks;
        g->masks = m;
    }
    pthread_mutex_unlock(&g->lock);
    if (rc == SH_OK) *out = m;
    return rc;
}
