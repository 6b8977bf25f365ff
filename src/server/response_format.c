/* response_format.c - what a request asks of its answer's form, as a grammar. */
#include "server/response_format.h"

#include <string.h>

int sh_response_format(sh_grammar **out, const json_t *format, sh_err *err)
{
    const json_t *wrap = json_object_get(format, "json_schema"), *schema = json_object_get(wrap, "schema"),
                 *name = json_object_get(wrap, "name"), *strict = json_object_get(wrap, "strict");
    const char *type = json_string_value(json_object_get(format, "type"));
    *out = NULL;
    if (!format || json_is_null(format)) return SH_OK;
    if (!type)
        return sh_fail(
            err, SH_E_INVALID,
            "'response_format': expected an object whose type is text, json_object or json_schema");
    if (strcmp(type, "text") == 0) return SH_OK;
    if (strcmp(type, "json_object") == 0) return sh_grammar_from_json_object(out, err);
    if (strcmp(type, "json_schema") != 0)
        return sh_fail(err, SH_E_INVALID,
                       "'response_format.type': %.40s: expected text, json_object or json_schema", type);
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return sh_fail(err, SH_E_INVALID, "'response_format.json_schema.schema': expected a schema");
    if (name && !json_is_string(name))
        return sh_fail(err, SH_E_INVALID, "'response_format.json_schema.name': expected a text");
    if (strict && !json_is_boolean(strict) && !json_is_null(strict))
        return sh_fail(err, SH_E_INVALID, "'response_format.json_schema.strict': expected true or false");
    return sh_grammar_from_schema(out, schema, "response_format.json_schema.schema", err);
}

int sh_format_from_json(sh_grammar **out, const json_t *format, sh_err *err)
{
    const char *word = json_string_value(format);
    *out = NULL;
    if (!format || json_is_null(format) || (word && !*word)) return SH_OK;
    if (word && strcmp(word, "json") == 0) return sh_grammar_from_json_object(out, err);
    if (!json_is_object(format))
        return sh_fail(err, SH_E_INVALID, "'format': expected \"json\" or a JSON schema");
    return sh_grammar_from_schema(out, format, "format", err);
}

int sh_format_from_fields(sh_grammar **out, const json_t *body, const char **param, sh_err *err)
{
    const json_t *grammar = json_object_get(body, "grammar"), *schema = json_object_get(body, "json_schema");
    bool has_grammar = json_is_string(grammar) && json_string_length(grammar),
         has_schema = schema && !json_is_null(schema);
    *out = NULL;
    *param = has_schema ? "json_schema" : "grammar";
    if (grammar && !json_is_null(grammar) && !json_is_string(grammar)) {
        *param = "grammar";
        return sh_fail(err, SH_E_INVALID, "'grammar': expected a text");
    }
    if (has_grammar && has_schema)
        return sh_fail(err, SH_E_INVALID, "'json_schema': give either grammar or json_schema");
    if (has_schema) return sh_grammar_from_schema(out, schema, "json_schema", err);
    if (!has_grammar) return SH_OK;
    return sh_grammar_from_gbnf(out, json_string_value(grammar), json_string_length(grammar), "grammar", err);
}

bool sh_format_of_request(sh_exchange *x, sh_grammar **grammar)
{
    const char *param = "response_format";
    sh_err err = {0};
    int rc = sh_response_format(grammar, json_object_get(x->json, "response_format"), &err);
    if (rc == SH_OK && !*grammar) rc = sh_format_from_fields(grammar, x->json, &param, &err);
    if (rc < 0) sh_reply_failure(x, rc == SH_E_NOMEM ? rc : SH_E_INVALID, param, &err);
    return rc == SH_OK;
}
