/* tmpl_parse.c - statements, and the helpers of the parser. */
#include "text/tmpl_parse.h"

#include <stdarg.h>
#include <stdio.h>

void *sh_tp_alloc(tmpl_parser *p, size_t n, size_t size)
{
    void *m = sh_arena_zalloc(p->t->arena, n, size);
    if (!m && !p->rc) p->rc = sh_fail_nomem(p->err, n * size);
    return m;
}

void *sh_tp_fail(tmpl_parser *p, const char *fmt, ...)
{
    char text[256];
    if (p->rc) return NULL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->rc = sh_fail(p->err, SH_E_CORRUPT, "template: line %u: %s", sh_tp_peek(p, 0)->line, text);
    return NULL;
}

void *sh_tp_nomem(tmpl_parser *p)
{
    if (!p->rc) p->rc = sh_fail_nomem(p->err, sizeof(tmpl_node));
    return NULL;
}

bool sh_tp_push(tmpl_parser *p, tmpl_list *l, void *item)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        void **q = sh_tp_alloc(p, cap, sizeof *q);
        if (!q) return false;
        if (l->n) memcpy(q, l->p, l->n * sizeof *q);
        l->p = q;
        l->cap = cap;
    }
    l->p[l->n++] = item;
    return true;
}

tmpl_node *sh_tp_node(tmpl_parser *p, enum tmpl_node_kind kind, tmpl_node *const *kids, uint32_t n)
{
    tmpl_node *node = sh_tp_alloc(p, 1, sizeof *node);
    if (!node) return NULL;
    node->kind = (uint8_t)kind;
    node->line = sh_tp_peek(p, 0)->line;
    node->n = n;
    if (n && !(node->kids = sh_tp_alloc(p, n, sizeof *node->kids))) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        node->kids[i] = kids[i];
        if (kids[i] && kids[i]->height >= node->height) node->height = kids[i]->height + 1;
    }
    if (node->height > TMPL_MAX_HEIGHT) return sh_tp_fail(p, "an expression nested too deep");
    return node;
}

tmpl_node *sh_tp_node_list(tmpl_parser *p, enum tmpl_node_kind kind, const tmpl_list *l)
{
    return sh_tp_node(p, kind, (tmpl_node *const *)l->p, l->n);
}

bool sh_tp_literal(tmpl_parser *p, sh_str text, tv *out)
{
    tv_str *s = sh_tp_alloc(p, 1, sizeof *s);
    char *copy = s ? sh_arena_strndup(p->t->arena, text.p, text.n) : NULL;
    if (!copy) return sh_tp_nomem(p);
    bool ascii = true;
    for (size_t i = 0; i < text.n; i++) ascii &= (unsigned char)copy[i] < 0x80;
    *s = (tv_str){.p = copy, .n = text.n, .ascii = ascii};
    *out = tv_of(s);
    return true;
}

bool sh_tp_intern(tmpl_parser *p, sh_str name, uint32_t *sym)
{
    uint64_t found;
    tv lit;
    if (sh_map_get(p->syms, name.p, name.n, &found)) {
        *sym = (uint32_t)found;
        return true;
    }
    if (!sh_tp_literal(p, name, &lit)) return false;
    if (p->t->n_names == p->cap_names) {
        size_t cap = p->cap_names ? p->cap_names * 2 : 64;
        const tv_str **names = sh_tp_alloc(p, cap, sizeof *names);
        if (!names) return false;
        if (p->t->n_names) memcpy(names, p->t->names, p->t->n_names * sizeof *names);
        p->t->names = names;
        p->cap_names = cap;
    }
    *sym = p->t->n_names;
    p->t->names[p->t->n_names++] = lit.s;
    if (!sh_map_set(p->syms, lit.s->p, lit.s->n, *sym)) return sh_tp_nomem(p);
    return true;
}

bool sh_tp_enter(tmpl_parser *p)
{
    if (p->nesting >= TMPL_MAX_NESTING)
        return sh_tp_fail(p, "blocks or brackets nested more than %d deep", TMPL_MAX_NESTING);
    p->nesting++;
    return true;
}

