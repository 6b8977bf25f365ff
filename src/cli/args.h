/* args.h - the inside of sh_args. */
#ifndef SH_CLI_ARGS_H
#define SH_CLI_ARGS_H

#include "cli/cli.h"

enum { SH_ARGS_MAX = 128 };

typedef struct sh_arg_value {
    const sh_opt *opt;
    const char *text;
    double num;
} sh_arg_value;

struct sh_args {
    const sh_command *cmd;
    const char **positionals;
    size_t n_positionals, n_values;
    sh_arg_value values[SH_ARGS_MAX];
};

/* argv holds what follows the command's name. With --help the counts of positionals are not checked. */
int sh_args_parse(sh_args *a, const sh_command *cmd, int argc, char **argv, sh_err *err);
void sh_args_clear(sh_args *a);

#endif
