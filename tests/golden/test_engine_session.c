/* Sessions over the small story model: chunks, rewinding, a full context, files. */
#include "golden/minnow_fixture.h"

#include <stdlib.h>

#include "base/endian.h"
#include "base/fault.h"
#include "base/rng.h"
#include "codec/json.h"
#include "engine/session_internal.h"
#include "unit/tmpdir.h"

static sh_model *tiny;

static sh_session *session_of(sh_model *m, uint32_t n_ctx, uint32_t chunk)
{
    sh_session *s = NULL;
    sh_err err = {0};
    sh_session_opts o = SH_SESSION_OPTS_INIT;
    o.n_ctx = n_ctx, o.chunk = chunk;
    assert_ok(sh_session_open(&s, m, &o, &err), &err);
    return s;
}

static void prefill(sh_session *s, const sh_token *ids, size_t n)
{
    sh_err err = {0};
    assert_ok(sh_session_prefill(s, ids, n, &err), &err);
}

static void random_ids(sh_token *ids, size_t n, uint32_t n_vocab, uint64_t seed)
{
    sh_rng r = {seed};
    for (size_t i = 0; i < n; i++) ids[i] = (sh_token)(sh_rng_u64(&r) % n_vocab);
}

static void assert_same_logits(const sh_session *a, const sh_session *b)
{
    assert_non_null(sh_session_logits(a));
    assert_non_null(sh_session_logits(b));
    assert_memory_equal(sh_session_logits(a), sh_session_logits(b), a->n_vocab * sizeof(float));
}

static void test_greedy_answers(void **state)
{
    (void)state;
    json_t *cases = NULL;
    sh_err err = {0};
    assert_ok(sh_json_read_file(&cases, MINNOW "/golden/greedy.json", 1u << 20, &err), &err);
    sh_sampling greedy = SH_SAMPLING_INIT;
    greedy.temperature = 0;
    for (size_t c = 0; c < json_array_size(cases); c++) {
        const json_t *test = json_array_get(cases, c), *prompt = json_object_get(test, "prompt_ids");
        const json_t *want = json_object_get(test, "greedy_ids"),
                     *gaps = json_object_get(test, "top1_minus_top2");
        sh_sampler *sampler = NULL;
        sh_session *s = session_of(minnow, 0, 0);
        assert_ok(sh_sampler_open(&sampler, &greedy, sh_tokenizer_size(sh_model_tokenizer(minnow)), &err),
                  &err);
        for (size_t i = 0; i < json_array_size(prompt); i++) {
            sh_token id = (sh_token)json_integer_value(json_array_get(prompt, i));
            prefill(s, &id, 1);
        }
        for (size_t i = 0; i < json_array_size(want); i++) {
            sh_token id, expected = (sh_token)json_integer_value(json_array_get(want, i));
            assert_ok(sh_sampler_draw(sampler, sh_session_logits(s), &id, &err), &err);
            if (json_number_value(json_array_get(gaps, i)) >= 0.002) assert_int_equal(id, expected);
            prefill(s, &expected, 1);
        }
        sh_sampler_free(sampler);
        sh_session_free(s);
    }
    json_decref(cases);
}

static void test_cuts_change_nothing(void **state)
{
    (void)state;
    enum { N = 150 };
    sh_token ids[N];
    random_ids(ids, N, 4096, 1);
    sh_session *whole = session_of(minnow, 256, 0);
    prefill(whole, ids, N);
    static const uint32_t chunks[] = {1, 7, 16, 64, 512};
    for (size_t c = 0; c < COUNT(chunks); c++) {
        sh_session *s = session_of(minnow, 300, chunks[c]);
        sh_err err = {0};
        prefill(s, ids, 40);
        prefill(s, ids + 90, 37); /* a detour */
        assert_ok(sh_session_rewind(s, 35, &err), &err);
        assert_null(sh_session_logits(s));
        prefill(s, ids + 35, 1);
        prefill(s, ids + 36, N - 36);
        assert_int_equal(sh_session_used(s), N);
        assert_memory_equal(sh_session_tokens(s), ids, sizeof ids);
        assert_same_logits(s, whole);
        sh_session_free(s);
    }
    sh_session_free(whole);
}

