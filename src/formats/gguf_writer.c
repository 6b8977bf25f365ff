/* gguf_writer.c - GGUF v3, see gguf.c for the layout.
 *
 * Keys are kept as the bytes they will be, in the order they were first set; tensors as name and shape.
 * `begin` turns both into the header, and from then on only zeros for padding are ours: the data go through
 * as they come. Nothing in the file depends on time, addresses or hashing, so equal input gives equal bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "formats/gguf_writer_internal.h"

/* llama.cpp keeps names in 64 bytes. */
enum { MAX_WRITTEN_NAME = 63 };

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

int sh_gguf_misuse(const sh_gguf_writer *w, const char *what, sh_err *err)
{
    char path[208];
    return sh_fail(err, SH_E_INVALID, "%s: %s", sh_short_path(w->path, path), what);
}

int sh_gguf_grow(void **rows, size_t n, size_t *cap, size_t size, sh_err *err)
{
    if (n < *cap) return SH_OK;
    size_t fresh = *cap ? *cap * 2 : 32;
    void *p = sh_realloc(*rows, fresh, size);
    if (!p) return sh_fail_nomem(err, (unsigned long long)fresh * size);
    *rows = p;
    *cap = fresh;
    return SH_OK;
}

int sh_gguf_declare(sh_gguf_writer *w, const char *name, enum sh_dtype dtype, uint32_t n_dims,
                    const uint64_t *dims, sh_err *err)
{
    tensor_entry t = {.dtype = dtype, .n_dims = n_dims};
    char path[208];
    sh_quoted q;
    const char *p = sh_short_path(w->path, path);
    if (w->has_begun) return sh_gguf_misuse(w, "a tensor was declared after the header was written", err);
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
    int rc = sh_gguf_grow(&rows, w->n_tensors, &w->cap_tensors, sizeof *w->tensors, err);
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
    w->alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!sh_map_get(w->by_key, "general.alignment", strlen("general.alignment"), &i)) return SH_OK;
    const sh_buf *b = &w->keys[i].value;
    uint32_t a = b->n == 8 && sh_get_u32(b->p) == SH_META_U32 ? sh_get_u32(b->p + 4) : 0;
    if (a < 8 || a > GGUF_MAX_ALIGNMENT || (a & (a - 1)))
        return sh_gguf_misuse(w, "key 'general.alignment': expected a u32 power of two from 8 to 1048576",
                              err);
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
    gguf_put_u32(b, 3);
    gguf_put_u64(b, w->n_tensors);
    gguf_put_u64(b, w->n_keys);
    for (size_t i = 0; i < w->n_keys; i++) {
        const key_entry *k = &w->keys[i];
        int rc = sh_buf_ok(&k->value, err); /* a set that ran out of memory was not heeded */
        if (rc < 0) return rc;
        gguf_put_str(b, sh_str_of(k->key));
        sh_buf_add(b, k->value.p, k->value.n);
    }
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor_entry *t = &w->tensors[i];
        gguf_put_str(b, sh_str_of(t->name));
        gguf_put_u32(b, t->n_dims);
        for (uint32_t d = 0; d < t->n_dims; d++) gguf_put_u64(b, t->dims[d]);
        gguf_put_u32(b, (uint32_t)t->dtype);
        gguf_put_u64(b, off);
        if (!sh_add_u64(&off, off, t->n_bytes) || !align(w, &off))
            return sh_gguf_misuse(w, "the tensors together overflow 64 bits", err);
    }
    return sh_buf_ok(b, err);
}

static int pad(sh_gguf_writer *w, sh_err *err)
{
    static const char zeros[256];
    uint64_t off = sh_writer_offset(w->file), end = off;
    if (!align(w, &end)) return sh_gguf_misuse(w, "the file is too large", err);
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
    if (w->has_begun) return sh_gguf_misuse(w, "the header was written before", err);
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
    if (!w->has_begun) return sh_gguf_misuse(w, "data were given before the header was written", err);
    if (w->failed) return sh_gguf_misuse(w, "an earlier write failed", err);
    while (n && rc == SH_OK) {
        if (w->i_tensor == w->n_tensors) {
            rc = sh_gguf_misuse(w, "more data were given than the declared tensors hold", err);
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
    if (!w->has_begun) return sh_gguf_misuse(w, "commit came before the header was written", err);
    if (w->failed) return sh_gguf_misuse(w, "an earlier write failed", err);
    if (w->i_tensor < w->n_tensors) {
        const tensor_entry *t = &w->tensors[w->i_tensor];
        return sh_fail(err, SH_E_INVALID,
                       "%s: tensor %s got %" PRIu64 " of %" PRIu64 " bytes; expected all before commit",
                       sh_short_path(w->path, path), sh_quote_name(&q, sh_str_of(t->name)), w->n_written,
                       t->n_bytes);
    }
    return sh_writer_commit(w->file, err);
}
