/* lines_order.c - the order in which boxes on a page are read, by recursive cuts through white.
 *
 * A region that a wide white gap parts from top to bottom is columns: each is ordered by itself, from the
 * side where reading begins. Otherwise it is cut into strips at its horizontal gaps; strips that follow each
 * other and share a vertical gap are columns again (text below a title that spans them), the others are read
 * one after the other. */
#include <stdlib.h>

#include "base/mem.h"
#include "media/lines.h"

enum { MAX_DEPTH = 12 /* columns within columns; real pages have two or three */ };

typedef struct ordering {
    const sh_box *boxes;
    size_t *ids;   /* [n] box indices, being permuted in place */
    bool *begins;  /* [n] or NULL */
    double gutter; /* the least width of white between columns */
    double blank;  /* the least height of white between paragraphs */
    bool rtl;
} ordering;

static uint32_t right_of(const sh_box *b)
{
    return b->x + b->w;
}
static uint32_t bottom_of(const sh_box *b)
{
    return b->y + b->h;
}

/* Comparisons with the boxes at hand; equal ones keep a fixed order. */
static int by_left(const void *a, const void *b, void *boxes)
{
    const sh_box *p = (const sh_box *)boxes + *(const size_t *)a,
                 *q = (const sh_box *)boxes + *(const size_t *)b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return p->y != q->y ? (p->y < q->y ? -1 : 1) : (p > q) - (p < q);
}

static int by_top(const void *a, const void *b, void *boxes)
{
    const sh_box *p = (const sh_box *)boxes + *(const size_t *)a,
                 *q = (const sh_box *)boxes + *(const size_t *)b;
    if (p->y != q->y) return p->y < q->y ? -1 : 1;
    return p->x != q->x ? (p->x < q->x ? -1 : 1) : (p > q) - (p < q);
}

static void sort(const ordering *o, size_t lo, size_t hi, int (*compare)(const void *, const void *, void *))
{
    qsort_r(o->ids + lo, hi - lo, sizeof *o->ids, compare, (void *)o->boxes);
}

/* Sort [lo, hi) from left to right; the first index after the widest gutter, or lo when no gap is wide
 * enough. */
static size_t find_gutter(const ordering *o, size_t lo, size_t hi)
{
    size_t at = lo;
    double widest = o->gutter;
    sort(o, lo, hi, by_left);
    uint32_t right = right_of(&o->boxes[o->ids[lo]]);
    for (size_t i = lo + 1; i < hi; i++) {
        const sh_box *b = &o->boxes[o->ids[i]];
        if ((double)b->x - right >= widest) at = i, widest = (double)b->x - right;
        if (right_of(b) > right) right = right_of(b);
    }
    return at;
}

/* [lo, hi) is sorted by top: the end of the strip that begins at lo, where all boxes overlap in height by
 * chains. */
static size_t strip_end(const ordering *o, size_t lo, size_t hi)
{
    uint32_t bottom = bottom_of(&o->boxes[o->ids[lo]]);
    size_t i = lo + 1;
    for (; i < hi && o->boxes[o->ids[i]].y < bottom; i++)
        if (bottom_of(&o->boxes[o->ids[i]]) > bottom) bottom = bottom_of(&o->boxes[o->ids[i]]);
    return i;
}

static void order_region(const ordering *o, size_t lo, size_t hi, unsigned depth);

/* Exchange the two parts [lo, mid) and [mid, hi), each kept in its order, by three reversals. */
static void reverse(size_t *ids, size_t lo, size_t hi)
{
    for (; lo + 1 < hi; lo++, hi--) {
        size_t t = ids[lo];
        ids[lo] = ids[hi - 1];
        ids[hi - 1] = t;
    }
}

static void order_columns(const ordering *o, size_t lo, size_t mid, size_t hi, unsigned depth)
{
    if (o->rtl) {
        reverse(o->ids, lo, mid);
        reverse(o->ids, mid, hi);
        reverse(o->ids, lo, hi);
        mid = lo + (hi - mid);
    }
    order_region(o, lo, mid, depth + 1);
    order_region(o, mid, hi, depth + 1);
    if (o->begins) o->begins[lo] = o->begins[mid] = true;
}

