/* grammar_vocab.c - what each token adds to a text, and all of that as a trie in preorder.
 *
 * A token's bytes are those it has in the middle of a text: byte-level vocabularies and sentencepiece's own
 * decoder tell them directly, for other decoders the text of two tokens is compared with that of the first.
 * Control tokens, gaps, and tokens whose text depends on their neighbours have none: they are never allowed.
 */
#include "text/tokenizer_internal.h"

#include "text/grammar_internal.h"

#include <stdlib.h>

typedef struct speller {
    const sh_tokenizer *t;
    sh_buf anchor, pair; /* decoded, for decoders of steps */
    sh_token anchor_id;
    uint16_t *byte_of; /* [n] 1 + the byte of a byte token */
} speller;

static bool ends_in_replacement(const sh_buf *b)
{
    return memmem(sh_buf_str(b).p, b->n, "\xef\xbf\xbd", 3) != NULL;
}

/* Any decoder: the bytes by which [anchor, id] is longer than [anchor]. */
static int spell_by_decoding(speller *s, sh_token id, sh_buf *out, sh_err *err)
{
    sh_token ids[2] = {s->anchor_id, id};
    sh_buf_reset(&s->pair);
    int rc = sh_tokenizer_decode_to(s->t, ids, 2, false, &s->pair, err);
    if (rc < 0) return rc;
    bool extends = s->pair.n > s->anchor.n && memcmp(s->pair.p, sh_buf_str(&s->anchor).p, s->anchor.n) == 0;
    if (extends && !ends_in_replacement(&s->pair))
        sh_buf_add(out, s->pair.p + s->anchor.n, s->pair.n - s->anchor.n);
    return SH_OK;
}

static void spell_meta(sh_buf *out, sh_str text)
{
    for (size_t i = 0; i < text.n;) {
        bool is_meta = text.n - i >= META_BYTES && memcmp(text.p + i, META, META_BYTES) == 0;
        sh_buf_add(out, is_meta ? " " : text.p + i, 1);
        i += is_meta ? META_BYTES : 1;
    }
}

static int spell(speller *s, sh_token id, sh_buf *out, sh_err *err)
{
    const sh_tokenizer *t = s->t;
    uint8_t type = t->vocab.type[id];
    sh_str text = vocab_text(&t->vocab, id);
    if (sh_tokenizer_is_special(t, id) || sh_tokenizer_is_end(t, id)) return SH_OK;
    if (type == TOK_CONTROL || type == TOK_UNKNOWN || id == t->unk || (type == TOK_UNUSED && !text.n))
        return SH_OK;
    if (decode_is_bytes(t)) {
        sh_str raw = vocab_raw(&t->vocab, id);
        sh_buf_add(out, raw.p, raw.n);
    } else if (s->byte_of[id]) {
        sh_buf_putc(out, (char)(s->byte_of[id] - 1));
    } else if (t->n_dec == 1 && t->dec[0].kind == DEC_SPM) {
        spell_meta(out, text);
    } else {
        return spell_by_decoding(s, id, out, err);
    }
    return SH_OK;
}

/* A token that begins a word in plain letters: what follows it is spelled as in the middle of a text. */
static int pick_anchor(speller *s, sh_err *err)
{
    const sh_tokenizer *t = s->t;
    for (sh_token id = 0; id < t->vocab.n; id++) {
        sh_str text = vocab_text(&t->vocab, id);
        if (text.n != 1 || text.p[0] < 'a' || text.p[0] > 'z' || sh_tokenizer_is_special(t, id)) continue;
        s->anchor_id = id;
        return sh_tokenizer_decode_to(t, &id, 1, false, &s->anchor, err);
    }
    s->anchor_id = 0;
    return t->vocab.n ? sh_tokenizer_decode_to(t, &s->anchor_id, 1, false, &s->anchor, err) : SH_OK;
}

static void mark_byte_tokens(speller *s)
{
    bool fallback = false;
    for (size_t i = 0; i < s->t->n_dec; i++)
        fallback = fallback || s->t->dec[i].kind == DEC_BYTE_FALLBACK || s->t->dec[i].kind == DEC_SPM;
    for (int b = 0; fallback && b < 256; b++)
        if (s->t->byte_tok[b] >= 0 && s->t->byte_tok[b] < s->t->vocab.n)
            s->byte_of[s->t->byte_tok[b]] = (uint16_t)(b + 1);
}

static int spell_all(gram_vocab *v, const sh_tokenizer *t, sh_err *err)
{
    speller s = {.t = t};
    sh_buf text = {0};
    int rc = SH_OK;
    if (!(s.byte_of = sh_new_array((size_t)v->n + 1, sizeof *s.byte_of, err))) return SH_E_NOMEM;
    mark_byte_tokens(&s);
    if (!decode_is_bytes(t)) rc = pick_anchor(&s, err);
    for (sh_token id = 0; id < v->n && rc == SH_OK; id++) {
        v->off[id] = (uint32_t)text.n;
        rc = spell(&s, id, &text, err);
        if (rc == SH_OK && text.n - v->off[id] > UINT16_MAX) text.n = v->off[id];
        if (rc == SH_OK && text.n > UINT32_MAX / 2)
            rc = sh_fail(err, SH_E_LIMIT, "the vocabulary's text is too large");
    }
    v->off[v->n] = (uint32_t)text.n;
    if (rc == SH_OK && !(v->text = sh_buf_detach(&text))) rc = sh_fail_nomem(err, text.n);
    sh_buf_clear(&text);
    sh_buf_clear(&s.anchor);
    sh_buf_clear(&s.pair);
    sh_free(s.byte_of);
    return rc;
}

