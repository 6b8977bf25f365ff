/* engine.c - the batcher: one thread, a bounded queue, and steps that mix prompts and answers of all active
 * requests.
 *
 * A step: take new requests in while slots are free; end those that are cancelled or late; plan one chunk per
 * slot (the next token of each answer, and a fair share of opts.chunk of each unfinished prompt); one forward
 * pass over all of them; draw and tell. Every request's logits are the same bits as if it were alone, so
 * planning is free to choose. */
#include "engine/engine_internal.h"

#include <string.h>

#include "base/mem.h"
#include "engine/session_internal.h"
#include "os/clock.h"

enum { SLOTS_USUAL = 8, SLOTS_MAX = 1024, QUEUE_USUAL = 64, CHUNK_USUAL = 512, CHUNK_MAX = 8192 };

struct sh_engine {
    sh_model *model; /* borrowed */
    uint32_t n_queue, n_ctx, chunk;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t work; /* queue is not empty, or stopping */
    /* under lock */
    sh_request *queue, **queue_end;
    uint32_t n_waiting, n_active;
    bool stopping;
    sh_engine_stats stats;
    /* the thread's */
    sh_slots slots;
    sh_forward *forward;
    sh_chunk *chunks;     /* [n_slots] */
    sh_slot **step_slots; /* [n_slots], the slot of each chunk */
};

/* ---- leaving ---- */

static void engine_count_end(sh_engine *e, const sh_request *r, enum sh_finish finish, bool was_active)
{
    pthread_mutex_lock(&e->lock);
    e->n_active -= was_active;
    e->stats.n_cancelled += finish == SH_FINISH_CANCELLED;
    e->stats.n_cached_tokens += r->n_cached;
    pthread_mutex_unlock(&e->lock);
}

/* The slot is free before DONE is told, so that who hears it may submit again. */
static void engine_end_slot(sh_engine *e, sh_slot *slot, enum sh_finish finish, const char *stop,
                            const sh_err *error)
{
    sh_request *r = sh_slot_release(slot);
    engine_count_end(e, r, finish, true);
    sh_request_finish(r, finish, stop, error);
}

/* ---- taking in ---- */

/* Take the first request off the queue (only one that is over when `over` is set), NULL when there is none. */
static sh_request *queue_pop(sh_engine *e, bool over, uint64_t now_us, enum sh_finish *finish)
{
    sh_request *found = NULL;
    pthread_mutex_lock(&e->lock);
    for (sh_request **at = &e->queue; *at; at = &(*at)->next) {
        if (over && !e->stopping && !sh_request_is_over(*at, now_us, finish)) continue;
        found = *at;
        *at = found->next;
        if (!*at) e->queue_end = at;
        e->n_waiting--;
        e->n_active += !over;
        break;
    }
    if (e->stopping) *finish = SH_FINISH_CANCELLED;
    pthread_mutex_unlock(&e->lock);
    return found;
}

static void engine_admit_one(sh_engine *e, sh_request *r)
{
    sh_slot *slot = NULL;
    sh_err err = {0};
    int rc = sh_request_start(r, &err);
    if (rc == SH_OK) rc = sh_slots_admit(&e->slots, r, &slot, &err);
    if (rc == SH_OK) return;
    engine_count_end(e, r, SH_FINISH_ERROR, true);
    sh_request_finish(r, SH_FINISH_ERROR, NULL, &err);
}

/* Wait for work, take it in. False when the engine is to stop. */
static bool engine_take_in(sh_engine *e)
{
    enum sh_finish finish;
    pthread_mutex_lock(&e->lock);
    while (!e->stopping && !e->queue && e->n_active == 0) pthread_cond_wait(&e->work, &e->lock);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    for (sh_request *r; (r = queue_pop(e, true, sh_now_us(), &finish));) {
        engine_count_end(e, r, finish, false);
        sh_request_finish(r, finish, NULL, NULL);
    }
    uint32_t n_free = 0;
    for (uint32_t i = 0; i < e->slots.n; i++) n_free += !e->slots.slots[i].request;
    for (sh_request *r; !stopping && n_free > 0 && (r = queue_pop(e, false, 0, &finish)); n_free--)
        engine_admit_one(e, r);
    return !stopping;
}

static void engine_end_those_over(sh_engine *e, bool all)
{
    enum sh_finish finish;
    for (uint32_t i = 0; i < e->slots.n; i++) {
        sh_slot *slot = &e->slots.slots[i];
        if (!slot->request) continue;
        if (sh_request_is_over(slot->request, sh_now_us(), &finish))
            engine_end_slot(e, slot, finish, NULL, NULL);
        else if (all)
            engine_end_slot(e, slot, SH_FINISH_CANCELLED, NULL, NULL);
    }
}

/* ---- planning ---- */

