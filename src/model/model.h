/* model/model.h - the inside of <shoal/model.h> for engine/ and conversion. */
#ifndef SH_MODEL_MODEL_H
#define SH_MODEL_MODEL_H

#include <shoal/model.h>

#include "model/hparams.h"
#include "tensor/runtime.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

sh_runtime *sh_model_runtime(const sh_model *m);
const sh_hparams *sh_model_hparams(const sh_model *m);
/* The parsed chat template, or NULL when the model has none. */
const sh_template *sh_model_template(const sh_model *m);
/* Why the model's template could not be parsed (its text is still there), or NULL. */
const char *sh_model_template_error(const sh_model *m);
/* Sampling settings the model's card recommends (generation_config.json, or general.sampling.* keys); -1
 * where unsaid. */
typedef struct sh_model_sampling {
    double temperature, top_k, top_p, min_p, repetition_penalty;
} sh_model_sampling;
void sh_model_get_sampling(const sh_model *m, sh_model_sampling *out);

#endif
