/* bind_internal.h - shared by bind.c (which tensor is what) and bind_matrix.c (making it usable). */
#ifndef SH_MODEL_BIND_INTERNAL_H
#define SH_MODEL_BIND_INTERNAL_H

#include "base/map.h"
#include "model/bind.h"

typedef struct owned_block { void *p; struct owned_block *next; } owned_block;

struct sh_binding {
    sh_arena *arena;       /* vectors, layers, lists */
    sh_weight **matrices;  /* [n_matrices] in order of opening */
    size_t n_matrices, cap_matrices;
    owned_block *blocks;   /* copies of matrices that could not be used in place */
};

/* One stored tensor, seen as the matrix [rows, cols] that a part of it is. */
typedef struct matrix_view {
    const sh_tensor *t;
    const sh_name *name;  /* layout, transposed */
    enum sh_slot fused;   /* SH_SLOT_QKV, SH_SLOT_GATE_UP, or SH_SLOT_COUNT: not fused */
    unsigned part;        /* of the fused tensor */
    uint64_t rows, cols;
    uint64_t i_stacked;   /* which matrix of a stacked tensor */
} matrix_view;

/* Open the matrix behind v, in place or through a copy that b owns. */
int bind_matrix(sh_binding *b, sh_linear *out, const matrix_view *v, const sh_hparams *hp, sh_runtime *rt,
                uint64_t *n_bytes, sh_err *err);
/* Row of the stored matrix that holds row r of the view. */
uint64_t bind_row(const matrix_view *v, const sh_hparams *hp, uint64_t r);
/* All n elements of t as floats in b's arena; NULL when memory is short. */
float *bind_floats(sh_binding *b, const sh_tensor *t, uint64_t n);

#endif