bool sh_tp_at_op(const tmpl_parser *p, const char *op)
{
    const tmpl_token *t = sh_tp_peek(p, 0);
    return t->kind == TOK_OP && sh_str_is(t->text, op);
}

bool sh_tp_at_name(const tmpl_parser *p, const char *name)
{
    const tmpl_token *t = sh_tp_peek(p, 0);
    return t->kind == TOK_NAME && sh_str_is(t->text, name);
}

bool sh_tp_skip_op(tmpl_parser *p, const char *op)
{
    bool hit = sh_tp_at_op(p, op);
    p->i += hit;
    return hit;
}

bool sh_tp_skip_name(tmpl_parser *p, const char *name)
{
    bool hit = sh_tp_at_name(p, name);
    p->i += hit;
    return hit;
}

const char *sh_tp_show(const tmpl_token *t, char buf[64])
{
    int n = t->text.n < 40 ? (int)t->text.n : 40;
    switch (t->kind) {
    case TOK_END: return "the end of the template";
    case TOK_VAR_END:
    case TOK_BLOCK_END: return "the end of the tag";
    case TOK_TEXT: return "text";
    case TOK_STRING: return "a string";
    default: snprintf(buf, 64, "'%.*s'", n, t->text.p); return buf;
    }
}

bool sh_tp_expect_op(tmpl_parser *p, const char *op)
{
    char buf[64];
    if (sh_tp_skip_op(p, op)) return true;
    return sh_tp_fail(p, "'%s' is expected, not %s", op, sh_tp_show(sh_tp_peek(p, 0), buf));
}

bool sh_tp_expect_name(tmpl_parser *p, sh_str *name)
{
    char buf[64];
    const tmpl_token *t = sh_tp_peek(p, 0);
    if (t->kind != TOK_NAME) return sh_tp_fail(p, "a name is expected, not %s", sh_tp_show(t, buf));
    *name = t->text;
    p->i++;
    return true;
}

/* --- statements --- */

static tmpl_node *parse_statement(tmpl_parser *p);

static bool expect_tag_end(tmpl_parser *p)
{
    char buf[64];
    if (sh_tp_peek(p, 0)->kind != TOK_BLOCK_END)
        return sh_tp_fail(p, "the end of the tag is expected, not %s", sh_tp_show(sh_tp_peek(p, 0), buf));
    p->i++;
    return true;
}

static bool at_one_of(const tmpl_parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (sh_tp_at_name(p, *ends)) return true;
    return false;
}

/* Statements up to a tag named by one of ends (its name is the current token), or to the end when ends is
 * NULL. */
static tmpl_node *parse_body(tmpl_parser *p, const char *const *ends)
{
    tmpl_list l = {0};
    for (;;) {
        const tmpl_token *t = sh_tp_peek(p, 0);
        tmpl_node *n = NULL;
        if (t->kind == TOK_END) {
            if (ends) return sh_tp_fail(p, "{%% %s %%} is missing", *ends);
            break;
        }
        p->i++;
        if (t->kind == TOK_TEXT) {
            n = sh_tp_node(p, NODE_TEXT, NULL, 0);
            if (n && !sh_tp_literal(p, t->text, &n->lit)) n = NULL;
        } else if (t->kind == TOK_VAR_BEGIN) {
            tmpl_node *e = sh_tp_tuple(p, true, NULL);
            n = e ? sh_tp_node(p, NODE_OUTPUT, &e, 1) : NULL;
            char buf[64];
            if (n && sh_tp_peek(p, 0)->kind != TOK_VAR_END)
                return sh_tp_fail(p, "'}}' is expected, not %s", sh_tp_show(sh_tp_peek(p, 0), buf));
            p->i++;
        } else { /* only a block can begin here */
            if (at_one_of(p, ends)) break;
            n = parse_statement(p);
            if (n && !expect_tag_end(p)) n = NULL;
        }
        if (!n || !sh_tp_push(p, &l, n)) return NULL;
    }
    tmpl_node *body = sh_tp_node_list(p, NODE_BODY, &l);
    if (body) body->height = 0; /* blocks are bounded by nesting, expressions by height */
    return body;
}

