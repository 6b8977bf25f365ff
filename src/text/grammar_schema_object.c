/* grammar_schema_object.c - objects and arrays.
 *
 * An object is a chain of rules T(i, n): properties before i are decided, n members were written (counted no
 * further than a bound makes a difference). T(i, n) either writes property i, or leaves it out when it may.
 * Further members come last, under names that no declared property has. */
#include "text/grammar_schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct member {
    const char *name;
    uint32_t rule; /* SCHEMA_NONE: must not occur */
    bool required;
} member;

typedef struct object {
    schema_ctx *c;
    const json_t *schema;
    member *members;
    size_t n;
    uint64_t least, most; /* members; most UINT64_MAX: no bound */
    uint32_t n_counts;    /* counts 0 .. n_counts - 1; the last one means "or more" without a bound */
    uint32_t key, value;  /* rules of a further member's name and value, SCHEMA_NONE: there are none */
    uint32_t *rules;      /* [(n + 1) * n_counts], SCHEMA_NONE: no way to an end */
} object;

static bool is_required(const json_t *schema, const char *name)
{
    const json_t *list = json_object_get(schema, "required"), *v;
    size_t i;
    json_array_foreach(list, i,
                       v) if (json_is_string(v) && strcmp(json_string_value(v), name) == 0) return true;
    return false;
}

/* Properties in their order, then the names that are required but not declared. */
static int read_members(object *o)
{
    schema_ctx *c = o->c;
    json_t *props = json_object_get(o->schema, "properties"),
           *required = json_object_get(o->schema, "required"), *v;
    const json_t *rest = json_object_get(o->schema, "additionalProperties");
    const char *key;
    size_t i;
    int rc;
    if (props && !json_is_object(props))
        return schema_fail(c, SH_E_INVALID, "properties", "expected an object");
    if (required && !json_is_array(required))
        return schema_fail(c, SH_E_INVALID, "required", "expected a list of names");
    o->members =
        sh_new_array(json_object_size(props) + json_array_size(required) + 1, sizeof *o->members, c->err);
    if (!o->members) return SH_E_NOMEM;
    json_object_foreach(props, key, v)
    {
        member *m = &o->members[o->n++];
        m->name = key;
        m->required = is_required(o->schema, key);
        if ((rc = schema_emit_at(c, v, "properties", key, &m->rule)) < 0) return rc;
    }
    json_array_foreach(required, i, v)
    {
        if (!json_is_string(v)) return schema_fail(c, SH_E_INVALID, "required", "expected a list of names");
        size_t k = 0;
        while (k < o->n && strcmp(o->members[k].name, json_string_value(v)) != 0) k++;
        if (k < o->n) continue;
        member *m = &o->members[o->n++];
        *m = (member){.name = json_string_value(v), .required = true};
        if ((rc = schema_emit_at(c, rest ? rest : json_true(), "additionalProperties", NULL, &m->rule)) < 0)
            return rc;
    }
    return SH_OK;
}

/* --- names of further members --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const member *)a)->name, ((const member *)b)->name);
}

/* Rule: the rest of a name, quote included, that goes on after `at` bytes shared by names[0..n), and is none
 * of them. In sorted names those with the same next character stand together. */
static int other_names(schema_ctx *c, const member *names, size_t n, size_t at, uint32_t *rule)
{
    sh_buf body = {0}, others = {0};
    bool is_name = n && !names[0].name[at];
    int rc =
        at < 4096 ? schema_new_rule(c, rule) : schema_fail(c, SH_E_LIMIT, "properties", "a name is too long");
    for (size_t i = is_name; rc == SH_OK && i < n;) {
        const char *p = names[i].name + at;
        uint32_t cp, next;
        bool ok;
        size_t len = sh_utf8_decode(p, strlen(p), &cp, &ok), end = i;
        while (end < n && strncmp(names[end].name + at, p, len) == 0) end++;
        if ((rc = other_names(c, names + i, end - i, at + len, &next)) < 0) break;
        schema_literal(&body, p, len);
        sh_buf_printf(&body, " r%" PRIu32 " | ", next);
        sh_buf_printf(&others, "\\U%08" PRIX32, cp);
        i = end;
    }
    if (rc == SH_OK && !is_name) sh_buf_puts(&body, "\"\\\"\" | ");
    if (rc == SH_OK) {
        sh_buf_printf(&body, "[^\"\\\\\\x00-\\x1F%s] plain* \"\\\"\"", others.p ? others.p : "");
        rc = schema_put_rule(c, *rule, &body);
    }
    sh_buf_clear(&body);
    sh_buf_clear(&others);
    return rc;
}

