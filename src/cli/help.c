/* help.c - help, man page and completions, all made from the command table. */
#include "cli/cli.h"

#include <shoal/version.h>

#include "base/fail.h"

const sh_command *sh_command_find(const char *name)
{
    for (size_t i = 0; sh_commands[i]; i++)
        if (strcmp(sh_commands[i]->name, name) == 0) return sh_commands[i];
    return NULL;
}

static void write_opt(FILE *out, const sh_opt *o)
{
    char left[96];
    const char *value = o->kind == SH_OPT_FLAG ? "" : o->value;
    int n = o->letter ? snprintf(left, sizeof left, "-%c, --%s %s", o->letter, o->name, value)
                      : snprintf(left, sizeof left, "    --%s %s", o->name, value);
    if (n <= 28)
        fprintf(out, "  %-28s %s\n", left, o->help);
    else
        fprintf(out, "  %s\n  %-28s %s\n", left, "", o->help);
}

static const char *bold(bool color)
{
    return color ? "\033[1m" : "";
}
static const char *plain(bool color)
{
    return color ? "\033[0m" : "";
}

static void write_overview(FILE *out, bool color)
{
    fprintf(out, "Shoal %s runs, tunes and shares AI models on the machines you have.\n\n", SHOAL_VERSION);
    fprintf(out, "%sUsage:%s shoal COMMAND [OPTIONS] [ARGUMENTS]\n\n%sCommands:%s\n", bold(color),
            plain(color), bold(color), plain(color));
    for (size_t i = 0; sh_commands[i]; i++)
        if (!strchr(sh_commands[i]->name, ' '))
            fprintf(out, "  %-12s %s\n", sh_commands[i]->name, sh_commands[i]->summary);
    fprintf(
        out,
        "\nMODEL is a GGUF file, a Hugging Face folder, a llama2.c .bin, or a name that 'shoal list' shows.\n"
        "'shoal help COMMAND' tells more. Try: shoal run minnow \"Tell me a story about a fox.\"\n");
}

/* A group ("debug") has no row of its own function but rows "debug x": list them. */
static void write_subcommands(FILE *out, const char *name)
{
    size_t n = strlen(name);
    bool any = false;
    for (size_t i = 0; sh_commands[i]; i++) {
        const char *full = sh_commands[i]->name;
        if (strncmp(full, name, n) != 0 || full[n] != ' ') continue;
        if (!any) fprintf(out, "\nCommands:\n");
        any = true;
        fprintf(out, "  %s %s\n      %s\n", full, sh_commands[i]->synopsis, sh_commands[i]->summary);
    }
}

static unsigned distance(const char *a, const char *b)
{
    unsigned row[32];
    size_t nb = strlen(b);
    if (nb > 30 || strlen(a) > 30) return 99;
    for (unsigned j = 0; j <= nb; j++) row[j] = j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned change = diagonal + (*a != b[j - 1]), best = row[j] + 1;
            diagonal = row[j];
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[nb];
}

static int unknown(const char *name, sh_err *err)
{
    const char *nearest = NULL;
    unsigned best = 3;
    for (size_t i = 0; sh_commands[i]; i++) {
        unsigned d = distance(name, sh_commands[i]->name);
        if (d < best) best = d, nearest = sh_commands[i]->name;
    }
    if (nearest)
        return sh_fail(err, SH_E_NOTFOUND, "unknown command '%s' (did you mean '%s'?)", name, nearest);
    return sh_fail(err, SH_E_NOTFOUND, "unknown command '%s' ('shoal help' lists them)", name);
}

int sh_help_write(FILE *out, const char *name, bool color, sh_err *err)
{
    if (!name || !name[0]) {
        write_overview(out, color);
        return SH_OK;
    }
    const sh_command *c = sh_command_find(name);
    if (!c) return unknown(name, err);
    fprintf(out, "%sUsage:%s shoal %s [OPTIONS] %s\n\n%s.\n", bold(color), plain(color), c->name, c->synopsis,
            c->summary);
    if (c->details) fprintf(out, "\n%s\n", c->details);
    write_subcommands(out, c->name);
    if (c->opts && c->opts->name) {
        fprintf(out, "\n%sOptions:%s\n", bold(color), plain(color));
        for (const sh_opt *o = c->opts; o->name; o++) write_opt(out, o);
    }
    fprintf(out, "\n%sCommon options:%s\n", bold(color), plain(color));
    for (const sh_opt *o = sh_common_opts; o->name; o++) write_opt(out, o);
    return SH_OK;
}

