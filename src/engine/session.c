/* session.c - one timeline of tokens over a model. See <shoal/session.h>. */
#include "engine/session_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

enum { CTX_USUAL_MAX = 8192, CHUNK_USUAL = 512, CHUNK_MAX = 8192 };

int sh_pick_ctx(const sh_model *m, uint32_t asked, uint32_t *out, sh_err *err)
{
    const sh_hparams *hp = sh_model_hparams(m);
    uint32_t trained = hp->n_ctx_train;
    if (asked == 0) asked = trained && trained < CTX_USUAL_MAX ? trained : CTX_USUAL_MAX;
    if (hp->position == SH_POSITION_LEARNED && asked > trained)
        return sh_fail(err, SH_E_RANGE, "context of %u tokens: this model has learned %u positions", asked,
                       trained);
    if (asked < 2) return sh_fail(err, SH_E_RANGE, "context of %u tokens: expected at least 2", asked);
    *out = asked;
    return SH_OK;
}

int sh_pick_kv_type(enum sh_cache_type cache, enum sh_kv_type *out, sh_err *err)
{
    static const enum sh_kv_type types[] = {
        [SH_CACHE_F16] = SH_KV_F16, [SH_CACHE_F32] = SH_KV_F32, [SH_CACHE_Q8] = SH_KV_Q8};
    if ((unsigned)cache >= sizeof types / sizeof *types)
        return sh_fail(err, SH_E_INVALID, "cache type %d", (int)cache);
    *out = types[cache];
    return SH_OK;
}

int sh_check_tokens(const sh_token *tokens, size_t n, uint32_t n_vocab, sh_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= n_vocab)
            return sh_fail(err, SH_E_RANGE, "token %zu is %d: the vocabulary has %u", i, tokens[i], n_vocab);
    return SH_OK;
}

static int session_check_opts(const sh_session_opts *o, sh_err *err)
{
    if (o->version != 1)
        return sh_fail(err, SH_E_INVALID, "session options of version %d: expected 1", o->version);
    if (o->on_full != SH_FULL_ERROR && o->on_full != SH_FULL_SHIFT)
        return sh_fail(err, SH_E_INVALID, "on_full is %d", (int)o->on_full);
    if (o->chunk > CHUNK_MAX)
        return sh_fail(err, SH_E_RANGE, "chunk of %u tokens: expected at most %d", o->chunk, CHUNK_MAX);
    return SH_OK;
}

int sh_session_open(sh_session **out, sh_model *m, const sh_session_opts *opts, sh_err *err)
{
    const sh_session_opts usual = SH_SESSION_OPTS_INIT;
    const sh_session_opts *o = opts ? opts : &usual;
    enum sh_kv_type type;
    int rc = session_check_opts(o, err);
    if (rc < 0) return rc;
    if ((rc = sh_pick_kv_type(o->cache, &type, err)) < 0) return rc;
    sh_session *s = sh_new(sizeof *s, err);
    if (!s) return SH_E_NOMEM;
    s->model = m;
    s->cache = o->cache;
    s->on_full = o->on_full;
    s->n_keep = o->n_keep;
    s->n_vocab = sh_model_hparams(m)->n_vocab;
    if ((rc = sh_pick_ctx(m, o->n_ctx, &s->n_ctx, err)) < 0) goto out;
    if (s->on_full == SH_FULL_SHIFT && s->n_keep > s->n_ctx - 2) {
        rc = sh_fail(err, SH_E_RANGE, "keeping %u tokens of a context of %u leaves nothing to drop",
                     s->n_keep, s->n_ctx);
        goto out;
    }
    s->chunk = o->chunk ? o->chunk : CHUNK_USUAL;
    if (s->chunk > s->n_ctx) s->chunk = s->n_ctx;
    s->tokens = sh_new_array(s->n_ctx, sizeof *s->tokens, err);
    s->logits = s->tokens ? sh_new_array(s->n_vocab, sizeof *s->logits, err) : NULL;
    if (!s->logits) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if ((rc = sh_kv_open(&s->kv, m, type, s->n_ctx, err)) < 0) goto out;
    rc = sh_forward_open(&s->forward, m, s->chunk, err);
out:
    if (rc < 0)
        sh_session_free(s);
    else
        *out = s;
    return rc;
}