static void plan_add(sh_engine *e, size_t *n_chunks, sh_slot *slot, uint32_t n_tokens)
{
    uint32_t done = sh_slot_done(slot);
    bool last = done + n_tokens == slot->n_tokens;
    e->step_slots[*n_chunks] = slot;
    e->chunks[(*n_chunks)++] = (sh_chunk){.kv = slot->kv,
                                          .tokens = slot->tokens + done,
                                          .n_tokens = n_tokens,
                                          .want = last ? SH_WANT_LAST : SH_WANT_NONE,
                                          .logits = last ? slot->logits : NULL};
}

/* slots[0..n) by tokens left, then by age: those with little left give the rest of their share to the others. */
static void sort_by_left(sh_slot **slots, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        sh_slot *slot = slots[i];
        uint32_t left = slot->n_tokens - sh_slot_done(slot);
        size_t j = i;
        for (; j > 0; j--) {
            uint32_t other = slots[j - 1]->n_tokens - sh_slot_done(slots[j - 1]);
            if (other < left || (other == left && slots[j - 1]->turn < slot->turn)) break;
            slots[j] = slots[j - 1];
        }
        slots[j] = slot;
    }
}

/* Answers first, one token each; then the prompts share e->chunk tokens. */
static size_t engine_plan(sh_engine *e)
{
    size_t n_chunks = 0, n_prompts = 0;
    uint32_t room = e->chunk;
    for (uint32_t i = 0; i < e->slots.n; i++) {
        sh_slot *slot = &e->slots.slots[i];
        if (slot->request && slot->prompt_done) plan_add(e, &n_chunks, slot, 1);
    }
    sh_slot **prompts = e->step_slots + n_chunks;
    for (uint32_t i = 0; i < e->slots.n; i++) {
        sh_slot *slot = &e->slots.slots[i];
        if (slot->request && !slot->prompt_done && !sh_slots_share_prefix(&e->slots, slot))
            prompts[n_prompts++] = slot;
    }
    sort_by_left(prompts, n_prompts);
    for (size_t i = 0; i < n_prompts && room > 0; i++) {
        uint32_t left = prompts[i]->n_tokens - sh_slot_done(prompts[i]);
        uint32_t share = room / (uint32_t)(n_prompts - i), n = share ? share : 1;
        if (n > left) n = left;
        plan_add(e, &n_chunks, prompts[i], n); /* writes step_slots[n_chunks], which is prompts[i] */
        room -= n;
    }
    return n_chunks;
}

/* ---- stepping ---- */

/* All chunks in one pass. When that fails each is tried alone, so that the failure ends only those it belongs to. */
static void engine_run_chunks(sh_engine *e, size_t n_chunks)
{
    sh_err err = {0};
    if (sh_forward_run(e->forward, e->chunks, n_chunks, &err) == SH_OK) return;
    for (size_t i = 0; i < n_chunks; i++) {
        if (n_chunks > 1 && sh_forward_run(e->forward, &e->chunks[i], 1, &err) == SH_OK) continue;
        engine_end_slot(e, e->step_slots[i], SH_FINISH_ERROR, NULL, &err);
    }
}

/* After a pass: a finished prompt is told, and logits become the next token. */
static void engine_advance_slot(sh_engine *e, sh_slot *slot)
{
    sh_request *r = slot->request;
    enum sh_finish finish;
    const char *stop;
    sh_err err = {0};
    sh_token token;
    bool finished;
    if (sh_slot_done(slot) < slot->n_tokens) return;
    if (!slot->prompt_done) {
        slot->prompt_done = true;
        sh_request_prompt_done(r);
        if (sh_request_is_over(r, sh_now_us(), &finish)) {
            engine_end_slot(e, slot, finish, NULL, NULL);
            return;
        }
    }
    if (sh_request_advance(r, slot->logits, &token, &finished, &finish, &stop, &err) < 0)
        engine_end_slot(e, slot, SH_FINISH_ERROR, NULL, &err);
    else if (finished)
        engine_end_slot(e, slot, finish, stop, NULL);
    else
        slot->tokens[slot->n_tokens++] = token;
}

static void engine_step(sh_engine *e)
{
    uint64_t start = sh_now_us(), n_prompt = 0, n_generated = 0;
    size_t n_chunks = engine_plan(e);
    if (n_chunks == 0) return;
    engine_run_chunks(e, n_chunks);
    for (size_t i = 0; i < n_chunks; i++) {
        if (!e->step_slots[i]->request) continue;
        n_generated += e->chunks[i].want == SH_WANT_LAST;
        if (!e->step_slots[i]->prompt_done) n_prompt += e->chunks[i].n_tokens;
    }
    pthread_mutex_lock(&e->lock);
    e->stats.n_prompt_tokens += n_prompt;
    e->stats.n_generated_tokens += n_generated;
    pthread_mutex_unlock(&e->lock);
    for (size_t i = 0; i < n_chunks; i++)
        if (e->step_slots[i]->request) engine_advance_slot(e, e->step_slots[i]);
    pthread_mutex_lock(&e->lock);
    e->stats.busy_us += sh_now_us() - start;
    pthread_mutex_unlock(&e->lock);
}

