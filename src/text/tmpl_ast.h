/* tmpl_ast.h - a parsed template. */
#ifndef SH_TEXT_TMPL_AST_H
#define SH_TEXT_TMPL_AST_H

#include "text/tmpl_run.h"

enum tmpl_node_kind {
    /* expressions */
    NODE_CONST, /* lit */
    NODE_NAME,  /* sym */
    NODE_TUPLE, /* kids */
    NODE_LIST,
    NODE_DICT,   /* kids: key, value, key, value ... */
    NODE_UNARY,  /* op, kids[0] */
    NODE_CHAIN,  /* kids[0] ops[0] kids[1] ops[1] ...: left-associative arithmetic, flat so that length is not
                    depth */
    NODE_CONCAT, /* kids */
    NODE_AND,    /* kids */
    NODE_OR,     /* kids */
    NODE_COMPARE, /* kids and ops, as a < b < c */
    NODE_COND,    /* kids: then, condition, else (or NULL) */
    NODE_ATTR,    /* kids[0] . lit */
    NODE_ITEM,    /* kids[0] [ kids[1] ] */
    NODE_SLICE,   /* kids[0] [ kids[1] : kids[2] : kids[3] ], each bound may be NULL */
    NODE_CALL,    /* kids[0] ( args ) */
    NODE_FILTER,  /* kids[0] | lit ( args ); kids[0] NULL inside filter blocks */
    NODE_TEST,    /* kids[0] is lit ( args ) */
    /* statements */
    NODE_TEXT,         /* lit */
    NODE_OUTPUT,       /* kids, printed one after the other */
    NODE_BODY,         /* kids, a list of statements */
    NODE_IF,           /* kids: condition, body, condition, body, ..., [else body] */
    NODE_FOR,          /* kids: target, iterable, test or NULL, body, else body or NULL; flag: recursive */
    NODE_SET,          /* kids: target, value */
    NODE_SET_BLOCK,    /* kids: target, filter chain or NULL, body */
    NODE_NSREF,        /* sym . lit, only as a target */
    NODE_MACRO,        /* sym, params, body kids[0]; defaults kids[1..] */
    NODE_CALL_BLOCK,   /* kids: body, call, defaults...; params */
    NODE_FILTER_BLOCK, /* kids: filter chain, body */
    NODE_WITH,         /* kids: body, target, value, target, value ... */
    NODE_SCOPE,        /* kids[0]: a body with a scope of its own (generation, block) */
    NODE_BREAK,
    NODE_CONTINUE
};

enum tmpl_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_NEG,
    OP_POS,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN
};

typedef struct tmpl_args { /* of a call: positional, named, *star, **star2 */
    tmpl_node **pos, **kw_value;
    const tv_str **kw_name;
    uint32_t n_pos, n_kw;
    tmpl_node *star, *star2;
} tmpl_args;

typedef struct tmpl_params { /* of a macro; the last n_defaults have defaults */
    uint32_t *syms;
    uint32_t n, n_defaults;
    bool uses_varargs, uses_kwargs, uses_caller;
} tmpl_params;

struct tmpl_node {
    uint8_t kind;
    bool flag;
    uint16_t height; /* of the expression below, bounded by the parser */
    uint32_t line, sym, n;
    tmpl_node **kids;
    uint8_t *ops;
    tv lit;
    union {
        tmpl_args *args;
        tmpl_params *params;
    };
    const tmpl_builtin *fn;
};

struct sh_template {
    sh_arena *arena;
    tmpl_node *body;
    const tv_str **names; /* [n_names] by sym */
    uint32_t n_names;
    uint32_t sym_loop, sym_caller, sym_varargs, sym_kwargs;
};

enum tmpl_token_kind {
    TOK_TEXT,
    TOK_VAR_BEGIN,
    TOK_VAR_END,
    TOK_BLOCK_BEGIN,
    TOK_BLOCK_END,
    TOK_NAME,
    TOK_STRING,
    TOK_INT,
    TOK_FLOAT,
    TOK_OP,
    TOK_END
};

typedef struct tmpl_token {
    enum tmpl_token_kind kind;
    uint32_t line;
    sh_str text; /* of names, operators, and the raw text; a decoded string for TOK_STRING */
    int64_t i;
    double f;
} tmpl_token;

/* Cut n bytes of (normalised) source into tokens; the array belongs to arena and ends with TOK_END.
 * Source must outlive the arena's users: text tokens point into it. SH_E_CORRUPT with the line. */
int sh_tmpl_lex(sh_arena *arena, const char *source, size_t n, tmpl_token **out, size_t *n_out, sh_err *err);
/* Parse tokens into t->body and t->names. */
int sh_tmpl_parse(sh_template *t, const tmpl_token *tokens, size_t n, sh_err *err);

/* --- evaluation (tmpl_eval.c, tmpl_exec.c) --- */
int sh_tmpl_eval(tmpl_run *r, const tmpl_node *e, tv *out);
int sh_tmpl_eval_args(tmpl_run *r, const tmpl_args *args, tmpl_argv *out);
int sh_tmpl_exec(tmpl_run *r, const tmpl_node *s);
/* Apply a chain of NODE_FILTER whose innermost input is `in`. */
int sh_tmpl_apply_filters(tmpl_run *r, const tmpl_node *chain, tv in, tv *out);
tv sh_tmpl_lookup(tmpl_run *r, uint32_t sym);
int sh_tmpl_assign(tmpl_run *r, uint32_t sym, tv v);
/* Make a new scope inside parent the current one; NULL with the error recorded. Lives in the arena: a macro
 * may keep it. */
tmpl_scope *sh_tmpl_push_scope(tmpl_run *r, tmpl_scope *parent);

#endif
