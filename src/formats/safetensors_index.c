/* safetensors_index.c - a model sharded over several safetensors files.
 *
 *   {"metadata": {"total_size": 123}, "weight_map": {"wte.weight": "model-00001-of-00002.safetensors", ...}}
 *
 * Shards lie beside the index; a name that would lead anywhere else is refused. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json_reader.h"
#include "formats/tensors_internal.h"

enum { MAX_INDEX_BYTES = 100000000, MAX_SHARDS = 65535 };

typedef struct entry {
    const char *tensor, *shard;
} entry;

typedef struct index_in {
    sh_json_reader json;
    sh_arena *arena;
    entry *entries; /* [n], sorted by shard once all are read */
    size_t n, cap;
    const char *path; /* the index */
    char where[208];
    sh_err *err;
} index_in;

static int bad(index_in *in, const char *what)
{
    return sh_fail(in->err, SH_E_CORRUPT, "%s: at byte %zu: %s", in->where,
                   (size_t)(in->json.p - in->json.begin), what);
}

static const char *shard_fault(sh_str s)
{
    const char *fault = sh_name_fault(s);
    if (fault) return "a shard's name is empty or not printable UTF-8";
    if (memchr(s.p, '/', s.n) || memchr(s.p, '\\', s.n) || s.p[0] == '.')
        return "a shard's name leads out of the folder; expected a plain file name";
    if (s.n < 13 || memcmp(s.p + s.n - 12, ".safetensors", 12) != 0)
        return "expected a shard's name ending in .safetensors";
    return NULL;
}

static int add_entry(index_in *in, const char *tensor, const char *shard)
{
    if (in->n == in->cap) {
        size_t cap = in->cap ? in->cap * 2 : 256;
        entry *p = sh_realloc(in->entries, cap, sizeof *p);
        if (!p) return sh_fail_nomem(in->err, cap * sizeof *p);
        in->entries = p;
        in->cap = cap;
    }
    in->entries[in->n++] = (entry){tensor, shard};
    return SH_OK;
}

static int read_weight_map(index_in *in)
{
    int ev = sh_json_next(&in->json, in->err);
    if (ev < 0) return ev;
    if (ev != SH_JSON_OBJECT)
        return bad(in, "expected an object of tensor names and file names as weight_map");
    if (in->n) return bad(in, "a second weight_map; expected one");
    while ((ev = sh_json_next(&in->json, in->err)) == SH_JSON_KEY) {
        if (sh_name_fault(in->json.str)) return bad(in, "a tensor's name is empty or not printable UTF-8");
        if (in->n == MAX_TENSORS) return bad(in, "more than a million tensors");
        const char *tensor = sh_arena_strndup(in->arena, in->json.str.p, in->json.str.n);
        if ((ev = sh_json_next(&in->json, in->err)) < 0) return ev;
        if (ev != SH_JSON_STRING) return bad(in, "expected a file name as value in weight_map");
        const char *fault = shard_fault(in->json.str);
        if (fault) return bad(in, fault);
        const char *shard = sh_arena_strndup(in->arena, in->json.str.p, in->json.str.n);
        if (!tensor || !shard) return sh_fail_nomem(in->err, in->json.str.n);
        if ((ev = add_entry(in, tensor, shard)) < 0) return ev;
    }
    return ev < 0 ? ev : SH_OK;
}

static int read_index(index_in *in)
{
    int ev = sh_json_next(&in->json, in->err);
    if (ev < 0) return ev;
    if (ev != SH_JSON_OBJECT) return bad(in, "expected an object");
    while ((ev = sh_json_next(&in->json, in->err)) == SH_JSON_KEY) {
        ev = sh_str_is(in->json.str, "weight_map") ? read_weight_map(in) : sh_json_skip(&in->json, in->err);
        if (ev < 0) return ev;
    }
    if (ev < 0 || (ev = sh_json_next(&in->json, in->err)) < 0) return ev;
    return in->n ? SH_OK : bad(in, "no weight_map with a tensor; expected one");
}

static int by_shard(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int c = strcmp(x->shard, y->shard);
    return c ? c : strcmp(x->tensor, y->tensor);
}

