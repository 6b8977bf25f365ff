/* grammar_schema.c - JSON Schema (draft 2020-12) to GBNF: types, choices, references. */
#include "text/grammar_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "text/grammar.h"

/* --- places, rules --- */

int schema_fail(schema_ctx *c, int code, const char *keyword, const char *what)
{
    return sh_fail(c->err, code, "%s: '#%.200s%s%s': %s", c->where, sh_buf_str(&c->path).p,
                   keyword ? "/" : "", keyword ? keyword : "", what);
}

size_t schema_enter(schema_ctx *c, const char *name)
{
    size_t length = c->path.n;
    sh_buf_putc(&c->path, '/');
    for (; *name; name++) {
        if (*name == '~' || *name == '/')
            sh_buf_puts(&c->path, *name == '~' ? "~0" : "~1");
        else
            sh_buf_putc(&c->path, *name);
    }
    return length;
}

void schema_leave(schema_ctx *c, size_t length)
{
    c->path.n = length;
    if (c->path.p) c->path.p[length] = 0;
}

int schema_new_rule(schema_ctx *c, uint32_t *rule)
{
    if (c->n_rules >= SCHEMA_MAX_RULES || c->out->n > SCHEMA_MAX_BYTES)
        return schema_fail(c, SH_E_LIMIT, NULL, "the schema is too large");
    *rule = c->n_rules++;
    return SH_OK;
}

int schema_put_rule(schema_ctx *c, uint32_t rule, const sh_buf *body)
{
    sh_buf_printf(c->out, "r%" PRIu32 " ::= ", rule);
    sh_buf_add(c->out, sh_buf_str(body).p, body->n);
    sh_buf_putc(c->out, '\n');
    if (body->failed) c->out->failed = true;
    return sh_buf_ok(c->out, c->err);
}

void schema_literal(sh_buf *out, const char *p, size_t n)
{
    sh_buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)p[i];
        if (b == '"' || b == '\\')
            sh_buf_printf(out, "\\%c", b);
        else if (b < 0x20)
            sh_buf_printf(out, "\\x%02X", b);
        else
            sh_buf_putc(out, (char)b);
    }
    sh_buf_putc(out, '"');
}

void schema_quoted(sh_buf *out, const char *p, size_t n)
{
    sh_buf text = {0};
    sh_json_quote(&text, p, n);
    schema_literal(out, sh_buf_str(&text).p, text.n);
    if (text.failed) out->failed = true;
    sh_buf_clear(&text);
}

int schema_count(schema_ctx *c, const json_t *schema, const char *keyword, uint64_t *value)
{
    const json_t *v = json_object_get(schema, keyword);
    if (!v) return SH_OK;
    double d = json_number_value(v);
    if (!json_is_number(v) || d < 0 || d != (double)(uint64_t)(d < 1e15 ? d : 0))
        return schema_fail(c, SH_E_INVALID, keyword, "expected an integer from 0");
    *value = (uint64_t)d;
    return SH_OK;
}

/* --- values written out --- */

static int put_value(schema_ctx *c, const json_t *v, sh_buf *body)
{
    const char *key;
    json_t *item;
    size_t i;
    int rc = SH_OK;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        sh_buf_puts(body, "\"{\" ws ");
        i = 0;
        json_object_foreach((json_t *)(uintptr_t)v, key, item)
        {
            if (i++) sh_buf_puts(body, "\",\" ws ");
            schema_quoted(body, key, strlen(key));
            sh_buf_puts(body, " " SCHEMA_COLON);
            if ((rc = put_value(c, item, body)) < 0) return rc;
        }
        sh_buf_puts(body, i ? "ws \"}\" " : "\"}\" ");
        return SH_OK;
    case JSON_ARRAY:
        sh_buf_puts(body, "\"[\" ws ");
        json_array_foreach(v, i, item)
        {
            if (i) sh_buf_puts(body, "\",\" ws ");
            if ((rc = put_value(c, item, body)) < 0) return rc;
        }
        sh_buf_puts(body, json_array_size(v) ? "ws \"]\" " : "\"]\" ");
        return SH_OK;
    case JSON_STRING:
        schema_quoted(body, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        sh_buf_printf(body, "\"%" JSON_INTEGER_FORMAT "\"", json_integer_value(v));
        break;
    default: {
        sh_buf text = {0};
        if ((rc = sh_json_write(&text, v, 0, c->err)) == SH_OK) {
            bool whole = json_is_real(v) && text.n > 2 && sh_ends_with(text.p, ".0");
            schema_literal(body, text.p, text.n - (whole ? 2 : 0));
        }
        sh_buf_clear(&text);
    }
    }
    sh_buf_putc(body, ' ');
    return rc;
}

