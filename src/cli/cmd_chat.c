/* cmd_chat.c - shoal chat: a conversation on a terminal, with line editing, history and /commands. */
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/answer_form.h"
#include "cli/chat_state.h"
#include "cli/commands.h"
#include "os/file.h"

static const char help_text[] =
    "/help             this list\n"
    "/system [TEXT]    set the system message (nothing: remove it) and begin anew\n"
    "/set NAME VALUE   temperature, top-k, top-p, min-p, repeat-penalty, seed,\n"
    "                  max-tokens; /set alone shows them\n"
    "/save FILE        write the conversation as JSON\n"
    "/load FILE        read one and go on with it\n"
    "/clear            forget the conversation\n"
    "/retry            answer the last message again\n"
    "/stats            counts and speeds of the last answer\n"
    "/bye              leave (Ctrl-D too)\n"
    "A line that ends in \\ goes on in the next. Ctrl-C stops an answer.\n";

typedef struct line_reader {
    sh_cli *cli;
    EditLine *el; /* NULL when the input or the output is no terminal */
    History *history;
    char *history_path;
    bool is_more;    /* asking for the continuation of a line */
    bool is_dropped; /* Ctrl-C was pressed in this line */
} line_reader;

static char *prompt(EditLine *el)
{
    line_reader *r = NULL;
    el_get(el, EL_CLIENTDATA, &r);
    return (char *)(r && r->is_more ? "... " : "> ");
}

/* Ctrl-C while a line is edited: it is shown, the line ends as by the Enter key (which alone tells libedit
 * that the cursor has left it), and the reader throws it away. */
static unsigned char drop_line(EditLine *el, int ch)
{
    line_reader *r = NULL;
    (void)ch;
    el_get(el, EL_CLIENTDATA, &r);
    r->is_dropped = true;
    const LineInfo *line = el_line(el);
    el_cursor(el,
              (int)(line->lastchar - line->cursor)); /* bytes: at least the characters, and it is clamped */
    el_insertstr(el, "^C");
    el_push(el, "\n");
    return CC_REFRESH;
}

static void history_open(line_reader *r)
{
    HistEvent ev;
    if (!(r->history = history_init())) return;
    history(r->history, &ev, H_SETSIZE, 1000);
    history(r->history, &ev, H_SETUNIQUE, 1);
    el_set(r->el, EL_HIST, history, r->history);
    char *home = sh_home_dir();
    if (home && sh_dir_make(home, NULL) == SH_OK) r->history_path = sh_path_join(home, "chat_history");
    if (r->history_path) history(r->history, &ev, H_LOAD, r->history_path);
    sh_free(home);
}

static void reader_open(line_reader *r, sh_cli *cli)
{
    *r = (line_reader){.cli = cli};
    if (!cli->in_is_tty || !cli->out_is_tty) return;
    /* Typed text is UTF-8 also where no locale was set up. */
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX < 4) setlocale(LC_CTYPE, "C.UTF-8");
    if (!(r->el = el_init(cli->program, stdin, cli->out, cli->diag))) return;
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_PROMPT, prompt);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_SIGNAL, 1); /* the terminal is restored when a signal ends the program, and resized */
    /* While a line is edited Ctrl-C is a key; during an answer the terminal makes a signal of it again. */
    el_set(r->el, EL_SETTY, "-d", "-isig", NULL);
    /* With wide strings: libedit copies narrow ones and never frees them. */
    el_wset(r->el, EL_ADDFN, L"shoal-drop-line", L"throw the line away", drop_line);
    el_set(r->el, EL_BIND, "^C", "shoal-drop-line", NULL);
    el_set(r->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history_open(r);
}

static void reader_close(line_reader *r)
{
    HistEvent ev;
    if (r->history && r->history_path) history(r->history, &ev, H_SAVE, r->history_path);
    if (r->el) el_end(r->el);
    if (r->history) history_end(r->history);
    sh_free(r->history_path);
}

enum line_end { LINE_READ, LINE_DROPPED, LINE_END };

static enum line_end read_plain(sh_buf *out)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n > 0) sh_buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
    sh_getline_free(line);
    return n > 0 ? LINE_READ : LINE_END;
}

/* One line without its newline, appended to out. */
static enum line_end read_line(line_reader *r, bool is_more, sh_buf *out)
{
    int n = 0;
    if (!r->el) return read_plain(out);
    r->is_more = is_more;
    r->is_dropped = false;
    errno = 0;
    const char *line = el_gets(r->el, &n);
    bool interrupted = !line && n < 0 && errno == EINTR; /* a SIGINT that is not from the keyboard */
    if (r->is_dropped || interrupted) return LINE_DROPPED;
    if (!line || n <= 0) return LINE_END;
    sh_buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
    return LINE_READ;
}

