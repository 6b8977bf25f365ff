/* image_jpeg.c - the structure of a JPEG file (ITU-T T.81): segments up to the end marker. */
#include <string.h>

#include "media/image_internal.h"

enum {
    JPEG_MAX_SCANS = 200 /* a progressive picture has about ten; each costs a walk over the whole picture */
};

enum {
    M_SOF0 = 0xc0,
    M_SOF1 = 0xc1,
    M_SOF2 = 0xc2,
    M_DHT = 0xc4,
    M_JPG = 0xc8,
    M_DAC = 0xcc,
    M_RST0 = 0xd0,
    M_RST7 = 0xd7,
    M_SOI = 0xd8,
    M_EOI = 0xd9,
    M_SOS = 0xda,
    M_APP1 = 0xe1
};

static int read_sof(sh_image_facts *out, unsigned marker, const uint8_t *p, size_t len, sh_err *err)
{
    if (marker > M_SOF2)
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "JPEG: lossless, hierarchical and arithmetic coding (frame type %u) are "
                       "not read",
                       marker - M_SOF0);
    if (out->w) return sh_fail(err, SH_E_CORRUPT, "JPEG: two frame headers");
    if (len < 6)
        return sh_fail(err, SH_E_CORRUPT, "JPEG: the frame header has %zu bytes (expected 6 or more)", len);
    if (p[0] != 8) return sh_fail(err, SH_E_UNSUPPORTED, "JPEG: %u bits a sample (only 8 are read)", p[0]);
    out->h = sh_image_be16(p + 1);
    out->w = sh_image_be16(p + 3);
    if (!out->w || !out->h) return sh_fail(err, SH_E_CORRUPT, "JPEG: a size of %u x %u", out->w, out->h);
    return SH_OK;
}

/* From compressed data at `at` to the next marker: 0xff followed by neither 0, 0xff nor a restart. n when
 * there is none. */
static size_t next_marker(const uint8_t *p, size_t n, size_t at)
{
    while (at + 1 < n) {
        const uint8_t *ff = memchr(p + at, 0xff, n - 1 - at);
        if (!ff) return n;
        at = (size_t)(ff - p);
        if (ff[1] != 0 && ff[1] != 0xff && !(ff[1] >= M_RST0 && ff[1] <= M_RST7)) return at;
        at++;
    }
    return n;
}

static bool is_frame_header(unsigned marker)
{
    return marker >= M_SOF0 && marker <= 0xcf && marker != M_DHT && marker != M_JPG && marker != M_DAC;
}

int sh_image_scan_jpeg(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err)
{
    size_t at = 2;
    unsigned n_scans = 0;
    out->kind = SH_IMAGE_JPEG;
    for (;;) {
        /* Between segments some programs leave bytes; readers skip to the next marker, and so does stb. */
        if ((at = next_marker(p, n, at)) >= n)
            return sh_fail(err, SH_E_CORRUPT, "JPEG: cut short at byte %zu (no end marker)", n);
        unsigned marker = p[at + 1];
        size_t begin = at + 2;
        if (marker == M_EOI) break;
        if (marker == M_SOI || marker == 0x01) {
            at = begin;
            continue;
        }
        size_t len = n - begin >= 2 ? sh_image_be16(p + begin) : 0;
        if (len < 2 || len > n - begin)
            return sh_fail(err, SH_E_CORRUPT, "JPEG: the segment at byte %zu has %zu bytes but %zu are left",
                           at, len, n - begin);
        const uint8_t *data = p + begin + 2;
        int rc = is_frame_header(marker) ? read_sof(out, marker, data, len - 2, err) : SH_OK;
        if (rc < 0) return rc;
        if (marker == M_APP1 && len >= 8 && memcmp(data, "Exif\0\0", 6) == 0)
            out->orientation = sh_image_exif_orientation(data + 6, len - 8);
        if (marker == M_SOS && ++n_scans > JPEG_MAX_SCANS)
            return sh_fail(err, SH_E_LIMIT, "JPEG: more than %d scans", JPEG_MAX_SCANS);
        at = begin + len;
    }
    if (!out->w || !n_scans) return sh_fail(err, SH_E_CORRUPT, "JPEG: no picture before the end marker");
    return SH_OK;
}
