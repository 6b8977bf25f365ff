/* tmpl_exec.c - statements, loops and macros.
 *
 * Scopes are lexical: the body of a loop, macro, with, block set, filter or call has its own, `if` has none.
 * Each turn of a loop starts with an empty one. A macro sees the scopes around its definition, never those of
 * its caller. */
#include "text/tmpl_ast.h"

tmpl_scope *sh_tmpl_push_scope(tmpl_run *r, tmpl_scope *parent)
{
    tmpl_scope *s = sh_tmpl_alloc(r, 1, sizeof *s);
    if (!s) return NULL;
    *s = (tmpl_scope){.parent = parent};
    r->scope = s;
    return s;
}

int sh_tmpl_assign(tmpl_run *r, uint32_t sym, tv v)
{
    tmpl_scope *s = r->scope;
    if (s == r->root) {
        s->vals[sym] = v;
        return SH_OK;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->syms[i] != sym) continue;
        s->vals[i] = v;
        return SH_OK;
    }
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        uint32_t *syms = sh_tmpl_alloc(r, cap, sizeof *syms);
        tv *vals = sh_tmpl_alloc(r, cap, sizeof *vals);
        if (!syms || !vals) return r->rc;
        if (s->n) memcpy(syms, s->syms, s->n * sizeof *syms), memcpy(vals, s->vals, s->n * sizeof *vals);
        s->syms = syms;
        s->vals = vals;
        s->cap = cap;
    }
    s->syms[s->n] = sym;
    s->vals[s->n++] = v;
    return SH_OK;
}

static int assign_target(tmpl_run *r, const tmpl_node *target, tv v)
{
    const tv *items;
    size_t n;
    int rc;
    if (target->kind == NODE_NAME) return sh_tmpl_assign(r, target->sym, v);
    if (target->kind == NODE_NSREF) {
        tv ns = sh_tmpl_lookup(r, target->sym);
        if (ns.kind != TV_NS) return sh_tmpl_type_error(r, "cannot assign attribute on non-namespace object");
        return sh_dict_set(r, ns.d, target->lit, v);
    }
    if ((rc = sh_tv_items(r, v, &items, &n)) < 0) return rc;
    if (n < target->n)
        return sh_tmpl_type_error(r, "not enough values to unpack (expected %u, got %zu)", target->n, n);
    if (n > target->n) return sh_tmpl_type_error(r, "too many values to unpack (expected %u)", target->n);
    for (size_t i = 0; i < n; i++)
        if ((rc = assign_target(r, target->kids[i], items[i])) < 0) return rc;
    return SH_OK;
}

/* Run body with its output going to a string. */
static int capture(tmpl_run *r, const tmpl_node *body, tv *out)
{
    tmpl_buf b = {.r = r}, *outer = r->out;
    r->out = &b;
    int rc = sh_tmpl_exec(r, body);
    r->out = outer;
    return rc < 0 ? rc : sh_tb_done(&b, out);
}

/* --- loops --- */

static int filter_items(tmpl_run *r, const tmpl_node *s, const tv **items, size_t *n)
{
    tmpl_scope *outer = r->scope, *inner = sh_tmpl_push_scope(r, outer);
    tv *kept = sh_tmpl_alloc(r, *n, sizeof *kept), ok;
    size_t k = 0;
    int rc = inner && kept ? SH_OK : r->rc;
    for (size_t i = 0; rc == SH_OK && i < *n; i++) {
        inner->n = 0;
        if ((rc = assign_target(r, s->kids[0], (*items)[i])) < 0) break;
        if ((rc = sh_tmpl_eval(r, s->kids[2], &ok)) == SH_OK && sh_tv_truth(ok)) kept[k++] = (*items)[i];
    }
    r->scope = outer;
    *items = kept;
    *n = k;
    return rc;
}

/* One pass over l's items; *finished: some turn reached the end of the body (jinja2 runs the else part
 * otherwise). */
