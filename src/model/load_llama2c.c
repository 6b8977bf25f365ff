/* load_llama2c.c - a checkpoint of llama2.c: the shape is its header, the tokenizer a file of its own. */
#include <math.h>

#include "formats/llama2c.h"
#include "model/load.h"

int sh_load_llama2c(sh_model *m, const char *path, const sh_model_opts *opts, sh_err *err)
{
    static const char *const keys[] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                       "n_kv_heads", "vocab_size", "seq_len"};
    sh_hparams *hp = &m->hp;
    sh_hparams_from_arch(hp, sh_arch_by_hf("llama"));
    uint32_t *const values[] = {&hp->n_embd,     &hp->n_ff,    &hp->n_layers,   &hp->n_heads,
                                &hp->n_kv_heads, &hp->n_vocab, &hp->n_ctx_train};
    int rc;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char key[32] = "llama2c.";
        uint64_t v = 0;
        for (size_t k = 0; keys[i][k]; k++) key[8 + k] = keys[i][k];
        if ((rc = sh_meta_get_u64(m->tensors, key, &v, UINT32_MAX, err)) < 0) return rc;
        *values[i] = (uint32_t)v;
    }
    if (!hp->n_heads || hp->n_embd % hp->n_heads)
        return sh_fail(err, SH_E_CORRUPT, "%s: %u heads for a width of %u", path, hp->n_heads, hp->n_embd);
    hp->head_dim = hp->n_rot = hp->n_embd / hp->n_heads;
    hp->attention_scale = (float)(1 / sqrt(hp->head_dim));
    hp->tied_output = !sh_tensors_find(m->tensors, "lm_head.weight");
    hp->rope.style = SH_ROPE_INTERLEAVED;
    if ((rc = sh_hparams_check(hp, path, err)) < 0) return rc;
    sh_layer_traits *layers = sh_arena_zalloc(m->arena, hp->n_layers, sizeof *layers);
    if (!layers) return sh_fail_nomem(err, hp->n_layers * sizeof *layers);
    for (uint32_t i = 0; i < hp->n_layers; i++) layers[i].rope = true;
    hp->layers = layers;
    if (opts->tokenizer_path && (rc = sh_load_tokenizer_file(m, opts->tokenizer_path, err)) < 0) return rc;
    if (!opts->tokenizer_path && !opts->allow_no_tokenizer)
        return sh_fail(err, SH_E_INVALID,
                       "%s: a llama2.c checkpoint has no tokenizer in it: name its tokenizer.bin", path);
    return sh_load_weights(m, false, opts, err);
}
