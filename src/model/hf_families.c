/* hf_families.c - keys of config.json that one family has. Meanings: docs/models.md. */
#include <math.h>
#include <string.h>

#include "model/hf_config.h"

/* A switch of the reference that no published model sets, and that would change results. */
static int refuse(const sh_config *c, const char *key, bool usual, sh_err *err)
{
    bool value = usual;
    int rc = sh_config_bool(c, key, &value, err);
    if (rc < 0 || value == usual) return rc;
    return sh_fail(err, SH_E_UNSUPPORTED, "%s: %s is not supported", key, value ? "true" : "false");
}

int sh_hf_llama(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    uint32_t tp = 1; /* splits products for rounding's sake only: no effect on what is computed */
    (void)hp;
    return sh_config_u32(c, "pretraining_tp", &tp, 1, 1024, err);
}

static int read_experts(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    if ((rc = sh_config_u32(c, "num_local_experts|num_experts", &hp->n_experts, 1, SH_MAX_EXPERTS, err)) < 0)
        return rc;
    if ((rc = sh_config_u32(c, "num_experts_per_tok", &hp->n_experts_used, 1, SH_MAX_EXPERTS, err)) < 0)
        return rc;
    if (!hp->n_experts) return sh_fail(err, SH_E_CORRUPT, "no num_experts");
    if (!hp->n_experts_used) return sh_fail(err, SH_E_CORRUPT, "no num_experts_per_tok");
    return SH_OK;
}

int sh_hf_mixtral(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc = read_experts(c, hp, err);
    hp->n_ff_expert = hp->n_ff;
    for (uint32_t i = 0; i < hp->n_layers; i++) sh_config_layers(hp)[i].experts = true;
    return rc;
}

/* Layer i has experts unless it is listed in mlp_only_layers or falls between the steps. */
int sh_hf_qwen_moe(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    uint32_t step = 1;
    bool norm = false, bias = hp->bias_qkv == SH_BIAS_YES;
    const json_t *plain = json_object_get(c->json, "mlp_only_layers");
    if ((rc = read_experts(c, hp, err)) < 0) return rc;
    if ((rc = sh_config_u32(c, "moe_intermediate_size", &hp->n_ff_expert, 1, 1u << 24, err)) < 0) return rc;
    if ((rc = sh_config_u32(c, "shared_expert_intermediate_size", &hp->n_ff_shared, 0, 1u << 24, err)) < 0)
        return rc;
    if ((rc = sh_config_bool(c, "norm_topk_prob", &norm, err)) < 0) return rc;
    if ((rc = sh_config_bool(c, "qkv_bias", &bias, err)) < 0) return rc;
    if ((rc = sh_config_u32(c, "decoder_sparse_step", &step, 1, SH_MAX_LAYERS, err)) < 0) return rc;
    hp->expert_norm_topk = norm;
    hp->bias_qkv = bias ? SH_BIAS_YES : SH_BIAS_NO;
    for (uint32_t i = 0; i < hp->n_layers; i++) sh_config_layers(hp)[i].experts = (i + 1) % step == 0;
    for (size_t i = 0; i < json_array_size(plain); i++) {
        json_int_t layer = json_integer_value(json_array_get(plain, i));
        if (layer >= 0 && layer < hp->n_layers) sh_config_layers(hp)[layer].experts = false;
    }
    return SH_OK;
}

/* Windowed layers rotate with a base of their own and are never scaled. */
int sh_hf_gemma3(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    const json_t *params = json_object_get(c->json, "rope_parameters");
    if ((rc = refuse(c, "use_bidirectional_attention", false, err)) < 0) return rc;
    if ((rc = sh_json_get_num(c->json, "rope_local_base_freq", &hp->rope_local.theta, 1e-3, 1e15, err)) < 0)
        return rc;
    if (!json_is_object(params)) return SH_OK;
    if ((rc = sh_hf_rope_object(c, json_object_get(params, "full_attention"), hp, &hp->rope, err)) < 0)
        return rc;
    return sh_hf_rope_object(c, json_object_get(params, "sliding_attention"), hp, &hp->rope_local, err);
}

int sh_hf_phi(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    (void)hp;
    return refuse(c, "qk_layernorm", false, err);
}

int sh_hf_smollm3(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    uint32_t interval = 4;
    int rc = sh_config_u32(c, "no_rope_layer_interval", &interval, 1, SH_MAX_LAYERS, err);
    const json_t *list = json_object_get(c->json, "no_rope_layers");
    if (rc < 0) return rc;
    if (json_is_array(list) && json_array_size(list) != hp->n_layers)
        return sh_fail(err, SH_E_CORRUPT, "no_rope_layers: expected a list of %u", hp->n_layers);
    for (uint32_t i = 0; i < hp->n_layers; i++)
        sh_config_layers(hp)[i].rope =
            json_is_array(list) ? json_integer_value(json_array_get(list, i)) != 0 : (i + 1) % interval != 0;
    return SH_OK;
}

