/* test_safetensors.c - reading safetensors: types, shapes, shards, and what broken files are told. */
#include "unit/formats/fixture.h"

static sh_tensors *open_fixture(const char *name)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    assert_ok(sh_tensors_open(&t, fixture_path(name), &err), &err);
    touch_all(t);
    assert_string_equal(sh_tensors_container(t), "safetensors");
    return t;
}

static void test_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int dtype;
        unsigned size;
    } cases[] = {
        {"F64", SH_F64, 8},    {"F32", SH_F32, 4},        {"F16", SH_F16, 2},        {"BF16", SH_BF16, 2},
        {"I64", SH_I64, 8},    {"I32", SH_I32, 4},        {"I16", SH_I16, 2},        {"I8", SH_I8, 1},
        {"U8", SH_OPAQUE, 1},  {"BOOL", SH_OPAQUE, 1},    {"U16", SH_OPAQUE, 2},     {"U32", SH_OPAQUE, 4},
        {"U64", SH_OPAQUE, 8}, {"F8_E4M3", SH_OPAQUE, 1}, {"F8_E5M2", SH_OPAQUE, 1},
    };
    sh_tensors *t = open_fixture("safetensors/every_type.safetensors");
    assert_int_equal(sh_tensors_count(t), COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[32], says[64];
        sh_err err = {0};
        snprintf(name, sizeof name, "t.%s", cases[i].name);
        const sh_tensor *x = sh_tensors_find(t, name);
        assert_non_null(x);
        assert_int_equal(x->dtype, cases[i].dtype);
        assert_string_equal(x->type_name, cases[i].name);
        assert_int_equal(x->n_bytes, 6 * cases[i].size);
        assert_int_equal(x->n_dims, 2);
        assert_int_equal(x->dims[0], 3); /* the last of the shape is the contiguous one */
        assert_int_equal(x->dims[1], 2);
        assert_int_equal(x->data[0], (i + 1) * 37 % 60);
        int rc = sh_tensor_require(t, x, &err);
        assert_int_equal(rc, cases[i].dtype == SH_OPAQUE ? SH_E_UNSUPPORTED : SH_OK);
        snprintf(says, sizeof says, "tensor '%s' at byte", name);
        if (rc < 0) assert_non_null(strstr(err.msg, says));
    }
    sh_str format;
    assert_int_equal(sh_meta_get_str(t, "format", &format, NULL), SH_OK);
    assert_true(sh_str_is(format, "pt"));
    sh_tensors_free(t);
}

static void test_opaque_is_no_row(void **state)
{
    (void)state;
    assert_true((unsigned)SH_OPAQUE < SH_DTYPE_COUNT); /* a careless index stays inside the table */
    assert_null(sh_dtype_get(SH_OPAQUE));
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t n_dims;
        uint64_t dims[4], n_bytes;
    } cases[] = {
        {"scalar", 0, {1, 1, 1, 1}, 4},  {"empty", 2, {5, 0, 1, 1}, 0}, {"row", 1, {7, 1, 1, 1}, 28},
        {"matrix", 2, {7, 5, 1, 1}, 70}, {"four", 4, {1, 3, 1, 2}, 24}, {"squeezed", 4, {2, 2, 1, 1}, 16},
        {"half", 2, {2, 3, 1, 1}, 3},
    };
    sh_tensors *t = open_fixture("safetensors/shapes.safetensors");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const sh_tensor *x = sh_tensors_find(t, cases[i].name);
        assert_int_equal(x->n_dims, cases[i].n_dims);
        assert_memory_equal(x->dims, cases[i].dims, sizeof x->dims);
        assert_int_equal(x->n_bytes, cases[i].n_bytes);
    }
    sh_tensors_free(t);
    t = open_fixture("safetensors/nothing.safetensors");
    assert_int_equal(sh_tensors_count(t), 0);
    sh_tensors_free(t);
}

/* A model whose masks have a type we lack opens, and its weights are there. */
static void test_mask(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("safetensors/mask.safetensors");
    const sh_tensor *mask = sh_tensors_find(t, "h.0.attn.bias");
    sh_err err = {0};
    assert_int_equal(sh_tensor_require(t, mask, &err), SH_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "mask.safetensors: tensor 'h.0.attn.bias' at byte"));
    assert_non_null(strstr(err.msg, "elements of type U8 are not supported"));
    assert_ok(sh_tensor_require(t, sh_tensors_find(t, "wte.weight"), &err), &err);
    sh_tensors_free(t);
}

static void test_file_order(void **state)
{
    (void)state;
    sh_tensors *t = open_fixture("safetensors/unordered.safetensors");
    assert_string_equal(sh_tensors_at(t, 0)->name, "a");
    assert_string_equal(sh_tensors_at(t, 1)->name, "b");
    assert_memory_equal(sh_tensors_find(t, "a")->data, "\1\2\3", 3);
    assert_memory_equal(sh_tensors_find(t, "b")->data, "\4\5", 2);
    sh_tensors_free(t);
}

