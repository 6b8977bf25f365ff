/* image_png.c - the structure of a PNG file (W3C, third edition): chunks and their checksums. */
#include <string.h>

#include "media/image_internal.h"

/* CRC-32 as in PNG (ISO 3309), four bits at a time. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

static int read_ihdr(sh_image_facts *out, const uint8_t *p, size_t len, unsigned *colour, sh_err *err)
{
    if (len != 13) return sh_fail(err, SH_E_CORRUPT, "PNG: the header has %zu bytes (expected 13)", len);
    out->w = sh_image_be32(p);
    out->h = sh_image_be32(p + 4);
    *colour = p[9];
    if (!out->w || !out->h) return sh_fail(err, SH_E_CORRUPT, "PNG: a size of %u x %u", out->w, out->h);
    if (*colour == 4) out->channels = 4; /* grey with transparency */
    return SH_OK;
}

int sh_image_scan_png(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err)
{
    size_t at = 8;
    unsigned colour = 0;
    bool has_data = false;
    out->kind = SH_IMAGE_PNG;
    for (;;) {
        if (n - at < 12) return sh_fail(err, SH_E_CORRUPT, "PNG: cut short at byte %zu (no end chunk)", n);
        size_t len = sh_image_be32(p + at);
        const uint8_t *type = p + at + 4, *data = p + at + 8;
        if (len > n - at - 12)
            return sh_fail(err, SH_E_CORRUPT, "PNG: the chunk at byte %zu has %zu bytes but %zu are left", at,
                           len, n - at - 12);
        bool is_critical = !(type[0] & 0x20);
        if (is_critical && crc32_of(type, len + 4) != sh_image_be32(data + len))
            return sh_fail(err, SH_E_CORRUPT, "PNG: wrong checksum of the chunk at byte %zu", at);
        if (at == 8 && memcmp(type, "IHDR", 4) != 0)
            return sh_fail(err, SH_E_CORRUPT, "PNG: the first chunk is not the header (IHDR)");
        if (memcmp(type, "IEND", 4) == 0) break;
        int rc = at == 8 ? read_ihdr(out, data, len, &colour, err) : SH_OK;
        if (rc < 0) return rc;
        if (memcmp(type, "IDAT", 4) == 0) has_data = true;
        if (memcmp(type, "tRNS", 4) == 0 && colour == 0) out->channels = 4;
        if (memcmp(type, "eXIf", 4) == 0) out->orientation = sh_image_exif_orientation(data, len);
        at += len + 12;
    }
    return has_data ? SH_OK : sh_fail(err, SH_E_CORRUPT, "PNG: no picture data (IDAT) before the end chunk");
}
