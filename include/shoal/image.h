/* shoal/image.h - pictures in memory: decoded PNG, JPEG, PGM and PPM files, or pixels of the caller's.
 *
 * An image is read-only once made: any number of threads may use one at the same time. */
#ifndef SHOAL_IMAGE_H
#define SHOAL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shoal/err.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_image sh_image;

typedef struct sh_image_opts {
    int version;         /* 1 */
    uint64_t max_pixels; /* of width times height; 0: 100 million */
    bool orient;         /* turn and mirror the picture as its EXIF orientation says, as viewers show it */
} sh_image_opts;
#define SH_IMAGE_OPTS_INIT {.version = 1}

/* Decode n bytes of a PNG, JPEG, PGM (P5) or PPM (P6) file; which one is told by its first bytes. opts may be NULL.
 * The size is checked before anything is decoded: SH_E_LIMIT beyond max_pixels or 32768 on a side.
 * SH_E_UNSUPPORTED: no such file, or a kind of JPEG that is not read. SH_E_CORRUPT: damaged or cut short. */
SH_API int sh_image_decode(sh_image **out, const void *bytes, size_t n, const sh_image_opts *opts, sh_err *err);
/* Copy pixels [height, width, channels], 8 bits each: channels 1 grey, 3 RGB, 4 RGB and alpha. */
SH_API int sh_image_from_pixels(sh_image **out, const uint8_t *pixels, uint32_t width, uint32_t height,
                                uint32_t channels, sh_err *err);
SH_API uint32_t sh_image_width(const sh_image *img);
SH_API uint32_t sh_image_height(const sh_image *img);
SH_API uint32_t sh_image_channels(const sh_image *img);
/* [height, width, channels], borrowed from the image. */
SH_API const uint8_t *sh_image_get_pixels(const sh_image *img);
SH_API void sh_image_free(sh_image *img);

#ifdef __cplusplus
}
#endif
#endif
