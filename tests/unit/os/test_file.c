/* test_file.c - whole reads, atomic writes, folders, paths, mappings, and each of their system calls failing. */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "os/file.h"
#include "unit/tmpdir.h"

enum { LIMIT = 1 << 20 };

static int count_one(void *ud, const char *name)
{
    (void)name;
    ++*(int *)ud;
    return 0;
}

static int entries(const char *dir)
{
    int n = 0;
    assert_ok(sh_dir_each(dir, count_one, &n, NULL), NULL);
    return n;
}

static void assert_content(const char *path, const char *wanted)
{
    sh_buf b = {0};
    sh_err err = {0};
    assert_ok(sh_file_read(path, LIMIT, &b, &err), &err);
    assert_int_equal(b.n, strlen(wanted));
    assert_memory_equal(b.p, wanted, b.n);
    sh_buf_clear(&b);
}

static void test_read_limits(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    const char *path = tmpdir_path(dir, "five");
    sh_buf b = {0};
    sh_err err = {0};
    tmpdir_write(dir, "five", "12345");
    sh_buf_puts(&b, "<");
    assert_ok(sh_file_read(path, 5, &b, &err), &err);
    assert_string_equal(b.p, "<12345");
    assert_int_equal(sh_file_read(path, 4, &b, &err), SH_E_LIMIT);
    assert_string_equal(b.p, "<12345"); /* a failure leaves what was there */
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(sh_file_read(tmpdir_path(dir, "none"), 4, &b, &err), SH_E_NOTFOUND);
    assert_int_equal(err.os_errno, ENOENT);
    assert_int_equal(sh_file_read(dir, LIMIT, &b, &err), SH_E_IO); /* a folder */
    assert_ok(sh_file_read("/proc/self/stat", LIMIT, &b, &err), &err); /* says it has 0 bytes, has more */
    assert_true(b.n > 6);
    assert_int_equal(sh_file_read("/proc/self/stat", 3, &b, &err), SH_E_LIMIT);
    assert_int_equal(sh_file_read("/dev/zero", LIMIT, &b, &err), SH_E_LIMIT); /* never ends */
    sh_buf_clear(&b);
    tmpdir_write(dir, "empty", "");
    assert_ok(sh_file_read(tmpdir_path(dir, "empty"), 0, &b, &err), &err);
    assert_int_equal(b.n, 0);
    sh_buf_clear(&b);
    tmpdir_remove(dir);
}

static void test_read_standard_input(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO);
    sh_buf b = {0};
    sh_err err = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a prompt", 8), 8);
    close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    close(ends[0]);
    assert_ok(sh_file_read("-", LIMIT, &b, &err), &err);
    assert_string_equal(b.p, "a prompt");
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* not closed: it is not ours */
    dup2(saved, STDIN_FILENO);
    close(saved);
    sh_buf_clear(&b);
}

static void test_write_and_replace(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    const char *path = tmpdir_path(dir, "f"), *link_path = tmpdir_path(dir, "link");
    struct stat st;
    sh_err err = {0};
    assert_ok(sh_file_write(path, "one", 3, &err), &err);
    assert_content(path, "one");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("f", link_path), 0);
    assert_ok(sh_file_write(link_path, "two", 3, &err), &err);
    assert_content(path, "two");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(entries(dir), 2);
    assert_ok(sh_file_write(path, NULL, 0, &err), &err);
    assert_content(path, "");
    assert_int_equal(sh_file_write(dir, "x", 1, &err), SH_E_EXISTS);
    assert_int_equal(sh_file_write(tmpdir_path(dir, "no/f"), "x", 1, &err), SH_E_NOTFOUND);
    assert_ok(sh_file_write("/dev/null", "x", 1, &err), &err);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* written to, not replaced */
    tmpdir_remove(dir);
}

