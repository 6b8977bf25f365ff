/* tmpl_string.c - strings of the template language: slices and concatenation with provenance, and buffers. */
#include "text/tmpl_run.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

static bool is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] >= 0x80) return false;
    return true;
}

const tv_str *sh_ts_new(tmpl_run *r, const char *p, size_t n, bool from_content)
{
    tv_str *s = sh_tmpl_alloc(r, 1, sizeof *s);
    if (!s || sh_tmpl_pay_bytes(r, n) < 0) return NULL;
    *s = (tv_str){.p = p, .n = n, .all = from_content && n > 0, .ascii = is_ascii(p, n)};
    return s;
}

const tv_str *sh_ts_copy(tmpl_run *r, const char *p, size_t n, bool from_content)
{
    char *copy = sh_tmpl_alloc(r, n, 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, p, n);
    return sh_ts_new(r, copy, n, from_content);
}

/* Spans of s that meet [begin, end), rebased to begin, appended to out[]; returns how many. out may be NULL
 * to count. */
static size_t clip_spans(const tv_str *s, size_t begin, size_t end, sh_span *out)
{
    size_t k = 0;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        size_t b = s->spans[i].begin > begin ? s->spans[i].begin : begin;
        size_t e = s->spans[i].end < end ? s->spans[i].end : end;
        if (b >= e) continue;
        if (out) out[k] = (sh_span){b - begin, e - begin};
        k++;
    }
    return k;
}

const tv_str *sh_ts_sub(tmpl_run *r, const tv_str *s, size_t begin, size_t end)
{
    if (begin == 0 && end == s->n) return s;
    tv_str *t = sh_tmpl_alloc(r, 1, sizeof *t);
    if (!t || sh_tmpl_steps(r, 1) < 0) return NULL;
    *t = (tv_str){.p = s->p + begin,
                  .n = end - begin,
                  .all = s->all && end > begin,
                  .ascii = s->ascii,
                  .markup = s->markup};
    size_t k = s->all ? 0 : clip_spans(s, begin, end, NULL);
    if (k) {
        sh_span *spans = sh_tmpl_alloc(r, k, sizeof *spans);
        if (!spans) return NULL;
        clip_spans(s, begin, end, spans);
        t->spans = spans;
        t->n_spans = (uint32_t)k;
    }
    return t;
}

static size_t span_count(const tv_str *s) { return s->all ? 1 : s->n_spans; }

static size_t put_spans(sh_span *out, const tv_str *s, size_t shift)
{
    if (s->all) {
        out[0] = (sh_span){shift, shift + s->n};
        return 1;
    }
    for (uint32_t i = 0; i < s->n_spans; i++)
        out[i] = (sh_span){s->spans[i].begin + shift, s->spans[i].end + shift};
    return s->n_spans;
}

static tv_grow *grow_begin(tmpl_run *r, const tv_str *a, size_t n)
{
    tv_grow *g = sh_tmpl_alloc(r, 1, sizeof *g);
    size_t cap;
    if (!g) return NULL;
    if (!sh_add(&cap, n, n / 2) || !sh_add(&cap, cap, 32) || !(g->p = sh_tmpl_alloc(r, cap, 1))) {
        if (!r->rc) sh_tmpl_limit(r, "memory", r->max_bytes);
        return NULL;
    }
    memcpy(g->p, a->p, a->n);
    *g = (tv_grow){.p = g->p, .used = a->n, .cap = cap};
    return g;
}

/* Append the spans of b (shifted) to those of a: in place when a's list is the newest of its owner. */
static int concat_spans(tmpl_run *r, tv_grow *g, const tv_str *a, const tv_str *b, tv_str *out)
{
    size_t n = span_count(a) + span_count(b);
    bool in_place =
        !a->all && a->spans && a->spans == g->spans && a->n_spans == g->n_spans && n <= g->cap_spans;
    if (!in_place) {
        sh_span *spans = sh_tmpl_alloc(r, n + n / 2 + 2, sizeof *spans);
        if (!spans) return r->rc;
        put_spans(spans, a, 0);
        g->spans = spans;
        g->cap_spans = n + n / 2 + 2;
    }
    put_spans(g->spans + span_count(a), b, a->n);
    g->n_spans = n;
    out->spans = g->spans;
    out->n_spans = (uint32_t)n;
    return SH_OK;
}

