/* tokenizer.c - the public calls: encoding with its template, look-ups, and the end of a tokenizer. */
#include "text/tokenizer_internal.h"

#include <string.h>

/* --- one encode --- */

void *enc_scratch(tok_enc *e, size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size)) {
        sh_fail(e->err, SH_E_LIMIT, "a text is too long to encode");
        return NULL;
    }
    if (bytes <= e->scratch_bytes) return e->scratch;
    bytes += bytes / 2;
    void *p = sh_alloc(1, bytes);
    if (!p) {
        sh_fail_nomem(e->err, bytes);
        return NULL;
    }
    sh_free(e->scratch);
    e->scratch = p;
    e->scratch_bytes = bytes;
    return p;
}

void enc_clear(tok_enc *e)
{
    sh_buf_clear(&e->fixed);
    sh_buf_clear(&e->tmp);
    for (int i = 0; i < 2; i++) {
        sh_buf_clear(&e->norm[i]);
        sh_buf_clear(&e->pieces[i].text);
        sh_free(e->pieces[i].end);
    }
    sh_free(e->scratch);
    sh_regex_work_clear(&e->regex);
}

/* Each maximal ill-formed part becomes U+FFFD; a valid text is used where it lies. */
static int repair(tok_enc *e, const char **p, size_t *n)
{
    if (sh_utf8_valid(*p, *n)) return SH_OK;
    sh_buf_reset(&e->fixed);
    for (size_t i = 0, len; i < *n; i += len) {
        uint32_t cp;
        bool ok;
        len = sh_utf8_decode(*p + i, *n - i, &cp, &ok);
        if (ok)
            sh_buf_add(&e->fixed, *p + i, len);
        else
            sh_buf_add(&e->fixed, "\xef\xbf\xbd", 3);
    }
    *p = sh_buf_str(&e->fixed).p;
    *n = e->fixed.n;
    return sh_buf_ok(&e->fixed, e->err);
}

/* The spans as they lie after `repair`; one that begins or ends inside an ill-formed part takes all of it. */
static void repair_spans(const char *p, size_t n, const sh_span *in, size_t n_spans, sh_span *out)
{
    size_t from = 0, to = 0; /* the same place before and after */
    for (size_t k = 0; k < 2 * n_spans; k++) {
        size_t at = k & 1 ? in[k / 2].end : in[k / 2].begin;
        while (from < at && from < n) {
            uint32_t cp;
            bool ok;
            size_t len = sh_utf8_decode(p + from, n - from, &cp, &ok);
            from += len;
            to += ok ? len : 3;
        }
        if (k & 1)
            out[k / 2].end = to;
        else
            out[k / 2].begin = from > at ? to - 3 : to;
    }
}

static void emit_template(tok_enc *e, const tok_item *items, size_t n, bool before)
{
    size_t seq = 0;
    while (seq < n && items[seq].id != ITEM_A) seq++;
    for (size_t i = before ? 0 : seq + 1; i < (before ? seq : n); i++)
        if (items[i].id >= 0) enc_emit(e, items[i].id);
}

int64_t sh_tokenizer_encode_spans(const sh_tokenizer *t, const char *text, size_t n, const sh_span *plain,
                                  size_t n_plain, sh_encode_opts opts, sh_token *out, size_t cap, sh_err *err)
{
    tok_enc e = {.t = t, .out = out, .cap = out ? cap : 0, .parse_special = opts.parse_special, .err = err};
    const char *p = text;
    size_t n_fixed = n;
    sh_span *moved = NULL;
    int rc = repair(&e, &p, &n_fixed);
    if (rc < 0) goto out;
    if (n_plain && p != text) {
        moved = sh_new_array(n_plain, sizeof *moved, err);
        if (!moved) {
            rc = SH_E_NOMEM;
            goto out;
        }
        repair_spans(text, n, plain, n_plain, moved);
        plain = moved;
    }
    e.plain = plain;
    e.n_plain = n_plain;
    if (opts.add_special) emit_template(&e, t->single, t->n_single, true);
    rc = enc_text(&e, p, n_fixed);
    if (opts.add_special) emit_template(&e, t->single, t->n_single, false);
out:
    sh_free(moved);
    enc_clear(&e);
    return rc < 0 ? rc : (int64_t)e.n;
}

int64_t sh_tokenizer_encode(const sh_tokenizer *t, const char *text, size_t n, sh_encode_opts opts,
                            sh_token *out, size_t cap, sh_err *err)
{
    return sh_tokenizer_encode_spans(t, text, n, NULL, 0, opts, out, cap, err);
}

/* --- pairs --- */

/* The ids of one text alone, allocated. */
static int encode_alone(const sh_tokenizer *t, const char *text, size_t n, bool parse, sh_token **ids,
                        size_t *n_ids, sh_err *err)
{
    sh_encode_opts opts = {.parse_special = parse};
    size_t cap = n / 3 + 16;
    for (int round = 0; round < 2; round++) {
        sh_free(*ids);
        *ids = sh_new_array(cap, sizeof **ids, err);
        if (!*ids) return SH_E_NOMEM;
        int64_t got = sh_tokenizer_encode(t, text, n, opts, *ids, cap, err);
        if (got < 0) return (int)got;
        *n_ids = (size_t)got;
        if (*n_ids <= cap) break;
        cap = *n_ids;
    }
    return SH_OK;
}

