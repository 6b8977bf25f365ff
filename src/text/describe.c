/* describe.c - a tokenizer in GGUF's words, for writing a model file.
 *
 * GGUF names a model kind and a splitter and knows nothing else about the stages of tokenizer.json. A layout
 * that the words cannot carry is refused with the reason; nothing is rounded to the nearest name. What is
 * accepted although GGUF readers differ (the habits of the format): NFC in front of Qwen's splitter, and the
 * space prefix of the first stretch only, which GGUF readers put after every special token.
 *
 * The description is made on the first call and published with one compare-and-swap: t stays usable by any
 * thread. */
#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tok_described {
    sh_arena *arena;
    sh_vocab_desc desc;
};

void tok_described_free(void *p)
{
    tok_described *d = p;
    if (!d) return;
    sh_arena_free(d->arena);
    sh_free(d);
}

static int refuse(sh_err *err, const char *why)
{
    return sh_fail(err, SH_E_UNSUPPORTED, "GGUF cannot describe this tokenizer: %s", why);
}

/* --- tokens, merges --- */

static int fill_tokens(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    size_t n = (size_t)t->vocab.n;
    sh_str *tokens = sh_arena_alloc(d->arena, n, sizeof *tokens);
    int32_t *types = sh_arena_alloc(d->arena, n, sizeof *types);
    if (!tokens || !types) return sh_fail_nomem(err, n * sizeof *tokens);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        tokens[i] = vocab_text(&t->vocab, (int32_t)i);
        types[i] = t->vocab.type[i];
        if (tokens[i].n) continue;
        /* a gap in the numbering: GGUF wants a name for every place, and no two alike */
        int len = snprintf(name, sizeof name, "[PAD%zu]", i);
        tokens[i] = sh_str_n(sh_arena_strndup(d->arena, name, (size_t)len), (size_t)len);
        types[i] = TOK_UNUSED;
        if (!tokens[i].p) return sh_fail_nomem(err, (size_t)len);
    }
    d->desc.tokens = tokens;
    d->desc.types = types;
    d->desc.n_tokens = n;
    return SH_OK;
}

