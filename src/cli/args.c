/* args.c - command lines against the option tables: --name V, --name=V, -n V, -nV, "--" ends options. */
#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/help.h"

const sh_opt sh_common_opts[] = {
    {"json", 0, SH_OPT_FLAG, NULL, "print one JSON document (or JSON lines for streams)", 0, 0, false},
    {"threads", 0, SH_OPT_INT, "N", "worker threads (default: all cores, or SHOAL_THREADS)", 1, 256, false},
    {"cpu", 0, SH_OPT_CHOICE, "ref|avx2|avx512|amx",
     "instruction set (default: the best here, or SHOAL_CPU); never changes a result", 0, 0, false},
    {"quiet", 'q', SH_OPT_FLAG, NULL, "no progress, no notes", 0, 0, false},
    {"help", 'h', SH_OPT_FLAG, NULL, "print this help", 0, 0, false},
    {0},
};

static const sh_opt *find_in_table(const sh_opt *table, const char *name, size_t n, char letter)
{
    for (const sh_opt *o = table; o && o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == n && memcmp(o->name, name, n) == 0) return o;
    return NULL;
}

static const sh_opt *find_opt(const sh_command *cmd, const char *name, size_t n, char letter)
{
    const sh_opt *o = find_in_table(cmd->opts, name, n, letter);
    return o ? o : find_in_table(sh_common_opts, name, n, letter);
}

static int usage(const sh_command *cmd, sh_err *err, const char *what, const char *name, const char *expected)
{
    return sh_fail(err, SH_E_INVALID, "%s: %s%s (expected %s; see 'shoal help %s')", cmd->name, what, name,
                   expected, cmd->name);
}

/* The option of a command whose name is nearest to a word that is none; NULL when none is near. */
static const char *nearest_opt(const sh_command *cmd, const char *name)
{
    const char *nearest = NULL;
    unsigned best = 99;
    for (int common = 0; common < 2; common++)
        for (const sh_opt *o = common ? sh_common_opts : cmd->opts; o && o->name; o++) {
            unsigned d = sh_word_distance(name, o->name);
            if (d < best) best = d, nearest = o->name;
        }
    return sh_word_is_near(best, strlen(name)) ? nearest : NULL;
}

static int unknown_opt(const sh_command *cmd, const char *word, sh_err *err)
{
    char name[32] = "";
    size_t n = word[1] == '-' ? strcspn(word + 2, "=") : 0;
    if (n && n < sizeof name) memcpy(name, word + 2, n), name[n] = 0;
    const char *nearest = *name ? nearest_opt(cmd, name) : NULL;
    if (nearest)
        return sh_fail(err, SH_E_INVALID, "%s: unknown option %.80s (did you mean --%s?)", cmd->name, word,
                       nearest);
    return sh_fail(err, SH_E_INVALID, "%s: unknown option %.80s ('shoal help %s' lists them)", cmd->name,
                   word, cmd->name);
}

static bool is_choice(const char *choices, const char *v)
{
    size_t n = strlen(v);
    for (const char *p = choices; *p;) {
        const char *end = strchrnul(p, '|');
        if ((size_t)(end - p) == n && memcmp(p, v, n) == 0) return true;
        p = *end ? end + 1 : end;
    }
    return false;
}

static int check_value(const sh_command *cmd, const sh_opt *o, const char *v, double *num, sh_err *err)
{
    char *end = NULL;
    errno = 0;
    if (o->kind == SH_OPT_INT) {
        long long i = strtoll(v, &end, 10);
        *num = (double)i;
    } else if (o->kind == SH_OPT_NUM) {
        *num = strtod(v, &end);
    }
    if (o->kind == SH_OPT_CHOICE && !is_choice(o->value, v))
        return sh_fail(err, SH_E_INVALID, "--%s: '%.80s' is not one of %s", o->name, v, o->value);
    if (o->kind != SH_OPT_INT && o->kind != SH_OPT_NUM) return SH_OK;
    const char *kind = o->kind == SH_OPT_INT ? "a whole number" : "a number";
    if (errno || end == v || *end || !(*num >= o->lo && *num <= o->hi))
        return sh_fail(err, SH_E_INVALID,
                       "--%s: '%.80s' (expected %s from %.16g to %.16g; see 'shoal help %s')", o->name, v,
                       kind, o->lo, o->hi, cmd->name);
    return SH_OK;
}

