/* base64.h - RFC 4648 base64, standard and URL alphabets. */
#ifndef SH_CODEC_BASE64_H
#define SH_CODEC_BASE64_H

#include <stdbool.h>

#include "base/buf.h"

enum sh_base64_kind { SH_BASE64_STD, SH_BASE64_URL_NOPAD };
void sh_base64_encode(sh_buf *out, const void *p, size_t n, enum sh_base64_kind kind);
/* Strict: no whitespace, right padding, zero trailing bits. SH_E_INVALID with the offset otherwise. */
int sh_base64_decode(sh_buf *out, const char *p, size_t n, enum sh_base64_kind kind, sh_err *err);

#endif
