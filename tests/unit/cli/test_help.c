/* test_help.c - the command table is sound, and what is made from it leaves nothing out. */
#include "unit/test.h"

#include <stdlib.h>

#include "cli/help.h"

/* What a function writes to a stream; the caller frees it. */
typedef struct capture {
    FILE *out;
    char *text;
    size_t n;
} capture;

static FILE *capture_begin(capture *c)
{
    c->out = open_memstream(&c->text, &c->n);
    assert_non_null(c->out);
    return c->out;
}
static const char *capture_end(capture *c)
{
    assert_int_equal(fclose(c->out), 0);
    return c->text;
}

static void table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        assert_non_null(c->run);
        assert_ptr_equal(sh_command_find(c->name), c);
        assert_true(c->summary[0] && c->summary[strlen(c->summary) - 1] != '.');
        assert_true(c->max_args < 0 || c->max_args >= c->min_args);
        for (const sh_opt *o = c->opts; o && o->name; o++) {
            assert_true(o->help && o->help[0]);
            assert_true((o->kind == SH_OPT_FLAG) == (o->value == NULL));
            if (o->kind == SH_OPT_INT || o->kind == SH_OPT_NUM) assert_true(o->lo < o->hi);
            for (const sh_opt *p = c->opts; p != o; p++) {
                if (strcmp(p->name, o->name) == 0) fail_msg("%s: two options --%s", c->name, o->name);
                if (o->letter && p->letter == o->letter) fail_msg("%s: two options -%c", c->name, o->letter);
            }
            for (const sh_opt *p = sh_common_opts; p->name; p++) {
                if (strcmp(p->name, o->name) == 0) fail_msg("%s: --%s is a common option", c->name, o->name);
                if (o->letter && p->letter == o->letter)
                    fail_msg("%s: -%c is a common option", c->name, o->letter);
            }
        }
    }
}

static void help_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; sh_commands[i]; i++) {
        const sh_command *c = sh_commands[i];
        capture cap;
        char word[64];
        assert_int_equal(sh_help_write(capture_begin(&cap), c->name, false, NULL), SH_OK);
        const char *text = capture_end(&cap);
        for (int common = 0; common < 2; common++)
            for (const sh_opt *o = common ? sh_common_opts : c->opts; o && o->name; o++) {
                snprintf(word, sizeof word, "--%s", o->name);
                if (!strstr(text, word)) fail_msg("help %s does not tell of --%s", c->name, o->name);
            }
        for (const char *p = text; *p;) {
            size_t n = strcspn(p, "\n");
            if (n > SH_HELP_COLUMNS) fail_msg("help %s: %zu columns: %.*s", c->name, n, (int)n, p);
            if (n && p[n - 1] == ' ') fail_msg("help %s: a blank at the end of: %.*s", c->name, (int)n, p);
            p += n + (p[n] == '\n');
        }
        free(cap.text);
    }
}

static void derived_texts_are_complete(void **state)
{
    (void)state;
    static const char *const shells[] = {NULL, "bash", "zsh", "fish"};
    for (size_t s = 0; s < COUNT(shells); s++) {
        capture cap;
        FILE *out = capture_begin(&cap);
        if (shells[s])
            assert_int_equal(sh_help_completion(out, shells[s], NULL), SH_OK);
        else
            sh_help_man(out);
        const char *text = capture_end(&cap);
        for (size_t i = 0; sh_commands[i]; i++)
            for (const sh_opt *o = sh_commands[i]->opts; o && o->name; o++) {
                /* the man page writes '-' as '\-' */
                const char *dash = strrchr(o->name, '-');
                if (!strstr(text, dash ? dash + 1 : o->name))
                    fail_msg("%s: no --%s", shells[s] ? shells[s] : "man", o->name);
            }
        free(cap.text);
    }
    sh_err err = {0};
    assert_int_equal(sh_help_completion(stdout, "csh", &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "csh"));
}

static void suggestions(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *says;
    } rows[] = {
        {"rnu", "did you mean 'run'?"},
        {"lst", "did you mean 'list'?"},
        {"tokenise", "did you mean 'tokenize'?"},
        {"debug logit", "did you mean 'debug logits'?"},
        {"frobnicate", "'shoal help' lists them"},
        {"x", "'shoal help' lists them"},
        {"", "'shoal help' lists them"},
        {"--json", "options come after it"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "unknown command 'aaa"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        sh_err err = {0};
        assert_int_equal(sh_help_unknown(rows[i].typed, &err), SH_E_NOTFOUND);
        if (!strstr(err.msg, rows[i].says)) fail_msg("'%s': %s", rows[i].typed, err.msg);
    }
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(sh_word_distance("", ""), 0);
    assert_int_equal(sh_word_distance("", "abc"), 3);
    assert_int_equal(sh_word_distance("run", "run"), 0);
    assert_int_equal(sh_word_distance("rnu", "run"), 1);
    assert_int_equal(sh_word_distance("kitten", "sitting"), 3);
    assert_int_equal(sh_word_distance("ca", "abc"), 3); /* a pair that was swapped is not edited again */
    assert_int_equal(sh_word_distance("abcdefghijklmnopqrstuvwxyzabcde", "a"), 99);
    assert_true(sh_word_is_near(1, 3));
    assert_false(sh_word_is_near(2, 3));
    assert_true(sh_word_is_near(3, 12));
    assert_false(sh_word_is_near(4, 12));
}

static void wrapping(void **state)
{
    (void)state;
    capture cap;
    sh_wrap(capture_begin(&cap), "one two  three\nfour", 4, 4, 12);
    assert_string_equal(capture_end(&cap), "one two\n    three\n    four");
    free(cap.text);
    sh_wrap(capture_begin(&cap), "averyverylongword is not cut", 2, 2, 10);
    assert_string_equal(capture_end(&cap), "averyverylongword\n  is not\n  cut");
    free(cap.text);
    sh_wrap(capture_begin(&cap), "", 0, 0, 10);
    assert_string_equal(capture_end(&cap), "");
    free(cap.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table_is_sound),
                                       cmocka_unit_test(help_is_complete),
                                       cmocka_unit_test(derived_texts_are_complete),
                                       cmocka_unit_test(suggestions),
                                       cmocka_unit_test(distances),
                                       cmocka_unit_test(wrapping)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
