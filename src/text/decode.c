/* decode.c - ids back to text at once.
 *
 * A decoder is a chain of steps over a list of strings, one per token, as tokenizer.json describes it.
 * Byte-level vocabularies skip the lists: their raw bytes are joined and ill-formed parts replaced.
 * Sentencepiece's own decoder works on the ids, because the kind of a piece matters to it. */
#include "text/tokenizer_internal.h"

#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";
enum { REPLACEMENT_BYTES = 3 };

void decode_lossy(sh_buf *out, const char *p, size_t n)
{
    size_t done = 0;
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp;
        bool ok;
        len = sh_utf8_decode(p + i, n - i, &cp, &ok);
        if (ok) continue;
        sh_buf_add(out, p + done, i - done);
        sh_buf_add(out, replacement, REPLACEMENT_BYTES);
        done = i + len;
    }
    sh_buf_add(out, p + done, n - done);
}

/* --- lists of strings --- */

typedef struct strings {
    sh_buf text, ends; /* ends: size_t each, exclusive */
} strings;

static size_t strings_count(const strings *s)
{
    return s->ends.n / sizeof(size_t);
}

static void strings_end(strings *s)
{
    size_t end = s->text.n;
    sh_buf_add(&s->ends, &end, sizeof end);
}

static void strings_add(strings *s, const char *p, size_t n)
{
    sh_buf_add(&s->text, p, n);
    strings_end(s);
}

static sh_str strings_get(const strings *s, size_t i)
{
    size_t begin = 0, end;
    if (i) memcpy(&begin, s->ends.p + (i - 1) * sizeof begin, sizeof begin);
    memcpy(&end, s->ends.p + i * sizeof end, sizeof end);
    return sh_str_n(sh_buf_str(&s->text).p + begin, end - begin);
}

static void strings_reset(strings *s)
{
    sh_buf_reset(&s->text);
    sh_buf_reset(&s->ends);
}

static void strings_clear(strings *s)
{
    sh_buf_clear(&s->text);
    sh_buf_clear(&s->ends);
}

/* --- steps --- */