/* roff: a leading dot or quote starts a request, a backslash an escape, '-' is a hyphen unless escaped. */
static void roff(FILE *out, const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", out);
        if (*p == '-')
            fputs("\\-", out);
        else if (*p == '\\')
            fputs("\\e", out);
        else
            fputc(*p, out);
        line_start = *p == '\n';
    }
}

void sh_help_man(FILE *out)
{
    fprintf(out,
            ".TH SHOAL 1 \"\" \"Shoal %s\" \"User Commands\"\n.SH NAME\nshoal \\- run, tune and share AI "
            "models\n",
            SHOAL_VERSION);
    fputs(".SH SYNOPSIS\n.B shoal\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.SH COMMANDS\n", out);
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        fprintf(out, ".SS \"%s ", c->name);
        for (const char *p = c->synopsis; *p; p++) fputs(*p == '"' ? "\\(dq" : (char[]){*p, 0}, out);
        fputs("\"\n", out);
        roff(out, c->summary);
        fputs(".\n", out);
        if (c->details) fputs(".PP\n.nf\n", out), roff(out, c->details), fputs("\n.fi\n", out);
        for (const sh_opt *o = c->opts; o && o->name; o++) {
            fputs(".TP\n", out);
            if (o->letter) fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
            fputs("\\fB\\-\\-", out), roff(out, o->name), fputs("\\fR", out);
            if (o->kind != SH_OPT_FLAG) fprintf(out, " \\fI%s\\fR", o->value);
            fputc('\n', out), roff(out, o->help), fputc('\n', out);
        }
    }
    fputs(".SH COMMON OPTIONS\n", out);
    for (const sh_opt *o = sh_common_opts; o->name; o++)
        fputs(".TP\n\\fB\\-\\-", out), roff(out, o->name), fputs("\\fR\n", out), roff(out, o->help),
            fputc('\n', out);
    fputs(".SH ENVIRONMENT\n.TP\n.B SHOAL_HOME\nwhere models and state live (default: the XDG data folder)\n"
          ".TP\n.B SHOAL_THREADS, SHOAL_CPU\ndefaults of \\-\\-threads and \\-\\-cpu\n"
          ".TP\n.B SHOAL_HOST, SHOAL_TOKEN\naddress and bearer token of shoal serve\n.TP\n.B NO_COLOR\nno "
          "colours\n"
          ".SH EXIT STATUS\n0 done, 1 the work failed, 2 the command line was wrong.\n",
          out);
}

static const char *completion_of(enum sh_arg_kind kind)
{
    switch (kind) {
    case SH_ARG_MODEL:
        return "model";
    case SH_ARG_FILE:
        return "file";
    case SH_ARG_COMMAND:
        return "command";
    case SH_ARG_TYPE:
        return "type";
    default:
        return "none";
    }
}

/* Single quotes inside single-quoted shell words. */
static void shell_quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            fputs("'\\''", out);
        else
            fputc(*p, out);
    }
    fputc('\'', out);
}

static void write_opt_words(FILE *out, const sh_opt *opts)
{
    for (const sh_opt *o = opts; o && o->name; o++) fprintf(out, " --%s", o->name);
}

static void completion_bash(FILE *out)
{
    fputs("# bash completion for shoal, made by 'shoal completion bash'\n_shoal() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} opts= "
          "kind=none words=\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W \"",
          out);
    for (size_t i = 0; sh_commands[i]; i++)
        if (!strchr(sh_commands[i]->name, ' ')) fprintf(out, "%s ", sh_commands[i]->name);
    fputs("\" -- \"$cur\")); return; fi\n  case \"$cmd ${COMP_WORDS[2]}\" in\n", out);
    /* sub-commands first: their pattern is the more exact one */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; sh_commands[i]; i++) {
            const sh_command *c = sh_commands[i];
            if ((strchr(c->name, ' ') != NULL) != (pass == 0)) continue;
            fprintf(out, pass == 0 ? "    '%s') opts='" : "    '%s '*) opts='", c->name);
            write_opt_words(out, c->opts);
            fprintf(out, "' kind=%s", completion_of(c->arg_kinds[0]));
            if (c->arg_words) fputs(" words=", out), shell_quote(out, c->arg_words);
            fputs(";;\n", out);
        }
    fputs("  esac\n  opts=\"$opts", out);
    write_opt_words(out, sh_common_opts);
    fputs(
        "\"\n  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\")); return; fi\n"
        "  if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"${words//|/ }\" -- \"$cur\")); return; fi\n"
        "  case $kind in\n    model) COMPREPLY=($(compgen -W \"$(shoal list --names 2>/dev/null)\" -- "
        "\"$cur\") $(compgen -f -- \"$cur\"));;\n"
        "    command) COMPREPLY=($(compgen -W \"$(shoal help --names 2>/dev/null)\" -- \"$cur\"));;\n"
        "    type) COMPREPLY=($(compgen -W \"q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl f16 "
        "bf16 f32\" -- \"$cur\"));;\n"
        "    *) COMPREPLY=($(compgen -f -- \"$cur\"));;\n  esac\n}\ncomplete -o filenames -F _shoal shoal\n",
        out);
}

