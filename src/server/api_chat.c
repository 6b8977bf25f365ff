/* api_chat.c - POST /v1/chat/completions. */
#include "base/mem.h"
#include "engine/chat.h"
#include "server/generate_params.h"
#include "server/response_format.h"

#define MESSAGES_SCHEMA                                                                                      \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"required\":[\"role\"],"             \
    "\"properties\":{"                                                                                       \
    "\"role\":{\"enum\":[\"system\",\"developer\",\"user\",\"assistant\",\"tool\",\"function\"]},"           \
    "\"content\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"string\"},{\"type\":\"array\",\"items\":{"      \
    "\"type\":\"object\",\"required\":[\"type\",\"text\"],"                                                  \
    "\"properties\":{\"type\":{\"const\":\"text\"},\"text\":{\"type\":\"string\"}}}}]}}}}"
#define TOOLS_SCHEMA "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\"}}"
#define KWARGS_SCHEMA "{\"type\":[\"object\",\"null\"]}"
#define CHOICE_SCHEMA "{\"enum\":[\"auto\",\"none\",null]}"

const sh_field sh_chat_fields[] = {
    {"messages", SH_FIELD_OTHER, 0, 0, true, false, MESSAGES_SCHEMA, "The conversation so far."},
    SH_GENERATE_FIELDS,
    {"max_tokens", SH_FIELD_INT, 1, 1 << 24, false, true, NULL, "Longest answer in tokens."},
    {"max_completion_tokens", SH_FIELD_INT, 1, 1 << 24, false, true, NULL,
     "The newer name of max_tokens; wins over it."},
    {"logprobs", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Give the log-probability of each token."},
    {"top_logprobs", SH_FIELD_INT, 0, SH_MAX_TOP_LOGPROBS, false, true, NULL,
     "And of this many likeliest alternatives; needs logprobs."},
    {"tools", SH_FIELD_OTHER, 0, 0, false, true, TOOLS_SCHEMA, "Given to the model's chat template."},
    {"tool_choice", SH_FIELD_OTHER, 0, 0, false, true, CHOICE_SCHEMA,
     "none: the template does not see the tools."},
    {"response_format", SH_FIELD_OTHER, 0, 0, false, true, SH_RESPONSE_FORMAT_SCHEMA,
     "text, json_object, or json_schema with a schema: the answer then follows it."},
    SH_FORMAT_FIELDS,
    {"chat_template_kwargs", SH_FIELD_OTHER, 0, 0, false, true, KWARGS_SCHEMA,
     "Further variables of the template, as {\"enable_thinking\": false}."},
    {"add_generation_prompt", SH_FIELD_BOOL, 0, 0, false, true, NULL,
     "End with what makes the model answer (default true)."},
    {"continue_final_message", SH_FIELD_BOOL, 0, 0, false, true, NULL,
     "Go on with the last message instead of answering it."},
    {0},
};

static bool is_role(const char *role)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", "function"};
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i], role) == 0) return true;
    return false;
}

/* Text parts joined; templates expect a string. NULL when a part is no text. */
static json_t *join_parts(const json_t *parts)
{
    sh_buf all = {0};
    const json_t *part;
    size_t i;
    json_array_foreach(parts, i, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        const json_t *text = json_object_get(part, "text");
        if (!type || strcmp(type, "text") != 0 || !json_is_string(text)) {
            sh_buf_clear(&all);
            return NULL;
        }
        sh_buf_add(&all, json_string_value(text), json_string_length(text));
    }
    json_t *joined = all.failed ? NULL : json_stringn(all.p ? all.p : "", all.n);
    sh_buf_clear(&all);
    return joined;
}

/* The messages as templates want them: content a string, "developer" called system. New reference; NULL after
 * a reply. */
static json_t *read_messages(sh_exchange *x)
{
    const json_t *given = json_object_get(x->json, "messages"), *m;
    json_t *messages = json_array();
    size_t i;
    if (!json_is_array(given) || !json_array_size(given)) {
        sh_reply_error(x, 400, "messages", NULL, "'messages': expected a list with at least one message");
        goto fail;
    }
    json_array_foreach(given, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role"));
        const json_t *content = json_object_get(m, "content");
        if (!json_is_object(m) || !is_role(role)) {
            sh_reply_error(x, 400, "messages", NULL,
                           "'messages[%zu].role': expected system, developer, user, assistant or tool", i);
            goto fail;
        }
        json_t *copy = json_copy((json_t *)m), *text = json_is_array(content) ? join_parts(content) : NULL;
        bool fits = !content || json_is_null(content) || json_is_string(content) || text;
        if (text) json_object_set_new(copy, "content", text);
        if (strcmp(role, "developer") == 0) json_object_set_new(copy, "role", json_string("system"));
        json_array_append_new(messages, copy);
        if (!fits) {
            sh_reply_error(x, 400, "messages", NULL,
                           "'messages[%zu].content': expected a text, a list of text parts, or null (images "
                           "and sound are not supported here)",
                           i);
            goto fail;
        }
    }
    return messages;
fail:
    json_decref(messages);
    return NULL;
}

