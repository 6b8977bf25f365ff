/* test_kv.c - a cache of a real small model: copies, saving and restoring, its types, what it refuses, and a
 * model that opens or fails without a trace whichever allocation is refused. */
#include "unit/test.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "model/forward.h"

#define FOLDER SHOAL_SOURCE_DIR "/tests/data/models/"
enum { N = 37, MAX_VOCAB = 256 };

static sh_runtime *rt;

static sh_model *open_model(const char *name)
{
    char path[512];
    sh_model *m = NULL;
    sh_err err = {0};
    sh_model_opts opts = SH_MODEL_OPTS_INIT;
    opts.allow_no_tokenizer = true;
    snprintf(path, sizeof path, FOLDER "%s", name);
    assert_ok(sh_model_open(&m, rt, path, &opts, &err), &err);
    return m;
}

static sh_kv *open_kv(const sh_model *m, enum sh_kv_type type, uint32_t n_ctx)
{
    sh_kv *kv = NULL;
    sh_err err = {0};
    assert_ok(sh_kv_open(&kv, m, type, n_ctx, &err), &err);
    return kv;
}

/* n tokens that depend on where they stand; the last one's logits. */
static void feed(sh_forward *f, sh_kv *kv, uint32_t n, float logits[MAX_VOCAB])
{
    sh_token tokens[64];
    sh_err err = {0};
    for (uint32_t i = 0; i < n; i++) tokens[i] = (sh_token)((sh_kv_used(kv) + i) * 7 % 200);
    sh_chunk c = {.kv = kv, .tokens = tokens, .n_tokens = n, .want = SH_WANT_LAST, .logits = logits};
    assert_ok(sh_forward_run(f, &c, 1, &err), &err);
}

static int write_buf(void *ud, const void *p, size_t n, sh_err *err)
{
    sh_buf_add(ud, p, n);
    return sh_buf_ok(ud, err);
}

typedef struct source { const sh_buf *b; size_t at; } source;
static int read_buf(void *ud, void *p, size_t n, sh_err *err)
{
    source *s = ud;
    if (n > s->b->n - s->at) return sh_fail(err, SH_E_CORRUPT, "saved state ends early");
    memcpy(p, s->b->p + s->at, n);
    s->at += n;
    return SH_OK;
}

static void check_type(const sh_model *m, enum sh_kv_type type)
{
    sh_forward *f = NULL;
    sh_err err = {0};
    float want[MAX_VOCAB], got[MAX_VOCAB];
    sh_buf saved = {0}, again = {0};
    assert_ok(sh_forward_open(&f, m, 64, &err), &err);
    sh_kv *a = open_kv(m, type, 64), *copy = open_kv(m, type, 100), *back = open_kv(m, type, 48);
    assert_int_equal(sh_kv_capacity(copy), 112);
    feed(f, a, N, want);
    assert_ok(sh_kv_copy(copy, a, N, &err), &err);
    assert_ok(sh_kv_save(a, write_buf, &saved, &err), &err);
    source s = {&saved, 0};
    assert_ok(sh_kv_restore(back, N, read_buf, &s, &err), &err);
    assert_int_equal(s.at, saved.n);
    assert_ok(sh_kv_save(back, write_buf, &again, &err), &err);
    assert_true(saved.n == again.n &&
                !memcmp(saved.p, again.p, saved.n)); /* room of 64 or 48: the same bytes */
    feed(f, a, 1, want);
    feed(f, copy, 1, got);
    assert_memory_equal(got, want, sizeof want);
    feed(f, back, 1, got);
    assert_memory_equal(got, want, sizeof want);
    /* cut, and on from there: what was rewound leaves no trace, not even in what is saved */
    sh_kv_rewind(a, 20);
    assert_ok(sh_kv_copy(copy, a, 20, &err), &err);
    sh_buf_reset(&saved), sh_buf_reset(&again);
    sh_kv *fresh = open_kv(m, type, 64);
    feed(f, fresh, 20, got);
    assert_ok(sh_kv_save(copy, write_buf, &saved, &err), &err);
    assert_ok(sh_kv_save(fresh, write_buf, &again, &err), &err);
    assert_true(saved.n == again.n && !memcmp(saved.p, again.p, saved.n));
    s = (source){&saved, 0};
    saved.n -= 3;
    assert_int_equal(sh_kv_restore(back, 20, read_buf, &s, &err), SH_E_CORRUPT);
    assert_int_equal(sh_kv_used(back), 0);
    sh_buf_clear(&saved);
    sh_buf_clear(&again);
    sh_kv_free(a), sh_kv_free(copy), sh_kv_free(back), sh_kv_free(fresh);
    sh_forward_free(f);
}

static void test_types(void **state)
{
    sh_model *m = open_model("qwen3");
    (void)state;
    for (int type = 0; type < SH_KV_TYPE_COUNT; type++) check_type(m, (enum sh_kv_type)type);
    sh_model_free(m);
}

