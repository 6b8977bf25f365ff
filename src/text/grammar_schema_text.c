/* grammar_schema_text.c - strings: lengths, formats, and a safe subset of regular expressions.
 *
 * Patterns are ECMAScript's as far as they describe a regular language: alternatives, groups, classes, \d \w
 * \s and their opposites, quantifiers (lazy ones admit the same texts), escapes, and ^ or $ at the ends of
 * the pattern's alternatives. Everything else (look-around, back-references, \b, anchors inside groups) is
 * refused. A character of the pattern becomes the ways in which JSON may write it. */
#include "text/grammar_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* --- classes --- */

enum { MAX_RANGES = 256 };
typedef struct ranges {
    uint32_t r[MAX_RANGES][2];
    size_t n;
} ranges;

static bool ranges_add(ranges *s, uint32_t lo, uint32_t hi)
{
    if (s->n == MAX_RANGES) return false;
    s->r[s->n][0] = lo;
    s->r[s->n++][1] = hi;
    return true;
}

static bool ranges_has(const uint32_t (*r)[2], size_t n, uint32_t cp)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i][0] && cp <= r[i][1]) return true;
    return false;
}

/* Sorted, disjoint, and turned round. */
static bool ranges_negate(ranges *s)
{
    ranges out = {.n = 0};
    uint32_t lo = 0;
    while (lo <= 0x10ffff) {
        uint32_t next = 0x110000;
        bool inside = false;
        for (size_t i = 0; i < s->n; i++) {
            if (lo >= s->r[i][0] && lo <= s->r[i][1]) lo = s->r[i][1] + 1, inside = true;
            if (s->r[i][0] > lo && s->r[i][0] < next) next = s->r[i][0];
        }
        if (inside) continue;
        if (!ranges_add(&out, lo, next - 1)) return false;
        lo = next;
    }
    *s = out;
    return true;
}

static void put_raw(sh_buf *out, uint32_t lo, uint32_t hi)
{
    static const uint32_t holes[] = {'"', '\\'};
    if (lo < 0x20) lo = 0x20;
    for (size_t i = 0; i < 2 && lo <= hi; i++) {
        if (holes[i] < lo || holes[i] > hi) continue;
        if (holes[i] > lo) sh_buf_printf(out, "\\U%08" PRIX32 "-\\U%08" PRIX32, lo, holes[i] - 1);
        lo = holes[i] + 1;
    }
    if (lo <= hi && hi >= 0xd800 && lo <= 0xdfff) { /* surrogates are no characters */
        if (lo < 0xd800) sh_buf_printf(out, "\\U%08" PRIX32 "-\\U0000D7FF", lo);
        if (hi > 0xdfff) sh_buf_printf(out, "\\U0000E000-\\U%08" PRIX32, hi);
    } else if (lo <= hi) {
        sh_buf_printf(out, "\\U%08" PRIX32 "-\\U%08" PRIX32, lo, hi);
    }
}

void schema_class(sh_buf *out, const uint32_t (*r)[2], size_t n)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* character, letter after the backslash */
    sh_buf raw = {0};
    size_t count = 0;
    sh_buf_putc(out, '(');
    for (size_t i = 0; i < n; i++) put_raw(&raw, r[i][0], r[i][1]);
    if (raw.n) sh_buf_printf(out, "[%s]", raw.p), count++;
    for (uint32_t cp = 0; cp <= '\\'; cp++) {
        if ((cp >= 0x20 && cp != '"' && cp != '\\') || !ranges_has(r, n, cp)) continue;
        const char *letter = cp ? strchr(letters, (int)cp) : NULL;
        if (count++) sh_buf_puts(out, " | ");
        if (letter)
            schema_literal(out, (char[]){'\\', letter[1]}, 2);
        else
            sh_buf_printf(out, "\"\\\\u%04" PRIx32 "\"", cp);
    }
    sh_buf_puts(out, ") ");
    if (raw.failed) out->failed = true;
    sh_buf_clear(&raw);
}

/* --- patterns --- */

typedef struct regex {
    schema_ctx *c;
    const char *p, *end;
    unsigned depth;
    sh_buf *out;
} regex;

static int refuse(const regex *x, const char *what)
{
    return schema_fail(x->c, SH_E_UNSUPPORTED, "pattern", what);
}
static int reject(const regex *x, const char *what)
{
    return schema_fail(x->c, SH_E_INVALID, "pattern", what);
}