static void test_bad_calls(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_session *s = session_of(minnow, 32, 0), *none = NULL;
    sh_token ids[40] = {1, 2, 3}, bad[] = {1, 4096}, negative[] = {-1};
    prefill(s, ids, 30);
    assert_int_equal(sh_session_prefill(s, ids, 3, &err), SH_E_RANGE);
    assert_string_equal(err.msg, "context full: 30 of 32 tokens used, no room for 3 more");
    assert_int_equal(sh_session_prefill(s, bad, 2, &err), SH_E_RANGE);
    assert_int_equal(sh_session_prefill(s, negative, 1, &err), SH_E_RANGE);
    assert_int_equal(sh_session_prefill(s, ids, 0, &err), SH_E_INVALID);
    assert_int_equal(sh_session_rewind(s, 31, &err), SH_E_RANGE);
    assert_int_equal(sh_session_used(s), 30);
    assert_non_null(sh_session_logits(s)); /* nothing changed */
    prefill(s, ids, 2);
    assert_int_equal(sh_session_capacity(s), 32);
    sh_session_free(s);
    sh_session_opts o = SH_SESSION_OPTS_INIT;
    o.n_ctx = 64, o.on_full = SH_FULL_SHIFT, o.n_keep = 63;
    assert_int_equal(sh_session_open(&none, minnow, &o, &err), SH_E_RANGE);
    o.version = 9;
    assert_int_equal(sh_session_open(&none, minnow, &o, &err), SH_E_INVALID);
    assert_null(none);
}

/* A shifted timeline is the one that a fresh session over the remaining tokens has, however the calls were
 * cut. */
static void test_shift(void **state)
{
    (void)state;
    enum { N = 200, CTX = 48, KEEP = 5 };
    sh_token ids[N], first[CTX];
    size_t n_first = 0;
    random_ids(ids, N, 4096, 7);
    static const size_t cuts[] = {1, 3, 29, 60, N};
    for (size_t c = 0; c < COUNT(cuts); c++) {
        sh_session *s = NULL;
        sh_err err = {0};
        sh_session_opts o = SH_SESSION_OPTS_INIT;
        o.n_ctx = CTX, o.on_full = SH_FULL_SHIFT, o.n_keep = KEEP, o.chunk = 16;
        assert_ok(sh_session_open(&s, minnow, &o, &err), &err);
        for (size_t at = 0; at < N; at += cuts[c]) prefill(s, ids + at, N - at < cuts[c] ? N - at : cuts[c]);
        assert_memory_equal(sh_session_tokens(s), ids, KEEP * sizeof *ids);
        assert_int_equal(sh_session_tokens(s)[sh_session_used(s) - 1], ids[N - 1]);
        if (c == 0) {
            n_first = sh_session_used(s);
            memcpy(first, sh_session_tokens(s), n_first * sizeof *first);
        }
        assert_int_equal(sh_session_used(s), n_first);
        assert_memory_equal(sh_session_tokens(s), first, n_first * sizeof *first);
        sh_session *fresh = session_of(minnow, CTX, 0);
        prefill(fresh, first, n_first);
        assert_same_logits(s, fresh);
        sh_session_free(fresh);
        sh_session_free(s);
    }
}

static int stop_after(void *ud, size_t done, size_t total)
{
    assert_int_equal(total, 50);
    return done >= *(size_t *)ud;
}

static void test_cancelled_prefill_keeps_whole_chunks(void **state)
{
    (void)state;
    sh_token ids[50];
    sh_err err = {0};
    size_t limit = 30;
    random_ids(ids, 50, 4096, 3);
    sh_session *s = session_of(minnow, 64, 16), *whole = session_of(minnow, 64, 0);
    sh_session_on_progress(s, stop_after, &limit);
    assert_int_equal(sh_session_prefill(s, ids, 50, &err), SH_E_CANCELLED);
    assert_int_equal(sh_session_used(s), 32);
    assert_null(sh_session_logits(s));
    sh_session_on_progress(s, NULL, NULL);
    prefill(s, ids + 32, 18);
    prefill(whole, ids, 50);
    assert_same_logits(s, whole);
    sh_session_free(s);
    sh_session_free(whole);
}

