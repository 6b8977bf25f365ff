/* openapi.c - GET /openapi.json (OpenAPI 3.1), made from the route table and the field tables. */
#include <shoal/version.h>

#include "codec/json.h"
#include "server/server_internal.h"

/* Schemas of the answers. Requests come from the field tables. */
static const char schemas[] =
    "{\"Error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\","
    "\"required\":[\"message\",\"type\",\"param\",\"code\"],"
    "\"properties\":{\"message\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"param\":{\"type\":["
    "\"string\",\"null\"]},\"code\":{\"type\":[\"string\",\"null\"]}}}}},"
    "\"Usage\":{\"type\":\"object\",\"required\":[\"prompt_tokens\",\"completion_tokens\",\"total_tokens\"],"
    "\"properties\":{\"prompt_tokens\":{\"type\":\"integer\"},"
    "\"completion_tokens\":{\"type\":\"integer\"},\"total_tokens\":{\"type\":\"integer\"},"
    "\"prompt_tokens_details\":{\"type\":\"object\",\"properties\":{\"cached_tokens\":{\"type\":\"integer\"}}"
    "}}},"
    "\"ChatCompletion\":{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"model\","
    "\"choices\",\"usage\"],\"properties\":{\"id\":{\"type\":\"string\"},"
    "\"object\":{\"const\":\"chat.completion\"},\"created\":{\"type\":\"integer\"},\"model\":{\"type\":"
    "\"string\"},\"system_fingerprint\":{\"type\":\"string\"},"
    "\"choices\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"index\",\"message\","
    "\"finish_reason\"],\"properties\":{\"index\":{\"type\":\"integer\"},"
    "\"message\":{\"type\":\"object\",\"required\":[\"role\",\"content\"],\"properties\":{\"role\":{"
    "\"const\":\"assistant\"},\"content\":{\"type\":[\"string\",\"null\"]},"
    "\"refusal\":{\"type\":\"null\"}}},\"logprobs\":{\"type\":[\"object\",\"null\"]},\"finish_reason\":{"
    "\"enum\":[\"stop\",\"length\"]}}}},"
    "\"usage\":{\"$ref\":\"#/components/schemas/Usage\"}}},"
    "\"Completion\":{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"model\",\"choices\","
    "\"usage\"],\"properties\":{\"id\":{\"type\":\"string\"},"
    "\"object\":{\"const\":\"text_completion\"},\"created\":{\"type\":\"integer\"},\"model\":{\"type\":"
    "\"string\"},\"system_fingerprint\":{\"type\":\"string\"},"
    "\"choices\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"index\",\"text\","
    "\"finish_reason\"],\"properties\":{\"index\":{\"type\":\"integer\"},"
    "\"text\":{\"type\":\"string\"},\"logprobs\":{\"type\":[\"object\",\"null\"]},\"finish_reason\":{"
    "\"enum\":[\"stop\",\"length\"]}}}},"
    "\"usage\":{\"$ref\":\"#/components/schemas/Usage\"}}},"
    "\"Model\":{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"owned_by\"],\"properties\":"
    "{\"id\":{\"type\":\"string\"},\"object\":{\"const\":\"model\"},"
    "\"created\":{\"type\":\"integer\"},\"owned_by\":{\"type\":\"string\"},\"meta\":{\"type\":\"object\"}}},"
    "\"ModelList\":{\"type\":\"object\",\"required\":[\"object\",\"data\"],\"properties\":{\"object\":{"
    "\"const\":\"list\"},\"data\":{\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/components/schemas/Model\"}}}},"
    "\"Tokens\":{\"type\":\"object\",\"required\":[\"tokens\",\"count\"],\"properties\":{\"tokens\":{"
    "\"type\":\"array\"},\"count\":{\"type\":\"integer\"}}},"
    "\"Content\":{\"type\":\"object\",\"required\":[\"content\"],\"properties\":{\"content\":{\"type\":"
    "\"string\"}}},"
    "\"Health\":{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"const\":\"ok\"},"
    "\"version\":{\"type\":\"string\"},\"active\":{\"type\":\"integer\"},"
    "\"waiting\":{\"type\":\"integer\"},\"uptime_seconds\":{\"type\":\"number\"}}},"
    "\"Description\":{\"type\":\"object\",\"required\":[\"openapi\",\"paths\"]},"
    "\"OllamaError\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":"
    "\"string\"}}},"
    "\"OllamaGenerated\":{\"type\":\"object\",\"required\":[\"model\",\"created_at\",\"response\",\"done\"],"
    "\"properties\":{\"model\":{\"type\":\"string\"},\"created_at\":{\"type\":\"string\"},\"response\":{"
    "\"type\":\"string\"},"
    "\"thinking\":{\"type\":\"string\"},\"done\":{\"type\":\"boolean\"},"
    "\"done_reason\":{\"enum\":[\"stop\",\"length\",\"load\",\"unload\"]},"
    "\"context\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"total_duration\":{\"type\":"
    "\"integer\"},"
    "\"load_duration\":{\"type\":\"integer\"},\"prompt_eval_count\":{\"type\":\"integer\"},"
    "\"prompt_eval_duration\":{\"type\":\"integer\"},\"eval_count\":{\"type\":\"integer\"},"
    "\"eval_duration\":{\"type\":\"integer\"}}},"
    "\"OllamaChat\":{\"type\":\"object\",\"required\":[\"model\",\"created_at\",\"message\",\"done\"],"
    "\"properties\":{"
    "\"message\":{\"type\":\"object\",\"required\":[\"role\",\"content\"],\"properties\":{\"role\":{"
    "\"const\":\"assistant\"},"
    "\"content\":{\"type\":\"string\"},\"thinking\":{\"type\":\"string\"},\"tool_calls\":{\"type\":\"array\"}"
    "}},"
    "\"done\":{\"type\":\"boolean\"}}},"
    "\"OllamaModel\":{\"type\":\"object\",\"required\":[\"details\",\"model_info\",\"capabilities\"],"
    "\"properties\":{"
    "\"details\":{\"type\":\"object\"},\"model_info\":{\"type\":\"object\"},\"capabilities\":{\"type\":"
    "\"array\"}}},"
    "\"OllamaModels\":{\"type\":\"object\",\"required\":[\"models\"],\"properties\":{\"models\":{\"type\":"
    "\"array\","
    "\"items\":{\"type\":\"object\",\"required\":[\"name\",\"model\",\"size\",\"digest\",\"details\"]}}}},"
    "\"OllamaVersion\":{\"type\":\"object\",\"required\":[\"version\"],\"properties\":{\"version\":{\"type\":"
    "\"string\"}}}}";

