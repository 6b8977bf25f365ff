/* grammar_schema_number.c - integers between bounds, exactly; numbers between whole bounds.
 *
 * [lo, hi] over decimal digits: numbers of equal length split at their first differing digit, lengths between
 * those of the bounds are free. */
#include "text/grammar_schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DIGITS = 31, MAX_LISTED = 4096, MAX_MODULUS = 512 };

typedef struct bounds {
    bool has_lo, has_hi, lo_open, hi_open; /* open: the bound itself is left out */
    int64_t lo, hi;
} bounds;

static void put_or(sh_buf *b, size_t start)
{
    if (b->n > start) sh_buf_puts(b, "| ");
}

static bool all_are(const char *p, size_t n, char c)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != c) return false;
    return true;
}

/* Digit strings of n from lo to hi; an expression in parentheses where it needs them. */
static void put_digits(sh_buf *b, const char *lo, const char *hi, size_t n)
{
    char zeros[MAX_DIGITS], nines[MAX_DIGITS];
    size_t same = 0;
    while (same < n && lo[same] == hi[same]) same++;
    if (same) sh_buf_printf(b, "\"%.*s\" ", (int)same, lo);
    lo += same, hi += same, n -= same;
    if (!n) return;
    if (all_are(lo, n, '0') && all_are(hi, n, '9')) {
        sh_buf_printf(b, "[0-9]{%zu} ", n);
        return;
    }
    memset(zeros, '0', sizeof zeros);
    memset(nines, '9', sizeof nines);
    bool cut_lo = !all_are(lo + 1, n - 1, '0'), cut_hi = !all_are(hi + 1, n - 1, '9');
    char first = (char)(lo[0] + cut_lo), last = (char)(hi[0] - cut_hi);
    sh_buf_puts(b, "(");
    size_t start = b->n;
    if (cut_lo) {
        sh_buf_printf(b, "\"%c\" ", lo[0]);
        put_digits(b, lo + 1, nines, n - 1);
    }
    if (first <= last) {
        put_or(b, start);
        sh_buf_printf(b, "[%c-%c] ", first, last);
        if (n > 1) sh_buf_printf(b, "[0-9]{%zu} ", n - 1);
    }
    if (cut_hi) {
        put_or(b, start);
        sh_buf_printf(b, "\"%c\" ", hi[0]);
        put_digits(b, zeros, hi + 1, n - 1);
    }
    sh_buf_puts(b, ") ");
}

/* Naturals from lo to hi (or without end) as alternatives; the list began at start. */
static void put_naturals(sh_buf *b, size_t start, uint64_t lo, uint64_t hi, bool endless)
{
    char l[24], h[24], ones[MAX_DIGITS], nines[MAX_DIGITS];
    size_t n_lo = (size_t)snprintf(l, sizeof l, "%" PRIu64, lo),
           n_hi = (size_t)snprintf(h, sizeof h, "%" PRIu64, hi);
    memset(ones, '0', sizeof ones);
    memset(nines, '9', sizeof nines);
    ones[0] = '1';
    if (endless) n_hi = n_lo + 1;
    for (size_t n = n_lo; n <= n_hi; n++) {
        put_or(b, start);
        if (endless && n == n_hi) {
            sh_buf_printf(b, "[1-9] [0-9]{%zu,%d} ", n - 1, MAX_DIGITS - 1);
            break;
        }
        put_digits(b, n == n_lo ? l : ones, n == n_hi ? h : nines, n);
    }
}

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* Integers of the bounds (closed ones) as alternatives; false when there are none. */
static bool put_integers(sh_buf *b, const bounds *r)
{
    size_t start = b->n;
    if (r->has_lo && r->has_hi && r->lo > r->hi) return false;
    if (!r->has_lo || r->lo < 0) { /* the negative part, mirrored */
        uint64_t from = r->has_hi && r->hi < 0 ? magnitude(r->hi) : 1;
        sh_buf_puts(b, "\"-\" (");
        put_naturals(b, b->n, from, r->has_lo ? magnitude(r->lo) : 0, !r->has_lo);
        sh_buf_puts(b, ") ");
    }
    if (!r->has_hi || r->hi >= 0) {
        uint64_t from = r->has_lo && r->lo > 0 ? (uint64_t)r->lo : 0;
        put_naturals(b, start, from, r->has_hi ? (uint64_t)r->hi : 0, !r->has_hi);
    }
    return true;
}

/* --- reading the keywords --- */

