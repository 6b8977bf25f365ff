/* normalize.c - the normaliser steps of tokenizer files.
 *
 * Unicode forms work on the stretches that can change: a starter without a decomposition bounds them on both
 * sides, so running text costs one property look-up per character. utf8proc decomposes and composes; the
 * canonical order is made here, by counting, because a megabyte of combining marks must not cost a square. */
#include "text/tokenizer_internal.h"

#include <string.h>
#include <utf8proc.h>

#include "base/endian.h"

static void put_cp(sh_buf *out, uint32_t cp)
{
    char c[4];
    sh_buf_add(out, c, sh_utf8_encode(cp, c));
}

static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;
    uint64_t w;
    for (; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, 8);
        if (w & 0x8080808080808080ull) break;
    }
    while (i < n && !(p[i] & 0x80)) i++;
    return i;
}

/* --- Unicode normalisation forms --- */

typedef struct form {
    utf8proc_option_t options;
    uint32_t quiet; /* code points below are left alone in this form */
    bool compose;
} form;

static form form_of(enum norm_kind kind)
{
    switch (kind) {
    case NORM_NFC:
        return (form){UTF8PROC_STABLE | UTF8PROC_COMPOSE, 0x300, true};
    case NORM_NFKC:
        return (form){UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, 0xa0, true};
    case NORM_NFKD:
        return (form){UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, 0xa0, false};
    default:
        return (form){UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, 0xc0, false};
    }
}

/* A character that no normalisation changes or joins with its left neighbour. */
static bool is_inert(const form *f, uint32_t cp)
{
    if (cp < f->quiet) return true;
    if (cp >= 0x1100 && cp <= 0x11ff) return false;
    if (cp >= 0xac00 && cp <= 0xd7a3) return f->compose;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    return p->decomp_seqindex == UINT16_MAX && p->combining_class == 0 &&
           p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC &&
           p->category != UTF8PROC_CATEGORY_ME;
}

static uint8_t ccc(int32_t cp)
{
    return (uint8_t)utf8proc_get_property(cp)->combining_class;
}

/* Stable sort of one run of marks by combining class. */
static bool order_run(int32_t *cp, size_t n)
{
    if (n <= 32) {
        for (size_t i = 1; i < n; i++) {
            int32_t c = cp[i];
            size_t j = i;
            for (; j && ccc(cp[j - 1]) > ccc(c); j--) cp[j] = cp[j - 1];
            cp[j] = c;
        }
        return true;
    }
    size_t start[257] = {0};
    int32_t *copy = sh_alloc(n, sizeof *copy);
    if (!copy) return false;
    memcpy(copy, cp, n * sizeof *cp);
    for (size_t i = 0; i < n; i++) start[ccc(copy[i]) + 1]++;
    for (size_t c = 1; c < 257; c++) start[c] += start[c - 1];
    for (size_t i = 0; i < n; i++) cp[start[ccc(copy[i])]++] = copy[i];
    sh_free(copy);
    return true;
}

static bool order_marks(int32_t *cp, size_t n)
{
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && ccc(cp[j]); j++) continue;
        if (j - i > 1 && !order_run(cp + i, j - i)) return false;
        if (j == i) j++;
    }
    return true;
}

/* Normalise p[0..n) as one stretch and append it. */
static void form_stretch(const form *f, const char *p, size_t n, sh_buf *out)
{
    sh_buf work = {0};
    int bound = 0;
    for (size_t i = 0, len; i < n; i += len) {
        utf8proc_int32_t dst[32];
        utf8proc_ssize_t k =
            utf8proc_decompose_char((utf8proc_int32_t)u8_get(p + i, &len), dst, 32, f->options, &bound);
        if (k > 0 && k <= 32) sh_buf_add(&work, dst, (size_t)k * sizeof *dst);
    }
    size_t count = work.n / sizeof(int32_t);
    int32_t *cp = (int32_t *)(void *)work.p;
    if (work.failed || (count && !order_marks(cp, count))) out->failed = true;
    if (!out->failed && count) {
        if (f->compose) count = (size_t)utf8proc_normalize_utf32(cp, (utf8proc_ssize_t)count, f->options);
        for (size_t i = 0; i < count; i++) put_cp(out, (uint32_t)cp[i]);
    }
    sh_buf_clear(&work);
}

