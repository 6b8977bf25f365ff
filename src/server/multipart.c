/* multipart.c - splitting multipart/form-data.
 *
 *   --boundary CRLF header-lines CRLF CRLF data CRLF --boundary ... CRLF --boundary-- anything
 *
 * Text before the first boundary is ignored, as is a space or tab after one (RFC 2046, 5.1.1). Header names
 * and the words form-data, name and filename are matched without regard to case. */
#include "server/multipart.h"

#include <strings.h>

enum { MAX_BOUNDARY = 70, MAX_HEADER_LINES = 16 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static sh_str trimmed(sh_str s)
{
    while (s.n && is_blank(s.p[0])) s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

static bool is_word(sh_str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* The next `; key=value` of a header; the quotes of a value are taken off. False at the end. */
static bool next_parameter(sh_str *rest, sh_str *key, sh_str *value)
{
    const char *p = rest->p, *end = p + rest->n;
    while (p < end && (is_blank(*p) || *p == ';')) p++;
    const char *begin = p;
    while (p < end && *p != '=' && *p != ';') p++;
    *key = trimmed(sh_str_n(begin, (size_t)(p - begin)));
    *value = sh_str_n(p, 0);
    if (p < end && *p == '=') {
        bool is_quoted = ++p < end && *p == '"';
        begin = p += is_quoted;
        while (p < end && *p != (is_quoted ? '"' : ';')) p += is_quoted && *p == '\\' && end - p > 1 ? 2 : 1;
        *value = sh_str_n(begin, (size_t)(p - begin));
        if (!is_quoted) *value = trimmed(*value);
        while (p < end && *p != ';') p++;
    }
    *rest = sh_str_n(p, (size_t)(end - p));
    return key->n > 0;
}

bool sh_multipart_is(const char *content_type)
{
    static const char form[] = "multipart/form-data";
    size_t n = sizeof form - 1;
    return content_type && strncasecmp(content_type, form, n) == 0 &&
           (!content_type[n] || content_type[n] == ';' || is_blank(content_type[n]));
}

static int find_boundary(sh_str *out, const char *content_type, sh_err *err)
{
    const char *parameters = strchr(content_type, ';');
    sh_str rest = sh_str_of(parameters ? parameters : ""), key, value;
    while (next_parameter(&rest, &key, &value))
        if (is_word(key, "boundary") && value.n >= 1 && value.n <= MAX_BOUNDARY) return *out = value, SH_OK;
    return sh_fail(err, SH_E_INVALID,
                   "Content-Type: multipart/form-data without a boundary of 1 to %d characters",
                   MAX_BOUNDARY);
}

/* The offset of the next "--boundary" at or after `at` that begins a line and does not go on as another word;
 * n when there is none. */
static size_t find_delimiter(const char *body, size_t n, size_t at, sh_str boundary)
{
    size_t len = boundary.n + 2;
    while (at < n && n - at >= len) {
        const char *p = memchr(body + at, '-', n - at - len + 1);
        if (!p) return n;
        at = (size_t)(p - body);
        bool begins_line = at == 0 || (at >= 2 && body[at - 2] == '\r' && body[at - 1] == '\n');
        bool ends = n - at == len || memchr(" \t\r-", p[len], 4);
        if (begins_line && ends && p[1] == '-' && memcmp(p + 2, boundary.p, boundary.n) == 0) return at;
        at++;
    }
    return n;
}

static void read_header(sh_part *part, sh_str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    if (!colon) return;
    sh_str name = trimmed(sh_str_n(line.p, (size_t)(colon - line.p)));
    sh_str value = trimmed(sh_str_n(colon + 1, (size_t)(line.p + line.n - colon - 1)));
    if (is_word(name, "Content-Type")) part->type = value;
    if (!is_word(name, "Content-Disposition")) return;
    sh_str rest = value, key, v;
    if (!next_parameter(&rest, &key, &v) || !is_word(key, "form-data")) return;
    while (next_parameter(&rest, &key, &v)) {
        if (is_word(key, "name")) part->name = v;
        if (is_word(key, "filename")) part->filename = v;
    }
}

/* Header lines up to the empty one; *at is left at the data. */
static int read_headers(sh_part *part, const char *body, size_t end, size_t *at, sh_err *err)
{
    size_t begin = *at;
    for (int i = 0; i <= MAX_HEADER_LINES; i++) {
        const char *line = body + *at, *cr = memmem(line, end - *at, "\r\n", 2);
        if (!cr) break;
        *at += (size_t)(cr - line) + 2;
        if (cr == line)
            return part->name.p ? SH_OK
                                : sh_fail(err, SH_E_CORRUPT,
                                          "form: the part at byte %zu of the body has no name", begin);
        read_header(part, sh_str_n(line, (size_t)(cr - line)));
    }
    return sh_fail(err, SH_E_CORRUPT,
                   "form: the headers of the part at byte %zu do not end (at most %d lines)", begin,
                   MAX_HEADER_LINES);
}

static int missing(size_t n_parts, size_t n, sh_err *err)
{
    return sh_fail(err, SH_E_CORRUPT, "form: the %s boundary is missing (the body has %zu bytes)",
                   n_parts ? "closing" : "first", n);
}

int sh_multipart_parse(sh_multipart *out, const char *content_type, const char *body, size_t n, sh_err *err)
{
    sh_str boundary;
    out->n = 0;
    int rc = find_boundary(&boundary, content_type, err);
    if (rc < 0) return rc;
    size_t at = find_delimiter(body, n, 0, boundary);
    if (at >= n) return missing(0, n, err);
    for (;;) {
        at += boundary.n + 2;
        if (n - at >= 2 && body[at] == '-' && body[at + 1] == '-') return SH_OK;
        while (at < n && is_blank(body[at])) at++;
        if (n - at < 2 || body[at] != '\r' || body[at + 1] != '\n')
            return sh_fail(err, SH_E_CORRUPT,
                           "form: expected the end of the line after the boundary at byte %zu", at);
        if (out->n == SH_MULTIPART_MAX_PARTS)
            return sh_fail(err, SH_E_LIMIT, "form: more than %d parts", SH_MULTIPART_MAX_PARTS);
        sh_part *part = &out->parts[out->n];
        *part = (sh_part){{0}, {0}, {0}, {0}};
        at += 2;
        size_t next = find_delimiter(body, n, at, boundary);
        if (next >= n) return missing(out->n + 1, n, err);
        if ((rc = read_headers(part, body, next, &at, err)) < 0) return rc;
        /* The line end before a delimiter belongs to it. */
        if (next - at < 2) return sh_fail(err, SH_E_CORRUPT, "form: the part at byte %zu has no data", at);
        part->data = sh_str_n(body + at, next - 2 - at);
        out->n++;
        at = next;
    }
}

const sh_part *sh_multipart_find(const sh_multipart *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (sh_str_is(m->parts[i].name, name)) return &m->parts[i];
    return NULL;
}
