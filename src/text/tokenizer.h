/* text/tokenizer.h - making tokenizers from the formats they come in. Public half: <shoal/tokenizer.h>.
 *
 * All loaders copy what they keep; the inputs may go away afterwards. Foreign bytes: a bad file is
 * SH_E_CORRUPT or SH_E_UNSUPPORTED with one line that names `where`, the place and what was expected. */
#ifndef SH_TEXT_TOKENIZER_H
#define SH_TEXT_TOKENIZER_H

#include <shoal/tokenizer.h>

#include "base/buf.h"

/* tokenizer.json of the tokenizers library (BPE, WordPiece, Unigram, with its normalizers, pre-tokenizers,
 * decoders, post-processors, added tokens). config_json (tokenizer_config.json) may be NULL: it names bos,
 * eos, pad, add_bos. */
int sh_tokenizer_from_json(sh_tokenizer **out, const char *json, size_t n, const char *config_json,
                           size_t n_config, const char *where, sh_err *err);
/* tokenizer.model: a sentencepiece ModelProto (unigram or BPE). */
int sh_tokenizer_from_sentencepiece(sh_tokenizer **out, const void *data, size_t n, const char *where,
                                    sh_err *err);
/* llama2.c's tokenizer.bin; vocab_size comes from the model's header. */
int sh_tokenizer_from_llama2c(sh_tokenizer **out, const void *data, size_t n, int32_t vocab_size,
                              const char *where, sh_err *err);
/* vocab.json (or encoder.json) + merges.txt (vocab.bpe): GPT-2's own files; pattern names a pre-tokeniser
 * ("gpt-2", "llama-bpe"). */
int sh_tokenizer_from_bpe_files(sh_tokenizer **out, const char *vocab_json, size_t n_vocab,
                                const char *merges, size_t n_merges, const char *pattern, const char *where,
                                sh_err *err);

/* What GGUF metadata says; strings are views into the mapped file. Field = metadata key below tokenizer.ggml.
 */
typedef struct sh_vocab_desc {
    const char *model; /* .model: "gpt2", "llama", "bert", "t5" (unigram), ... NUL-terminated */
    const char *pre;   /* .pre: "llama-bpe", "qwen2", "gpt-2", ...; NULL when absent */
    const sh_str *tokens;
    size_t n_tokens;
    const float *scores; /* [n_tokens] or NULL */
    const int32_t
        *types; /* [n_tokens] or NULL: 1 normal 2 unknown 3 control 4 user defined 5 unused 6 byte */
    const sh_str *merges; /* "a b", or NULL */
    size_t n_merges;
    sh_token bos, eos, eot, eom, unk, sep, pad, cls, mask; /* -1 when absent */
    int add_bos, add_eos, add_space_prefix;                /* 1, 0, or -1 when the key is absent */
    int remove_extra_whitespaces;                          /* likewise */
    const void *charsmap;                                  /* .precompiled_charsmap, or NULL */
    size_t n_charsmap;
} sh_vocab_desc;
int sh_tokenizer_from_vocab(sh_tokenizer **out, const sh_vocab_desc *desc, const char *where, sh_err *err);
/* The reverse, for writing GGUF: fills *desc with views that live as long as t. SH_E_UNSUPPORTED when GGUF
 * cannot say it. */
int sh_tokenizer_describe(const sh_tokenizer *t, sh_vocab_desc *desc, sh_err *err);

/* Mark further ids as ends of an answer (generation_config.json lists several). */
int sh_tokenizer_add_end(sh_tokenizer *t, sh_token id, sh_err *err);
void sh_tokenizer_set_bos_eos(sh_tokenizer *t, sh_token bos, sh_token eos); /* -1 leaves one as it is */

/* Append form of decode, used inside the library. */
int sh_tokenizer_decode_to(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special,
                           sh_buf *out, sh_err *err);
/* Encode a chat rendering whose spans [begin, end) came from user content: special tokens are parsed outside
 * them only. spans ascending, disjoint. */
typedef struct sh_span {
    size_t begin, end;
} sh_span;
int64_t sh_tokenizer_encode_spans(const sh_tokenizer *t, const char *text, size_t n, const sh_span *plain,
                                  size_t n_plain, sh_encode_opts opts, sh_token *out, size_t cap,
                                  sh_err *err);

/* Two texts (or one: b NULL) as embedders and rerankers read them: the template's special tokens and type
 * ids, shortened to max_tokens as the tokenizers library does. ids, type_ids  [min(result, cap)], either may
 * be NULL returns        the number of ids, or a negative code; SH_E_INVALID when max_tokens cannot be met */
enum sh_truncation { SH_TRUNCATE_LONGEST, SH_TRUNCATE_FIRST, SH_TRUNCATE_SECOND };
typedef struct sh_pair_opts {
    int version; /* 1 */
    bool add_special, parse_special;
    size_t max_tokens; /* special ones included; 0 = no limit */
    enum sh_truncation truncation;
    bool truncate_left; /* keep the end of a text that is too long, not its beginning */
} sh_pair_opts;
#define SH_PAIR_OPTS_INIT {.version = 1, .add_special = true}
int64_t sh_tokenizer_encode_pair(const sh_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                                 const sh_pair_opts *opts, sh_token *ids, int32_t *type_ids, size_t cap,
                                 sh_err *err);

/* Text of a growing list of ids, piece by piece: never half a UTF-8 character. */
typedef struct sh_detok sh_detok;
int sh_detok_open(sh_detok **out, const sh_tokenizer *t, bool skip_special, sh_err *err);
/* Feed one id; appends the text that became certain (maybe nothing). */
int sh_detok_add(sh_detok *d, sh_token id, sh_buf *out, sh_err *err);
/* Append what is still held back (an unfinished character becomes U+FFFD). */
int sh_detok_flush(sh_detok *d, sh_buf *out, sh_err *err);
void sh_detok_free(sh_detok *d);

#endif
