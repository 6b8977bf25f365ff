/* added.c - cutting added tokens out of a text, and the order of the stages round them.
 *
 * At each place the longest added token wins, and the scan goes on behind it (leftmost-longest, as an
 * Aho-Corasick automaton reports). single_word refuses a match beside a word character; lstrip and rstrip
 * take the white space on that side into the token. A token refused because special tokens are to stay text
 * is passed over whole. */
#include "text/tokenizer_internal.h"

#include <string.h>

typedef int (*text_fn)(tok_enc *e, const char *p, size_t n, size_t offset);

static bool word_before(const char *begin, const char *p)
{
    size_t len;
    return p > begin && uc_is_word(u8_get(u8_prev(p, begin), &len));
}

static bool word_after(const char *p, const char *end)
{
    size_t len;
    return p < end && uc_is_word(u8_get(p, &len));
}

/* Whether the bytes [begin, end) of the whole text touch a span that is to stay plain. */
static bool in_plain(const tok_enc *e, size_t begin, size_t end)
{
    size_t lo = 0, hi = e->n_plain;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (e->plain[mid].end <= begin)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < e->n_plain && e->plain[lo].begin < end;
}

static const char *skip_left(const char *p, const char *limit)
{
    size_t len;
    while (p > limit) {
        const char *q = u8_prev(p, limit);
        if (!uc_is_space(u8_get(q, &len))) break;
        p = q;
    }
    return p;
}

static const char *skip_right(const char *p, const char *end)
{
    size_t len;
    while (p < end && uc_is_space(u8_get(p, &len))) p += len;
    return p;
}

/* offset: where p lies in the whole text; plain_all: special tokens stay text throughout. */
static int cut(tok_enc *e, const tok_trie *trie, const char *p, size_t n, size_t offset, bool plain_all,
               bool exact, text_fn text)
{
    const tok_added *items = e->t->added.items;
    const char *end = p + n, *done = p;
    int rc;
    for (const char *q = p; q < end;) {
        int32_t which;
        size_t len = trie->root[(uint8_t)*q] ? tok_trie_longest(trie, q, (size_t)(end - q), &which) : 0;
        if (!len) {
            q++;
            continue;
        }
        const tok_added *a = &items[which];
        const char *begin = q, *stop = q + len;
        q = stop;
        size_t at = offset + (size_t)(begin - p);
        if (a->special && (plain_all || (exact && in_plain(e, at, at + len)))) continue;
        if (a->single_word && (word_before(p, begin) || word_after(stop, end))) continue;
        if (a->lstrip) begin = skip_left(begin, begin < done ? begin : done);
        if (a->rstrip) stop = skip_right(stop, end);
        if (begin > done && (rc = text(e, done, (size_t)(begin - done), offset + (size_t)(done - p))) < 0)
            return rc;
        if (e->on_piece)
            rc = e->on_piece(e->ud, begin, (size_t)(stop - begin));
        else
            enc_emit(e, a->id), rc = SH_OK;
        if (rc < 0) return rc;
        done = stop;
    }
    return end > done ? text(e, done, (size_t)(end - done), offset + (size_t)(done - p)) : SH_OK;
}

/* A normalised stretch without added tokens; offset 0 is the beginning of the text. */
static int enc_rest(tok_enc *e, const char *p, size_t n, size_t offset)
{
    return split_run(e, p, n, offset == 0);
}

static int enc_stretch(tok_enc *e, const char *p, size_t n, size_t offset)
{
    const sh_tokenizer *t = e->t;
    sh_str text = sh_str_n(p, n);
    int rc;
    if (t->n_norm && (rc = norm_run(e, p, n, &text)) < 0) return rc;
    if (!t->added.has_normal) return split_run(e, text.p, text.n, offset == 0);
    bool plain = !e->parse_special || (e->n_plain && in_plain(e, offset, offset + n));
    /* offsets inside the normalised text only say whether something came before it */
    return cut(e, &t->added.normal, text.p, text.n, offset, plain, false, enc_rest);
}

int enc_text(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    if (!n) return SH_OK;
    if (!t->added.has_raw) return enc_stretch(e, p, n, 0);
    return cut(e, &t->added.raw, p, n, 0, !e->parse_special, true, enc_stretch);
}
