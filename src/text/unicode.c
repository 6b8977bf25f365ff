/* unicode.c - classes of code points. */
#include "text/unicode.h"

#include <utf8proc.h>

bool uc_is_space(uint32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

unsigned uc_classify(uint32_t cp)
{
    unsigned space = uc_is_space(cp) ? UC_S : 0;
    if (cp == '\r' || cp == '\n') space |= UC_NEWLINE;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return UC_L | UC_UPPER;
    case UTF8PROC_CATEGORY_LL:
        return UC_L | UC_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return UC_L | UC_UPPER | UC_LOWER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return UC_M | UC_UPPER | UC_LOWER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return UC_N;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return UC_P;
    default:
        return space;
    }
}

void uc_fill_table(uint8_t table[65536])
{
    for (uint32_t cp = 0; cp < 65536; cp++) table[cp] = (uint8_t)uc_classify(cp);
}

bool uc_is_word(uint32_t cp)
{
    if (cp < 0x80) return (cp | 32) - 'a' < 26 || cp - '0' < 10 || cp == '_';
    if (cp == 0x200c || cp == 0x200d) return true;
    if (cp >= 0x24b6 && cp <= 0x24e9) return true; /* circled letters are alphabetic symbols */
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (uc_classify(cp) & (UC_L | UC_M)) || c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL ||
           c == UTF8PROC_CATEGORY_PC;
}

bool uc_is_cjk(uint32_t cp)
{
    return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) ||
           (cp >= 0x20000 && cp <= 0x2a6df) || (cp >= 0x2a700 && cp <= 0x2b73f) ||
           (cp >= 0x2b740 && cp <= 0x2b81f) || (cp >= 0x2b920 && cp <= 0x2ceaf) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

unsigned uc_lower(uint32_t cp, uint32_t out[2])
{
    if (cp < 0x80) return out[0] = cp - 'A' < 26 ? cp + 32 : cp, 1;
    if (cp == 0x130) return out[0] = 'i', out[1] = 0x307, 2; /* the one unconditional multi-character case */
    return out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp), 1;
}
