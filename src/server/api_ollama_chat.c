/* api_ollama_chat.c - POST /api/chat. */
#include "base/mem.h"
#include "engine/chat.h"
#include "server/ollama.h"
#include "server/render.h"

#define MESSAGES_SCHEMA                                                                                      \
    "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"required\":[\"role\"],\"properties\":{" \
    "\"role\":{\"enum\":[\"system\",\"user\",\"assistant\",\"tool\"]},"                                      \
    "\"content\":{\"type\":[\"string\",\"null\"]},\"thinking\":{\"type\":[\"string\",\"null\"]},"            \
    "\"tool_name\":{\"type\":[\"string\",\"null\"]},"                                                        \
    "\"images\":" SH_OLLAMA_IMAGES_SCHEMA ",\"tool_calls\":{\"type\":[\"array\",\"null\"],\"items\":{"       \
    "\"type\":\"object\",\"required\":[\"function\"],\"properties\":{\"function\":{\"type\":\"object\","     \
    "\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},\"arguments\":{\"type\":"        \
    "[\"object\",\"null\"]}}}}}}}}}"
#define TOOLS_SCHEMA "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\"}}"

const sh_field sh_ollama_chat_fields[] = {
    {"model", SH_FIELD_STR, 0, 0, true, false, NULL, "A name that GET /api/tags lists."},
    {"messages", SH_FIELD_OTHER, 0, 0, false, true, MESSAGES_SCHEMA,
     "The conversation so far; absent or empty: only say that the model is loaded."},
    SH_OLLAMA_FIELDS,
    {"tools", SH_FIELD_OTHER, 0, 0, false, true, TOOLS_SCHEMA, "Functions that the model may call."},
    {0},
};

static bool is_text(const json_t *v)
{
    return !v || json_is_null(v) || json_is_string(v);
}

/* The calls of a message as chat templates know them (OpenAI's, with arguments that are an object). NULL when
 * they have another shape. */
static json_t *read_calls(const json_t *calls)
{
    json_t *out = json_array();
    const json_t *call;
    size_t i;
    json_array_foreach(calls, i, call)
    {
        const json_t *function = json_object_get(call, "function"),
                     *arguments = json_object_get(function, "arguments");
        if (!json_is_string(json_object_get(function, "name")) ||
            (arguments && !json_is_null(arguments) && !json_is_object(arguments))) {
            json_decref(out);
            return NULL;
        }
        json_t *copy = json_copy((json_t *)function);
        if (!json_is_object(arguments)) json_object_set_new(copy, "arguments", json_object());
        json_array_append_new(out, json_pack("{s:s,s:o}", "type", "function", "function", copy));
    }
    return out;
}

/* One message for the template; NULL after a reply. */
static json_t *read_message(sh_exchange *x, const json_t *m, size_t i)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    const char *role = json_string_value(json_object_get(m, "role")), *known = NULL;
    const json_t *calls = json_object_get(m, "tool_calls"), *name = json_object_get(m, "tool_name");
    char where[48];
    for (size_t k = 0; role && k < sizeof roles / sizeof *roles; k++)
        if (strcmp(role, roles[k]) == 0) known = roles[k];
    if (!known) {
        sh_reply_error(x, 400, "messages", NULL,
                       "'messages[%zu].role': expected system, user, assistant or tool", i);
        return NULL;
    }
    if (!is_text(json_object_get(m, "content")) || !is_text(json_object_get(m, "thinking")) ||
        !is_text(name)) {
        sh_reply_error(x, 400, "messages", NULL, "'messages[%zu]': content, thinking and tool_name are texts",
                       i);
        return NULL;
    }
    snprintf(where, sizeof where, "messages[%zu].images", i);
    if (!sh_ollama_check_images(x, json_object_get(m, "images"), where)) return NULL;
    json_t *copy = json_copy((json_t *)m), *read = NULL;
    if (calls && !json_is_null(calls)) {
        read = json_is_array(calls) ? read_calls(calls) : NULL;
        if (!read) {
            sh_reply_error(
                x, 400, "messages", NULL,
                "'messages[%zu].tool_calls': expected a list of {\"function\": {\"name\", \"arguments\"}}",
                i);
            json_decref(copy);
            return NULL;
        }
    }
    json_object_del(copy, "images");
    json_object_del(copy, "tool_calls");
    if (json_array_size(read)) json_object_set(copy, "tool_calls", read);
    json_decref(read);
    if (!json_is_string(json_object_get(copy, "content")))
        json_object_set_new(copy, "content", json_string(""));
    if (json_is_string(name)) json_object_set(copy, "name", (json_t *)name);
    return copy;
}

/* A new reference; NULL after a reply. */
static json_t *read_messages(sh_exchange *x)
{
    const json_t *given = json_object_get(x->json, "messages"), *m;
    json_t *messages = json_array();
    size_t i;
    if (given && !json_is_null(given) && !json_is_array(given)) {
        sh_reply_error(x, 400, "messages", NULL, "'messages': expected a list");
        json_decref(messages);
        return NULL;
    }
    json_array_foreach(given, i, m)
    {
        json_t *read = read_message(x, m, i);
        if (!read) {
            json_decref(messages);
            return NULL;
        }
        json_array_append_new(messages, read);
    }
    return messages;
}

static bool check_tools(sh_exchange *x)
{
    const json_t *tools = json_object_get(x->json, "tools"), *tool;
    bool fits = !tools || json_is_null(tools) || json_is_array(tools);
    size_t i;
    json_array_foreach(tools, i, tool) fits = fits && json_is_object(tool);
    if (!fits) sh_reply_error(x, 400, "tools", NULL, "'tools': expected a list of objects");
    return fits;
}

static int encode(sh_exchange *x, const sh_model *m, const json_t *messages, sh_prompt *out, sh_err *err)
{
    const json_t *tools = json_object_get(x->json, "tools");
    json_t *kwargs = sh_ollama_kwargs(x->json);
    sh_chat_input in = {.messages = messages,
                        .tools = json_array_size(tools) ? tools : NULL,
                        .kwargs = kwargs,
                        .add_generation_prompt = true};
    int rc = sh_chat_encode(m, &in, &out->ids, &out->n, err);
    json_decref(kwargs);
    return rc;
}

int sh_api_ollama_chat(sh_exchange *x)
{
    sh_job_opts job = {.render = &sh_render_ollama, .is_chat = true};
    sh_generate_params params = {0};
    sh_prompt prompt = {0};
    json_t *messages = NULL;
    sh_err err = {0};
    int rc;
    if (!(job.model = sh_ollama_model(x))) return SH_OK;
    const sh_model *m = job.model->model;
    if (!sh_ollama_read(x, &params, &job) || !check_tools(x) || !(messages = read_messages(x))) goto out;
    sh_generate_params_stop(&params, &job, sh_chat_stop(m));
    job.prompts = &prompt;
    job.request.is_reply = true;
    if (!json_array_size(messages))
        sh_ollama_reply_loaded(x, job.model, true);
    else if ((rc = encode(x, m, messages, &prompt, &err)) < 0)
        sh_reply_failure(x, rc, "messages", &err);
    else if ((rc = sh_job_start(x, &job, &err)) < 0)
        sh_reply_failure(x, rc, NULL, &err);
out:
    json_decref(messages);
    sh_free(prompt.ids);
    sh_generate_params_clear(&params);
    return SH_OK;
}
