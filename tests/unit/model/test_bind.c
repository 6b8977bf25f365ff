/* test_bind.c - names and shapes: complete, missing, mis-shaped and left-over tensors, and the lists of
 * published models. */
#include "unit/test.h"

#include "base/arena.h"
#include "base/mem.h"
#include "codec/json.h"
#include "model/bind.h"
#include "os/file.h"

typedef struct listing { sh_tensor t[4096]; char names[4096][96]; size_t n; } listing;

static void add(listing *l, const char *name, uint32_t n_dims, uint64_t d0, uint64_t d1)
{
    assert_true(l->n < 4096);
    snprintf(l->names[l->n], sizeof l->names[0], "%s", name);
    l->t[l->n] =
        (sh_tensor){.name = l->names[l->n], .dtype = SH_F32, .n_dims = n_dims, .dims = {d0, d1, 1, 1}};
    l->n++;
}

static sh_tensor *named(listing *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->names[i], name)) return &l->t[i];
    fail_msg("no %s", name);
    return NULL;
}

/* One layer of a small Llama. */
static listing *small_llama(sh_hparams *hp)
{
    listing *l = sh_zalloc(1, sizeof *l);
    assert_non_null(l);
    sh_hparams_from_arch(hp, sh_arch_by_hf("llama"));
    hp->n_layers = 1, hp->n_embd = 8, hp->n_heads = 2, hp->n_kv_heads = 1, hp->head_dim = 4, hp->n_ff = 12,
    hp->n_vocab = 16, hp->n_rot = 4;
    add(l, "model.embed_tokens.weight", 2, 8, 16);
    add(l, "model.norm.weight", 1, 8, 1);
    add(l, "lm_head.weight", 2, 8, 16);
    add(l, "model.layers.0.input_layernorm.weight", 1, 8, 1);
    add(l, "model.layers.0.post_attention_layernorm.weight", 1, 8, 1);
    add(l, "model.layers.0.self_attn.q_proj.weight", 2, 8, 8);
    add(l, "model.layers.0.self_attn.k_proj.weight", 2, 8, 4);
    add(l, "model.layers.0.self_attn.v_proj.weight", 2, 8, 4);
    add(l, "model.layers.0.self_attn.o_proj.weight", 2, 8, 8);
    add(l, "model.layers.0.mlp.gate_proj.weight", 2, 8, 12);
    add(l, "model.layers.0.mlp.up_proj.weight", 2, 8, 12);
    add(l, "model.layers.0.mlp.down_proj.weight", 2, 12, 8);
    return l;
}

