/* lines_internal.h - the stages of finding lines: black pixels as runs, connected components. */
#ifndef SH_MEDIA_LINES_INTERNAL_H
#define SH_MEDIA_LINES_INTERNAL_H

#include "media/lines.h"

/* Black pixels [x0, x1) of row y. */
typedef struct sh_run {
    uint32_t y, x0, x1;
    uint32_t component;
} sh_run;

/* One connected component: its box [x0, x1) x [y0, y1) and its number of black pixels. */
typedef struct sh_blob {
    uint32_t x0, y0, x1, y1, area;
} sh_blob;

typedef struct sh_blobs {
    sh_run *runs;   /* [n_runs] owned, by rows */
    sh_blob *blobs; /* [n] owned */
    size_t n_runs, n;
} sh_blobs;

/* The ink of a grey image: Sauvola's threshold in a window around each pixel, on a negative where most pixels
 * are dark (by Otsu's threshold); 8-connected components of it. SH_E_NOMEM only. */
int sh_blobs_find(sh_blobs *out, const sh_image *grey, sh_err *err);
void sh_blobs_clear(sh_blobs *b);

#endif
