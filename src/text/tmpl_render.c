/* tmpl_render.c - opening a template, and one rendering of it: limits, errors, variables. */
#include "text/tmpl_render.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_SOURCE_BYTES = 4 << 20,
    DEFAULT_MAX_DEPTH = 200,
    NEST_PER_CALL = 16, /* evaluator frames that one call may take on average */
};
#define DEFAULT_MAX_STEPS 20000000u
#define DEFAULT_MAX_OUTPUT ((size_t)16 << 20)
#define MAX_ARENA_BYTES ((size_t)256 << 20)

/* Line ends become \n and one at the very end goes, as jinja2 does before it looks at anything. */
static size_t normalise(const char *src, size_t n, char *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (src[i] == '\r' && i + 1 < n && src[i + 1] == '\n') continue;
        out[k++] = src[i] == '\r' ? '\n' : src[i];
    }
    return k > 0 && out[k - 1] == '\n' ? k - 1 : k;
}

static int template_parse(sh_template *t, const char *source, size_t n, sh_err *err)
{
    tmpl_token *tokens;
    size_t n_tokens;
    if (!(t->arena = sh_arena_open())) return sh_fail_nomem(err, sizeof *t);
    char *text = sh_arena_alloc(t->arena, n, 1);
    if (!text) return sh_fail_nomem(err, n);
    n = normalise(source, n, text);
    int rc = sh_tmpl_lex(t->arena, text, n, &tokens, &n_tokens, err);
    return rc < 0 ? rc : sh_tmpl_parse(t, tokens, n_tokens, err);
}

int sh_template_open(sh_template **out, const char *source, size_t n, sh_err *err)
{
    if (n > MAX_SOURCE_BYTES)
        return sh_fail(err, SH_E_CORRUPT, "template: %zu bytes, more than %d", n, MAX_SOURCE_BYTES);
    if (n && memchr(source, 0, n)) return sh_fail(err, SH_E_CORRUPT, "template: a NUL byte in the source");
    if (!sh_utf8_valid(source, n)) return sh_fail(err, SH_E_CORRUPT, "template: the source is not UTF-8");
    sh_template *t = sh_new(sizeof *t, err);
    if (!t) return SH_E_NOMEM;
    int rc = template_parse(t, source, n, err);
    if (rc < 0) {
        sh_template_free(t);
        return rc;
    }
    *out = t;
    return SH_OK;
}

void sh_template_free(sh_template *t)
{
    if (!t) return;
    sh_arena_free(t->arena);
    sh_free(t);
}

/* --- errors and limits --- */

int sh_tmpl_raise(tmpl_run *r, enum sh_template_error kind, const char *fmt, ...)
{
    char text[sizeof r->err->msg];
    if (r->rc) return r->rc;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t n = strlen(text), room = kind == SH_TEMPLATE_RAISED ? sizeof text - 1 : sizeof text - 48;
    if (n > room) n = room;
    text[n - sh_utf8_tail(text, n)] = 0; /* a cut leaves no half character */
    r->kind = kind;
    if (kind == SH_TEMPLATE_RAISED)
        r->rc = sh_fail(r->err, SH_E_INVALID, "%s", text);
    else
        r->rc = sh_fail(r->err, SH_E_INVALID, "template: line %u: %s", r->line, text);
    return r->rc;
}

int sh_tmpl_limit(tmpl_run *r, const char *what, unsigned long long limit)
{
    if (r->rc) return r->rc;
    r->kind = SH_TEMPLATE_OTHER;
    r->rc = sh_fail(r->err, SH_E_LIMIT, "template: line %u: more than %llu (%s)", r->line, limit, what);
    return r->rc;
}

int sh_tmpl_undefined(tmpl_run *r, tv v)
{
    const tv_undef *u = v.u;
    enum sh_template_error kind = u->why == UNDEF_UNSAFE ? SH_TEMPLATE_SECURITY : SH_TEMPLATE_UNDEFINED;
    const tv_str *name = NULL;
    if (u->why == UNDEF_HINT) return sh_tmpl_raise(r, kind, "%s", u->owner);
    if (u->name.kind == TV_STR) {
        name = u->name.s;
    } else {
        tmpl_buf b = {.r = r};
        tv text;
        sh_tb_repr(&b, u->name);
        if (sh_tb_done(&b, &text) < 0) return r->rc;
        name = text.s;
    }
    int n = name->n < 200 ? (int)name->n : 200;
    if (u->why == UNDEF_NAME) return sh_tmpl_raise(r, kind, "'%.*s' is undefined", n, name->p);
    if (u->why == UNDEF_UNSAFE)
        return sh_tmpl_raise(r, kind, "access to attribute '%.*s' of '%s' object is unsafe.", n, name->p,
                             u->owner);
    bool is_none = strcmp(u->owner, "NoneType") == 0;
    if (u->name.kind == TV_STR)
        return sh_tmpl_raise(r, kind, "'%s' has no attribute '%.*s'", is_none ? "None" : u->owner, n,
                             name->p);
    return sh_tmpl_raise(r, kind, "%s object has no element %.*s", u->owner, n, name->p);
}

void *sh_tmpl_alloc(tmpl_run *r, size_t n, size_t size)
{
    size_t bytes;
    if (r->rc) return NULL;
    if (!sh_mul(&bytes, n, size) || bytes > r->max_bytes || sh_arena_bytes(r->arena) > r->max_bytes - bytes) {
        sh_tmpl_limit(r, "bytes of memory", r->max_bytes);
        return NULL;
    }
    void *p = sh_arena_alloc(r->arena, n, size);
    if (!p) {
        r->kind = SH_TEMPLATE_OTHER;
        r->rc = sh_fail_nomem(r->err, bytes);
    }
    return p;
}

