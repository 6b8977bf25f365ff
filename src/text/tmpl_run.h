/* tmpl_run.h - one rendering: its arena, its limits, its scopes and its error. */
#ifndef SH_TEXT_TMPL_RUN_H
#define SH_TEXT_TMPL_RUN_H

#include "base/arena.h"
#include "text/tmpl_value.h"

/* Variables of one block; the outermost scope is an array with one slot per name of the template instead. */
typedef struct tmpl_scope {
    struct tmpl_scope *parent;
    uint32_t *syms;
    tv *vals;
    uint32_t n, cap; /* of the outermost scope: n names, cap 0 */
} tmpl_scope;

/* Text being made: the output, or the body of a macro or block. Errors stay in the run; further adds do
 * nothing. */
typedef struct tmpl_buf {
    tmpl_run *r;
    char *p;
    size_t n, cap;
    sh_span *spans;
    size_t n_spans, cap_spans;
} tmpl_buf;

enum tmpl_flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

struct tmpl_run {
    const sh_template *t;
    sh_arena *arena;
    size_t max_bytes, max_output;
    uint64_t max_steps, steps_left;
    unsigned depth, max_depth; /* calls of macros and recursive loops */
    unsigned nest, max_nest;   /* evaluator frames on the C stack */
    int64_t now_unix;
    uint32_t line; /* of the statement being run, for messages */
    enum tmpl_flow flow;
    tmpl_scope *scope;
    tmpl_scope *root;
    tmpl_buf *out;
    int rc; /* the first error, sticky */
    enum sh_template_error kind;
    sh_err *err;
};

/* Record an error and return its code. The first one wins. */
int sh_tmpl_raise(tmpl_run *r, enum sh_template_error kind, const char *fmt, ...) SH_PRINTF(3, 4);
int sh_tmpl_limit(tmpl_run *r, const char *what, unsigned long long limit);
/* Python's TypeError and friends: kind OTHER. */
#define sh_tmpl_type_error(r, ...) sh_tmpl_raise(r, SH_TEMPLATE_OTHER, __VA_ARGS__)
/* Somebody used an undefined value. */
int sh_tmpl_undefined(tmpl_run *r, tv v);
/* Arena memory within max_bytes; NULL with the error recorded. */
void *sh_tmpl_alloc(tmpl_run *r, size_t n, size_t size);
/* Pay for n evaluated nodes; work over bytes or items pays in proportion. */
int sh_tmpl_steps(tmpl_run *r, uint64_t n);
static inline int sh_tmpl_pay_bytes(tmpl_run *r, size_t n) { return sh_tmpl_steps(r, 1 + n / 64); }

/* --- buffers --- */
void sh_tb_add(tmpl_buf *b, const char *p, size_t n, bool from_content);
static inline void sh_tb_puts(tmpl_buf *b, const char *s) { sh_tb_add(b, s, strlen(s), false); }
void sh_tb_sub(tmpl_buf *b, const tv_str *s, size_t begin, size_t end);
static inline void sh_tb_ts(tmpl_buf *b, const tv_str *s) { sh_tb_sub(b, s, 0, s->n); }
void sh_tb_cp(tmpl_buf *b, uint32_t cp, bool from_content);
void sh_tb_int(tmpl_buf *b, int64_t i);
int sh_tb_done(tmpl_buf *b, tv *out); /* the string; the buffer must not be used afterwards */

/* --- text of values (tmpl_print.c) --- */
void sh_tb_str(tmpl_buf *b, tv v);                    /* str(v) */
void sh_tb_repr(tmpl_buf *b, tv v);                   /* repr(v) */
int sh_tv_str(tmpl_run *r, tv v, const tv_str **out); /* str(v) as a string */
size_t sh_float_repr(double f, char out[40]);         /* shortest digits that read back as f */
typedef struct tmpl_json_opts {
    bool ensure_ascii, sort_keys, pretty;
    sh_str indent, item_sep, key_sep;
} tmpl_json_opts;
int sh_tb_json(tmpl_buf *b, tv v, const tmpl_json_opts *o, unsigned depth);
void sh_tb_escape(tmpl_buf *b, const tv_str *s); /* & < > ' " as HTML */

/* --- calls --- */
typedef struct tmpl_kwarg {
    sh_str name;
    tv value;
} tmpl_kwarg;
typedef struct tmpl_argv {
    const tv *pos;
    size_t n_pos;
    const tmpl_kwarg *kw;
    size_t n_kw;
} tmpl_argv;

