/* text/from_json.h - what from_json.c read of a tokenizer.json, for from_json_parts.c which builds the
 * stages. */
#ifndef SH_TEXT_FROM_JSON_H
#define SH_TEXT_FROM_JSON_H

#include <jansson.h>

#include "text/tokenizer_internal.h"

/* The small sections as trees (NULL when absent or null). */
typedef struct json_parts {
    json_t *normalizer, *pre_tokenizer, *post_processor, *decoder, *added, *config;
} json_parts;

/* Whether the tree has an object of this "type" at any depth. */
bool json_has_type(const json_t *v, const char *type);

/* Each builds one stage of t. where names the file in messages. SH_E_UNSUPPORTED names a type nobody here
 * knows. */
int json_build_normalizer(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err);
int json_build_splits(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err);
int json_build_decoder(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err);
int json_build_template(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err);
int json_apply_config(sh_tokenizer *t, const json_t *config, const char *where, sh_err *err);

#endif
