/* gguf.c - reading one GGUF file, versions 2 and 3, little-endian.
 *
 *   | "GGUF" | version u32 | n_tensors u64 | n_keys u64 |
 *   n_keys times:     | key string | type u32 | value |
 *   n_tensors times:  | name string | n_dims u32 | dims u64 each, contiguous first | type u32 | offset u64 |
 *   | zeros to a multiple of general.alignment (32) | data; offsets count from here |
 *
 * A string is a u64 length and its bytes; an array is an element type u32, a count u64 and the elements.
 *
 * The file is walked once, in place. A count is believed only as far as the bytes that are left could hold
 * it, tables grow with what was really read, and an array of strings becomes one table of views: no
 * allocation per string. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "formats/gguf_internal.h"

/* The least that an entry can take: an empty string, type and one byte, or no dimensions, type and offset. */
enum { MIN_KEY_BYTES = 8 + 4 + 1, MIN_TENSOR_BYTES = 8 + 4 + 4 + 8 };

static int read_alignment(gguf_in *in)
{
    const sh_meta *m = sh_tensors_meta(in->t, "general.alignment");
    in->alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!m) return SH_OK;
    uint64_t a = m->v.u;
    if (m->type != SH_META_U32 || a < 8 || a > GGUF_MAX_ALIGNMENT || (a & (a - 1)))
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: key 'general.alignment': expected a u32 power of two from 8 to %d", in->where,
                       GGUF_MAX_ALIGNMENT);
    in->alignment = a;
    return SH_OK;
}

static int read_shape(gguf_in *in, sh_tensor *x)
{
    size_t off = in->pos;
    int rc = sh_gguf_take_u32(in, "number of dimensions", &x->n_dims);
    if (rc < 0) return rc;
    if (x->n_dims > SH_MAX_DIMS)
        return sh_gguf_bad(in, SH_E_CORRUPT, off, "%" PRIu32 " dimensions; expected at most %d", x->n_dims,
                           SH_MAX_DIMS);
    for (uint32_t i = 0; i < SH_MAX_DIMS; i++) {
        x->dims[i] = 1;
        if (i < x->n_dims && (rc = sh_gguf_take_u64(in, "dimensions", &x->dims[i])) < 0) return rc;
    }
    return SH_OK;
}

/* file_off holds the stored offset until the start of the data is known. */
static int read_tensor(gguf_in *in, sh_tensor *x)
{
    uint32_t type;
    int rc = sh_gguf_take_name(in, &x->name);
    if (rc < 0) return rc;
    size_t shape_off = in->pos;
    if ((rc = read_shape(in, x)) < 0) return rc;
    size_t type_off = in->pos;
    if ((rc = sh_gguf_take_u32(in, "type", &type)) < 0) return rc;
    const sh_dtype_info *info = sh_dtype_get(type);
    if (!info)
        return sh_gguf_bad(in, SH_E_UNSUPPORTED, type_off, "tensor type %" PRIu32 " is not known", type);
    x->dtype = (enum sh_dtype)type;
    x->type_name = info->name;
    if (x->dims[0] % info->block_elements)
        return sh_gguf_bad(in, SH_E_CORRUPT, shape_off,
                           "row length %" PRIu64 "; expected a multiple of %" PRIu32 " for type %s",
                           x->dims[0], info->block_elements, info->name);
    if (!sh_shape_bytes(&x->n_bytes, x->dtype, x->n_dims, x->dims))
        return sh_gguf_bad(in, SH_E_CORRUPT, shape_off, "the dimensions overflow 64 bits");
    size_t off = in->pos;
    if ((rc = sh_gguf_take_u64(in, "offset", &x->file_off)) < 0) return rc;
    if (x->file_off % in->alignment)
        return sh_gguf_bad(in, SH_E_CORRUPT, off,
                           "offset %" PRIu64 "; expected a multiple of the alignment %" PRIu64, x->file_off,
                           in->alignment);
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
            return sh_gguf_bad(in, SH_E_CORRUPT, off, "the name was there before; expected each name once");
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
        rc = sh_gguf_bad(in, SH_E_CORRUPT, (size_t)y->file_off,
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
    if (in->n > SIZE_MAX - GGUF_MAX_ALIGNMENT)
        return sh_fail(in->err, SH_E_LIMIT, "%s: the file is too large", in->where);
    data_off = sh_align_up(in->pos, (size_t)in->alignment);
    size_t room = data_off <= in->n ? in->n - data_off : 0;
    for (size_t i = 0; i < in->t->n_tensors; i++) {
        sh_tensor *x = &in->t->tensors[i];
        in->i_entry = i;
        in->name = x->name;
        if (data_off > in->n || x->file_off > room || x->n_bytes > room - x->file_off)
            return sh_gguf_bad(in, SH_E_CORRUPT, data_off,
                               "%" PRIu64 " bytes at offset %" PRIu64
                               " of the data reach past the end of the file (%zu bytes of data)",
                               x->n_bytes, x->file_off, room);
        x->file_off += data_off;
        x->data = in->data + x->file_off;
    }
    return check_overlap(in);
}

static int check_magic(gguf_in *in)
{
    const uint8_t *p;
    uint32_t version;
    int rc = sh_gguf_take(in, 4, "magic number", &p);
    if (rc < 0) return rc;
    if (memcmp(p, "GGUF", 4) != 0)
        return sh_gguf_bad(in, SH_E_CORRUPT, 0,
                           "magic number %02x %02x %02x %02x; expected 47 47 55 46 (GGUF)", p[0], p[1], p[2],
                           p[3]);
    if ((rc = sh_gguf_take_u32(in, "version", &version)) < 0) return rc;
    if (version && !(version & 0xffff))
        return sh_gguf_bad(in, SH_E_UNSUPPORTED, 4, "big-endian GGUF; only little-endian files are read");
    if (version != 2 && version != 3)
        return sh_gguf_bad(in, SH_E_UNSUPPORTED, 4, "GGUF version %" PRIu32 "; expected 2 or 3", version);
    return SH_OK;
}

static int check_count(gguf_in *in, uint64_t n, uint64_t max, size_t least_bytes, size_t off,
                       const char *what)
{
    size_t left = in->n - in->pos;
    if (n > left / least_bytes)
        return sh_gguf_bad(in, SH_E_CORRUPT, off,
                           "%" PRIu64 " %s are more than the file can hold (%zu bytes left)", n, what, left);
    if (n > max)
        return sh_gguf_bad(in, SH_E_LIMIT, off, "%" PRIu64 " %s; expected at most %" PRIu64, n, what, max);
    return SH_OK;
}

static int read_all(gguf_in *in)
{
    uint64_t n_tensors, n_keys;
    int rc = check_magic(in);
    if (rc < 0 || (rc = sh_gguf_take_u64(in, "tensor count", &n_tensors)) < 0) return rc;
    if ((rc = sh_gguf_take_u64(in, "key count", &n_keys)) < 0) return rc;
    if ((rc = check_count(in, n_tensors, MAX_TENSORS, MIN_TENSOR_BYTES, 8, "tensors")) < 0) return rc;
    if ((rc = check_count(in, n_keys, MAX_METAS, MIN_KEY_BYTES, 16, "keys")) < 0) return rc;
    if ((rc = sh_gguf_read_metadata(in, n_keys)) < 0 || (rc = read_alignment(in)) < 0) return rc;
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