static void test_writer(void **state)
{
    (void)state;
    enum { BIG = 300000 };
    char *dir = tmpdir_make(), *big = sh_alloc(BIG, 1);
    const char *path = tmpdir_path(dir, "w");
    sh_writer *w = NULL;
    sh_err err = {0};
    sh_buf b = {0};
    uint64_t n = 0, mtime;
    memset(big, 'x', BIG);
    tmpdir_write(dir, "w", "old");
    assert_ok(sh_writer_open(&w, path, &err), &err);
    assert_ok(sh_writer_add(w, "ab", 2, &err), &err);
    assert_ok(sh_writer_add(w, big, BIG, &err), &err);
    for (int i = 0; i < 5; i++) assert_ok(sh_writer_add(w, big, 60000, &err), &err);
    assert_int_equal(sh_writer_offset(w), 2 + BIG + 300000);
    assert_content(path, "old");
    assert_ok(sh_writer_commit(w, &err), &err);
    assert_int_equal(sh_writer_commit(w, &err), SH_E_INVALID);
    sh_writer_free(w);
    assert_ok(sh_file_read(path, LIMIT, &b, &err), &err);
    assert_int_equal(b.n, 2 + BIG + 300000);
    assert_memory_equal(b.p, "abxx", 4);
    assert_ok(sh_file_size(path, &n, &err), &err);
    assert_int_equal(n, b.n);
    assert_ok(sh_file_mtime_us(path, &mtime, &err), &err);
    assert_true(mtime > UINT64_C(1600000000000000));
    sh_buf_clear(&b);
    assert_ok(sh_writer_open(&w, path, &err), &err);
    assert_ok(sh_writer_add(w, "dropped", 7, &err), &err);
    sh_writer_free(w); /* rolls back */
    sh_writer_free(NULL);
    assert_ok(sh_file_size(path, &n, &err), &err);
    assert_int_equal(n, 2 + BIG + 300000);
    assert_int_equal(entries(dir), 1);
    sh_free(big);
    tmpdir_remove(dir);
}

typedef struct names {
    char text[64];
    int stop_after;
} names;

static int add_name(void *ud, const char *name)
{
    names *l = ud;
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s ", name);
    return --l->stop_after == 0 ? 42 : 0;
}

static void test_folders(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_err err = {0};
    names l = {.stop_after = -1};
    uint64_t n;
    assert_ok(sh_dir_make(tmpdir_path(dir, "a//b/c/"), &err), &err);
    assert_ok(sh_dir_make(tmpdir_path(dir, "a/b/c"), &err), &err);
    assert_ok(sh_dir_make("/", &err), &err);
    assert_true(sh_file_is_dir(tmpdir_path(dir, "a/b/c")));
    tmpdir_write(dir, "a/f", "");
    tmpdir_write(dir, "a/B", "");
    tmpdir_write(dir, "a/.hidden", "");
    assert_false(sh_file_is_dir(tmpdir_path(dir, "a/f")));
    assert_true(sh_file_exists(tmpdir_path(dir, "a/f")));
    assert_false(sh_file_exists(tmpdir_path(dir, "a/g")));
    assert_int_equal(sh_dir_make(tmpdir_path(dir, "a/f"), &err), SH_E_EXISTS);
    assert_int_equal(sh_dir_make(tmpdir_path(dir, "a/f/g"), &err), SH_E_EXISTS);
    assert_int_equal(sh_dir_make("", &err), SH_E_INVALID);
    assert_ok(sh_dir_each(tmpdir_path(dir, "a"), add_name, &l, &err), &err);
    assert_string_equal(l.text, ".hidden B b f ");
    l = (names){.stop_after = 2};
    assert_int_equal(sh_dir_each(tmpdir_path(dir, "a"), add_name, &l, &err), 42);
    assert_string_equal(l.text, ".hidden B ");
    assert_int_equal(sh_dir_each(tmpdir_path(dir, "none"), add_name, &l, &err), SH_E_NOTFOUND);
    assert_ok(sh_file_remove(tmpdir_path(dir, "a/f"), &err), &err);
    assert_int_equal(sh_file_remove(tmpdir_path(dir, "a/f"), &err), SH_E_NOTFOUND);
    assert_int_equal(sh_file_size(tmpdir_path(dir, "a/f"), &n, &err), SH_E_NOTFOUND);
    assert_int_equal(sh_file_mtime_us(tmpdir_path(dir, "a/f"), &n, &err), SH_E_NOTFOUND);
    tmpdir_remove(dir);
}

