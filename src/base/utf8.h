/* utf8.h - UTF-8 by the rules of Unicode 15 table 3-7 (no surrogates, no overlong forms, at most U+10FFFF). */
#ifndef SH_BASE_UTF8_H
#define SH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode one code point at p (n >= 1 bytes left). Returns the bytes used (1..4) and sets *cp. An ill-formed maximal
 * subpart (Unicode D93b) gives *cp = 0xFFFD, *ok = false and its length, so replacing each equals the W3C decoder. */
size_t sh_utf8_decode(const char *p, size_t n, uint32_t *cp, bool *ok);
/* Encode cp (a valid scalar value) to out[4]; returns the bytes written. */
size_t sh_utf8_encode(uint32_t cp, char out[4]);
bool sh_utf8_valid(const char *p, size_t n);
/* Bytes at the end of p[0..n) that begin a sequence which more bytes could complete (0..3): a stream keeps them. */
size_t sh_utf8_tail(const char *p, size_t n);

#endif
