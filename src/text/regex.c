/* regex.c - Oniguruma patterns on PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    MAX_PATTERN = 1 << 16,
    MATCH_LIMIT =
        20 * 1000 * 1000, /* internal match calls; the known patterns need a few per byte of a piece */
    DEPTH_LIMIT = 100 * 1000,
    HEAP_LIMIT_KIB = 64 * 1024,
    JIT_STACK_MAX = 4 << 20
};

struct sh_regex {
    pcre2_code *code;
    bool jit;
    char *source;
};

static void *pool_alloc(size_t n, void *ud)
{
    return (void)ud, sh_alloc(1, n);
}
static void pool_free(void *p, void *ud)
{
    (void)ud, sh_free(p);
}

/* White_Space of Unicode: PCRE2's own \s has U+180E too. */
#define SPACE_SET                                                                                            \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{" \
    "3000}"
#define NOT_SPACE_SET                                                                                        \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"          \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

/* One escape of the pattern (after the backslash), rewritten where the dialects differ. */
static void put_escape(sh_buf *out, char c, bool in_class)
{
    const char *set = c == 's' ? SPACE_SET : c == 'S' ? NOT_SPACE_SET : c == 'h' ? "0-9a-fA-F" : NULL;
    if (set) {
        if (!in_class) sh_buf_putc(out, '[');
        sh_buf_puts(out, set);
        if (!in_class) sh_buf_putc(out, ']');
    } else if (c == 'H' && !in_class) {
        sh_buf_puts(out, "[^0-9a-fA-F]");
    } else {
        sh_buf_putc(out, '\\');
        sh_buf_putc(out, c);
    }
}

/* Classes nest in Oniguruma ([a[bc]]), in PCRE2 a [ inside a class is a letter unless a POSIX name follows.
 */
static void translate(sh_buf *out, sh_str s)
{
    bool in_class = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' && i + 1 < s.n) {
            put_escape(out, s.p[++i], in_class);
            continue;
        }
        if (!in_class && c == '[') {
            in_class = true;
            sh_buf_putc(out, c);
            if (i + 1 < s.n && s.p[i + 1] == '^') sh_buf_putc(out, s.p[++i]);
            if (i + 1 < s.n && s.p[i + 1] == ']') sh_buf_puts(out, "\\]"), i++;
            continue;
        }
        if (in_class && c == '[' && i + 1 < s.n && s.p[i + 1] == ':') {
            const char *stop = memchr(s.p + i, ']', s.n - i);
            if (stop) {
                sh_buf_add(out, s.p + i, (size_t)(stop - (s.p + i)) + 1);
                i = (size_t)(stop - s.p);
                continue;
            }
        }
        if (in_class && c == ']') in_class = false;
        sh_buf_putc(out, c);
    }
}

int sh_regex_open(sh_regex **out, sh_str pattern, const char *where, sh_err *err)
{
    sh_buf text = {0};
    int rc, code_number = 0;
    PCRE2_SIZE at = 0;
    pcre2_general_context *general = pcre2_general_context_create(pool_alloc, pool_free, NULL);
    pcre2_compile_context *compile = general ? pcre2_compile_context_create(general) : NULL;
    sh_regex *r = sh_new(sizeof *r, err);
    if (!r) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if (pattern.n > MAX_PATTERN) {
        rc = sh_fail(err, SH_E_LIMIT, "%s: a pattern of %zu bytes is longer than %d", where, pattern.n,
                     MAX_PATTERN);
        goto out;
    }
    translate(&text, pattern);
    r->source = sh_strndup(pattern.p, pattern.n);
    if (!compile || text.failed || !r->source) {
        rc = sh_fail_nomem(err, pattern.n);
        goto out;
    }
    pcre2_set_newline(compile, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(compile, (PCRE2_SIZE)MAX_PATTERN * 64);
    r->code = pcre2_compile((PCRE2_SPTR)sh_buf_str(&text).p, text.n,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code_number,
                            &at, compile);
    if (!r->code) {
        PCRE2_UCHAR why[160] = {0};
        pcre2_get_error_message(code_number, why, sizeof why);
        rc = sh_fail(err, code_number == PCRE2_ERROR_NOMEMORY ? SH_E_NOMEM : SH_E_CORRUPT,
                     "%s: pattern \"%.80s\": %s at offset %zu of its PCRE2 form", where, r->source,
                     (char *)why, (size_t)at);
        goto out;
    }
    r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
    *out = r;
    r = NULL;
    rc = SH_OK;
out:
    sh_regex_free(r);
    sh_buf_clear(&text);
    if (compile) pcre2_compile_context_free(compile);
    if (general) pcre2_general_context_free(general);
    return rc;
}

void sh_regex_free(sh_regex *r)
{
    if (!r) return;
    if (r->code) pcre2_code_free(r->code);
    sh_free(r->source);
    sh_free(r);
}

const char *sh_regex_source(const sh_regex *r)
{
    return r->source;
}

void sh_regex_work_clear(sh_regex_work *w)
{
    if (w->data) pcre2_match_data_free(w->data);
    if (w->context) pcre2_match_context_free(w->context);
    if (w->stack) pcre2_jit_stack_free(w->stack);
    *w = (sh_regex_work){0};
}

static int work_open(sh_regex_work *w, sh_err *err)
{
    pcre2_general_context *general = pcre2_general_context_create(pool_alloc, pool_free, NULL);
    if (general) {
        if (!w->data) w->data = pcre2_match_data_create(1, general);
        if (!w->context) w->context = pcre2_match_context_create(general);
        if (!w->stack) w->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_MAX, general);
        pcre2_general_context_free(general);
    }
    if (!w->data || !w->context || !w->stack) return sh_fail_nomem(err, 32 << 10);
    pcre2_set_match_limit(w->context, MATCH_LIMIT);
    pcre2_set_depth_limit(w->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(w->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(w->context, NULL, w->stack);
    return SH_OK;
}

int sh_regex_find(const sh_regex *r, sh_regex_work *w, const char *text, size_t n, size_t from, size_t *begin,
                  size_t *end, sh_err *err)
{
    int rc;
    if (!w->stack && (rc = work_open(w, err)) < 0) return rc;
    rc = pcre2_match(r->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK, w->data, w->context);
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc < 0)
        return sh_fail(err, rc == PCRE2_ERROR_NOMEMORY ? SH_E_NOMEM : SH_E_LIMIT,
                       "the pattern \"%.80s\" needs too much work on this text (PCRE2 code %d)", r->source,
                       rc);
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(w->data);
    /* \K and lookbehind can put the start after the end or before `from`: such a match is empty */
    *begin = span[0] > from ? span[0] : from;
    *end = span[1] > *begin ? span[1] : *begin;
    return 1;
}
