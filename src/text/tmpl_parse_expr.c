/* tmpl_parse_expr.c - expressions, by jinja2's precedence (loosest first):
 *   if else | or | and | not | == != < > in | + - | ~ | * / // % | ** | unary - + | .name [x] (args) |
 * filters, tests Chains of one level become one flat node: `a + b + c ...` is as high as its highest operand.
 */
#include "text/tmpl_parse.h"

#include <stdio.h>

static tmpl_node *parse_unary(tmpl_parser *p, bool with_filter);
static tmpl_node *parse_primary(tmpl_parser *p);

static bool at_tuple_end(const tmpl_parser *p, const char *end)
{
    enum tmpl_token_kind k = sh_tp_peek(p, 0)->kind;
    return k == TOK_VAR_END || k == TOK_BLOCK_END || sh_tp_at_op(p, ")") || (end && sh_tp_at_name(p, end));
}

tmpl_node *sh_tp_tuple(tmpl_parser *p, bool with_if, const char *end)
{
    tmpl_list l = {0};
    bool is_tuple = false;
    for (;;) {
        if (at_tuple_end(p, end)) break;
        tmpl_node *e = with_if ? sh_tp_expression(p) : sh_tp_or(p);
        if (!e || !sh_tp_push(p, &l, e)) return NULL;
        if (!sh_tp_skip_op(p, ",")) break;
        is_tuple = true;
    }
    if (is_tuple) return sh_tp_node_list(p, NODE_TUPLE, &l);
    if (l.n) return l.p[0];
    char buf[64];
    return sh_tp_fail(p, "an expression is expected, not %s", sh_tp_show(sh_tp_peek(p, 0), buf));
}

static bool is_constant_name(sh_str s)
{
    return sh_str_is(s, "true") || sh_str_is(s, "True") || sh_str_is(s, "false") || sh_str_is(s, "False") ||
           sh_str_is(s, "none") || sh_str_is(s, "None");
}

static tmpl_node *parse_target_item(tmpl_parser *p, bool with_namespace)
{
    sh_str name;
    if (sh_tp_at_op(p, "(") || sh_tp_at_op(p, "[")) {
        bool round = sh_tp_at_op(p, "(");
        if (!sh_tp_enter(p)) return NULL;
        p->i++;
        tmpl_node *t = sh_tp_target(p, with_namespace);
        p->nesting--;
        return t && sh_tp_expect_op(p, round ? ")" : "]") ? t : NULL;
    }
    if (!sh_tp_expect_name(p, &name)) return NULL;
    if (is_constant_name(name)) return sh_tp_fail(p, "cannot assign to %.*s", (int)name.n, name.p);
    bool is_attr = with_namespace && sh_tp_at_op(p, ".");
    tmpl_node *n = sh_tp_node(p, is_attr ? NODE_NSREF : NODE_NAME, NULL, 0);
    if (!n || !sh_tp_intern(p, name, &n->sym)) return NULL;
    if (!is_attr) return n;
    p->i++;
    return sh_tp_expect_name(p, &name) && sh_tp_literal(p, name, &n->lit) ? n : NULL;
}

tmpl_node *sh_tp_target(tmpl_parser *p, bool with_namespace)
{
    tmpl_list l = {0};
    tmpl_node *first = parse_target_item(p, with_namespace);
    if (!first || !sh_tp_at_op(p, ",")) return first;
    if (!sh_tp_push(p, &l, first)) return NULL;
    while (sh_tp_skip_op(p, ",")) {
        if (sh_tp_at_op(p, "=") || sh_tp_at_op(p, ")") || sh_tp_at_op(p, "]") || sh_tp_at_name(p, "in"))
            break;
        tmpl_node *n = parse_target_item(p, with_namespace);
        if (!n || !sh_tp_push(p, &l, n)) return NULL;
    }
    return sh_tp_node_list(p, NODE_TUPLE, &l);
}

