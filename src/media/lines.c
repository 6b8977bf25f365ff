/* lines.c - from a page to its lines: components, their size, the skew, chains, boxes. */
#include "media/lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/lines_internal.h"

enum {
    WORK_SIDE = 2600, /* a page is looked at in this size at most: a 300 dpi letter still has 10 rows */
    MAX_LINES = 4000,
    MAX_BLOBS = 400000
};

static const double max_slope = 0.1, coarse_step = 0.004, fine_step = 0.0005;

/* A line being grown: its box in the working size, and top and bottom with the skew taken out. */
typedef struct chain {
    uint32_t x0, y0, x1, y1;
    double top, bottom;
    uint32_t n_blobs;
    bool merged; /* into another one */
} chain;

typedef struct page {
    sh_blobs found;
    uint32_t w, h;
    double size; /* the height of a typical letter */
    double slope;
    size_t *ids; /* [n_ids] letters by their left edge */
    size_t n_ids;
    chain *chains; /* [n] */
    size_t n;
} page;

static void page_clear(page *p)
{
    sh_blobs_clear(&p->found);
    sh_free(p->ids);
    sh_free(p->chains);
}

static uint32_t height_of(const sh_blob *b)
{
    return b->y1 - b->y0;
}
static uint32_t width_of(const sh_blob *b)
{
    return b->x1 - b->x0;
}

/* Frames, pictures and rules are no letters, nor are specks. */
static bool may_be_letter(const page *p, const sh_blob *b)
{
    uint32_t w = width_of(b), h = height_of(b);
    bool is_large =
        (uint64_t)w * h > (uint64_t)p->w * p->h / 10 && w > p->w / 4 && h > p->h / 4 && p->h * 4 > p->w;
    bool is_rule = w > 25 * h || h > 25 * w;
    return h >= 3 && b->area >= 6 && !is_large && !is_rule;
}

/* The height that half of the ink has at most: letters outweigh specks, however many these are. */
static void find_size(page *p)
{
    enum { MAX_HEIGHT = WORK_SIDE + 1 };
    uint64_t ink[MAX_HEIGHT + 1] = {0}, all = 0, below = 0;
    for (size_t i = 0; i < p->found.n; i++) {
        const sh_blob *b = &p->found.blobs[i];
        if (!may_be_letter(p, b)) continue;
        ink[height_of(b) < MAX_HEIGHT ? height_of(b) : MAX_HEIGHT] += b->area;
        all += b->area;
    }
    for (uint32_t h = 0; h <= MAX_HEIGHT && all; h++)
        if ((below += ink[h]) * 2 >= all) {
            p->size = h;
            return;
        }
}

/* Letters and pieces of words from which lines grow; dots and commas join later. */
static bool is_seed(const page *p, const sh_blob *b)
{
    double w = width_of(b), h = height_of(b);
    return may_be_letter(p, b) && h >= 0.4 * p->size && h <= 4.5 * p->size && w >= 0.1 * p->size;
}

static int by_left_edge(const void *a, const void *b, void *blobs)
{
    const sh_blob *p = (const sh_blob *)blobs + *(const size_t *)a,
                  *q = (const sh_blob *)blobs + *(const size_t *)b;
    if (p->x0 != q->x0) return p->x0 < q->x0 ? -1 : 1;
    return (p > q) - (p < q);
}

