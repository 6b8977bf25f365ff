/* grammar_compile.c - rules to a recursive automaton over bytes.
 *
 * Thompson's construction with three kinds of moves (a byte range, a call of a rule, an empty one); then
 * empty moves are eliminated node by node and only what can be reached is kept. Classes become UTF-8 byte
 * sequences: a range of code points is cut where the encoded length or a whole last byte changes, as lexers
 * have done it since Pike's utf8 ranges. Left recursion is looked for in the finished automaton, where empty
 * rules are plain to see. */
#include "text/grammar_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum move_kind { MOVE_EMPTY, MOVE_BYTES, MOVE_CALL };

typedef struct move {
    uint32_t to, next; /* the node's next move */
    uint32_t rule;
    uint8_t kind, lo, hi;
} move;

typedef struct builder {
    const gram_rules *r;
    uint32_t *first; /* [n_nodes] moves of a node */
    move *moves;
    size_t n_nodes, cap_nodes, n_moves, cap_moves;
    uint32_t *start, *stop; /* [n_rules], GRAM_NONE: not built */
    sh_err *err;
} builder;

/* --- construction --- */

static int too_large(const builder *b)
{
    return sh_fail(b->err, SH_E_LIMIT, "%s: the grammar is too large (at most %d nodes and %d moves)",
                   b->r->where, GRAM_MAX_NODES, GRAM_MAX_EDGES);
}

static int add_node(builder *b, uint32_t *out)
{
    if (b->n_nodes >= GRAM_MAX_NODES) return too_large(b);
    void *q = gram_grow(b->first, b->n_nodes, &b->cap_nodes, sizeof *b->first, b->err);
    if (!q) return SH_E_NOMEM;
    b->first = q;
    b->first[b->n_nodes] = GRAM_NONE;
    *out = (uint32_t)b->n_nodes++;
    return SH_OK;
}

static int add_move(builder *b, uint32_t from, move m)
{
    if (b->n_moves >= GRAM_MAX_EDGES) return too_large(b);
    void *q = gram_grow(b->moves, b->n_moves, &b->cap_moves, sizeof *b->moves, b->err);
    if (!q) return SH_E_NOMEM;
    b->moves = q;
    m.next = b->first[from];
    b->moves[b->n_moves] = m;
    b->first[from] = (uint32_t)b->n_moves++;
    return SH_OK;
}

static int add_empty(builder *b, uint32_t from, uint32_t to)
{
    return add_move(b, from, (move){.kind = MOVE_EMPTY, .to = to});
}

static int add_bytes(builder *b, uint32_t from, uint32_t to, uint8_t lo, uint8_t hi)
{
    return add_move(b, from, (move){.kind = MOVE_BYTES, .to = to, .lo = lo, .hi = hi});
}

/* Nodes from which 0 to 3 continuation bytes of any value lead to the end of a class; made when needed. */
typedef struct tail {
    uint32_t node[4]; /* [0] is the end itself */
} tail;

static int tail_node(builder *b, tail *t, int n, uint32_t *out)
{
    for (int i = 1; i <= n; i++) {
        if (t->node[i] != GRAM_NONE) continue;
        int rc = add_node(b, &t->node[i]);
        if (rc < 0 || (rc = add_bytes(b, t->node[i], t->node[i - 1], 0x80, 0xbf)) < 0) return rc;
    }
    *out = t->node[n];
    return SH_OK;
}

/* lo and hi are encoded in n bytes each and differ only where bytes may take every value after them. */
static int add_sequence(builder *b, tail *t, uint32_t from, uint32_t lo, uint32_t hi)
{
    char a[4], z[4];
    int n = (int)sh_utf8_encode(lo, a), rc;
    sh_utf8_encode(hi, z);
    for (int i = 0; i < n; i++) {
        bool free_after = true;
        for (int k = i + 1; k < n; k++)
            free_after = free_after && (uint8_t)a[k] == 0x80 && (uint8_t)z[k] == 0xbf;
        uint32_t to;
        rc = free_after ? tail_node(b, t, n - 1 - i, &to) : add_node(b, &to);
        if (rc < 0 || (rc = add_bytes(b, from, to, (uint8_t)a[i], (uint8_t)z[i])) < 0) return rc;
        if (free_after) return SH_OK;
        from = to;
    }
    return SH_OK;
}

