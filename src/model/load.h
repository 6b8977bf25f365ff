/* load.h - the three ways a model comes in, and what they share. */
#ifndef SH_MODEL_LOAD_H
#define SH_MODEL_LOAD_H

#include "model/model_internal.h"

/* Each fills m from `path`: hparams, tensors, tokenizer, template, sampling. m is freed by the caller on
 * failure. */
int sh_load_hf(sh_model *m, const char *folder, const char *weights, const sh_model_opts *opts, sh_err *err);
int sh_load_gguf(sh_model *m, const char *path, const sh_model_opts *opts,
                 sh_err *err); /* m->tensors is open */
int sh_load_llama2c(sh_model *m, const char *path, const sh_model_opts *opts, sh_err *err);

/* Weights out of m->tensors, unless opts say vocab_only. */
int sh_load_weights(sh_model *m, bool is_gguf, const sh_model_opts *opts, sh_err *err);
/* A tokenizer named by itself: tokenizer.json, a sentencepiece model, llama2.c's tokenizer.bin, or a folder
 * with one. */
int sh_load_tokenizer_file(sh_model *m, const char *path, sh_err *err);
/* The tokenizer of a folder, whichever files it has. SH_E_NOTFOUND when it has none. */
int sh_load_tokenizer_folder(sh_model *m, const char *folder, sh_err *err);
/* Keep a chat template. One that does not parse is kept as text, with m->template_error saying why. */
int sh_load_template(sh_model *m, const char *text, size_t n, sh_err *err);

/* gguf_config.c */
int sh_gguf_config_read(sh_hparams *hp, const sh_tensors *t, sh_arena *arena, sh_err *err);
/* What a file means that does not say: the multiplier of scores, and whether a layer is rotated. */
float sh_gguf_default_scale(const sh_hparams *hp);
bool sh_gguf_default_turned(const sh_hparams *hp, uint32_t layer);
const char *sh_gguf_file_type(uint64_t general_file_type); /* "Q4_K_M", or NULL */
/* gguf_vocab.c */
int sh_gguf_tokenizer(sh_tokenizer **out, const sh_tensors *t, sh_err *err);

#endif