static int find_seeds(page *p, sh_err *err)
{
    if (!(p->ids = sh_new_array(p->found.n, sizeof *p->ids, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < p->found.n; i++)
        if (is_seed(p, &p->found.blobs[i])) p->ids[p->n_ids++] = i;
    qsort_r(p->ids, p->n_ids, sizeof *p->ids, by_left_edge, p->found.blobs);
    return SH_OK;
}

/* How sharp the rows are at a slope: the sum of squares of the ink's projection along it. */
static double sharpness(const page *p, const uint8_t *counts, double slope, double *rows, size_t n_rows,
                        double shift)
{
    double sum = 0;
    memset(rows, 0, n_rows * sizeof *rows);
    for (size_t i = 0; i < p->found.n_runs; i++) {
        const sh_run *r = &p->found.runs[i];
        if (!counts[r->component]) continue;
        double y = r->y - slope * 0.5 * (r->x0 + r->x1) + shift;
        rows[(size_t)y] += r->x1 - r->x0;
    }
    for (size_t i = 0; i < n_rows; i++) sum += rows[i] * rows[i];
    return sum;
}

static int find_slope(page *p, sh_err *err)
{
    double shift = (max_slope + coarse_step) * p->w + 1, best = 0, level = 0;
    size_t n_rows = (size_t)(p->h + 2 * shift + 2);
    double *rows = sh_new_array(n_rows, sizeof *rows, err);
    uint8_t *counts = sh_new_array(p->found.n, 1, err);
    int rc = rows && counts ? SH_OK : SH_E_NOMEM;
    if (rc < 0) goto out;
    for (size_t i = 0; i < p->n_ids; i++) counts[p->ids[i]] = 1;
    /* Level unless another slope is clearly sharper: a few letters alone say little. */
    best = level = sharpness(p, counts, 0, rows, n_rows, shift) * 1.02;
    for (double s = -max_slope; s <= max_slope; s += coarse_step) {
        double v = sharpness(p, counts, s, rows, n_rows, shift);
        if (v > best) best = v, p->slope = s;
    }
    if (best > level) {
        double centre = p->slope;
        for (double s = centre - coarse_step; s <= centre + coarse_step; s += fine_step) {
            double v = sharpness(p, counts, s, rows, n_rows, shift);
            if (v > best) best = v, p->slope = s;
        }
    }
out:
    sh_free(rows);
    sh_free(counts);
    return rc;
}

/* The part of the lower of two spans that the other covers; negative: the distance between them, in such
 * parts. */
static double overlap(double top_a, double bottom_a, double top_b, double bottom_b)
{
    double top = top_a > top_b ? top_a : top_b, bottom = bottom_a < bottom_b ? bottom_a : bottom_b;
    double low = bottom_a - top_a < bottom_b - top_b ? bottom_a - top_a : bottom_b - top_b;
    return (bottom - top) / (low > 1 ? low : 1);
}

static double drop_at(const page *p, uint32_t x0, uint32_t x1)
{
    return p->slope * 0.5 * ((double)x0 + x1);
}

static void add_blob(page *p, chain *c, const sh_blob *b)
{
    double drop = drop_at(p, b->x0, b->x1), n = ++c->n_blobs;
    if (b->x0 < c->x0) c->x0 = b->x0;
    if (b->y0 < c->y0) c->y0 = b->y0;
    if (b->x1 > c->x1) c->x1 = b->x1;
    if (b->y1 > c->y1) c->y1 = b->y1;
    /* The band is a running mean of the last letters', so that one tall letter does not swallow the next
     * line. */
    double weight = n < 8 ? 1 / n : 0.125;
    c->top += (b->y0 - drop - c->top) * weight;
    c->bottom += (b->y1 - drop - c->bottom) * weight;
}

/* The widest space within a line. Columns stand further apart. */
static double widest_space(const page *p)
{
    return 2.2 * p->size;
}

static chain *best_chain(page *p, const sh_blob *b)
{
    double drop = drop_at(p, b->x0, b->x1), best = 0.45;
    chain *found = NULL;
    for (size_t i = 0; i < p->n; i++) {
        chain *c = &p->chains[i];
        if ((double)b->x0 - c->x1 > widest_space(p)) continue;
        double part = overlap(c->top, c->bottom, b->y0 - drop, b->y1 - drop);
        if (part > best) best = part, found = c;
    }
    return found;
}

static int grow_chains(page *p, sh_err *err)
{
    if (!(p->chains = sh_new_array(MAX_LINES, sizeof *p->chains, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < p->n_ids; i++) {
        const sh_blob *b = &p->found.blobs[p->ids[i]];
        chain *c = best_chain(p, b);
        if (!c) {
            if (p->n == MAX_LINES)
                return sh_fail(err, SH_E_LIMIT, "the page has more than %d lines: this is no text",
                               MAX_LINES);
            c = &p->chains[p->n++];
            *c = (chain){.x0 = b->x0, .y0 = b->y0, .x1 = b->x1, .y1 = b->y1};
        }
        add_blob(p, c, b);
    }
    return SH_OK;
}

static void merge(chain *to, chain *from)
{
    double n = to->n_blobs, m = from->n_blobs;
    to->top = (to->top * n + from->top * m) / (n + m);
    to->bottom = (to->bottom * n + from->bottom * m) / (n + m);
    to->n_blobs += from->n_blobs;
    if (from->x0 < to->x0) to->x0 = from->x0;
    if (from->y0 < to->y0) to->y0 = from->y0;
    if (from->x1 > to->x1) to->x1 = from->x1;
    if (from->y1 > to->y1) to->y1 = from->y1;
    from->merged = true;
}

/* A line that was begun twice, because its first letters differ much in height. */
static void merge_chains(page *p)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->n && !p->chains[i].merged; j++) {
            chain *a = &p->chains[i], *b = &p->chains[j];
            if (i == j || b->merged || b->n_blobs > a->n_blobs) continue;
            double gap = b->x0 > a->x1 ? (double)b->x0 - a->x1 : (double)a->x0 - b->x1;
            if (gap > widest_space(p) || overlap(a->top, a->bottom, b->top, b->bottom) < 0.6) continue;
            merge(a, b);
            j = (size_t)-1; /* it has grown: look again at all */
        }
}

/* Dots, accents and marks belong to the line they are nearest to, when that is near. */
static void join_marks(page *p)
{
    for (size_t i = 0; i < p->found.n; i++) {
        const sh_blob *b = &p->found.blobs[i];
        double drop = drop_at(p, b->x0, b->x1), best = -0.6, h = height_of(b);
        if (is_seed(p, b) || b->area < 3 || h > p->size || width_of(b) > 3 * p->size) continue;
        chain *found = NULL;
        for (size_t c = 0; c < p->n; c++) {
            chain *l = &p->chains[c];
            double near_x = 0.6 * p->size;
            if (l->merged || (double)b->x0 > l->x1 + near_x || b->x1 + near_x < l->x0) continue;
            double middle = 0.5 * ((double)b->y0 + b->y1) - drop, inside = 0;
            if (middle < l->top) inside = (middle - l->top) / p->size;
            if (middle > l->bottom) inside = (l->bottom - middle) / p->size;
            if (inside > best) best = inside, found = l;
        }
        if (!found) continue;
        if (b->x0 < found->x0) found->x0 = b->x0;
        if (b->y0 < found->y0) found->y0 = b->y0;
        if (b->x1 > found->x1) found->x1 = b->x1;
        if (b->y1 > found->y1) found->y1 = b->y1;
    }
}

/* A lone small component is a speck, not a line. */
static bool is_line(const page *p, const chain *c)
{
    return !c->merged && (c->n_blobs >= 3 || c->y1 - c->y0 >= 0.6 * p->size) &&
           c->x1 - c->x0 >= 0.2 * p->size;
}

static int write_boxes(sh_lines *out, page *p, uint32_t scale, const sh_image *img, bool rtl, sh_err *err)
{
    sh_box *boxes = sh_new_array(p->n, sizeof *boxes, err);
    size_t *order = sh_new_array(p->n, sizeof *order, err), n = 0;
    out->boxes = sh_new_array(p->n, sizeof *out->boxes, err);
    out->begins_column = sh_new_array(p->n, sizeof *out->begins_column, err);
    int rc = boxes && order && out->boxes && out->begins_column ? SH_OK : SH_E_NOMEM;
    for (size_t i = 0; rc == SH_OK && i < p->n; i++) {
        const chain *c = &p->chains[i];
        if (!is_line(p, c)) continue;
        uint32_t x = c->x0 * scale, y = c->y0 * scale, x1 = c->x1 * scale, y1 = c->y1 * scale;
        boxes[n++] = (sh_box){x, y, (x1 < img->w ? x1 : img->w) - x, (y1 < img->h ? y1 : img->h) - y};
    }
    if (rc == SH_OK) rc = sh_lines_order(order, out->begins_column, boxes, n, rtl, err);
    for (size_t i = 0; rc == SH_OK && i < n; i++) out->boxes[i] = boxes[order[i]];
    out->n = n;
    out->skew = p->slope;
    sh_free(boxes);
    sh_free(order);
    return rc;
}

int sh_lines_find(sh_lines *out, const sh_image *img, const sh_lines_opts *opts, sh_err *err)
{
    page p = {0};
    sh_image *grey = NULL, *small = NULL;
    sh_lines lines = {0};
    uint32_t side = img->w > img->h ? img->w : img->h, scale = (side + WORK_SIDE - 1) / WORK_SIDE;
    int rc = sh_image_to_grey(&grey, img, err);
    if (rc < 0) goto out;
    p.w = (img->w + scale - 1) / scale;
    p.h = (img->h + scale - 1) / scale;
    if ((rc = sh_image_resize(&small, grey, p.w, p.h, SH_FILTER_BOX, err)) < 0) goto out;
    if ((rc = sh_blobs_find(&p.found, small, err)) < 0) goto out;
    if (p.found.n > MAX_BLOBS) {
        rc = sh_fail(err, SH_E_LIMIT, "the page has %zu separate marks: this is no text", p.found.n);
        goto out;
    }
    find_size(&p);
    if ((rc = find_seeds(&p, err)) < 0 || (rc = find_slope(&p, err)) < 0 || (rc = grow_chains(&p, err)) < 0)
        goto out;
    merge_chains(&p);
    join_marks(&p);
    rc = write_boxes(&lines, &p, scale, img, opts && opts->rtl, err);
out:
    page_clear(&p);
    sh_image_free(grey);
    sh_image_free(small);
    if (rc < 0)
        sh_lines_clear(&lines);
    else
        *out = lines;
    return rc;
}

void sh_lines_clear(sh_lines *l)
{
    sh_free(l->boxes);
    sh_free(l->begins_column);
    *l = (sh_lines){0};
}

/* The value at a height between rows, rows beyond the edge being like the last one. */
static uint8_t sample(const sh_image *img, int64_t x, double y, uint32_t c)
{
    int64_t x_max = (int64_t)img->w - 1, y_max = (int64_t)img->h - 1, row = (int64_t)floor(y);
    double part = y - (double)row;
    x = x < 0 ? 0 : x > x_max ? x_max : x;
    int64_t a = row < 0       ? 0
                : row > y_max ? y_max
                              : row,
            b = row + 1 < 0       ? 0
                : row + 1 > y_max ? y_max
                                  : row + 1;
    double u = img->px[((size_t)a * img->w + (size_t)x) * img->channels + c];
    double v = img->px[((size_t)b * img->w + (size_t)x) * img->channels + c];
    return (uint8_t)(u + (v - u) * part + 0.5);
}

int sh_lines_cut(sh_image **out, const sh_image *img, const sh_lines *l, size_t i, sh_err *err)
{
    const sh_box *b = &l->boxes[i];
    /* An upright box around a tilted line is higher than the line by what this falls over its length. */
    double fall = l->skew * b->w, height = b->h - fabs(fall);
    if (height < 0.3 * b->h) height = b->h, fall = 0;
    uint32_t margin = (uint32_t)(height / 8) + 2, h = (uint32_t)ceil(height) + 2 * margin,
             w = b->w + 2 * margin;
    double top = b->y + (fall < 0 ? -fall : 0) - margin, slope = fall == 0 ? 0 : l->skew;
    int rc = sh_image_new(out, w, h, img->channels, err);
    if (rc < 0) return rc;
    uint8_t *to = (*out)->px;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            int64_t from = (int64_t)x - margin;
            for (uint32_t c = 0; c < img->channels; c++)
                *to++ = sample(img, from + b->x, top + y + slope * (double)from, c);
        }
    return SH_OK;
}