static int run_turns(tmpl_run *r, const tmpl_node *s, tv_loop *l, bool *finished)
{
    tmpl_scope *outer = r->scope, *inner = sh_tmpl_push_scope(r, outer);
    int rc = inner ? SH_OK : r->rc;
    for (; rc == SH_OK && l->i < l->n;) {
        inner->n = 0;
        tv item = l->items[l->i++];
        if ((rc = sh_tmpl_steps(r, 1)) < 0) break;
        if ((rc = sh_tmpl_assign(r, r->t->sym_loop, (tv){.kind = TV_LOOP, .loop = l})) < 0) break;
        if ((rc = assign_target(r, s->kids[0], item)) < 0 || (rc = sh_tmpl_exec(r, s->kids[3])) < 0) break;
        *finished |= r->flow == FLOW_NEXT;
        bool stop = r->flow == FLOW_BREAK;
        r->flow = FLOW_NEXT;
        if (stop) break;
    }
    r->scope = outer;
    return rc;
}

static int run_loop(tmpl_run *r, const tmpl_node *s, tv over, unsigned depth)
{
    tv_loop *l = sh_tmpl_alloc(r, 1, sizeof *l);
    const tv *items;
    size_t n;
    bool finished = false;
    int rc;
    if (!l || (rc = sh_tv_items(r, over, &items, &n)) < 0) return r->rc;
    if (s->kids[2] && (rc = filter_items(r, s, &items, &n)) < 0) return rc;
    *l = (tv_loop){.items = items, .n = n, .node = s->flag ? s : NULL, .scope = r->scope, .depth = depth};
    if ((rc = run_turns(r, s, l, &finished)) < 0 || finished || !s->kids[4]) return rc;
    tmpl_scope *outer = r->scope;
    if (!sh_tmpl_push_scope(r, outer)) return r->rc;
    rc = sh_tmpl_exec(r, s->kids[4]);
    r->scope = outer;
    return rc;
}

static int exec_for(tmpl_run *r, const tmpl_node *s)
{
    tv over;
    int rc = sh_tmpl_eval(r, s->kids[1], &over);
    return rc < 0 ? rc : run_loop(r, s, over, 0);
}

static int enter_call(tmpl_run *r)
{
    if (r->depth >= r->max_depth) return sh_tmpl_limit(r, "depth of calls", r->max_depth);
    r->depth++;
    return SH_OK;
}

int sh_tmpl_call_loop(tmpl_run *r, const tv_loop *l, const tmpl_argv *args, tv *out)
{
    if (!l->node)
        return sh_tmpl_type_error(r, "The loop must have the 'recursive' marker to be called recursively.");
    if (args->n_pos != 1 || args->n_kw)
        return sh_tmpl_type_error(r, "loop() takes one argument: what to iterate over");
    int rc = enter_call(r);
    if (rc < 0) return rc;
    tmpl_scope *scope = r->scope;
    tmpl_buf b = {.r = r}, *outer = r->out;
    r->out = &b;
    r->scope = l->scope;
    rc = run_loop(r, l->node, args->pos[0], l->depth + 1);
    r->scope = scope;
    r->out = outer;
    r->depth--;
    return rc < 0 ? rc : sh_tb_done(&b, out);
}

/* --- macros --- */

static const char *macro_name(tmpl_run *r, const tv_macro *m)
{
    return m->node->kind == NODE_MACRO ? r->t->names[m->node->sym]->p : "caller";
}

/* Name arguments that are no parameters: caller, or **kwargs when the body speaks of it. */
static int bind_extra(tmpl_run *r, const tv_macro *m, const tmpl_kwarg *kw, tv_dict *kwargs)
{
    const tmpl_params *p = m->node->params;
    if (p->uses_caller && sh_str_is(kw->name, "caller"))
        return sh_tmpl_assign(r, r->t->sym_caller, kw->value);
    if (!kwargs)
        return sh_tmpl_type_error(r, "macro '%s' takes no keyword argument '%.*s'", macro_name(r, m),
                                  (int)kw->name.n, kw->name.p);
    const tv_str *name = sh_ts_new(r, kw->name.p, kw->name.n, false);
    return name ? sh_dict_set(r, kwargs, tv_of(name), kw->value) : r->rc;
}