/* The rest of the opening tag, then the body. */
static tmpl_node *parse_block(tmpl_parser *p, const char *const *ends)
{
    if (!expect_tag_end(p) || !sh_tp_enter(p)) return NULL;
    tmpl_node *body = parse_body(p, ends);
    p->nesting--;
    return body;
}

/* A body that only `end` closes. */
static tmpl_node *parse_simple_block(tmpl_parser *p, const char *end)
{
    tmpl_node *body = parse_block(p, (const char *[]){end, NULL});
    if (body) p->i++;
    return body;
}

static tmpl_node *statement_node(tmpl_parser *p, enum tmpl_node_kind kind, tmpl_node *const *kids, uint32_t n)
{
    tmpl_node *s = sh_tp_node(p, kind, kids, n);
    if (s) s->height = 0;
    return s;
}

static tmpl_node *parse_if(tmpl_parser *p)
{
    static const char *const ends[] = {"endif", "elif", "else", NULL};
    tmpl_list l = {0};
    for (;;) {
        tmpl_node *cond = sh_tp_tuple(p, false, NULL);
        if (!cond || !sh_tp_push(p, &l, cond)) return NULL;
        tmpl_node *body = parse_block(p, ends);
        if (!body || !sh_tp_push(p, &l, body)) return NULL;
        if (!sh_tp_skip_name(p, "elif")) break;
    }
    if (sh_tp_skip_name(p, "else")) {
        tmpl_node *body = parse_block(p, (const char *[]){"endif", NULL});
        if (!body || !sh_tp_push(p, &l, body)) return NULL;
    }
    p->i++;
    return statement_node(p, NODE_IF, (tmpl_node *const *)l.p, l.n);
}

static tmpl_node *parse_for(tmpl_parser *p)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    tmpl_node *kids[5] = {sh_tp_target(p, false)};
    uint32_t line = sh_tp_peek(p, 0)->line;
    if (!kids[0]) return NULL;
    if (!sh_tp_skip_name(p, "in")) return sh_tp_fail(p, "'in' is expected in the for loop");
    if (!(kids[1] = sh_tp_tuple(p, false, "recursive"))) return NULL;
    if (sh_tp_skip_name(p, "if") && !(kids[2] = sh_tp_expression(p))) return NULL;
    bool recursive = sh_tp_skip_name(p, "recursive");
    p->loops++;
    kids[3] = parse_block(p, ends);
    p->loops--;
    if (!kids[3]) return NULL;
    if (sh_tp_skip_name(p, "else") && !(kids[4] = parse_block(p, (const char *[]){"endfor", NULL})))
        return NULL;
    p->i++;
    tmpl_node *n = statement_node(p, NODE_FOR, kids, 5);
    if (n) n->flag = recursive, n->line = line;
    return n;
}

static tmpl_node *parse_set(tmpl_parser *p)
{
    tmpl_node *kids[3] = {sh_tp_target(p, true)};
    if (!kids[0]) return NULL;
    if (sh_tp_skip_op(p, "=")) {
        kids[1] = sh_tp_tuple(p, true, NULL);
        return kids[1] ? statement_node(p, NODE_SET, kids, 2) : NULL;
    }
    if (kids[0]->kind == NODE_TUPLE) return sh_tp_fail(p, "'=' is expected after the names of a set");
    if (sh_tp_at_op(p, "|") && !(kids[1] = sh_tp_filters(p, NULL, false))) return NULL;
    kids[2] = parse_simple_block(p, "endset");
    return kids[2] ? statement_node(p, NODE_SET_BLOCK, kids, 3) : NULL;
}

/* The body of a macro or call block: notes which of caller, varargs, kwargs it speaks of. */
static tmpl_node *parse_macro_body(tmpl_parser *p, const char *end, tmpl_params *params)
{
    bool caller = p->uses_caller, varargs = p->uses_varargs, kwargs = p->uses_kwargs;
    unsigned loops = p->loops;
    p->uses_caller = p->uses_varargs = p->uses_kwargs = false;
    p->loops = 0;
    tmpl_node *body = parse_simple_block(p, end);
    params->uses_caller = p->uses_caller;
    params->uses_varargs = p->uses_varargs;
    params->uses_kwargs = p->uses_kwargs;
    p->uses_caller |= caller;
    p->uses_varargs |= varargs;
    p->uses_kwargs |= kwargs;
    p->loops = loops;
    return body;
}

