/* shoal/tokenizer.h - text to token ids and back.
 *
 * A tokenizer is read-only after it was opened: any number of threads may use one at the same time. */
#ifndef SHOAL_TOKENIZER_H
#define SHOAL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shoal/err.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t sh_token; /* 0 <= id < vocabulary size; -1 means none */
typedef struct sh_tokenizer sh_tokenizer;

/* How a text is encoded. All false is the plain text alone. */
typedef struct sh_encode_opts {
    bool add_special;   /* put what the model's template adds around a text (BOS, [CLS] ... [SEP]) */
    bool parse_special; /* "<|im_end|>" in the text becomes that token; false: it stays ordinary text */
} sh_encode_opts;

/* Encode n bytes (any bytes: each maximal ill-formed UTF-8 part is read as U+FFFD, in every kind of vocabulary).
 *   out, cap   ids are written to out[0..min(result, cap)); out may be NULL with cap 0 to count
 *   returns    the number of ids the text has (may exceed cap), or a negative code. O(n log n). */
SH_API int64_t sh_tokenizer_encode(const sh_tokenizer *t, const char *text, size_t n, sh_encode_opts opts,
                                   sh_token *out, size_t cap, sh_err *err);
/* The text of ids[0..n); skip_special leaves out control tokens. An id outside the vocabulary is SH_E_RANGE.
 *   out, cap   bytes go to out[0..min(result, cap)), no NUL; NULL and 0 to count
 *   returns    the number of bytes, or a negative code */
SH_API int64_t sh_tokenizer_decode(const sh_tokenizer *t, const sh_token *ids, size_t n, bool skip_special, char *out,
                                   size_t cap, sh_err *err);

SH_API int32_t sh_tokenizer_size(const sh_tokenizer *t);
/* The vocabulary's own spelling of a token (with its byte mapping or U+2581), NUL-terminated, borrowed;
 * NULL outside. */
SH_API const char *sh_tokenizer_token(const sh_tokenizer *t, sh_token id);
SH_API sh_token sh_tokenizer_find(const sh_tokenizer *t, const char *spelling); /* -1 when absent */
SH_API sh_token sh_tokenizer_bos(const sh_tokenizer *t);                        /* -1 when there is none */
SH_API sh_token sh_tokenizer_eos(const sh_tokenizer *t);
SH_API bool sh_tokenizer_is_special(const sh_tokenizer *t, sh_token id);
/* Ids after which a model has finished its answer: EOS, and the end-of-turn tokens of known families. */
SH_API bool sh_tokenizer_is_end(const sh_tokenizer *t, sh_token id);
SH_API void sh_tokenizer_free(sh_tokenizer *t);

#ifdef __cplusplus
}
#endif
#endif
