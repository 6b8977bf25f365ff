/* shoal/read.h - text from pictures: a reader finds the lines of a page and reads them. */
#ifndef SHOAL_READ_H
#define SHOAL_READ_H

#include <shoal/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One engine with its languages or its model loaded. One caller at a time; different readers may work in parallel. */
typedef struct sh_reader sh_reader;

typedef struct sh_reader_opts {
    int version;           /* 1 */
    const char *engine;    /* "tesseract"; NULL: the first engine that opens */
    const char *languages; /* "eng+fas", the codes of ISO 639-3 that Tesseract uses; NULL: English, and Persian when its
                              data is installed. A model has languages of its own and takes NULL */
} sh_reader_opts;
#define SH_READER_OPTS_INIT {.version = 1}

/* SH_E_UNSUPPORTED: no engine is installed; the message names what to install. SH_E_NOTFOUND: no such language or
 * model; the message lists those there are. */
SH_API int sh_reader_open(sh_reader **out, const sh_reader_opts *opts, sh_err *err);
SH_API void sh_reader_free(sh_reader *r);
SH_API const char *sh_reader_engine(const sh_reader *r);    /* "tesseract 5.3.0" */
SH_API const char *sh_reader_languages(const sh_reader *r); /* "eng+fas"; "" for a model */
/* The languages that opts->engine could be opened with, one a line, in a string of the caller's (sh_text_free). */
SH_API int sh_reader_list_languages(char **out, const char *engine, sh_err *err);

enum sh_read_order { SH_ORDER_AUTO, SH_ORDER_LEFT_TO_RIGHT, SH_ORDER_RIGHT_TO_LEFT };

typedef struct sh_read_opts {
    int version;              /* 1 */
    bool single_line;         /* the picture is one line of text: nothing is looked for */
    enum sh_read_order order; /* of columns; AUTO: by the script of most lines */
    uint32_t dpi;             /* of the scan; 0: guessed from the height of the letters */
} sh_read_opts;
#define SH_READ_OPTS_INIT {.version = 1}

typedef struct sh_read_line {
    char *text;               /* [n] UTF-8 in logical order, NUL-terminated, without a line end */
    size_t n;
    uint32_t x, y, w, h;      /* in pixels of the picture, from its top left corner */
    float confidence;         /* 0 .. 1, the engine's own estimate */
    bool is_rtl;              /* most of its letters are written from right to left */
    bool begins_block;        /* the first line of a paragraph or column */
} sh_read_line;

/* A page that was read, owned by the caller. All zero is an empty one. */
typedef struct sh_page {
    sh_read_line *lines;   /* [n_lines] in reading order */
    size_t n_lines;
    char *text;            /* [n_text] the lines, a line end after each, an empty line between blocks; NUL-terminated */
    size_t n_text;
    float confidence;      /* mean over the letters; 0 without any */
} sh_page;

/* Read a picture. A page without text is no error. opts may be NULL. SH_E_LIMIT: a side beyond 32767 pixels. */
SH_API int sh_reader_read(sh_reader *r, const sh_image *img, const sh_read_opts *opts, sh_page *out, sh_err *err);
SH_API void sh_page_clear(sh_page *p);
SH_API void sh_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
