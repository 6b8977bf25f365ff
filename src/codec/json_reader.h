/* json_reader.h - a pull reader over JSON text in memory, for documents too large for a tree (tokenizer.json: 5-20 MB).
 *
 *   sh_json_reader r; sh_json_reader_init(&r, text, n, "tokenizer.json");
 *   while ((t = sh_json_next(&r, &err)) > 0) switch (t) ...
 *
 * Strings without escapes are views into the text; others are decoded into a scratch that the next call reuses.
 * Depth is limited to 128 (SH_E_LIMIT). Strict RFC 8259 text in valid UTF-8: anything else is SH_E_CORRUPT with line,
 * column and byte offset, as is a number beyond double. A lone surrogate escape gives U+FFFD. Equal keys are reported
 * as they come. No allocation but the scratch. */
#ifndef SH_CODEC_JSON_READER_H
#define SH_CODEC_JSON_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum sh_json_event {
    SH_JSON_END = 0, /* the document is complete */
    SH_JSON_OBJECT, SH_JSON_OBJECT_END, SH_JSON_ARRAY, SH_JSON_ARRAY_END,
    SH_JSON_KEY,     /* str */
    SH_JSON_STRING,  /* str */
    SH_JSON_NUMBER,  /* num; is_int and integer when the text has no fraction or exponent and fits int64 */
    SH_JSON_BOOL,    /* flag */
    SH_JSON_NULL
};

typedef struct sh_json_reader {
    const char *p, *end, *begin, *where;
    sh_str str;
    double num;
    int64_t integer;
    bool flag, is_int;
    /* private */
    sh_buf scratch;
    uint8_t stack[128];
    unsigned depth, state;
} sh_json_reader;

void sh_json_reader_init(sh_json_reader *r, const char *p, size_t n, const char *where);
void sh_json_reader_clear(sh_json_reader *r);
/* The next event, or a negative code with *err filled (byte offset and what was expected). */
int sh_json_next(sh_json_reader *r, sh_err *err);
/* Just after KEY, or in an array: read over one whole value. SH_OK; in an array that has no further value
 * SH_JSON_ARRAY_END, which is then consumed; or a negative code. */
int sh_json_skip(sh_json_reader *r, sh_err *err);

#endif
