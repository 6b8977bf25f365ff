/* tmpl_eval.c - expressions. Each kind of node has a function of its own, so that the frame of a deep
 * recursion stays small; depth is counted in sh_tmpl_eval, the only way down. */
#include "text/tmpl_ast.h"

#include "base/mem.h"

tv sh_tmpl_lookup(tmpl_run *r, uint32_t sym)
{
    for (const tmpl_scope *s = r->scope; s != r->root; s = s->parent)
        for (uint32_t i = s->n; i-- > 0;)
            if (s->syms[i] == sym) return s->vals[i];
    return r->root->vals[sym];
}

static int eval_name(tmpl_run *r, const tmpl_node *e, tv *out)
{
    *out = sh_tmpl_lookup(r, e->sym);
    if (out->kind != TV_MISSING) return SH_OK;
    tv_undef *u = sh_tmpl_alloc(r, 1, sizeof *u);
    if (!u) return r->rc;
    *u = (tv_undef){.why = UNDEF_NAME, .name = tv_of(r->t->names[e->sym])};
    *out = (tv){.kind = TV_UNDEF, .u = u};
    return SH_OK;
}

static int eval_kids(tmpl_run *r, tmpl_node *const *kids, size_t n, tv **out)
{
    tv *items = sh_tmpl_alloc(r, n, sizeof *items);
    if (!items) return r->rc;
    for (size_t i = 0; i < n; i++) {
        int rc = sh_tmpl_eval(r, kids[i], &items[i]);
        if (rc < 0) return rc;
    }
    *out = items;
    return SH_OK;
}

static int eval_list(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv *items = NULL;
    int rc = eval_kids(r, e->kids, e->n, &items);
    return rc < 0 ? rc : sh_tv_list_of(r, items, e->n, e->kind == NODE_LIST ? SEQ_LIST : SEQ_TUPLE, out);
}

static int eval_dict(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv_dict *d = sh_dict_new(r, e->n / 2);
    if (!d) return r->rc;
    for (uint32_t i = 0; i < e->n; i += 2) {
        tv key, value;
        int rc = sh_tmpl_eval(r, e->kids[i], &key);
        if (rc < 0 || (rc = sh_tmpl_eval(r, e->kids[i + 1], &value)) < 0) return rc;
        if ((rc = sh_dict_set(r, d, key, value)) < 0) return rc;
    }
    *out = (tv){.kind = TV_DICT, .d = d};
    return SH_OK;
}

static int eval_chain(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv acc, b;
    int rc = sh_tmpl_eval(r, e->kids[0], &acc);
    for (uint32_t i = 1; rc == SH_OK && i < e->n; i++)
        if ((rc = sh_tmpl_eval(r, e->kids[i], &b)) == SH_OK) rc = sh_tv_binop(r, e->ops[i - 1], acc, b, &acc);
    *out = acc;
    return rc;
}

static int eval_concat(tmpl_run *r, const tmpl_node *e, tv *out)
{
    const tv_str *acc = NULL;
    for (uint32_t i = 0; i < e->n; i++) {
        tv v;
        const tv_str *s = NULL;
        int rc = sh_tmpl_eval(r, e->kids[i], &v);
        if (rc < 0 || (rc = sh_tv_str(r, v, &s)) < 0) return rc;
        if (!(acc = acc ? sh_ts_concat(r, acc, s) : s)) return r->rc;
    }
    if (acc->markup) { /* ~ makes plain text */
        tv_str *plain = sh_tmpl_alloc(r, 1, sizeof *plain);
        if (!plain) return r->rc;
        *plain = *acc;
        plain->markup = false;
        acc = plain;
    }
    *out = tv_of(acc);
    return SH_OK;
}

static int eval_logic(tmpl_run *r, const tmpl_node *e, tv *out)
{
    for (uint32_t i = 0; i < e->n; i++) {
        int rc = sh_tmpl_eval(r, e->kids[i], out);
        if (rc < 0 || sh_tv_truth(*out) == (e->kind == NODE_OR)) return rc;
    }
    return SH_OK;
}

