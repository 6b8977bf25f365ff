/* shoal/model.h - a model's weights, tokenizer and chat template, ready to run. Immutable: threads and
 * sessions share it. */
#ifndef SHOAL_MODEL_H
#define SHOAL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <shoal/runtime.h>
#include <shoal/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sh_model sh_model;

typedef struct sh_model_opts {
    int version;                /* 1 */
    const char
        *tokenizer_path; /* overrides the model's own; required for llama2.c .bin files. NULL: the model's */
    bool vocab_only;            /* no weights: tokenizer, template and description */
    bool allow_no_tokenizer;    /* a folder without tokenizer still opens (token ids only) */
    /* Called now and then while weights are made ready, done in [0, 1]; a non-zero return cancels. May be
     * NULL. */
    int (*on_progress)(void *ud, double done);
    void *progress_ud;
} sh_model_opts;
#define SH_MODEL_OPTS_INIT {.version = 1}

/* path: a GGUF file, a Hugging Face folder, a safetensors file with its config beside it, or a llama2.c .bin.
 * opts may be NULL. rt is borrowed and must outlive the model. */
SH_API int sh_model_open(sh_model **out, sh_runtime *rt, const char *path, const sh_model_opts *opts,
                         sh_err *err);
SH_API void sh_model_free(sh_model *m);

typedef struct sh_model_info {
    const char *architecture; /* "llama", "qwen2", ... */
    const char *name;         /* from the metadata, or the file name */
    const char *container;    /* "gguf", "safetensors", "llama2c" */
    const char *quantization; /* "Q4_K_M", "F16", ... as the files say or the most common tensor type */
    uint64_t n_parameters, file_bytes, weight_bytes; /* weight_bytes: memory the weights take when loaded */
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_vocab, n_ctx_train;
    uint64_t kv_bytes_per_token; /* with an F16 cache */
} sh_model_info;
SH_API void sh_model_get_info(const sh_model *m, sh_model_info *out); /* strings borrowed from m */
SH_API const sh_tokenizer *sh_model_tokenizer(const sh_model *m);     /* NULL when it has none */
SH_API const char *sh_model_chat_template(const sh_model *m);         /* Jinja source, or NULL */

#ifdef __cplusplus
}
#endif
#endif
