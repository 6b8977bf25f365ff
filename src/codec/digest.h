/* digest.h - SHA-256 through OpenSSL (which uses the CPU's SHA instructions). */
#ifndef SH_CODEC_DIGEST_H
#define SH_CODEC_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

enum { SH_SHA256_BYTES = 32 };
typedef struct sh_digest { uint8_t bytes[SH_SHA256_BYTES]; } sh_digest;
typedef struct sh_hasher sh_hasher;

int sh_hasher_open(sh_hasher **out, sh_err *err);
int sh_hasher_add(sh_hasher *h, const void *p, size_t n, sh_err *err);
int sh_hasher_finish(sh_hasher *h, sh_digest *out, sh_err *err); /* the hasher starts anew */
void sh_hasher_free(sh_hasher *h);
int sh_sha256(const void *p, size_t n, sh_digest *out, sh_err *err);
void sh_hex(const void *p, size_t n, char *out); /* 2n lower-case digits and a NUL */
int sh_unhex(const char *hex, size_t n_digits, void *out); /* 0, or -1 for an odd count or a non-digit */

#endif
