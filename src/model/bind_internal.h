/* bind_internal.h - shared by bind.c (which tensor is what) and bind_matrix.c (making it usable). */
#ifndef SH_MODEL_BIND_INTERNAL_H
#define SH_MODEL_BIND_INTERNAL_H

#include "base/map.h"
#include "model/bind.h"

enum { BIND_MAX_NAME = 256 };

/* The walk over a model's slots. */
typedef struct binder {
    sh_hparams *hp;
    const sh_arch *arch;
    const sh_bind_opts *opts;
    const sh_tensors *file;
    sh_binding *b;   /* NULL: check only */
    sh_map *by_name; /* -> index */
    const sh_tensor *(*at)(const void *ud, size_t i);
    const void *ud;
    size_t n_tensors;
    uint8_t *used; /* [n_tensors] */
    enum { NAMES_AS_WRITTEN, NAMES_WITHOUT_PREFIX, NAMES_IN_OUTER } naming;
    char outer[64];
    uint64_t n_bytes, bytes_done, bytes_total;
    sh_err *err;
} binder;

/* The tensor that stores a slot, or NULL; *name is the way of naming that found it, else the first way (for
 * messages). */
const sh_tensor *bind_find(binder *b, enum sh_slot slot, uint32_t layer, uint32_t expert, const char *suffix,
                           const sh_name **name, char text[BIND_MAX_NAME]);
int bind_fail_missing(const binder *b, const char *name, enum sh_slot slot, uint64_t rows, uint64_t cols);
/* dims as stored, contiguous one first; n of them, trailing ones of size 1 do not count. */
int bind_check_shape(const binder *b, const sh_tensor *t, const uint64_t *dims, uint32_t n);
int bind_gain(binder *b, enum sh_slot slot, uint32_t layer, uint64_t n, sh_gain *out);
/* A matrix stored alone, or one of a stack of experts. */
int bind_linear(binder *b, enum sh_slot slot, uint32_t layer, uint32_t expert, uint64_t rows, uint64_t cols,
                enum sh_bias bias, sh_linear *out);
int bind_table(binder *b, enum sh_slot slot, uint64_t rows, sh_table *out);
int bind_report_progress(binder *b, const sh_tensor *t);

/* bind_encoder.c: what tokens are not (patches, frames, class tokens), score biases, cross-attention, heads.
 */
int bind_inputs(binder *b, sh_weights *w);
int bind_cross(binder *b, uint32_t layer, sh_layer *l);
int bind_extras(binder *b, uint32_t layer, sh_layer *l); /* layer scales and score biases */
int bind_head(binder *b, sh_weights *w);

typedef struct owned_block {
    void *p;
    struct owned_block *next;
} owned_block;

struct sh_binding {
    sh_arena *arena;      /* vectors, layers, lists */
    sh_weight **matrices; /* [n_matrices] in order of opening */
    size_t n_matrices, cap_matrices;
    owned_block *blocks; /* copies of matrices that could not be used in place */
};

/* One stored tensor, seen as the matrix [rows, cols] that a part of it is. */
typedef struct matrix_view {
    const sh_tensor *t;
    const sh_name *name; /* layout, transposed */
    enum sh_slot fused;  /* SH_SLOT_QKV, SH_SLOT_GATE_UP, or SH_SLOT_COUNT: not fused */
    unsigned part;       /* of the fused tensor */
    uint64_t rows, cols;
    uint64_t i_stacked; /* which matrix of a stacked tensor */
} matrix_view;

/* Open the matrix behind v, in place or through a copy that b owns. */
int bind_matrix(sh_binding *b, sh_linear *out, const matrix_view *v, const sh_hparams *hp, sh_runtime *rt,
                uint64_t *n_bytes, sh_err *err);
/* Row of the stored matrix that holds row r of the view. */
uint64_t bind_row(const matrix_view *v, const sh_hparams *hp, uint64_t r);
/* All n elements of t as floats in b's arena; NULL when memory is short. */
float *bind_floats(sh_binding *b, const sh_tensor *t, uint64_t n);

#endif
