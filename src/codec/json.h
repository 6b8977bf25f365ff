/* json.h - JSON through jansson, with limits and one-line errors. json_t and its functions are used directly. */
#ifndef SH_CODEC_JSON_H
#define SH_CODEC_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Parse n bytes of strict JSON (duplicate keys rejected when reject_duplicates; NUL escapes allowed).
 * `where` names the source in messages ("config.json"): "config.json: line 3, column 9: ...". The value is owned (json_decref). */
int sh_json_parse(json_t **out, const char *p, size_t n, const char *where, sh_err *err);
int sh_json_read_file(json_t **out, const char *path, size_t max_bytes, sh_err *err);
/* Append compact text. flags are jansson's (JSON_INDENT(2), JSON_SORT_KEYS, ...). */
int sh_json_write(sh_buf *out, const json_t *value, size_t flags, sh_err *err);
/* A JSON string literal with its quotes (escapes as RFC 8259; ill-formed UTF-8 becomes U+FFFD). */
void sh_json_quote(sh_buf *out, const char *p, size_t n);

/* Typed look-ups in an object: absent or null gives the default; another type is SH_E_INVALID with key and wanted type. */
int sh_json_get_int(const json_t *obj, const char *key, int64_t *value, int64_t lo, int64_t hi, sh_err *err);
int sh_json_get_num(const json_t *obj, const char *key, double *value, double lo, double hi, sh_err *err);
int sh_json_get_bool(const json_t *obj, const char *key, bool *value, sh_err *err);
/* *value is borrowed from obj. Left alone when absent or null. */
int sh_json_get_str(const json_t *obj, const char *key, const char **value, sh_err *err);

#endif
