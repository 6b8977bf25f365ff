/* image_resample.c - resampling in the arithmetic of Pillow (releases up to 12), byte for byte.
 *
 * Vision models were trained and measured on pictures that Pillow resized, so what counts is not the best
 * filter but the same one. An output pixel is a weighted sum of the input pixels around its centre; when
 * shrinking, the filter is widened by the factor (which is the antialiasing). Weights are doubles, made whole
 * numbers of 1/2^22; each axis is a pass of its own, horizontal first, with bytes between them. Nearest
 * neighbour is another path there, with coordinates summed up in double. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/image.h"
#include "tensor/exactmath.h"

enum { PRECISION = 22, HALF = 1 << (PRECISION - 1) };

static double box(double t)
{
    return t > -0.5 && t <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double t)
{
    t = fabs(t);
    return t < 1.0 ? 1.0 - t : 0.0;
}

static double bicubic(double t)
{
    const double a = -0.5;
    t = fabs(t);
    if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    return t < 2.0 ? (((t - 5.0) * t + 8.0) * t - 4.0) * a : 0.0;
}

static const double pi = 3.14159265358979323846;

static double sinc(double t)
{
    double s, c;
    if (t == 0.0) return 1.0;
    t *= pi;
    sh_sincos(t, &s, &c);
    return s / t;
}

static double hamming(double t)
{
    double s, c;
    t = fabs(t);
    if (t == 0.0) return 1.0;
    if (t >= 1.0) return 0.0;
    sh_sincos(t * pi, &s, &c);
    return s / (t * pi) * (0.54 + 0.46 * c);
}

static double lanczos(double t)
{
    return t >= -3.0 && t < 3.0 ? sinc(t) * sinc(t / 3.0) : 0.0;
}

static const struct kernel {
    double (*at)(double t);
    double support;
} kernels[SH_FILTER_COUNT] = {
    [SH_FILTER_LANCZOS] = {lanczos, 3.0}, [SH_FILTER_BILINEAR] = {bilinear, 1.0},
    [SH_FILTER_BICUBIC] = {bicubic, 2.0}, [SH_FILTER_BOX] = {box, 0.5},
    [SH_FILTER_HAMMING] = {hamming, 1.0},
};

/* One axis: output i is the sum over j < count[i] of weight[i * n_max + j] times input first[i] + j. */
typedef struct axis {
    uint32_t *first, *count; /* [n_out] */
    int32_t *weight;         /* [n_out, n_max] in 1/2^22 */
    uint32_t n_max;
} axis;

static void axis_clear(axis *a)
{
    sh_free(a->first);
    sh_free(a->count);
    sh_free(a->weight);
    *a = (axis){0};
}

/* Weights of output i; scratch holds n_max doubles. */
static void axis_point(axis *a, uint32_t i, const struct kernel *k, uint32_t n_in, double scale,
                       double *scratch)
{
    double f = scale > 1.0 ? scale : 1.0, radius = k->support * f, inverse = 1.0 / f,
           centre = (i + 0.5) * scale, sum = 0;
    int64_t lo = (int64_t)(centre - radius + 0.5), hi = (int64_t)(centre + radius + 0.5);
    if (lo < 0) lo = 0;
    if (hi > n_in) hi = n_in;
    uint32_t n = (uint32_t)(hi - lo);
    for (uint32_t j = 0; j < n; j++) sum += scratch[j] = k->at(((double)(lo + j) - centre + 0.5) * inverse);
    for (uint32_t j = 0; j < n; j++) {
        double w = sum != 0.0 ? scratch[j] / sum : scratch[j];
        a->weight[(size_t)i * a->n_max + j] = (int32_t)(w * (1 << PRECISION) + (w < 0 ? -0.5 : 0.5));
    }
    a->first[i] = (uint32_t)lo;
    a->count[i] = n;
}

static int axis_init(axis *a, uint32_t n_in, uint32_t n_out, const struct kernel *k, sh_err *err)
{
    double scale = (double)n_in / n_out, f = scale > 1.0 ? scale : 1.0;
    size_t n_weights;
    *a = (axis){.n_max = (uint32_t)ceil(k->support * f) * 2 + 1};
    double *scratch = sh_new_array(a->n_max, sizeof *scratch, err);
    a->first = sh_new_array(n_out, sizeof *a->first, err);
    a->count = sh_new_array(n_out, sizeof *a->count, err);
    if (sh_mul(&n_weights, n_out, a->n_max)) a->weight = sh_new_array(n_weights, sizeof *a->weight, err);
    int rc = scratch && a->first && a->count && a->weight ? SH_OK : sh_fail_nomem(err, a->n_max);
    for (uint32_t i = 0; rc == SH_OK && i < n_out; i++) axis_point(a, i, k, n_in, scale, scratch);
    sh_free(scratch);
    if (rc < 0) axis_clear(a);
    return rc;
}

