/* fuzz: formats */
#include <string.h>

#include "formats/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_tensors *t = NULL;
    sh_llama2c_info info = {0};
    sh_err err = {0};
    bool plausible = sh_llama2c_probe(data, size);
    int rc = sh_llama2c_parse(&t, &info, data, size, "fuzz", &err);
    if (plausible != (rc == SH_OK)) __builtin_trap();
    for (size_t i = 0; t && i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        if (x->data < data || x->n_bytes > size - (size_t)(x->data - data)) __builtin_trap();
    }
    if (t) (void)sh_tensors_check_values(t, &err);
    sh_tensors_free(t);
    return 0;
}
