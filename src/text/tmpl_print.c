/* tmpl_print.c - the text of values: Python's str() and repr(), and json.dumps. */
#include "text/tmpl_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum { MAX_PRINT_DEPTH = 500 };

/* Digits and decimal exponent of the shortest decimal that reads back as f (> 0, finite): 0.d1d2d3... *
 * 10^*point. Only digits are taken from printf and no decimal point is given to strtod, so that no locale
 * matters. */
static int shortest_digits(double f, char digits[20], int *point)
{
    char text[40], back[48];
    for (int prec = 0; prec < 17; prec++) {
        int n = 0;
        snprintf(text, sizeof text, "%.*e", prec, f);
        const char *p = text;
        for (; *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9') digits[n++] = *p;
        int e10 = atoi(p + 1);
        digits[n] = 0;
        *point = e10 + 1;
        snprintf(back, sizeof back, "%se%d", digits, e10 - (n - 1));
        if (prec == 16 || strtod(back, NULL) == f) {
            while (n > 1 && digits[n - 1] == '0') digits[--n] = 0;
            return n;
        }
    }
    return 0;
}

size_t sh_float_repr(double f, char out[40])
{
    char digits[20];
    int point;
    if (isnan(f)) return (size_t)snprintf(out, 40, "nan");
    if (isinf(f)) return (size_t)snprintf(out, 40, f < 0 ? "-inf" : "inf");
    const char *sign = signbit(f) ? "-" : "";
    if (f == 0) return (size_t)snprintf(out, 40, "%s0.0", sign);
    int n = shortest_digits(fabs(f), digits, &point);
    if (point > 16 || point < -3) {
        int e10 = point - 1;
        return (size_t)snprintf(out, 40, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1,
                                e10 < 0 ? '-' : '+', e10 < 0 ? -e10 : e10);
    }
    if (point <= 0) return (size_t)snprintf(out, 40, "%s0.%.*s%s", sign, -point, "0000", digits);
    if (point >= n)
        return (size_t)snprintf(out, 40, "%s%s%.*s.0", sign, digits, point - n, "0000000000000000");
    return (size_t)snprintf(out, 40, "%s%.*s.%s", sign, point, digits, digits + point);
}

static void put_float(tmpl_buf *b, double f)
{
    char text[40];
    sh_tb_add(b, text, sh_float_repr(f, text), false);
}

static bool is_printable(uint32_t cp)
{
    if (cp < 0x7f) return cp >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

static void repr_string(tmpl_buf *b, const tv_str *s)
{
    bool mark = sh_ts_marked(s);
    char quote = memchr(s->p, '\'', s->n) && !memchr(s->p, '"', s->n) ? '"' : '\'';
    if (s->markup) sh_tb_puts(b, "Markup(");
    sh_tb_add(b, &quote, 1, mark);
    for (size_t i = 0, k; i < s->n && !b->r->rc; i += k) {
        uint32_t cp;
        bool ok;
        char text[16];
        k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        if (cp == (uint32_t)quote || cp == '\\')
            snprintf(text, sizeof text, "\\%c", (char)cp);
        else if (cp == '\n' || cp == '\r' || cp == '\t')
            snprintf(text, sizeof text, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        else if (is_printable(cp))
            text[0] = 0;
        else if (cp < 0x100)
            snprintf(text, sizeof text, "\\x%02x", cp);
        else
            snprintf(text, sizeof text, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        if (text[0])
            sh_tb_add(b, text, strlen(text), mark);
        else
            sh_tb_add(b, s->p + i, k, mark);
    }
    sh_tb_add(b, &quote, 1, mark);
    if (s->markup) sh_tb_puts(b, ")");
}

static void repr(tmpl_buf *b, tv v, unsigned depth);

static void repr_items(tmpl_buf *b, const tv_seq *s, const char *open, const char *close, unsigned depth)
{
    sh_tb_puts(b, open);
    for (size_t i = 0; i < s->n && !b->r->rc; i++) {
        if (i) sh_tb_puts(b, ", ");
        repr(b, tv_seq_at(s, i), depth + 1);
    }
    sh_tb_puts(b, close);
}

static void repr_range(tmpl_buf *b, const tv_seq *s)
{
    sh_tb_puts(b, "range(");
    sh_tb_int(b, s->start);
    sh_tb_puts(b, ", ");
    sh_tb_int(b, s->stop);
    if (s->step != 1) sh_tb_puts(b, ", "), sh_tb_int(b, s->step);
    sh_tb_puts(b, ")");
}

static void repr_seq(tmpl_buf *b, const tv_seq *s, unsigned depth)
{
    switch (s->kind) {
    case SEQ_LIST: repr_items(b, s, "[", "]", depth); break;
    case SEQ_TUPLE:
    case SEQ_GROUP: repr_items(b, s, "(", s->n == 1 ? ",)" : ")", depth); break;
    case SEQ_RANGE: repr_range(b, s); break;
    case SEQ_KEYS: repr_items(b, s, "dict_keys([", "])", depth); break;
    case SEQ_VALUES: repr_items(b, s, "dict_values([", "])", depth); break;
    case SEQ_ITEMS: repr_items(b, s, "dict_items([", "])", depth); break;
    default: sh_tb_puts(b, "<generator object>"); break;
    }
}

static void repr_dict(tmpl_buf *b, const tv_dict *d, unsigned depth)
{
    sh_tb_puts(b, "{");
    for (uint32_t i = 0; i < d->n && !b->r->rc; i++) {
        if (i) sh_tb_puts(b, ", ");
        repr(b, d->keys[i], depth + 1);
        sh_tb_puts(b, ": ");
        repr(b, d->vals[i], depth + 1);
    }
    sh_tb_puts(b, "}");
}

static void repr_object(tmpl_buf *b, tv v)
{
    sh_tb_puts(b, "<");
    sh_tb_puts(b, sh_tv_type_name(v));
    if (v.kind == TV_FUNC) sh_tb_puts(b, " "), sh_tb_puts(b, v.fn->b->name);
    sh_tb_puts(b, ">");
}

static void repr(tmpl_buf *b, tv v, unsigned depth)
{
    if (depth > MAX_PRINT_DEPTH) {
        sh_tmpl_limit(b->r, "nesting of values", MAX_PRINT_DEPTH);
        return;
    }
    if (sh_tmpl_steps(b->r, 1) < 0) return;
    switch (v.kind) {
    case TV_MISSING:
    case TV_UNDEF: sh_tb_puts(b, "Undefined"); break;
    case TV_NONE: sh_tb_puts(b, "None"); break;
    case TV_BOOL: sh_tb_puts(b, v.b ? "True" : "False"); break;
    case TV_INT: sh_tb_int(b, v.i); break;
    case TV_FLOAT: put_float(b, v.f); break;
    case TV_STR: repr_string(b, v.s); break;
    case TV_SEQ: repr_seq(b, v.seq, depth); break;
    case TV_DICT: repr_dict(b, v.d, depth); break;
    case TV_NS:
        sh_tb_puts(b, "<Namespace ");
        repr_dict(b, v.d, depth + 1);
        sh_tb_puts(b, ">");
        break;
    default: repr_object(b, v); break;
    }
}

void sh_tb_repr(tmpl_buf *b, tv v) { repr(b, v, 0); }

void sh_tb_str(tmpl_buf *b, tv v)
{
    if (v.kind == TV_STR)
        sh_tb_ts(b, v.s);
    else if (v.kind > TV_UNDEF)
        repr(b, v, 0);
}

int sh_tv_str(tmpl_run *r, tv v, const tv_str **out)
{
    tmpl_buf b = {.r = r};
    tv s;
    if (v.kind == TV_STR) {
        *out = v.s;
        return SH_OK;
    }
    sh_tb_str(&b, v);
    int rc = sh_tb_done(&b, &s);
    if (rc == SH_OK) *out = s.s;
    return rc;
}

void sh_tb_escape(tmpl_buf *b, const tv_str *s)
{
    size_t from = 0;
    for (size_t i = 0; i < s->n; i++) {
        const char *to = NULL;
        switch (s->p[i]) {
        case '&': to = "&amp;"; break;
        case '<': to = "&lt;"; break;
        case '>': to = "&gt;"; break;
        case '"': to = "&#34;"; break;
        case '\'': to = "&#39;"; break;
        default: continue;
        }
        sh_tb_sub(b, s, from, i);
        sh_tb_add(b, to, strlen(to), sh_ts_marked(s));
        from = i + 1;
    }
    sh_tb_sub(b, s, from, s->n);
}

/* --- json.dumps --- */

static void json_u(tmpl_buf *b, uint32_t unit, bool mark)
{
    char text[8];
    sh_tb_add(b, text, (size_t)snprintf(text, sizeof text, "\\u%04x", unit), mark);
}

static void json_text(tmpl_buf *b, const tv_str *s, bool ensure_ascii)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    bool mark = sh_ts_marked(s);
    size_t plain = 0;
    sh_tb_add(b, "\"", 1, false);
    for (size_t i = 0, k; i < s->n && !b->r->rc; i += k) {
        uint32_t cp;
        bool ok;
        k = sh_utf8_decode(s->p + i, s->n - i, &cp, &ok);
        if (cp >= 0x20 && cp != '"' && cp != '\\' && (cp < 0x7f || !ensure_ascii)) continue;
        sh_tb_sub(b, s, plain, i);
        plain = i + k;
        const char *hit = cp && cp < 0x80 ? strchr(from, (char)cp) : NULL;
        if (hit) {
            sh_tb_add(b, (char[]){'\\', to[hit - from]}, 2, mark);
        } else if (cp < 0x10000) {
            json_u(b, cp, mark);
        } else {
            json_u(b, 0xd800 + ((cp - 0x10000) >> 10), mark);
            json_u(b, 0xdc00 + ((cp - 0x10000) & 0x3ff), mark);
        }
    }
    sh_tb_sub(b, s, plain, s->n);
    sh_tb_add(b, "\"", 1, false);
}

static void json_float(tmpl_buf *b, double f)
{
    if (isnan(f))
        sh_tb_puts(b, "NaN");
    else if (isinf(f))
        sh_tb_puts(b, f < 0 ? "-Infinity" : "Infinity");
    else
        put_float(b, f);
}

static void json_newline(tmpl_buf *b, const tmpl_json_opts *o, unsigned depth)
{
    if (!o->pretty) return;
    sh_tb_puts(b, "\n");
    for (unsigned i = 0; i < depth; i++) sh_tb_add(b, o->indent.p, o->indent.n, false);
}

static int json_key(tmpl_buf *b, tv k, const tmpl_json_opts *o)
{
    switch (k.kind) {
    case TV_STR: json_text(b, k.s, o->ensure_ascii); return SH_OK;
    case TV_BOOL:
    case TV_INT:
    case TV_FLOAT:
    case TV_NONE:
        sh_tb_puts(b, "\"");
        sh_tb_json(b, k, o, 0);
        sh_tb_puts(b, "\"");
        return b->r->rc;
    default:
        return sh_tmpl_type_error(b->r, "keys must be str, int, float, bool or None, not %s",
                                  sh_tv_type_name(k));
    }
}

/* Positions of the keys of d in sorted order. Insertion sort: sort_keys is rare and every comparison is paid
 * for. */
static int sorted_order(tmpl_run *r, const tv_dict *d, uint32_t *order)
{
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t j = i;
        for (; j > 0; j--) {
            int c, rc = sh_tv_compare(r, d->keys[order[j - 1]], d->keys[i], "<", &c);
            if (rc < 0) return rc;
            if (c <= 0) break;
            order[j] = order[j - 1];
        }
        order[j] = i;
    }
    return SH_OK;
}

static int json_dict(tmpl_buf *b, const tv_dict *d, const tmpl_json_opts *o, unsigned depth)
{
    int rc;
    uint32_t *order = NULL;
    if (d->n == 0) return sh_tb_puts(b, "{}"), b->r->rc;
    if (o->sort_keys) {
        if (!(order = sh_tmpl_alloc(b->r, d->n, sizeof *order))) return b->r->rc;
        if ((rc = sorted_order(b->r, d, order)) < 0) return rc;
    }
    sh_tb_puts(b, "{");
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t e = order ? order[i] : i;
        if (i) sh_tb_add(b, o->item_sep.p, o->item_sep.n, false);
        json_newline(b, o, depth + 1);
        if ((rc = json_key(b, d->keys[e], o)) < 0) return rc;
        sh_tb_add(b, o->key_sep.p, o->key_sep.n, false);
        if ((rc = sh_tb_json(b, d->vals[e], o, depth + 1)) < 0) return rc;
    }
    json_newline(b, o, depth);
    sh_tb_puts(b, "}");
    return b->r->rc;
}

static int json_list(tmpl_buf *b, const tv_seq *s, const tmpl_json_opts *o, unsigned depth)
{
    if (s->n == 0) return sh_tb_puts(b, "[]"), b->r->rc;
    sh_tb_puts(b, "[");
    for (size_t i = 0; i < s->n; i++) {
        if (i) sh_tb_add(b, o->item_sep.p, o->item_sep.n, false);
        json_newline(b, o, depth + 1);
        int rc = sh_tb_json(b, s->items[i], o, depth + 1);
        if (rc < 0) return rc;
    }
    json_newline(b, o, depth);
    sh_tb_puts(b, "]");
    return b->r->rc;
}

int sh_tb_json(tmpl_buf *b, tv v, const tmpl_json_opts *o, unsigned depth)
{
    if (depth > MAX_PRINT_DEPTH) return sh_tmpl_limit(b->r, "nesting of values", MAX_PRINT_DEPTH);
    if (sh_tmpl_steps(b->r, 1) < 0) return b->r->rc;
    switch (v.kind) {
    case TV_NONE: sh_tb_puts(b, "null"); break;
    case TV_BOOL: sh_tb_puts(b, v.b ? "true" : "false"); break;
    case TV_INT: sh_tb_int(b, v.i); break;
    case TV_FLOAT: json_float(b, v.f); break;
    case TV_STR: json_text(b, v.s, o->ensure_ascii); break;
    case TV_DICT: return json_dict(b, v.d, o, depth);
    case TV_SEQ:
        if (tv_is_list(v) || tv_is_tuple(v)) return json_list(b, v.seq, o, depth);
        return sh_tmpl_type_error(b->r, "Object of type %s is not JSON serializable", sh_tv_type_name(v));
    default:
        return sh_tmpl_type_error(b->r, "Object of type %s is not JSON serializable", sh_tv_type_name(v));
    }
    return b->r->rc;
}