/* Values of OTHER fields that only this API has. */
static bool check_rest(sh_exchange *x)
{
    const json_t *tools = json_object_get(x->json, "tools"),
                 *choice = json_object_get(x->json, "tool_choice"), *tool;
    const json_t *kwargs = json_object_get(x->json, "chat_template_kwargs");
    const char *word = json_string_value(choice);
    size_t i;
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        return sh_reply_error(x, 400, "tools", NULL, "'tools': expected a list of objects"), false;
    json_array_foreach(tools, i, tool) if (!json_is_object(tool)) return sh_reply_error(
        x, 400, "tools", NULL, "'tools[%zu]': expected an object", i),
        false;
    if (choice && !json_is_null(choice) &&
        !(word && (strcmp(word, "auto") == 0 || strcmp(word, "none") == 0)))
        return sh_reply_error(x, 400, "tool_choice", NULL,
                              "'tool_choice': only \"auto\" and \"none\" are supported"),
               false;
    if (kwargs && !json_is_null(kwargs) && !json_is_object(kwargs))
        return sh_reply_error(x, 400, "chat_template_kwargs", NULL,
                              "'chat_template_kwargs': expected an object"),
               false;
    if (sh_field_int(x->json, "top_logprobs", 0) > 0 && !sh_field_bool(x->json, "logprobs", false))
        return sh_reply_error(x, 400, "top_logprobs", NULL, "'top_logprobs': needs \"logprobs\": true"),
               false;
    return true;
}

static int encode(sh_exchange *x, const sh_model *m, const json_t *messages, sh_prompt *prompt, sh_err *err)
{
    const json_t *tools = json_object_get(x->json, "tools"),
                 *kwargs = json_object_get(x->json, "chat_template_kwargs");
    bool no_tools =
        strcmp(sh_field_str(x->json, "tool_choice", "auto"), "none") == 0 || !json_array_size(tools);
    bool continues = sh_field_bool(x->json, "continue_final_message", false);
    sh_chat_input in = {.messages = messages,
                        .tools = no_tools ? NULL : tools,
                        .kwargs = json_is_object(kwargs) ? kwargs : NULL,
                        .add_generation_prompt =
                            !continues && sh_field_bool(x->json, "add_generation_prompt", true),
                        .continue_final_message = continues,
                        .parse_tool_arguments = true};
    return sh_chat_encode(m, &in, &prompt->ids, &prompt->n, err);
}

int sh_api_chat(sh_exchange *x)
{
    sh_job_opts job = {.is_chat = true, .n_prompts = 1};
    sh_generate_params params = {0};
    sh_prompt prompt = {0};
    json_t *messages = NULL;
    sh_err err = {0};
    bool replied = false;
    int rc = SH_OK;
    if (!(job.model = sh_find_model(x, sh_field_str(x->json, "model", NULL)))) return SH_OK;
    if (!check_rest(x) || !sh_format_of_request(x, &params.grammar) || !(messages = read_messages(x))) goto out;
    if ((rc = sh_generate_params_read(x, &params, &job, &replied)) < 0 || replied) goto out;
    sh_generate_params_stop(&params, &job, sh_chat_stop(job.model->model));
    job.prompts = &prompt;
    job.request.grammar = params.grammar;
    job.request.is_reply = !sh_field_bool(x->json, "continue_final_message", false);
    job.request.max_tokens =
        (uint32_t)sh_field_int(x->json, "max_completion_tokens", sh_field_int(x->json, "max_tokens", 0));
    if (sh_field_bool(x->json, "logprobs", false))
        job.request.n_top_logprobs = (int32_t)sh_field_int(x->json, "top_logprobs", 0);
    if ((rc = encode(x, job.model->model, messages, &prompt, &err)) < 0)
        sh_reply_failure(x, rc, "messages", &err);
    else if ((rc = sh_job_start(x, &job, &err)) < 0)
        sh_reply_failure(x, rc, NULL, &err);
    rc = SH_OK;
out:
    json_decref(messages);
    sh_free(prompt.ids);
    sh_generate_params_clear(&params);
    return rc;
}
