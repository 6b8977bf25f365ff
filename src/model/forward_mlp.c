/* forward_mlp.c - the plain MLP of a layer: down(act(gate x) * up x), or down(act(up x)). */
#include "model/forward_internal.h"

typedef struct activate_job {
    sh_forward *f;
    const sh_linear *gate, *up;
    size_t width;
} activate_job;

static void activate_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const activate_job *j = ud;
    sh_forward *f = j->f;
    (void)i_worker;
    for (size_t t = begin; t < end; t++) {
        float *gate = f->gate + t * f->s_ff, *up = f->up + t * f->s_ff;
        if (j->up->bias) f->k->add(up, j->up->bias, j->width);
        if (j->gate->w && j->gate->bias) f->k->add(gate, j->gate->bias, j->width);
        if (j->gate->w) f->k->activate(f->hp->activation, gate, up, j->width);
        else f->k->activate(f->hp->activation, up, NULL, j->width);
    }
}

float *sh_forward_activate(sh_forward *f, const sh_linear *gate, const sh_linear *up, size_t n, size_t width)
{
    activate_job j = {f, gate, up, width};
    sh_forward_rows(f, n, 8 * width, activate_rows, &j);
    return gate->w ? f->gate : f->up;
}

void sh_forward_mlp(sh_forward *f, uint32_t layer, const float *in, float *out)
{
    const sh_layer *l = &f->m->w.layers[layer];
    if (l->experts) {
        sh_forward_experts(f, l, in, out);
        return;
    }
    const sh_product inner[] = {{&l->up, f->up, f->s_ff}, {&l->gate, f->gate, f->s_ff}};
    sh_forward_products(f, in, f->s_embd, f->n, inner, l->gate.w ? 2 : 1);
    const float *act = sh_forward_activate(f, &l->gate, &l->up, f->n, f->hp->n_ff);
    const sh_product down = {&l->down, out, f->s_embd};
    sh_forward_products(f, act, f->s_ff, f->n, &down, 1);
}
