/* generate_params.h - what chat and plain completions have in common: sampling, limits, stops. */
#ifndef SH_SERVER_GENERATE_PARAMS_H
#define SH_SERVER_GENERATE_PARAMS_H

#include "server/job.h"

#define SH_STOP_TEXT "{\"type\":\"string\",\"minLength\":1,\"pattern\":\"^[^\\\\u0000]+$\"}"
#define SH_STOP_SCHEMA                                                                                       \
    "{\"oneOf\":[{\"type\":\"null\"}," SH_STOP_TEXT ",{\"type\":\"array\",\"items\":" SH_STOP_TEXT           \
    ",\"maxItems\":15}]}"
#define SH_BIAS_SCHEMA                                                                                       \
    "{\"type\":[\"object\",\"null\"],\"propertyNames\":{\"pattern\":\"^(0|[1-9][0-9]{0,8})$\"},"             \
    "\"additionalProperties\":{\"type\":\"number\",\"minimum\":-100,\"maximum\":100}}"
#define SH_STREAM_OPTIONS_SCHEMA                                                                             \
    "{\"type\":[\"object\",\"null\"],\"properties\":{\"include_usage\":{\"type\":\"boolean\"}}}"

/* Rows of the field tables. */
#define SH_GENERATE_FIELDS                                                                                    \
    {                                                                                                         \
        "model", SH_FIELD_STR, 0,    0,                                                                       \
        false,   true,         NULL, "A name that GET /v1/models lists; absent: the first."},                 \
        {"stream", SH_FIELD_BOOL, 0,    0,                                                                    \
         false,    true,          NULL, "Server-sent events, one chunk a token, then data: [DONE]."},         \
        {"stream_options",                                                                                    \
         SH_FIELD_OTHER,                                                                                      \
         0,                                                                                                   \
         0,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         SH_STREAM_OPTIONS_SCHEMA,                                                                            \
         "include_usage: a last chunk with the token counts."},                                               \
        {"n", SH_FIELD_INT, 1, SH_MAX_CHOICES, false, true, NULL, "How many answers."},                       \
        {"seed",                                                                                              \
         SH_FIELD_INT,                                                                                        \
         -9223372036854775808.0,                                                                              \
         9223372036854774784.0, /* the last double below 2^63 */                                              \
         false,                                                                                               \
         true,                                                                                                \
         NULL,                                                                                                \
         "Same seed, same text, on every machine."},                                                          \
        {"stop",                                                                                              \
         SH_FIELD_OTHER,                                                                                      \
         0,                                                                                                   \
         0,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         SH_STOP_SCHEMA,                                                                                      \
         "Texts before which the answer ends; never part of it."},                                            \
        {"temperature",                                                                                       \
         SH_FIELD_NUM,                                                                                        \
         0,                                                                                                   \
         2,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         NULL,                                                                                                \
         "0 always takes the likeliest token. Default: what the model recommends, else 0.8."},                \
        {"top_p", SH_FIELD_NUM, 0,    1,                                                                      \
         false,   true,         NULL, "Choose among the likeliest tokens that make up this share."},          \
        {"top_k", SH_FIELD_INT, 0,    1000000,                                                                \
         false,   true,         NULL, "Choose among this many likeliest tokens; 0 is off."},                  \
        {"min_p", SH_FIELD_NUM, 0,    1,                                                                      \
         false,   true,         NULL, "Drop tokens less likely than this share of the best."},                \
        {"repetition_penalty",                                                                                \
         SH_FIELD_NUM,                                                                                        \
         0.01,                                                                                                \
         100,                                                                                                 \
         false,                                                                                               \
         true,                                                                                                \
         NULL,                                                                                                \
         "Makes tokens of the last 256 less likely; 1 is off."},                                              \
        {"frequency_penalty",                                                                                 \
         SH_FIELD_NUM,                                                                                        \
         -2,                                                                                                  \
         2,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         NULL,                                                                                                \
         "Lowers a token for each time the answer used it."},                                                 \
        {"presence_penalty",                                                                                  \
         SH_FIELD_NUM,                                                                                        \
         -2,                                                                                                  \
         2,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         NULL,                                                                                                \
         "Lowers a token once the answer used it."},                                                          \
        {"logit_bias",                                                                                        \
         SH_FIELD_OTHER,                                                                                      \
         0,                                                                                                   \
         0,                                                                                                   \
         false,                                                                                               \
         true,                                                                                                \
         SH_BIAS_SCHEMA,                                                                                      \
         "Token id to a number added to its score."},                                                         \
        {"ignore_eos", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Go on when the model says that it is done."}, \
        {"user", SH_FIELD_STR, 0, 0, false, true, NULL, "Accepted, not used."}

enum { SH_MAX_STOPS = 16 };
typedef struct sh_generate_params {
    const char *stops[SH_MAX_STOPS];
    sh_logit_bias *bias; /* owned */
    sh_grammar *grammar; /* owned reference, or NULL: the form of the answer */
} sh_generate_params;

/* Sampling: what the body says, else what the model recommends, else ours. A seed is drawn when none is
 * given. */
void sh_generate_sampling(sh_sampling *s, const json_t *body, const sh_model *m);
/* "stop" of body, which x->json need not be. */
int sh_generate_stops(sh_exchange *x, const json_t *body, sh_generate_params *p, sh_job_opts *job,
                      bool *replied);
/* Fill job->request, stream, include_usage and n_per_prompt from the body. Returns SH_OK, or replies (then
 * *replied is set). */
int sh_generate_params_read(sh_exchange *x, sh_generate_params *p, sh_job_opts *job, bool *replied);
void sh_generate_params_clear(sh_generate_params *p);
/* Add one more stop string; ignored when NULL. */
void sh_generate_params_stop(sh_generate_params *p, sh_job_opts *job, const char *stop);

#endif
