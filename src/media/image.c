/* image.c - images in memory: making, colours, turning, cropping. */
#include "media/image.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

int sh_image_new(sh_image **out, uint32_t w, uint32_t h, uint32_t channels, sh_err *err)
{
    if (w < 1 || h < 1 || w > SH_IMAGE_MAX_SIDE || h > SH_IMAGE_MAX_SIDE)
        return sh_fail(err, SH_E_LIMIT, "an image of %u x %u pixels (each side must be 1 to %d)", w, h,
                       SH_IMAGE_MAX_SIDE);
    if (channels != 1 && channels != 3 && channels != 4)
        return sh_fail(err, SH_E_INVALID, "an image of %u channels (expected 1, 3 or 4)", channels);
    size_t n;
    sh_image *img = sh_new(sizeof *img, err);
    if (!img) return SH_E_NOMEM;
    if (!sh_mul3(&n, w, h, channels)) n = SIZE_MAX; /* a 32-bit machine; the request then fails */
    img->px = sh_alloc(n, 1);
    if (!img->px) {
        sh_free(img);
        return sh_fail_nomem(err, n);
    }
    img->w = w;
    img->h = h;
    img->channels = channels;
    *out = img;
    return SH_OK;
}

void sh_image_free(sh_image *img)
{
    if (!img) return;
    sh_free(img->px);
    sh_free(img);
}

int sh_image_from_pixels(sh_image **out, const uint8_t *pixels, uint32_t width, uint32_t height,
                         uint32_t channels, sh_err *err)
{
    int rc = sh_image_new(out, width, height, channels, err);
    if (rc == SH_OK) memcpy((*out)->px, pixels, (size_t)width * height * channels);
    return rc;
}

uint32_t sh_image_width(const sh_image *img)
{
    return img->w;
}
uint32_t sh_image_height(const sh_image *img)
{
    return img->h;
}
uint32_t sh_image_channels(const sh_image *img)
{
    return img->channels;
}
const uint8_t *sh_image_get_pixels(const sh_image *img)
{
    return img->px;
}

/* One colour value v of opacity a over white, with Pillow's roundings: alpha_composite weighs in 1/32640ths
 * (255 * 128) and divides by 255 as (t + (t >> 8)) >> 8. */
static uint8_t over_white(uint8_t v, uint8_t a)
{
    if (a == 0) return 255;
    uint32_t c = a * 128u, t = v * c + 255u * (32640u - c) + 16384u;
    return (uint8_t)((((t >> 8) + t) >> 8) >> 7);
}

static void rgb_of_pixel(uint8_t rgb[3], const uint8_t *p, uint32_t channels, enum sh_image_alpha alpha)
{
    for (unsigned c = 0; c < 3; c++) {
        uint8_t v = channels == 1 ? p[0] : p[c];
        rgb[c] = channels == 4 && alpha == SH_ALPHA_WHITE ? over_white(v, p[3]) : v;
    }
}

int sh_image_to_rgb(sh_image **out, const sh_image *img, enum sh_image_alpha alpha, sh_err *err)
{
    int rc = sh_image_new(out, img->w, img->h, 3, err);
    if (rc < 0) return rc;
    size_t n = (size_t)img->w * img->h;
    for (size_t i = 0; i < n; i++)
        rgb_of_pixel((*out)->px + 3 * i, img->px + img->channels * i, img->channels, alpha);
    return SH_OK;
}

int sh_image_to_grey(sh_image **out, const sh_image *img, sh_err *err)
{
    int rc = sh_image_new(out, img->w, img->h, 1, err);
    if (rc < 0) return rc;
    size_t n = (size_t)img->w * img->h;
    if (img->channels == 1) {
        memcpy((*out)->px, img->px, n);
        return SH_OK;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t rgb[3];
        rgb_of_pixel(rgb, img->px + img->channels * i, img->channels, SH_ALPHA_WHITE);
        (*out)->px[i] = (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
    }
    return SH_OK;
}

/* EXIF orientations, as where output pixel (x, y) comes from: for 5 to 8 rows and columns are exchanged, then
 * the source is mirrored along its own axes. */
static const struct turn {
    bool swap, flip_x, flip_y;
} turns[9] = {
    [1] = {false, false, false}, [2] = {false, true, false}, [3] = {false, true, true},
    [4] = {false, false, true},  [5] = {true, false, false}, [6] = {true, false, true},
    [7] = {true, true, true},    [8] = {true, true, false},
};

int sh_image_orient(sh_image **out, const sh_image *img, int orientation, sh_err *err)
{
    if (orientation < 1 || orientation > 8)
        return sh_fail(err, SH_E_RANGE, "orientation %d (expected 1 to 8)", orientation);
    struct turn t = turns[orientation];
    uint32_t w = t.swap ? img->h : img->w, h = t.swap ? img->w : img->h, n = img->channels;
    int rc = sh_image_new(out, w, h, n, err);
    if (rc < 0) return rc;
    uint8_t *to = (*out)->px;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++, to += n) {
            uint32_t sx = t.swap ? y : x, sy = t.swap ? x : y;
            if (t.flip_x) sx = img->w - 1 - sx;
            if (t.flip_y) sy = img->h - 1 - sy;
            memcpy(to, img->px + ((size_t)sy * img->w + sx) * n, n);
        }
    return SH_OK;
}

int sh_image_crop(sh_image **out, const sh_image *img, uint32_t x, uint32_t y, uint32_t w, uint32_t h,
                  sh_err *err)
{
    if (!w || !h || x > img->w || w > img->w - x || y > img->h || h > img->h - y)
        return sh_fail(err, SH_E_RANGE, "a part of %u x %u at (%u, %u) of an image of %u x %u", w, h, x, y,
                       img->w, img->h);
    int rc = sh_image_new(out, w, h, img->channels, err);
    if (rc < 0) return rc;
    size_t row = (size_t)w * img->channels;
    for (uint32_t i = 0; i < h; i++)
        memcpy((*out)->px + i * row, img->px + ((size_t)(y + i) * img->w + x) * img->channels, row);
    return SH_OK;
}
