/* digest.c - SHA-256 through OpenSSL's EVP interface, and hexadecimal. */
#include "codec/digest.h"

#include <stdbool.h>

#include <openssl/evp.h>

#include "base/mem.h"

struct sh_hasher {
    EVP_MD_CTX *ctx;
};

static int fail_openssl(sh_err *err) { return sh_fail(err, SH_E_NOMEM, "SHA-256: OpenSSL failed"); }

int sh_hasher_open(sh_hasher **out, sh_err *err)
{
    sh_hasher *h = sh_new(sizeof *h, err);
    if (!h) return SH_E_NOMEM;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        sh_hasher_free(h);
        return fail_openssl(err);
    }
    *out = h;
    return SH_OK;
}

int sh_hasher_add(sh_hasher *h, const void *p, size_t n, sh_err *err)
{
    return EVP_DigestUpdate(h->ctx, p, n) == 1 ? SH_OK : fail_openssl(err);
}

int sh_hasher_finish(sh_hasher *h, sh_digest *out, sh_err *err)
{
    bool ok = EVP_DigestFinal_ex(h->ctx, out->bytes, NULL) == 1;
    ok = EVP_DigestInit_ex(h->ctx, NULL, NULL) == 1 && ok;
    return ok ? SH_OK : fail_openssl(err);
}

void sh_hasher_free(sh_hasher *h)
{
    if (!h) return;
    EVP_MD_CTX_free(h->ctx);
    sh_free(h);
}

int sh_sha256(const void *p, size_t n, sh_digest *out, sh_err *err)
{
    return EVP_Digest(p, n, out->bytes, NULL, EVP_sha256(), NULL) == 1 ? SH_OK : fail_openssl(err);
}

void sh_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int sh_unhex(const char *hex, size_t n_digits, void *out)
{
    unsigned char *bytes = out;
    if (n_digits % 2) return -1;
    for (size_t i = 0; i < n_digits; i += 2) {
        int hi = hex_value(hex[i]), lo = hex_value(hex[i + 1]);
        if (hi < 0 || lo < 0) return -1;
        bytes[i / 2] = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}
