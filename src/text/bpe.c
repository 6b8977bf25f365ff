/* bpe.c - byte pair encoding: by rank of a merge list, and by score of the merged piece (sentencepiece).
 *
 * A piece is a row of symbols; the neighbouring pair of lowest rank is merged, leftmost on a tie, until none
 * is left. Short pieces rescan an array (fewer than 65 symbols fit two cache lines of ranks); long ones use a
 * heap of (rank, place) with lazy deletion, so a megabyte of one letter costs O(n log n).
 *
 * Most words of a text are one token of a large vocabulary. Whether a token's own bytes encode to just that
 * token is remembered per token once it was found out (one relaxed atomic byte, the same answer whoever
 * writes it), and such a piece costs one look-up afterwards. */
#include "text/tokenizer_internal.h"

#include <string.h>

enum { SMALL = 64, SELF_UNKNOWN = 0, SELF_YES = 1, SELF_NO = 2 };

static const tok_pair *pair_find(const tok_bpe *b, int32_t left, int32_t right)
{
    if (left < 0 || right < 0) return NULL;
    for (uint32_t i = bpe_pair_hash((uint32_t)left, (uint32_t)right) & b->mask;; i = (i + 1) & b->mask) {
        const tok_pair *p = &b->pairs[i];
        if (p->a == (uint32_t)left && p->b == (uint32_t)right) return p;
        if (p->a == UINT32_MAX) return NULL;
    }
}

bool bpe_has_pair(const tok_bpe *b, int32_t left, int32_t right)
{
    return pair_find(b, left, right) != NULL;
}

/* A higher score comes first: floats ordered as unsigned numbers, downwards. */
static uint32_t score_rank(float score)
{
    uint32_t u;
    memcpy(&u, &score, 4);
    return u & 0x80000000u ? u : ~(u | 0x80000000u);
}

/* What the text [begin, end) of two neighbouring symbols merges to; UINT32_MAX when it does not. */
static uint32_t pair_rank(const sh_tokenizer *t, const char *text, size_t begin, size_t end, int32_t left,
                          int32_t right, int32_t *id)
{
    if (t->model == MODEL_BPE) {
        const tok_pair *p = pair_find(&t->bpe, left, right);
        if (!p) return UINT32_MAX;
        *id = p->id;
        return p->rank;
    }
    int32_t found = vocab_find(&t->vocab, text + begin, end - begin);
    if (found < 0) return UINT32_MAX;
    *id = found;
    return score_rank(t->vocab.score[found]);
}

/* --- first symbols of a piece --- */

typedef struct symbols {
    uint32_t *off; /* [n + 1] */
    int32_t *id;
    size_t n;
    int32_t pending; /* an unknown symbol that following ones may join, or -1 */
} symbols;

static void symbol_put(symbols *s, int32_t id, size_t end)
{
    s->id[s->n] = id;
    s->off[++s->n] = (uint32_t)end;
}

/* All bytes of an unknown character as byte tokens; false when one is missing. */
static bool symbol_put_bytes(const sh_tokenizer *t, symbols *s, const char *text, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (t->byte_tok[(uint8_t)text[i]] < 0) return false;
    for (size_t i = begin; i < end; i++) symbol_put(s, t->byte_tok[(uint8_t)text[i]], i + 1);
    return true;
}

static void symbol_put_unknown(const sh_tokenizer *t, symbols *s, const char *text, size_t begin, size_t end)
{
    if (t->bpe.byte_fallback && symbol_put_bytes(t, s, text, begin, end)) return;
    if (t->unk < 0) return; /* as the tokenizers library: without an unknown token the character is dropped */
    if (s->pending >= 0 && !t->bpe.fuse_unk) symbol_put(s, s->pending, begin);
    s->pending = t->unk;
}

static void symbol_put_known(symbols *s, int32_t id, size_t begin, size_t end)
{
    if (s->pending >= 0) symbol_put(s, s->pending, begin), s->pending = -1;
    symbol_put(s, id, end);
}

