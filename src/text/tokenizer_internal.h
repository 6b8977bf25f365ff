/* text/tokenizer_internal.h - the parts of a tokenizer and the working state of one encode.
 *
 * A text passes: repair of ill-formed UTF-8 -> added tokens cut out (raw) -> normaliser steps -> added tokens
 * cut out (normalised) -> splitters -> model per piece -> template. Each stage is a file; a loader only fills
 * this structure. */
#ifndef SH_TEXT_TOKENIZER_INTERNAL_H
#define SH_TEXT_TOKENIZER_INTERNAL_H

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/unicode.h"

/* The first `what` in p[0..n), or NULL. Patterns are a character or two, where looking for the first byte is
 * quickest. */
static inline const char *find_bytes(const char *p, size_t n, sh_str what)
{
    if (what.n > 8) return memmem(p, n, what.p, what.n);
    for (const char *end = p + n; what.n && (size_t)(end - p) >= what.n; p++) {
        p = memchr(p, what.p[0], (size_t)(end - p) - what.n + 1);
        if (!p || memcmp(p, what.p, what.n) == 0) return p;
    }
    return NULL;
}

#define META "\xe2\x96\x81" /* U+2581, how sentencepiece writes a space */
enum { META_BYTES = 3 };

/* --- vocabulary (vocab.c) --- */

enum tok_type { TOK_NORMAL = 1, TOK_UNKNOWN, TOK_CONTROL, TOK_USER, TOK_UNUSED, TOK_BYTE };

typedef struct tok_slot {
    uint32_t tag; /* high half of the hash */
    int32_t id;   /* -1: free */
} tok_slot;

/* Spellings and, for byte-level vocabularies, the raw bytes they stand for; `slots` finds ids by raw bytes
 * among the tokens that the model itself may produce, `others` by spelling among the rest. */
typedef struct tok_vocab {
    int32_t n;
    bool byte_level;
    const char *text, *raw;             /* strings with a NUL after each; raw == text unless byte_level */
    const uint32_t *text_off, *raw_off; /* [n + 1] */
    uint8_t *type;                      /* [n] enum tok_type */
    uint8_t *in_model;                  /* [n] */
    float *score;                       /* [n] or NULL */
    tok_slot *slots;
    uint32_t mask, max_raw; /* longest raw string among the model's tokens */
    uint64_t seed;
    sh_map *others;
} tok_vocab;

static inline sh_str vocab_text(const tok_vocab *v, int32_t id)
{
    return sh_str_n(v->text + v->text_off[id], v->text_off[id + 1] - v->text_off[id] - 1);
}
static inline sh_str vocab_raw(const tok_vocab *v, int32_t id)
{
    return sh_str_n(v->raw + v->raw_off[id], v->raw_off[id + 1] - v->raw_off[id] - 1);
}
/* A model token by its raw bytes, or -1. */
int32_t vocab_find(const tok_vocab *v, const char *raw, size_t n);
/* The same in steps, so that many look-ups can wait for memory together: the hash, the slot's line fetched,
 * the first candidate (fetch its bytes), the answer. */
static inline uint64_t vocab_hash(const tok_vocab *v, const char *raw, size_t n)
{
    return sh_hash(raw, n, v->seed);
}
static inline void vocab_fetch(const tok_vocab *v, uint64_t hash)
{
    __builtin_prefetch(&v->slots[(uint32_t)hash & v->mask]);
}
int32_t vocab_candidate(const tok_vocab *v, uint64_t hash);
int32_t vocab_find_hashed(const tok_vocab *v, const char *raw, size_t n, uint64_t hash);
/* Any token by its spelling, or -1. */
int32_t vocab_find_text(const tok_vocab *v, const char *text, size_t n);

/* What a loader knows of one token before the vocabulary is built. */
typedef struct tok_entry {
    sh_str text; /* p == NULL: no such id (a gap) */
    uint8_t type;
    bool in_model, literal; /* literal: raw bytes are the spelling even in a byte-level vocabulary */
} tok_entry;
int vocab_build(tok_vocab *v, sh_arena *arena, const tok_entry *entries, size_t n, bool byte_level,
                sh_err *err);
