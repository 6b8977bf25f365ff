/* gguf_internal.h - facts of GGUF that its reader and its writer share. */
#ifndef SH_FORMATS_GGUF_INTERNAL_H
#define SH_FORMATS_GGUF_INTERNAL_H

#include "formats/tensors.h"

enum { SH_META_TYPE_COUNT = SH_META_F64 + 1 };

/* Stored size of a scalar; 0 for strings and arrays. */
extern const uint8_t sh_gguf_scalar_bytes[SH_META_TYPE_COUNT];

#endif
