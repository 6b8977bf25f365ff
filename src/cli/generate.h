/* generate.h - options of a generation, and one generation whose text streams to the terminal. */
#ifndef SH_CLI_GENERATE_H
#define SH_CLI_GENERATE_H

#include "cli/open.h"

/* Rows for the option tables of run, chat and serve. */
#define SH_OPTS_SAMPLING                                                                                     \
    {"temperature",                                                                                          \
     't',                                                                                                    \
     SH_OPT_NUM,                                                                                             \
     "T",                                                                                                    \
     "randomness; 0 always takes the likeliest token (default: the model's, or 0.8)",                        \
     0,                                                                                                      \
     100,                                                                                                    \
     false},                                                                                                 \
        {"top-k",                                                                                            \
         0,                                                                                                  \
         SH_OPT_INT,                                                                                         \
         "N",                                                                                                \
         "choose among the N likeliest; 0 is off (default: the model's, or 40)",                             \
         0,                                                                                                  \
         1 << 24,                                                                                            \
         false},                                                                                             \
        {"top-p",                                                                                            \
         0,                                                                                                  \
         SH_OPT_NUM,                                                                                         \
         "P",                                                                                                \
         "choose among the likeliest that make up P (default: the model's, or 0.95)",                        \
         0,                                                                                                  \
         1,                                                                                                  \
         false},                                                                                             \
        {"min-p",                                                                                            \
         0,                                                                                                  \
         SH_OPT_NUM,                                                                                         \
         "P",                                                                                                \
         "drop what is less likely than P times the best (default: the model's, or 0.05)",                   \
         0,                                                                                                  \
         1,                                                                                                  \
         false},                                                                                             \
        {"repeat-penalty",                                                                                   \
         0,                                                                                                  \
         SH_OPT_NUM,                                                                                         \
         "R",                                                                                                \
         "make tokens of the last 256 less likely; 1 is off (default: the model's, or 1)",                   \
         0.01,                                                                                               \
         100,                                                                                                \
         false},                                                                                             \
        {"frequency-penalty",                                                                                \
         0,                                                                                                  \
         SH_OPT_NUM,                                                                                         \
         "F",                                                                                                \
         "lower a token by F for each time it was used (default 0)",                                         \
         -2,                                                                                                 \
         2,                                                                                                  \
         false},                                                                                             \
        {"presence-penalty",                                                                                 \
         0,                                                                                                  \
         SH_OPT_NUM,                                                                                         \
         "F",                                                                                                \
         "lower a token by F once it was used (default 0)",                                                  \
         -2,                                                                                                 \
         2,                                                                                                  \
         false},                                                                                             \
    {                                                                                                        \
        "seed", 's', SH_OPT_INT, "N", "same seed, same text, on every machine (default: new each time)", 0,  \
            9007199254740991.0, false                                                                        \
    }

#define SH_OPTS_CONTEXT                                                                                      \
    {"ctx", 'c',     SH_OPT_INT, "N", "context in tokens (default: the model's, at most 8192)",              \
     16,    1 << 24, false},                                                                                 \
    {                                                                                                        \
        "cache-type", 0, SH_OPT_CHOICE, "f16|f32|q8", "precision of the key-value cache (default f16)", 0,   \
            0, false                                                                                         \
    }

/* Defaults, then the model's recommendation, then the options given; a random seed when none is. */
void sh_sampling_from_args(sh_sampling *out, const sh_model *m, const sh_args *args);
enum sh_cache_type sh_cache_type_from_args(const sh_args *args);

typedef struct sh_generated {
    sh_buf text;
    uint32_t n_prompt, n_cached, n_generated;
    uint64_t prefill_us, decode_us;
    enum sh_finish finish;
} sh_generated;
void sh_generated_clear(sh_generated *g);

typedef struct sh_generate_job {
    sh_engine *engine;
    const sh_token *prompt;
    size_t n_prompt;
    sh_sampling sampling;
    uint32_t max_tokens;
    const char *const *stop;
    size_t n_stop;
    const sh_grammar *grammar; /* borrowed, or NULL */
    bool ignore_end, keep_special;
    bool is_reply; /* the answer to a chat prompt */
    bool silent;   /* nothing is printed, only collected */
} sh_generate_job;

/* Generate, printing pieces to cli->out as they come. Ctrl-C ends the answer (finish CANCELLED), not the
 * program, while it runs. g must be zero or a result of an earlier call (its text is replaced). */
int sh_generate(sh_generated *g, sh_cli *cli, const sh_generate_job *job, sh_err *err);

/* {"prompt_tokens": ..., "tokens_per_second": ...} */
json_t *sh_generated_stats(const sh_generated *g);

#endif
