/* llama2c.h - the legacy checkpoint of llama2.c (run.c, version 0): seven int32 and float32 matrices,
 * little-endian. Read only. dim hidden_dim n_layers n_heads n_kv_heads vocab_size seq_len; a negative
 * vocab_size means that the output matrix is separate. The tensors get Hugging Face Llama names; q and k rows
 * are in the interleaved rotary order. */
#ifndef SH_FORMATS_LLAMA2C_H
#define SH_FORMATS_LLAMA2C_H

#include "formats/tensors.h"

typedef struct sh_llama2c_info {
    uint32_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len;
    bool tied;
} sh_llama2c_info;

bool sh_llama2c_probe(const uint8_t *data, size_t n); /* plausible header whose sizes give exactly n bytes */
int sh_llama2c_open(sh_tensors **out, sh_llama2c_info *info, const char *path,
                    sh_err *err); /* container "llama2c" */
int sh_llama2c_parse(sh_tensors **out, sh_llama2c_info *info, const uint8_t *data, size_t n,
                     const char *where, sh_err *err);

#endif
