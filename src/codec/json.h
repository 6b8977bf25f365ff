/* json.h - JSON values as jansson's json_t, read by the strict reader of json_reader.h, with one-line errors.
 *
 * jansson's functions are used directly on the values; only its parser is not: it refuses what published model folders
 * hold (integers beyond 64 bits such as "model_max_length": 1000000000000000019884624838656, lone surrogates). */
#ifndef SH_CODEC_JSON_H
#define SH_CODEC_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Parse n bytes of strict JSON (RFC 8259, any value at the top, valid UTF-8, depth at most 128). The last of equal keys
 * counts; an integer outside int64 becomes a real; a lone surrogate escape becomes U+FFFD; \u0000 is fine in strings
 * but not in keys. `where` names the source in messages ("config.json"): "config.json: line 3, column 9: ...".
 * SH_E_CORRUPT for ill-formed text, SH_E_LIMIT for depth. The value is owned (json_decref). */
int sh_json_parse(json_t **out, const char *p, size_t n, const char *where, sh_err *err);
int sh_json_read_file(json_t **out, const char *path, size_t max_bytes, sh_err *err);
/* The file `name` of a folder; *out is NULL when it is not there. */
int sh_json_read_in(json_t **out, const char *folder, const char *name, size_t max_bytes, sh_err *err);
/* Append the value's text: compact, on one line, keys in the order they were set. Of jansson's flags JSON_INDENT(n),
 * JSON_SORT_KEYS and JSON_ENSURE_ASCII are honoured. A real has 15 digits, or 16 or 17 when only those read back equal
 * ("0.7", "100.0"). SH_E_NOMEM; SH_E_LIMIT beyond 1000 levels; out then ends with part of the text. */
int sh_json_write(sh_buf *out, const json_t *value, size_t flags, sh_err *err);
/* A JSON string literal with its quotes (escapes as RFC 8259; ill-formed UTF-8 becomes U+FFFD). */
void sh_json_quote(sh_buf *out, const char *p, size_t n);

/* Typed look-ups in an object: absent or null (or obj no object) leaves *value alone, so that it keeps its default;
 * another type is SH_E_INVALID with key and wanted type; a number outside lo..hi is SH_E_RANGE. */
int sh_json_get_int(const json_t *obj, const char *key, int64_t *value, int64_t lo, int64_t hi, sh_err *err);
int sh_json_get_num(const json_t *obj, const char *key, double *value, double lo, double hi, sh_err *err);
int sh_json_get_bool(const json_t *obj, const char *key, bool *value, sh_err *err);
/* *value is borrowed from obj. Left alone when absent or null. */
int sh_json_get_str(const json_t *obj, const char *key, const char **value, sh_err *err);

#endif
