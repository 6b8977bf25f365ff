/* tmpl_text.c - what Python's string methods do, for filters and methods alike. */
#include "text/tmpl_run.h"

#include <math.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

tv sh_tv_lit(tmpl_run *r, const char *s)
{
    const tv_str *t = sh_ts_new(r, s, strlen(s), false);
    return t ? tv_of(t) : (tv){0};
}

size_t sh_str_find(sh_str hay, sh_str needle, size_t from)
{
    if (from > hay.n) return SIZE_MAX;
    if (needle.n == 0) return from;
    const char *p = memmem(hay.p + from, hay.n - from, needle.p, needle.n);
    return p ? (size_t)(p - hay.p) : SIZE_MAX;
}

/* --- strip --- */

static bool in_set(uint32_t cp, const tv_str *set)
{
    if (!set) return sh_cp_is_space(cp);
    for (size_t i = 0; i < set->n;) {
        uint32_t c;
        bool ok;
        i += sh_utf8_decode(set->p + i, set->n - i, &c, &ok);
        if (c == cp) return true;
    }
    return false;
}

static size_t prev_cp(const tv_str *s, size_t i)
{
    do i--;
    while (i > 0 && ((unsigned char)s->p[i] & 0xc0) == 0x80);
    return i;
}

int sh_ts_strip(tmpl_run *r, const tv_str *s, tv chars, int sides, tv *out)
{
    if (chars.kind == TV_UNDEF || (chars.kind > TV_NONE && chars.kind != TV_STR))
        return sh_tmpl_type_error(r, "strip arg must be None or str");
    const tv_str *set = chars.kind == TV_STR ? chars.s : NULL;
    size_t begin = 0, end = s->n;
    uint32_t cp;
    bool ok;
    while (sides & 1 && begin < end) {
        size_t k = sh_utf8_decode(s->p + begin, end - begin, &cp, &ok);
        if (!in_set(cp, set)) break;
        begin += k;
    }
    while (sides & 2 && end > begin) {
        size_t i = prev_cp(s, end);
        sh_utf8_decode(s->p + i, end - i, &cp, &ok);
        if (!in_set(cp, set)) break;
        end = i;
    }
    if (sh_tmpl_pay_bytes(r, (s->n - (end - begin)) * (set ? 1 + set->n : 1)) < 0) return r->rc;
    const tv_str *t = sh_ts_sub(r, s, begin, end);
    if (!t) return r->rc;
    *out = tv_of(t);
    return SH_OK;
}

/* --- replace --- */

static int replace_empty(tmpl_run *r, const tv_str *s, const tv_str *to, int64_t count, tv *out)
{
    tmpl_buf b = {.r = r};
    size_t i = 0;
    for (; count != 0 && !r->rc; count--) {
        sh_tb_ts(&b, to);
        sh_tmpl_steps(r, 1);
        if (i >= s->n) break;
        uint32_t cp;
        bool ok;
        size_t k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        sh_tb_sub(&b, s, i, i + k);
        i += k;
    }
    if (i < s->n) sh_tb_sub(&b, s, i, s->n);
    return sh_tb_done(&b, out);
}

int sh_ts_replace(tmpl_run *r, const tv_str *s, const tv_str *from, const tv_str *to, int64_t count, tv *out)
{
    tmpl_buf b = {.r = r};
    size_t at = 0, hit;
    if (sh_tmpl_pay_bytes(r, s->n) < 0) return r->rc;
    if (from->n == 0) return replace_empty(r, s, to, count, out);
    while (count != 0 && !r->rc && (hit = sh_str_find(sh_ts_str(s), sh_ts_str(from), at)) != SIZE_MAX) {
        sh_tb_sub(&b, s, at, hit);
        sh_tb_ts(&b, to);
        sh_tmpl_steps(r, 1);
        at = hit + from->n;
        count--;
    }
    if (at == 0 && !r->rc) {
        *out = tv_of(s);
        return SH_OK;
    }
    sh_tb_sub(&b, s, at, s->n);
    return sh_tb_done(&b, out);
}

/* --- case --- */

/* The mappings of one character to several (Unicode SpecialCasing, without conditions). */
static const struct {
    uint32_t cp, to[3];
} upper_many[] = {
    {0xdf, {'S', 'S'}},
    {0x149, {0x2bc, 'N'}},
    {0x1f0, {'J', 0x30c}},
    {0x390, {0x399, 0x308, 0x301}},
    {0x3b0, {0x3a5, 0x308, 0x301}},
    {0x587, {0x535, 0x552}},
    {0x1e96, {'H', 0x331}},
    {0x1e97, {'T', 0x308}},
    {0x1e98, {'W', 0x30a}},
    {0x1e99, {'Y', 0x30a}},
    {0x1e9a, {'A', 0x2be}},
    {0xfb00, {'F', 'F'}},
    {0xfb01, {'F', 'I'}},
    {0xfb02, {'F', 'L'}},
    {0xfb03, {'F', 'F', 'I'}},
    {0xfb04, {'F', 'F', 'L'}},
    {0xfb05, {'S', 'T'}},
    {0xfb06, {'S', 'T'}},
    {0xfb13, {0x544, 0x546}},
    {0xfb14, {0x544, 0x535}},
    {0xfb15, {0x544, 0x53b}},
    {0xfb16, {0x54e, 0x546}},
    {0xfb17, {0x544, 0x53d}},
};

