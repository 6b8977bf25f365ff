/* golden/engine_golden.h - opening the small story model, and an engine request whose events are recorded and
 * checked. */
#ifndef SH_GOLDEN_ENGINE_GOLDEN_H
#define SH_GOLDEN_ENGINE_GOLDEN_H

#include "unit/test.h"

#include <shoal/shoal.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/model.h"
#include "os/file.h"

#define MINNOW SHOAL_GOLDEN_DIR "/models/minnow"
#define TINY_LLAMA SHOAL_GOLDEN_DIR "/golden/models/llama"

static inline sh_runtime *rt_open(const char *cpu, int n_threads)
{
    sh_runtime *rt = NULL;
    sh_err err = {0};
    sh_runtime_opts o = {.version = 1, .n_threads = n_threads, .cpu = cpu};
    assert_ok(sh_runtime_open(&rt, &o, &err), &err);
    return rt;
}

static inline sh_model *model_open(sh_runtime *rt, const char *path)
{
    sh_model *m = NULL;
    sh_err err = {0};
    sh_model_opts o = SH_MODEL_OPTS_INIT;
    o.allow_no_tokenizer = true;
    assert_ok(sh_model_open(&m, rt, path, &o, &err), &err);
    return m;
}

/* BOS and text as ids; returns how many. */
static inline size_t text_ids(const sh_model *m, const char *text, sh_token *out, size_t cap)
{
    sh_err err = {0};
    sh_encode_opts o = {.add_special = true, .parse_special = true};
    int64_t n = sh_tokenizer_encode(sh_model_tokenizer(m), text, strlen(text), o, out, cap, &err);
    assert_true(n > 0 && (size_t)n <= cap);
    return (size_t)n;
}

/* What a request told. */
typedef struct heard {
    sh_request *request;
    sh_token ids[1024];
    float logprobs[1024];
    sh_buf text;
    uint32_t n_ids, n_prompt, n_cached, n_generated, n_prompt_events, n_done;
    enum sh_finish finish;
    char stop[64];
    sh_err error;
    uint32_t cancel_after; /* on_event asks for an end after so many tokens; 0: never */
    void (*on_token)(struct heard *h);
    void *ud;
} heard;

static inline int heard_event(void *ud, const sh_event *ev)
{
    heard *h = ud;
    assert_int_equal(h->n_done, 0); /* nothing follows DONE */
    assert_true(sh_utf8_valid(ev->text, ev->n_text));
    assert_int_equal(ev->text[ev->n_text], 0);
    sh_buf_add(&h->text, ev->text, ev->n_text);
    if (ev->kind == SH_EVENT_PROMPT) {
        assert_int_equal(h->n_ids, 0);
        h->n_prompt_events++;
    }
    if (ev->kind == SH_EVENT_TOKEN) {
        assert_true(h->n_ids < COUNT(h->ids));
        h->logprobs[h->n_ids] = ev->logprob;
        h->ids[h->n_ids++] = ev->token;
        if (h->on_token) h->on_token(h);
    }
    if (ev->kind == SH_EVENT_DONE) {
        h->n_done++;
        h->n_prompt = ev->n_prompt, h->n_cached = ev->n_cached, h->n_generated = ev->n_generated;
        h->finish = ev->finish;
        snprintf(h->stop, sizeof h->stop, "%s", ev->stop ? ev->stop : "");
        if (ev->error) h->error = *ev->error;
        assert_int_equal(ev->n_generated, h->n_ids);
    }
    return h->cancel_after && h->n_ids >= h->cancel_after;
}

static inline void heard_submit(sh_engine *e, heard *h, sh_request_opts *o)
{
    sh_err err = {0};
    sh_buf_clear(&h->text);
    h->n_ids = h->n_prompt_events = h->n_done = 0;
    o->on_event = heard_event, o->ud = h;
    assert_ok(sh_engine_submit(e, o, &h->request, &err), &err);
}

static inline void heard_wait(heard *h)
{
    assert_int_equal(sh_request_wait(h->request), SH_OK);
    assert_int_equal(h->n_done, 1);
    sh_request_free(h->request);
    h->request = NULL;
}

static inline void heard_clear(heard *h)
{
    sh_buf_clear(&h->text);
}

#endif