/* The id of one character with the prefix and suffix that its place asks for. */
static int32_t char_id(const sh_tokenizer *t, const char *p, size_t n, bool first, bool last)
{
    const tok_bpe *b = &t->bpe;
    if (n == 1 && !b->prefix) return last ? b->last_id[(uint8_t)*p] : b->byte_id[(uint8_t)*p];
    if ((first || !b->prefix) && (!last || !b->suffix)) return vocab_find(&t->vocab, p, n);
    sh_buf s = {0};
    if (!first && b->prefix) sh_buf_puts(&s, b->prefix);
    sh_buf_add(&s, p, n);
    if (last && b->suffix) sh_buf_puts(&s, b->suffix);
    int32_t id = s.failed ? -1 : vocab_find(&t->vocab, s.p, s.n);
    sh_buf_clear(&s);
    return id;
}

/* Rank-merged models: every symbol has an id from the start. */
static void symbols_fill(const sh_tokenizer *t, symbols *s, const char *p, size_t n)
{
    bool bytes = t->vocab.byte_level;
    s->off[0] = 0;
    for (size_t i = 0, len; i < n; i += len) {
        len = bytes ? 1 : u8_len(p + i);
        int32_t id = char_id(t, p + i, len, i == 0, i + len == n);
        if (id >= 0)
            symbol_put_known(s, id, i, i + len);
        else
            symbol_put_unknown(t, s, p, i, i + len);
    }
    if (s->pending >= 0) symbol_put(s, s->pending, n);
}

/* Score-merged models: a symbol is its text; an unknown one can still be part of a known piece. */
static void symbols_fill_text(const sh_tokenizer *t, symbols *s, const char *p, size_t n)
{
    s->off[0] = 0;
    for (size_t i = 0, len; i < n; i += len) {
        len = u8_len(p + i);
        symbol_put(s, len == 1 ? t->bpe.byte_id[(uint8_t)p[i]] : vocab_find(&t->vocab, p + i, len), i + len);
    }
}

/* --- output --- */

/* A piece marked unused is taken apart into the two that made it, highest score first (sentencepiece). */
static void emit_unused(tok_enc *e, int32_t id, const char *p, size_t n, int depth);

static void emit_spm(tok_enc *e, int32_t id, const char *p, size_t n, int depth)
{
    const sh_tokenizer *t = e->t;
    if (id >= 0 && t->vocab.type[id] == TOK_UNUSED && depth < 64 && u8_len(p) < n) {
        emit_unused(e, id, p, n, depth);
        return;
    }
    if (id >= 0) {
        enc_emit(e, id);
        return;
    }
    bool bytes = t->bpe.byte_fallback;
    for (size_t i = 0; bytes && i < n; i++) bytes = t->byte_tok[(uint8_t)p[i]] >= 0;
    for (size_t i = 0; bytes && i < n; i++) enc_emit(e, t->byte_tok[(uint8_t)p[i]]);
    if (!bytes && t->unk >= 0) enc_emit(e, t->unk);
}

static void emit_unused(tok_enc *e, int32_t id, const char *p, size_t n, int depth)
{
    size_t best = 0;
    float best_score = 0;
    const tok_vocab *v = &e->t->vocab;
    (void)id;
    for (size_t cut = u8_len(p); cut < n; cut += u8_len(p + cut)) {
        int32_t a = vocab_find(v, p, cut), b = vocab_find(v, p + cut, n - cut);
        if (a < 0 || b < 0) continue;
        float s = v->score[a] < v->score[b] ? v->score[a] : v->score[b];
        if (!best || s > best_score) best = cut, best_score = s;
    }
    if (!best) best = u8_len(p);
    emit_spm(e, vocab_find(v, p, best), p, best, depth + 1);
    emit_spm(e, vocab_find(v, p + best, n - best), p + best, n - best, depth + 1);
}

