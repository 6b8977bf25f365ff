/* hf_rope.c - rotary settings of config.json.
 *
 * Up to transformers 4: rope_theta, and rope_scaling (null or an object whose kind is under rope_type or
 * type). From 5 on: rope_parameters, one object with all of it, or one per kind of layer. Formulas: rope.h.
 */
#include <math.h>
#include <string.h>

#include "model/hf_config.h"
#include "model/shown.h"

static int read_kind(const json_t *obj, enum sh_rope_scaling *out, sh_err *err)
{
    static const struct { const char *name; enum sh_rope_scaling kind; } kinds[] = {
        {"default", SH_ROPE_SCALE_NONE}, {"linear", SH_ROPE_SCALE_LINEAR}, {"llama3", SH_ROPE_SCALE_LLAMA3},
        {"yarn", SH_ROPE_SCALE_YARN}, {"longrope", SH_ROPE_SCALE_LONGROPE}, {"su", SH_ROPE_SCALE_LONGROPE},
    };
    const char *name = NULL;
    int rc;
    if ((rc = sh_json_get_str(obj, "rope_type", &name, err)) < 0) return rc;
    if (!name && (rc = sh_json_get_str(obj, "type", &name, err)) < 0) return rc;
    if (!name) name = "default";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(kinds[i].name, name)) return *out = kinds[i].kind, SH_OK;
    sh_shown shown;
    return sh_fail(err, SH_E_UNSUPPORTED,
                   "rope scaling '%.40s' is not supported (expected linear, llama3, yarn or longrope)",
                   sh_show(&shown, name));
}

static int read_factors(const sh_config *c, const json_t *obj, const char *key, uint32_t n, const float **out,
                        sh_err *err)
{
    const json_t *list = json_object_get(obj, key);
    if (!json_is_array(list) || json_array_size(list) != n)
        return sh_fail(err, SH_E_CORRUPT, "rope scaling: %s: expected a list of %u numbers", key, n);
    float *f = sh_arena_alloc(c->arena, n, sizeof *f);
    if (!f) return sh_fail_nomem(err, n * sizeof *f);
    for (uint32_t i = 0; i < n; i++) {
        f[i] = (float)json_number_value(json_array_get(list, i));
        if (!(f[i] > 0 && isfinite(f[i])))
            return sh_fail(err, SH_E_CORRUPT, "rope scaling: %s[%u]: expected a positive number", key, i);
    }
    *out = f;
    return SH_OK;
}

static int read_longrope(const sh_config *c, const json_t *obj, const sh_hparams *hp, sh_rope_params *r,
                         sh_err *err)
{
    int rc;
    if (!r->original_ctx)
        return sh_fail(err, SH_E_CORRUPT, "rope scaling: no original_max_position_embeddings");
    if (r->factor <= 0) r->factor = (double)hp->n_ctx_train / r->original_ctx;
    if ((rc = read_factors(c, obj, "short_factor", hp->n_rot / 2, &r->short_factor, err)) < 0) return rc;
    return read_factors(c, obj, "long_factor", hp->n_rot / 2, &r->long_factor, err);
}

int sh_hf_rope_object(const sh_config *c, const json_t *obj, const sh_hparams *hp, sh_rope_params *r,
                      sh_err *err)
{
    int rc;
    if (!json_is_object(obj)) return SH_OK;
    int64_t original = 0;
    double factor = 0;
    if ((rc = sh_json_get_num(obj, "rope_theta", &r->theta, 1e-3, 1e15, err)) < 0) return rc;
    if ((rc = read_kind(obj, &r->scaling, err)) < 0) return rc;
    if (r->scaling == SH_ROPE_SCALE_NONE) return SH_OK;
    const struct { const char *key; double *value;
    } numbers[] = {
        {"factor", &factor},
        {"low_freq_factor", &r->low_freq_factor},
        {"high_freq_factor", &r->high_freq_factor},
        {"beta_fast", &r->beta_fast},
        {"beta_slow", &r->beta_slow},
        {"attention_factor", &r->attention_factor},
        {"mscale", &r->mscale},
        {"mscale_all_dim", &r->mscale_all_dim},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if ((rc = sh_json_get_num(obj, numbers[i].key, numbers[i].value, 0, 1e12, err)) < 0) return rc;
    bool truncate = true;
    if ((rc = sh_json_get_bool(obj, "truncate", &truncate, err)) < 0) return rc;
    r->yarn_untruncated = !truncate;
    if ((rc = sh_json_get_int(obj, "original_max_position_embeddings", &original, 1, 1 << 30, err)) < 0)
        return rc;
    if (!original &&
        (rc = sh_json_get_int(c->json, "original_max_position_embeddings", &original, 1, 1 << 30, err)) < 0)
        return rc;
    r->original_ctx = (uint32_t)original;
    r->factor = factor;
    if (r->scaling == SH_ROPE_SCALE_LONGROPE) return read_longrope(c, obj, hp, r, err);
    if (r->scaling != SH_ROPE_SCALE_LINEAR && !r->original_ctx) r->original_ctx = hp->n_ctx_train;
    if (r->scaling == SH_ROPE_SCALE_YARN && r->factor <= 0)
        r->factor = (double)hp->n_ctx_train / r->original_ctx;
    if (r->factor <= 0) return sh_fail(err, SH_E_CORRUPT, "rope scaling: no factor");
    if (r->scaling == SH_ROPE_SCALE_LLAMA3 && r->high_freq_factor <= r->low_freq_factor)
        return sh_fail(err, SH_E_CORRUPT, "rope scaling: high_freq_factor is not above low_freq_factor");
    return SH_OK;
}

int sh_hf_rope_read(const sh_config *c, sh_hparams *hp, sh_err *err)
{
    int rc;
    double fraction = c->arch->rotary_fraction;
    const json_t *params = json_object_get(c->json, "rope_parameters");
    if (hp->position != SH_POSITION_ROPE) return SH_OK;
    /* n_rot first: the length of longrope's lists follows from it. */
    if ((rc = sh_json_get_num(c->json, "rotary_pct", &fraction, 0, 1, err)) < 0) return rc;
    if ((rc = sh_json_get_num(c->json, "partial_rotary_factor", &fraction, 0, 1, err)) < 0) return rc;
    if (json_is_object(params) &&
        (rc = sh_json_get_num(params, "partial_rotary_factor", &fraction, 0, 1, err)) < 0)
        return rc;
    hp->n_rot = (uint32_t)(hp->head_dim * fraction);
    if ((rc = sh_json_get_num(c->json, "rope_theta", &hp->rope.theta, 1e-3, 1e15, err)) < 0) return rc;
    if ((rc = sh_json_get_num(c->json, "rotary_emb_base", &hp->rope.theta, 1e-3, 1e15, err)) < 0) return rc;
    if ((rc = sh_hf_rope_object(c, json_object_get(c->json, "rope_scaling"), hp, &hp->rope, err)) < 0)
        return rc;
    return sh_hf_rope_object(c, params, hp, &hp->rope, err);
}
