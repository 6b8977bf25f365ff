/* gguf_writer.c - GGUF v3, see gguf.c for the layout.
 *
 * Keys are kept as the bytes they will be, in the order they were first set; tensors as name and shape.
 * `begin` turns both into the header, and from then on only zeros for padding are ours: the data go through
 * as they come. Nothing in the file depends on time, addresses or hashing, so equal input gives equal bytes.
 */
#include "formats/gguf_writer.h"

#include <inttypes.h>

#include "base/endian.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "formats/gguf_internal.h"
#include "formats/tensors_internal.h"

/* llama.cpp keeps names in 64 bytes. */
enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 1 << 20, MAX_WRITTEN_NAME = 63 };

typedef struct key_entry {
    char *key;
    sh_buf value; /* type, then the value as stored */
} key_entry;

typedef struct tensor_entry {
    char *name;
    enum sh_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[SH_MAX_DIMS], n_bytes;
} tensor_entry;

struct sh_gguf_writer {
    char *path;
    sh_writer *file;
    key_entry *keys;
    tensor_entry *tensors;
    size_t n_keys, cap_keys, n_tensors, cap_tensors;
    sh_map *by_key, *by_name;
    uint64_t alignment;
    bool has_begun, failed;
    size_t i_tensor;    /* the one whose bytes are expected */
    uint64_t n_written; /* of it */
};

int sh_gguf_writer_open(sh_gguf_writer **out, const char *path, sh_err *err)
{
    sh_gguf_writer *w = sh_new(sizeof *w, err);
    if (!w) return SH_E_NOMEM;
    int rc = SH_OK;
    /* The names are ours, so a fixed seed does. */
    w->by_key = sh_map_open(1);
    w->by_name = sh_map_open(2);
    w->path = sh_strdup(path);
    if (!w->by_key || !w->by_name || !w->path) rc = sh_fail_nomem(err, sizeof *w);
    if (rc == SH_OK) rc = sh_writer_open(&w->file, path, err);
    if (rc < 0) {
        sh_gguf_writer_free(w);
        return rc;
    }
    *out = w;
    return SH_OK;
}

void sh_gguf_writer_free(sh_gguf_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_keys; i++) {
        sh_free(w->keys[i].key);
        sh_buf_clear(&w->keys[i].value);
    }
    for (size_t i = 0; i < w->n_tensors; i++) sh_free(w->tensors[i].name);
    sh_free(w->keys);
    sh_free(w->tensors);
    sh_map_free(w->by_key);
    sh_map_free(w->by_name);
    sh_writer_free(w->file);
    sh_free(w->path);
    sh_free(w);
}

static int misuse(const sh_gguf_writer *w, const char *what, sh_err *err)
{
    char path[208];
    return sh_fail(err, SH_E_INVALID, "%s: %s", sh_short_path(w->path, path), what);
}

static int grow(void **rows, size_t n, size_t *cap, size_t size, sh_err *err)
{
    if (n < *cap) return SH_OK;
    size_t fresh = *cap ? *cap * 2 : 32;
    void *p = sh_realloc(*rows, fresh, size);
    if (!p) return sh_fail_nomem(err, (unsigned long long)fresh * size);
    *rows = p;
    *cap = fresh;
    return SH_OK;
}

/* ---- metadata ---- */

static void put_u32(sh_buf *b, uint32_t v)
{
    uint8_t p[4];
    sh_put_u32(p, v);
    sh_buf_add(b, p, sizeof p);
}

static void put_u64(sh_buf *b, uint64_t v)
{
    uint8_t p[8];
    sh_put_u64(p, v);
    sh_buf_add(b, p, sizeof p);
}

static void put_str(sh_buf *b, sh_str s)
{
    put_u64(b, s.n);
    sh_buf_add(b, s.p, s.n);
}

static void put_array_head(sh_buf *b, enum sh_meta_type type, uint64_t n)
{
    put_u32(b, (uint32_t)type);
    put_u64(b, n);
}