static void put_upper(tmpl_buf *b, uint32_t cp, bool title, bool mark)
{
    for (size_t i = 0; cp >= 0xdf && i < sizeof upper_many / sizeof *upper_many; i++) {
        if (upper_many[i].cp != cp) continue;
        for (int k = 0; k < 3 && upper_many[i].to[k]; k++) {
            uint32_t to = upper_many[i].to[k];
            bool lower = title && k > 0;
            sh_tb_cp(b, lower ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)to) : to, mark);
        }
        return;
    }
    utf8proc_int32_t c = (utf8proc_int32_t)cp;
    sh_tb_cp(b, (uint32_t)(title ? utf8proc_totitle(c) : utf8proc_toupper(c)), mark);
}

static bool is_cased(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Small sigma at the end of a word is another letter. */
static bool is_final_sigma(const tv_str *s, size_t at, size_t next)
{
    uint32_t cp;
    bool ok;
    if (at == 0) return false;
    sh_utf8_decode(s->p + prev_cp(s, at), at - prev_cp(s, at), &cp, &ok);
    if (!is_cased(cp)) return false;
    if (next >= s->n) return true;
    sh_utf8_decode(s->p + next, s->n - next, &cp, &ok);
    return !is_cased(cp);
}

static void put_lower(tmpl_buf *b, const tv_str *s, size_t at, size_t next, uint32_t cp, bool mark)
{
    if (cp == 0x130)
        sh_tb_cp(b, 'i', mark), sh_tb_cp(b, 0x307, mark);
    else if (cp == 0x3a3 && is_final_sigma(s, at, next))
        sh_tb_cp(b, 0x3c2, mark);
    else
        sh_tb_cp(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), mark);
}

int sh_ts_case(tmpl_run *r, const tv_str *s, char how, tv *out)
{
    tmpl_buf b = {.r = r};
    bool mark = sh_ts_marked(s), in_word = false, ok;
    if (sh_tmpl_pay_bytes(r, s->n * 4) < 0) return r->rc;
    for (size_t i = 0, k; i < s->n && !r->rc; i += k) {
        uint32_t cp;
        k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        bool up = how == 'U' || (how == 'C' && i == 0) || (how == 'T' && !in_word) ||
                  (how == 'S' && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_LL);
        bool leave = how == 'S' && !up && !is_cased(cp);
        if (leave)
            sh_tb_sub(&b, s, i, i + k);
        else if (up)
            put_upper(&b, cp, how == 'C' || how == 'T', mark);
        else
            put_lower(&b, s, i, i + k, cp, mark);
        in_word = is_cased(cp);
    }
    int rc = sh_tb_done(&b, out);
    if (rc == SH_OK && s->markup) ((tv_str *)out->s)->markup = true;
    return rc;
}

/* --- lines --- */

static size_t line_break(const tv_str *s, size_t i)
{
    uint32_t cp;
    bool ok;
    size_t k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
    if (cp == '\r') return i + 1 < s->n && s->p[i + 1] == '\n' ? 2 : 1;
    if ((cp >= '\n' && cp <= '\f') || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 ||
        cp == 0x2029)
        return k;
    return 0;
}

int sh_ts_splitlines(tmpl_run *r, const tv_str *s, bool keep_ends, tv *out)
{
    size_t n = 0, begin = 0, brk;
    if (sh_tmpl_pay_bytes(r, s->n) < 0) return r->rc;
    for (size_t i = 0; i < s->n; i += brk ? brk : 1)
        if ((brk = line_break(s, i))) n++;
    tv *items = sh_tmpl_alloc(r, n + 1, sizeof *items);
    if (!items) return r->rc;
    n = 0;
    for (size_t i = 0; i < s->n; i += brk ? brk : 1) {
        if (!(brk = line_break(s, i))) continue;
        const tv_str *line = sh_ts_sub(r, s, begin, keep_ends ? i + brk : i);
        if (!line) return r->rc;
        items[n++] = tv_of(line);
        begin = i + brk;
    }
    if (begin < s->n) {
        const tv_str *line = sh_ts_sub(r, s, begin, s->n);
        if (!line) return r->rc;
        items[n++] = tv_of(line);
    }
    return sh_tv_list_of(r, items, n, SEQ_LIST, out);
}