/* Further names are written without escapes, so a declared name that needs one cannot be met. */
static int further_names(object *o)
{
    schema_ctx *c = o->c;
    sh_buf body = {0};
    uint32_t rest = SCHEMA_NONE;
    size_t n = 0;
    member *plain = sh_new_array(o->n + 1, sizeof *plain, c->err);
    if (!plain) return SH_E_NOMEM;
    for (size_t i = 0; i < o->n; i++) {
        const char *p = o->members[i].name;
        while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\') p++;
        if (!*p) plain[n++] = o->members[i];
    }
    qsort(plain, n, sizeof *plain, compare_names);
    int rc = n ? other_names(c, plain, n, 0, &rest) : SH_OK;
    sh_free(plain);
    if (rc < 0 || (rc = schema_new_rule(c, &o->key)) < 0) return rc;
    if (n)
        sh_buf_printf(&body, "\"\\\"\" r%" PRIu32, rest);
    else
        sh_buf_puts(&body, o->n ? "\"\\\"\" plain* \"\\\"\"" : "string");
    rc = schema_put_rule(c, o->key, &body);
    sh_buf_clear(&body);
    return rc;
}

/* Names by patternProperties or propertyNames; those are kept exactly only where nothing else names members.
 */
static int named_by_pattern(object *o, const json_t *patterns, const json_t *names, const json_t *rest)
{
    schema_ctx *c = o->c;
    int rc;
    if (patterns) {
        if (!json_is_object(patterns))
            return schema_fail(c, SH_E_INVALID, "patternProperties", "expected an object");
        if (o->n || names || json_object_size(patterns) != 1 || !json_is_false(rest))
            return schema_fail(
                c, SH_E_UNSUPPORTED, "patternProperties",
                "supported alone: one pattern, additionalProperties false, no properties or propertyNames");
        const char *pattern = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)patterns));
        sh_buf body = {0};
        sh_buf_puts(&body, "\"\\\"\" ");
        rc = schema_pattern(c, pattern, strlen(pattern), &body);
        sh_buf_puts(&body, " \"\\\"\"");
        if (rc == SH_OK && (rc = schema_new_rule(c, &o->key)) == SH_OK)
            rc = schema_put_rule(c, o->key, &body);
        sh_buf_clear(&body);
        if (rc < 0) return rc;
        return schema_emit_at(c, json_object_get(patterns, pattern), "patternProperties", pattern, &o->value);
    }
    if (o->n && !json_is_false(rest))
        return schema_fail(c, SH_E_UNSUPPORTED, "propertyNames", "not supported beside properties");
    const json_t *as_string;
    json_t *string = json_pack("{s:s}", "type", "string");
    if (!string || json_array_append_new(c->merged, string) != 0) return sh_fail_nomem(c->err, 64);
    if ((rc = schema_merge(c, string, names, &as_string)) < 0) return rc;
    return schema_emit_at(c, as_string, "propertyNames", NULL, &o->key);
}

static int read_rest(object *o)
{
    schema_ctx *c = o->c;
    const json_t *rest = json_object_get(o->schema, "additionalProperties"),
                 *patterns = json_object_get(o->schema, "patternProperties"),
                 *names = json_object_get(o->schema, "propertyNames");
    int rc;
    o->key = o->value = SCHEMA_NONE;
    if (!patterns &&
        (rc = schema_emit_at(c, rest ? rest : json_true(), "additionalProperties", NULL, &o->value)) < 0)
        return rc;
    if (!patterns && o->value == SCHEMA_NONE && !names) return SH_OK;
    if (patterns || names) return named_by_pattern(o, patterns, names, rest ? rest : json_true());
    return further_names(o);
}

/* --- the chain --- */

static bool rest_is_open(const object *o)
{
    return o->key != SCHEMA_NONE && o->value != SCHEMA_NONE;
}

static uint32_t *rule_of(const object *o, size_t i, uint32_t n)
{
    return &o->rules[i * o->n_counts + n];
}

