/* unigram.c - the most probable segmentation (Viterbi), as sentencepiece and the tokenizers library compute
 * it.
 *
 * best[i] is the best score of a segmentation of text[0..i). Going left to right by characters, every
 * vocabulary entry that starts here may improve the place where it ends; a character that no single entry
 * covers may be unknown, at ten below the lowest score. Neighbouring unknowns become one. */
#include "text/tokenizer_internal.h"

#include <string.h>

typedef struct place {
    double score;
    uint32_t from; /* UINT32_MAX: not reached */
    int32_t id;
} place;

static void improve(place *at, double score, uint32_t from, int32_t id, bool f32)
{
    if (f32) score = (double)(float)score;
    if (at->from != UINT32_MAX && !(score > at->score)) return;
    at->score = score;
    at->from = from;
    at->id = id;
}

/* All entries that start at text[i]. Returns whether one is exactly the character there. */
static bool extend(const sh_tokenizer *t, place *best, const char *p, size_t n, size_t i, size_t char_len)
{
    const tok_unigram *u = &t->unigram;
    bool single = false;
    uint32_t node = 0;
    for (size_t j = i; j < n; j++) {
        node = tok_trie_step(&u->trie, node, (uint8_t)p[j]);
        if (!node) break;
        int32_t id = u->trie.value[node];
        if (id < 0) continue;
        size_t len = j + 1 - i;
        double score = u->score[id];
        if (u->f32 && t->vocab.type[id] == TOK_USER) score = (double)((float)len * (float)u->max_score) - 0.1;
        improve(&best[j + 1], score + best[i].score, (uint32_t)i, id, u->f32);
        single = single || len == char_len;
    }
    return single;
}

static void emit_unknown(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    int32_t id = t->unigram.f32 ? -1 : vocab_find(&t->vocab, p, n);
    bool bytes = t->bpe.byte_fallback && id < 0;
    for (size_t i = 0; bytes && i < n; i++) bytes = t->byte_tok[(uint8_t)p[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < n; i++) enc_emit(e, t->byte_tok[(uint8_t)p[i]]);
        return;
    }
    if (id < 0) id = t->unk;
    if (id >= 0) enc_emit(e, id);
}

/* Follow the back pointers, turning them round, then emit from the left. */
static void emit_path(tok_enc *e, place *best, const char *p, size_t n)
{
    int32_t unk = e->t->unk;
    uint32_t next = (uint32_t)n;
    for (uint32_t i = next, from; i; i = from) {
        from = best[i].from;
        best[i].from = next;
        next = i;
    }
    /* best[k].from of each boundary k is the boundary after it; best[k].id belongs to the piece that ends at
     * k */
    size_t begin = 0, unk_begin = 0;
    bool in_unk = false;
    for (uint32_t end = next; begin < n; begin = end, end = best[end].from) {
        int32_t id = best[end].id;
        if (id == unk) {
            if (!in_unk) unk_begin = begin;
            in_unk = true;
        } else {
            if (in_unk) emit_unknown(e, p + unk_begin, begin - unk_begin);
            in_unk = false;
            enc_emit(e, id);
        }
        if (end == n) break;
    }
    if (in_unk) emit_unknown(e, p + unk_begin, n - unk_begin);
}

int unigram_encode(tok_enc *e, const char *p, size_t n)
{
    const sh_tokenizer *t = e->t;
    if (!n) return SH_OK;
    if (n >= UINT32_MAX) return sh_fail(e->err, SH_E_LIMIT, "a stretch of text is longer than 4 GiB");
    place *best = enc_scratch(e, n + 1, sizeof *best);
    if (!best) return SH_E_NOMEM;
    for (size_t i = 0; i <= n; i++) best[i] = (place){0, UINT32_MAX, -1};
    for (size_t i = 0, len; i < n; i += len) {
        len = u8_len(p + i);
        if (!extend(t, best, p, n, i, len) && i + len <= n)
            improve(&best[i + len], t->unigram.unk_score + best[i].score, (uint32_t)i, t->unk,
                    t->unigram.f32);
    }
    emit_path(e, best, p, n);
    return SH_OK;
}