static void test_save_and_restore(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_token ids[61];
    sh_err err = {0};
    random_ids(ids, 61, 4096, 5);
    for (int cache = SH_CACHE_F16; cache <= SH_CACHE_Q8; cache++) {
        sh_session *a = NULL, *b = NULL;
        sh_session_opts o = SH_SESSION_OPTS_INIT;
        o.cache = (enum sh_cache_type)cache, o.n_ctx = 128;
        assert_ok(sh_session_open(&a, minnow, &o, &err), &err);
        o.n_ctx = 80; /* the file does not depend on the room */
        assert_ok(sh_session_open(&b, minnow, &o, &err), &err);
        prefill(a, ids, 60);
        prefill(b, ids + 30, 20);
        assert_ok(sh_session_save(a, tmpdir_path(dir, "s"), &err), &err);
        assert_ok(sh_session_restore(b, tmpdir_path(dir, "s"), &err), &err);
        assert_int_equal(sh_session_used(b), 60);
        assert_memory_equal(sh_session_tokens(b), ids, 60 * sizeof *ids);
        assert_same_logits(a, b);
        prefill(a, ids + 60, 1);
        prefill(b, ids + 60, 1);
        assert_same_logits(a, b);
        sh_session_free(a);
        sh_session_free(b);
    }
    tmpdir_remove(dir);
}

static void test_restore_refuses(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_token ids[20];
    sh_err err = {0};
    sh_buf file = {0};
    random_ids(ids, 20, 64, 5);
    sh_session *a = session_of(minnow, 64, 0), *other = session_of(tiny, 64, 0),
               *small = session_of(minnow, 16, 0), *q8 = NULL;
    sh_session_opts o = SH_SESSION_OPTS_INIT;
    o.cache = SH_CACHE_Q8;
    assert_ok(sh_session_open(&q8, minnow, &o, &err), &err);
    prefill(a, ids, 20);
    assert_ok(sh_session_save(a, tmpdir_path(dir, "s"), &err), &err);
    assert_int_equal(sh_session_restore(other, tmpdir_path(dir, "s"), &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "made with another model"));
    assert_int_equal(sh_session_restore(q8, tmpdir_path(dir, "s"), &err), SH_E_INVALID);
    assert_non_null(strstr(err.msg, "f16 cache"));
    assert_int_equal(sh_session_restore(small, tmpdir_path(dir, "s"), &err), SH_E_RANGE);
    assert_int_equal(sh_session_restore(a, tmpdir_path(dir, "absent"), &err), SH_E_NOTFOUND);
    assert_ok(sh_file_read(tmpdir_path(dir, "s"), 1u << 26, &file, &err), &err);
    sh_rng r = {8};
    for (int k = 0; k < 60; k++) { /* damage anywhere is seen, and changes nothing */
        size_t n = k < 30 ? sh_rng_u64(&r) % file.n : file.n,
               at = k < 40 ? sh_rng_u64(&r) % 80 : sh_rng_u64(&r) % file.n;
        if (k >= 30) file.p[at] ^= 1;
        assert_ok(sh_file_write(tmpdir_path(dir, "bad"), file.p, n, &err), &err);
        int rc = sh_session_restore(a, tmpdir_path(dir, "bad"), &err);
        assert_true(rc == SH_E_CORRUPT || rc == SH_E_UNSUPPORTED);
        assert_int_equal(sh_session_used(a), 20);
        assert_non_null(sh_session_logits(a));
        if (k >= 30) file.p[at] ^= 1;
    }
    sh_buf_clear(&file);
    sh_session_free(a);
    sh_session_free(other);
    sh_session_free(small);
    sh_session_free(q8);
    tmpdir_remove(dir);
}

