/* gguf.c - reading one GGUF file, versions 2 and 3, little-endian.
 *
 *   | "GGUF" | version u32 | n_tensors u64 | n_keys u64 |
 *   n_keys times:     | key string | type u32 | value |
 *   n_tensors times:  | name string | n_dims u32 | dims u64 each, contiguous one first | type u32 | offset u64 |
 *   | zeros to a multiple of general.alignment (32) | data; offsets count from here |
 *
 * A string is a u64 length and its bytes; an array is an element type u32, a count u64 and the elements.
 *
 * The file is walked once, in place. A count is believed only as far as the bytes that are left could hold
 * it, tables grow with what was really read, and an array of strings becomes one table of views: no
 * allocation per string. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/gguf_internal.h"
#include "formats/tensors_internal.h"

enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 1 << 20, MAX_ARRAY_DEPTH = 8 };
/* The least that an entry can take: an empty string, type and one byte, or no dimensions, type and offset. */
enum { MIN_KEY_BYTES = 8 + 4 + 1, MIN_TENSOR_BYTES = 8 + 4 + 4 + 8 };

typedef struct gguf_in {
    const uint8_t *data;
    size_t n, pos;
    sh_tensors *t;
    const char *part; /* "key" or "tensor", NULL in the header: what messages call the entry being read */
    uint64_t i_entry;
    const char *name; /* of the entry, once it was read */
    uint64_t alignment, n_array_strings;
    char where[208];
    sh_err *err;
} gguf_in;

const uint8_t sh_gguf_scalar_bytes[SH_META_TYPE_COUNT] = {
    [SH_META_U8] = 1,  [SH_META_I8] = 1,  [SH_META_U16] = 2, [SH_META_I16] = 2,
    [SH_META_U32] = 4, [SH_META_I32] = 4, [SH_META_F32] = 4, [SH_META_BOOL] = 1,
    [SH_META_U64] = 8, [SH_META_I64] = 8, [SH_META_F64] = 8,
};

/* "FILE: tensor 3 'blk.0.attn_q.weight' at byte 1234: MESSAGE" */
static int bad(gguf_in *in, int code, size_t off, const char *fmt, ...) SH_PRINTF(4, 5);
static int bad(gguf_in *in, int code, size_t off, const char *fmt, ...)
{
    if (!in->err) return code;
    char reason[256];
    sh_quoted q;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    if (!in->part) return sh_fail(in->err, code, "%s: at byte %zu: %s", in->where, off, reason);
    return sh_fail(in->err, code, "%s: %s %" PRIu64 "%s%s at byte %zu: %s", in->where, in->part, in->i_entry,
                   in->name ? " " : "", in->name ? sh_quote_name(&q, sh_str_of(in->name)) : "", off, reason);
}

static int take(gguf_in *in, size_t n, const char *what, const uint8_t **p)
{
    if (in->n - in->pos < n)
        return bad(in, SH_E_CORRUPT, in->pos, "the file ends inside the %s (%zu bytes wanted, %zu left)",
                   what, n, in->n - in->pos);
    *p = in->data + in->pos;
    in->pos += n;
    return SH_OK;
}

static int take_u32(gguf_in *in, const char *what, uint32_t *v)
{
    const uint8_t *p;
    int rc = take(in, 4, what, &p);
    if (rc == SH_OK) *v = sh_get_u32(p);
    return rc;
}

static int take_u64(gguf_in *in, const char *what, uint64_t *v)
{
    const uint8_t *p;
    int rc = take(in, 8, what, &p);
    if (rc == SH_OK) *v = sh_get_u64(p);
    return rc;
}

static int take_str(gguf_in *in, const char *what, sh_str *s)
{
    uint64_t n;
    int rc = take_u64(in, what, &n);
    if (rc < 0) return rc;
    if (n > in->n - in->pos)
        return bad(in, SH_E_CORRUPT, in->pos - 8,
                   "length %" PRIu64 " of the %s reaches past the end of the file (%zu left)", n, what,
                   in->n - in->pos);
    *s = sh_str_n((const char *)in->data + in->pos, (size_t)n);
    in->pos += (size_t)n;
    return SH_OK;
}

/* A key or tensor name, copied with a NUL. */
static int take_name(gguf_in *in, const char **out)
{
    size_t off = in->pos;
    sh_str s;
    int rc = take_str(in, "name", &s);
    if (rc < 0) return rc;
    const char *fault = sh_name_fault(s);
    if (fault) return bad(in, SH_E_CORRUPT, off, "the name %s", fault);
    *out = in->name = sh_arena_strndup(in->t->arena, s.p, s.n);
    return *out ? SH_OK : sh_fail_nomem(in->err, s.n);
}