/* Boxes of one strip without a gutter: rows that lean into each other, by the middle of their height. */
static void order_strip(const ordering *o, size_t lo, size_t hi)
{
    for (size_t i = lo + 1; i < hi; i++)
        for (size_t j = i; j > lo; j--) {
            const sh_box *a = &o->boxes[o->ids[j - 1]], *b = &o->boxes[o->ids[j]];
            uint64_t middle = b->y + (uint64_t)b->h / 2;
            bool same_row = middle >= a->y && middle < bottom_of(a);
            bool ahead = same_row ? (o->rtl ? right_of(b) > right_of(a) : b->x < a->x) : middle < a->y;
            if (!ahead) break;
            size_t t = o->ids[j];
            o->ids[j] = o->ids[j - 1];
            o->ids[j - 1] = t;
        }
}

/* The end of the columns that begin with the strip [lo, end): further strips as long as one gutter parts all.
 * The ids stay sorted by top. */
static size_t columns_end(const ordering *o, size_t lo, size_t end, size_t hi)
{
    while (end < hi) {
        size_t next = strip_end(o, end, hi);
        bool parted = find_gutter(o, lo, next) > lo;
        sort(o, lo, next, by_top);
        if (!parted) break;
        end = next;
    }
    return end;
}

static bool has_blank_above(const ordering *o, size_t lo, size_t at)
{
    uint32_t bottom = 0;
    for (size_t i = lo; i < at; i++)
        if (bottom_of(&o->boxes[o->ids[i]]) > bottom) bottom = bottom_of(&o->boxes[o->ids[i]]);
    return (double)o->boxes[o->ids[at]].y - bottom > o->blank;
}

/* One row of boxes, each beside all others: a line with wide spaces rather than columns. */
static bool is_row(const ordering *o, size_t lo, size_t hi)
{
    uint32_t top = 0, bottom = UINT32_MAX;
    for (size_t i = lo; i < hi; i++) {
        const sh_box *b = &o->boxes[o->ids[i]];
        if (b->y > top) top = b->y;
        if (bottom_of(b) < bottom) bottom = bottom_of(b);
    }
    return top < bottom;
}

static void order_region(const ordering *o, size_t lo, size_t hi, unsigned depth)
{
    size_t mid = depth < MAX_DEPTH && !is_row(o, lo, hi) ? find_gutter(o, lo, hi) : lo;
    if (mid > lo) {
        order_columns(o, lo, mid, hi, depth);
        return;
    }
    sort(o, lo, hi, by_top);
    bool after_columns = true;
    for (size_t at = lo, end; at < hi; at = end) {
        end = strip_end(o, at, hi);
        bool parted = depth < MAX_DEPTH && end - at > 1 && find_gutter(o, at, end) > at;
        sort(o, at, end, by_top);
        bool blank = at > lo && has_blank_above(o, lo, at);
        if (parted) {
            end = columns_end(o, at, end, hi);
            parted = !is_row(o, at, end);
        }
        if (parted)
            order_columns(o, at, find_gutter(o, at, end), end, depth);
        else
            order_strip(o, at, end);
        if (o->begins) o->begins[at] |= after_columns || parted || blank;
        after_columns = parted;
    }
}

static int by_height(const void *a, const void *b)
{
    uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    return (p > q) - (p < q);
}

int sh_lines_order(size_t *order, bool *begins, const sh_box *boxes, size_t n, bool rtl, sh_err *err)
{
    if (!n) return SH_OK;
    uint32_t *heights = sh_new_array(n, sizeof *heights, err);
    if (!heights) return SH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        heights[i] = boxes[i].h;
        order[i] = i;
        if (begins) begins[i] = false;
    }
    qsort(heights, n, sizeof *heights, by_height);
    double median = heights[n / 2];
    ordering o = {.boxes = boxes,
                  .ids = order,
                  .begins = begins,
                  .gutter = 0.9 * median,
                  .blank = 1.2 * median,
                  .rtl = rtl};
    sh_free(heights);
    order_region(&o, 0, n, 0);
    return SH_OK;
}