static void run_form(enum norm_kind kind, sh_str in, sh_buf *out)
{
    form f = form_of(kind);
    size_t done = 0, last = 0,
           len; /* copied up to `done`; `last` is where the latest inert character begins */
    for (size_t i = 0; i < in.n;) {
        size_t run = ascii_run(in.p + i, in.n - i);
        if (run) {
            i += run;
            last = i - 1;
            continue;
        }
        if (is_inert(&f, u8_get(in.p + i, &len))) {
            last = i;
            i += len;
            continue;
        }
        size_t end = i + len;
        while (end < in.n && !is_inert(&f, u8_get(in.p + end, &len))) end += len;
        if (last < done) last = done;
        sh_buf_add(out, in.p + done, last - done);
        form_stretch(&f, in.p + last, end - last, out);
        done = last = i = end;
    }
    sh_buf_add(out, in.p + done, in.n - done);
}

/* --- simple steps --- */

static void run_lower(sh_str in, sh_buf *out)
{
    sh_buf_reserve(out, in.n);
    for (size_t i = 0, len; i < in.n; i += len) {
        uint32_t low[2];
        unsigned k = uc_lower(u8_get(in.p + i, &len), low);
        for (unsigned j = 0; j < k; j++) put_cp(out, low[j]);
    }
}

static void run_strip_marks(sh_str in, sh_buf *out, bool all_marks)
{
    for (size_t i = 0, len; i < in.n; i += len) {
        uint32_t cp = u8_get(in.p + i, &len);
        bool drop = all_marks ? cp >= 0x300 && (uc_classify(cp) & UC_M) : uc_is_mark_nonspacing(cp);
        if (!drop) sh_buf_add(out, in.p + i, len);
    }
}

static sh_str strip(sh_str in, bool left, bool right)
{
    size_t len;
    while (left && in.n && uc_is_space(u8_get(in.p, &len))) in.p += len, in.n -= len;
    while (right && in.n) {
        const char *last = u8_prev(in.p + in.n, in.p);
        if (!uc_is_space(u8_get(last, &len))) break;
        in.n = (size_t)(last - in.p);
    }
    return in;
}

static int run_replace(const norm_step *s, sh_str in, sh_buf *out, sh_regex_work *work, sh_err *err)
{
    size_t done = 0, begin, end;
    for (size_t from = 0; from <= in.n;) {
        int found = 0;
        if (s->regex) {
            if ((found = sh_regex_find(s->regex, work, in.p, in.n, from, &begin, &end, err)) < 0)
                return found;
        } else if (s->pattern.n && from < in.n) {
            const char *hit = find_bytes(in.p + from, in.n - from, s->pattern);
            found = hit != NULL;
            begin = hit ? (size_t)(hit - in.p) : 0;
            end = begin + s->pattern.n;
        }
        if (!found) break;
        sh_buf_add(out, in.p + done, begin - done);
        sh_buf_add(out, s->content.p, s->content.n);
        done = end;
        from = end > begin ? end : end < in.n ? end + u8_len(in.p + end) : in.n + 1;
    }
    sh_buf_add(out, in.p + done, in.n - done);
    return SH_OK;
}