static tmpl_node *parse_macro(tmpl_parser *p)
{
    tmpl_list kids = {0}, defaults = {0};
    sh_str name;
    uint32_t sym;
    tmpl_params *params = sh_tp_alloc(p, 1, sizeof *params);
    if (!params || !sh_tp_expect_name(p, &name) || !sh_tp_intern(p, name, &sym)) return NULL;
    if (!sh_tp_params(p, params, &defaults)) return NULL;
    tmpl_node *body = parse_macro_body(p, "endmacro", params);
    if (!body || !sh_tp_push(p, &kids, body)) return NULL;
    for (uint32_t i = 0; i < defaults.n; i++)
        if (!sh_tp_push(p, &kids, defaults.p[i])) return NULL;
    tmpl_node *n = statement_node(p, NODE_MACRO, (tmpl_node *const *)kids.p, kids.n);
    if (n) n->sym = sym, n->params = params;
    return n;
}

static tmpl_node *parse_call_block(tmpl_parser *p)
{
    tmpl_list kids = {0}, defaults = {0};
    tmpl_params *params = sh_tp_alloc(p, 1, sizeof *params);
    if (!params) return NULL;
    if (sh_tp_at_op(p, "(") && !sh_tp_params(p, params, &defaults)) return NULL;
    tmpl_node *call = sh_tp_expression(p);
    if (!call) return NULL;
    if (call->kind != NODE_CALL) return sh_tp_fail(p, "a call is expected in a call block");
    tmpl_node *body = parse_macro_body(p, "endcall", params);
    if (!body || !sh_tp_push(p, &kids, body) || !sh_tp_push(p, &kids, call)) return NULL;
    for (uint32_t i = 0; i < defaults.n; i++)
        if (!sh_tp_push(p, &kids, defaults.p[i])) return NULL;
    tmpl_node *n = statement_node(p, NODE_CALL_BLOCK, (tmpl_node *const *)kids.p, kids.n);
    if (n) n->params = params;
    return n;
}

static tmpl_node *parse_filter_block(tmpl_parser *p)
{
    tmpl_node *kids[2] = {sh_tp_filters(p, NULL, true)};
    if (!kids[0] || !(kids[1] = parse_simple_block(p, "endfilter"))) return NULL;
    return statement_node(p, NODE_FILTER_BLOCK, kids, 2);
}

static tmpl_node *parse_with(tmpl_parser *p)
{
    tmpl_list l = {0};
    if (!sh_tp_push(p, &l, NULL)) return NULL;
    while (sh_tp_peek(p, 0)->kind != TOK_BLOCK_END) {
        if (l.n > 1 && !sh_tp_expect_op(p, ",")) return NULL;
        sh_str name;
        tmpl_node *target = sh_tp_node(p, NODE_NAME, NULL, 0);
        if (!target || !sh_tp_expect_name(p, &name) || !sh_tp_intern(p, name, &target->sym)) return NULL;
        if (!sh_tp_expect_op(p, "=")) return NULL;
        tmpl_node *value = sh_tp_expression(p);
        if (!value || !sh_tp_push(p, &l, target) || !sh_tp_push(p, &l, value)) return NULL;
    }
    if (!(l.p[0] = parse_simple_block(p, "endwith"))) return NULL;
    return statement_node(p, NODE_WITH, (tmpl_node *const *)l.p, l.n);
}

static tmpl_node *parse_print(tmpl_parser *p)
{
    tmpl_list l = {0};
    while (sh_tp_peek(p, 0)->kind != TOK_BLOCK_END) {
        if (l.n && !sh_tp_expect_op(p, ",")) return NULL;
        tmpl_node *e = sh_tp_expression(p);
        if (!e || !sh_tp_push(p, &l, e)) return NULL;
    }
    return statement_node(p, NODE_OUTPUT, (tmpl_node *const *)l.p, l.n);
}

