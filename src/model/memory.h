/* memory.h - what a model is for and what running it takes, told from its shape: parameters, and bytes of
 * weights, cache and scratch for a given context.
 *
 * The parts follow what bind.c, kv.c, forward.c and the tokenizers allocate. They are what is resident when
 * the context is full; pages of the file that were read once and can be dropped again do not count. */
#ifndef SH_MODEL_MEMORY_H
#define SH_MODEL_MEMORY_H

#include "model/model.h"
#include "tensor/attention.h"

/* Parameters of a model of text that generates; 0 for the other kinds, whose shape does not say. */
uint64_t sh_shape_parameters(const sh_hparams *hp);
/* Of n parameters, those that one token meets: all but the experts that are not chosen. */
uint64_t sh_shape_active(const sh_hparams *hp, uint64_t n);

/* Bytes of the weights of a model once loaded by its runtime (some types are repacked and grow a little); 0
 * when its files are not there. */
uint64_t sh_memory_weights(const sh_model *m);

typedef struct sh_memory_ask {
    uint32_t n_ctx, chunk; /* positions; tokens computed at a time (0: 512, as sessions do) */
    enum sh_kv_type kv;
    size_t n_threads;
    uint64_t weights; /* bytes */
} sh_memory_ask;

typedef struct sh_memory {
    uint64_t weights, kv_cache, scratch, program; /* program: itself, and the tokenizer */
    uint64_t total;
} sh_memory;

/* One sequence of ask->n_ctx tokens. Sizes that overflow are UINT64_MAX. */
void sh_memory_needed(sh_memory *out, const sh_hparams *hp, const sh_memory_ask *ask);
/* The longest context up to the trained one that needs at most n_bytes; 0 when none does. ask->n_ctx is not
 * looked at. */
uint32_t sh_memory_longest(const sh_hparams *hp, const sh_memory_ask *ask, uint64_t n_bytes);

#endif