static bool add_named(ranges *s, char name)
{
    ranges own = {.n = 0};
    switch (name | 32) {
    case 'd':
        ranges_add(&own, '0', '9');
        break;
    case 'w':
        ranges_add(&own, '0', '9'), ranges_add(&own, 'A', 'Z'), ranges_add(&own, '_', '_'),
            ranges_add(&own, 'a', 'z');
        break;
    case 's':
        ranges_add(&own, 9, 13), ranges_add(&own, ' ', ' '), ranges_add(&own, 0xa0, 0xa0),
            ranges_add(&own, 0x1680, 0x1680);
        ranges_add(&own, 0x2000, 0x200a), ranges_add(&own, 0x2028, 0x2029), ranges_add(&own, 0x202f, 0x202f);
        ranges_add(&own, 0x205f, 0x205f), ranges_add(&own, 0x3000, 0x3000), ranges_add(&own, 0xfeff, 0xfeff);
        break;
    default:
        return false;
    }
    if (name < 'a' && !ranges_negate(&own)) return false;
    for (size_t i = 0; i < own.n; i++)
        if (!ranges_add(s, own.r[i][0], own.r[i][1])) return false;
    return true;
}

static int hex(regex *x, int digits, uint32_t *cp)
{
    *cp = 0;
    for (int i = 0; i < digits; i++, x->p++) {
        char ch = x->p < x->end ? *x->p : 0;
        int d = ch >= '0' && ch <= '9'                 ? ch - '0'
                : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10
                                                       : -1;
        if (d < 0) return reject(x, "an escape with too few hexadecimal digits");
        *cp = *cp << 4 | (uint32_t)d;
    }
    return SH_OK;
}

/* One escape after its backslash: a class (*named) or a character. */
static int read_escape(regex *x, ranges *s, uint32_t *cp, bool *named)
{
    static const char letters[] = "t\tn\nr\rf\fv\v";
    *named = false;
    if (x->p >= x->end) return reject(x, "a backslash at the end");
    char ch = *x->p++;
    const char *letter = ch ? strchr(letters, ch) : NULL;
    if (ch && strchr("dDwWsS", ch))
        return *named = true, add_named(s, ch) ? SH_OK : refuse(x, "a class of too many parts");
    if (letter && ch > ' ') return *cp = (unsigned char)letter[1], SH_OK;
    if (ch == 'x') return hex(x, 2, cp);
    if (ch == 'u') {
        if (x->p < x->end && *x->p == '{') return refuse(x, "\\u{...} is not supported: write the character");
        int rc = hex(x, 4, cp);
        return rc < 0 || (*cp < 0xd800 || *cp > 0xdfff) ? rc : refuse(x, "surrogates are not supported");
    }
    if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z'))
        return refuse(x, "back-references, \\b and the like are not supported");
    *cp = (unsigned char)ch;
    return SH_OK;
}

static int read_plain(regex *x, uint32_t *cp)
{
    bool ok;
    x->p += sh_utf8_decode(x->p, (size_t)(x->end - x->p), cp, &ok);
    return ok ? SH_OK : reject(x, "ill-formed UTF-8");
}

static int read_class_part(regex *x, ranges *s, uint32_t *cp, bool *named)
{
    *named = false;
    if (*x->p != '\\') return read_plain(x, cp);
    x->p++;
    if (x->p < x->end && *x->p == 'b') return *cp = 8, x->p++, SH_OK;
    return read_escape(x, s, cp, named);
}

static int read_class(regex *x)
{
    ranges s = {.n = 0};
    bool negated = x->p < x->end && *x->p == '^', named;
    uint32_t lo, hi;
    int rc;
    x->p += negated;
    while (x->p < x->end && *x->p != ']') {
        if ((rc = read_class_part(x, &s, &lo, &named)) < 0) return rc;
        if (named) continue;
        hi = lo;
        if (x->end - x->p >= 2 && x->p[0] == '-' && x->p[1] != ']') {
            x->p++;
            if ((rc = read_class_part(x, &s, &hi, &named)) < 0) return rc;
            if (named || hi < lo) return reject(x, "a range whose end lies before its beginning");
        }
        if (!ranges_add(&s, lo, hi)) return refuse(x, "a class of too many parts");
    }
    if (x->p >= x->end) return reject(x, "a class without its ']'");
    x->p++;
    if (negated && !ranges_negate(&s)) return refuse(x, "a class of too many parts");
    if (!s.n) return refuse(x, "a class that no character is in");
    schema_class(x->out, (const uint32_t(*)[2])s.r, s.n);
    return SH_OK;
}

