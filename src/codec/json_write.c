/* json_write.c - JSON values and strings as text. Not jansson's own dump: that writes 0.7 as 0.69999999999999996. */
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "codec/json.h"

enum { WRITE_DEPTH_MAX = 1000 };

static bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

static void put_u_escape(sh_buf *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 'u'};
    for (int i = 0; i < 4; i++) text[2 + i] = digits[unit >> (12 - 4 * i) & 15];
    sh_buf_add(out, text, sizeof text);
}

static void put_ascii_escape(sh_buf *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) {
        put_u_escape(out, c);
        return;
    }
    sh_buf_putc(out, '\\');
    sh_buf_putc(out, to[found - from]);
}

static void put_code_point(sh_buf *out, uint32_t cp, bool ensure_ascii)
{
    char utf8[4];
    if (!ensure_ascii) {
        sh_buf_add(out, utf8, sh_utf8_encode(cp, utf8));
    } else if (cp < 0x10000) {
        put_u_escape(out, cp);
    } else {
        put_u_escape(out, 0xd800 + ((cp - 0x10000) >> 10));
        put_u_escape(out, 0xdc00 + ((cp - 0x10000) & 0x3ff));
    }
}

static void put_string(sh_buf *out, const char *p, size_t n, bool ensure_ascii)
{
    sh_buf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        size_t run = i;
        while (i < n && is_plain((unsigned char)p[i])) i++;
        sh_buf_add(out, p + run, i - run);
        if (i == n) break;
        if ((unsigned char)p[i] < 0x80) {
            put_ascii_escape(out, (unsigned char)p[i++]);
        } else {
            uint32_t cp;
            bool ok;
            i += sh_utf8_decode(p + i, n - i, &cp, &ok);
            put_code_point(out, cp, ensure_ascii);
        }
    }
    sh_buf_putc(out, '"');
}

void sh_json_quote(sh_buf *out, const char *p, size_t n) { put_string(out, p, n, false); }

/* 15 digits never show the error of the conversion to double; 17 always read back equal. */
static void put_real(sh_buf *out, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    sh_buf_puts(out, text);
    if (!strpbrk(text, ".e")) sh_buf_puts(out, ".0"); /* stays a real when read again */
}

typedef struct writer {
    sh_buf *out;
    size_t flags, indent;
    sh_err *err;
} writer;

static int put_value(writer *w, const json_t *v, size_t depth);

static void new_line(writer *w, size_t depth)
{
    if (!w->indent) return;
    sh_buf_putc(w->out, '\n');
    for (size_t i = 0; i < depth * w->indent; i++) sh_buf_putc(w->out, ' ');
}

static int put_array(writer *w, const json_t *v, size_t depth)
{
    size_t n = json_array_size(v);
    sh_buf_putc(w->out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) sh_buf_putc(w->out, ',');
        new_line(w, depth + 1);
        int rc = put_value(w, json_array_get(v, i), depth + 1);
        if (rc < 0) return rc;
    }
    if (n) new_line(w, depth);
    sh_buf_putc(w->out, ']');
    return SH_OK;
}

static int put_member(writer *w, const char *key, const json_t *v, bool first, size_t depth)
{
    if (!first) sh_buf_putc(w->out, ',');
    new_line(w, depth);
    put_string(w->out, key, strlen(key), w->flags & JSON_ENSURE_ASCII);
    sh_buf_puts(w->out, w->indent ? ": " : ":");
    return put_value(w, v, depth);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int put_sorted_members(writer *w, const json_t *v, size_t depth)
{
    size_t n = json_object_size(v), i = 0;
    const char *key, **keys = sh_new_array(n, sizeof *keys, w->err);
    json_t *member;
    int rc = SH_OK;
    if (!keys) return SH_E_NOMEM;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) keys[i++] = key;
    qsort(keys, n, sizeof *keys, by_bytes);
    for (i = 0; i < n && rc == SH_OK; i++) rc = put_member(w, keys[i], json_object_get(v, keys[i]), i == 0, depth);
    sh_free(keys);
    return rc;
}

static int put_members(writer *w, const json_t *v, size_t depth)
{
    const char *key;
    json_t *member;
    bool first = true;
    int rc = SH_OK;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
    {
        if ((rc = put_member(w, key, member, first, depth)) < 0) break;
        first = false;
    }
    return rc;
}

static int put_object(writer *w, const json_t *v, size_t depth)
{
    int rc;
    sh_buf_putc(w->out, '{');
    rc = w->flags & JSON_SORT_KEYS ? put_sorted_members(w, v, depth + 1) : put_members(w, v, depth + 1);
    if (rc < 0) return rc;
    if (json_object_size(v)) new_line(w, depth);
    sh_buf_putc(w->out, '}');
    return SH_OK;
}

static int put_value(writer *w, const json_t *v, size_t depth)
{
    if (depth > WRITE_DEPTH_MAX)
        return sh_fail(w->err, SH_E_LIMIT, "JSON nested deeper than %d levels cannot be written", WRITE_DEPTH_MAX);
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return put_object(w, v, depth);
    case JSON_ARRAY:
        return put_array(w, v, depth);
    case JSON_STRING:
        put_string(w->out, json_string_value(v), json_string_length(v), w->flags & JSON_ENSURE_ASCII);
        return SH_OK;
    case JSON_INTEGER:
        sh_buf_printf(w->out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return SH_OK;
    case JSON_REAL:
        put_real(w->out, json_real_value(v));
        return SH_OK;
    default:
        sh_buf_puts(w->out, json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false");
        return SH_OK;
    }
}

int sh_json_write(sh_buf *out, const json_t *value, size_t flags, sh_err *err)
{
    writer w = {out, flags, flags & JSON_MAX_INDENT, err};
    if (!value) return sh_fail_nomem(err, sizeof *value); /* a jansson constructor that failed */
    /* Numbers are written with a point whatever the process has for its locale. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return sh_fail_nomem(err, sizeof(locale_t));
    locale_t old = uselocale(c);
    int rc = put_value(&w, value, 0);
    uselocale(old);
    freelocale(c);
    return rc < 0 ? rc : sh_buf_ok(out, err);
}
