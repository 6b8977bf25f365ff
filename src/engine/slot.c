/* slot.c - caches of the batcher: which one a request gets, and what it can take over from others.
 *
 * A cache depends on its tokens alone, to the last bit, so positions computed for one request serve any other
 * whose prompt begins alike: in place when a free slot holds them, by copying from another slot (busy or
 * free) when that one holds many more. At least one token of a prompt is always computed, for its logits. */
#include "engine/engine_internal.h"

#include <string.h>

#include "base/mem.h"

/* Copying fewer tokens than this is not worth it next to computing them along with the rest. */
enum { SHARE_MIN_TOKENS = 32 };

int sh_slots_open(sh_slots *s, const sh_model *m, uint32_t n, uint32_t n_ctx, enum sh_kv_type type,
                  sh_err *err)
{
    *s =
        (sh_slots){.n = n, .n_ctx = n_ctx, .n_vocab = sh_model_hparams(m)->n_vocab, .model = m, .type = type};
    s->slots = sh_new_array(n, sizeof *s->slots, err);
    return s->slots ? SH_OK : SH_E_NOMEM;
}

void sh_slots_clear(sh_slots *s)
{
    for (uint32_t i = 0; s->slots && i < s->n; i++) {
        sh_kv_free(s->slots[i].kv);
        sh_free(s->slots[i].logits);
        sh_free(s->slots[i].tokens);
    }
    sh_free(s->slots);
    s->slots = NULL;
}

uint32_t sh_slot_done(const sh_slot *slot)
{
    return slot->kv ? sh_kv_used(slot->kv) : 0;
}

static uint32_t common_prefix(const sh_token *a, uint32_t n_a, const sh_token *b, uint32_t n_b)
{
    uint32_t n = n_a < n_b ? n_a : n_b, i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

static int slot_make_ready(const sh_slots *s, sh_slot *slot, sh_err *err)
{
    if (!slot->tokens && !(slot->tokens = sh_new_array(s->n_ctx, sizeof *slot->tokens, err)))
        return SH_E_NOMEM;
    if (!slot->logits && !(slot->logits = sh_new_array(s->n_vocab, sizeof *slot->logits, err)))
        return SH_E_NOMEM;
    return slot->kv ? SH_OK : sh_kv_open(&slot->kv, s->model, s->type, s->n_ctx, err);
}

/* The free slot that holds most of the prompt's beginning, unless taking it would throw away more than it
 * saves: then the one unused longest (never opened ones first). */
static sh_slot *slots_pick(const sh_slots *s, const sh_request *r)
{
    sh_slot *best = NULL, *oldest = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        sh_slot *slot = &s->slots[i];
        if (slot->request) continue;
        uint32_t same = common_prefix(r->prompt, r->n_prompt, slot->tokens, slot->n_tokens);
        if (!oldest || slot->turn < oldest->turn) oldest = slot;
        if (!best || same > most) best = slot, most = same;
    }
    if (best && most > 0 && most >= best->n_tokens - most) return best;
    return oldest;
}

int sh_slots_admit(sh_slots *s, sh_request *r, sh_slot **out, sh_err *err)
{
    sh_slot *slot = slots_pick(s, r);
    *out = NULL;
    if (!slot) return SH_OK;
    int rc = slot_make_ready(s, slot, err);
    if (rc < 0) return rc;
    uint32_t same = common_prefix(r->prompt, r->n_prompt - 1, slot->tokens, sh_slot_done(slot));
    sh_kv_rewind(slot->kv, same);
    memcpy(slot->tokens, r->prompt, r->n_prompt * sizeof *slot->tokens);
    slot->n_tokens = r->n_prompt;
    slot->request = r;
    slot->prompt_done = false;
    slot->turn = ++s->n_turns;
    r->n_cached = same;
    *out = slot;
    return SH_OK;
}

sh_request *sh_slot_release(sh_slot *slot)
{
    sh_request *r = slot->request;
    slot->request = NULL;
    slot->n_tokens = sh_slot_done(slot);
    return r;
}

bool sh_slots_share_prefix(sh_slots *s, sh_slot *slot)
{
    sh_request *r = slot->request;
    uint32_t done = sh_slot_done(slot), n_copy = 0, n_wait = 0;
    const sh_slot *source = NULL;
    for (uint32_t i = 0; i < s->n; i++) {
        const sh_slot *other = &s->slots[i];
        if (other == slot || !other->kv) continue;
        uint32_t same = common_prefix(r->prompt, r->n_prompt - 1, other->tokens, other->n_tokens);
        if (same < done + SHARE_MIN_TOKENS) continue;
        if (sh_slot_done(other) >= same) {
            if (same > n_copy) n_copy = same, source = other;
        } else if (other->request && !other->prompt_done && other->turn < slot->turn && same > n_wait) {
            n_wait = same; /* the earliest waits for nobody, so someone always computes */
        }
    }
    if (n_wait > n_copy) return true;
    if (!source) return false;
    if (sh_kv_copy(slot->kv, source->kv, n_copy, NULL) == SH_OK) {
        r->n_cached += n_copy - done;
    } else { /* no memory to copy into: compute, from a state that is known */
        sh_kv_rewind(slot->kv, 0);
        r->n_cached = 0;
    }
    return false;
}
