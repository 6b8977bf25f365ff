/* grammar_pool.c - the automaton running: stacks and states are interned, transitions remembered.
 *
 * A stack is a place to return to on top of a parent stack, so stacks that share what lies below share memory
 * (a graph-structured stack). A state is the set of configurations (node, stack) that can read a byte; equal
 * sets get equal numbers, and each number remembers where each byte led. A text that keeps to one kind of
 * place (inside a string, say) thus runs as a plain table-driven automaton, one load a byte. */
#include "text/grammar_internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
    return sh_hash(&(uint64_t[2]){a, b}, 16, 0x9e3779b97f4a7c15ull);
}

/* --- slots: open addressing at half load --- */

static int slots_grow(uint32_t **slots, size_t *mask, size_t n_used, bool *grown, sh_err *err)
{
    *grown = false;
    if (*slots && n_used * 2 < *mask + 1) return SH_OK;
    size_t n = *slots ? (*mask + 1) * 2 : 64;
    uint32_t *more = sh_new_array(n, sizeof *more, err);
    if (!more) return SH_E_NOMEM;
    sh_free(*slots);
    *slots = more;
    *mask = n - 1;
    *grown = true;
    return SH_OK;
}

static void slots_put(uint32_t *slots, size_t mask, uint64_t hash, uint32_t value)
{
    size_t i = hash & mask;
    while (slots[i]) i = (i + 1) & mask;
    slots[i] = value;
}

/* --- stacks --- */

static int stack_push(gram_pool *p, uint32_t parent, uint32_t ret, uint32_t *out, sh_err *err)
{
    uint64_t hash = mix(parent, ret);
    for (size_t i = hash & p->stack_mask; p->stack_slots[i]; i = (i + 1) & p->stack_mask) {
        const gram_stack *s = &p->stacks[p->stack_slots[i]];
        if (s->ret == ret && s->parent == parent) return *out = p->stack_slots[i], SH_OK;
    }
    if (p->n_stacks >= GRAM_MAX_STATES)
        return sh_fail(err, SH_E_LIMIT, "the grammar nests too deep or too many ways");
    void *q = gram_grow(p->stacks, p->n_stacks, &p->cap_stacks, sizeof *p->stacks, err);
    if (!q) return SH_E_NOMEM;
    p->stacks = q;
    p->stacks[p->n_stacks] = (gram_stack){ret, parent};
    *out = (uint32_t)p->n_stacks++;
    bool grown;
    int rc = slots_grow(&p->stack_slots, &p->stack_mask, p->n_stacks, &grown, err);
    if (rc < 0) return p->n_stacks--, rc;
    for (size_t i = grown ? GRAM_STACK_BOTTOM + 1 : p->n_stacks - 1; i < p->n_stacks; i++)
        slots_put(p->stack_slots, p->stack_mask, mix(p->stacks[i].parent, p->stacks[i].ret), (uint32_t)i);
    return SH_OK;
}

/* --- the set being made --- */

static uint64_t config_hash(gram_config c)
{
    return mix(c.node, c.stack);
}

/* Add a configuration that is not there yet. */
static int work_add(gram_pool *p, uint32_t node, uint32_t stack, sh_err *err)
{
    gram_config c = {node, stack};
    for (size_t i = config_hash(c) & p->work_mask; p->work_slots[i]; i = (i + 1) & p->work_mask) {
        const gram_config *w = &p->work[p->work_slots[i] - 1];
        if (w->node == node && w->stack == stack) return SH_OK;
    }
    if (p->n_work >= GRAM_MAX_CONFIGS)
        return sh_fail(err, SH_E_LIMIT, "the grammar can be read in too many ways at once");
    void *q = gram_grow(p->work, p->n_work, &p->cap_work, sizeof *p->work, err);
    if (!q) return SH_E_NOMEM;
    p->work = q;
    p->work[p->n_work++] = c;
    bool grown;
    int rc = slots_grow(&p->work_slots, &p->work_mask, p->n_work, &grown, err);
    if (rc < 0) return p->n_work--, rc;
    for (size_t i = grown ? 0 : p->n_work - 1; i < p->n_work; i++)
        slots_put(p->work_slots, p->work_mask, config_hash(p->work[i]), (uint32_t)i + 1);
    return SH_OK;
}

static void work_reset(gram_pool *p)
{
    if (p->n_work * 8 > p->work_mask) {
        memset(p->work_slots, 0, (p->work_mask + 1) * sizeof *p->work_slots);
    } else { /* few: free just their runs; all of them go, so no run is cut */
        for (size_t k = 0; k < p->n_work; k++)
            for (size_t i = config_hash(p->work[k]) & p->work_mask; p->work_slots[i];
                 i = (i + 1) & p->work_mask)
                p->work_slots[i] = 0;
    }
    p->n_work = 0;
}

