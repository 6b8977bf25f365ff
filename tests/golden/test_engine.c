/* The batcher over the small story model: same text as alone, shared prompts, stops, ends, limits, threads.
 */
#include "golden/minnow_fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/fault.h"
#include "engine/logprob.h"
#include "os/clock.h"

static const char *const prompts[] = {
    "Once upon a time there was a fox",
    "The king said to his daughter",
    "In the deep forest",
    "A fisherman found a lamp",
    "Long ago, in a village by the sea",
    "The old woman had three sons",
    "\"Who are you?\" asked",
    "When winter came",
};

static sh_engine *engine_of(uint32_t n_slots, uint32_t n_queue, uint32_t n_ctx, uint32_t chunk)
{
    sh_engine *e = NULL;
    sh_err err = {0};
    sh_engine_opts o = SH_ENGINE_OPTS_INIT;
    o.n_slots = n_slots, o.n_queue = n_queue, o.n_ctx = n_ctx, o.chunk = chunk;
    assert_ok(sh_engine_open(&e, minnow, &o, &err), &err);
    return e;
}

static sh_request_opts request_of(const sh_token *ids, size_t n, uint32_t max_tokens, uint64_t seed)
{
    sh_request_opts o = SH_REQUEST_OPTS_INIT;
    o.prompt = ids, o.n_prompt = n, o.max_tokens = max_tokens;
    o.sampling.seed = seed;
    return o;
}

/* What the request must give, by a session and a sampler alone. Returns the number of ids. */
static uint32_t alone(const sh_request_opts *o, uint32_t n_ctx, sh_token *ids)
{
    sh_session *s = NULL;
    sh_sampler *sampler = NULL;
    sh_err err = {0};
    sh_session_opts so = SH_SESSION_OPTS_INIT;
    uint32_t n = 0, most = n_ctx - (uint32_t)o->n_prompt;
    so.n_ctx = n_ctx;
    assert_ok(sh_session_open(&s, minnow, &so, &err), &err);
    assert_ok(sh_sampler_open(&sampler, &o->sampling, 4096, &err), &err);
    for (size_t i = 0; i < o->n_prompt; i++)
        assert_ok(sh_sampler_accept(sampler, o->prompt[i], true, &err), &err);
    assert_ok(sh_session_prefill(s, o->prompt, o->n_prompt, &err), &err);
    if (o->max_tokens && o->max_tokens < most) most = o->max_tokens;
    while (n < most) {
        assert_ok(sh_sampler_draw(sampler, sh_session_logits(s), &ids[n], &err), &err);
        if (!o->ignore_end && sh_tokenizer_is_end(sh_model_tokenizer(minnow), ids[n])) break;
        assert_ok(sh_sampler_accept(sampler, ids[n], false, &err), &err);
        if (++n < most) assert_ok(sh_session_prefill(s, &ids[n - 1], 1, &err), &err);
    }
    sh_sampler_free(sampler);
    sh_session_free(s);
    return n;
}

static void assert_text_is(const heard *h, const sh_token *prompt, size_t n_prompt, const sh_token *ids,
                           size_t n)
{
    sh_token all[2048];
    char text[65536];
    sh_err err = {0};
    const sh_tokenizer *t = sh_model_tokenizer(minnow);
    memcpy(all, prompt, n_prompt * sizeof *all);
    memcpy(all + n_prompt, ids, n * sizeof *all);
    int64_t before = sh_tokenizer_decode(t, all, n_prompt, true, NULL, 0, &err);
    int64_t whole = sh_tokenizer_decode(t, all, n_prompt + n, true, text, sizeof text, &err);
    assert_true(before >= 0 && whole >= before && whole < (int64_t)sizeof text);
    assert_int_equal(h->text.n, whole - before);
    assert_memory_equal(sh_buf_str(&h->text).p, text + before, h->text.n);
}

