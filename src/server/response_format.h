/* response_format.h - what a request asks of its answer's form, as a grammar.
 *
 * All return SH_OK with *out a grammar that the caller owns (sh_grammar_unref), or NULL for plain text; else
 * a code with one line that names the JSON pointer of what is wrong. Give the grammar to
 * sh_request_opts.grammar. */
#ifndef SH_SERVER_RESPONSE_FORMAT_H
#define SH_SERVER_RESPONSE_FORMAT_H

#include "server/server_internal.h"
#include "text/grammar.h"

/* OpenAI's response_format: {"type": "text" | "json_object"}, or {"type": "json_schema", "json_schema":
 * {"name": ..., "strict": ..., "schema": {...}}}; absent (NULL) or null is text. */
int sh_response_format(sh_grammar **out, const json_t *format, sh_err *err);
/* Ollama's format: "json" or a schema object; absent (NULL), null or "" is text. */
int sh_format_from_json(sh_grammar **out, const json_t *format, sh_err *err);
/* llama.cpp's server: fields grammar (GBNF text) and json_schema (a schema) of a body; both absent is text,
 * both given SH_E_INVALID. *param is the field that is wrong. */
int sh_format_from_fields(sh_grammar **out, const json_t *body, const char **param, sh_err *err);

/* All of OpenAI's and llama.cpp's fields of x's body; false after an error reply that names the field.
 * *grammar is the caller's, or NULL. */
bool sh_format_of_request(sh_exchange *x, sh_grammar **grammar);

#define SH_RESPONSE_FORMAT_SCHEMA                                                                            \
    "{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"type\"],\"properties\":{\"type\":" \
    "{\"enum\":[\"text\",\"json_object\"]}}},{\"type\":\"object\",\"required\":[\"type\",\"json_schema\"],"  \
    "\"properties\":{\"type\":{\"const\":\"json_schema\"},\"json_schema\":{\"type\":\"object\","             \
    "\"required\":[\"schema\"],\"properties\":{\"name\":{\"type\":\"string\"},\"strict\":{\"type\":"         \
    "[\"boolean\",\"null\"]},\"schema\":{\"type\":[\"object\",\"boolean\"]}}}}}]}"

/* Rows of field tables for sh_format_from_fields. */
#define SH_FORMAT_FIELDS                                                                                     \
    {"grammar", SH_FIELD_STR, 0, 0, false, true, NULL, "A GBNF grammar that the answer follows."},           \
        {"json_schema",                                                                                      \
         SH_FIELD_OTHER,                                                                                     \
         0,                                                                                                  \
         0,                                                                                                  \
         false,                                                                                              \
         true,                                                                                               \
         "{\"type\":[\"object\",\"boolean\",\"null\"]}",                                                     \
         "A JSON schema that the answer follows."}

#endif
