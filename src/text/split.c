/* split.c - cutting a normalised stretch into the pieces that the model sees.
 *
 * The usual layouts (one known pattern, with or without the byte alphabet) walk the text and hand each piece
 * on at once. Any other sequence of steps passes lists of pieces from one buffer to another. */
#include "text/tokenizer_internal.h"

#include <string.h>

/* --- lists of pieces --- */

static int piece_end(tok_pieces *out, sh_err *err)
{
    if (out->text.n == (out->n ? out->end[out->n - 1] : 0)) return SH_OK; /* empty pieces are none */
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 64;
        size_t *end = sh_realloc(out->end, cap, sizeof *end);
        if (!end) return sh_fail_nomem(err, cap * sizeof *end);
        out->end = end;
        out->cap = cap;
    }
    out->end[out->n++] = out->text.n;
    return SH_OK;
}

static int piece_add(tok_pieces *out, const char *p, size_t n, sh_err *err)
{
    sh_buf_add(&out->text, p, n);
    return piece_end(out, err);
}

/* Alternating stretches of matches and gaps become pieces as the behavior says. */
typedef struct cutter {
    const split_step *step;
    tok_pieces *out;
    const char *p;
    size_t begin, end; /* the piece held back */
    bool held, held_match;
    sh_err *err;
} cutter;

static int cutter_flush(cutter *c)
{
    if (!c->held) return SH_OK;
    c->held = false;
    return piece_add(c->out, c->p + c->begin, c->end - c->begin, c->err);
}

static int cutter_add(cutter *c, size_t begin, size_t end, bool match)
{
    if (c->step->invert) match = !match;
    bool join = false;
    switch (c->step->behavior) {
    case SPLIT_REMOVED:
        if (match) return cutter_flush(c);
        break;
    case SPLIT_ISOLATED:
        break;
    case SPLIT_CONTIGUOUS:
        join = c->held && match == c->held_match;
        break;
    case SPLIT_PREVIOUS:
        join = c->held && match && !c->held_match;
        break;
    case SPLIT_NEXT:
        join = c->held && !match && c->held_match;
        break;
    }
    int rc = join ? SH_OK : cutter_flush(c);
    if (!join) c->begin = begin;
    c->end = end;
    c->held = true;
    c->held_match = match;
    return rc;
}

/* --- steps over one piece --- */

static int run_regex(tok_enc *e, cutter *c, const char *p, size_t n)
{
    const split_step *s = c->step;
    size_t done = 0, begin = 0, end = 0;
    int rc;
    for (size_t from = 0; from <= n;) {
        int found = 0;
        if (s->kind == SPLIT_PATTERN) {
            if ((found = sh_regex_find(s->regex, &e->regex, p, n, from, &begin, &end, e->err)) < 0)
                return found;
        } else if (from < n) {
            const char *hit = find_bytes(p + from, n - from, s->string);
            found = hit != NULL;
            begin = hit ? (size_t)(hit - p) : 0;
            end = begin + s->string.n;
        }
        if (!found) break;
        if (begin > done && (rc = cutter_add(c, done, begin, false)) < 0) return rc;
        if (end > begin && (rc = cutter_add(c, begin, end, true)) < 0) return rc;
        done = end;
        from = end > begin ? end : end < n ? end + u8_len(p + end) : n + 1;
    }
    if (done < n && (rc = cutter_add(c, done, n, false)) < 0) return rc;
    return SH_OK;
}

static bool char_matches(enum split_kind kind, uint32_t cp)
{
    if (kind == SPLIT_DIGITS) return (uc_classify(cp) & UC_N) != 0;
    if (kind == SPLIT_PUNCTUATION) return uc_is_punct_bert(cp);
    return uc_is_space(cp);
}

static int run_chars(cutter *c, const char *p, size_t n)
{
    size_t gap = 0, len;
    int rc;
    for (size_t i = 0; i < n; i += len) {
        if (!char_matches(c->step->kind, u8_get(p + i, &len))) continue;
        if (i > gap && (rc = cutter_add(c, gap, i, false)) < 0) return rc;
        if ((rc = cutter_add(c, i, i + len, true)) < 0) return rc;
        gap = i + len;
    }
    return n > gap ? cutter_add(c, gap, n, false) : SH_OK;
}

