/* manifest.c - reading lists of tensors that come as JSON. */
#include "model/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "formats/tensors.h"
#include "model/bind.h"
#include "model/convert.h"
#include "model/memory.h"
#include "os/file.h"

enum { MAX_JSON_BYTES = 64 << 20 };
#define MAX_ELEMENTS (1ull << 44) /* of one tensor: sums of a file's tensors stay below 2^64 */

typedef struct manifest_reader {
    const char *where;
    sh_manifest *m;
    sh_tensor *list; /* [n]; names point into the JSON value */
    size_t n, cap;
    uint64_t bytes_of[SH_DTYPE_COUNT];
    bool has_all_shapes;
    sh_err *err;
} manifest_reader;

static bool is_tensor_name(const char *name)
{
    return sh_ends_with(name, ".weight") || sh_ends_with(name, ".bias");
}

/* "shape": rows first; a value of another form leaves the shape unknown. */
static int take_description(manifest_reader *r, sh_tensor *t, const json_t *value)
{
    const json_t *shape = json_object_get(value, "shape");
    const size_t n = json_array_size(shape);
    uint64_t elements = 1;
    const char *type = NULL;
    int rc = sh_json_get_str(value, "dtype", &type, r->err);
    if (rc < 0) return sh_fail_in(r->err, rc, "%s", r->where);
    int dtype = type ? sh_dtype_find(type) : -1;
    t->dtype = dtype < 0 ? SH_OPAQUE : (enum sh_dtype)dtype;
    for (size_t d = 0; d < n; d++) {
        json_int_t size = json_integer_value(json_array_get(shape, n - 1 - d));
        if (n > SH_MAX_DIMS || size < 1 || !sh_mul_u64(&elements, elements, (uint64_t)size) ||
            elements > MAX_ELEMENTS)
            return sh_fail(r->err, SH_E_CORRUPT, "%s: a shape that no tensor can have", r->where);
        t->dims[d] = (uint64_t)size;
    }
    t->n_dims = (uint32_t)n;
    r->has_all_shapes = r->has_all_shapes && n;
    if (!n || dtype < 0) return SH_OK;
    const sh_dtype_info *info = sh_dtype_get((uint32_t)dtype);
    t->n_bytes = elements / info->block_elements * info->block_bytes;
    r->bytes_of[dtype] += t->n_bytes;
    return SH_OK;
}

static int take_tensor(manifest_reader *r, const char *name, const json_t *value)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 512;
        sh_tensor *grown = sh_realloc(r->list, cap, sizeof *grown);
        if (!grown) return sh_fail_nomem(r->err, cap * sizeof *grown);
        r->list = grown, r->cap = cap;
    }
    sh_tensor *t = &r->list[r->n++];
    *t = (sh_tensor){.name = name, .dtype = SH_OPAQUE, .dims = {1, 1, 1, 1}};
    if (json_is_object(value)) return take_description(r, t, value);
    r->has_all_shapes = false;
    return SH_OK;
}

/* "general.file_type": "1" -> f16 */
static void take_file_type(manifest_reader *r, const json_t *value)
{
    const char *text = json_string_value(value);
    const uint64_t number = text                     ? strtoull(text, NULL, 10)
                            : json_is_integer(value) ? (uint64_t)json_integer_value(value)
                                                     : UINT64_MAX;
    for (size_t i = 0; sh_mixture_at(i); i++)
        if (sh_mixture_at(i)->file_type == number) r->m->dtype = sh_mixture_at(i)->base;
}

/* All that the value lists; none when it is something else. */
static int take_list(manifest_reader *r, const json_t *json)
{
    json_t *map = json_object_get(json, "weight_map"), *value;
    const char *key;
    int64_t total = 0;
    r->has_all_shapes = true;
    json_object_foreach(json_is_object(map) ? map : (json_t *)(uintptr_t)json, key, value)
    {
        if (!is_tensor_name(key) || json_is_number(value)) continue;
        int rc = take_tensor(r, key, value);
        if (rc < 0) return rc;
        if (strcmp(key, "token_embd.weight") == 0) r->m->is_gguf = true;
    }
    if (json_object_get(json, "general.architecture")) r->m->is_gguf = true;
    take_file_type(r, json_object_get(json, "general.file_type"));
    int rc = sh_json_get_int(json_object_get(json, "metadata"), "total_size", &total, 0, INT64_MAX, r->err);
    r->m->n_bytes = (uint64_t)total;
    return rc < 0 ? sh_fail_in(r->err, rc, "%s: metadata", r->where) : SH_OK;
}

