/* grammar_schema_merge.c - two schemas that must both hold, as one: allOf, and keywords beside $ref or anyOf.
 *
 * Each keyword has its way to be joined; a pair that has none (two patterns, two anyOf) is refused. */
#include "text/grammar_schema.h"

#include <string.h>

typedef struct merger {
    schema_ctx *c;
    json_t *to;
    unsigned depth;
} merger;

static int set(merger *m, const char *key, json_t *v)
{
    return json_object_set_new(m->to, key, v) == 0 ? SH_OK : sh_fail_nomem(m->c->err, 64);
}

static json_t *both(json_t *a, json_t *b)
{
    return json_equal(a, b) ? json_incref(a) : json_pack("{s:[O,O]}", "allOf", a, b);
}

static bool list_has(const json_t *list, const json_t *v)
{
    const json_t *x;
    size_t i;
    json_array_foreach(list, i, x) if (json_equal(x, v)) return true;
    return false;
}

static bool type_in(const json_t *types, const char *name)
{
    json_t *want = json_string(name);
    bool found = json_is_array(types) ? list_has(types, want) : json_equal(types, want);
    json_decref(want);
    return found;
}

/* The types that both name; integer is a kind of number. */
static int merge_types(merger *m, const json_t *a, const json_t *b)
{
    static const char *const names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
    json_t *types = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool x = type_in(a, names[i]), y = type_in(b, names[i]);
        if (strcmp(names[i], "integer") == 0 && x != y) x = y = type_in(x ? b : a, "number");
        if (x && y) json_array_append_new(types, json_string(names[i]));
    }
    if (json_array_size(types)) return set(m, "type", types);
    json_decref(types);
    int rc = set(m, "enum", json_array()); /* no type is left: an empty enum becomes false below */
    return rc < 0 ? rc : set(m, "type", json_string("null"));
}

static int merge_values(merger *m, const char *key, const json_t *a, const json_t *b)
{
    const json_t *v;
    size_t i;
    if (strcmp(key, "const") == 0)
        return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b) ? SH_OK
                                                                          : set(m, "enum", json_array());
    json_t *common = json_array();
    json_array_foreach(a, i, v) if (list_has(b, v)) json_array_append(common, (json_t *)(uintptr_t)v);
    return set(m, "enum", common);
}

static int merge_properties(merger *m, json_t *a, json_t *b)
{
    json_t *all = json_copy(a), *v;
    const char *key;
    json_object_foreach(b, key, v)
    {
        json_t *mine = json_object_get(all, key);
        if (json_object_set_new(all, key, mine ? both(mine, v) : json_incref(v)) != 0) {
            json_decref(all);
            return sh_fail_nomem(m->c->err, 64);
        }
    }
    return set(m, "properties", all);
}

static int merge_required(merger *m, json_t *a, const json_t *b)
{
    json_t *all = json_copy(a), *v;
    size_t i;
    json_array_foreach(b, i, v) if (!list_has(all, v)) json_array_append(all, v);
    return set(m, "required", all);
}

static int merge_key(merger *m, const char *key, json_t *a, json_t *b)
{
    static const char *const larger[] = {"minimum",  "exclusiveMinimum", "minLength",
                                         "minItems", "minProperties",    NULL};
    static const char *const smaller[] = {"maximum",  "exclusiveMaximum", "maxLength",
                                          "maxItems", "maxProperties",    NULL};
    if (json_equal(a, b)) return SH_OK;
    if (schema_is_annotation(key)) return SH_OK;
    if (strcmp(key, "type") == 0) return merge_types(m, a, b);
    if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) return merge_values(m, key, a, b);
    if (strcmp(key, "properties") == 0 && json_is_object(a) && json_is_object(b))
        return merge_properties(m, a, b);
    if (strcmp(key, "required") == 0 && json_is_array(a) && json_is_array(b)) return merge_required(m, a, b);
    if (strcmp(key, "items") == 0 || strcmp(key, "additionalProperties") == 0) return set(m, key, both(a, b));
    for (size_t i = 0; larger[i]; i++) {
        if (strcmp(key, larger[i]) == 0)
            return set(m, key, json_incref(json_number_value(a) > json_number_value(b) ? a : b));
        if (strcmp(key, smaller[i]) == 0)
            return set(m, key, json_incref(json_number_value(a) < json_number_value(b) ? a : b));
    }
    return schema_fail(m->c, SH_E_UNSUPPORTED, key, "two schemas that must both hold have this keyword");
}

