/* read_all.h - what a fuzz target of a container does with an answer: what was accepted is read, every name,
 * value and byte; what was refused must say so in one line. */
#ifndef SH_FUZZ_READ_ALL_H
#define SH_FUZZ_READ_ALL_H

#include <string.h>

#include "formats/tensors.h"

static uint64_t read_meta(const sh_meta *m)
{
    uint64_t sum = strlen(m->key);
    if (m->type == SH_META_STRING)
        for (size_t i = 0; i < m->v.s.n; i++) sum += (uint8_t)m->v.s.p[i];
    for (uint64_t i = 0; m->elems && i < m->n_elem_bytes; i++) sum += m->elems[i];
    for (uint64_t i = 0; m->strings && i < m->n_elems; i++)
        for (size_t k = 0; k < m->strings[i].n; k++) sum += (uint8_t)m->strings[i].p[k];
    return sum;
}

static uint64_t read_tensors(const sh_tensors *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sh_tensors_meta_count(t); i++) sum += read_meta(sh_tensors_meta_at(t, i));
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        if (sh_tensors_find(t, x->name) != x) __builtin_trap();
        for (uint64_t j = 0; j < x->n_bytes; j++) sum += x->data[j];
    }
    return sum;
}

/* rc, t and err: as a parser gave them. Frees t. */
static void check_answer(int rc, sh_tensors *t, sh_err *err)
{
    if (rc == SH_OK) {
        volatile uint64_t sum = read_tensors(t);
        (void)sum;
        (void)sh_tensors_check_values(t, err);
    } else if (!err->msg[0] || strchr(err->msg, '\n')) {
        __builtin_trap();
    }
    sh_tensors_free(t);
}

#endif