void vocab_clear(tok_vocab *v);
/* Appends the bytes that a byte-level spelling stands for; the spelling itself when some letter stands for
 * none. */
bool vocab_unmap(sh_buf *out, sh_str text);
void vocab_map(sh_buf *out, const char *p, size_t n); /* the reverse */

/* --- models --- */

enum tok_model { MODEL_BPE, MODEL_SPM, MODEL_UNIGRAM, MODEL_WORDPIECE, MODEL_WORDLEVEL };

typedef struct tok_pair {
    uint32_t a, b, rank; /* a == UINT32_MAX: free */
    int32_t id;
} tok_pair;

typedef struct tok_bpe {
    tok_pair *pairs;
    uint32_t mask, n_pairs;
    size_t n_merges;             /* ranks are below this */
    struct merge_queue *queue;   /* while loading */
    int32_t byte_id[256];        /* byte-level: symbol of a byte; else symbol of an ASCII character */
    int32_t last_id[256];        /* the same for the last symbol of a piece (suffix) */
    const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL when none */
    bool ignore_merges, fuse_unk, byte_fallback;
    bool cut_meta; /* no token has U+2581 after another character: a text may be cut there */
    uint8_t *self; /* [n] relaxed atomics: 0 not known, 1 encodes to itself, 2 does not */
} tok_bpe;

typedef struct tok_unigram {
    tok_trie trie;
    double *score; /* [n] */
    double unk_score, max_score;
    bool f32; /* sums are rounded to float, as sentencepiece computes */
} tok_unigram;

typedef struct tok_wordpiece {
    tok_trie first, rest;
    size_t max_chars;
    const char *prefix; /* "##" */
} tok_wordpiece;

/* --- normaliser (normalize.c) --- */

enum norm_kind {
    NORM_NFC,
    NORM_NFD,
    NORM_NFKC,
    NORM_NFKD,
    NORM_LOWER,
    NORM_STRIP,
    NORM_STRIP_ACCENTS,
    NORM_REPLACE,
    NORM_PREPEND,
    NORM_CHARSMAP,
    NORM_BERT,
    NORM_NMT,
    NORM_SPM,
    NORM_BYTES
};
typedef struct norm_step {
    enum norm_kind kind;
    bool left, right;                                 /* STRIP */
    bool clean, cjk, accents, lower;                  /* BERT */
    bool dummy_prefix, remove_spaces, escape, suffix; /* SPM */
    const sh_regex *regex;                            /* REPLACE: NULL for a plain string */
    sh_str pattern, content;
    const uint8_t *trie; /* CHARSMAP, SPM: double array, little endian */
    size_t n_trie;       /* units */
    const char *strings;
    size_t n_strings;
} norm_step;

/* --- splitters (split.c, split_fast.c) --- */

enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };
enum split_kind {
    SPLIT_PATTERN,
    SPLIT_STRING,
    SPLIT_FAST,
    SPLIT_DIGITS,
    SPLIT_PUNCTUATION,
    SPLIT_SPACES,
    SPLIT_BERT,
    SPLIT_META,
    SPLIT_BYTES,
    SPLIT_LENGTH
};
/* Patterns with a matcher of their own; the order is that of split_fast.c's table. */
enum fast_pattern { FAST_GPT2, FAST_LLAMA3, FAST_QWEN2, FAST_QWEN35, FAST_O200K, FAST_TEKKEN, FAST_COUNT };

typedef struct split_step {
    enum split_kind kind;
    enum split_behavior behavior;
    bool invert, individual;
    bool add_prefix_space, use_regex; /* BYTES */
    bool split;                       /* META */
    enum { META_ALWAYS, META_FIRST, META_NEVER } prepend;
    enum fast_pattern fast;
    const sh_regex *regex;
    sh_str string; /* STRING: the text sought; META: the replacement */
    size_t length;
} split_step;

/* --- added tokens (added.c) --- */

typedef struct tok_added {
    int32_t id;
    sh_str content;
    bool single_word, lstrip, rstrip, normalized, special;
} tok_added;

typedef struct tok_added_set {
    tok_added *items;
    size_t n, cap;
    tok_trie raw, normal; /* values are indices into items */
    bool has_raw, has_normal;
} tok_added_set;