static void *engine_main(void *ud)
{
    sh_engine *e = ud;
    while (engine_take_in(e)) {
        engine_end_those_over(e, false);
        engine_step(e);
    }
    engine_end_those_over(e, true);
    return NULL;
}

/* ---- the callers' side ---- */

static int engine_check_opts(const sh_engine_opts *o, sh_err *err)
{
    if (o->version != 1)
        return sh_fail(err, SH_E_INVALID, "engine options of version %d: expected 1", o->version);
    if (o->n_slots > SLOTS_MAX)
        return sh_fail(err, SH_E_RANGE, "%u slots: at most %d", o->n_slots, SLOTS_MAX);
    if (o->chunk > CHUNK_MAX)
        return sh_fail(err, SH_E_RANGE, "chunk of %u tokens: at most %d", o->chunk, CHUNK_MAX);
    return SH_OK;
}

static int engine_start(sh_engine *e, const sh_engine_opts *o, sh_err *err)
{
    enum sh_kv_type type;
    uint32_t n_slots = o->n_slots ? o->n_slots : SLOTS_USUAL;
    int rc;
    e->n_queue = o->n_queue ? o->n_queue : QUEUE_USUAL;
    e->chunk = o->chunk ? o->chunk : CHUNK_USUAL;
    if ((rc = sh_pick_kv_type(o->cache, &type, err)) < 0) return rc;
    if ((rc = sh_pick_ctx(e->model, o->n_ctx, &e->n_ctx, err)) < 0) return rc;
    if ((rc = sh_slots_open(&e->slots, e->model, n_slots, e->n_ctx, type, err)) < 0) return rc;
    if ((rc = sh_forward_open(&e->forward, e->model, e->chunk + n_slots, err)) < 0) return rc;
    if (!(e->chunks = sh_new_array(n_slots, sizeof *e->chunks, err))) return SH_E_NOMEM;
    if (!(e->step_slots = sh_new_array(n_slots, sizeof *e->step_slots, err))) return SH_E_NOMEM;
    rc = pthread_create(&e->thread, NULL, engine_main, e);
    if (rc != 0) return sh_fail_os(err, rc, "cannot start the engine's thread");
    e->has_thread = true;
    return SH_OK;
}

int sh_engine_open(sh_engine **out, sh_model *m, const sh_engine_opts *opts, sh_err *err)
{
    const sh_engine_opts usual = SH_ENGINE_OPTS_INIT;
    const sh_engine_opts *o = opts ? opts : &usual;
    int rc = engine_check_opts(o, err);
    if (rc < 0 || (rc = sh_kind_need_text(sh_model_hparams(m), err)) < 0) return rc;
    sh_engine *e = sh_new(sizeof *e, err);
    if (!e) return SH_E_NOMEM;
    e->model = m;
    e->queue_end = &e->queue;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, NULL);
    if ((rc = engine_start(e, o, err)) < 0)
        sh_engine_free(e);
    else
        *out = e;
    return rc;
}

void sh_engine_free(sh_engine *e)
{
    if (!e) return;
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
    if (e->has_thread) pthread_join(e->thread, NULL);
    sh_forward_free(e->forward);
    sh_slots_clear(&e->slots);
    sh_free(e->chunks);
    sh_free(e->step_slots);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->lock);
    sh_free(e);
}

int sh_engine_submit(sh_engine *e, const sh_request_opts *opts, sh_request **out, sh_err *err)
{
    sh_request *r = NULL;
    int rc = sh_request_open(&r, e->model, e->n_ctx, opts, err);
    if (rc < 0) return rc;
    pthread_mutex_lock(&e->lock);
    if (e->stopping) {
        rc = sh_fail(err, SH_E_CANCELLED, "the engine is stopping");
    } else if (e->n_active + e->n_waiting >= e->slots.n + e->n_queue) {
        e->stats.n_rejected++;
        rc = sh_fail(err, SH_E_BUSY, "%u requests run and %u wait: no room for another", e->n_active,
                     e->n_waiting);
    } else {
        *out = r; /* before the thread can see it: on_event may use the handle */
        *e->queue_end = r;
        e->queue_end = &r->next;
        e->n_waiting++;
        e->stats.n_requests++;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    if (rc < 0) {
        sh_request_unref(r);
        sh_request_unref(r);
    }
    return rc;
}

void sh_engine_get_stats(sh_engine *e, sh_engine_stats *out)
{
    pthread_mutex_lock(&e->lock);
    *out = e->stats;
    out->n_active = e->n_active;
    out->n_waiting = e->n_waiting;
    out->n_slots = e->slots.n;
    out->n_queue = e->n_queue;
    pthread_mutex_unlock(&e->lock);
}