/* The empty value of a key, which may have one already; its type is put. */
static int value_of(sh_buf **out, sh_gguf_writer *w, const char *key, enum sh_meta_type type, sh_err *err)
{
    uint64_t i;
    char path[208];
    if (w->has_begun) return misuse(w, "a key was set after the header was written", err);
    const char *fault = sh_name_fault(sh_str_of(key));
    if (fault)
        return sh_fail(err, SH_E_INVALID, "%s: a key to write %s", sh_short_path(w->path, path), fault);
    if (!sh_map_get(w->by_key, key, strlen(key), &i)) {
        void *rows = w->keys;
        int rc = grow(&rows, w->n_keys, &w->cap_keys, sizeof *w->keys, err);
        if (rc < 0) return rc;
        w->keys = rows;
        char *copy = sh_strdup(key);
        i = w->n_keys;
        if (!copy || !sh_map_set(w->by_key, copy, strlen(copy), i)) {
            sh_free(copy);
            return sh_fail_nomem(err, strlen(key));
        }
        w->keys[w->n_keys++] = (key_entry){.key = copy};
    }
    *out = &w->keys[i].value;
    sh_buf_reset(*out);
    put_u32(*out, (uint32_t)type);
    return SH_OK;
}

static int set_word(sh_gguf_writer *w, const char *key, enum sh_meta_type type, uint64_t value, sh_err *err)
{
    sh_buf *b;
    uint8_t p[8];
    int rc = value_of(&b, w, key, type, err);
    if (rc < 0) return rc;
    /* Little-endian: the low bytes of the wide number are the narrow one, signs included. */
    sh_put_u64(p, value);
    sh_buf_add(b, p, sh_gguf_scalar_bytes[type]);
    return sh_buf_ok(b, err);
}

int sh_gguf_set_str(sh_gguf_writer *w, const char *key, sh_str value, sh_err *err)
{
    sh_buf *b;
    sh_quoted q;
    if (!sh_utf8_valid(value.p, value.n))
        return sh_fail(err, SH_E_INVALID, "key %s: the string to write is not valid UTF-8",
                       sh_quote_name(&q, sh_str_of(key)));
    int rc = value_of(&b, w, key, SH_META_STRING, err);
    if (rc < 0) return rc;
    put_str(b, value);
    return sh_buf_ok(b, err);
}

int sh_gguf_set_u32(sh_gguf_writer *w, const char *key, uint32_t value, sh_err *err)
{
    return set_word(w, key, SH_META_U32, value, err);
}

int sh_gguf_set_i32(sh_gguf_writer *w, const char *key, int32_t value, sh_err *err)
{
    return set_word(w, key, SH_META_I32, (uint32_t)value, err);
}

int sh_gguf_set_u64(sh_gguf_writer *w, const char *key, uint64_t value, sh_err *err)
{
    return set_word(w, key, SH_META_U64, value, err);
}

int sh_gguf_set_f32(sh_gguf_writer *w, const char *key, float value, sh_err *err)
{
    uint8_t p[4];
    sh_put_f32(p, value);
    return set_word(w, key, SH_META_F32, sh_get_u32(p), err);
}

int sh_gguf_set_bool(sh_gguf_writer *w, const char *key, bool value, sh_err *err)
{
    return set_word(w, key, SH_META_BOOL, value, err);
}

int sh_gguf_set_strings(sh_gguf_writer *w, const char *key, const sh_str *values, size_t n, sh_err *err)
{
    sh_buf *b;
    int rc = value_of(&b, w, key, SH_META_ARRAY, err);
    if (rc < 0) return rc;
    put_array_head(b, SH_META_STRING, n);
    for (size_t i = 0; i < n; i++) put_str(b, values[i]);
    return sh_buf_ok(b, err);
}

/* n elements whose bytes in memory are, on a little-endian machine, those of the file. */
static int set_packed(sh_gguf_writer *w, const char *key, enum sh_meta_type type, const void *p, uint64_t n,
                      size_t n_bytes, sh_err *err)
{
    sh_buf *b;
    int rc = value_of(&b, w, key, SH_META_ARRAY, err);
    if (rc < 0) return rc;
    put_array_head(b, type, n);
    sh_buf_add(b, p, n_bytes);
    return sh_buf_ok(b, err);
}

/* Words of four bytes, put one by one so that the file is little-endian on any machine. */
static int set_words(sh_gguf_writer *w, const char *key, enum sh_meta_type type, const void *values, size_t n,
                     sh_err *err)
{
    sh_buf *b;
    size_t n_bytes;
    int rc = value_of(&b, w, key, SH_META_ARRAY, err);
    if (rc < 0) return rc;
    put_array_head(b, type, n);
    if (sh_mul(&n_bytes, n, 4) && sh_buf_reserve(b, n_bytes))
        for (size_t i = 0; i < n; i++) {
            uint32_t v;
            memcpy(&v, (const char *)values + 4 * i, 4);
            put_u32(b, v);
        }
    return sh_buf_ok(b, err);
}

