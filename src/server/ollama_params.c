/* ollama_params.c - options, times and the other fields that Ollama's routes share. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "os/clock.h"
#include "server/ollama.h"
#include "server/response_format.h"

const sh_field sh_ollama_options[] = {
    {"temperature", SH_FIELD_NUM, 0, 100, false, true, NULL, "0 always takes the likeliest token."},
    {"top_k", SH_FIELD_INT, 0, 1000000, false, true, NULL, "0 is off."},
    {"top_p", SH_FIELD_NUM, 0, 1, false, true, NULL, "1 is off."},
    {"min_p", SH_FIELD_NUM, 0, 1, false, true, NULL, "0 is off."},
    {"typical_p", SH_FIELD_NUM, 0, 1, false, true, NULL, "1 is off."},
    {"repeat_penalty", SH_FIELD_NUM, 0.01, 100, false, true, NULL, "1 is off."},
    {"repeat_last_n", SH_FIELD_INT, -1, 1 << 24, false, true, NULL,
     "Tokens looked back at; 0: none, -1: all."},
    {"presence_penalty", SH_FIELD_NUM, -2, 2, false, true, NULL, "0 is off."},
    {"frequency_penalty", SH_FIELD_NUM, -2, 2, false, true, NULL, "0 is off."},
    {"seed", SH_FIELD_INT, -9223372036854775808.0, 9223372036854774784.0, false, true, NULL,
     "Same seed, same text; negative: drawn."},
    {"num_predict", SH_FIELD_INT, -2, 1 << 24, false, true, NULL,
     "Longest answer in tokens; below 1: until the context is full."},
    {"num_ctx", SH_FIELD_INT, 1, 1 << 30, false, true, NULL, "Accepted; the context is the server's."},
    {0},
};

static void read_sampling(sh_sampling *s, const json_t *options, const sh_model *m)
{
    sh_generate_sampling(s, options, m);
    if (sh_field_int(options, "seed", 0) < 0) {
        uint64_t seed = 0;
        sh_os_entropy(&seed, sizeof seed);
        s->seed = seed >> 11;
    }
    s->typical_p = (float)sh_field_num(options, "typical_p", s->typical_p);
    s->repetition_penalty = (float)sh_field_num(options, "repeat_penalty", s->repetition_penalty);
    int64_t last_n = sh_field_int(options, "repeat_last_n", s->repetition_window);
    if (last_n == 0) s->repetition_penalty = 1;
    s->repetition_window = last_n > 0 ? (int32_t)last_n : 0;
}

/* A number of seconds, or a duration as Go writes them ("5m", "1h30m"). */
static bool is_duration(const json_t *v)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h"};
    const char *p = json_string_value(v);
    if (!v || json_is_null(v) || json_is_number(v)) return true;
    if (!p || strlen(p) != json_string_length(v)) return false;
    p += *p == '+' || *p == '-';
    do {
        size_t n = strspn(p, "0123456789");
        if (!n) return false;
        p += n;
        if (*p == '.') {
            n = strspn(p + 1, "0123456789");
            if (!n) return false;
            p += n + 1;
        }
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (sh_starts_with(p, units[i])) {
                p += strlen(units[i]);
                break;
            }
    } while (*p);
    return true;
}

static bool is_thinking(const json_t *v)
{
    const char *word = json_string_value(v);
    if (!v || json_is_null(v) || json_is_boolean(v)) return true;
    return word && (strcmp(word, "low") == 0 || strcmp(word, "medium") == 0 || strcmp(word, "high") == 0);
}

static bool refuse(sh_exchange *x, const char *field, const char *expected)
{
    sh_reply_error(x, 400, field, NULL, "'%s': expected %s", field, expected);
    return false;
}

static bool check(sh_exchange *x, const json_t *options)
{
    const char *param;
    sh_err err = {0};
    if (options && !json_is_null(options) && !json_is_object(options))
        return refuse(x, "options", "an object");
    if (json_is_object(options) && sh_fields_check(options, sh_ollama_options, &param, &err) < 0) {
        sh_reply_error(x, 400, param, NULL, "options: %s", err.msg);
        return false;
    }
    if (!is_duration(json_object_get(x->json, "keep_alive")))
        return refuse(x, "keep_alive", "a number of seconds, or a duration such as \"5m\"");
    if (!is_thinking(json_object_get(x->json, "think")))
        return refuse(x, "think", "true, false, \"low\", \"medium\" or \"high\"");
    if (sh_field_int(x->json, "top_logprobs", 0) > 0 && !sh_field_bool(x->json, "logprobs", false))
        return refuse(x, "top_logprobs", "\"logprobs\": true with it");
    return true;
}

