/* read.h - the reading port: what an engine that turns pictures into text provides, and what is shared by
 * all.
 *
 * Two kinds fit. One that knows pages itself (Tesseract) has read_page. One that reads a single line (a
 * vision encoder with a text decoder) has read_line: the page is then split by media/lines.h, and each line
 * cut out and handed over. read.c lists the engines, completes lines (script, order) and joins the text. */
#ifndef SH_ENGINE_READ_H
#define SH_ENGINE_READ_H

#include <shoal/read.h>

#include "base/buf.h"
#include "media/image.h"

/* Lines as they come from an engine, in its reading order. */
typedef struct sh_line_sink sh_line_sink;
/* text [n] UTF-8 is copied; blanks at both ends are taken off and a line without anything else is left out.
 * Only text, box, confidence and begins_block of *line count. */
int sh_line_sink_add(sh_line_sink *sink, const sh_read_line *line, const char *text, size_t n, sh_err *err);

typedef struct sh_reader_ops {
    const char *name;
    /* required. Whether an engine string of the caller's is meant for this one ("tesseract"; a path). */
    bool (*takes)(const char *engine);
    /* required. opts->engine is NULL when the caller left the choice: SH_E_UNSUPPORTED lets the next engine
     * try. */
    int (*open)(sh_reader **out, const sh_reader_opts *opts, sh_err *err);
    /* One of the two. read_page gives every line with its box; order is settled afterwards. */
    int (*read_page)(sh_reader *r, const sh_image *img, const sh_read_opts *opts, sh_line_sink *sink,
                     sh_err *err);
    /* The text of one line appended to *text; *confidence 0 .. 1. */
    int (*read_line)(sh_reader *r, const sh_image *line, sh_buf *text, float *confidence, sh_err *err);
    /* optional: the languages it could be opened with, one a line, appended. */
    int (*list_languages)(sh_buf *out, sh_err *err);
    void (*free)(sh_reader *r); /* required */
} sh_reader_ops;

/* First member of every engine's own struct. The strings are owned by the engine. */
struct sh_reader {
    const sh_reader_ops *ops;
    const char *engine, *languages;
};

extern const sh_reader_ops sh_reader_tesseract; /* read_tesseract.c */

/* Whether most letters of a text are written from right to left (Hebrew, Arabic, Syriac, Thaana, N'Ko and
 * their presentation forms); no letters at all: false. */
bool sh_text_is_rtl(const char *text, size_t n);

#endif