static int bind_keywords(tmpl_run *r, const tv_macro *m, const tmpl_argv *args, tv *vals)
{
    const tmpl_params *p = m->node->params;
    tv_dict *kwargs = p->uses_kwargs ? sh_dict_new(r, 0) : NULL;
    int rc;
    if (p->uses_kwargs && !kwargs) return r->rc;
    for (size_t k = 0; k < args->n_kw; k++) {
        uint32_t i = 0;
        while (i < p->n && !sh_str_eq(sh_ts_str(r->t->names[p->syms[i]]), args->kw[k].name)) i++;
        if (i == p->n) {
            if ((rc = bind_extra(r, m, &args->kw[k], kwargs)) < 0) return rc;
        } else if (vals[i].kind) {
            return sh_tmpl_type_error(r, "macro '%s' got multiple values for argument '%s'", macro_name(r, m),
                                      r->t->names[p->syms[i]]->p);
        } else {
            vals[i] = args->kw[k].value;
        }
    }
    if (!kwargs) return SH_OK;
    return sh_tmpl_assign(r, r->t->sym_kwargs, (tv){.kind = TV_DICT, .d = kwargs});
}

static int bind_varargs(tmpl_run *r, const tv_macro *m, const tmpl_argv *args)
{
    const tmpl_params *p = m->node->params;
    size_t more = args->n_pos > p->n ? args->n_pos - p->n : 0;
    tv rest;
    if (more && !p->uses_varargs)
        return sh_tmpl_type_error(r, "macro '%s' takes not more than %u argument(s)", macro_name(r, m), p->n);
    if (!p->uses_varargs) return SH_OK;
    int rc = sh_tv_list_of(r, more ? args->pos + p->n : NULL, more, SEQ_TUPLE, &rest);
    return rc < 0 ? rc : sh_tmpl_assign(r, r->t->sym_varargs, rest);
}

/* Bind arguments in the macro's own scope, which is current. Defaults may speak of earlier parameters. */
static int bind_macro(tmpl_run *r, const tv_macro *m, const tmpl_argv *args)
{
    const tmpl_params *p = m->node->params;
    uint32_t first_default = m->node->kind == NODE_MACRO ? 1 : 2;
    tv *vals = sh_tmpl_alloc(r, p->n, sizeof *vals), none;
    int rc;
    if (!vals) return r->rc;
    for (uint32_t i = 0; i < p->n; i++) vals[i] = i < args->n_pos ? args->pos[i] : (tv){0};
    if (p->uses_caller) {
        if ((rc = sh_tv_hint_undef(r, "No caller defined", &none)) < 0) return rc;
        if ((rc = sh_tmpl_assign(r, r->t->sym_caller, none)) < 0) return rc;
    }
    if ((rc = bind_varargs(r, m, args)) < 0 || (rc = bind_keywords(r, m, args, vals)) < 0) return rc;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t required = p->n - p->n_defaults;
        if (!vals[i].kind && i >= required)
            rc = sh_tmpl_eval(r, m->node->kids[first_default + i - required], &vals[i]);
        else if (!vals[i].kind)
            rc = sh_tv_hint_undef(r, "a parameter of the macro was not provided", &vals[i]);
        if (rc < 0 || (rc = sh_tmpl_assign(r, p->syms[i], vals[i])) < 0) return rc;
    }
    return SH_OK;
}

int sh_tmpl_call_macro(tmpl_run *r, const tv_macro *m, const tmpl_argv *args, tv *out)
{
    tmpl_scope *scope = r->scope;
    int rc = enter_call(r);
    if (rc < 0) return rc;
    rc = sh_tmpl_push_scope(r, m->scope) ? bind_macro(r, m, args) : r->rc;
    if (rc == SH_OK) rc = capture(r, m->node->kids[0], out);
    r->scope = scope;
    r->depth--;
    return rc;
}

