/* sample_describe.c - run a chain over rows of logits and say what is left (shoal debug sample, golden tests). */
#include "engine/chain.h"

#include <math.h>

#include "base/mem.h"
#include "codec/json.h"

typedef struct describe_job {
    sh_chain *chain;
    sh_scores *scores;
    sh_token *ids; /* history, then counted, then end */
    sh_history history;
    const json_t *u; /* NULL, a number or a list */
    int64_t row, top;
} describe_job;

static void describe_clear(describe_job *job)
{
    sh_chain_free(job->chain);
    sh_scores_free(job->scores);
    sh_free(job->ids);
}

/* ids of a list (or of one id) under `key` to out; *n is 0 when the key is absent. */
static int read_ids(const json_t *settings, const char *key, sh_token *out, size_t *n, sh_err *err)
{
    const json_t *v = json_object_get(settings, key);
    *n = 0;
    if (!v || json_is_null(v)) return SH_OK;
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(one) || json_integer_value(one) < 0 || json_integer_value(one) > INT32_MAX)
            return sh_fail(err, SH_E_INVALID, "%s: expected token ids", key);
        out[i] = (sh_token)json_integer_value(one);
    }
    *n = count;
    return SH_OK;
}

static int describe_open(describe_job *job, int32_t n_vocab, size_t n_rows, const json_t *settings,
                         sh_err *err)
{
    if (!json_is_object(settings)) return sh_fail(err, SH_E_INVALID, "settings: expected an object");
    sh_history *h = &job->history;
    size_t room = json_array_size(json_object_get(settings, "history")) + 1 +
                  json_array_size(json_object_get(settings, "counted")) + 1 +
                  json_array_size(json_object_get(settings, "eos")) + 1;
    int rc;
    job->row = -1, job->top = 8;
    job->u = json_object_get(settings, "u");
    if (!(job->ids = sh_new_array(room, sizeof *job->ids, err))) return SH_E_NOMEM;
    h->ids = job->ids;
    if ((rc = read_ids(settings, "history", job->ids, &h->n, err)) < 0) return rc;
    h->counted = h->ids, h->n_counted = h->n;
    sh_token *next = job->ids + h->n;
    if (json_object_get(settings, "counted")) {
        h->counted = next;
        if ((rc = read_ids(settings, "counted", next, &h->n_counted, err)) < 0) return rc;
        next += h->n_counted;
    }
    h->end = next;
    if ((rc = read_ids(settings, "eos", next, &h->n_end, err)) < 0) return rc;
    if ((rc = sh_json_get_int(settings, "row", &job->row, 0, (int64_t)n_rows - 1, err)) < 0) return rc;
    if ((rc = sh_json_get_int(settings, "top", &job->top, 0, n_vocab, err)) < 0) return rc;
    if ((rc = sh_chain_from_json(&job->chain, json_object_get(settings, "chain"), err)) < 0) return rc;
    return sh_scores_open(&job->scores, n_vocab, err);
}

static int describe_draws(describe_job *job, json_t *row, sh_err *err)
{
    if (!job->u || json_is_null(job->u)) return SH_OK;
    json_t *drawn = json_array();
    json_object_set_new(row, "drawn", drawn);
    size_t n = json_is_array(job->u) ? json_array_size(job->u) : 1;
    for (size_t k = 0; k < n; k++) {
        const json_t *v = json_is_array(job->u) ? json_array_get(job->u, k) : job->u;
        int32_t i;
        if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) >= 1)
            return sh_fail(err, SH_E_INVALID, "u: expected numbers from 0 to below 1");
        int rc = sh_scores_draw(job->scores, json_number_value(v), &i, err);
        if (rc < 0) return rc;
        json_array_append_new(drawn, json_integer(i < 0 ? -1 : sh_scores_id(job->scores, i)));
    }
    return SH_OK;
}

static int describe_row(describe_job *job, const float *logits, size_t i_row, json_t *rows, sh_err *err)
{
    sh_scores *s = job->scores;
    json_t *row = json_object(), *ids = json_array(), *scores = json_array(), *probabilities = json_array();
    json_t *top = json_array();
    json_array_append_new(rows, row);
    json_object_set_new(row, "row", json_integer((json_int_t)i_row));
    json_object_set_new(row, "ids", ids);
    json_object_set_new(row, "scores", scores);
    json_object_set_new(row, "probabilities", probabilities);
    json_object_set_new(row, "top", top);
    int rc;
    sh_scores_load(s, logits + i_row * (size_t)s->n_vocab);
    if ((rc = sh_chain_run(job->chain, s, &job->history, err)) < 0) return rc;
    sh_scores_cut(s, -INFINITY);
    if ((rc = sh_scores_softmax(s, err)) < 0) return rc;
    for (int32_t i = 0; i < s->n; i++) {
        json_array_append_new(ids, json_integer(s->ids[i]));
        json_array_append_new(scores, json_real((double)s->x[i]));
        json_array_append_new(probabilities, json_real(s->p[i] / s->total));
    }
    json_object_set_new(row, "kept", json_integer(s->n));
    if ((rc = sh_scores_sort(s, err)) < 0) return rc;
    for (int32_t k = 0; k < s->n && k < job->top; k++) {
        uint32_t i = s->sorted[k].i;
        json_array_append_new(top, json_pack("[if]", s->ids[i], s->p[i] / s->total));
    }
    return describe_draws(job, row, err);
}

int sh_sample_describe(json_t **out, const float *logits, size_t n_rows, int32_t n_vocab,
                       const json_t *settings, sh_err *err)
{
    describe_job job = {0};
    json_t *result = json_object(), *rows = json_array();
    int rc = result && rows ? SH_OK : sh_fail_nomem(err, 64);
    json_object_set_new(result, "n_vocab", json_integer(n_vocab));
    json_object_set_new(result, "rows", rows);
    if (rc == SH_OK) rc = describe_open(&job, n_vocab, n_rows, settings, err);
    for (size_t i = 0; i < n_rows && rc == SH_OK; i++)
        if (job.row < 0 || (size_t)job.row == i) rc = describe_row(&job, logits, i, rows, err);
    describe_clear(&job);
    if (rc < 0)
        json_decref(result);
    else
        *out = result;
    return rc;
}
