/* json_reader.c - a pull reader over JSON text (RFC 8259).
 *
 * The state says what may come next; the stack holds one byte per open container. Strings dominate the big documents
 * (a vocabulary), so plain ASCII is passed over eight bytes at a time and copied only when an escape forces it.
 * Numbers of up to 19 digits with a small exponent are exact in double arithmetic (Clinger 1990: both the digits and
 * the power of ten are exactly representable, so one operation rounds correctly); the rest goes through strtod. */
#include "codec/json_reader.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"

enum state {
    VALUE,        /* a value must come */
    VALUE_OR_END, /* just after [ */
    KEY_OR_END,   /* just after { */
    KEY,          /* after a comma in an object */
    COMMA_OR_END, /* after a value inside a container */
    TOP_DONE,     /* after the outermost value: only white space */
    FAILED
};

void sh_json_reader_init(sh_json_reader *r, const char *p, size_t n, const char *where)
{
    *r = (sh_json_reader){.p = p, .begin = p, .end = p + n, .where = where, .state = VALUE};
}

void sh_json_reader_clear(sh_json_reader *r)
{
    sh_buf_clear(&r->scratch);
    r->str = (sh_str){0};
    r->state = FAILED;
}

/* Fail at byte `at`; lines and columns are counted in code points from 1, as an editor shows them. */
static int fail_at(sh_json_reader *r, const char *at, int code, const char *what, sh_err *err)
{
    size_t line = 1, column = 1;
    for (const char *p = r->begin; p < at; p++) {
        if (*p == '\n')
            line++, column = 1;
        else
            column += (*p & 0xc0) != 0x80;
    }
    r->state = FAILED;
    r->p = at;
    return sh_fail(err, code, "%s: line %zu, column %zu (byte %zu): %s", r->where, line, column,
                   (size_t)(at - r->begin), what);
}

static int bad(sh_json_reader *r, const char *what, sh_err *err) { return fail_at(r, r->p, SH_E_CORRUPT, what, err); }

