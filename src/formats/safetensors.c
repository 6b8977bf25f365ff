/* safetensors.c - reading one safetensors file.
 *
 *   | header length u64 | header: JSON, may end in spaces | data |
 *   {"__metadata__": {"format": "pt"},
 *    "wte.weight": {"dtype": "F16", "shape": [50257, 768], "data_offsets": [0, 77194752]}}
 *
 * Offsets count from the end of the header, must cover the data without hole or overlap, and must agree with
 * dtype and shape. The shape is written with the contiguous dimension last: it is turned round here. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "codec/json_reader.h"
#include "formats/tensors_internal.h"

enum { MAX_HEADER_BYTES = 100000000, MAX_SHAPE = 64 };

typedef struct st_type {
    const char *name;
    uint32_t bits;
    enum sh_dtype dtype;
} st_type;

static const st_type st_types[] = {
    {"F32", 32, SH_F32},           {"F16", 16, SH_F16},       {"BF16", 16, SH_BF16},
    {"F64", 64, SH_F64},           {"I64", 64, SH_I64},       {"I32", 32, SH_I32},
    {"I16", 16, SH_I16},           {"I8", 8, SH_I8},          {"U8", 8, SH_OPAQUE},
    {"BOOL", 8, SH_OPAQUE},        {"U16", 16, SH_OPAQUE},    {"U32", 32, SH_OPAQUE},
    {"U64", 64, SH_OPAQUE},        {"C64", 64, SH_OPAQUE},    {"F8_E4M3", 8, SH_OPAQUE},
    {"F8_E5M2", 8, SH_OPAQUE},     {"F8_E8M0", 8, SH_OPAQUE}, {"F8_E4M3FNUZ", 8, SH_OPAQUE},
    {"F8_E5M2FNUZ", 8, SH_OPAQUE}, {"F6_E2M3", 6, SH_OPAQUE}, {"F6_E3M2", 6, SH_OPAQUE},
    {"F4", 4, SH_OPAQUE},
};

typedef struct st_in {
    sh_json_reader json;
    sh_tensors *t;
    const char *name; /* of the tensor being read */
    bool has_metadata;
    char where[208];
    sh_err *err;
} st_in;

/* What one tensor's object says. */
typedef struct st_entry {
    const st_type *type;
    bool has_shape, has_offsets;
    uint32_t n_shape;
    uint64_t shape[MAX_SHAPE]; /* as written */
    uint64_t offsets[2];
} st_entry;

static size_t here(const st_in *in)
{
    return 8 + (size_t)(in->json.p - in->json.begin);
}

/* "FILE: tensor 'x' at byte 123: MESSAGE"; the byte is where the reader stands. */
static int bad(st_in *in, int code, const char *fmt, ...) SH_PRINTF(3, 4);
static int bad(st_in *in, int code, const char *fmt, ...)
{
    char reason[256];
    sh_quoted q;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return sh_fail(in->err, code, "%s: %s%s%sat byte %zu: %s", in->where, in->name ? "tensor " : "",
                   in->name ? sh_quote_name(&q, sh_str_of(in->name)) : "", in->name ? " " : "", here(in),
                   reason);
}

/* The next event, which must be `wanted`. */
static int expect(st_in *in, int wanted, const char *what)
{
    int ev = sh_json_next(&in->json, in->err);
    if (ev < 0) return ev;
    return ev == wanted ? SH_OK : bad(in, SH_E_CORRUPT, "expected %s", what);
}

static int copy_name(st_in *in, const char **out)
{
    const char *fault = sh_name_fault(in->json.str);
    if (fault) return bad(in, SH_E_CORRUPT, "the name %s", fault);
    *out = sh_arena_strndup(in->t->arena, in->json.str.p, in->json.str.n);
    return *out ? SH_OK : sh_fail_nomem(in->err, in->json.str.n);
}

static int read_metadata(st_in *in)
{
    int ev = expect(in, SH_JSON_OBJECT, "an object of strings as __metadata__");
    if (ev < 0) return ev;
    if (in->has_metadata) return bad(in, SH_E_CORRUPT, "a second __metadata__; expected one");
    in->has_metadata = true;
    while ((ev = sh_json_next(&in->json, in->err)) == SH_JSON_KEY) {
        sh_meta m = {.type = SH_META_STRING};
        if ((ev = copy_name(in, &m.key)) < 0) return ev;
        if ((ev = expect(in, SH_JSON_STRING, "a string as value in __metadata__")) < 0) return ev;
        size_t n = in->json.str.n;
        m.v.s = sh_str_n(sh_arena_strndup(in->t->arena, in->json.str.p, n), n);
        if (!m.v.s.p) return sh_fail_nomem(in->err, n);
        if (in->t->n_metas == MAX_METAS)
            return bad(in, SH_E_LIMIT, "expected at most %d keys in __metadata__", MAX_METAS);
        ev = sh_tensors_add_meta(in->t, &m, in->err);
        if (ev == SH_E_EXISTS) return bad(in, SH_E_CORRUPT, "a key of __metadata__ is there twice");
        if (ev < 0) return ev;
    }
    return ev < 0 ? ev : SH_OK;
}