/* Twenty requests over four slots, submitted in a burst: each is what it is alone. */
static void test_many_equal_each_alone(void **state)
{
    (void)state;
    enum { N = 20 };
    static heard h[N];
    static sh_token ids[N][64], want[1024];
    sh_engine *e = engine_of(4, N, 256, 24);
    sh_request_opts o[N];
    size_t n[N];
    for (size_t i = 0; i < N; i++) {
        n[i] = text_ids(minnow, prompts[i % COUNT(prompts)], ids[i], 64);
        o[i] = request_of(ids[i], n[i], 10 + (uint32_t)i * 3, i);
        if (i % 3 == 0) o[i].sampling.temperature = 0;
        if (i % 4 == 1) o[i].sampling.repetition_penalty = 1.2f, o[i].sampling.frequency_penalty = 0.3f;
        if (i % 5 == 2) o[i].ignore_end = true;
        heard_submit(e, &h[i], &o[i]);
    }
    for (size_t i = 0; i < N; i++) {
        heard_wait(&h[i]);
        uint32_t n_want = alone(&o[i], 256, want);
        assert_int_equal(h[i].n_ids, n_want);
        assert_memory_equal(h[i].ids, want, n_want * sizeof *want);
        assert_int_equal(h[i].n_prompt, n[i]);
        assert_int_equal(h[i].n_prompt_events, 1);
        assert_int_equal(h[i].finish, n_want == o[i].max_tokens ? SH_FINISH_LENGTH : SH_FINISH_STOP);
        assert_text_is(&h[i], ids[i], n[i], want, n_want);
        heard_clear(&h[i]);
    }
    sh_engine_stats stats;
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_requests, N);
    assert_int_equal(stats.n_active + stats.n_waiting, 0);
    sh_engine_free(e);
}

static void test_a_prompt_is_not_computed_twice(void **state)
{
    (void)state;
    static heard h;
    sh_token ids[512], want[256];
    uint32_t n_want;
    char text[2048] = "";
    for (size_t i = 0; i < 24; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s. ", prompts[i % COUNT(prompts)]);
    size_t n = text_ids(minnow, text, ids, COUNT(ids));
    assert_true(n > 100);
    sh_engine *e = engine_of(2, 8, 512, 0);
    sh_request_opts o = request_of(ids, n, 12, 4);
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.n_cached, 0);
    n_want = alone(&o, 512, want);
    for (int round = 0; round < 2; round++) { /* the same again: all but the token that gives the logits */
        heard_submit(e, &h, &o);
        heard_wait(&h);
        assert_int_equal(h.n_cached, n - 1);
        assert_int_equal(h.n_ids, n_want);
        assert_memory_equal(h.ids, want, n_want * sizeof *want);
    }
    ids[80] = ids[80] == 100 ? 101 : 100; /* and what differs from there on */
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.n_cached, 80);
    n_want = alone(&o, 512, want);
    assert_int_equal(h.n_ids, n_want);
    assert_memory_equal(h.ids, want, n_want * sizeof *want);
    heard_clear(&h);
    sh_engine_free(e);
}

/* Eight requests at once that begin alike: the beginning is computed once and copied. */
static void test_a_common_beginning_is_computed_once(void **state)
{
    (void)state;
    enum { N = 8, LONG = 200 };
    static heard h[N];
    static sh_token ids[N][LONG + 16], want[256];
    sh_request_opts o[N];
    sh_engine *e = engine_of(N, N, 512, 48);
    uint32_t n_cached = 0;
    for (size_t i = 0; i < N; i++) {
        for (int k = 0; k < LONG; k++) ids[i][k] = 300 + k * 7 % 3000;
        size_t tail = text_ids(minnow, prompts[i], ids[i] + LONG, 16);
        o[i] = request_of(ids[i], LONG + tail, 10, i);
        heard_submit(e, &h[i], &o[i]);
    }
    for (size_t i = 0; i < N; i++) {
        heard_wait(&h[i]);
        n_cached += h[i].n_cached;
        uint32_t n_want = alone(&o[i], 512, want);
        assert_int_equal(h[i].n_ids, n_want);
        assert_memory_equal(h[i].ids, want, n_want * sizeof *want);
        heard_clear(&h[i]);
    }
    assert_true(n_cached >= (N - 1) * LONG);
    sh_engine_stats stats;
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_cached_tokens, n_cached);
    assert_true(stats.n_prompt_tokens < LONG + N * 20);
    sh_engine_free(e);
}

/* Cut the text of an answer wherever one can: the result is the text before the first place where the stop
 * string ends. */
