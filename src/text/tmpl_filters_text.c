/* tmpl_filters_text.c - filters that make text. */
#include "text/tmpl_filters.h"

#include <stdio.h>
#include <utf8proc.h>

#include "base/utf8.h"

#define FILTER(name) static int name(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)

/* str(v), as the text filters take their input; markup is kept. */
static int text_of(tmpl_run *r, tv v, const tv_str **out) { return sh_tv_str(r, v, out); }

static int want_int(tmpl_run *r, tv v, int64_t standard, int64_t *out)
{
    *out = standard;
    if (!v.kind || v.kind == TV_NONE || tv_to_int(v, out)) return SH_OK;
    return sh_tmpl_type_error(r, "an integer is expected, not %s", sh_tv_type_name(v));
}

static int with_case(tmpl_run *r, tv self, char how, tv *out)
{
    const tv_str *s;
    int rc = text_of(r, self, &s);
    return rc < 0 ? rc : sh_ts_case(r, s, how, out);
}

FILTER(filter_upper) { return (void)a, (void)raw, with_case(r, self, 'U', out); }
FILTER(filter_lower) { return (void)a, (void)raw, with_case(r, self, 'L', out); }
FILTER(filter_capitalize) { return (void)a, (void)raw, with_case(r, self, 'C', out); }

/* The word at s[begin..end): its first character in upper case, the rest in lower case. */
static int put_word(tmpl_buf *b, const tv_str *s, size_t begin, size_t end)
{
    uint32_t cp;
    bool ok;
    size_t k = sh_utf8_decode(s->p + begin, end - begin, &cp, &ok);
    const tv_str *first = sh_ts_sub(b->r, s, begin, begin + k), *rest = sh_ts_sub(b->r, s, begin + k, end);
    tv upper, lower;
    if (!first || !rest || sh_ts_case(b->r, first, 'U', &upper) < 0 ||
        sh_ts_case(b->r, rest, 'L', &lower) < 0)
        return b->r->rc;
    sh_tb_ts(b, upper.s);
    sh_tb_ts(b, lower.s);
    return b->r->rc;
}

/* Each word begins with a capital; words are parted by blanks and - ( { [ <, and by nothing else. */
FILTER(filter_title)
{
    tmpl_buf b = {.r = r};
    const tv_str *s;
    bool ok, in_word = false;
    (void)a, (void)raw;
    int rc = text_of(r, self, &s);
    if (rc < 0) return rc;
    for (size_t i = 0, begin = 0, k; i <= s->n && !r->rc; i += k) {
        uint32_t cp = ' ';
        k = i < s->n ? sh_utf8_decode(s->p + i, s->n - i, &cp, &ok) : 1;
        bool part = sh_cp_is_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp));
        if (part && in_word) {
            if (put_word(&b, s, begin, i) < 0) return r->rc;
        }
        if (part && i < s->n) sh_tb_sub(&b, s, i, i + k);
        if (!part && !in_word) begin = i;
        in_word = !part;
    }
    return sh_tb_done(&b, out);
}

FILTER(filter_string)
{
    const tv_str *s;
    (void)a, (void)raw;
    int rc = text_of(r, self, &s);
    if (rc == SH_OK) *out = tv_of(s);
    return rc;
}

static int as_markup(tmpl_run *r, const tv_str *s, tv *out)
{
    tv_str *m = sh_tmpl_alloc(r, 1, sizeof *m);
    if (!m) return r->rc;
    *m = *s;
    m->markup = true;
    *out = tv_of(m);
    return SH_OK;
}

FILTER(filter_safe)
{
    const tv_str *s;
    (void)a, (void)raw;
    int rc = text_of(r, self, &s);
    return rc < 0 ? rc : as_markup(r, s, out);
}

FILTER(filter_escape)
{
    tmpl_buf b = {.r = r};
    const tv_str *s;
    (void)a, (void)raw;
    int rc = text_of(r, self, &s);
    if (rc < 0) return rc;
    if (s->markup) return as_markup(r, s, out);
    sh_tb_escape(&b, s);
    rc = sh_tb_done(&b, out);
    return rc < 0 ? rc : as_markup(r, out->s, out);
}

FILTER(filter_trim)
{
    const tv_str *s;
    (void)raw;
    int rc = text_of(r, self, &s);
    return rc < 0 ? rc : sh_ts_strip(r, s, a[0], 3, out);
}