static int add_value(sh_args *a, const sh_opt *o, const char *v, double num, sh_err *err)
{
    if (!o->may_repeat)
        for (size_t i = 0; i < a->n_values; i++)
            if (a->values[i].opt == o) {
                a->values[i].text = v;
                a->values[i].num = num;
                return SH_OK;
            }
    if (a->n_values == SH_ARGS_MAX)
        return sh_fail(err, SH_E_LIMIT, "more than %d options on one command line", SH_ARGS_MAX);
    a->values[a->n_values++] = (sh_arg_value){o, v, num};
    return SH_OK;
}

/* One option at argv[*i]; may take argv[*i + 1] as its value. */
static int parse_opt(sh_args *a, int argc, char **argv, int *i, sh_err *err)
{
    const char *word = argv[*i], *inline_value = NULL;
    const sh_opt *o;
    int rc;
    if (word[1] == '-') {
        const char *name = word + 2, *eq = strchr(name, '=');
        size_t n = eq ? (size_t)(eq - name) : strlen(name);
        o = find_opt(a->cmd, name, n, 0);
        inline_value = eq ? eq + 1 : NULL;
    } else {
        o = find_opt(a->cmd, NULL, 0, word[1]);
        inline_value = word[2] ? word + 2 : NULL;
        if (o && o->kind == SH_OPT_FLAG && inline_value)
            o = NULL; /* bundled letters are not supported: say so as unknown */
    }
    if (!o) return unknown_opt(a->cmd, word, err);
    if (o->kind == SH_OPT_FLAG) {
        if (inline_value) return usage(a->cmd, err, "a value was given to the flag --", o->name, "none");
        return add_value(a, o, "", 1, err);
    }
    const char *v = inline_value;
    if (!v && *i + 1 < argc) v = argv[++*i];
    if (!v) return usage(a->cmd, err, "no value for --", o->name, o->value);
    double num = 0;
    if ((rc = check_value(a->cmd, o, v, &num, err)) < 0) return rc;
    return add_value(a, o, v, num, err);
}

int sh_args_parse(sh_args *a, const sh_command *cmd, int argc, char **argv, sh_err *err)
{
    int rc;
    bool only_positionals = false;
    *a = (sh_args){.cmd = cmd};
    a->positionals = sh_new_array((size_t)argc + 1, sizeof *a->positionals, err);
    if (!a->positionals) return SH_E_NOMEM;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        bool is_number = word[0] == '-' && (word[1] == '.' || (word[1] >= '0' && word[1] <= '9'));
        if (only_positionals || word[0] != '-' || !word[1] || is_number)
            a->positionals[a->n_positionals++] = word;
        else if (strcmp(word, "--") == 0)
            only_positionals = true;
        else if ((rc = parse_opt(a, argc, argv, &i, err)) < 0)
            return rc;
    }
    if (sh_args_has(a, "help")) return SH_OK;
    size_t n = a->n_positionals;
    if (n < (size_t)cmd->min_args)
        return sh_fail(err, SH_E_INVALID, "usage: shoal %s %s (see 'shoal help %s')", cmd->name,
                       cmd->synopsis, cmd->name);
    if (cmd->max_args >= 0 && n > (size_t)cmd->max_args)
        return usage(cmd, err, "one argument too many: ", a->positionals[cmd->max_args],
                     cmd->synopsis[0] ? cmd->synopsis : "none");
    return SH_OK;
}

void sh_args_clear(sh_args *a)
{
    sh_free(a->positionals);
}

size_t sh_args_count(const sh_args *a)
{
    return a->n_positionals;
}

const char *sh_args_at(const sh_args *a, size_t i)
{
    return i < a->n_positionals ? a->positionals[i] : NULL;
}

static const sh_arg_value *value_of(const sh_args *a, const char *opt, size_t nth)
{
    for (size_t i = 0; i < a->n_values; i++)
        if (strcmp(a->values[i].opt->name, opt) == 0 && nth-- == 0) return &a->values[i];
    return NULL;
}

bool sh_args_has(const sh_args *a, const char *opt)
{
    return value_of(a, opt, 0) != NULL;
}

const char *sh_args_nth(const sh_args *a, const char *opt, size_t i)
{
    const sh_arg_value *v = value_of(a, opt, i);
    return v ? v->text : NULL;
}

const char *sh_args_str(const sh_args *a, const char *opt, const char *fallback)
{
    const char *v = sh_args_nth(a, opt, 0);
    return v ? v : fallback;
}

int64_t sh_args_int(const sh_args *a, const char *opt, int64_t fallback)
{
    const sh_arg_value *v = value_of(a, opt, 0);
    return v ? strtoll(v->text, NULL, 10) : fallback;
}

double sh_args_num(const sh_args *a, const char *opt, double fallback)
{
    const sh_arg_value *v = value_of(a, opt, 0);
    return v ? v->num : fallback;
}
