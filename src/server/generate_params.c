/* generate_params.c - sampling, limits and stops of a request. */
#include "server/generate_params.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/model.h"
#include "os/clock.h"

static double pick(const json_t *body, const char *name, double recommended, double fallback)
{
    return sh_field_num(body, name, recommended >= 0 ? recommended : fallback);
}

void sh_generate_sampling(sh_sampling *s, const json_t *body, const sh_model *m)
{
    sh_model_sampling r;
    uint64_t seed = 0;
    sh_model_get_sampling(m, &r);
    sh_os_entropy(&seed, sizeof seed);
    *s = (sh_sampling)SH_SAMPLING_INIT;
    s->temperature = (float)pick(body, "temperature", r.temperature, s->temperature);
    s->top_k = (int32_t)pick(body, "top_k", r.top_k, s->top_k);
    s->top_p = (float)pick(body, "top_p", r.top_p, s->top_p);
    s->min_p = (float)pick(body, "min_p", r.min_p, s->min_p);
    s->repetition_penalty =
        (float)pick(body, "repetition_penalty", r.repetition_penalty, s->repetition_penalty);
    s->frequency_penalty = (float)sh_field_num(body, "frequency_penalty", 0);
    s->presence_penalty = (float)sh_field_num(body, "presence_penalty", 0);
    s->seed = (uint64_t)sh_field_int(body, "seed", (int64_t)(seed >> 11));
}

static int bad(sh_exchange *x, bool *replied, const char *param, const char *what)
{
    *replied = true;
    return sh_reply_error(x, 400, param, NULL, "'%s': expected %s", param, what);
}

int sh_generate_stops(sh_exchange *x, const json_t *body, sh_generate_params *p, sh_job_opts *job,
                      bool *replied)
{
    const char *expected = "a text, or a list of at most 15 texts, none of them empty or with a NUL";
    const json_t *stop = json_object_get(body, "stop");
    if (!stop || json_is_null(stop)) return SH_OK;
    bool is_list = json_is_array(stop);
    size_t n = is_list ? json_array_size(stop) : 1;
    if (n >= SH_MAX_STOPS) return bad(x, replied, "stop", expected);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = is_list ? json_array_get(stop, i) : stop;
        /* The engine takes NUL-terminated texts. */
        if (!json_string_length(v) || strlen(json_string_value(v)) != json_string_length(v))
            return bad(x, replied, "stop", expected);
        sh_generate_params_stop(p, job, json_string_value(v));
    }
    return SH_OK;
}

static bool parse_id(const char *key, sh_token n_vocab, sh_token *id)
{
    char *end;
    if (key[0] < '0' || key[0] > '9' || (key[0] == '0' && key[1]) || strlen(key) > 9) return false;
    long v = strtol(key, &end, 10);
    *id = (sh_token)v;
    return !*end && v < n_vocab;
}

static int read_bias(sh_exchange *x, sh_generate_params *p, sh_job_opts *job, bool *replied)
{
    json_t *bias = json_object_get(x->json, "logit_bias"), *v;
    const char *key;
    if (!bias || json_is_null(bias)) return SH_OK;
    if (!json_is_object(bias))
        return bad(x, replied, "logit_bias", "an object from token ids to numbers from -100 to 100");
    sh_model_info info;
    sh_model_get_info(job->model->model, &info);
    p->bias = sh_zalloc(json_object_size(bias) + 1, sizeof *p->bias);
    if (!p->bias) return *replied = true, sh_reply_error(x, 500, NULL, NULL, "out of memory");
    size_t n = 0;
    json_object_foreach(bias, key, v)
    {
        double d = json_number_value(v);
        if (!parse_id(key, (sh_token)info.n_vocab, &p->bias[n].token) || !json_is_number(v) ||
            !(d >= -100 && d <= 100))
            return bad(x, replied, "logit_bias",
                       "an object from token ids of this model to numbers from -100 to 100");
        p->bias[n++].bias = (float)d;
    }
    job->request.sampling.bias = p->bias;
    job->request.sampling.n_bias = n;
    return SH_OK;
}

static int read_stream(sh_exchange *x, sh_job_opts *job, bool *replied)
{
    json_t *options = json_object_get(x->json, "stream_options"),
           *include = json_object_get(options, "include_usage");
    job->stream = sh_field_bool(x->json, "stream", false);
    if (!options || json_is_null(options)) return SH_OK;
    if (!json_is_object(options) || (include && !json_is_boolean(include)))
        return bad(x, replied, "stream_options", "an object with include_usage: true or false");
    job->include_usage = json_is_true(include);
    return SH_OK;
}

int sh_generate_params_read(sh_exchange *x, sh_generate_params *p, sh_job_opts *job, bool *replied)
{
    int rc;
    job->request = (sh_request_opts)SH_REQUEST_OPTS_INIT;
    job->request.stop = p->stops;
    job->request.ignore_end = sh_field_bool(x->json, "ignore_eos", false);
    job->request.deadline_us = (uint64_t)x->server->request_timeout_s * 1000000;
    job->n_per_prompt = (unsigned)sh_field_int(x->json, "n", 1);
    sh_generate_sampling(&job->request.sampling, x->json, job->model->model);
    if ((rc = read_stream(x, job, replied)) < 0 || *replied) return rc;
    if ((rc = sh_generate_stops(x, x->json, p, job, replied)) < 0 || *replied) return rc;
    return read_bias(x, p, job, replied);
}

void sh_generate_params_stop(sh_generate_params *p, sh_job_opts *job, const char *stop)
{
    if (stop && job->request.n_stop < SH_MAX_STOPS) p->stops[job->request.n_stop++] = stop;
}

void sh_generate_params_clear(sh_generate_params *p)
{
    sh_free(p->bias);
    sh_grammar_unref(p->grammar);
}