/* One bound; *whole is false when it has a fraction (then it is rounded into the range and open means
 * nothing). */
static int read_bound(schema_ctx *c, const json_t *schema, const char *keyword, bool upper, bool *has,
                      int64_t *value, bool *whole)
{
    const json_t *v = json_object_get(schema, keyword);
    *has = false;
    *whole = true;
    if (!v) return SH_OK;
    if (!json_is_number(v)) return schema_fail(c, SH_E_INVALID, keyword, "expected a number");
    double d = json_number_value(v);
    if (json_is_integer(v)) {
        *value = json_integer_value(v);
    } else if (d >= -9.2e18 && d <= 9.2e18) {
        double near = upper ? floor(d) : ceil(d);
        *value = (int64_t)near;
        *whole = near == d;
    } else if (upper == (d < 0)) {
        return schema_fail(c, SH_E_UNSUPPORTED, keyword, "a bound outside 64 bits is not supported");
    } else {
        return SH_OK; /* above or below all that is written */
    }
    *has = true;
    return SH_OK;
}

static int read_bounds(schema_ctx *c, const json_t *schema, bool integer, bounds *r)
{
    static const char *const words[4] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"};
    *r = (bounds){0};
    for (int i = 0; i < 4; i++) {
        bool has, whole, upper = i >= 2, open = i % 2;
        int64_t v = 0;
        if (json_is_boolean(json_object_get(schema, words[i])))
            return schema_fail(c, SH_E_UNSUPPORTED, words[i], "expected a number (a boolean is of draft 4)");
        int rc = read_bound(c, schema, words[i], upper, &has, &v, &whole);
        if (rc < 0) return rc;
        if (!has) continue;
        if (!whole && !integer)
            return schema_fail(c, SH_E_UNSUPPORTED, words[i],
                               "a bound with a fraction is supported for integers only");
        if (!whole) open = false;
        if (integer && open && v != (upper ? INT64_MIN : INT64_MAX)) v += upper ? -1 : 1, open = false;
        if (upper && (!r->has_hi || v < r->hi || (v == r->hi && open)))
            r->has_hi = true, r->hi = v, r->hi_open = open;
        if (!upper && (!r->has_lo || v > r->lo || (v == r->lo && open)))
            r->has_lo = true, r->lo = v, r->lo_open = open;
    }
    return SH_OK;
}

/* --- multiples --- */

/* All multiples between the bounds, listed. */
static bool list_multiples(sh_buf *b, const bounds *r, int64_t k)
{
    int64_t v = r->lo / k * k;
    size_t start = b->n;
    if (v < r->lo && __builtin_add_overflow(v, k, &v)) return false;
    for (; v <= r->hi;) {
        put_or(b, start);
        sh_buf_printf(b, "\"%" PRId64 "\" ", v);
        if (__builtin_add_overflow(v, k, &v)) break;
    }
    return b->n > start;
}

/* Digits whose value is a multiple of k: one rule for each remainder. *first is that of remainder 0 before
 * any digit. */
static int put_remainders(schema_ctx *c, uint32_t k, uint32_t *first)
{
    uint32_t base = c->n_rules, ignored;
    int rc = SH_OK;
    *first = base;
    for (uint32_t i = 0; i < k && rc == SH_OK; i++) rc = schema_new_rule(c, &ignored);
    for (uint32_t i = 0; i < k && rc == SH_OK; i++) {
        sh_buf body = {0};
        for (uint32_t d = 0; d < 10; d++)
            sh_buf_printf(&body, "%s\"%" PRIu32 "\" r%" PRIu32 " ", d ? "| " : "", d,
                          base + (i * 10 + d) % k);
        if (i == 0) sh_buf_puts(&body, "| \"\"");
        rc = schema_put_rule(c, base + i, &body);
        sh_buf_clear(&body);
    }
    return rc;
}

