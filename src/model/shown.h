/* shown.h - foreign text inside a message: one line of printable ASCII, other bytes as '?', cut to fit. */
#ifndef SH_MODEL_SHOWN_H
#define SH_MODEL_SHOWN_H

#include <stddef.h>

typedef struct sh_shown { char text[112]; } sh_shown;

/* Returns out->text; s may be NULL. */
static inline const char *sh_show(sh_shown *out, const char *s)
{
    size_t n = 0;
    for (; s && s[n] && n < sizeof out->text - 1; n++)
        out->text[n] = s[n] >= 0x20 && s[n] < 0x7f ? s[n] : '?';
    out->text[n] = 0;
    return out->text;
}

#endif
