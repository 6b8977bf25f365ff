/* tmpl_methods.c - methods of strings, lists, dicts and loops. What would change an input is known and
 * refused. */
#include "text/tmpl_run.h"

#include <math.h>
#include <utf8proc.h>

#include "base/utf8.h"

#define METHOD(name) static int name(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
#define UNUSED_ARGS ((void)a, (void)raw)

static int want_str(tmpl_run *r, tv v, const tv_str **out)
{
    if (v.kind != TV_STR) return sh_tmpl_type_error(r, "a str is expected, not %s", sh_tv_type_name(v));
    *out = v.s;
    return SH_OK;
}

static int want_int(tmpl_run *r, tv v, int64_t standard, int64_t *out)
{
    *out = standard;
    if (!v.kind || tv_to_int(v, out)) return SH_OK;
    return sh_tmpl_type_error(r, "'%s' object cannot be interpreted as an integer", sh_tv_type_name(v));
}

static int give_sub(tmpl_run *r, const tv_str *s, size_t begin, size_t end, tv *out)
{
    const tv_str *t = sh_ts_sub(r, s, begin, end);
    if (!t) return r->rc;
    *out = tv_of(t);
    return SH_OK;
}

/* --- splitting --- */

typedef struct pieces {
    tv *items;
    size_t n, cap;
} pieces;

static int pieces_add(tmpl_run *r, pieces *l, const tv_str *s, size_t begin, size_t end)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        tv *items = sh_tmpl_alloc(r, cap, sizeof *items);
        if (!items) return r->rc;
        if (l->n) memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        l->cap = cap;
    }
    return give_sub(r, s, begin, end, &l->items[l->n++]);
}

