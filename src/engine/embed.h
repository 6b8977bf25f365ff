/* embed.h - texts to vectors: an encoder of text, its pooling, its prompts.
 *
 * What the files of the sentence-transformers library say is followed: 1_Pooling/config.json (mean, first
 * token), modules.json (unit length), sentence_bert_config.json (longest text) and the prompts of
 * config_sentence_transformers.json. Texts of a batch are packed without padding, so a vector does not depend
 * on its neighbours, down to the last bit. Threads: one caller at a time. */
#ifndef SH_ENGINE_EMBED_H
#define SH_ENGINE_EMBED_H

#include "base/buf.h"
#include "model/model.h"

typedef struct sh_embedder sh_embedder;

/* m is borrowed; path is what it was opened from: a folder's own files are read there. SH_E_UNSUPPORTED when
 * m is no encoder of text. */
int sh_embedder_open(sh_embedder **out, sh_model *m, const char *path, sh_err *err);
void sh_embedder_free(sh_embedder *e);
uint32_t sh_embedder_dim(const sh_embedder *e);
uint32_t sh_embedder_max_tokens(const sh_embedder *e); /* special ones included; longer texts are cut */

/* n texts to out [n, dim]. prompt_name: put this prompt of the model before each text; NULL: the model's
 * default, most have none. *n_tokens (may be NULL): tokens read. SH_E_NOTFOUND lists the prompts there are.
 */
int sh_embedder_run(sh_embedder *e, const sh_str *texts, size_t n, const char *prompt_name, float *out,
                    uint64_t *n_tokens, sh_err *err);

#endif