tmpl_node *sh_tp_expression(tmpl_parser *p)
{
    if (!sh_tp_enter(p)) return NULL;
    tmpl_node *e = sh_tp_or(p);
    while (e && sh_tp_skip_name(p, "if")) {
        tmpl_node *kids[3] = {e, sh_tp_or(p), NULL};
        e = NULL;
        if (!kids[1]) break;
        if (sh_tp_skip_name(p, "else") && !(kids[2] = sh_tp_expression(p))) break;
        e = sh_tp_node(p, NODE_COND, kids, 3);
    }
    p->nesting--;
    return e;
}

static tmpl_node *parse_compare(tmpl_parser *p);

static tmpl_node *parse_not(tmpl_parser *p)
{
    if (!sh_tp_skip_name(p, "not")) return parse_compare(p);
    if (!sh_tp_enter(p)) return NULL;
    tmpl_node *e = parse_not(p);
    p->nesting--;
    if (!e || !(e = sh_tp_node(p, NODE_UNARY, &e, 1))) return NULL;
    e->sym = OP_NOT;
    return e;
}

/* operand (word operand)*, flat */
static tmpl_node *parse_logic(tmpl_parser *p, const char *word, enum tmpl_node_kind kind,
                              tmpl_node *(*operand)(tmpl_parser *))
{
    tmpl_list l = {0};
    tmpl_node *e = operand(p);
    if (!e || !sh_tp_at_name(p, word)) return e;
    if (!sh_tp_push(p, &l, e)) return NULL;
    while (sh_tp_skip_name(p, word))
        if (!(e = operand(p)) || !sh_tp_push(p, &l, e)) return NULL;
    return sh_tp_node_list(p, kind, &l);
}

static tmpl_node *parse_and(tmpl_parser *p) { return parse_logic(p, "and", NODE_AND, parse_not); }
tmpl_node *sh_tp_or(tmpl_parser *p) { return parse_logic(p, "or", NODE_OR, parse_and); }

typedef struct op_name {
    const char *text;
    enum tmpl_op op;
} op_name;

static const op_name compare_ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT}, {"<=", OP_LE},
                                      {">", OP_GT},  {">=", OP_GE}, {0}};
static const op_name sum_ops[] = {{"+", OP_ADD}, {"-", OP_SUB}, {0}};
static const op_name product_ops[] = {{"*", OP_MUL}, {"/", OP_DIV}, {"//", OP_FLOORDIV}, {"%", OP_MOD}, {0}};
static const op_name power_ops[] = {{"**", OP_POW}, {0}};

static int match_op(tmpl_parser *p, const op_name *ops)
{
    for (; ops->text; ops++)
        if (sh_tp_skip_op(p, ops->text)) return (int)ops->op;
    return -1;
}

static int match_compare(tmpl_parser *p, const op_name *ops)
{
    if (sh_tp_skip_name(p, "in")) return OP_IN;
    const tmpl_token *next = sh_tp_peek(p, 1);
    if (sh_tp_at_name(p, "not") && next->kind == TOK_NAME && sh_str_is(next->text, "in")) {
        p->i += 2;
        return OP_NOT_IN;
    }
    return match_op(p, ops);
}

/* operand (op operand)* as one node whose ops[] lie between its kids */
static tmpl_node *parse_chain(tmpl_parser *p, enum tmpl_node_kind kind, const op_name *ops,
                              int (*match)(tmpl_parser *, const op_name *),
                              tmpl_node *(*operand)(tmpl_parser *))
{
    tmpl_list kids = {0};
    sh_buf codes = {0};
    tmpl_node *out = operand(p);
    for (int op; out && (op = match(p, ops)) >= 0;) {
        if (!kids.n && !sh_tp_push(p, &kids, out)) out = NULL;
        sh_buf_putc(&codes, (char)op);
        tmpl_node *e = out ? operand(p) : NULL;
        if (!e || !sh_tp_push(p, &kids, e)) out = NULL;
    }
    if (out && kids.n) {
        out = sh_tp_node_list(p, kind, &kids);
        if (out) out->ops = sh_tp_alloc(p, codes.n, 1);
        if (!out || !out->ops || codes.failed) {
            if (!p->rc) p->rc = sh_fail_nomem(p->err, codes.n);
            out = NULL;
        } else {
            memcpy(out->ops, codes.p, codes.n);
        }
    }
    sh_buf_clear(&codes);
    return out;
}