static bool value_has_type(const json_t *v, const char *type)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return strcmp(type, "object") == 0;
    case JSON_ARRAY:
        return strcmp(type, "array") == 0;
    case JSON_STRING:
        return strcmp(type, "string") == 0;
    case JSON_NULL:
        return strcmp(type, "null") == 0;
    case JSON_TRUE:
    case JSON_FALSE:
        return strcmp(type, "boolean") == 0;
    case JSON_INTEGER:
        return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    case JSON_REAL: {
        double d = json_real_value(v);
        bool whole = d == (double)(int64_t)(d > -9e15 && d < 9e15 ? d : 0.5);
        return strcmp(type, "number") == 0 || (whole && strcmp(type, "integer") == 0);
    }
    }
    return false;
}

static bool value_fits(const json_t *v, const json_t *types)
{
    const json_t *t;
    size_t i;
    if (!types) return true;
    if (json_is_string(types)) return value_has_type(v, json_string_value(types));
    json_array_foreach(types, i,
                       t) if (json_is_string(t) && value_has_type(v, json_string_value(t))) return true;
    return false;
}

/* const and enum: the values of the right type, one after another. Further assertions beside them are
 * refused, as keeping them would mean to judge the values. */
static int emit_values(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum"), *v;
    const char *key;
    json_t *ignored;
    size_t i, n = 0;
    int rc = SH_OK;
    json_object_foreach((json_t *)(uintptr_t)schema, key,
                        ignored) if (!schema_is_annotation(key) && strcmp(key, "const") != 0 &&
                                     strcmp(key, "enum") != 0 && strcmp(key, "type") != 0 &&
                                     strcmp(key, "nullable") !=
                                         0) return schema_fail(c, SH_E_UNSUPPORTED, key,
                                                               "not supported beside enum or const");
    if (list && (!json_is_array(list) || !json_array_size(list)))
        return schema_fail(c, SH_E_INVALID, "enum", "expected a list of values");
    if (only && !list) {
        *possible = value_fits(only, json_object_get(schema, "type"));
        return *possible ? put_value(c, only, body) : SH_OK;
    }
    json_array_foreach(list, i, v)
    {
        if (!value_fits(v, json_object_get(schema, "type")) || (only && !json_equal(only, v))) continue;
        if (n++) sh_buf_puts(body, "| ");
        if ((rc = put_value(c, v, body)) < 0) return rc;
    }
    *possible = n > 0;
    return SH_OK;
}

/* --- types --- */

typedef struct type_row {
    const char *name;
    int (*emit)(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible);
    const char *const *keywords; /* whose presence means this type where no type is given */
} type_row;

static int emit_integer(schema_ctx *c, const json_t *s, sh_buf *b, bool *p)
{
    return schema_number(c, s, true, b, p);
}
static int emit_number(schema_ctx *c, const json_t *s, sh_buf *b, bool *p)
{
    return schema_number(c, s, false, b, p);
}
static int emit_boolean(schema_ctx *c, const json_t *s, sh_buf *b, bool *p)
{
    (void)c, (void)s, (void)p;
    sh_buf_puts(b, "\"true\" | \"false\" ");
    return SH_OK;
}
static int emit_null(schema_ctx *c, const json_t *s, sh_buf *b, bool *p)
{
    (void)c, (void)s, (void)p;
    sh_buf_puts(b, "\"null\" ");
    return SH_OK;
}

static const char *const object_keywords[] = {
    "properties",    "required",      "additionalProperties", "patternProperties",
    "propertyNames", "minProperties", "maxProperties",        NULL};
static const char *const array_keywords[] = {"items",    "prefixItems", "minItems",
                                             "maxItems", "uniqueItems", NULL};
static const char *const string_keywords[] = {"minLength", "maxLength", "pattern", "format", NULL};
static const char *const number_keywords[] = {"minimum",          "maximum",    "exclusiveMinimum",
                                              "exclusiveMaximum", "multipleOf", NULL};
