/* gguf_internal.h - facts of GGUF that its reader and its writer share, and the reader's cursor. */
#ifndef SH_FORMATS_GGUF_INTERNAL_H
#define SH_FORMATS_GGUF_INTERNAL_H

#include "formats/tensors_internal.h"

enum { SH_META_TYPE_COUNT = SH_META_F64 + 1, GGUF_DEFAULT_ALIGNMENT = 32, GGUF_MAX_ALIGNMENT = 1 << 20 };

/* Stored size of a scalar; 0 for strings and arrays. */
extern const uint8_t sh_gguf_scalar_bytes[SH_META_TYPE_COUNT];

/* A file being read: pos goes from its begin to its end, everything before it was checked. */
typedef struct gguf_in {
    const uint8_t *data;
    size_t n, pos;
    sh_tensors *t;
    const char *part; /* "key" or "tensor", NULL in the header: what messages call the entry being read */
    uint64_t i_entry;
    const char *name; /* of the entry, once it was read */
    uint64_t alignment, n_array_strings;
    char where[208];
    sh_err *err;
} gguf_in;

/* Fill *in->err with "FILE: tensor 3 'blk.0.attn_q.weight' at byte OFF: MESSAGE"; returns code. */
int sh_gguf_bad(gguf_in *in, int code, size_t off, const char *fmt, ...) SH_PRINTF(4, 5);
/* The next n bytes, borrowed; `what` names them should the file end before. The others likewise. */
int sh_gguf_take(gguf_in *in, size_t n, const char *what, const uint8_t **p);
int sh_gguf_take_u32(gguf_in *in, const char *what, uint32_t *v);
int sh_gguf_take_u64(gguf_in *in, const char *what, uint64_t *v);
int sh_gguf_take_str(gguf_in *in, const char *what, sh_str *s);
/* A key or tensor name, checked and copied with a NUL; from here on messages name it. */
int sh_gguf_take_name(gguf_in *in, const char **out);
/* All keys and values into in->t. */
int sh_gguf_read_metadata(gguf_in *in, uint64_t n_keys);

#endif
