/* image.h - pictures: decoding, colours, resampling, and the path from a picture to a vision model's input.
 *
 * All functions are pure: any number of threads may use one image or recipe. Decoding is image_decode.c, resampling
 * image_resample.c, recipes image_recipe.c, the float steps image_pixels.c. */
#ifndef SH_MEDIA_IMAGE_H
#define SH_MEDIA_IMAGE_H

#include <jansson.h>

#include <shoal/image.h>

#include "base/fail.h"

enum { SH_IMAGE_MAX_SIDE = 32768, SH_IMAGE_MAX_PIXELS = 100000000 };

struct sh_image {
    uint8_t *px; /* [h, w, channels] owned */
    uint32_t w, h, channels;
};

/* The picture in a file; "-" is standard input. Errors name the path. */
int sh_image_load(sh_image **out, const char *path, const sh_image_opts *opts, sh_err *err);

/* An image with room for its pixels, which are not set. Sides 1..SH_IMAGE_MAX_SIDE, channels 1, 3 or 4. */
int sh_image_new(sh_image **out, uint32_t w, uint32_t h, uint32_t channels, sh_err *err);

/* What becomes of transparency when an image is made RGB.
 *   DROP   the colour channels as they are: what Pillow's convert("RGB") does, the way published figures were made
 *   WHITE  composited on white, in 16-bit fixed point as Pillow's alpha_composite rounds: what a person sees */
enum sh_image_alpha { SH_ALPHA_DROP, SH_ALPHA_WHITE };
int sh_image_to_rgb(sh_image **out, const sh_image *img, enum sh_image_alpha alpha, sh_err *err);
/* One channel: luma (299 R + 587 G + 114 B) / 1000 in 16-bit fixed point; transparency is composited on white. */
int sh_image_to_grey(sh_image **out, const sh_image *img, sh_err *err);
/* Turned and mirrored as EXIF orientation 1..8 says (1: a copy). */
int sh_image_orient(sh_image **out, const sh_image *img, int orientation, sh_err *err);
/* The w x h pixels from (x, y) on; all inside the image, else SH_E_RANGE. */
int sh_image_crop(sh_image **out, const sh_image *img, uint32_t x, uint32_t y, uint32_t w, uint32_t h, sh_err *err);

/* Numbers as preprocessor files have them ("resample": 3), which are Pillow's. */
enum sh_image_filter {
    SH_FILTER_NEAREST = 0,
    SH_FILTER_LANCZOS = 1,
    SH_FILTER_BILINEAR = 2,
    SH_FILTER_BICUBIC = 3, /* a = -1/2 */
    SH_FILTER_BOX = 4,
    SH_FILTER_HAMMING = 5,
    SH_FILTER_COUNT
};
/* Resample to w x h, byte for byte as Pillow up to release 12 does: antialiased, 22-bit fixed-point weights, the
 * horizontal pass first, bytes between the passes; an axis that keeps its size is left alone. */
int sh_image_resize(sh_image **out, const sh_image *img, uint32_t w, uint32_t h, enum sh_image_filter filter,
                    sh_err *err);

/* How a vision model wants its pictures: one preprocessor_config.json. */
typedef struct sh_image_recipe {
    bool do_resize, do_center_crop, do_rescale, do_normalize;
    uint32_t height, width; /* to resize to; both 0 when shortest_edge counts */
    uint32_t shortest_edge; /* 0, or what the shorter side becomes, the proportion kept */
    uint32_t crop_h, crop_w;
    enum sh_image_filter filter;
    enum sh_image_alpha alpha; /* DROP from sh_image_recipe_read: the caller's choice */
    double rescale_factor;
    float mean[3], std[3];
} sh_image_recipe;

/* Read a preprocessor_config.json: processors of the ViT, DeiT, BEiT, CLIP, SigLIP and TrOCR kinds, named by
 * image_processor_type or the older feature_extractor_type; sizes as {"height", "width"}, {"shortest_edge"}, or the
 * older plain number (the shorter side for CLIP, a square elsewhere). What a file leaves out is its processor's
 * default. SH_E_UNSUPPORTED: another kind of processor. SH_E_INVALID, SH_E_RANGE: a value that makes no sense. */
int sh_image_recipe_read(sh_image_recipe *out, const json_t *config, sh_err *err);

/* The same from a model's folder: preprocessor_config.json, or "image_processor" in the newer processor_config.json.
 * SH_E_NOTFOUND when the folder has neither. */
int sh_image_recipe_load(sh_image_recipe *out, const char *folder, sh_err *err);

/* Height and width of what sh_image_pixels gives: fixed by the recipe, or that of this image. SH_E_LIMIT when a
 * resized side would be beyond SH_IMAGE_MAX_SIDE. */
int sh_image_recipe_size(const sh_image_recipe *r, uint32_t img_h, uint32_t img_w, uint32_t *h, uint32_t *w,
                         sh_err *err);
/* A model's input: RGB, resized, cropped (padded with 0 where the image is smaller), each byte times rescale_factor,
 * minus mean, over std, planes in the order R, G, B.
 *   *pixels   [3, *h, *w], owned by the caller (sh_free) */
int sh_image_pixels(const sh_image *img, const sh_image_recipe *r, float **pixels, uint32_t *h, uint32_t *w,
                    sh_err *err);

#endif
