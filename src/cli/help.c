/* help.c - the overview, the help of a command, and what to say to a command that does not exist. */
#include "cli/help.h"

#include <shoal/version.h>

#include "base/fail.h"

enum { OPTION_COLUMN = 27 };

const sh_command *sh_command_find(const char *name)
{
    for (size_t i = 0; sh_commands[i]; i++)
        if (strcmp(sh_commands[i]->name, name) == 0) return sh_commands[i];
    return NULL;
}

void sh_wrap(FILE *out, const char *text, size_t at, size_t indent, size_t columns)
{
    for (const char *p = text; *p;) {
        p += strspn(p, " \n");
        size_t n = strcspn(p, " \n");
        if (!n) break;
        bool is_first = at == indent;
        if (!is_first && at + 1 + n > columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            is_first = true;
        }
        fprintf(out, "%s%.*s", is_first ? "" : " ", (int)n, p);
        at += n + !is_first;
        p += n;
    }
}

void sh_each_paragraph(const char *text, void (*fn)(void *ud, const char *p, size_t n, bool as_is), void *ud)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        fn(ud, text, n, *text == ' ');
        text += n + (end ? 2 : 0);
    }
}

static void write_paragraph(void *ud, const char *p, size_t n, bool as_is)
{
    FILE *out = ud;
    sh_buf text = {0};
    sh_buf_add(&text, p, n);
    fputc('\n', out);
    if (as_is)
        fputs(text.p ? text.p : "", out);
    else
        sh_wrap(out, text.p ? text.p : "", 0, 0, SH_HELP_COLUMNS);
    fputc('\n', out);
    sh_buf_clear(&text);
}

static void write_opt(FILE *out, const sh_opt *o)
{
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    const char *value = o->kind == SH_OPT_FLAG ? "" : o->value;
    int n = fprintf(out, "  %s--%s%s%s", letter, o->name, *value ? " " : "", value);
    if (n + 2 > OPTION_COLUMN)
        fprintf(out, "\n%*s", OPTION_COLUMN, "");
    else
        fprintf(out, "%*s", OPTION_COLUMN - n, "");
    sh_wrap(out, o->help, OPTION_COLUMN, OPTION_COLUMN, SH_HELP_COLUMNS);
    fputc('\n', out);
}

static void write_heading(FILE *out, const char *text, bool color)
{
    fprintf(out, "%s%s:%s", color ? "\033[1m" : "", text, color ? "\033[0m" : "");
}

static void write_opts(FILE *out, const char *heading, const sh_opt *opts, bool color)
{
    if (!opts || !opts->name) return;
    fputc('\n', out);
    write_heading(out, heading, color);
    fputc('\n', out);
    for (const sh_opt *o = opts; o->name; o++) write_opt(out, o);
}

static void write_overview(FILE *out, bool color)
{
    fprintf(out, "Shoal %s runs, tunes and shares AI models on the machines you have.\n\n", SHOAL_VERSION);
    write_heading(out, "Usage", color);
    fputs(" shoal COMMAND [OPTIONS] [ARGUMENTS]\n\n", out);
    write_heading(out, "Commands", color);
    fputc('\n', out);
    for (size_t i = 0; sh_commands[i]; i++)
        if (!strchr(sh_commands[i]->name, ' '))
            fprintf(out, "  %-12s %s\n", sh_commands[i]->name, sh_commands[i]->summary);
    fputs("\nMODEL is a GGUF file, a Hugging Face folder, a llama2.c .bin file, or a name\n"
          "that 'shoal list' shows. 'shoal help COMMAND' tells more. A first step:\n\n"
          "  shoal run minnow \"Tell me a story about a fox.\"\n",
          out);
}

/* A group ("debug") has rows "debug x" beside its own: list them. */
static void write_subcommands(FILE *out, const char *name, bool color)
{
    size_t n = strlen(name);
    bool any = false;
    for (size_t i = 0; sh_commands[i]; i++) {
        const char *full = sh_commands[i]->name;
        if (strncmp(full, name, n) != 0 || full[n] != ' ') continue;
        if (!any) {
            fputc('\n', out);
            write_heading(out, "Commands", color);
            fputc('\n', out);
        }
        any = true;
        fprintf(out, "  %s %s\n      ", full, sh_commands[i]->synopsis);
        sh_wrap(out, sh_commands[i]->summary, 6, 6, SH_HELP_COLUMNS);
        fputc('\n', out);
    }
}

unsigned sh_word_distance(const char *a, const char *b)
{
    enum { MAX = 30 };
    unsigned rows[MAX + 2][MAX + 2];
    size_t na = strlen(a), nb = strlen(b);
    if (na > MAX || nb > MAX) return 99;
    for (size_t i = 0; i <= na; i++) rows[i][0] = (unsigned)i;
    for (size_t j = 0; j <= nb; j++) rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++)
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < best) best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best) best = rows[i][j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && rows[i - 2][j - 2] + 1 < best) best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    return rows[na][nb];
}

bool sh_word_is_near(unsigned distance, size_t n)
{
    return distance <= (n < 4 ? 1u : n < 9 ? 2u : 3u);
}

int sh_help_unknown(const char *name, sh_err *err)
{
    const char *nearest = NULL;
    unsigned best = 99;
    if (name[0] == '-')
        return sh_fail(err, SH_E_NOTFOUND,
                       "no command before '%.60s' (options come after it: shoal COMMAND %.60s)", name, name);
    for (size_t i = 0; sh_commands[i]; i++) {
        unsigned d = sh_word_distance(name, sh_commands[i]->name);
        if (d < best) best = d, nearest = sh_commands[i]->name;
    }
    if (sh_word_is_near(best, strlen(name)))
        return sh_fail(err, SH_E_NOTFOUND, "unknown command '%s' (did you mean '%s'?)", name, nearest);
    return sh_fail(err, SH_E_NOTFOUND, "unknown command '%.100s' ('shoal help' lists them)", name);
}

int sh_help_write(FILE *out, const char *name, bool color, sh_err *err)
{
    if (!name || !name[0]) {
        write_overview(out, color);
        return SH_OK;
    }
    const sh_command *c = sh_command_find(name);
    if (!c) return sh_help_unknown(name, err);
    write_heading(out, "Usage", color);
    fprintf(out, " shoal %s [OPTIONS]%s%s\n\n", c->name, c->synopsis[0] ? " " : "", c->synopsis);
    fputs(c->summary, out);
    fputs(".\n", out);
    if (c->details) sh_each_paragraph(c->details, write_paragraph, out);
    write_subcommands(out, c->name, color);
    write_opts(out, "Options", c->opts, color);
    write_opts(out, "Common options", sh_common_opts, color);
    return SH_OK;
}
