/* fuzz: text */
/* fuzz_tokenizer_encode.c - any bytes through small tokenizers of each kind. A byte-complete vocabulary gives
 * the repaired text back; every stream gives what the whole decoding gives. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "text/tokenizer.h"

static const char bytes_head[] =
    "{\"added_tokens\":[{\"id\":256,\"content\":\"<s>\",\"special\":true,\"normalized\":false},"
    "{\"id\":257,\"content\":\"ab\",\"lstrip\":true,\"rstrip\":true,\"normalized\":false}],"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{";
static const char other[][900] = {
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"decoder\":{\"type\":\"WordPiece\","
    "\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?"
    "\":0,\"a\":1,\"##b\":2,\"ab\":3,"
    "\"##\xc3\xa9\":4,\".\":5}}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Replace\","
    "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":"
    "\" "
    "\"},{\"type\":\"Strip\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
    "\"prepend_scheme\":\"always\"},"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"},\"model\":{\"type\":\"Unigram\","
    "\"unk_id\":0,\"vocab\":[[\"?\",0],"
    "[\"\xe2\x96\x81\",-1],[\"a\",-2],[\"ab\",-2.5],[\"\xe2\x96\x81"
    "ab\",-3],[\"b\",-2]]}}"};

static sh_tokenizer *open_json(const char *p, size_t n)
{
    sh_tokenizer *t = NULL;
    sh_err err = {0};
    if (sh_tokenizer_from_json(&t, p, n, NULL, 0, "fuzz", &err) < 0) abort();
    return t;
}

/* The 256 letters of the byte alphabet, "<s>", "ab", and a few merges. */
static sh_tokenizer *open_bytes(void)
{
    sh_buf b = {0};
    sh_buf_puts(&b, bytes_head);
    for (unsigned i = 0; i < 256; i++) {
        bool own = (i >= 33 && i <= 126) || i >= 174 || (i >= 161 && i <= 172);
        unsigned cp = own ? i : i <= 32 ? 256 + i : i == 173 ? 323 : 289 + (i - 127);
        sh_buf_printf(&b, "%s\"\\u%04x\":%u", i ? "," : "", cp, i);
    }
    sh_buf_puts(&b, ",\"aa\":258,\"aaa\":259,\"\\u0120a\":260},\"merges\":[[\"a\",\"a\"],[\"aa\",\"a\"],["
                    "\"\\u0120\",\"a\"]]}}");
    sh_tokenizer *t = open_json(b.p, b.n);
    sh_buf_clear(&b);
    return t;
}

static void repair(sh_buf *out, const char *p, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp;
        bool ok;
        char c[4];
        len = sh_utf8_decode(p + i, n - i, &cp, &ok);
        sh_buf_add(out, c, sh_utf8_encode(cp, c));
    }
}

static void check(const sh_tokenizer *t, const char *p, size_t n, bool complete)
{
    sh_err err = {0};
    sh_encode_opts opts = {.parse_special = true};
    int64_t count = sh_tokenizer_encode(t, p, n, opts, NULL, 0, &err);
    if (count < 0) abort();
    sh_token *ids = malloc(((size_t)count + 1) * sizeof *ids);
    if (!ids || sh_tokenizer_encode(t, p, n, opts, ids, (size_t)count, &err) != count) abort();
    sh_buf whole = {0}, stream = {0}, want = {0};
    sh_detok *d = NULL;
    if (sh_tokenizer_decode_to(t, ids, (size_t)count, false, &whole, &err) < 0 ||
        sh_detok_open(&d, t, false, &err) < 0)
        abort();
    for (int64_t i = 0; i < count; i++)
        if (sh_detok_add(d, ids[i], &stream, &err) < 0) abort();
    if (sh_detok_flush(d, &stream, &err) < 0 || !sh_str_eq(sh_buf_str(&whole), sh_buf_str(&stream))) abort();
    repair(&want, p, n);
    /* "ab" takes white space with it: such texts come back shorter */
    if (complete && n < 4096 && !memmem(p, n, "ab", 2) && !sh_str_eq(sh_buf_str(&whole), sh_buf_str(&want)))
        abort();
    sh_detok_free(d);
    sh_buf_clear(&whole);
    sh_buf_clear(&stream);
    sh_buf_clear(&want);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_tokenizer *t = open_bytes();
    check(t, (const char *)data, size, true);
    sh_tokenizer_free(t);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        t = open_json(other[i], strlen(other[i]));
        check(t, (const char *)data, size, false);
        sh_tokenizer_free(t);
    }
    return 0;
}
