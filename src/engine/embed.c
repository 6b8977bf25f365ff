/* embed.c - batches of texts through an encoder. */
#include "engine/embed.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "model/arch.h"
#include "model/forward.h"
#include "os/file.h"

enum { MAX_JSON_BYTES = 4 << 20, BATCH_TOKENS = 4096, BATCH_TEXTS = 256 };

struct sh_embedder {
    sh_model *m;
    sh_forward *forward;
    uint32_t dim, max_tokens;
    bool takes_first_row; /* else the mean of all */
    bool unit_length;
    json_t *prompts;
    char *default_prompt;
    sh_token *tokens; /* [BATCH_TOKENS + max_tokens] */
    float *hidden;    /* the same rows of dim */
};

/* ---- the model's own files ---- */

static int read_pooling(sh_embedder *e, const char *folder, sh_err *err)
{
    static const char *const others[] = {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                                         "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"};
    json_t *json = NULL;
    bool cls = false, mean = true, other = false;
    int rc = sh_json_read_in(&json, folder, "1_Pooling/config.json", MAX_JSON_BYTES, err);
    if (rc == SH_OK && json) rc = sh_json_get_bool(json, "pooling_mode_cls_token", &cls, err);
    if (rc == SH_OK && json) rc = sh_json_get_bool(json, "pooling_mode_mean_tokens", &mean, err);
    for (size_t i = 0; json && rc == SH_OK && i < sizeof others / sizeof others[0]; i++) {
        rc = sh_json_get_bool(json, others[i], &other, err);
        if (rc == SH_OK && other) rc = sh_fail(err, SH_E_UNSUPPORTED, "%s is not supported", others[i]);
    }
    if (rc == SH_OK && json && cls == mean)
        rc = sh_fail(err, SH_E_UNSUPPORTED,
                     "expected one of pooling_mode_cls_token and pooling_mode_mean_tokens");
    json_decref(json);
    e->takes_first_row = cls;
    return rc < 0 ? sh_fail_in(err, rc, "1_Pooling/config.json") : SH_OK;
}

static int read_modules(sh_embedder *e, const char *folder, sh_err *err)
{
    json_t *json = NULL;
    int rc = sh_json_read_in(&json, folder, "modules.json", MAX_JSON_BYTES, err);
    if (json) e->unit_length = false;
    for (size_t i = 0; i < json_array_size(json); i++) {
        const char *type = json_string_value(json_object_get(json_array_get(json, i), "type"));
        const size_t n = type ? strlen(type) : 0;
        if (n >= 9 && !strcmp(type + n - 9, "Normalize")) e->unit_length = true;
        if (n >= 5 && !strcmp(type + n - 5, "Dense"))
            rc = sh_fail(err, SH_E_UNSUPPORTED,
                         "modules.json: a dense layer behind the pooling is not supported");
    }
    json_decref(json);
    return rc;
}

static int read_limits(sh_embedder *e, const char *folder, sh_err *err)
{
    json_t *json = NULL;
    int64_t most = e->max_tokens;
    int rc = sh_json_read_in(&json, folder, "sentence_bert_config.json", MAX_JSON_BYTES, err);
    if (rc == SH_OK && json) rc = sh_json_get_int(json, "max_seq_length", &most, 2, 1 << 20, err);
    if (rc == SH_OK && most < e->max_tokens) e->max_tokens = (uint32_t)most;
    json_decref(json);
    return rc < 0 ? sh_fail_in(err, rc, "sentence_bert_config.json") : SH_OK;
}

static int read_prompts(sh_embedder *e, const char *folder, sh_err *err)
{
    json_t *json = NULL;
    int rc = sh_json_read_in(&json, folder, "config_sentence_transformers.json", MAX_JSON_BYTES, err);
    const char *name = json_string_value(json_object_get(json, "default_prompt_name"));
    e->prompts = json_incref(json_object_get(json, "prompts"));
    if (rc == SH_OK && name && !(e->default_prompt = sh_strdup(name))) rc = sh_fail_nomem(err, strlen(name));
    json_decref(json);
    return rc;
}

/* ---- opening ---- */

int sh_embedder_open(sh_embedder **out, sh_model *m, const char *path, sh_err *err)
{
    const sh_hparams *hp = sh_model_hparams(m);
    int rc;
    if (!hp->bidirectional || hp->input != SH_INPUT_TOKENS || hp->encoder)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s models give no embeddings (expected bert, mpnet, ...)",
                       hp->arch->name);
    sh_embedder *e = sh_new(sizeof *e, err);
    if (!e) return SH_E_NOMEM;
    *e = (sh_embedder){.m = m, .dim = hp->n_embd, .max_tokens = hp->n_ctx_train, .unit_length = true};
    if (path && sh_file_is_dir(path) &&
        ((rc = read_pooling(e, path, err)) < 0 || (rc = read_modules(e, path, err)) < 0 ||
         (rc = read_limits(e, path, err)) < 0 || (rc = read_prompts(e, path, err)) < 0))
        goto out;
    const size_t rows = (size_t)BATCH_TOKENS + e->max_tokens;
    e->tokens = sh_alloc(rows, sizeof *e->tokens);
    e->hidden = sh_alloc(rows, e->dim * sizeof *e->hidden);
    if (!e->tokens || !e->hidden) {
        rc = sh_fail_nomem(err, rows * e->dim * sizeof *e->hidden);
        goto out;
    }
    if ((rc = sh_forward_open(&e->forward, m, (uint32_t)rows, err)) < 0) goto out;
    *out = e;
    return SH_OK;
