/* fuzz: text */
/* fuzz_tokenizer_json.c - a tokenizer.json of any bytes: what is accepted must encode, decode and describe
 * itself. */
#include <stdint.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "Hello  <s>w\xc3\xb6rld\xff 123's\n";
    sh_tokenizer *t = NULL;
    sh_err err = {0};
    sh_vocab_desc d;
    sh_token ids[512];
    char out[64];
    sh_encode_opts opts = {.add_special = true, .parse_special = true};
    if (sh_tokenizer_from_json(&t, (const char *)data, size, NULL, 0, "fuzz", &err) < 0) return 0;
    int64_t n = sh_tokenizer_encode(t, text, sizeof text - 1, opts, ids, 512, &err);
    if (n > 0) sh_tokenizer_decode(t, ids, n < 512 ? (size_t)n : 512, false, out, sizeof out, &err);
    sh_tokenizer_describe(t, &d, &err);
    sh_tokenizer_free(t);
    return 0;
}
