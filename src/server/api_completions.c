/* api_completions.c - POST /v1/completions: the model goes on with a text. */
#include "base/mem.h"
#include "engine/chat.h"
#include "server/generate_params.h"
#include "server/response_format.h"

#define PROMPT_SCHEMA                                                                                        \
    "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"items\":{"       \
    "\"type\":\"string\"}},"                                                                                 \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\",\"minimum\":0}},"                    \
    "{\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"items\":{\"type\":\"array\",\"minItems\":1,"       \
    "\"items\":{\"type\":\"integer\",\"minimum\":0}}}]}"

const sh_field sh_completion_fields[] = {
    {"prompt", SH_FIELD_OTHER, 0, 0, true, false, PROMPT_SCHEMA,
     "A text, a list of texts, token ids, or a list of lists of them."},
    SH_GENERATE_FIELDS,
    {"max_tokens", SH_FIELD_INT, 1, 1 << 24, false, true, NULL,
     "Longest answer in tokens (default 16, as OpenAI has it)."},
    {"logprobs", SH_FIELD_INT, 0, SH_MAX_TOP_LOGPROBS, false, true, NULL,
     "Give log-probabilities, with this many alternatives."},
    {"echo", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Give the prompt back in front of the answer."},
    {"response_format", SH_FIELD_OTHER, 0, 0, false, true, SH_RESPONSE_FORMAT_SCHEMA,
     "As in chat: text, json_object, or json_schema with a schema."},
    SH_FORMAT_FIELDS,
    {0},
};

static int ids_from_json(sh_prompt *p, const json_t *list, const sh_model *m, sh_err *err)
{
    sh_model_info info;
    sh_model_get_info(m, &info);
    p->n = json_array_size(list);
    if (!p->n) return sh_fail(err, SH_E_INVALID, "'prompt': a list of token ids is empty");
    if (!(p->ids = sh_new_array(p->n, sizeof *p->ids, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= info.n_vocab)
            return sh_fail(err, SH_E_INVALID, "'prompt': token %zu: expected a token id from 0 to %u", i,
                           info.n_vocab - 1);
        p->ids[i] = (sh_token)json_integer_value(v);
    }
    return SH_OK;
}

static int read_prompt(sh_prompt *p, const json_t *v, const sh_model *m, bool echo, sh_err *err)
{
    int rc;
    if (json_is_array(v)) {
        if ((rc = ids_from_json(p, v, m, err)) < 0 || !echo) return rc;
        int64_t n = sh_tokenizer_decode(sh_model_tokenizer(m), p->ids, p->n, false, NULL, 0, err);
        if (n < 0 || !sh_buf_reserve(&p->echo, (size_t)n))
            return n < 0 ? (int)n : sh_fail_nomem(err, (unsigned long long)n);
        n = sh_tokenizer_decode(sh_model_tokenizer(m), p->ids, p->n, false, p->echo.p, (size_t)n, err);
        p->echo.n = n < 0 ? 0 : (size_t)n;
        return n < 0 ? (int)n : SH_OK;
    }
    if (!json_is_string(v))
        return sh_fail(err, SH_E_INVALID,
                       "'prompt': expected a text, a list of texts, token ids, or a list of lists of them");
    if (echo) sh_buf_add(&p->echo, json_string_value(v), json_string_length(v));
    return sh_text_encode(m, json_string_value(v), json_string_length(v), &p->ids, &p->n, err);
}

/* All prompts of the body; *n is set also on failure, for clearing. */
static int read_prompts(sh_exchange *x, sh_prompt prompts[SH_MAX_CHOICES], unsigned *n, const sh_model *m,
                        sh_err *err)
{
    const json_t *given = json_object_get(x->json, "prompt");
    bool echo = sh_field_bool(x->json, "echo", false), is_ids = json_is_integer(json_array_get(given, 0)),
         is_list = json_is_array(given) && !is_ids;
    size_t count = is_list ? json_array_size(given) : 1;
    int rc = SH_OK;
    if (!count || count > SH_MAX_CHOICES)
        return sh_fail(err, SH_E_INVALID, "'prompt': expected 1 to %d prompts", SH_MAX_CHOICES);
    bool texts = json_is_string(json_array_get(given, 0));
    for (size_t i = 0; i < count && rc == SH_OK; i++) {
        const json_t *v = is_list ? json_array_get(given, i) : given;
        *n = (unsigned)i + 1;
        rc = is_list && json_is_string(v) != texts
                 ? sh_fail(err, SH_E_INVALID, "'prompt': texts and token ids are mixed")
                 : read_prompt(&prompts[i], v, m, echo, err);
    }
    return rc;
}

int sh_api_completions(sh_exchange *x)
{
    sh_job_opts job = {0};
    sh_generate_params params = {0};
    sh_prompt prompts[SH_MAX_CHOICES] = {0};
    sh_err err = {0};
    bool replied = false;
    int rc = SH_OK;
    if (!(job.model = sh_find_model(x, sh_field_str(x->json, "model", NULL)))) return SH_OK;
    if ((rc = sh_generate_params_read(x, &params, &job, &replied)) < 0 || replied) goto out;
    if (!sh_format_of_request(x, &params.grammar)) goto out;
    job.request.grammar = params.grammar;
    job.request.max_tokens = (uint32_t)sh_field_int(x->json, "max_tokens", 16);
    job.request.n_top_logprobs = (int32_t)sh_field_int(x->json, "logprobs", -1);
    job.prompts = prompts;
    if ((rc = read_prompts(x, prompts, &job.n_prompts, job.model->model, &err)) < 0)
        sh_reply_failure(x, rc, "prompt", &err);
    else if (job.n_prompts * job.n_per_prompt > SH_MAX_CHOICES)
        sh_reply_error(x, 400, "n", NULL, "'n' times the number of prompts is more than %d", SH_MAX_CHOICES);
    else if ((rc = sh_job_start(x, &job, &err)) < 0)
        sh_reply_failure(x, rc, NULL, &err);
    rc = SH_OK;
out:
    for (unsigned i = 0; i < SH_MAX_CHOICES; i++) {
        sh_free(prompts[i].ids);
        sh_buf_clear(&prompts[i].echo);
    }
    sh_generate_params_clear(&params);
    return rc;
}