static const char *const no_keywords[] = {NULL};

static const type_row type_rows[] = {
    {"object", schema_object, object_keywords}, {"array", schema_array, array_keywords},
    {"string", schema_string, string_keywords}, {"number", emit_number, number_keywords},
    {"integer", emit_integer, no_keywords},     {"boolean", emit_boolean, no_keywords},
    {"null", emit_null, no_keywords},
};
enum { N_TYPES = sizeof type_rows / sizeof *type_rows, TYPE_NUMBER = 3, TYPE_INTEGER = 4, TYPE_NULL = 6 };

static int type_bit(schema_ctx *c, const json_t *name, unsigned *bits)
{
    for (unsigned i = 0; json_is_string(name) && i < N_TYPES; i++)
        if (strcmp(json_string_value(name), type_rows[i].name) == 0) return *bits |= 1u << i, SH_OK;
    return schema_fail(c, SH_E_INVALID, "type",
                       "expected object, array, string, number, integer, boolean, null, or a list of them");
}

/* The types a schema admits; 0: any, with no keyword that tells one. */
static int types_of(schema_ctx *c, const json_t *schema, unsigned *bits)
{
    const json_t *type = json_object_get(schema, "type"), *t;
    size_t i;
    int rc = SH_OK;
    *bits = 0;
    if (json_is_array(type) && json_array_size(type)) {
        json_array_foreach(type, i, t) if ((rc = type_bit(c, t, bits)) < 0) return rc;
    } else if (type) {
        rc = type_bit(c, type, bits);
    } else {
        for (i = 0; i < N_TYPES; i++)
            for (const char *const *k = type_rows[i].keywords; *k; k++)
                if (json_object_get(schema, *k)) *bits |= 1u << i;
    }
    if (*bits & 1u << TYPE_NUMBER) *bits &= ~(1u << TYPE_INTEGER);
    if (*bits && json_is_true(json_object_get(schema, "nullable"))) *bits |= 1u << TYPE_NULL;
    return rc;
}

static int emit_types(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    unsigned bits, n = 0;
    int rc = types_of(c, schema, &bits);
    if (rc < 0) return rc;
    if (!bits) return sh_buf_puts(body, "value "), SH_OK;
    for (unsigned i = 0; i < N_TYPES; i++) {
        size_t length = body->n;
        bool one = true;
        if (!(bits & 1u << i)) continue;
        if (n) sh_buf_puts(body, "| ");
        if ((rc = type_rows[i].emit(c, schema, body, &one)) < 0) return rc;
        if (!one && body->p) body->n = length, body->p[length] = 0;
        n += one;
    }
    *possible = n > 0;
    return SH_OK;
}

/* --- choices and references --- */

bool schema_is_annotation(const char *keyword)
{
    static const char *const words[] = {
        "title",         "description",   "default",   "examples",        "example",
        "$schema",       "$id",           "$comment",  "$defs",           "definitions",
        "deprecated",    "readOnly",      "writeOnly", "contentEncoding", "contentMediaType",
        "contentSchema", "discriminator", "$anchor",   "$vocabulary",     "strict",
        "name",          "then",          "else",      "minContains",     "maxContains",
        "externalDocs",  "xml",           NULL};
    if (strncmp(keyword, "x-", 2) == 0) return true;
    for (size_t i = 0; words[i]; i++)
        if (strcmp(keyword, words[i]) == 0) return true;
    return false;
}

static int refuse_unsupported(schema_ctx *c, const json_t *schema)
{
    static const char *const words[] = {"not",
                                        "if",
                                        "dependentRequired",
                                        "dependentSchemas",
                                        "dependencies",
                                        "contains",
                                        "unevaluatedProperties",
                                        "unevaluatedItems",
                                        "$dynamicRef",
                                        "$recursiveRef",
                                        "additionalItems",
                                        NULL};
    for (size_t i = 0; words[i]; i++) {
        const json_t *v = json_object_get(schema, words[i]);
        if (!v || (strncmp(words[i], "unevaluated", 11) == 0 && json_is_true(v))) continue;
        return schema_fail(c, SH_E_UNSUPPORTED, words[i], "this keyword is not supported");
    }
    return SH_OK;
}

