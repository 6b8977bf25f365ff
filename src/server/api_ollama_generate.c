/* api_ollama_generate.c - POST /api/generate: a text that is gone on with (raw), or a question that is
 * answered. */
#include "base/mem.h"
#include "engine/chat.h"
#include "server/ollama.h"
#include "server/render.h"

#define CONTEXT_SCHEMA "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"integer\",\"minimum\":0}}"

const sh_field sh_ollama_generate_fields[] = {
    {"model", SH_FIELD_STR, 0, 0, true, false, NULL, "A name that GET /api/tags lists."},
    {"prompt", SH_FIELD_STR, 0, 0, false, true, NULL, "Absent or empty: only say that the model is loaded."},
    SH_OLLAMA_FIELDS,
    {"system", SH_FIELD_STR, 0, 0, false, true, NULL, "How the model shall behave."},
    {"template", SH_FIELD_STR, 0, 0, false, true, NULL,
     "Instead of the model's chat template: text with {{ .System }}, {{ .Prompt }}, {{ .Response }}, {{ if "
     "}}."},
    {"suffix", SH_FIELD_STR, 0, 0, false, true, NULL, "What a template puts at {{ .Suffix }}."},
    {"raw", SH_FIELD_BOOL, 0, 0, false, true, NULL, "No template: go on with the prompt itself."},
    {"images", SH_FIELD_OTHER, 0, 0, false, true, SH_OLLAMA_IMAGES_SCHEMA, "For models that see."},
    {"context", SH_FIELD_OTHER, 0, 0, false, true, CONTEXT_SCHEMA,
     "The context of an earlier answer, to go on from it."},
    {0},
};

static bool read_context(sh_exchange *x, const sh_model *m, sh_prompt *before)
{
    const json_t *list = json_object_get(x->json, "context"), *v;
    sh_model_info info;
    size_t i;
    if (!list || json_is_null(list)) return true;
    sh_model_get_info(m, &info);
    if (!json_is_array(list)) goto refused;
    if (!(before->ids = sh_alloc(json_array_size(list) + 1, sizeof *before->ids)))
        return sh_reply_error(x, 500, NULL, NULL, "out of memory"), false;
    json_array_foreach(list, i, v)
    {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= info.n_vocab)
            goto refused;
        before->ids[before->n++] = (sh_token)json_integer_value(v);
    }
    return true;
refused:
    sh_reply_error(x, 400, "context", NULL, "'context': expected a list of token ids from 0 to %u",
                   info.n_vocab - 1);
    return false;
}

/* before's ids, then the prompt's, whose BOS would be a second one. */
static int prepend(sh_prompt *prompt, const sh_prompt *before, const sh_tokenizer *t, sh_err *err)
{
    if (!before->n) return SH_OK;
    size_t skip = prompt->n && prompt->ids[0] == sh_tokenizer_bos(t);
    sh_token *all = sh_new_array(before->n + prompt->n, sizeof *all, err);
    if (!all) return SH_E_NOMEM;
    memcpy(all, before->ids, before->n * sizeof *all);
    memcpy(all + before->n, prompt->ids + skip, (prompt->n - skip) * sizeof *all);
    sh_free(prompt->ids);
    prompt->ids = all;
    prompt->n = before->n + prompt->n - skip;
    return SH_OK;
}

static int encode_template(const sh_model *m, const char *source, const sh_ollama_vars *vars, sh_prompt *out,
                           sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(m);
    sh_buf text = {0};
    sh_span *spans = NULL;
    size_t n_spans = 0;
    if (!t) return sh_fail(err, SH_E_UNSUPPORTED, "text needs a tokenizer, and this model has none");
    int rc = sh_ollama_template(source, vars, &text, &spans, &n_spans, err);
    if (rc == SH_OK) rc = sh_spans_encode(m, sh_buf_str(&text), spans, n_spans, &out->ids, &out->n, err);
    sh_free(spans);
    sh_buf_clear(&text);
    return rc;
}