/* ---- values ---- */

static int read_scalar(gguf_in *in, sh_meta *m)
{
    const uint8_t *p;
    int rc = take(in, sh_gguf_scalar_bytes[m->type], "value", &p);
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
        if (*p > 1) return bad(in, SH_E_CORRUPT, in->pos - 1, "a bool is %u; expected 0 or 1", *p);
        m->v.b = *p;
    }
    return SH_OK;
}

static int read_strings(gguf_in *in, sh_meta *m)
{
    size_t n = (size_t)m->n_elems;
    if (n > MAX_ARRAY_STRINGS - in->n_array_strings)
        return bad(in, SH_E_LIMIT, in->pos - 8, "more than %d strings in arrays", MAX_ARRAY_STRINGS);
    in->n_array_strings += n;
    sh_str *strings = sh_arena_alloc(in->t->arena, n, sizeof *strings);
    if (!strings) return sh_fail_nomem(in->err, n * sizeof *strings);
    for (size_t i = 0; i < n; i++) {
        int rc = take_str(in, "array's string", &strings[i]);
        if (rc < 0) return rc;
    }
    m->strings = strings;
    return SH_OK;
}

static int check_bools(gguf_in *in, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] > 1)
            return bad(in, SH_E_CORRUPT, (size_t)(p + i - in->data), "a bool is %u; expected 0 or 1", p[i]);
    return SH_OK;
}

