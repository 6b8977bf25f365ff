/* pre.c - the splitters that GGUF names in tokenizer.ggml.pre.
 *
 * A name is a row: how a text is cut, step by step. Steps are either a matcher of our own or a pattern; each
 * works on the pieces of the one before. What published vocabularies call by several names has one row per
 * name. */
#include "text/tokenizer_internal.h"

#include <string.h>

#define GPT2 NULL, FAST_GPT2
#define PATTERN(text) text, FAST_COUNT

typedef struct pre_step {
    const char *pattern; /* NULL: the matcher */
    enum fast_pattern fast;
} pre_step;

typedef struct pre_row {
    const char *name;
    bool ignore_merges, add_bos;
    pre_step steps[6]; /* up to the first with pattern NULL and fast FAST_COUNT; {0} is GPT2, so the count is
                          given */
    int n_steps;
} pre_row;

#define ONE(which) {{NULL, which}}, 1
#define DIGITS_GPT2 {{PATTERN("\\p{N}")}, {GPT2}}, 2
#define ASCII_PUNCT "!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~"
#define DEEPSEEK3                                                                                            \
    {{PATTERN("\\p{N}{1,3}")},                                                                               \
     {PATTERN("[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+")},                              \
     {PATTERN("[" ASCII_PUNCT                                                                                \
              "][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"            \
              "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")}},                                                          \
        3
#define LETTERS_LLM                                                                                          \
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯ"                                               \
    "Ա-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ"                                                                \
    "ὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼ"                                                                  \
    "ℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ"                                                                    \
    "-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏"                                                              \
    "𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
#define PUNCT_LLM "\\s?[!-/:-~！-／：-～‘-‟　-。]+"
#define FALCON_PUNCT "[\\p{P}\\$\\+<=>\\^~\\|`]+"
#define BLOOM " ?[^(\\s|.,!?…。，、।۔،)]+"
#define CONTRACTION "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"

