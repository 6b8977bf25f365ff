/* bind_matrix.c - matrices out of stored tensors: in place, or gathered once into memory of our own. */
#include <string.h>

#include "base/mem.h"
#include "model/bind_internal.h"
#include "model/shown.h"

uint64_t bind_row(const matrix_view *v, const sh_hparams *hp, uint64_t r)
{
    return v->fused == SH_SLOT_COUNT ? r : sh_layout_row(hp, v->name->layout, v->fused, v->part, r);
}

/* True when rows 0 .. rows-1 of the view follow each other in the stored matrix. */
static bool rows_are_together(const matrix_view *v, const sh_hparams *hp)
{
    if (v->fused == SH_SLOT_COUNT || v->name->layout == SH_LAYOUT_CONCAT) return true;
    return v->name->layout == SH_LAYOUT_GROUPED && hp->n_kv_heads == 1;
}

static void *owned_alloc(sh_binding *b, size_t n, size_t size, sh_err *err)
{
    size_t bytes;
    owned_block *block = sh_arena_alloc(b->arena, 1, sizeof *block);
    void *p = sh_mul(&bytes, n, size) ? sh_alloc_aligned(n, size) : NULL;
    if (!block || !p) {
        sh_free(p);
        sh_fail_nomem(err, (unsigned long long)n * size);
        return NULL;
    }
    *block = (owned_block){p, b->blocks};
    b->blocks = block;
    return p;
}

/* Rows of one view, copied in their order. */
static int gather_rows(sh_binding *b, const matrix_view *v, const sh_hparams *hp, size_t row_bytes,
                       const uint8_t **out, sh_err *err)
{
    uint8_t *copy = owned_alloc(b, v->rows, row_bytes, err);
    if (!copy) return SH_E_NOMEM;
    for (uint64_t r = 0; r < v->rows; r++)
        memcpy(copy + r * row_bytes, v->t->data + bind_row(v, hp, r) * row_bytes, row_bytes);
    *out = copy;
    return SH_OK;
}

/* A stored [in, out] matrix turned: our row r is its column bind_row(r). Tiles of columns keep the reads
 * together. */
static int gather_columns(sh_binding *b, const matrix_view *v, const sh_hparams *hp, const uint8_t **out,
                          sh_err *err)
{
    const sh_dtype_info *type = sh_dtype_get(v->t->dtype);
    size_t size = type->block_bytes, stored_row = (size_t)v->t->dims[0] * size;
    if (type->block_elements != 1)
        return sh_fail(err, SH_E_UNSUPPORTED, "tensor '%s': a transposed %s matrix is not supported",
                       sh_show(&(sh_shown){{0}}, v->t->name), type->name);
    uint8_t *copy = owned_alloc(b, v->rows, v->cols * size, err);
    if (!copy) return SH_E_NOMEM;
    for (uint64_t r0 = 0; r0 < v->rows; r0 += 64)
        for (uint64_t c = 0; c < v->cols; c++)
            for (uint64_t r = r0; r < v->rows && r < r0 + 64; r++)
                memcpy(copy + (r * v->cols + c) * size,
                       v->t->data + c * stored_row + bind_row(v, hp, r) * size, size);
    *out = copy;
    return SH_OK;
}

static int remember(sh_binding *b, sh_weight *w, sh_err *err)
{
    if (b->n_matrices == b->cap_matrices) {
        size_t cap = b->cap_matrices ? 2 * b->cap_matrices : 64;
        sh_weight **grown = sh_realloc(b->matrices, cap, sizeof *grown);
        if (!grown) return sh_fail_nomem(err, cap * sizeof *grown);
        b->matrices = grown, b->cap_matrices = cap;
    }
    b->matrices[b->n_matrices++] = w;
    return SH_OK;
}

int bind_matrix(sh_binding *b, sh_linear *out, const matrix_view *v, const sh_hparams *hp, sh_runtime *rt,
                uint64_t *n_bytes, sh_err *err)
{
    int rc = SH_OK;
    size_t row_bytes;
    const uint8_t *src = NULL;
    sh_weight *w = NULL;
    if (!sh_dtype_row_bytes(&row_bytes, v->t->dtype, v->cols))
        return sh_fail(err, SH_E_UNSUPPORTED, "tensor '%s': rows of %llu do not fit %s blocks",
                       sh_show(&(sh_shown){{0}}, v->t->name), (unsigned long long)v->cols,
                       sh_dtype_get(v->t->dtype)->name);
    bool in_place = !v->name->transposed && rows_are_together(v, hp);
    if (in_place) src = v->t->data + (v->i_stacked * v->rows + bind_row(v, hp, 0)) * row_bytes;
    else if (v->name->transposed) rc = gather_columns(b, v, hp, &src, err);
    else rc = gather_rows(b, v, hp, row_bytes, &src, err);
    if (!src) return rc;
    sh_weight_opts opts = SH_WEIGHT_OPTS_INIT;
    opts.pool = rt->pool;
    opts.drop_source = in_place; /* our own copies are not backed by a file */
    if ((rc = sh_weight_open(&w, rt->kernels, v->t->dtype, v->rows, v->cols, src, &opts, err)) < 0) return rc;
    if ((rc = remember(b, w, err)) < 0) {
        sh_weight_free(w);
        return rc;
    }
    /* A repacked matrix lives in its own memory and its source is given back; else it lives in the source. */
    *n_bytes +=
        sh_weight_owned_bytes(w) > v->rows * row_bytes ? sh_weight_owned_bytes(w) : v->rows * row_bytes;
    out->w = w;
    return SH_OK;
}

float *bind_floats(sh_binding *b, const sh_tensor *t, uint64_t n)
{
    const sh_dtype_info *type = sh_dtype_get(t->dtype);
    if (n % type->block_elements) return NULL;
    float *f = sh_arena_alloc(b->arena, n, sizeof *f);
    if (f) type->decode(t->data, f, n);
    return f;
}
