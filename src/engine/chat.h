/* chat.h - from what a person or a client says to the tokens a model is given. */
#ifndef SH_ENGINE_CHAT_H
#define SH_ENGINE_CHAT_H

#include "model/model.h"

/* Render a conversation with the model's chat template (SH_E_UNSUPPORTED when it has none) and encode it: special tokens are parsed
 * only where the template wrote them, never inside what users said; BOS is not doubled.
 *   in->special may be NULL: the model's own bos and eos are used
 *   *ids [*n] is owned by the caller (sh_free) */
int sh_chat_encode(const sh_model *m, const sh_chat_input *in, sh_token **ids, size_t *n, sh_err *err);
/* The rendering itself, for debugging and /apply-template. */
int sh_chat_render(const sh_model *m, const sh_chat_input *in, sh_buf *out, sh_err *err);
/* Plain text for a model to continue: with the tokens that begin every text (BOS), special tokens in it parsed. An empty text is
 * BOS alone; SH_E_INVALID when that leaves no token at all. */
int sh_text_encode(const sh_model *m, const char *text, size_t n_text, sh_token **ids, size_t *n, sh_err *err);

#endif
