/* rope.h - rotary tables: the cosine and sine of every pair of a head at a position.
 *
 * f_j = theta^(-2j/d), j = 0 .. d/2 - 1, then by kind of scaling (d = n_rot):
 *   linear    f / factor
 *   llama3    by wavelength w = 2 pi / f against old = original_ctx: f where w < old/high; f/factor where w >
 * old/low; between them (1-t) f/factor + t f with t = (old/w - low) / (high - low)          (Llama 3.1's
 * report) yarn      f/factor ramp + f (1 - ramp), ramp_j = clamp((j - lo)/(hi - lo), 0, 1), lo and hi the
 * pairs that turn beta_fast and beta_slow times within old; cos and sin times attention_factor      (Peng et
 * al. 2023, arXiv:2309.00071) longrope  f / long_j or short_j, cos and sin times attention_factor (Ding et
 * al. 2024, arXiv:2402.13753) All in double with the functions of exactmath.h, rounded to float once: the
 * same bits on every machine. */
#ifndef SH_MODEL_ROPE_H
#define SH_MODEL_ROPE_H

#include "base/arena.h"
#include "model/hparams.h"

typedef struct sh_rope {
    uint32_t n_pairs;
    double magnitude;  /* factor of cos and sin */
    const double *freq;      /* [n_pairs] */
    const double *freq_long; /* longrope: past original_ctx; else NULL */
    uint32_t original_ctx;   /* longrope: where freq_long takes over; else 0 */
} sh_rope;

/* n_rot 0 gives an empty table. The arrays belong to the arena. SH_E_CORRUPT when a frequency is no number of
 * turns that a model can mean. Positions are below SH_MAX_POSITIONS. */
enum { SH_MAX_POSITIONS = 1 << 28 };
int sh_rope_init(sh_rope *r, const sh_rope_params *p, uint32_t n_rot, sh_arena *arena, sh_err *err);
/* The factor of cos and sin that p means, 1 without scaling. */
double sh_rope_magnitude(const sh_rope_params *p);
/* What llama3 scaling divides each frequency by, [n_rot / 2]: GGUF stores this as rope_freqs. */
void sh_rope_llama3_divisors(const sh_rope_params *p, uint32_t n_rot, float *out);
/* cos_out, sin_out [n_pairs] */
void sh_rope_at(const sh_rope *r, uint32_t pos, bool use_long, float *cos_out, float *sin_out);

#endif
