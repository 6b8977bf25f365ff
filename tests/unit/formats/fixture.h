/* fixture.h - the files of tests/data/formats, whole in memory, and what every reader must stand. */
#ifndef SH_UNIT_FIXTURE_H
#define SH_UNIT_FIXTURE_H

#include "unit/test.h"

#include <stdlib.h>

#include "base/fault.h"
#include "formats/tensors.h"

typedef struct fixture {
    uint8_t *data; /* exactly n bytes of the heap, so that a sanitizer sees any read beyond */
    size_t n;
} fixture;

/* The path of a fixture; it lives until the next four calls. */
static inline const char *fixture_path(const char *name)
{
    static char paths[4][1024];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/tests/data/formats/%s", SHOAL_SOURCE_DIR, name);
    return p;
}

static inline fixture fixture_copy(const uint8_t *p, size_t n)
{
    fixture f = {malloc(n ? n : 1), n};
    assert_non_null(f.data);
    if (n) memcpy(f.data, p, n);
    return f;
}

static inline fixture fixture_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s cannot be opened", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long n = ftell(file);
    assert_true(n >= 0);
    rewind(file);
    fixture f = {malloc(n ? (size_t)n : 1), (size_t)n};
    assert_non_null(f.data);
    assert_int_equal(fread(f.data, 1, f.n, file), f.n);
    fclose(file);
    return f;
}

/* Every name, value and byte of an accepted file can be read, and each name finds its tensor. */
static inline uint64_t touch_all(const sh_tensors *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sh_tensors_meta_count(t); i++) {
        const sh_meta *m = sh_tensors_meta_at(t, i);
        assert_ptr_equal(sh_tensors_meta(t, m->key), m);
        for (size_t j = 0; m->type == SH_META_STRING && j < m->v.s.n; j++) sum += (uint8_t)m->v.s.p[j];
        for (uint64_t j = 0; m->elems && j < m->n_elem_bytes; j++) sum += m->elems[j];
        for (uint64_t j = 0; m->strings && j < m->n_elems; j++)
            for (size_t k = 0; k < m->strings[j].n; k++) sum += (uint8_t)m->strings[j].p[k];
    }
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        assert_ptr_equal(sh_tensors_find(t, x->name), x);
        for (uint64_t j = 0; j < x->n_bytes; j++) sum += x->data[j];
    }
    return sum;
}

typedef int (*parse_fn)(sh_tensors **out, const uint8_t *data, size_t n, const char *where, sh_err *err);

/* A refusal leaves *out alone and says one line that begins with the file's name. */
static inline int parse_checked(parse_fn parse, const uint8_t *data, size_t n)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    int rc = parse(&t, data, n, "some file", &err);
    if (rc == SH_OK) {
        touch_all(t);
    } else {
        assert_null(t);
        assert_int_equal(err.code, rc);
        assert_null(strchr(err.msg, '\n'));
        assert_int_equal(strncmp(err.msg, "some file: ", 11), 0);
    }
    sh_tensors_free(t);
    return rc;
}

/* Cut a good file after each of its bytes; n_optional bytes at its end may be missing. */
static inline void check_truncation(parse_fn parse, const char *path, size_t n_optional)
{
    fixture whole = fixture_read(path);
    for (size_t n = 0; n < whole.n; n++) {
        fixture cut = fixture_copy(whole.data, n);
        int rc = parse_checked(parse, cut.data, cut.n);
        if (n + n_optional < whole.n && rc == SH_OK)
            fail_msg("%s cut to %zu of %zu bytes was accepted", path, n, whole.n);
        free(cut.data);
    }
    assert_int_equal(parse_checked(parse, whole.data, whole.n), SH_OK);
    free(whole.data);
}

/* Put each of some telling values at each byte: accepted or refused, but never a wild read. */
static inline void check_mutation(parse_fn parse, const char *path, size_t n_max)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '0'};
    fixture f = fixture_read(path);
    for (size_t i = 0; i < f.n && i < n_max; i++) {
        uint8_t old = f.data[i];
        for (size_t v = 0; v < sizeof values; v++) {
            f.data[i] = values[v];
            parse_checked(parse, f.data, f.n);
        }
        f.data[i] = old;
    }
    free(f.data);
}

#ifdef SHOAL_FAULT
/* Fail the k-th allocation until the parse succeeds: always SH_E_NOMEM, never a leak (which the sanitizer
 * reports). */
static inline void check_allocations(parse_fn parse, const char *path)
{
    fixture f = fixture_read(path);
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        sh_tensors *t = NULL;
        sh_err err = {0};
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = parse(&t, f.data, f.n, "some file", &err);
        bool fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        if (fired)
            assert_int_equal(rc, SH_E_NOMEM);
        else
            assert_ok(rc, &err);
        sh_tensors_free(t);
        assert_true(k < 10000);
    }
    free(f.data);
}
#else
static inline void check_allocations(parse_fn parse, const char *path)
{
    (void)parse, (void)path;
}
#endif

typedef struct bad_case {
    const char *file; /* below the folder given, without the ending */
    int code;
    const char *says; /* part of the message */
} bad_case;

static inline void check_bad(const bad_case *cases, size_t n, const char *folder, const char *ending)
{
    for (size_t i = 0; i < n; i++) {
        char name[256];
        sh_tensors *t = NULL;
        sh_err err = {0};
        snprintf(name, sizeof name, "%s/%s%s", folder, cases[i].file, ending);
        const char *path = fixture_path(name);
        int rc = sh_tensors_open(&t, path, &err);
        if (rc != cases[i].code || !strstr(err.msg, cases[i].says) || strchr(err.msg, '\n'))
            fail_msg("%s: code %d, \"%s\"; expected code %d, \"%s\"", name, rc, err.msg, cases[i].code,
                     cases[i].says);
        assert_null(t);
        /* Every message names a file of this folder. */
        assert_non_null(strstr(err.msg, folder));
    }
}

#endif
