/* fuzz: formats */
#include "read_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    int rc = sh_safetensors_parse(&t, data, size, "fuzz", &err);
    check_answer(rc, t, &err);
    return 0;
}
