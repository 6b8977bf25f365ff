/* text/trie.h - byte strings -> numbers, matched from any place of a text (longest prefix, all prefixes).
 *
 * Edges live in one open-addressed table keyed by (node, byte): building costs one probe per byte, which
 * keeps a 250,000-piece vocabulary under a tenth of a second, and a step costs one probe. */
#ifndef SH_TEXT_TRIE_H
#define SH_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

typedef struct tok_trie {
    uint32_t root[256]; /* child of the root by first byte, 0 = none */
    uint64_t *edges;    /* node << 40 | byte << 32 | child; 0 = free */
    int32_t *value;     /* [cap_nodes] -1 = no string ends here */
    uint32_t mask, n_edges, n_nodes, cap_nodes;
} tok_trie;

void tok_trie_clear(tok_trie *t); /* all zero is an empty trie */
/* Room for strings of n_bytes in all, so that adding them rarely moves what is there. */
int tok_trie_reserve(tok_trie *t, size_t n_bytes, sh_err *err);
/* Later strings replace earlier equal ones. SH_E_NOMEM, SH_E_LIMIT (more than 16 million nodes). */
int tok_trie_add(tok_trie *t, const char *s, size_t n, int32_t value, sh_err *err);

/* The child of node (0 = root) along byte b; 0 when there is none. */
static inline uint32_t tok_trie_step(const tok_trie *t, uint32_t node, uint8_t b)
{
    if (!node) return t->root[b];
    uint64_t key = (uint64_t)node << 8 | b;
    for (uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32) & t->mask;; i = (i + 1) & t->mask) {
        uint64_t e = t->edges[i];
        if (e >> 32 == key) return (uint32_t)e;
        if (!e) return 0;
    }
}

/* Bytes of the longest string that starts at p (0 when none does); *value is its number. */
size_t tok_trie_longest(const tok_trie *t, const char *p, size_t n, int32_t *value);

#endif
