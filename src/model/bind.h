/* bind.h - from named tensors to sh_weights.
 *
 * What a model must hold follows from its hparams; where to find it, from the names of its row (arch.h).
 * Matrices are used where they lie in the mapping whenever their rows lie together; fused ones whose rows are
 * mixed, and transposed ones, are copied once. Anything missing, of another shape, or left over is one line
 * with the tensor's name. */
#ifndef SH_MODEL_BIND_H
#define SH_MODEL_BIND_H

#include "base/arena.h"
#include "formats/tensors.h"
#include "model/arch.h"
#include "model/weights.h"
#include "tensor/runtime.h"

typedef struct sh_binding sh_binding; /* what a bound model owns: its matrices and the copies behind them */

typedef struct sh_bind_opts {
    bool is_gguf;
    sh_runtime *rt;
    uint8_t *used;     /* a flag for each tensor of the file, shared by the parts of one model; NULL: of this call */
    bool keep_looking; /* tensors of another part may be left over */
    int (*on_progress)(void *ud, double done); /* may be NULL; non-zero cancels */
    void *progress_ud;
} sh_bind_opts;

/* Fill *weights; t must outlive the binding. rope factors found as tensors (GGUF) go into hp->rope. */
int sh_bind(sh_binding **out, sh_weights *weights, sh_hparams *hp, const sh_tensors *t,
            const sh_bind_opts *opts, sh_err *err);
void sh_binding_free(sh_binding *b);

/* The same look-up without data: do these names and shapes make up the model? A tensor with n_dims 0 has an
 * unknown shape and is checked by name alone. tensors [n] may be pieces of a manifest; data is not looked at.
 */
int sh_bind_check(const sh_hparams *hp, bool is_gguf, const sh_tensor *tensors, size_t n, sh_err *err);

#endif