FILTER(filter_replace)
{
    const tv_str *s, *from, *to;
    int64_t count;
    (void)raw;
    int rc = text_of(r, self, &s);
    if (rc < 0 || (rc = text_of(r, a[0], &from)) < 0 || (rc = text_of(r, a[1], &to)) < 0) return rc;
    if ((rc = want_int(r, a[2], -1, &count)) < 0 || (rc = sh_ts_replace(r, s, from, to, count, out)) < 0)
        return rc;
    if (out->s->markup) { /* without autoescape, replace makes plain text */
        tv_str *plain = sh_tmpl_alloc(r, 1, sizeof *plain);
        if (!plain) return r->rc;
        *plain = *out->s;
        plain->markup = false;
        *out = tv_of(plain);
    }
    return SH_OK;
}

FILTER(filter_center)
{
    const tv_str *s;
    int64_t width;
    (void)raw;
    int rc = text_of(r, self, &s);
    if (rc < 0 || (rc = want_int(r, a[0], 80, &width)) < 0) return rc;
    return sh_ts_center(r, s, width, 'c', NULL, out);
}

FILTER(filter_format)
{
    const tv_str *s;
    tv args;
    (void)a;
    int rc = text_of(r, self, &s);
    if (rc < 0) return rc;
    if (raw->n_kw && raw->n_pos)
        return sh_tmpl_type_error(r, "can't handle positional and keyword arguments at the same time");
    if (!raw->n_kw) {
        rc = sh_tv_list_of(r, raw->pos, raw->n_pos, SEQ_TUPLE, &args);
        return rc < 0 ? rc : sh_tmpl_percent(r, s, args, out);
    }
    tv_dict *d = sh_dict_new(r, raw->n_kw);
    if (!d) return r->rc;
    for (size_t i = 0; i < raw->n_kw; i++) {
        const tv_str *name = sh_ts_new(r, raw->kw[i].name.p, raw->kw[i].name.n, false);
        if (!name || sh_dict_set(r, d, tv_of(name), raw->kw[i].value) < 0) return r->rc;
    }
    return sh_tmpl_percent(r, s, (tv){.kind = TV_DICT, .d = d}, out);
}

/* The lines of text; every line but the first (and, unless blank is set, the empty ones) gets the indention.
 */
FILTER(filter_indent)
{
    tmpl_buf b = {.r = r};
    tv lines;
    int64_t width = 4;
    (void)raw;
    if (self.kind == TV_UNDEF) return sh_tmpl_undefined(r, self);
    if (self.kind != TV_STR)
        return sh_tmpl_type_error(r, "indent needs a string, not %s", sh_tv_type_name(self));
    int rc = a[0].kind == TV_STR ? SH_OK : want_int(r, a[0], 4, &width);
    if (rc < 0 || (rc = sh_ts_splitlines(r, self.s, false, &lines)) < 0) return rc;
    if (width > (int64_t)r->max_output) return sh_tmpl_limit(r, "output bytes", r->max_output);
    tmpl_buf pad = {.r = r};
    tv indention = a[0];
    if (a[0].kind != TV_STR) {
        for (int64_t i = 0; i < width && !r->rc; i++) sh_tb_puts(&pad, " ");
        if ((rc = sh_tb_done(&pad, &indention)) < 0) return rc;
    }
    bool first = sh_tv_truth(a[1]), blank = sh_tv_truth(a[2]);
    /* A newline is added before the lines are parted, so text that ends in one has an empty last line. */
    size_t n = lines.seq->n;
    bool ends = self.s->n == 0 || self.s->p[self.s->n - 1] == '\n';
    if (ends) n++;
    for (size_t i = 0; i < n && !r->rc; i++) {
        const tv_str *line = i < lines.seq->n ? lines.seq->items[i].s : NULL;
        if (i) sh_tb_puts(&b, "\n");
        if (i ? blank || (line && line->n) : first) sh_tb_ts(&b, indention.s);
        if (line) sh_tb_ts(&b, line);
    }
    return sh_tb_done(&b, out);
}

