/* rope.c - rotary frequencies, once per model, and their angles at a position. */
#include "model/rope.h"

#include <math.h>

#include "base/fail.h"
#include "tensor/exactmath.h"

static const double PI = 3.14159265358979323846;

/* The (fractional) pair that makes `turns` full turns over the original context. */
static double yarn_pair(const sh_rope_params *p, double d, double turns)
{
    return d * sh_log(p->original_ctx / (2 * PI * turns)) / (2 * sh_log(p->theta));
}

static void scale_yarn(double *f, const sh_rope_params *p, uint32_t n_rot)
{
    double lo = yarn_pair(p, n_rot, p->beta_fast), hi = yarn_pair(p, n_rot, p->beta_slow);
    if (!p->yarn_untruncated) lo = floor(lo), hi = ceil(hi);
    if (lo < 0) lo = 0;
    if (hi > n_rot - 1) hi = n_rot - 1;
    if (lo == hi) hi += 0.001;
    for (uint32_t j = 0; j < n_rot / 2; j++) {
        double ramp = (j - lo) / (hi - lo);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        f[j] = f[j] / p->factor * ramp + f[j] * (1 - ramp);
    }
}

static double llama3_scaled(double f, const sh_rope_params *p)
{
    double turns = p->original_ctx * f / (2 * PI); /* old / wavelength */
    if (turns > p->high_freq_factor) return f;
    double t = (turns - p->low_freq_factor) / (p->high_freq_factor - p->low_freq_factor);
    if (t < 0) t = 0;
    return (1 - t) * f / p->factor + t * f;
}

void sh_rope_llama3_divisors(const sh_rope_params *p, uint32_t n_rot, float *out)
{
    for (uint32_t j = 0; j < n_rot / 2; j++) {
        double f = sh_pow(p->theta, -2.0 * j / n_rot);
        out[j] = (float)(f / llama3_scaled(f, p));
    }
}

static double yarn_magnitude(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * sh_log(factor) + 1;
}

double sh_rope_magnitude(const sh_rope_params *p)
{
    if (p->scaling != SH_ROPE_SCALE_YARN && p->scaling != SH_ROPE_SCALE_LONGROPE) return 1;
    if (p->attention_factor >= 0) return p->attention_factor;
    if (p->scaling == SH_ROPE_SCALE_LONGROPE)
        return p->factor <= 1 ? 1 : sqrt(1 + sh_log(p->factor) / sh_log(p->original_ctx));
    if (p->mscale > 0 && p->mscale_all_dim > 0)
        return yarn_magnitude(p->factor, p->mscale) / yarn_magnitude(p->factor, p->mscale_all_dim);
    return p->gguf_attn_factor * yarn_magnitude(p->factor, 1);
}

static double *divided(sh_arena *arena, const double *f, const float *by, uint32_t n)
{
    double *out = sh_arena_alloc(arena, n, sizeof *out);
    for (uint32_t j = 0; out && j < n; j++) out[j] = f[j] / by[j];
    return out;
}

/* sincos takes angles below 2^30, and positions stay below 2^28: hostile files must not get past that. */
static int check_range(const sh_rope *r, sh_err *err)
{
    for (uint32_t j = 0; j < r->n_pairs; j++) {
        double f = r->freq[j], g = r->freq_long ? r->freq_long[j] : 0;
        if (!(f >= 0 && f <= 4 && g >= 0 && g <= 4))
            return sh_fail(err, SH_E_CORRUPT, "rotary frequency %u is %g (expected 0 to 4)", j,
                           f >= 0 && f <= 4 ? g : f);
    }
    if (!(r->magnitude >= 0 && r->magnitude <= 1e6))
        return sh_fail(err, SH_E_CORRUPT, "rotary scaling: factor %g of cosine and sine (expected 0 to 1e6)",
                       r->magnitude);
    return SH_OK;
}

int sh_rope_init(sh_rope *r, const sh_rope_params *p, uint32_t n_rot, sh_arena *arena, sh_err *err)
{
    uint32_t n = n_rot / 2;
    double *f = sh_arena_alloc(arena, n, sizeof *f);
    *r = (sh_rope){.n_pairs = n, .magnitude = sh_rope_magnitude(p), .freq = f};
    if (!f) return sh_fail_nomem(err, n * sizeof *f);
    for (uint32_t j = 0; j < n; j++) f[j] = sh_pow(p->theta, -2.0 * j / n_rot);
    if (p->scaling == SH_ROPE_SCALE_LINEAR)
        for (uint32_t j = 0; j < n; j++) f[j] /= p->factor;
    if (p->scaling == SH_ROPE_SCALE_YARN) scale_yarn(f, p, n_rot);
    if (p->scaling == SH_ROPE_SCALE_LLAMA3)
        for (uint32_t j = 0; j < n; j++) f[j] = llama3_scaled(f[j], p);
    if (p->freq_divisor)
        for (uint32_t j = 0; j < n; j++) f[j] /= p->freq_divisor[j];
    if (p->scaling != SH_ROPE_SCALE_LONGROPE || !n) return check_range(r, err);
    r->original_ctx = p->original_ctx;
    r->freq_long = divided(arena, f, p->long_factor, n);
    r->freq = divided(arena, f, p->short_factor, n);
    return r->freq && r->freq_long ? check_range(r, err) : sh_fail_nomem(err, n * sizeof *f);
}

void sh_rope_at(const sh_rope *r, uint32_t pos, bool use_long, float *cos_out, float *sin_out)
{
    const double *freq = use_long && r->freq_long ? r->freq_long : r->freq;
    for (uint32_t j = 0; j < r->n_pairs; j++) {
        double s, c;
        sh_sincos(pos * freq[j], &s, &c);
        cos_out[j] = (float)(c * r->magnitude);
        sin_out[j] = (float)(s * r->magnitude);
    }
}