static int read_dtype(st_in *in, st_entry *e)
{
    int rc = expect(in, SH_JSON_STRING, "a string as dtype");
    if (rc < 0) return rc;
    if (e->type) return bad(in, SH_E_CORRUPT, "dtype is there twice");
    for (size_t i = 0; i < sizeof st_types / sizeof *st_types; i++)
        if (sh_str_is(in->json.str, st_types[i].name)) e->type = &st_types[i];
    if (e->type) return SH_OK;
    sh_quoted q;
    bool printable = sh_name_fault(in->json.str) == NULL;
    return bad(in, SH_E_UNSUPPORTED, "dtype %s is not known",
               sh_quote_name(&q, printable ? in->json.str : sh_str_of("(unprintable)")));
}

/* An array of at most max unsigned integers. */
static int read_numbers(st_in *in, uint64_t *out, uint32_t max, uint32_t *n, const char *what)
{
    int ev = sh_json_next(&in->json, in->err);
    if (ev < 0) return ev;
    if (ev != SH_JSON_ARRAY) return bad(in, SH_E_CORRUPT, "expected an array as %s", what);
    *n = 0;
    while ((ev = sh_json_next(&in->json, in->err)) != SH_JSON_ARRAY_END) {
        if (ev < 0) return ev;
        if (ev != SH_JSON_NUMBER || !in->json.is_int || in->json.integer < 0)
            return bad(in, SH_E_CORRUPT, "expected integers from 0 to 2^63-1 in %s", what);
        if (*n == max) return bad(in, SH_E_CORRUPT, "expected at most %" PRIu32 " numbers in %s", max, what);
        out[(*n)++] = (uint64_t)in->json.integer;
    }
    return SH_OK;
}

static int read_entry(st_in *in, st_entry *e)
{
    int ev = expect(in, SH_JSON_OBJECT, "an object with dtype, shape and data_offsets");
    if (ev < 0) return ev;
    *e = (st_entry){0};
    while ((ev = sh_json_next(&in->json, in->err)) == SH_JSON_KEY) {
        sh_str key = in->json.str;
        if (sh_str_is(key, "dtype")) {
            ev = read_dtype(in, e);
        } else if (sh_str_is(key, "shape")) {
            if (e->has_shape) return bad(in, SH_E_CORRUPT, "shape is there twice");
            e->has_shape = true;
            ev = read_numbers(in, e->shape, MAX_SHAPE, &e->n_shape, "shape");
        } else if (sh_str_is(key, "data_offsets")) {
            uint32_t n;
            if (e->has_offsets) return bad(in, SH_E_CORRUPT, "data_offsets is there twice");
            e->has_offsets = true;
            ev = read_numbers(in, e->offsets, 2, &n, "data_offsets");
            if (ev == SH_OK && n != 2) return bad(in, SH_E_CORRUPT, "expected two numbers in data_offsets");
        } else {
            return bad(in, SH_E_CORRUPT, "expected only dtype, shape and data_offsets");
        }
        if (ev < 0) return ev;
    }
    if (ev < 0) return ev;
    if (!e->type || !e->has_shape || !e->has_offsets)
        return bad(in, SH_E_CORRUPT, "%s is missing",
                   !e->type        ? "dtype"
                   : !e->has_shape ? "shape"
                                   : "data_offsets");
    return SH_OK;
}

static int check_size(st_in *in, const st_entry *e, uint64_t n_data)
{
    uint64_t n = 1, widest = 1, n_bits;
    for (uint32_t i = 0; i < e->n_shape; i++) {
        if (!sh_mul_u64(&widest, widest, e->shape[i] ? e->shape[i] : 1))
            return bad(in, SH_E_CORRUPT, "the shape overflows 64 bits");
        n *= e->shape[i];
    }
    if (!sh_mul_u64(&n_bits, widest, e->type->bits))
        return bad(in, SH_E_CORRUPT, "the shape overflows 64 bits");
    n_bits = n * e->type->bits;
    const uint64_t *o = e->offsets;
    if (o[0] > o[1] || o[1] > n_data)
        return bad(in, SH_E_CORRUPT,
                   "data_offsets %" PRIu64 " to %" PRIu64 "; expected a range within %" PRIu64
                   " bytes of data",
                   o[0], o[1], n_data);
    if (n_bits % 8)
        return bad(in, SH_E_CORRUPT, "the shape ends inside a byte; expected a whole number of bytes");
    if (o[1] - o[0] != n_bits / 8)
        return bad(in, SH_E_CORRUPT,
                   "data_offsets span %" PRIu64 " bytes; expected %" PRIu64 " for this dtype and shape",
                   o[1] - o[0], n_bits / 8);
    return SH_OK;
}

/* Turn the shape round, without the leading ones that exceed SH_MAX_DIMS. */
static int set_dims(st_in *in, sh_tensor *x, const st_entry *e)
{
    uint32_t skip = 0;
    while (e->n_shape - skip > SH_MAX_DIMS && e->shape[skip] == 1) skip++;
    x->n_dims = e->n_shape - skip;
    if (x->n_dims > SH_MAX_DIMS)
        return bad(in, SH_E_UNSUPPORTED, "%" PRIu32 " dimensions; expected at most %d", e->n_shape,
                   SH_MAX_DIMS);
    for (uint32_t i = 0; i < SH_MAX_DIMS; i++) x->dims[i] = i < x->n_dims ? e->shape[e->n_shape - 1 - i] : 1;
    return SH_OK;
}

