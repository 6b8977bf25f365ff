/* tensors_build.c - filling the table of tensors and metadata, from one file or several. */
#include <string.h>

#include "base/mem.h"
#include "formats/tensors_internal.h"
#include "os/clock.h"

int sh_tensors_new(sh_tensors **out, const char *container, const char *path, const uint8_t *data, size_t n,
                   sh_err *err)
{
    uint64_t seed[2];
    sh_tensors *t = sh_new(sizeof *t, err);
    if (!t) return SH_E_NOMEM;
    /* Names are foreign: a seed nobody can foresee keeps aimed collisions away. */
    if (sh_os_entropy(seed, sizeof seed) != 0) seed[0] = seed[1] = (uintptr_t)t;
    t->container = container;
    t->data = data;
    t->n_bytes = n;
    t->path = sh_strdup(path);
    t->arena = sh_arena_open();
    t->by_name = sh_map_open(seed[0]);
    t->by_key = sh_map_open(seed[1]);
    if (!t->path || !t->arena || !t->by_name || !t->by_key) {
        sh_tensors_free(t);
        return sh_fail_nomem(err, sizeof *t);
    }
    *out = t;
    return SH_OK;
}

void sh_tensors_free(sh_tensors *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n_parts; i++) sh_tensors_free(t->parts[i]);
    sh_free(t->parts);
    sh_map_free(t->by_name);
    sh_map_free(t->by_key);
    sh_free(t->tensors);
    sh_free(t->metas);
    sh_arena_free(t->arena);
    sh_free(t->path);
    if (t->map.data) sh_map_file_close(&t->map);
    sh_free(t);
}

/* Room for one more row of `size` bytes in *rows. */
static int table_grow(void **rows, size_t n, size_t *cap, size_t size, sh_err *err)
{
    if (n < *cap) return SH_OK;
    size_t fresh = *cap ? *cap * 2 : 32;
    void *p = sh_realloc(*rows, fresh, size);
    if (!p) return sh_fail_nomem(err, (unsigned long long)fresh * size);
    *rows = p;
    *cap = fresh;
    return SH_OK;
}

int sh_tensors_add(sh_tensors *t, const sh_tensor *tensor, sh_err *err)
{
    size_t n = strlen(tensor->name);
    if (sh_map_get(t->by_name, tensor->name, n, NULL)) return SH_E_EXISTS;
    void *rows = t->tensors;
    int rc = table_grow(&rows, t->n_tensors, &t->cap_tensors, sizeof *t->tensors, err);
    if (rc < 0) return rc;
    t->tensors = rows;
    if (!sh_map_set(t->by_name, tensor->name, n, t->n_tensors)) return sh_fail_nomem(err, n);
    t->tensors[t->n_tensors++] = *tensor;
    return SH_OK;
}

int sh_tensors_add_meta(sh_tensors *t, const sh_meta *meta, sh_err *err)
{
    size_t n = strlen(meta->key);
    if (sh_map_get(t->by_key, meta->key, n, NULL)) return SH_E_EXISTS;
    void *rows = t->metas;
    int rc = table_grow(&rows, t->n_metas, &t->cap_metas, sizeof *t->metas, err);
    if (rc < 0) return rc;
    t->metas = rows;
    if (!sh_map_set(t->by_key, meta->key, n, t->n_metas)) return sh_fail_nomem(err, n);
    t->metas[t->n_metas++] = *meta;
    return SH_OK;
}

int sh_tensors_index(sh_tensors *t, sh_err *err)
{
    for (size_t i = 0; i < t->n_tensors; i++)
        if (!sh_map_set(t->by_name, t->tensors[i].name, strlen(t->tensors[i].name), i))
            return sh_fail_nomem(err, t->n_tensors * sizeof(uint64_t));
    return SH_OK;
}

static int join_part(sh_tensors *t, size_t i_part, sh_err *err)
{
    sh_tensors *part = t->parts[i_part];
    for (size_t i = 0; i < part->n_tensors; i++) {
        sh_tensor tensor = part->tensors[i];
        tensor.i_file = (uint32_t)i_part;
        int rc = sh_tensors_add(t, &tensor, err);
        if (rc == SH_E_EXISTS) {
            char a[208], b[208];
            sh_quoted q;
            const sh_tensor *other = sh_tensors_find(t, tensor.name);
            return sh_fail(err, SH_E_CORRUPT, "%s: tensor %s is also in %s; expected each name once",
                           sh_short_path(part->path, a), sh_quote_name(&q, sh_str_of(tensor.name)),
                           sh_short_path(sh_path_base(t->parts[other->i_file]->path), b));
        }
        if (rc < 0) return rc;
    }
    t->n_bytes += part->n_bytes;
    return SH_OK;
}

int sh_tensors_join(sh_tensors **out, sh_tensors **parts, size_t n, const char *path, sh_err *err)
{
    sh_tensors *t = NULL;
    int rc = sh_tensors_new(&t, parts[0]->container, path, NULL, 0, err);
    if (rc < 0) {
        for (size_t i = 0; i < n; i++) sh_tensors_free(parts[i]);
        sh_free(parts);
        return rc;
    }
    t->parts = parts;
    t->n_parts = n;
    for (size_t i = 0; i < n; i++)
        if ((rc = join_part(t, i, err)) < 0) goto out;
    for (size_t i = 0; i < parts[0]->n_metas; i++)
        if ((rc = sh_tensors_add_meta(t, &parts[0]->metas[i], err)) < 0) goto out;
    *out = t;
    t = NULL;
out:
    sh_tensors_free(t);
    return rc;
}

int sh_tensors_map(sh_tensors **out, const char *path, sh_tensors_parser parse, sh_err *err)
{
    sh_map_file map;
    int rc = sh_map_file_open(&map, path, err);
    if (rc < 0) return rc;
    sh_tensors *t = NULL;
    rc = parse(&t, map.data, map.n, path, err);
    if (rc < 0) {
        sh_map_file_close(&map);
        return rc;
    }
    t->map = map;
    *out = t;
    return SH_OK;
}
