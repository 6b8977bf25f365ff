/* cli.h - the command table and what every command is given.
 *
 * A command is a row: its name, its options, its help and its function. Parsing, `--help`, `shoal help`, the
 * man page and the shell completions all derive from the row, so they cannot disagree. Commands only parse,
 * call and render.
 *
 * Exit codes: 0 done, 1 the work failed, 2 the command line was wrong. */
#ifndef SH_CLI_CLI_H
#define SH_CLI_CLI_H

#include <shoal/shoal.h>

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"

enum sh_opt_kind { SH_OPT_FLAG, SH_OPT_INT, SH_OPT_NUM, SH_OPT_STR, SH_OPT_FILE, SH_OPT_CHOICE };

typedef struct sh_opt {
    const char *name; /* "temperature": given as --temperature V or --temperature=V */
    char letter;      /* 't' for -t, or 0 */
    enum sh_opt_kind kind;
    const char *value; /* "N", "FILE" in help; NULL for flags; "a|b|c" for SH_OPT_CHOICE */
    const char *help;  /* one line; says the default */
    double lo, hi;     /* INT and NUM: the closed range that is accepted */
    bool may_repeat;   /* STR and FILE: every occurrence counts (sh_args_nth) */
} sh_opt;

struct sh_cli;
typedef struct sh_args sh_args;

/* What a positional argument is, for completion. */
enum sh_arg_kind {
    SH_ARG_NONE,
    SH_ARG_MODEL,
    SH_ARG_FILE,
    SH_ARG_TEXT,
    SH_ARG_COMMAND,
    SH_ARG_TYPE,
    SH_ARG_WORDS
};

typedef struct sh_command {
    const char *name;     /* "run", or "debug logits" for a sub-command */
    const char *synopsis; /* "MODEL [PROMPT...]" */
    const char *summary;  /* one line, no full stop */
    const char *details;  /* further paragraphs for --help and the man page; may be NULL */
    const sh_opt
        *opts; /* ends with .name == NULL; may be NULL. The common options are added to every command */
    int min_args, max_args;        /* positionals; max -1: any number */
    enum sh_arg_kind arg_kinds[4]; /* of the first positionals; the last one given repeats */
    const char *arg_words;         /* SH_ARG_WORDS: "a|b|c" */
    int (*run)(struct sh_cli *cli, const sh_args *args, sh_err *err); /* SH_OK or a negative code with *err */
} sh_command;

extern const sh_command *const sh_commands[]; /* NULL-terminated, in the order of help */

/* State of one invocation, made by main. */
typedef struct sh_cli {
    FILE *out, *diag; /* results; everything else */
    bool out_is_tty, diag_is_tty, in_is_tty,
        color; /* color: on diag/out when a terminal and NO_COLOR is unset */
    bool json, quiet;
    int n_threads;       /* --threads, else SHOAL_THREADS, else 0 */
    const char *cpu;     /* --cpu, else SHOAL_CPU, else NULL */
    const char *program; /* "shoal" */
    int exit_code;       /* a command may set 1 without an error line (a failed check it has reported) */
} sh_cli;

/* Parsed arguments of a command. All strings are borrowed from argv. */
size_t sh_args_count(const sh_args *a);             /* positionals */
const char *sh_args_at(const sh_args *a, size_t i); /* NULL beyond */
bool sh_args_has(const sh_args *a, const char *opt);
const char *sh_args_str(const sh_args *a, const char *opt, const char *fallback);
const char *sh_args_nth(const sh_args *a, const char *opt,
                        size_t i); /* i-th occurrence of a repeatable option, NULL beyond */
int64_t sh_args_int(const sh_args *a, const char *opt, int64_t fallback); /* already checked against lo..hi */
double sh_args_num(const sh_args *a, const char *opt, double fallback);

/* For what only the command itself can tell to be a wrong command line (an option that is missing, two that
 * exclude each other): the exit code becomes 2. Returns rc: `return sh_usage(cli, sh_fail(err, ...))`. */
int sh_usage(sh_cli *cli, int rc);

/* The whole program: parse argv, run the command, print one error line. Returns the exit code. */
int sh_cli_main(int argc, char **argv);

const sh_command *sh_command_find(const char *name); /* exact, "debug logits" included */

/* The options every command has; ends with .name == NULL. */
extern const sh_opt sh_common_opts[];

#endif