static const bad_case bad_files[] = {
    {"short", SH_E_CORRUPT, "3 bytes; expected a header length of 8 bytes"},
    {"header_too_long", SH_E_CORRUPT,
     "at byte 0: header length 1099511627776; expected at most the 2 bytes left"},
    {"header_empty", SH_E_CORRUPT, "at byte 8: expected '{'"},
    {"not_json", SH_E_CORRUPT, "header: line 1, column 2 (byte 1)"},
    {"not_object", SH_E_CORRUPT, "at byte 8: expected '{'"},
    {"text_after", SH_E_CORRUPT, "header: line 1, column 4 (byte 3)"},
    {"not_utf8", SH_E_CORRUPT, "header: line 1, column 4 (byte 3)"},
    {"name_twice", SH_E_CORRUPT, "tensor 'a' at byte 114: the name was there before"},
    {"name_empty", SH_E_CORRUPT, "the name is empty"},
    {"name_control", SH_E_CORRUPT, "the name has a control character"},
    {"metadata_number", SH_E_CORRUPT, "at byte 30: expected a string as value in __metadata__"},
    {"metadata_twice", SH_E_CORRUPT, "a second __metadata__; expected one"},
    {"metadata_key_twice", SH_E_CORRUPT, "a key of __metadata__ is there twice"},
    {"entry_not_object", SH_E_CORRUPT,
     "tensor 'a' at byte 14: expected an object with dtype, shape and data_offsets"},
    {"dtype_unknown", SH_E_UNSUPPORTED, "tensor 'a' at byte 27: dtype 'F31' is not known"},
    {"dtype_number", SH_E_CORRUPT, "expected a string as dtype"},
    {"dtype_missing", SH_E_CORRUPT, "tensor 'a' at byte 47: dtype is missing"},
    {"dtype_twice", SH_E_CORRUPT, "dtype is there twice"},
    {"shape_missing", SH_E_CORRUPT, "shape is missing"},
    {"shape_twice", SH_E_CORRUPT, "shape is there twice"},
    {"shape_negative", SH_E_CORRUPT, "at byte 39: expected integers from 0 to 2^63-1 in shape"},
    {"shape_fraction", SH_E_CORRUPT, "expected integers from 0 to 2^63-1 in shape"},
    {"shape_overflow", SH_E_CORRUPT, "the shape overflows 64 bits"},
    {"shape_overflow_with_zero", SH_E_CORRUPT, "the shape overflows 64 bits"},
    {"shape_long", SH_E_CORRUPT, "expected at most 64 numbers in shape"},
    {"five_dims", SH_E_UNSUPPORTED, "tensor 'a' at byte 69: 5 dimensions; expected at most 4"},
    {"offsets_missing", SH_E_CORRUPT, "data_offsets is missing"},
    {"offsets_twice", SH_E_CORRUPT, "data_offsets is there twice"},
    {"offsets_one", SH_E_CORRUPT, "expected two numbers in data_offsets"},
    {"offsets_three", SH_E_CORRUPT, "expected at most 2 numbers in data_offsets"},
    {"offsets_reversed", SH_E_CORRUPT, "data_offsets 4 to 0; expected a range within 4 bytes of data"},
    {"offsets_past_end", SH_E_CORRUPT, "data_offsets 0 to 8; expected a range within 4 bytes of data"},
    {"offsets_size", SH_E_CORRUPT, "data_offsets span 4 bytes; expected 12 for this dtype and shape"},
    {"half_byte", SH_E_CORRUPT, "the shape ends inside a byte"},
    {"field_unknown", SH_E_CORRUPT, "expected only dtype, shape and data_offsets"},
    {"hole", SH_E_CORRUPT, "tensor 'b' starts at byte 124 (a hole); expected 120"},
    {"overlap", SH_E_CORRUPT, "tensor 'b' starts at byte 117 (an overlap); expected 119"},
    {"trailing", SH_E_CORRUPT, "the tensors end at byte 66; expected the end of the file, 71"},
};

static void test_bad_files(void **state)
{
    (void)state;
    check_bad(bad_files, COUNT(bad_files), "safetensors/bad", ".safetensors");
}

static void test_sharded(void **state)
{
    (void)state;
    static const char *const ways[] = {"safetensors/sharded/good",
                                       "safetensors/sharded/good/model.safetensors.index.json"};
    for (size_t i = 0; i < COUNT(ways); i++) {
        sh_tensors *t = open_fixture(ways[i]);
        assert_int_equal(sh_tensors_count(t), 3);
        assert_int_equal(sh_tensors_files(t), 2);
        assert_int_equal(sh_tensors_find(t, "b")->i_file, 0);
        assert_int_equal(sh_tensors_find(t, "c")->i_file, 1);
        assert_non_null(strstr(sh_tensors_file(t, 1), "good/model-00002-of-00002.safetensors"));
        assert_true(sh_str_is(sh_tensors_meta(t, "format")->v.s, "pt"));
        fixture f = fixture_read(sh_tensors_file(t, 1));
        const sh_tensor *c = sh_tensors_find(t, "c");
        assert_memory_equal(c->data, f.data + c->file_off, c->n_bytes);
        free(f.data);
        sh_tensors_free(t);
    }
    sh_tensors *t = open_fixture("safetensors/sharded/single");
    assert_int_equal(sh_tensors_files(t), 1);
    sh_tensors_free(t);
}