/* Digest, header and length agree, but the cache has fewer or more bytes than its tokens need. */
static void test_restore_is_whole_or_nothing(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_token ids[20];
    sh_err err = {0};
    sh_buf file = {0};
    random_ids(ids, 20, 4096, 6);
    sh_session *a = session_of(minnow, 64, 0), *b = session_of(minnow, 64, 0);
    prefill(a, ids, 20);
    prefill(b, ids + 5, 10);
    assert_ok(sh_session_save(a, tmpdir_path(dir, "s"), &err), &err);
    assert_ok(sh_file_read(tmpdir_path(dir, "s"), 1u << 26, &file, &err), &err);
    uint64_t kv_bytes = sh_get_u64(file.p + 64);
    for (int more = -4; more <= 4; more += 8) {
        sh_buf bad = {0};
        sh_digest digest;
        size_t kv_end = 72 + 20 * 4 + (size_t)kv_bytes, rest = file.n - 32 - kv_end;
        sh_buf_add(&bad, file.p, kv_end + (size_t)(more < 0 ? more : 0));
        if (more > 0) sh_buf_add(&bad, "more", 4);
        sh_buf_add(&bad, file.p + kv_end, rest);
        sh_put_u64(bad.p + 64, kv_bytes + (uint64_t)more);
        assert_ok(sh_sha256(bad.p, bad.n, &digest, &err), &err);
        sh_buf_add(&bad, &digest, sizeof digest);
        assert_ok(sh_file_write(tmpdir_path(dir, "bad"), bad.p, bad.n, &err), &err);
        assert_int_equal(sh_session_restore(b, tmpdir_path(dir, "bad"), &err), SH_E_CORRUPT);
        assert_non_null(strstr(err.msg, more < 0 ? "shorter" : "longer"));
        assert_int_equal(sh_session_used(b), 10);
        sh_buf_clear(&bad);
    }
    sh_session *fresh = session_of(minnow, 64, 0);
    prefill(fresh, ids + 5, 11);
    prefill(b, ids + 15, 1);
    assert_same_logits(b, fresh);
    sh_buf_clear(&file);
    sh_session_free(a);
    sh_session_free(b);
    sh_session_free(fresh);
    tmpdir_remove(dir);
}

static void test_fingerprint_tells_models_apart(void **state)
{
    (void)state;
    sh_digest a, b, c;
    sh_err err = {0};
    assert_ok(sh_model_fingerprint(minnow, &a, &err), &err);
    assert_ok(sh_model_fingerprint(minnow, &b, &err), &err);
    assert_ok(sh_model_fingerprint(tiny, &c, &err), &err);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
}

#ifdef SHOAL_FAULT
static void test_memory(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    sh_token ids[40];
    random_ids(ids, 40, 64, 5);
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        sh_session *s = NULL;
        sh_err err = {0};
        sh_session_opts o = SH_SESSION_OPTS_INIT;
        o.n_ctx = 32, o.on_full = SH_FULL_SHIFT;
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_session_open(&s, tiny, &o, &err);
        if (rc == SH_OK) rc = sh_session_prefill(s, ids, 20, &err);
        if (rc == SH_OK) rc = sh_session_prefill(s, ids + 20, 20, &err);
        if (rc == SH_OK) rc = sh_session_save(s, tmpdir_path(dir, "s"), &err);
        if (rc == SH_OK) rc = sh_session_restore(s, tmpdir_path(dir, "s"), &err);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
        assert_true(k < 500);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        sh_session_free(s);
    }
    tmpdir_remove(dir);
}
#endif

static int set_up(void **state)
{
    minnow_open(state);
    tiny = model_open(rt, TINY_LLAMA);
    return 0;
}

static int tear_down(void **state)
{
    sh_model_free(tiny);
    return minnow_close(state);
}

int main(void)
{
    if (!minnow_is_here()) return 77;
    if (!sh_file_exists(TINY_LLAMA "/config.json")) {
        printf("skipped: no reference data at " TINY_LLAMA "\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_answers),
        cmocka_unit_test(test_cuts_change_nothing),
        cmocka_unit_test(test_bad_calls),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_cancelled_prefill_keeps_whole_chunks),
        cmocka_unit_test(test_save_and_restore),
        cmocka_unit_test(test_restore_refuses),
        cmocka_unit_test(test_restore_is_whole_or_nothing),
        cmocka_unit_test(test_fingerprint_tells_models_apart),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