/* --- decoder (decode.c) --- */

enum dec_kind {
    DEC_BYTES,
    DEC_REPLACE,
    DEC_BYTE_FALLBACK,
    DEC_FUSE,
    DEC_STRIP,
    DEC_META,
    DEC_WORDPIECE,
    DEC_BPE,
    DEC_SPM,
    DEC_JOIN
};
typedef struct dec_step {
    enum dec_kind kind;
    sh_str pattern, content;
    const sh_regex *regex;
    size_t start, stop; /* STRIP */
    bool keep_first;    /* META: prepend_scheme never; SPM: no leading space is taken away */
    bool all_leading;   /* SPM: every leading space is (extra white space was removed on the way in) */
    bool cleanup;       /* WORDPIECE */
} dec_step;

/* --- template --- */

enum { ITEM_A = -1, ITEM_B = -2 };
typedef struct tok_item {
    int32_t id; /* a token, ITEM_A or ITEM_B */
    int32_t type_id;
} tok_item;

struct sh_vocab_desc;
typedef struct tok_described tok_described;

struct sh_tokenizer {
    sh_arena *arena;
    tok_vocab vocab;
    enum tok_model model;
    tok_bpe bpe;
    tok_unigram unigram;
    tok_wordpiece wordpiece;
    int32_t unk;
    int32_t byte_tok[256]; /* "<0xNN>", -1 when absent */
    norm_step *norm;
    size_t n_norm;
    split_step *split;
    size_t n_split;
    bool mapped;      /* pieces reach the model in the byte alphabet, not as raw bytes */
    uint8_t *classes; /* [65536] uc_classify, when a fast matcher is used */
    tok_added_set added;
    dec_step *dec;
    size_t n_dec;
    tok_item *single, *pair;
    size_t n_single, n_pair;
    sh_token bos, eos, eot, eom, sep, pad, cls, mask;
    int add_bos, add_eos; /* as GGUF says it, -1 unknown */
    uint8_t *end;         /* [n] 1: an answer is over */
    const char *pre;      /* GGUF's name of the splitter, NULL when unknown */
    sh_regex **regexes;
    size_t n_regexes;
    bool gemma4;      /* GGUF's model of that name */
    bool user_frozen; /* sentencepiece: user-defined symbols are cut out of the normalised text */
    void *described;  /* atomically published tok_described */
    void *grammar_vocab; /* atomically published gram_vocab (grammar_vocab.c) */
};

/* --- working state --- */

typedef struct tok_pieces {
    sh_buf text;
    size_t *end; /* exclusive ends in text */
    size_t n, cap;
} tok_pieces;

typedef struct tok_enc {
    const sh_tokenizer *t;
    sh_token *out;
    size_t cap, n;
    bool parse_special;
    const sh_span *plain; /* special tokens are not parsed inside these */
    size_t n_plain;
    sh_buf fixed, norm[2], tmp;
    tok_pieces pieces[2];
    void *scratch;
    size_t scratch_bytes;
    sh_regex_work regex;
    /* when set, pieces go here in place of the model (tests of the splitters) */
    int (*on_piece)(void *ud, const char *p, size_t n);
    void *ud;
    sh_err *err;
} tok_enc;

static inline void enc_emit(tok_enc *e, int32_t id)
{
    if (e->n < e->cap) e->out[e->n] = id;
    e->n++;
}
/* A block of at least n * size bytes that lives until the next call; NULL with *e->err filled. */
void *enc_scratch(tok_enc *e, size_t n, size_t size);
void enc_clear(tok_enc *e);

