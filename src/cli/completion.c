/* completion.c - completion scripts for bash, zsh and fish, made from the command table. */
#include "cli/help.h"

#include "base/fail.h"
#include "tensor/dtype.h"

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

static bool is_sub(const sh_command *c)
{
    return strchr(c->name, ' ') != NULL;
}

/* "a|b|c" as "a b c". */
static void write_words(FILE *out, const char *choices)
{
    for (const char *p = choices; *p; p++) fputc(*p == '|' ? ' ' : *p, out);
}

static void write_types(FILE *out)
{
    for (int i = 0, n = 0; i < SH_DTYPE_COUNT; i++)
        if (sh_dtypes[i].name) fprintf(out, "%s%s", n++ ? " " : "", sh_dtypes[i].name);
}

/* What the first positional of a command is completed with; the others of a command are files but for TYPE.
 */
static const char *kind_word(const sh_command *c)
{
    switch (c->arg_kinds[0]) {
    case SH_ARG_MODEL:
        return "model";
    case SH_ARG_FILE:
        return "file";
    case SH_ARG_COMMAND:
        return "command";
    case SH_ARG_TYPE:
        return "type";
    case SH_ARG_WORDS:
        return "words";
    default:
        return "none";
    }
}

static void bash_opts(FILE *out, const sh_opt *opts)
{
    for (const sh_opt *o = opts; o && o->name; o++) fprintf(out, " --%s", o->name);
}

/* Cases of `prev`: options that take a value complete it, so that a value is never mistaken for an argument.
 */
static void bash_values(FILE *out, const sh_command *c)
{
    for (const sh_opt *o = c->opts; o && o->name; o++) {
        if (o->kind == SH_OPT_FLAG) continue;
        fprintf(out, "    '%s --%s'", c->name, o->name);
        if (o->letter) fprintf(out, "|'%s -%c'", c->name, o->letter);
        fputs(") ", out);
        if (o->kind == SH_OPT_FILE)
            fputs("COMPREPLY=($(compgen -f -- \"$cur\"));", out);
        else if (o->kind == SH_OPT_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", out);
            write_words(out, o->value);
            fputs("' -- \"$cur\"));", out);
        }
        fputs(" return;;\n", out);
    }
}

static void bash_commands(FILE *out, bool subs)
{
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        if (is_sub(c) != subs) continue;
        fprintf(out, "    '%s') opts='", c->name);
        bash_opts(out, c->opts);
        fprintf(out, "' kind=%s", kind_word(c));
        if (c->arg_words) {
            fputs(" words='", out);
            write_words(out, c->arg_words);
            fputc('\'', out);
        }
        fputs(";;\n", out);
    }
}

