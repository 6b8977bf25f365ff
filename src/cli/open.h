/* open.h - what most commands begin with: the runtime, the model by name, progress on a terminal. */
#ifndef SH_CLI_OPEN_H
#define SH_CLI_OPEN_H

#include "cli/cli.h"

typedef struct sh_opened {
    sh_runtime *rt;
    sh_model *model;
    char *path; /* where the model was found */
} sh_opened;

/* Resolve `name` (NULL: the default model) and open it with the invocation's threads and CPU level. opts may
 * be NULL; its progress callback is replaced. --tokenizer FILE of `args` is honoured when the command has
 * that option. */
int sh_open_model(sh_opened *out, sh_cli *cli, const sh_args *args, const char *name,
                  const sh_model_opts *opts, sh_err *err);
void sh_opened_clear(sh_opened *o);
/* The folder that the model called `name` is, or that its file lies in; owned by the caller (sh_free). */
int sh_model_folder(char **out, const char *name, sh_err *err);

/* A progress bar on the diagnostics stream: drawn only on a terminal and without --quiet, --json; at most ten
 * times a second; with rate and time left when total > 0; removed by done. unit: "B" for bytes (scaled), else
 * a word ("rows"). */
typedef struct sh_progress {
    const sh_cli *cli;
    const char *label, *unit;
    double total;
    uint64_t begin_us, last_us;
    bool shown;
} sh_progress;
void sh_progress_begin(sh_progress *p, const sh_cli *cli, const char *label, const char *unit, double total);
void sh_progress_update(sh_progress *p, double done);
void sh_progress_done(sh_progress *p);
/* What the bar shows after `seconds`, for a terminal of `width` columns: below 13 or so, only the share. */
enum { SH_PROGRESS_LINE = 192 };
void sh_progress_line(char out[SH_PROGRESS_LINE], const sh_progress *p, double done, double seconds, unsigned width);

/* "6.2 MB", "1.5 GB" (powers of 1000). */
const char *sh_human_bytes(char out[16], double bytes);

/* Read the text of a prompt argument: words joined by spaces; "-" or none with a piped input reads standard
 * input. */
int sh_read_prompt(sh_buf *out, const sh_cli *cli, const sh_args *args, size_t first, sh_err *err);

/* Print a JSON document and a newline to cli->out; takes the reference. */
int sh_print_json(sh_cli *cli, json_t *doc, sh_err *err);

/* Shared options. */
#define SH_OPT_TOKENIZER                                                                                     \
    {"tokenizer",                                                                                            \
     0,                                                                                                      \
     SH_OPT_FILE,                                                                                            \
     "FILE",                                                                                                 \
     "tokenizer to use instead of the model's own (needed for llama2.c .bin files)",                         \
     0,                                                                                                      \
     0,                                                                                                      \
     false}

#endif
