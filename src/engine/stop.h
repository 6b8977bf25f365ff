/* stop.h - finding stop strings in text that arrives in pieces, without ever letting a part of one out.
 *
 * What comes out depends on the text alone, not on how it was cut into pieces: of all matches the one that
 * ends first counts (of those that end together, the longest), and the text before it is the answer. While no
 * match is complete, the longest tail of the text that begins some stop string is held back. Pieces and stop
 * strings are valid UTF-8, so what is let out ends between characters too. Cost per byte: the sum of the stop
 * strings' lengths at worst. */
#ifndef SH_ENGINE_STOP_H
#define SH_ENGINE_STOP_H

#include "base/buf.h"

enum { SH_STOP_MAX_STRINGS = 64, SH_STOP_MAX_BYTES = 4096 };

typedef struct sh_stop sh_stop;
/* strings [n] are copied; n = 0 lets everything through. SH_E_INVALID: an empty string, ill-formed UTF-8;
 * SH_E_LIMIT: too many or too long. */
int sh_stop_open(sh_stop **out, const char *const *strings, size_t n, sh_err *err);
void sh_stop_free(sh_stop *s);
/* Add a piece; what became certain is appended to out. *match is the stop string found (borrowed from s) or
 * NULL; once one was found further pieces are ignored. */
int sh_stop_add(sh_stop *s, const char *text, size_t n, sh_buf *out, const char **match, sh_err *err);
/* The text has ended: append what is held back (nothing after a match). */
int sh_stop_flush(sh_stop *s, sh_buf *out, sh_err *err);

#endif
