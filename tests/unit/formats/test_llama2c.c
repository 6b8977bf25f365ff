/* test_llama2c.c - the legacy checkpoint of llama2.c. */
#include "unit/formats/fixture.h"

#include "base/endian.h"
#include "formats/llama2c.h"

static int parse(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err)
{
    sh_llama2c_info info;
    return sh_llama2c_parse(out, &info, data, n, where, err);
}

/* The fixtures count 0, 1/64, 2/64, ...: a tensor's first value tells its place. */
static void check_first(const sh_tensors *t, const char *name, uint64_t cols, uint64_t rows, unsigned i_float)
{
    const sh_tensor *x = sh_tensors_find(t, name);
    if (!x) fail_msg("%s is missing", name);
    assert_int_equal(x->dtype, SH_F32);
    assert_int_equal(x->n_dims, rows ? 2 : 1);
    assert_int_equal(x->dims[0], cols);
    assert_int_equal(x->dims[1], rows ? rows : 1);
    assert_true(sh_get_f32(x->data) == (float)i_float / 64);
}

static void test_layout(void **state)
{
    (void)state;
    /* dim 4, hidden 6, 2 layers, 2 heads of 2, 1 kv head, vocabulary 5, 3 positions */
    for (int untied = 0; untied < 2; untied++) {
        sh_tensors *t = NULL;
        sh_llama2c_info info;
        sh_err err = {0};
        const char *path = fixture_path(untied ? "llama2c/untied.bin" : "llama2c/tied.bin");
        assert_ok(sh_llama2c_open(&t, &info, path, &err), &err);
        assert_string_equal(sh_tensors_container(t), "llama2c");
        assert_true(info.dim == 4 && info.hidden_dim == 6 && info.n_layers == 2 && info.n_heads == 2);
        assert_true(info.n_kv_heads == 1 && info.vocab_size == 5 && info.seq_len == 3 &&
                    info.tied == !untied);
        assert_int_equal(sh_tensors_count(t), (size_t)(20 + untied));
        check_first(t, "model.embed_tokens.weight", 4, 5, 0);
        check_first(t, "model.layers.0.input_layernorm.weight", 4, 0, 20);
        check_first(t, "model.layers.1.input_layernorm.weight", 4, 0, 24);
        check_first(t, "model.layers.1.self_attn.q_proj.weight", 4, 4, 28 + 16);
        check_first(t, "model.layers.0.self_attn.k_proj.weight", 4, 2, 60);
        check_first(t, "model.layers.0.self_attn.v_proj.weight", 4, 2, 76);
        check_first(t, "model.layers.0.self_attn.o_proj.weight", 4, 4, 92);
        check_first(t, "model.layers.0.post_attention_layernorm.weight", 4, 0, 124);
        check_first(t, "model.layers.0.mlp.gate_proj.weight", 4, 6, 132);
        check_first(t, "model.layers.0.mlp.down_proj.weight", 6, 4, 180);
        check_first(t, "model.layers.1.mlp.up_proj.weight", 4, 6, 228 + 24);
        check_first(t, "model.norm.weight", 4, 0, 276);
        if (untied) check_first(t, "lm_head.weight", 4, 5, 280 + 6); /* two tables of 3 * 1 between them */
        uint64_t v = 0;
        bool tied;
        assert_ok(sh_meta_get_u64(t, "llama2c.hidden_dim", &v, 100, &err), &err);
        assert_int_equal(v, 6);
        assert_ok(sh_meta_get_bool(t, "llama2c.tied", &tied, &err), &err);
        assert_int_equal(tied, !untied);
        touch_all(t);
        sh_tensors_free(t);
    }
}

static void test_probe_and_open(void **state)
{
    (void)state;
    sh_tensors *t = NULL;
    sh_err err = {0};
    fixture f = fixture_read(fixture_path("llama2c/one_layer.bin"));
    assert_true(sh_llama2c_probe(f.data, f.n));
    assert_false(sh_llama2c_probe(f.data, f.n - 1));
    assert_false(sh_llama2c_probe(f.data, 0));
    free(f.data);
    f = fixture_read(fixture_path("gguf/every_type.gguf"));
    assert_false(sh_llama2c_probe(f.data, f.n));
    free(f.data);
    assert_ok(sh_tensors_open(&t, fixture_path("llama2c/one_layer.bin"), &err), &err);
    assert_string_equal(sh_tensors_container(t), "llama2c");
    sh_tensors_free(t);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const bad_case cases[] = {
        {"cut", SH_E_CORRUPT, "1168 bytes; expected 1172 by the sizes in the header"},
        {"long", SH_E_CORRUPT, "1173 bytes; expected 1172 by the sizes in the header"},
        {"short", SH_E_CORRUPT, "27 bytes; expected a llama2.c header of 28"},
        {"heads", SH_E_CORRUPT,
         "n_heads at byte 12 is 3; expected a number that cuts dim into heads of an even size"},
        {"kv_heads", SH_E_CORRUPT, "n_kv_heads at byte 16 is 2; expected a divisor of n_heads"},
        {"huge", SH_E_CORRUPT, "92 bytes; expected"},
        {"vocab_min", SH_E_CORRUPT, "vocab_size at byte 20 is -2147483648; expected a size within reason"},
    };
    check_bad(cases, COUNT(cases), "llama2c/bad", ".bin");
}

static void test_hostile(void **state)
{
    (void)state;
    check_truncation(parse, fixture_path("llama2c/untied.bin"), 0);
    check_mutation(parse, fixture_path("llama2c/tied.bin"), 28);
    check_allocations(parse, fixture_path("llama2c/tied.bin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_probe_and_open),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
