/* main.c - from argv to a command and back to an exit code. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "cli/args.h"
#include "cli/help.h"

/* A value of the environment that an option could also have given: checked alike. */
static int env_threads(int *out, sh_err *err)
{
    const char *v = getenv("SHOAL_THREADS");
    if (!v || !*v) return SH_OK;
    char *end;
    long n = strtol(v, &end, 10);
    if (*end || n < 1 || n > 256)
        return sh_fail(err, SH_E_INVALID, "SHOAL_THREADS: '%s' (expected a whole number from 1 to 256)", v);
    *out = (int)n;
    return SH_OK;
}

static int set_up(sh_cli *cli, const sh_args *args, sh_err *err)
{
    int rc;
    if ((rc = env_threads(&cli->n_threads, err)) < 0) return rc;
    const char *cpu = getenv("SHOAL_CPU");
    cli->json = sh_args_has(args, "json");
    cli->quiet = sh_args_has(args, "quiet");
    cli->n_threads = (int)sh_args_int(args, "threads", cli->n_threads);
    cli->cpu = sh_args_str(args, "cpu", cpu && *cpu ? cpu : NULL);
    return SH_OK;
}

static const sh_command *find_command(int argc, char **argv, int *n_words)
{
    char name[64];
    *n_words = 1;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return sh_command_find("help");
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) return sh_command_find("version");
    if (argc > 2 && argv[2][0] != '-' &&
        snprintf(name, sizeof name, "%s %s", argv[1], argv[2]) < (int)sizeof name) {
        const sh_command *c = sh_command_find(name);
        if (c) return *n_words = 2, c;
    }
    return sh_command_find(argv[1]);
}

int sh_usage(sh_cli *cli, int rc)
{
    cli->exit_code = 2;
    return rc;
}

static void report(const sh_cli *cli, int rc, const sh_err *err)
{
    const char *text = err->msg[0] ? err->msg : sh_code_text(rc);
    if (cli->json) {
        json_t *doc = json_pack("{s:{s:s#,s:s}}", "error", "message", text, (int)strlen(text), "code",
                                sh_code_text(rc));
        char *line = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
        bool done = line && fprintf(cli->diag, "%s\n", line) > 0;
        free(line);
        json_decref(doc);
        if (done) return;
    }
    fprintf(cli->diag, "%s%s:%s %s\n", cli->color ? "\033[31m" : "", cli->program,
            cli->color ? "\033[0m" : "", text);
}

/* The other end of a pipe was closed: `| head` has seen enough, which is no news to anybody. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

static int run_command(sh_cli *cli, const sh_command *cmd, int argc, char **argv)
{
    sh_args args;
    sh_err err = {0};
    int rc = sh_args_parse(&args, cmd, argc, argv, &err);
    if (rc == SH_OK && sh_args_has(&args, "help")) {
        sh_help_write(cli->out, cmd->name, cli->color && cli->out_is_tty, &err);
    } else if (rc < 0 || (rc = set_up(cli, &args, &err)) < 0) {
        report(cli, rc, &err);
        cli->exit_code = 2;
    } else if ((rc = cmd->run(cli, &args, &err)) < 0) {
        report(cli, rc, &err);
        if (!cli->exit_code) cli->exit_code = 1;
    }
    sh_args_clear(&args);
    /* A full disk or a closed pipe shows only when the buffer is written. */
    if (fflush(cli->out) != 0 || ferror(cli->out)) {
        if (cli->exit_code == 0 && !reader_is_gone())
            fprintf(cli->diag, "%s: the output could not be written\n", cli->program);
        cli->exit_code = 1;
    }
    return cli->exit_code;
}

int sh_cli_main(int argc, char **argv)
{
    sh_cli cli = {.out = stdout, .diag = stderr, .program = "shoal"};
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    cli.out_is_tty = isatty(STDOUT_FILENO);
    cli.diag_is_tty = isatty(STDERR_FILENO);
    cli.in_is_tty = isatty(STDIN_FILENO);
    cli.color = cli.diag_is_tty && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
    signal(SIGPIPE,
           SIG_IGN); /* a closed pipe is an error of the write, and everything is released as usual */
    sh_err err = {0};
    if (argc < 2) {
        sh_help_write(cli.diag, NULL, cli.color, &err);
        return 2;
    }
    int n_words;
    const sh_command *cmd = find_command(argc, argv, &n_words);
    if (!cmd) {
        report(&cli, sh_help_unknown(argv[1], &err), &err);
        return 2;
    }
    return run_command(&cli, cmd, argc - 1 - n_words, argv + 1 + n_words);
}