static int compare_once(tmpl_run *r, int op, tv a, tv b, bool *out)
{
    static const char *const text[] = {[OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">="};
    int c, rc;
    switch (op) {
    case OP_EQ:
    case OP_NE:
        rc = sh_tv_equal(r, a, b, out);
        if (op == OP_NE) *out = !*out;
        return rc;
    case OP_IN:
    case OP_NOT_IN:
        rc = sh_tv_contains(r, b, a, out);
        if (op == OP_NOT_IN) *out = !*out;
        return rc;
    default:
        if ((rc = sh_tv_compare(r, a, b, text[op], &c)) < 0) return rc;
        *out = c != 2 && (op == OP_LT ? c < 0 : op == OP_LE ? c <= 0 : op == OP_GT ? c > 0 : c >= 0);
        return SH_OK;
    }
}

static int eval_compare(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv a, b;
    bool ok = true;
    int rc = sh_tmpl_eval(r, e->kids[0], &a);
    for (uint32_t i = 1; rc == SH_OK && ok && i < e->n; i++) {
        if ((rc = sh_tmpl_eval(r, e->kids[i], &b)) == SH_OK) rc = compare_once(r, e->ops[i - 1], a, b, &ok);
        a = b;
    }
    *out = tv_bool(ok);
    return rc;
}

static int eval_cond(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv c;
    int rc = sh_tmpl_eval(r, e->kids[1], &c);
    if (rc < 0) return rc;
    if (sh_tv_truth(c)) return sh_tmpl_eval(r, e->kids[0], out);
    if (e->kids[2]) return sh_tmpl_eval(r, e->kids[2], out);
    return sh_tv_hint_undef(r, "the inline if-expression evaluated to false and no else section was defined",
                            out);
}

static int eval_unary(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv v;
    int rc = sh_tmpl_eval(r, e->kids[0], &v);
    return rc < 0 ? rc : sh_tv_unary(r, (int)e->sym, v, out);
}

static int eval_attr(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv v;
    int rc = sh_tmpl_eval(r, e->kids[0], &v);
    return rc < 0 ? rc : sh_tv_getattr(r, v, e->lit, out);
}

static int eval_item(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv v, key;
    int rc = sh_tmpl_eval(r, e->kids[0], &v);
    if (rc < 0 || (rc = sh_tmpl_eval(r, e->kids[1], &key)) < 0) return rc;
    return sh_tv_getitem(r, v, key, out);
}

static int eval_slice(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv v[4] = {{0}};
    for (int i = 0; i < 4; i++) {
        int rc = e->kids[i] ? sh_tmpl_eval(r, e->kids[i], &v[i]) : SH_OK;
        if (rc < 0) return rc;
    }
    return sh_tv_slice(r, v[0], v[1], v[2], v[3], out);
}

static int spread_star(tmpl_run *r, const tmpl_args *a, tv *pos, tmpl_argv *out)
{
    tv v;
    const tv *more;
    size_t n, total;
    int rc = sh_tmpl_eval(r, a->star, &v);
    if (rc < 0 || (rc = sh_tv_items(r, v, &more, &n)) < 0) return rc;
    if (!sh_add(&total, a->n_pos, n)) return sh_tmpl_limit(r, "arguments", UINT32_MAX);
    tv *all = sh_tmpl_alloc(r, total, sizeof *all);
    if (!all) return r->rc;
    if (a->n_pos) memcpy(all, pos, a->n_pos * sizeof *all);
    if (n) memcpy(all + a->n_pos, more, n * sizeof *all);
    out->pos = all;
    out->n_pos = total;
    return SH_OK;
}

static int spread_star2(tmpl_run *r, const tmpl_args *a, tmpl_kwarg *kw, tmpl_argv *out)
{
    tv v;
    int rc = sh_tmpl_eval(r, a->star2, &v);
    if (rc < 0) return rc;
    if (v.kind != TV_DICT)
        return sh_tmpl_type_error(r, "argument after ** must be a mapping, not %s", sh_tv_type_name(v));
    tmpl_kwarg *all = sh_tmpl_alloc(r, (size_t)a->n_kw + v.d->n, sizeof *all);
    if (!all) return r->rc;
    if (a->n_kw) memcpy(all, kw, a->n_kw * sizeof *all);
    for (uint32_t i = 0; i < v.d->n; i++) {
        if (v.d->keys[i].kind != TV_STR) return sh_tmpl_type_error(r, "keywords must be strings");
        all[a->n_kw + i] = (tmpl_kwarg){sh_ts_str(v.d->keys[i].s), v.d->vals[i]};
    }
    out->kw = all;
    out->n_kw = (size_t)a->n_kw + v.d->n;
    return SH_OK;
}

int sh_tmpl_eval_args(tmpl_run *r, const tmpl_args *a, tmpl_argv *out)
{
    tv *pos = NULL;
    tmpl_kwarg *kw = NULL;
    static const tv nothing;
    int rc;
    *out = (tmpl_argv){.pos = &nothing};
    if (!a) return SH_OK;
    if (a->n_pos && (rc = eval_kids(r, a->pos, a->n_pos, &pos)) < 0) return rc;
    if (a->n_kw && !(kw = sh_tmpl_alloc(r, a->n_kw, sizeof *kw))) return r->rc;
    for (uint32_t i = 0; i < a->n_kw; i++) {
        kw[i].name = sh_ts_str(a->kw_name[i]);
        if ((rc = sh_tmpl_eval(r, a->kw_value[i], &kw[i].value)) < 0) return rc;
    }
    *out = (tmpl_argv){pos ? pos : &nothing, a->n_pos, kw, a->n_kw};
    if (a->star && (rc = spread_star(r, a, pos, out)) < 0) return rc;
    return a->star2 ? spread_star2(r, a, kw, out) : SH_OK;
}

static int eval_call(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv callee;
    tmpl_argv args;
    int rc = sh_tmpl_eval(r, e->kids[0], &callee);
    if (rc < 0) return rc;
    uint32_t line = r->line;
    if ((rc = sh_tmpl_eval_args(r, e->args, &args)) < 0) return rc;
    rc = sh_tmpl_call(r, callee, &args, out);
    r->line = line;
    return rc;
}

static int apply_filter(tmpl_run *r, const tmpl_node *e, tv in, tv *out)
{
    tmpl_argv args;
    int rc;
    if (!e->fn) return sh_tmpl_type_error(r, "No filter named '%.*s' found.", (int)e->lit.s->n, e->lit.s->p);
    if ((rc = sh_tmpl_eval_args(r, e->args, &args)) < 0) return rc;
    return sh_tmpl_call_builtin(r, e->fn, in, &args, out);
}

static int eval_filter(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv in;
    int rc = sh_tmpl_eval(r, e->kids[0], &in);
    return rc < 0 ? rc : apply_filter(r, e, in, out);
}

int sh_tmpl_apply_filters(tmpl_run *r, const tmpl_node *chain, tv in, tv *out)
{
    tv v = in;
    int rc = SH_OK;
    if (!chain) {
        *out = in;
        return SH_OK;
    }
    if (chain->kids[0]) rc = sh_tmpl_apply_filters(r, chain->kids[0], in, &v);
    return rc < 0 ? rc : apply_filter(r, chain, v, out);
}

static int eval_test(tmpl_run *r, const tmpl_node *e, tv *out)
{
    tv in;
    tmpl_argv args;
    int rc = sh_tmpl_eval(r, e->kids[0], &in);
    if (rc < 0) return rc;
    if (!e->fn) return sh_tmpl_type_error(r, "No test named '%.*s' found.", (int)e->lit.s->n, e->lit.s->p);
    if ((rc = sh_tmpl_eval_args(r, e->args, &args)) < 0) return rc;
    return sh_tmpl_call_builtin(r, e->fn, in, &args, out);
}

int sh_tmpl_eval(tmpl_run *r, const tmpl_node *e, tv *out)
{
    static int (*const table[])(tmpl_run *, const tmpl_node *, tv *) = {
        [NODE_NAME] = eval_name,       [NODE_TUPLE] = eval_list,  [NODE_LIST] = eval_list,
        [NODE_DICT] = eval_dict,       [NODE_UNARY] = eval_unary, [NODE_CHAIN] = eval_chain,
        [NODE_CONCAT] = eval_concat,   [NODE_AND] = eval_logic,   [NODE_OR] = eval_logic,
        [NODE_COMPARE] = eval_compare, [NODE_COND] = eval_cond,   [NODE_ATTR] = eval_attr,
        [NODE_ITEM] = eval_item,       [NODE_SLICE] = eval_slice, [NODE_CALL] = eval_call,
        [NODE_FILTER] = eval_filter,   [NODE_TEST] = eval_test};
    if (e->kind == NODE_CONST) {
        *out = e->lit;
        return SH_OK;
    }
    int rc = sh_tmpl_steps(r, 1);
    if (rc < 0) return rc;
    if (r->nest >= r->max_nest) return sh_tmpl_limit(r, "nesting of expressions", r->max_nest);
    r->nest++;
    rc = table[e->kind](r, e, out);
    r->nest--;
    return rc;
}
