/* gguf_writer.h - writing GGUF v3: metadata, then tensors in the order they were declared, data streamed.
 *
 *   open -> set metadata (any order) -> declare every tensor -> begin -> write each tensor's bytes in order
 * -> commit The file becomes visible at commit (temp file + rename); free without commit leaves nothing
 * behind. */
#ifndef SH_FORMATS_GGUF_WRITER_H
#define SH_FORMATS_GGUF_WRITER_H

#include "formats/tensors.h"

typedef struct sh_gguf_writer sh_gguf_writer;

int sh_gguf_writer_open(sh_gguf_writer **out, const char *path, sh_err *err);
void sh_gguf_writer_free(sh_gguf_writer *w);
/* A key set twice keeps the later value. Strings and arrays are copied. */
int sh_gguf_set_str(sh_gguf_writer *w, const char *key, sh_str value, sh_err *err);
int sh_gguf_set_u32(sh_gguf_writer *w, const char *key, uint32_t value, sh_err *err);
int sh_gguf_set_i32(sh_gguf_writer *w, const char *key, int32_t value, sh_err *err);
int sh_gguf_set_u64(sh_gguf_writer *w, const char *key, uint64_t value, sh_err *err);
int sh_gguf_set_f32(sh_gguf_writer *w, const char *key, float value, sh_err *err);
int sh_gguf_set_bool(sh_gguf_writer *w, const char *key, bool value, sh_err *err);
int sh_gguf_set_strings(sh_gguf_writer *w, const char *key, const sh_str *values, size_t n, sh_err *err);
int sh_gguf_set_f32s(sh_gguf_writer *w, const char *key, const float *values, size_t n, sh_err *err);
int sh_gguf_set_i32s(sh_gguf_writer *w, const char *key, const int32_t *values, size_t n, sh_err *err);
int sh_gguf_set_u8s(sh_gguf_writer *w, const char *key, const uint8_t *values, size_t n, sh_err *err);
int sh_gguf_copy_meta(sh_gguf_writer *w, const sh_meta *meta, sh_err *err); /* any type, as read */
/* dims[0] contiguous. */
int sh_gguf_declare(sh_gguf_writer *w, const char *name, enum sh_dtype dtype, uint32_t n_dims,
                    const uint64_t *dims, sh_err *err);
int sh_gguf_begin(sh_gguf_writer *w, sh_err *err); /* writes the header; no set or declare afterwards */
/* Bytes of the tensors, in declared order, in any portions; padding is put between them by the writer. */
int sh_gguf_write(sh_gguf_writer *w, const void *data, size_t n, sh_err *err);
int sh_gguf_commit(sh_gguf_writer *w, sh_err *err); /* SH_E_INVALID when bytes are missing */

#endif
