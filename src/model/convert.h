/* convert.h - writing GGUF from any model that opens: Hugging Face folders, safetensors, llama2.c files,
 * other GGUF files.
 *
 * Tensors are taken one after another in pieces of rows, so memory stays at one tensor's worth. What a tensor
 * becomes follows the named mixtures that llama.cpp's quantiser has (output in more bits, values and down
 * projections of some layers too); norms, biases, positions and routers stay F32. A row length that a block
 * does not divide takes the nearest type that fits. */
#ifndef SH_MODEL_CONVERT_H
#define SH_MODEL_CONVERT_H

#include <shoal/model.h>

#include "tensor/dtype.h"

/* A named target: "q4_k_m" and so on. */
typedef struct sh_mixture {
    const char *name;   /* lower case */
    uint32_t file_type; /* general.file_type */
    enum sh_dtype base;
    bool is_mixed; /* some tensors get other types; false: all matrices alike, but for output */
} sh_mixture;

const sh_mixture *sh_mixture_find(const char *name); /* any case; "q4_k" means "q4_k_m"; NULL when unknown */
const sh_mixture *sh_mixture_at(size_t i);           /* NULL past the last */
/* What a model's files are made of: what sh_convert takes when it is given no target. */
int sh_mixture_of_file(const sh_mixture **out, const char *path, sh_err *err);

/* The type of one tensor. name: in GGUF's spelling; n_dims, cols: its shape; i_layer, n_layers: where it
 * stands; is_output: the matrix that makes logits (also a tied embedding); pure: the base type for every
 * matrix. */
typedef struct sh_tensor_place {
    const char *name;
    uint32_t n_dims;
    uint64_t cols;
    uint32_t i_layer, n_layers, n_query_groups; /* query heads per key/value head */
    bool is_output;
} sh_tensor_place;
enum sh_dtype sh_mixture_type(const sh_mixture *m, const sh_tensor_place *p, bool pure, bool *fell_back);

typedef struct sh_convert_opts {
    int version;              /* 1 */
    const sh_mixture *target; /* NULL: the type that most of the source has */
    bool pure;                /* no mixing */
    bool allow_requantize;    /* quantised sources may be quantised again (quality is lost twice) */
    bool overwrite;
    const char *name; /* general.name; NULL: the source's */
    const char *tokenizer_path;
    const char *imatrix_path; /* importance of columns: a GGUF file with tensors NAME.in_sum2 (and
                                 NAME.counts), or NULL */
    int (*on_progress)(void *ud, double done); /* in [0, 1]; non-zero cancels; may be NULL */
    void *progress_ud;
} sh_convert_opts;
#define SH_CONVERT_OPTS_INIT {.version = 1}

typedef struct sh_convert_report {
    uint64_t bytes_in, bytes_out, n_weights;
    uint32_t n_tensors, n_fallbacks, n_important; /* n_important: tensors for which importance was found */
    uint32_t by_type[SH_DTYPE_COUNT];
    const char *target; /* the mixture's name */
    bool has_tokenizer;
} sh_convert_report;

/* Convert `in` to the GGUF file `out`, which appears only when it is complete. report may be NULL.
 * SH_E_EXISTS: out is there and overwrite is not set. SH_E_UNSUPPORTED: GGUF cannot say what the source has.
 */
int sh_convert(sh_runtime *rt, const char *in, const char *out, const sh_convert_opts *opts,
               sh_convert_report *report, sh_err *err);

#endif