out:
    sh_embedder_free(e);
    return rc;
}

void sh_embedder_free(sh_embedder *e)
{
    if (!e) return;
    sh_forward_free(e->forward);
    json_decref(e->prompts);
    sh_free(e->default_prompt);
    sh_free(e->tokens);
    sh_free(e->hidden);
    sh_free(e);
}

uint32_t sh_embedder_dim(const sh_embedder *e)
{
    return e->dim;
}
uint32_t sh_embedder_max_tokens(const sh_embedder *e)
{
    return e->max_tokens;
}

/* ---- running ---- */

static int find_prompt(const sh_embedder *e, const char *name, const char **prompt, sh_err *err)
{
    char known[200] = "";
    size_t n = 0;
    const char *key;
    json_t *value;
    if (!name) name = e->default_prompt;
    *prompt = "";
    if (!name) return SH_OK;
    if ((*prompt = json_string_value(json_object_get(e->prompts, name)))) return SH_OK;
    json_object_foreach(e->prompts, key, value)
    {
        int k = snprintf(known + n, sizeof known - n, "%s%.40s", n ? ", " : "", key);
        if (k > 0 && (n += (size_t)k) >= sizeof known) break;
    }
    return sh_fail(err, SH_E_NOTFOUND, "no prompt '%.60s' in this model (it has: %s)", name,
                   known[0] ? known : "none");
}

/* One thread, rows in order: the same bits whatever else is in the batch. */
static void pool_rows(const sh_embedder *e, const float *rows, uint32_t n, float *out)
{
    const size_t dim = e->dim;
    double squares = 0;
    memcpy(out, rows, dim * sizeof *out);
    for (uint32_t t = 1; t < n && !e->takes_first_row; t++)
        for (size_t i = 0; i < dim; i++) out[i] = out[i] + rows[t * dim + i];
    for (size_t i = 0; i < dim && !e->takes_first_row; i++) out[i] = out[i] / (float)n;
    if (!e->unit_length) return;
    for (size_t i = 0; i < dim; i++) squares += (double)out[i] * (double)out[i];
    const double length = sqrt(squares) > 1e-12 ? sqrt(squares) : 1e-12;
    for (size_t i = 0; i < dim; i++) out[i] = (float)((double)out[i] / length);
}

static int run_batch(sh_embedder *e, sh_chunk *chunks, size_t n, float *out, sh_err *err)
{
    size_t row = 0;
    for (size_t i = 0; i < n; i++) {
        chunks[i].hidden = e->hidden + row * e->dim;
        row += chunks[i].n_tokens;
    }
    int rc = n ? sh_forward_run(e->forward, chunks, n, err) : SH_OK;
    for (size_t i = 0; i < n && rc == SH_OK; i++)
        pool_rows(e, chunks[i].hidden, chunks[i].n_tokens, out + i * e->dim);
    return rc;
}

int sh_embedder_run(sh_embedder *e, const sh_str *texts, size_t n, const char *prompt_name, float *out,
                    uint64_t *n_tokens, sh_err *err)
{
    sh_chunk chunks[BATCH_TEXTS];
    sh_buf text = {0};
    size_t first = 0, in_batch = 0, used = 0;
    const char *prompt;
    sh_pair_opts po = SH_PAIR_OPTS_INIT;
    po.max_tokens = e->max_tokens;
    int rc = find_prompt(e, prompt_name, &prompt, err);
    if (n_tokens) *n_tokens = 0;
    for (size_t i = 0; i < n && rc == SH_OK; i++) {
        sh_buf_reset(&text);
        sh_buf_puts(&text, prompt);
        sh_buf_add(&text, texts[i].p, texts[i].n);
        if ((rc = sh_buf_ok(&text, err)) < 0) break;
        int64_t count = sh_tokenizer_encode_pair(sh_model_tokenizer(e->m), text.p ? text.p : "", text.n, NULL,
                                                 0, &po, e->tokens + used, NULL, e->max_tokens, err);
        if (count < 0) {
            rc = (int)count;
            break;
        }
        if (!count) {
            rc = sh_fail(err, SH_E_INVALID, "text %zu is empty and the tokenizer adds nothing to it", i);
            break;
        }
        chunks[in_batch++] =
            (sh_chunk){.tokens = e->tokens + used, .n_tokens = (uint32_t)count, .want = SH_WANT_ALL};
        used += (size_t)count;
        if (n_tokens) *n_tokens += (uint64_t)count;
        if (used < BATCH_TOKENS && in_batch < BATCH_TEXTS) continue;
        rc = run_batch(e, chunks, in_batch, out + first * e->dim, err);
        first = i + 1, in_batch = 0, used = 0;
    }
    if (rc == SH_OK) rc = run_batch(e, chunks, in_batch, out + first * e->dim, err);
    sh_buf_clear(&text);
    return rc;
}