/* Cut [lo, hi] into what add_sequence takes. */
static int add_code_points(builder *b, tail *t, uint32_t from, uint32_t lo, uint32_t hi)
{
    static const uint32_t last_of_length[] = {0x7f, 0x7ff, 0xffff, 0x10ffff};
    while (lo <= hi) {
        uint32_t end = hi;
        int i = 0;
        if (lo >= 0xd800 && lo <= 0xdfff) lo = 0xe000;
        if (lo > hi) break;
        if (lo < 0xd800 && end >= 0xd800) end = 0xd7ff;
        while (lo > last_of_length[i]) i++;
        if (end > last_of_length[i]) end = last_of_length[i];
        for (int shift = 6; shift <= 6 * i; shift += 6) { /* one more free byte at the end, if it fits */
            uint32_t m = (1u << shift) - 1;
            if ((lo & ~m) == (end & ~m)) break;
            if (lo & m) {
                end = lo | m;
                break;
            }
            if ((end & m) != m) end = (end & ~m) - 1;
        }
        int rc = add_sequence(b, t, from, lo, end);
        if (rc < 0) return rc;
        lo = end + 1;
    }
    return SH_OK;
}

static int build(builder *b, uint32_t item, uint32_t from, uint32_t to);

static int build_literal(builder *b, const gram_item *it, uint32_t from, uint32_t to)
{
    if (!it->b) return add_empty(b, from, to);
    for (uint32_t i = 0; i < it->b; i++) {
        uint8_t byte = (uint8_t)b->r->text.p[it->a + i];
        uint32_t next = to;
        int rc = i + 1 < it->b ? add_node(b, &next) : SH_OK;
        if (rc < 0 || (rc = add_bytes(b, from, next, byte, byte)) < 0) return rc;
        from = next;
    }
    return SH_OK;
}

