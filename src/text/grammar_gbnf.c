/* grammar_gbnf.c - GBNF text to rules.
 *
 *   rule     = name "::=" alternates newline
 *   alternates = sequence { "|" sequence }
 *   sequence = { ( "literal" | [class] | . | name | ( alternates ) ) [ * | + | ? | {m} | {m,} | {m,n} ] }
 *
 * A sequence ends with its line, unless it stands in parentheses or the next line begins with "|"; "#" begins
 * a comment. Escapes: \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH, all of them code points. The
 * notation is llama.cpp's (grammars/README.md there); a group's nesting and a text's size are bounded. */
#include "text/grammar_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct parser {
    gram_rules *r;
    const char *p, *begin, *end;
    unsigned depth;
    sh_err *err;
} parser;

void *gram_grow(void *p, size_t n, size_t *cap, size_t size, sh_err *err)
{
    if (n < *cap) return p;
    size_t more = *cap ? *cap + *cap / 2 : 64;
    void *q = sh_realloc(p, more, size);
    if (!q) {
        sh_fail_nomem(err, (unsigned long long)more * size);
        return NULL;
    }
    *cap = more;
    return q;
}

void gram_rules_clear(gram_rules *r)
{
    sh_free(r->items);
    sh_free(r->ranges);
    sh_free(r->rules);
    sh_buf_clear(&r->text);
    sh_map_free(r->by_name);
    sh_arena_free(r->names);
    *r = (gram_rules){0};
}

/* --- places and messages --- */

static void place_of(const char *text, size_t offset, uint32_t *line, uint32_t *column)
{
    size_t start = 0;
    *line = 1;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n') ++*line, start = i + 1;
    *column = (uint32_t)(offset - start) + 1;
}

int gram_rule_fail(const gram_rules *r, size_t rule, sh_err *err, const char *what)
{
    uint32_t line, column;
    place_of(r->source, r->rules[rule].offset, &line, &column);
    return sh_fail(err, SH_E_INVALID, "%s: line %" PRIu32 ", column %" PRIu32 ": rule %.64s %s", r->where,
                   line, column, r->rules[rule].name, what);
}

static int bad(const parser *ps, const char *at, int code, const char *what)
{
    uint32_t line, column;
    place_of(ps->begin, (size_t)(at - ps->begin), &line, &column);
    return sh_fail(ps->err, code, "%s: line %" PRIu32 ", column %" PRIu32 ": %s", ps->r->where, line, column,
                   what);
}

/* --- the tree --- */

static int add_item(parser *ps, enum gram_op op, uint32_t a, uint32_t b, uint32_t *out)
{
    gram_rules *r = ps->r;
    if (r->n_items >= GRAM_MAX_NODES)
        return sh_fail(ps->err, SH_E_LIMIT, "%s: more than %d items", r->where, GRAM_MAX_NODES);
    void *q = gram_grow(r->items, r->n_items, &r->cap_items, sizeof *r->items, ps->err);
    if (!q) return SH_E_NOMEM;
    r->items = q;
    r->items[r->n_items] =
        (gram_item){.op = (uint8_t)op, .first = GRAM_NONE, .next = GRAM_NONE, .a = a, .b = b};
    *out = (uint32_t)r->n_items++;
    return SH_OK;
}

static int add_range(parser *ps, uint32_t lo, uint32_t hi)
{
    gram_rules *r = ps->r;
    void *q = gram_grow(r->ranges, r->n_ranges, &r->cap_ranges, sizeof *r->ranges, ps->err);
    if (!q) return SH_E_NOMEM;
    r->ranges = q;
    r->ranges[r->n_ranges++] = (gram_range){lo, hi};
    return SH_OK;
}

/* The rule of a name, made when it is new. */
static int find_rule(parser *ps, const char *name, size_t n, uint32_t *out)
{
    gram_rules *r = ps->r;
    uint64_t found;
    if (sh_map_get(r->by_name, name, n, &found)) return *out = (uint32_t)found, SH_OK;
    void *q = gram_grow(r->rules, r->n_rules, &r->cap_rules, sizeof *r->rules, ps->err);
    if (!q) return SH_E_NOMEM;
    r->rules = q;
    char *copy = sh_arena_strndup(r->names, name, n);
    if (!copy || !sh_map_set(r->by_name, copy, n, r->n_rules)) return sh_fail_nomem(ps->err, n);
    gram_rule *rule = &r->rules[r->n_rules];
    *rule = (gram_rule){.name = copy, .root = GRAM_NONE};
    rule->offset = (uint32_t)(name - ps->begin);
    *out = (uint32_t)r->n_rules++;
    return SH_OK;
}

