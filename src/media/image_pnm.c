/* image_pnm.c - binary PGM (P5) and PPM (P6) files, as Netpbm defines them, with 8 or 16 bits a sample. */
#include "media/image_internal.h"

/* A decimal number after blanks and #-comments. */
static int read_number(uint32_t *out, const uint8_t *p, size_t n, size_t *at, uint32_t max, sh_err *err)
{
    for (bool in_comment = false; *at < n && (in_comment || p[*at] == '#' || p[*at] <= ' '); ++*at)
        in_comment = (in_comment || p[*at] == '#') && p[*at] != '\n' && p[*at] != '\r';
    uint64_t v = 0;
    size_t begin = *at;
    for (; *at < n && p[*at] >= '0' && p[*at] <= '9' && v <= max; ++*at) v = v * 10 + (p[*at] - '0');
    if (*at == begin || v < 1 || v > max)
        return sh_fail(err, SH_E_CORRUPT, "PNM: expected a number from 1 to %u at byte %zu", max, begin);
    *out = (uint32_t)v;
    return SH_OK;
}

int sh_image_scan_pnm(sh_image_facts *out, const uint8_t *p, size_t n, sh_err *err)
{
    size_t at = 2;
    int rc;
    out->kind = SH_IMAGE_PNM;
    out->channels = p[1] == '5' ? 1 : 3;
    if ((rc = read_number(&out->w, p, n, &at, INT32_MAX, err)) < 0 ||
        (rc = read_number(&out->h, p, n, &at, INT32_MAX, err)) < 0 ||
        (rc = read_number(&out->max_value, p, n, &at, 65535, err)) < 0)
        return rc;
    if (at >= n || p[at] > ' ') return sh_fail(err, SH_E_CORRUPT, "PNM: expected a blank at byte %zu", at);
    out->data_off = at + 1;
    size_t left = n - out->data_off;
    /* Sizes beyond the limit are told apart from short data by sh_image_decode; here only what is left
     * counts. */
    uint64_t row = (uint64_t)out->w * out->channels * (out->max_value > 255 ? 2 : 1);
    if (out->w <= SH_IMAGE_MAX_SIDE && out->h <= SH_IMAGE_MAX_SIDE && row * out->h > left)
        return sh_fail(err, SH_E_CORRUPT, "PNM: %zu bytes of pixels (expected %llu)", left,
                       (unsigned long long)(row * out->h));
    return SH_OK;
}

/* Samples of 8 or 16 bits scaled to 0..255, rounded. */
int sh_image_decode_pnm(sh_image **out, const sh_image_facts *f, const uint8_t *p, sh_err *err)
{
    int rc = sh_image_new(out, f->w, f->h, f->channels, err);
    if (rc < 0) return rc;
    size_t count = (size_t)f->w * f->h * f->channels;
    const uint8_t *from = p + f->data_off;
    for (size_t i = 0; i < count; i++) {
        uint32_t v = f->max_value > 255 ? (uint32_t)from[2 * i] << 8 | from[2 * i + 1] : from[i];
        if (v > f->max_value) v = f->max_value;
        (*out)->px[i] = (uint8_t)((v * 255u + f->max_value / 2) / f->max_value);
    }
    return SH_OK;
}
