/* text/grammar_schema.h - the parts of the compiler from JSON Schema to GBNF text.
 *
 * Every schema becomes a rule; what nothing satisfies becomes SCHEMA_NONE, so that callers can leave it out.
 * What is emitted is always a subset of what the schema admits: where a keyword cannot be kept exactly, the
 * compiler refuses, naming its place. Properties come in the schema's order, white space is bounded. */
#ifndef SH_TEXT_GRAMMAR_SCHEMA_H
#define SH_TEXT_GRAMMAR_SCHEMA_H

#include <jansson.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    SCHEMA_NONE = UINT32_MAX,
    SCHEMA_MAX_DEPTH = 96,
    SCHEMA_MAX_RULES = 30000,
    SCHEMA_MAX_BYTES = 4 << 20, /* of GBNF */
    SCHEMA_MAX_COUNTS = 8192    /* rules of one object whose members are counted */
};

/* White space after "{" "[" "," and before "}" "]"; after ":". Any character of a string but its escapes. */
#define SCHEMA_WS " ws "
#define SCHEMA_COLON "\":\" \" \"? "
#define SCHEMA_CHAR "([^\"\\\\\\x00-\\x1F] | \"\\\\\" escape)"

typedef struct schema_ctx {
    const json_t *root;
    const char *where;
    sh_buf *out;
    sh_buf path;    /* the JSON pointer of what is being compiled */
    json_t *refs;   /* pointer -> rule number */
    json_t *merged; /* schemas made by merging, kept to the end */
    unsigned depth;
    uint32_t n_rules;
    sh_err *err;
} schema_ctx;

/* One line that names the place; keyword may be NULL. Returns code. */
int schema_fail(schema_ctx *c, int code, const char *keyword, const char *what);
/* Append "/name" to the path; returns its former length for schema_leave. */
size_t schema_enter(schema_ctx *c, const char *name);
void schema_leave(schema_ctx *c, size_t length);
/* A new rule's number; its text is "rN". */
int schema_new_rule(schema_ctx *c, uint32_t *rule);
/* "rN ::= body". */
int schema_put_rule(schema_ctx *c, uint32_t rule, const sh_buf *body);

/* The rule of a schema at the path, or SCHEMA_NONE. */
int schema_emit(schema_ctx *c, const json_t *schema, uint32_t *rule);
/* The same below a keyword (and a name, when not NULL). */
int schema_emit_at(schema_ctx *c, const json_t *schema, const char *keyword, const char *name,
                   uint32_t *rule);

/* Append what a kind of value may be, as an expression; *possible is false when nothing may. */
int schema_object(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible);
int schema_array(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible);
int schema_string(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible);
int schema_number(schema_ctx *c, const json_t *schema, bool integer, sh_buf *body, bool *possible);

/* A GBNF literal of bytes. */
void schema_literal(sh_buf *out, const char *p, size_t n);
/* A JSON string's literal, quotes included. */
void schema_quoted(sh_buf *out, const char *p, size_t n);
/* The characters of a JSON string (without quotes) that a regular expression admits. */
int schema_pattern(schema_ctx *c, const char *pattern, size_t n, sh_buf *body);
/* One character of a JSON string out of ranges [n] of code points, each inclusive. */
void schema_class(sh_buf *out, const uint32_t (*ranges)[2], size_t n);
/* A non-negative integer keyword; absent leaves *value alone. */
int schema_count(schema_ctx *c, const json_t *schema, const char *keyword, uint64_t *value);

/* Both schemas at once, as a new schema that c keeps. */
int schema_merge(schema_ctx *c, const json_t *a, const json_t *b, const json_t **out);
/* The schema that a $ref names. */
int schema_resolve(schema_ctx *c, const char *ref, const json_t **out);
/* Whether a keyword only describes. */
bool schema_is_annotation(const char *keyword);

#endif