static void run_nmt(sh_str in, sh_buf *out)
{
    for (size_t i = 0, len; i < in.n; i += len) {
        uint32_t c = u8_get(in.p + i, &len);
        if ((c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f)
            continue;
        if (c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
            c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd)
            sh_buf_putc(out, ' ');
        else
            sh_buf_add(out, in.p + i, len);
    }
}

/* --- BERT --- */

/* Cleaning, spaces round ideographs and ASCII lower case in one pass; true when something is not ASCII. */
static bool bert_clean(const norm_step *s, sh_str in, sh_buf *out)
{
    bool other = false;
    sh_buf_reserve(out, in.n);
    for (size_t i = 0, len; i < in.n; i += len) {
        uint32_t cp = u8_get(in.p + i, &len);
        if (s->clean &&
            (cp == 0 || cp == 0xfffd || (cp != '\t' && cp != '\n' && cp != '\r' && uc_is_other(cp))))
            continue;
        if (s->clean && uc_is_space(cp)) {
            sh_buf_putc(out, ' ');
        } else if (cp < 0x80) {
            sh_buf_putc(out, (char)(s->lower && cp - 'A' < 26 ? cp + 32 : cp));
        } else {
            bool spaced = s->cjk && uc_is_cjk(cp);
            other = true;
            if (spaced) sh_buf_putc(out, ' ');
            sh_buf_add(out, in.p + i, len);
            if (spaced) sh_buf_putc(out, ' ');
        }
    }
    return other;
}

static void run_bert(const norm_step *s, sh_str in, sh_buf *out)
{
    sh_buf a = {0}, b = {0};
    if (bert_clean(s, in, &a) && (s->accents || s->lower)) {
        if (s->accents) {
            run_form(NORM_NFD, sh_buf_str(&a), &b);
            sh_buf_reset(&a);
            run_strip_marks(sh_buf_str(&b), &a, false);
            sh_buf_reset(&b);
        }
        if (s->lower)
            run_lower(sh_buf_str(&a), out);
        else
            sh_buf_add(out, a.p, a.n);
    } else {
        sh_buf_add(out, sh_buf_str(&a).p, a.n);
    }
    if (a.failed || b.failed) out->failed = true;
    sh_buf_clear(&a);
    sh_buf_clear(&b);
}

/* --- precompiled charsmap --- */

int tok_set_charsmap(norm_step *s, sh_arena *arena, const void *data, size_t n, const char *where,
                     sh_err *err)
{
    const uint8_t *p = data;
    if (n < 4) return sh_fail(err, SH_E_CORRUPT, "%s: a character map of %zu bytes has no header", where, n);
    size_t trie = sh_get_u32(p);
    if (trie % 4 || trie > n - 4)
        return sh_fail(err, SH_E_CORRUPT, "%s: the character map's trie of %zu bytes does not fit its %zu",
                       where, trie, n);
    char *copy = sh_arena_strndup(arena, data, n); /* the NUL ends the last string */
    if (!copy) return sh_fail_nomem(err, n);
    s->trie = (const uint8_t *)copy + 4;
    s->n_trie = trie / 4;
    s->strings = copy + 4 + trie;
    s->n_strings = n - 4 - trie;
    return SH_OK;
}

/* Walk the double array (darts-clone's layout) along p; the longest or the first key met. False when none is.
 */
static bool charsmap_find(const norm_step *s, const char *p, size_t n, bool longest, size_t *len, sh_str *to)
{
    bool found = false;
    if (!s->n_trie) return false;
    uint32_t unit = sh_get_u32(s->trie), at = (unit >> 10) << ((unit & 0x200) >> 6);
    for (size_t i = 0; i < n && p[i]; i++) {
        at ^= (uint8_t)p[i];
        if (at >= s->n_trie) break;
        unit = sh_get_u32(s->trie + 4 * (size_t)at);
        if ((unit & 0x800000ffu) != (uint8_t)p[i]) break;
        at ^= (unit >> 10) << ((unit & 0x200) >> 6);
        if (!(unit >> 8 & 1)) continue;
        if (at >= s->n_trie) break;
        size_t value = sh_get_u32(s->trie + 4 * (size_t)at) & 0x7fffffffu;
        if (value >= s->n_strings) break;
        found = true;
        *len = i + 1;
        *to = sh_str_of(s->strings + value);
        if (!longest) break;
    }
    return found;
}

/* End of the grapheme cluster that begins at in.p[i]. */
static size_t cluster_end(sh_str in, size_t i)
{
    size_t len;
    utf8proc_int32_t state = 0;
    uint32_t cp = u8_get(in.p + i, &len);
    for (i += len; i < in.n; i += len) {
        uint32_t next = u8_get(in.p + i, &len);
        if (cp < 0x80 && next < 0x80 && !(cp == '\r' && next == '\n')) break;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state)) break;
        cp = next;
    }
    return i;
}

/* The tokenizers library maps whole clusters of up to five bytes by the first key met, else each character
 * so. */
static void run_charsmap(const norm_step *s, sh_str in, sh_buf *out)
{
    size_t len;
    sh_str to;
    for (size_t i = 0, end; i < in.n; i = end) {
        end = cluster_end(in, i);
        if (end - i < 6 && charsmap_find(s, in.p + i, end - i, false, &len, &to)) {
            sh_buf_add(out, to.p, to.n);
            continue;
        }
        for (size_t c; i < end; i += c) {
            c = u8_len(in.p + i);
            if (charsmap_find(s, in.p + i, c, false, &len, &to))
                sh_buf_add(out, to.p, to.n);
            else
                sh_buf_add(out, in.p + i, c);
        }
    }
}

/* --- sentencepiece --- */