static int put_multiples(schema_ctx *c, const json_t *v, const bounds *r, sh_buf *b, bool *possible)
{
    double d = json_number_value(v);
    if (!json_is_number(v) || !(d > 0))
        return schema_fail(c, SH_E_INVALID, "multipleOf", "expected a number above 0");
    if (d != floor(d) || d > 1e15)
        return schema_fail(c, SH_E_UNSUPPORTED, "multipleOf", "supported for whole numbers only");
    int64_t k = (int64_t)d;
    if (r->has_lo && r->has_hi && ((double)r->hi - (double)r->lo) / d <= MAX_LISTED)
        return *possible = r->lo <= r->hi && list_multiples(b, r, k), SH_OK;
    bool natural = r->has_lo && r->lo == 0 && !r->has_hi;
    if (k > MAX_MODULUS || (!natural && (r->has_lo || r->has_hi)))
        return schema_fail(c, SH_E_UNSUPPORTED, "multipleOf",
                           "supported between near bounds, or up to 512 without them (or from 0)");
    uint32_t base;
    int rc = put_remainders(c, (uint32_t)k, &base);
    if (rc < 0) return rc;
    sh_buf_printf(b, "%s(\"0\" ", natural ? "" : "\"-\"? ");
    for (uint32_t first = 1; first < 10; first++)
        sh_buf_printf(b, "| \"%" PRIu32 "\" r%" PRIu32 " ", first, base + first % (uint32_t)k);
    sh_buf_puts(b, ") ");
    return SH_OK;
}

/* --- numbers with a fraction between whole bounds --- */

/* Non-negative numbers from lo (closed or open) to hi; the range is not empty. */
static void put_positive(sh_buf *b, const bounds *r)
{
    bounds whole = *r;
    size_t start = b->n;
    if (r->lo_open) { /* lo with a fraction that is not zero */
        sh_buf_printf(b, "\"%" PRId64 ".\" [0-9]{0,14} [1-9] ", r->lo);
        whole.lo++;
    }
    if (!r->has_hi || whole.lo < r->hi) { /* any fraction below hi */
        bounds below = whole;
        below.hi--;
        put_or(b, start);
        sh_buf_puts(b, "(");
        put_integers(b, &below);
        sh_buf_puts(b, ") (\".\" [0-9]{1,15})? ");
    }
    if (r->has_hi && !r->hi_open && whole.lo <= r->hi) {
        put_or(b, start);
        sh_buf_printf(b, "\"%" PRId64 "\" (\".\" \"0\"{1,15})? ", r->hi);
    }
}

static bool is_empty_range(const bounds *r)
{
    return r->has_lo && r->has_hi && (r->lo > r->hi || (r->lo == r->hi && (r->lo_open || r->hi_open)));
}

static bool put_numbers(sh_buf *b, const bounds *r)
{
    size_t start = b->n;
    if (is_empty_range(r)) return false;
    if (!r->has_lo || r->lo < 0) {
        bounds m = {.has_lo = true, .has_hi = r->has_lo, .lo = 0, .lo_open = true, .hi_open = r->lo_open};
        m.hi = r->has_lo ? -r->lo : 0;
        if (r->has_hi && r->hi < 0) m.lo = -r->hi, m.lo_open = r->hi_open;
        if (!is_empty_range(&m)) {
            sh_buf_puts(b, "\"-\" (");
            put_positive(b, &m);
            sh_buf_puts(b, ") ");
        }
    }
    if (!r->has_hi || r->hi > 0 || (r->hi == 0 && !r->hi_open)) {
        bounds m = *r;
        if (!m.has_lo || m.lo < 0) m.has_lo = true, m.lo = 0, m.lo_open = false;
        if (!is_empty_range(&m)) {
            put_or(b, start);
            put_positive(b, &m);
        }
    }
    return b->n > start;
}

int schema_number(schema_ctx *c, const json_t *schema, bool integer, sh_buf *body, bool *possible)
{
    const json_t *multiple = json_object_get(schema, "multipleOf");
    bounds r;
    int rc = read_bounds(c, schema, integer, &r);
    if (rc < 0) return rc;
    if (r.lo < -INT64_MAX / 2 || r.hi < -INT64_MAX / 2 || r.lo > INT64_MAX / 2 || r.hi > INT64_MAX / 2)
        if (!integer)
            return schema_fail(c, SH_E_UNSUPPORTED, NULL,
                               "a bound of more than 62 bits is supported for integers only");
    if (multiple && !integer)
        return schema_fail(c, SH_E_UNSUPPORTED, "multipleOf", "supported for integers only");
    if (!multiple && !r.has_lo && !r.has_hi)
        return sh_buf_puts(body, integer ? "integer " : "number "), SH_OK;
    sh_buf one = {0};
    if (multiple)
        rc = put_multiples(c, multiple, &r, &one, possible);
    else
        *possible = integer ? put_integers(&one, &r) : put_numbers(&one, &r);
    if (*possible) sh_buf_printf(body, "(%s) ", sh_buf_str(&one).p);
    if (one.failed) body->failed = true;
    sh_buf_clear(&one);
    return rc;
}
