/* test_gguf_writer.c - writing GGUF: what is written is read back, equal input gives equal bytes, and a
 * failure at any point leaves no file. `test_gguf_writer --write PATH LAST_TYPE` writes the file that
 * tests/integration/peer_gguf.py compares, with the tensor types up to the last one that the peer knows. */
#include "unit/formats/fixture.h"
#include "unit/tmpdir.h"

#include <dirent.h>

#include "base/endian.h"
#include "formats/gguf_writer.h"

enum { SEED_STEP = 37 };

static size_t n_types(void)
{
    size_t n = 0;
    for (uint32_t type = 0; type < SH_DTYPE_COUNT; type++) n += sh_dtype_is_known(type);
    return n;
}

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = tmpdir_make();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(dir);
    return 0;
}

static size_t count_entries(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* Small finite numbers in every type, as in tools/gen_gguf_fixtures.py. */
static void fill(uint8_t *p, size_t n, size_t seed)
{
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)((seed * SEED_STEP + i * 11) % 0x3c);
}

/* Keys of every type through the typed setters, and through copy_meta those that have none. */
static int set_keys(sh_gguf_writer *w, sh_err *err)
{
    static const sh_str tokens[] = {{"a", 1}, {"", 0}, {"\xff\xfe", 2}, {"\u0633", 2}};
    static const float floats[] = {0.5f, -0.25f};
    static const int32_t ints[] = {-7, 8, INT32_MIN};
    static const uint8_t bytes[] = {1, 2, 255};
    static const sh_meta others[] = {
        {.key = "t.u8", .type = SH_META_U8, .v.u = 200},
        {.key = "t.i8", .type = SH_META_I8, .v.i = -100},
        {.key = "t.u16", .type = SH_META_U16, .v.u = 60000},
        {.key = "t.i16", .type = SH_META_I16, .v.i = -30000},
        {.key = "t.i64", .type = SH_META_I64, .v.i = -(1ll << 62)},
        {.key = "t.f64", .type = SH_META_F64, .v.f = -2.25},
        {.key = "a.i16",
         .type = SH_META_ARRAY,
         .elem_type = SH_META_I16,
         .n_elems = 2,
         .elems = (const uint8_t *)"\xff\xff\x01\x00",
         .n_elem_bytes = 4},
        {.key = "a.bool",
         .type = SH_META_ARRAY,
         .elem_type = SH_META_BOOL,
         .n_elems = 3,
         .elems = (const uint8_t *)"\1\0\1",
         .n_elem_bytes = 3},
    };
    int rc = sh_gguf_set_str(w, "general.architecture", sh_str_of("llama"), err);
    if (rc == SH_OK)
        rc = sh_gguf_set_str(w, "t.string", sh_str_of("h\u00e9llo \u0633\u0644\u0627\u0645"), err);
    if (rc == SH_OK) rc = sh_gguf_set_str(w, "t.empty", sh_str_of(""), err);
    if (rc == SH_OK) rc = sh_gguf_set_u32(w, "t.u32", 4000000000u, err);
    if (rc == SH_OK) rc = sh_gguf_set_i32(w, "t.i32", -2000000000, err);
    if (rc == SH_OK) rc = sh_gguf_set_u64(w, "t.u64", 1ull << 63, err);
    if (rc == SH_OK) rc = sh_gguf_set_f32(w, "t.f32", 1.5f, err);
    if (rc == SH_OK) rc = sh_gguf_set_bool(w, "t.bool", true, err);
    if (rc == SH_OK) rc = sh_gguf_set_strings(w, "a.string", tokens, COUNT(tokens), err);
    if (rc == SH_OK) rc = sh_gguf_set_f32s(w, "a.f32", floats, COUNT(floats), err);
    if (rc == SH_OK) rc = sh_gguf_set_i32s(w, "a.i32", ints, COUNT(ints), err);
    if (rc == SH_OK) rc = sh_gguf_set_u8s(w, "a.u8", bytes, COUNT(bytes), err);
    for (size_t i = 0; i < COUNT(others) && rc == SH_OK; i++) rc = sh_gguf_copy_meta(w, &others[i], err);
    return rc;
}