static tmpl_node *parse_filtered_unary(tmpl_parser *p) { return parse_unary(p, true); }
static tmpl_node *parse_pow(tmpl_parser *p)
{
    return parse_chain(p, NODE_CHAIN, power_ops, match_op, parse_filtered_unary);
}
static tmpl_node *parse_product(tmpl_parser *p)
{
    return parse_chain(p, NODE_CHAIN, product_ops, match_op, parse_pow);
}

static tmpl_node *parse_concat(tmpl_parser *p)
{
    tmpl_list l = {0};
    tmpl_node *e = parse_product(p);
    if (!e || !sh_tp_at_op(p, "~")) return e;
    if (!sh_tp_push(p, &l, e)) return NULL;
    while (sh_tp_skip_op(p, "~"))
        if (!(e = parse_product(p)) || !sh_tp_push(p, &l, e)) return NULL;
    return sh_tp_node_list(p, NODE_CONCAT, &l);
}

static tmpl_node *parse_sum(tmpl_parser *p)
{
    return parse_chain(p, NODE_CHAIN, sum_ops, match_op, parse_concat);
}
static tmpl_node *parse_compare(tmpl_parser *p)
{
    return parse_chain(p, NODE_COMPARE, compare_ops, match_compare, parse_sum);
}

/* --- postfix: .name, [subscript], (arguments), |filter, is test --- */

static bool parse_args(tmpl_parser *p, tmpl_args **out)
{
    tmpl_list pos = {0}, kw_name = {0}, kw_value = {0};
    tmpl_args *a = sh_tp_alloc(p, 1, sizeof *a);
    if (!a || !sh_tp_expect_op(p, "(")) return false;
    for (bool first = true; !sh_tp_at_op(p, ")"); first = false) {
        if (!first && !sh_tp_expect_op(p, ",")) return false;
        if (sh_tp_at_op(p, ")")) break;
        const tmpl_token *name = sh_tp_peek(p, 0), *next = sh_tp_peek(p, 1);
        bool is_star = sh_tp_at_op(p, "*"), is_star2 = sh_tp_at_op(p, "**");
        bool is_kw = name->kind == TOK_NAME && next->kind == TOK_OP && sh_str_is(next->text, "=");
        if ((is_star && a->star) || a->star2 || (!is_kw && !is_star2 && !is_star && (kw_name.n || a->star)))
            return sh_tp_fail(p, "positional arguments come before named ones");
        p->i += is_kw ? 2 : is_star || is_star2;
        tmpl_node *e = sh_tp_expression(p);
        if (!e) return false;
        if (is_star) {
            a->star = e;
        } else if (is_star2) {
            a->star2 = e;
        } else if (is_kw) {
            tv lit;
            if (!sh_tp_literal(p, name->text, &lit) || !sh_tp_push(p, &kw_name, (void *)lit.s)) return false;
            if (!sh_tp_push(p, &kw_value, e)) return false;
        } else if (!sh_tp_push(p, &pos, e)) {
            return false;
        }
    }
    p->i++;
    a->pos = (tmpl_node **)pos.p;
    a->n_pos = pos.n;
    a->kw_name = (const tv_str **)kw_name.p;
    a->kw_value = (tmpl_node **)kw_value.p;
    a->n_kw = kw_name.n;
    *out = a;
    return true;
}

static bool at_subscript_end(const tmpl_parser *p) { return sh_tp_at_op(p, "]") || sh_tp_at_op(p, ","); }

/* expression, or lo:hi:step with parts left out: kids[1..3] of a slice */
static tmpl_node *parse_subscript_item(tmpl_parser *p, tmpl_node *obj)
{
    tmpl_node *kids[4] = {obj};
    if (!sh_tp_at_op(p, ":")) {
        if (!(kids[1] = sh_tp_expression(p))) return NULL;
        if (!sh_tp_at_op(p, ":")) return kids[1];
    }
    p->i++;
    if (!sh_tp_at_op(p, ":") && !at_subscript_end(p) && !(kids[2] = sh_tp_expression(p))) return NULL;
    if (sh_tp_skip_op(p, ":") && !at_subscript_end(p) && !(kids[3] = sh_tp_expression(p))) return NULL;
    return sh_tp_node(p, NODE_SLICE, kids, 4);
}

