/* hf_config.h - config.json of a Hugging Face folder to hparams, in the style of transformers 4 or 5. */
#ifndef SH_MODEL_HF_CONFIG_H
#define SH_MODEL_HF_CONFIG_H

#include "base/arena.h"
#include "codec/json.h"
#include "model/arch.h"

typedef struct sh_config {
    const json_t *json; /* the object with the text model's keys (text_config of a multimodal model) */
    const sh_arch *arch;
    sh_arena *arena; /* what hparams point to */
} sh_config;

/* Every value that inference depends on is read; a missing one that has no default, or one of the wrong type
 * or an impossible size, gives a line with its key. config is not kept. Models of two parts (TrOCR, CLIP,
 * Whisper) get hp->encoder. */
int sh_hf_config_read(sh_hparams *hp, const json_t *config, sh_arena *arena, sh_err *err);

/* Helpers for the families' own keys. Each leaves *value alone when the key is absent or null. */
int sh_config_u32(const sh_config *c, const char *key, uint32_t *value, uint32_t lo, uint32_t hi,
                  sh_err *err);
int sh_config_f32(const sh_config *c, const char *key, float *value, sh_err *err);
int sh_config_bool(const sh_config *c, const char *key, bool *value, sh_err *err);
/* The first of several spellings ("a|b|c") that is present and not null, or NULL; *key_out (may be NULL) its
 * spelling. */
const json_t *sh_config_first(const sh_config *c, const char *keys, char key_out[64]);
/* Layers [n_layers] of hp, writable while the config is being read. */
static inline sh_layer_traits *sh_config_layers(sh_hparams *hp)
{
    return (sh_layer_traits *)hp->layers;
}

/* hf_rope.c: rope_theta, rope_scaling, rope_parameters and their kin, into hp->rope, hp->rope_local and
 * hp->n_rot. */
int sh_hf_rope_read(const sh_config *c, sh_hparams *hp, sh_err *err);
/* One object of scaling values ("rope_scaling", a v5 "rope_parameters"); obj may be NULL or a JSON null. */
int sh_hf_rope_object(const sh_config *c, const json_t *obj, const sh_hparams *hp, sh_rope_params *rope,
                      sh_err *err);

/* hf_families.c: the keys that one family has. */
int sh_hf_llama(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_mixtral(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_qwen_moe(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_gemma3(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_phi(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_smollm3(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_granite(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_gpt2(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_bigcode(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_neo(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_gptj(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_codegen(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_neox(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_falcon(const sh_config *c, sh_hparams *hp, sh_err *err);
/* hf_encoders.c */
int sh_hf_bert(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_mpnet(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_vision(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_beit(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_trocr(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_whisper(const sh_config *c, sh_hparams *hp, sh_err *err);
int sh_hf_whisper_encoder(const sh_config *c, sh_hparams *hp, sh_err *err);

#endif