static int read_tensor(st_in *in, size_t data_off)
{
    st_entry e;
    sh_tensor x = {.name = in->name};
    int rc = read_entry(in, &e);
    if (rc < 0 || (rc = check_size(in, &e, in->t->n_bytes - data_off)) < 0 || (rc = set_dims(in, &x, &e)) < 0)
        return rc;
    x.dtype = e.type->dtype;
    x.type_name = e.type->name;
    x.file_off = data_off + e.offsets[0];
    x.data = in->t->data + x.file_off;
    x.n_bytes = e.offsets[1] - e.offsets[0];
    if (in->t->n_tensors == MAX_TENSORS)
        return bad(in, SH_E_LIMIT, "expected at most %d tensors", MAX_TENSORS);
    rc = sh_tensors_add(in->t, &x, in->err);
    return rc == SH_E_EXISTS ? bad(in, SH_E_CORRUPT, "the name was there before; expected each name once")
                             : rc;
}

static int read_header(st_in *in, size_t data_off)
{
    int ev = expect(in, SH_JSON_OBJECT, "a JSON object as header");
    if (ev < 0) return ev;
    while ((ev = sh_json_next(&in->json, in->err)) == SH_JSON_KEY) {
        in->name = NULL;
        if (sh_str_is(in->json.str, "__metadata__")) {
            ev = read_metadata(in);
        } else if ((ev = copy_name(in, &in->name)) == SH_OK) {
            ev = read_tensor(in, data_off);
        }
        if (ev < 0) return ev;
        in->name = NULL;
    }
    return ev < 0 ? ev : expect(in, SH_JSON_END, "the end of the header");
}

static int by_offset(const void *a, const void *b)
{
    const sh_tensor *x = a, *y = b;
    if (x->file_off != y->file_off) return x->file_off < y->file_off ? -1 : 1;
    if (x->n_bytes != y->n_bytes) return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name); /* empty ones at one place: any fixed order */
}

/* Put the tensors in the order of their data and see that they cover it. */
static int check_cover(st_in *in, size_t data_off)
{
    sh_tensors *t = in->t;
    uint64_t end = data_off;
    sh_quoted q;
    if (t->n_tensors) qsort(t->tensors, t->n_tensors, sizeof *t->tensors, by_offset);
    for (size_t i = 0; i < t->n_tensors; i++) {
        const sh_tensor *x = &t->tensors[i];
        if (x->file_off != end)
            return sh_fail(in->err, SH_E_CORRUPT,
                           "%s: tensor %s starts at byte %" PRIu64 " (%s); expected %" PRIu64, in->where,
                           sh_quote_name(&q, sh_str_of(x->name)), x->file_off,
                           x->file_off < end ? "an overlap" : "a hole", end);
        end += x->n_bytes;
    }
    if (end != t->n_bytes)
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: the tensors end at byte %" PRIu64 "; expected the end of the file, %" PRIu64,
                       in->where, end, t->n_bytes);
    return sh_tensors_index(t, in->err);
}

static int read_all(st_in *in, const uint8_t *data, size_t n)
{
    char json_where[sizeof in->where + 16];
    if (n < 8)
        return sh_fail(in->err, SH_E_CORRUPT, "%s: %zu bytes; expected a header length of 8 bytes", in->where,
                       n);
    uint64_t n_header = sh_get_u64(data);
    if (n_header > n - 8)
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: at byte 0: header length %" PRIu64 "; expected at most the %zu bytes left",
                       in->where, n_header, n - 8);
    if (n_header > MAX_HEADER_BYTES)
        return sh_fail(in->err, SH_E_LIMIT, "%s: at byte 0: header length %" PRIu64 "; expected at most %d",
                       in->where, n_header, MAX_HEADER_BYTES);
    if (n_header == 0 || data[8] != '{')
        return sh_fail(in->err, SH_E_CORRUPT, "%s: at byte 8: expected '{', the start of a JSON header",
                       in->where);
    snprintf(json_where, sizeof json_where, "%s: header", in->where);
    sh_json_reader_init(&in->json, (const char *)data + 8, (size_t)n_header, json_where);
    int rc = read_header(in, 8 + (size_t)n_header);
    sh_json_reader_clear(&in->json);
    return rc < 0 ? rc : check_cover(in, 8 + (size_t)n_header);
}

int sh_safetensors_parse(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err)
{
    st_in in = {.err = err};
    char room[208];
    int rc = sh_tensors_new(&in.t, "safetensors", where, data, n, err);
    if (rc < 0) return rc;
    snprintf(in.where, sizeof in.where, "%s", sh_short_path(where, room));
    if ((rc = read_all(&in, data, n)) < 0) {
        sh_tensors_free(in.t);
        return rc;
    }
    *out = in.t;
    return SH_OK;
}
