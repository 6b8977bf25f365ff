/* model_internal.h - the body of sh_model. */
#ifndef SH_MODEL_MODEL_INTERNAL_H
#define SH_MODEL_MODEL_INTERNAL_H

#include "base/arena.h"
#include "formats/tensors.h"
#include "model/bind.h"
#include "model/model.h"
#include "model/rope.h"
#include "model/weights.h"

struct sh_model {
    sh_runtime *rt; /* borrowed */
    sh_arena *arena;
    sh_tensors *tensors; /* NULL with vocab_only on a folder */
    sh_binding *binding;
    sh_hparams hp;
    sh_weights w;
    sh_rope rope, rope_local;
    const float *alibi_slopes; /* [n_heads] or NULL */
    sh_tokenizer *tokenizer;
    char *template_text;
    sh_template *template;       /* NULL: none, or */
    const char *template_error;  /* why it did not parse (in arena) */
    sh_model_sampling sampling;
    sh_model_info info; /* strings in arena */
};

/* Tables that follow from hparams: rotary frequencies, alibi slopes. */
int sh_model_prepare(sh_model *m, sh_err *err);

#endif
