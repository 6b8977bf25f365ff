/* lines.h - the lines of text on a page, found by their shapes alone, and the order to read them in.
 *
 * Steps, each a classic: local threshold (J. Sauvola, M. Pietikainen, "Adaptive document image binarization",
 * 2000) with the global one of N. Otsu (1979) for pages without shades; connected components; the skew that
 * makes the horizontal projection sharpest (H. Baird, 1987); components joined to lines when they overlap in
 * height and are near (a nearest-neighbour chain); the order by recursive cuts through white gaps (G. Nagy,
 * S. Seth, 1984). Works for any script that is written in rows. Pure functions: any number of threads. */
#ifndef SH_MEDIA_LINES_H
#define SH_MEDIA_LINES_H

#include "media/image.h"

typedef struct sh_box {
    uint32_t x, y, w, h;
} sh_box;

typedef struct sh_lines_opts {
    bool rtl; /* columns are read from right to left */
} sh_lines_opts;

/* Boxes in pixels of the image that was given, in reading order; an upright box encloses the whole line when
 * the page is skewed. A page without text has none. */
typedef struct sh_lines {
    sh_box *boxes;       /* [n] owned */
    bool *begins_column; /* [n] owned: the first line of a column or of another part of the page */
    size_t n;
    double skew; /* slope of the lines, dy/dx: positive when they fall to the right */
} sh_lines;

/* img of any channels; dark text on light, or the reverse (told by which is rarer). opts may be NULL. */
int sh_lines_find(sh_lines *out, const sh_image *img, const sh_lines_opts *opts, sh_err *err);
void sh_lines_clear(sh_lines *l);
/* The part of the page with line i, turned upright by the page's skew, with a margin of an eighth of its
 * height. */
int sh_lines_cut(sh_image **out, const sh_image *img, const sh_lines *l, size_t i, sh_err *err);

/* Reading order of any boxes: order[i] is the index of the i-th to read. Wide white gaps cut the page into
 * columns and those into parts, recursively; within a part from top to bottom. begins[i] (may be NULL) tells
 * whether the i-th to read begins a column or part. SH_E_NOMEM only. */
int sh_lines_order(size_t *order, bool *begins, const sh_box *boxes, size_t n, bool rtl, sh_err *err);

#endif
