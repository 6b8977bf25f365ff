/* fuzz: model */
/* A list of tensors as JSON, for a model of one small layer: accepted lists add up, refused ones say why in
 * one line. */
#include <string.h>

#include "base/arena.h"
#include "model/hf_config.h"
#include "model/manifest.h"

static const char config[] =
    "{\"model_type\":\"llama\",\"vocab_size\":16,\"num_hidden_layers\":1,\"hidden_size\":8,\"num_attention_"
    "heads\":2,"
    "\"num_key_value_heads\":1,\"intermediate_size\":12,\"tie_word_embeddings\":true}";

static void check(const sh_hparams *hp, const json_t *list)
{
    sh_manifest m = {0};
    sh_err err = {0};
    int rc = sh_manifest_from_json(&m, list, "fuzz", hp, &err);
    if (rc == SH_OK && (!m.file || !m.n_tensors)) __builtin_trap();
    if (rc < 0 && (m.file || !err.msg[0] || strchr(err.msg, '\n'))) __builtin_trap();
    sh_manifest_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_hparams hp;
    sh_err err = {0};
    json_t *shape = NULL, *list = NULL;
    sh_arena *arena = sh_arena_open();
    if (arena && sh_json_parse(&shape, config, sizeof config - 1, "config.json", &err) == SH_OK &&
        sh_hf_config_read(&hp, shape, arena, &err) == SH_OK &&
        sh_json_parse(&list, (const char *)data, size, "fuzz", &err) == SH_OK)
        check(&hp, list);
    json_decref(list);
    json_decref(shape);
    sh_arena_free(arena);
    return 0;
}
