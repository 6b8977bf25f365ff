/* test_gguf.c - reading GGUF: every key and tensor type, split files, and what broken files are told. */
#include "unit/formats/fixture.h"

#include <math.h>

#include "base/endian.h"
#include "os/clock.h"

static sh_tensors *open_fixture(const char *name)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    assert_ok(sh_tensors_open(&t, fixture_path(name), &err), &err);
    touch_all(t);
    return t;
}

static void test_every_scalar(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("gguf/every_key.gguf");
    static const struct {
        const char *key;
        enum sh_meta_type type;
        int64_t value;
    } cases[] = {
        {"t.u8", SH_META_U8, 200},          {"t.i8", SH_META_I8, -100},
        {"t.u16", SH_META_U16, 60000},      {"t.i16", SH_META_I16, -30000},
        {"t.u32", SH_META_U32, 4000000000}, {"t.i32", SH_META_I32, -2000000000},
        {"t.u64", SH_META_U64, INT64_MIN},  {"t.i64", SH_META_I64, -(1ll << 62)},
    };
    assert_string_equal(sh_tensors_container(t), "gguf");
    assert_int_equal(sh_tensors_meta_count(t), 28);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sh_meta *m = sh_tensors_meta(t, cases[i].key);
        assert_non_null(m);
        assert_int_equal(m->type, cases[i].type);
        assert_int_equal(m->v.i, cases[i].value);
    }
    assert_true(sh_tensors_meta(t, "t.f32")->v.f == 1.5);
    assert_true(sh_tensors_meta(t, "t.f64")->v.f == -2.25);
    assert_true(sh_tensors_meta(t, "t.bool")->v.b);
    assert_true(sh_str_is(sh_tensors_meta(t, "t.string")->v.s, "h\u00e9llo \u0633\u0644\u0627\u0645"));
    assert_int_equal(sh_tensors_meta(t, "t.empty")->v.s.n, 0);
    assert_null(sh_tensors_meta(t, "t.absent"));
    assert_null(sh_tensors_meta_at(t, 28));
    sh_tensors_free(t);
}

static void test_every_array(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("gguf/every_key.gguf");
    static const struct {
        const char *key;
        enum sh_meta_type type;
        uint64_t n, n_bytes;
    } cases[] = {
        {"a.u8", SH_META_U8, 3, 3},         {"a.i8", SH_META_I8, 2, 2},     {"a.u16", SH_META_U16, 2, 4},
        {"a.i16", SH_META_I16, 1, 2},       {"a.u32", SH_META_U32, 2, 8},   {"a.i32", SH_META_I32, 3, 12},
        {"a.f32", SH_META_F32, 2, 8},       {"a.bool", SH_META_BOOL, 3, 3}, {"a.u64", SH_META_U64, 1, 8},
        {"a.i64", SH_META_I64, 1, 8},       {"a.f64", SH_META_F64, 2, 16},  {"a.none", SH_META_I32, 0, 0},
        {"a.nested", SH_META_ARRAY, 3, 76},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sh_meta *m = sh_tensors_meta(t, cases[i].key);
        assert_non_null(m);
        assert_int_equal(m->type, SH_META_ARRAY);
        assert_int_equal(m->elem_type, cases[i].type);
        assert_int_equal(m->n_elems, cases[i].n);
        assert_int_equal(m->n_elem_bytes, cases[i].n_bytes);
        assert_null(m->strings);
    }
    const sh_meta *f = sh_tensors_meta(t, "a.f32"), *s = sh_tensors_meta(t, "a.string");
    assert_true(sh_get_f32(f->elems + 4) == -0.25f);
    assert_int_equal(s->n_elems, 4);
    assert_null(s->elems);
    assert_true(sh_str_is(s->strings[0], "a"));
    assert_int_equal(s->strings[1].n, 0);
    assert_true(sh_str_is(s->strings[2], "\xff\xfe")); /* a token may be any bytes */
    assert_true(sh_str_is(s->strings[3], "\u0633"));
    sh_tensors_free(t);
}

