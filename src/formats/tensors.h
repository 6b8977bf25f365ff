/* tensors.h - a model file seen as named tensors and key-value metadata, whatever container it came in.
 *
 * GGUF (also split), safetensors (also sharded) and llama2.c files open into the same sh_tensors. Everything
 * is mapped read-only and stays valid until sh_tensors_free. After a successful open every tensor's bytes
 * were checked to lie inside its file, names are unique and valid UTF-8, sizes agree with type and shape.
 * Immutable: any number of threads may read. */
#ifndef SH_FORMATS_TENSORS_H
#define SH_FORMATS_TENSORS_H

#include "base/buf.h"
#include "tensor/dtype.h"

enum { SH_MAX_DIMS = 4 };

/* The dtype of a tensor whose elements Shoal does not compute with (the boolean masks of old checkpoints,
 * unsigned and 8-bit float types of safetensors). Its place and size were checked all the same, so such a
 * tensor does no harm to a model that never uses it. The number is a hole in sh_dtypes:
 * sh_dtype_get(SH_OPAQUE) is NULL. Ask sh_tensor_require before use. */
#define SH_OPAQUE ((enum sh_dtype)4)

typedef struct sh_tensor {
    const char *name;           /* NUL-terminated, borrowed from the container */
    enum sh_dtype dtype;        /* SH_OPAQUE when Shoal has no such element type */
    const char *type_name;      /* as the container says it: "q4_k" (GGUF), "BF16" (safetensors) */
    uint32_t n_dims;            /* 0 for a scalar of safetensors */
    uint64_t dims[SH_MAX_DIMS]; /* dims[0] is the contiguous one (row length); unused ones are 1. [out, in] of
                                   PyTorch = {in, out} */
    const uint8_t *data;        /* little-endian, any alignment */
    uint64_t n_bytes;
    uint32_t i_file; /* which file of a split or sharded model */
    uint64_t file_off;
} sh_tensor;

enum sh_meta_type { /* GGUF's numbers */
                    SH_META_U8,
                    SH_META_I8,
                    SH_META_U16,
                    SH_META_I16,
                    SH_META_U32,
                    SH_META_I32,
                    SH_META_F32,
                    SH_META_BOOL,
                    SH_META_STRING,
                    SH_META_ARRAY,
                    SH_META_U64,
                    SH_META_I64,
                    SH_META_F64
};

typedef struct sh_meta {
    const char *key; /* NUL-terminated */
    enum sh_meta_type type;
    union {
        uint64_t u;
        int64_t i;
        double f;
        bool b;
        sh_str s;
    } v; /* integers sign- or zero-extended into i/u */
    /* arrays (of scalars and strings; nested arrays are kept raw) */
    enum sh_meta_type elem_type;
    uint64_t n_elems;
    const uint8_t *elems;  /* packed scalars as stored, any alignment; NULL for strings */
    uint64_t n_elem_bytes; /* size of elems */
    const sh_str *strings; /* [n_elems] views into the mapping; any bytes (a token need not be whole UTF-8) */
} sh_meta;

typedef struct sh_tensors sh_tensors;

/* Open by content: a .gguf file (further parts of a split one are found beside it; any part may be named), a
 * .safetensors file, a model.safetensors.index.json, a folder holding model.safetensors / its index, or a
 * llama2.c checkpoint. SH_E_UNSUPPORTED names what it found; SH_E_CORRUPT says file, field, byte offset and
 * what was expected. */
int sh_tensors_open(sh_tensors **out, const char *path, sh_err *err);
void sh_tensors_free(sh_tensors *t);
/* "gguf", "safetensors" or "llama2c" */
const char *sh_tensors_container(const sh_tensors *t);
size_t sh_tensors_count(const sh_tensors *t);
const sh_tensor *sh_tensors_at(const sh_tensors *t, size_t i);           /* in file order */
const sh_tensor *sh_tensors_find(const sh_tensors *t, const char *name); /* NULL when absent; O(1) */
uint64_t sh_tensors_file_bytes(const sh_tensors *t);                     /* all files together */
size_t sh_tensors_files(const sh_tensors *t);
const char *sh_tensors_file(const sh_tensors *t, size_t i_file); /* its path */
/* SH_OK when Shoal can compute with t's elements, else SH_E_UNSUPPORTED naming file, tensor and type. */
int sh_tensor_require(const sh_tensors *t, const sh_tensor *tensor, sh_err *err);
/* Metadata: GGUF's key-values; for safetensors the strings of __metadata__; for llama2.c its header as
 * "llama2c.dim" and so on. Of a split or sharded model: those of the first file. */
size_t sh_tensors_meta_count(const sh_tensors *t);
const sh_meta *sh_tensors_meta_at(const sh_tensors *t, size_t i);
const sh_meta *sh_tensors_meta(const sh_tensors *t, const char *key); /* NULL when absent */
/* Typed look-ups: SH_OK, SH_E_NOTFOUND when absent, SH_E_INVALID when the type does not fit, SH_E_RANGE when
 * the value does not; *value is left alone then. Integers of any width and sign are accepted when the value
 * fits 0..max; for a float an integer will do, for a bool the integers 0 and 1. */
int sh_meta_get_u64(const sh_tensors *t, const char *key, uint64_t *value, uint64_t max, sh_err *err);
int sh_meta_get_f64(const sh_tensors *t, const char *key, double *value, sh_err *err);
int sh_meta_get_bool(const sh_tensors *t, const char *key, bool *value, sh_err *err);
int sh_meta_get_str(const sh_tensors *t, const char *key, sh_str *value, sh_err *err);

/* Each container's own entry, on bytes in memory (for fuzzing and tests; data must outlive the result). One
 * part or shard alone is accepted; `where` names it in messages. */
int sh_gguf_parse(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err);
int sh_safetensors_parse(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err);

/* Look for NaN, infinity or an impossible scale in every float or quantised tensor (what llama.cpp's
 * --check-tensors does). SH_E_CORRUPT names file, tensor, element and byte offset of the first one. O(bytes).
 */
int sh_tensors_check_values(const sh_tensors *t, sh_err *err);

#endif
