/* image_pixels.c - from a picture to the floats a vision model takes, in the published processors' order of
 * steps. */
#include "base/mem.h"
#include "media/image.h"

/* The size to resize to. With shortest_edge the other side is s * long / short, truncated. */
static int resized(const sh_image_recipe *r, uint32_t img_h, uint32_t img_w, uint32_t *h, uint32_t *w,
                   sh_err *err)
{
    *h = img_h;
    *w = img_w;
    if (!r->do_resize) return SH_OK;
    if (!r->shortest_edge) {
        *h = r->height;
        *w = r->width;
        return SH_OK;
    }
    uint32_t small = img_h < img_w ? img_h : img_w, large = img_h < img_w ? img_w : img_h;
    uint64_t other = (uint64_t)r->shortest_edge * large / small;
    if (other > SH_IMAGE_MAX_SIDE)
        return sh_fail(err, SH_E_LIMIT,
                       "an image of %u x %u is too long: at a shorter side of %u it would have %llu "
                       "pixels on the other (at most %d)",
                       img_w, img_h, r->shortest_edge, (unsigned long long)other, SH_IMAGE_MAX_SIDE);
    *h = img_h < img_w ? r->shortest_edge : (uint32_t)other;
    *w = img_h < img_w ? (uint32_t)other : r->shortest_edge;
    return SH_OK;
}

int sh_image_recipe_size(const sh_image_recipe *r, uint32_t img_h, uint32_t img_w, uint32_t *h, uint32_t *w,
                         sh_err *err)
{
    if (r->do_center_crop) {
        *h = r->crop_h;
        *w = r->crop_w;
        return SH_OK;
    }
    return resized(r, img_h, img_w, h, w, err);
}

/* Where cropping to n pixels begins in n_in: floor((n_in - n) / 2), negative where the image is padded. The
 * odd row of padding thus comes first, which is what ceil((n - n_in) / 2) rows in front mean. */
static int64_t crop_start(uint32_t n_in, uint32_t n)
{
    int64_t extra = (int64_t)n_in - n;
    return extra >= 0 ? extra / 2 : -((1 - extra) / 2);
}

/* value[c][v]: what byte v becomes in channel c. Rescaling is one product in double made float, normalising a
 * float difference and a float quotient: a table gives the same bits as doing it for each pixel. */
static void value_table(float value[3][256], const sh_image_recipe *r)
{
    for (unsigned c = 0; c < 3; c++)
        for (unsigned v = 0; v < 256; v++) {
            float x = r->do_rescale ? (float)((double)v * r->rescale_factor) : (float)v;
            value[c][v] = r->do_normalize ? (x - r->mean[c]) / r->std[c] : x;
        }
}

static void write_planes(float *out, uint32_t h, uint32_t w, const sh_image *rgb, const sh_image_recipe *r)
{
    float value[3][256];
    int64_t top = crop_start(rgb->h, h), left = crop_start(rgb->w, w);
    value_table(value, r);
    for (unsigned c = 0; c < 3; c++)
        for (uint32_t y = 0; y < h; y++)
            for (uint32_t x = 0; x < w; x++) {
                int64_t sy = top + y, sx = left + x;
                bool inside = sy >= 0 && sy < rgb->h && sx >= 0 && sx < rgb->w;
                *out++ = value[c][inside ? rgb->px[((size_t)sy * rgb->w + (size_t)sx) * 3 + c] : 0];
            }
}

int sh_image_pixels(const sh_image *img, const sh_image_recipe *r, float **pixels, uint32_t *h, uint32_t *w,
                    sh_err *err)
{
    sh_image *rgb = NULL, *small = NULL;
    float *planes = NULL;
    uint32_t to_h, to_w, out_h, out_w;
    size_t n;
    int rc;
    if ((rc = resized(r, img->h, img->w, &to_h, &to_w, err)) < 0) goto out;
    if ((rc = sh_image_recipe_size(r, img->h, img->w, &out_h, &out_w, err)) < 0) goto out;
    if ((uint64_t)to_h * to_w > SH_IMAGE_MAX_PIXELS || (uint64_t)out_h * out_w > SH_IMAGE_MAX_PIXELS) {
        rc = sh_fail(err, SH_E_LIMIT, "resizing %u x %u to %u x %u gives more than %d pixels", img->w, img->h,
                     to_w, to_h, SH_IMAGE_MAX_PIXELS);
        goto out;
    }
    if ((rc = sh_image_to_rgb(&rgb, img, r->alpha, err)) < 0) goto out;
    if ((rc = sh_image_resize(&small, rgb, to_w, to_h, r->filter, err)) < 0) goto out;
    if (!sh_mul3(&n, 3, out_h, out_w) || !(planes = sh_alloc(n, sizeof *planes))) {
        rc = sh_fail_nomem(err, (unsigned long long)out_h * out_w * 12);
        goto out;
    }
    write_planes(planes, out_h, out_w, small, r);
    *pixels = planes;
    *h = out_h;
    *w = out_w;
out:
    sh_image_free(rgb);
    sh_image_free(small);
    return rc;
}
