/* grammar_check.c - what must be known of rules before an automaton is made of them.
 *
 * Fixed points over the tree, by passes in alternating directions: a chain of rules settles in one or two. */
#include "text/grammar_internal.h"

typedef struct check {
    gram_rules *r;
    size_t n_visits;
} check;

enum what { NULLABLE, PRODUCTIVE };

/* Whether an item holds of `what`, by what is known of the rules so far. */
static bool item_holds(check *c, uint32_t i, enum what what)
{
    const gram_item *it = &c->r->items[i];
    c->n_visits++;
    switch ((enum gram_op)it->op) {
    case GRAM_LITERAL:
        return what == PRODUCTIVE || it->b == 0;
    case GRAM_CLASS:
        return what == PRODUCTIVE;
    case GRAM_REF:
        return what == PRODUCTIVE ? c->r->rules[it->a].productive : c->r->rules[it->a].nullable;
    case GRAM_REPEAT:
        return it->a == 0 || item_holds(c, it->first, what);
    case GRAM_SEQ:
        for (uint32_t k = it->first; k != GRAM_NONE; k = c->r->items[k].next)
            if (!item_holds(c, k, what)) return false;
        return true;
    case GRAM_ALT:
        for (uint32_t k = it->first; k != GRAM_NONE; k = c->r->items[k].next)
            if (item_holds(c, k, what)) return true;
        return false;
    }
    return false;
}

static int settle(check *c, enum what what, sh_err *err)
{
    bool changed = true;
    c->n_visits = 0;
    for (size_t pass = 0; changed; pass++) {
        changed = false;
        for (size_t k = 0; k < c->r->n_rules; k++) {
            gram_rule *rule = &c->r->rules[pass % 2 ? k : c->r->n_rules - 1 - k];
            bool *known = what == PRODUCTIVE ? &rule->productive : &rule->nullable;
            if (*known || !item_holds(c, rule->root, what)) continue;
            *known = changed = true;
        }
        if (c->n_visits > GRAM_MAX_VISITS)
            return sh_fail(err, SH_E_LIMIT, "%s: the rules are too tangled", c->r->where);
    }
    return SH_OK;
}

/* Nodes that an item takes when all that it calls is built in place, saturated; GRAM_INLINE_NODES + 1 for
 * what must not be: a loop without end, or a call that goes on. */
static uint32_t item_size(check *c, uint32_t i, unsigned depth);

static uint32_t saturate(uint64_t n)
{
    return n > GRAM_INLINE_NODES ? GRAM_INLINE_NODES + 1 : (uint32_t)n;
}

static void rule_size(check *c, gram_rule *rule, unsigned depth)
{
    if (rule->use == GRAM_SEEING) rule->use = GRAM_CALLED; /* recursive */
    if (rule->use != GRAM_UNSEEN) return;
    if (depth > GRAM_MAX_DEPTH) {
        rule->use = GRAM_CALLED;
        return;
    }
    rule->use = GRAM_SEEING;
    rule->size = item_size(c, rule->root, depth + 1);
    bool small = rule->use == GRAM_SEEING && rule->size <= GRAM_INLINE_NODES;
    rule->use = small ? GRAM_INLINED : GRAM_CALLED;
}

static uint32_t item_size(check *c, uint32_t i, unsigned depth)
{
    const gram_item *it = &c->r->items[i];
    uint64_t n = 1;
    switch ((enum gram_op)it->op) {
    case GRAM_LITERAL:
        return saturate(it->b);
    case GRAM_CLASS:
        return saturate(it->b + 3u);
    case GRAM_REF:
        rule_size(c, &c->r->rules[it->a], depth);
        return c->r->rules[it->a].use == GRAM_INLINED ? c->r->rules[it->a].size : GRAM_INLINE_NODES + 1;
    case GRAM_REPEAT:
        return it->b == GRAM_UNBOUNDED ? GRAM_INLINE_NODES + 1
                                       : saturate((uint64_t)it->b * (item_size(c, it->first, depth) + 1u));
    case GRAM_SEQ:
    case GRAM_ALT:
        for (uint32_t k = it->first; k != GRAM_NONE && n <= GRAM_INLINE_NODES; k = c->r->items[k].next)
            n += item_size(c, k, depth) + 1u;
        break;
    }
    return saturate(n);
}

int gram_check(gram_rules *r, sh_err *err)
{
    check c = {.r = r};
    int rc;
    if ((rc = settle(&c, NULLABLE, err)) < 0 || (rc = settle(&c, PRODUCTIVE, err)) < 0) return rc;
    for (size_t i = 0; i < r->n_rules; i++)
        if (!r->rules[i].productive)
            return gram_rule_fail(r, i, err, "can never end: every alternative calls for it again");
    for (size_t i = 0; i < r->n_rules; i++) rule_size(&c, &r->rules[i], 0);
    return SH_OK;
}