static int check_twice(index_in *in)
{
    sh_map *seen = sh_map_open((uintptr_t)in);
    int rc = seen && sh_map_reserve(seen, in->n) ? SH_OK : sh_fail_nomem(in->err, in->n);
    for (size_t i = 0; i < in->n && rc == SH_OK; i++) {
        const char *name = in->entries[i].tensor;
        sh_quoted q;
        if (sh_map_get(seen, name, strlen(name), NULL))
            rc = sh_fail(in->err, SH_E_CORRUPT, "%s: weight_map names tensor %s twice", in->where,
                         sh_quote_name(&q, sh_str_of(name)));
        else if (!sh_map_set(seen, name, strlen(name), i))
            rc = sh_fail_nomem(in->err, in->n);
    }
    sh_map_free(seen);
    return rc;
}

static int open_shard(index_in *in, sh_tensors **out, const char *shard)
{
    char *path = sh_path_sibling(in->path, shard);
    if (!path) return sh_fail_nomem(in->err, strlen(shard));
    int rc = sh_tensors_map(out, path, sh_safetensors_parse, in->err);
    sh_quoted q;
    if (rc == SH_E_NOTFOUND)
        sh_fail(in->err, rc, "%s: shard %s is missing", in->where, sh_quote_name(&q, sh_str_of(shard)));
    sh_free(path);
    return rc;
}

/* Entries [begin, end) name one shard: are they there? */
static int check_shard(index_in *in, const sh_tensors *t, size_t begin, size_t end)
{
    sh_quoted q, file;
    for (size_t i = begin; i < end; i++)
        if (!sh_tensors_find(t, in->entries[i].tensor))
            return sh_fail(in->err, SH_E_CORRUPT,
                           "%s: tensor %s is not in shard %s, where weight_map puts it", in->where,
                           sh_quote_name(&q, sh_str_of(in->entries[i].tensor)),
                           sh_quote_name(&file, sh_str_of(in->entries[i].shard)));
    return SH_OK;
}

static int open_shards(index_in *in, sh_tensors **out)
{
    sh_tensors **parts = NULL;
    size_t n_parts = 0, n_open = 0;
    int rc = SH_OK;
    qsort(in->entries, in->n, sizeof *in->entries, by_shard);
    for (size_t i = 0; i < in->n; i++)
        n_parts += i == 0 || strcmp(in->entries[i].shard, in->entries[i - 1].shard) != 0;
    if (n_parts > MAX_SHARDS)
        return sh_fail(in->err, SH_E_LIMIT, "%s: %zu shards; expected at most %d", in->where, n_parts,
                       MAX_SHARDS);
    parts = sh_new_array(n_parts, sizeof *parts, in->err);
    if (!parts) return SH_E_NOMEM;
    for (size_t begin = 0, end; begin < in->n; begin = end) {
        const char *shard = in->entries[begin].shard;
        for (end = begin; end < in->n && strcmp(in->entries[end].shard, shard) == 0; end++) continue;
        if ((rc = open_shard(in, &parts[n_open], shard)) < 0) goto out;
        n_open++;
        if ((rc = check_shard(in, parts[n_open - 1], begin, end)) < 0) goto out;
    }
    rc = sh_tensors_join(out, parts, n_open, in->path, in->err);
    parts = NULL, n_open = 0;
out:
    for (size_t i = 0; i < n_open; i++) sh_tensors_free(parts[i]);
    sh_free(parts);
    return rc;
}

int sh_safetensors_open_index(sh_tensors **out, const char *path, sh_err *err)
{
    index_in in = {.path = path, .err = err};
    sh_buf text = {0};
    char room[208];
    const char *short_path = sh_short_path(path, room);
    memcpy(in.where, short_path, strlen(short_path) + 1);
    int rc = sh_file_read(path, MAX_INDEX_BYTES, &text, err);
    if (rc < 0) goto out;
    sh_json_reader_init(&in.json, text.p ? text.p : "", text.n, in.where);
    in.arena = sh_arena_open();
    rc = in.arena ? read_index(&in) : sh_fail_nomem(err, sizeof in);
    if (rc < 0 || (rc = check_twice(&in)) < 0) goto out;
    rc = open_shards(&in, out);
out:
    sh_json_reader_clear(&in.json);
    sh_arena_free(in.arena);
    sh_free(in.entries);
    sh_buf_clear(&text);
    return rc;
}
