/* wordpiece.c - greedy longest match from the left (BERT), and the plain look-up of whole words.
 *
 * Two tries hold the pieces that may begin a word and those that may continue it; one walk finds the longest.
 * A word with any part missing, or too long, is one unknown token. */
#include "text/tokenizer_internal.h"

static size_t count_chars(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (p[i] & 0xc0) != 0x80;
    return count;
}

static int wordlevel_encode(tok_enc *e, const char *p, size_t n)
{
    int32_t id = vocab_find(&e->t->vocab, p, n);
    if (id < 0) id = e->t->unk;
    if (id < 0)
        return sh_fail(e->err, SH_E_CORRUPT, "a word outside the vocabulary, which has no unknown token");
    enc_emit(e, id);
    return SH_OK;
}

int wordpiece_encode(tok_enc *e, const char *p, size_t n)
{
    const tok_wordpiece *w = &e->t->wordpiece;
    if (!n) return SH_OK;
    if (e->t->model == MODEL_WORDLEVEL) return wordlevel_encode(e, p, n);
    size_t before = e->n, len = 0;
    bool bad = n > w->max_chars && count_chars(p, n) > w->max_chars;
    for (size_t i = 0; i < n && !bad; i += len) {
        int32_t id = -1;
        len = tok_trie_longest(i ? &w->rest : &w->first, p + i, n - i, &id);
        bad = len == 0;
        if (!bad) enc_emit(e, id);
    }
    if (!bad) return SH_OK;
    e->n = before;
    if (e->t->unk >= 0) enc_emit(e, e->t->unk);
    return SH_OK;
}