void sh_session_free(sh_session *s)
{
    if (!s) return;
    sh_forward_free(s->forward);
    sh_kv_free(s->kv);
    sh_free(s->tokens);
    sh_free(s->logits);
    sh_free(s);
}

void sh_session_on_progress(sh_session *s, int (*fn)(void *ud, size_t done, size_t total), void *ud)
{
    s->on_progress = fn;
    s->progress_ud = ud;
}

/* Compute tokens [n >= 1] that are known to fit and to be good, chunk by chunk. */
static int session_run(sh_session *s, const sh_token *tokens, size_t n, sh_err *err)
{
    for (size_t done = 0; done < n;) {
        uint32_t k = n - done < s->chunk ? (uint32_t)(n - done) : s->chunk;
        bool last = done + k == n;
        sh_chunk chunk = {.kv = s->kv,
                          .tokens = tokens + done,
                          .n_tokens = k,
                          .want = last ? SH_WANT_LAST : SH_WANT_NONE,
                          .logits = last ? s->logits : NULL};
        int rc = sh_forward_run(s->forward, &chunk, 1, err);
        if (rc < 0) return rc;
        memcpy(s->tokens + s->n_used, tokens + done, k * sizeof *tokens);
        s->n_used += k;
        s->has_logits = last;
        done += k;
        if (!last && s->on_progress && s->on_progress(s->progress_ud, done, n) != 0)
            return sh_fail(err, SH_E_CANCELLED, "cancelled after %zu of %zu tokens", done, n);
    }
    return SH_OK;
}

/* Append the tokens one by one to the list of a full-or-not timeline, dropping the older half of what follows
 * n_keep whenever there is no room. What remains depends on the tokens alone, never on how they were cut into
 * calls. */
static uint32_t shift_in(const sh_session *s, sh_token *list, uint32_t n_list, const sh_token *tokens,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (n_list == s->n_ctx) {
            uint32_t drop = (n_list - s->n_keep + 1) / 2;
            memmove(list + s->n_keep, list + s->n_keep + drop, (n_list - s->n_keep - drop) * sizeof *list);
            n_list -= drop;
        }
        list[n_list++] = tokens[i];
    }
    return n_list;
}

/* Make the timeline what shift_in says, computing again everything after the first token that moved: exact,
 * where moving the cache would leave keys that saw what is gone. */
static int session_shift(sh_session *s, const sh_token *tokens, size_t n, sh_err *err)
{
    sh_token *list = sh_new_array(s->n_ctx, sizeof *list, err);
    if (!list) return SH_E_NOMEM;
    memcpy(list, s->tokens, s->n_used * sizeof *list);
    uint32_t n_list = shift_in(s, list, s->n_used, tokens, n), same = 0;
    while (same < s->n_used && same < n_list - 1 && list[same] == s->tokens[same]) same++;
    sh_kv_rewind(s->kv, same);
    s->n_used = same;
    s->has_logits = false;
    int rc = session_run(s, list + same, n_list - same, err);
    sh_free(list);
    return rc;
}

int sh_session_prefill(sh_session *s, const sh_token *tokens, size_t n, sh_err *err)
{
    if (n == 0) return sh_fail(err, SH_E_INVALID, "no tokens to prefill");
    int rc = sh_check_tokens(tokens, n, s->n_vocab, err);
    if (rc < 0) return rc;
    if (n <= s->n_ctx - s->n_used) return session_run(s, tokens, n, err);
    if (s->on_full == SH_FULL_SHIFT) return session_shift(s, tokens, n, err);
    return sh_fail(err, SH_E_RANGE, "context full: %u of %u tokens used, no room for %zu more", s->n_used,
                   s->n_ctx, n);
}

int sh_session_rewind(sh_session *s, size_t n, sh_err *err)
{
    if (n > s->n_used)
        return sh_fail(err, SH_E_RANGE, "cannot rewind to token %zu: there are %u", n, s->n_used);
    sh_kv_rewind(s->kv, (uint32_t)n);
    s->n_used = (uint32_t)n;
    s->has_logits = false;
    return SH_OK;
}

const float *sh_session_logits(const sh_session *s)
{
    return s->has_logits ? s->logits : NULL;
}
size_t sh_session_used(const sh_session *s)
{
    return s->n_used;
}
size_t sh_session_capacity(const sh_session *s)
{
    return s->n_ctx;
}
const sh_token *sh_session_tokens(const sh_session *s)
{
    return s->tokens;
}
