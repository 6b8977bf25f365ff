/* text/grammar_internal.h - the parts of a grammar: notation -> tree -> automaton -> masks.
 *
 *   grammar_gbnf.c     text to rules (struct gram_rules)
 *   grammar_check.c    rules that may be empty, rules that cannot end, what is small enough to inline
 *   grammar_compile.c  rules to a recursive automaton over bytes (struct sh_grammar)
 *   grammar_pool.c     the automaton running: interned stacks and sets of configurations
 *   grammar_vocab.c    a vocabulary as a trie in preorder
 *   grammar_mask.c     which tokens a node of the automaton allows, whatever lies below it
 *   grammar_state.c    one answer's place
 *   grammar_schema*.c  JSON Schema to GBNF text
 *
 * Everything that a grammar's author can blow up is bounded by the enumerators here. */
#ifndef SH_TEXT_GRAMMAR_INTERNAL_H
#define SH_TEXT_GRAMMAR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "text/grammar.h"

enum {
    GRAM_MAX_TEXT = 4 << 20,  /* bytes of GBNF */
    GRAM_MAX_DEPTH = 128,     /* groups within groups */
    GRAM_MAX_REPEAT = 65536,  /* in {m,n} */
    GRAM_MAX_NODES = 1 << 19, /* of the automaton */
    GRAM_MAX_EDGES = 1 << 21,
    GRAM_MAX_VISITS = 1 << 25,  /* of the tree, by one analysis */
    GRAM_MAX_CONFIGS = 1 << 15, /* of one state */
    GRAM_MAX_STATES = 1 << 20,  /* that one pool may hold in all */
    GRAM_KEEP_STATES = 1 << 13, /* and may carry from token to token */
    GRAM_INLINE_NODES = 64,     /* a rule that is smaller, finite and calls nothing is built in place */
    GRAM_DENSE_MASKS = 1024     /* bitmaps that a grammar keeps for a vocabulary */
};

/* --- rules as a tree --- */

enum gram_op { GRAM_LITERAL, GRAM_CLASS, GRAM_REF, GRAM_SEQ, GRAM_ALT, GRAM_REPEAT };
enum { GRAM_NONE = UINT32_MAX, GRAM_UNBOUNDED = UINT32_MAX };

typedef struct gram_item {
    uint8_t op;
    uint32_t first, next; /* children (SEQ, ALT, REPEAT) and the next sibling; GRAM_NONE ends */
    /* LITERAL: bytes [a, a + b) of text; CLASS: ranges [a, a + b); REF: rule a; REPEAT: at least a, at most b
     */
    uint32_t a, b;
} gram_item;

typedef struct gram_range {
    uint32_t lo, hi; /* code points, inclusive */
} gram_range;

typedef struct gram_rule {
    const char *name;
    uint32_t root;   /* item, GRAM_NONE: named but not defined */
    uint32_t offset; /* of the definition, or of the first reference, in the text */
    uint32_t size;   /* nodes when built, saturated */
    bool nullable, productive;
    enum { GRAM_UNSEEN, GRAM_SEEING, GRAM_CALLED, GRAM_INLINED } use;
} gram_rule;

typedef struct gram_rules {
    gram_item *items;
    gram_range *ranges;
    gram_rule *rules;
    size_t n_items, cap_items, n_ranges, cap_ranges, n_rules, cap_rules;
    sh_buf text;
    sh_arena *names;
    sh_map *by_name;
    uint32_t root;              /* the rule */
    const char *where, *source; /* borrowed */
} gram_rules;

/* All zero is empty. */
void gram_rules_clear(gram_rules *r);
int gram_parse(gram_rules *r, const char *text, size_t n, const char *where, sh_err *err);
/* SH_E_INVALID: "where: line 3, column 1: rule NAME what". */
int gram_rule_fail(const gram_rules *r, size_t rule, sh_err *err, const char *what);
/* Fill nullable, productive, size and use. SH_E_INVALID: a rule that no text satisfies. */
int gram_check(gram_rules *r, sh_err *err);
int gram_compile(sh_grammar **out, const gram_rules *r, sh_err *err);
/* Room for one more element of an array that grows by half; the (maybe moved) array or NULL with *err filled.
 */
void *gram_grow(void *p, size_t n, size_t *cap, size_t size, sh_err *err);

/* --- the automaton --- */

typedef struct gram_edge {
    uint32_t to;
    uint8_t lo, hi;
} gram_edge;

typedef struct gram_call {
    uint32_t start, ret; /* a rule's first node; where to go on after it */
} gram_call;

/* No empty moves: they were eliminated. `final`: the rule may end here; `leaf`: and that is all it may do, so
 * a call that returns here needs no place on the stack (right recursion runs in constant space). */
typedef struct gram_node {
    uint32_t edge, call;
    uint32_t n_edges, n_calls;
    bool final, leaf;
} gram_node;

typedef struct gram_vocab gram_vocab;
typedef struct gram_masks gram_masks;

