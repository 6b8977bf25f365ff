/* manifest.h - the list of a model's tensors without their data, so that one can ask before downloading.
 *
 * A folder with config.json and one of these, the first in order of names that is one:
 *   model.safetensors.index.json   {"metadata": {"total_size": N}, "weight_map": {NAME: FILE}}
 *   a JSON object of descriptions  {NAME: {"dtype": "BF16", "shape": [rows, cols]}}, as a safetensors header
 *   a JSON object of GGUF          {KEY: VALUE, NAME: anything}: metadata as text and tensors by name alone
 * Tensors are names that end in .weight or .bias. */
#ifndef SH_MODEL_MANIFEST_H
#define SH_MODEL_MANIFEST_H

#include "codec/json.h"
#include "model/hparams.h"
#include "tensor/dtype.h"

typedef struct sh_manifest {
    char *file; /* where the list was; owned; NULL: there is none */
    size_t n_tensors;
    bool is_gguf;          /* names as GGUF has them */
    uint64_t n_parameters; /* where the shapes are given, or follow from the model's; else 0 */
    uint64_t n_bytes;      /* of the weights; 0: unknown */
    enum sh_dtype dtype;   /* of most of them, SH_OPAQUE when nothing says */
} sh_manifest;

/* The manifest of folder, which must make up the model of shape hp: a tensor that is missing, too many or of
 * another shape is SH_E_CORRUPT with its name. SH_E_NOTFOUND: the folder has none; *out then has what
 * config.json alone says. */
int sh_manifest_read(sh_manifest *out, const char *folder, const sh_hparams *hp, sh_err *err);
/* One list by itself; what it does not say stays 0. `where` names it in messages. SH_E_NOTFOUND: it is no
 * list. */
int sh_manifest_from_json(sh_manifest *out, const json_t *json, const char *where, const sh_hparams *hp,
                          sh_err *err);
void sh_manifest_clear(sh_manifest *m);

#endif
