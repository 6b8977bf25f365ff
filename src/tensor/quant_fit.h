/* quant_fit.h - the searches of the K-quant and IQ4 writers, sixteen sub-blocks at a time.
 *
 * Data is transposed: element i of sub-block (lane) l is x[i][l]. Lanes never mix, each sum runs over i in
 * ascending order, and no product is contracted, so a lane's result is one fixed sequence of IEEE operations:
 * the tables below give the same bits whatever the width of the vectors they were compiled for.
 *
 * Callers scale a block so that its largest magnitude lies in [1, 2) and give weights that are finite, not
 * negative and not all zero in a lane; then nothing here overflows. Nothing is allocated; pure functions, any
 * thread. */
#ifndef SH_TENSOR_QUANT_FIT_H
#define SH_TENSOR_QUANT_FIT_H

#include <stdbool.h>
#include <stdint.h>

enum { SH_QUANT_LANES = 16, SH_QUANT_MAX_N = 32 };

/* One sub-block group; 64-byte aligned so that rows load as whole vectors. */
typedef struct sh_quant_lanes {
    _Alignas(64) float x[SH_QUANT_MAX_N][SH_QUANT_LANES];
    _Alignas(64) float w[SH_QUANT_MAX_N][SH_QUANT_LANES];
    int n; /* elements of a sub-block: 16 or 32 */
} sh_quant_lanes;

/* A family of trial inverse scales: (n_codes + first + step * i) / range, i = 0 .. count - 1 (count even). */
typedef struct sh_quant_trials {
    float first, step;
    int count;
} sh_quant_trials;

/* Sixteen inverse units tried at once for n targets: codes c = round(target * inv) within lo .. hi. */
typedef struct sh_quant_units {
    _Alignas(64) float inv[SH_QUANT_LANES];
    _Alignas(64) float unit[SH_QUANT_LANES]; /* the least-squares unit for those codes; 0 when all are 0 */
    _Alignas(64) float gain[SH_QUANT_LANES]; /* how much of sum cost target^2 it explains */
} sh_quant_units;

/* Sums over a lane for the codes q that some scale and minimum choose. */
typedef struct sh_quant_sums {
    _Alignas(64) float w[SH_QUANT_LANES];     /* w */
    _Alignas(64) float x[SH_QUANT_LANES];     /* w x */
    _Alignas(64) float q[SH_QUANT_LANES];     /* w q */
    _Alignas(64) float qq[SH_QUANT_LANES];    /* w q^2 */
    _Alignas(64) float xq[SH_QUANT_LANES];    /* w x q */
    _Alignas(64) float error[SH_QUANT_LANES]; /* w (x - scale q - min)^2 */
} sh_quant_sums;

typedef struct sh_quant_fit {
    const char *name;
    /* x ~ scale * q + min with q in 0 .. max_code: minimise sum w (x - scale q - min)^2 over the trials, the
     * pair (scale, min) being the least-squares solution for each trial's codes, then polish by two rounds of
     * choosing the codes again. clamp_min keeps min <= 0. */
    void (*range)(const sh_quant_lanes *in, float max_code, sh_quant_trials trials, bool clamp_min,
                  float *scale, float *min);
    /* x ~ scale * q with q in -half .. half - 1, the largest magnitude tried at code -half and near it. */
    void (*symmetric)(const sh_quant_lanes *in, float half, sh_quant_trials trials, float *scale);
    /* x ~ scale * level, the 16 levels of IQ4. */
    void (*levels)(const sh_quant_lanes *in, sh_quant_trials trials, float *scale);
    /* The sums for the codes that code_linear and code_levels would choose (a level counts as its value). */
    void (*measure_linear)(const sh_quant_lanes *in, const float *scale, const float *min, float lo, float hi,
                           sh_quant_sums *out);
    void (*measure_levels)(const sh_quant_lanes *in, const float *scale, sh_quant_sums *out);
    /* Fills t->unit and t->gain from t->inv, which becomes 1 / unit: a second call chooses codes again. */
    void (*units)(sh_quant_units *t, const float *target, const float *cost, int n, float lo, float hi);
    /* The nearest codes: round((x - min) / scale) clamped to lo .. hi; a scale of 0 gives the code nearest to
     * 0. */
    void (*code_linear)(const sh_quant_lanes *in, const float *scale, const float *min, float lo, float hi,
                        int8_t (*codes)[SH_QUANT_LANES]);
    /* The index of the nearest level to x / scale. */
    void (*code_levels)(const sh_quant_lanes *in, const float *scale, int8_t (*codes)[SH_QUANT_LANES]);
} sh_quant_fit;

extern const sh_quant_fit sh_quant_fit_base;   /* whatever the compiler's baseline has */
extern const sh_quant_fit sh_quant_fit_avx2;   /* only where sh_cpu()->avx2 */
extern const sh_quant_fit sh_quant_fit_avx512; /* only where sh_cpu()->avx512 */

const sh_quant_fit *sh_quant_fit_get(void); /* the fastest for this machine */

#endif
