/* test_arch.c - the architecture table and the two readers of shapes, on small configurations written here.
 */
#include "unit/test.h"

#include "base/arena.h"
#include "codec/json.h"
#include "formats/tensors.h"
#include "model/bind.h"
#include "model/hf_config.h"
#include "model/rope.h"

static int read_config(sh_hparams *hp, sh_arena *arena, const char *text, sh_err *err)
{
    json_t *j = NULL;
    assert_ok(sh_json_parse(&j, text, strlen(text), "config.json", err), err);
    int rc = sh_hf_config_read(hp, j, arena, err);
    json_decref(j);
    return rc;
}

#define SIZES                                                                                                \
    "\"vocab_size\":32,\"num_hidden_layers\":2,\"hidden_size\":16,\"num_attention_heads\":4,\"intermediate_" \
    "size\":24"

static void test_defaults(void **state)
{
    (void)state;
    sh_arena *arena = sh_arena_open();
    sh_hparams hp;
    sh_err err = {0};
    assert_ok(read_config(&hp, arena, "{\"model_type\":\"llama\"," SIZES "}", &err), &err);
    assert_int_equal(hp.n_kv_heads, 4);
    assert_int_equal(hp.head_dim, 4);
    assert_int_equal(hp.n_rot, 4);
    assert_true(hp.rope.theta == 10000 && !hp.tied_output && hp.bias_qkv == SH_BIAS_NO && hp.gated);
    assert_ok(read_config(&hp, arena, "{\"model_type\":\"gemma\"," SIZES ",\"hidden_act\":\"gelu\"}", &err),
              &err);
    assert_true(hp.tied_output && hp.norm_add_one && hp.embed_scale == 4 &&
                hp.activation == SH_ACTIVATION_GELU_TANH);
    assert_ok(read_config(&hp, arena, "{\"model_type\":\"smollm3\"," SIZES "}", &err), &err);
    assert_true(hp.rope.theta == 2e6 && hp.layers[0].rope);
    sh_arena_free(arena);
}

/* Values that change a result and are easy to lose. */
static void test_windows(void **state)
{
    (void)state;
    sh_arena *arena = sh_arena_open();
    sh_hparams hp;
    sh_err err = {0};
    assert_ok(read_config(&hp, arena, "{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":null}", &err),
              &err);
    assert_int_equal(hp.layers[0].window, 0);
    assert_ok(read_config(&hp, arena, "{\"model_type\":\"mistral\"," SIZES ",\"sliding_window\":5}", &err),
              &err);
    assert_int_equal(hp.layers[1].window, 5);
    assert_ok(read_config(&hp, arena,
                          "{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":5,\"max_window_layers\":1}",
                          &err),
              &err);
    assert_int_equal(hp.layers[1].window, 0); /* nobody said use_sliding_window */
    assert_ok(read_config(&hp, arena,
                          "{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":5,\"max_window_layers\":1,"
                          "\"use_sliding_window\":true}",
                          &err),
              &err);
    assert_true(hp.layers[0].window == 0 && hp.layers[1].window == 5);
    assert_ok(read_config(&hp, arena,
                          "{\"model_type\":\"gemma2\"," SIZES ",\"sliding_window\":5,"
                          "\"layer_types\":[\"full_attention\",\"sliding_attention\"]}",
                          &err),
              &err);
    assert_true(hp.layers[0].window == 0 && hp.layers[1].window == 5);
    sh_arena_free(arena);
}

static void test_refusals(void **state)
{
    static const struct { const char *config, *says;
    } cases[] = {
        {"[]", "expected an object"},
        {"{}", "no model_type"},
        {"{\"model_type\":\"lama\"," SIZES "}", "architecture 'lama' is not supported (nearest: llama"},
        {"{\"model_type\":\"qwen4\"," SIZES "}", "nearest: qwen"},
        {"{\"model_type\":\"llama\",\"vocab_size\":32}", "no num_hidden_layers"},
        {"{\"model_type\":\"llama\"," SIZES ",\"num_key_value_heads\":3}", "4 heads are no multiple of 3"},
        {"{\"model_type\":\"llama\"," SIZES ",\"num_key_value_heads\":\"3\"}", "num_key_value_heads"},
        {"{\"model_type\":\"llama\"," SIZES ",\"hidden_act\":\"mish\"}",
         "activation 'mish' is not supported"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}",
         "'dynamic' is not supported"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"linear\"}}", "no factor"},
        {"{\"model_type\":\"phi3\"," SIZES
         ",\"original_max_position_embeddings\":8,\"rope_scaling\":{\"type\":\"longrope\","
         "\"short_factor\":[1],\"long_factor\":[1,2]}}",
         "short_factor: expected a list of 2"},
        {"{\"model_type\":\"gpt2\"," SIZES ",\"scale_attn_by_inverse_layer_idx\":true}",
         "scale_attn_by_inverse_layer_idx"},
        {"{\"model_type\":\"mixtral\"," SIZES "}", "no num_experts"},
        {"{\"model_type\":\"mixtral\"," SIZES ",\"num_local_experts\":2,\"num_experts_per_tok\":3}",
         "experts used"},
        {"{\"model_type\":\"gpt_neo\"," SIZES ",\"attention_types\":[[[\"global\"],1]]}",
         "attention_types: 1 layers (expected 2)"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rms_norm_eps\":2}", "norm epsilon"},
        {"{\"model_type\":\"llama\"," SIZES ",\"num_hidden_layers\":99999999}", "num_hidden_layers"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_arena *arena = sh_arena_open();
        sh_hparams hp;
        sh_err err = {0};
        assert_true(read_config(&hp, arena, cases[i].config, &err) < 0);
        if (!strstr(err.msg, cases[i].says)) fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
        assert_null(strchr(err.msg, '\n'));
        sh_arena_free(arena);
    }
}

