/* tmpl_parse.h - what the two halves of the parser share: expressions and statements. */
#ifndef SH_TEXT_TMPL_PARSE_H
#define SH_TEXT_TMPL_PARSE_H

#include "base/map.h"
#include "text/tmpl_ast.h"

/* Nesting of brackets and blocks, and the height of an expression, are bounded so that neither parser nor
 * evaluator can use up the C stack. */
enum { TMPL_MAX_NESTING = 160, TMPL_MAX_HEIGHT = 240 };

typedef struct tmpl_parser {
    sh_template *t;
    const tmpl_token *tok;
    size_t i, n;
    sh_map *syms;
    size_t cap_names;
    unsigned nesting;
    unsigned loops;                              /* enclosing for loops: break and continue need one */
    bool uses_caller, uses_varargs, uses_kwargs; /* names met since the enclosing macro began */
    int rc;
    sh_err *err;
} tmpl_parser;

typedef struct tmpl_list { /* of nodes (or anything), growing in the template's arena */
    void **p;
    uint32_t n, cap;
} tmpl_list;

/* All of these return NULL, false or a negative code after recording the first error. */
void *sh_tp_alloc(tmpl_parser *p, size_t n, size_t size);
void *sh_tp_nomem(tmpl_parser *p);
void *sh_tp_fail(tmpl_parser *p, const char *fmt, ...) SH_PRINTF(2, 3);
bool sh_tp_push(tmpl_parser *p, tmpl_list *l, void *item);
tmpl_node *sh_tp_node(tmpl_parser *p, enum tmpl_node_kind kind, tmpl_node *const *kids, uint32_t n);
tmpl_node *sh_tp_node_list(tmpl_parser *p, enum tmpl_node_kind kind, const tmpl_list *l);
bool sh_tp_intern(tmpl_parser *p, sh_str name, uint32_t *sym);
bool sh_tp_literal(tmpl_parser *p, sh_str text, tv *out);
bool sh_tp_enter(tmpl_parser *p); /* one nesting level; pair with p->nesting-- */

static inline const tmpl_token *sh_tp_peek(const tmpl_parser *p, size_t k)
{
    return &p->tok[p->i + k < p->n ? p->i + k : p->n - 1];
}
bool sh_tp_at_op(const tmpl_parser *p, const char *op);
bool sh_tp_at_name(const tmpl_parser *p, const char *name);
bool sh_tp_skip_op(tmpl_parser *p, const char *op);
bool sh_tp_skip_name(tmpl_parser *p, const char *name);
bool sh_tp_expect_op(tmpl_parser *p, const char *op);
bool sh_tp_expect_name(tmpl_parser *p, sh_str *name);
const char *sh_tp_show(const tmpl_token *t, char buf[64]); /* a token for messages */

tmpl_node *sh_tp_expression(tmpl_parser *p);
tmpl_node *sh_tp_or(tmpl_parser *p); /* an expression without `if` */
/* One expression, or a tuple when commas follow; with_if allows conditional expressions inside. `end` is a
 * name that ends the tuple ("recursive"), or NULL. */
tmpl_node *sh_tp_tuple(tmpl_parser *p, bool with_if, const char *end);
tmpl_node *sh_tp_target(tmpl_parser *p, bool with_namespace);
tmpl_node *sh_tp_filters(tmpl_parser *p, tmpl_node *in, bool start_inline);
bool sh_tp_params(tmpl_parser *p, tmpl_params *params, tmpl_list *defaults);

#endif
