/* fuzz: model */
/* A config.json, or the metadata and names of a GGUF file: what is accepted must give a usable shape. */
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "codec/json.h"
#include "formats/tensors.h"
#include "model/bind.h"
#include "model/hf_config.h"
#include "model/load.h"
#include "model/rope.h"

static void use(const sh_hparams *hp, bool is_gguf, const sh_tensor *tensors, size_t n, sh_arena *arena)
{
    sh_rope rope;
    sh_err err = {0};
    float cos_t[8192], sin_t[8192];
    if (hp->n_heads % hp->n_kv_heads || hp->n_rot > hp->head_dim) __builtin_trap();
    (void)sh_bind_check(hp, is_gguf, tensors, n, &err);
    if (is_gguf && hp->rope.scaling == SH_ROPE_SCALE_LONGROPE)
        return; /* its factors are tensors, read when loading */
    if (sh_rope_init(&rope, &hp->rope, hp->n_rot, arena, &err) == SH_OK && rope.n_pairs <= 8192)
        sh_rope_at(&rope, SH_MAX_POSITIONS - 1, true, cos_t, sin_t);
}

static int try_gguf(const uint8_t *data, size_t size, sh_arena *arena, sh_err *err)
{
    sh_tensors *t = NULL;
    sh_hparams hp;
    int rc = sh_gguf_parse(&t, data, size, "fuzz", err);
    if (rc < 0) return rc;
    size_t n = sh_tensors_count(t);
    sh_tensor *list = sh_alloc(n, sizeof *list);
    for (size_t i = 0; list && i < n; i++) list[i] = *sh_tensors_at(t, i);
    if (list && (rc = sh_gguf_config_read(&hp, t, arena, err)) == SH_OK) use(&hp, true, list, n, arena);
    sh_free(list);
    sh_tensors_free(t);
    return rc;
}

static int try_json(const uint8_t *data, size_t size, sh_arena *arena, sh_err *err)
{
    json_t *config = NULL;
    sh_hparams hp;
    int rc = sh_json_parse(&config, (const char *)data, size, "fuzz", err);
    if (rc == SH_OK && (rc = sh_hf_config_read(&hp, config, arena, err)) == SH_OK)
        use(&hp, false, NULL, 0, arena);
    json_decref(config);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_err err = {0};
    sh_arena *arena = sh_arena_open();
    if (!arena) return 0;
    int rc = size >= 4 && !memcmp(data, "GGUF", 4) ? try_gguf(data, size, arena, &err)
                                                   : try_json(data, size, arena, &err);
    if (rc < 0 && (!err.msg[0] || strchr(err.msg, '\n'))) __builtin_trap(); /* a refusal is one clear line */
    sh_arena_free(arena);
    return 0;
}