static void assert_taken(char *got, const char *wanted)
{
    assert_non_null(got);
    assert_string_equal(got, wanted);
    sh_free(got);
}

static void test_paths(void **state)
{
    (void)state;
    assert_taken(sh_path_sibling("a/b", "c"), "a/c");
    assert_taken(sh_path_sibling("/b", "c"), "/c");
    assert_taken(sh_path_sibling("b", "c"), "./c");
    assert_taken(sh_path_join("a", "b"), "a/b");
    assert_taken(sh_path_join("a/", "b"), "a/b");
    assert_taken(sh_path_join("", "b"), "b");
    assert_taken(sh_path_join("/", "b"), "/b");
    assert_string_equal(sh_path_base("a/b"), "b");
    assert_string_equal(sh_path_base("b"), "b");
    assert_string_equal(sh_path_base("a/"), "");
}

static void test_known_places(void **state)
{
    (void)state;
    setenv("SHOAL_HOME", "/own", 1);
    setenv("XDG_DATA_HOME", "/data", 1);
    setenv("HOME", "/home/me", 1);
    assert_taken(sh_home_dir(), "/own");
    setenv("SHOAL_HOME", "", 1);
    assert_taken(sh_home_dir(), "/data/shoal");
    setenv("XDG_DATA_HOME", "relative", 1);
    assert_taken(sh_home_dir(), "/home/me/.local/share/shoal");
    unsetenv("HOME"); /* then the user database knows */
    char *home = sh_home_dir();
    assert_true(!home || sh_ends_with(home, "/.local/share/shoal"));
    sh_free(home);
    char *program = sh_program_dir();
    assert_non_null(program);
    assert_true(sh_file_exists(tmpdir_path(program, "test_file")));
    sh_free(program);
}

static void test_map(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_map_file m = {0};
    sh_err err = {0};
    tmpdir_write(dir, "f", "mapped");
    tmpdir_write(dir, "empty", "");
    assert_ok(sh_map_file_open(&m, tmpdir_path(dir, "f"), &err), &err);
    assert_int_equal(m.n, 6);
    assert_memory_equal(m.data, "mapped", 6);
    sh_map_file_will_need(m.data + 2, 3);
    sh_map_file_dont_need(m.data, m.n);
    assert_memory_equal(m.data, "mapped", 6);
    sh_map_file_close(&m);
    assert_null(m.data);
    sh_map_file_close(&m);
    assert_ok(sh_map_file_open(&m, tmpdir_path(dir, "empty"), &err), &err);
    assert_non_null(m.data);
    assert_int_equal(m.n, 0);
    sh_map_file_close(&m);
    assert_int_equal(sh_map_file_open(&m, dir, &err), SH_E_INVALID);
    assert_int_equal(sh_map_file_open(&m, tmpdir_path(dir, "none"), &err), SH_E_NOTFOUND);
    tmpdir_remove(dir);
}

static void test_pages(void **state)
{
    (void)state;
    size_t n = ((size_t)8 << 20) + 1;
    unsigned char *p = sh_pages_alloc(n);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 4096, 0);
    assert_int_equal(p[0] | p[n - 1], 0);
    p[n - 1] = 1;
    sh_pages_free(p, n);
    p = sh_pages_alloc(0);
    assert_non_null(p);
    sh_pages_free(p, 0);
    assert_null(sh_pages_alloc(SIZE_MAX));
    assert_null(sh_pages_alloc(SIZE_MAX / 2));
    sh_pages_free(NULL, 5);
}

#ifdef SHOAL_FAULT
/* Run op in a fresh folder with call number k of this kind failing, for k = 0, 1, ... until it succeeds. */
typedef int (*fault_op)(const char *dir, sh_err *err);

static void torture(enum sh_fault_kind kind, fault_op op, void (*check)(const char *dir, int rc))
{
    char *dir = tmpdir_make();
    bool fired = true;
    for (long k = 0; fired; k++) {
        sh_err err = {0};
        assert_in_range(k, 0, 200);
        tmpdir_write(dir, "f", "old");
        sh_fault_arm(kind, k);
        int rc = op(dir, &err);
        fired = sh_fault_fired(kind);
        sh_fault_arm(kind, -1);
        if (rc == SH_OK) {
            assert_int_equal(err.msg[0], 0);
        } else {
            assert_true(fired);
            assert_int_equal(rc, err.code);
            assert_int_equal(rc, kind == SH_FAULT_ALLOC ? SH_E_NOMEM : SH_E_IO);
            assert_true(err.msg[0] != 0);
        }
        check(dir, rc);
        assert_true(fired || rc == SH_OK);
    }
    tmpdir_remove(dir);
}

