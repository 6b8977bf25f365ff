/* fuzz: text */
/* fuzz_tokenizer_model.c - a tokenizer.model of any bytes (and the same bytes as llama2.c's tokenizer.bin).
 */
#include <stdint.h>

#include "text/tokenizer.h"

static void use(sh_tokenizer *t)
{
    static const char text[] = " Hello  <s>w\xc3\xb6rld\xff 123\n";
    sh_err err = {0};
    sh_vocab_desc d;
    sh_token ids[512];
    char out[64];
    sh_encode_opts opts = {.add_special = true, .parse_special = true};
    int64_t n = sh_tokenizer_encode(t, text, sizeof text - 1, opts, ids, 512, &err);
    if (n > 0) sh_tokenizer_decode(t, ids, n < 512 ? (size_t)n : 512, true, out, sizeof out, &err);
    sh_tokenizer_describe(t, &d, &err);
    sh_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_tokenizer *t = NULL;
    sh_err err = {0};
    if (sh_tokenizer_from_sentencepiece(&t, data, size, "fuzz", &err) == SH_OK) use(t);
    t = NULL;
    if (sh_tokenizer_from_llama2c(&t, data, size, size ? data[0] : 1, "fuzz", &err) == SH_OK) use(t);
    return 0;
}
