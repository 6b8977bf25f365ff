/* tensors_internal.h - what the container readers of this folder share. */
#ifndef SH_FORMATS_TENSORS_INTERNAL_H
#define SH_FORMATS_TENSORS_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "formats/tensors.h"
#include "os/file.h"

/* Far above any model (the largest have some ten thousand tensors), far below what could hurt. */
enum { MAX_TENSORS = 1 << 20, MAX_METAS = 1 << 16, MAX_ARRAY_STRINGS = 1 << 24, MAX_NAME_BYTES = 65535 };

/* One file, or several joined: then `parts` owns them, tensors and metas are copies whose names the parts
 * own. */
struct sh_tensors {
    const char *container;
    char *path;          /* as messages and sh_tensors_file name it */
    sh_map_file map;     /* what is mapped; data NULL when the bytes are the caller's */
    const uint8_t *data; /* the file's bytes */
    uint64_t n_bytes;
    sh_arena *arena;    /* names, keys, string arrays */
    sh_tensor *tensors; /* [n_tensors], room for cap_tensors */
    size_t n_tensors, cap_tensors;
    sh_meta *metas; /* [n_metas], room for cap_metas */
    size_t n_metas, cap_metas;
    sh_map *by_name, *by_key;
    struct sh_tensors **parts;
    size_t n_parts;
};

/* An empty one over borrowed bytes. */
int sh_tensors_new(sh_tensors **out, const char *container, const char *path, const uint8_t *data, size_t n,
                   sh_err *err);
/* Append; the table grows, so that a foreign count alone allocates nothing. The name or key was checked and
 * lives in t->arena. A second one of the same name is SH_E_EXISTS with *err untouched: the caller knows the
 * place to name. */
int sh_tensors_add(sh_tensors *t, const sh_tensor *tensor, sh_err *err);
int sh_tensors_add_meta(sh_tensors *t, const sh_meta *meta, sh_err *err);
/* Rebuild the look-up by name after the tensors were put in another order. */
int sh_tensors_index(sh_tensors *t, sh_err *err);
/* Make one of several files; takes parts[0..n) and the array itself, even on failure. */
int sh_tensors_join(sh_tensors **out, sh_tensors **parts, size_t n, const char *path, sh_err *err);

typedef int (*sh_tensors_parser)(sh_tensors **out, const uint8_t *data, size_t n, const char *where,
                                 sh_err *err);
/* Map a file and parse it; the result owns the mapping. */
int sh_tensors_map(sh_tensors **out, const char *path, sh_tensors_parser parse, sh_err *err);

/* Open the further parts of a split file, or any file that is not split. Takes `first` even on failure. */
int sh_gguf_open_split(sh_tensors **out, sh_tensors *first, sh_err *err);
int sh_safetensors_open_index(sh_tensors **out, const char *path, sh_err *err);

/* NULL when a name may stand in messages and look-ups, else what is wrong with it: empty, too long, not
 * UTF-8, or with control characters (a message is one line). */
const char *sh_name_fault(sh_str name);
/* 'name' in quotes for a message, cut to what fits. Returns out. */
typedef struct sh_quoted {
    char text[96];
} sh_quoted;
const char *sh_quote_name(sh_quoted *out, sh_str name);
/* The path for a message: whole, or "..." and its end when it is so long that the reason would not fit. */
const char *sh_short_path(const char *path, char out[208]);
/* n_bytes of a tensor of this type and shape; false when a row is no multiple of the block or the size
 * overflows (also with zero dimensions taken as one, so that any partial product is safe). */
bool sh_shape_bytes(uint64_t *out, enum sh_dtype dtype, uint32_t n_dims, const uint64_t *dims);

#endif
