/* tensors_open.c - which container is this? Decided by content; a name only helps to word the answer. */
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "formats/llama2c.h"
#include "formats/tensors_internal.h"

/* Files that people hand over by mistake, and what to tell them. */
typedef struct known_magic {
    const char *bytes;
    size_t n;
    const char *what;
} known_magic;

static const known_magic known[] = {
    {"version https://git-lfs", 23, "a Git LFS pointer, not the file itself; fetch the real file"},
    {"PK\003\004", 4, "a zip archive (a PyTorch or Keras checkpoint?)"},
    {"\x80\002", 2, "a Python pickle (an old PyTorch checkpoint?)"},
    {"\x80\003", 2, "a Python pickle (an old PyTorch checkpoint?)"},
    {"\x80\004", 2, "a Python pickle (an old PyTorch checkpoint?)"},
    {"\x80\005", 2, "a Python pickle (an old PyTorch checkpoint?)"},
    {"\x89HDF\r\n", 6, "an HDF5 file (a Keras checkpoint?)"},
    {"lmgg", 4, "a GGML file from before GGUF"},
    {"fmgg", 4, "a GGML file from before GGUF"},
    {"tjgg", 4, "a GGML file from before GGUF"},
    {"algg", 4, "a GGML adapter from before GGUF"},
    {"<!DOCTYPE", 9, "a web page"},
    {"<html", 5, "a web page"},
    {"\x1f\x8b", 2, "a gzip file"},
    {"\x28\xb5\x2f\xfd", 4, "a Zstandard file"},
};

static bool looks_like_safetensors(const uint8_t *p, size_t n)
{
    return n >= 9 && p[8] == '{' && sh_get_u64(p) <= n - 8;
}

static bool looks_like_json(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t')) i++;
    return i < n && p[i] == '{';
}

static const known_magic *find_known(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].n && memcmp(p, known[i].bytes, known[i].n) == 0) return &known[i];
    return NULL;
}

static int say_unsupported(const uint8_t *p, size_t n, const char *path, sh_err *err)
{
    char room[208];
    const char *where = sh_short_path(path, room);
    if (n == 0) return sh_fail(err, SH_E_CORRUPT, "%s: the file is empty; expected a model", where);
    const known_magic *k = find_known(p, n);
    if (k)
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "%s: is %s; expected GGUF, safetensors or a llama2.c checkpoint", where, k->what);
    uint8_t head[4] = {0};
    memcpy(head, p, n < 4 ? n : 4);
    return sh_fail(err, SH_E_UNSUPPORTED,
                   "%s: starts with %02x %02x %02x %02x; expected GGUF, safetensors or a llama2.c checkpoint",
                   where, head[0], head[1], head[2], head[3]);
}

static int parse_llama2c(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err)
{
    sh_llama2c_info info;
    return sh_llama2c_parse(out, &info, data, n, where, err);
}

static int parse_any(sh_tensors **out, const uint8_t *p, size_t n, const char *path, sh_err *err)
{
    if (n >= 4 && memcmp(p, "GGUF", 4) == 0) return sh_gguf_parse(out, p, n, path, err);
    if (looks_like_safetensors(p, n)) return sh_safetensors_parse(out, p, n, path, err);
    if (sh_llama2c_probe(p, n)) return parse_llama2c(out, p, n, path, err);
    /* Broken so early that only the name tells what it should be: that reader says best what is wrong. */
    if (n && !find_known(p, n)) {
        if (sh_ends_with(path, ".gguf")) return sh_gguf_parse(out, p, n, path, err);
        if (sh_ends_with(path, ".safetensors")) return sh_safetensors_parse(out, p, n, path, err);
        if (sh_ends_with(path, ".bin")) return parse_llama2c(out, p, n, path, err);
    }
    return say_unsupported(p, n, path, err);
}

static int open_folder(sh_tensors **out, const char *path, sh_err *err)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    char room[208];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = sh_path_join(path, names[i]);
        if (!file) return sh_fail_nomem(err, strlen(path));
        bool exists = sh_file_exists(file);
        int rc = SH_OK;
        if (exists)
            rc = i == 0 ? sh_tensors_map(out, file, sh_safetensors_parse, err)
                        : sh_safetensors_open_index(out, file, err);
        sh_free(file);
        if (exists) return rc;
    }
    return sh_fail(err, SH_E_NOTFOUND,
                   "%s: the folder has neither model.safetensors nor model.safetensors.index.json",
                   sh_short_path(path, room));
}

/* JSON text can only be an index. A safetensors file may begin with '{' as well: a header of 123 bytes, for
 * one. */
static int is_index(const char *path, bool *out, sh_err *err)
{
    sh_map_file map;
    int rc = sh_map_file_open(&map, path, err);
    if (rc < 0) return rc;
    *out = looks_like_json(map.data, map.n) && !looks_like_safetensors(map.data, map.n);
    sh_map_file_close(&map);
    return SH_OK;
}

int sh_tensors_open(sh_tensors **out, const char *path, sh_err *err)
{
    bool index;
    sh_tensors *t = NULL;
    if (sh_file_is_dir(path)) return open_folder(out, path, err);
    int rc = is_index(path, &index, err);
    if (rc < 0) return rc;
    if (index) return sh_safetensors_open_index(out, path, err);
    if ((rc = sh_tensors_map(&t, path, parse_any, err)) < 0) return rc;
    if (strcmp(t->container, "gguf") == 0) return sh_gguf_open_split(out, t, err);
    *out = t;
    return SH_OK;
}
