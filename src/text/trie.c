/* trie.c - a byte trie over one hash table of edges. */
#include "text/trie.h"

#include "base/mem.h"

enum { MAX_NODES = 1 << 24 };

void tok_trie_clear(tok_trie *t)
{
    sh_free(t->edges);
    sh_free(t->value);
    *t = (tok_trie){0};
}

static void put_edge(uint64_t *edges, uint32_t mask, uint64_t edge)
{
    uint32_t i = (uint32_t)((edge >> 32) * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (edges[i]) i = (i + 1) & mask;
    edges[i] = edge;
}

static int set_edges(tok_trie *t, size_t cap, sh_err *err)
{
    uint64_t *edges = sh_zalloc(cap, sizeof *edges);
    if (!edges) return sh_fail_nomem(err, cap * sizeof *edges);
    for (size_t i = 0; t->edges && i <= t->mask; i++)
        if (t->edges[i]) put_edge(edges, (uint32_t)cap - 1, t->edges[i]);
    sh_free(t->edges);
    t->edges = edges;
    t->mask = (uint32_t)cap - 1;
    return SH_OK;
}

static int grow_edges(tok_trie *t, sh_err *err)
{
    return set_edges(t, t->edges ? ((size_t)t->mask + 1) * 2 : 64, err);
}

int tok_trie_reserve(tok_trie *t, size_t n_bytes, sh_err *err)
{
    /* strings of a vocabulary share about half of their bytes, and the table stays half empty */
    size_t cap = 64;
    while (cap < n_bytes && cap < (size_t)MAX_NODES * 2) cap *= 2;
    return t->edges && cap <= (size_t)t->mask + 1 ? SH_OK : set_edges(t, cap, err);
}

/* A fresh node without a value; 0 on failure. */
static uint32_t new_node(tok_trie *t, sh_err *err)
{
    if (t->n_nodes >= MAX_NODES)
        return sh_fail(err, SH_E_LIMIT, "a vocabulary has more than 16 million prefixes"), 0;
    if (t->n_nodes + 1 >= t->cap_nodes) {
        uint32_t cap = t->cap_nodes ? t->cap_nodes * 2 : 64;
        int32_t *value = sh_realloc(t->value, cap, sizeof *value);
        if (!value) return sh_fail_nomem(err, cap * sizeof *value), 0;
        t->value = value;
        t->cap_nodes = cap;
    }
    t->value[++t->n_nodes] = -1;
    return t->n_nodes;
}

static uint32_t add_child(tok_trie *t, uint32_t node, uint8_t b, sh_err *err)
{
    if ((!t->edges || t->n_edges >= t->mask / 2) && grow_edges(t, err) < 0) return 0;
    uint32_t child = new_node(t, err);
    if (!child) return 0;
    if (node) {
        put_edge(t->edges, t->mask, ((uint64_t)node << 8 | b) << 32 | child);
        t->n_edges++;
    } else {
        t->root[b] = child;
    }
    return child;
}

int tok_trie_add(tok_trie *t, const char *s, size_t n, int32_t value, sh_err *err)
{
    uint32_t node = 0;
    sh_err local = {0};
    for (size_t i = 0; i < n; i++) {
        uint8_t b = (uint8_t)s[i];
        uint32_t child = t->edges || !node ? tok_trie_step(t, node, b) : 0;
        if (!child && !(child = add_child(t, node, b, &local)))
            return sh_fail(err, local.code, "%s", local.msg);
        node = child;
    }
    if (node) t->value[node] = value;
    return SH_OK;
}

size_t tok_trie_longest(const tok_trie *t, const char *p, size_t n, int32_t *value)
{
    size_t best = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < n && (node = tok_trie_step(t, node, (uint8_t)p[i])); i++) {
        if (t->value[node] < 0) continue;
        best = i + 1;
        *value = t->value[node];
    }
    return best;
}