static void test_stop_strings(void **state)
{
    (void)state;
    static heard whole, h;
    sh_token ids[64];
    size_t n = text_ids(minnow, prompts[0], ids, COUNT(ids)), n_straddling = 0;
    sh_engine *e = engine_of(2, 4, 256, 0);
    sh_request_opts o = request_of(ids, n, 40, 1);
    heard_submit(e, &whole, &o);
    heard_wait(&whole);
    assert_true(whole.text.n > 60);
    for (size_t at = 0; at + 9 < whole.text.n; at += 5) {
        char stop[8];
        snprintf(stop, sizeof stop, "%.5s", whole.text.p + at);
        const char *const stops[] = {"never in a tale \xe2\x82\xac", stop};
        o.stop = stops, o.n_stop = 2;
        heard_submit(e, &h, &o);
        heard_wait(&h);
        const char *found = strstr(whole.text.p, stop);
        assert_int_equal(h.finish, SH_FINISH_STOP);
        assert_string_equal(h.stop, stop);
        assert_int_equal(h.text.n, found - whole.text.p);
        assert_memory_equal(sh_buf_str(&h.text).p, whole.text.p, h.text.n);
        n_straddling += h.n_ids < whole.n_ids;
    }
    assert_true(n_straddling > 5);
    heard_clear(&whole);
    heard_clear(&h);
    sh_engine_free(e);
}

static void test_logprobs(void **state)
{
    (void)state;
    static heard h;
    sh_token ids[64];
    sh_err err = {0};
    size_t n = text_ids(minnow, prompts[1], ids, COUNT(ids));
    sh_engine *e = engine_of(1, 4, 128, 0);
    sh_session *s = NULL;
    sh_session_opts so = SH_SESSION_OPTS_INIT;
    sh_request_opts o = request_of(ids, n, 12, 9);
    so.n_ctx = 128;
    o.n_top_logprobs = 5;
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_ok(sh_session_open(&s, minnow, &so, &err), &err);
    assert_ok(sh_session_prefill(s, ids, n, &err), &err);
    for (uint32_t i = 0; i < h.n_ids; i++) {
        const float *x = sh_session_logits(s);
        double want = (double)x[h.ids[i]] - sh_log_sum_exp(x, 4096);
        assert_true(h.logprobs[i] == (float)want);
        assert_ok(sh_session_prefill(s, &h.ids[i], 1, &err), &err);
    }
    sh_session_free(s);
    heard_clear(&h);
    sh_engine_free(e);
}

static void test_bad_requests(void **state)
{
    (void)state;
    sh_token ids[200] = {1, 2, 3};
    sh_request *r = NULL;
    sh_err err = {0};
    sh_engine *e = engine_of(1, 1, 64, 0);
    const char *const empty[] = {""};
    sh_request_opts o = request_of(ids, 0, 4, 0);
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_RANGE);
    o.n_prompt = 64;
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_RANGE);
    o.n_prompt = 3, ids[1] = 5000;
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_RANGE);
    ids[1] = 2, o.n_top_logprobs = 21;
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_INVALID);
    o.n_top_logprobs = -1, o.stop = empty, o.n_stop = 1;
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_INVALID);
    o.n_stop = 0, o.sampling.top_p = 2;
    assert_int_equal(sh_engine_submit(e, &o, &r, &err), SH_E_INVALID);
    assert_null(r);
    sh_engine_stats stats;
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_requests, 0);
    sh_engine_free(e);
}

/* A request whose scores a bias makes all -inf ends in an error of its own; its neighbour does not notice. */
static void test_one_fails_alone(void **state)
{
    (void)state;
    static heard bad, good;
    static sh_logit_bias none[4096];
    sh_token ids[64], want[64];
    size_t n = text_ids(minnow, prompts[2], ids, COUNT(ids));
    for (int i = 0; i < 4096; i++) none[i] = (sh_logit_bias){i, -INFINITY};
    sh_engine *e = engine_of(2, 2, 128, 0);
    sh_request_opts o = request_of(ids, n, 20, 3), b = o;
    b.sampling.bias = none, b.sampling.n_bias = 4096;
    heard_submit(e, &good, &o);
    heard_submit(e, &bad, &b);
    heard_wait(&bad);
    heard_wait(&good);
    assert_int_equal(bad.finish, SH_FINISH_ERROR);
    assert_int_equal(bad.error.code, SH_E_RANGE);
    assert_int_equal(good.n_ids, alone(&o, 128, want));
    assert_memory_equal(good.ids, want, good.n_ids * sizeof *want);
    heard_clear(&bad);
    heard_clear(&good);
    sh_engine_free(e);
}