/* All return SH_OK or a code with *e->err filled. Text is valid UTF-8. */
int enc_text(tok_enc *e, const char *p, size_t n);
static inline uint32_t bpe_pair_hash(uint32_t a, uint32_t b)
{
    uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 12);
}
bool bpe_has_pair(const tok_bpe *b, int32_t left, int32_t right);
int bpe_encode(tok_enc *e, const char *p, size_t n);
int unigram_encode(tok_enc *e, const char *p, size_t n);
int wordpiece_encode(tok_enc *e, const char *p, size_t n);
/* Model over one piece (already in the form that the model reads). */
int enc_model(tok_enc *e, const char *p, size_t n);
/* Splitters and model over a normalised stretch; first: the stretch begins the whole text. */
int split_run(tok_enc *e, const char *p, size_t n, bool first);
/* Length of the next piece at p (p < end). */
size_t fast_next(enum fast_pattern which, const uint8_t *classes, const char *p, const char *end);
/* Normaliser steps over p[0..n); *out views the result, which lives until the next call on e. */
int norm_run(tok_enc *e, const char *p, size_t n, sh_str *out);
int norm_steps(const norm_step *steps, size_t n_steps, const tok_trie *frozen, sh_str text, sh_buf bufs[2],
               sh_regex_work *work, sh_str *out, sh_err *err);

/* --- decoding (decode.c) --- */

/* Append p[0..n) with each maximal ill-formed part replaced. */
void decode_lossy(sh_buf *out, const char *p, size_t n);
/* Whether decoding is joining raw bytes. */
bool decode_is_bytes(const sh_tokenizer *t);
bool decode_skips(const sh_tokenizer *t, sh_token id, bool skip_special);

/* The splitter that an HF regular expression is, or FAST_COUNT. */
enum fast_pattern fast_from_regex(sh_str pattern);
const char *fast_source(enum fast_pattern which); /* the pattern itself, as tokenizer.json spells it */

/* --- building (build.c) --- */

int tok_new(sh_tokenizer **out, sh_err *err);
int tok_bpe_begin(sh_tokenizer *t, size_t n_merges, sh_err *err);
/* One merge; a and b stay readable until tok_bpe_end. strict: a part outside the vocabulary is SH_E_CORRUPT,
 * else the merge is passed over. */
int tok_bpe_merge(sh_tokenizer *t, sh_str a, sh_str b, uint32_t rank, bool strict, const char *where,
                  sh_err *err);
/* After the last merge: they are taken in batches, so an error may come as late as here. */
int tok_bpe_end(sh_tokenizer *t, bool strict, const char *where, sh_err *err);
/* Symbols of bytes and characters; after the vocabulary, prefix and suffix are known, before tok_bpe_merge.
 */
int tok_symbols(sh_tokenizer *t, sh_err *err);
int tok_unigram_build(sh_tokenizer *t, const double *scores, bool f32, sh_err *err);
int tok_wordpiece_build(sh_tokenizer *t, bool meta_style, const char *prefix, sh_err *err);
int tok_add_regex(sh_tokenizer *t, sh_str pattern, const sh_regex **out, const char *where, sh_err *err);
/* Copies what *a points at; tries are built by tok_added_finish. */
int tok_added_add(sh_tokenizer *t, const tok_added *a, sh_err *err);
int tok_added_finish(sh_tokenizer *t, sh_err *err);
/* Ends of answers by spelling, class table, last checks. */
int tok_finish(sh_tokenizer *t, sh_err *err);
/* single = [bos A eos], pair by the same habit. */
int tok_template_bos_eos(sh_tokenizer *t, bool bos, bool eos, sh_err *err);
int tok_set_charsmap(norm_step *s, sh_arena *arena, const void *data, size_t n, const char *where,
                     sh_err *err);
/* The splitters of GGUF's tokenizer.ggml.pre. SH_E_UNSUPPORTED for a name nobody knows. */
int tok_set_pre(sh_tokenizer *t, const char *pre, const char *where, sh_err *err);
bool pre_ignores_merges(const char *pre);
bool pre_adds_bos(const char *pre);
/* The name whose steps are these patterns, or NULL. */
const char *pre_of_sources(const char *const *sources, size_t n);
const char *pre_falcon_punctuation(void);
void tok_described_free(void *described);
void tok_grammar_vocab_free(void *vocab);
/* A step appended to the arena-held array; NULL on shortage. */
norm_step *tok_push_norm(sh_tokenizer *t, enum norm_kind kind, sh_err *err);
split_step *tok_push_split(sh_tokenizer *t, enum split_kind kind, sh_err *err);
dec_step *tok_push_dec(sh_tokenizer *t, enum dec_kind kind, sh_err *err);

#endif