int sh_tmpl_macro_attr(tmpl_run *r, const tv_macro *m, sh_str name, tv *out)
{
    const tmpl_params *p = m->node->params;
    *out = (tv){0};
    if (sh_str_is(name, "name")) {
        *out = m->node->kind == NODE_MACRO ? tv_of(r->t->names[m->node->sym]) : tv_none();
    } else if (sh_str_is(name, "arguments")) {
        tv *items = sh_tmpl_alloc(r, p->n, sizeof *items);
        if (!items) return r->rc;
        for (uint32_t i = 0; i < p->n; i++) items[i] = tv_of(r->t->names[p->syms[i]]);
        return sh_tv_list_of(r, items, p->n, SEQ_TUPLE, out);
    } else if (sh_str_is(name, "catch_kwargs")) {
        *out = tv_bool(p->uses_kwargs);
    } else if (sh_str_is(name, "catch_varargs")) {
        *out = tv_bool(p->uses_varargs);
    } else if (sh_str_is(name, "caller")) {
        *out = tv_bool(p->uses_caller);
    }
    return SH_OK;
}

static int make_macro(tmpl_run *r, const tmpl_node *s, tv *out)
{
    tv_macro *m = sh_tmpl_alloc(r, 1, sizeof *m);
    if (!m) return r->rc;
    *m = (tv_macro){.node = s, .scope = r->scope};
    *out = (tv){.kind = TV_MACRO, .macro = m};
    return SH_OK;
}

static int exec_macro(tmpl_run *r, const tmpl_node *s)
{
    tv m;
    int rc = make_macro(r, s, &m);
    return rc < 0 ? rc : sh_tmpl_assign(r, s->sym, m);
}

static int exec_call_block(tmpl_run *r, const tmpl_node *s)
{
    const tmpl_node *call = s->kids[1];
    tv caller, callee, v;
    tmpl_argv args;
    int rc = make_macro(r, s, &caller);
    if (rc < 0 || (rc = sh_tmpl_eval(r, call->kids[0], &callee)) < 0) return rc;
    if ((rc = sh_tmpl_eval_args(r, call->args, &args)) < 0) return rc;
    tmpl_kwarg *kw = sh_tmpl_alloc(r, args.n_kw + 1, sizeof *kw);
    if (!kw) return r->rc;
    if (args.n_kw) memcpy(kw, args.kw, args.n_kw * sizeof *kw);
    kw[args.n_kw] = (tmpl_kwarg){sh_str_of("caller"), caller};
    args.kw = kw;
    args.n_kw++;
    if ((rc = sh_tmpl_call(r, callee, &args, &v)) < 0) return rc;
    sh_tb_str(r->out, v);
    return r->rc;
}

/* --- the other statements --- */

static int exec_text(tmpl_run *r, const tmpl_node *s)
{
    sh_tb_ts(r->out, s->lit.s);
    return r->rc;
}

static int exec_output(tmpl_run *r, const tmpl_node *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        tv v;
        int rc = sh_tmpl_eval(r, s->kids[i], &v);
        if (rc < 0) return rc;
        sh_tb_str(r->out, v);
    }
    return r->rc;
}

static int exec_body(tmpl_run *r, const tmpl_node *s)
{
    int rc = SH_OK;
    for (uint32_t i = 0; rc == SH_OK && r->flow == FLOW_NEXT && i < s->n; i++)
        rc = sh_tmpl_exec(r, s->kids[i]);
    return rc;
}

static int exec_if(tmpl_run *r, const tmpl_node *s)
{
    uint32_t i = 0;
    for (; i + 1 < s->n; i += 2) {
        tv v;
        int rc = sh_tmpl_eval(r, s->kids[i], &v);
        if (rc < 0) return rc;
        if (sh_tv_truth(v)) return sh_tmpl_exec(r, s->kids[i + 1]);
    }
    return i < s->n ? sh_tmpl_exec(r, s->kids[i]) : SH_OK;
}

