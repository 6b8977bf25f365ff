/* cmd_version.c - shoal version, shoal help, shoal completion. */
#include <shoal/version.h>

#include "cli/commands.h"
#include "cli/deps.h"
#include "cli/help.h"
#include "cli/open.h"
#include "os/cpu.h"
#include "os/pool.h"

static int run_version(sh_cli *cli, const sh_args *args, sh_err *err)
{
    bool deps = sh_args_has(args, "deps");
    const sh_cpu_info *cpu = sh_cpu();
    sh_dep rows[SH_DEPS_MAX];
    size_t n = sh_deps(rows);
    if (cli->json) {
        json_t *list = json_object();
        for (size_t i = 0; i < n; i++) json_object_set_new(list, rows[i].name, json_string(rows[i].version));
        json_t *levels = json_array();
        json_array_append_new(levels, json_string("ref"));
        if (cpu->avx2) json_array_append_new(levels, json_string("avx2"));
        if (cpu->avx512) json_array_append_new(levels, json_string("avx512"));
        if (cpu->amx_int8) json_array_append_new(levels, json_string("amx"));
        return sh_print_json(cli,
                             json_pack("{s:s,s:s,s:i,s:o,s:s,s:o}", "version", sh_version(), "cpu", cpu->name,
                                       "threads", (int)sh_cpu_count(), "levels", levels, "compiler",
                                       sh_compiler(), "dependencies", list),
                             err);
    }
    fprintf(cli->out, "shoal %s\n", sh_version());
    if (!deps) return SH_OK;
    fprintf(cli->out, "\ncompiler       %s\ncpu            %s (%zu cores%s%s%s)\n\n", sh_compiler(),
            cpu->name, sh_cpu_count(), cpu->avx2 ? ", avx2" : "", cpu->avx512 ? ", avx512" : "",
            cpu->amx_int8 ? ", amx" : "");
    for (size_t i = 0; i < n; i++)
        fprintf(cli->out, "%-14s %-10s %s\n", rows[i].name, rows[i].version, rows[i].use);
    return SH_OK;
}

const sh_command sh_cmd_version = {
    .name = "version",
    .synopsis = "",
    .summary = "Print the version, and with --deps what was built in",
    .opts = (const sh_opt[]){{"deps", 0, SH_OPT_FLAG, NULL,
                              "also the libraries in use, the compiler and the processor", 0, 0, false},
                             {0}},
    .run = run_version,
};

static int run_help(sh_cli *cli, const sh_args *args, sh_err *err)
{
    if (sh_args_has(args, "man")) return sh_help_man(cli->out), SH_OK;
    if (sh_args_has(args, "names")) {
        for (size_t i = 0; sh_commands[i]; i++) fprintf(cli->out, "%s\n", sh_commands[i]->name);
        return SH_OK;
    }
    sh_buf name = {0};
    for (size_t i = 0; i < sh_args_count(args); i++)
        sh_buf_printf(&name, "%s%s", i ? " " : "", sh_args_at(args, i));
    int rc = sh_buf_ok(&name, err);
    if (rc == SH_OK) rc = sh_help_write(cli->out, name.p, cli->color && cli->out_is_tty, err);
    sh_buf_clear(&name);
    return rc == SH_E_NOTFOUND ? sh_usage(cli, rc) : rc;
}

const sh_command sh_cmd_help = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "Tell about a command, or list them all",
    .opts = (const sh_opt[]){{"man", 0, SH_OPT_FLAG, NULL, "print the man page (roff)", 0, 0, false},
                             {"names", 0, SH_OPT_FLAG, NULL, "just the names, one a line", 0, 0, false},
                             {0}},
    .max_args = 2,
    .arg_kinds = {SH_ARG_COMMAND},
    .run = run_help,
};

static int run_completion(sh_cli *cli, const sh_args *args, sh_err *err)
{
    int rc = sh_help_completion(cli->out, sh_args_at(args, 0), err);
    return rc < 0 ? sh_usage(cli, rc) : rc;
}

const sh_command sh_cmd_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "Print a completion script for a shell",
    .details = "  shoal completion bash > ~/.local/share/bash-completion/completions/shoal\n"
               "  shoal completion zsh > \"${fpath[1]}/_shoal\"\n"
               "  shoal completion fish > ~/.config/fish/completions/shoal.fish",
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_WORDS},
    .arg_words = "bash|zsh|fish",
    .run = run_completion,
};