/* A copy of schema without one keyword, kept by c; NULL when nothing but annotations is left. */
static int without(schema_ctx *c, const json_t *schema, const char *keyword, const json_t **out)
{
    json_t *rest = json_copy((json_t *)(uintptr_t)schema), *ignored;
    const char *key;
    bool bare = true;
    if (!rest || json_array_append_new(c->merged, rest) != 0) return sh_fail_nomem(c->err, 64);
    json_object_del(rest, keyword);
    json_object_foreach(rest, key, ignored) if (!schema_is_annotation(key)) bare = false;
    *out = bare ? NULL : rest;
    return SH_OK;
}

static bool share_no_value(const json_t *a, const json_t *b)
{
    json_t *x, *y;
    size_t i, k;
    const json_t *ca = json_object_get(a, "const"), *cb = json_object_get(b, "const"),
                 *ea = json_object_get(a, "enum"), *eb = json_object_get(b, "enum");
    if (!(ca || json_is_array(ea)) || !(cb || json_is_array(eb))) return false;
    for (i = 0; i < (ca ? 1 : json_array_size(ea)); i++)
        for (k = 0; k < (cb ? 1 : json_array_size(eb)); k++) {
            x = ca ? (json_t *)(uintptr_t)ca : json_array_get(ea, i);
            y = cb ? (json_t *)(uintptr_t)cb : json_array_get(eb, k);
            if (json_is_number(x) && json_is_number(y) ? json_number_value(x) == json_number_value(y)
                                                       : json_equal(x, y))
                return false;
        }
    return true;
}

static const json_t *follow(schema_ctx *c, const json_t *s)
{
    for (int i = 0; i < 16 && json_is_string(json_object_get(s, "$ref")); i++) {
        sh_err *err = c->err;
        c->err = NULL; /* a bad reference is told when it is compiled */
        int rc = schema_resolve(c, json_string_value(json_object_get(s, "$ref")), &s);
        c->err = err;
        if (rc < 0) return NULL;
    }
    return s;
}

static bool
    requires(const json_t *schema, const char *name)
{
    const json_t *list = json_object_get(schema, "required"), *v;
    size_t i;
    json_array_foreach(list, i,
                       v) if (json_is_string(v) && strcmp(json_string_value(v), name) == 0) return true;
    return false;
}

/* Whether no value can satisfy both: other types, other constants, or a member that both require with other
 * constants (how tagged unions are written). Sure when true. */
static bool are_disjoint(schema_ctx *c, const json_t *a, const json_t *b)
{
    unsigned x = 0, y = 0;
    const char *key;
    json_t *p;
    a = follow(c, a), b = follow(c, b);
    if (!json_is_object(a) || !json_is_object(b)) return false;
    if (share_no_value(a, b)) return true;
    bool typed = json_object_get(a, "type") && json_object_get(b, "type");
    if (typed && types_of(c, a, &x) == SH_OK && types_of(c, b, &y) == SH_OK) {
        unsigned numbers = 1u << TYPE_NUMBER | 1u << TYPE_INTEGER;
        if (!(x & y) && !((x & numbers) && (y & numbers))) return true;
        if (x != 1 || y != 1) return false; /* objects alone from here on */
        json_object_foreach(json_object_get(a, "properties"), key, p)
        {
            const json_t *q = json_object_get(json_object_get(b, "properties"), key);
            if (q && requires(a, key) && requires(b, key) && share_no_value(follow(c, p), follow(c, q)))
                return true;
        }
    }
    return false;
}

static int check_one_of(schema_ctx *c, const json_t *list)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && n <= 256; i++)
        for (size_t k = i + 1; k < n; k++)
            if (!are_disjoint(c, json_array_get(list, i), json_array_get(list, k)))
                return schema_fail(
                    c, SH_E_UNSUPPORTED, "oneOf",
                    "alternatives that one value may satisfy together are not supported (anyOf is)");
    return n <= 256 ? SH_OK : schema_fail(c, SH_E_LIMIT, "oneOf", "more than 256 alternatives");
}