/* Sums of what the list says itself. */
static void add_up(manifest_reader *r)
{
    sh_manifest *m = r->m;
    uint64_t listed = 0, elements = 0;
    for (size_t i = 0; i < r->n; i++) {
        const uint64_t *d = r->list[i].dims;
        elements += d[0] * d[1] * d[2] * d[3];
        listed += r->list[i].n_bytes;
    }
    for (int d = 0; d < SH_DTYPE_COUNT; d++)
        if (r->bytes_of[d] && (m->dtype == SH_OPAQUE || r->bytes_of[d] > r->bytes_of[m->dtype]))
            m->dtype = (enum sh_dtype)d;
    m->n_tensors = r->n;
    if (r->has_all_shapes) m->n_parameters = elements;
    if (listed) m->n_bytes = listed;
}

int sh_manifest_from_json(sh_manifest *out, const json_t *json, const char *where, const sh_hparams *hp,
                          sh_err *err)
{
    sh_manifest m = {.dtype = SH_OPAQUE};
    manifest_reader r = {.where = where, .m = &m, .err = err};
    int rc = json_is_object(json) ? take_list(&r, json) : SH_OK;
    if (rc == SH_OK && !r.n) rc = sh_fail(err, SH_E_NOTFOUND, "%s: no list of tensors", where);
    if (rc < 0) goto out;
    if ((rc = sh_bind_check(hp, m.is_gguf, r.list, r.n, err)) < 0) {
        rc = sh_fail_in(err, rc, "%s", where);
        goto out;
    }
    add_up(&r);
    if (!(m.file = sh_strdup(where))) {
        rc = sh_fail_nomem(err, strlen(where));
        goto out;
    }
    *out = m;
out:
    sh_free(r.list);
    return rc;
}

/* ---- a folder ---- */

typedef struct folder_search {
    const char *folder;
    const sh_hparams *hp;
    sh_manifest *m;
    sh_err *err;
} folder_search;

/* The JSON file `name`, or *out NULL when it cannot be read: other files than lists are none of our business.
 */
static int read_json(const char *folder, const char *name, json_t **out, sh_err *err)
{
    char *path = sh_path_join(folder, name);
    int rc = path ? sh_json_read_file(out, path, MAX_JSON_BYTES, NULL) : SH_E_NOMEM;
    sh_free(path);
    if (rc < 0) *out = NULL;
    return rc == SH_E_NOMEM ? sh_fail_nomem(err, MAX_JSON_BYTES) : SH_OK;
}

static int try_file(void *ud, const char *name)
{
    const folder_search *f = ud;
    json_t *json = NULL;
    if (!sh_ends_with(name, ".json") || strcmp(name, "config.json") == 0 ||
        strcmp(name, "tokenizer.json") == 0)
        return SH_OK;
    int rc = read_json(f->folder, name, &json, f->err);
    if (rc == SH_OK) rc = sh_manifest_from_json(f->m, json, name, f->hp, f->err);
    json_decref(json);
    return rc == SH_E_NOTFOUND ? SH_OK : rc < 0 ? rc : 1; /* found: look no further */
}

/* "torch_dtype": "bfloat16" of config.json; 4.x spells it so, 5 "dtype". */
static int dtype_of_config(enum sh_dtype *out, const char *folder, sh_err *err)
{
    static const struct {
        const char *name;
        enum sh_dtype dtype;
    } names[] = {{"bfloat16", SH_BF16}, {"float16", SH_F16}, {"float32", SH_F32}};
    json_t *config = NULL;
    int rc = read_json(folder, "config.json", &config, err);
    const char *name = json_string_value(json_object_get(config, "torch_dtype"));
    if (!name) name = json_string_value(json_object_get(config, "dtype"));
    if (!name)
        name = json_string_value(json_object_get(json_object_get(config, "text_config"), "torch_dtype"));
    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0) *out = names[i].dtype;
    json_decref(config);
    return rc;
}

int sh_manifest_read(sh_manifest *out, const char *folder, const sh_hparams *hp, sh_err *err)
{
    sh_manifest m = {.dtype = SH_OPAQUE};
    folder_search search = {folder, hp, &m, err};
    int rc = sh_dir_each(folder, try_file, &search, err);
    if (rc >= 0 && m.dtype == SH_OPAQUE) rc = dtype_of_config(&m.dtype, folder, err);
    if (rc < 0) {
        sh_manifest_clear(&m);
        return rc;
    }
    const sh_dtype_info *type = sh_dtype_get(m.dtype);
    if (!m.n_parameters) m.n_parameters = sh_shape_parameters(hp);
    if (!m.n_bytes && type) m.n_bytes = m.n_parameters / type->block_elements * type->block_bytes;
    *out = m;
    return m.file ? SH_OK : sh_fail(err, SH_E_NOTFOUND, "%s: no list of tensors", folder);
}

void sh_manifest_clear(sh_manifest *m)
{
    sh_free(m->file);
    *m = (sh_manifest){.dtype = SH_OPAQUE};
}
