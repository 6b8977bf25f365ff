/* text/chat_template.h - the Jinja subset that published chat templates use, in a sandbox.
 *
 * A template can read its variables and make text; it cannot reach files, the network, attributes of the host
 * or change its inputs. Time (steps), depth and output are bounded. Semantics are jinja2 3.1's with
 * trim_blocks, lstrip_blocks, loop controls and the extensions that Hugging Face adds (tojson,
 * raise_exception, strftime_now, generation blocks). */
#ifndef SH_TEXT_CHAT_TEMPLATE_H
#define SH_TEXT_CHAT_TEMPLATE_H

#include <jansson.h>

#include "base/buf.h"
#include "text/tokenizer.h"

typedef struct sh_template sh_template;

/* Parse n bytes. Immutable afterwards, any number of threads may render it. Errors: SH_E_CORRUPT with line
 * number. */
int sh_template_open(sh_template **out, const char *source, size_t n, sh_err *err);
void sh_template_free(sh_template *t);

/* What kind of failure a rendering had (golden data names them so). */
enum sh_template_error {
    SH_TEMPLATE_OK,
    SH_TEMPLATE_RAISED,
    SH_TEMPLATE_UNDEFINED,
    SH_TEMPLATE_SECURITY,
    SH_TEMPLATE_OTHER
};

typedef struct sh_template_opts {
    int version;             /* 1 */
    uint64_t max_steps;      /* evaluated nodes; 0 = 20 million */
    size_t max_output_bytes; /* 0 = 16 MiB */
    unsigned max_depth;      /* nested calls of macros and recursive loops; 0 = 200, which is also the most */
    int64_t now_unix;        /* for strftime_now, UTC */
} sh_template_opts;
#define SH_TEMPLATE_OPTS_INIT {.version = 1}

/* Render with the variables of `vars` (a JSON object, borrowed, not changed).
 *   spans   when not NULL: filled with the stretches of the output that came from strings of
 * `vars["messages"]` (any depth, through trim, slices, concatenation) so that special tokens in what users
 * wrote can stay text. *spans is owned by the caller (sh_free). out     the rendering is appended; spans
 * count from the start of the buffer returns SH_OK; SH_E_INVALID with *kind and err->msg (for RAISED exactly
 * the template's own message); SH_E_LIMIT and SH_E_NOMEM (*kind is OTHER). After a failure *out, *spans and
 * *n_spans are as they were */
int sh_template_render(const sh_template *t, const json_t *vars, const sh_template_opts *opts, sh_buf *out,
                       sh_span **spans, size_t *n_spans, enum sh_template_error *kind, sh_err *err);

/* A conversation, as transformers' apply_chat_template prepares it: null-valued keys of messages removed,
 * reasoning aliases filled in, `tools` and `documents` none when absent, continue_final_message handled.
 *   messages     JSON array of objects, borrowed
 *   tools        JSON array or NULL
 *   special      JSON object {"bos_token": "...", "eos_token": ...} or NULL
 *   kwargs       JSON object of further variables ("enable_thinking": false) or NULL */
typedef struct sh_chat_input {
    const json_t *messages, *tools, *special, *kwargs;
    bool add_generation_prompt, continue_final_message;
    bool parse_tool_arguments; /* arguments that are JSON strings (as OpenAI clients send) are parsed first */
} sh_chat_input;
int sh_template_chat(const sh_template *t, const sh_chat_input *in, const sh_template_opts *opts, sh_buf *out,
                     sh_span **spans, size_t *n_spans, enum sh_template_error *kind, sh_err *err);

#endif