static int split_spaces(tmpl_run *r, const tv_str *s, int64_t max, pieces *l)
{
    size_t i = 0, k;
    uint32_t cp;
    bool ok;
    while (i < s->n) {
        k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        if (sh_cp_is_space(cp)) {
            i += k;
            continue;
        }
        size_t begin = i;
        if (max >= 0 && (int64_t)l->n >= max) return pieces_add(r, l, s, begin, s->n);
        while (i < s->n) {
            k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
            if (sh_cp_is_space(cp)) break;
            i += k;
        }
        int rc = pieces_add(r, l, s, begin, i);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

/* From the right at most max times: all the words, then the first ones joined back as they stood. */
static int rsplit_spaces(tmpl_run *r, const tv_str *s, int64_t max, pieces *l)
{
    int rc = split_spaces(r, s, -1, l);
    if (rc < 0 || max < 0 || (int64_t)l->n <= max) return rc;
    size_t drop = l->n - (size_t)max; /* words that stay together */
    const char *end = l->items[drop - 1].s->p + l->items[drop - 1].s->n;
    tv head;
    if ((rc = give_sub(r, s, 0, (size_t)(end - s->p), &head)) < 0) return rc;
    memmove(l->items + 1, l->items + drop, (size_t)max * sizeof *l->items);
    l->items[0] = head;
    l->n = (size_t)max + 1;
    return SH_OK;
}

/* The last occurrence that ends at or before `end`. Every candidate is paid for by its length: a hostile
 * needle makes many of them. */
static size_t rfind(tmpl_run *r, sh_str hay, sh_str needle, size_t end)
{
    if (needle.n > end) return SIZE_MAX;
    if (needle.n == 0) return end;
    for (size_t i = end - needle.n + 1; i-- > 0;) {
        if (hay.p[i] != needle.p[0]) continue;
        if (sh_tmpl_steps(r, needle.n / 64) < 0) break;
        if (memcmp(hay.p + i, needle.p, needle.n) == 0) return i;
    }
    return SIZE_MAX;
}

static int split_text(tmpl_run *r, const tv_str *s, const tv_str *sep, int64_t max, pieces *l)
{
    size_t at = 0, hit;
    int rc = SH_OK;
    while (rc == SH_OK && max != 0 && (hit = sh_str_find(sh_ts_str(s), sh_ts_str(sep), at)) != SIZE_MAX) {
        rc = pieces_add(r, l, s, at, hit);
        at = hit + sep->n;
        max--;
    }
    return rc < 0 ? rc : pieces_add(r, l, s, at, s->n);
}

static int rsplit_text(tmpl_run *r, const tv_str *s, const tv_str *sep, int64_t max, pieces *l)
{
    size_t end = s->n, hit;
    int rc = SH_OK;
    while (rc == SH_OK && max != 0 && (hit = rfind(r, sh_ts_str(s), sh_ts_str(sep), end)) != SIZE_MAX) {
        rc = pieces_add(r, l, s, hit + sep->n, end);
        end = hit;
        max--;
    }
    if (rc < 0 || (rc = pieces_add(r, l, s, 0, end)) < 0) return rc;
    for (size_t i = 0, j = l->n - 1; i < j; i++, j--) {
        tv t = l->items[i];
        l->items[i] = l->items[j];
        l->items[j] = t;
    }
    return SH_OK;
}

static int split(tmpl_run *r, tv self, const tv *a, bool from_right, tv *out)
{
    pieces l = {0};
    int64_t max;
    const tv_str *sep = NULL;
    int rc = want_int(r, a[1], -1, &max);
    if (rc < 0 || (rc = sh_tmpl_pay_bytes(r, self.s->n)) < 0) return rc;
    if (a[0].kind && a[0].kind != TV_NONE) {
        if ((rc = want_str(r, a[0], &sep)) < 0) return rc;
        if (sep->n == 0) return sh_tmpl_type_error(r, "empty separator");
        rc = from_right ? rsplit_text(r, self.s, sep, max, &l) : split_text(r, self.s, sep, max, &l);
    } else {
        rc = from_right ? rsplit_spaces(r, self.s, max, &l) : split_spaces(r, self.s, max, &l);
    }
    return rc < 0 ? rc : sh_tv_list_of(r, l.items, l.n, SEQ_LIST, out);
}

METHOD(str_split) { return (void)raw, split(r, self, a, false, out); }
METHOD(str_rsplit) { return (void)raw, split(r, self, a, true, out); }
METHOD(str_splitlines) { return (void)raw, sh_ts_splitlines(r, self.s, sh_tv_truth(a[0]), out); }

static int partition(tmpl_run *r, tv self, const tv *a, bool last, tv *out)
{
    const tv_str *sep = NULL;
    tv *three = sh_tmpl_alloc(r, 3, sizeof *three);
    size_t n = self.s->n, hit;
    int rc;
    if (!three || (rc = want_str(r, a[0], &sep)) < 0) return r->rc;
    if (sep->n == 0) return sh_tmpl_type_error(r, "empty separator");
    hit = last ? rfind(r, sh_ts_str(self.s), sh_ts_str(sep), n)
               : sh_str_find(sh_ts_str(self.s), sh_ts_str(sep), 0);
    if (hit == SIZE_MAX) {
        three[0] = three[1] = three[2] = sh_tv_lit(r, "");
        three[last ? 2 : 0] = self;
    } else {
        if ((rc = give_sub(r, self.s, 0, hit, &three[0])) < 0) return rc;
        if ((rc = give_sub(r, self.s, hit + sep->n, n, &three[2])) < 0) return rc;
        three[1] = a[0];
    }
    return sh_tv_list_of(r, three, 3, SEQ_TUPLE, out);
}

METHOD(str_partition) { return (void)raw, partition(r, self, a, false, out); }
METHOD(str_rpartition) { return (void)raw, partition(r, self, a, true, out); }

/* --- stripping, case, padding --- */

METHOD(str_strip) { return (void)raw, sh_ts_strip(r, self.s, a[0], 3, out); }
METHOD(str_lstrip) { return (void)raw, sh_ts_strip(r, self.s, a[0], 1, out); }
METHOD(str_rstrip) { return (void)raw, sh_ts_strip(r, self.s, a[0], 2, out); }
METHOD(str_upper) { return UNUSED_ARGS, sh_ts_case(r, self.s, 'U', out); }
METHOD(str_lower) { return UNUSED_ARGS, sh_ts_case(r, self.s, 'L', out); }
METHOD(str_title) { return UNUSED_ARGS, sh_ts_case(r, self.s, 'T', out); }
METHOD(str_capitalize) { return UNUSED_ARGS, sh_ts_case(r, self.s, 'C', out); }
METHOD(str_swapcase) { return UNUSED_ARGS, sh_ts_case(r, self.s, 'S', out); }

static int pad(tmpl_run *r, tv self, const tv *a, char where, tv *out)
{
    int64_t width;
    const tv_str *fill = NULL;
    int rc = want_int(r, a[0], 0, &width);
    if (rc < 0 || (a[1].kind && (rc = want_str(r, a[1], &fill)) < 0)) return rc;
    return sh_ts_center(r, self.s, width, where, fill, out);
}

METHOD(str_center) { return (void)raw, pad(r, self, a, 'c', out); }
METHOD(str_ljust) { return (void)raw, pad(r, self, a, 'l', out); }
METHOD(str_rjust) { return (void)raw, pad(r, self, a, 'r', out); }

METHOD(str_zfill)
{
    tmpl_buf b = {.r = r};
    int64_t width, len = (int64_t)sh_ts_len(self.s);
    (void)raw;
    int rc = want_int(r, a[0], 0, &width);
    if (rc < 0) return rc;
    if (width > (int64_t)r->max_output) return sh_tmpl_limit(r, "output bytes", r->max_output);
    size_t sign = self.s->n && (self.s->p[0] == '-' || self.s->p[0] == '+');
    sh_tb_sub(&b, self.s, 0, sign);
    for (; len < width && !r->rc; len++) sh_tb_puts(&b, "0");
    sh_tb_sub(&b, self.s, sign, self.s->n);
    return sh_tb_done(&b, out);
}

METHOD(str_removeprefix)
{
    const tv_str *p = NULL;
    (void)raw;
    int rc = want_str(r, a[0], &p);
    if (rc < 0) return rc;
    bool hit = self.s->n >= p->n && memcmp(self.s->p, p->p, p->n) == 0;
    return give_sub(r, self.s, hit ? p->n : 0, self.s->n, out);
}

METHOD(str_removesuffix)
{
    const tv_str *p = NULL;
    (void)raw;
    int rc = want_str(r, a[0], &p);
    if (rc < 0) return rc;
    bool hit = p->n && self.s->n >= p->n && memcmp(self.s->p + self.s->n - p->n, p->p, p->n) == 0;
    return give_sub(r, self.s, 0, hit ? self.s->n - p->n : self.s->n, out);
}

METHOD(str_expandtabs)
{
    tmpl_buf b = {.r = r};
    int64_t size, column = 0;
    (void)raw;
    int rc = want_int(r, a[0], 8, &size);
    for (size_t i = 0; rc == SH_OK && i < self.s->n; i++) {
        char c = self.s->p[i];
        if (c == '\t') {
            int64_t k = size > 0 ? size - column % size : 0;
            if (k > (int64_t)r->max_output) return sh_tmpl_limit(r, "output bytes", r->max_output);
            column += k;
            for (; k > 0 && !r->rc; k--) sh_tb_add(&b, " ", 1, sh_ts_marked(self.s));
            continue;
        }
        sh_tb_sub(&b, self.s, i, i + 1);
        if (c == '\n' || c == '\r')
            column = 0;
        else
            column += ((unsigned char)c & 0xc0) != 0x80;
    }
    return rc < 0 ? rc : sh_tb_done(&b, out);
}

METHOD(str_replace)
{
    const tv_str *from = NULL, *to = NULL;
    int64_t count;
    (void)raw;
    int rc = want_str(r, a[0], &from);
    if (rc < 0 || (rc = want_str(r, a[1], &to)) < 0 || (rc = want_int(r, a[2], -1, &count)) < 0) return rc;
    return sh_ts_replace(r, self.s, from, to, count, out);
}

METHOD(str_join)
{
    tmpl_buf b = {.r = r};
    const tv *items;
    size_t n;
    (void)raw;
    int rc = sh_tv_items(r, a[0], &items, &n);
    for (size_t i = 0; rc == SH_OK && i < n; i++) {
        if (items[i].kind != TV_STR)
            return sh_tmpl_type_error(r, "sequence item %zu: expected str instance, %s found", i,
                                      sh_tv_type_name(items[i]));
        if (i) sh_tb_ts(&b, self.s);
        sh_tb_ts(&b, items[i].s);
        rc = r->rc;
    }
    return rc < 0 ? rc : sh_tb_done(&b, out);
}

METHOD(str_format) { return (void)a, sh_tmpl_format(r, self.s, raw, out); }

/* --- searching --- */

/* The bytes that start and end (code points, as in slices) leave of s. False when start lies behind the end.
 */
static int window(tmpl_run *r, const tv_str *s, tv start, tv end, size_t *lo, size_t *hi, bool *empty)
{
    int64_t first, len = (int64_t)sh_ts_len(s), i;
    const tv bounds[2] = {start, end};
    for (int k = 0; k < 2; k++)
        if (bounds[k].kind && bounds[k].kind != TV_NONE && !tv_to_int(bounds[k], &i))
            return sh_tmpl_type_error(r, "slice indices must be integers or None");
    size_t n = sh_slice_resolve(len, start, end, 1, &first, NULL);
    *empty = tv_to_int(start, &i) && i > len; /* even an empty needle is not found there */
    *lo = sh_ts_offset(s, (size_t)first);
    *hi = sh_ts_offset(s, (size_t)first + n);
    return sh_tmpl_pay_bytes(r, s->n);
}

static int64_t code_points(const tv_str *s, size_t bytes)
{
    tv_str head = {.p = s->p, .n = bytes, .ascii = s->ascii};
    return (int64_t)sh_ts_len(&head);
}

static int find(tmpl_run *r, tv self, const tv *a, bool last, bool must, tv *out)
{
    const tv_str *needle = NULL;
    size_t lo, hi, at = SIZE_MAX;
    bool empty;
    int rc = want_str(r, a[0], &needle);
    if (rc < 0 || (rc = window(r, self.s, a[1], a[2], &lo, &hi, &empty)) < 0) return rc;
    sh_str hay = {self.s->p, hi};
    if (!empty) at = last ? rfind(r, hay, sh_ts_str(needle), hi) : sh_str_find(hay, sh_ts_str(needle), lo);
    if (at != SIZE_MAX && at < lo) at = SIZE_MAX;
    if (at == SIZE_MAX && must) return sh_tmpl_type_error(r, "substring not found");
    *out = tv_int(at == SIZE_MAX ? -1 : code_points(self.s, at));
    return SH_OK;
}

METHOD(str_find) { return (void)raw, find(r, self, a, false, false, out); }
METHOD(str_rfind) { return (void)raw, find(r, self, a, true, false, out); }
METHOD(str_index) { return (void)raw, find(r, self, a, false, true, out); }
METHOD(str_rindex) { return (void)raw, find(r, self, a, true, true, out); }

METHOD(str_count)
{
    const tv_str *needle = NULL;
    size_t lo, hi, n = 0;
    bool empty;
    (void)raw;
    int rc = want_str(r, a[0], &needle);
    if (rc < 0 || (rc = window(r, self.s, a[1], a[2], &lo, &hi, &empty)) < 0) return rc;
    if (needle->n == 0) {
        n = empty ? 0 : (size_t)(code_points(self.s, hi) - code_points(self.s, lo)) + 1;
    } else {
        while ((lo = sh_str_find((sh_str){self.s->p, hi}, sh_ts_str(needle), lo)) != SIZE_MAX)
            n++, lo += needle->n;
    }
    *out = tv_int((int64_t)n);
    return SH_OK;
}

static int affix(tmpl_run *r, tv self, const tv *a, bool at_end, tv *out)
{
    size_t lo, hi, n = 1;
    bool empty;
    const tv *items = a;
    int rc = window(r, self.s, a[1], a[2], &lo, &hi, &empty);
    if (rc == SH_OK && tv_is_tuple(a[0])) rc = sh_tv_items(r, a[0], &items, &n);
    *out = tv_bool(false);
    for (size_t i = 0; rc == SH_OK && i < n; i++) {
        if (items[i].kind != TV_STR)
            return sh_tmpl_type_error(r, "%s first arg must be str or a tuple of str, not %s",
                                      at_end ? "endswith" : "startswith", sh_tv_type_name(items[i]));
        const tv_str *p = items[i].s;
        if (!empty && hi - lo >= p->n && memcmp(self.s->p + (at_end ? hi - p->n : lo), p->p, p->n) == 0)
            *out = tv_bool(true);
    }
    return rc;
}

METHOD(str_startswith) { return (void)raw, affix(r, self, a, false, out); }
METHOD(str_endswith) { return (void)raw, affix(r, self, a, true, out); }

/* --- questions about every character --- */

enum {
    IS_LETTER = 1,
    IS_DIGIT = 2,
    IS_NUMERIC = 4,
    IS_SPACE = 8,
    IS_PRINT = 16,
    IS_ASCII = 32,
    IS_DECIMAL = 64
};

static unsigned classes(uint32_t cp)
{
    unsigned c = (cp < 0x80 ? IS_ASCII : 0) | (sh_cp_is_space(cp) ? IS_SPACE : 0);
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return c | IS_LETTER | IS_PRINT;
    case UTF8PROC_CATEGORY_ND: return c | IS_DECIMAL | IS_DIGIT | IS_NUMERIC | IS_PRINT;
    case UTF8PROC_CATEGORY_NL: return c | IS_NUMERIC | IS_PRINT;
    case UTF8PROC_CATEGORY_NO: {
        bool super = cp == 0xb2 || cp == 0xb3 || cp == 0xb9 || cp == 0x2070 ||
                     (cp >= 0x2074 && cp <= 0x2079) || (cp >= 0x2080 && cp <= 0x2089) ||
                     (cp >= 0x2460 && cp <= 0x2468);
        return c | IS_NUMERIC | IS_PRINT | (super ? IS_DIGIT : 0);
    }
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return c;
    case UTF8PROC_CATEGORY_ZS: return c | (cp == ' ' ? IS_PRINT : 0);
    default: return c | IS_PRINT;
    }
}

/* Every character has one of the wanted classes; `nothing` is the answer for an empty string. */
static int all_are(tmpl_run *r, tv self, unsigned wanted, bool nothing, tv *out)
{
    bool all = self.s->n > 0 || nothing, ok;
    for (size_t i = 0; all && i < self.s->n;) {
        uint32_t cp;
        i += sh_utf8_decode(self.s->p + i, self.s->n - i, &cp, &ok);
        all = (classes(cp) & wanted) != 0;
    }
    *out = tv_bool(all);
    return sh_tmpl_pay_bytes(r, self.s->n);
}

METHOD(str_isalpha) { return UNUSED_ARGS, all_are(r, self, IS_LETTER, false, out); }
METHOD(str_isalnum) { return UNUSED_ARGS, all_are(r, self, IS_LETTER | IS_NUMERIC, false, out); }
METHOD(str_isdigit) { return UNUSED_ARGS, all_are(r, self, IS_DIGIT, false, out); }
METHOD(str_isdecimal) { return UNUSED_ARGS, all_are(r, self, IS_DECIMAL, false, out); }
METHOD(str_isnumeric) { return UNUSED_ARGS, all_are(r, self, IS_NUMERIC, false, out); }
METHOD(str_isspace) { return UNUSED_ARGS, all_are(r, self, IS_SPACE, false, out); }
METHOD(str_isascii) { return UNUSED_ARGS, all_are(r, self, IS_ASCII, true, out); }
METHOD(str_isprintable) { return UNUSED_ARGS, all_are(r, self, IS_PRINT, true, out); }

/* isupper, islower, istitle: how is 'U', 'L' or 'T'; needs one cased character. */
static int is_case(tmpl_run *r, tv self, char how, tv *out)
{
    bool all = true, cased = false, in_word = false, ok;
    for (size_t i = 0; all && i < self.s->n;) {
        uint32_t cp;
        i += sh_utf8_decode(self.s->p + i, self.s->n - i, &cp, &ok);
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        bool upper = c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LT,
             lower = c == UTF8PROC_CATEGORY_LL;
        if (upper && (how == 'L' || (how == 'T' && in_word))) all = false;
        if (lower && (how == 'U' || (how == 'T' && !in_word))) all = false;
        cased |= upper || lower;
        in_word = upper || lower;
    }
    *out = tv_bool(all && cased);
    return sh_tmpl_pay_bytes(r, self.s->n);
}

METHOD(str_isupper) { return UNUSED_ARGS, is_case(r, self, 'U', out); }
METHOD(str_islower) { return UNUSED_ARGS, is_case(r, self, 'L', out); }
METHOD(str_istitle) { return UNUSED_ARGS, is_case(r, self, 'T', out); }

METHOD(str_isidentifier)
{
    bool all = self.s->n > 0, ok;
    UNUSED_ARGS;
    for (size_t i = 0; all && i < self.s->n;) {
        uint32_t cp;
        bool first = i == 0;
        i += sh_utf8_decode(self.s->p + i, self.s->n - i, &cp, &ok);
        all = cp == '_' || (classes(cp) & (first ? IS_LETTER : IS_LETTER | IS_DECIMAL));
    }
    *out = tv_bool(all);
    return sh_tmpl_pay_bytes(r, self.s->n);
}

static const tmpl_builtin str_methods[] = {{"split", str_split, "sep maxsplit", 0},
                                           {"strip", str_strip, "chars", 0},
                                           {"startswith", str_startswith, "prefix start end", 1},
                                           {"endswith", str_endswith, "suffix start end", 1},
                                           {"lstrip", str_lstrip, "chars", 0},
                                           {"rstrip", str_rstrip, "chars", 0},
                                           {"replace", str_replace, "old new count", 2},
                                           {"format", str_format, "*", 0},
                                           {"join", str_join, "iterable", 1},
                                           {"upper", str_upper, "", 0},
                                           {"lower", str_lower, "", 0},
                                           {"casefold", str_lower, "", 0},
                                           {"title", str_title, "", 0},
                                           {"capitalize", str_capitalize, "", 0},
                                           {"swapcase", str_swapcase, "", 0},
                                           {"find", str_find, "sub start end", 1},
                                           {"rfind", str_rfind, "sub start end", 1},
                                           {"index", str_index, "sub start end", 1},
                                           {"rindex", str_rindex, "sub start end", 1},
                                           {"count", str_count, "sub start end", 1},
                                           {"rsplit", str_rsplit, "sep maxsplit", 0},
                                           {"splitlines", str_splitlines, "keepends", 0},
                                           {"partition", str_partition, "sep", 1},
                                           {"rpartition", str_rpartition, "sep", 1},
                                           {"removeprefix", str_removeprefix, "prefix", 1},
                                           {"removesuffix", str_removesuffix, "suffix", 1},
                                           {"center", str_center, "width fillchar", 1},
                                           {"ljust", str_ljust, "width fillchar", 1},
                                           {"rjust", str_rjust, "width fillchar", 1},
                                           {"zfill", str_zfill, "width", 1},
                                           {"expandtabs", str_expandtabs, "tabsize", 0},
                                           {"isalpha", str_isalpha, "", 0},
                                           {"isalnum", str_isalnum, "", 0},
                                           {"isdigit", str_isdigit, "", 0},
                                           {"isdecimal", str_isdecimal, "", 0},
                                           {"isnumeric", str_isnumeric, "", 0},
                                           {"isspace", str_isspace, "", 0},
                                           {"isascii", str_isascii, "", 0},
                                           {"isprintable", str_isprintable, "", 0},
                                           {"isupper", str_isupper, "", 0},
                                           {"islower", str_islower, "", 0},
                                           {"istitle", str_istitle, "", 0},
                                           {"isidentifier", str_isidentifier, "", 0},
                                           {0}};

/* --- lists, tuples, ranges --- */

METHOD(seq_index)
{
    int64_t first;
    bool same;
    (void)raw;
    size_t n = sh_slice_resolve((int64_t)self.seq->n, a[1], a[2], 1, &first, NULL);
    for (size_t i = (size_t)first; i < (size_t)first + n; i++) {
        int rc = sh_tv_equal(r, tv_seq_at(self.seq, i), a[0], &same);
        if (rc < 0) return rc;
        if (!same) continue;
        *out = tv_int((int64_t)i);
        return SH_OK;
    }
    return sh_tmpl_type_error(r, "the value is not in the %s", sh_tv_type_name(self));
}

METHOD(seq_count)
{
    int64_t n = 0;
    bool same;
    (void)raw;
    for (size_t i = 0; i < self.seq->n; i++) {
        int rc = sh_tv_equal(r, tv_seq_at(self.seq, i), a[0], &same);
        if (rc < 0) return rc;
        n += same;
    }
    *out = tv_int(n);
    return SH_OK;
}

METHOD(copy)
{
    UNUSED_ARGS;
    (void)r;
    *out = self; /* nothing can change either of the two */
    return SH_OK;
}

static const tmpl_builtin tuple_methods[] = {
    {"index", seq_index, "value start stop", 1}, {"count", seq_count, "value", 1}, {0}};
static const tmpl_builtin list_methods[] = {{"index", seq_index, "value start stop", 1},
                                            {"count", seq_count, "value", 1},
                                            {"copy", copy, "", 0},
                                            {0}};
static const char *const list_unsafe[] = {"append", "clear",  "pop",    "reverse", "insert",
                                          "sort",   "extend", "remove", NULL};

/* --- dicts --- */

METHOD(dict_get)
{
    (void)raw;
    if (!sh_tv_hashable(a[0])) return sh_tmpl_type_error(r, "unhashable type: '%s'", sh_tv_type_name(a[0]));
    *out = sh_dict_get(self.d, a[0]);
    if (!out->kind) *out = a[1].kind ? a[1] : tv_none();
    return SH_OK;
}

METHOD(dict_items)
{
    const tv_dict *d = self.d;
    tv *items = sh_tmpl_alloc(r, d->n, sizeof *items);
    UNUSED_ARGS;
    if (!items) return r->rc;
    for (uint32_t i = 0; i < d->n; i++)
        if (sh_seq_pair(r, d->keys[i], d->vals[i], &items[i]) < 0) return r->rc;
    int rc = sh_tmpl_steps(r, d->n);
    return rc < 0 ? rc : sh_tv_list_of(r, items, d->n, SEQ_ITEMS, out);
}

METHOD(dict_keys) { return UNUSED_ARGS, sh_tv_list_of(r, self.d->keys, self.d->n, SEQ_KEYS, out); }
METHOD(dict_values) { return UNUSED_ARGS, sh_tv_list_of(r, self.d->vals, self.d->n, SEQ_VALUES, out); }

static const tmpl_builtin dict_methods[] = {
    {"items", dict_items, "", 0},        {"keys", dict_keys, "", 0}, {"values", dict_values, "", 0},
    {"get", dict_get, "key default", 1}, {"copy", copy, "", 0},      {0}};
static const char *const dict_unsafe[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};

/* --- loops, cyclers, numbers --- */

METHOD(loop_cycle)
{
    (void)a;
    if (raw->n_pos == 0) return sh_tmpl_type_error(r, "no items for cycling given");
    *out = raw->pos[(self.loop->i - 1) % raw->n_pos];
    return SH_OK;
}

METHOD(loop_changed)
{
    tv now;
    bool same = false;
    (void)a;
    int rc = sh_tv_list_of(r, raw->pos, raw->n_pos, SEQ_TUPLE, &now);
    if (rc == SH_OK && self.loop->changed.kind) rc = sh_tv_equal(r, self.loop->changed, now, &same);
    self.loop->changed = now;
    *out = tv_bool(!same);
    return rc;
}

METHOD(cycler_next)
{
    UNUSED_ARGS;
    (void)r;
    tv_cycler *c = self.cycler;
    *out = c->items[c->i];
    c->i = (c->i + 1) % c->n;
    return SH_OK;
}

METHOD(cycler_reset)
{
    UNUSED_ARGS;
    (void)r;
    self.cycler->i = 0;
    *out = tv_none();
    return SH_OK;
}

METHOD(number_is_integer)
{
    UNUSED_ARGS;
    (void)r;
    *out = tv_bool(self.kind != TV_FLOAT || (self.f - self.f == 0 && self.f == floor(self.f)));
    return SH_OK;
}

static const tmpl_builtin loop_methods[] = {
    {"cycle", loop_cycle, "*", 0}, {"changed", loop_changed, "*", 0}, {0}};
static const tmpl_builtin cycler_methods[] = {
    {"next", cycler_next, "", 0}, {"reset", cycler_reset, "", 0}, {0}};
static const tmpl_builtin float_methods[] = {{"is_integer", number_is_integer, "", 0}, {0}};

static const tmpl_builtin *find_in(const tmpl_builtin *table, sh_str name)
{
    for (; table && table->name; table++)
        if (sh_str_is(name, table->name)) return table;
    return NULL;
}

const tmpl_builtin *sh_tmpl_find_method(tv v, sh_str name, bool *unsafe)
{
    const tmpl_builtin *table = NULL;
    const char *const *refused = NULL;
    switch (v.kind) {
    case TV_STR: table = str_methods; break;
    case TV_SEQ:
        if (tv_is_list(v))
            table = list_methods, refused = list_unsafe;
        else if (v.seq->kind <= SEQ_RANGE)
            table = tuple_methods;
        break;
    case TV_DICT: table = dict_methods, refused = dict_unsafe; break;
    case TV_LOOP: table = loop_methods; break;
    case TV_CYCLER: table = cycler_methods; break;
    case TV_FLOAT: table = float_methods; break;
    default: break;
    }
    *unsafe = name.n > 4 && memcmp(name.p, "__", 2) == 0 && memcmp(name.p + name.n - 2, "__", 2) == 0;
    for (; refused && *refused && !*unsafe; refused++) *unsafe = sh_str_is(name, *refused);
    return *unsafe ? NULL : find_in(table, name);
}