/* The count after one more member, or SCHEMA_NONE beyond the bound. */
static uint32_t one_more(const object *o, uint32_t n)
{
    if (n + 1 < o->n_counts) return n + 1;
    return o->most == UINT64_MAX ? n : (uint32_t)SCHEMA_NONE;
}

static void put_member(sh_buf *body, uint32_t n)
{
    if (n) sh_buf_puts(body, "\",\" ws ");
}

/* T(n_members, n): further members, or the end. */
static int put_tail(object *o, uint32_t n)
{
    sh_buf body = {0};
    uint32_t *rule = rule_of(o, o->n, n), more = rest_is_open(o) ? one_more(o, n) : (uint32_t)SCHEMA_NONE;
    bool ends = n >= o->least,
         goes_on = more == n || (more != SCHEMA_NONE && *rule_of(o, o->n, more) != SCHEMA_NONE);
    *rule = SCHEMA_NONE;
    if (!ends && !goes_on) return SH_OK;
    int rc = schema_new_rule(o->c, rule);
    if (rc < 0) return rc;
    if (goes_on) {
        put_member(&body, n);
        sh_buf_printf(&body, "r%" PRIu32 " " SCHEMA_COLON "r%" PRIu32 " r%" PRIu32 " ", o->key, o->value,
                      *rule_of(o, o->n, more));
    }
    if (ends) sh_buf_printf(&body, "%s%s\"}\"", goes_on ? "| " : "", n ? "ws " : "");
    rc = schema_put_rule(o->c, *rule, &body);
    sh_buf_clear(&body);
    return rc;
}

static int put_link(object *o, size_t i, uint32_t n)
{
    const member *m = &o->members[i];
    sh_buf body = {0};
    uint32_t *rule = rule_of(o, i, n), more = m->rule == SCHEMA_NONE ? (uint32_t)SCHEMA_NONE : one_more(o, n);
    bool with = more != SCHEMA_NONE && *rule_of(o, i + 1, more) != SCHEMA_NONE,
         skip = !m->required && *rule_of(o, i + 1, n) != SCHEMA_NONE;
    *rule = SCHEMA_NONE;
    if (!with && !skip) return SH_OK;
    int rc = schema_new_rule(o->c, rule);
    if (rc < 0) return rc;
    if (with) {
        put_member(&body, n);
        schema_quoted(&body, m->name, strlen(m->name));
        sh_buf_printf(&body, " " SCHEMA_COLON "r%" PRIu32 " r%" PRIu32 " ", m->rule,
                      *rule_of(o, i + 1, more));
    }
    if (skip) sh_buf_printf(&body, "%sr%" PRIu32, with ? "| " : "", *rule_of(o, i + 1, n));
    rc = schema_put_rule(o->c, *rule, &body);
    sh_buf_clear(&body);
    return rc;
}

/* How far members must be counted: to the bounds, and one, which tells whether a comma is due. Without
 * further members and an upper bound of use there are never more than n. */
static int plan_counts(object *o)
{
    uint64_t counts = o->most != UINT64_MAX ? o->most : o->least > 1 ? o->least : 1;
    int rc;
    if (o->most < o->least) return SH_OK;
    if (!rest_is_open(o) && counts > o->n) counts = o->n ? o->n : 1;
    if (counts >= SCHEMA_MAX_COUNTS || (counts + 1) * (o->n + 1) > SCHEMA_MAX_COUNTS * 4)
        return schema_fail(o->c, SH_E_LIMIT, NULL, "an object with too many members to count");
    o->n_counts = (uint32_t)counts + 1;
    o->rules = sh_new_array((o->n + 1) * o->n_counts, sizeof *o->rules, o->c->err);
    if (!o->rules) return SH_E_NOMEM;
    for (uint32_t n = o->n_counts; n-- > 0;)
        if ((rc = put_tail(o, n)) < 0) return rc;
    for (size_t i = o->n; i-- > 0;)
        for (uint32_t n = o->n_counts; n-- > 0;)
            if ((rc = put_link(o, i, n)) < 0) return rc;
    return SH_OK;
}