static tmpl_node *parse_brackets(tmpl_parser *p, tmpl_node *obj)
{
    tmpl_list l = {0};
    p->i++;
    while (!sh_tp_at_op(p, "]")) {
        if (l.n && !sh_tp_expect_op(p, ",")) return NULL;
        tmpl_node *e = parse_subscript_item(p, obj);
        if (!e || !sh_tp_push(p, &l, e)) return NULL;
    }
    p->i++;
    tmpl_node *only = l.n == 1 ? l.p[0] : NULL;
    if (only && only->kind == NODE_SLICE && only->kids[0] == obj) return only;
    for (uint32_t i = 0; i < l.n; i++)
        if (((tmpl_node *)l.p[i])->kind == NODE_SLICE && ((tmpl_node *)l.p[i])->kids[0] == obj)
            return sh_tp_fail(p, "a slice inside a tuple of subscripts is not supported");
    if (!only && !(only = sh_tp_node_list(p, NODE_TUPLE, &l))) return NULL;
    return sh_tp_node(p, NODE_ITEM, (tmpl_node *[]){obj, only}, 2);
}

static tmpl_node *parse_dot(tmpl_parser *p, tmpl_node *obj)
{
    p->i++;
    const tmpl_token *t = sh_tp_peek(p, 0);
    tmpl_node *n;
    if (t->kind == TOK_NAME) {
        p->i++;
        n = sh_tp_node(p, NODE_ATTR, &obj, 1);
        return n && sh_tp_literal(p, t->text, &n->lit) ? n : NULL;
    }
    char buf[64];
    if (t->kind != TOK_INT)
        return sh_tp_fail(p, "a name or number is expected after '.', not %s", sh_tp_show(t, buf));
    p->i++;
    if (!(n = sh_tp_node(p, NODE_CONST, NULL, 0))) return NULL;
    n->lit = tv_int(t->i);
    return sh_tp_node(p, NODE_ITEM, (tmpl_node *[]){obj, n}, 2);
}

static tmpl_node *parse_call(tmpl_parser *p, tmpl_node *callee)
{
    tmpl_node *n = sh_tp_node(p, NODE_CALL, &callee, 1);
    return n && parse_args(p, &n->args) ? n : NULL;
}

static tmpl_node *parse_postfix(tmpl_parser *p, tmpl_node *e)
{
    while (e) {
        if (sh_tp_at_op(p, "."))
            e = parse_dot(p, e);
        else if (sh_tp_at_op(p, "["))
            e = parse_brackets(p, e);
        else if (sh_tp_at_op(p, "("))
            e = parse_call(p, e);
        else
            break;
    }
    return e;
}

/* name(.name)*, as one literal */
static bool parse_dotted(tmpl_parser *p, tv *out)
{
    sh_buf b = {0};
    sh_str name;
    bool ok = sh_tp_expect_name(p, &name);
    if (ok) sh_buf_add(&b, name.p, name.n);
    while (ok && sh_tp_skip_op(p, ".")) {
        ok = sh_tp_expect_name(p, &name);
        sh_buf_putc(&b, '.');
        if (ok) sh_buf_add(&b, name.p, name.n);
    }
    if (ok && b.failed) ok = sh_tp_nomem(p) != NULL;
    ok = ok && sh_tp_literal(p, sh_buf_str(&b), out);
    sh_buf_clear(&b);
    return ok;
}

tmpl_node *sh_tp_filters(tmpl_parser *p, tmpl_node *in, bool start_inline)
{
    tmpl_node *e = in;
    while (start_inline || sh_tp_skip_op(p, "|")) {
        start_inline = false;
        if (!(e = sh_tp_node(p, NODE_FILTER, &e, 1)) || !parse_dotted(p, &e->lit)) return NULL;
        if (sh_tp_at_op(p, "(") && !parse_args(p, &e->args)) return NULL;
        e->fn = sh_tmpl_find_filter(sh_ts_str(e->lit.s));
    }
    return e;
}