enum { TMPL_MAX_PARAMS = 6 };
/* A builtin filter, method, test or function. params names its parameters ("width first blank"; "*" takes
 * any), the first n_required of them must be given. a[] holds them in order, TV_MISSING where not given; raw
 * is the call as written. */
typedef int tmpl_fn(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out);
typedef struct tmpl_builtin {
    const char *name;
    tmpl_fn *fn;
    const char *params;
    unsigned n_required;
} tmpl_builtin;
int sh_tmpl_call_builtin(tmpl_run *r, const tmpl_builtin *b, tv self, const tmpl_argv *raw, tv *out);

struct tv_func { /* a global function, or a method bound to self */
    const tmpl_builtin *b;
    tv self;
};
struct tv_macro {
    const tmpl_node *node; /* NODE_MACRO or NODE_CALL_BLOCK */
    tmpl_scope *scope;     /* where it was defined */
};
struct tv_loop {
    const tv *items;
    size_t n, i;
    tv changed;            /* arguments of the last loop.changed() */
    const tmpl_node *node; /* for loop(...) of recursive loops, else NULL */
    tmpl_scope *scope;     /* around the loop */
    unsigned depth;
};

const tmpl_builtin *sh_tmpl_find_filter(sh_str name);
const tmpl_builtin *sh_tmpl_find_test(sh_str name);
const tmpl_builtin *sh_tmpl_find_global(sh_str name);
/* The method `name` of v's type, or NULL. *unsafe: it exists and the sandbox forbids it. */
const tmpl_builtin *sh_tmpl_find_method(tv v, sh_str name, bool *unsafe);

int sh_tmpl_call(tmpl_run *r, tv callee, const tmpl_argv *args, tv *out);
int sh_tmpl_call_macro(tmpl_run *r, const tv_macro *m, const tmpl_argv *args, tv *out);
int sh_tmpl_call_loop(tmpl_run *r, const tv_loop *l, const tmpl_argv *args, tv *out);
int sh_tmpl_macro_attr(tmpl_run *r, const tv_macro *m, sh_str name,
                       tv *out); /* TV_MISSING when there is none */

/* --- attributes and operators (tmpl_ops.c) --- */
int sh_tv_getattr(tmpl_run *r, tv obj, tv name, tv *out); /* obj.name */
int sh_tv_getitem(tmpl_run *r, tv obj, tv key, tv *out);  /* obj[key] */
int sh_tv_slice(tmpl_run *r, tv obj, tv lo, tv hi, tv step, tv *out);
int sh_tv_binop(tmpl_run *r, int op, tv a, tv b, tv *out);
int sh_tv_unary(tmpl_run *r, int op, tv a, tv *out);
int sh_tv_undef_attr(tmpl_run *r, tv obj, tv name, tv *out);
int sh_tv_hint_undef(tmpl_run *r, const char *sentence, tv *out);
/* `fmt % args` and fmt.format(args) */
int sh_tmpl_percent(tmpl_run *r, const tv_str *fmt, tv args, tv *out);
int sh_tmpl_format(tmpl_run *r, const tv_str *fmt, const tmpl_argv *args, tv *out);

/* --- helpers that filters and methods share (tmpl_text.c) --- */
tv sh_tv_lit(tmpl_run *r, const char *s); /* a string of static text; TV_MISSING when memory ran out */
int sh_ts_strip(tmpl_run *r, const tv_str *s, tv chars, int sides, tv *out); /* sides: 1 left, 2 right */
int sh_ts_replace(tmpl_run *r, const tv_str *s, const tv_str *from, const tv_str *to, int64_t count, tv *out);
int sh_ts_case(tmpl_run *r, const tv_str *s, char how,
               tv *out); /* U upper, L lower, C capitalize, T title, S swapcase */
int sh_ts_splitlines(tmpl_run *r, const tv_str *s, bool keep_ends, tv *out);
int sh_ts_center(tmpl_run *r, const tv_str *s, int64_t width, char where, const tv_str *fill,
                 tv *out); /* l r c */
/* First occurrence at or after byte `from`; SIZE_MAX when absent. */
size_t sh_str_find(sh_str hay, sh_str needle, size_t from);
int sh_tv_list_of(tmpl_run *r, const tv *items, size_t n, enum tv_seq_kind kind, tv *out);
int sh_str_to_int(sh_str s, int base,
                  int64_t *out);             /* Python's int(str, base): SH_OK, SH_E_INVALID, SH_E_RANGE */
bool sh_str_to_float(sh_str s, double *out); /* Python's float(str) */

#endif
