/* tmpl_value.h - the values that a template computes with.
 *
 * A value is 16 bytes, passed by value; what it points to lives in the arena of one rendering (or, for
 * literals, of the parsed template) and never changes once made, except namespaces and the reading place of
 * iterators. Semantics are Python's: integers are 64 bits wide and overflow is an error, text is UTF-8 and
 * counted in code points.
 *
 * Provenance. A string remembers which of its bytes came from the conversation: none, all, or a list of
 * spans. Slices, strips, splits, joins, replacements and concatenations carry the spans along; a
 * transformation that rewrites characters (upper, repr, escapes) marks its whole result when any of its input
 * was marked. */
#ifndef SH_TEXT_TMPL_VALUE_H
#define SH_TEXT_TMPL_VALUE_H

#include "text/chat_template.h"

typedef struct tmpl_run tmpl_run;
typedef struct tmpl_node tmpl_node;

enum tv_kind {
    TV_MISSING, /* no value at all: an unset variable, an argument that was not given */
    TV_UNDEF,
    TV_NONE,
    TV_BOOL,
    TV_INT,
    TV_FLOAT,
    TV_STR,
    TV_SEQ,
    TV_DICT,
    TV_NS,
    TV_LOOP,
    TV_FUNC,
    TV_MACRO,
    TV_CYCLER,
    TV_JOINER
};

/* A string that may still grow in place: `text = text + more` in a loop costs what it adds, not what there
 * is. */
typedef struct tv_grow {
    char *p;
    size_t used, cap;
    sh_span *spans;
    size_t n_spans, cap_spans;
} tv_grow;

typedef struct tv_str {
    const char *p;
    size_t n;             /* bytes */
    const sh_span *spans; /* ascending, disjoint; not used when all is set */
    uint32_t n_spans;
    bool all;      /* every byte came from the conversation */
    bool ascii;    /* known to be ASCII: code point i is byte i */
    bool markup;   /* made by |safe or |escape: + escapes its other operand */
    tv_grow *grow; /* NULL for borrowed bytes */
} tv_str;

enum tv_seq_kind {
    SEQ_LIST,
    SEQ_TUPLE,
    SEQ_GROUP,
    SEQ_RANGE,
    SEQ_KEYS,
    SEQ_VALUES,
    SEQ_ITEMS,
    SEQ_ITER,
    SEQ_COUNT
};

typedef struct tv tv;

typedef struct tv_seq {
    const tv *items;           /* NULL for ranges */
    size_t n, i_next;          /* i_next: how far an iterator (SEQ_ITER) has been read */
    int64_t start, stop, step; /* ranges */
    enum tv_seq_kind kind;
} tv_seq;

typedef struct tv_dict tv_dict;
typedef struct tv_undef tv_undef;
typedef struct tv_loop tv_loop;
typedef struct tv_func tv_func;
typedef struct tv_macro tv_macro;
typedef struct tv_cycler tv_cycler;

struct tv {
    enum tv_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        const tv_str *s;
        tv_seq *seq;
        tv_dict *d; /* TV_DICT, TV_NS */
        const tv_undef *u;
        tv_loop *loop;
        const tv_func *fn;
        const tv_macro *macro;
        tv_cycler *cycler; /* TV_CYCLER, TV_JOINER */
    };
};

/* Insertion-ordered. Up to 8 keys are searched one by one, more through an index (open addressing, entry +
 * 1). */
struct tv_dict {
    tv *keys, *vals;
    uint32_t *index;
    uint32_t n, cap, cap_index;
};

/* Why something is undefined. Used only when somebody touches it, so the sentence is made then. */
struct tv_undef {
    enum { UNDEF_NAME, UNDEF_ATTR, UNDEF_UNSAFE, UNDEF_HINT } why;
    tv name;           /* variable, attribute or key */
    const char *owner; /* type name of the object that lacks it; the whole sentence for UNDEF_HINT */
};

struct tv_cycler { /* also a joiner: items[0] is the separator and i counts its calls */
    const tv *items;
    size_t n, i;
};

