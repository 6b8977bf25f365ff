/* cmd_list.c - shoal list: the models on this machine. */
#include <time.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "os/file.h"
#include "store/model_names.h"

static int print_json(sh_cli *cli, const sh_name_entry *e, size_t n, sh_err *err)
{
    json_t *models = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(models, json_pack("{s:s,s:s,s:I,s:I,s:b}", "name", e[i].name, "path", e[i].path,
                                                "bytes", (json_int_t)e[i].n_bytes, "modified",
                                                (json_int_t)e[i].modified_unix, "bundled", e[i].is_bundled));
    return sh_print_json(cli, json_pack("{s:o}", "models", models), err);
}

static void print_table(sh_cli *cli, const sh_name_entry *e, size_t n)
{
    size_t width = 4;
    for (size_t i = 0; i < n; i++)
        if (strlen(e[i].name) > width) width = strlen(e[i].name);
    fprintf(cli->out, "%-*s  %9s  %-10s  %s\n", (int)width, "NAME", "SIZE", "CHANGED", "WHERE");
    for (size_t i = 0; i < n; i++) {
        char size[16], date[16];
        time_t t = (time_t)e[i].modified_unix;
        struct tm tm;
        strftime(date, sizeof date, "%Y-%m-%d", localtime_r(&t, &tm));
        fprintf(cli->out, "%-*s  %9s  %-10s  %s\n", (int)width, e[i].name,
                sh_human_bytes(size, (double)e[i].n_bytes), date, e[i].is_bundled ? "(bundled)" : e[i].path);
    }
}

/* An empty table would leave a new user alone. */
static void print_hint(sh_cli *cli)
{
    char *home = sh_home_dir();
    if (!cli->quiet)
        fprintf(cli->diag, "no models yet: put a .gguf file or a Hugging Face folder in %s/models\n",
                home ? home : "$SHOAL_HOME");
    sh_free(home);
}

static int run_list(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_name_entry *entries = NULL;
    size_t n = 0;
    int rc = sh_names_list(&entries, &n, err);
    if (rc < 0) return rc;
    if (sh_args_has(args, "names"))
        for (size_t i = 0; i < n; i++) fprintf(cli->out, "%s\n", entries[i].name);
    else if (cli->json)
        rc = print_json(cli, entries, n, err);
    else if (n)
        print_table(cli, entries, n);
    else
        print_hint(cli);
    sh_names_free(entries, n);
    return rc;
}

const sh_command sh_cmd_list = {
    .name = "list",
    .synopsis = "",
    .summary = "Show the models on this machine",
    .details = "Models are files and folders in $SHOAL_HOME/models (default ~/.local/share/shoal/models) and "
               "the bundled ones.\n"
               "To add one, put a .gguf file or a Hugging Face folder there.",
    .opts = (const sh_opt[]){{"names", 0, SH_OPT_FLAG, NULL, "just the names, one a line", 0, 0, false}, {0}},
    .run = run_list,
};