static int emit_choice(schema_ctx *c, const json_t *schema, const char *keyword, sh_buf *body, bool *possible)
{
    const json_t *list = json_object_get(schema, keyword), *rest, *one;
    size_t i, n = 0;
    int rc;
    if (!json_is_array(list) || !json_array_size(list))
        return schema_fail(c, SH_E_INVALID, keyword, "expected a list of schemas");
    if (strcmp(keyword, "oneOf") == 0 && (rc = check_one_of(c, list)) < 0) return rc;
    if ((rc = without(c, schema, keyword, &rest)) < 0) return rc;
    json_array_foreach(list, i, one)
    {
        uint32_t rule;
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        if (rest && (rc = schema_merge(c, rest, one, &one)) < 0) return rc;
        if ((rc = schema_emit_at(c, one, keyword, index, &rule)) < 0) return rc;
        if (rule == SCHEMA_NONE) continue;
        sh_buf_printf(body, "%sr%" PRIu32 " ", n++ ? "| " : "", rule);
    }
    *possible = n > 0;
    return SH_OK;
}

/* All of them merged, and then compiled as one. */
static int emit_all(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    const json_t *list = json_object_get(schema, "allOf"), *all, *one;
    uint32_t rule;
    size_t i;
    int rc;
    if (!json_is_array(list) || !json_array_size(list))
        return schema_fail(c, SH_E_INVALID, "allOf", "expected a list of schemas");
    if ((rc = without(c, schema, "allOf", &all)) < 0) return rc;
    json_array_foreach(list, i, one) if ((rc = all ? schema_merge(c, all, one, &all) : (all = one, SH_OK)) <
                                         0) return rc;
    if ((rc = schema_emit_at(c, all, "allOf", NULL, &rule)) < 0) return rc;
    *possible = rule != SCHEMA_NONE;
    if (*possible) sh_buf_printf(body, "r%" PRIu32 " ", rule);
    return SH_OK;
}

static void unescape_pointer(sh_buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        if (p[i] == '~' && i + 1 < n && (p[i + 1] == '0' || p[i + 1] == '1'))
            sh_buf_putc(out, p[++i] == '0' ? '~' : '/');
        else if (p[i] == '%' && i + 2 < n && sscanf(p + i + 1, "%2x", &byte) == 1)
            sh_buf_putc(out, (char)byte), i += 2;
        else
            sh_buf_putc(out, p[i]);
    }
}

int schema_resolve(schema_ctx *c, const char *ref, const json_t **out)
{
    const json_t *at = c->root;
    if (ref[0] != '#' || (ref[1] && ref[1] != '/'))
        return schema_fail(c, SH_E_UNSUPPORTED, "$ref",
                           "only references into the same schema (#/...) are supported");
    for (const char *p = ref + 1; *p == '/' && at;) {
        size_t n = strcspn(++p, "/");
        sh_buf name = {0};
        unescape_pointer(&name, p, n);
        const char *key = sh_buf_str(&name).p;
        if (json_is_array(at))
            at = *key >= '0' && *key <= '9' ? json_array_get(at, (size_t)atoi(key)) : NULL;
        else
            at = json_object_get(at, key);
        bool failed = name.failed;
        sh_buf_clear(&name);
        if (failed) return sh_fail_nomem(c->err, n);
        p += n;
    }
    if (!at) return schema_fail(c, SH_E_INVALID, "$ref", "names nothing in this schema");
    *out = at;
    return SH_OK;
}

/* A reference alone is the rule of its target, compiled once; rules may thus call themselves. */
static int emit_ref(schema_ctx *c, const json_t *schema, uint32_t *rule)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    const json_t *target, *rest;
    uint32_t own;
    int rc;
    if (!ref) return schema_fail(c, SH_E_INVALID, "$ref", "expected a text");
    if ((rc = schema_resolve(c, ref, &target)) < 0 || (rc = without(c, schema, "$ref", &rest)) < 0) return rc;
    if (rest) {
        if ((rc = schema_merge(c, rest, target, &target)) < 0) return rc;
        return schema_emit(c, target, rule);
    }
    const json_t *known = json_object_get(c->refs, ref);
    if (known) return *rule = (uint32_t)json_integer_value(known), SH_OK;
    if ((rc = schema_new_rule(c, &own)) < 0) return rc;
    if (json_object_set_new(c->refs, ref, json_integer(own)) != 0) return sh_fail_nomem(c->err, 64);
    size_t length = c->path.n;
    if ((rc = schema_emit(c, target, rule)) < 0) return rc;
    schema_leave(c, length);
    if (*rule == SCHEMA_NONE) return schema_fail(c, SH_E_INVALID, "$ref", "nothing satisfies what it names");
    sh_buf body = {0};
    sh_buf_printf(&body, "r%" PRIu32, *rule);
    rc = schema_put_rule(c, own, &body);
    sh_buf_clear(&body);
    *rule = own;
    return rc;
}