/* --- the trie --- */

static sh_str bytes_of(const gram_vocab *v, sh_token id)
{
    return sh_str_n(v->text + v->off[id], v->off[id + 1] - v->off[id]);
}

typedef struct sort_key {
    uint64_t head; /* the first eight bytes, big-endian */
    sh_token id;
    uint32_t n;
    const char *p;
} sort_key;

static int compare_keys(const void *a, const void *b)
{
    const sort_key *x = a, *y = b;
    if (x->head != y->head) return x->head < y->head ? -1 : 1;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    if (order) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t sort_tokens(const gram_vocab *v, sort_key *keys)
{
    size_t n = 0;
    for (sh_token id = 0; id < v->n; id++) {
        sh_str s = bytes_of(v, id);
        if (!s.n) continue;
        sort_key k = {.id = id, .n = (uint32_t)s.n, .p = s.p};
        for (size_t i = 0; i < 8; i++) k.head = k.head << 8 | (i < s.n ? (uint8_t)s.p[i] : 0);
        keys[n++] = k;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    return n;
}

static size_t shared_prefix(sh_str a, sh_str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
    return n;
}

/* Sorted strings are the trie's preorder: each adds the nodes past what it shares with the one before. `path`
 * holds the open nodes by depth. */
static void lay_out(gram_vocab *v, const sort_key *keys, size_t n, uint32_t *path)
{
    sh_str before = {"", 0};
    uint32_t at = 0;
    for (size_t k = 0; k < n; k++) {
        sh_str s = sh_str_n(keys[k].p, keys[k].n);
        size_t shared = shared_prefix(before, s);
        for (size_t d = before.n; d > shared; d--) v->nodes[path[d]].end = at;
        for (size_t d = shared + 1; d <= s.n; d++) {
            path[d] = at;
            v->nodes[at++] = (gram_trie){.token = -1, .depth = (uint16_t)d, .byte = (uint8_t)s.p[d - 1]};
        }
        gram_trie *node = &v->nodes[path[s.n]];
        v->same[keys[k].id] = node->token;
        node->token = keys[k].id;
        before = s;
    }
    for (size_t d = before.n; d > 0; d--) v->nodes[path[d]].end = at;
}

static int build_trie(gram_vocab *v, sh_err *err)
{
    sort_key *keys = sh_new_array((size_t)v->n + 1, sizeof *keys, err);
    uint32_t *path = NULL;
    size_t n = keys ? sort_tokens(v, keys) : 0, n_nodes = 0;
    sh_str before = {"", 0};
    for (size_t k = 0; k < n; k++) {
        sh_str s = sh_str_n(keys[k].p, keys[k].n);
        n_nodes += s.n - shared_prefix(before, s);
        if (s.n > v->max_depth) v->max_depth = (uint32_t)s.n;
        before = s;
    }
    v->n_nodes = (uint32_t)n_nodes;
    v->nodes = sh_new_array(n_nodes + 1, sizeof *v->nodes, err);
    path = sh_new_array((size_t)v->max_depth + 1, sizeof *path, err);
    bool ok = keys && v->nodes && path;
    if (ok) lay_out(v, keys, n, path);
    sh_free(keys);
    sh_free(path);
    return ok ? SH_OK : SH_E_NOMEM;
}

/* --- life --- */

void gram_vocab_unref(gram_vocab *v)
{
    if (!v || atomic_fetch_sub(&v->n_refs, 1) > 1) return;
    sh_free((char *)(uintptr_t)v->text);
    sh_free(v->off);
    sh_free(v->same);
    sh_free(v->nodes);
    sh_free(v);
}

static int vocab_make(gram_vocab **out, const sh_tokenizer *t, sh_err *err)
{
    gram_vocab *v = sh_new(sizeof *v, err);
    int rc = SH_E_NOMEM;
    if (!v) return rc;
    atomic_init(&v->n_refs, 1);
    v->n = t->vocab.n;
    v->off = sh_new_array((size_t)v->n + 1, sizeof *v->off, err);
    v->same = sh_new_array((size_t)v->n + 1, sizeof *v->same, err);
    if (v->off && v->same && (rc = spell_all(v, t, err)) == SH_OK) rc = build_trie(v, err);
    if (rc < 0)
        gram_vocab_unref(v);
    else
        *out = v;
    return rc;
}

int gram_vocab_get(gram_vocab **out, const sh_tokenizer *t, sh_err *err)
{
    void **slot = (void **)(uintptr_t)&t->grammar_vocab;
    gram_vocab *v = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (!v) {
        void *none = NULL;
        int rc = vocab_make(&v, t, err);
        if (rc < 0) return rc;
        if (!__atomic_compare_exchange_n(slot, &none, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            gram_vocab_unref(v);
            v = none;
        }
    }
    atomic_fetch_add(&v->n_refs, 1);
    *out = v;
    return SH_OK;
}

void tok_grammar_vocab_free(void *vocab)
{
    gram_vocab_unref(vocab);
}