/* --- characters --- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int hex_escape(parser *ps, const char *at, int n_digits, uint32_t *cp)
{
    uint32_t v = 0;
    for (int i = 0; i < n_digits; i++) {
        int d = ps->p < ps->end ? hex_digit(*ps->p) : -1;
        if (d < 0) return bad(ps, at, SH_E_INVALID, "an escape with too few hexadecimal digits");
        v = v << 4 | (uint32_t)d;
        ps->p++;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return bad(ps, at, SH_E_INVALID, "an escape that is no Unicode character");
    *cp = v;
    return SH_OK;
}

/* One character of a literal or a class, escapes read. */
static int read_char(parser *ps, uint32_t *cp)
{
    const char *at = ps->p;
    bool ok = true;
    if (ps->p >= ps->end || *ps->p == '\n')
        return bad(ps, at, SH_E_INVALID, "a literal or class that does not end on its line");
    if (*ps->p != '\\') {
        ps->p += sh_utf8_decode(ps->p, (size_t)(ps->end - ps->p), cp, &ok);
        return ok ? SH_OK : bad(ps, at, SH_E_INVALID, "ill-formed UTF-8");
    }
    if (++ps->p >= ps->end) return bad(ps, at, SH_E_INVALID, "an escape at the end");
    char c = *ps->p++;
    switch (c) {
    case 'x':
        return hex_escape(ps, at, 2, cp);
    case 'u':
        return hex_escape(ps, at, 4, cp);
    case 'U':
        return hex_escape(ps, at, 8, cp);
    case 'n':
        return *cp = '\n', SH_OK;
    case 'r':
        return *cp = '\r', SH_OK;
    case 't':
        return *cp = '\t', SH_OK;
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^':
        return *cp = (uint32_t)c, SH_OK;
    default:
        return bad(ps, at, SH_E_INVALID,
                   "an unknown escape (known: \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\x \\u \\U)");
    }
}