static json_t *ref_to(const char *schema)
{
    sh_buf path = {0};
    sh_buf_printf(&path, "#/components/schemas/%s", schema);
    json_t *ref = json_pack("{s:s}", "$ref", path.p ? path.p : "");
    sh_buf_clear(&path);
    return ref;
}

static void add_failure(const sh_route *r, json_t *responses, const char *status, const char *text)
{
    json_object_set_new(responses, status,
                        json_pack("{s:s,s:{s:{s:o}}}", "description", text, "content", "application/json",
                                  "schema", ref_to(sh_is_ollama_path(r->path) ? "OllamaError" : "Error")));
}

static json_t *responses_of(const sh_route *r)
{
    json_t *responses = json_object(), *content = json_object();
    if (r->answer)
        json_object_set_new(content, "application/json", json_pack("{s:o}", "schema", ref_to(r->answer)));
    else
        json_object_set_new(content, "text/plain", json_pack("{s:{s:s}}", "schema", "type", "string"));
    if (r->flags & SH_ROUTE_STREAMS && sh_is_ollama_path(r->path))
        json_object_set_new(
            content, "application/x-ndjson",
            json_pack("{s:{s:s}}", "schema", "description", "Unless stream is false: a JSON object a line."));
    else if (r->flags & SH_ROUTE_STREAMS)
        /* No type: some tools hold it against the whole text, others against each event. */
        json_object_set_new(
            content, "text/event-stream",
            json_pack("{s:{s:s}}", "schema", "description",
                      "With stream: true. The data of each event is a chunk in JSON, that of the "
                      "last is [DONE]."));
    json_object_set_new(responses, "200",
                        json_pack("{s:s,s:o}", "description", "The answer", "content", content));
    if (!(r->flags & SH_ROUTE_OPEN)) add_failure(r, responses, "401", "The bearer token is missing or wrong");
    add_failure(r, responses, "403", "The request comes from a web page of another origin");
    if (r->fields || strchr(r->path, '*')) add_failure(r, responses, "404", "No such model");
    if (r->fields) {
        add_failure(r, responses, "400", "The request is wrong: message and param say how");
        add_failure(r, responses, "413", "The body is too large");
    }
    if (r->flags & SH_ROUTE_STREAMS) {
        add_failure(r, responses, "429", "The queue is full; Retry-After says when to come back");
        add_failure(r, responses, "500", "The generation failed");
        add_failure(r, responses, "503", "The server is stopping");
    }
    return responses;
}

static json_t *operation_of(const sh_route *r)
{
    json_t *op =
        json_pack("{s:[s],s:s,s:o}", "tags", r->tag, "summary", r->summary, "responses", responses_of(r));
    if (r->fields)
        json_object_set_new(op, "requestBody",
                            json_pack("{s:b,s:{s:{s:o}}}", "required", 1, "content", "application/json",
                                      "schema", sh_fields_schema(r->fields)));
    if (strchr(r->path, '*'))
        json_object_set_new(op, "parameters",
                            json_pack("[{s:s,s:s,s:b,s:{s:s,s:i}}]", "name", "id", "in", "path", "required",
                                      1, "schema", "type", "string", "minLength", 1));
    if (!(r->flags & SH_ROUTE_OPEN)) json_object_set_new(op, "security", json_pack("[{s:[]},{}]", "token"));
    return op;
}

int sh_api_openapi(sh_exchange *x)
{
    json_t *paths = json_object(), *known = NULL;
    sh_err err = {0};
    if (sh_json_parse(&known, schemas, sizeof schemas - 1, "schemas", &err) < 0) {
        json_decref(paths);
        return sh_reply_error(x, 500, NULL, NULL, "%s", err.msg);
    }
    for (const sh_route *r = sh_routes; r->method; r++) {
        size_t n = strlen(r->path);
        sh_buf path = {0};
        sh_buf_add(&path, r->path, r->path[n - 1] == '*' ? n - 1 : n);
        if (r->path[n - 1] == '*') sh_buf_puts(&path, "{id}");
        json_t *item = path.p ? json_object_get(paths, path.p) : NULL;
        if (!item) json_object_set_new(paths, path.p ? path.p : "", item = json_object());
        json_object_set_new(item,
                            r->method[0] == 'G'                          ? "get"
                            : r->method[0] == 'P' && r->method[1] == 'O' ? "post"
                                                                         : "put",
                            operation_of(r));
        sh_buf_clear(&path);
    }
    return sh_reply_json(x, 200,
                         json_pack("{s:s,s:{s:s,s:s,s:s},s:o,s:{s:o,s:{s:{s:s,s:s}}}}", "openapi", "3.1.0",
                                   "info", "title", "Shoal", "version", sh_version(), "description",
                                   "Runs models on this machine.", "paths", paths, "components", "schemas",
                                   known, "securitySchemes", "token", "type", "http", "scheme", "bearer"));
}
