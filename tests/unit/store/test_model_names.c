/* test_model_names.c - what a name means, and that it never leaves its folder. */
#include "unit/test.h"
#include "unit/tmpdir.h"

#include "base/mem.h"
#include "store/model_names.h"

typedef struct fixture {
    char *home, *old;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->home = tmpdir_make();
    f->old = getcwd(NULL, 0);
    setenv("SHOAL_HOME", f->home, 1);
    tmpdir_write(f->home, "models/alpha.gguf", "alpha");
    tmpdir_write(f->home, "models/beta-q4.gguf", "beta in q4");
    tmpdir_write(f->home, "models/folder/config.json", "{}");
    tmpdir_write(f->home, "models/folder/a-1.safetensors", "12345");
    tmpdir_write(f->home, "models/folder/a-2.safetensors", "123");
    tmpdir_write(f->home, "models/empty/readme", "no model");
    tmpdir_write(f->home, "models/notes.txt", "no model");
    tmpdir_write(f->home, "models/tiny.bin", "llama2.c");
    tmpdir_write(f->home, "secret.gguf", "outside");
    tmpdir_write(f->home, "work/local.gguf", "here");
    assert_int_equal(chdir(tmpdir_path(f->home, "work")), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    assert_int_equal(chdir(f->old), 0);
    free(f->old);
    tmpdir_remove(f->home);
    free(f);
    return 0;
}

static void resolves(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *name, *path; /* path below SHOAL_HOME, or as it is when it begins with '=' */
    } rows[] = {
        {"alpha", "models/alpha.gguf"},       {"beta:q4", "models/beta-q4.gguf"},
        {"beta-q4", "models/beta-q4.gguf"},   {"alpha.gguf", "models/alpha.gguf"},
        {"folder", "models/folder"},          {"tiny", "models/tiny.bin"},
        {"local.gguf", "=local.gguf"},        {"./local.gguf", "=./local.gguf"},
        {"../secret.gguf", "=../secret.gguf"}}; /* a path is a path: only names are bound to the folder */
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *path = NULL;
        sh_err err = {0};
        assert_ok(sh_names_resolve(&path, rows[i].name, &err), &err);
        assert_string_equal(path,
                            rows[i].path[0] == '=' ? rows[i].path + 1 : tmpdir_path(f->home, rows[i].path));
        sh_free(path);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const names[] = {"gamma",
                                        "Alpha",
                                        "beta:q8",
                                        "..",
                                        ".",
                                        "beta:",
                                        ":q4",
                                        "a:b:c",
                                        "secret",
                                        "al*",
                                        "al pha",
                                        "alpha\n",
                                        "%2e%2e",
                                        "models/alpha.gguf",
                                        "../models/../gone.gguf"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char *path = NULL;
        sh_err err = {0};
        if (strcmp(names[i], "..") == 0 || strcmp(names[i], ".") == 0)
            continue; /* folders that exist: the model says no */
        int rc = sh_names_resolve(&path, names[i], &err);
        if (rc != SH_E_NOTFOUND) fail_msg("'%s': code %d, %s", names[i], rc, path ? path : "");
        assert_null(path);
        assert_null(strchr(err.msg, '\n'));
    }
    char *path = NULL, name[301];
    sh_err err = {0};
    assert_int_equal(sh_names_resolve(&path, "", &err), SH_E_INVALID);
    memset(name, 'x', 300), name[300] = 0;
    assert_int_equal(sh_names_resolve(&path, name, &err), SH_E_NOTFOUND);
    assert_int_equal(sh_names_resolve(&path, "gamma", &err), SH_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "alpha, beta-q4")); /* what there is instead */
}

static void lists(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t n_bytes;
    } want[] = {{"alpha", 5}, {"beta-q4", 10}, {"folder", 8}};
    sh_name_entry *entries = NULL;
    size_t n = 0, found = 0;
    sh_err err = {0};
    assert_ok(sh_names_list(&entries, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        if (i) assert_true(strcmp(entries[i - 1].name, entries[i].name) < 0);
        for (size_t k = 0; k < COUNT(want); k++)
            if (strcmp(entries[i].name, want[k].name) == 0) {
                assert_int_equal(entries[i].n_bytes, want[k].n_bytes);
                assert_true(entries[i].modified_unix > 1000000000);
                assert_false(entries[i].is_bundled);
                found++;
            }
        assert_string_not_equal(entries[i].name, "empty");
        assert_string_not_equal(entries[i].name, "notes");
    }
    assert_int_equal(found, COUNT(want));
    sh_names_free(entries, n);
    sh_names_free(NULL, 0);
}

/* A model that is listed is the model that its name opens. */
static void list_and_resolve_agree(void **state)
{
    fixture *f = *state;
    tmpdir_write(f->home, "models/twice.gguf", "a file");
    tmpdir_write(f->home, "models/twice/config.json", "{}");
    sh_name_entry *entries = NULL;
    size_t n = 0;
    assert_ok(sh_names_list(&entries, &n, NULL), NULL);
    for (size_t i = 0; i < n; i++) {
        char *path = NULL;
        assert_ok(sh_names_resolve(&path, entries[i].name, NULL), NULL);
        assert_string_equal(path, entries[i].path);
        sh_free(path);
    }
    sh_names_free(entries, n);
}

static void names_of_paths(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"dir/minnow.gguf", "minnow"},
        {"minnow", "minnow"},
        {"/a/b/", "b"},
        {"x.safetensors", "x"},
        {"x.bin", "x"},
        {"a.gguf.gguf", "a.gguf"},
        {".gguf", ""},
        {"v1.5", "v1.5"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *name = sh_names_of_path(rows[i][0]);
        assert_string_equal(name, rows[i][1]);
        sh_free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resolves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list_and_resolve_agree, set_up, tear_down),
        cmocka_unit_test(names_of_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