int schema_object(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    object o = {.c = c, .schema = schema, .most = UINT64_MAX};
    int rc;
    if ((rc = schema_count(c, schema, "minProperties", &o.least)) < 0) goto out;
    if ((rc = schema_count(c, schema, "maxProperties", &o.most)) < 0) goto out;
    if ((rc = read_members(&o)) < 0 || (rc = read_rest(&o)) < 0 || (rc = plan_counts(&o)) < 0) goto out;
    *possible = o.rules && *rule_of(&o, 0, 0) != SCHEMA_NONE;
    if (*possible) sh_buf_printf(body, "\"{\" ws r%" PRIu32 " ", *rule_of(&o, 0, 0));
out:
    sh_free(o.members);
    sh_free(o.rules);
    return rc;
}

/* --- arrays --- */

/* Further items after n of them: "," item, so often as the bounds leave. */
static void put_items(sh_buf *body, uint32_t item, size_t n, uint64_t least, uint64_t most)
{
    uint64_t at_least = least > n ? least - n : 0;
    if (item == SCHEMA_NONE || most <= n) return;
    if (most == UINT64_MAX)
        sh_buf_printf(body, "(\",\" ws r%" PRIu32 "){%" PRIu64 ",} ", item, at_least);
    else
        sh_buf_printf(body, "(\",\" ws r%" PRIu32 "){%" PRIu64 ",%" PRIu64 "} ", item, at_least, most - n);
}

/* A(i): what follows i items of the prefix; from the last one to the first. */
static int put_prefix(schema_ctx *c, const uint32_t *prefix, size_t n, uint32_t item, uint64_t least,
                      uint64_t most, sh_buf *body, bool *possible)
{
    uint32_t next = SCHEMA_NONE;
    int rc = SH_OK;
    for (size_t i = n + 1; i-- > 0 && rc == SH_OK;) {
        sh_buf rest = {0};
        bool ends = i >= least,
             goes_on = i < n && i < most && prefix[i] != SCHEMA_NONE && next != SCHEMA_NONE;
        if (i == n && n && n <= most) { /* past the prefix */
            ends = least <= n || item != SCHEMA_NONE;
            put_items(&rest, item, n, least, most);
        }
        if (i == n && !n && item != SCHEMA_NONE && most) {
            sh_buf_printf(&rest, "r%" PRIu32 " ", item);
            put_items(&rest, item, 1, least, most);
            sh_buf_puts(&rest, least ? "ws \"]\"" : "ws \"]\" | \"]\"");
        } else {
            if (goes_on)
                sh_buf_printf(&rest, "%sr%" PRIu32 " r%" PRIu32 " ", i ? "\",\" ws " : "", prefix[i], next);
            if (ends) sh_buf_printf(&rest, "%s%s\"]\"", goes_on ? "| " : "", i ? "ws " : "");
        }
        next = SCHEMA_NONE;
        if (rest.n && (rc = schema_new_rule(c, &next)) == SH_OK) rc = schema_put_rule(c, next, &rest);
        sh_buf_clear(&rest);
    }
    *possible = next != SCHEMA_NONE;
    if (*possible) sh_buf_printf(body, "\"[\" ws r%" PRIu32 " ", next);
    return rc;
}

int schema_array(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    const json_t *items = json_object_get(schema, "items"), *list = json_object_get(schema, "prefixItems"),
                 *v;
    uint64_t least = 0, most = UINT64_MAX;
    uint32_t item, *prefix = NULL;
    size_t n = json_array_size(list), i;
    int rc;
    if ((rc = schema_count(c, schema, "minItems", &least)) < 0) return rc;
    if ((rc = schema_count(c, schema, "maxItems", &most)) < 0) return rc;
    if (json_is_true(json_object_get(schema, "uniqueItems")) && most > 1)
        return schema_fail(c, SH_E_UNSUPPORTED, "uniqueItems", "not supported for more than one item");
    if (list && !json_is_array(list))
        return schema_fail(c, SH_E_INVALID, "prefixItems", "expected a list of schemas");
    if (most < least) return *possible = false, SH_OK;
    if (!(prefix = sh_new_array(n + 1, sizeof *prefix, c->err))) return SH_E_NOMEM;
    json_array_foreach(list, i, v)
    {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        if ((rc = schema_emit_at(c, v, "prefixItems", index, &prefix[i])) < 0) goto out;
    }
    if ((rc = schema_emit_at(c, items ? items : json_true(), "items", NULL, &item)) < 0) goto out;
    rc = put_prefix(c, prefix, n, item, least, most, body, possible);
out:
    sh_free(prefix);
    return rc;
}
