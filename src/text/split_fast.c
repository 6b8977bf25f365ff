/* split_fast.c - hand-written matchers of the patterns that nearly all published models use.
 *
 * Each function is one alternation read left to right: the first alternative that matches wins, its
 * quantifiers are greedy, and the few places where a regular expression would backtrack are spelled out.
 * Every matcher is compared with the pattern itself, run by PCRE2, over random text in the tests. */
#include "text/tokenizer_internal.h"

#include <string.h>

#define CONTRACTION_ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(contraction)                                                                                   \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contraction "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER       \
    "*" contraction

/* As tokenizer.json spells them; the index is enum fast_pattern. */
static const char *const patterns[FAST_COUNT] = {
    [FAST_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    [FAST_LLAMA3] =
        CONTRACTION_ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
    [FAST_QWEN2] =
        CONTRACTION_ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
    [FAST_QWEN35] = CONTRACTION_ANY_CASE
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" TAIL,
    [FAST_O200K] = CASED(CONTRACTION_ANY_CASE "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL,
    [FAST_TEKKEN] = CASED("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL,
};

const char *fast_source(enum fast_pattern which)
{
    return patterns[which];
}

enum fast_pattern fast_from_regex(sh_str pattern)
{
    for (int i = 0; i < FAST_COUNT; i++)
        if (sh_str_is(pattern, patterns[i])) return (enum fast_pattern)i;
    return FAST_COUNT;
}

/* Class bits of the character at p, and its length. */
static inline unsigned class_at(const uint8_t *classes, const char *p, size_t *len)
{
    uint32_t cp = u8_get(p, len);
    return cp < 65536 ? classes[cp] : uc_classify(cp);
}

/* Past the characters that have one of the bits (want) or none of them (!want). */
static inline const char *run_of(const uint8_t *classes, const char *p, const char *end, unsigned bits,
                                 bool want)
{
    size_t len;
    while (p < end && ((class_at(classes, p, &len) & bits) != 0) == want) p += len;
    return p;
}

/* Bytes of 's 't 're 've 'm 'll 'd at p, or 0. any_case: upper case too, and U+017F for s. */
static size_t contraction(const char *p, const char *end, bool any_case)
{
    if (end - p < 2 || *p != '\'') return 0;
    char a = p[1], b = end - p > 2 ? p[2] : 0;
    if (any_case) {
        if ((unsigned char)a == 0xc5 && (unsigned char)b == 0xbf) return 3;
        if (a >= 'A' && a <= 'Z') a = (char)(a + 32);
        if (b >= 'A' && b <= 'Z') b = (char)(b + 32);
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

/* \s+(?!\S)|\s+ at white space: all of it at the end, else all but the last character, but at least one. */
static size_t spaces(const uint8_t *classes, const char *p, const char *end)
{
    const char *stop = run_of(classes, p, end, UC_S, true);
    if (stop == end) return (size_t)(stop - p);
    const char *last = u8_prev(stop, p);
    return (size_t)((last > p ? last : stop) - p);
}

/* The same with \s*[\r\n]+ before: through the last line break of the run. */
static size_t lines_or_spaces(const uint8_t *classes, const char *p, const char *end)
{
    const char *stop = run_of(classes, p, end, UC_S, true), *q = stop;
    while (q > p && q[-1] != '\n' && q[-1] != '\r') q--;
    if (q > p) return (size_t)(q - p);
    if (stop == end) return (size_t)(stop - p);
    const char *last = u8_prev(stop, p);
    return (size_t)((last > p ? last : stop) - p);
}

static size_t next_gpt2(const uint8_t *classes, const char *p, const char *end)
{
    size_t n = contraction(p, end, false), len;
    if (n) return n;
    const char *q = p;
    unsigned c = class_at(classes, q, &len);
    if (*p == ' ' && p + 1 < end) {
        unsigned after = class_at(classes, p + 1, &len);
        if (!(after & UC_S)) q = p + 1, c = after;
    }
    if (c & UC_S) return spaces(classes, p, end);
    if (c & UC_L) return (size_t)(run_of(classes, q, end, UC_L, true) - p);
    if (c & UC_N) return (size_t)(run_of(classes, q, end, UC_N, true) - p);
    return (size_t)(run_of(classes, q, end, UC_S | UC_L | UC_N, false) - p);
}

static size_t digits(const uint8_t *classes, const char *p, const char *end, int max)
{
    const char *q = p;
    for (size_t len; max-- > 0 && q < end && (class_at(classes, q, &len) & UC_N);) q += len;
    return (size_t)(q - p);
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` where q is past the optional space; more: the extra character that may follow.
 */
static size_t symbols(const uint8_t *classes, const char *p, const char *q, const char *end, unsigned not,
                      char more)
{
    q = run_of(classes, q, end, UC_S | not, false);
    while (q < end && (*q == '\r' || *q == '\n' || (more && *q == more))) q++;
    return (size_t)(q - p);
}

/* The Llama 3 shape: letters is what a word is made of, max_digits how many digits stand together. */
static size_t next_llama(const uint8_t *classes, const char *p, const char *end, unsigned letters,
                         int max_digits)
{
    size_t n = contraction(p, end, true), len, after_len;
    if (n) return n;
    unsigned c = class_at(classes, p, &len), after = 0;
    if (c & letters) return (size_t)(run_of(classes, p, end, letters, true) - p);
    if (c & UC_N) return digits(classes, p, end, max_digits);
    if (p + len < end) after = class_at(classes, p + len, &after_len);
    if (!(c & UC_NEWLINE) && (after & letters))
        return (size_t)(run_of(classes, p + len, end, letters, true) - p);
    if (!(c & UC_S)) return symbols(classes, p, p, end, letters | UC_N, 0);
    if (*p == ' ' && p + 1 < end && !(after & (UC_S | UC_N | letters)))
        return symbols(classes, p, p + 1, end, letters | UC_N, 0);
    return lines_or_spaces(classes, p, end);
}

/* UPPER*LOWER+ from q, or failing that UPPER+LOWER*; the end of the match, or NULL. */
static const char *cased_word(const uint8_t *classes, const char *q, const char *end, bool first_form)
{
    const char *up = run_of(classes, q, end, UC_UPPER, true), *low = run_of(classes, up, end, UC_LOWER, true);
    size_t len;
    if (!first_form) return up > q ? low : NULL;
    if (low > up) return low;
    /* give characters back until one of them is of the lower class too */
    while (up > q) {
        up = u8_prev(up, q);
        if (class_at(classes, up, &len) & UC_LOWER) return run_of(classes, up, end, UC_LOWER, true);
    }
    return NULL;
}

/* One of the two cased alternatives at p, with its optional first character; NULL when it does not match. */
static const char *cased(const uint8_t *classes, const char *p, const char *end, bool first_form)
{
    size_t len;
    unsigned c = class_at(classes, p, &len);
    const char *stop = NULL;
    if (!(c & (UC_NEWLINE | UC_L | UC_N))) stop = cased_word(classes, p + len, end, first_form);
    return stop ? stop : cased_word(classes, p, end, first_form);
}

static size_t next_cased(const uint8_t *classes, const char *p, const char *end, bool contractions,
                         int max_digits)
{
    size_t len, after_len;
    unsigned c = class_at(classes, p, &len);
    if (c & UC_N) return digits(classes, p, end, max_digits);
    const char *stop = cased(classes, p, end, true);
    if (!stop) stop = cased(classes, p, end, false);
    if (stop) return (size_t)(stop - p) + (contractions ? contraction(stop, end, true) : 0);
    if (!(c & UC_S)) return symbols(classes, p, p, end, UC_L | UC_N, '/');
    if (*p == ' ' && p + 1 < end && !(class_at(classes, p + 1, &after_len) & (UC_S | UC_L | UC_N)))
        return symbols(classes, p, p + 1, end, UC_L | UC_N, '/');
    return lines_or_spaces(classes, p, end);
}

size_t fast_next(enum fast_pattern which, const uint8_t *classes, const char *p, const char *end)
{
    switch (which) {
    case FAST_GPT2:
        return next_gpt2(classes, p, end);
    case FAST_LLAMA3:
        return next_llama(classes, p, end, UC_L, 3);
    case FAST_QWEN2:
        return next_llama(classes, p, end, UC_L, 1);
    case FAST_QWEN35:
        return next_llama(classes, p, end, UC_L | UC_M, 1);
    case FAST_O200K:
        return next_cased(classes, p, end, true, 3);
    case FAST_TEKKEN:
        return next_cased(classes, p, end, false, 1);
    case FAST_COUNT:
        break;
    }
    return (size_t)(end - p);
}
