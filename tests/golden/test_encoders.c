/* test_encoders.c - the shapes of encoders, and of decoders that look at one: every tensor of the reference's
 * folders is one that the table knows, none is missing, and what cannot be computed yet says so. */
#include "base/arena.h"
#include "golden/model_golden.h"
#include "model/arch.h"
#include "model/bind.h"
#include "model/convert.h"
#include "model/hf_config.h"

enum { MAX_TENSORS = 512 };

typedef struct folder {
    const char *name;
    uint32_t n_layers, n_embd; /* of the part that reads or writes text, or of the only one */
    const char *encoder;       /* architecture of the other part */
    bool runs;
} folder;

static const folder folders[] = {
    {"bert_mean", 3, 64, NULL, true},
    {"cross_encoder", 2, 48, NULL, true},
    {"cross_xlmr", 2, 48, NULL, true},
    {"roberta_mean", 2, 48, NULL, true},
    {"mpnet_mean", 2, 48, NULL, true},
    {"vit", 2, 64, NULL, false},
    {"deit", 2, 64, NULL, false},
    {"beit", 2, 64, NULL, false},
    {"beit_abs", 2, 64, NULL, false},
    {"trocr_base", 2, 64, "vit", false},
    {"trocr_small", 2, 48, "deit", false},
    {"trocr_sinusoidal", 2, 48, "deit", false},
    {"clip", 2, 48, "clip_vision", false},
    {"clip_modern", 2, 48, "clip_vision", false},
    {"siglip", 2, 48, "siglip_vision", false},
    {"whisper", 2, 48, "whisper_encoder", false},
};

/* Without tensor `left_out`, and with LayerNorm's tensors under their TensorFlow names when asked. */
static int check(const sh_hparams *hp, const sh_tensors *file, size_t left_out, bool old_names, sh_err *err)
{
    static sh_tensor list[MAX_TENSORS];
    static char names[MAX_TENSORS][160];
    size_t n = 0;
    assert_true(sh_tensors_count(file) <= MAX_TENSORS);
    for (size_t i = 0; i < sh_tensors_count(file); i++) {
        if (i == left_out) continue;
        list[n] = *sh_tensors_at(file, i);
        const char *dot = strrchr(list[n].name, '.'), *norm = strstr(list[n].name, "LayerNorm.");
        if (old_names && norm && norm + 9 == dot) {
            snprintf(names[n], sizeof names[n], "%.*s%s", (int)(dot - list[n].name), list[n].name,
                     strcmp(dot, ".weight") == 0 ? ".gamma" : ".beta");
            list[n].name = names[n];
        }
        n++;
    }
    return sh_bind_check(hp, false, list, n, err);
}

/* What a loader may do without: unused tables, a pooler or a head that only some files have, a matrix stored
 * twice. */
static bool is_optional(const char *name)
{
    static const char *const parts[] = {"position_ids",      "relative_position_index",
                                        "pooler.dense",      "classifier",
                                        "output_projection", "decoder.model.decoder.embed_tokens",
                                        "projection.weight", "logit_scale",
                                        "logit_bias",        "text_model.head"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i]) && !strstr(name, "patch_embeddings")) return true;
    return false;
}

static void check_tensors(const folder *f, const sh_hparams *hp, const sh_tensors *file)
{
    sh_err err = {0};
    if (check(hp, file, SIZE_MAX, false, &err) < 0) fail_msg("%s: %s", f->name, err.msg);
    if (check(hp, file, SIZE_MAX, true, &err) < 0) fail_msg("%s: %s", f->name, err.msg);
    for (size_t i = 0; i < sh_tensors_count(file); i++) {
        const char *name = sh_tensors_at(file, i)->name;
        if (is_optional(name)) continue;
        if (check(hp, file, i, false, &err) == SH_OK) fail_msg("%s: nobody misses '%s'", f->name, name);
        if (!strstr(err.msg, name)) fail_msg("%s without '%s': %s", f->name, name, err.msg);
    }
}

static void check_folder(sh_runtime *rt, const folder *f)
{
    static const char *const configs[] = {"config.json", "config.v5.json"};
    char dir[1024];
    sh_err err = {0};
    sh_tensors *file = NULL;
    sh_model *m = NULL;
    snprintf(dir, sizeof dir, "%s/golden/models/%s", SHOAL_GOLDEN_DIR, f->name);
    char path[1100];
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    if (sh_tensors_open(&file, path, &err) < 0) fail_msg("%s", err.msg);
    for (size_t i = 0; i < 2; i++) {
        sh_arena *arena = sh_arena_open();
        json_t *config = golden_json(dir, configs[i]);
        sh_hparams hp;
        if (sh_hf_config_read(&hp, config, arena, &err) < 0)
            fail_msg("%s/%s: %s", f->name, configs[i], err.msg);
        assert_int_equal(hp.n_layers, f->n_layers);
        assert_int_equal(hp.n_embd, f->n_embd);
        assert_true(!hp.encoder == !f->encoder);
        if (f->encoder) assert_string_equal(hp.encoder->arch->name, f->encoder);
        check_tensors(f, &hp, file);
        json_decref(config);
        sh_arena_free(arena);
    }
    sh_tensors_free(file);
    int rc = sh_model_open(&m, rt, dir, NULL, &err);
    assert_int_equal(rc, f->runs ? SH_OK : SH_E_UNSUPPORTED);
    if (!f->runs) assert_non_null(strstr(err.msg, "cannot be computed yet"));
    sh_model_free(m);
    sh_convert_opts co = SH_CONVERT_OPTS_INIT;
    assert_int_equal(sh_convert(rt, dir, "/nonexistent/out.gguf", &co, NULL, &err), SH_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "cannot be written as GGUF yet"));
}

static void test_folders(void **state)
{
    sh_runtime *rt = NULL;
    sh_err err = {0};
    (void)state;
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR)) {
        puts("skipped: no reference data at " SHOAL_GOLDEN_DIR);
        skip();
    }
    if (sh_runtime_open(&rt, NULL, &err) < 0) fail_msg("%s", err.msg);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) check_folder(rt, &folders[i]);
    sh_runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