static int op_write(const char *dir, sh_err *err) { return sh_file_write(tmpdir_path(dir, "f"), "fresh", 5, err); }

static void check_write(const char *dir, int rc)
{
    sh_buf b = {0};
    assert_ok(sh_file_read(tmpdir_path(dir, "f"), LIMIT, &b, NULL), NULL);
    if (rc == SH_OK) assert_string_equal(b.p, "fresh");
    assert_true(strcmp(b.p, "old") == 0 || strcmp(b.p, "fresh") == 0);
    assert_int_equal(entries(dir), 1); /* the temp file is gone */
    sh_buf_clear(&b);
}

static int op_read(const char *dir, sh_err *err)
{
    sh_buf b = {0};
    int rc = sh_file_read(tmpdir_path(dir, "f"), LIMIT, &b, err);
    assert_int_equal(b.n > 0, rc == SH_OK); /* all or nothing */
    sh_buf_clear(&b);
    return rc;
}

static int op_map(const char *dir, sh_err *err)
{
    sh_map_file m = {0};
    int rc = sh_map_file_open(&m, tmpdir_path(dir, "f"), err);
    if (rc < 0) assert_null(m.data);
    sh_map_file_close(&m);
    return rc;
}

static int op_list(const char *dir, sh_err *err)
{
    int n = 0;
    return sh_dir_each(dir, count_one, &n, err);
}

static int op_make(const char *dir, sh_err *err)
{
    int rc = sh_dir_make(tmpdir_path(dir, "x/y"), err);
    rmdir(tmpdir_path(dir, "x/y"));
    rmdir(tmpdir_path(dir, "x"));
    return rc;
}

static void check_nothing(const char *dir, int rc)
{
    (void)rc;
    assert_int_equal(entries(dir), 1);
}

static void test_faults(void **state)
{
    (void)state;
    for (int kind = 0; kind < SH_FAULT_COUNT; kind++) {
        torture((enum sh_fault_kind)kind, op_write, check_write);
        torture((enum sh_fault_kind)kind, op_read, check_nothing);
        torture((enum sh_fault_kind)kind, op_map, check_nothing);
        torture((enum sh_fault_kind)kind, op_list, check_nothing);
        torture((enum sh_fault_kind)kind, op_make, check_nothing);
    }
    for (int kind = 0; kind < SH_FAULT_COUNT; kind++) {
        sh_fault_arm((enum sh_fault_kind)kind, 0);
        assert_null(sh_pages_alloc(10));
        sh_fault_arm((enum sh_fault_kind)kind, -1);
    }
}

/* Each descriptor is closed again, whatever fails. */
static void test_no_descriptor_leaks(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    int before = dup(0);
    close(before);
    for (long k = 0; k < 20; k++) {
        tmpdir_write(dir, "f", "old");
        sh_fault_arm(SH_FAULT_SYSCALL, k);
        op_write(dir, NULL);
        sh_fault_arm(SH_FAULT_SYSCALL, k);
        op_read(dir, NULL);
        sh_fault_arm(SH_FAULT_SYSCALL, k);
        op_map(dir, NULL);
        sh_fault_arm(SH_FAULT_SYSCALL, k);
        op_list(dir, NULL);
        sh_fault_arm(SH_FAULT_SYSCALL, -1);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    tmpdir_remove(dir);
}
#else
static void test_faults(void **state)
{
    (void)state;
    skip();
}

static void test_no_descriptor_leaks(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_limits), cmocka_unit_test(test_read_standard_input),
        cmocka_unit_test(test_write_and_replace), cmocka_unit_test(test_writer),
        cmocka_unit_test(test_folders), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_known_places), cmocka_unit_test(test_map),
        cmocka_unit_test(test_pages), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_no_descriptor_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