static void test_typed_lookups(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("gguf/every_key.gguf");
    uint64_t u = 77;
    double d = 0;
    bool b = false;
    sh_str s;
    sh_err err = {0};
    assert_ok(sh_meta_get_u64(t, "t.u16", &u, 60000, &err), &err);
    assert_int_equal(u, 60000);
    assert_int_equal(sh_meta_get_u64(t, "t.u16", &u, 59999, &err), SH_E_RANGE);
    assert_int_equal(sh_meta_get_u64(t, "t.i8", &u, UINT64_MAX, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "key 't.i8' is -100; expected 0 to"));
    assert_int_equal(sh_meta_get_u64(t, "t.f32", &u, 10, &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "key 't.f32' has type f32; expected an integer"));
    assert_int_equal(sh_meta_get_u64(t, "a.u8", &u, 10, &err), SH_E_INVALID);
    assert_int_equal(sh_meta_get_u64(t, "nothing", &u, 10, &err), SH_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "every_key.gguf: key 'nothing' is missing"));
    assert_int_equal(u, 60000);
    assert_ok(sh_meta_get_u64(t, "t.u64", &u, UINT64_MAX, &err), &err);
    assert_true(u == 1ull << 63);
    assert_ok(sh_meta_get_f64(t, "t.f64", &d, &err), &err);
    assert_true(d == -2.25);
    assert_ok(sh_meta_get_f64(t, "t.i16", &d, &err), &err);
    assert_true(d == -30000);
    assert_int_equal(sh_meta_get_f64(t, "t.bool", &d, &err), SH_E_INVALID);
    assert_ok(sh_meta_get_bool(t, "t.bool", &b, &err), &err);
    assert_true(b);
    assert_int_equal(sh_meta_get_bool(t, "t.u8", &b, &err), SH_E_INVALID);
    assert_ok(sh_meta_get_str(t, "general.architecture", &s, &err), &err);
    assert_true(sh_str_is(s, "llama"));
    assert_int_equal(sh_meta_get_str(t, "t.u8", &s, &err), SH_E_INVALID);
    assert_int_equal(sh_meta_get_str(t, "no", &s, &err), SH_E_NOTFOUND);
    sh_tensors_free(t);
}

static void test_every_tensor_type(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("gguf/every_type.gguf");
    size_t n_known = 0, n = 0;
    for (uint32_t type = 0; type < SH_DTYPE_COUNT; type++) n_known += sh_dtype_is_known(type);
    n = sh_tensors_count(t);
    assert_int_equal(n, n_known);
    for (size_t i = 0; i < n; i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        const sh_dtype_info *info = sh_dtype_get(x->dtype);
        char name[32];
        snprintf(name, sizeof name, "type.%d", (int)x->dtype);
        assert_string_equal(x->name, name);
        assert_string_equal(x->type_name, info->name);
        assert_int_equal(x->n_bytes, 2 * info->block_bytes);
        assert_int_equal(x->dims[0], info->block_elements);
        assert_int_equal(x->file_off % 32, 0);
        /* The generator's pattern: the first byte is (index + 1) * 37 modulo 60. */
        assert_int_equal(x->data[0], (i + 1) * 37 % 60);
        assert_int_equal(sh_tensor_require(t, x, NULL), SH_OK);
    }
    assert_null(sh_tensors_at(t, n));
    assert_null(sh_tensors_find(t, "type.99"));
    sh_tensors_free(t);
}

static void test_shapes_and_places(void **state)
{
    (void)state;
    static const char *const same[] = {"gguf/version2.gguf", "gguf/align64.gguf",
                                       "gguf/no_tail_padding.gguf"};
    for (size_t i = 0; i < COUNT(same); i++) {
        sh_tensors *t = open_fixture(same[i]);
        const sh_tensor *x = sh_tensors_find(t, "tok.weight"), *y = sh_tensors_find(t, "out.weight");
        assert_int_equal(x->n_dims, 2);
        assert_int_equal(x->dims[0], 4);
        assert_int_equal(x->dims[1], 3);
        assert_int_equal(x->dims[2] * x->dims[3], 1);
        assert_int_equal(x->n_bytes, 48);
        assert_int_equal(y->dtype, SH_F16);
        assert_int_equal(y->file_off - x->file_off, 64);
        assert_int_equal(x->file_off % (i == 1 ? 64 : 32), 0);
        assert_int_equal(sh_tensors_files(t), 1);
        assert_string_equal(sh_tensors_file(t, 0), fixture_path(same[i]));
        sh_tensors_free(t);
    }
    sh_tensors *t = open_fixture("gguf/scalar_and_empty.gguf");
    assert_int_equal(sh_tensors_find(t, "scalar")->n_dims, 0);
    assert_int_equal(sh_tensors_find(t, "scalar")->n_bytes, 4);
    assert_int_equal(sh_tensors_find(t, "empty")->n_bytes, 0);
    assert_int_equal(sh_tensors_find(t, "last")->n_bytes, 3);
    sh_tensors_free(t);
    t = open_fixture("gguf/out_of_order.gguf");
    assert_int_equal(sh_tensors_find(t, "b")->file_off - sh_tensors_find(t, "a")->file_off, 64);
    assert_string_equal(sh_tensors_at(t, 0)->name, "b");
    sh_tensors_free(t);
    t = open_fixture("gguf/no_tensors.gguf");
    assert_int_equal(sh_tensors_count(t), 0);
    assert_null(sh_tensors_at(t, 0));
    sh_tensors_free(t);
}