static int declare_types(sh_gguf_writer *w, uint32_t last_type, sh_err *err)
{
    int rc = SH_OK;
    for (uint32_t type = 0; type <= last_type && rc == SH_OK; type++) {
        const sh_dtype_info *info = sh_dtype_get(type);
        char name[32];
        if (!info) continue;
        snprintf(name, sizeof name, "type.%s", info->name);
        rc = sh_gguf_declare(w, name, (enum sh_dtype)type, 3, (uint64_t[]){info->block_elements, 3, 2}, err);
    }
    if (rc == SH_OK) rc = sh_gguf_declare(w, "empty", SH_F32, 2, (uint64_t[]){0, 4}, err);
    return rc;
}

/* The data in portions of `step` bytes, which need not end where tensors do. */
static int write_types(sh_gguf_writer *w, uint32_t last_type, size_t step, sh_err *err)
{
    sh_buf all = {0};
    int rc = SH_OK;
    size_t seed = 1;
    for (uint32_t type = 0; type <= last_type; type++) {
        const sh_dtype_info *info = sh_dtype_get(type);
        uint8_t data[6 * 512];
        if (!info) continue;
        fill(data, 6 * info->block_bytes, seed++);
        sh_buf_add(&all, data, 6 * info->block_bytes);
    }
    rc = sh_buf_ok(&all, err);
    for (size_t at = 0; at < all.n && rc == SH_OK; at += step)
        rc = sh_gguf_write(w, all.p + at, all.n - at < step ? all.n - at : step, err);
    sh_buf_clear(&all);
    return rc;
}

static int write_types_to(const char *path, uint32_t last_type, size_t step, sh_err *err)
{
    sh_gguf_writer *w = NULL;
    int rc = sh_gguf_writer_open(&w, path, err);
    if (rc == SH_OK) rc = set_keys(w, err);
    if (rc == SH_OK) rc = declare_types(w, last_type, err);
    if (rc == SH_OK) rc = sh_gguf_begin(w, err);
    if (rc == SH_OK) rc = write_types(w, last_type, step, err);
    if (rc == SH_OK) rc = sh_gguf_commit(w, err);
    sh_gguf_writer_free(w);
    return rc;
}

static int write_file(const char *path, size_t step, sh_err *err)
{
    return write_types_to(path, SH_DTYPE_COUNT - 1, step, err);
}

static void test_read_back(void **state)
{
    (void)state;
    sh_tensors *t = NULL;
    sh_err err = {0};
    const char *path = tmpdir_path(dir, "back.gguf");
    assert_ok(write_file(path, 1000, &err), &err);
    assert_ok(sh_tensors_open(&t, path, &err), &err);
    assert_int_equal(sh_tensors_count(t), n_types() + 1);
    assert_int_equal(sh_tensors_meta_count(t), 20);
    for (size_t i = 0; i < n_types(); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        uint8_t data[6 * 512];
        assert_int_equal(x->n_bytes, 6 * sh_dtypes[x->dtype].block_bytes);
        assert_int_equal(x->file_off % 32, 0);
        assert_int_equal(x->dims[0], sh_dtypes[x->dtype].block_elements);
        assert_true(x->n_dims == 3 && x->dims[1] == 3 && x->dims[2] == 2 && x->dims[3] == 1);
        fill(data, x->n_bytes, i + 1);
        assert_memory_equal(x->data, data, x->n_bytes);
    }
    assert_int_equal(sh_tensors_file_bytes(t) % 32, 0); /* the last one is padded as well */
    /* Each scalar is what every_key.gguf has, which another program wrote. */
    sh_tensors *other = NULL;
    assert_ok(sh_tensors_open(&other, fixture_path("gguf/every_key.gguf"), &err), &err);
    for (size_t i = 0; i < sh_tensors_meta_count(other); i++) {
        const sh_meta *m = sh_tensors_meta_at(other, i), *own = sh_tensors_meta(t, m->key);
        if (m->type == SH_META_ARRAY || strncmp(m->key, "t.", 2) != 0) continue;
        assert_non_null(own);
        assert_int_equal(own->type, m->type);
        if (m->type == SH_META_STRING)
            assert_true(sh_str_eq(own->v.s, m->v.s));
        else
            assert_int_equal(own->v.u, m->v.u);
    }
    assert_int_equal(sh_tensors_meta(t, "a.string")->n_elems, 4);
    assert_true(sh_str_is(sh_tensors_meta(t, "a.string")->strings[2], "\xff\xfe"));
    assert_int_equal(sh_get_u32(sh_tensors_meta(t, "a.i32")->elems + 8), 0x80000000u);
    sh_tensors_free(other);
    sh_tensors_free(t);
}