/* Neighbouring unknown symbols are one unknown token in sentencepiece (no byte fallback). */
static void emit_symbol(tok_enc *e, int32_t id, const char *p, size_t n, bool *was_unk)
{
    const sh_tokenizer *t = e->t;
    if (t->model == MODEL_BPE) {
        enc_emit(e, id);
        return;
    }
    bool unk = id < 0 && !t->bpe.byte_fallback;
    if (unk && *was_unk) return;
    *was_unk = unk;
    emit_spm(e, id, p, n, 0);
}

/* --- merging --- */

static size_t merge_small(const sh_tokenizer *t, const char *p, symbols *s)
{
    uint32_t rank[SMALL];
    int32_t to[SMALL] = {0};
    size_t n = s->n;
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = pair_rank(t, p, s->off[i], s->off[i + 2], s->id[i], s->id[i + 1], &to[i]);
    while (n > 1) {
        size_t at = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[at]) at = i;
        if (rank[at] == UINT32_MAX) break;
        s->id[at] = to[at];
        size_t tail = n - at - 2;
        memmove(&s->id[at + 1], &s->id[at + 2], tail * sizeof *s->id);
        memmove(&s->off[at + 1], &s->off[at + 2], (tail + 1) * sizeof *s->off);
        if (tail) memmove(&rank[at + 1], &rank[at + 2], (tail - 1) * sizeof *rank);
        if (tail) memmove(&to[at + 1], &to[at + 2], (tail - 1) * sizeof *to);
        n--;
        if (at)
            rank[at - 1] =
                pair_rank(t, p, s->off[at - 1], s->off[at + 1], s->id[at - 1], s->id[at], &to[at - 1]);
        if (tail) rank[at] = pair_rank(t, p, s->off[at], s->off[at + 2], s->id[at], s->id[at + 1], &to[at]);
    }
    return s->n = n;
}

typedef struct heap {
    uint64_t *key; /* rank << 32 | place */
    size_t n;
} heap;

static void heap_push(heap *h, uint64_t key)
{
    size_t i = h->n++;
    for (; i && h->key[(i - 1) / 2] > key; i = (i - 1) / 2) h->key[i] = h->key[(i - 1) / 2];
    h->key[i] = key;
}

static uint64_t heap_pop(heap *h)
{
    uint64_t top = h->key[0], last = h->key[--h->n];
    size_t i = 0;
    for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && h->key[c + 1] < h->key[c]) c++;
        if (h->key[c] >= last) break;
        h->key[i] = h->key[c];
    }
    h->key[i] = last;
    return top;
}

typedef struct chain {
    const sh_tokenizer *t;
    const char *p;
    symbols *s;
    uint32_t *next, *prev; /* places; next of the last one is s->n */
    heap heap;
} chain;

static size_t chain_end(const chain *c, uint32_t i)
{
    return c->s->off[c->next[i]];
}

/* The rank of the pair that begins at place i, or UINT32_MAX. */
static uint32_t chain_rank(const chain *c, uint32_t i, int32_t *id)
{
    uint32_t j = c->next[i];
    if (j >= c->s->n) return UINT32_MAX;
    return pair_rank(c->t, c->p, c->s->off[i], chain_end(c, j), c->s->id[i], c->s->id[j], id);
}

static void chain_push(chain *c, uint32_t i)
{
    int32_t id;
    uint32_t rank = chain_rank(c, i, &id);
    if (rank != UINT32_MAX) heap_push(&c->heap, (uint64_t)rank << 32 | i);
}

static void merge_large(chain *c)
{
    symbols *s = c->s;
    for (uint32_t i = 0; i < s->n; i++) c->next[i] = i + 1, c->prev[i] = i - 1;
    for (uint32_t i = 0; i < s->n; i++) chain_push(c, i);
    while (c->heap.n) {
        uint64_t top = heap_pop(&c->heap);
        uint32_t i = (uint32_t)top;
        int32_t id = -1;
        /* a place merged away has next 0; a changed neighbour shows in the rank */
        if (!c->next[i] || chain_rank(c, i, &id) != (uint32_t)(top >> 32)) continue;
        uint32_t gone = c->next[i], after = c->next[gone];
        s->id[i] = id;
        c->next[i] = after;
        c->next[gone] = 0;
        if (after < s->n) c->prev[after] = i;
        chain_push(c, i);
        if (i) chain_push(c, c->prev[i]);
    }
}

