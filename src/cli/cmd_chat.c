/* cmd_chat.c - shoal chat: a conversation on a terminal, with line editing, history and /commands. */
#include <histedit.h>
#include <locale.h>
#include <signal.h>

#include "base/mem.h"
#include "cli/chat_state.h"
#include "cli/commands.h"
#include "os/file.h"

static const char help_text[] =
    "/help             this list\n"
    "/system [TEXT]    set the system message (nothing: remove it) and begin anew\n"
    "/set NAME VALUE   temperature, top-k, top-p, min-p, repeat-penalty, seed, max-tokens; /set alone shows "
    "them\n"
    "/save FILE        write the conversation as JSON\n"
    "/load FILE        read one and go on with it\n"
    "/clear            forget the conversation\n"
    "/retry            answer the last message again\n"
    "/stats            counts and speeds of the last answer\n"
    "/bye              leave (Ctrl-D too)\n"
    "A line that ends in \\ goes on in the next. Ctrl-C stops an answer.\n";

static char *prompt_main(EditLine *el)
{
    (void)el;
    return (char *)"> ";
}
static char *prompt_more(EditLine *el)
{
    (void)el;
    return (char *)"... ";
}

typedef struct line_reader {
    sh_cli *cli;
    EditLine *el; /* NULL when the input is not a terminal */
    History *history;
    char *history_path;
} line_reader;

static void reader_open(line_reader *r, sh_cli *cli)
{
    *r = (line_reader){.cli = cli};
    if (!cli->in_is_tty) return;
    setlocale(LC_CTYPE, "");
    HistEvent ev;
    r->el = el_init("shoal", stdin, cli->out, cli->diag);
    r->history = history_init();
    if (!r->el || !r->history) return;
    history(r->history, &ev, H_SETSIZE, 1000);
    el_set(r->el, EL_PROMPT, prompt_main);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_SIGNAL, 0);
    el_set(r->el, EL_HIST, history, r->history);
    el_set(r->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    char *home = sh_home_dir();
    if (home && sh_dir_make(home, NULL) == SH_OK) r->history_path = sh_path_join(home, "chat_history");
    if (r->history_path) history(r->history, &ev, H_LOAD, r->history_path);
    sh_free(home);
}

static void reader_close(line_reader *r)
{
    HistEvent ev;
    if (r->history && r->history_path) history(r->history, &ev, H_SAVE, r->history_path);
    if (r->el) el_end(r->el);
    if (r->history) history_end(r->history);
    sh_free(r->history_path);
}

/* One line without its newline, appended to out; false at the end of input. */
static bool read_line(line_reader *r, bool is_more, sh_buf *out)
{
    if (!r->el) {
        char *line = NULL;
        size_t cap = 0;
        ssize_t n = getline(&line, &cap, stdin);
        if (n > 0) sh_buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
        sh_getline_free(line);
        return n > 0;
    }
    int n = 0;
    el_set(r->el, EL_PROMPT, is_more ? prompt_more : prompt_main);
    const char *line = el_gets(r->el, &n);
    if (!line || n <= 0) return false;
    sh_buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
    return true;
}

/* A whole entry: lines joined while they end in a backslash. */
static bool read_entry(line_reader *r, sh_buf *out)
{
    HistEvent ev;
    sh_buf_reset(out);
    for (bool is_more = false;; is_more = true) {
        if (!read_line(r, is_more, out)) return is_more;
        if (!out->n || out->p[out->n - 1] != '\\') break;
        out->p[out->n - 1] = '\n';
    }
    if (r->history && out->n) history(r->history, &ev, H_ENTER, out->p);
    return true;
}

static void report(sh_cli *cli, const sh_err *err)
{
    fprintf(cli->diag, "%s\n", err->msg);
}

