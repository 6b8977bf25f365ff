/* fields.c - checking JSON requests against rows, and describing the rows. */
#include "server/fields.h"

#include <math.h>
#include <stdint.h>

static int wrong(const sh_field *f, const char **param, const char *expected, sh_err *err)
{
    *param = f->name;
    return sh_fail(err, SH_E_INVALID, "'%s': expected %s", f->name, expected);
}

static int check_number(const sh_field *f, const json_t *v, const char **param, sh_err *err)
{
    bool is_int = f->kind == SH_FIELD_INT;
    char expected[96];
    double d = json_number_value(v);
    snprintf(expected, sizeof expected, "%s from %.17g to %.17g%s", is_int ? "a whole number" : "a number",
             f->lo, f->hi, f->nullable ? ", or null" : "");
    /* 5.0 is a whole number in JSON Schema. */
    if (!json_is_number(v) || (is_int && !json_is_integer(v) && d != floor(d)) || !(d >= f->lo && d <= f->hi))
        return wrong(f, param, expected, err);
    return SH_OK;
}

int sh_fields_check(const json_t *body, const sh_field *rows, const char **param, sh_err *err)
{
    *param = NULL;
    if (!json_is_object(body)) return sh_fail(err, SH_E_INVALID, "the body is not a JSON object");
    for (const sh_field *f = rows; f->name; f++) {
        const json_t *v = json_object_get(body, f->name);
        int rc = SH_OK;
        if (!v && f->required)
            return *param = f->name, sh_fail(err, SH_E_INVALID, "'%s' is missing", f->name);
        if (!v || (json_is_null(v) && f->nullable)) continue;
        if (f->kind == SH_FIELD_BOOL && !json_is_boolean(v)) rc = wrong(f, param, "true or false", err);
        if (f->kind == SH_FIELD_STR && !json_is_string(v)) rc = wrong(f, param, "a string", err);
        if (f->kind == SH_FIELD_INT || f->kind == SH_FIELD_NUM) rc = check_number(f, v, param, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static json_t *schema_of(const sh_field *f)
{
    static const char *const types[] = {"boolean", "integer", "number", "string"};
    json_t *s;
    if (f->kind == SH_FIELD_OTHER) {
        s = json_loads(f->schema, 0, NULL);
    } else {
        s = json_object();
        if (f->nullable)
            json_object_set_new(s, "type", json_pack("[s,s]", types[f->kind], "null"));
        else
            json_object_set_new(s, "type", json_string(types[f->kind]));
        if (f->kind == SH_FIELD_INT) {
            json_object_set_new(s, "minimum", json_integer((json_int_t)f->lo));
            json_object_set_new(s, "maximum", json_integer((json_int_t)f->hi));
        } else if (f->kind == SH_FIELD_NUM) {
            json_object_set_new(s, "minimum", json_real(f->lo));
            json_object_set_new(s, "maximum", json_real(f->hi));
        }
    }
    json_object_set_new(s, "description", json_string(f->help));
    return s;
}

json_t *sh_fields_schema(const sh_field *rows)
{
    json_t *properties = json_object(), *required = json_array();
    for (const sh_field *f = rows; f->name; f++) {
        json_object_set_new(properties, f->name, schema_of(f));
        if (f->required) json_array_append_new(required, json_string(f->name));
    }
    json_t *s = json_pack("{s:s,s:o}", "type", "object", "properties", properties);
    if (json_array_size(required)) json_object_set(s, "required", required);
    json_decref(required);
    return s;
}

double sh_field_num(const json_t *body, const char *name, double fallback)
{
    const json_t *v = json_object_get(body, name);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

int64_t sh_field_int(const json_t *body, const char *name, int64_t fallback)
{
    const json_t *v = json_object_get(body, name);
    return json_is_integer(v) ? json_integer_value(v)
           : json_is_real(v)  ? (int64_t)json_real_value(v)
                              : fallback;
}

bool sh_field_bool(const json_t *body, const char *name, bool fallback)
{
    const json_t *v = json_object_get(body, name);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

const char *sh_field_str(const json_t *body, const char *name, const char *fallback)
{
    const json_t *v = json_object_get(body, name);
    return json_is_string(v) ? json_string_value(v) : fallback;
}