/* clang-format off */
static const pre_row rows[] = {
    {"default", false, false,
     {{PATTERN("[\\p{P}\\$\\+<=>\\^~\\|]+")}, {GPT2}, {PATTERN("\\p{N}+")}, {PATTERN("[0-9][0-9][0-9]")}}, 4},
    {"llama-bpe", true, true, ONE(FAST_LLAMA3)},
    {"llama3", true, true, ONE(FAST_LLAMA3)},
    {"llama-v3", true, true, ONE(FAST_LLAMA3)},
    {"falcon3", true, true, ONE(FAST_LLAMA3)},
    {"falcon-h1", true, true, ONE(FAST_LLAMA3)},
    {"pixtral", true, true, ONE(FAST_LLAMA3)},
    {"midm-2.0", true, true, ONE(FAST_LLAMA3)},
    {"lfm2", true, true, ONE(FAST_LLAMA3)},
    {"dbrx", false, false, ONE(FAST_LLAMA3)},
    {"smaug-bpe", false, false, ONE(FAST_LLAMA3)},
    {"chatglm-bpe", false, false, ONE(FAST_LLAMA3)},
    {"glm4", false, false, ONE(FAST_LLAMA3)},
    {"gpt-2", false, false, ONE(FAST_GPT2)},
    {"phi-2", false, false, ONE(FAST_GPT2)},
    {"mpt", false, false, ONE(FAST_GPT2)},
    {"olmo", false, false, ONE(FAST_GPT2)},
    {"jina-es", false, false, ONE(FAST_GPT2)},
    {"jina-de", false, false, ONE(FAST_GPT2)},
    {"jina-v1-en", false, false, ONE(FAST_GPT2)},
    {"jina-v2-es", false, false, ONE(FAST_GPT2)},
    {"jina-v2-de", false, false, ONE(FAST_GPT2)},
    {"jina-v2-code", false, false, ONE(FAST_GPT2)},
    {"roberta-bpe", false, false, ONE(FAST_GPT2)},
    {"gigachat", false, false, ONE(FAST_GPT2)},
    {"exaone4", false, false, ONE(FAST_GPT2)},
    {"trillion", false, false, ONE(FAST_GPT2)},
    {"granite-docling", false, false, ONE(FAST_GPT2)},
    {"gpt-neox", false, false, ONE(FAST_GPT2)},
    {"qwen2", false, false, ONE(FAST_QWEN2)},
    {"stablelm2", false, false, ONE(FAST_QWEN2)},
    {"deepseek-r1-qwen", false, false, ONE(FAST_QWEN2)},
    {"megrez", false, false, ONE(FAST_QWEN2)},
    {"hunyuan", false, false, ONE(FAST_QWEN2)},
    {"qwen35", false, false, ONE(FAST_QWEN35)},
    {"gpt-4o", false, false, ONE(FAST_O200K)},
    {"o200k", false, false, ONE(FAST_O200K)},
    {"llama4", false, false, ONE(FAST_O200K)},
    {"tekken", true, true, ONE(FAST_TEKKEN)},
    {"starcoder", false, false, DIGITS_GPT2},
    {"refact", false, false, DIGITS_GPT2},
    {"command-r", false, false, DIGITS_GPT2},
    {"smollm", false, false, DIGITS_GPT2},
    {"codeshell", false, false, DIGITS_GPT2},
    {"exaone", false, false, DIGITS_GPT2},
    {"minerva-7b", false, false, DIGITS_GPT2},
    {"falcon", false, false, {{PATTERN(FALCON_PUNCT)}, {GPT2}, {PATTERN("[0-9][0-9][0-9]")}}, 3},
    {"deepseek-llm", false, false,
     {{PATTERN("[\\r\\n]")}, {PATTERN(LETTERS_LLM)}, {PATTERN(PUNCT_LLM)}, {PATTERN("\\s+$")},
      {PATTERN("[一-龥ࠀ-一가-퟿]+")}, {PATTERN("\\p{N}+")}}, 6},
    {"deepseek-coder", false, false,
     {{PATTERN("[\\r\\n]")}, {PATTERN("\\s?\\p{L}+")}, {PATTERN("\\s?\\p{P}+")},
      {PATTERN("[一-龥ࠀ-一가-퟿]+")}, {PATTERN("\\p{N}")}}, 5},
    {"deepseek-v3", false, false, DEEPSEEK3},
    {"hunyuan-dense", false, false, DEEPSEEK3},
    {"poro-chat", false, false, {{PATTERN(BLOOM)}}, 1},
    {"bloom", false, false, {{PATTERN(BLOOM)}}, 1},
    {"gpt3-finnish", false, false, {{PATTERN(BLOOM)}}, 1},
    {"viking", false, false, {{PATTERN(BLOOM)}, {PATTERN("\\p{N}")}}, 2},
    {"seed-coder", false, false,
     {{PATTERN(CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}"
               "| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")}}, 1},
    {"bailingmoe", false, false,
     {{PATTERN("'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
               "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+")}}, 1},
};
/* clang-format on */

static const pre_row *find_row(const char *pre)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, pre) == 0) return &rows[i];
    return NULL;
}

bool pre_ignores_merges(const char *pre)
{
    const pre_row *row = find_row(pre);
    return row && row->ignore_merges;
}

bool pre_adds_bos(const char *pre)
{
    const pre_row *row = find_row(pre);
    return row && row->add_bos;
}

const char *pre_falcon_punctuation(void)
{
    return FALCON_PUNCT;
}

static const char *source_of(const pre_step *s)
{
    return s->pattern ? s->pattern : fast_source(s->fast);
}

const char *pre_of_sources(const char *const *sources, size_t n)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool same = (size_t)rows[i].n_steps == n;
        for (size_t k = 0; same && k < n; k++) same = strcmp(source_of(&rows[i].steps[k]), sources[k]) == 0;
        if (same) return rows[i].name;
    }
    return NULL;
}

int tok_set_pre(sh_tokenizer *t, const char *pre, const char *where, sh_err *err)
{
    const pre_row *row = find_row(pre);
    int rc;
    if (!row)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: the pre-tokeniser \"%.64s\" is not known", where, pre);
    for (int i = 0; i < row->n_steps; i++) {
        const pre_step *from = &row->steps[i];
        split_step *s = tok_push_split(t, from->pattern ? SPLIT_PATTERN : SPLIT_FAST, err);
        if (!s) return SH_E_NOMEM;
        s->behavior = SPLIT_ISOLATED;
        s->fast = from->fast;
        if (from->pattern && (rc = tok_add_regex(t, sh_str_of(from->pattern), &s->regex, where, err)) < 0)
            return rc;
    }
    t->pre = row->name;
    return SH_OK;
}