int sh_hf_granite(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    float logits = 1;
    if ((rc = sh_config_f32(c, "embedding_multiplier", &hp->embed_scale, err)) < 0) return rc;
    if ((rc = sh_config_f32(c, "attention_multiplier", &hp->attention_scale, err)) < 0) return rc;
    if ((rc = sh_config_f32(c, "residual_multiplier", &hp->residual_scale, err)) < 0) return rc;
    if ((rc = sh_config_f32(c, "logits_scaling", &logits, err)) < 0) return rc;
    hp->logit_scale = 1 / logits;
    return SH_OK;
}

int sh_hf_gpt2(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    bool scaled = true;
    if ((rc = refuse(c, "scale_attn_by_inverse_layer_idx", false, err)) < 0) return rc;
    if ((rc = refuse(c, "add_cross_attention", false, err)) < 0) return rc;
    if ((rc = sh_config_bool(c, "scale_attn_weights", &scaled, err)) < 0) return rc;
    if (!scaled) hp->attention_scale = 1;
    return SH_OK;
}

int sh_hf_bigcode(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool multi_query = true;
    int rc = sh_config_bool(c, "multi_query", &multi_query, err);
    hp->n_kv_heads = multi_query ? 1 : hp->n_heads;
    return rc < 0 ? rc : sh_hf_gpt2(c, hp, err);
}

/* attention_types [[["global", "local"], 12]]: the inner list repeated, a layer each. */
int sh_hf_neo(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    uint32_t window = 256, i = 0;
    int rc = sh_config_u32(c, "window_size", &window, 1, UINT32_MAX, err);
    const json_t *groups = json_object_get(c->json, "attention_types");
    if (rc < 0) return rc;
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *group = json_array_get(groups, g), *kinds = json_array_get(group, 0);
        json_int_t repeats = json_integer_value(json_array_get(group, 1));
        for (json_int_t r = 0; r < repeats && i < hp->n_layers && json_array_size(kinds); r++)
            for (size_t k = 0; k < json_array_size(kinds) && i < hp->n_layers; k++) {
                const char *kind = json_string_value(json_array_get(kinds, k));
                sh_config_layers(hp)[i++].window = kind && !strcmp(kind, "local") ? window : 0;
            }
    }
    if (i != hp->n_layers)
        return sh_fail(err, SH_E_CORRUPT, "attention_types: %u layers (expected %u)", i, hp->n_layers);
    return SH_OK;
}

int sh_hf_gptj(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    hp->n_rot = 64;
    if (hp->n_rot > hp->head_dim) hp->n_rot = hp->head_dim;
    return sh_config_u32(c, "rotary_dim", &hp->n_rot, 2, hp->head_dim, err);
}

int sh_hf_codegen(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    if (hp->n_heads % 4) return sh_fail(err, SH_E_CORRUPT, "n_head: %u is no multiple of 4", hp->n_heads);
    return sh_hf_gptj(c, hp, err);
}

int sh_hf_neox(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool parallel = true;
    int rc = sh_config_bool(c, "use_parallel_residual", &parallel, err);
    if (!parallel) hp->residual = SH_RESIDUAL_SEQUENTIAL;
    hp->bias_mlp = SH_BIAS_YES;
    return rc;
}

/* Three generations: rw (alibi, sequential, one key head per query head), 7b (one key head), 40b (groups, two
 * norms). */
int sh_hf_falcon(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    bool alibi = false, parallel = true, multi_query = true, groups = false;
    uint32_t n_kv = hp->n_heads, n_norms = 2;
    if ((rc = sh_config_bool(c, "alibi", &alibi, err)) < 0 ||
        (rc = sh_config_bool(c, "parallel_attn", &parallel, err)) < 0 ||
        (rc = sh_config_bool(c, "multi_query", &multi_query, err)) < 0 ||
        (rc = sh_config_bool(c, "new_decoder_architecture", &groups, err)) < 0 ||
        (rc = sh_config_u32(c, "num_kv_heads|n_head_kv", &n_kv, 1, 1u << 16, err)) < 0 ||
        (rc = sh_config_u32(c, "num_ln_in_parallel_attn", &n_norms, 1, 2, err)) < 0 ||
        (rc = refuse(c, "apply_residual_connection_post_layernorm", false, err)) < 0)
        return rc;
    hp->n_kv_heads = groups || !multi_query ? n_kv : 1;
    hp->residual = groups ? (n_norms == 2 ? SH_RESIDUAL_PARALLEL_TWO_NORMS : SH_RESIDUAL_PARALLEL_ONE_NORM)
                   : parallel ? SH_RESIDUAL_PARALLEL_ONE_NORM : SH_RESIDUAL_SEQUENTIAL;
    if (!alibi) return SH_OK;
    hp->position = SH_POSITION_ALIBI;
    hp->n_rot = 0;
    for (uint32_t i = 0; i < hp->n_layers; i++) sh_config_layers(hp)[i].rope = false;
    return SH_OK;
}
