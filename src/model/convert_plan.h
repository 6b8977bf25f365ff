/* convert_plan.h - the tensors of a GGUF file to be, and where each comes from. Internal to conversion. */
#ifndef SH_MODEL_CONVERT_PLAN_H
#define SH_MODEL_CONVERT_PLAN_H

#include "model/convert.h"
#include "model/model_internal.h"

/* One tensor to write: rows of one stored tensor (or of one for each expert), taken in another order, turned
 * over, or as they are. */
typedef struct sh_piece {
    char name[96];
    enum sh_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[3];
    enum sh_slot slot;
    const sh_name *source_name; /* NULL: `source` as it is (from GGUF) */
    const sh_tensor *source;    /* the first; experts are looked up when written */
    uint32_t i_layer;
    uint32_t i_part, n_parts; /* of each stacked expert: gate and up may lie in one tensor */
    const char *suffix; /* ".weight" or ".bias" */
    float *values;      /* made here (rotary divisors), owned by the arena; source is NULL then */
} sh_piece;

typedef struct sh_plan {
    const sh_model *m;
    sh_arena *arena;
    sh_piece *pieces;
    size_t n, cap;
} sh_plan;

/* Fill the plan with all tensors of m (dtype not yet set). The arena owns what it needs. */
int sh_plan_from_model(sh_plan *p, sh_err *err);
/* The tensor that holds expert e of a piece. */
int sh_plan_expert(const sh_plan *p, const sh_piece *piece, uint32_t expert, const sh_tensor **out,
                   sh_err *err);
/* Row `to` of what GGUF stores is this row of what the source stores. */
uint64_t sh_plan_source_row(const sh_plan *p, const sh_piece *piece, uint64_t to);

#endif
