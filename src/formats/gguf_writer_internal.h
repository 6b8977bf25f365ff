/* gguf_writer_internal.h - the writer's own state, for the file that sets keys and the one that writes. */
#ifndef SH_FORMATS_GGUF_WRITER_INTERNAL_H
#define SH_FORMATS_GGUF_WRITER_INTERNAL_H

#include "base/endian.h"
#include "base/map.h"
#include "formats/gguf_internal.h"
#include "formats/gguf_writer.h"

typedef struct key_entry {
    char *key;
    sh_buf value; /* type, then the value as stored */
} key_entry;

typedef struct tensor_entry {
    char *name;
    enum sh_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[SH_MAX_DIMS], n_bytes;
} tensor_entry;

struct sh_gguf_writer {
    char *path;
    sh_writer *file;
    key_entry *keys;
    tensor_entry *tensors;
    size_t n_keys, cap_keys, n_tensors, cap_tensors;
    sh_map *by_key, *by_name;
    uint64_t alignment;
    bool has_begun, failed;
    size_t i_tensor;    /* the one whose bytes are expected */
    uint64_t n_written; /* of it */
};

/* SH_E_INVALID: "FILE: what". */
int sh_gguf_misuse(const sh_gguf_writer *w, const char *what, sh_err *err);
/* Room for one more row of `size` bytes in *rows. */
int sh_gguf_grow(void **rows, size_t n, size_t *cap, size_t size, sh_err *err);

static inline void gguf_put_u32(sh_buf *b, uint32_t v)
{
    uint8_t p[4];
    sh_put_u32(p, v);
    sh_buf_add(b, p, sizeof p);
}

static inline void gguf_put_u64(sh_buf *b, uint64_t v)
{
    uint8_t p[8];
    sh_put_u64(p, v);
    sh_buf_add(b, p, sizeof p);
}

static inline void gguf_put_str(sh_buf *b, sh_str s)
{
    gguf_put_u64(b, s.n);
    sh_buf_add(b, s.p, s.n);
}

#endif
