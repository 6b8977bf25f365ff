/* hf_encoders.c - keys of config.json that encoders have, and decoders that read one's states. */
#include <math.h>
#include <string.h>

#include "model/hf_config.h"
#include "model/shown.h"

/* Tokens that are no padding count up from the row behind the padding's own; a table of 514 rows serves 512.
 */
static int take_pad_positions(const sh_config *c, sh_hparams *hp, uint32_t pad, sh_err *err)
{
    int rc = sh_config_u32(c, "pad_token_id", &pad, 0, 1u << 20, err);
    if (rc < 0) return rc;
    hp->pad_id = (int32_t)pad;
    hp->position_offset = pad + 1;
    if (hp->n_ctx_train <= hp->position_offset)
        return sh_fail(err, SH_E_CORRUPT, "max_position_embeddings: %u (expected above %u)", hp->n_ctx_train,
                       hp->position_offset);
    hp->n_ctx_train -= hp->position_offset;
    return SH_OK;
}

int sh_hf_bert(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    const char *kind = json_string_value(json_object_get(c->json, "position_embedding_type"));
    sh_shown shown;
    int rc;
    if (kind && strcmp(kind, "absolute") != 0)
        return sh_fail(err, SH_E_UNSUPPORTED, "position_embedding_type '%.40s' is not supported",
                       sh_show(&shown, kind));
    hp->n_types = 2;
    if ((rc = sh_config_u32(c, "type_vocab_size", &hp->n_types, 0, 1u << 16, err)) < 0) return rc;
    return hp->pad_positions ? take_pad_positions(c, hp, 1, err) : SH_OK;
}

int sh_hf_mpnet(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    uint32_t buckets = 32;
    int rc = sh_config_u32(c, "relative_attention_num_buckets", &buckets, 1, 1u << 16, err);
    if (rc < 0) return rc;
    if (buckets != 32)
        return sh_fail(err, SH_E_UNSUPPORTED, "relative_attention_num_buckets: %u (expected 32)", buckets);
    hp->relative = SH_RELATIVE_BUCKETS;
    return take_pad_positions(c, hp, 1, err);
}

/* "image_size": 224 or [height, width] */
static int image_size(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    const json_t *v = json_object_get(c->json, "image_size");
    const bool list = json_is_array(v) && json_array_size(v) == 2;
    const json_int_t h = json_integer_value(list ? json_array_get(v, 0) : v),
                     w = json_integer_value(list ? json_array_get(v, 1) : v);
    if (h < 1 || w < 1 || h > 1 << 15 || w > 1 << 15)
        return sh_fail(err, SH_E_CORRUPT, "image_size: expected 1 to %d pixels", 1 << 15);
    hp->image_h = (uint32_t)h, hp->image_w = (uint32_t)w;
    return SH_OK;
}

int sh_hf_vision(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool bias = true;
    int rc;
    if ((rc = image_size(c, hp, err)) < 0 ||
        (rc = sh_config_u32(c, "patch_size", &hp->patch, 1, 1u << 12, err)) < 0 ||
        (rc = sh_config_u32(c, "num_channels", &hp->n_channels, 1, 16, err)) < 0 ||
        (rc = sh_config_bool(c, "qkv_bias", &bias, err)) < 0)
        return rc;
    if (hp->patch > hp->image_h || hp->patch > hp->image_w)
        return sh_fail(err, SH_E_CORRUPT, "patch_size: %u is larger than the image", hp->patch);
    if (!bias) hp->bias_qkv = SH_BIAS_NO;
    hp->n_ctx_train = hp->image_h / hp->patch * (hp->image_w / hp->patch) + hp->n_prefix;
    return SH_OK;
}

int sh_hf_beit(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool absolute = false, own = false, shared = false, mean = true;
    float scale = 0.1f;
    int rc = sh_hf_vision(c, hp, err);
    if (rc < 0 || (rc = sh_config_bool(c, "use_absolute_position_embeddings", &absolute, err)) < 0 ||
        (rc = sh_config_bool(c, "use_relative_position_bias", &own, err)) < 0 ||
        (rc = sh_config_bool(c, "use_shared_relative_position_bias", &shared, err)) < 0 ||
        (rc = sh_config_bool(c, "use_mean_pooling", &mean, err)) < 0 ||
        (rc = sh_config_f32(c, "layer_scale_init_value", &scale, err)) < 0)
        return rc;
    if (own && shared) return sh_fail(err, SH_E_UNSUPPORTED, "two kinds of relative position bias at once");
    hp->position = absolute ? SH_POSITION_LEARNED : SH_POSITION_NONE;
    hp->relative = own || shared ? SH_RELATIVE_WINDOW : SH_RELATIVE_NONE;
    hp->relative_shared = shared;
    hp->layer_scale = scale > 0;
    hp->final_norm = !mean;
    hp->pool_norm = mean;
    return SH_OK;
}

int sh_hf_trocr(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool scaled = false, learned = true, norm = true;
    uint32_t pad = 1;
    int rc;
    hp->n_cross = hp->n_embd;
    if ((rc = sh_config_bool(c, "scale_embedding", &scaled, err)) < 0 ||
        (rc = sh_config_bool(c, "use_learned_position_embeddings", &learned, err)) < 0 ||
        (rc = sh_config_bool(c, "layernorm_embedding", &norm, err)) < 0 ||
        (rc = sh_config_u32(c, "cross_attention_hidden_size", &hp->n_cross, 1, 1u << 20, err)) < 0 ||
        (rc = sh_config_u32(c, "pad_token_id", &pad, 0, 1u << 20, err)) < 0)
        return rc;
    hp->embed_scale = scaled ? sqrtf((float)hp->n_embd) : 1;
    hp->embed_norm = norm;
    hp->position = learned ? SH_POSITION_LEARNED : SH_POSITION_SINUSOIDAL;
    hp->position_offset = learned ? 2 : pad + 1;
    hp->pad_positions = !learned;
    hp->pad_id = (int32_t)pad;
    return SH_OK;
}

int sh_hf_whisper(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    bool scaled = false;
    int rc = sh_config_bool(c, "scale_embedding", &scaled, err);
    if (scaled) hp->embed_scale = sqrtf((float)hp->n_embd);
    hp->n_cross = hp->n_embd;
    return rc;
}

int sh_hf_whisper_encoder(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc = sh_hf_whisper(c, hp, err);
    hp->n_cross = 0;
    hp->embed_scale = 1; /* of tokens only */
    hp->n_mels = 80;
    return rc < 0 ? rc : sh_config_u32(c, "num_mel_bins", &hp->n_mels, 1, 1u << 12, err);
}