static void test_same_bytes(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 4096, 1 << 20};
    sh_err err = {0};
    fixture first = {0};
    for (size_t i = 0; i < COUNT(steps); i++) {
        char name[32];
        snprintf(name, sizeof name, "same%zu.gguf", i);
        assert_ok(write_file(tmpdir_path(dir, name), steps[i], &err), &err);
        fixture f = fixture_read(tmpdir_path(dir, name));
        if (i == 0) {
            first = f;
            continue;
        }
        assert_int_equal(f.n, first.n);
        assert_memory_equal(f.data, first.data, f.n);
        free(f.data);
    }
    free(first.data);
}

/* Reading and copying a file of another writer gives that file again, byte for byte, nested arrays and all.
 */
static void test_copy(void **state)
{
    (void)state;
    static const char *const files[] = {"gguf/every_key.gguf", "gguf/every_type.gguf", "gguf/align64.gguf"};
    for (size_t i = 0; i < COUNT(files); i++) {
        sh_tensors *t = NULL;
        sh_gguf_writer *w = NULL;
        sh_err err = {0};
        const char *path = tmpdir_path(dir, "copy.gguf");
        assert_ok(sh_tensors_open(&t, fixture_path(files[i]), &err), &err);
        assert_ok(sh_gguf_writer_open(&w, path, &err), &err);
        for (size_t k = 0; k < sh_tensors_meta_count(t); k++)
            assert_ok(sh_gguf_copy_meta(w, sh_tensors_meta_at(t, k), &err), &err);
        for (size_t k = 0; k < sh_tensors_count(t); k++) {
            const sh_tensor *x = sh_tensors_at(t, k);
            assert_ok(sh_gguf_declare(w, x->name, x->dtype, x->n_dims, x->dims, &err), &err);
        }
        assert_ok(sh_gguf_begin(w, &err), &err);
        for (size_t k = 0; k < sh_tensors_count(t); k++)
            assert_ok(sh_gguf_write(w, sh_tensors_at(t, k)->data, sh_tensors_at(t, k)->n_bytes, &err), &err);
        assert_ok(sh_gguf_commit(w, &err), &err);
        fixture want = fixture_read(fixture_path(files[i])), got = fixture_read(path);
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.data, want.data, want.n);
        free(want.data);
        free(got.data);
        sh_gguf_writer_free(w);
        sh_tensors_free(t);
    }
}

static void test_later_value_wins(void **state)
{
    (void)state;
    sh_gguf_writer *w = NULL;
    sh_tensors *t = NULL;
    sh_err err = {0};
    const char *path = tmpdir_path(dir, "later.gguf");
    assert_ok(sh_gguf_writer_open(&w, path, &err), &err);
    assert_ok(sh_gguf_set_u32(w, "a", 1, &err), &err);
    assert_ok(sh_gguf_set_u32(w, "b", 2, &err), &err);
    assert_ok(sh_gguf_set_str(w, "a", sh_str_of("later"), &err), &err);
    assert_ok(sh_gguf_begin(w, &err), &err);
    assert_ok(sh_gguf_commit(w, &err), &err);
    sh_gguf_writer_free(w);
    assert_ok(sh_tensors_open(&t, path, &err), &err);
    assert_int_equal(sh_tensors_meta_count(t), 2);
    assert_string_equal(sh_tensors_meta_at(t, 0)->key, "a");
    assert_true(sh_str_is(sh_tensors_meta_at(t, 0)->v.s, "later"));
    sh_tensors_free(t);
}