/* Blanks and comments; newlines too when `lines`. */
static void skip_blank(parser *ps, bool lines)
{
    while (ps->p < ps->end) {
        if (*ps->p == '#')
            while (ps->p < ps->end && *ps->p != '\n') ps->p++;
        else if (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\r' || (lines && *ps->p == '\n'))
            ps->p++;
        else
            break;
    }
}

/* --- items --- */

static int parse_literal(parser *ps, uint32_t *out)
{
    uint32_t off = (uint32_t)ps->r->text.n, cp;
    char bytes[4];
    int rc;
    ps->p++;
    for (;;) {
        if (ps->p < ps->end && *ps->p == '"') break;
        if ((rc = read_char(ps, &cp)) < 0) return rc;
        sh_buf_add(&ps->r->text, bytes, sh_utf8_encode(cp, bytes));
    }
    ps->p++;
    if ((rc = sh_buf_ok(&ps->r->text, ps->err)) < 0) return rc;
    return add_item(ps, GRAM_LITERAL, off, (uint32_t)ps->r->text.n - off, out);
}

static int compare_ranges(const void *a, const void *b)
{
    const gram_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sort and join ranges [from, n_ranges), and turn them round when negated. */
static int settle_ranges(parser *ps, size_t from, bool negated)
{
    gram_rules *r = ps->r;
    size_t n = from;
    if (r->n_ranges > from) qsort(r->ranges + from, r->n_ranges - from, sizeof *r->ranges, compare_ranges);
    for (size_t i = from; i < r->n_ranges; i++) {
        gram_range x = r->ranges[i];
        if (n > from && x.lo <= r->ranges[n - 1].hi + 1) {
            if (x.hi > r->ranges[n - 1].hi) r->ranges[n - 1].hi = x.hi;
        } else {
            r->ranges[n++] = x;
        }
    }
    r->n_ranges = n;
    if (!negated) return SH_OK;
    uint32_t lo = 0;
    for (size_t i = from; i < n; i++) {
        gram_range x = r->ranges[i];
        if (x.lo > lo) {
            int rc = add_range(ps, lo, x.lo - 1);
            if (rc < 0) return rc;
        }
        lo = x.hi + 1;
    }
    if (lo <= 0x10ffff) {
        int rc = add_range(ps, lo, 0x10ffff);
        if (rc < 0) return rc;
    }
    memmove(r->ranges + from, r->ranges + n, (r->n_ranges - n) * sizeof *r->ranges);
    r->n_ranges -= n - from;
    return SH_OK;
}

static int parse_class(parser *ps, uint32_t *out)
{
    const char *at = ps->p++;
    size_t from = ps->r->n_ranges;
    bool negated = ps->p < ps->end && *ps->p == '^';
    uint32_t lo, hi;
    int rc;
    ps->p += negated;
    while (!(ps->p < ps->end && *ps->p == ']')) {
        const char *here = ps->p;
        if ((rc = read_char(ps, &lo)) < 0) return rc;
        hi = lo;
        if (ps->end - ps->p >= 2 && ps->p[0] == '-' && ps->p[1] != ']') {
            ps->p++;
            if ((rc = read_char(ps, &hi)) < 0) return rc;
            if (hi < lo) return bad(ps, here, SH_E_INVALID, "a range whose end lies before its beginning");
        }
        if ((rc = add_range(ps, lo, hi)) < 0) return rc;
    }
    ps->p++;
    if ((rc = settle_ranges(ps, from, negated)) < 0) return rc;
    if (ps->r->n_ranges == from) return bad(ps, at, SH_E_INVALID, "a class that no character is in");
    return add_item(ps, GRAM_CLASS, (uint32_t)from, (uint32_t)(ps->r->n_ranges - from), out);
}

static int parse_number(parser *ps, uint32_t *out)
{
    const char *at = ps->p;
    uint32_t v = 0;
    while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9') {
        v = v * 10 + (uint32_t)(*ps->p++ - '0');
        if (v > GRAM_MAX_REPEAT) return bad(ps, at, SH_E_LIMIT, "a repetition of more than 65536 times");
    }
    return ps->p == at ? bad(ps, at, SH_E_INVALID, "expected a number") : (*out = v, SH_OK);
}

static int parse_braces(parser *ps, uint32_t *least, uint32_t *most)
{
    const char *at = ps->p++;
    int rc;
    skip_blank(ps, false);
    *least = 0;
    if (ps->p < ps->end && *ps->p != ',' && (rc = parse_number(ps, least)) < 0) return rc;
    *most = *least;
    skip_blank(ps, false);
    if (ps->p < ps->end && *ps->p == ',') {
        ps->p++;
        *most = GRAM_UNBOUNDED;
        skip_blank(ps, false);
        if (ps->p < ps->end && *ps->p != '}' && (rc = parse_number(ps, most)) < 0) return rc;
        skip_blank(ps, false);
    }
    if (ps->p >= ps->end || *ps->p != '}') return bad(ps, at, SH_E_INVALID, "expected {m}, {m,} or {m,n}");
    ps->p++;
    if (*most < *least) return bad(ps, at, SH_E_INVALID, "a repetition of at most fewer times than at least");
    return SH_OK;
}

/* Any number of repetition signs after an item. */
static int parse_suffix(parser *ps, bool in_group, uint32_t *item)
{
    int rc;
    for (;;) {
        uint32_t least = 0, most = GRAM_UNBOUNDED, outer;
        skip_blank(ps, in_group);
        char c = ps->p < ps->end ? *ps->p : 0;
        if (c == '{') {
            if ((rc = parse_braces(ps, &least, &most)) < 0) return rc;
        } else if (c == '*' || c == '+' || c == '?') {
            ps->p++;
            least = c == '+';
            most = c == '?' ? 1 : GRAM_UNBOUNDED;
        } else {
            return SH_OK;
        }
        if (++ps->depth > GRAM_MAX_DEPTH) return bad(ps, ps->p, SH_E_LIMIT, "nested too deep");
        if ((rc = add_item(ps, GRAM_REPEAT, least, most, &outer)) < 0) return rc;
        ps->r->items[outer].first = *item;
        *item = outer;
    }
}

static int parse_alternates(parser *ps, bool in_group, uint32_t *out);

static int parse_group(parser *ps, uint32_t *out)
{
    const char *at = ps->p++;
    if (++ps->depth > GRAM_MAX_DEPTH) return bad(ps, at, SH_E_LIMIT, "groups nested too deep");
    int rc = parse_alternates(ps, true, out);
    if (rc < 0) return rc;
    if (ps->p >= ps->end || *ps->p != ')') return bad(ps, at, SH_E_INVALID, "a group without its ')'");
    ps->p++;
    ps->depth--;
    return SH_OK;
}

static int parse_name(parser *ps, uint32_t *out)
{
    const char *name = ps->p;
    uint32_t rule;
    while (ps->p < ps->end && is_word(*ps->p)) ps->p++;
    int rc = find_rule(ps, name, (size_t)(ps->p - name), &rule);
    return rc < 0 ? rc : add_item(ps, GRAM_REF, rule, 0, out);
}

static int parse_one(parser *ps, uint32_t *out)
{
    char c = *ps->p;
    int rc;
    if (c == '"') return parse_literal(ps, out);
    if (c == '[') return parse_class(ps, out);
    if (c == '(') return parse_group(ps, out);
    if (is_word(c)) return parse_name(ps, out);
    if (c == '<' || c == '!')
        return bad(ps, ps->p, SH_E_UNSUPPORTED, "references to tokens are not supported: spell the text");
    if (c != '.')
        return bad(ps, ps->p, SH_E_INVALID, "expected a literal, a class, a rule's name or a group");
    ps->p++;
    if ((rc = add_range(ps, 0, 0x10ffff)) < 0) return rc;
    return add_item(ps, GRAM_CLASS, (uint32_t)ps->r->n_ranges - 1, 1, out);
}

static int parse_sequence(parser *ps, bool in_group, uint32_t *out)
{
    uint32_t item, last = GRAM_NONE;
    int rc = add_item(ps, GRAM_SEQ, 0, 0, out);
    while (rc == SH_OK) {
        skip_blank(ps, in_group);
        if (ps->p >= ps->end || *ps->p == '\n' || *ps->p == '|' || *ps->p == ')') break;
        unsigned depth = ps->depth;
        if ((rc = parse_one(ps, &item)) < 0) return rc;
        if ((rc = parse_suffix(ps, in_group, &item)) < 0) return rc;
        ps->depth = depth;
        if (last == GRAM_NONE)
            ps->r->items[*out].first = item;
        else
            ps->r->items[last].next = item;
        last = item;
    }
    return rc;
}

/* Whether the next line that is not blank goes on with "|"; then ps stands there. */
static bool goes_on(parser *ps)
{
    const char *here = ps->p;
    skip_blank(ps, true);
    if (ps->p < ps->end && *ps->p == '|') return true;
    ps->p = here;
    return false;
}

static int parse_alternates(parser *ps, bool in_group, uint32_t *out)
{
    uint32_t item, last;
    int rc = parse_sequence(ps, in_group, &item);
    if (rc < 0) return rc;
    if ((rc = add_item(ps, GRAM_ALT, 0, 0, out)) < 0) return rc;
    ps->r->items[*out].first = last = item;
    while (goes_on(ps)) {
        ps->p++;
        skip_blank(ps, true);
        if ((rc = parse_sequence(ps, in_group, &item)) < 0) return rc;
        ps->r->items[last].next = item;
        last = item;
    }
    return SH_OK;
}

static int parse_rule(parser *ps)
{
    const char *name = ps->p;
    uint32_t rule, root;
    int rc;
    while (ps->p < ps->end && is_word(*ps->p)) ps->p++;
    if (ps->p == name) return bad(ps, name, SH_E_INVALID, "expected a rule's name");
    if ((rc = find_rule(ps, name, (size_t)(ps->p - name), &rule)) < 0) return rc;
    if (ps->r->rules[rule].root != GRAM_NONE)
        return bad(ps, name, SH_E_INVALID, "a rule of this name was defined before");
    skip_blank(ps, false);
    if (ps->end - ps->p < 3 || memcmp(ps->p, "::=", 3) != 0)
        return bad(ps, ps->p, SH_E_INVALID, "expected ::=");
    ps->p += 3;
    skip_blank(ps, true);
    if ((rc = parse_alternates(ps, false, &root)) < 0) return rc;
    if (ps->p < ps->end && *ps->p != '\n') return bad(ps, ps->p, SH_E_INVALID, "a ')' without its group");
    ps->r->rules[rule].root = root;
    ps->r->rules[rule].offset = (uint32_t)(name - ps->begin);
    return SH_OK;
}

/* Every name has a rule, and one is root. */
static int finish(parser *ps)
{
    gram_rules *r = ps->r;
    uint64_t root;
    if (!sh_map_get(r->by_name, "root", 4, &root) || r->rules[root].root == GRAM_NONE)
        return sh_fail(ps->err, SH_E_INVALID, "%s: no rule is called root", r->where);
    r->root = (uint32_t)root;
    for (size_t i = 0; i < r->n_rules; i++)
        if (r->rules[i].root == GRAM_NONE) return gram_rule_fail(r, i, ps->err, "is not defined");
    return SH_OK;
}

int gram_parse(gram_rules *r, const char *text, size_t n, const char *where, sh_err *err)
{
    parser ps = {.r = r, .p = text, .begin = text, .end = text + n, .err = err};
    int rc = SH_OK;
    r->where = where;
    r->source = text;
    if (n > GRAM_MAX_TEXT)
        return sh_fail(err, SH_E_LIMIT, "%s: a grammar of %zu bytes: at most %d", where, n, GRAM_MAX_TEXT);
    r->by_name = sh_map_open(sh_hash(text, n, 0x5bd1e995));
    r->names = sh_arena_open();
    if (!r->by_name || !r->names) return sh_fail_nomem(err, sizeof *r);
    for (;;) {
        skip_blank(&ps, true);
        if (ps.p >= ps.end) break;
        if ((rc = parse_rule(&ps)) < 0) return rc;
    }
    return finish(&ps);
}