static int emit_body(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    int rc;
    if (json_is_true(schema)) return sh_buf_puts(body, "value "), SH_OK;
    if (json_is_false(schema)) return *possible = false, SH_OK;
    if (!json_is_object(schema))
        return schema_fail(c, SH_E_INVALID, NULL, "expected a schema: an object, true or false");
    if ((rc = refuse_unsupported(c, schema)) < 0) return rc;
    if (json_object_get(schema, "allOf")) return emit_all(c, schema, body, possible);
    if (json_object_get(schema, "anyOf")) return emit_choice(c, schema, "anyOf", body, possible);
    if (json_object_get(schema, "oneOf")) return emit_choice(c, schema, "oneOf", body, possible);
    if (json_object_get(schema, "const") || json_object_get(schema, "enum"))
        return emit_values(c, schema, body, possible);
    return emit_types(c, schema, body, possible);
}

int schema_emit(schema_ctx *c, const json_t *schema, uint32_t *rule)
{
    sh_buf body = {0};
    bool possible = true;
    int rc;
    *rule = SCHEMA_NONE;
    if (c->depth >= SCHEMA_MAX_DEPTH) return schema_fail(c, SH_E_LIMIT, NULL, "nested too deep");
    c->depth++;
    if (json_is_object(schema) && json_object_get(schema, "$ref")) {
        rc = emit_ref(c, schema, rule);
    } else if ((rc = emit_body(c, schema, &body, &possible)) == SH_OK && possible &&
               (rc = schema_new_rule(c, rule)) == SH_OK) {
        rc = schema_put_rule(c, *rule, &body);
    }
    c->depth--;
    sh_buf_clear(&body);
    return rc;
}

int schema_emit_at(schema_ctx *c, const json_t *schema, const char *keyword, const char *name, uint32_t *rule)
{
    size_t length = schema_enter(c, keyword);
    if (name) schema_enter(c, name);
    int rc = schema_emit(c, schema, rule);
    schema_leave(c, length);
    return rc;
}

/* What every schema's rules may call. A number's digits are bounded so that it always fits a double. */
static const char common_rules[] =
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n"
    "escape ::= [\"\\\\/bfnrt] | \"u\" ([0-9A-CEFa-cef] hex{3} | [Dd] [0-7] hex{2} | "
    "[Dd] [89ABab] hex{2} \"\\\\u\" [Dd] [C-Fc-f] hex{2})\n"
    "hex ::= [0-9A-Fa-f]\n"
    "plain ::= [^\"\\\\\\x00-\\x1F]\n"
    "string ::= \"\\\"\" " SCHEMA_CHAR "* \"\\\"\"\n"
    "number ::= \"-\"? ([0-9] fraction? ([eE] [-+]? ([0-9]{1,2} | [12] [0-9]{2} | \"30\" [0-7]))? | "
    "[1-9] [0-9]{1,30} fraction? ([eE] [-+]? [0-9]{1,2})?)\n"
    "fraction ::= \".\" [0-9]{1,30}\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,30})\n"
    "value ::= string | number | object | array | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (member (\",\" ws member)* ws)? \"}\"\n"
    "member ::= string \":\" \" \"? value\n"
    "array ::= \"[\" ws (value (\",\" ws value)* ws)? \"]\"\n";

int sh_schema_to_gbnf(sh_buf *out, const json_t *schema, const char *where, sh_err *err)
{
    schema_ctx c = {.root = schema, .where = where, .out = out, .err = err};
    uint32_t rule = SCHEMA_NONE;
    c.refs = json_object();
    c.merged = json_array();
    int rc = c.refs && c.merged ? schema_emit(&c, schema, &rule) : sh_fail_nomem(err, 64);
    if (rc == SH_OK && rule == SCHEMA_NONE)
        rc = schema_fail(&c, SH_E_INVALID, NULL, "nothing satisfies this schema");
    if (rc == SH_OK) {
        sh_buf_puts(out, common_rules);
        sh_buf_printf(out, "root ::= r%" PRIu32 "\n", rule);
        rc = sh_buf_ok(out, err);
    }
    json_decref(c.refs);
    json_decref(c.merged);
    sh_buf_clear(&c.path);
    return rc;
}