FILTER(filter_truncate)
{
    int64_t length, leeway, len;
    tv end = a[2];
    (void)raw;
    if (self.kind == TV_UNDEF) {
        *out = self;
        return SH_OK;
    }
    if (self.kind != TV_STR)
        return sh_tmpl_type_error(r, "truncate needs a string, not %s", sh_tv_type_name(self));
    int rc = want_int(r, a[0], 255, &length);
    if (rc < 0 || (rc = want_int(r, a[3], 5, &leeway)) < 0) return rc;
    if (!end.kind) end = sh_tv_lit(r, "...");
    if (end.kind != TV_STR) return r->rc ? r->rc : sh_tmpl_type_error(r, "the end of truncate is no string");
    int64_t end_len = (int64_t)sh_ts_len(end.s);
    if (length < end_len || leeway < 0)
        return sh_tmpl_type_error(r, "expected length >= %lld, got %lld", (long long)end_len,
                                  (long long)length);
    len = (int64_t)sh_ts_len(self.s);
    *out = self;
    if (len <= leeway || len - leeway <= length) return SH_OK;
    size_t cut = sh_ts_offset(self.s, (size_t)(length - end_len));
    if (!sh_tv_truth(a[1])) {
        size_t word = cut;
        while (word > 0 && self.s->p[word - 1] != ' ') word--;
        if (word > 0) cut = word - 1;
    }
    tmpl_buf b = {.r = r};
    sh_tb_sub(&b, self.s, 0, cut);
    sh_tb_ts(&b, end.s);
    return sh_tb_done(&b, out);
}