int sh_gguf_set_f32s(sh_gguf_writer *w, const char *key, const float *values, size_t n, sh_err *err)
{
    return set_words(w, key, SH_META_F32, values, n, err);
}

int sh_gguf_set_i32s(sh_gguf_writer *w, const char *key, const int32_t *values, size_t n, sh_err *err)
{
    return set_words(w, key, SH_META_I32, values, n, err);
}

int sh_gguf_set_u8s(sh_gguf_writer *w, const char *key, const uint8_t *values, size_t n, sh_err *err)
{
    return set_packed(w, key, SH_META_U8, values, n, n, err);
}

int sh_gguf_copy_meta(sh_gguf_writer *w, const sh_meta *m, sh_err *err)
{
    uint8_t p[8];
    switch (m->type) {
    case SH_META_STRING:
        return sh_gguf_set_str(w, m->key, m->v.s, err);
    case SH_META_ARRAY:
        if (m->elem_type == SH_META_STRING)
            return sh_gguf_set_strings(w, m->key, m->strings, (size_t)m->n_elems, err);
        return set_packed(w, m->key, m->elem_type, m->elems, m->n_elems, (size_t)m->n_elem_bytes, err);
    case SH_META_F32:
        return sh_gguf_set_f32(w, m->key, (float)m->v.f, err);
    case SH_META_F64:
        sh_put_f64(p, m->v.f);
        return set_word(w, m->key, SH_META_F64, sh_get_u64(p), err);
    case SH_META_BOOL:
        return sh_gguf_set_bool(w, m->key, m->v.b, err);
    default:
        return set_word(w, m->key, m->type, m->v.u, err);
    }
}

/* ---- tensors ---- */

int sh_gguf_declare(sh_gguf_writer *w, const char *name, enum sh_dtype dtype, uint32_t n_dims,
                    const uint64_t *dims, sh_err *err)
{
    tensor_entry t = {.dtype = dtype, .n_dims = n_dims};
    char path[208];
    sh_quoted q;
    const char *p = sh_short_path(w->path, path);
    if (w->has_begun) return misuse(w, "a tensor was declared after the header was written", err);
    const char *fault = sh_name_fault(sh_str_of(name));
    if (!fault && strlen(name) > MAX_WRITTEN_NAME) fault = "is longer than 63 bytes";
    if (fault)
        return sh_fail(err, SH_E_INVALID, "%s: the name of tensor %zu to write %s", p, w->n_tensors, fault);
    sh_quote_name(&q, sh_str_of(name));
    if (!sh_dtype_get((uint32_t)dtype))
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: tensor %s: elements of this type cannot be written", p,
                       q.text);
    if (n_dims < 1 || n_dims > SH_MAX_DIMS || !sh_shape_bytes(&t.n_bytes, dtype, n_dims, dims))
        return sh_fail(
            err, SH_E_INVALID,
            "%s: tensor %s: expected 1 to %d dimensions that do not overflow, rows a multiple of %" PRIu32, p,
            q.text, SH_MAX_DIMS, sh_dtypes[dtype].block_elements);
    if (sh_map_get(w->by_name, name, strlen(name), NULL))
        return sh_fail(err, SH_E_EXISTS, "%s: tensor %s was declared before", p, q.text);
    memcpy(t.dims, dims, n_dims * sizeof *dims);
    void *rows = w->tensors;
    int rc = grow(&rows, w->n_tensors, &w->cap_tensors, sizeof *w->tensors, err);
    if (rc < 0) return rc;
    w->tensors = rows;
    t.name = sh_strdup(name);
    if (!t.name || !sh_map_set(w->by_name, t.name, strlen(t.name), w->n_tensors)) {
        sh_free(t.name);
        return sh_fail_nomem(err, strlen(name));
    }
    w->tensors[w->n_tensors++] = t;
    return SH_OK;
}

