/* gguf_writer_meta.c - the keys that a GGUF writer will write, each kept as its bytes. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "formats/gguf_writer_internal.h"

static void put_array_head(sh_buf *b, enum sh_meta_type type, uint64_t n)
{
    gguf_put_u32(b, (uint32_t)type);
    gguf_put_u64(b, n);
}

/* The empty value of a key, which may have one already; its type is put. */
static int value_of(sh_buf **out, sh_gguf_writer *w, const char *key, enum sh_meta_type type, sh_err *err)
{
    uint64_t i;
    char path[208];
    if (w->has_begun) return sh_gguf_misuse(w, "a key was set after the header was written", err);
    const char *fault = sh_name_fault(sh_str_of(key));
    if (fault)
        return sh_fail(err, SH_E_INVALID, "%s: a key to write %s", sh_short_path(w->path, path), fault);
    if (!sh_map_get(w->by_key, key, strlen(key), &i)) {
        void *rows = w->keys;
        int rc = sh_gguf_grow(&rows, w->n_keys, &w->cap_keys, sizeof *w->keys, err);
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
    gguf_put_u32(*out, (uint32_t)type);
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
    gguf_put_str(b, value);
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
    for (size_t i = 0; i < n; i++) gguf_put_str(b, values[i]);
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
            gguf_put_u32(b, v);
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