/* Returns false when the conversation ends. */
static bool do_command(sh_cli *cli, sh_chat_state *c, char *line)
{
    sh_err err = {0};
    char *arg = line + strcspn(line, " ");
    if (*arg) *arg++ = 0;
    arg += strspn(arg, " ");
    int rc = SH_OK;
    if (strcmp(line, "/bye") == 0 || strcmp(line, "/exit") == 0 || strcmp(line, "/quit") == 0) return false;
    if (strcmp(line, "/help") == 0 || strcmp(line, "/?") == 0)
        fputs(help_text, cli->diag);
    else if (strcmp(line, "/system") == 0)
        rc = sh_chat_set_system(c, arg, &err);
    else if (strcmp(line, "/clear") == 0)
        sh_chat_clear(c);
    else if (strcmp(line, "/set") == 0)
        rc = sh_chat_set(c, arg, &err);
    else if (strcmp(line, "/save") == 0)
        rc = sh_chat_save(c, arg, &err);
    else if (strcmp(line, "/load") == 0)
        rc = sh_chat_load(c, arg, &err);
    else if (strcmp(line, "/retry") == 0)
        rc = sh_chat_retry(c, &err);
    else if (strcmp(line, "/stats") == 0)
        sh_chat_print_stats(c);
    else
        rc = sh_fail(&err, SH_E_INVALID, "unknown command %s (/help lists them)", line);
    if (rc < 0) report(cli, &err);
    return true;
}

static int converse(sh_cli *cli, sh_chat_state *c, sh_err *err)
{
    line_reader reader;
    sh_buf line = {0};
    int rc = SH_OK;
    reader_open(&reader, cli);
    /* At the prompt Ctrl-C only drops the line being typed. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGINT, &ignore, &old);
    while (read_entry(&reader, &line)) {
        const char *text = line.p ? line.p + strspn(line.p, " \t") : "";
        if (!*text) continue;
        if (*text == '/') {
            if (!do_command(cli, c, line.p + (text - line.p))) break;
            continue;
        }
        sh_err problem = {0};
        if ((rc = sh_chat_say(c, text, &problem)) < 0) report(cli, &problem);
        if (line.failed && (rc = sh_buf_ok(&line, err)) < 0) break;
        rc = SH_OK;
    }
    sigaction(SIGINT, &old, NULL);
    if (reader.el) fputc('\n', cli->diag);
    reader_close(&reader);
    sh_buf_clear(&line);
    return rc;
}

static int run_chat(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    sh_chat_state *chat = NULL;
    int rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), NULL, err);
    if (rc < 0) return rc;
    if ((rc = sh_chat_open(&chat, cli, o.model, args, err)) < 0) goto out;
    if (cli->in_is_tty && !cli->quiet) {
        sh_model_info info;
        sh_model_get_info(o.model, &info);
        fprintf(cli->diag, "%s (%s, %s). /help lists commands, /bye leaves.\n", info.name, info.architecture,
                info.quantization);
    }
    rc = converse(cli, chat, err);
out:
    sh_chat_free(chat);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_chat = {
    .name = "chat",
    .synopsis = "[MODEL]",
    .summary = "Converse with a model",
    .details = "Without MODEL the bundled one is used. While talking:\n\n"
               "  /help /system TEXT /set NAME VALUE /save FILE /load FILE /clear /retry /stats /bye\n\n"
               "Ctrl-C stops an answer, not the program. History is kept in $SHOAL_HOME/chat_history.",
    .opts =
        (const sh_opt[]){{"system", 0, SH_OPT_STR, "TEXT", "system message", 0, 0, false},
                         {"max-tokens", 'n', SH_OPT_INT, "N",
                          "at most N tokens per answer (default: until the model ends)", 1, 1 << 24, false},
                         {"load", 0, SH_OPT_FILE, "FILE", "go on with a saved conversation", 0, 0, false},
                         SH_OPTS_SAMPLING,
                         SH_OPTS_CONTEXT,
                         SH_OPT_TOKENIZER,
                         {0}},
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_chat,
};