/* What the text at p begins with becomes; *len bytes of input are used. */
static sh_str spm_prefix(const norm_step *s, const tok_trie *frozen, const char *p, size_t n, size_t *len)
{
    int32_t id;
    sh_str to;
    if (frozen && (*len = tok_trie_longest(frozen, p, n, &id)) > 0) return sh_str_n(p, *len);
    if (charsmap_find(s, p, n, true, len, &to)) return to;
    *len = u8_len(p);
    return sh_str_n(p, *len);
}

static void spm_add(const norm_step *s, sh_buf *out, sh_str piece)
{
    for (size_t i = 0; i < piece.n;) {
        const char *space = s->escape ? memchr(piece.p + i, ' ', piece.n - i) : NULL;
        size_t end = space ? (size_t)(space - piece.p) : piece.n;
        sh_buf_add(out, piece.p + i, end - i);
        if (space) sh_buf_add(out, META, META_BYTES);
        i = end + (space != NULL);
    }
}

static void run_spm(const norm_step *s, const tok_trie *frozen, sh_str in, sh_buf *out)
{
    size_t i = 0, len, begin = out->n;
    while (s->remove_spaces && i < in.n && sh_str_is(spm_prefix(s, frozen, in.p + i, in.n - i, &len), " "))
        i += len;
    if (i == in.n) return;
    const char *space = s->escape ? META : " ";
    size_t n_space = strlen(space);
    sh_buf_reserve(out, in.n + in.n / 4);
    if (s->dummy_prefix && !s->suffix) sh_buf_add(out, space, n_space);
    bool after_space = s->remove_spaces;
    for (; i < in.n; i += len) {
        sh_str piece = spm_prefix(s, frozen, in.p + i, in.n - i, &len);
        while (after_space && piece.n && *piece.p == ' ') piece.p++, piece.n--;
        if (piece.n) {
            spm_add(s, out, piece);
            after_space = piece.p[piece.n - 1] == ' ';
        }
        if (!s->remove_spaces) after_space = false;
    }
    while (s->remove_spaces && out->n - begin >= n_space &&
           memcmp(out->p + out->n - n_space, space, n_space) == 0)
        out->n -= n_space;
    if (s->dummy_prefix && s->suffix) sh_buf_add(out, space, n_space);
}

/* --- running --- */

static int run_step(const norm_step *s, const tok_trie *frozen, sh_str in, sh_buf *out, sh_regex_work *work,
                    sh_err *err)
{
    switch (s->kind) {
    case NORM_NFC:
    case NORM_NFD:
    case NORM_NFKC:
    case NORM_NFKD:
        run_form(s->kind, in, out);
        break;
    case NORM_LOWER:
        run_lower(in, out);
        break;
    case NORM_STRIP:
        in = strip(in, s->left, s->right);
        sh_buf_add(out, in.p, in.n);
        break;
    case NORM_STRIP_ACCENTS:
        run_strip_marks(in, out, true);
        break;
    case NORM_REPLACE:
        return run_replace(s, in, out, work, err);
    case NORM_PREPEND:
        if (in.n) sh_buf_add(out, s->content.p, s->content.n);
        sh_buf_add(out, in.p, in.n);
        break;
    case NORM_CHARSMAP:
        run_charsmap(s, in, out);
        break;
    case NORM_BERT:
        run_bert(s, in, out);
        break;
    case NORM_NMT:
        run_nmt(in, out);
        break;
    case NORM_SPM:
        run_spm(s, frozen, in, out);
        break;
    case NORM_BYTES:
        vocab_map(out, in.p, in.n);
        break;
    }
    return SH_OK;
}

int norm_steps(const norm_step *steps, size_t n_steps, const tok_trie *frozen, sh_str text, sh_buf bufs[2],
               sh_regex_work *work, sh_str *out, sh_err *err)
{
    int rc;
    for (size_t i = 0; i < n_steps; i++) {
        sh_buf *to = &bufs[i & 1];
        sh_buf_reset(to);
        if ((rc = run_step(&steps[i], frozen, text, to, work, err)) < 0) return rc;
        if ((rc = sh_buf_ok(to, err)) < 0) return rc;
        text = sh_buf_str(to);
    }
    *out = text;
    return SH_OK;
}

int norm_run(tok_enc *e, const char *p, size_t n, sh_str *out)
{
    const sh_tokenizer *t = e->t;
    return norm_steps(t->norm, t->n_norm, t->user_frozen ? &t->added.normal : NULL, sh_str_n(p, n), e->norm,
                      &e->regex, out, e->err);
}