static bool at_test_argument(const tmpl_parser *p)
{
    const tmpl_token *t = sh_tp_peek(p, 0);
    switch (t->kind) {
    case TOK_NAME: return !sh_tp_at_name(p, "else") && !sh_tp_at_name(p, "or") && !sh_tp_at_name(p, "and");
    case TOK_STRING:
    case TOK_INT:
    case TOK_FLOAT: return true;
    default: return sh_tp_at_op(p, "[") || sh_tp_at_op(p, "{");
    }
}

static tmpl_node *parse_test(tmpl_parser *p, tmpl_node *in)
{
    p->i++;
    bool negated = sh_tp_skip_name(p, "not");
    tmpl_node *n = sh_tp_node(p, NODE_TEST, &in, 1);
    if (!n || !parse_dotted(p, &n->lit)) return NULL;
    n->fn = sh_tmpl_find_test(sh_ts_str(n->lit.s));
    if (sh_tp_at_op(p, "(")) {
        if (!parse_args(p, &n->args)) return NULL;
    } else if (at_test_argument(p)) {
        if (sh_tp_at_name(p, "is")) return sh_tp_fail(p, "tests cannot be chained with 'is'");
        tmpl_node **arg = sh_tp_alloc(p, 1, sizeof *arg);
        n->args = sh_tp_alloc(p, 1, sizeof *n->args);
        if (!arg || !n->args || !(*arg = parse_postfix(p, parse_primary(p)))) return NULL;
        n->args->pos = arg;
        n->args->n_pos = 1;
    }
    if (!negated) return n;
    if (!(n = sh_tp_node(p, NODE_UNARY, &n, 1))) return NULL;
    n->sym = OP_NOT;
    return n;
}

static tmpl_node *parse_filter_expr(tmpl_parser *p, tmpl_node *e)
{
    while (e) {
        if (sh_tp_at_op(p, "|"))
            e = sh_tp_filters(p, e, false);
        else if (sh_tp_at_name(p, "is"))
            e = parse_test(p, e);
        else if (sh_tp_at_op(p, "("))
            e = parse_call(p, e);
        else
            break;
    }
    return e;
}

static tmpl_node *parse_unary(tmpl_parser *p, bool with_filter)
{
    tmpl_node *e;
    bool is_neg = sh_tp_at_op(p, "-");
    if (is_neg || sh_tp_at_op(p, "+")) {
        if (!sh_tp_enter(p)) return NULL;
        p->i++;
        e = parse_unary(p, false);
        p->nesting--;
        if (!e || !(e = sh_tp_node(p, NODE_UNARY, &e, 1))) return NULL;
        e->sym = is_neg ? OP_NEG : OP_POS;
        e = parse_postfix(p, e);
    } else {
        e = parse_postfix(p, parse_primary(p));
    }
    return with_filter ? parse_filter_expr(p, e) : e;
}

/* --- primaries --- */

static tmpl_node *parse_constant(tmpl_parser *p, tv value)
{
    tmpl_node *n = sh_tp_node(p, NODE_CONST, NULL, 0);
    if (n) n->lit = value;
    return n;
}

static tmpl_node *parse_name(tmpl_parser *p)
{
    sh_str s = sh_tp_peek(p, 0)->text;
    p->i++;
    if (is_constant_name(s)) {
        char c = (char)(s.p[0] | 32);
        return parse_constant(p, c == 'n' ? tv_none() : tv_bool(c == 't'));
    }
    tmpl_node *n = sh_tp_node(p, NODE_NAME, NULL, 0);
    if (!n || !sh_tp_intern(p, s, &n->sym)) return NULL;
    p->uses_caller |= n->sym == p->t->sym_caller;
    p->uses_varargs |= n->sym == p->t->sym_varargs;
    p->uses_kwargs |= n->sym == p->t->sym_kwargs;
    return n;
}