static int build_class(builder *b, const gram_item *it, uint32_t from, uint32_t to)
{
    tail t = {{to, GRAM_NONE, GRAM_NONE, GRAM_NONE}};
    for (uint32_t i = 0; i < it->b; i++) {
        gram_range x = b->r->ranges[it->a + i];
        int rc = add_code_points(b, &t, from, x.lo, x.hi);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int build_sequence(builder *b, const gram_item *it, uint32_t from, uint32_t to)
{
    if (it->first == GRAM_NONE) return add_empty(b, from, to);
    for (uint32_t k = it->first; k != GRAM_NONE; k = b->r->items[k].next) {
        uint32_t next = to;
        int rc = b->r->items[k].next != GRAM_NONE ? add_node(b, &next) : SH_OK;
        if (rc < 0 || (rc = build(b, k, from, next)) < 0) return rc;
        from = next;
    }
    return SH_OK;
}

/* from -> item -> ... (least times), then a loop or a chain that may stop at every place. Loops go through a
 * node of their own, so that nothing leads back into `from` or out of `to`. */
static int build_repeat(builder *b, const gram_item *it, uint32_t from, uint32_t to)
{
    uint32_t next, n = it->b == GRAM_UNBOUNDED ? it->a : it->b;
    int rc;
    for (uint32_t i = 0; i < n; i++) {
        if (i >= it->a && (rc = add_empty(b, from, to)) < 0) return rc;
        if ((rc = add_node(b, &next)) < 0 || (rc = build(b, it->first, from, next)) < 0) return rc;
        from = next;
    }
    if (it->b == GRAM_UNBOUNDED) {
        if ((rc = add_node(b, &next)) < 0 || (rc = add_empty(b, from, next)) < 0) return rc;
        if ((rc = build(b, it->first, next, next)) < 0) return rc;
        from = next;
    }
    return add_empty(b, from, to);
}

static int build_ref(builder *b, const gram_item *it, uint32_t from, uint32_t to)
{
    const gram_rule *rule = &b->r->rules[it->a];
    if (rule->use == GRAM_INLINED) return build(b, rule->root, from, to);
    return add_move(b, from, (move){.kind = MOVE_CALL, .to = to, .rule = it->a});
}

static int build(builder *b, uint32_t item, uint32_t from, uint32_t to)
{
    const gram_item *it = &b->r->items[item];
    switch ((enum gram_op)it->op) {
    case GRAM_LITERAL:
        return build_literal(b, it, from, to);
    case GRAM_CLASS:
        return build_class(b, it, from, to);
    case GRAM_REF:
        return build_ref(b, it, from, to);
    case GRAM_SEQ:
        return build_sequence(b, it, from, to);
    case GRAM_REPEAT:
        return build_repeat(b, it, from, to);
    case GRAM_ALT:
        break;
    }
    for (uint32_t k = it->first; k != GRAM_NONE; k = b->r->items[k].next) {
        int rc = build(b, k, from, to);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int build_rules(builder *b)
{
    for (size_t i = 0; i < b->r->n_rules; i++) {
        const gram_rule *rule = &b->r->rules[i];
        b->start[i] = b->stop[i] = GRAM_NONE;
        if (rule->use == GRAM_INLINED && i != b->r->root) continue;
        int rc = add_node(b, &b->start[i]);
        if (rc < 0 || (rc = add_node(b, &b->stop[i])) < 0) return rc;
        if ((rc = build(b, rule->root, b->start[i], b->stop[i])) < 0) return rc;
    }
    return SH_OK;
}

/* --- elimination of empty moves --- */

typedef struct packer {
    const builder *b;
    sh_grammar *g;
    uint32_t *id;    /* [b->n_nodes] number in g, GRAM_NONE: not met */
    uint32_t *queue; /* [n_queued] nodes of b by number */
    uint32_t *mark;  /* [b->n_nodes] the closure that last met a node */
    uint32_t *todo;  /* [b->n_nodes] */
    bool *is_stop;   /* [b->n_nodes] */
    uint32_t n_queued;
    size_t n_edges, cap_edges, n_calls, cap_calls;
} packer;

static uint32_t number_of(packer *p, uint32_t node)
{
    if (p->id[node] == GRAM_NONE) {
        p->id[node] = p->n_queued;
        p->queue[p->n_queued++] = node;
    }
    return p->id[node];
}

static int keep_move(packer *p, gram_node *out, const move *m)
{
    sh_grammar *g = p->g;
    void *q;
    if (p->n_edges + p->n_calls >= GRAM_MAX_EDGES) return too_large(p->b);
    if (m->kind == MOVE_BYTES) {
        if (!(q = gram_grow(g->edges, p->n_edges, &p->cap_edges, sizeof *g->edges, p->b->err)))
            return SH_E_NOMEM;
        g->edges = q;
        g->edges[p->n_edges++] = (gram_edge){number_of(p, m->to), m->lo, m->hi};
        out->n_edges++;
        return SH_OK;
    }
    if (!(q = gram_grow(g->calls, p->n_calls, &p->cap_calls, sizeof *g->calls, p->b->err))) return SH_E_NOMEM;
    g->calls = q;
    g->calls[p->n_calls++] = (gram_call){number_of(p, p->b->start[m->rule]), number_of(p, m->to)};
    out->n_calls++;
    return SH_OK;
}

static int pack_node(packer *p, uint32_t number)
{
    const builder *b = p->b;
    gram_node *out = &p->g->nodes[number];
    uint32_t n = 0;
    *out = (gram_node){.edge = (uint32_t)p->n_edges, .call = (uint32_t)p->n_calls};
    p->todo[n++] = p->queue[number];
    p->mark[p->queue[number]] = number;
    while (n) {
        uint32_t node = p->todo[--n];
        if (p->is_stop[node]) out->final = true;
        for (uint32_t i = b->first[node]; i != GRAM_NONE; i = b->moves[i].next) {
            const move *m = &b->moves[i];
            if (m->kind != MOVE_EMPTY) {
                int rc = keep_move(p, out, m);
                if (rc < 0) return rc;
            } else if (p->mark[m->to] != number) {
                p->mark[m->to] = number;
                p->todo[n++] = m->to;
            }
        }
    }
    out->leaf = out->final && !out->n_edges && !out->n_calls;
    return SH_OK;
}

static int pack(packer *p)
{
    const builder *b = p->b;
    for (size_t i = 0; i < b->r->n_rules; i++)
        if (b->stop[i] != GRAM_NONE) p->is_stop[b->stop[i]] = true;
    p->g->root = number_of(p, b->start[b->r->root]);
    for (uint32_t i = 0; i < p->n_queued; i++) {
        int rc = pack_node(p, i);
        if (rc < 0) return rc;
    }
    p->g->n_nodes = p->n_queued;
    return SH_OK;
}

static int pack_all(sh_grammar *g, const builder *b, uint32_t **rule_nodes)
{
    size_t n = b->n_nodes, n_rules = b->r->n_rules;
    packer p = {.b = b, .g = g};
    p.id = sh_new_array(n, sizeof *p.id, b->err);
    p.queue = sh_new_array(n, sizeof *p.queue, b->err);
    p.mark = sh_new_array(n, sizeof *p.mark, b->err);
    p.todo = sh_new_array(n, sizeof *p.todo, b->err);
    p.is_stop = sh_new_array(n, sizeof *p.is_stop, b->err);
    g->nodes = sh_new_array(n, sizeof *g->nodes, b->err);
    *rule_nodes = sh_new_array(n_rules, sizeof **rule_nodes, b->err);
    bool ok = p.id && p.queue && p.mark && p.todo && p.is_stop && g->nodes && *rule_nodes;
    int rc = ok ? SH_OK : SH_E_NOMEM;
    if (ok) {
        memset(p.id, 0xff, n * sizeof *p.id);
        memset(p.mark, 0xff, n * sizeof *p.mark);
        rc = pack(&p);
        for (size_t i = 0; i < n_rules; i++)
            (*rule_nodes)[i] = b->start[i] == GRAM_NONE ? GRAM_NONE : p.id[b->start[i]];
    }
    sh_free(p.id);
    sh_free(p.queue);
    sh_free(p.mark);
    sh_free(p.todo);
    sh_free(p.is_stop);
    return rc;
}

/* --- left recursion --- */

/* Tarjan's strongly connected components over the moves that read nothing: from a node to the start of what
 * it calls and, when that may be empty, to where the call returns. A call inside a component is left
 * recursion: the stack would grow without end. (A loop of returns alone is a repeated empty rule, which does
 * no harm.) */
typedef struct left_frame {
    uint32_t node, call;
    bool returned;
} left_frame;

typedef struct left_check {
    const sh_grammar *g;
    left_frame *frames;     /* [n_nodes] */
    uint32_t *order, *low;  /* [n_nodes] 0: not met */
    uint32_t *open, *group; /* [n_nodes] nodes whose component is not complete; number of the complete one */
    uint8_t *empty;         /* [n_nodes] a rule begins here that may be empty */
    uint32_t n_frames, n_open, n_met, n_groups;
} left_check;

static void left_enter(left_check *c, uint32_t node)
{
    c->frames[c->n_frames++] = (left_frame){.node = node};
    c->order[node] = c->low[node] = ++c->n_met;
    c->open[c->n_open++] = node;
}

static void left_leave(left_check *c)
{
    uint32_t node = c->frames[--c->n_frames].node;
    if (c->low[node] == c->order[node]) {
        c->n_groups++;
        do c->group[c->open[--c->n_open]] = c->n_groups;
        while (c->open[c->n_open] != node);
    }
    if (!c->n_frames) return;
    uint32_t parent = c->frames[c->n_frames - 1].node;
    if (c->low[node] < c->low[parent]) c->low[parent] = c->low[node];
}

static void left_components(left_check *c, uint32_t from)
{
    left_enter(c, from);
    while (c->n_frames) {
        left_frame *f = &c->frames[c->n_frames - 1];
        const gram_node *node = &c->g->nodes[f->node];
        if (f->call == node->n_calls) {
            left_leave(c);
            continue;
        }
        gram_call call = c->g->calls[node->call + f->call];
        uint32_t here = f->node, to = f->returned ? call.ret : call.start;
        bool both = !f->returned && c->empty[call.start];
        f->returned = both;
        f->call += !both;
        if (!c->order[to])
            left_enter(c, to);
        else if (!c->group[to] && c->order[to] < c->low[here])
            c->low[here] = c->order[to];
    }
}

static int left_report(const left_check *c, const gram_rules *r, const uint32_t *rule_nodes, sh_err *err)
{
    for (uint32_t i = 0; i < c->g->n_nodes; i++) {
        const gram_node *node = &c->g->nodes[i];
        for (uint32_t k = 0; k < node->n_calls; k++) {
            uint32_t start = c->g->calls[node->call + k].start;
            if (!c->group[i] || c->group[start] != c->group[i]) continue;
            size_t rule = 0;
            while (rule + 1 < r->n_rules && rule_nodes[rule] != start) rule++;
            return gram_rule_fail(r, rule, err,
                                  "is left-recursive: it calls itself before it reads anything");
        }
    }
    return SH_OK;
}

static int check_left(const sh_grammar *g, const gram_rules *r, const uint32_t *rule_nodes, sh_err *err)
{
    left_check c = {.g = g};
    size_t n = g->n_nodes;
    c.frames = sh_new_array(n, sizeof *c.frames, err);
    c.order = sh_new_array(n, sizeof *c.order, err);
    c.low = sh_new_array(n, sizeof *c.low, err);
    c.open = sh_new_array(n, sizeof *c.open, err);
    c.group = sh_new_array(n, sizeof *c.group, err);
    c.empty = sh_new_array(n, 1, err);
    int rc = c.frames && c.order && c.low && c.open && c.group && c.empty ? SH_OK : SH_E_NOMEM;
    if (rc == SH_OK) {
        for (size_t i = 0; i < r->n_rules; i++)
            if (rule_nodes[i] != GRAM_NONE) c.empty[rule_nodes[i]] = r->rules[i].nullable;
        for (uint32_t i = 0; i < n; i++)
            if (!c.order[i]) left_components(&c, i);
        rc = left_report(&c, r, rule_nodes, err);
    }
    sh_free(c.frames);
    sh_free(c.order);
    sh_free(c.low);
    sh_free(c.open);
    sh_free(c.group);
    sh_free(c.empty);
    return rc;
}

int gram_compile(sh_grammar **out, const gram_rules *r, sh_err *err)
{
    builder b = {.r = r, .err = err};
    uint32_t *rule_nodes = NULL;
    int rc = SH_E_NOMEM;
    sh_grammar *g = sh_new(sizeof *g, err);
    if (!g) return SH_E_NOMEM;
    atomic_init(&g->n_refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    b.start = sh_new_array(r->n_rules, sizeof *b.start, err);
    b.stop = sh_new_array(r->n_rules, sizeof *b.stop, err);
    if (!b.start || !b.stop) goto out;
    if ((rc = build_rules(&b)) < 0) goto out;
    if ((rc = pack_all(g, &b, &rule_nodes)) < 0) goto out;
    rc = check_left(g, r, rule_nodes, err);
out:
    sh_free(rule_nodes);
    sh_free(b.start);
    sh_free(b.stop);
    sh_free(b.first);
    sh_free(b.moves);
    if (rc < 0)
        sh_grammar_unref(g);
    else
        *out = g;
    return rc;
}
