/* image_exif.c - the one EXIF field that matters here: which way up a picture is (EXIF 2.32, tag 0x0112). */
#include <string.h>

#include "media/image_internal.h"

static uint32_t tiff16(const uint8_t *p, bool is_big)
{
    return is_big ? sh_image_be16(p) : (uint32_t)p[1] << 8 | p[0];
}
static uint32_t tiff32(const uint8_t *p, bool is_big)
{
    return is_big ? sh_image_be32(p)
                  : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

int sh_image_exif_orientation(const uint8_t *p, size_t n)
{
    if (n < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0)) return 1;
    bool is_big = p[0] == 'M';
    size_t at = tiff32(p + 4, is_big);
    if (at > n || n - at < 2) return 1;
    size_t count = tiff16(p + at, is_big);
    at += 2;
    for (size_t i = 0; i < count && n - at >= 12; i++, at += 12) {
        uint32_t value = tiff16(p + at + 8, is_big);
        bool is_short = tiff16(p + at + 2, is_big) == 3 && tiff32(p + at + 4, is_big) == 1;
        if (tiff16(p + at, is_big) == 0x0112) return is_short && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