static tmpl_node *parse_generation(tmpl_parser *p)
{
    tmpl_node *body = parse_simple_block(p, "endgeneration");
    return body ? statement_node(p, NODE_SCOPE, &body, 1) : NULL;
}

static tmpl_node *parse_named_block(tmpl_parser *p)
{
    sh_str name;
    if (!sh_tp_expect_name(p, &name)) return NULL;
    while (sh_tp_skip_name(p, "scoped") || sh_tp_skip_name(p, "required")) continue;
    tmpl_node *body = parse_simple_block(p, "endblock");
    if (body && sh_tp_peek(p, 0)->kind == TOK_NAME) p->i++; /* {% endblock name %} */
    return body ? statement_node(p, NODE_SCOPE, &body, 1) : NULL;
}

static tmpl_node *parse_autoescape(tmpl_parser *p)
{
    tmpl_node *e = sh_tp_expression(p);
    if (!e) return NULL;
    if (e->kind != NODE_CONST || sh_tv_truth(e->lit))
        return sh_tp_fail(p, "only {%% autoescape false %%} is supported");
    tmpl_node *body = parse_simple_block(p, "endautoescape");
    return body ? statement_node(p, NODE_SCOPE, &body, 1) : NULL;
}

static tmpl_node *parse_loop_control(tmpl_parser *p, enum tmpl_node_kind kind)
{
    if (!p->loops) return sh_tp_fail(p, "break and continue need a loop around them");
    return statement_node(p, kind, NULL, 0);
}
static tmpl_node *parse_break(tmpl_parser *p) { return parse_loop_control(p, NODE_BREAK); }
static tmpl_node *parse_continue(tmpl_parser *p) { return parse_loop_control(p, NODE_CONTINUE); }

static tmpl_node *refuse_other_templates(tmpl_parser *p)
{
    return sh_tp_fail(p, "import, include, from and extends are refused: a template cannot read other files");
}

static const struct statement {
    const char *name;
    tmpl_node *(*parse)(tmpl_parser *);
} statements[] = {
    {"if", parse_if},
    {"for", parse_for},
    {"set", parse_set},
    {"macro", parse_macro},
    {"call", parse_call_block},
    {"filter", parse_filter_block},
    {"with", parse_with},
    {"print", parse_print},
    {"generation", parse_generation},
    {"block", parse_named_block},
    {"autoescape", parse_autoescape},
    {"break", parse_break},
    {"continue", parse_continue},
    {"import", refuse_other_templates},
    {"include", refuse_other_templates},
    {"from", refuse_other_templates},
    {"extends", refuse_other_templates},
};

static tmpl_node *parse_statement(tmpl_parser *p)
{
    const tmpl_token *t = sh_tp_peek(p, 0);
    char buf[64];
    if (t->kind != TOK_NAME)
        return sh_tp_fail(p, "the name of a tag is expected, not %s", sh_tp_show(t, buf));
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (!sh_str_is(t->text, statements[i].name)) continue;
        p->i++;
        tmpl_node *n = statements[i].parse(p);
        if (n && n->kind != NODE_FOR) n->line = t->line;
        return n;
    }
    return sh_tp_fail(p, "unknown tag %s", sh_tp_show(t, buf));
}

int sh_tmpl_parse(sh_template *t, const tmpl_token *tokens, size_t n, sh_err *err)
{
    tmpl_parser p = {.t = t, .tok = tokens, .n = n, .err = err};
    /* The address of t differs from run to run where the system randomises it: nobody can aim collisions. */
    if (!(p.syms = sh_map_open((uintptr_t)t))) return sh_fail_nomem(err, sizeof p);
    if (sh_tp_intern(&p, sh_str_of("loop"), &t->sym_loop) &&
        sh_tp_intern(&p, sh_str_of("caller"), &t->sym_caller) &&
        sh_tp_intern(&p, sh_str_of("varargs"), &t->sym_varargs) &&
        sh_tp_intern(&p, sh_str_of("kwargs"), &t->sym_kwargs))
        t->body = parse_body(&p, NULL);
    sh_map_free(p.syms);
    return p.rc;
}
