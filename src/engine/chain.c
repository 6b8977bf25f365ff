/* chain.c - the table of processors, and chains of them read from JSON. */
#include "engine/chain.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "codec/json.h"
#include "engine/processors_internal.h"

struct sh_chain {
    sh_arena *arena;
    sh_step *steps;
    size_t n_steps;
};

/* ---- values ---- */

static int bad_value(const sh_step *step, sh_err *err)
{
    return sh_fail(err, SH_E_INVALID, "%s takes %s", step->processor->name, step->processor->value);
}

static bool get_number(const json_t *v, double lo, double hi, double *out)
{
    if (!json_is_number(v)) return false;
    *out = json_number_value(v);
    return *out >= lo && *out <= hi;
}

static bool get_id(const json_t *v, sh_token *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX) return false;
    *out = (sh_token)json_integer_value(v);
    return true;
}

static int parse_positive(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    return get_number(v, 0x1p-126, 1e30, &step->a) ? SH_OK : bad_value(step, err);
}

static int parse_share(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    return get_number(v, 0, 1, &step->a) ? SH_OK : bad_value(step, err);
}

static int parse_count(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    return json_is_integer(v) && get_number(v, 1, INT32_MAX, &step->a) ? SH_OK : bad_value(step, err);
}

static int parse_prompt_and_count(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    bool ok = json_array_size(v) == 2 && get_number(json_array_get(v, 0), 0, INT32_MAX, &step->a) &&
              get_number(json_array_get(v, 1), 0, INT32_MAX, &step->b);
    return ok ? SH_OK : bad_value(step, err);
}

static int parse_openai(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    if (!json_is_object(v)) return bad_value(step, err);
    int rc = sh_json_get_num(v, "frequency_penalty", &step->a, -1e6, 1e6, err);
    return rc < 0 ? rc : sh_json_get_num(v, "presence_penalty", &step->b, -1e6, 1e6, err);
}

static int parse_true(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    (void)c;
    return json_is_true(v) ? SH_OK : bad_value(step, err);
}

/* Room for n sequences; step->sequences is filled through the returned pointer. */
static sh_sequence_bias *chain_sequences(struct sh_chain *c, sh_step *step, size_t n)
{
    sh_sequence_bias *q = sh_arena_zalloc(c->arena, n ? n : 1, sizeof *q);
    step->sequences = q;
    step->n_sequences = n;
    return q;
}

