/* lines_blobs.c - from grey to black and white, and to connected components.
 *
 * Sauvola: a pixel is ink when it is darker than m (1 + k (s / R - 1)), m and s the mean and standard
 * deviation of the window around it. Where nothing is written s is small and the threshold far below the
 * paper, so blank paper stays blank whatever its shade. The window's sums slide: one sum a column, one over
 * the columns. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/lines_internal.h"

static const double sauvola_k = 0.3, sauvola_range = 128.0;

/* The threshold that parts the grey levels into the two most different classes; the share of pixels below it.
 */
static double dark_share(const sh_image *grey)
{
    uint64_t count[256] = {0}, n = (uint64_t)grey->w * grey->h, below = 0, dark = 0;
    double sum = 0, sum_below = 0, best = -1;
    for (uint64_t i = 0; i < n; i++) count[grey->px[i]]++;
    for (unsigned v = 0; v < 256; v++) sum += (double)v * (double)count[v];
    for (unsigned v = 0; v < 256; v++) {
        below += count[v];
        sum_below += (double)v * (double)count[v];
        if (!below || below == n) continue;
        double difference = sum_below / (double)below - (sum - sum_below) / (double)(n - below);
        double between = (double)below * (double)(n - below) * difference * difference;
        if (between > best) best = between, dark = below;
    }
    return (double)dark / (double)n;
}

/* Sums over the rows of the window, for each column. */
typedef struct columns {
    uint32_t *sum, *sum_squares; /* [w] */
} columns;

static void add_row(columns *c, const uint8_t *row, uint32_t w, uint8_t flip, bool subtract)
{
    for (uint32_t x = 0; x < w; x++) {
        uint32_t v = row[x] ^ flip;
        c->sum[x] += subtract ? 0u - v : v;
        c->sum_squares[x] += subtract ? 0u - v * v : v * v;
    }
}

static bool is_ink(double v, double sum, double sum_squares, double n)
{
    double mean = sum / n, variance = sum_squares / n - mean * mean;
    double s = variance > 0 ? sqrt(variance) : 0;
    return v < mean * (1.0 + sauvola_k * (s / sauvola_range - 1.0));
}

/* ink[x] for one row, from the column sums of n_rows rows. */
static void threshold_row(uint8_t *ink, const uint8_t *row, uint32_t w, uint8_t flip, const columns *c,
                          uint32_t radius, uint32_t n_rows)
{
    uint64_t sum = 0, squares = 0;
    uint32_t right = 0, left = 0;
    for (uint32_t x = 0; x < w; x++) {
        for (; right < w && right <= x + radius; right++)
            sum += c->sum[right], squares += c->sum_squares[right];
        for (; left + radius < x; left++) sum -= c->sum[left], squares -= c->sum_squares[left];
        ink[x] = is_ink(row[x] ^ flip, (double)sum, (double)squares, (double)(right - left) * n_rows);
    }
}

static int add_run(sh_blobs *b, size_t *cap, sh_run run, sh_err *err)
{
    if (b->n_runs == *cap) {
        size_t more = *cap ? *cap * 2 : 4096;
        sh_run *runs = sh_realloc(b->runs, more, sizeof *runs);
        if (!runs) return sh_fail_nomem(err, more * sizeof *runs);
        b->runs = runs;
        *cap = more;
    }
    b->runs[b->n_runs] = run;
    b->runs[b->n_runs].component = (uint32_t)b->n_runs;
    b->n_runs++;
    return SH_OK;
}

static int runs_of_row(sh_blobs *b, size_t *cap, const uint8_t *ink, uint32_t w, uint32_t y, sh_err *err)
{
    int rc = SH_OK;
    for (uint32_t x = 0; x < w && rc == SH_OK;) {
        if (!ink[x]) {
            x++;
            continue;
        }
        uint32_t begin = x;
        while (x < w && ink[x]) x++;
        rc = add_run(b, cap, (sh_run){.y = y, .x0 = begin, .x1 = x}, err);
    }
    return rc;
}