static void completion_zsh(FILE *out)
{
    fputs("#compdef shoal\n# zsh completion for shoal, made by 'shoal completion zsh'\n_shoal() {\n  local "
          "-a commands\n  commands=(\n",
          out);
    for (size_t i = 0; sh_commands[i]; i++) {
        if (strchr(sh_commands[i]->name, ' ')) continue;
        sh_buf b = {0};
        sh_buf_printf(&b, "%s:%s", sh_commands[i]->name, sh_commands[i]->summary);
        fputs("    ", out), shell_quote(out, b.p ? b.p : ""), fputc('\n', out);
        sh_buf_clear(&b);
    }
    fputs("  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] in\n",
          out);
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        if (strchr(c->name, ' ')) continue;
        fprintf(out, "    %s) _arguments -S", c->name);
        for (int common = 0; common < 2; common++)
            for (const sh_opt *o = common ? sh_common_opts : c->opts; o && o->name; o++) {
                sh_buf b = {0};
                sh_buf_printf(&b, "%s--%s%s[", o->may_repeat ? "*" : "", o->name,
                              o->kind == SH_OPT_FLAG ? "" : "=");
                for (const char *p = o->help; *p; p++) {
                    if (strchr("[]:\\", *p)) sh_buf_putc(&b, '\\');
                    sh_buf_putc(&b, *p);
                }
                sh_buf_puts(&b, "]");
                if (o->kind == SH_OPT_CHOICE) {
                    sh_buf_puts(&b, ":value:(");
                    for (const char *p = o->value; *p; p++) sh_buf_putc(&b, *p == '|' ? ' ' : *p);
                    sh_buf_puts(&b, ")");
                } else if (o->kind != SH_OPT_FLAG) {
                    sh_buf_printf(&b, ":value:%s", o->kind == SH_OPT_FILE ? "_files" : " ");
                }
                fputc(' ', out), shell_quote(out, b.p ? b.p : "");
                sh_buf_clear(&b);
            }
        if (c->arg_kinds[0] == SH_ARG_MODEL)
            fputs(" '1:model:{ _values model $(shoal list --names 2>/dev/null); _files }'", out);
        fputs(" '*:file:_files';;\n", out);
    }
    fputs("  esac\n}\n_shoal \"$@\"\n", out);
}

static void completion_fish(FILE *out)
{
    fputs("# fish completion for shoal, made by 'shoal completion fish'\n", out);
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        if (strchr(c->name, ' ')) continue;
        fprintf(out, "complete -c shoal -n __fish_use_subcommand -f -a %s -d ", c->name);
        shell_quote(out, c->summary), fputc('\n', out);
        for (int common = 0; common < 2; common++)
            for (const sh_opt *o = common ? sh_common_opts : c->opts; o && o->name; o++) {
                fprintf(out, "complete -c shoal -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
                if (o->letter) fprintf(out, " -s %c", o->letter);
                if (o->kind != SH_OPT_FLAG) fputs(o->kind == SH_OPT_FILE ? " -r -F" : " -r", out);
                fputs(" -d ", out), shell_quote(out, o->help), fputc('\n', out);
            }
        if (c->arg_kinds[0] == SH_ARG_MODEL)
            fprintf(out,
                    "complete -c shoal -n '__fish_seen_subcommand_from %s' -a '(shoal list --names "
                    "2>/dev/null)'\n",
                    c->name);
    }
}

int sh_help_completion(FILE *out, const char *shell, sh_err *err)
{
    if (strcmp(shell, "bash") == 0)
        completion_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        completion_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        completion_fish(out);
    else
        return sh_fail(err, SH_E_INVALID, "completion: unknown shell '%s' (expected bash, zsh or fish)",
                       shell);
    return SH_OK;
}
