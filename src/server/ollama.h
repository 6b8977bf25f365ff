/* ollama.h - what the handlers of Ollama's API share. Internal to server/. */
#ifndef SH_SERVER_OLLAMA_H
#define SH_SERVER_OLLAMA_H

#include "server/generate_params.h"
#include "text/tokenizer.h"

/* JSON Schemas of fields that several routes have. The options' is that of sh_ollama_options (a test compares
 * them). */
#define SH_OLLAMA_KEEP_ALIVE_SCHEMA                                                                          \
    "{\"oneOf\":[{\"type\":[\"number\",\"null\"]},{\"type\":\"string\",\"pattern\":"                         \
    "\"^[+-]?([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h)?)+$\"}]}"
#define SH_OLLAMA_FORMAT_SCHEMA "{\"oneOf\":[{\"type\":[\"object\",\"null\"]},{\"enum\":[\"json\",\"\"]}]}"
#define SH_OLLAMA_THINK_SCHEMA "{\"enum\":[true,false,null,\"low\",\"medium\",\"high\"]}"
#define SH_OLLAMA_IMAGES_SCHEMA                                                                              \
    "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"},\"description\":\"Base64.\"}"
#define SH_OLLAMA_OPTION(name, type, lo, hi)                                                                 \
    "\"" name "\":{\"type\":[\"" type "\",\"null\"],\"minimum\":" lo ",\"maximum\":" hi "},"
#define SH_OLLAMA_OPTIONS_SCHEMA                                                                             \
    "{\"type\":[\"object\",\"null\"],\"properties\":{" SH_OLLAMA_OPTION("temperature", "number", "0", "100") \
        SH_OLLAMA_OPTION("top_k", "integer", "0", "1000000") SH_OLLAMA_OPTION("top_p", "number", "0", "1")   \
            SH_OLLAMA_OPTION("min_p", "number", "0", "1") SH_OLLAMA_OPTION("typical_p", "number", "0", "1")  \
                SH_OLLAMA_OPTION("repeat_penalty", "number", "0.01", "100")                                  \
                    SH_OLLAMA_OPTION("repeat_last_n", "integer", "-1", "16777216")                           \
                        SH_OLLAMA_OPTION("presence_penalty", "number", "-2", "2")                            \
                            SH_OLLAMA_OPTION("frequency_penalty", "number", "-2", "2") SH_OLLAMA_OPTION(     \
                                "seed", "integer", "-9223372036854775808", "9223372036854774784")            \
                                SH_OLLAMA_OPTION("num_predict", "integer", "-2", "16777216")                 \
                                    SH_OLLAMA_OPTION("num_ctx", "integer", "1",                              \
                                                     "1073741824") "\"stop\":" SH_STOP_SCHEMA "}}"

#define SH_OLLAMA_FIELDS                                                                                     \
    {"options",                                                                                              \
     SH_FIELD_OTHER,                                                                                         \
     0,                                                                                                      \
     0,                                                                                                      \
     false,                                                                                                  \
     true,                                                                                                   \
     SH_OLLAMA_OPTIONS_SCHEMA,                                                                               \
     "Sampling and limits: temperature, top_k, top_p, min_p, typical_p, seed, num_predict, stop, "           \
     "repeat_penalty, repeat_last_n, presence_penalty, frequency_penalty. Others are ignored."},             \
        {"stream", SH_FIELD_BOOL, 0, 0, false, true, NULL, "A JSON object a line (default true)."},          \
        {"format",                                                                                           \
         SH_FIELD_OTHER,                                                                                     \
         0,                                                                                                  \
         0,                                                                                                  \
         false,                                                                                              \
         true,                                                                                               \
         SH_OLLAMA_FORMAT_SCHEMA,                                                                            \
         "\"json\", or a JSON Schema that the answer follows."},                                             \
        {"keep_alive",                                                                                       \
         SH_FIELD_OTHER,                                                                                     \
         0,                                                                                                  \
         0,                                                                                                  \
         false,                                                                                              \
         true,                                                                                               \
         SH_OLLAMA_KEEP_ALIVE_SCHEMA,                                                                        \
         "Accepted; models stay in memory as long as the server runs."},                                     \
        {"think",                                                                                            \
         SH_FIELD_OTHER,                                                                                     \
         0,                                                                                                  \
         0,                                                                                                  \
         false,                                                                                              \
         true,                                                                                               \
         SH_OLLAMA_THINK_SCHEMA,                                                                             \
         "Whether a model that can reasons first; given to its chat template."},                             \
        {"logprobs", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Give the log-probability of each token."},     \
        {"top_logprobs", SH_FIELD_INT, 0,    SH_MAX_TOP_LOGPROBS,                                            \
         false,          true,         NULL, "And of this many likeliest alternatives; needs logprobs."}

extern const sh_field sh_ollama_options[]; /* rows of "options" */

/* Read what SH_OLLAMA_FIELDS names into job and params. False after a reply. */
bool sh_ollama_read(sh_exchange *x, sh_generate_params *p, sh_job_opts *job);
/* The model that the body names, with or without ":latest". NULL after a reply. */
const sh_served_model *sh_ollama_model(sh_exchange *x);
/* False after a reply: images are sent to a model that sees none. `where` names the field. */
bool sh_ollama_check_images(sh_exchange *x, const json_t *images, const char *where);
/* Variables for the chat template from "think", a new reference, or NULL when it is absent. */
json_t *sh_ollama_kwargs(const json_t *body);
/* Nothing was asked: the answer that Ollama gives to the wish that a model be loaded (or with keep_alive 0,
 * dropped).
 */
int sh_ollama_reply_loaded(sh_exchange *x, const sh_served_model *m, bool is_chat);
void sh_ollama_time(char out[32], int64_t unix_seconds); /* RFC 3339, UTC */

/* Ollama's prompt templates (Go's text/template): .System .Prompt .Suffix .Response, if, else, end, comments
 * and trimming; what comes after .Response is left out. *spans [*n_spans] (sh_free) are the stretches that
 * came from the variables, and may not become special tokens. SH_E_UNSUPPORTED for any other action,
 * SH_E_INVALID for unbalanced ones. NULL variables are empty. */
typedef struct sh_ollama_vars {
    const char *system, *prompt, *suffix;
} sh_ollama_vars;
int sh_ollama_template(const char *source, const sh_ollama_vars *vars, sh_buf *out, sh_span **spans,
                       size_t *n_spans, sh_err *err);

#endif
