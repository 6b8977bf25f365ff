/* gguf_config.h - hparams to GGUF metadata: the reverse of what gguf_config.c reads. Keys: docs/gguf-keys.md.
 */
#ifndef SH_MODEL_GGUF_CONFIG_H
#define SH_MODEL_GGUF_CONFIG_H

#include "formats/gguf_writer.h"
#include "model/hparams.h"

/* Set general.architecture and every ARCH.* key that this shape needs. A value that readers assume anyway is
 * left out, unless other programs insist on it. The factors of llama3 and longrope are tensors
 * (SH_SLOT_ROPE_FREQS, _LONG, _SHORT) and the caller's to declare. */
int sh_gguf_config_write(sh_gguf_writer *w, const sh_hparams *hp, sh_err *err);

#endif