static void test_split(void **state)
{
    (void)state;
    static const char *const parts[] = {"gguf/split/good-00001-of-00003.gguf",
                                        "gguf/split/good-00002-of-00003.gguf",
                                        "gguf/split/good-00003-of-00003.gguf"};
    static const char names[] = "abcd";
    static const uint32_t files[] = {0, 1, 1, 2};
    for (size_t given = 0; given < COUNT(parts); given++) {
        sh_tensors *t = open_fixture(parts[given]);
        uint64_t n_bytes = 0;
        assert_int_equal(sh_tensors_count(t), 4);
        assert_int_equal(sh_tensors_files(t), 3);
        for (size_t i = 0; i < 4; i++) {
            const sh_tensor *x = sh_tensors_at(t, i);
            assert_int_equal(x->name[0], names[i]);
            assert_int_equal(x->i_file, files[i]);
            fixture f = fixture_read(sh_tensors_file(t, x->i_file));
            assert_memory_equal(x->data, f.data + x->file_off, x->n_bytes);
            free(f.data);
        }
        for (size_t i = 0; i < 3; i++) {
            fixture f = fixture_read(fixture_path(parts[i]));
            assert_string_equal(sh_tensors_file(t, i), fixture_path(parts[i]));
            n_bytes += f.n;
            free(f.data);
        }
        assert_int_equal(sh_tensors_file_bytes(t), n_bytes);
        assert_true(sh_str_is(sh_tensors_meta(t, "general.name")->v.s, "split fixture"));
        sh_tensors_free(t);
    }
}

static void test_bad_split(void **state)
{
    (void)state;
    static const bad_case cases[] = {
        {"missing-00001-of-00003", SH_E_NOTFOUND, "missing-00002-of-00003.gguf: part 2 of 3 is missing"},
        {"cyclic-00001-of-00003", SH_E_CORRUPT,
         "cyclic-00002-of-00003.gguf: key 'split.no' is 0; expected 1"},
        {"count-00001-of-00003", SH_E_CORRUPT, "key 'split.count' is 4; expected 3 as in the first part"},
        {"total-00001-of-00002", SH_E_CORRUPT, "the parts hold 3 tensors; expected split.tensors.count = 9"},
        {"totals-00001-of-00002", SH_E_CORRUPT, "key 'split.tensors.count' is 4; expected 3"},
        {"twice-00001-of-00002", SH_E_CORRUPT,
         "twice-00002-of-00002.gguf: tensor 'a' is also in twice-00001-of-00002.gguf"},
        {"number-00001-of-00002", SH_E_CORRUPT, "key 'split.no' is 2; expected less than split.count = 2"},
        {"renamed", SH_E_INVALID, "is part 1 of 3; expected a name ending in -00001-of-00003.gguf"},
    };
    check_bad(cases, COUNT(cases), "gguf/split", ".gguf");
}