/* How many ids of each text stay when both and n_special others must fit in max. */
static int truncate_pair(size_t *a, size_t *b, bool two, size_t n_special, const sh_pair_opts *opts,
                         sh_err *err)
{
    if (!opts->max_tokens || *a + *b + n_special <= opts->max_tokens) return SH_OK;
    if (opts->max_tokens < n_special)
        return sh_fail(err, SH_E_INVALID, "%zu tokens cannot hold the %zu special ones", opts->max_tokens,
                       n_special);
    size_t max = opts->max_tokens - n_special, over = *a + *b - max;
    enum sh_truncation how = two ? opts->truncation : SH_TRUNCATE_FIRST;
    if (how == SH_TRUNCATE_LONGEST) {
        size_t small = *a < *b ? *a : *b, large;
        large = small > max ? small : (max - small > small ? max - small : small);
        if (small + large > max) small = max / 2, large = small + max % 2;
        size_t *lo = *a <= *b ? a : b, *hi = lo == a ? b : a;
        *lo = small;
        *hi = large;
        return SH_OK;
    }
    size_t *cut = how == SH_TRUNCATE_FIRST ? a : b;
    if (*cut < over)
        return sh_fail(err, SH_E_INVALID, "the text to shorten has %zu tokens, %zu would have to go", *cut,
                       over);
    *cut -= over;
    return SH_OK;
}

typedef struct pair_out {
    sh_token *ids;
    int32_t *types;
    size_t cap, n;
} pair_out;

static void pair_put(pair_out *o, sh_token id, int32_t type)
{
    if (o->n < o->cap) {
        if (o->ids) o->ids[o->n] = id;
        if (o->types) o->types[o->n] = type;
    }
    o->n++;
}

int64_t sh_tokenizer_encode_pair(const sh_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                                 const sh_pair_opts *opts, sh_token *ids, int32_t *type_ids, size_t cap,
                                 sh_err *err)
{
    static const tok_item plain_items[] = {{ITEM_A, 0}, {ITEM_B, 1}};
    sh_token *seq[2] = {0};
    size_t len[2] = {0}, whole[2], n_special = 0, n_items = b ? t->n_pair : t->n_single;
    const tok_item *items = b ? t->pair : t->single;
    pair_out out = {.ids = ids, .types = type_ids, .cap = cap};
    int rc;
    if (!opts->add_special) items = plain_items, n_items = b ? 2 : 1;
    if ((rc = encode_alone(t, a, n_a, opts->parse_special, &seq[0], &len[0], err)) < 0) goto out;
    if (b && (rc = encode_alone(t, b, n_b, opts->parse_special, &seq[1], &len[1], err)) < 0) goto out;
    for (size_t i = 0; i < n_items; i++) n_special += items[i].id >= 0;
    memcpy(whole, len, sizeof whole);
    if ((rc = truncate_pair(&len[0], &len[1], b != NULL, n_special, opts, err)) < 0) goto out;
    for (size_t i = 0; i < n_items; i++) {
        if (items[i].id >= 0) {
            pair_put(&out, items[i].id, items[i].type_id);
            continue;
        }
        int which = items[i].id == ITEM_B;
        size_t skip = opts->truncate_left ? whole[which] - len[which] : 0;
        for (size_t k = 0; k < len[which]; k++) pair_put(&out, seq[which][skip + k], items[i].type_id);
    }
out:
    sh_free(seq[0]);
    sh_free(seq[1]);
    return rc < 0 ? rc : (int64_t)out.n;
}

/* --- look-ups --- */

int32_t sh_tokenizer_size(const sh_tokenizer *t)
{
    return t->vocab.n;
}

const char *sh_tokenizer_token(const sh_tokenizer *t, sh_token id)
{
    return id >= 0 && id < t->vocab.n ? t->vocab.text + t->vocab.text_off[id] : NULL;
}

sh_token sh_tokenizer_find(const sh_tokenizer *t, const char *spelling)
{
    return vocab_find_text(&t->vocab, spelling, strlen(spelling));
}

sh_token sh_tokenizer_bos(const sh_tokenizer *t)
{
    return t->bos;
}
sh_token sh_tokenizer_eos(const sh_tokenizer *t)
{
    return t->eos;
}

bool sh_tokenizer_is_special(const sh_tokenizer *t, sh_token id)
{
    if (id < 0 || id >= t->vocab.n) return false;
    return t->vocab.type[id] == TOK_CONTROL || (t->vocab.type[id] == TOK_UNKNOWN && id == t->unk);
}

bool sh_tokenizer_is_end(const sh_tokenizer *t, sh_token id)
{
    return id >= 0 && id < t->vocab.n && t->end[id];
}

int sh_tokenizer_add_end(sh_tokenizer *t, sh_token id, sh_err *err)
{
    if (id < 0 || id >= t->vocab.n)
        return sh_fail(err, SH_E_RANGE, "end token %d is outside the vocabulary of %d", (int)id,
                       (int)t->vocab.n);
    t->end[id] = 1;
    return SH_OK;
}

void sh_tokenizer_set_bos_eos(sh_tokenizer *t, sh_token bos, sh_token eos)
{
    if (bos >= 0 && bos < t->vocab.n) t->bos = bos;
    if (eos >= 0 && eos < t->vocab.n) t->eos = eos, t->end[eos] = 1;
}

void sh_tokenizer_free(sh_tokenizer *t)
{
    if (!t) return;
    vocab_clear(&t->vocab);
    sh_free(t->bpe.pairs);
    sh_free(t->bpe.queue);
    tok_trie_clear(&t->unigram.trie);
    tok_trie_clear(&t->wordpiece.first);
    tok_trie_clear(&t->wordpiece.rest);
    tok_trie_clear(&t->added.raw);
    tok_trie_clear(&t->added.normal);
    sh_free(t->added.items);
    for (size_t i = 0; i < t->n_regexes; i++) sh_regex_free(t->regexes[i]);
    sh_free(t->regexes);
    tok_described_free(t->described);
    tok_grammar_vocab_free(t->grammar_vocab);
    sh_arena_free(t->arena);
    sh_free(t);
}