/* A whole entry: lines joined while they end in a backslash. False at the end of input. */
static bool read_entry(line_reader *r, sh_buf *out)
{
    HistEvent ev;
    sh_buf_reset(out);
    for (bool is_more = false;;) {
        enum line_end end = read_line(r, is_more, out);
        if (end == LINE_END && !is_more) return false;
        if (end == LINE_END) break;
        if (end == LINE_DROPPED) {
            sh_buf_reset(out);
            is_more = false;
            continue;
        }
        if (!out->n || out->p[out->n - 1] != '\\') break;
        out->p[out->n - 1] = '\n';
        is_more = true;
    }
    if (r->history && out->n) history(r->history, &ev, H_ENTER, out->p);
    return true;
}

static void report(sh_cli *cli, const sh_err *err)
{
    fprintf(cli->diag, "%s\n", err->msg);
}

static int cmd_help(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)c, (void)arg, (void)err;
    fputs(help_text, cli->diag);
    return SH_OK;
}
static int cmd_system(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli;
    return sh_chat_set_system(c, arg, err);
}
static int cmd_set(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli;
    return sh_chat_set(c, arg, err);
}
static int cmd_save(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli;
    return sh_chat_save(c, arg, err);
}
static int cmd_load(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli;
    return sh_chat_load(c, arg, err);
}
static int cmd_clear(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli, (void)arg, (void)err;
    sh_chat_clear(c);
    return SH_OK;
}
static int cmd_retry(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli, (void)arg;
    return sh_chat_retry(c, err);
}
static int cmd_stats(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err)
{
    (void)cli, (void)arg, (void)err;
    sh_chat_print_stats(c);
    return SH_OK;
}

/* run NULL: leave. */
static const struct {
    const char *name;
    int (*run)(sh_cli *cli, sh_chat_state *c, const char *arg, sh_err *err);
} chat_commands[] = {
    {"/help", cmd_help},   {"/?", cmd_help},    {"/system", cmd_system}, {"/set", cmd_set},
    {"/save", cmd_save},   {"/load", cmd_load}, {"/clear", cmd_clear},   {"/retry", cmd_retry},
    {"/stats", cmd_stats}, {"/bye", NULL},      {"/exit", NULL},         {"/quit", NULL},
};

/* Returns false when the conversation ends. */
static bool do_command(sh_cli *cli, sh_chat_state *c, char *line)
{
    sh_err err = {0};
    char *arg = line + strcspn(line, " \t");
    if (*arg) *arg++ = 0;
    arg += strspn(arg, " \t");
    for (size_t n = strlen(arg); n && strchr(" \t", arg[n - 1]); n--) arg[n - 1] = 0;
    for (size_t i = 0; i < sizeof chat_commands / sizeof *chat_commands; i++) {
        if (strcmp(line, chat_commands[i].name) != 0) continue;
        if (!chat_commands[i].run) return false;
        if (chat_commands[i].run(cli, c, arg, &err) < 0) report(cli, &err);
        return true;
    }
    fprintf(cli->diag, "unknown command %s (/help lists them)\n", line);
    return true;
}

static int converse(sh_cli *cli, sh_chat_state *c, sh_err *err)
{
    line_reader reader;
    sh_buf line = {0};
    int rc = SH_OK;
    reader_open(&reader, cli);
    /* Between answers a SIGINT ends nothing on a terminal; in a script it ends the program, as anywhere. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    if (reader.el) sigaction(SIGINT, &ignore, &old);
    while (read_entry(&reader, &line)) {
        const char *text = line.p ? line.p + strspn(line.p, " \t") : "";
        if (!*text) continue;
        if (*text == '/') {
            if (!do_command(cli, c, line.p + (text - line.p))) break;
            continue;
        }
        sh_err problem = {0};
        if ((rc = sh_buf_ok(&line, err)) < 0) break;
        if (sh_chat_say(c, text, &problem) == SH_OK) continue;
        report(cli, &problem);
        /* Somebody at a terminal goes on; a script learns of it from the exit code. */
        if (!reader.el) cli->exit_code = 1;
        if (ferror(cli->out)) break;
    }
    if (reader.el) sigaction(SIGINT, &old, NULL);
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
    .details =
        "Without MODEL the bundled one is used. While talking:\n\n"
        "  /help /system TEXT /set NAME VALUE /save FILE /load FILE\n"
        "  /clear /retry /stats /bye\n\n"
        "Ctrl-C stops an answer, not the program; at the prompt it drops the line. What was typed is kept in "
        "$SHOAL_HOME/chat_history. Through a pipe every line is a message; with --json every answer is one "
        "line of JSON.",
    .opts =
        (const sh_opt[]){{"system", 0, SH_OPT_STR, "TEXT", "system message", 0, 0, false},
                         {"max-tokens", 'n', SH_OPT_INT, "N",
                          "at most N tokens per answer (default: until the model ends)", 1, 1 << 24, false},
                         {"load", 0, SH_OPT_FILE, "FILE", "go on with a saved conversation", 0, 0, false},
                         SH_OPTS_FORM,
                         SH_OPTS_SAMPLING,
                         SH_OPTS_CONTEXT,
                         SH_OPT_TOKENIZER,
                         {0}},
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_chat,
};