/* A general.alignment that was set (copied from another file, say) is kept, so it must be obeyed. */
static int choose_alignment(sh_gguf_writer *w, sh_err *err)
{
    uint64_t i;
    w->alignment = DEFAULT_ALIGNMENT;
    if (!sh_map_get(w->by_key, "general.alignment", strlen("general.alignment"), &i)) return SH_OK;
    const sh_buf *b = &w->keys[i].value;
    uint32_t a = b->n == 8 && sh_get_u32(b->p) == SH_META_U32 ? sh_get_u32(b->p + 4) : 0;
    if (a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return misuse(w, "key 'general.alignment': expected a u32 power of two from 8 to 1048576", err);
    w->alignment = a;
    return SH_OK;
}

static bool align(const sh_gguf_writer *w, uint64_t *n)
{
    if (!sh_add_u64(n, *n, w->alignment - 1)) return false;
    *n &= ~(w->alignment - 1);
    return true;
}

static int build_header(sh_gguf_writer *w, sh_buf *b, sh_err *err)
{
    uint64_t off = 0;
    sh_buf_puts(b, "GGUF");
    put_u32(b, 3);
    put_u64(b, w->n_tensors);
    put_u64(b, w->n_keys);
    for (size_t i = 0; i < w->n_keys; i++) {
        const key_entry *k = &w->keys[i];
        int rc = sh_buf_ok(&k->value, err); /* a set that ran out of memory was not heeded */
        if (rc < 0) return rc;
        put_str(b, sh_str_of(k->key));
        sh_buf_add(b, k->value.p, k->value.n);
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor_entry *t = &w->tensors[i];
        put_str(b, sh_str_of(t->name));
        put_u32(b, t->n_dims);
        for (uint32_t d = 0; d < t->n_dims; d++) put_u64(b, t->dims[d]);
        put_u32(b, (uint32_t)t->dtype);
        put_u64(b, off);
        if (!sh_add_u64(&off, off, t->n_bytes) || !align(w, &off))
            return misuse(w, "the tensors together overflow 64 bits", err);
    }
    return sh_buf_ok(b, err);
}

static int pad(sh_gguf_writer *w, sh_err *err)
{
    static const char zeros[256];
    uint64_t off = sh_writer_offset(w->file), end = off;
    if (!align(w, &end)) return misuse(w, "the file is too large", err);
    int rc = SH_OK;
    for (uint64_t left = end - off; left && rc == SH_OK;) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        rc = sh_writer_add(w->file, zeros, n, err);
        left -= n;
    }
    return rc;
}

/* Close every tensor that is full, empty ones included, each padded. */
static int finish_full(sh_gguf_writer *w, sh_err *err)
{
    int rc = SH_OK;
    while (rc == SH_OK && w->i_tensor < w->n_tensors && w->n_written == w->tensors[w->i_tensor].n_bytes) {
        rc = pad(w, err);
        w->i_tensor++;
        w->n_written = 0;
    }
    return rc;
}

int sh_gguf_begin(sh_gguf_writer *w, sh_err *err)
{
    sh_buf header = {0};
    if (w->has_begun) return misuse(w, "the header was written before", err);
    w->has_begun = true;
    int rc = choose_alignment(w, err);
    if (rc < 0 || (rc = build_header(w, &header, err)) < 0) goto out;
    if ((rc = sh_writer_add(w->file, header.p, header.n, err)) < 0 || (rc = pad(w, err)) < 0) goto out;
    rc = finish_full(w, err);
out:
    if (rc < 0) w->failed = true;
    sh_buf_clear(&header);
    return rc;
}

int sh_gguf_write(sh_gguf_writer *w, const void *data, size_t n, sh_err *err)
{
    const uint8_t *p = data;
    int rc = SH_OK;
    if (!w->has_begun) return misuse(w, "data were given before the header was written", err);
    if (w->failed) return misuse(w, "an earlier write failed", err);
    while (n && rc == SH_OK) {
        if (w->i_tensor == w->n_tensors) {
            rc = misuse(w, "more data were given than the declared tensors hold", err);
            break;
        }
        uint64_t room = w->tensors[w->i_tensor].n_bytes - w->n_written;
        size_t step = n < room ? n : (size_t)room;
        if ((rc = sh_writer_add(w->file, p, step, err)) < 0) break;
        w->n_written += step;
        p += step;
        n -= step;
        rc = finish_full(w, err);
    }
    if (rc < 0) w->failed = true;
    return rc;
}

int sh_gguf_commit(sh_gguf_writer *w, sh_err *err)
{
    char path[208];
    sh_quoted q;
    if (!w->has_begun) return misuse(w, "commit came before the header was written", err);
    if (w->failed) return misuse(w, "an earlier write failed", err);
    if (w->i_tensor < w->n_tensors) {
        const tensor_entry *t = &w->tensors[w->i_tensor];
        return sh_fail(err, SH_E_INVALID,
                       "%s: tensor %s got %" PRIu64 " of %" PRIu64 " bytes; expected all before commit",
                       sh_short_path(w->path, path), sh_quote_name(&q, sh_str_of(t->name)), w->n_written,
                       t->n_bytes);
    }
    return sh_writer_commit(w->file, err);
}