static bool read_format(sh_exchange *x, sh_generate_params *p, sh_job_opts *job)
{
    sh_err err = {0};
    int rc = sh_format_from_json(&p->grammar, json_object_get(x->json, "format"), &err);
    if (rc < 0) sh_reply_failure(x, rc == SH_E_NOMEM ? rc : SH_E_INVALID, "format", &err);
    job->request.grammar = p->grammar;
    return rc == SH_OK;
}

bool sh_ollama_read(sh_exchange *x, sh_generate_params *p, sh_job_opts *job)
{
    const json_t *options = json_object_get(x->json, "options");
    bool replied = false;
    if (!check(x, options)) return false;
    job->stream = sh_field_bool(x->json, "stream", true);
    job->n_prompts = job->n_per_prompt = 1;
    job->request = (sh_request_opts)SH_REQUEST_OPTS_INIT;
    job->request.stop = p->stops;
    job->request.deadline_us = (uint64_t)x->server->request_timeout_s * 1000000;
    int64_t n_predict = sh_field_int(options, "num_predict", 0);
    job->request.max_tokens = n_predict > 0 ? (uint32_t)n_predict : 0;
    if (sh_field_bool(x->json, "logprobs", false))
        job->request.n_top_logprobs = (int32_t)sh_field_int(x->json, "top_logprobs", 0);
    read_sampling(&job->request.sampling, options, job->model->model);
    if (!read_format(x, p, job)) return false;
    return sh_generate_stops(x, options, p, job, &replied) == SH_OK && !replied;
}

const sh_served_model *sh_ollama_model(sh_exchange *x)
{
    const char *name = sh_field_str(x->json, "model", sh_field_str(x->json, "name", NULL));
    size_t n = name ? strlen(name) : 0;
    if (!n) {
        sh_reply_error(x, 400, "model", NULL, "'model' is missing");
        return NULL;
    }
    for (size_t i = 0; i < x->server->n_models; i++) {
        const char *own = x->server->models[i].name;
        size_t n_own = strlen(own);
        if (strncmp(own, name, n_own) == 0 && (!name[n_own] || strcmp(name + n_own, ":latest") == 0))
            return &x->server->models[i];
    }
    sh_reply_error(x, 404, "model", NULL,
                   "model '%.100s' not found (GET /api/tags lists those that are served)", name);
    return NULL;
}

bool sh_ollama_check_images(sh_exchange *x, const json_t *images, const char *where)
{
    const json_t *v;
    size_t i;
    if (!images || json_is_null(images)) return true;
    if (!json_is_array(images)) return refuse(x, where, "a list of texts in base64");
    json_array_foreach(images, i, v) if (!json_is_string(v)) return refuse(x, where,
                                                                           "a list of texts in base64");
    if (!json_array_size(images)) return true;
    sh_reply_error(x, 400, where, NULL, "'%s': this model reads text only", where);
    return false;
}

json_t *sh_ollama_kwargs(const json_t *body)
{
    const json_t *think = json_object_get(body, "think");
    if (json_is_boolean(think)) return json_pack("{s:b}", "enable_thinking", json_is_true(think));
    if (json_is_string(think))
        return json_pack("{s:b,s:s}", "enable_thinking", 1, "reasoning_effort", json_string_value(think));
    return NULL;
}

void sh_ollama_time(char out[32], int64_t unix_seconds)
{
    time_t t = (time_t)unix_seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(out, 32, "1970-01-01T00:00:00Z");
}

/* keep_alive: 0, "0", "0s", "0m": whatever the unit, no digit but zero. */
static bool is_zero(const json_t *v)
{
    const char *p = json_string_value(v);
    return p ? *p && strpbrk(p, "0") && !strpbrk(p, "123456789")
             : json_is_number(v) && json_number_value(v) == 0;
}

int sh_ollama_reply_loaded(sh_exchange *x, const sh_served_model *m, bool is_chat)
{
    char now[32];
    const char *reason = is_zero(json_object_get(x->json, "keep_alive")) ? "unload" : "load";
    sh_ollama_time(now, sh_unix_seconds());
    json_t *doc =
        json_pack("{s:s,s:s,s:b,s:s}", "model", m->name, "created_at", now, "done", 1, "done_reason", reason);
    if (is_chat)
        json_object_set_new(doc, "message", json_pack("{s:s,s:s}", "role", "assistant", "content", ""));
    else
        json_object_set_new(doc, "response", json_string(""));
    return sh_reply_json(x, 200, doc);
}
