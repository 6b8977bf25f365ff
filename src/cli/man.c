/* man.c - the man page shoal(1), made from the command table. */
#include "cli/help.h"

#include <shoal/version.h>

/* roff: a leading dot or quote starts a request, a backslash an escape, '-' is a hyphen unless escaped. */
static void roff(FILE *out, const char *text)
{
    bool is_line_start = true;
    for (const char *p = text; *p; p++) {
        if (is_line_start && (*p == '.' || *p == '\'')) fputs("\\&", out);
        if (*p == '-')
            fputs("\\-", out);
        else if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '"')
            fputs("\\(dq", out);
        else if (*p == '\'')
            fputs("\\(aq", out);
        else
            fputc(*p, out);
        is_line_start = *p == '\n';
    }
}

static void write_paragraph(void *ud, const char *p, size_t n, bool as_is)
{
    FILE *out = ud;
    sh_buf text = {0};
    sh_buf_add(&text, p, n);
    fputs(as_is ? ".PP\n.nf\n" : ".PP\n", out);
    roff(out, text.p ? text.p : "");
    fputs(as_is ? "\n.fi\n" : "\n", out);
    sh_buf_clear(&text);
}

static void write_opt(FILE *out, const sh_opt *o)
{
    fputs(".TP\n", out);
    if (o->letter) fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    roff(out, o->name);
    fputs("\\fR", out);
    if (o->kind != SH_OPT_FLAG) {
        fputs(" \\fI", out);
        roff(out, o->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    roff(out, o->help);
    fputc('\n', out);
}

static void write_command(FILE *out, const sh_command *c)
{
    fputs(".SS \"shoal ", out);
    roff(out, c->name);
    fputs(c->synopsis[0] ? " " : "", out);
    roff(out, c->synopsis);
    fputs("\"\n", out);
    roff(out, c->summary);
    fputs(".\n", out);
    if (c->details) sh_each_paragraph(c->details, write_paragraph, out);
    for (const sh_opt *o = c->opts; o && o->name; o++) write_opt(out, o);
}

void sh_help_man(FILE *out)
{
    static const char *const environment[][2] = {
        {"SHOAL_HOME",
         "where models and state live (default: $XDG_DATA_HOME/shoal, else ~/.local/share/shoal)"},
        {"SHOAL_THREADS", "number of worker threads, as --threads"},
        {"SHOAL_CPU", "instruction set, as --cpu"},
        {"SHOAL_HOST", "HOST:PORT that shoal serve listens on"},
        {"SHOAL_TOKEN", "bearer token that shoal serve asks for"},
        {"NO_COLOR", "when set and not empty: no colours"},
    };
    fprintf(out, ".TH SHOAL 1 \"\" \"Shoal %s\" \"User Commands\"\n", SHOAL_VERSION);
    fputs(".SH NAME\nshoal \\- run, tune and share AI models\n.SH SYNOPSIS\n"
          ".B shoal\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
          ".SH DESCRIPTION\nShoal runs AI models on the processors of ordinary machines. \\fIMODEL\\fR is a "
          "GGUF "
          "file, a Hugging Face folder, a llama2.c .bin file, or a name that \\fBshoal list\\fR shows.\n"
          ".SH COMMANDS\n",
          out);
    for (size_t i = 0; sh_commands[i]; i++) write_command(out, sh_commands[i]);
    fputs(".SH COMMON OPTIONS\n", out);
    for (const sh_opt *o = sh_common_opts; o->name; o++) write_opt(out, o);
    fputs(".SH ENVIRONMENT\n", out);
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
        fprintf(out, ".TP\n.B %s\n", environment[i][0]);
        roff(out, environment[i][1]);
        fputc('\n', out);
    }
    fputs(".SH FILES\n.TP\n.I $SHOAL_HOME/models\nmodels by name\n.TP\n.I $SHOAL_HOME/chat_history\n"
          "lines typed in shoal chat\n"
          ".SH EXIT STATUS\n0: done. 1: the work failed. 2: the command line was wrong.\n",
          out);
}
