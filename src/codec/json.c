/* json.c - JSON trees: the pull reader's events made into jansson values, and typed look-ups. Text is json_write.c. */
#include "codec/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json_reader.h"
#include "os/file.h"

/* The containers being filled, outermost first. Each is already held by the one before it; `root` holds the first. */
typedef struct tree {
    json_t *root, *open[128];
    unsigned depth;
    char *key; /* the key that waits for its value, or NULL */
    size_t n_key;
} tree;

static json_t *value_of(const sh_json_reader *r, int event)
{
    switch (event) {
    case SH_JSON_OBJECT:
        return json_object();
    case SH_JSON_ARRAY:
        return json_array();
    case SH_JSON_STRING:
        return json_stringn_nocheck(r->str.n ? r->str.p : "", r->str.n);
    case SH_JSON_NUMBER:
        return r->is_int ? json_integer(r->integer) : json_real(r->num);
    case SH_JSON_BOOL:
        return json_boolean(r->flag);
    default:
        return json_null();
    }
}

/* Put a new value (its reference is taken) where the next one belongs. */
static int tree_put(tree *t, json_t *value, sh_err *err)
{
    int rc = value ? 0 : -1;
    if (rc == 0 && !t->depth)
        t->root = value;
    else if (rc == 0 && t->key)
        rc = json_object_set_new_nocheck(t->open[t->depth - 1], t->key, value);
    else if (rc == 0)
        rc = json_array_append_new(t->open[t->depth - 1], value);
    sh_free(t->key);
    t->key = NULL;
    return rc == 0 ? SH_OK : sh_fail_nomem(err, sizeof(json_t *));
}

static int tree_event(tree *t, const sh_json_reader *r, int event, sh_err *err)
{
    if (event == SH_JSON_OBJECT_END || event == SH_JSON_ARRAY_END) {
        t->depth--;
        return SH_OK;
    }
    if (event == SH_JSON_KEY) {
        if (memchr(r->str.p, 0, r->str.n))
            return sh_fail(err, SH_E_CORRUPT, "%s: a key before byte %zu holds a NUL", r->where,
                           (size_t)(r->p - r->begin));
        t->key = sh_strndup(r->str.p, r->str.n);
        return t->key ? SH_OK : sh_fail_nomem(err, r->str.n + 1);
    }
    json_t *value = value_of(r, event);
    int rc = tree_put(t, value, err);
    if (rc == SH_OK && (event == SH_JSON_OBJECT || event == SH_JSON_ARRAY)) t->open[t->depth++] = value;
    return rc;
}

int sh_json_parse(json_t **out, const char *p, size_t n, const char *where, sh_err *err)
{
    sh_json_reader r;
    tree t = {0};
    int event, rc = SH_OK;
    sh_json_reader_init(&r, p, n, where);
    while (rc == SH_OK && (event = sh_json_next(&r, err)) != SH_JSON_END)
        rc = event < 0 ? event : tree_event(&t, &r, event, err);
    sh_json_reader_clear(&r);
    sh_free(t.key);
    if (rc == SH_OK)
        *out = t.root;
    else
        json_decref(t.root);
    return rc;
}

int sh_json_read_file(json_t **out, const char *path, size_t max_bytes, sh_err *err)
{
    sh_buf text = {0};
    int rc = sh_file_read(path, max_bytes, &text, err);
    if (rc == SH_OK) rc = sh_json_parse(out, text.p ? text.p : "", text.n, path, err);
    sh_buf_clear(&text);
    return rc;
}

int sh_json_read_in(json_t **out, const char *folder, const char *name, size_t max_bytes, sh_err *err)
{
    int rc = SH_OK;
    char *path = sh_path_join(folder, name);
    *out = NULL;
    if (!path) return sh_fail_nomem(err, strlen(folder) + strlen(name));
    if (sh_file_exists(path)) rc = sh_json_read_file(out, path, max_bytes, err);
    sh_free(path);
    return rc;
}

/* The value of key when it counts: NULL when absent or null. */
static const json_t *look_up(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong_type(const char *key, const char *wanted, sh_err *err)
{
    return sh_fail(err, SH_E_INVALID, "\"%s\" must be %s", key, wanted);
}

int sh_json_get_int(const json_t *obj, const char *key, int64_t *value, int64_t lo, int64_t hi, sh_err *err)
{
    const json_t *v = look_up(obj, key);
    if (!v) return SH_OK;
    if (!json_is_integer(v)) return wrong_type(key, "an integer", err);
    int64_t got = json_integer_value(v);
    if (got < lo || got > hi)
        return sh_fail(err, SH_E_RANGE, "\"%s\" is %" PRId64 ", it must be %" PRId64 " to %" PRId64, key, got, lo, hi);
    *value = got;
    return SH_OK;
}

int sh_json_get_num(const json_t *obj, const char *key, double *value, double lo, double hi, sh_err *err)
{
    const json_t *v = look_up(obj, key);
    if (!v) return SH_OK;
    if (!json_is_number(v)) return wrong_type(key, "a number", err);
    double got = json_number_value(v);
    if (!(got >= lo && got <= hi))
        return sh_fail(err, SH_E_RANGE, "\"%s\" is %g, it must be %g to %g", key, got, lo, hi);
    *value = got;
    return SH_OK;
}

int sh_json_get_bool(const json_t *obj, const char *key, bool *value, sh_err *err)
{
    const json_t *v = look_up(obj, key);
    if (!v) return SH_OK;
    if (!json_is_boolean(v)) return wrong_type(key, "true or false", err);
    *value = json_is_true(v);
    return SH_OK;
}

int sh_json_get_str(const json_t *obj, const char *key, const char **value, sh_err *err)
{
    const json_t *v = look_up(obj, key);
    if (!v) return SH_OK;
    if (!json_is_string(v)) return wrong_type(key, "a string", err);
    *value = json_string_value(v);
    return SH_OK;
}