static int run_fast(tok_enc *e, enum fast_pattern which, const char *p, size_t n, tok_pieces *out)
{
    int rc;
    for (const char *end = p + n; p < end;) {
        size_t len = fast_next(which, e->t->classes, p, end);
        if ((rc = piece_add(out, p, len, e->err)) < 0) return rc;
        p += len;
    }
    return SH_OK;
}

static int run_bert(tok_enc *e, const char *p, size_t n, tok_pieces *out)
{
    int rc;
    size_t len;
    for (size_t i = 0, begin = 0; i <= n; i += len) {
        uint32_t cp = ' ';
        len = 1;
        if (i < n) cp = u8_get(p + i, &len);
        bool space = uc_is_space(cp), punct = !space && uc_is_punct_bert(cp);
        if (!space && !punct) continue;
        if ((rc = piece_add(out, p + begin, i - begin, e->err)) < 0) return rc;
        if (punct && (rc = piece_add(out, p + i, len, e->err)) < 0) return rc;
        begin = i + len;
    }
    return SH_OK;
}

static int run_meta(tok_enc *e, const split_step *s, const char *p, size_t n, bool first, tok_pieces *out)
{
    int rc;
    bool starts = n && (*p == ' ' || (n >= s->string.n && memcmp(p, s->string.p, s->string.n) == 0));
    bool prepend = n && !starts && (s->prepend == META_ALWAYS || (s->prepend == META_FIRST && first));
    if (prepend) sh_buf_add(&out->text, s->string.p, s->string.n);
    for (size_t i = 0, end; i < n; i = end) {
        bool space = p[i] == ' ', meta = n - i >= s->string.n && memcmp(p + i, s->string.p, s->string.n) == 0;
        end = i + (space ? 1 : meta ? s->string.n : 1);
        if (space || meta) {
            if (s->split && (rc = piece_end(out, e->err)) < 0) return rc;
            sh_buf_add(&out->text, s->string.p, s->string.n);
        } else {
            while (end < n && p[end] != ' ' && p[end] != s->string.p[0]) end++;
            sh_buf_add(&out->text, p + i, end - i);
        }
    }
    return piece_end(out, e->err);
}

static int run_bytes(tok_enc *e, const split_step *s, const char *p, size_t n, tok_pieces *out)
{
    int rc;
    sh_buf text = {0};
    if (s->add_prefix_space && n && *p != ' ') {
        sh_buf_putc(&text, ' ');
        sh_buf_add(&text, p, n);
        if ((rc = sh_buf_ok(&text, e->err)) < 0) goto out;
        p = text.p;
        n = text.n;
    }
    size_t old = out->n;
    rc = s->use_regex ? run_fast(e, FAST_GPT2, p, n, out) : piece_add(out, p, n, e->err);
    if (rc < 0 || !e->t->mapped) goto out;
    /* write the same pieces again, in letters */
    size_t base = old ? out->end[old - 1] : 0, at = base;
    sh_buf raw = {0};
    sh_buf_add(&raw, sh_buf_str(&out->text).p + base, out->text.n - base);
    out->text.n = base;
    for (size_t i = old; i < out->n && !raw.failed; i++) {
        vocab_map(&out->text, raw.p + (at - base), out->end[i] - at);
        at = out->end[i];
        out->end[i] = out->text.n;
    }
    rc = sh_buf_ok(&raw, e->err);
    sh_buf_clear(&raw);
out:
    sh_buf_clear(&text);
    return rc;
}

static int run_length(tok_enc *e, const split_step *s, const char *p, size_t n, tok_pieces *out)
{
    int rc;
    size_t begin = 0, count = 0;
    for (size_t i = 0; i < n;) {
        i += u8_len(p + i);
        if (++count % s->length && i < n) continue;
        if ((rc = piece_add(out, p + begin, i - begin, e->err)) < 0) return rc;
        begin = i;
    }
    return SH_OK;
}