/* A list of ids into *q. */
static int chain_ids(struct sh_chain *c, const sh_step *step, const json_t *list, sh_sequence_bias *q,
                     sh_err *err)
{
    size_t n = json_array_size(list);
    if (n == 0) return bad_value(step, err);
    sh_token *ids = sh_arena_alloc(c->arena, n, sizeof *ids);
    if (!ids) return sh_fail_nomem(err, n * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        if (!get_id(json_array_get(list, i), &ids[i])) return bad_value(step, err);
    q->ids = ids;
    q->n = n;
    return SH_OK;
}

static int parse_logit_bias(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    if (!json_is_object(v)) return bad_value(step, err);
    sh_sequence_bias *q = chain_sequences(c, step, json_object_size(v));
    sh_token *ids = sh_arena_alloc(c->arena, json_object_size(v) + 1, sizeof *ids);
    if (!q || !ids) return sh_fail_nomem(err, json_object_size(v) * sizeof *q);
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach((json_t *)v, key, value) {
        char *end;
        long id = strtol(key, &end, 10);
        double bias;
        if (end == key || *end || id < 0 || id > INT32_MAX) return bad_value(step, err);
        if (!get_number(value, -1e30, 1e30, &bias)) return bad_value(step, err);
        ids[i] = (sh_token)id;
        q[i] = (sh_sequence_bias){&ids[i], 1, (float)bias};
        i++;
    }
    return SH_OK;
}

static int parse_sequence_bias(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    if (!json_is_array(v)) return bad_value(step, err);
    sh_sequence_bias *q = chain_sequences(c, step, json_array_size(v));
    if (!q) return sh_fail_nomem(err, json_array_size(v) * sizeof *q);
    for (size_t i = 0; i < step->n_sequences; i++) {
        const json_t *pair = json_array_get(v, i);
        double bias;
        if (json_array_size(pair) != 2 || !get_number(json_array_get(pair, 1), -1e30, 1e30, &bias))
            return bad_value(step, err);
        q[i].bias = (float)bias;
        int rc = chain_ids(c, step, json_array_get(pair, 0), &q[i], err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int parse_bad_words(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    if (!json_is_array(v)) return bad_value(step, err);
    sh_sequence_bias *q = chain_sequences(c, step, json_array_size(v));
    if (!q) return sh_fail_nomem(err, json_array_size(v) * sizeof *q);
    for (size_t i = 0; i < step->n_sequences; i++) {
        q[i].bias = -INFINITY;
        int rc = chain_ids(c, step, json_array_get(v, i), &q[i], err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int parse_suppress(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    if (!json_is_array(v)) return bad_value(step, err);
    sh_sequence_bias all = {0};
    sh_sequence_bias *q = chain_sequences(c, step, json_array_size(v));
    if (!q) return sh_fail_nomem(err, json_array_size(v) * sizeof *q);
    if (step->n_sequences == 0) return SH_OK;
    int rc = chain_ids(c, step, v, &all, err);
    for (size_t i = 0; i < all.n; i++) q[i] = (sh_sequence_bias){all.ids + i, 1, -INFINITY};
    return rc;
}

/* id or [ids], and for forced_eos_token_id the longest length before it: [length, id or ids] */
static int parse_forced(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    json_t *one = json_is_integer(v) ? json_pack("[O]", v) : NULL;
    int rc = parse_suppress(c, step, one ? one : v, err);
    json_decref(one);
    return rc;
}

static int parse_forced_eos(struct sh_chain *c, sh_step *step, const json_t *v, sh_err *err)
{
    if (json_array_size(v) != 2 || !get_number(json_array_get(v, 0), 1, INT32_MAX, &step->a))
        return bad_value(step, err);
    return parse_forced(c, step, json_array_get(v, 1), err);
}

/* A bad word that is just an end of the answer bans nothing: sequences of one end token are passed over. */
static int apply_bad_words(sh_scores *s, const sh_step *step, const sh_history *h, sh_err *err)
{
    for (size_t k = 0; k < step->n_sequences; k++) {
        const sh_sequence_bias *q = &step->sequences[k];
        bool is_end = false;
        for (size_t e = 0; e < h->n_end; e++) is_end |= q->n == 1 && q->ids[0] == h->end[e];
        sh_step one = {.processor = step->processor, .sequences = q, .n_sequences = 1};
        int rc = is_end ? SH_OK : sh_apply_sequence_bias(s, &one, h, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

/* In the order in which generation runs them. */
static const sh_processor processors[] = {
    {"logit_bias", "an object of token ids and numbers", sh_apply_sequence_bias, parse_logit_bias},
    {"sequence_bias", "a list of [[ids], bias]", sh_apply_sequence_bias, parse_sequence_bias},
    {"repetition_penalty", "a positive number", sh_apply_repetition_penalty, parse_positive},
    {"openai_penalties", "an object with frequency_penalty and presence_penalty", sh_apply_openai_penalties,
     parse_openai},
    {"no_repeat_ngram_size", "a whole number, at least 1", sh_apply_no_repeat_ngram, parse_count},
    {"bad_words_ids", "a list of lists of ids", apply_bad_words, parse_bad_words},
    {"min_length", "a whole number, at least 1", sh_apply_min_length, parse_count},
    {"min_new_tokens", "[prompt length, number of tokens]", sh_apply_min_new_tokens, parse_prompt_and_count},
    {"forced_bos_token_id", "a token id", sh_apply_forced_bos, parse_forced},
    {"forced_eos_token_id", "[length, token id or list of ids]", sh_apply_forced_eos, parse_forced_eos},
    {"suppress_tokens", "a list of token ids", sh_apply_sequence_bias, parse_suppress},
    {"temperature", "a positive number", sh_apply_temperature, parse_positive},
    {"top_k", "a whole number, at least 1", sh_apply_top_k, parse_count},
    {"top_p", "a number from 0 to 1", sh_apply_top_p, parse_share},
    {"min_p", "a number from 0 to 1", sh_apply_min_p, parse_share},
    {"typical_p", "a number from 0 to 1", sh_apply_typical_p, parse_share},
    {"epsilon_cutoff", "a number from 0 to 1", sh_apply_epsilon, parse_share},
    {"eta_cutoff", "a number from 0 to 1", sh_apply_eta, parse_share},
    {"renormalize", "true", sh_apply_renormalize, parse_true},
};

const sh_processor *sh_processor_at(size_t i)
{
    return i < sizeof processors / sizeof *processors ? &processors[i] : NULL;
}

const sh_processor *sh_processor_find(const char *name)
{
    for (size_t i = 0; sh_processor_at(i); i++)
        if (strcmp(processors[i].name, name) == 0) return &processors[i];
    return NULL;
}

/* ---- running ---- */

int sh_steps_run(const sh_step *steps, size_t n, sh_scores *s, const sh_history *h, sh_err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = steps[i].processor->apply(s, &steps[i], h, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int chain_step(sh_chain *c, sh_step *step, const json_t *pair, size_t i, sh_err *err)
{
    const char *name = json_string_value(json_array_get(pair, 0));
    if (json_array_size(pair) != 2 || !name)
        return sh_fail(err, SH_E_INVALID, "chain[%zu]: expected [processor name, value]", i);
    step->processor = sh_processor_find(name);
    if (!step->processor)
        return sh_fail(err, SH_E_INVALID, "chain[%zu]: there is no processor \"%.64s\"", i, name);
    int rc = step->processor->parse(c, step, json_array_get(pair, 1), err);
    return rc < 0 ? sh_fail_in(err, rc, "chain[%zu]", i) : SH_OK;
}

int sh_chain_from_json(sh_chain **out, const json_t *steps, sh_err *err)
{
    if (!json_is_array(steps))
        return sh_fail(err, SH_E_INVALID, "chain: expected a list of [processor name, value]");
    sh_chain *c = sh_new(sizeof *c, err);
    if (!c) return SH_E_NOMEM;
    int rc = SH_OK;
    size_t n = json_array_size(steps);
    c->arena = sh_arena_open();
    c->steps = c->arena ? sh_arena_zalloc(c->arena, n + 1, sizeof *c->steps) : NULL;
    if (!c->steps) rc = sh_fail_nomem(err, (n + 1) * sizeof *c->steps);
    for (size_t i = 0; i < n && rc == SH_OK; i++)
        rc = chain_step(c, &c->steps[i], json_array_get(steps, i), i, err);
    c->n_steps = n;
    if (rc < 0)
        sh_chain_free(c);
    else
        *out = c;
    return rc;
}

void sh_chain_free(sh_chain *c)
{
    if (!c) return;
    sh_arena_free(c->arena);
    sh_free(c);
}

int sh_chain_run(const sh_chain *c, sh_scores *s, const sh_history *h, sh_err *err)
{
    return sh_steps_run(c->steps, c->n_steps, s, h, err);
}
