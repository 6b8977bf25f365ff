/* gguf_meta.c - the keys and values of a GGUF file. */
#include <inttypes.h>

#include "base/endian.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/gguf_internal.h"

enum { MAX_ARRAY_DEPTH = 8 };

const uint8_t sh_gguf_scalar_bytes[SH_META_TYPE_COUNT] = {
    [SH_META_U8] = 1,  [SH_META_I8] = 1,  [SH_META_U16] = 2, [SH_META_I16] = 2,
    [SH_META_U32] = 4, [SH_META_I32] = 4, [SH_META_F32] = 4, [SH_META_BOOL] = 1,
    [SH_META_U64] = 8, [SH_META_I64] = 8, [SH_META_F64] = 8,
};

static int read_scalar(gguf_in *in, sh_meta *m)
{
    const uint8_t *p;
    int rc = sh_gguf_take(in, sh_gguf_scalar_bytes[m->type], "value", &p);
    if (rc < 0) return rc;
    switch (m->type) {
    case SH_META_U8:
        m->v.u = *p;
        break;
    case SH_META_I8:
        m->v.i = (int8_t)*p;
        break;
    case SH_META_U16:
        m->v.u = sh_get_u16(p);
        break;
    case SH_META_I16:
        m->v.i = (int16_t)sh_get_u16(p);
        break;
    case SH_META_U32:
        m->v.u = sh_get_u32(p);
        break;
    case SH_META_I32:
        m->v.i = (int32_t)sh_get_u32(p);
        break;
    case SH_META_U64:
        m->v.u = sh_get_u64(p);
        break;
    case SH_META_I64:
        m->v.i = (int64_t)sh_get_u64(p);
        break;
    case SH_META_F32:
        m->v.f = (double)sh_get_f32(p);
        break;
    case SH_META_F64:
        m->v.f = sh_get_f64(p);
        break;
    default: /* SH_META_BOOL */
        if (*p > 1) return sh_gguf_bad(in, SH_E_CORRUPT, in->pos - 1, "a bool is %u; expected 0 or 1", *p);
        m->v.b = *p;
    }
    return SH_OK;
}

static int read_strings(gguf_in *in, sh_meta *m)
{
    size_t n = (size_t)m->n_elems;
    if (n > MAX_ARRAY_STRINGS - in->n_array_strings)
        return sh_gguf_bad(in, SH_E_LIMIT, in->pos - 8, "more than %d strings in arrays", MAX_ARRAY_STRINGS);
    in->n_array_strings += n;
    sh_str *strings = sh_arena_alloc(in->t->arena, n, sizeof *strings);
    if (!strings) return sh_fail_nomem(in->err, n * sizeof *strings);
    for (size_t i = 0; i < n; i++) {
        int rc = sh_gguf_take_str(in, "array's string", &strings[i]);
        if (rc < 0) return rc;
    }
    m->strings = strings;
    return SH_OK;
}

static int check_bools(gguf_in *in, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] > 1)
            return sh_gguf_bad(in, SH_E_CORRUPT, (size_t)(p + i - in->data), "a bool is %u; expected 0 or 1",
                               p[i]);
    return SH_OK;
}

/* The element type and count of an array, the count held against the bytes left. */
static int read_array_head(gguf_in *in, uint32_t *type, uint64_t *n)
{
    size_t off = in->pos;
    int rc = sh_gguf_take_u32(in, "array's element type", type);
    if (rc < 0 || (rc = sh_gguf_take_u64(in, "array's length", n)) < 0) return rc;
    if (*type >= SH_META_TYPE_COUNT)
        return sh_gguf_bad(in, SH_E_CORRUPT, off, "element type %" PRIu32 "; expected 0 to 12", *type);
    size_t least = *type == SH_META_STRING ? 8 : *type == SH_META_ARRAY ? 12 : sh_gguf_scalar_bytes[*type];
    if (*n > (in->n - in->pos) / least)
        return sh_gguf_bad(in, SH_E_CORRUPT, off + 4,
                           "array length %" PRIu64 " is more than the file can hold (%zu bytes left)", *n,
                           in->n - in->pos);
    return SH_OK;
}

/* Step over the elements of a nested array without keeping them. */
static int skip_elems(gguf_in *in, uint32_t type, uint64_t n, unsigned depth)
{
    const uint8_t *p;
    sh_str s;
    int rc = SH_OK;
    if (depth > MAX_ARRAY_DEPTH)
        return sh_gguf_bad(in, SH_E_LIMIT, in->pos, "arrays nested deeper than %d", MAX_ARRAY_DEPTH);
    if (type != SH_META_STRING && type != SH_META_ARRAY) {
        size_t n_bytes = (size_t)n * sh_gguf_scalar_bytes[type];
        rc = sh_gguf_take(in, n_bytes, "array", &p);
        return rc == SH_OK && type == SH_META_BOOL ? check_bools(in, p, n_bytes) : rc;
    }
    for (uint64_t i = 0; i < n && rc == SH_OK; i++) {
        uint32_t inner;
        uint64_t n_inner;
        if (type == SH_META_STRING) {
            rc = sh_gguf_take_str(in, "array's string", &s);
        } else if ((rc = read_array_head(in, &inner, &n_inner)) == SH_OK) {
            rc = skip_elems(in, inner, n_inner, depth + 1);
        }
    }
    return rc;
}

static int read_array(gguf_in *in, sh_meta *m)
{
    uint32_t type;
    int rc = read_array_head(in, &type, &m->n_elems);
    if (rc < 0) return rc;
    m->elem_type = (enum sh_meta_type)type;
    if (type == SH_META_STRING) return read_strings(in, m);
    size_t begin = in->pos;
    if ((rc = skip_elems(in, type, m->n_elems, 1)) < 0) return rc;
    m->elems = in->data + begin;
    m->n_elem_bytes = in->pos - begin;
    return SH_OK;
}

static int read_value(gguf_in *in, sh_meta *m)
{
    size_t off = in->pos;
    uint32_t type;
    int rc = sh_gguf_take_u32(in, "value's type", &type);
    if (rc < 0) return rc;
    if (type >= SH_META_TYPE_COUNT)
        return sh_gguf_bad(in, SH_E_CORRUPT, off, "value type %" PRIu32 "; expected 0 to 12", type);
    m->type = (enum sh_meta_type)type;
    if (m->type == SH_META_ARRAY) return read_array(in, m);
    if (m->type != SH_META_STRING) return read_scalar(in, m);
    off = in->pos;
    if ((rc = sh_gguf_take_str(in, "value", &m->v.s)) < 0) return rc;
    return sh_utf8_valid(m->v.s.p, m->v.s.n)
               ? SH_OK
               : sh_gguf_bad(in, SH_E_CORRUPT, off, "the string is not valid UTF-8");
}

int sh_gguf_read_metadata(gguf_in *in, uint64_t n_keys)
{
    in->part = "key";
    for (uint64_t i = 0; i < n_keys; i++) {
        sh_meta m = {0};
        size_t off = in->pos;
        in->i_entry = i;
        in->name = NULL;
        int rc = sh_gguf_take_name(in, &m.key);
        if (rc < 0 || (rc = read_value(in, &m)) < 0) return rc;
        rc = sh_tensors_add_meta(in->t, &m, in->err);
        if (rc == SH_E_EXISTS)
            return sh_gguf_bad(in, SH_E_CORRUPT, off, "the key was there before; expected each key once");
        if (rc < 0) return rc;
    }
    in->part = NULL;
    return SH_OK;
}
