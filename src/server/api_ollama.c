/* api_ollama.c - GET /api/tags, /api/ps, /api/version and POST /api/show: what is served, as Ollama tells it.
 */
#include <stdio.h>

#include <shoal/version.h>

#include "codec/digest.h"
#include "model/model.h"
#include "server/ollama.h"
#include "server/server_internal.h"

const sh_field sh_ollama_show_fields[] = {
    {"model", SH_FIELD_STR, 0, 0, false, true, NULL, "A name that GET /api/tags lists."},
    {"name", SH_FIELD_STR, 0, 0, false, true, NULL, "The older name of model."},
    {"verbose", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Accepted, not used."},
    {0},
};

/* "7.2B", "23.6M". */
static void count_text(char out[24], uint64_t n)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "B"}, {1e6, "M"}, {1e3, "K"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if ((double)n >= units[i].unit) {
            snprintf(out, 24, "%.1f%s", (double)n / units[i].unit, units[i].name);
            return;
        }
    snprintf(out, 24, "%llu", (unsigned long long)n);
}

static json_t *details_of(const sh_model_info *info)
{
    char count[24];
    count_text(count, info->n_parameters);
    return json_pack("{s:s,s:s,s:s,s:[s],s:s,s:s}", "parent_model", "", "format", info->container, "family",
                     info->architecture, "families", info->architecture, "parameter_size", count,
                     "quantization_level", info->quantization);
}

/* A name for the description: files are not read through for it. */
static void digest_of(char out[2 * SH_SHA256_BYTES + 1], const sh_served_model *m, const sh_model_info *info)
{
    sh_buf text = {0};
    sh_digest digest = {{0}};
    sh_buf_printf(&text, "%s\n%s\n%s\n%llu\n%llu\n%u", m->name, info->architecture, info->quantization,
                  (unsigned long long)info->n_parameters, (unsigned long long)info->file_bytes,
                  info->n_vocab);
    if (text.p) sh_sha256(text.p, text.n, &digest, NULL);
    sh_hex(digest.bytes, sizeof digest.bytes, out);
    sh_buf_clear(&text);
}

static json_t *model_json(const sh_served_model *m)
{
    char digest[2 * SH_SHA256_BYTES + 1], modified[32];
    sh_model_info info;
    sh_buf name = {0};
    sh_model_get_info(m->model, &info);
    digest_of(digest, m, &info);
    sh_ollama_time(modified, m->created_unix);
    /* Names there always have a tag, and clients cut at the colon. */
    sh_buf_printf(&name, "%s%s", m->name, strchr(m->name, ':') ? "" : ":latest");
    json_t *doc = json_pack("{s:s,s:s,s:s,s:I,s:s,s:o}", "name", name.p ? name.p : m->name, "model",
                            name.p ? name.p : m->name, "modified_at", modified, "size",
                            (json_int_t)info.file_bytes, "digest", digest, "details", details_of(&info));
    sh_buf_clear(&name);
    return doc;
}

static int reply_list(sh_exchange *x, bool in_memory)
{
    json_t *list = json_array();
    for (size_t i = 0; i < x->server->n_models; i++) {
        json_t *doc = model_json(&x->server->models[i]);
        sh_model_info info;
        sh_model_get_info(x->server->models[i].model, &info);
        if (in_memory) {
            /* Models stay as long as the server: a time that no client lives to see. */
            json_object_set_new(doc, "expires_at", json_string("2318-01-01T00:00:00Z"));
            json_object_set_new(doc, "size", json_integer((json_int_t)info.weight_bytes));
            json_object_set_new(doc, "size_vram", json_integer(0));
            json_object_set_new(doc, "context_length", json_integer(info.n_ctx_train));
        }
        json_array_append_new(list, doc);
    }
    return sh_reply_json(x, 200, json_pack("{s:o}", "models", list));
}

int sh_api_ollama_tags(sh_exchange *x)
{
    return reply_list(x, false);
}

int sh_api_ollama_ps(sh_exchange *x)
{
    return reply_list(x, true);
}

int sh_api_ollama_version(sh_exchange *x)
{
    return sh_reply_json(x, 200, json_pack("{s:s}", "version", sh_version()));
}

/* Keys of GGUF's metadata. */
static json_t *shape_of(const sh_model_info *info)
{
    json_t *doc = json_object();
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"context_length", info->n_ctx_train},    {"embedding_length", info->n_embd},
        {"block_count", info->n_layers},          {"feed_forward_length", info->n_ff},
        {"attention.head_count", info->n_heads},  {"attention.head_count_kv", info->n_kv_heads},
        {"attention.key_length", info->head_dim}, {"vocab_size", info->n_vocab},
    };
    json_object_set_new(doc, "general.architecture", json_string(info->architecture));
    json_object_set_new(doc, "general.basename", json_string(info->name));
    json_object_set_new(doc, "general.parameter_count", json_integer((json_int_t)info->n_parameters));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[128];
        snprintf(key, sizeof key, "%s.%s", info->architecture, rows[i].key);
        json_object_set_new(doc, key, json_integer((json_int_t)rows[i].value));
    }
    return doc;
}

static json_t *capabilities_of(const sh_model *m)
{
    const char *source = sh_model_chat_template(m);
    json_t *list = json_pack("[s]", "completion");
    if (source && strstr(source, "tools")) json_array_append_new(list, json_string("tools"));
    if (source && strstr(source, "<think>")) json_array_append_new(list, json_string("thinking"));
    return list;
}

static void add_parameter(sh_buf *out, const char *name, double value)
{
    if (value >= 0) sh_buf_printf(out, "%s%-30s %g", out->n ? "\n" : "", name, value);
}

int sh_api_ollama_show(sh_exchange *x)
{
    const sh_served_model *m = sh_ollama_model(x);
    if (!m) return SH_OK;
    const char *source = sh_model_chat_template(m->model);
    char modified[32];
    sh_model_info info;
    sh_model_sampling advice;
    sh_buf parameters = {0}, file = {0};
    sh_model_get_info(m->model, &info);
    sh_model_get_sampling(m->model, &advice);
    sh_ollama_time(modified, m->created_unix);
    add_parameter(&parameters, "temperature", advice.temperature);
    add_parameter(&parameters, "top_k", advice.top_k);
    add_parameter(&parameters, "top_p", advice.top_p);
    add_parameter(&parameters, "min_p", advice.min_p);
    add_parameter(&parameters, "repeat_penalty", advice.repetition_penalty);
    sh_buf_printf(&file, "FROM %s\n", m->name);
    json_t *doc = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:s}", "modelfile", file.p ? file.p : "", "parameters",
                            parameters.p ? parameters.p : "", "template", source ? source : "{{ .Prompt }}",
                            "details", details_of(&info), "model_info", shape_of(&info), "capabilities",
                            capabilities_of(m->model), "modified_at", modified);
    sh_buf_clear(&parameters);
    sh_buf_clear(&file);
    return sh_reply_json(x, 200, doc);
}