static int read_alternatives(regex *x, bool top);

static int read_group(regex *x)
{
    if (x->p < x->end && *x->p == '?') {
        if (x->end - x->p < 2 || x->p[1] != ':')
            return refuse(x, "look-around and named groups are not supported");
        x->p += 2;
    }
    if (++x->depth > 32) return refuse(x, "groups nested too deep");
    sh_buf_puts(x->out, "(");
    int rc = read_alternatives(x, false);
    if (rc < 0) return rc;
    if (x->p >= x->end) return reject(x, "a group without its ')'");
    x->p++;
    x->depth--;
    sh_buf_puts(x->out, ") ");
    return SH_OK;
}

static int read_quantifier(regex *x)
{
    char ch = x->p < x->end ? *x->p : 0;
    if (ch == '*' || ch == '+' || ch == '?') {
        x->p++;
        sh_buf_printf(x->out, "%c ", ch);
    } else if (ch == '{') {
        const char *close = memchr(x->p, '}', (size_t)(x->end - x->p));
        unsigned least, most;
        int used = 0, fields = 0;
        if (close) fields = sscanf(x->p, "{%6u,%6u%n", &least, &most, &used);
        if (fields == 2 && x->p + used == close && least <= most)
            sh_buf_printf(x->out, "{%u,%u} ", least, most);
        else if (fields >= 1 && sscanf(x->p, "{%6u%n", &least, &used) == 1 && x->p + used == close)
            sh_buf_printf(x->out, "{%u} ", least);
        else if (fields >= 1 && x->p[used] == ',' && x->p + used + 1 == close)
            sh_buf_printf(x->out, "{%u,} ", least);
        else
            return reject(x, "expected {m}, {m,} or {m,n}");
        x->p = close + 1;
    } else {
        return SH_OK;
    }
    if (x->p < x->end && *x->p == '?') x->p++; /* lazy: the same texts */
    if (x->p < x->end && *x->p && strchr("*+?{", *x->p)) return reject(x, "a quantifier after a quantifier");
    return SH_OK;
}

static int read_atom(regex *x)
{
    static const uint32_t any[][2] = {{0, 9}, {11, 12}, {14, 0x2027}, {0x202a, 0x10ffff}};
    ranges s = {.n = 0};
    bool named = false;
    uint32_t cp = 0;
    int rc;
    char ch = *x->p;
    if (ch == '(') return x->p++, read_group(x);
    if (ch == '[') return x->p++, read_class(x);
    if (ch == '.') return x->p++, schema_class(x->out, any, 4), SH_OK;
    if (ch == '^' || ch == '$')
        return refuse(x, "anchors are supported at the ends of the pattern's alternatives only");
    if (ch && strchr("*+?{", ch)) return reject(x, "a quantifier without what it repeats");
    if (ch == '\\') {
        x->p++;
        rc = read_escape(x, &s, &cp, &named);
    } else {
        rc = read_plain(x, &cp);
    }
    if (rc < 0) return rc;
    if (!named) ranges_add(&s, cp, cp);
    schema_class(x->out, (const uint32_t(*)[2])s.r, s.n);
    return SH_OK;
}

/* Alternatives up to the group's end; at the top, what is not anchored may have any text around it. */
static int read_alternatives(regex *x, bool top)
{
    for (;;) {
        bool begins = top && x->p < x->end && *x->p == '^', ends = false;
        x->p += begins;
        if (top && !begins) sh_buf_puts(x->out, SCHEMA_CHAR "* ");
        sh_buf_puts(x->out, "\"\" ");
        while (x->p < x->end && *x->p != '|' && !(*x->p == ')' && !top)) {
            if (*x->p == ')') return reject(x, "a ')' without its group");
            if (top && *x->p == '$' && (x->p + 1 == x->end || x->p[1] == '|')) {
                x->p++;
                ends = true;
                break;
            }
            int rc = read_atom(x);
            if (rc < 0 || (rc = read_quantifier(x)) < 0) return rc;
        }
        if (top && !ends) sh_buf_puts(x->out, SCHEMA_CHAR "* ");
        if (x->p >= x->end || *x->p != '|') return SH_OK;
        x->p++;
        sh_buf_puts(x->out, "| ");
    }
}