struct sh_grammar {
    atomic_int n_refs;
    gram_node *nodes;
    gram_edge *edges;
    gram_call *calls;
    uint32_t n_nodes, root;
    pthread_mutex_t lock; /* guards masks, a list with one element for each vocabulary */
    gram_masks *masks;
};

/* --- running it --- */

typedef struct gram_config {
    uint32_t node, stack;
} gram_config;

/* Stack 0 is the empty one. Stack 1 stands for one of which nothing is known: what a node allows above it, it
 * allows above any stack. */
enum { GRAM_STACK_EMPTY, GRAM_STACK_BOTTOM };
/* A state is a set of configurations that can read a byte. */
enum { GRAM_STATE_UNKNOWN, GRAM_STATE_DEAD };

typedef struct gram_stack {
    uint32_t ret, parent;
} gram_stack;

typedef struct gram_state {
    uint32_t *next; /* [256], NULL until a byte was read from it */
    uint32_t config, n_configs;
    bool complete; /* the root rule may have ended */
    bool escapes;  /* something may have returned through the bottom */
} gram_state;

typedef struct gram_pool {
    const sh_grammar *g;
    gram_stack *stacks;
    gram_state *states;
    gram_config *configs, *work;
    size_t n_stacks, cap_stacks, n_states, cap_states, n_configs, cap_configs, n_work, cap_work;
    uint32_t *stack_slots, *state_slots, *work_slots; /* open addressing; 0 is free */
    size_t stack_mask, state_mask, work_mask;
    size_t n_tables; /* states with a next */
} gram_pool;

int gram_pool_init(gram_pool *p, const sh_grammar *g, sh_err *err);
void gram_pool_clear(gram_pool *p);
/* The state of one configuration. */
int gram_pool_enter(gram_pool *p, uint32_t node, uint32_t stack, uint32_t *state, sh_err *err);
/* What state s becomes in another pool, stacks and all. */
int gram_pool_move(gram_pool *to, const gram_pool *from, uint32_t s, uint32_t *state, sh_err *err);
int gram_pool_read(gram_pool *p, uint32_t s, uint8_t byte, uint32_t *state, sh_err *err);
/* The state after a byte: GRAM_STATE_DEAD when there is none. */
static inline int gram_pool_step(gram_pool *p, uint32_t s, uint8_t byte, uint32_t *state, sh_err *err)
{
    const uint32_t *next = p->states[s].next;
    if (next && next[byte] != GRAM_STATE_UNKNOWN) return *state = next[byte], SH_OK;
    return gram_pool_read(p, s, byte, state, err);
}

/* --- a vocabulary --- */

/* Nodes in preorder: a walk that fails at one goes on at its `end`. */
typedef struct gram_trie {
    uint32_t end;   /* past its subtree */
    int32_t token;  /* the first id spelled so, -1 */
    uint16_t depth; /* 1 for the first byte */
    uint8_t byte;
} gram_trie;

struct gram_vocab {
    atomic_int n_refs;
    int32_t n;        /* ids */
    const char *text; /* bytes of id i: [off[i], off[i + 1]); none for what cannot be in a text */
    uint32_t *off;    /* [n + 1] */
    int32_t *same;    /* [n] the next id of the same bytes, -1 */
    gram_trie *nodes;
    uint32_t n_nodes, max_depth;
};

/* The tokenizer's vocabulary, made at the first call and kept with it; a reference. */
int gram_vocab_get(gram_vocab **out, const sh_tokenizer *t, sh_err *err);
void gram_vocab_unref(gram_vocab *v);
static inline size_t gram_vocab_words(const gram_vocab *v)
{
    return ((size_t)v->n + 31) / 32;
}

/* --- masks --- */

/* What a node allows above any stack, and where in the trie the answer depends on the stack. */
typedef struct gram_mask {
    const uint32_t *words;  /* [gram_vocab_words], or NULL */
    const int32_t *ids;     /* [n_ids], instead */
    const uint32_t *resume; /* [n_resume] trie nodes at which the node's rule may have returned */
    uint32_t n_ids, n_resume;
} gram_mask;

struct gram_masks {
    gram_masks *next;
    const sh_grammar *g;
    gram_vocab *vocab;
    pthread_mutex_t lock; /* guards what follows but published masks */
    gram_pool pool;       /* states above the bottom */
    uint32_t n_dense;
    _Atomic(const gram_mask *) *by_node; /* [n_nodes] */
};

/* The grammar's masks over v, made at the first call; they live as long as g. */
int gram_masks_get(gram_masks **out, sh_grammar *g, gram_vocab *v, sh_err *err);
void gram_masks_free(gram_masks *m); /* and those after it */
/* *mask is NULL when no further one is to be kept. */
int gram_masks_node(gram_masks *m, uint32_t node, const gram_mask **mask, sh_err *err);

/* Set the bits of the tokens below trie nodes [begin, end) that `state` can read, which stands before them.
 * resume, when given, collects (as uint32_t) the nodes after which a state escapes. */
int gram_walk(gram_pool *p, const gram_vocab *v, uint32_t begin, uint32_t end, uint32_t state,
              uint32_t *words, sh_buf *resume, sh_err *err);

#endif
