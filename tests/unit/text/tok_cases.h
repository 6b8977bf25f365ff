/* unit/text/tok_cases.h - reading the files of a tokenizer golden folder and comparing. */
#ifndef SH_UNIT_TOK_CASES_H
#define SH_UNIT_TOK_CASES_H

#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "text/tokenizer.h"
#include "unit/test.h"

typedef struct bytes {
    char *p;
    size_t n;
} bytes;

/* The whole file; p NULL when it cannot be read. */
static inline bytes read_all(const char *dir, const char *name)
{
    char path[4096];
    bytes b = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) return b;
    fseek(f, 0, SEEK_END);
    b.n = (size_t)ftell(f);
    rewind(f);
    b.p = malloc(b.n + 1);
    assert_non_null(b.p);
    b.n = fread(b.p, 1, b.n, f);
    b.p[b.n] = 0;
    fclose(f);
    return b;
}

static inline json_t *read_json(const char *dir, const char *name)
{
    sh_err err = {0};
    json_t *v = NULL;
    bytes b = read_all(dir, name);
    if (b.p) assert_ok(sh_json_parse(&v, b.p, b.n, name, &err), &err);
    free(b.p);
    return v;
}

/* NULL when the folder has no tokenizer.json. */
static inline sh_tokenizer *open_json(const char *dir)
{
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    bytes b = read_all(dir, "tokenizer.json");
    if (b.p) assert_ok(sh_tokenizer_from_json(&t, b.p, b.n, NULL, 0, dir, &err), &err);
    free(b.p);
    return t;
}

typedef struct ids {
    sh_token *p;
    size_t n;
} ids;

static inline ids ids_of(const json_t *list)
{
    ids r = {malloc((json_array_size(list) + 1) * sizeof(sh_token)), json_array_size(list)};
    assert_non_null(r.p);
    for (size_t i = 0; i < r.n; i++) r.p[i] = (sh_token)json_integer_value(json_array_get(list, i));
    return r;
}

static inline ids encode(const sh_tokenizer *t, const char *text, size_t n, bool special, bool parse)
{
    sh_err err = {0};
    sh_encode_opts opts = {.add_special = special, .parse_special = parse};
    ids r = {malloc((n + 64) * 4 * sizeof(sh_token)), 0};
    assert_non_null(r.p);
    int64_t got = sh_tokenizer_encode(t, text, n, opts, r.p, (n + 64) * 4, &err);
    if (got < 0) assert_ok((int)got, &err);
    r.n = (size_t)got;
    return r;
}

static inline bytes decode(const sh_tokenizer *t, ids in, bool skip)
{
    sh_err err = {0};
    sh_buf out = {0};
    assert_ok(sh_tokenizer_decode_to(t, in.p, in.n, skip, &out, &err), &err);
    bytes r = {malloc(out.n + 1), out.n};
    assert_non_null(r.p);
    if (out.n) memcpy(r.p, out.p, out.n);
    r.p[r.n] = 0;
    sh_buf_clear(&out);
    return r;
}

/* Prints both rows when they differ; returns 1 then. */
static inline int ids_differ(const char *what, int i, ids got, ids want)
{
    if (got.n == want.n && (!got.n || memcmp(got.p, want.p, got.n * sizeof *got.p) == 0)) return 0;
    size_t at = 0;
    while (at < got.n && at < want.n && got.p[at] == want.p[at]) at++;
    print_message("%s, text %d: %zu ids, expected %zu; first difference at %zu:", what, i, got.n, want.n, at);
    for (size_t k = at; k < at + 6; k++)
        print_message(" %d/%d", k < got.n ? (int)got.p[k] : -1, k < want.n ? (int)want.p[k] : -1);
    print_message("\n");
    return 1;
}

static inline int text_differs(const char *what, int i, const char *got, size_t n_got, const char *want,
                               size_t n_want)
{
    if (n_got == n_want && memcmp(got, want, n_got) == 0) return 0;
    print_message("%s, text %d: \"%.*s\", expected \"%.*s\"\n", what, i, (int)(n_got < 120 ? n_got : 120),
                  got, (int)(n_want < 120 ? n_want : 120), want);
    return 1;
}

#endif
