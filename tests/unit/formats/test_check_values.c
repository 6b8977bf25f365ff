/* test_check_values.c - finding the one number that is none, in every type that can hold one. */
#include "unit/formats/fixture.h"

#include "base/endian.h"

/* A GGUF of one tensor "x" of two rows of one block, its data at *data; owned by the caller. */
static fixture one_tensor(enum sh_dtype type, uint8_t **data)
{
    const sh_dtype_info *info = sh_dtype_get(type);
    fixture f = {calloc(1, 96 + 2 * info->block_bytes), 96 + 2 * info->block_bytes};
    assert_non_null(f.data);
    memcpy(f.data, "GGUF\3", 5);
    sh_put_u64(f.data + 8, 1);
    sh_put_u64(f.data + 24, 1);
    f.data[32] = 'x';
    sh_put_u32(f.data + 33, 2);
    sh_put_u64(f.data + 37, info->block_elements);
    sh_put_u64(f.data + 45, 2);
    sh_put_u32(f.data + 53, (uint32_t)type);
    *data = f.data + 96;
    return f;
}

static int check(const fixture *f, sh_err *err)
{
    sh_tensors *t = NULL;
    assert_ok(sh_gguf_parse(&t, f->data, f->n, "some file", err), err);
    int rc = sh_tensors_check_values(t, err);
    sh_tensors_free(t);
    return rc;
}

typedef struct value_case {
    enum sh_dtype type;
    unsigned off; /* of the bytes below in the second block */
    unsigned n;
    const char *bytes;
    const char *says; /* NULL: fine */
} value_case;

#define F16_NAN "\x00\x7e"
#define F16_INF "\x00\xfc"

static const value_case cases[] = {
    {SH_F32, 0, 4, "\x00\x00\xc0\x7f", "tensor 'x': element 1 (at byte 100) is not a finite number"},
    {SH_F32, 0, 4, "\x00\x00\x80\xff", "element 1 (at byte 100)"},
    {SH_F32, 0, 4, "\xff\xff\x7f\x7f", NULL}, /* the largest float */
    {SH_F16, 0, 2, F16_INF, "element 1 (at byte 98)"},
    {SH_F16, 0, 2, "\xff\x7b", NULL},
    {SH_BF16, 0, 2, "\x81\x7f", "element 1 (at byte 98)"},
    {SH_F64, 0, 8, "\x00\x00\x00\x00\x00\x00\xf0\x7f", "element 1 (at byte 104)"},
    {SH_F64, 0, 8, "\x00\x00\x00\x00\x00\x00\xe0\x7f", NULL}, /* beyond a float, yet a number */
    {SH_I32, 0, 4, "\x00\x00\xc0\x7f", NULL},
    {SH_I8, 0, 1, "\xff", NULL},
    {SH_Q8_0, 0, 2, F16_NAN, "element 32 (at byte 130)"},
    {SH_Q4_0, 0, 2, F16_INF, "(at byte 114)"},
    {SH_Q4_1, 2, 2, F16_NAN, "(at byte 116)"},
    {SH_Q5_0, 0, 2, F16_NAN, "(at byte 118)"},
    {SH_Q5_1, 2, 2, F16_INF, "(at byte 120)"},
    {SH_Q2_K, 80, 2, F16_NAN, "(at byte 180)"},
    {SH_Q3_K, 108, 2, F16_NAN, "(at byte 206)"},
    {SH_Q4_K, 0, 2, F16_NAN, "(at byte 240)"},
    {SH_Q5_K, 2, 2, F16_NAN, "(at byte 272)"},
    {SH_Q6_K, 208, 2, F16_NAN, "(at byte 306)"},
    {SH_IQ4_NL, 0, 2, F16_NAN, "(at byte 114)"},
    {SH_IQ4_XS, 0, 2, F16_NAN, "(at byte 232)"},
    {SH_IQ2_XXS, 0, 2, F16_NAN, "(at byte 162)"},
    {SH_IQ3_S, 0, 2, F16_NAN, "(at byte 206)"},
    {SH_IQ1_S, 0, 2, F16_NAN, "(at byte 146)"},
    {SH_TQ1_0, 52, 2, F16_NAN, "(at byte 150)"},
    {SH_TQ2_0, 64, 2, F16_NAN, "(at byte 162)"},
    {SH_MXFP4, 0, 1, "\xff", "element 32 (at byte 113)"},
    {SH_MXFP4, 0, 1, "\x7f", NULL},
    {SH_NVFP4, 3, 1, "\x7f", "element 64 (at byte 132)"},
    {SH_NVFP4, 3, 1, "\x7e", NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const value_case *c = &cases[i];
        uint8_t *data;
        sh_err err = {0};
        fixture f = one_tensor(c->type, &data);
        assert_ok(check(&f, &err), &err); /* all zero */
        memcpy(data + sh_dtypes[c->type].block_bytes + c->off, c->bytes, c->n);
        int rc = check(&f, &err);
        if (rc != (c->says ? SH_E_CORRUPT : SH_OK) || (c->says && !strstr(err.msg, c->says)))
            fail_msg("case %zu (%s): code %d, \"%s\"; expected \"%s\"", i, sh_dtypes[c->type].name, rc,
                     err.msg, c->says ? c->says : "ok");
        free(f.data);
    }
}

static void test_good_files(void **state)
{
    (void)state;
    static const char *const files[] = {"gguf/every_type.gguf", "safetensors/every_type.safetensors",
                                        "llama2c/tied.bin",     "gguf/split/good-00001-of-00003.gguf",
                                        "gguf/no_tensors.gguf", "gguf/scalar_and_empty.gguf"};
    for (size_t i = 0; i < COUNT(files); i++) {
        sh_tensors *t = NULL;
        sh_err err = {0};
        assert_ok(sh_tensors_open(&t, fixture_path(files[i]), &err), &err);
        assert_ok(sh_tensors_check_values(t, &err), &err);
        sh_tensors_free(t);
    }
}

/* In the last element of a tensor longer than what is decoded at a time. */
static void test_late_element(void **state)
{
    (void)state;
    enum { N = 10001 };
    uint8_t *data;
    sh_err err = {0};
    fixture small = one_tensor(SH_F32, &data), f = {calloc(1, 96 + 4 * N), 96 + 4 * N};
    assert_non_null(f.data);
    memcpy(f.data, small.data, 96);
    sh_put_u64(f.data + 37, N);
    sh_put_u64(f.data + 45, 1);
    assert_ok(check(&f, &err), &err);
    sh_put_u32(f.data + 96 + 4 * (N - 1), 0x7f800001);
    assert_int_equal(check(&f, &err), SH_E_CORRUPT);
    assert_string_equal(err.msg,
                        "some file: tensor 'x': element 10000 (at byte 40096) is not a finite number");
    free(f.data);
    free(small.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_late_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
