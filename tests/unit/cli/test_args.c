/* test_args.c - every form an option may have, every limit, every wrong one. */
#include "unit/test.h"

#include "cli/args.h"

static int do_nothing(sh_cli *cli, const sh_args *args, sh_err *err)
{
    (void)cli, (void)args, (void)err;
    return SH_OK;
}

static const sh_opt opts[] = {
    {"count", 'n', SH_OPT_INT, "N", "a number", -5, 1 << 20, false},
    {"huge", 0, SH_OPT_INT, "N", "up to 2^53 - 1", 0, 9007199254740991.0, false},
    {"rate", 'r', SH_OPT_NUM, "R", "a number", 0.5, 2, false},
    {"kind", 0, SH_OPT_CHOICE, "one|two|three", "a choice", 0, 0, false},
    {"word", 'w', SH_OPT_STR, "TEXT", "a text", 0, 0, true},
    {"flag", 'f', SH_OPT_FLAG, NULL, "a flag", 0, 0, false},
    {0},
};
static const sh_command cmd = {.name = "test",
                               .synopsis = "A [B]",
                               .summary = "A test",
                               .opts = opts,
                               .min_args = 1,
                               .max_args = 2,
                               .run = do_nothing};

typedef struct line {
    sh_args args;
    sh_err err;
    int rc;
} line;

/* Parse up to 8 words; NULL ends them. */
static void parse(line *l, const char *const *words)
{
    char *argv[256];
    int n = 0;
    for (; words[n]; n++) argv[n] = (char *)words[n];
    l->err = (sh_err){0};
    l->rc = sh_args_parse(&l->args, &cmd, n, argv, &l->err);
}
#define PARSE(l, ...) parse((l), (const char *const[]){__VA_ARGS__, NULL})

static void forms(void **state)
{
    (void)state;
    line l;
    PARSE(&l, "a", "--count", "7", "--rate=1.5", "-wx", "-w", "y", "--kind", "two", "-f", "--json", "b");
    assert_ok(l.rc, &l.err);
    assert_int_equal(sh_args_count(&l.args), 2);
    assert_string_equal(sh_args_at(&l.args, 0), "a");
    assert_string_equal(sh_args_at(&l.args, 1), "b");
    assert_null(sh_args_at(&l.args, 2));
    assert_int_equal(sh_args_int(&l.args, "count", 0), 7);
    assert_true(sh_args_num(&l.args, "rate", 0) == 1.5);
    assert_string_equal(sh_args_str(&l.args, "kind", ""), "two");
    assert_string_equal(sh_args_nth(&l.args, "word", 0), "x");
    assert_string_equal(sh_args_nth(&l.args, "word", 1), "y");
    assert_null(sh_args_nth(&l.args, "word", 2));
    assert_true(sh_args_has(&l.args, "flag"));
    assert_true(sh_args_has(&l.args, "json"));
    assert_false(sh_args_has(&l.args, "quiet"));
    assert_int_equal(sh_args_int(&l.args, "huge", 42), 42);
    sh_args_clear(&l.args);
}

static void values(void **state)
{
    (void)state;
    line l;
    PARSE(&l, "a", "-n", "1", "-n2"); /* the last one counts */
    assert_int_equal(sh_args_int(&l.args, "count", 0), 2);
    sh_args_clear(&l.args);
    PARSE(&l, "a", "--count", "-5", "--word="); /* a negative value, an empty one */
    assert_ok(l.rc, &l.err);
    assert_int_equal(sh_args_int(&l.args, "count", 0), -5);
    assert_string_equal(sh_args_str(&l.args, "word", NULL), "");
    sh_args_clear(&l.args);
    PARSE(&l, "a", "--huge=9007199254740991");
    assert_ok(l.rc, &l.err);
    assert_true(sh_args_int(&l.args, "huge", 0) == 9007199254740991);
    sh_args_clear(&l.args);
    PARSE(&l, "a", "--word=b=c");
    assert_string_equal(sh_args_str(&l.args, "word", NULL), "b=c");
    sh_args_clear(&l.args);
}

static void positionals(void **state)
{
    (void)state;
    line l;
    PARSE(&l, "--", "--count", "-n");
    assert_ok(l.rc, &l.err);
    assert_string_equal(sh_args_at(&l.args, 0), "--count");
    assert_string_equal(sh_args_at(&l.args, 1), "-n");
    sh_args_clear(&l.args);
    PARSE(&l, "-", "-12"); /* standard input, and a number */
    assert_ok(l.rc, &l.err);
    assert_string_equal(sh_args_at(&l.args, 0), "-");
    assert_string_equal(sh_args_at(&l.args, 1), "-12");
    sh_args_clear(&l.args);
    PARSE(&l, "--help"); /* too few positionals do not matter */
    assert_ok(l.rc, &l.err);
    sh_args_clear(&l.args);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *words[5], *says;
    } rows[] = {
        {{"--count"}, "no value for --count"},
        {{"a", "-n"}, "no value for --count"},
        {{"a", "--count", ""}, "''"},
        {{"a", "--count", "1x"}, "1x"},
        {{"a", "--count", "-6"}, "from -5 to 1048576"},
        {{"a", "--count", "1048577"}, "1048577"},
        {{"a", "--count", "99999999999999999999"}, "99999999999999999999"},
        {{"a", "--count", "1.5"}, "a whole number"},
        {{"a", "--huge", "9007199254740993"}, "9007199254740991"},
        {{"a", "--rate", "nan"}, "nan"},
        {{"a", "--rate", "inf"}, "inf"},
        {{"a", "--rate", "0.4"}, "from 0.5 to 2"},
        {{"a", "--kind", "on"}, "one|two|three"},
        {{"a", "--kind", ""}, "one|two|three"},
        {{"a", "--kind", "one|two"}, "one|two|three"},
        {{"a", "--flag=1"}, "flag"},
        {{"a", "-fn"}, "-fn"},
        {{"a", "--unheard"}, "unknown option --unheard"},
        {{"a", "--cuont", "1"}, "did you mean --count?"},
        {{"a", "--cuont=1"}, "did you mean --count?"},
        {{"a", "--thread", "1"}, "did you mean --threads?"},
        {{"a", "-x"}, "unknown option -x"},
        {{"a", "---"}, "unknown option ---"},
        {{NULL}, "usage: shoal test A [B]"},
        {{"a", "b", "c"}, "one argument too many: c"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        line l;
        parse(&l, rows[i].words);
        if (l.rc != SH_E_INVALID || !strstr(l.err.msg, rows[i].says))
            fail_msg("row %zu: code %d, '%s' (expected '%s')", i, l.rc, l.err.msg, rows[i].says);
        sh_args_clear(&l.args);
    }
}

static void too_many(void **state)
{
    (void)state;
    const char *words[SH_ARGS_MAX + 3] = {"a"};
    line l;
    for (int i = 1; i <= SH_ARGS_MAX + 1; i++) words[i] = "--word=x";
    words[SH_ARGS_MAX + 1] = NULL;
    parse(&l, words);
    assert_ok(l.rc, &l.err);
    assert_non_null(sh_args_nth(&l.args, "word", SH_ARGS_MAX - 1));
    sh_args_clear(&l.args);
    words[SH_ARGS_MAX + 1] = "--word=x";
    parse(&l, words);
    assert_int_equal(l.rc, SH_E_LIMIT);
    sh_args_clear(&l.args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(values),
                                       cmocka_unit_test(positionals), cmocka_unit_test(refused),
                                       cmocka_unit_test(too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
