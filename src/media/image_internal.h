/* image_internal.h - between the scan of a picture file's structure and its decoding. */
#ifndef SH_MEDIA_IMAGE_INTERNAL_H
#define SH_MEDIA_IMAGE_INTERNAL_H

#include "media/image.h"

enum sh_image_kind { SH_IMAGE_PNG, SH_IMAGE_JPEG, SH_IMAGE_PNM };

/* What a file says about itself before anything is decoded. */
typedef struct sh_image_facts {
    enum sh_image_kind kind;
    uint32_t w, h;
    int orientation;    /* EXIF 1..8; 1 when the file says nothing sensible */
    uint32_t channels;  /* to ask the decoder for; 0: those of the file (1, 3 or 4) */
    uint32_t max_value; /* PNM: of a sample */
    size_t data_off;    /* PNM: of the first sample */
} sh_image_facts;

/* Read the structure of the whole file and check it: each chunk of a PNG with its checksum, each segment of a
 * JPEG and that it comes to its end. stb looks at neither, and gives half a picture for half a file. */
int sh_image_scan(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err);
int sh_image_scan_png(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err);
int sh_image_scan_jpeg(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err);
int sh_image_scan_pnm(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err);
/* The orientation in a TIFF structure, which is what EXIF is; 1 when there is none or it makes no sense. */
int sh_image_exif_orientation(const uint8_t *p, size_t n);

/* image_pnm.c: the pixels of a scanned PGM or PPM. */
int sh_image_decode_pnm(sh_image **out, const sh_image_facts *facts, const uint8_t *p, sh_err *err);

/* image_stb.c: decode a scanned PNG or JPEG. No single block of memory exceeds max_block bytes: compressed
 * data that unfolds to more than its header tells of ends there. */
int sh_image_stb(sh_image **out, const sh_image_facts *facts, const uint8_t *p, size_t n, size_t max_block,
                 sh_err *err);

/* Numbers of PNG, JPEG and big-endian EXIF. */
static inline uint32_t sh_image_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint32_t sh_image_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

#endif
