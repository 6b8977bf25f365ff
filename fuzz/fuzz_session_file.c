/* fuzz: engine */
/* Session files are foreign bytes: what the reader accepts must be safe to read to the end, whatever its
 * digest says. */
#include "engine/session_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    sh_session_file f;
    sh_err err = {0};
    volatile uint64_t sum = 0;
    if (sh_session_file_layout(&f, data, n, "fuzz", &err) < 0) return 0;
    for (size_t i = 0; i < 4 * (size_t)f.n_tokens; i++) sum += f.tokens[i];
    for (uint64_t i = 0; i < f.kv_bytes; i++) sum += f.kv[i];
    for (size_t i = 0; f.has_logits && i < 4 * (size_t)f.n_vocab; i++) sum += f.logits[i];
    (void)sh_session_file_parse(&f, data, n, "fuzz", &err);
    return 0;
}