static int find_runs(sh_blobs *b, const sh_image *grey, sh_err *err)
{
    uint32_t w = grey->w, h = grey->h, small = w < h ? w : h, radius = small / 16;
    radius = radius < 8 ? 8 : radius > 48 ? 48 : radius;
    uint8_t flip = dark_share(grey) > 0.5 ? 255 : 0;
    columns c = {sh_new_array(w, sizeof *c.sum, err), sh_new_array(w, sizeof *c.sum_squares, err)};
    uint8_t *ink = sh_new_array(w, 1, err);
    size_t cap = 0;
    int rc = c.sum && c.sum_squares && ink ? SH_OK : SH_E_NOMEM;
    uint32_t below = 0, above = 0;
    for (uint32_t y = 0; rc == SH_OK && y < h; y++) {
        for (; below < h && below <= y + radius; below++)
            add_row(&c, grey->px + (size_t)below * w, w, flip, false);
        for (; above + radius < y; above++) add_row(&c, grey->px + (size_t)above * w, w, flip, true);
        threshold_row(ink, grey->px + (size_t)y * w, w, flip, &c, radius, below - above);
        rc = runs_of_row(b, &cap, ink, w, y, err);
    }
    sh_free(c.sum);
    sh_free(c.sum_squares);
    sh_free(ink);
    return rc;
}

/* Union-find over runs: the root is the smallest index. */
static uint32_t root_of(sh_run *runs, uint32_t i)
{
    while (runs[i].component != i) i = runs[i].component = runs[runs[i].component].component;
    return i;
}

static void join(sh_run *runs, uint32_t a, uint32_t b)
{
    a = root_of(runs, a);
    b = root_of(runs, b);
    if (a < b)
        runs[b].component = a;
    else
        runs[a].component = b;
}

/* Runs that touch one of the row above, corners included: both rows are walked once, side by side. */
static void join_rows(sh_run *runs, size_t n)
{
    size_t above = 0;
    for (size_t i = 0; i < n; i++) {
        while (above < i && (runs[above].y + 1 < runs[i].y ||
                             (runs[above].y + 1 == runs[i].y && runs[above].x1 < runs[i].x0)))
            above++;
        for (size_t j = above; j < i && runs[j].y + 1 == runs[i].y && runs[j].x0 <= runs[i].x1; j++)
            join(runs, (uint32_t)j, (uint32_t)i);
    }
}

static void grow(sh_blob *b, const sh_run *r)
{
    bool is_new = !b->area;
    if (is_new || r->x0 < b->x0) b->x0 = r->x0;
    if (is_new || r->x1 > b->x1) b->x1 = r->x1;
    if (is_new) b->y0 = r->y;
    b->y1 = r->y + 1;
    b->area += r->x1 - r->x0;
}

/* Number the roots, then let every run's component be that number. A root comes before all that point to it.
 */
static int collect(sh_blobs *b, sh_err *err)
{
    uint32_t *number = sh_new_array(b->n_runs, sizeof *number, err);
    if (!number) return SH_E_NOMEM;
    for (uint32_t i = 0; i < b->n_runs; i++) {
        uint32_t root = root_of(b->runs, i);
        number[i] = root == i ? (uint32_t)b->n++ : number[root];
    }
    b->blobs = sh_new_array(b->n, sizeof *b->blobs, err);
    for (size_t i = 0; b->blobs && i < b->n_runs; i++) {
        b->runs[i].component = number[i];
        grow(&b->blobs[number[i]], &b->runs[i]);
    }
    sh_free(number);
    return b->blobs ? SH_OK : SH_E_NOMEM;
}

int sh_blobs_find(sh_blobs *out, const sh_image *grey, sh_err *err)
{
    *out = (sh_blobs){0};
    int rc = find_runs(out, grey, err);
    if (rc == SH_OK) {
        join_rows(out->runs, out->n_runs);
        rc = collect(out, err);
    }
    if (rc < 0) sh_blobs_clear(out);
    return rc;
}

void sh_blobs_clear(sh_blobs *b)
{
    sh_free(b->runs);
    sh_free(b->blobs);
    *b = (sh_blobs){0};
}
