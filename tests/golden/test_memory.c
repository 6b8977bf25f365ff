/* test_memory.c - what shoal info counts: parameters and bytes from a shape against the files of every
 * family, memory against what a run really takes, and lists of tensors that come without their data. */
#include "families.h"
#include "model_golden.h"

#include "base/fault.h"
#include "model/arch.h"
#include "model/hf_config.h"
#include "model/manifest.h"
#include "model/memory.h"
#include "unit/tmpdir.h"

#define SHAPES SHOAL_SOURCE_DIR "/tests/data/shapes"

/* ---- parameters ---- */

/* Every family's own files hold as many elements as the shape says. */
static void test_parameters(void **state)
{
    char folder[1024];
    sh_runtime *rt = golden_runtime(NULL, 1);
    (void)state;
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/golden/models")) {
        print_message("skipped: no " SHOAL_GOLDEN_DIR "/golden/models\n");
        sh_runtime_free(rt);
        skip();
    }
    for (size_t i = 0; i < N_FAMILIES; i++) {
        sh_model_info info;
        sh_model *m = golden_open(rt, golden_path(folder, SHOAL_GOLDEN_DIR "/golden/models", families[i]));
        sh_model_get_info(m, &info);
        if (sh_shape_parameters(sh_model_hparams(m)) != info.n_parameters)
            fail_msg("%s: %llu by shape, %llu in the file", families[i],
                     (unsigned long long)sh_shape_parameters(sh_model_hparams(m)),
                     (unsigned long long)info.n_parameters);
        sh_model_free(m);
    }
    sh_runtime_free(rt);
}

static void read_shape(sh_hparams *hp, sh_arena *arena, const char *name)
{
    char folder[1024];
    sh_err err = {0};
    json_t *config = golden_json(golden_path(folder, SHAPES, name), "config.json");
    if (sh_hf_config_read(hp, config, arena, &err) < 0) fail_msg("%s: %s", name, err.msg);
    json_decref(config);
}

static void test_active(void **state)
{
    sh_hparams hp;
    sh_arena *arena = sh_arena_open();
    (void)state;
    read_shape(&hp, arena, "mixtral-8x7b-instruct-v0.1");
    assert_true(sh_shape_active(&hp, sh_shape_parameters(&hp)) == 12879925248ull); /* published: 12.9 B */
    read_shape(&hp, arena, "phi-2");
    assert_true(sh_shape_active(&hp, sh_shape_parameters(&hp)) == sh_shape_parameters(&hp));
    assert_string_equal(sh_kind_text(&hp), "text generation");
    sh_arena_free(arena);
}