static void test_refusals(void **state)
{
    (void)state;
    sh_model *m = open_model("gpt2"), *other = open_model("llama");
    sh_forward *f = NULL;
    sh_err err = {0};
    float logits[MAX_VOCAB];
    sh_token tokens[80] = {0};
    assert_ok(sh_forward_open(&f, m, 128, &err), &err);
    sh_kv *kv = open_kv(m, SH_KV_F32, 256), *small = open_kv(m, SH_KV_F32, 16),
          *foreign = open_kv(other, SH_KV_F32, 16), *f16 = open_kv(m, SH_KV_F16, 64);
    sh_chunk c = {.kv = kv, .tokens = tokens, .n_tokens = 65, .want = SH_WANT_LAST, .logits = logits};
    assert_int_equal(sh_forward_run(f, &c, 1, &err),
                     SH_E_RANGE); /* 64 learned positions, whatever room the cache has */
    c.n_tokens = 17, c.kv = small;
    assert_int_equal(sh_forward_run(f, &c, 1, &err), SH_E_RANGE);
    c.n_tokens = 4, c.kv = foreign;
    assert_int_equal(sh_forward_run(f, &c, 1, &err), SH_E_INVALID);
    c.kv = kv, tokens[2] = 256;
    assert_int_equal(sh_forward_run(f, &c, 1, &err), SH_E_RANGE);
    assert_string_equal(err.msg, "token 256 at 2 (vocabulary of 256)");
    tokens[2] = -1;
    assert_int_equal(sh_forward_run(f, &c, 1, &err), SH_E_RANGE);
    tokens[2] = 0;
    const sh_chunk twice[] = {c, c};
    assert_int_equal(sh_forward_run(f, twice, 2, &err), SH_E_INVALID);
    assert_int_equal(sh_kv_used(kv), 0);
    assert_int_equal(sh_kv_copy(f16, kv, 0, &err), SH_E_INVALID);
    assert_int_equal(sh_kv_copy(small, kv, 1, &err), SH_E_RANGE);
    sh_kv_free(kv), sh_kv_free(small), sh_kv_free(foreign), sh_kv_free(f16);
    sh_forward_free(f);
    sh_model_free(m);
    sh_model_free(other);
}

static int stop_half_way(void *ud, double done)
{
    double *last = ud;
    assert_true(done >= *last && done <= 1);
    *last = done;
    return done > 0.5;
}

static void test_progress(void **state)
{
    (void)state;
    sh_model *m = NULL;
    sh_err err = {0};
    double last = 0;
    sh_model_opts opts = SH_MODEL_OPTS_INIT;
    opts.allow_no_tokenizer = true, opts.on_progress = stop_half_way, opts.progress_ud = &last;
    assert_int_equal(sh_model_open(&m, rt, FOLDER "llama", &opts, &err), SH_E_CANCELLED);
    assert_true(last > 0.5);
    opts = (sh_model_opts)SH_MODEL_OPTS_INIT;
    assert_int_equal(sh_model_open(&m, rt, FOLDER "llama", &opts, &err),
                     SH_E_NOTFOUND); /* it has no tokenizer */
    assert_int_equal(sh_model_open(&m, rt, FOLDER "nobody", &opts, &err), SH_E_NOTFOUND);
}

/* Refuse the k-th allocation until all goes well: every failure is reported, nothing leaks (the sanitizers
 * look on). */
static void test_every_allocation(void **state)
{
    (void)state;
#ifdef SHOAL_FAULT
    float logits[MAX_VOCAB];
    sh_token tokens[3] = {1, 2, 3};
    for (long k = 0;; k++) {
        sh_model *m = NULL;
        sh_forward *f = NULL;
        sh_kv *kv = NULL;
        sh_err err = {0};
        sh_model_opts opts = SH_MODEL_OPTS_INIT;
        opts.allow_no_tokenizer = true;
        sh_fault_arm(SH_FAULT_ALLOC, k);
        int rc = sh_model_open(&m, rt, FOLDER "gpt2", &opts, &err);
        if (rc == SH_OK) rc = sh_forward_open(&f, m, 8, &err);
        if (rc == SH_OK) rc = sh_kv_open(&kv, m, SH_KV_F16, 16, &err);
        sh_chunk c = {.kv = kv, .tokens = tokens, .n_tokens = 3, .want = SH_WANT_LAST, .logits = logits};
        if (rc == SH_OK) rc = sh_forward_run(f, &c, 1, &err);
        bool fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        if (rc < 0) assert_true(fired && err.code == rc && err.msg[0]);
        sh_kv_free(kv);
        sh_forward_free(f);
        sh_model_free(m);
        if (!fired) {
            assert_ok(rc, &err);
            break;
        }
        assert_true(k < 5000);
    }
#else
    print_message("skipped: built without fault injection\n");
    skip();
#endif
}

static int set_up(void **state)
{
    const sh_runtime_opts opts = {.version = 1, .n_threads = 1};
    (void)state;
    return sh_runtime_open(&rt, &opts, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    sh_runtime_free(rt);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types), cmocka_unit_test(test_refusals), cmocka_unit_test(test_progress),
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
