/* tensors_meta.c - metadata by key and wanted type. */
#include <math.h>

#include "formats/tensors_internal.h"

static const char *const type_names[] = {
    [SH_META_U8] = "u8",   [SH_META_I8] = "i8",   [SH_META_U16] = "u16",       [SH_META_I16] = "i16",
    [SH_META_U32] = "u32", [SH_META_I32] = "i32", [SH_META_F32] = "f32",       [SH_META_BOOL] = "bool",
    [SH_META_U64] = "u64", [SH_META_I64] = "i64", [SH_META_STRING] = "string", [SH_META_ARRAY] = "array",
    [SH_META_F64] = "f64",
};

static int meta_find(const sh_meta **out, const sh_tensors *t, const char *key, sh_err *err)
{
    char path[208];
    *out = sh_tensors_meta(t, key);
    return *out ? SH_OK
                : sh_fail(err, SH_E_NOTFOUND, "%s: key '%s' is missing", sh_short_path(t->path, path), key);
}

static int wrong_type(const sh_tensors *t, const sh_meta *m, const char *wanted, sh_err *err)
{
    char path[208];
    return sh_fail(err, SH_E_INVALID, "%s: key '%s' has type %s; expected %s", sh_short_path(t->path, path),
                   m->key, type_names[m->type], wanted);
}

static bool is_signed(enum sh_meta_type t)
{
    return t == SH_META_I8 || t == SH_META_I16 || t == SH_META_I32 || t == SH_META_I64;
}

static bool is_unsigned(enum sh_meta_type t)
{
    return t == SH_META_U8 || t == SH_META_U16 || t == SH_META_U32 || t == SH_META_U64;
}

int sh_meta_get_u64(const sh_tensors *t, const char *key, uint64_t *value, uint64_t max, sh_err *err)
{
    const sh_meta *m;
    char path[208];
    int rc = meta_find(&m, t, key, err);
    if (rc < 0) return rc;
    if (is_signed(m->type) && m->v.i < 0)
        return sh_fail(err, SH_E_RANGE, "%s: key '%s' is %lld; expected 0 to %llu",
                       sh_short_path(t->path, path), key, (long long)m->v.i, (unsigned long long)max);
    if (!is_signed(m->type) && !is_unsigned(m->type)) return wrong_type(t, m, "an integer", err);
    if (m->v.u > max)
        return sh_fail(err, SH_E_RANGE, "%s: key '%s' is %llu; expected 0 to %llu",
                       sh_short_path(t->path, path), key, (unsigned long long)m->v.u,
                       (unsigned long long)max);
    *value = m->v.u;
    return SH_OK;
}

int sh_meta_get_f64(const sh_tensors *t, const char *key, double *value, sh_err *err)
{
    const sh_meta *m;
    char path[208];
    int rc = meta_find(&m, t, key, err);
    if (rc < 0) return rc;
    if (is_signed(m->type)) {
        *value = (double)m->v.i;
    } else if (is_unsigned(m->type)) {
        *value = (double)m->v.u;
    } else if (m->type == SH_META_F32 || m->type == SH_META_F64) {
        if (!isfinite(m->v.f))
            return sh_fail(err, SH_E_RANGE, "%s: key '%s' is not a finite number",
                           sh_short_path(t->path, path), key);
        *value = m->v.f;
    } else {
        return wrong_type(t, m, "a number", err);
    }
    return SH_OK;
}

int sh_meta_get_bool(const sh_tensors *t, const char *key, bool *value, sh_err *err)
{
    const sh_meta *m;
    int rc = meta_find(&m, t, key, err);
    if (rc < 0) return rc;
    if (m->type == SH_META_BOOL) {
        *value = m->v.b;
    } else if ((is_signed(m->type) || is_unsigned(m->type)) && m->v.u <= 1) {
        *value = m->v.u == 1;
    } else {
        return wrong_type(t, m, "true or false", err);
    }
    return SH_OK;
}

int sh_meta_get_str(const sh_tensors *t, const char *key, sh_str *value, sh_err *err)
{
    const sh_meta *m;
    int rc = meta_find(&m, t, key, err);
    if (rc < 0) return rc;
    if (m->type != SH_META_STRING) return wrong_type(t, m, "a string", err);
    *value = m->v.s;
    return SH_OK;
}