/* What each kind of shape is called; only texts that are written on have a cache. */
static void test_kinds(void **state)
{
    const struct {
        sh_hparams hp;
        const char *text;
        bool has_cache;
    } kinds[] = {
        {{.n_vocab = 9}, "text generation", true},
        {{.n_vocab = 9, .bidirectional = true, .no_output = true}, "text embedding", false},
        {{.n_vocab = 9, .bidirectional = true, .no_output = true, .n_labels = 1},
         "text classification",
         false},
        {{.n_vocab = 9, .n_cross = 8}, "decoder of an encoder's states", true},
        {{.input = SH_INPUT_PATCHES, .no_output = true}, "image encoder", false},
        {{.input = SH_INPUT_PATCHES, .no_output = true, .n_labels = 3}, "image classification", false},
        {{.input = SH_INPUT_MEL, .no_output = true}, "speech encoder", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sh_hparams hp = kinds[i].hp;
        sh_memory need;
        const sh_memory_ask ask = {.n_ctx = 197, .kv = SH_KV_F16, .n_threads = 1, .weights = 5};
        hp.n_layers = 2, hp.n_embd = 32, hp.n_heads = hp.n_kv_heads = 2, hp.head_dim = 16, hp.n_ff = 64;
        sh_memory_needed(&need, &hp, &ask);
        assert_string_equal(sh_kind_text(&hp), kinds[i].text);
        assert_int_equal(sh_kind_has_cache(&hp), kinds[i].has_cache);
        assert_int_equal(need.kv_cache > 0, kinds[i].has_cache);
        if (!kinds[i].has_cache) assert_int_equal(sh_shape_parameters(&hp), 0);
    }
}

/* ---- sums ---- */

static void test_sums(void **state)
{
    sh_hparams hp;
    sh_arena *arena = sh_arena_open();
    sh_memory a, b;
    sh_memory_ask ask = {.n_ctx = 4096, .kv = SH_KV_F16, .n_threads = 2, .weights = 1000};
    (void)state;
    read_shape(&hp, arena, "mistral-7b-instruct-v0.2");
    sh_memory_needed(&a, &hp, &ask);
    /* 32 layers, 8 heads of 128, keys and values of 2 bytes, and the ids */
    assert_true(a.kv_cache == 4096ull * (32 * 8 * 128 * 2 * 2 + 4));
    assert_true(a.total == a.weights + a.kv_cache + a.scratch + a.program && a.weights == 1000);
    ask.kv = SH_KV_F32;
    sh_memory_needed(&b, &hp, &ask);
    assert_true(b.kv_cache - 4096 * 4 == 2 * (a.kv_cache - 4096 * 4) && b.scratch == a.scratch);
    ask.kv = SH_KV_Q8;
    sh_memory_needed(&b, &hp, &ask);
    assert_true(b.kv_cache < a.kv_cache * 3 / 5);
    /* The longest context is the longest: it fits, one more does not. */
    ask.kv = SH_KV_F16;
    const uint32_t longest = sh_memory_longest(&hp, &ask, 1ull << 30);
    assert_true(longest > 0 && longest < hp.n_ctx_train);
    ask.n_ctx = longest;
    sh_memory_needed(&a, &hp, &ask);
    ask.n_ctx = longest + 1;
    sh_memory_needed(&b, &hp, &ask);
    assert_true(a.total <= 1ull << 30 && b.total > 1ull << 30);
    assert_int_equal(sh_memory_longest(&hp, &ask, UINT64_MAX), hp.n_ctx_train);
    assert_int_equal(sh_memory_longest(&hp, &ask, 1 << 20), 0);
    /* Sizes that no machine has do not wrap around. */
    ask.weights = UINT64_MAX - 5;
    sh_memory_needed(&a, &hp, &ask);
    assert_true(a.total == UINT64_MAX);
    ask.n_ctx = UINT32_MAX;
    sh_memory_needed(&a, &hp, &ask);
    assert_true(a.kv_cache == UINT64_MAX && a.total == UINT64_MAX);
    sh_arena_free(arena);
}

/* ---- lists of tensors ---- */

#define CONFIG                                                                                               \
    "{\"model_type\":\"llama\",\"vocab_size\":16,\"num_hidden_layers\":1,\"hidden_size\":8,"                 \
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"intermediate_size\":12,\"torch_dtype\":"          \
    "\"float16\"}"
#define LAYER(put, tail)                                                                                     \
    put("input_layernorm", "8") put("post_attention_layernorm", "8") put("self_attn.q_proj", "8,8")          \
        put("self_attn.k_proj", "4,8") put("self_attn.v_proj", "4,8") put("self_attn.o_proj", "8,8")         \
            put("mlp.gate_proj", "12,8") put("mlp.up_proj", "12,8") tail("mlp.down_proj", "8,12")
#define SHAPED(name, shape) "\"model.layers.0." name ".weight\":{\"dtype\":\"F16\",\"shape\":[" shape "]},"
#define SHAPED_LAST(name, shape)                                                                             \
    "\"model.layers.0." name ".weight\":{\"dtype\":\"F16\",\"shape\":[" shape "]}}"
#define MAPPED(name, shape) "\"model.layers.0." name ".weight\":\"model-1.safetensors\","
#define MAPPED_LAST(name, shape) "\"model.layers.0." name ".weight\":\"model-2.safetensors\"}"
#define SHAPED_OUTER(rows)                                                                                   \
    "{\"__metadata__\":{\"format\":\"pt\"},\"model.embed_tokens.weight\":{\"dtype\":\"F16\",\"shape\":[16,"  \
    "8]},"                                                                                                   \
    "\"lm_head.weight\":{\"dtype\":\"F16\",\"shape\":[" rows ",8]},"                                         \
    "\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[8]},"
#define MAPPED_OUTER                                                                                         \
    "\"weight_map\":{\"model.embed_tokens.weight\":\"a\",\"lm_head.weight\":\"a\",\"model.norm.weight\":"    \
    "\"a\","

enum { SMALL_PARAMETERS = 2 * 16 * 8 + 8 + 2 * 8 + 2 * 64 + 2 * 32 + 3 * 96 };

/* What a folder with this file beside config.json gives; rc is checked by the caller. */
static int read_manifest(sh_manifest *out, const char *name, const char *text, sh_err *err)
{
    char *dir = tmpdir_make();
    sh_arena *arena = sh_arena_open();
    sh_hparams hp;
    json_t *config = NULL;
    tmpdir_write(dir, "config.json", CONFIG);
    tmpdir_write(dir, "broken.json", "{\"model.norm.weight\": ");
    tmpdir_write(dir, "generation_config.json", "{\"x.weight\": 3, \"temperature\": 1}");
    if (text) tmpdir_write(dir, name, text);
    assert_int_equal(sh_json_read_file(&config, tmpdir_path(dir, "config.json"), 4096, err), SH_OK);
    assert_int_equal(sh_hf_config_read(&hp, config, arena, err), SH_OK);
    int rc = sh_manifest_read(out, dir, &hp, err);
    json_decref(config);
    sh_arena_free(arena);
    tmpdir_remove(dir);
    return rc;
}

static void test_manifests(void **state)
{
    static const char shaped[] = SHAPED_OUTER("16") LAYER(SHAPED, SHAPED_LAST);
    static const char mapped[] =
        "{\"metadata\":{\"total_size\":1234}," MAPPED_OUTER LAYER(MAPPED, MAPPED_LAST) "}";
    static const char no_total[] = "{" MAPPED_OUTER LAYER(MAPPED, MAPPED_LAST) "}";
    sh_manifest m = {0};
    sh_err err = {0};
    (void)state;
    assert_int_equal(read_manifest(&m, "list.json", shaped, &err), SH_OK);
    assert_string_equal(m.file, "list.json");
    assert_true(m.n_tensors == 12 && m.n_parameters == SMALL_PARAMETERS && m.dtype == SH_F16 && !m.is_gguf);
    assert_int_equal(m.n_bytes, 2 * SMALL_PARAMETERS + 2 * 8); /* one vector is F32 */
    sh_manifest_clear(&m);
    assert_int_equal(read_manifest(&m, "model.safetensors.index.json", mapped, &err), SH_OK);
    assert_true(m.n_tensors == 12 && m.n_parameters == SMALL_PARAMETERS && m.n_bytes == 1234 &&
                m.dtype == SH_F16);
    sh_manifest_clear(&m);
    assert_int_equal(read_manifest(&m, "model.safetensors.index.json", no_total, &err), SH_OK);
    assert_int_equal(m.n_bytes, 2 * SMALL_PARAMETERS); /* by torch_dtype */
    sh_manifest_clear(&m);
    /* without any list: what config.json alone says */
    assert_int_equal(read_manifest(&m, NULL, NULL, &err), SH_E_NOTFOUND);
    assert_true(!m.file && m.n_tensors == 0 && m.n_parameters == SMALL_PARAMETERS &&
                m.n_bytes == 2 * SMALL_PARAMETERS);
}

static void test_bad_manifests(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {SHAPED_OUTER("15") LAYER(SHAPED, SHAPED_LAST), "list.json: tensor 'lm_head.weight': shape [15, 8]"},
        {"{\"model.embed_tokens.weight\":\"x\"}",
         "list.json: tensor 'model.layers.0.input_layernorm.weight' is missing"},
        {"{\"lora.weight\":\"x\"," MAPPED_OUTER LAYER(MAPPED, MAPPED_LAST) "}",
         NULL}, /* only weight_map counts */
        {"{\"weight_map\":{\"lora.weight\":\"x\"}}", "tensor 'model.embed_tokens.weight' is missing"},
        {"{\"model.norm.weight\":{\"dtype\":7}}", "list.json: \"dtype\" must be a string"},
        {"{\"model.norm.weight\":{\"shape\":[-1]}}", "a shape that no tensor can have"},
        {"{\"model.norm.weight\":{\"shape\":[9000000000000000000,9000000000000000000]}}",
         "no tensor can have"},
        {"{\"model.norm.weight\":{\"shape\":[1,1,1,1,1]}}", "no tensor can have"},
        {"{\"metadata\":{\"total_size\":-4},\"model.norm.weight\":1.5,\"model.norm.bias\":\"x\"}",
         "total_size"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_manifest m = {0};
        sh_err err = {0};
        int rc = read_manifest(&m, "list.json", cases[i].text, &err);
        if (!cases[i].says) {
            assert_int_equal(rc, SH_OK);
            sh_manifest_clear(&m);
            continue;
        }
        assert_true(rc < 0 && rc != SH_E_NOTFOUND);
        if (!strstr(err.msg, cases[i].says) || strchr(err.msg, '\n'))
            fail_msg("'%s' does not say '%s'", err.msg, cases[i].says);
        assert_null(m.file);
    }
}

#ifdef SHOAL_FAULT
/* Whatever allocation fails, the answer is that or the whole one. */
static void test_memory_is_short(void **state)
{
    (void)state;
    for (long k = 0;; k++) {
        sh_manifest m = {0};
        sh_err err = {0};
        char *dir = tmpdir_make();
        sh_arena *arena = sh_arena_open();
        sh_hparams hp;
        tmpdir_write(dir, "config.json", CONFIG);
        tmpdir_write(dir, "list.json", SHAPED_OUTER("16") LAYER(SHAPED, SHAPED_LAST));
        json_t *config = golden_json(dir, "config.json");
        assert_int_equal(sh_hf_config_read(&hp, config, arena, &err), SH_OK);
        sh_fault_arm(SH_FAULT_ALLOC, k);
        int rc = sh_manifest_read(&m, dir, &hp, &err);
        bool fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_int_equal(rc, fired ? SH_E_NOMEM : SH_OK);
        sh_manifest_clear(&m);
        json_decref(config);
        sh_arena_free(arena);
        tmpdir_remove(dir);
        if (!fired) break;
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),      cmocka_unit_test(test_active),
        cmocka_unit_test(test_kinds),           cmocka_unit_test(test_sums),
        cmocka_unit_test(test_manifests),       cmocka_unit_test(test_bad_manifests),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory_is_short),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