/* Every row can be found by both its names, has a name for what every model stores, and can be written to
 * GGUF. */
static void test_rows(void **state)
{
    static const enum sh_slot inputs[] = {[SH_INPUT_TOKENS] = SH_SLOT_EMBED, [SH_INPUT_PATCHES] = SH_SLOT_PATCH,
                                          [SH_INPUT_MEL] = SH_SLOT_CONV1};
    (void)state;
    for (size_t i = 0; i < sh_arch_count(); i++) {
        const sh_arch *a = sh_arch_at(i);
        assert_ptr_equal(sh_arch_by_hf(a->hf_type), a);
        assert_string_equal(sh_arch_by_gguf(a->name)->name, a->name);
        const enum sh_slot always[] = {inputs[a->input], SH_SLOT_O, SH_SLOT_DOWN,
                                       a->flags & SH_ARCH_NO_FINAL_NORM ? SH_SLOT_UP : SH_SLOT_OUTPUT_NORM};
        for (size_t s = 0; s < COUNT(always); s++) {
            assert_non_null(sh_arch_name(a, false, always[s], 0));
            assert_non_null(sh_arch_name(a, true, always[s], 0));
        }
        assert_true(sh_arch_name(a, false, SH_SLOT_Q, 0) || sh_arch_name(a, false, SH_SLOT_QKV, 0));
    }
    assert_null(sh_arch_by_hf("nobody"));
    assert_null(sh_arch_at(sh_arch_count()));
}

/* Fused rows: each layout is a permutation, and the published orders come out. */
static void test_layouts(void **state)
{
    static const enum sh_layout layouts[] = {SH_LAYOUT_CONCAT, SH_LAYOUT_GROUPED, SH_LAYOUT_CODEGEN};
    sh_hparams hp = {.n_heads = 8, .n_kv_heads = 8, .head_dim = 2, .n_rot = 2};
    const uint64_t q = 16, kv = 16;
    (void)state;
    for (size_t l = 0; l < COUNT(layouts); l++) {
        uint8_t seen[48] = {0};
        for (unsigned part = 0; part < 3; part++)
            for (uint64_t r = 0; r < (part ? kv : q); r++)
                seen[sh_layout_row(&hp, layouts[l], SH_SLOT_QKV, part, r)]++;
        for (int i = 0; i < 48; i++) assert_int_equal(seen[i], 1);
    }
    /* per head q k v; groups of two heads [q q v v k k] */
    assert_int_equal(sh_layout_row(&hp, SH_LAYOUT_GROUPED, SH_SLOT_QKV, 1, 3), 1 * 6 + 2 + 1);
    assert_int_equal(sh_layout_row(&hp, SH_LAYOUT_CODEGEN, SH_SLOT_QKV, 1, 5), 1 * 12 + 8 + 1);
    assert_int_equal(sh_layout_row(&hp, SH_LAYOUT_CODEGEN, SH_SLOT_QKV, 2, 5), 1 * 12 + 4 + 1);
    hp.n_kv_heads = 2; /* Falcon 40B: four query heads, k, v */
    assert_int_equal(sh_layout_row(&hp, SH_LAYOUT_GROUPED, SH_SLOT_QKV, 0, 9), 1 * 12 + 1);
    assert_int_equal(sh_layout_row(&hp, SH_LAYOUT_GROUPED, SH_SLOT_QKV, 2, 2), 1 * 12 + 10);
    hp.head_dim = hp.n_rot = 6;
    assert_int_equal(sh_row_of_interleaved(&hp, 6 + 1), 6 + 3);
    assert_int_equal(sh_row_of_interleaved(&hp, 6 + 4), 6 + 2);
}

static void test_rope_formulas(void **state)
{
    sh_arena *arena = sh_arena_open();
    sh_rope r;
    sh_err err = {0};
    sh_rope_params p = {.theta = 10000,
                        .factor = 4,
                        .attention_factor = -1,
                        .gguf_attn_factor = 1,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .original_ctx = 16,
                        .scaling = SH_ROPE_SCALE_LINEAR};
    float c[4], s[4];
    (void)state;
    assert_ok(sh_rope_init(&r, &p, 8, arena, &err), &err);
    assert_true(r.freq[0] == 0.25 && r.magnitude == 1);
    sh_rope_at(&r, 0, false, c, s);
    assert_true(c[0] == 1 && s[0] == 0);
    p.scaling = SH_ROPE_SCALE_YARN;
    assert_ok(sh_rope_init(&r, &p, 8, arena, &err), &err);
    assert_true(r.magnitude > 1.1386 && r.magnitude < 1.1387); /* 0.1 ln 4 + 1 */
    p.mscale = 1, p.mscale_all_dim = 1;
    assert_ok(sh_rope_init(&r, &p, 8, arena, &err), &err);
    assert_true(r.magnitude == 1);
    const float zero[4] = {1, 0, 1, 1};
    p.scaling = SH_ROPE_SCALE_NONE, p.freq_divisor = zero;
    assert_int_equal(sh_rope_init(&r, &p, 8, arena, &err), SH_E_CORRUPT);
    sh_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_windows), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_rows), cmocka_unit_test(test_layouts), cmocka_unit_test(test_rope_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
