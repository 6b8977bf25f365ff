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
    /* Configurations of two parts in one object name each part's sizes after it. */
    const int side = c->arch->flags & SH_ARCH_ENCODER_KEYS   ? 1
                     : c->arch->flags & SH_ARCH_DECODER_KEYS ? 2
                                                             : 0;
    static const char *const layers[] = {"num_hidden_layers|n_layer|num_layers", "encoder_layers",
                                         "decoder_layers"};
    static const char *const heads[] = {"num_attention_heads|n_head|num_heads", "encoder_attention_heads",
                                        "decoder_attention_heads"};
    static const char *const inner[] = {"intermediate_size|n_inner|ffn_hidden_size", "encoder_ffn_dim",
                                        "decoder_ffn_dim"};
    static const char *const contexts[] = {"max_position_embeddings|n_positions", "max_source_positions",
                                           "max_target_positions|max_position_embeddings"};
    const struct {
        const char *keys;
        uint32_t *value, hi;
        bool required;
    } sizes[] = {
        {"vocab_size", &hp->n_vocab, 1u << 24, hp->input == SH_INPUT_TOKENS},
        {layers[side], &hp->n_layers, SH_MAX_LAYERS, true},
        {"hidden_size|n_embd|d_model", &hp->n_embd, 1u << 20, true},
        {heads[side], &hp->n_heads, 1u << 16, true},
        {"num_key_value_heads", &hp->n_kv_heads, 1u << 16, false},
        {"head_dim", &hp->head_dim, 1u << 14, false},
        {inner[side], &hp->n_ff, 1u << 24, hp->gated || side},
        {contexts[side], &hp->n_ctx_train, 1u << 30, false},
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
        (rc = sh_config_f32(c, "attn_logit_softcapping", &hp->attention_softcap, err)) < 0)
        return rc;
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

/* ---- which object describes which part ---- */

/* Models of two parts: where config.json keeps the part that writes or embeds text, and its encoder. `again`
 * is the older copy of an object, which wins over it where both are there (OpenAI's CLIP). NULL: the whole
 * object. */
typedef struct two_parts {
    const char *type;
    const char *main, *main_again, *main_type;
    const char *encoder, *encoder_again, *encoder_type; /* types NULL: model_type of the object says */
} two_parts;

static const two_parts pairs[] = {
    {"vision-encoder-decoder", "decoder", NULL, NULL, "encoder", NULL, NULL},
    {"clip", "text_config", "text_config_dict", "clip_text_model", "vision_config", "vision_config_dict",
     "clip_vision_model"},
    {"siglip", "text_config", NULL, "siglip_text_model", "vision_config", NULL, "siglip_vision_model"},
    {"whisper", NULL, NULL, "whisper", NULL, NULL, "whisper_encoder"},
};

static const two_parts *pair_of(const json_t *config)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    for (size_t i = 0; type && i < sizeof pairs / sizeof pairs[0]; i++)
        if (!strcmp(pairs[i].type, type)) return &pairs[i];
    return NULL;
}

static const json_t *part_of(const json_t *config, const char *key, const char *again)
{
    const json_t *first = again ? json_object_get(config, again) : NULL;
    return json_is_object(first) ? first : key ? json_object_get(config, key) : config;
}

/* hp from one object; type NULL: its own model_type. */
static int read_part(sh_hparams *hp, const json_t *json, const char *type, sh_arena *arena, sh_err *err)
{
    sh_config c = {.arena = arena};
    json_t *whole = NULL;
    int rc = SH_OK;
    if (!json_is_object(json)) return sh_fail(err, SH_E_CORRUPT, "expected an object");
    if (!type && (rc = sh_json_get_str(json, "model_type", &type, err)) < 0) return rc;
    if (!type) return sh_fail(err, SH_E_CORRUPT, "no model_type");
    if (!(c.arch = sh_arch_by_hf(type))) return sh_arch_unknown(type, false, err);
    if (c.arch->defaults) {
        json_t *defaults = json_loads(c.arch->defaults, 0, NULL);
        whole = json_copy((json_t *)json);
        if (!defaults || !whole || json_object_update_missing(whole, defaults) < 0)
            rc = sh_fail_nomem(err, 1024);
        json_decref(defaults);
    }
    c.json = whole ? whole : json;
    if (rc == SH_OK) rc = config_read_all(&c, hp, err);
    json_decref(whole);
    return rc;
}

static int read_encoder(sh_hparams *hp, const two_parts *pair, const json_t *config, sh_arena *arena,
                        sh_err *err)
{
    if (!(hp->encoder = sh_arena_zalloc(arena, 1, sizeof *hp->encoder)))
        return sh_fail_nomem(err, sizeof *hp);
    int rc = read_part(hp->encoder, part_of(config, pair->encoder, pair->encoder_again), pair->encoder_type,
                       arena, err);
    if (rc == SH_OK && hp->encoder->input == SH_INPUT_TOKENS)
        rc = sh_fail(err, SH_E_UNSUPPORTED, "an encoder of text ('%s') is not supported here",
                     hp->encoder->arch->hf_type);
    if (rc == SH_OK && hp->n_cross && hp->n_cross != hp->encoder->n_embd)
        rc = sh_fail(err, SH_E_CORRUPT, "states of %u (the decoder expects %u)", hp->encoder->n_embd,
                     hp->n_cross);
    if (rc < 0) return sh_fail_in(err, rc, "config.json: %s", pair->encoder ? pair->encoder : "encoder");
    return sh_hparams_check(hp->encoder, "config.json", err);
}

int sh_hf_config_read(sh_hparams *hp, const json_t *config, sh_arena *arena, sh_err *err)
{
    const json_t *text = json_object_get(config, "text_config"), *part = config;
    const two_parts *pair = pair_of(config);
    if (pair)
        part = part_of(config, pair->main, pair->main_again);
    else if (json_is_object(text) && !json_object_get(config, "hidden_size"))
        part = text; /* text half of a multimodal model */
    int rc = read_part(hp, part, pair ? pair->main_type : NULL, arena, err);
    if (rc < 0) return sh_fail_in(err, rc, "config.json");
    if ((rc = sh_hparams_check(hp, "config.json", err)) < 0) return rc;
    return pair ? read_encoder(hp, pair, config, arena, err) : SH_OK;
}
