/* experts.c - mixture of experts: each row goes through the few experts that its router chose.
 *
 * p = softmax(router x) over all experts; the n_experts_used largest are taken (of equals the lower number);
 * with expert_norm_topk they are divided by their sum, added in ascending order of expert. The results are
 * summed in that order too, so a row's value depends on nothing but the row. Rows are gathered by expert: a
 * matrix is read once a batch. */
#include <string.h>

#include "model/forward_internal.h"
#include "tensor/exactmath.h"

/* The k largest of p [n] into chosen (ascending numbers) and weight. */
static void choose(const float *p, uint32_t n, uint32_t k, bool norm, uint32_t *chosen, float *weight)
{
    uint32_t count = 0;
    float sum = 0;
    for (uint32_t e = 0; e < n; e++) {
        uint32_t above = 0; /* experts that go before e */
        for (uint32_t o = 0; o < n; o++) above += p[o] > p[e] || (p[o] == p[e] && o < e);
        if (above >= k || count == k) continue;
        chosen[count] = e;
        weight[count++] = p[e];
        sum = sum + p[e];
    }
    for (uint32_t i = 0; norm && i < count; i++) weight[i] = weight[i] / sum;
}

static void route_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    sh_forward *f = ud;
    const uint32_t n = f->hp->n_experts, k = f->hp->n_experts_used;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        f->k->softmax(f->router + t * n, n);
        choose(f->router + t * n, n, k, f->hp->expert_norm_topk, f->chosen + t * k, f->chosen_weight + t * k);
    }
}

typedef struct scatter_job { sh_forward *f; float *out; } scatter_job;

static void scatter_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const scatter_job *j = ud;
    sh_forward *f = j->f;
    (void)i_worker;
    for (size_t i = begin; i < end; i++)
        f->k->mul_add(j->out + f->members[i] * f->s_embd, f->expert_out + i * f->s_embd, f->member_weight[i],
                      f->hp->n_embd);
}

/* expert_out [n] = down(act(gate x) * up x) */
static void run_expert(sh_forward *f, const sh_expert *e, const float *x, size_t n, size_t width)
{
    const sh_product inner[] = {{&e->up, f->up, f->s_ff}, {&e->gate, f->gate, f->s_ff}};
    sh_forward_products(f, x, f->s_embd, n, inner, 2);
    const float *act = sh_forward_activate(f, &e->gate, &e->up, n, width);
    const sh_product down = {&e->down, f->expert_out, f->s_embd};
    sh_forward_products(f, act, f->s_ff, n, &down, 1);
}

static size_t gather_members(sh_forward *f, uint32_t expert, const float *in)
{
    const uint32_t k = f->hp->n_experts_used;
    size_t n = 0;
    for (uint32_t t = 0; t < f->n; t++)
        for (uint32_t i = 0; i < k; i++) {
            if (f->chosen[t * k + i] != expert) continue;
            f->members[n] = t;
            f->member_weight[n] = f->chosen_weight[t * k + i];
            memcpy(f->gathered + n++ * f->s_embd, in + t * f->s_embd, f->hp->n_embd * sizeof(float));
        }
    return n;
}

/* The shared expert works on every row; its own router's sigmoid is its weight. */
static void add_shared(sh_forward *f, const sh_layer *l, const float *in, scatter_job *scatter)
{
    const sh_product gate = {&l->shared_router, f->router, 1};
    sh_forward_products(f, in, f->s_embd, f->n, &gate, 1);
    for (uint32_t t = 0; t < f->n; t++) {
        f->members[t] = t;
        f->member_weight[t] = sh_sigmoidf(f->router[t]);
    }
    run_expert(f, &l->shared, in, f->n, f->hp->n_ff_shared);
    sh_forward_rows(f, f->n, f->hp->n_embd, scatter_rows, scatter);
}

void sh_forward_experts(sh_forward *f, const sh_layer *l, const float *in, float *out)
{
    const sh_hparams *hp = f->hp;
    const sh_product router = {&l->router, f->router, hp->n_experts};
    scatter_job scatter = {f, out};
    sh_forward_products(f, in, f->s_embd, f->n, &router, 1);
    sh_forward_rows(f, f->n, (size_t)hp->n_experts * hp->n_experts, route_rows, f);
    memset(out, 0, f->n * f->s_embd * sizeof(float));
    for (uint32_t e = 0; e < hp->n_experts; e++) {
        size_t n = gather_members(f, e, in);
        if (!n) continue;
        run_expert(f, &l->experts[e], f->gathered, n, hp->n_ff_expert);
        sh_forward_rows(f, n, hp->n_embd, scatter_rows, &scatter);
    }
    if (l->shared.gate.w) add_shared(f, l, in, &scatter);
}