static inline tv tv_none(void) { return (tv){.kind = TV_NONE}; }
static inline tv tv_bool(bool b) { return (tv){.kind = TV_BOOL, .b = b}; }
static inline tv tv_int(int64_t i) { return (tv){.kind = TV_INT, .i = i}; }
static inline tv tv_float(double f) { return (tv){.kind = TV_FLOAT, .f = f}; }
static inline tv tv_of(const tv_str *s) { return (tv){.kind = TV_STR, .s = s}; }
static inline bool tv_is_str(tv v) { return v.kind == TV_STR; }
static inline bool tv_is_number(tv v) { return v.kind == TV_BOOL || v.kind == TV_INT || v.kind == TV_FLOAT; }
static inline bool tv_is_list(tv v) { return v.kind == TV_SEQ && v.seq->kind == SEQ_LIST; }
static inline bool tv_is_tuple(tv v)
{
    return v.kind == TV_SEQ && (v.seq->kind == SEQ_TUPLE || v.seq->kind == SEQ_GROUP);
}
/* bool and int as Python's int; false for everything else. */
static inline bool tv_to_int(tv v, int64_t *i)
{
    if (v.kind == TV_BOOL)
        *i = v.b;
    else if (v.kind == TV_INT)
        *i = v.i;
    else
        return false;
    return true;
}
static inline double tv_to_double(tv v)
{
    return v.kind == TV_FLOAT ? v.f : v.kind == TV_INT ? (double)v.i : v.b;
}
static inline tv tv_seq_at(const tv_seq *s, size_t i)
{
    return s->items ? s->items[i] : tv_int(s->start + (int64_t)i * s->step);
}

/* --- making values; NULL or a negative code when memory or a limit ran out (the run holds the error) --- */

const tv_str *sh_ts_new(tmpl_run *r, const char *p, size_t n, bool from_content); /* borrows p */
const tv_str *sh_ts_copy(tmpl_run *r, const char *p, size_t n, bool from_content);
const tv_str *sh_ts_sub(tmpl_run *r, const tv_str *s, size_t begin,
                        size_t end); /* bytes; shares s's memory */
const tv_str *sh_ts_concat(tmpl_run *r, const tv_str *a, const tv_str *b);
static inline bool sh_ts_marked(const tv_str *s) { return s->all || s->n_spans > 0; }
/* A string of n_spans spans, or fewer, for bytes that were built elsewhere. */
static inline sh_str sh_ts_str(const tv_str *s) { return (sh_str){s->p, s->n}; }

tv_seq *sh_seq_new(tmpl_run *r, enum tv_seq_kind kind, const tv *items, size_t n); /* borrows items */
int sh_seq_pair(tmpl_run *r, tv a, tv b, tv *out);                                 /* a tuple of two */
tv_dict *sh_dict_new(tmpl_run *r, size_t n_expected);
int sh_dict_set(tmpl_run *r, tv_dict *d, tv key, tv value); /* an unhashable key is an error */
/* The value, or TV_MISSING; an unhashable key is simply absent. */
tv sh_dict_get(const tv_dict *d, tv key);
tv sh_dict_get_str(const tv_dict *d, sh_str key);
bool sh_tv_hashable(tv v);
/* Wrap JSON without copying text. Objects' and arrays' tables are made anew; content marks every string
 * below. */
int sh_tv_from_json(tmpl_run *r, const json_t *j, bool content, tv *out);

/* --- Python's view of a value --- */

bool sh_tv_truth(tv v);
const char *sh_tv_type_name(tv v);
/* == and the order of Python; the order of two different types is an error. Bounded depth. */
int sh_tv_equal(tmpl_run *r, tv a, tv b, bool *out);
int sh_tv_compare(tmpl_run *r, tv a, tv b, const char *op, int *out); /* <0, 0, >0; 2 when unordered (nan) */
int sh_tv_contains(tmpl_run *r, tv container, tv item, bool *out);
/* Length as len() gives it; a type without one is an error. */
int sh_tv_len(tmpl_run *r, tv v, size_t *out);

typedef struct tv_iter {
    tv v;
    size_t i, n;
} tv_iter;
/* Begin reading v; a type that cannot be iterated is an error. sh_tv_next: 1 with *out, 0 at the end,
 * negative on error. */
int sh_tv_iter(tmpl_run *r, tv v, tv_iter *it);
int sh_tv_next(tmpl_run *r, tv_iter *it, tv *out);
/* All items as an array that must not be changed. */
int sh_tv_items(tmpl_run *r, tv v, const tv **items, size_t *n);

/* --- code points --- */

size_t sh_ts_len(const tv_str *s);              /* code points */
size_t sh_ts_offset(const tv_str *s, size_t i); /* byte offset of code point i (n when past the end) */
bool sh_cp_is_space(uint32_t cp);               /* str.isspace */
/* Resolve Python slice bounds for a length; step must not be 0. Returns the number of items; *last (which may
 * be NULL) is where the slice stops, exclusive. */
size_t sh_slice_resolve(int64_t len, tv lo, tv hi, int64_t step, int64_t *first, int64_t *last);

#endif