int sh_ts_center(tmpl_run *r, const tv_str *s, int64_t width, char where, const tv_str *fill, tv *out)
{
    tmpl_buf b = {.r = r};
    int64_t len = (int64_t)sh_ts_len(s), pad = width > len ? width - len : 0, left = 0;
    if (fill && sh_ts_len(fill) != 1)
        return sh_tmpl_type_error(r, "The fill character must be exactly one character long");
    if (pad > (int64_t)r->max_output) return sh_tmpl_limit(r, "output bytes", r->max_output);
    if (where == 'c') left = pad / 2 + (pad & width & 1);
    if (where == 'r') left = pad;
    for (int64_t i = 0; i < pad + 1 && !r->rc; i++) {
        if (i == left) sh_tb_ts(&b, s);
        if (i == pad) break;
        if (fill)
            sh_tb_ts(&b, fill);
        else
            sh_tb_add(&b, " ", 1, false);
    }
    return sh_tb_done(&b, out);
}

/* --- numbers --- */

static sh_str trim_spaces(sh_str s)
{
    tv_str t = {.p = s.p, .n = s.n};
    uint32_t cp;
    bool ok;
    size_t begin = 0, end = s.n, k;
    while (begin < end) {
        k = sh_utf8_decode(s.p + begin, end - begin, &cp, &ok);
        if (!sh_cp_is_space(cp)) break;
        begin += k;
    }
    while (end > begin) {
        k = prev_cp(&t, end);
        sh_utf8_decode(s.p + k, end - k, &cp, &ok);
        if (!sh_cp_is_space(cp)) break;
        end = k;
    }
    return (sh_str){s.p + begin, end - begin};
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return (c | 32) - 'a' + 10;
    return 99;
}

static int prefix_base(sh_str s)
{
    if (s.n < 2 || s.p[0] != '0') return 10;
    char c = (char)(s.p[1] | 32);
    return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
}

int sh_str_to_int(sh_str s, int base, int64_t *out)
{
    s = trim_spaces(s);
    bool neg = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s.p++, s.n--;
    int prefix = prefix_base(s);
    if (prefix != 10 && (base == 0 || base == prefix)) s.p += 2, s.n -= 2, base = prefix;
    if (base == 0) base = 10;
    if (base < 2 || base > 36 || s.n == 0 || s.p[0] == '_' || s.p[s.n - 1] == '_') return SH_E_INVALID;
    int64_t v = 0;
    bool wide = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_' && s.p[i + 1] != '_') continue;
        int d = digit_value(s.p[i]);
        if (d >= base) return SH_E_INVALID;
        wide |= __builtin_mul_overflow(v, base, &v) ||
                __builtin_sub_overflow(v, d, &v); /* negative: reaches INT64_MIN */
    }
    if (!neg) wide |= __builtin_sub_overflow((int64_t)0, v, &v);
    *out = v;
    return wide ? SH_E_RANGE : SH_OK;
}

static bool word_is(sh_str s, const char *word)
{
    if (s.n != strlen(word)) return false;
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] | 32) != word[i]) return false;
    return true;
}

/* digits [. digits] [e exponent], rewritten without the point so that no locale matters to strtod. */
bool sh_str_to_float(sh_str s, double *out)
{
    char text[800];
    size_t n = 0, digits = 0, i = 0;
    long point = 0, exp = 0;
    s = trim_spaces(s);
    bool neg = s.n && s.p[0] == '-';
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) s.p++, s.n--;
    if (word_is(s, "inf") || word_is(s, "infinity")) return *out = neg ? -INFINITY : INFINITY, true;
    if (word_is(s, "nan")) return *out = NAN, true;
    bool seen_point = false;
    for (; i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_' || (s.p[i] == '.' && !seen_point));
         i++) {
        bool between = i > 0 && i + 1 < s.n && digit_value(s.p[i - 1]) < 10 && digit_value(s.p[i + 1]) < 10;
        if (s.p[i] == '_' && !between) return false;
        if (s.p[i] == '.') seen_point = true;
        if (s.p[i] == '.' || s.p[i] == '_') continue;
        digits++;
        if (n < 770)
            text[n++] = s.p[i], point -= seen_point; /* more digits cannot change the nearest double */
        else
            point += !seen_point;
    }
    if (!digits) return false;
    if (i < s.n) {
        int64_t e;
        if ((s.p[i] | 32) != 'e' || i + 1 == s.n || sh_cp_is_space((unsigned char)s.p[i + 1])) return false;
        if (sh_str_to_int((sh_str){s.p + i + 1, s.n - i - 1}, 10, &e) < 0) return false;
        exp = e > 100000 ? 100000 : e < -100000 ? -100000 : (long)e;
    }
    text[n++] = 'e';
    exp += point;
    if (exp < 0) text[n++] = '-', exp = -exp;
    char rev[24];
    int k = 0;
    do rev[k++] = (char)('0' + exp % 10);
    while ((exp /= 10) > 0);
    while (k > 0) text[n++] = rev[--k];
    text[n] = 0;
    *out = strtod(text, NULL);
    if (neg) *out = -*out;
    return true;
}
