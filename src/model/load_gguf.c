/* load_gguf.c - a GGUF file: everything is in it. */
#include "model/load.h"

static int take_sampling(sh_model *m, sh_err *err)
{
    const struct { const char *key; double *value; } keys[] = {
        {"general.sampling.temp", &m->sampling.temperature}, {"general.sampling.top_k", &m->sampling.top_k},
        {"general.sampling.top_p", &m->sampling.top_p}, {"general.sampling.min_p", &m->sampling.min_p},
        {"general.sampling.penalty_repeat", &m->sampling.repetition_penalty},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!sh_tensors_meta(m->tensors, keys[i].key)) continue;
        int rc = sh_meta_get_f64(m->tensors, keys[i].key, keys[i].value, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int load_tokenizer(sh_model *m, const sh_model_opts *opts, sh_err *err)
{
    if (opts->tokenizer_path) return sh_load_tokenizer_file(m, opts->tokenizer_path, err);
    int rc = sh_gguf_tokenizer(&m->tokenizer, m->tensors, err);
    return rc == SH_E_NOTFOUND ? SH_OK : rc; /* sh_model_open decides whether none will do */
}

int sh_load_gguf(sh_model *m, const char *path, const sh_model_opts *opts, sh_err *err)
{
    sh_str chat = {0};
    int rc;
    if ((rc = sh_gguf_config_read(&m->hp, m->tensors, m->arena, err)) < 0 ||
        (rc = load_tokenizer(m, opts, err)) < 0 || (rc = take_sampling(m, err)) < 0)
        goto out;
    if (sh_meta_get_str(m->tensors, "tokenizer.chat_template", &chat, NULL) == SH_OK &&
        (rc = sh_load_template(m, chat.n ? chat.p : "", chat.n, err)) < 0) goto out;
    rc = sh_load_weights(m, true, opts, err);
out:
    return rc < 0 ? sh_fail_in(err, rc, "%s", path) : rc;
}