static const bad_case bad_files[] = {
    {"magic", SH_E_CORRUPT, "at byte 0: magic number 47 47 55 58; expected 47 47 55 46 (GGUF)"},
    {"version_1", SH_E_UNSUPPORTED, "at byte 4: GGUF version 1; expected 2 or 3"},
    {"version_4", SH_E_UNSUPPORTED, "at byte 4: GGUF version 4; expected 2 or 3"},
    {"big_endian", SH_E_UNSUPPORTED, "at byte 4: big-endian GGUF; only little-endian files are read"},
    {"huge_tensor_count", SH_E_CORRUPT,
     "at byte 8: 1152921504606846976 tensors are more than the file can hold"},
    {"huge_key_count", SH_E_CORRUPT, "at byte 16: 1152921504606846976 keys are more than the file can hold"},
    {"long_key", SH_E_CORRUPT,
     "key 0 at byte 24: length 1099511627776 of the name reaches past the end of the file"},
    {"empty_key", SH_E_CORRUPT, "key 0 at byte 24: the name is empty"},
    {"key_not_utf8", SH_E_CORRUPT, "key 0 at byte 24: the name is not valid UTF-8"},
    {"key_control", SH_E_CORRUPT, "key 0 at byte 24: the name has a control character"},
    {"key_twice", SH_E_CORRUPT, "key 1 'same' at byte 41: the key was there before"},
    {"key_type", SH_E_CORRUPT, "key 0 'a' at byte 33: value type 13; expected 0 to 12"},
    {"string_not_utf8", SH_E_CORRUPT, "key 0 'a' at byte 37: the string is not valid UTF-8"},
    {"string_past_end", SH_E_CORRUPT,
     "at byte 37: length 9223372036854775808 of the value reaches past the end"},
    {"bool_2", SH_E_CORRUPT, "at byte 37: a bool is 2; expected 0 or 1"},
    {"array_bool_7", SH_E_CORRUPT, "at byte 50: a bool is 7; expected 0 or 1"},
    {"array_type", SH_E_CORRUPT, "at byte 37: element type 99; expected 0 to 12"},
    {"array_length", SH_E_CORRUPT,
     "at byte 41: array length 2305843009213693953 is more than the file can hold"},
    {"array_strings_length", SH_E_CORRUPT,
     "at byte 41: array length 1152921504606846976 is more than the file can hold"},
    {"array_string_past_end", SH_E_CORRUPT,
     "at byte 49: length 1125899906842624 of the array's string reaches past the end"},
    {"array_deep", SH_E_LIMIT, "arrays nested deeper than 8"},
    {"alignment_0", SH_E_CORRUPT, "key 'general.alignment': expected a u32 power of two from 8"},
    {"alignment_24", SH_E_CORRUPT, "key 'general.alignment': expected a u32 power of two from 8"},
    {"alignment_type", SH_E_CORRUPT, "key 'general.alignment': expected a u32 power of two from 8"},
    {"five_dims", SH_E_CORRUPT, "tensor 0 'x' at byte 78: 5 dimensions; expected at most 4"},
    {"dims_overflow", SH_E_CORRUPT, "tensor 0 'x' at byte 78: the dimensions overflow 64 bits"},
    {"dims_overflow_with_zero", SH_E_CORRUPT, "the dimensions overflow 64 bits"},
    {"bytes_overflow", SH_E_CORRUPT, "the dimensions overflow 64 bits"},
    {"row_not_block", SH_E_CORRUPT, "at byte 78: row length 33; expected a multiple of 32 for type q8_0"},
    {"type_unknown", SH_E_UNSUPPORTED, "tensor 0 'x' at byte 90: tensor type 4 is not known"},
    {"type_huge", SH_E_UNSUPPORTED, "tensor type 4294967295 is not known"},
    {"misaligned", SH_E_CORRUPT,
     "tensor 0 'x' at byte 94: offset 4; expected a multiple of the alignment 32"},
    {"past_end", SH_E_CORRUPT,
     "at byte 128: 68 bytes at offset 0 of the data reach past the end of the file (64 bytes"},
    {"offset_past_end", SH_E_CORRUPT, "16 bytes at offset 128 of the data reach past the end"},
    {"offset_huge", SH_E_CORRUPT, "16 bytes at offset 18446744073709551584 of the data reach past the end"},
    {"overlap", SH_E_CORRUPT,
     "tensor 1 'y' at byte 192: the data overlap those of tensor 'x', which end at byte 224"},
    {"same_place", SH_E_CORRUPT, "tensor 1 'y' at byte 160: the data overlap those of tensor 'x'"},
    {"name_twice", SH_E_CORRUPT, "tensor 1 'x' at byte 102: the name was there before"},
    {"name_empty", SH_E_CORRUPT, "tensor 0 at byte 69: the name is empty"},
    {"name_not_utf8", SH_E_CORRUPT, "tensor 0 at byte 69: the name is not valid UTF-8"},
    {"no_data", SH_E_CORRUPT, "reach past the end of the file (0 bytes of data)"},
};

static void test_bad_files(void **state)
{
    (void)state;
    check_bad(bad_files, COUNT(bad_files), "gguf/bad", ".gguf");
}

static void test_truncation(void **state)
{
    (void)state;
    check_truncation(sh_gguf_parse, fixture_path("gguf/every_key.gguf"),
                     16); /* the padding behind the last tensor */
    check_truncation(sh_gguf_parse, fixture_path("gguf/every_type.gguf"), 28);
    check_truncation(sh_gguf_parse, fixture_path("gguf/no_tail_padding.gguf"), 0);
    check_truncation(sh_gguf_parse, fixture_path("gguf/no_tensors.gguf"), 0);
}

static void test_mutation(void **state)
{
    (void)state;
    check_mutation(sh_gguf_parse, fixture_path("gguf/every_key.gguf"), SIZE_MAX);
    check_mutation(sh_gguf_parse, fixture_path("gguf/every_type.gguf"), 2100); /* the header */
    check_mutation(sh_gguf_parse, fixture_path("gguf/scalar_and_empty.gguf"), SIZE_MAX);
}

