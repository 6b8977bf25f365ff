/* forward_output.c - from the last layer to logits, only for the rows that somebody wants. */
#include <string.h>

#include "base/mem.h"
#include "model/forward_internal.h"

/* ---- after the product: bias, multiplier, cap ---- */

enum { COLUMN_BLOCK = 4096 };
typedef struct finish_job {
    sh_forward *f;
    float *logits;
    size_t n_blocks;
} finish_job;

static void finish_blocks(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const finish_job *j = ud;
    const sh_hparams *hp = j->f->hp;
    const float *bias = j->f->m->w.output.bias;
    (void)i_worker;
    for (size_t b = begin; b < end; b++) {
        size_t row = b / j->n_blocks, first = b % j->n_blocks * COLUMN_BLOCK;
        size_t n = hp->n_vocab - first < COLUMN_BLOCK ? hp->n_vocab - first : COLUMN_BLOCK;
        float *y = j->logits + row * hp->n_vocab + first;
        if (bias) j->f->k->add(y, bias + first, n);
        if (hp->logit_scale != 1) j->f->k->scale(y, hp->logit_scale, n);
        if (hp->final_softcap != 0) j->f->k->softcap(y, hp->final_softcap, n);
    }
}

/* logits [n, V] of the normed rows x */
static void compute_logits(sh_forward *f, const float *x, size_t n, float *logits)
{
    const sh_hparams *hp = f->hp;
    const sh_linear *l = &f->m->w.output;
    const sh_product product = {l, logits, hp->n_vocab};
    sh_forward_products(f, x, f->s_embd, n, &product, 1);
    if (!l->bias && hp->logit_scale == 1 && hp->final_softcap == 0) return;
    finish_job j = {f, logits, (hp->n_vocab + COLUMN_BLOCK - 1) / COLUMN_BLOCK};
    sh_pool_run(f->pool, n * j.n_blocks, 4, finish_blocks, &j);
}

/* ---- which rows ---- */

/* Rows of chunk c that are wanted: [*first, *first + n) within the chunk. */
static uint32_t wanted_of(const sh_chunk *c, uint32_t *first)
{
    *first = c->want == SH_WANT_LAST ? c->n_tokens - 1 : 0;
    return c->want == SH_WANT_NONE ? 0 : c->n_tokens - *first;
}

/* f->norm rows 0 .. count-1 = final norm of the wanted rows, in batch order; members of chunks keep their
 * order. */
static uint32_t norm_wanted(sh_forward *f)
{
    uint32_t row = 0, count = 0, first;
    for (size_t c = 0; c < f->n_chunks; c++) {
        const sh_chunk *chunk = &f->chunks[c];
        uint32_t n = wanted_of(chunk, &first);
        for (uint32_t i = 0; i < n; i++, count++) {
            float *y = f->norm + (size_t)count * f->s_embd;
            const float *x = f->x + (size_t)(row + first + i) * f->s_embd;
            if (f->hp->final_norm)
                sh_forward_norm(f, y, x, &f->m->w.output_norm, f->hp->n_embd);
            else
                memcpy(y, x, f->hp->n_embd * sizeof *y);
            if (chunk->hidden)
                memcpy(chunk->hidden + (size_t)i * f->hp->n_embd, y, f->hp->n_embd * sizeof(float));
        }
        row += chunk->n_tokens;
    }
    return count;
}

/* Several places: up to SH_LOGIT_ROWS rows together into staging, then each to its own. */
static int logits_to_many(sh_forward *f, uint32_t count, sh_err *err)
{
    const size_t v = f->hp->n_vocab;
    if (!f->logits && !(f->logits = sh_alloc_aligned(SH_LOGIT_ROWS * v, sizeof(float))))
        return sh_fail_nomem(err, SH_LOGIT_ROWS * v * sizeof(float));
    uint32_t done = 0, first, at = 0; /* `at`: rows of earlier chunks */
    size_t c = 0;
    while (done < count) {
        uint32_t n = count - done < SH_LOGIT_ROWS ? count - done : SH_LOGIT_ROWS;
        compute_logits(f, f->norm + (size_t)done * f->s_embd, n, f->logits);
        for (uint32_t i = 0; i < n; i++) {
            while (done + i - at >= wanted_of(&f->chunks[c], &first))
                at += wanted_of(&f->chunks[c++], &first);
            float *to = f->chunks[c].logits;
            if (to) memcpy(to + (done + i - at) * v, f->logits + i * v, v * sizeof(float));
        }
        done += n;
    }
    return SH_OK;
}

int sh_forward_output(sh_forward *f, sh_err *err)
{
    const sh_chunk *only = NULL;
    size_t n_places = 0;
    for (size_t c = 0; c < f->n_chunks; c++) {
        if (f->chunks[c].want == SH_WANT_NONE) continue;
        n_places += f->chunks[c].logits != NULL;
        if (f->chunks[c].logits) only = &f->chunks[c];
    }
    uint32_t count = norm_wanted(f), first;
    if (!n_places) return SH_OK;
    if (n_places > 1 || wanted_of(only, &first) != count) return logits_to_many(f, count, err);
    compute_logits(f, f->norm, count, only->logits);
    return SH_OK;
}