static tmpl_node *parse_string(tmpl_parser *p)
{
    sh_buf b = {0};
    tv lit = {0};
    for (; sh_tp_peek(p, 0)->kind == TOK_STRING; p->i++) {
        sh_str s = sh_tp_peek(p, 0)->text;
        sh_buf_add(&b, s.p, s.n);
    }
    bool ok = b.failed ? sh_tp_nomem(p) != NULL : sh_tp_literal(p, sh_buf_str(&b), &lit);
    sh_buf_clear(&b);
    return ok ? parse_constant(p, lit) : NULL;
}

static tmpl_node *parse_list(tmpl_parser *p)
{
    tmpl_list l = {0};
    for (p->i++; !sh_tp_at_op(p, "]");) {
        if (l.n && !sh_tp_expect_op(p, ",")) return NULL;
        if (sh_tp_at_op(p, "]")) break;
        tmpl_node *e = sh_tp_expression(p);
        if (!e || !sh_tp_push(p, &l, e)) return NULL;
    }
    p->i++;
    return sh_tp_node_list(p, NODE_LIST, &l);
}

static tmpl_node *parse_dict(tmpl_parser *p)
{
    tmpl_list l = {0};
    for (p->i++; !sh_tp_at_op(p, "}");) {
        if (l.n && !sh_tp_expect_op(p, ",")) return NULL;
        if (sh_tp_at_op(p, "}")) break;
        tmpl_node *key = sh_tp_expression(p);
        if (!key || !sh_tp_push(p, &l, key) || !sh_tp_expect_op(p, ":")) return NULL;
        tmpl_node *value = sh_tp_expression(p);
        if (!value || !sh_tp_push(p, &l, value)) return NULL;
    }
    p->i++;
    return sh_tp_node_list(p, NODE_DICT, &l);
}

static tmpl_node *parse_round(tmpl_parser *p)
{
    p->i++;
    if (sh_tp_skip_op(p, ")")) return sh_tp_node(p, NODE_TUPLE, NULL, 0);
    tmpl_node *e = sh_tp_tuple(p, true, NULL);
    return e && sh_tp_expect_op(p, ")") ? e : NULL;
}

static tmpl_node *parse_primary(tmpl_parser *p)
{
    const tmpl_token *t = sh_tp_peek(p, 0);
    switch (t->kind) {
    case TOK_NAME: return parse_name(p);
    case TOK_STRING: return parse_string(p);
    case TOK_INT: p->i++; return parse_constant(p, tv_int(t->i));
    case TOK_FLOAT: p->i++; return parse_constant(p, tv_float(t->f));
    default: break;
    }
    if (sh_tp_at_op(p, "(")) return parse_round(p);
    if (sh_tp_at_op(p, "[")) return parse_list(p);
    if (sh_tp_at_op(p, "{")) return parse_dict(p);
    char buf[64];
    return sh_tp_fail(p, "an expression is expected, not %s", sh_tp_show(t, buf));
}

bool sh_tp_params(tmpl_parser *p, tmpl_params *params, tmpl_list *defaults)
{
    tmpl_list names = {0};
    if (!sh_tp_expect_op(p, "(")) return false;
    while (!sh_tp_at_op(p, ")")) {
        sh_str name;
        if (names.n && !sh_tp_expect_op(p, ",")) return false;
        if (!sh_tp_expect_name(p, &name)) return false;
        if (is_constant_name(name)) return sh_tp_fail(p, "cannot assign to %.*s", (int)name.n, name.p);
        uint32_t sym;
        if (!sh_tp_intern(p, name, &sym) || !sh_tp_push(p, &names, (void *)(uintptr_t)sym)) return false;
        if (sh_tp_skip_op(p, "=")) {
            tmpl_node *e = sh_tp_expression(p);
            if (!e || !sh_tp_push(p, defaults, e)) return false;
        } else if (defaults->n) {
            return sh_tp_fail(p, "a parameter without a default follows one that has a default");
        }
    }
    p->i++;
    params->n = names.n;
    params->n_defaults = defaults->n;
    if (!(params->syms = sh_tp_alloc(p, names.n, sizeof *params->syms))) return false;
    for (uint32_t i = 0; i < names.n; i++) params->syms[i] = (uint32_t)(uintptr_t)names.p[i];
    return true;
}
