/* gguf_split.c - a GGUF model cut into files NAME-00001-of-00003.gguf, ...
 *
 * Every part says split.no (from 0), split.count and split.tensors.count (of all parts). The first holds the
 * model's metadata. All must agree, so a part of another model, a part put twice or a ring of links is
 * noticed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "formats/tensors_internal.h"

enum { SUFFIX_BYTES = sizeof "-00001-of-00003.gguf" - 1, MAX_PARTS = 65535 };

typedef struct split_info {
    uint64_t i_part, n_parts, n_tensors;
    bool has_total;
} split_info;

static bool all_digits(const char *p)
{
    return strspn(p, "0123456789") >= 5;
}

/* Does the path end in -DDDDD-of-DDDDD.gguf? Then *stem is the length of what stands before. */
static bool has_split_suffix(const char *path, size_t *stem)
{
    size_t n = strlen(path);
    if (n <= SUFFIX_BYTES) return false;
    const char *s = path + n - SUFFIX_BYTES;
    if (s[0] != '-' || !all_digits(s + 1) || memcmp(s + 6, "-of-", 4) != 0 || !all_digits(s + 10))
        return false;
    *stem = n - SUFFIX_BYTES;
    return strcmp(s + 15, ".gguf") == 0;
}

static int optional_u64(const sh_tensors *t, const char *key, uint64_t *value, uint64_t max, bool *has,
                        sh_err *err)
{
    *has = sh_tensors_meta(t, key) != NULL;
    return *has ? sh_meta_get_u64(t, key, value, max, err) : SH_OK;
}

static int read_info(split_info *out, const sh_tensors *t, sh_err *err)
{
    bool has_no, has_count;
    *out = (split_info){0, 1, 0, false};
    int rc = optional_u64(t, "split.count", &out->n_parts, MAX_PARTS, &has_count, err);
    if (rc < 0 || (rc = optional_u64(t, "split.no", &out->i_part, MAX_PARTS, &has_no, err)) < 0) return rc;
    rc = optional_u64(t, "split.tensors.count", &out->n_tensors, MAX_TENSORS, &out->has_total, err);
    if (rc < 0) return rc;
    if (out->n_parts == 0) out->n_parts = 1;
    char path[208];
    if (out->i_part >= out->n_parts)
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: key 'split.no' is %" PRIu64 "; expected less than split.count = %" PRIu64,
                       sh_short_path(t->path, path), out->i_part, out->n_parts);
    if (out->n_parts > 1 && !has_no)
        return sh_fail(err, SH_E_CORRUPT, "%s: key 'split.no' is missing; split.count is %" PRIu64,
                       sh_short_path(t->path, path), out->n_parts);
    return SH_OK;
}

static int check_part(const sh_tensors *t, uint64_t i_part, const split_info *whole, sh_err *err)
{
    split_info own;
    char path[208];
    int rc = read_info(&own, t, err);
    if (rc < 0) return rc;
    const char *p = sh_short_path(t->path, path);
    if (own.i_part != i_part)
        return sh_fail(err, SH_E_CORRUPT, "%s: key 'split.no' is %" PRIu64 "; expected %" PRIu64, p,
                       own.i_part, i_part);
    if (own.n_parts != whole->n_parts)
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: key 'split.count' is %" PRIu64 "; expected %" PRIu64 " as in the first part", p,
                       own.n_parts, whole->n_parts);
    if (own.has_total && whole->has_total && own.n_tensors != whole->n_tensors)
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: key 'split.tensors.count' is %" PRIu64 "; expected %" PRIu64
                       " as in the first part",
                       p, own.n_tensors, whole->n_tensors);
    return SH_OK;
}

static int open_part(sh_tensors **out, const char *path, size_t stem, uint64_t i_part,
                     const split_info *whole, sh_err *err)
{
    sh_buf name = {0};
    sh_tensors *t = NULL;
    sh_buf_add(&name, path, stem);
    sh_buf_printf(&name, "-%05" PRIu64 "-of-%05" PRIu64 ".gguf", i_part + 1, whole->n_parts);
    int rc = sh_buf_ok(&name, err);
    if (rc < 0) goto out;
    if ((rc = sh_tensors_map(&t, name.p, sh_gguf_parse, err)) < 0) {
        if (rc == SH_E_NOTFOUND) {
            char room[208];
            sh_fail(err, rc, "%s: part %" PRIu64 " of %" PRIu64 " is missing", sh_short_path(name.p, room),
                    i_part + 1, whole->n_parts);
        }
        goto out;
    }
    if ((rc = check_part(t, i_part, whole, err)) < 0) goto out;
    *out = t;
    t = NULL;
out:
    sh_tensors_free(t);
    sh_buf_clear(&name);
    return rc;
}

static int check_total(const sh_tensors *t, const split_info *whole, sh_err *err)
{
    char path[208];
    if (!whole->has_total || whole->n_tensors == t->n_tensors) return SH_OK;
    return sh_fail(err, SH_E_CORRUPT,
                   "%s: the parts hold %zu tensors; expected split.tensors.count = %" PRIu64,
                   sh_short_path(t->path, path), t->n_tensors, whole->n_tensors);
}

int sh_gguf_open_split(sh_tensors **out, sh_tensors *given, sh_err *err)
{
    split_info whole;
    sh_tensors **parts = NULL, *joined = NULL;
    size_t n_open = 0, stem = 0;
    char path[208];
    int rc = read_info(&whole, given, err);
    if (rc < 0) goto out;
    if (whole.n_parts == 1) {
        *out = given;
        return SH_OK;
    }
    if (!has_split_suffix(given->path, &stem)) {
        rc = sh_fail(err, SH_E_INVALID,
                     "%s: is part %" PRIu64 " of %" PRIu64 "; expected a name ending in -%05" PRIu64
                     "-of-%05" PRIu64 ".gguf beside its other parts",
                     sh_short_path(given->path, path), whole.i_part + 1, whole.n_parts, whole.i_part + 1,
                     whole.n_parts);
        goto out;
    }
    /* At most 512 kB, however many files there really are. */
    parts = sh_new_array((size_t)whole.n_parts, sizeof *parts, err);
    if (!parts) {
        rc = SH_E_NOMEM;
        goto out;
    }
    for (; n_open < whole.n_parts; n_open++)
        if ((rc = open_part(&parts[n_open], given->path, stem, n_open, &whole, err)) < 0) goto out;
    rc = sh_tensors_join(&joined, parts, n_open, parts[0]->path, err);
    parts = NULL, n_open = 0;
    if (rc < 0 || (rc = check_total(joined, &whole, err)) < 0) goto out;
    *out = joined;
    joined = NULL;
out:
    sh_tensors_free(joined);
    for (size_t i = 0; i < n_open; i++) sh_tensors_free(parts[i]);
    sh_free(parts);
    sh_tensors_free(given);
    return rc;
}
