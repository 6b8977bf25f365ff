/* hf_config.c - the keys that families share: sizes, norms, activation, biases, scales, windows.
 *
 * Published files differ in spelling (num_hidden_layers, n_layer, num_layers) and in what they leave out, so
 * each value is a list of spellings and a default. What a family alone has is in hf_families.c, the rotary
 * keys in hf_rope.c. */
#include "model/hf_config.h"

#include <math.h>
#include <string.h>

#include "model/shown.h"

const json_t *sh_config_first(const sh_config *c, const char *keys, char key_out[64])
{
    while (*keys) {
        char key[64];
        size_t n = strcspn(keys, "|");
        if (n >= sizeof key) return NULL;
        memcpy(key, keys, n);
        key[n] = 0;
        const json_t *v = json_object_get(c->json, key);
        if (v && !json_is_null(v)) {
            if (key_out) memcpy(key_out, key, sizeof key);
            return v;
        }
        keys += n + (keys[n] == '|');
    }
    return NULL;
}

int sh_config_u32(const sh_config *c, const char *key, uint32_t *value, uint32_t lo, uint32_t hi, sh_err *err)
{
    char found[64] = "";
    if (!sh_config_first(c, key, found)) return SH_OK;
    int64_t v = *value;
    int rc = sh_json_get_int(c->json, found, &v, lo, hi, err);
    if (rc == SH_OK) *value = (uint32_t)v;
    return rc;
}

int sh_config_f32(const sh_config *c, const char *key, float *value, sh_err *err)
{
    char found[64] = "";
    if (!sh_config_first(c, key, found)) return SH_OK;
    double v = *value;
    int rc = sh_json_get_num(c->json, found, &v, -1e30, 1e30, err);
    if (rc == SH_OK) *value = (float)v;
    return rc;
}

int sh_config_bool(const sh_config *c, const char *key, bool *value, sh_err *err)
{
    return sh_json_get_bool(c->json, key, value, err);
}

static int config_sizes(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    const struct { const char *keys; uint32_t *value, hi; bool required; } sizes[] = {
        {"vocab_size", &hp->n_vocab, 1u << 24, true},
        {"num_hidden_layers|n_layer|num_layers", &hp->n_layers, SH_MAX_LAYERS, true},
        {"hidden_size|n_embd", &hp->n_embd, 1u << 20, true},
        {"num_attention_heads|n_head|num_heads", &hp->n_heads, 1u << 16, true},
        {"num_key_value_heads", &hp->n_kv_heads, 1u << 16, false},
        {"head_dim", &hp->head_dim, 1u << 14, false},
        {"intermediate_size|n_inner|ffn_hidden_size", &hp->n_ff, 1u << 24, hp->gated},
        {"max_position_embeddings|n_positions", &hp->n_ctx_train, 1u << 30, false},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int rc = sh_config_u32(c, sizes[i].keys, sizes[i].value, 1, sizes[i].hi, err);
        if (rc < 0) return rc;
        if (sizes[i].required && !*sizes[i].value)
            return sh_fail(err, SH_E_CORRUPT, "no %.*s", (int)strcspn(sizes[i].keys, "|"), sizes[i].keys);
    }
    if (!hp->n_kv_heads) hp->n_kv_heads = hp->n_heads;
    if (!hp->head_dim) hp->head_dim = hp->n_embd / hp->n_heads;
    if (!hp->n_ff) hp->n_ff = 4 * hp->n_embd;
    if (!hp->n_ctx_train) hp->n_ctx_train = 2048;
    hp->layers = sh_arena_zalloc(c->arena, hp->n_layers, sizeof *hp->layers);
    return hp->layers ? SH_OK : sh_fail_nomem(err, hp->n_layers * sizeof *hp->layers);
}

static int config_activation(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    const json_t *v = sh_config_first(c, "hidden_activation|hidden_act|activation_function|activation", NULL);
    if (!v) return SH_OK;
    const char *name = json_string_value(v);
    int act = name ? sh_activation_find(name) : -1;
    sh_shown shown;
    if (act < 0)
        return sh_fail(err, SH_E_UNSUPPORTED, "activation '%.40s' is not supported",
                       name ? sh_show(&shown, name) : "(no text)");
    if (act == SH_ACTIVATION_GELU_ERF && (c->arch->flags & SH_ARCH_GELU_IS_TANH))
        act = SH_ACTIVATION_GELU_TANH;
    hp->activation = (enum sh_activation)act;
    return SH_OK;
}

static int config_biases(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    if (!(c->arch->flags & SH_ARCH_BIAS_KEYS)) return SH_OK;
    bool attention = hp->bias_o == SH_BIAS_YES, mlp = hp->bias_mlp == SH_BIAS_YES, all = attention && mlp,
         had = all;
    if ((rc = sh_config_bool(c, "use_bias", &all, err)) < 0 ||
        (rc = sh_config_bool(c, "bias", &all, err)) < 0)
        return rc;
    if (all != had) attention = mlp = all;
    if ((rc = sh_config_bool(c, "attention_bias", &attention, err)) < 0) return rc;
    if ((rc = sh_config_bool(c, "mlp_bias", &mlp, err)) < 0) return rc;
    hp->bias_qkv = hp->bias_o = attention ? SH_BIAS_YES : SH_BIAS_NO;
    hp->bias_mlp = mlp ? SH_BIAS_YES : SH_BIAS_NO;
    return SH_OK;
}

