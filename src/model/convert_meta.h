/* convert_meta.h - metadata of a GGUF file to be. Internal to conversion. */
#ifndef SH_MODEL_CONVERT_META_H
#define SH_MODEL_CONVERT_META_H

#include "formats/gguf_writer.h"
#include "model/convert.h"
#include "model/model_internal.h"

int sh_convert_write_meta(sh_gguf_writer *w, const sh_model *m, const sh_convert_opts *o, uint32_t file_type,
                          bool quantized, sh_err *err);

#endif
