/* utf8.c - UTF-8 by table 3-7 of the Unicode standard. */
#include "base/utf8.h"

/* Length of the sequence that lead byte b starts (0: none can), and the range its second byte must lie in. */
static int lead(unsigned char b, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (b < 0x80) return 1;
    if (b < 0xc2) return 0;
    if (b < 0xe0) return 2;
    if (b < 0xf0) {
        if (b == 0xe0) *lo = 0xa0;
        if (b == 0xed) *hi = 0x9f;
        return 3;
    }
    if (b < 0xf5) {
        if (b == 0xf0) *lo = 0x90;
        if (b == 0xf4) *hi = 0x8f;
        return 4;
    }
    return 0;
}

size_t sh_utf8_decode(const char *s, size_t n, uint32_t *cp, bool *ok)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char lo, hi;
    int len = lead(p[0], &lo, &hi);
    *ok = true;
    if (len == 1) {
        *cp = p[0];
        return 1;
    }
    *cp = 0xfffd;
    *ok = false;
    if (len == 0) return 1;
    uint32_t v = p[0] & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n || p[i] < lo || p[i] > hi) return (size_t)i;
        v = v << 6 | (p[i] & 0x3fu);
        lo = 0x80;
        hi = 0xbf;
    }
    *cp = v;
    *ok = true;
    return (size_t)len;
}

size_t sh_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

bool sh_utf8_valid(const char *p, size_t n)
{
    uint32_t cp;
    bool ok;
    for (size_t i = 0; i < n;) {
        if (!(p[i] & 0x80)) {
            i++;
            continue;
        }
        i += sh_utf8_decode(p + i, n - i, &cp, &ok);
        if (!ok) return false;
    }
    return true;
}

size_t sh_utf8_tail(const char *p, size_t n)
{
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        unsigned char lo, hi, b = (unsigned char)p[n - k];
        if ((b & 0xc0) == 0x80) continue;
        int len = lead(b, &lo, &hi);
        if (len <= (int)k) return 0;
        /* a second byte outside its range can never be completed */
        if (k >= 2 && ((unsigned char)p[n - k + 1] < lo || (unsigned char)p[n - k + 1] > hi)) return 0;
        return k;
    }
    return 0;
}
