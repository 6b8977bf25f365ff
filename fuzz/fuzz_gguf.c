/* fuzz: formats */
#include <string.h>

#include "formats/tensors.h"

/* What was accepted must be safe to read: every name, value and byte of data. */
static uint64_t touch(const sh_tensors *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sh_tensors_meta_count(t); i++) {
        const sh_meta *m = sh_tensors_meta_at(t, i);
        sum += strlen(m->key);
        if (m->type == SH_META_STRING)
            for (size_t j = 0; j < m->v.s.n; j++) sum += (uint8_t)m->v.s.p[j];
        for (uint64_t j = 0; m->elems && j < m->n_elem_bytes; j++) sum += m->elems[j];
        for (uint64_t j = 0; m->strings && j < m->n_elems; j++)
            for (size_t k = 0; k < m->strings[j].n; k++) sum += (uint8_t)m->strings[j].p[k];
    }
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        if (sh_tensors_find(t, x->name) != x) __builtin_trap();
        for (uint64_t j = 0; j < x->n_bytes; j++) sum += x->data[j];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    int rc = sh_gguf_parse(&t, data, size, "fuzz", &err);
    if (rc == SH_OK) {
        volatile uint64_t sum = touch(t);
        (void)sum;
        (void)sh_tensors_check_values(t, &err);
    } else if (!err.msg[0] || strchr(err.msg, '\n')) {
        __builtin_trap(); /* a refusal is one clear line */
    }
    sh_tensors_free(t);
    return 0;
}