FILTER(filter_wordcount)
{
    const tv_str *s;
    int64_t n = 0;
    bool in_word = false, ok;
    (void)a, (void)raw;
    int rc = text_of(r, self, &s);
    for (size_t i = 0; rc == SH_OK && i < s->n;) {
        uint32_t cp;
        i += sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        bool word = cp == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
                    (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
        n += word && !in_word;
        in_word = word;
    }
    *out = tv_int(n);
    return rc;
}

static void put_quoted(tmpl_buf *b, const tv_str *s, bool query)
{
    for (size_t i = 0; i < s->n && !b->r->rc; i++) {
        unsigned char c = (unsigned char)s->p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '.' ||
                     c == '-' || c == '~' || (c == '/' && !query);
        char text[4];
        if (plain)
            sh_tb_sub(b, s, i, i + 1);
        else if (c == ' ' && query)
            sh_tb_puts(b, "+");
        else
            sh_tb_add(b, text, (size_t)snprintf(text, sizeof text, "%%%02X", c), sh_ts_marked(s));
    }
}

static int quote_pair(tmpl_buf *b, tv key, tv value)
{
    const tv_str *k, *v;
    int rc = text_of(b->r, key, &k);
    if (rc < 0 || (rc = text_of(b->r, value, &v)) < 0) return rc;
    if (b->n) sh_tb_puts(b, "&");
    put_quoted(b, k, true);
    sh_tb_puts(b, "=");
    put_quoted(b, v, true);
    return b->r->rc;
}

FILTER(filter_urlencode)
{
    tmpl_buf b = {.r = r};
    const tv *items, *two;
    size_t n, k;
    int rc = SH_OK;
    (void)a, (void)raw;
    if (self.kind == TV_DICT) {
        for (uint32_t i = 0; rc == SH_OK && i < self.d->n; i++)
            rc = quote_pair(&b, self.d->keys[i], self.d->vals[i]);
    } else if (self.kind == TV_SEQ) {
        rc = sh_tv_items(r, self, &items, &n);
        for (size_t i = 0; rc == SH_OK && i < n; i++) {
            if ((rc = sh_tv_items(r, items[i], &two, &k)) < 0) break;
            if (k != 2) return sh_tmpl_type_error(r, "urlencode needs pairs");
            rc = quote_pair(&b, two[0], two[1]);
        }
    } else {
        const tv_str *s;
        if ((rc = text_of(r, self, &s)) == SH_OK) put_quoted(&b, s, false);
    }
    return rc < 0 ? rc : sh_tb_done(&b, out);
}

FILTER(filter_xmlattr)
{
    tmpl_buf b = {.r = r};
    (void)raw;
    if (self.kind != TV_DICT)
        return sh_tmpl_type_error(r, "xmlattr needs a mapping, not %s", sh_tv_type_name(self));
    bool autospace = !a[0].kind || sh_tv_truth(a[0]);
    for (uint32_t i = 0; i < self.d->n && !r->rc; i++) {
        tv key = self.d->keys[i], value = self.d->vals[i];
        const tv_str *s;
        if (value.kind == TV_NONE || value.kind == TV_UNDEF) continue;
        if (key.kind != TV_STR) return sh_tmpl_type_error(r, "xmlattr needs strings as keys");
        for (size_t k = 0; k < key.s->n; k++)
            if (memchr(" \t\n\r\f\v/>=", key.s->p[k], 9))
                return sh_tmpl_type_error(r, "Invalid character in attribute name");
        if (text_of(r, value, &s) < 0) return r->rc;
        if (b.n || autospace) sh_tb_puts(&b, " ");
        sh_tb_escape(&b, key.s);
        sh_tb_puts(&b, "=\"");
        if (s->markup)
            sh_tb_ts(&b, s);
        else
            sh_tb_escape(&b, s);
        sh_tb_puts(&b, "\"");
    }
    return sh_tb_done(&b, out);
}

FILTER(filter_filesizeformat)
{
    static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    static const char *const binary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
    tmpl_buf b = {.r = r};
    char text[64];
    double bytes = 0;
    (void)raw;
    bool is_binary = sh_tv_truth(a[0]);
    double base = is_binary ? 1024 : 1000, unit = base;
    if (self.kind == TV_UNDEF) return sh_tmpl_undefined(r, self);
    if (tv_is_number(self))
        bytes = tv_to_double(self);
    else if (self.kind != TV_STR || !sh_str_to_float(sh_ts_str(self.s), &bytes))
        return sh_tmpl_type_error(r, "could not convert %s to float", sh_tv_type_name(self));
    if (bytes == 1) return sh_tb_puts(&b, "1 Byte"), sh_tb_done(&b, out);
    if (bytes < base) {
        snprintf(text, sizeof text, "%.0f Bytes",
                 bytes < 0 ? -(double)(int64_t)-bytes : (double)(int64_t)bytes);
        return sh_tb_puts(&b, text), sh_tb_done(&b, out);
    }
    size_t i = 0;
    while (i < 7 && bytes >= unit * base) unit *= base, i++;
    snprintf(text, sizeof text, "%.1f %s", bytes / unit, (is_binary ? binary : decimal)[i]);
    return sh_tb_puts(&b, text), sh_tb_done(&b, out);
}

static int json_opts(tmpl_run *r, const tv *a, tmpl_json_opts *o)
{
    const tv *two;
    size_t n;
    int64_t width;
    int rc;
    *o = (tmpl_json_opts){.ensure_ascii = sh_tv_truth(a[0]), .sort_keys = sh_tv_truth(a[3])};
    o->item_sep = sh_str_of(", ");
    o->key_sep = sh_str_of(": ");
    if (a[1].kind && a[1].kind != TV_NONE) {
        o->pretty = true;
        o->item_sep = sh_str_of(",");
        if (a[1].kind == TV_STR) {
            o->indent = sh_ts_str(a[1].s);
        } else {
            if ((rc = want_int(r, a[1], 0, &width)) < 0) return rc;
            if (width > 1000) return sh_tmpl_limit(r, "indent", 1000);
            if (width < 0) width = 0;
            char *blanks = sh_tmpl_alloc(r, (size_t)width, 1);
            if (!blanks) return r->rc;
            memset(blanks, ' ', (size_t)width);
            o->indent = (sh_str){blanks, (size_t)width};
        }
    }
    if (!a[2].kind || a[2].kind == TV_NONE) return SH_OK;
    if ((rc = sh_tv_items(r, a[2], &two, &n)) < 0) return rc;
    if (n != 2 || two[0].kind != TV_STR || two[1].kind != TV_STR)
        return sh_tmpl_type_error(r, "separators must be two strings");
    o->item_sep = sh_ts_str(two[0].s);
    o->key_sep = sh_ts_str(two[1].s);
    return SH_OK;
}

FILTER(filter_tojson)
{
    tmpl_buf b = {.r = r};
    tmpl_json_opts o;
    (void)raw;
    int rc = json_opts(r, a, &o);
    if (rc < 0 || (rc = sh_tb_json(&b, self, &o, 0)) < 0) return rc;
    return sh_tb_done(&b, out);
}

const tmpl_builtin *sh_tmpl_find_text_filter(sh_str name)
{
    static const tmpl_builtin table[] = {
        {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
        {"trim", filter_trim, "chars", 0},
        {"string", filter_string, "", 0},
        {"safe", filter_safe, "", 0},
        {"lower", filter_lower, "", 0},
        {"upper", filter_upper, "", 0},
        {"replace", filter_replace, "old new count", 2},
        {"indent", filter_indent, "width first blank", 0},
        {"capitalize", filter_capitalize, "", 0},
        {"title", filter_title, "", 0},
        {"center", filter_center, "width", 0},
        {"escape", filter_escape, "", 0},
        {"e", filter_escape, "", 0},
        {"format", filter_format, "*", 0},
        {"truncate", filter_truncate, "length killwords end leeway", 0},
        {"wordcount", filter_wordcount, "", 0},
        {"urlencode", filter_urlencode, "", 0},
        {"xmlattr", filter_xmlattr, "autospace", 0},
        {"filesizeformat", filter_filesizeformat, "binary", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sh_str_is(name, table[i].name)) return &table[i];
    return NULL;
}