/* additionalProperties speaks of the properties beside it alone: another schema's must not widen that. */
static int check_additional(merger *m, const json_t *a, const json_t *b)
{
    const json_t *of[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        const json_t *additional = json_object_get(of[i], "additionalProperties"),
                     *mine = json_object_get(of[i], "properties"),
                     *theirs = json_object_get(of[!i], "properties");
        const char *key;
        json_t *ignored;
        if (!additional || json_is_true(additional)) continue;
        json_object_foreach((json_t *)(uintptr_t)theirs, key, ignored) if (
            !json_object_get(mine, key)) return schema_fail(m->c, SH_E_UNSUPPORTED, "additionalProperties",
                                                            "in one of two schemas that must both hold, "
                                                            "while the other has further properties");
    }
    return SH_OK;
}

int schema_merge(schema_ctx *c, const json_t *a, const json_t *b, const json_t **out)
{
    merger m = {.c = c};
    const char *key;
    json_t *v;
    int rc;
    if (json_is_true(a) || json_is_false(b)) return *out = b, SH_OK;
    if (json_is_true(b) || json_is_false(a)) return *out = a, SH_OK;
    if (!json_is_object(a) || !json_is_object(b))
        return schema_fail(c, SH_E_INVALID, NULL, "expected schemas");
    for (int i = 0; i < 2; i++) { /* what a reference names is merged, not the reference */
        const json_t **side = i ? &b : &a;
        const json_t *ref = json_object_get(*side, "$ref"), *target;
        if (!ref) continue;
        if (!json_is_string(ref)) return schema_fail(c, SH_E_INVALID, "$ref", "expected a text");
        if (++c->depth > SCHEMA_MAX_DEPTH) return schema_fail(c, SH_E_LIMIT, "$ref", "nested too deep");
        if ((rc = schema_resolve(c, json_string_value(ref), &target)) < 0) return rc;
        json_t *rest = json_copy((json_t *)(uintptr_t)*side);
        if (!rest || json_array_append_new(c->merged, rest) != 0) return sh_fail_nomem(c->err, 64);
        json_object_del(rest, "$ref");
        rc = schema_merge(c, rest, target, side);
        c->depth--;
        if (rc < 0) return rc;
        if (!json_is_object(*side)) return schema_merge(c, a, b, out);
    }
    if ((rc = check_additional(&m, a, b)) < 0) return rc;
    m.to = json_copy((json_t *)(uintptr_t)a);
    if (!m.to || json_array_append_new(c->merged, m.to) != 0) return sh_fail_nomem(c->err, 64);
    if (json_array_size(c->merged) > SCHEMA_MAX_RULES)
        return schema_fail(c, SH_E_LIMIT, NULL, "the schema is too large");
    json_object_foreach((json_t *)(uintptr_t)b, key, v)
    {
        json_t *mine = json_object_get(a, key);
        if (strcmp(key, "allOf") == 0 && mine) {
            json_t *all = json_copy(mine);
            json_array_extend(all, v);
            rc = set(&m, key, all);
        } else {
            rc = mine ? merge_key(&m, key, mine, v) : set(&m, key, json_incref(v));
        }
        if (rc < 0) return rc;
    }
    const json_t *values = json_object_get(m.to, "enum");
    *out = values && json_is_array(values) && !json_array_size(values) ? json_false() : m.to;
    return SH_OK;
}
