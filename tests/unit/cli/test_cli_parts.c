/* test_cli_parts.c - the small parts of commands: token ids, sizes, the progress bar, where a turn begins. */
#include "unit/test.h"
#include "unit/tmpdir.h"

#include "base/mem.h"
#include "cli/chat_state.h"
#include "cli/ids.h"
#include "cli/open.h"

static void ids_of_text(void **state)
{
    (void)state;
    static const char *const same[] = {"1 -2 30", "1,-2,30", "[1, -2, 30]", " \n1\t-2,,30\r\n",
                                       "[[1],[-2 30]]"};
    for (size_t i = 0; i < COUNT(same); i++) {
        sh_token *ids = NULL;
        size_t n = 0;
        sh_err err = {0};
        assert_ok(sh_ids_parse(&ids, &n, same[i], strlen(same[i]), &err), &err);
        assert_int_equal(n, 3);
        assert_int_equal(ids[0], 1);
        assert_int_equal(ids[1], -2);
        assert_int_equal(ids[2], 30);
        sh_free(ids);
    }
    static const char *const wrong[] = {
        "x", "1 x", "1.5", "2147483648", "-2147483649", "99999999999999999999", "1;2", "0x10", "-"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        sh_token *ids = NULL;
        size_t n = 0;
        sh_err err = {0};
        assert_int_equal(sh_ids_parse(&ids, &n, wrong[i], strlen(wrong[i]), &err), SH_E_INVALID);
        assert_null(ids);
        assert_non_null(strstr(err.msg, "token ids"));
    }
    sh_token *ids = NULL;
    size_t n = 1;
    assert_int_equal(sh_ids_parse(&ids, &n, "", 0, NULL), SH_OK);
    assert_int_equal(n, 0);
    sh_free(ids);
}

static void ids_of_file(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    static const struct {
        const char *text;
        size_t sequence;
        int code, n;
    } rows[] = {
        {"[1, 2]", 0, SH_OK, 2},
        {"[1, 2]", 7, SH_OK, 2},
        {"[[1], [2, 3, 4]]", 1, SH_OK, 3},
        {"[]", 0, SH_OK, 0},
        {"[[1]]", 1, SH_E_INVALID, 0},
        {"{}", 0, SH_E_INVALID, 0},
        {"[1, 2.5]", 0, SH_E_INVALID, 0},
        {"[\"1\"]", 0, SH_E_INVALID, 0},
        {"[4294967296]", 0, SH_E_INVALID, 0},
        {"[1", 0, SH_E_CORRUPT, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        sh_token *ids = NULL;
        size_t n = 0;
        sh_err err = {0};
        tmpdir_write(dir, "ids.json", rows[i].text);
        int rc = sh_ids_read(&ids, &n, tmpdir_path(dir, "ids.json"), rows[i].sequence, &err);
        if (rc != rows[i].code || (rc == SH_OK && n != (size_t)rows[i].n))
            fail_msg("%s: code %d, %zu ids, %s", rows[i].text, rc, n, err.msg);
        sh_free(ids);
    }
    tmpdir_remove(dir);
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } rows[] = {{0, "0 B"},           {999, "999 B"},      {1000, "1.0 kB"},    {6.27e6, "6.3 MB"},
                {99.94e6, "99.9 MB"}, {99.96e6, "100 MB"}, {999.6e6, "1.0 GB"}, {1.5e9, "1.5 GB"},
                {5e12, "5.0 TB"},     {5e15, "5000 TB"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[16];
        assert_string_equal(sh_human_bytes(out, rows[i].bytes), rows[i].text);
    }
}

static void bar_lines(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        unsigned width;
        double total, done, seconds;
        const char *text;
    } rows[] = {
        {"", 80, 1, 0.5, 0.2, "work [###############               ]  50%"},
        {"", 80, 1, 0, 0.2, "work [                              ]   0%"},
        {"", 80, 1, 2, 0.2, "work [##############################] 100%"},
        {"B", 80, 4e6, 1e6, 2, "work [#######                       ]  25% 500 kB/s 6s left"},
        {"rows", 80, 100, 50, 10, "work [###############               ]  50% 5 rows/s 10s left"},
        {"", 24, 1, 0.5, 0.2, "work [#####      ]  50%"},
        {"", 12, 1, 0.5, 0.2, "work  50%"}, /* no room for a bar */
        {"", 1, 1, 0.5, 0.2, "work  50%"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[SH_PROGRESS_LINE];
        sh_progress p = {.label = "work", .unit = rows[i].unit, .total = rows[i].total};
        sh_progress_line(out, &p, rows[i].done, rows[i].seconds, rows[i].width);
        assert_string_equal(out, rows[i].text);
        assert_true(strlen(out) < rows[i].width || rows[i].width < 13);
    }
}

/* Nothing is drawn where nobody looks. */
static void bar_needs_a_terminal(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *text = NULL;
        size_t n = 0;
        FILE *diag = open_memstream(&text, &n);
        assert_non_null(diag);
        sh_cli cli = {.diag = diag, .diag_is_tty = i > 0, .quiet = i == 1, .json = i == 2};
        sh_progress p;
        sh_progress_begin(&p, &cli, "work", "", 1);
        p.begin_us -= p.begin_us < 1000000 ? p.begin_us : 1000000; /* as if it had run for a second */
        sh_progress_update(&p, 0.5);
        sh_progress_done(&p);
        assert_int_equal(fclose(diag), 0);
        assert_int_equal(n, 0);
        free(text);
    }
}

static void turns(void **state)
{
    (void)state;
    static const struct {
        const char *roles; /* u, a, s */
        size_t from, next;
    } rows[] = {{"uaua", 0, 2}, {"uaua", 2, 4}, {"u", 0, 1}, {"uuau", 0, 1}, {"aaua", 0, 2},
                {"uaau", 0, 3}, {"usau", 0, 3}, {"", 0, 0},  {"uau", 2, 3},  {"ua", 0, 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *messages = json_array();
        for (const char *r = rows[i].roles; *r; r++)
            json_array_append_new(messages, json_pack("{s:s,s:s}", "role",
                                                      *r == 'u'   ? "user"
                                                      : *r == 'a' ? "assistant"
                                                                  : "system",
                                                      "content", "x"));
        assert_int_equal(sh_chat_next_turn(messages, rows[i].from), rows[i].next);
        json_decref(messages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_text), cmocka_unit_test(ids_of_file),          cmocka_unit_test(sizes),
        cmocka_unit_test(bar_lines),   cmocka_unit_test(bar_needs_a_terminal), cmocka_unit_test(turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
