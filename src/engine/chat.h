/* chat.h - from a conversation to token ids, by the model's own template.
 *
 * Special tokens that a person types stay text: the stretches of the rendering that came from messages are
 * encoded without them. A template writes all special tokens itself, so none are added around it. A model
 * without a template gets a plain one: ChatML when its vocabulary has <|im_start|> and <|im_end|>, else
 * "User: ...\nAssistant:" lines, after what its tokenizer puts before any text. Pure functions over an
 * immutable model: any number of threads. */
#ifndef SH_ENGINE_CHAT_H
#define SH_ENGINE_CHAT_H

#include "model/model.h"

/* The token ids of a conversation; *ids [*n] is owned by the caller (sh_free). in->special may be NULL: the
 * model's own bos and eos are used. SH_E_INVALID: the template refused (err->msg is its own message), or a
 * message without a role. SH_E_UNSUPPORTED: the model has no tokenizer. */
int sh_chat_encode(const sh_model *m, const sh_chat_input *in, sh_token **ids, size_t *n, sh_err *err);
/* The rendering itself, for debugging and /apply-template, appended to out. */
int sh_chat_render(const sh_model *m, const sh_chat_input *in, sh_buf *out, sh_err *err);
/* A stop string that an answer needs besides the end tokens, or NULL: with the plain lines a model would go
 * on and speak for the user. */
const char *sh_chat_stop(const sh_model *m);
/* Text for a model to continue, of which the stretches in spans (ascending, disjoint) stay plain: special
 * tokens are parsed outside them only. BOS and the like as in sh_text_encode. */
int sh_spans_encode(const sh_model *m, sh_str text, const sh_span *spans, size_t n_spans, sh_token **ids,
                    size_t *n, sh_err *err);
/* Plain text for a model to continue: with the tokens that begin every text (BOS), special tokens in it
 * parsed. An empty text is BOS alone; SH_E_INVALID when that leaves no token at all. */
int sh_text_encode(const sh_model *m, const char *text, size_t n_text, sh_token **ids, size_t *n,
                   sh_err *err);

#endif