static uint8_t rounded(int32_t sum)
{
    int32_t v = sum >> PRECISION;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* The sums stay below 2^31: the weights of each point add up to less than 2 in absolute value, for every
 * filter here, at the edges too. */
static void pass_across(sh_image *out, const sh_image *in, const axis *a)
{
    const uint32_t n = in->channels;
    uint8_t *to = out->px;
    for (uint32_t y = 0; y < out->h; y++) {
        const uint8_t *row = in->px + (size_t)y * in->w * n;
        for (uint32_t x = 0; x < out->w; x++, to += n) {
            const uint8_t *from = row + (size_t)a->first[x] * n;
            const int32_t *weight = a->weight + (size_t)x * a->n_max;
            int32_t sum[4] = {HALF, HALF, HALF, HALF};
            for (uint32_t j = 0; j < a->count[x]; j++, from += n)
                for (uint32_t c = 0; c < n; c++) sum[c] += weight[j] * from[c];
            for (uint32_t c = 0; c < n; c++) to[c] = rounded(sum[c]);
        }
    }
}

/* Whole rows at a time, so that memory is read in order; sum holds one row. */
static void pass_down(sh_image *out, const sh_image *in, const axis *a, int32_t *sum)
{
    const size_t n = (size_t)in->w * in->channels;
    for (uint32_t y = 0; y < out->h; y++) {
        const uint8_t *from = in->px + a->first[y] * n;
        const int32_t *weight = a->weight + (size_t)y * a->n_max;
        for (size_t x = 0; x < n; x++) sum[x] = HALF;
        for (uint32_t j = 0; j < a->count[y]; j++, from += n)
            for (size_t x = 0; x < n; x++) sum[x] += weight[j] * from[x];
        for (size_t x = 0; x < n; x++) out->px[y * n + x] = rounded(sum[x]);
    }
}

static int resize_filtered(sh_image **out, const sh_image *img, uint32_t w, uint32_t h,
                           const struct kernel *k, sh_err *err)
{
    axis across = {0}, down = {0};
    sh_image *half = NULL, *full = NULL;
    const sh_image *from = img;
    int32_t *sum = NULL;
    int rc = SH_OK;
    if (w != img->w) {
        if ((rc = axis_init(&across, img->w, w, k, err)) < 0) goto out;
        if ((rc = sh_image_new(&half, w, img->h, img->channels, err)) < 0) goto out;
        pass_across(half, img, &across);
        from = half;
    }
    if (h != img->h) {
        if ((rc = axis_init(&down, img->h, h, k, err)) < 0) goto out;
        if (!(sum = sh_new_array((size_t)w * img->channels, sizeof *sum, err))) rc = SH_E_NOMEM;
        if (rc < 0 || (rc = sh_image_new(&full, w, h, img->channels, err)) < 0) goto out;
        pass_down(full, from, &down, sum);
    } else {
        full = half;
        half = NULL;
    }
    *out = full;
out:
    sh_free(sum);
    sh_image_free(half);
    axis_clear(&across);
    axis_clear(&down);
    return rc;
}

/* The source of each output, by repeated addition, which rounds otherwise than a product. */
static void nearest_sources(uint32_t *at, uint32_t n_in, uint32_t n_out)
{
    double step = (double)n_in / n_out, x = step * 0.5;
    for (uint32_t i = 0; i < n_out; i++, x += step) at[i] = x < n_in ? (uint32_t)x : n_in - 1;
}

static int resize_nearest(sh_image **out, const sh_image *img, uint32_t w, uint32_t h, sh_err *err)
{
    uint32_t *at = sh_new_array((size_t)w + h, sizeof *at, err), n = img->channels;
    int rc = at ? sh_image_new(out, w, h, n, err) : SH_E_NOMEM;
    if (rc < 0) goto out;
    nearest_sources(at, img->w, w);
    nearest_sources(at + w, img->h, h);
    uint8_t *to = (*out)->px;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++, to += n)
            memcpy(to, img->px + ((size_t)at[w + y] * img->w + at[x]) * n, n);
out:
    sh_free(at);
    return rc;
}

int sh_image_resize(sh_image **out, const sh_image *img, uint32_t w, uint32_t h, enum sh_image_filter filter,
                    sh_err *err)
{
    if ((unsigned)filter >= SH_FILTER_COUNT)
        return sh_fail(err, SH_E_INVALID, "resampling filter %d (expected 0 to %d)", (int)filter,
                       SH_FILTER_COUNT - 1);
    if (w < 1 || h < 1 || w > SH_IMAGE_MAX_SIDE || h > SH_IMAGE_MAX_SIDE)
        return sh_fail(err, SH_E_LIMIT, "resizing to %u x %u pixels (each side must be 1 to %d)", w, h,
                       SH_IMAGE_MAX_SIDE);
    if (w == img->w && h == img->h) return sh_image_from_pixels(out, img->px, w, h, img->channels, err);
    if (filter == SH_FILTER_NEAREST) return resize_nearest(out, img, w, h, err);
    return resize_filtered(out, img, w, h, &kernels[filter], err);
}