static void test_bad_shards(void **state)
{
    (void)state;
    static const bad_case cases[] = {
        {"missing_shard", SH_E_NOTFOUND, "index.json: shard 'model-00002-of-00002.safetensors' is missing"},
        {"missing_tensor", SH_E_CORRUPT,
         "index.json: tensor 'z' is not in shard 'model-00001-of-00002.safetensors'"},
        {"twice", SH_E_CORRUPT,
         "model-00002-of-00002.safetensors: tensor 'a' is also in model-00001-of-00002.safetensors"},
        {"traversal", SH_E_CORRUPT, "a shard's name leads out of the folder; expected a plain file name"},
        {"absolute", SH_E_CORRUPT, "a shard's name leads out of the folder"},
        {"hidden", SH_E_CORRUPT, "a shard's name leads out of the folder"},
        {"itself", SH_E_CORRUPT, "expected a shard's name ending in .safetensors"},
        {"no_map", SH_E_CORRUPT, "no weight_map with a tensor; expected one"},
        {"map_twice", SH_E_CORRUPT, "a second weight_map; expected one"},
        {"tensor_twice", SH_E_CORRUPT, "weight_map names tensor 'a' twice"},
        {"cut", SH_E_CORRUPT, "index.json: line 1, column 22"},
        {"empty_folder", SH_E_NOTFOUND, "neither model.safetensors nor model.safetensors.index.json"},
    };
    check_bad(cases, COUNT(cases), "safetensors/sharded", "");
}

static void test_truncation(void **state)
{
    (void)state;
    check_truncation(sh_safetensors_parse, fixture_path("safetensors/every_type.safetensors"), 0);
    check_truncation(sh_safetensors_parse, fixture_path("safetensors/shapes.safetensors"), 0);
}

static void test_mutation(void **state)
{
    (void)state;
    check_mutation(sh_safetensors_parse, fixture_path("safetensors/every_type.safetensors"), SIZE_MAX);
    check_mutation(sh_safetensors_parse, fixture_path("safetensors/shapes.safetensors"), SIZE_MAX);
}

static void test_allocations(void **state)
{
    (void)state;
    check_allocations(sh_safetensors_parse, fixture_path("safetensors/every_type.safetensors"));
    check_allocations(sh_safetensors_parse, fixture_path("safetensors/shapes.safetensors"));
}

#ifdef SHOAL_FAULT
static void test_shard_faults(void **state)
{
    (void)state;
    const char *path = fixture_path("safetensors/sharded/good/model.safetensors.index.json");
    for (int kind = 0; kind < SH_FAULT_COUNT; kind++) {
        bool fired = true;
        for (long k = 0; fired; k++) {
            sh_tensors *t = NULL;
            sh_err err = {0};
            sh_fault_arm((enum sh_fault_kind)kind, k);
            int rc = sh_tensors_open(&t, path, &err);
            fired = sh_fault_fired((enum sh_fault_kind)kind);
            sh_fault_arm((enum sh_fault_kind)kind, -1);
            if (rc == SH_OK)
                assert_int_equal(sh_tensors_count(t), 3);
            else
                assert_true(fired && !t && err.msg[0]);
            sh_tensors_free(t);
            assert_true(k < 10000);
        }
    }
}
#else
static void test_shard_faults(void **state)
{
    (void)state;
}
#endif

/* Names and contents that are something else. */
static void test_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int code;
        const char *says;
    } cases[] = {
        {"safetensors/absent.safetensors", SH_E_NOTFOUND, "absent.safetensors"},
        {"SOURCE.txt", SH_E_UNSUPPORTED, "expected GGUF, safetensors or a llama2.c checkpoint"},
        {"safetensors", SH_E_NOTFOUND, "the folder has neither"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_tensors *t = NULL;
        sh_err err = {0};
        assert_int_equal(sh_tensors_open(&t, fixture_path(cases[i].path), &err), cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_null(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),  cmocka_unit_test(test_opaque_is_no_row),
        cmocka_unit_test(test_shapes),      cmocka_unit_test(test_mask),
        cmocka_unit_test(test_file_order),  cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_sharded),     cmocka_unit_test(test_bad_shards),
        cmocka_unit_test(test_truncation),  cmocka_unit_test(test_mutation),
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_shard_faults),
        cmocka_unit_test(test_other_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