static void test_the_context_ends(void **state)
{
    (void)state;
    static heard h;
    sh_token ids[64];
    size_t n = text_ids(minnow, prompts[3], ids, COUNT(ids));
    sh_engine *e = engine_of(1, 1, 32, 0);
    sh_request_opts o = request_of(ids, n, 0, 3);
    o.ignore_end = true;
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.finish, SH_FINISH_LENGTH);
    assert_int_equal(h.n_ids, 32 - n);
    heard_clear(&h);
    sh_engine_free(e);
}

static void cancel_self(heard *h)
{
    if (h->n_ids == 4) sh_request_cancel(h->request);
}

static void test_cancelling(void **state)
{
    (void)state;
    static heard h;
    sh_token ids[64];
    size_t n = text_ids(minnow, prompts[4], ids, COUNT(ids));
    sh_engine *e = engine_of(1, 4, 512, 0);
    sh_request_opts o = request_of(ids, n, 0, 3);
    o.ignore_end = true;
    h.cancel_after = 3; /* by what on_event returns */
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.finish, SH_FINISH_CANCELLED);
    assert_int_equal(h.n_ids, 3);
    h.cancel_after = 0, h.on_token = cancel_self; /* from within on_event */
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.finish, SH_FINISH_CANCELLED);
    assert_int_equal(h.n_ids, 4);
    h.on_token = NULL;
    o.deadline_us = 30000; /* by the clock: what was made in time is an answer */
    heard_submit(e, &h, &o);
    heard_wait(&h);
    assert_int_equal(h.finish, SH_FINISH_LENGTH);
    assert_true(h.n_ids < 512 - n);
    o.deadline_us = 0; /* from another thread, in mid-answer */
    heard_submit(e, &h, &o);
    sh_request_free(h.request);
    assert_int_equal(h.n_done, 1);
    assert_int_equal(h.finish, SH_FINISH_CANCELLED);
    sh_engine_stats stats;
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_cancelled, 3);
    assert_int_equal(stats.n_active, 0);
    heard_clear(&h);
    sh_engine_free(e);
}

/* on_event of the gate request blocks its engine's thread until the test opens it, so that the queue stays as
 * it is. */
static atomic_bool gate_open;

static int gate_event(void *ud, const sh_event *ev)
{
    (void)ud, (void)ev;
    while (!atomic_load(&gate_open)) sh_sleep_us(500);
    return 0;
}

static void test_queue_is_bounded(void **state)
{
    (void)state;
    static heard h[4];
    sh_token ids[64];
    sh_request *gate = NULL, *extra = NULL;
    sh_err err = {0};
    sh_engine_stats stats;
    size_t n = text_ids(minnow, prompts[5], ids, COUNT(ids));
    sh_engine *e = engine_of(1, 4, 128, 0);
    sh_request_opts o = request_of(ids, n, 5, 3), g = o;
    g.on_event = gate_event;
    atomic_store(&gate_open, false);
    assert_ok(sh_engine_submit(e, &g, &gate, &err), &err);
    for (int i = 0; i < 4; i++) heard_submit(e, &h[i], &o);
    assert_int_equal(sh_engine_submit(e, &o, &extra, &err), SH_E_BUSY);
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_rejected, 1);
    sh_request_cancel(h[1].request); /* a waiting one may go too, unserved */
    atomic_store(&gate_open, true);
    for (int i = 0; i < 4; i++) {
        heard_wait(&h[i]);
        assert_int_equal(h[i].finish == SH_FINISH_CANCELLED, i == 1);
        assert_int_equal(h[i].n_prompt_events, i != 1);
        heard_clear(&h[i]);
    }
    sh_request_free(gate);
    sh_engine_free(e);
}

