/* image_decode.c - from the bytes of a picture file to an image. */
#include <string.h>

#include "base/buf.h"
#include "media/image_internal.h"
#include "os/file.h"

enum { MAX_FILE_BYTES = 512 << 20 };

int sh_image_scan(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err)
{
    *out = (sh_image_facts){.orientation = 1};
    if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) return sh_image_scan_png(out, p, n, err);
    if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) return sh_image_scan_jpeg(out, p, n, err);
    if (n >= 3 && p[0] == 'P' && (p[1] == '5' || p[1] == '6') && (p[2] == '#' || p[2] <= ' '))
        return sh_image_scan_pnm(out, p, n, err);
    if (!n)
        return sh_fail(err, SH_E_UNSUPPORTED, "an empty file is no image (expected PNG, JPEG, PGM or PPM)");
    return sh_fail(err, SH_E_UNSUPPORTED,
                   "the first bytes are those of no image that is read here (expected PNG, JPEG, "
                   "PGM or PPM)");
}

/* The largest block that decoding an honest file takes. PNG: the unfolded rows, asked for as 16 bits a sample
 * in four channels, twice that when it must grow (interlaced rows have more filter bytes). JPEG: a plane of
 * coefficients in 16 bits, its sides rounded up to whole units of at most 32. Either: the joined input,
 * doubled as it grows. */
static size_t block_limit(const sh_image_facts *f, size_t n_input)
{
    uint64_t rows = 2 * (8 * ((uint64_t)f->w + 32) + 1) * ((uint64_t)f->h + 32),
             limit = rows + 2 * (uint64_t)n_input;
    limit += 1 << 16;
    return limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
}

int sh_image_decode(sh_image **out, const void *bytes, size_t n, const sh_image_opts *opts, sh_err *err)
{
    const sh_image_opts defaults = SH_IMAGE_OPTS_INIT;
    const uint8_t *p = bytes;
    sh_image_facts f;
    sh_image *img = NULL, *turned = NULL;
    if (!opts) opts = &defaults;
    uint64_t max_pixels = opts->max_pixels ? opts->max_pixels : SH_IMAGE_MAX_PIXELS;
    int rc = sh_image_scan(&f, p, n, err);
    if (rc < 0) return rc;
    if (f.w > SH_IMAGE_MAX_SIDE || f.h > SH_IMAGE_MAX_SIDE || (uint64_t)f.w * f.h > max_pixels)
        return sh_fail(err, SH_E_LIMIT, "the image has %u x %u pixels (at most %d on a side and %llu in all)",
                       f.w, f.h, SH_IMAGE_MAX_SIDE, (unsigned long long)max_pixels);
    rc = f.kind == SH_IMAGE_PNM ? sh_image_decode_pnm(&img, &f, p, err)
                                : sh_image_stb(&img, &f, p, n, block_limit(&f, n), err);
    if (rc == SH_OK && opts->orient && f.orientation != 1 &&
        (rc = sh_image_orient(&turned, img, f.orientation, err)) == SH_OK) {
        sh_image_free(img);
        img = turned;
    }
    if (rc < 0) {
        sh_image_free(img);
        return rc;
    }
    *out = img;
    return SH_OK;
}

int sh_image_load(sh_image **out, const char *path, const sh_image_opts *opts, sh_err *err)
{
    sh_buf bytes = {0};
    int rc = sh_file_read(path, MAX_FILE_BYTES, &bytes, err);
    if (rc == SH_OK && (rc = sh_image_decode(out, bytes.p, bytes.n, opts, err)) < 0)
        rc = sh_fail_in(err, rc, "%.150s", strcmp(path, "-") == 0 ? "standard input" : path);
    sh_buf_clear(&bytes);
    return rc;
}
