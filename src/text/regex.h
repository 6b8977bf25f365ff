/* text/regex.h - the regular expressions of tokenizer files (Oniguruma's dialect) through PCRE2, with limits.
 *
 * What differs between the dialects is rewritten before compiling: \s and \h have other members, ^ and $
 * match at lines. Matching is bounded; a pattern that blows up is SH_E_LIMIT, never a hang. */
#ifndef SH_TEXT_REGEX_H
#define SH_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

typedef struct sh_regex sh_regex;

/* Errors: SH_E_CORRUPT with the offset in the pattern. Immutable afterwards, shared by threads. */
int sh_regex_open(sh_regex **out, sh_str pattern, const char *where, sh_err *err);
void sh_regex_free(sh_regex *r);
const char *sh_regex_source(const sh_regex *r); /* as it was given */

/* What one thread needs to match; all zero is ready. */
typedef struct sh_regex_work {
    void *data, *context, *stack;
} sh_regex_work;
void sh_regex_work_clear(sh_regex_work *w);

/* The first match in text[from..n) (valid UTF-8): 1 with its bounds, 0, or a negative code. */
int sh_regex_find(const sh_regex *r, sh_regex_work *w, const char *text, size_t n, size_t from, size_t *begin,
                  size_t *end, sh_err *err);

#endif
