/* base64.c - RFC 4648, sections 4 (standard alphabet, padded) and 5 (URL alphabet; here without padding). */
#include "codec/base64.h"

#include "base/mem.h"

enum { BAD = 64 };

static const char alphabets[][65] = {
    [SH_BASE64_STD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [SH_BASE64_URL_NOPAD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void sh_base64_encode(sh_buf *out, const void *data, size_t n, enum sh_base64_kind kind)
{
    const unsigned char *p = data;
    const char *digit = alphabets[kind];
    bool pad = kind == SH_BASE64_STD;
    size_t room;
    if (!sh_mul(&room, n / 3 + 1, 4) || !sh_buf_reserve(out, room)) {
        out->failed = true;
        return;
    }
    char *q = out->p + out->n;
    for (; n >= 3; p += 3, n -= 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *q++ = digit[v >> 18];
        *q++ = digit[v >> 12 & 63];
        *q++ = digit[v >> 6 & 63];
        *q++ = digit[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *q++ = digit[v >> 18];
        *q++ = digit[v >> 12 & 63];
        if (n == 2) *q++ = digit[v >> 6 & 63];
        if (pad && n == 1) *q++ = '=';
        if (pad) *q++ = '=';
    }
    *q = 0;
    out->n = (size_t)(q - out->p);
}

static unsigned value_of(char c, enum sh_base64_kind kind)
{
    if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
    if (c == alphabets[kind][62]) return 62;
    return c == alphabets[kind][63] ? 63 : BAD;
}

static int bad(size_t offset, const char *what, sh_err *err)
{
    return sh_fail(err, SH_E_INVALID, "base64: byte %zu: %s", offset, what);
}

/* The digits without the padding; the padding, where it is wanted, must fill the last group of four. */
static int digits_of(const char *p, size_t n, enum sh_base64_kind kind, size_t *n_digits, sh_err *err)
{
    *n_digits = n;
    if (kind == SH_BASE64_STD) {
        if (n % 4) return bad(n, "the length is no multiple of four", err);
        if (n && p[n - 1] == '=') *n_digits -= p[n - 2] == '=' ? 2 : 1;
    } else if (n % 4 == 1) {
        return bad(n, "a last group of one digit holds no byte", err);
    }
    return SH_OK;
}

int sh_base64_decode(sh_buf *out, const char *p, size_t n, enum sh_base64_kind kind, sh_err *err)
{
    size_t n_digits, start = out->n;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    int rc = digits_of(p, n, kind, &n_digits, err);
    if (rc < 0) return rc;
    if (!sh_buf_reserve(out, n / 4 * 3 + 3)) return sh_fail_nomem(err, n / 4 * 3 + 3);
    char *q = out->p + start;
    for (size_t i = 0; i < n_digits; i++) {
        unsigned v = value_of(p[i], kind);
        if (v == BAD) {
            rc = bad(i, "no base64 digit", err);
            goto out;
        }
        bits = bits << 6 | v;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        *q++ = (char)(bits >> n_bits);
        bits &= (1u << n_bits) - 1;
    }
    if (bits) rc = bad(n_digits - 1, "the last digit has bits that belong to no byte", err);
out:
    if (rc == SH_OK) out->n = (size_t)(q - out->p);
    out->p[out->n] = 0;
    return rc;
}