static int encode_chat(sh_exchange *x, const sh_model *m, const sh_ollama_vars *vars, sh_prompt *out,
                       sh_err *err)
{
    json_t *messages = json_array(), *kwargs = sh_ollama_kwargs(x->json);
    if (vars->system)
        json_array_append_new(messages, json_pack("{s:s,s:s}", "role", "system", "content", vars->system));
    json_array_append_new(messages, json_pack("{s:s,s:s}", "role", "user", "content", vars->prompt));
    sh_chat_input in = {.messages = messages, .kwargs = kwargs, .add_generation_prompt = true};
    int rc = sh_chat_encode(m, &in, &out->ids, &out->n, err);
    json_decref(kwargs);
    json_decref(messages);
    return rc;
}

/* A model without a chat template has not learnt to answer: it goes on with system text and prompt. */
static int encode_plain(const sh_model *m, const sh_ollama_vars *vars, sh_prompt *out, sh_err *err)
{
    sh_buf text = {0};
    if (vars->system) sh_buf_printf(&text, "%s\n", vars->system);
    sh_buf_puts(&text, vars->prompt);
    int rc = sh_buf_ok(&text, err);
    if (rc == SH_OK) rc = sh_text_encode(m, text.p, text.n, &out->ids, &out->n, err);
    sh_buf_clear(&text);
    return rc;
}

static int encode(sh_exchange *x, const sh_model *m, sh_prompt *out, sh_job_opts *job, sh_err *err)
{
    sh_ollama_vars vars = {.system = sh_field_str(x->json, "system", NULL),
                           .prompt = sh_field_str(x->json, "prompt", ""),
                           .suffix = sh_field_str(x->json, "suffix", NULL)};
    const char *source = sh_field_str(x->json, "template", NULL);
    if (vars.system && !*vars.system) vars.system = NULL;
    if (vars.suffix && !*vars.suffix) vars.suffix = NULL;
    if (vars.suffix && (sh_field_bool(x->json, "raw", false) || !source || !strstr(source, ".Suffix")))
        return sh_fail(err, SH_E_INVALID, "'suffix': needs a template with {{ .Suffix }}");
    if (sh_field_bool(x->json, "raw", false))
        return sh_text_encode(m, vars.prompt, strlen(vars.prompt), &out->ids, &out->n, err);
    if (source && *source) return encode_template(m, source, &vars, out, err);
    if (!sh_model_template(m)) return encode_plain(m, &vars, out, err);
    job->request.is_reply = true;
    return encode_chat(x, m, &vars, out, err);
}

int sh_api_ollama_generate(sh_exchange *x)
{
    sh_job_opts job = {.render = &sh_render_ollama, .keep_ids = true};
    sh_generate_params params = {0};
    sh_prompt prompt = {0}, before = {0};
    sh_err err = {0};
    int rc = SH_OK;
    if (!(job.model = sh_ollama_model(x))) return SH_OK;
    const sh_model *m = job.model->model;
    if (!sh_ollama_read(x, &params, &job) || !read_context(x, m, &before)) goto out;
    if (!sh_ollama_check_images(x, json_object_get(x->json, "images"), "images")) goto out;
    job.prompts = &prompt;
    if (!*sh_field_str(x->json, "prompt", "") && !*sh_field_str(x->json, "suffix", ""))
        sh_ollama_reply_loaded(x, job.model, false);
    else if ((rc = encode(x, m, &prompt, &job, &err)) < 0 ||
             (rc = prepend(&prompt, &before, sh_model_tokenizer(m), &err)) < 0)
        sh_reply_failure(x, rc, "prompt", &err);
    else if ((rc = sh_job_start(x, &job, &err)) < 0)
        sh_reply_failure(x, rc, NULL, &err);
out:
    sh_free(prompt.ids);
    sh_free(before.ids);
    sh_generate_params_clear(&params);
    return SH_OK;
}