static void completion_bash(FILE *out)
{
    fputs("# bash completion for shoal, made by 'shoal completion bash'\n_shoal() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]}\n"
          "  local opts= kind=none words=\n  COMPREPLY=()\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '",
          out);
    for (size_t i = 0; sh_commands[i]; i++)
        if (!is_sub(sh_commands[i])) fprintf(out, "%s%s", i ? " " : "", sh_commands[i]->name);
    fputs("' -- \"$cur\"))\n    return\n  fi\n  if [ \"$COMP_CWORD\" -gt 2 ]; then\n"
          "    case \"$cmd ${COMP_WORDS[2]}\" in\n      ",
          out);
    for (size_t i = 0, n = 0; sh_commands[i]; i++)
        if (is_sub(sh_commands[i])) fprintf(out, "%s'%s'", n++ ? "|" : "", sh_commands[i]->name);
    fputs(") cmd=\"$cmd ${COMP_WORDS[2]}\";;\n    esac\n  fi\n  case \"$cmd $prev\" in\n", out);
    for (size_t i = 0; sh_commands[i]; i++) bash_values(out, sh_commands[i]);
    fputs("  esac\n  case \"$prev\" in\n", out);
    for (const sh_opt *o = sh_common_opts; o->name; o++) {
        if (o->kind == SH_OPT_FLAG) continue;
        fprintf(out, "    --%s) ", o->name);
        if (o->kind == SH_OPT_CHOICE) {
            fputs("COMPREPLY=($(compgen -W '", out);
            write_words(out, o->value);
            fputs("' -- \"$cur\")); ", out);
        }
        fputs("return;;\n", out);
    }
    fputs("  esac\n  case \"$cmd\" in\n", out);
    bash_commands(out, true);
    bash_commands(out, false);
    fputs("  esac\n  opts=\"$opts", out);
    bash_opts(out, sh_common_opts);
    fputs("\"\n  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\")); return; fi\n"
          "  case $kind in\n"
          "    model) COMPREPLY=($(compgen -W \"$(shoal list --names 2>/dev/null)\" -- \"$cur\")"
          " $(compgen -f -- \"$cur\"));;\n"
          "    command) COMPREPLY=($(compgen -W \"$(shoal help --names 2>/dev/null)\" -- \"$cur\"));;\n"
          "    words) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"));;\n"
          "    type) COMPREPLY=($(compgen -W '",
          out);
    write_types(out);
    fputs("' -- \"$cur\") $(compgen -f -- \"$cur\"));;\n"
          "    file) COMPREPLY=($(compgen -f -- \"$cur\"));;\n  esac\n}\ncomplete -o filenames -F _shoal "
          "shoal\n",
          out);
}

/* "[text]" of an option for _arguments: brackets, colons and backslashes are its syntax. */
static void zsh_opt(FILE *out, const sh_opt *o, char letter)
{
    sh_buf b = {0};
    if (o->may_repeat) sh_buf_putc(&b, '*');
    if (letter)
        sh_buf_printf(&b, "-%c", letter);
    else
        sh_buf_printf(&b, "--%s", o->name);
    if (o->kind != SH_OPT_FLAG) sh_buf_putc(&b, letter ? '+' : '=');
    sh_buf_putc(&b, '[');
    for (const char *p = o->help; *p; p++) {
        if (strchr("[]:\\", *p)) sh_buf_putc(&b, '\\');
        sh_buf_putc(&b, *p);
    }
    sh_buf_putc(&b, ']');
    if (o->kind == SH_OPT_CHOICE) {
        sh_buf_puts(&b, ":value:(");
        for (const char *p = o->value; *p; p++) sh_buf_putc(&b, *p == '|' ? ' ' : *p);
        sh_buf_putc(&b, ')');
    } else if (o->kind != SH_OPT_FLAG) {
        sh_buf_puts(&b, o->kind == SH_OPT_FILE ? ":file:_files" : ":value: ");
    }
    fputs(" \\\n        ", out);
    shell_quote(out, b.p ? b.p : "");
    sh_buf_clear(&b);
}

static void zsh_positionals(FILE *out, const sh_command *c)
{
    fputs(" \\\n        ", out);
    if (c->arg_kinds[0] == SH_ARG_MODEL) {
        fputs("'1:model:_shoal_models' '*:file:_files'", out);
    } else if (c->arg_kinds[0] == SH_ARG_WORDS) {
        fputs("'1:word:(", out);
        write_words(out, c->arg_words);
        fputs(")'", out);
    } else if (c->arg_kinds[0] == SH_ARG_COMMAND) {
        fputs("'1:command:_shoal_commands'", out);
    } else if (c->arg_kinds[0] == SH_ARG_TYPE) {
        fputs("'1:type:(", out);
        write_types(out);
        fputs(")' '*:file:_files'", out);
    } else {
        fputs("'*:file:_files'", out);
    }
}

static void zsh_command(FILE *out, const sh_command *c)
{
    fprintf(out, "    '%s') _arguments -S", c->name);
    for (int common = 0; common < 2; common++)
        for (const sh_opt *o = common ? sh_common_opts : c->opts; o && o->name; o++) {
            zsh_opt(out, o, 0);
            if (o->letter) zsh_opt(out, o, o->letter);
        }
    zsh_positionals(out, c);
    fputs(";;\n", out);
}

