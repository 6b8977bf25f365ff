/* shoal/grammar.h - answers that follow a grammar: GBNF text or a JSON Schema, compiled to a byte automaton.
 *
 * A grammar is immutable and counted: any number of threads and requests may share one. What a request has
 * written so far is an sh_grammar_state of its own: one caller at a time. docs/structured-output.md tells the
 * notation, the schema keywords and how masks are made. */
#ifndef SHOAL_GRAMMAR_H
#define SHOAL_GRAMMAR_H

#include <shoal/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_grammar sh_grammar;
typedef struct sh_grammar_state sh_grammar_state;

/* GBNF (llama.cpp's notation), the answer is what rule `root` derives. `where` names the source in messages.
 * SH_E_INVALID: "where: line 3, column 9: ...", also for left recursion and for a rule that cannot end;
 * SH_E_UNSUPPORTED: a reference to a token; SH_E_LIMIT: too large, nested too deep. *out has one reference. */
SH_API int sh_grammar_from_gbnf(sh_grammar **out, const char *text, size_t n, const char *where, sh_err *err);
/* A JSON Schema (draft 2020-12) as JSON text. SH_E_CORRUPT: no JSON; SH_E_INVALID: no schema, or one that
 * nothing satisfies; SH_E_UNSUPPORTED: a keyword that this compiler cannot honour. Both name the place as a
 * JSON pointer ("where: '#/properties/a/not': ..."). SH_E_LIMIT as above. */
SH_API int sh_grammar_from_json_schema(sh_grammar **out, const char *json, size_t n, const char *where, sh_err *err);
/* Any JSON object. */
SH_API int sh_grammar_from_json_object(sh_grammar **out, sh_err *err);
SH_API sh_grammar *sh_grammar_ref(const sh_grammar *g); /* g itself */
SH_API void sh_grammar_unref(sh_grammar *g);            /* NULL is a no-op; the last one frees */

/* The beginning of an answer. g gains a reference. t is borrowed; NULL for a state that is fed bytes alone.
 * The first state of a tokenizer sorts its vocabulary (tens of milliseconds for 150,000 tokens). */
SH_API int sh_grammar_state_open(sh_grammar_state **out, const sh_grammar *g, const sh_tokenizer *t, sh_err *err);
/* An independent state at the same place. */
SH_API int sh_grammar_state_copy(sh_grammar_state **out, const sh_grammar_state *s, sh_err *err);
SH_API void sh_grammar_state_free(sh_grammar_state *s);
/* Which tokens may come next: bit id % 32 of word id / 32, for ids below the vocabulary's size. An end-of-answer token
 * is allowed exactly when the answer may end here; other control tokens never are. The words live until the next call
 * on s. SH_E_LIMIT when the automaton outgrows its bounds. */
SH_API int sh_grammar_state_mask(sh_grammar_state *s, const uint32_t **words, sh_err *err);
/* Go on by a token's bytes, or any bytes. SH_E_INVALID when the grammar does not allow them (s is unchanged). An
 * end-of-answer token leaves s as it is where it is allowed. */
SH_API int sh_grammar_state_accept(sh_grammar_state *s, sh_token id, sh_err *err);
SH_API int sh_grammar_state_feed(sh_grammar_state *s, const void *bytes, size_t n, sh_err *err);
SH_API bool sh_grammar_state_is_complete(const sh_grammar_state *s); /* the answer may end here */
SH_API bool sh_grammar_state_is_over(const sh_grammar_state *s);     /* and nothing may follow */

#ifdef __cplusplus
}
#endif
#endif
