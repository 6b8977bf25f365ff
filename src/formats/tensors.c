/* tensors.c - look-ups in the table of tensors and metadata that every container fills. */
#include "formats/tensors.h"

#include <string.h>

#include "formats/tensors_internal.h"

const char *sh_tensors_container(const sh_tensors *t)
{
    return t->container;
}

size_t sh_tensors_count(const sh_tensors *t)
{
    return t->n_tensors;
}

const sh_tensor *sh_tensors_at(const sh_tensors *t, size_t i)
{
    return i < t->n_tensors ? &t->tensors[i] : NULL;
}

const sh_tensor *sh_tensors_find(const sh_tensors *t, const char *name)
{
    uint64_t i;
    return sh_map_get(t->by_name, name, strlen(name), &i) ? &t->tensors[i] : NULL;
}

uint64_t sh_tensors_file_bytes(const sh_tensors *t)
{
    return t->n_bytes;
}

size_t sh_tensors_files(const sh_tensors *t)
{
    return t->n_parts ? t->n_parts : 1;
}

const char *sh_tensors_file(const sh_tensors *t, size_t i_file)
{
    return t->n_parts ? t->parts[i_file]->path : t->path;
}

int sh_tensor_require(const sh_tensors *t, const sh_tensor *tensor, sh_err *err)
{
    if (sh_dtype_get(tensor->dtype)) return SH_OK;
    char path[208];
    sh_quoted q;
    return sh_fail(err, SH_E_UNSUPPORTED, "%s: tensor %s at byte %llu: elements of type %s are not supported",
                   sh_short_path(sh_tensors_file(t, tensor->i_file), path),
                   sh_quote_name(&q, sh_str_of(tensor->name)), (unsigned long long)tensor->file_off,
                   tensor->type_name);
}

size_t sh_tensors_meta_count(const sh_tensors *t)
{
    return t->n_metas;
}

const sh_meta *sh_tensors_meta_at(const sh_tensors *t, size_t i)
{
    return i < t->n_metas ? &t->metas[i] : NULL;
}

const sh_meta *sh_tensors_meta(const sh_tensors *t, const char *key)
{
    uint64_t i;
    return sh_map_get(t->by_key, key, strlen(key), &i) ? &t->metas[i] : NULL;
}