static int exec_set(tmpl_run *r, const tmpl_node *s)
{
    tv v;
    int rc = sh_tmpl_eval(r, s->kids[1], &v);
    return rc < 0 ? rc : assign_target(r, s->kids[0], v);
}

static int capture_scoped(tmpl_run *r, const tmpl_node *body, const tmpl_node *filters, tv *out)
{
    tmpl_scope *outer = r->scope;
    int rc = sh_tmpl_push_scope(r, outer) ? capture(r, body, out) : r->rc;
    if (rc == SH_OK) rc = sh_tmpl_apply_filters(r, filters, *out, out);
    r->scope = outer;
    return rc;
}

static int exec_set_block(tmpl_run *r, const tmpl_node *s)
{
    tv v;
    int rc = capture_scoped(r, s->kids[2], s->kids[1], &v);
    return rc < 0 ? rc : assign_target(r, s->kids[0], v);
}

static int exec_filter_block(tmpl_run *r, const tmpl_node *s)
{
    tv v;
    int rc = capture_scoped(r, s->kids[1], s->kids[0], &v);
    if (rc < 0) return rc;
    sh_tb_str(r->out, v);
    return r->rc;
}

static int exec_with(tmpl_run *r, const tmpl_node *s)
{
    tmpl_scope *outer = r->scope;
    tv *vals = sh_tmpl_alloc(r, s->n, sizeof *vals);
    int rc = vals ? SH_OK : r->rc;
    for (uint32_t i = 1; rc == SH_OK && i + 1 < s->n; i += 2) rc = sh_tmpl_eval(r, s->kids[i + 1], &vals[i]);
    if (rc == SH_OK && !sh_tmpl_push_scope(r, outer)) rc = r->rc;
    for (uint32_t i = 1; rc == SH_OK && i + 1 < s->n; i += 2)
        rc = sh_tmpl_assign(r, s->kids[i]->sym, vals[i]);
    if (rc == SH_OK) rc = sh_tmpl_exec(r, s->kids[0]);
    r->scope = outer;
    return rc;
}

static int exec_scope(tmpl_run *r, const tmpl_node *s)
{
    tmpl_scope *outer = r->scope;
    int rc = sh_tmpl_push_scope(r, outer) ? sh_tmpl_exec(r, s->kids[0]) : r->rc;
    r->scope = outer;
    return rc;
}

static int exec_break(tmpl_run *r, const tmpl_node *s)
{
    r->flow = s->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
    return SH_OK;
}

int sh_tmpl_exec(tmpl_run *r, const tmpl_node *s)
{
    static int (*const table[])(tmpl_run *, const tmpl_node *) = {[NODE_TEXT] = exec_text,
                                                                  [NODE_OUTPUT] = exec_output,
                                                                  [NODE_BODY] = exec_body,
                                                                  [NODE_IF] = exec_if,
                                                                  [NODE_FOR] = exec_for,
                                                                  [NODE_SET] = exec_set,
                                                                  [NODE_SET_BLOCK] = exec_set_block,
                                                                  [NODE_MACRO] = exec_macro,
                                                                  [NODE_CALL_BLOCK] = exec_call_block,
                                                                  [NODE_FILTER_BLOCK] = exec_filter_block,
                                                                  [NODE_WITH] = exec_with,
                                                                  [NODE_SCOPE] = exec_scope,
                                                                  [NODE_BREAK] = exec_break,
                                                                  [NODE_CONTINUE] = exec_break};
    int rc = sh_tmpl_steps(r, 1);
    if (rc < 0) return rc;
    if (r->nest >= r->max_nest) return sh_tmpl_limit(r, "nesting of blocks", r->max_nest);
    if (s->kind != NODE_BODY) r->line = s->line;
    r->nest++;
    rc = table[s->kind](r, s);
    r->nest--;
    return rc;
}
