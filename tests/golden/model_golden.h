/* model_golden.h - reading the reference data of the text models, for the tests of this folder. */
#ifndef SH_TESTS_MODEL_GOLDEN_H
#define SH_TESTS_MODEL_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "model/forward.h"
#include "os/file.h"

enum { GOLDEN_MAX_TOKENS = 512 };

static inline const char *golden_path(char out[1024], const char *dir, const char *name)
{
    snprintf(out, 1024, "%s/%s", dir, name);
    return out;
}

/* Floats of a whole file; the caller frees. */
static inline float *golden_floats(const char *dir, const char *name, size_t *n)
{
    char path[1024];
    sh_buf b = {0};
    sh_err err = {0};
    if (sh_file_read(golden_path(path, dir, name), 256u << 20, &b, &err) < 0) fail_msg("%s", err.msg);
    float *f = sh_alloc(b.n / 4 + 1, sizeof *f);
    assert_non_null(f);
    memcpy(f, b.p, b.n / 4 * 4);
    *n = b.n / 4;
    sh_buf_clear(&b);
    return f;
}

static inline json_t *golden_json(const char *dir, const char *name)
{
    char path[1024];
    json_t *j = NULL;
    sh_err err = {0};
    if (sh_json_read_file(&j, golden_path(path, dir, name), 64u << 20, &err) < 0) fail_msg("%s", err.msg);
    return j;
}

static inline uint32_t golden_tokens(const json_t *list, sh_token out[GOLDEN_MAX_TOKENS])
{
    uint32_t n = (uint32_t)json_array_size(list);
    assert_true(n > 0 && n <= GOLDEN_MAX_TOKENS);
    for (uint32_t i = 0; i < n; i++) out[i] = (sh_token)json_integer_value(json_array_get(list, i));
    return n;
}

static inline uint32_t golden_argmax(const float *x, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static inline double golden_max_error(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        if (d < 0) d = -d;
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static inline sh_model *golden_open(sh_runtime *rt, const char *path)
{
    sh_model *m = NULL;
    sh_err err = {0};
    sh_model_opts opts = SH_MODEL_OPTS_INIT;
    opts.allow_no_tokenizer = true;
    if (sh_model_open(&m, rt, path, &opts, &err) < 0) fail_msg("%s: %s", path, err.msg);
    return m;
}

static inline sh_runtime *golden_runtime(const char *cpu, int n_threads)
{
    sh_runtime *rt = NULL;
    sh_err err = {0};
    sh_runtime_opts opts = {.version = 1, .n_threads = n_threads, .cpu = cpu};
    int rc = sh_runtime_open(&rt, &opts, &err);
    if (rc == SH_E_UNSUPPORTED) return NULL; /* this machine lacks the level */
    if (rc < 0) fail_msg("%s", err.msg);
    return rt;
}

/* A model with a forward pass and a cache, and what it says to tokens. */
typedef struct golden_run {
    const sh_model *m;
    sh_forward *f;
    sh_kv *kv;
    uint32_t n_vocab;
} golden_run;

static inline void golden_run_open(golden_run *r, const sh_model *m, enum sh_kv_type type)
{
    sh_err err = {0};
    r->m = m, r->n_vocab = sh_model_hparams(m)->n_vocab;
    if (sh_forward_open(&r->f, m, GOLDEN_MAX_TOKENS, &err) < 0 ||
        sh_kv_open(&r->kv, m, type, GOLDEN_MAX_TOKENS, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void golden_run_close(golden_run *r)
{
    sh_kv_free(r->kv);
    sh_forward_free(r->f);
}

/* Tokens after what the cache holds; logits, hidden, layers as in sh_chunk. */
static inline void golden_feed(golden_run *r, const sh_token *tokens, uint32_t n, float *logits,
                               float *hidden, float *layers)
{
    sh_err err = {0};
    sh_chunk c = {.kv = r->kv,
                  .tokens = tokens,
                  .n_tokens = n,
                  .want = SH_WANT_ALL,
                  .logits = logits,
                  .hidden = hidden,
                  .layers = layers};
    if (sh_forward_run(r->f, &c, 1, &err) < 0) fail_msg("%s", err.msg);
}

/* Logits [n, n_vocab] of n tokens from an F32 cache; the caller frees. */
static inline float *golden_logits(const sh_model *m, const sh_token *tokens, uint32_t n)
{
    golden_run r;
    float *logits = sh_alloc((size_t)n * sh_model_hparams(m)->n_vocab, sizeof *logits);
    assert_non_null(logits);
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, tokens, n, logits, NULL, NULL);
    golden_run_close(&r);
    return logits;
}

/* The recorded sequence s (0 or 1) of a reference folder. */
static inline uint32_t golden_sequence(const char *folder, size_t s, sh_token out[GOLDEN_MAX_TOKENS])
{
    json_t *ids = golden_json(folder, "input_ids.json");
    uint32_t n =
        golden_tokens(json_array_get(json_is_array(ids) ? ids : json_object_get(ids, "input_ids"), s), out);
    json_decref(ids);
    return n;
}

/* The recorded greedy answer of a reference folder, to the id. */
static inline void golden_greedy(const char *folder, const sh_model *m)
{
    golden_run r;
    sh_token prompt[GOLDEN_MAX_TOKENS], want[GOLDEN_MAX_TOKENS];
    json_t *greedy = golden_json(folder, "greedy.json");
    uint32_t n_prompt = golden_tokens(json_object_get(greedy, "prompt"), prompt);
    uint32_t n_want = golden_tokens(json_object_get(greedy, "ids"), want);
    float *logits = sh_alloc((size_t)n_prompt * sh_model_hparams(m)->n_vocab, sizeof *logits);
    assert_non_null(logits);
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, prompt, n_prompt, logits, NULL, NULL);
    const float *last = logits + (size_t)(n_prompt - 1) * r.n_vocab;
    for (uint32_t i = 0; i < n_want; i++) {
        sh_token id = (sh_token)golden_argmax(last, r.n_vocab);
        if (id != want[i]) fail_msg("%s: greedy id %u is %d (expected %d)", folder, i, id, want[i]);
        golden_feed(&r, &id, 1, logits, NULL, NULL);
        last = logits;
    }
    golden_run_close(&r);
    sh_free(logits);
    json_decref(greedy);
}

#endif
