/* detok.c - ids back to text piece by piece.
 *
 * A window of ids whose text is not certain is kept: text is given out when the window's decoding grew and
 * does not end in U+FFFD, because a character may still be unfinished there. Byte-level vocabularies keep the
 * bytes themselves. */
#include "text/tokenizer_internal.h"

#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";
enum { REPLACEMENT_BYTES = 3, MAX_HELD_BYTES = 4096, MAX_HELD_IDS = 64 };

static int check_id(const sh_tokenizer *t, sh_token id, sh_err *err)
{
    if (id >= 0 && id < t->vocab.n) return SH_OK;
    return sh_fail(err, SH_E_RANGE, "token %d is outside the vocabulary of %d", (int)id, (int)t->vocab.n);
}

struct sh_detok {
    const sh_tokenizer *t;
    bool skip_special, bytes;
    sh_buf held;    /* byte-level: raw bytes not given out; else the window's ids */
    sh_buf prefix;  /* what the window's first ids decode to, already given out */
    size_t n_given; /* ids of the window that `prefix` covers */
};

int sh_detok_open(sh_detok **out, const sh_tokenizer *t, bool skip_special, sh_err *err)
{
    sh_detok *d = sh_new(sizeof *d, err);
    if (!d) return SH_E_NOMEM;
    d->t = t;
    d->skip_special = skip_special;
    d->bytes = decode_is_bytes(t);
    *out = d;
    return SH_OK;
}

void sh_detok_free(sh_detok *d)
{
    if (!d) return;
    sh_buf_clear(&d->held);
    sh_buf_clear(&d->prefix);
    sh_free(d);
}

static bool ends_replaced(const char *p, size_t n)
{
    return n >= REPLACEMENT_BYTES && memcmp(p + n - REPLACEMENT_BYTES, replacement, REPLACEMENT_BYTES) == 0;
}

/* Whether the lossy reading of p[0..n) ends in U+FFFD. */
static bool ends_ill(const char *p, size_t n)
{
    size_t back = n < 4 ? n : 4;
    /* begin at a lead byte so that what is read last is read as in the whole */
    for (size_t k = 1; k <= back; k++) {
        unsigned char b = (unsigned char)p[n - k];
        if ((b & 0xc0) == 0x80 && k < back) continue;
        uint32_t cp;
        bool ok;
        size_t len = sh_utf8_decode(p + n - k, k, &cp, &ok);
        return !ok || len != k || cp == 0xfffd;
    }
    return false;
}

static int add_bytes(sh_detok *d, sh_token id, sh_buf *out, sh_err *err)
{
    if (decode_skips(d->t, id, d->skip_special)) return SH_OK;
    sh_str s = vocab_raw(&d->t->vocab, id);
    sh_buf_add(&d->held, s.p, s.n);
    int rc = sh_buf_ok(&d->held, err);
    if (rc < 0 || !d->held.n) return rc;
    if (ends_ill(d->held.p, d->held.n) && d->held.n < MAX_HELD_BYTES) return SH_OK;
    decode_lossy(out, d->held.p, d->held.n);
    sh_buf_reset(&d->held);
    return sh_buf_ok(out, err);
}

static sh_token *window(sh_detok *d)
{
    return (sh_token *)(void *)d->held.p;
}
static size_t window_count(const sh_detok *d)
{
    return d->held.n / sizeof(sh_token);
}

/* What the window says beyond the text already given out. */
static sh_str fresh(const sh_detok *d, const sh_buf *text)
{
    size_t same = 0, most = d->prefix.n < text->n ? d->prefix.n : text->n;
    while (same < most && d->prefix.p[same] == text->p[same]) same++;
    while (same && same < text->n && (text->p[same] & 0xc0) == 0x80) same--;
    return sh_str_n(sh_buf_str(text).p + same, text->n - same);
}

/* Forget the ids before those given out last; the rest is the next window's beginning. */
static int advance(sh_detok *d, sh_err *err)
{
    size_t drop = d->n_given * sizeof(sh_token);
    memmove(d->held.p, d->held.p + drop, d->held.n - drop);
    d->held.n -= drop;
    d->n_given = window_count(d);
    sh_buf_reset(&d->prefix);
    return sh_tokenizer_decode_to(d->t, window(d), d->n_given, d->skip_special, &d->prefix, err);
}

int sh_detok_add(sh_detok *d, sh_token id, sh_buf *out, sh_err *err)
{
    sh_buf text = {0};
    int rc = check_id(d->t, id, err);
    if (rc < 0) return rc;
    if (d->bytes) return add_bytes(d, id, out, err);
    if (decode_skips(d->t, id, d->skip_special)) return SH_OK;
    sh_buf_add(&d->held, &id, sizeof id);
    if ((rc = sh_buf_ok(&d->held, err)) < 0) goto out;
    if ((rc = sh_tokenizer_decode_to(d->t, window(d), window_count(d), d->skip_special, &text, err)) < 0)
        goto out;
    /* ill-formed bytes after a finished character can turn that one into U+FFFD too; it cannot be taken back,
     * so such text waits with the rest for the flush, or until much is held */
    bool grew = text.n > d->prefix.n && (!d->prefix.n || memcmp(text.p, d->prefix.p, d->prefix.n) == 0);
    bool full = window_count(d) >= MAX_HELD_IDS;
    if (!full && (!grew || ends_replaced(text.p, text.n))) goto out;
    sh_str more = fresh(d, &text);
    sh_buf_add(out, more.p, more.n);
    if ((rc = sh_buf_ok(out, err)) < 0) goto out;
    rc = advance(d, err);
out:
    sh_buf_clear(&text);
    return rc;
}

int sh_detok_flush(sh_detok *d, sh_buf *out, sh_err *err)
{
    sh_buf text = {0};
    int rc = SH_OK;
    if (d->bytes) {
        decode_lossy(out, sh_buf_str(&d->held).p, d->held.n);
    } else if (window_count(d) > d->n_given) {
        rc = sh_tokenizer_decode_to(d->t, window(d), window_count(d), d->skip_special, &text, err);
        sh_str more = fresh(d, &text);
        if (rc == SH_OK && text.n > d->prefix.n) sh_buf_add(out, more.p, more.n);
    }
    sh_buf_reset(&d->held);
    sh_buf_reset(&d->prefix);
    d->n_given = 0;
    sh_buf_clear(&text);
    return rc < 0 ? rc : sh_buf_ok(out, err);
}
