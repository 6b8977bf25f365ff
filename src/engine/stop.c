/* stop.c - see stop.h. */
#include "engine/stop.h"

#include "base/mem.h"
#include "base/utf8.h"

struct sh_stop {
    size_t n, max_len;
    sh_buf held; /* shorter than the longest stop string between calls */
    const char *match;
    sh_str strings[]; /* [n], each NUL-terminated too */
};

static int check_strings(const char *const *strings, size_t n, sh_err *err)
{
    if (n > SH_STOP_MAX_STRINGS)
        return sh_fail(err, SH_E_LIMIT, "%zu stop strings: at most %d", n, SH_STOP_MAX_STRINGS);
    for (size_t i = 0; i < n; i++) {
        size_t len = strings[i] ? strlen(strings[i]) : 0;
        if (len == 0) return sh_fail(err, SH_E_INVALID, "stop string %zu is empty", i);
        if (len > SH_STOP_MAX_BYTES)
            return sh_fail(err, SH_E_LIMIT, "stop string %zu is %zu bytes: at most %d", i, len,
                           SH_STOP_MAX_BYTES);
        if (!sh_utf8_valid(strings[i], len))
            return sh_fail(err, SH_E_INVALID, "stop string %zu is not UTF-8", i);
    }
    return SH_OK;
}

int sh_stop_open(sh_stop **out, const char *const *strings, size_t n, sh_err *err)
{
    int rc = check_strings(strings, n, err);
    if (rc < 0) return rc;
    sh_stop *s = sh_new(sizeof *s + n * sizeof s->strings[0], err);
    if (!s) return SH_E_NOMEM;
    for (; s->n < n; s->n++) {
        char *copy = sh_strdup(strings[s->n]);
        if (!copy) {
            rc = sh_fail_nomem(err, strlen(strings[s->n]));
            sh_stop_free(s);
            return rc;
        }
        s->strings[s->n] = sh_str_of(copy);
        if (s->strings[s->n].n > s->max_len) s->max_len = s->strings[s->n].n;
    }
    *out = s;
    return SH_OK;
}

void sh_stop_free(sh_stop *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) sh_free((char *)s->strings[i].p);
    sh_buf_clear(&s->held);
    sh_free(s);
}

/* The longest stop string that ends at held[end), or NULL. */
static const sh_str *stop_ending_at(const sh_stop *s, size_t end)
{
    const sh_str *best = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const sh_str *t = &s->strings[i];
        if (t->n > end || s->held.p[end - 1] != t->p[t->n - 1] || (best && best->n >= t->n)) continue;
        if (memcmp(s->held.p + end - t->n, t->p, t->n) == 0) best = t;
    }
    return best;
}

/* The length of the longest tail of held that is a beginning of some stop string (not the whole of it). */
static size_t stop_tail(const sh_stop *s)
{
    size_t most = s->max_len ? s->max_len - 1 : 0;
    for (size_t len = s->held.n < most ? s->held.n : most; len > 0; len--) {
        const char *tail = s->held.p + s->held.n - len;
        for (size_t i = 0; i < s->n; i++)
            if (s->strings[i].n > len && memcmp(tail, s->strings[i].p, len) == 0) return len;
    }
    return 0;
}

int sh_stop_add(sh_stop *s, const char *text, size_t n, sh_buf *out, const char **match, sh_err *err)
{
    *match = s->match;
    if (s->match || n == 0) return SH_OK;
    size_t known = s->held.n, let_out;
    sh_buf_add(&s->held, text, n);
    int rc = sh_buf_ok(&s->held, err);
    if (rc < 0) return rc;
    for (size_t end = known + 1; end <= s->held.n && !s->match; end++) {
        const sh_str *t = stop_ending_at(s, end);
        if (!t) continue;
        s->match = t->p;
        sh_buf_add(out, s->held.p, end - t->n);
        sh_buf_reset(&s->held);
    }
    *match = s->match;
    if (!s->match) {
        let_out = s->held.n - stop_tail(s);
        sh_buf_add(out, s->held.p, let_out);
        memmove(s->held.p, s->held.p + let_out, s->held.n - let_out + 1); /* with its NUL */
        s->held.n -= let_out;
    }
    return sh_buf_ok(out, err);
}

int sh_stop_flush(sh_stop *s, sh_buf *out, sh_err *err)
{
    sh_buf_add(out, s->held.p, s->held.n);
    sh_buf_reset(&s->held);
    return sh_buf_ok(out, err);
}