const tv_str *sh_ts_concat(tmpl_run *r, const tv_str *a, const tv_str *b)
{
    size_t n;
    if (a->n == 0 && !a->markup) return b;
    if (b->n == 0) return a;
    if (!sh_add(&n, a->n, b->n)) return sh_tmpl_limit(r, "memory", r->max_bytes), NULL;
    tv_str *s = sh_tmpl_alloc(r, 1, sizeof *s);
    if (!s || sh_tmpl_pay_bytes(r, b->n) < 0) return NULL;
    tv_grow *g = a->grow;
    if (!g || a->p + a->n != g->p + g->used || g->p != a->p || g->cap - g->used < b->n) {
        if (sh_tmpl_pay_bytes(r, a->n) < 0 || !(g = grow_begin(r, a, n))) return NULL;
    }
    memcpy(g->p + g->used, b->p, b->n);
    g->used = n;
    *s = (tv_str){.p = g->p, .n = n, .ascii = a->ascii && b->ascii, .markup = a->markup, .grow = g};
    if (a->all && b->all)
        s->all = true;
    else if ((sh_ts_marked(a) || sh_ts_marked(b)) && concat_spans(r, g, a, b, s) < 0)
        return NULL;
    return s;
}

size_t sh_ts_len(const tv_str *s)
{
    size_t n = 0;
    if (s->ascii) return s->n;
    for (size_t i = 0; i < s->n; i++) n += ((unsigned char)s->p[i] & 0xc0) != 0x80;
    return n;
}

size_t sh_ts_offset(const tv_str *s, size_t i)
{
    if (s->ascii) return i < s->n ? i : s->n;
    size_t k = 0;
    for (; k < s->n; k++) {
        if (((unsigned char)s->p[k] & 0xc0) == 0x80) continue;
        if (i-- == 0) return k;
    }
    return s->n;
}

bool sh_cp_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1c && cp <= 0x20) || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
           cp == 0x3000;
}

/* --- buffers --- */

static bool tb_room(tmpl_buf *b, size_t n)
{
    size_t need, cap = b->cap ? b->cap * 2 : 64;
    if (b->r->rc) return false;
    if (!sh_add(&need, b->n, n) || need > b->r->max_output) {
        sh_tmpl_limit(b->r, "output bytes", b->r->max_output);
        return false;
    }
    if (sh_tmpl_steps(b->r, n / 64) < 0) return false;
    if (need <= b->cap) return true;
    if (cap < need) cap = need;
    char *p = sh_tmpl_alloc(b->r, cap, 1);
    if (!p) return false;
    if (b->n) memcpy(p, b->p, b->n);
    b->p = p;
    b->cap = cap;
    return true;
}

static void tb_span(tmpl_buf *b, size_t begin, size_t end)
{
    if (b->n_spans && b->spans[b->n_spans - 1].end == begin) {
        b->spans[b->n_spans - 1].end = end;
        return;
    }
    if (b->n_spans == b->cap_spans) {
        size_t cap = b->cap_spans ? b->cap_spans * 2 : 4;
        sh_span *s = sh_tmpl_alloc(b->r, cap, sizeof *s);
        if (!s) return;
        if (b->n_spans) memcpy(s, b->spans, b->n_spans * sizeof *s);
        b->spans = s;
        b->cap_spans = cap;
    }
    b->spans[b->n_spans++] = (sh_span){begin, end};
}

void sh_tb_add(tmpl_buf *b, const char *p, size_t n, bool from_content)
{
    if (!n || !tb_room(b, n)) return;
    memcpy(b->p + b->n, p, n);
    if (from_content) tb_span(b, b->n, b->n + n);
    b->n += n;
}

void sh_tb_sub(tmpl_buf *b, const tv_str *s, size_t begin, size_t end)
{
    size_t base = b->n;
    sh_tb_add(b, s->p + begin, end - begin, s->all);
    if (s->all || b->r->rc) return;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        size_t lo = s->spans[i].begin > begin ? s->spans[i].begin : begin;
        size_t hi = s->spans[i].end < end ? s->spans[i].end : end;
        if (lo < hi) tb_span(b, base + lo - begin, base + hi - begin);
    }
}

void sh_tb_cp(tmpl_buf *b, uint32_t cp, bool from_content)
{
    char enc[4];
    sh_tb_add(b, enc, sh_utf8_encode(cp, enc), from_content);
}

void sh_tb_int(tmpl_buf *b, int64_t i)
{
    char text[24];
    sh_tb_add(b, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)i), false);
}

int sh_tb_done(tmpl_buf *b, tv *out)
{
    tv_str *s = sh_tmpl_alloc(b->r, 1, sizeof *s);
    if (!s || b->r->rc) return b->r->rc;
    *s = (tv_str){.p = b->p ? b->p : "", .n = b->n, .ascii = is_ascii(b->p, b->n)};
    if (b->n_spans == 1 && b->spans[0].begin == 0 && b->spans[0].end == b->n) {
        s->all = true;
    } else {
        s->spans = b->spans;
        s->n_spans = (uint32_t)b->n_spans;
    }
    *out = tv_of(s);
    return SH_OK;
}