static void expect(listing *l, const sh_hparams *hp, int code, const char *says)
{
    sh_err err = {0};
    assert_int_equal(sh_bind_check(hp, false, l->t, l->n, &err), code);
    if (says && !strstr(err.msg, says)) fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void test_small(void **state)
{
    sh_hparams hp;
    listing *l = small_llama(&hp);
    (void)state;
    expect(l, &hp, SH_OK, NULL);
    add(l, "model.layers.0.self_attn.rotary_emb.inv_freq", 1, 2, 1); /* old writers' table: no harm */
    expect(l, &hp, SH_OK, NULL);
    named(l, "model.layers.0.self_attn.k_proj.weight")->dims[1] = 8;
    expect(l, &hp, SH_E_CORRUPT,
           "tensor 'model.layers.0.self_attn.k_proj.weight': shape [8, 8] (expected [4, 8])");
    named(l, "model.layers.0.self_attn.k_proj.weight")->dims[1] = 4;
    add(l, "model.layers.0.self_attn.q_proj.bias", 1, 8, 1);
    expect(l, &hp, SH_E_CORRUPT,
           "tensor 'model.layers.0.self_attn.q_proj.bias' is not part of this llama model");
    hp.bias_qkv = SH_BIAS_YES;
    expect(l, &hp, SH_E_CORRUPT, "tensor 'model.layers.0.self_attn.k_proj.bias' is missing (expected [4])");
    hp.bias_qkv = SH_BIAS_IF_PRESENT;
    expect(l, &hp, SH_OK, NULL);
    hp.tied_output = true; /* a copy of the tied matrix is allowed */
    expect(l, &hp, SH_OK, NULL);
    snprintf(l->names[9], sizeof l->names[0], "model.layers.0.mlp.gate_prj.weight");
    expect(l, &hp, SH_E_CORRUPT,
           "tensor 'model.layers.0.mlp.gate_proj.weight' is missing (expected [12, 8])");
    hp.n_layers = 2;
    snprintf(l->names[9], sizeof l->names[0], "model.layers.0.mlp.gate_proj.weight");
    expect(l, &hp, SH_E_CORRUPT, "tensor 'model.layers.1.input_layernorm.weight' is missing");
    sh_free(l);
}

/* "ARCH.key": "12" of a manifest. */
static uint32_t number(const json_t *manifest, const char *arch, const char *key, uint32_t otherwise)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", arch, key);
    const char *text = json_string_value(json_object_get(manifest, name));
    return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* The GGUF names of published checkpoints, as another converter lists them (no shapes). */
static void test_published(void **state)
{
    static const char *const models[] = {
        "Meta-Llama-3-8B-Instruct",
        "Mistral-7B-Instruct-v0.2",
        "Mixtral-8x7B-Instruct-v0.1",
        "Phi-3-mini-128k-instruct",
        "Qwen2.5-0.5B-Instruct",
        "gemma-2b-it",
        "gemma-2-2b-it",
    };
    (void)state;
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/lm/model_arch_manifests")) {
        print_message("skipped: no manifests at " SHOAL_GOLDEN_DIR "/lm/model_arch_manifests\n");
        skip();
    }
    for (size_t m = 0; m < COUNT(models); m++) {
        char path[512];
        json_t *manifest = NULL;
        sh_err err = {0};
        sh_hparams hp;
        listing *l = sh_zalloc(1, sizeof *l);
        snprintf(path, sizeof path, SHOAL_GOLDEN_DIR "/lm/model_arch_manifests/%s.json", models[m]);
        assert_ok(sh_json_read_file(&manifest, path, 1 << 20, &err), &err);
        const char *arch = json_string_value(json_object_get(manifest, "general.architecture")), *key;
        json_t *value;
        sh_hparams_from_arch(&hp, sh_arch_by_gguf(arch));
        hp.bias_qkv = hp.bias_o = hp.bias_mlp = hp.bias_output = SH_BIAS_IF_PRESENT;
        hp.n_layers = number(manifest, arch, "block_count", 0);
        hp.n_rot = 2;
        hp.n_experts = number(manifest, arch, "expert_count", 0);
        hp.tied_output = !json_object_get(manifest, "output.weight");
        sh_layer_traits *layers = sh_zalloc(hp.n_layers, sizeof *layers);
        for (uint32_t i = 0; i < hp.n_layers; i++) layers[i].experts = hp.n_experts > 0;
        hp.layers = layers;
        if (json_object_get(manifest, "rope_factors_long.weight")) hp.rope.scaling = SH_ROPE_SCALE_LONGROPE;
        json_object_foreach(manifest, key, value) {
            size_t n = strlen(key);
            if ((n > 7 && !strcmp(key + n - 7, ".weight")) || (n > 5 && !strcmp(key + n - 5, ".bias")))
                add(l, key, 0, 0, 0);
        }
        int rc = sh_bind_check(&hp, true, l->t, l->n, &err);
        if (rc < 0) fail_msg("%s: %s", models[m], err.msg);
        l->names[l->n / 2][0] = '_'; /* and one name that is wrong is seen */
        assert_int_equal(sh_bind_check(&hp, true, l->t, l->n, &err), SH_E_CORRUPT);
        sh_free(layers);
        sh_free(l);
        json_decref(manifest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_published)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