static int by_rank(const void *a, const void *b)
{
    const tok_pair *x = *(tok_pair *const *)a, *y = *(tok_pair *const *)b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The merges in order of rank; n_pairs pointers, owned by the arena. */
static const tok_pair **sorted_pairs(const sh_tokenizer *t, sh_arena *arena, size_t *n)
{
    const tok_pair **list = sh_arena_alloc(arena, t->bpe.n_pairs ? t->bpe.n_pairs : 1, sizeof *list);
    *n = 0;
    if (!list) return NULL;
    for (size_t i = 0; i <= t->bpe.mask; i++)
        if (t->bpe.pairs[i].a != UINT32_MAX) list[(*n)++] = &t->bpe.pairs[i];
    qsort(list, *n, sizeof *list, by_rank);
    return list;
}

static int fill_merges(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    size_t n;
    const tok_pair **list = sorted_pairs(t, d->arena, &n);
    sh_str *merges = sh_arena_alloc(d->arena, n ? n : 1, sizeof *merges);
    if (!list || !merges) return sh_fail_nomem(err, n * sizeof *merges);
    for (size_t i = 0; i < n; i++) {
        sh_str a = vocab_text(&t->vocab, (int32_t)list[i]->a), b = vocab_text(&t->vocab, (int32_t)list[i]->b);
        char *s = sh_arena_alloc(d->arena, a.n + b.n + 2, 1);
        if (!s) return sh_fail_nomem(err, a.n + b.n + 2);
        memcpy(s, a.p, a.n);
        s[a.n] = ' ';
        memcpy(s + a.n + 1, b.p, b.n + 1);
        merges[i] = sh_str_n(s, a.n + b.n + 1);
    }
    d->desc.merges = merges;
    d->desc.n_merges = n;
    return SH_OK;
}

/* --- byte-level BPE --- */

/* The pattern that one splitter stands for; NULL for none, "" when it has no name. */
static const char *step_source(const split_step *s)
{
    switch (s->kind) {
    case SPLIT_FAST:
        return fast_source(s->fast);
    case SPLIT_BYTES:
        return s->add_prefix_space ? "" : s->use_regex ? fast_source(FAST_GPT2) : NULL;
    case SPLIT_DIGITS:
        return s->behavior == SPLIT_ISOLATED ? "\\p{N}" : "\\p{N}+";
    case SPLIT_PUNCTUATION:
        return s->behavior == SPLIT_CONTIGUOUS ? pre_falcon_punctuation() : "";
    case SPLIT_PATTERN:
        return s->behavior == SPLIT_ISOLATED && !s->invert ? sh_regex_source(s->regex) : "";
    default:
        return "";
    }
}

/* GGUF's name for the splitters of t, or NULL. */
static const char *name_splits(const sh_tokenizer *t)
{
    const char *sources[16];
    size_t n = 0;
    if (t->pre) return t->pre;
    for (size_t i = 0; i < t->n_split; i++) {
        const split_step *s = &t->split[i];
        /* Falcon's order: its digits step changes nothing that the last pattern does not */
        if (s->kind == SPLIT_DIGITS && s->behavior == SPLIT_CONTIGUOUS && i &&
            t->split[i - 1].kind == SPLIT_BYTES)
            continue;
        const char *source = step_source(s);
        if (!source) continue;
        if (n == 16) return NULL;
        sources[n++] = source;
    }
    return pre_of_sources(sources, n);
}

/* Whether every token of the model comes out of merging its own bytes: ignore_merges then makes no
 * difference. */
static bool merges_reach_all(const sh_tokenizer *t)
{
    sh_tokenizer plain = *t;
    sh_token out[2];
    bool all = true;
    plain.bpe.ignore_merges = false;
    for (int32_t i = 0; i < t->vocab.n && all; i++) {
        if (!t->vocab.in_model[i] || t->vocab.type[i] != TOK_NORMAL) continue;
        tok_enc e = {.t = &plain, .out = out, .cap = 2};
        sh_str s = vocab_raw(&t->vocab, i);
        all = bpe_encode(&e, s.p, s.n) == SH_OK && e.n == 1 && out[0] == i;
        enc_clear(&e);
    }
    return all;
}

static int describe_gpt2(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    int rc;
    const char *pre = name_splits(t);
    if (t->bpe.suffix || t->bpe.prefix) return refuse(err, "its pieces carry a subword prefix or suffix");
    if (!pre) return refuse(err, "its pre-tokeniser has no name there");
    if (t->n_norm && !(t->n_norm == 1 && t->norm[0].kind == NORM_NFC && strcmp(pre, "qwen2") == 0))
        return refuse(err, "it normalises the text");
    if (t->bpe.ignore_merges != pre_ignores_merges(pre) && !merges_reach_all(t))
        return refuse(err, "whole words take precedence over merges in one, not in the other");
    if ((rc = fill_tokens(t, d, err)) < 0 || (rc = fill_merges(t, d, err)) < 0) return rc;
    d->desc.model = "gpt2";
    d->desc.pre = pre;
    return SH_OK;
}

/* --- sentencepiece in its tokenizer.json clothes --- */

static bool is_replace(const norm_step *s, const char *from, const char *to)
{
    return s->kind == NORM_REPLACE && !s->regex && sh_str_is(s->pattern, from) && sh_str_is(s->content, to);
}

/* 1: a prefix is added, 0: none, -1: not a layout of sentencepiece BPE. */
static int spm_prefix_of(const sh_tokenizer *t)
{
    bool plain_split = t->n_split == 0 || (t->n_split == 1 && t->split[0].kind == SPLIT_STRING);
    if (t->n_norm == 2 && plain_split && t->norm[0].kind == NORM_PREPEND &&
        sh_str_is(t->norm[0].content, META) && is_replace(&t->norm[1], " ", META))
        return 1;
    if (t->n_norm == 1 && plain_split && is_replace(&t->norm[0], " ", META)) return 0;
    if (t->n_norm == 0 && t->n_split == 1 && t->split[0].kind == SPLIT_META && !t->split[0].split)
        return t->split[0].prepend != META_NEVER;
    return -1;
}

/* Scores that put the merges in the same order: a piece's score is the rank of the first merge that makes it.
 * That only works when the ranks of different pieces do not interleave. */
static int fill_merge_scores(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    size_t n_pairs, n = (size_t)t->vocab.n;
    const tok_pair **list = sorted_pairs(t, d->arena, &n_pairs);
    float *scores = sh_arena_zalloc(d->arena, n, sizeof *scores);
    uint8_t *made = sh_arena_zalloc(d->arena, n, 1);
    if (!list || !scores || !made) return sh_fail_nomem(err, n * sizeof *scores);
    float next = 0;
    int32_t last = -1;
    for (size_t i = 0; i < n_pairs; i++) {
        int32_t id = list[i]->id;
        if (id == last) continue;
        if (made[id]) return refuse(err, "its merges are not in the order of the pieces they make");
        made[id] = 1;
        scores[id] = -next++;
        last = id;
    }
    for (size_t i = 0; i < n; i++)
        if (!made[i] && t->vocab.type[i] == TOK_NORMAL) scores[i] = -next++;
    d->desc.scores = scores;
    return SH_OK;
}

/* Sentencepiece merges any neighbours that make a piece; tokenizer.json only those listed. */
static bool merges_complete(const sh_tokenizer *t)
{
    for (int32_t i = 0; i < t->vocab.n; i++) {
        sh_str s = vocab_raw(&t->vocab, i);
        if (!t->vocab.in_model[i] || t->vocab.type[i] != TOK_NORMAL) continue;
        for (size_t cut = 1; cut < s.n; cut++) {
            if ((s.p[cut] & 0xc0) == 0x80) continue;
            int32_t a = vocab_find(&t->vocab, s.p, cut), b = vocab_find(&t->vocab, s.p + cut, s.n - cut);
            if (a < 0 || b < 0 || t->vocab.type[a] != TOK_NORMAL || t->vocab.type[b] != TOK_NORMAL) continue;
            if (!bpe_has_pair(&t->bpe, a, b)) return false;
        }
    }
    return true;
}

static void mark_unknown(const sh_tokenizer *t, tok_described *d)
{
    int32_t *types = (int32_t *)(uintptr_t)d->desc.types;
    if (t->unk >= 0) types[t->unk] = TOK_UNKNOWN;
}

static int describe_spm_bpe(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    int rc, prefix = spm_prefix_of(t);
    if (!t->bpe.byte_fallback) return refuse(err, "it is a BPE over characters without byte fallback");
    if (prefix < 0 || t->bpe.ignore_merges) return refuse(err, "its layout is not one of sentencepiece's");
    if (!merges_complete(t)) return refuse(err, "its merges leave out some that sentencepiece would make");
    if ((rc = fill_tokens(t, d, err)) < 0 || (rc = fill_merge_scores(t, d, err)) < 0) return rc;
    mark_unknown(t, d);
    d->desc.model = "llama";
    d->desc.pre = "default";
    d->desc.add_space_prefix = prefix;
    return SH_OK;
}

static int fill_spm_step(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    const norm_step *s = &t->norm[0];
    if (!s->escape || s->suffix) return refuse(err, "it writes spaces in another way");
    d->desc.add_space_prefix = s->dummy_prefix;
    d->desc.remove_extra_whitespaces = s->remove_spaces;
    if (s->n_trie) {
        d->desc.charsmap = s->trie - 4;
        d->desc.n_charsmap = 4 + 4 * s->n_trie + s->n_strings;
    }
    return SH_OK;
}

static int describe_spm(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    int rc;
    if ((rc = fill_tokens(t, d, err)) < 0 || (rc = fill_spm_step(t, d, err)) < 0) return rc;
    d->desc.scores = t->vocab.score;
    d->desc.model = "llama";
    d->desc.pre = "default";
    return SH_OK;
}

/* [Precompiled] [Strip right] [Replace " {2,}"], then Metaspace, as the converters of sentencepiece models
 * write it. */
static int unigram_layout(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    size_t i = 0, k = 0;
    if (i < t->n_norm && t->norm[i].kind == NORM_CHARSMAP) {
        d->desc.charsmap = t->norm[i].trie - 4;
        d->desc.n_charsmap = 4 + 4 * t->norm[i].n_trie + t->norm[i].n_strings;
        i++;
    }
    if (i < t->n_norm && t->norm[i].kind == NORM_STRIP && !t->norm[i].left) i++;
    if (i < t->n_norm && t->norm[i].kind == NORM_REPLACE && t->norm[i].regex &&
        strcmp(sh_regex_source(t->norm[i].regex), " {2,}") == 0) {
        i++;
        d->desc.remove_extra_whitespaces = 1;
    }
    if (i < t->n_norm) return refuse(err, "it normalises the text in a way of its own");
    if (k < t->n_split && t->split[k].kind == SPLIT_SPACES) k++, d->desc.remove_extra_whitespaces = 1;
    if (k + 1 != t->n_split || t->split[k].kind != SPLIT_META || !sh_str_is(t->split[k].string, META))
        return refuse(err, "its pre-tokeniser is not sentencepiece's");
    d->desc.add_space_prefix = t->split[k].prepend != META_NEVER;
    if (d->desc.remove_extra_whitespaces < 0) d->desc.remove_extra_whitespaces = 0;
    return SH_OK;
}

static int describe_unigram(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    size_t n = (size_t)t->vocab.n;
    int rc = t->n_norm && t->norm[0].kind == NORM_SPM ? fill_spm_step(t, d, err) : unigram_layout(t, d, err);
    if (rc < 0 || (rc = fill_tokens(t, d, err)) < 0) return rc;
    float *scores = sh_arena_alloc(d->arena, n, sizeof *scores);
    if (!scores) return sh_fail_nomem(err, n * sizeof *scores);
    for (size_t i = 0; i < n; i++) scores[i] = (float)t->unigram.score[i];
    mark_unknown(t, d);
    d->desc.scores = scores;
    d->desc.model = "t5";
    d->desc.pre = "default";
    return SH_OK;
}

/* --- WordPiece --- */

static int describe_wordpiece(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    int rc;
    const norm_step *s = t->norm;
    if (t->n_norm != 1 || s->kind != NORM_BERT || t->n_split != 1 || t->split[0].kind != SPLIT_BERT)
        return refuse(err, "its WordPiece does not read text as BERT does");
    if (!s->clean || !s->cjk || !s->lower || !s->accents)
        return refuse(err,
                      "readers of a bert vocabulary lower-case and strip accents, this tokenizer does not");
    if ((rc = fill_tokens(t, d, err)) < 0) return rc;
    d->desc.model = "bert";
    d->desc.pre = "default";
    if (t->wordpiece.prefix[0] == 0) return SH_OK; /* from GGUF: spelled its way already */
    size_t n_prefix = strlen(t->wordpiece.prefix);
    sh_str *tokens = (sh_str *)(uintptr_t)d->desc.tokens;
    for (int32_t i = 0; i < t->vocab.n; i++) {
        sh_str text = tokens[i];
        if (t->vocab.type[i] != TOK_NORMAL) continue;
        if (text.n > n_prefix && memcmp(text.p, t->wordpiece.prefix, n_prefix) == 0) {
            tokens[i] = sh_str_n(text.p + n_prefix, text.n - n_prefix);
            if (tokens[i].n > META_BYTES && memcmp(tokens[i].p, META, META_BYTES) == 0)
                return refuse(err, "a piece inside words begins with U+2581, the mark of a word's beginning");
            continue;
        }
        char *copy = sh_arena_alloc(d->arena, text.n + META_BYTES + 1, 1);
        if (!copy) return sh_fail_nomem(err, text.n);
        memcpy(copy, META, META_BYTES);
        memcpy(copy + META_BYTES, text.p, text.n + 1);
        tokens[i] = sh_str_n(copy, text.n + META_BYTES);
    }
    return SH_OK;
}

/* --- the whole --- */

static void fill_ids(const sh_tokenizer *t, sh_vocab_desc *d)
{
    d->bos = t->bos;
    d->eos = t->eos;
    d->eot = t->eot;
    d->eom = t->eom;
    d->unk = t->unk;
    d->sep = t->sep;
    d->pad = t->pad;
    d->cls = t->cls;
    d->mask = t->mask;
    bool first = t->n_single && t->single[0].id >= 0,
         last = t->n_single && t->single[t->n_single - 1].id >= 0;
    if (t->model == MODEL_WORDPIECE) {
        if (first) d->cls = t->single[0].id;
        if (last) d->sep = t->single[t->n_single - 1].id;
        d->bos = d->cls;
        d->eos = d->sep;
    } else {
        if (first) d->bos = t->single[0].id;
        if (last) d->eos = t->single[t->n_single - 1].id;
    }
    d->add_bos = first;
    d->add_eos = last;
}

/* [token] A [token] is all that the two flags can say. */
static int check_template(const sh_tokenizer *t, sh_err *err)
{
    size_t at = 0;
    while (at < t->n_single && t->single[at].id != ITEM_A) at++;
    if (at > 1 || t->n_single - at > 2) return refuse(err, "its template puts more than one token on a side");
    return SH_OK;
}

static int describe(const sh_tokenizer *t, tok_described *d, sh_err *err)
{
    int rc = check_template(t, err);
    d->desc = (sh_vocab_desc){.add_space_prefix = -1, .remove_extra_whitespaces = -1};
    fill_ids(t, &d->desc);
    if (rc < 0) return rc;
    switch (t->model) {
    case MODEL_BPE:
        if (t->vocab.byte_level) return describe_gpt2(t, d, err);
        if (!t->gemma4) return describe_spm_bpe(t, d, err);
        if ((rc = fill_tokens(t, d, err)) < 0 || (rc = fill_merges(t, d, err)) < 0) return rc;
        d->desc.scores = t->vocab.score;
        d->desc.model = "gemma4";
        d->desc.add_space_prefix = 0;
        return SH_OK;
    case MODEL_SPM:
        return describe_spm(t, d, err);
    case MODEL_UNIGRAM:
        return describe_unigram(t, d, err);
    case MODEL_WORDPIECE:
        return describe_wordpiece(t, d, err);
    case MODEL_WORDLEVEL:
        break;
    }
    return refuse(err, "a vocabulary of whole words has no model there");
}

int sh_tokenizer_describe(const sh_tokenizer *t, sh_vocab_desc *desc, sh_err *err)
{
    void **slot = (void **)(uintptr_t)&t->described;
    tok_described *d = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (!d) {
        void *none = NULL;
        d = sh_new(sizeof *d, err);
        if (!d) return SH_E_NOMEM;
        d->arena = sh_arena_open();
        int rc = d->arena ? describe(t, d, err) : sh_fail_nomem(err, 1);
        if (rc < 0) {
            tok_described_free(d);
            return rc;
        }
        if (!__atomic_compare_exchange_n(slot, &none, d, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            tok_described_free(d);
            d = none;
        }
    }
    *desc = d->desc;
    if (d->desc.model) fill_ids(t, desc); /* bos and eos may have been set since */
    return SH_OK;
}