static int encode_large(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    if (n >= INT32_MAX) return sh_fail(e->err, SH_E_LIMIT, "a stretch of text is longer than 2 GiB");
    /* per symbol: off, id, next, prev (4 bytes each) and two heap places (a merge frees one and adds at most
     * two) */
    size_t m = n + 1;
    uint64_t *block = enc_scratch(e, m, 2 * sizeof(uint64_t) + 4 * sizeof(uint32_t));
    if (!block) return SH_E_NOMEM;
    uint32_t *words = (uint32_t *)(block + 2 * m);
    symbols s = {.off = words, .id = (int32_t *)(words + m), .pending = -1};
    if (t->model == MODEL_BPE)
        symbols_fill(t, &s, p, n);
    else
        symbols_fill_text(t, &s, p, n);
    chain c = {.t = t, .p = p, .s = &s, .next = words + 2 * m, .prev = words + 3 * m, .heap = {block, 0}};
    merge_large(&c);
    bool was_unk = false;
    for (uint32_t i = 0; i < s.n; i = c.next[i])
        emit_symbol(e, s.id[i], p + s.off[i], chain_end(&c, i) - s.off[i], &was_unk);
    return SH_OK;
}

static void encode_small(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    uint32_t off[SMALL + 1];
    int32_t id[SMALL];
    symbols s = {.off = off, .id = id, .pending = -1};
    if (t->model == MODEL_BPE)
        symbols_fill(t, &s, p, n);
    else
        symbols_fill_text(t, &s, p, n);
    merge_small(t, p, &s);
    bool was_unk = false;
    for (size_t i = 0; i < s.n; i++) emit_symbol(e, id[i], p + off[i], off[i + 1] - off[i], &was_unk);
}

static int encode_word(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    int32_t whole = -1;
    uint8_t *self = NULL;
    if (!t->bpe.suffix && !t->bpe.prefix) whole = vocab_find(&t->vocab, p, n);
    if (whole >= 0) {
        self = &t->bpe.self[whole];
        if (t->bpe.ignore_merges || __atomic_load_n(self, __ATOMIC_RELAXED) == SELF_YES) {
            enc_emit(e, whole);
            return SH_OK;
        }
    }
    size_t before = e->n;
    if (n <= SMALL) {
        encode_small(e, p, n);
        if (self && __atomic_load_n(self, __ATOMIC_RELAXED) == SELF_UNKNOWN && before < e->cap) {
            bool yes = e->n == before + 1 && e->out[before] == whole;
            __atomic_store_n(self, yes ? SELF_YES : SELF_NO, __ATOMIC_RELAXED);
        }
        return SH_OK;
    }
    return encode_large(e, p, n);
}

int bpe_encode(tok_enc *e, const char *p, size_t n)
{
    if (!e->t->bpe.cut_meta) return encode_word(e, p, n);
    /* cut before each U+2581 that follows another character: no merge reaches over such a place */
    size_t begin = 0;
    int rc;
    for (size_t i = 1; i + META_BYTES <= n; i++) {
        const char *hit = memchr(p + i, META[0], n - i);
        if (!hit || (size_t)(hit - p) + META_BYTES > n) break;
        i = (size_t)(hit - p);
        if (memcmp(hit, META, META_BYTES) != 0) continue;
        if (i >= META_BYTES && memcmp(hit - META_BYTES, META, META_BYTES) == 0) continue;
        if ((rc = encode_word(e, p + begin, i - begin)) < 0) return rc;
        begin = i;
    }
    return encode_word(e, p + begin, n - begin);
}
