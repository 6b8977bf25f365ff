/* text/unicode.h - what tokenizers ask about a code point, over utf8proc's tables.
 *
 * Texts inside text/ are valid UTF-8 (ill-formed parts were replaced on entry), so the decoder here does not
 * check. */
#ifndef SH_TEXT_UNICODE_H
#define SH_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Classes of pre-tokenisers; a code point has several. */
enum uc_class {
    UC_L = 1,        /* \p{L} */
    UC_N = 2,        /* \p{N} */
    UC_S = 4,        /* \s: Unicode White_Space */
    UC_M = 8,        /* \p{M} */
    UC_UPPER = 16,   /* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
    UC_LOWER = 32,   /* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
    UC_P = 64,       /* \p{P} */
    UC_NEWLINE = 128 /* CR or LF */
};
unsigned uc_classify(uint32_t cp);
/* Fill table[cp] for the code points below 65536; others are asked from uc_classify. */
void uc_fill_table(uint8_t table[65536]);

bool uc_is_space(uint32_t cp); /* White_Space */
bool uc_is_word(uint32_t cp);  /* \w: alphabetic, mark, decimal digit, connector, joiner */
/* As BERT's stages in the tokenizers library see them (unicode_bert.c). */
bool uc_is_mark_nonspacing(uint32_t cp);
bool uc_is_punct_bert(uint32_t cp); /* ASCII that is no letter, digit, space or control; or \p{P} */
bool uc_is_cjk(uint32_t cp);        /* the ideograph blocks that BERT spaces out */
bool uc_is_other(uint32_t cp);      /* control, format, surrogate, private use */
/* Full lower-casing of one code point without context; writes 1..2 code points. */
unsigned uc_lower(uint32_t cp, uint32_t out[2]);

/* Length of the character at p from its lead byte. */
static inline size_t u8_len(const char *p)
{
    unsigned char b = (unsigned char)*p;
    return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

static inline uint32_t u8_get(const char *p, size_t *len)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0x80) return *len = 1, u[0];
    if (u[0] < 0xe0) return *len = 2, (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3fu);
    if (u[0] < 0xf0)
        return *len = 3, (uint32_t)(u[0] & 0xf) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3fu);
    return *len = 4, (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
                         (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3fu);
}

/* Start of the character that ends just before p (p > begin). */
static inline const char *u8_prev(const char *p, const char *begin)
{
    do p--;
    while (p > begin && (*p & 0xc0) == 0x80);
    return p;
}

/* The byte alphabet of byte-level BPE: printable Latin-1 stands for itself, the other 68 bytes follow from
 * U+0100. */
static inline uint32_t byte_to_letter(uint8_t b)
{
    if ((b >= 33 && b <= 126) || (b >= 161 && b != 173)) return b;
    if (b <= 32) return 256u + b;
    return b == 173 ? 323u : 289u + (b - 127u);
}

/* The byte that a letter stands for, or -1. */
static inline int letter_to_byte(uint32_t cp)
{
    if (cp < 256) return (cp >= 33 && cp <= 126) || (cp >= 161 && cp != 173) ? (int)cp : -1;
    if (cp <= 288) return (int)(cp - 256);
    if (cp <= 322) return (int)(cp - 289 + 127);
    return cp == 323 ? 173 : -1;
}

#endif