static void test_misuse(void **state)
{
    (void)state;
    sh_gguf_writer *w = NULL;
    sh_err err = {0};
    uint64_t dims[4] = {4, 1, 1, 1}, odd[1] = {33}, huge[4] = {1ull << 40, 1ull << 40, 1, 1};
    char long_name[65];
    memset(long_name, 'n', 64);
    long_name[64] = 0;
    assert_ok(sh_gguf_writer_open(&w, tmpdir_path(dir, "misuse.gguf"), &err), &err);
    assert_int_equal(sh_gguf_set_u32(w, "", 1, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_set_u32(w, "a\n", 1, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_set_str(w, "s", sh_str_of("\xff"), &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_declare(w, long_name, SH_F32, 1, dims, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "the name of tensor 0 to write is longer than 63 bytes"));
    assert_int_equal(sh_gguf_declare(w, "x", SH_OPAQUE, 1, dims, &err), SH_E_UNSUPPORTED);
    assert_int_equal(sh_gguf_declare(w, "x", SH_F32, 5, dims, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_declare(w, "x", SH_Q8_0, 1, odd, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_declare(w, "x", SH_F32, 4, huge, &err), SH_E_INVALID);
    assert_ok(sh_gguf_declare(w, "x", SH_F32, 1, dims, &err), &err);
    assert_int_equal(sh_gguf_declare(w, "x", SH_F32, 1, dims, &err), SH_E_EXISTS);
    assert_int_equal(sh_gguf_write(w, dims, 4, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_commit(w, &err), SH_E_INVALID);
    assert_ok(sh_gguf_begin(w, &err), &err);
    assert_int_equal(sh_gguf_begin(w, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_set_u32(w, "late", 1, &err), SH_E_INVALID);
    assert_int_equal(sh_gguf_declare(w, "late", SH_F32, 1, dims, &err), SH_E_INVALID);
    assert_ok(sh_gguf_write(w, dims, 12, &err), &err);
    assert_int_equal(sh_gguf_commit(w, &err), SH_E_INVALID);
    assert_non_null(
        strstr(err.msg, "misuse.gguf: tensor 'x' got 12 of 16 bytes; expected all before commit"));
    assert_int_equal(sh_gguf_write(w, dims, 5, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "more data were given than the declared tensors hold"));
    assert_int_equal(sh_gguf_commit(w, &err), SH_E_INVALID);
    sh_gguf_writer_free(w);
    assert_false(access(tmpdir_path(dir, "misuse.gguf"), F_OK) == 0);
    w = NULL;
    assert_ok(sh_gguf_writer_open(&w, tmpdir_path(dir, "misuse.gguf"), &err), &err);
    assert_ok(sh_gguf_set_u32(w, "general.alignment", 48, &err), &err);
    assert_int_equal(sh_gguf_begin(w, &err), SH_E_INVALID);
    sh_gguf_writer_free(w);
    sh_gguf_writer_free(NULL);
    assert_int_equal(sh_gguf_writer_open(&w, tmpdir_path(dir, "no/such/folder.gguf"), &err), SH_E_NOTFOUND);
}

#ifdef SHOAL_FAULT
/* Make the k-th call of a kind fail, for every k: an error, and neither the file nor a temp file. */
static void check_faults(enum sh_fault_kind kind)
{
    const char *path = tmpdir_path(dir, "fault.gguf");
    size_t n_before = count_entries();
    long n_failures = 0;
    bool fired = true;
    for (long k = 0; fired; k++) {
        sh_err err = {0};
        sh_fault_arm(kind, k);
        int rc = write_file(path, 100000, &err);
        fired = sh_fault_fired(kind);
        sh_fault_arm(kind, -1);
        if (rc == SH_OK) {
            /* Nothing failed, or only something that the file does not need. */
            assert_int_equal(count_entries(), n_before + 1);
            assert_int_equal(remove(path), 0);
        } else {
            bool is_published = access(path, F_OK) == 0;
            n_failures++;
            assert_true(fired && err.msg[0]);
            /* Once renamed, the file is whole; only that the folder could not be synced is reported. */
            if (is_published) {
                sh_tensors *t = NULL;
                assert_ok(sh_tensors_open(&t, path, &err), &err);
                assert_int_equal(sh_tensors_count(t), n_types() + 1);
                sh_tensors_free(t);
                assert_int_equal(remove(path), 0);
            }
            assert_int_equal(count_entries(), n_before);
        }
        assert_true(k < 10000);
    }
    assert_true(n_failures > 3);
}

static void test_faults(void **state)
{
    (void)state;
    check_faults(SH_FAULT_SYSCALL);
    check_faults(SH_FAULT_ALLOC);
}
#else
static void test_faults(void **state)
{
    (void)state, (void)count_entries;
}
#endif

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--write") == 0) {
        sh_err err = {0};
        int rc = write_types_to(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), 4096, &err);
        if (rc < 0) fprintf(stderr, "%s\n", err.msg);
        return rc < 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back), cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_copy),      cmocka_unit_test(test_later_value_wins),
        cmocka_unit_test(test_misuse),    cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