/* Follow calls and returns until only reading is left to do. */
static int work_close(gram_pool *p, bool *complete, bool *escapes, sh_err *err)
{
    const sh_grammar *g = p->g;
    int rc = SH_OK;
    *complete = *escapes = false;
    for (size_t i = 0; i < p->n_work && rc == SH_OK; i++) {
        gram_config c = p->work[i];
        const gram_node *node = &g->nodes[c.node];
        if (node->final && c.stack == GRAM_STACK_EMPTY) {
            *complete = true;
        } else if (node->final && c.stack == GRAM_STACK_BOTTOM) {
            *escapes = true;
        } else if (node->final) {
            gram_stack s = p->stacks[c.stack];
            rc = work_add(p, s.ret, s.parent, err);
        }
        for (uint32_t k = 0; k < node->n_calls && rc == SH_OK; k++) {
            gram_call call = g->calls[node->call + k];
            uint32_t stack = c.stack;
            if (!g->nodes[call.ret].leaf) rc = stack_push(p, c.stack, call.ret, &stack, err);
            if (rc == SH_OK) rc = work_add(p, call.start, stack, err);
        }
    }
    return rc;
}

/* --- states --- */

static int compare_configs(const void *a, const void *b)
{
    const gram_config *x = a, *y = b;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static uint64_t state_hash(const gram_config *c, uint32_t n, bool complete, bool escapes)
{
    return sh_hash(c, n * sizeof *c, (uint64_t)complete << 1 | escapes);
}

static int state_append(gram_pool *p, const gram_config *c, uint32_t n, bool complete, bool escapes,
                        sh_err *err)
{
    if (p->n_states >= GRAM_MAX_STATES) return sh_fail(err, SH_E_LIMIT, "the grammar has too many states");
    void *q = gram_grow(p->states, p->n_states, &p->cap_states, sizeof *p->states, err);
    if (!q) return SH_E_NOMEM;
    p->states = q;
    for (uint32_t i = 0; i < n; i++) {
        if (!(q = gram_grow(p->configs, p->n_configs + i, &p->cap_configs, sizeof *p->configs, err)))
            return SH_E_NOMEM;
        p->configs = q;
        p->configs[p->n_configs + i] = c[i];
    }
    bool grown;
    int rc = slots_grow(&p->state_slots, &p->state_mask, p->n_states + 1, &grown, err);
    if (rc < 0) return rc;
    p->states[p->n_states] = (gram_state){NULL, (uint32_t)p->n_configs, n, complete, escapes};
    p->n_configs += n;
    p->n_states++;
    for (size_t i = grown ? GRAM_STATE_DEAD + 1 : p->n_states - 1; i < p->n_states; i++) {
        const gram_state *s = &p->states[i];
        slots_put(p->state_slots, p->state_mask,
                  state_hash(p->configs + s->config, s->n_configs, s->complete, s->escapes), (uint32_t)i);
    }
    return SH_OK;
}

/* Close the set in work and give its number. work is empty afterwards. */
static int state_settle(gram_pool *p, uint32_t *out, sh_err *err)
{
    bool complete, escapes;
    uint32_t n = 0;
    int rc = work_close(p, &complete, &escapes, err);
    if (rc < 0) {
        memset(p->work_slots, 0, (p->work_mask + 1) * sizeof *p->work_slots);
        p->n_work = 0;
        return rc;
    }
    size_t n_work = p->n_work;
    work_reset(p);
    for (size_t i = 0; i < n_work; i++)
        if (p->g->nodes[p->work[i].node].n_edges) p->work[n++] = p->work[i];
    *out = GRAM_STATE_DEAD;
    if (!n && !complete && !escapes) return SH_OK;
    if (n > 1) qsort(p->work, n, sizeof *p->work, compare_configs);
    uint64_t hash = state_hash(p->work, n, complete, escapes);
    for (size_t i = hash & p->state_mask; p->state_slots[i]; i = (i + 1) & p->state_mask) {
        const gram_state *s = &p->states[p->state_slots[i]];
        if (s->n_configs == n && s->complete == complete && s->escapes == escapes &&
            memcmp(p->configs + s->config, p->work, n * sizeof *p->work) == 0)
            return *out = p->state_slots[i], SH_OK;
    }
    *out = (uint32_t)p->n_states;
    return state_append(p, p->work, n, complete, escapes, err);
}

int gram_pool_init(gram_pool *p, const sh_grammar *g, sh_err *err)
{
    bool grown;
    *p = (gram_pool){.g = g};
    int rc = slots_grow(&p->stack_slots, &p->stack_mask, 0, &grown, err);
    if (rc == SH_OK) rc = slots_grow(&p->state_slots, &p->state_mask, 0, &grown, err);
    if (rc == SH_OK) rc = slots_grow(&p->work_slots, &p->work_mask, 0, &grown, err);
    if (rc == SH_OK && !(p->stacks = gram_grow(NULL, 0, &p->cap_stacks, sizeof *p->stacks, err)))
        rc = SH_E_NOMEM;
    if (rc == SH_OK && !(p->states = gram_grow(NULL, 0, &p->cap_states, sizeof *p->states, err)))
        rc = SH_E_NOMEM;
    if (rc == SH_OK && !(p->work = gram_grow(NULL, 0, &p->cap_work, sizeof *p->work, err))) rc = SH_E_NOMEM;
    if (rc == SH_OK && !(p->configs = gram_grow(NULL, 0, &p->cap_configs, sizeof *p->configs, err)))
        rc = SH_E_NOMEM;
    if (rc < 0) {
        gram_pool_clear(p);
        return rc;
    }
    for (; p->n_stacks <= GRAM_STACK_BOTTOM; p->n_stacks++) p->stacks[p->n_stacks] = (gram_stack){0, 0};
    for (; p->n_states <= GRAM_STATE_DEAD; p->n_states++) p->states[p->n_states] = (gram_state){0};
    return SH_OK;
}

void gram_pool_clear(gram_pool *p)
{
    for (size_t i = 0; i < p->n_states; i++) sh_free(p->states[i].next);
    sh_free(p->stacks);
    sh_free(p->states);
    sh_free(p->configs);
    sh_free(p->work);
    sh_free(p->stack_slots);
    sh_free(p->state_slots);
    sh_free(p->work_slots);
    *p = (gram_pool){0};
}

int gram_pool_enter(gram_pool *p, uint32_t node, uint32_t stack, uint32_t *state, sh_err *err)
{
    int rc = work_add(p, node, stack, err);
    return rc < 0 ? rc : state_settle(p, state, err);
}

int gram_pool_read(gram_pool *p, uint32_t s, uint8_t byte, uint32_t *state, sh_err *err)
{
    const sh_grammar *g = p->g;
    int rc = SH_OK;
    if (s == GRAM_STATE_DEAD) return *state = s, SH_OK;
    if (!p->states[s].next) {
        if (!(p->states[s].next = sh_new_array(256, sizeof(uint32_t), err))) return SH_E_NOMEM;
        p->n_tables++;
    }
    for (uint32_t i = 0; i < p->states[s].n_configs && rc == SH_OK; i++) {
        gram_config c = p->configs[p->states[s].config + i];
        const gram_node *node = &g->nodes[c.node];
        for (uint32_t k = 0; k < node->n_edges && rc == SH_OK; k++) {
            const gram_edge *e = &g->edges[node->edge + k];
            if (byte >= e->lo && byte <= e->hi) rc = work_add(p, e->to, c.stack, err);
        }
    }
    if (rc == SH_OK) {
        rc = state_settle(p, state, err);
    } else {
        memset(p->work_slots, 0, (p->work_mask + 1) * sizeof *p->work_slots);
        p->n_work = 0;
    }
    if (rc == SH_OK) p->states[s].next[byte] = *state;
    return rc;
}

/* --- moving --- */

/* The same stack in another pool: its places in order from the bottom. */
static int stack_move(gram_pool *to, const gram_pool *from, uint32_t stack, sh_buf *path, uint32_t *out,
                      sh_err *err)
{
    int rc;
    sh_buf_reset(path);
    for (; stack > GRAM_STACK_BOTTOM; stack = from->stacks[stack].parent)
        sh_buf_add(path, &from->stacks[stack].ret, sizeof(uint32_t));
    if ((rc = sh_buf_ok(path, err)) < 0) return rc;
    *out = stack;
    for (size_t i = path->n / sizeof(uint32_t); i-- > 0;) {
        uint32_t ret;
        memcpy(&ret, path->p + i * sizeof ret, sizeof ret);
        if ((rc = stack_push(to, *out, ret, out, err)) < 0) return rc;
    }
    return SH_OK;
}

int gram_pool_move(gram_pool *to, const gram_pool *from, uint32_t s, uint32_t *state, sh_err *err)
{
    const gram_state *old = &from->states[s];
    gram_config *configs = sh_new_array(old->n_configs + 1, sizeof *configs, err);
    sh_buf path = {0};
    int rc = configs ? SH_OK : SH_E_NOMEM;
    for (uint32_t i = 0; i < old->n_configs && rc == SH_OK; i++) {
        gram_config c = from->configs[old->config + i];
        configs[i].node = c.node;
        rc = stack_move(to, from, c.stack, &path, &configs[i].stack, err);
    }
    if (rc == SH_OK) {
        if (old->n_configs > 1) qsort(configs, old->n_configs, sizeof *configs, compare_configs);
        *state = (uint32_t)to->n_states;
        rc = state_append(to, configs, old->n_configs, old->complete, old->escapes, err);
    }
    sh_buf_clear(&path);
    sh_free(configs);
    return rc;
}