static int run_step(tok_enc *e, const split_step *s, const char *p, size_t n, bool first, tok_pieces *out)
{
    cutter c = {.step = s, .out = out, .p = p, .err = e->err};
    int rc = SH_OK;
    switch (s->kind) {
    case SPLIT_PATTERN:
    case SPLIT_STRING:
        rc = run_regex(e, &c, p, n);
        break;
    case SPLIT_DIGITS:
    case SPLIT_PUNCTUATION:
    case SPLIT_SPACES:
        rc = run_chars(&c, p, n);
        break;
    case SPLIT_FAST:
        return run_fast(e, s->fast, p, n, out);
    case SPLIT_BERT:
        return run_bert(e, p, n, out);
    case SPLIT_META:
        return run_meta(e, s, p, n, first, out);
    case SPLIT_BYTES:
        return run_bytes(e, s, p, n, out);
    case SPLIT_LENGTH:
        return run_length(e, s, p, n, out);
    }
    return rc < 0 ? rc : cutter_flush(&c);
}

/* --- running --- */

int enc_model(tok_enc *e, const char *p, size_t n)
{
    if (e->on_piece) return e->on_piece(e->ud, p, n);
    switch (e->t->model) {
    case MODEL_BPE:
    case MODEL_SPM:
        return bpe_encode(e, p, n);
    case MODEL_UNIGRAM:
        return unigram_encode(e, p, n);
    default:
        return wordpiece_encode(e, p, n);
    }
}

static int model_all(tok_enc *e, tok_pieces *in)
{
    bool unmap = e->t->mapped && e->t->vocab.byte_level;
    int rc = SH_OK;
    for (size_t i = 0, begin = 0; i < in->n && rc == SH_OK; begin = in->end[i++]) {
        const char *p = in->text.p + begin;
        size_t n = in->end[i] - begin;
        if (unmap) {
            sh_buf_reset(&e->tmp);
            vocab_unmap(&e->tmp, sh_str_n(p, n));
            if ((rc = sh_buf_ok(&e->tmp, e->err)) < 0) break;
            p = sh_buf_str(&e->tmp).p;
            n = e->tmp.n;
        }
        rc = enc_model(e, p, n);
    }
    return rc;
}

/* The pattern that alone decides the pieces, or FAST_COUNT. */
static enum fast_pattern only_pattern(const sh_tokenizer *t)
{
    const split_step *s = t->split;
    if (t->mapped || !t->n_split) return FAST_COUNT;
    if (t->n_split == 1 && s[0].kind == SPLIT_BYTES && s[0].use_regex && !s[0].add_prefix_space)
        return FAST_GPT2;
    if (s[0].kind != SPLIT_FAST) return FAST_COUNT;
    if (t->n_split == 1) return s[0].fast;
    bool plain = t->n_split == 2 && s[1].kind == SPLIT_BYTES && !s[1].use_regex && !s[1].add_prefix_space;
    return plain ? s[0].fast : FAST_COUNT;
}

int split_run(tok_enc *e, const char *p, size_t n, bool first)
{
    const sh_tokenizer *t = e->t;
    int rc;
    if (!n) return SH_OK;
    if (!t->n_split) return enc_model(e, p, n);
    enum fast_pattern only = only_pattern(t);
    if (only != FAST_COUNT) {
        for (const char *end = p + n; p < end;) {
            size_t len = fast_next(only, t->classes, p, end);
            if ((rc = enc_model(e, p, len)) < 0) return rc;
            p += len;
        }
        return SH_OK;
    }
    tok_pieces *from = &e->pieces[0], *to = &e->pieces[1];
    from->n = 0;
    sh_buf_reset(&from->text);
    if ((rc = piece_add(from, p, n, e->err)) < 0 || (rc = sh_buf_ok(&from->text, e->err)) < 0) return rc;
    for (size_t k = 0; k < t->n_split; k++) {
        to->n = 0;
        sh_buf_reset(&to->text);
        for (size_t i = 0, begin = 0; i < from->n; begin = from->end[i++]) {
            rc = run_step(e, &t->split[k], from->text.p + begin, from->end[i] - begin, first && begin == 0,
                          to);
            if (rc < 0) return rc;
        }
        if ((rc = sh_buf_ok(&to->text, e->err)) < 0) return rc;
        tok_pieces *swap = from;
        from = to;
        to = swap;
    }
    return model_all(e, from);
}