static void test_free_ends_what_runs(void **state)
{
    (void)state;
    enum { N = 6 };
    static heard h[N];
    sh_token ids[64];
    size_t n = text_ids(minnow, prompts[6], ids, COUNT(ids));
    sh_engine *e = engine_of(2, N, 1024, 0);
    for (size_t i = 0; i < N; i++) {
        sh_request_opts o = request_of(ids, n, 0, i);
        o.ignore_end = true;
        heard_submit(e, &h[i], &o);
    }
    while (true) {
        sh_engine_stats stats;
        sh_engine_get_stats(e, &stats);
        if (stats.n_generated_tokens > 5) break;
        sh_sleep_us(1000);
    }
    sh_engine_free(e);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(h[i].n_done, 1);
        assert_int_equal(h[i].finish, SH_FINISH_CANCELLED);
        sh_request_free(h[i].request); /* a handle may outlive its engine */
        heard_clear(&h[i]);
    }
}

typedef struct client {
    sh_engine *engine;
    unsigned number;
    uint32_t n_busy;
} client;

/* Submit, wait, cancel now and then, for a while. */
static void *client_main(void *ud)
{
    client *c = ud;
    heard *h = calloc(1, sizeof *h);
    sh_token ids[64];
    for (unsigned i = 0; i < 12; i++) {
        sh_err err = {0};
        sh_engine_stats stats;
        size_t n = text_ids(minnow, prompts[(c->number + i) % COUNT(prompts)], ids, COUNT(ids));
        sh_request_opts o = request_of(ids, n, 8, i);
        o.on_event = heard_event, o.ud = h;
        sh_buf_clear(&h->text);
        h->n_ids = h->n_prompt_events = h->n_done = 0;
        int rc = sh_engine_submit(c->engine, &o, &h->request, &err);
        if (rc == SH_E_BUSY) {
            c->n_busy++;
            sh_sleep_us(2000);
            continue;
        }
        assert_ok(rc, &err);
        if ((c->number + i) % 4 == 0)
            sh_request_cancel(h->request);
        else
            assert_int_equal(sh_request_wait(h->request), SH_OK);
        sh_engine_get_stats(c->engine, &stats);
        sh_request_free(h->request);
        assert_int_equal(h->n_done, 1);
    }
    heard_clear(h);
    free(h);
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    enum { N = 8 };
    pthread_t threads[N];
    client clients[N];
    sh_engine_stats stats;
    sh_engine *e = engine_of(3, 4, 64, 16);
    uint64_t n_busy = 0;
    for (unsigned i = 0; i < N; i++) {
        clients[i] = (client){e, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        n_busy += clients[i].n_busy;
    }
    sh_engine_get_stats(e, &stats);
    assert_int_equal(stats.n_rejected, n_busy);
    assert_int_equal(stats.n_requests + n_busy, N * 12);
    assert_int_equal(stats.n_active + stats.n_waiting, 0);
    sh_engine_free(e);
}

#ifdef SHOAL_FAULT
/* Opening and submitting with each allocation of this thread failing in turn. */
static void test_memory(void **state)
{
    (void)state;
    sh_token ids[64];
    const char *const stops[] = {"fox", "king"};
    const sh_logit_bias bias = {7, 1};
    size_t n = text_ids(minnow, prompts[0], ids, COUNT(ids));
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        sh_engine *e = NULL;
        sh_request *r = NULL;
        sh_err err = {0};
        sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
        sh_request_opts o = request_of(ids, n, 4, 1);
        eo.n_ctx = 64;
        o.stop = stops, o.n_stop = 2, o.sampling.bias = &bias, o.sampling.n_bias = 1;
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_engine_open(&e, minnow, &eo, &err);
        if (rc == SH_OK) rc = sh_engine_submit(e, &o, &r, &err);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
        assert_true(k < 300);
        if (rc == SH_OK) assert_int_equal(sh_request_wait(r), SH_OK);
        sh_request_free(r);
        sh_engine_free(e);
    }
}
#endif

int main(void)
{
    if (!minnow_is_here()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_equal_each_alone),
        cmocka_unit_test(test_a_prompt_is_not_computed_twice),
        cmocka_unit_test(test_a_common_beginning_is_computed_once),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_one_fails_alone),
        cmocka_unit_test(test_the_context_ends),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_free_ends_what_runs),
        cmocka_unit_test(test_many_threads),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory),
#endif
    };
    return cmocka_run_group_tests(tests, minnow_open, minnow_close);
}