static void test_allocations(void **state)
{
    (void)state;
    check_allocations(sh_gguf_parse, fixture_path("gguf/every_key.gguf"));
    check_allocations(sh_gguf_parse, fixture_path("gguf/every_type.gguf"));
    check_allocations(sh_gguf_parse, fixture_path("gguf/out_of_order.gguf"));
}

#ifdef SHOAL_FAULT
/* Any failing allocation or system call while the parts are opened: a clear code, nothing left behind. */
static void test_split_faults(void **state)
{
    (void)state;
    for (int kind = 0; kind < SH_FAULT_COUNT; kind++) {
        int rc = SH_E_IO;
        for (long k = 0; rc != SH_OK; k++) {
            sh_tensors *t = NULL;
            sh_err err = {0};
            sh_fault_arm((enum sh_fault_kind)kind, k);
            rc = sh_tensors_open(&t, fixture_path("gguf/split/good-00001-of-00003.gguf"), &err);
            bool fired = sh_fault_fired((enum sh_fault_kind)kind);
            sh_fault_arm((enum sh_fault_kind)kind, -1);
            if (rc != SH_OK) assert_true(fired && t == NULL && err.msg[0]);
            /* Asking whether the path is a folder, or for entropy, may fail unnoticed: then nothing was lost.
             */
            if (rc == SH_OK) assert_int_equal(sh_tensors_count(t), 4);
            if (rc == SH_OK && fired) rc = SH_E_IO;
            sh_tensors_free(t);
            assert_true(k < 10000);
        }
    }
}
#else
static void test_split_faults(void **state)
{
    (void)state;
}
#endif

/* 150,000 tokens and as many scores: opened in place, without an allocation per string. */
static void test_large_vocabulary(void **state)
{
    (void)state;
    enum { N = 150000 };
    sh_buf b = {0};
    uint8_t word[8];
    static const char key[] = "tokenizer.ggml.tokens";
    sh_buf_add(&b, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24);
    sh_put_u64(word, sizeof key - 1);
    sh_buf_add(&b, word, 8);
    sh_buf_puts(&b, key);
    sh_buf_add(&b, "\x09\0\0\0\x08\0\0\0", 8);
    sh_put_u64(word, N);
    sh_buf_add(&b, word, 8);
    for (int i = 0; i < N; i++) {
        char token[16];
        sh_put_u64(word, (uint64_t)snprintf(token, sizeof token, "t%d", i));
        sh_buf_add(&b, word, 8);
        sh_buf_puts(&b, token);
    }
    sh_tensors *t = NULL;
    sh_err err = {0};
    assert_ok(sh_buf_ok(&b, &err), &err);
    uint64_t best_us = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        sh_tensors_free(t);
        t = NULL;
        uint64_t begin = sh_now_us();
        assert_ok(sh_gguf_parse(&t, (const uint8_t *)b.p, b.n, "vocabulary", &err), &err);
        uint64_t took = sh_now_us() - begin;
        best_us = took < best_us ? took : best_us;
    }
    print_message("150000 tokens parsed in %llu us\n", (unsigned long long)best_us);
    const sh_meta *m = sh_tensors_meta(t, key);
    assert_int_equal(m->n_elems, N);
    assert_true(sh_str_is(m->strings[N - 1], "t149999"));
    assert_true(m->strings[7].p > b.p && m->strings[7].p < b.p + b.n); /* a view */
    assert_true(best_us < 100000); /* far above a few ms, for sanitizers and busy machines */
    sh_tensors_free(t);
    sh_buf_clear(&b);
}

static void test_long_names_in_messages(void **state)
{
    (void)state;
    char where[700];
    sh_err err = {0};
    sh_tensors *t = NULL;
    memset(where, 'd', sizeof where);
    memcpy(where + sizeof where - 6, ".gguf", 6);
    assert_int_equal(sh_gguf_parse(&t, (const uint8_t *)"GGUX", 4, where, &err), SH_E_CORRUPT);
    assert_non_null(strstr(err.msg, "d.gguf: at byte 0: magic number"));
    assert_non_null(strstr(err.msg, "(GGUF)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scalar),      cmocka_unit_test(test_every_array),
        cmocka_unit_test(test_typed_lookups),     cmocka_unit_test(test_every_tensor_type),
        cmocka_unit_test(test_shapes_and_places), cmocka_unit_test(test_split),
        cmocka_unit_test(test_bad_split),         cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_truncation),        cmocka_unit_test(test_mutation),
        cmocka_unit_test(test_allocations),       cmocka_unit_test(test_split_faults),
        cmocka_unit_test(test_large_vocabulary),  cmocka_unit_test(test_long_names_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