static void add_replaced(sh_buf *out, sh_str s, sh_str from, sh_str to)
{
    size_t i = 0;
    while (from.n && i < s.n) {
        const char *hit = find_bytes(s.p + i, s.n - i, from);
        if (!hit) break;
        sh_buf_add(out, s.p + i, (size_t)(hit - s.p) - i);
        sh_buf_add(out, to.p, to.n);
        i = (size_t)(hit - s.p) + from.n;
    }
    sh_buf_add(out, s.p + i, s.n - i);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The byte of "<0xNN>", or -1. */
static int byte_of(sh_str s)
{
    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>') return -1;
    int hi = hex(s.p[3]), lo = hex(s.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

/* A run of byte tokens is text when it is UTF-8 as a whole, else a replacement per byte. */
static void flush_bytes(strings *out, sh_buf *bytes)
{
    if (!bytes->n) return;
    if (sh_utf8_valid(bytes->p, bytes->n)) {
        strings_add(out, bytes->p, bytes->n);
    } else {
        for (size_t i = 0; i < bytes->n; i++) strings_add(out, replacement, REPLACEMENT_BYTES);
    }
    sh_buf_reset(bytes);
}

static void run_byte_fallback(const strings *in, strings *out)
{
    sh_buf bytes = {0};
    for (size_t i = 0; i < strings_count(in); i++) {
        sh_str s = strings_get(in, i);
        int b = byte_of(s);
        if (b >= 0) {
            sh_buf_putc(&bytes, (char)b);
            continue;
        }
        flush_bytes(out, &bytes);
        strings_add(out, s.p, s.n);
    }
    flush_bytes(out, &bytes);
    if (bytes.failed) out->text.failed = true;
    sh_buf_clear(&bytes);
}

static void run_strip(const dec_step *d, const strings *in, strings *out)
{
    for (size_t i = 0; i < strings_count(in); i++) {
        sh_str s = strings_get(in, i), c = d->content;
        for (size_t k = 0; k < d->start && s.n >= c.n && c.n && memcmp(s.p, c.p, c.n) == 0; k++)
            s.p += c.n, s.n -= c.n;
        for (size_t k = 0; k < d->stop && s.n >= c.n && c.n && memcmp(s.p + s.n - c.n, c.p, c.n) == 0; k++)
            s.n -= c.n;
        strings_add(out, s.p, s.n);
    }
}

static void run_meta(const dec_step *d, const strings *in, strings *out)
{
    for (size_t i = 0; i < strings_count(in); i++) {
        bool drop = i == 0 && !d->keep_first;
        add_replaced(&out->text, strings_get(in, i), d->pattern, drop ? sh_str_n("", 0) : sh_str_n(" ", 1));
        strings_end(out);
    }
}

/* The tight forms that the WordPiece decoder's cleanup makes, in its order. */
static void cleanup(sh_buf *out, sh_str s)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    sh_buf a = {0}, b = {0};
    sh_buf_add(&a, s.p, s.n);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        sh_buf_reset(&b);
        add_replaced(&b, sh_buf_str(&a), sh_str_of(pairs[i][0]), sh_str_of(pairs[i][1]));
        sh_buf swap = a;
        a = b;
        b = swap;
    }
    sh_buf_add(out, sh_buf_str(&a).p, a.n);
    if (a.failed || b.failed) out->failed = true;
    sh_buf_clear(&a);
    sh_buf_clear(&b);
}

static void run_wordpiece(const dec_step *d, const strings *in, strings *out)
{
    sh_buf word = {0};
    for (size_t i = 0; i < strings_count(in); i++) {
        sh_str s = strings_get(in, i);
        sh_buf_reset(&word);
        if (i && s.n >= d->pattern.n && memcmp(s.p, d->pattern.p, d->pattern.n) == 0)
            s.p += d->pattern.n, s.n -= d->pattern.n;
        else if (i)
            sh_buf_putc(&word, ' ');
        sh_buf_add(&word, s.p, s.n);
        if (d->cleanup)
            cleanup(&out->text, sh_buf_str(&word));
        else
            sh_buf_add(&out->text, sh_buf_str(&word).p, word.n);
        strings_end(out);
    }
    if (word.failed) out->text.failed = true;
    sh_buf_clear(&word);
}

static void run_bpe(const dec_step *d, const strings *in, strings *out)
{
    size_t n = strings_count(in);
    for (size_t i = 0; i < n; i++) {
        add_replaced(&out->text, strings_get(in, i), d->pattern,
                     i + 1 == n ? sh_str_n("", 0) : sh_str_n(" ", 1));
        strings_end(out);
    }
}

static void run_bytes(const strings *in, strings *out)
{
    sh_buf raw = {0};
    for (size_t i = 0; i < strings_count(in); i++) {
        sh_str s = strings_get(in, i);
        if (sh_utf8_valid(s.p, s.n))
            vocab_unmap(&raw, s);
        else
            sh_buf_add(&raw, s.p, s.n);
    }
    decode_lossy(&out->text, sh_buf_str(&raw).p, raw.n);
    strings_end(out);
    if (raw.failed) out->text.failed = true;
    sh_buf_clear(&raw);
}

static int run_regex_replace(const dec_step *d, const strings *in, strings *out, sh_err *err)
{
    sh_regex_work work = {0};
    int rc = SH_OK;
    norm_step step = {.kind = NORM_REPLACE, .regex = d->regex, .content = d->content};
    sh_buf bufs[2] = {0};
    for (size_t i = 0; i < strings_count(in) && rc == SH_OK; i++) {
        sh_str s;
        if ((rc = norm_steps(&step, 1, NULL, strings_get(in, i), bufs, &work, &s, err)) == SH_OK)
            strings_add(out, s.p, s.n);
    }
    sh_buf_clear(&bufs[0]);
    sh_buf_clear(&bufs[1]);
    sh_regex_work_clear(&work);
    return rc;
}

static int run_step(const dec_step *d, const strings *in, strings *out, sh_err *err)
{
    switch (d->kind) {
    case DEC_BYTES:
        run_bytes(in, out);
        break;
    case DEC_REPLACE:
        if (d->regex) return run_regex_replace(d, in, out, err);
        for (size_t i = 0; i < strings_count(in); i++) {
            add_replaced(&out->text, strings_get(in, i), d->pattern, d->content);
            strings_end(out);
        }
        break;
    case DEC_BYTE_FALLBACK:
        run_byte_fallback(in, out);
        break;
    case DEC_FUSE:
        strings_add(out, sh_buf_str(&in->text).p, in->text.n);
        break;
    case DEC_STRIP:
        run_strip(d, in, out);
        break;
    case DEC_META:
        run_meta(d, in, out);
        break;
    case DEC_WORDPIECE:
        run_wordpiece(d, in, out);
        break;
    case DEC_BPE:
        run_bpe(d, in, out);
        break;
    case DEC_JOIN:
        for (size_t i = 0; i < strings_count(in); i++) {
            sh_str s = strings_get(in, i);
            if (i) sh_buf_putc(&out->text, ' ');
            strings_add(out, s.p, s.n);
        }
        break;
    case DEC_SPM:
        break; /* works on ids: spm_decode */
    }
    return SH_OK;
}

/* --- sentencepiece: ids, because the kind of a piece matters --- */

static void spm_flush_bytes(sh_buf *out, sh_buf *bytes)
{
    for (size_t i = 0, len; i < bytes->n; i += len) {
        uint32_t cp;
        bool ok;
        len = sh_utf8_decode(bytes->p + i, bytes->n - i, &cp, &ok);
        if (!ok) len = 1;
        sh_buf_add(out, ok ? bytes->p + i : replacement, ok ? len : REPLACEMENT_BYTES);
    }
    sh_buf_reset(bytes);
}

static void spm_decode(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special, sh_buf *out)
{
    const dec_step *d = &t->dec[0];
    const sh_str meta = {META, META_BYTES}, space = {" ", 1};
    sh_buf bytes = {0};
    size_t begin = out->n;
    bool at_start = !d->keep_first, seen = false;
    for (size_t i = 0; i < n; i++) {
        uint8_t type = t->vocab.type[ids[i]];
        sh_str s = vocab_text(&t->vocab, ids[i]);
        int b = type == TOK_BYTE ? byte_of(s) : -1;
        if (b >= 0) {
            sh_buf_putc(&bytes, (char)b);
            continue;
        }
        spm_flush_bytes(out, &bytes);
        if (type == TOK_CONTROL) {
            if (!skip_special) sh_buf_add(out, s.p, s.n);
            continue;
        }
        if (type == TOK_UNKNOWN) {
            sh_buf_puts(out, " \xe2\x81\x87 ");
            continue;
        }
        if (seen || out->n > begin) at_start = false;
        if (at_start && s.n >= META_BYTES && memcmp(s.p, META, META_BYTES) == 0) {
            s.p += META_BYTES;
            s.n -= META_BYTES;
            seen = !d->all_leading;
        }
        add_replaced(out, s, meta, space);
    }
    spm_flush_bytes(out, &bytes);
    if (bytes.failed) out->failed = true;
    sh_buf_clear(&bytes);
}

/* --- whole --- */

bool decode_is_bytes(const sh_tokenizer *t)
{
    return t->n_dec == 1 && t->dec[0].kind == DEC_BYTES && t->vocab.byte_level;
}

static int check_ids(const sh_tokenizer *t, const sh_token *ids, size_t n, sh_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= t->vocab.n)
            return sh_fail(err, SH_E_RANGE, "token %d at place %zu is outside the vocabulary of %d",
                           (int)ids[i], i, (int)t->vocab.n);
    return SH_OK;
}