int schema_pattern(schema_ctx *c, const char *pattern, size_t n, sh_buf *body)
{
    regex x = {.c = c, .p = pattern, .end = pattern + n, .out = body};
    sh_buf_puts(body, "(");
    int rc = read_alternatives(&x, true);
    sh_buf_puts(body, ") ");
    return rc;
}

/* --- formats --- */

#define YEAR "([0-9]{3} [1-9] | [0-9]{2} [1-9] \"0\" | [0-9] [1-9] \"00\" | [1-9] \"000\")"
#define DATE                                                                                                 \
    YEAR " \"-\" ((\"0\" [13578] | \"10\" | \"12\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"3\" [01]) | "        \
         "(\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\") | "                               \
         "\"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]))"
#define TIME                                                                                                 \
    "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,9})? "                    \
    "(\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"
#define OCTET "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9] [0-9] | [0-9])"
#define LABEL "[a-zA-Z0-9] ([a-zA-Z0-9-]{0,61} [a-zA-Z0-9])?"
#define H16 "[0-9a-fA-F]{1,4}"

/* Each a subset of what its RFC admits (29 February is left out: no regular rule knows the leap years). */
static const char *const formats[][2] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE " \"T\" " TIME},
    {"duration", "\"P\" ([1-9] [0-9]{0,5} [YMWD] | \"T\" [1-9] [0-9]{0,5} [HMS])"},
    {"uuid", "[0-9a-fA-F]{8} (\"-\" [0-9a-fA-F]{4}){3} \"-\" [0-9a-fA-F]{12}"},
    {"email",
     "[a-zA-Z0-9_+-]{1,24} (\".\" [a-zA-Z0-9_+-]{1,16}){0,2} \"@\" (" LABEL " \".\"){1,4} [a-zA-Z]{2,24}"},
    {"hostname", LABEL " (\".\" " LABEL "){0,3}"},
    {"ipv4", OCTET " (\".\" " OCTET "){3}"},
    {"ipv6", "(" H16 " (\":\" " H16 "){7} | \"::\" (" H16 " (\":\" " H16 "){0,5})? | " H16 " (\":\" " H16
             "){0,2} \"::\" " H16 " (\":\" " H16 "){0,2})"},
    {"uri", "[a-zA-Z] [a-zA-Z0-9+.-]{0,15} \"://\" (" LABEL " \".\"){0,4} " LABEL
            " (\":\" [1-9] [0-9]{0,3})? (\"/\" [a-zA-Z0-9._~%!$&'()*+,;=:@-]{0,64}){0,16}"},
};

static const char *find_format(const char *name)
{
    for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i][0], name) == 0) return formats[i][1];
    return NULL;
}

int schema_string(schema_ctx *c, const json_t *schema, sh_buf *body, bool *possible)
{
    const json_t *pattern = json_object_get(schema, "pattern");
    const char *format = find_format(json_string_value(json_object_get(schema, "format")));
    uint64_t least = 0, most = UINT64_MAX;
    int rc;
    if ((rc = schema_count(c, schema, "minLength", &least)) < 0) return rc;
    if ((rc = schema_count(c, schema, "maxLength", &most)) < 0) return rc;
    bool bounded = least > 0 || most != UINT64_MAX;
    if (pattern && !json_is_string(pattern))
        return schema_fail(c, SH_E_INVALID, "pattern", "expected a text");
    if (bounded + (pattern != NULL) + (format != NULL) > 1)
        return schema_fail(c, SH_E_UNSUPPORTED, format ? "format" : "pattern",
                           "only one of pattern, format, and minLength with maxLength is supported");
    if (most < least) return *possible = false, SH_OK;
    if (!bounded && !pattern && !format) return sh_buf_puts(body, "string "), SH_OK;
    sh_buf_puts(body, "\"\\\"\" ");
    if (format)
        sh_buf_printf(body, "(%s) ", format);
    else if (pattern)
        rc = schema_pattern(c, json_string_value(pattern), json_string_length(pattern), body);
    else if (most == UINT64_MAX)
        sh_buf_printf(body, SCHEMA_CHAR "{%" PRIu64 ",} ", least);
    else
        sh_buf_printf(body, SCHEMA_CHAR "{%" PRIu64 ",%" PRIu64 "} ", least, most);
    sh_buf_puts(body, "\"\\\"\" ");
    return rc;
}