/* The element type and count of an array, the count held against the bytes left. */
static int read_array_head(gguf_in *in, uint32_t *type, uint64_t *n)
{
    size_t off = in->pos;
    int rc = take_u32(in, "array's element type", type);
    if (rc < 0 || (rc = take_u64(in, "array's length", n)) < 0) return rc;
    if (*type >= SH_META_TYPE_COUNT)
        return bad(in, SH_E_CORRUPT, off, "element type %" PRIu32 "; expected 0 to 12", *type);
    size_t least = *type == SH_META_STRING ? 8 : *type == SH_META_ARRAY ? 12 : sh_gguf_scalar_bytes[*type];
    if (*n > (in->n - in->pos) / least)
        return bad(in, SH_E_CORRUPT, off + 4,
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
        return bad(in, SH_E_LIMIT, in->pos, "arrays nested deeper than %d", MAX_ARRAY_DEPTH);
    if (type != SH_META_STRING && type != SH_META_ARRAY) {
        size_t n_bytes = (size_t)n * sh_gguf_scalar_bytes[type];
        rc = take(in, n_bytes, "array", &p);
        return rc == SH_OK && type == SH_META_BOOL ? check_bools(in, p, n_bytes) : rc;
    }
    for (uint64_t i = 0; i < n && rc == SH_OK; i++) {
        uint32_t inner;
        uint64_t n_inner;
        if (type == SH_META_STRING) {
            rc = take_str(in, "array's string", &s);
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
    int rc = take_u32(in, "value's type", &type);
    if (rc < 0) return rc;
    if (type >= SH_META_TYPE_COUNT)
        return bad(in, SH_E_CORRUPT, off, "value type %" PRIu32 "; expected 0 to 12", type);
    m->type = (enum sh_meta_type)type;
    if (m->type == SH_META_ARRAY) return read_array(in, m);
    if (m->type != SH_META_STRING) return read_scalar(in, m);
    off = in->pos;
    if ((rc = take_str(in, "value", &m->v.s)) < 0) return rc;
    return sh_utf8_valid(m->v.s.p, m->v.s.n) ? SH_OK
                                             : bad(in, SH_E_CORRUPT, off, "the string is not valid UTF-8");
}

static int read_metadata(gguf_in *in, uint64_t n_keys)
{
    in->part = "key";
    for (uint64_t i = 0; i < n_keys; i++) {
        sh_meta m = {0};
        size_t off = in->pos;
        in->i_entry = i;
        in->name = NULL;
        int rc = take_name(in, &m.key);
        if (rc < 0 || (rc = read_value(in, &m)) < 0) return rc;
        rc = sh_tensors_add_meta(in->t, &m, in->err);
        if (rc == SH_E_EXISTS)
            return bad(in, SH_E_CORRUPT, off, "the key was there before; expected each key once");
        if (rc < 0) return rc;
    }
    in->part = NULL;
    return SH_OK;
}

static int read_alignment(gguf_in *in)
{
    const sh_meta *m = sh_tensors_meta(in->t, "general.alignment");
    in->alignment = DEFAULT_ALIGNMENT;
    if (!m) return SH_OK;
    uint64_t a = m->v.u;
    if (m->type != SH_META_U32 || a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: key 'general.alignment': expected a u32 power of two from 8 to %d", in->where,
                       MAX_ALIGNMENT);
    in->alignment = a;
    return SH_OK;
}

/* ---- tensors ---- */

static int read_shape(gguf_in *in, sh_tensor *x)
{
    size_t off = in->pos;
    int rc = take_u32(in, "number of dimensions", &x->n_dims);
    if (rc < 0) return rc;
    if (x->n_dims > SH_MAX_DIMS)
        return bad(in, SH_E_CORRUPT, off, "%" PRIu32 " dimensions; expected at most %d", x->n_dims,
                   SH_MAX_DIMS);
    for (uint32_t i = 0; i < SH_MAX_DIMS; i++) {
        x->dims[i] = 1;
        if (i < x->n_dims && (rc = take_u64(in, "dimensions", &x->dims[i])) < 0) return rc;
    }
    return SH_OK;
}

/* file_off holds the stored offset until the start of the data is known. */
static int read_tensor(gguf_in *in, sh_tensor *x)
{
    uint32_t type;
    int rc = take_name(in, &x->name);
    if (rc < 0) return rc;
    size_t shape_off = in->pos;
    if ((rc = read_shape(in, x)) < 0) return rc;
    size_t type_off = in->pos;
    if ((rc = take_u32(in, "type", &type)) < 0) return rc;
    const sh_dtype_info *info = sh_dtype_get(type);
    if (!info) return bad(in, SH_E_UNSUPPORTED, type_off, "tensor type %" PRIu32 " is not known", type);
    x->dtype = (enum sh_dtype)type;
    x->type_name = info->name;
    if (x->dims[0] % info->block_elements)
        return bad(in, SH_E_CORRUPT, shape_off,
                   "row length %" PRIu64 "; expected a multiple of %" PRIu32 " for type %s", x->dims[0],
                   info->block_elements, info->name);
    if (!sh_shape_bytes(&x->n_bytes, x->dtype, x->n_dims, x->dims))
        return bad(in, SH_E_CORRUPT, shape_off, "the dimensions overflow 64 bits");
    size_t off = in->pos;
    if ((rc = take_u64(in, "offset", &x->file_off)) < 0) return rc;
    if (x->file_off % in->alignment)
        return bad(in, SH_E_CORRUPT, off, "offset %" PRIu64 "; expected a multiple of the alignment %" PRIu64,
                   x->file_off, in->alignment);
    return SH_OK;
}

static int read_tensors(gguf_in *in, uint64_t n_tensors)
{
    in->part = "tensor";
    for (uint64_t i = 0; i < n_tensors; i++) {
        sh_tensor x = {0};
        size_t off = in->pos;
        in->i_entry = i;
        in->name = NULL;
        int rc = read_tensor(in, &x);
        if (rc < 0) return rc;
        rc = sh_tensors_add(in->t, &x, in->err);
        if (rc == SH_E_EXISTS)
            return bad(in, SH_E_CORRUPT, off, "the name was there before; expected each name once");
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int by_offset(const void *a, const void *b)
{
    const sh_tensor *x = *(const sh_tensor *const *)a, *y = *(const sh_tensor *const *)b;
    if (x->file_off != y->file_off) return x->file_off < y->file_off ? -1 : 1;
    /* Empty tensors first: they may share their place with the next one. */
    return x->n_bytes == y->n_bytes ? 0 : x->n_bytes < y->n_bytes ? -1 : 1;
}

static int check_overlap(gguf_in *in)
{
    size_t n = in->t->n_tensors;
    const sh_tensor **order = sh_alloc(n, sizeof *order);
    if (!order) return sh_fail_nomem(in->err, n * sizeof *order);
    int rc = SH_OK;
    bool is_sorted = true;
    for (size_t i = 0; i < n; i++) {
        order[i] = &in->t->tensors[i];
        if (i && by_offset(&order[i - 1], &order[i]) > 0) is_sorted = false;
    }
    if (!is_sorted) qsort(order, n, sizeof *order, by_offset);
    for (size_t i = 1; i < n && rc == SH_OK; i++) {
        const sh_tensor *x = order[i - 1], *y = order[i];
        if (x->file_off + x->n_bytes <= y->file_off || !y->n_bytes) continue;
        sh_quoted q;
        in->i_entry = (uint64_t)(y - in->t->tensors);
        in->name = y->name;
        rc = bad(in, SH_E_CORRUPT, (size_t)y->file_off,
                 "the data overlap those of tensor %s, which end at byte %" PRIu64,
                 sh_quote_name(&q, sh_str_of(x->name)), x->file_off + x->n_bytes);
    }
    sh_free(order);
    return rc;
}

/* From offsets to places in the file. */
static int place_tensors(gguf_in *in)
{
    size_t data_off;
    if (in->n > SIZE_MAX - MAX_ALIGNMENT)
        return sh_fail(in->err, SH_E_LIMIT, "%s: the file is too large", in->where);
    data_off = sh_align_up(in->pos, (size_t)in->alignment);
    size_t room = data_off <= in->n ? in->n - data_off : 0;
    for (size_t i = 0; i < in->t->n_tensors; i++) {
        sh_tensor *x = &in->t->tensors[i];
        in->i_entry = i;
        in->name = x->name;
        if (data_off > in->n || x->file_off > room || x->n_bytes > room - x->file_off)
            return bad(in, SH_E_CORRUPT, data_off,
                       "%" PRIu64 " bytes at offset %" PRIu64
                       " of the data reach past the end of the file (%zu bytes of data)",
                       x->n_bytes, x->file_off, room);
        x->file_off += data_off;
        x->data = in->data + x->file_off;
    }
    return check_overlap(in);
}

/* ---- the file ---- */

static int check_magic(gguf_in *in)
{
    const uint8_t *p;
    uint32_t version;
    int rc = take(in, 4, "magic number", &p);
    if (rc < 0) return rc;
    if (memcmp(p, "GGUF", 4) != 0)
        return bad(in, SH_E_CORRUPT, 0, "magic number %02x %02x %02x %02x; expected 47 47 55 46 (GGUF)", p[0],
                   p[1], p[2], p[3]);
    if ((rc = take_u32(in, "version", &version)) < 0) return rc;
    if (version && !(version & 0xffff))
        return bad(in, SH_E_UNSUPPORTED, 4, "big-endian GGUF; only little-endian files are read");
    if (version != 2 && version != 3)
        return bad(in, SH_E_UNSUPPORTED, 4, "GGUF version %" PRIu32 "; expected 2 or 3", version);
    return SH_OK;
}

static int check_count(gguf_in *in, uint64_t n, uint64_t max, size_t least_bytes, size_t off,
                       const char *what)
{
    size_t left = in->n - in->pos;
    if (n > left / least_bytes)
        return bad(in, SH_E_CORRUPT, off, "%" PRIu64 " %s are more than the file can hold (%zu bytes left)",
                   n, what, left);
    if (n > max) return bad(in, SH_E_LIMIT, off, "%" PRIu64 " %s; expected at most %" PRIu64, n, what, max);
    return SH_OK;
}

static int read_all(gguf_in *in)
{
    uint64_t n_tensors, n_keys;
    int rc = check_magic(in);
    if (rc < 0 || (rc = take_u64(in, "tensor count", &n_tensors)) < 0) return rc;
    if ((rc = take_u64(in, "key count", &n_keys)) < 0) return rc;
    if ((rc = check_count(in, n_tensors, MAX_TENSORS, MIN_TENSOR_BYTES, 8, "tensors")) < 0) return rc;
    if ((rc = check_count(in, n_keys, MAX_METAS, MIN_KEY_BYTES, 16, "keys")) < 0) return rc;
    if ((rc = read_metadata(in, n_keys)) < 0 || (rc = read_alignment(in)) < 0) return rc;
    if ((rc = read_tensors(in, n_tensors)) < 0) return rc;
    return place_tensors(in);
}

int sh_gguf_parse(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err)
{
    gguf_in in = {.data = data, .n = n, .err = err};
    char room[208];
    int rc = sh_tensors_new(&in.t, "gguf", where, data, n, err);
    if (rc < 0) return rc;
    snprintf(in.where, sizeof in.where, "%s", sh_short_path(where, room));
    if ((rc = read_all(&in)) < 0) {
        sh_tensors_free(in.t);
        return rc;
    }
    *out = in.t;
    return SH_OK;
}