int sh_tmpl_steps(tmpl_run *r, uint64_t n)
{
    if (r->rc) return r->rc;
    if (n > r->steps_left) {
        r->steps_left = 0;
        return sh_tmpl_limit(r, "steps", r->max_steps);
    }
    r->steps_left -= n;
    return SH_OK;
}

/* --- one rendering --- */

int sh_tmpl_begin(tmpl_run *r, const sh_template *t, const sh_template_opts *opts, sh_err *err)
{
    static const sh_template_opts defaults = SH_TEMPLATE_OPTS_INIT;
    if (!opts) opts = &defaults;
    *r = (tmpl_run){.t = t, .err = err, .max_bytes = MAX_ARENA_BYTES, .line = 1};
    r->max_steps = r->steps_left = opts->max_steps ? opts->max_steps : DEFAULT_MAX_STEPS;
    r->max_output = opts->max_output_bytes ? opts->max_output_bytes : DEFAULT_MAX_OUTPUT;
    r->max_depth = opts->max_depth ? opts->max_depth : DEFAULT_MAX_DEPTH;
    if (r->max_depth > DEFAULT_MAX_DEPTH)
        r->max_depth = DEFAULT_MAX_DEPTH; /* what the C stack surely carries */
    r->max_nest = r->max_depth * NEST_PER_CALL;
    r->now_unix = opts->now_unix;
    if (!(r->arena = sh_arena_open())) return r->rc = sh_fail_nomem(err, sizeof *r);
    tmpl_scope *root = sh_tmpl_push_scope(r, NULL);
    if (!root || !(root->vals = sh_tmpl_alloc(r, t->n_names, sizeof *root->vals))) return r->rc;
    memset(root->vals, 0, t->n_names * sizeof *root->vals);
    root->n = t->n_names;
    r->root = root;
    for (uint32_t i = 0; i < t->n_names; i++) {
        const tmpl_builtin *b = sh_tmpl_find_global(sh_ts_str(t->names[i]));
        if (!b) continue;
        tv_func *f = sh_tmpl_alloc(r, 1, sizeof *f);
        if (!f) return r->rc;
        *f = (tv_func){.b = b};
        root->vals[i] = (tv){.kind = TV_FUNC, .fn = f};
    }
    return SH_OK;
}

int sh_tmpl_set_json(tmpl_run *r, const json_t *vars)
{
    if (!vars) return SH_OK;
    for (uint32_t i = 0; i < r->t->n_names; i++) {
        const char *name = r->t->names[i]->p;
        const json_t *j = json_object_get(vars, name);
        int rc = j ? sh_tv_from_json(r, j, strcmp(name, "messages") == 0, &r->root->vals[i]) : SH_OK;
        if (rc < 0) return rc;
    }
    return SH_OK;
}

void sh_tmpl_set(tmpl_run *r, const char *name, tv v)
{
    for (uint32_t i = 0; i < r->t->n_names; i++)
        if (strcmp(r->t->names[i]->p, name) == 0) r->root->vals[i] = v;
}

int sh_tmpl_text(tmpl_run *r, const tv_str **out)
{
    tmpl_buf b = {.r = r};
    tv v;
    r->out = &b;
    int rc = sh_tmpl_exec(r, r->t->body);
    if (rc < 0 || (rc = sh_tb_done(&b, &v)) < 0) return rc;
    *out = v.s;
    return SH_OK;
}

/* The first n bytes of s to the caller. */
int sh_tmpl_deliver(tmpl_run *r, const tv_str *s, size_t n, sh_buf *out, sh_span **spans, size_t *n_spans)
{
    const tv_str *text = sh_ts_sub(r, s, 0, n);
    if (!text) return r->rc;
    size_t k = text->all ? 1 : text->n_spans, base = out->n;
    sh_span *list = NULL;
    if (spans && !(list = sh_alloc(k, sizeof *list))) return r->rc = sh_fail_nomem(r->err, k * sizeof *list);
    sh_buf_add(out, text->p, text->n);
    int rc = sh_buf_ok(out, r->err);
    if (rc < 0) {
        sh_free(list);
        return r->rc = rc;
    }
    if (!spans) return SH_OK;
    for (size_t i = 0; i < k; i++) {
        list[i] = text->all ? (sh_span){0, text->n} : text->spans[i];
        list[i].begin += base;
        list[i].end += base;
    }
    *spans = list;
    *n_spans = k;
    return SH_OK;
}

void sh_tmpl_end(tmpl_run *r, enum sh_template_error *kind)
{
    if (kind) *kind = r->rc == SH_OK ? SH_TEMPLATE_OK : r->kind ? r->kind : SH_TEMPLATE_OTHER;
    sh_arena_free(r->arena);
}

int sh_template_render(const sh_template *t, const json_t *vars, const sh_template_opts *opts, sh_buf *out,
                       sh_span **spans, size_t *n_spans, enum sh_template_error *kind, sh_err *err)
{
    tmpl_run r;
    const tv_str *text;
    int rc = sh_tmpl_begin(&r, t, opts, err);
    if (rc == SH_OK) rc = sh_tmpl_set_json(&r, vars);
    if (rc == SH_OK) rc = sh_tmpl_text(&r, &text);
    if (rc == SH_OK) rc = sh_tmpl_deliver(&r, text, text->n, out, spans, n_spans);
    sh_tmpl_end(&r, kind);
    return rc;
}