static int config_scales(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    double pre_scalar = 0;
    hp->attention_scale = c->arch->flags & SH_ARCH_NO_SCALE ? 1 : (float)(1 / sqrt(hp->head_dim));
    if ((rc = sh_json_get_num(c->json, "query_pre_attn_scalar", &pre_scalar, 1e-9, 1e9, err)) < 0) return rc;
    if (pre_scalar > 0) hp->attention_scale = (float)(1 / sqrt(pre_scalar));
    hp->norm_add_one = c->arch->flags & SH_ARCH_NORM_ADD_ONE;
    if (c->arch->flags & SH_ARCH_EMBED_SCALED) hp->embed_scale = sqrtf((float)hp->n_embd);
    if ((rc = sh_config_f32(c, "rms_norm_eps|layer_norm_eps|norm_epsilon|layer_norm_epsilon", &hp->norm_eps,
                            err)) < 0)
        return rc;
    if (!(c->arch->flags & SH_ARCH_NO_ATTN_SOFTCAP) &&
        (rc = sh_config_f32(c, "attn_logit_softcapping", &hp->attention_softcap, err)) < 0) return rc;
    return sh_config_f32(c, "final_logit_softcapping", &hp->final_softcap, err);
}

/* layer_types decides where it is present; else the family's rule. */
static int config_windows(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    uint32_t window = 0, first = hp->n_layers, period = c->arch->window_period;
    bool in_use = c->arch->window != SH_WINDOW_OPT_IN;
    if (c->arch->window == SH_WINDOW_NONE) return SH_OK;
    if ((rc = sh_config_u32(c, "sliding_window", &window, 0, UINT32_MAX, err)) < 0) return rc;
    if ((rc = sh_config_bool(c, "use_sliding_window", &in_use, err)) < 0) return rc;
    if (c->arch->window != SH_WINDOW_OPT_IN) in_use = true;
    if ((rc = sh_config_u32(c, "max_window_layers", &first, 0, UINT32_MAX, err)) < 0) return rc;
    if ((rc = sh_config_u32(c, "sliding_window_pattern|_sliding_window_pattern", &period, 1, SH_MAX_LAYERS,
                            err)) < 0)
        return rc;
    const json_t *types = json_object_get(c->json, "layer_types");
    if (types && !json_is_null(types) && json_array_size(types) != hp->n_layers)
        return sh_fail(err, SH_E_CORRUPT, "layer_types: expected a list of %u", hp->n_layers);
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        bool windowed = c->arch->window == SH_WINDOW_ALL ||
                        (c->arch->window == SH_WINDOW_OPT_IN && i >= first) ||
                        (c->arch->window == SH_WINDOW_PERIODIC && (i + 1) % period != 0);
        if (type) windowed = !strcmp(type, "sliding_attention");
        sh_config_layers(hp)[i].window = windowed && in_use ? window : 0;
        sh_config_layers(hp)[i].local_rope = windowed && (c->arch->flags & SH_ARCH_LOCAL_ROPE);
    }
    return SH_OK;
}

static int config_read_all(sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    sh_hparams_from_arch(hp, c->arch);
    if ((rc = config_sizes(c, hp, err)) < 0 || (rc = config_activation(c, hp, err)) < 0 ||
        (rc = config_biases(c, hp, err)) < 0 || (rc = config_scales(c, hp, err)) < 0 ||
        (rc = sh_config_bool(c, "tie_word_embeddings", &hp->tied_output, err)) < 0)
        return rc;
    hp->rope.style = hp->rope_local.style = c->arch->hf_rope;
    hp->n_rot = hp->position == SH_POSITION_ROPE ? hp->head_dim : 0;
    for (uint32_t i = 0; i < hp->n_layers; i++)
        sh_config_layers(hp)[i].rope = hp->position == SH_POSITION_ROPE;
    if ((rc = config_windows(c, hp, err)) < 0 || (rc = sh_hf_rope_read(c, hp, err)) < 0) return rc;
    return c->arch->hf_extra ? c->arch->hf_extra(c, hp, err) : SH_OK;
}

int sh_hf_config_read(sh_hparams *hp, const json_t *config, sh_arena *arena, sh_err *err)
{
    sh_config c = {.json = config, .arena = arena};
    const char *type = NULL;
    const json_t *text = json_object_get(config, "text_config");
    int rc;
    if (!json_is_object(config)) return sh_fail(err, SH_E_CORRUPT, "config.json: expected an object");
    if (json_is_object(text) && !json_object_get(config, "hidden_size"))
        c.json = text; /* text half of a multimodal model */
    if ((rc = sh_json_get_str(c.json, "model_type", &type, err)) < 0) goto out;
    if (!type) {
        rc = sh_fail(err, SH_E_CORRUPT, "no model_type");
        goto out;
    }
    if (!(c.arch = sh_arch_by_hf(type))) {
        rc = sh_arch_unknown(type, false, err);
        goto out;
    }
    if ((rc = config_read_all(&c, hp, err)) < 0) goto out;
    return sh_hparams_check(hp, "config.json", err);
out:
    return sh_fail_in(err, rc, "config.json");
}