static void completion_zsh(FILE *out)
{
    fputs("#compdef shoal\n# zsh completion for shoal, made by 'shoal completion zsh'\n"
          "_shoal_models() {\n  local -a models\n  models=(${(f)\"$(shoal list --names 2>/dev/null)\"})\n"
          "  compadd -a models\n  _files\n}\n"
          "_shoal_commands() {\n  local -a commands\n  commands=(\n",
          out);
    for (size_t i = 0; sh_commands[i]; i++) {
        if (is_sub(sh_commands[i])) continue;
        sh_buf b = {0};
        sh_buf_printf(&b, "%s:%s", sh_commands[i]->name, sh_commands[i]->summary);
        fputs("    ", out);
        shell_quote(out, b.p ? b.p : "");
        fputc('\n', out);
        sh_buf_clear(&b);
    }
    fputs("  )\n  _describe command commands\n}\n"
          "_shoal() {\n  if (( CURRENT == 2 )); then _shoal_commands; return; fi\n"
          "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n"
          "  if [[ $command == debug ]] && (( CURRENT > 2 )); then\n"
          "    command=\"debug $words[2]\"\n    shift words\n    (( CURRENT-- ))\n  fi\n"
          "  case $command in\n",
          out);
    for (size_t i = 0; sh_commands[i]; i++) zsh_command(out, sh_commands[i]);
    fputs("  esac\n}\n_shoal \"$@\"\n", out);
}

/* The condition under which fish offers what belongs to a command. */
static void fish_condition(FILE *out, const sh_command *c)
{
    const char *space = strchr(c->name, ' ');
    if (space)
        fprintf(out,
                "complete -c shoal -n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
                (int)(space - c->name), c->name, space + 1);
    else
        fprintf(out, "complete -c shoal -n '__fish_seen_subcommand_from %s'", c->name);
}

static void fish_opt(FILE *out, const sh_command *c, const sh_opt *o)
{
    fish_condition(out, c);
    fprintf(out, " -l %s", o->name);
    if (o->letter) fprintf(out, " -s %c", o->letter);
    if (o->kind == SH_OPT_CHOICE) {
        fputs(" -x -a '", out);
        write_words(out, o->value);
        fputc('\'', out);
    } else if (o->kind != SH_OPT_FLAG) {
        fputs(o->kind == SH_OPT_FILE ? " -r -F" : " -x", out);
    }
    fputs(" -d ", out);
    shell_quote(out, o->help);
    fputc('\n', out);
}

static void fish_positionals(FILE *out, const sh_command *c)
{
    if (c->arg_kinds[0] == SH_ARG_MODEL) {
        fish_condition(out, c);
        fputs(" -a '(shoal list --names 2>/dev/null)' -d model\n", out);
    } else if (c->arg_kinds[0] == SH_ARG_WORDS) {
        fish_condition(out, c);
        fputs(" -f -a '", out);
        write_words(out, c->arg_words);
        fputs("'\n", out);
    } else if (c->arg_kinds[0] == SH_ARG_COMMAND) {
        fish_condition(out, c);
        fputs(" -f -a '(shoal help --names 2>/dev/null)'\n", out);
    } else if (c->arg_kinds[0] == SH_ARG_TYPE) {
        fish_condition(out, c);
        fputs(" -a '", out);
        write_types(out);
        fputs("'\n", out);
    }
}

static void completion_fish(FILE *out)
{
    fputs("# fish completion for shoal, made by 'shoal completion fish'\n", out);
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        if (!is_sub(c)) {
            fprintf(out, "complete -c shoal -n __fish_use_subcommand -f -a %s -d ", c->name);
            shell_quote(out, c->summary);
            fputc('\n', out);
            for (const sh_opt *o = sh_common_opts; o->name; o++) fish_opt(out, c, o);
        }
        for (const sh_opt *o = c->opts; o && o->name; o++) fish_opt(out, c, o);
        fish_positionals(out, c);
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
