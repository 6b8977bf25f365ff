/* load_hf.c - a Hugging Face folder: config.json, the weights, generation_config.json, tokenizer and
 * template. */
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "model/hf_config.h"
#include "model/load.h"
#include "os/file.h"

enum { MAX_JSON_BYTES = 16 << 20 };

/* ---- ends of an answer ---- */

static sh_token token_of(const sh_model *m, const json_t *v)
{
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < m->hp.n_vocab && id < sh_tokenizer_size(m->tokenizer) ? (sh_token)id : -1;
}

/* eos_token_id is a number, a list of numbers, or null; numbers beyond the vocabulary mean nothing. */
static int take_ends(sh_model *m, const json_t *config, sh_err *err)
{
    const json_t *eos = json_object_get(config, "eos_token_id");
    const size_t n = json_is_array(eos) ? json_array_size(eos) : 1;
    sh_token bos = token_of(m, json_object_get(config, "bos_token_id")), first = -1;
    for (size_t i = 0; i < n; i++) {
        sh_token id = token_of(m, json_is_array(eos) ? json_array_get(eos, i) : eos);
        if (id < 0) continue;
        if (first < 0) first = id;
        int rc = sh_tokenizer_add_end(m->tokenizer, id, err);
        if (rc < 0) return rc;
    }
    sh_tokenizer_set_bos_eos(m->tokenizer, sh_tokenizer_bos(m->tokenizer) < 0 ? bos : -1,
                             sh_tokenizer_eos(m->tokenizer) < 0 ? first : -1);
    return SH_OK;
}

static int take_sampling(sh_model *m, const json_t *config, sh_err *err)
{
    const struct {
        const char *key;
        double *value;
    } keys[] = {
        {"temperature", &m->sampling.temperature},
        {"top_k", &m->sampling.top_k},
        {"top_p", &m->sampling.top_p},
        {"min_p", &m->sampling.min_p},
        {"repetition_penalty", &m->sampling.repetition_penalty},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int rc = sh_json_get_num(config, keys[i].key, keys[i].value, 0, 1e9, err);
        if (rc < 0) return sh_fail_in(err, rc, "generation_config.json");
    }
    return SH_OK;
}

/* ---- template ---- */

/* tokenizer_config.json has one template, or a list of {name, template}: the one called "default", else the
 * first. */
static const char *template_of(const json_t *config)
{
    const json_t *t = json_object_get(config, "chat_template");
    const char *first = NULL;
    if (!json_is_array(t)) return json_string_value(t);
    for (size_t i = 0; i < json_array_size(t); i++) {
        const json_t *entry = json_array_get(t, i);
        const char *name = json_string_value(json_object_get(entry, "name")),
                   *text = json_string_value(json_object_get(entry, "template"));
        if (text && !first) first = text;
        if (text && name && !strcmp(name, "default")) return text;
    }
    return first;
}

static int load_template(sh_model *m, const char *folder, sh_err *err)
{
    static const char *const holders[] = {"tokenizer_config.json", "chat_template.json"};
    sh_buf text = {0};
    int rc = SH_OK;
    char *path = sh_path_join(folder, "chat_template.jinja");
    if (!path) return sh_fail_nomem(err, strlen(folder));
    if (sh_file_exists(path)) {
        rc = sh_file_read(path, MAX_JSON_BYTES, &text, err);
        if (rc == SH_OK) rc = sh_load_template(m, text.p ? text.p : "", text.n, err);
    }
    for (size_t i = 0; i < 2 && rc == SH_OK && !m->template_text; i++) {
        json_t *config = NULL;
        rc = sh_json_read_in(&config, folder, holders[i], MAX_JSON_BYTES, err);
        const char *found = rc == SH_OK ? template_of(config) : NULL;
        if (found) rc = sh_load_template(m, found, strlen(found), err);
        json_decref(config);
    }
    sh_free(path);
    sh_buf_clear(&text);
    return rc;
}

/* ---- the folder ---- */

static int load_tokenizer(sh_model *m, const char *folder, const json_t *config, const json_t *generation,
                          const sh_model_opts *opts, sh_err *err)
{
    int rc = opts->tokenizer_path ? sh_load_tokenizer_file(m, opts->tokenizer_path, err)
                                  : sh_load_tokenizer_folder(m, folder, err);
    if (rc == SH_E_NOTFOUND && !opts->tokenizer_path)
        return SH_OK; /* sh_model_open decides whether that will do */
    if (rc < 0 || (rc = take_ends(m, config, err)) < 0) return rc;
    return generation ? take_ends(m, generation, err) : SH_OK;
}

int sh_load_hf(sh_model *m, const char *folder, const char *weights, const sh_model_opts *opts, sh_err *err)
{
    json_t *config = NULL, *generation = NULL;
    int rc = sh_json_read_in(&config, folder, "config.json", MAX_JSON_BYTES, err);
    if (rc < 0) goto out;
    if (!config) {
        rc = sh_fail(err, SH_E_NOTFOUND, "%s: no config.json", folder);
        goto out;
    }
    if ((rc = sh_hf_config_read(&m->hp, config, m->arena, err)) < 0) goto out;
    if ((rc = sh_json_read_in(&generation, folder, "generation_config.json", MAX_JSON_BYTES, err)) < 0)
        goto out;
    if ((rc = load_tokenizer(m, folder, config, generation, opts, err)) < 0) goto out;
    if (generation && (rc = take_sampling(m, generation, err)) < 0) goto out;
    if ((rc = load_template(m, folder, err)) < 0) goto out;
    if (opts->vocab_only) {
        /* Only described: a folder that holds a tokenizer alone is fine too. */
        if (sh_tensors_open(&m->tensors, weights, NULL) < 0) m->tensors = NULL;
        goto out;
    }
    if ((rc = sh_tensors_open(&m->tensors, weights, err)) < 0) goto out;
    rc = sh_load_weights(m, false, opts, err);
out:
    json_decref(config);
    json_decref(generation);
    return rc;
}