static void skip_space(sh_json_reader *r)
{
    const char *p = r->p;
    while (p < r->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    r->p = p;
}

static void value_done(sh_json_reader *r) { r->state = r->depth ? COMMA_OR_END : TOP_DONE; }

/* --- strings --- */

/* A word with bit 7 set in the byte of every character that ends a plain run: quote, backslash, control, non-ASCII.
 * Bits above a true one may be false alarms; the lowest never is, and only "any" is asked. */
static uint64_t stops(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    return (((quote - ones) | (slash - ones) | (w - ones * 0x20)) & ~w & high) | (w & high);
}

/* Past the plain characters at p: to a quote, backslash, control character or the end; non-ASCII is checked.
 * NULL for ill-formed UTF-8, with *at at its place. */
static const char *pass_plain(const char *p, const char *end, const char **at)
{
    for (;;) {
        uint64_t w;
        while (end - p >= 8 && (memcpy(&w, p, 8), !stops(w))) p += 8;
        while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
        if (p == end || !(*p & 0x80)) return p;
        while (p < end && (*p & 0x80)) {
            uint32_t cp;
            bool ok;
            size_t n = sh_utf8_decode(p, (size_t)(end - p), &cp, &ok);
            if (!ok) return *at = p, NULL;
            p += n;
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* After "\u". A high surrogate takes a low one that follows; a surrogate without its partner is U+FFFD. */
static int unicode_escape(sh_json_reader *r, sh_err *err)
{
    char out[4];
    int32_t v = hex4(r->p, r->end);
    if (v < 0) return bad(r, "expected four hexadecimal digits after \\u", err);
    r->p += 4;
    uint32_t cp = (uint32_t)v;
    if (v >= 0xd800 && v <= 0xdfff) {
        int32_t low = -1;
        if (v < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') low = hex4(r->p + 2, r->end);
        bool pair = low >= 0xdc00 && low <= 0xdfff;
        cp = pair ? 0x10000u + ((uint32_t)(v & 0x3ff) << 10 | (uint32_t)(low & 0x3ff)) : 0xfffdu;
        if (pair) r->p += 6;
    }
    sh_buf_add(&r->scratch, out, sh_utf8_encode(cp, out));
    return SH_OK;
}

static int escape(sh_json_reader *r, sh_err *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    r->p++;
    if (r->p == r->end) return bad(r, "the text ends inside a string", err);
    if (*r->p == 'u') return r->p++, unicode_escape(r, err);
    const char *found = memchr(from, *r->p, sizeof from - 1);
    if (!found) return bad(r, "unknown escape in a string", err);
    sh_buf_putc(&r->scratch, to[found - from]);
    r->p++;
    return SH_OK;
}

/* At the opening quote: r->str becomes the decoded string. */
static int read_string(sh_json_reader *r, sh_err *err)
{
    const char *run = ++r->p, *at = NULL;
    int rc;
    sh_buf_reset(&r->scratch);
    for (bool decoded = false;;) {
        const char *stop = pass_plain(run, r->end, &at);
        if (!stop) return fail_at(r, at, SH_E_CORRUPT, "a string holds ill-formed UTF-8", err);
        r->p = stop;
        if (stop == r->end) return bad(r, "the text ends inside a string", err);
        if (*stop == '"' && !decoded) {
            r->str = sh_str_n(run, (size_t)(stop - run));
            break;
        }
        if (*stop != '"' && *stop != '\\') return bad(r, "a string holds a control character", err);
        sh_buf_add(&r->scratch, run, (size_t)(stop - run));
        if (*stop == '"') {
            r->str = sh_buf_str(&r->scratch);
            break;
        }
        if ((rc = escape(r, err)) < 0) return rc;
        run = r->p;
        decoded = true;
    }
    r->p++;
    if (!r->scratch.failed) return SH_OK;
    r->state = FAILED;
    return sh_fail_nomem(err, (unsigned long long)(r->end - r->begin));
}

/* --- numbers --- */

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

/* What a number's text says: digits * 10^exp10; `exact` while all digits fit the 64-bit count. */
typedef struct number {
    uint64_t digits;
    long exp10;
    bool negative, exact, is_int;
} number;

static const char *number_digits(const char *p, const char *end, number *x)
{
    for (; is_digit(p, end); p++) {
        uint64_t d = (uint64_t)(*p - '0'), next;
        if (__builtin_mul_overflow(x->digits, 10u, &next) || __builtin_add_overflow(next, d, &next))
            x->exact = false;
        else
            x->digits = next;
    }
    return p;
}

/* Past the exponent at p ("e"); saturates, since no double has more than four digits there. */
static const char *number_exponent(const char *p, const char *end, number *x)
{
    bool negative = p < end && *p == '-';
    long e = 0;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!is_digit(p, end)) return NULL;
    for (; is_digit(p, end); p++)
        if (e < 100000) e = e * 10 + (*p - '0');
    x->exp10 += negative ? -e : e;
    return p;
}

/* Checks the grammar; NULL when it is broken, with *at at the place. */
static const char *number_scan(const char *p, const char *end, number *x, const char **at)
{
    *x = (number){.exact = true, .is_int = true};
    if (*p == '-') x->negative = true, p++;
    if (!is_digit(p, end)) return *at = p, NULL;
    p = *p == '0' ? p + 1 : number_digits(p, end, x);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        x->is_int = false;
        if (!is_digit(p, end)) return *at = p, NULL;
        p = number_digits(p, end, x);
        x->exp10 = p - fraction > 100000 ? -100000 : -(long)(p - fraction);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        x->is_int = false;
        *at = p + 1;
        p = number_exponent(p + 1, end, x);
    }
    return p;
}

/* By strtod in the C locale: the process may have another decimal point. */
static int number_slow(sh_json_reader *r, const char *end, sh_err *err)
{
    sh_buf_reset(&r->scratch);
    sh_buf_add(&r->scratch, r->p, (size_t)(end - r->p));
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (r->scratch.failed || !c) {
        if (c) freelocale(c);
        r->state = FAILED;
        return sh_fail_nomem(err, (unsigned long long)(end - r->p));
    }
    r->num = strtod_l(r->scratch.p, NULL, c);
    freelocale(c);
    if (r->num - r->num != 0) return bad(r, "a number is too large", err);
    return SH_OK;
}

static int read_number(sh_json_reader *r, sh_err *err)
{
    number x;
    const char *at = r->p, *end = number_scan(r->p, r->end, &x, &at);
    int rc;
    if (!end) return fail_at(r, at, SH_E_CORRUPT, "expected a digit", err);
    r->is_int = x.is_int && x.exact && x.digits <= (uint64_t)INT64_MAX + x.negative;
    if (r->is_int) {
        r->integer = x.negative ? (int64_t)(0 - x.digits) : (int64_t)x.digits;
        r->num = x.digits == 0 && x.negative ? -0.0 : (double)r->integer;
    } else if (x.exact && x.digits <= UINT64_C(1) << 53 && x.exp10 >= -22 && x.exp10 <= 22) {
        double d = (double)x.digits;
        d = x.exp10 < 0 ? d / powers_of_ten[-x.exp10] : d * powers_of_ten[x.exp10];
        r->num = x.negative ? -d : d;
    } else if ((rc = number_slow(r, end, err)) < 0) {
        return rc;
    }
    r->p = end;
    value_done(r);
    return SH_JSON_NUMBER;
}

/* --- structure --- */

static int read_word(sh_json_reader *r, const char *word, int event, sh_err *err)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) return bad(r, "expected a value", err);
    r->p += n;
    r->flag = *word == 't';
    value_done(r);
    return event;
}

static int open_container(sh_json_reader *r, int event, sh_err *err)
{
    if (r->depth == sizeof r->stack) return fail_at(r, r->p, SH_E_LIMIT, "nested deeper than 128 levels", err);
    r->stack[r->depth++] = event == SH_JSON_OBJECT;
    r->state = event == SH_JSON_OBJECT ? KEY_OR_END : VALUE_OR_END;
    r->p++;
    return event;
}

static int close_container(sh_json_reader *r)
{
    bool object = r->stack[--r->depth];
    r->p++;
    value_done(r);
    return object ? SH_JSON_OBJECT_END : SH_JSON_ARRAY_END;
}

static int read_value(sh_json_reader *r, sh_err *err)
{
    int rc;
    switch (*r->p) {
    case '"':
        if ((rc = read_string(r, err)) < 0) return rc;
        value_done(r);
        return SH_JSON_STRING;
    case '{':
        return open_container(r, SH_JSON_OBJECT, err);
    case '[':
        return open_container(r, SH_JSON_ARRAY, err);
    case 't':
        return read_word(r, "true", SH_JSON_BOOL, err);
    case 'f':
        return read_word(r, "false", SH_JSON_BOOL, err);
    case 'n':
        return read_word(r, "null", SH_JSON_NULL, err);
    default:
        if (*r->p == '-' || is_digit(r->p, r->end)) return read_number(r, err);
        return bad(r, "expected a value", err);
    }
}

static int read_key(sh_json_reader *r, sh_err *err)
{
    int rc;
    if (*r->p != '"') return bad(r, r->state == KEY ? "expected a key" : "expected a key or }", err);
    if ((rc = read_string(r, err)) < 0) return rc;
    skip_space(r);
    if (r->p == r->end || *r->p != ':') return bad(r, "expected : after a key", err);
    r->p++;
    r->state = VALUE;
    return SH_JSON_KEY;
}

/* After a value inside a container: pass the comma, or close. */
static int after_value(sh_json_reader *r, sh_err *err)
{
    bool object = r->stack[r->depth - 1];
    if (*r->p == (object ? '}' : ']')) return close_container(r);
    if (*r->p != ',') return bad(r, object ? "expected , or }" : "expected , or ]", err);
    r->p++;
    skip_space(r);
    if (r->p == r->end) return bad(r, "the text ends too early", err);
    r->state = object ? KEY : VALUE;
    return object ? read_key(r, err) : read_value(r, err);
}

int sh_json_next(sh_json_reader *r, sh_err *err)
{
    if (r->state == FAILED) return sh_fail(err, SH_E_CORRUPT, "%s: read on after an error", r->where);
    skip_space(r);
    if (r->p == r->end) return r->state == TOP_DONE ? SH_JSON_END : bad(r, "the text ends too early", err);
    switch (r->state) {
    case COMMA_OR_END:
        return after_value(r, err);
    case KEY_OR_END:
        return *r->p == '}' ? close_container(r) : read_key(r, err);
    case VALUE_OR_END:
        return *r->p == ']' ? close_container(r) : read_value(r, err);
    case VALUE:
        return read_value(r, err);
    default:
        return bad(r, "text after the end of the document", err);
    }
}

int sh_json_skip(sh_json_reader *r, sh_err *err)
{
    unsigned depth = r->depth;
    int event = sh_json_next(r, err);
    if (event < 0 || r->depth < depth) return event;
    while (r->depth > depth)
        if ((event = sh_json_next(r, err)) < 0) return event;
    return SH_OK;
}