bool decode_skips(const sh_tokenizer *t, sh_token id, bool skip_special)
{
    return skip_special && sh_tokenizer_is_special(t, id);
}

static int decode_steps(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special, sh_buf *out,
                        sh_err *err)
{
    strings a = {0}, b = {0};
    int rc = SH_OK;
    for (size_t i = 0; i < n; i++) {
        if (decode_skips(t, ids[i], skip_special)) continue;
        sh_str s = vocab_text(&t->vocab, ids[i]);
        if (t->vocab.type[ids[i]] == TOK_UNUSED && !s.n) continue; /* a gap in the numbering */
        strings_add(&a, s.p, s.n);
    }
    for (size_t k = 0; k < t->n_dec && rc == SH_OK; k++) {
        strings_reset(&b);
        rc = run_step(&t->dec[k], &a, &b, err);
        strings swap = a;
        a = b;
        b = swap;
    }
    if (rc == SH_OK && (a.text.failed || a.ends.failed || b.text.failed)) rc = sh_fail_nomem(err, n);
    if (rc == SH_OK) decode_lossy(out, sh_buf_str(&a.text).p, a.text.n);
    strings_clear(&a);
    strings_clear(&b);
    return rc;
}

int sh_tokenizer_decode_to(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special,
                           sh_buf *out, sh_err *err)
{
    int rc = check_ids(t, ids, n, err);
    if (rc < 0) return rc;
    if (decode_is_bytes(t)) {
        sh_buf raw = {0};
        for (size_t i = 0; i < n; i++) {
            sh_str s = vocab_raw(&t->vocab, ids[i]);
            if (!decode_skips(t, ids[i], skip_special)) sh_buf_add(&raw, s.p, s.n);
        }
        decode_lossy(out, sh_buf_str(&raw).p, raw.n);
        rc = sh_buf_ok(&raw, err);
        sh_buf_clear(&raw);
    } else if (t->n_dec == 1 && t->dec[0].kind == DEC_SPM) {
        sh_buf raw = {0};
        spm_decode(t, ids, n, skip_special, &raw);
        decode_lossy(out, sh_buf_str(&raw).p, raw.n);
        rc = sh_buf_ok(&raw, err);
        sh_buf_clear(&raw);
    } else {
        rc = decode_steps(t, ids, n, skip_special, out, err);
    }
    return rc < 0 ? rc : sh_buf_ok(out, err);
}

int64_t sh_tokenizer_decode(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special,
                            char *out, size_t cap, sh_err *err)
{
    sh_buf text = {0};
    int rc = sh_tokenizer_decode_to(t, ids, n, skip_special, &text, err);
    int64_t total = rc < 0 ? rc : (int64_t)text.n;
    size_t fits = text.n < cap ? text.n : cap;
    if (rc == SH_OK && out && fits) memcpy(out, text.p, fits);
    sh_buf_clear(&text);
    return total;
}
