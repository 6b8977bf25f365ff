/* quant_lanes.c - loading sub-blocks into lanes. Plain loops over sixteen lanes, which compilers vectorise;
 * every element is computed alone, and sums run in one fixed order. */
#include "tensor/quant_lanes.h"

#include <math.h>

enum { LANES = SH_QUANT_LANES };
/* Measured on Gaussian, heavy-tailed and uniform rows with importances that span a factor of 128: with a
 * floor of a sixteenth of the mean importance, and the square root of 1.5 mean squares + x^2, neither the
 * weighted nor the plain error is given away for the other. */
#define IMPORTANCE_FLOOR 0.0625f
#define ENERGY_SHARE 1.5f

/* The largest |x|, n a multiple of 16. Sixteen running maxima, so that the loop is a vector maximum. */
static float max_magnitude(const float *x, int n)
{
    float lane[LANES] = {0}, top = 0;
    for (int i = 0; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] = fabsf(x[i + l]) > lane[l] ? fabsf(x[i + l]) : lane[l];
    for (int l = 0; l < LANES; l++) top = lane[l] > top ? lane[l] : top;
    return top;
}

/* 2^-floor(log2(v)) within 2^-126 .. 2^126; 1 for zero. The two ends only meet values that read as zero or
 * are refused. */
static float power_to_unit(float v)
{
    int exponent = (int)(sh_f32_bits(v) >> 23) - 127;
    if (v == 0) return 1;
    exponent = exponent < -126 ? -126 : exponent > 126 ? 126 : exponent;
    return sh_f32_from_bits((uint32_t)(127 - exponent) << 23);
}

bool sh_quant_norm_of(sh_quant_norm *out, const float *x, int n)
{
    float amax = max_magnitude(x, n), lane[LANES] = {0}, sum = 0;
    *out = (sh_quant_norm){0};
    if (amax > 0x1p40f) return false;
    out->up = power_to_unit(amax);
    out->down = 1 / out->up;
    for (int i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float v = x[i + l] * out->up;
            lane[l] += v * v;
        }
    for (int l = 0; l < LANES; l++) sum += lane[l];
    out->mean_square = sum / (float)n;
    return true;
}

void sh_quant_load(sh_quant_lanes *in, int first, int n_sub, const float *x, const sh_quant_norm *norm)
{
    for (int s = 0; s < n_sub; s++)
        for (int i = 0; i < in->n; i++) in->x[i][first + s] = x[s * in->n + i] * norm->up;
}

/* h is the importance, scaled so that its largest is in [1, 2). */
static void weigh_by_importance(sh_quant_lanes *in, int first, int n_sub, const float *importance,
                                float energy)
{
    int n = n_sub * in->n;
    float up = power_to_unit(max_magnitude(importance, n)), sum = 0;
    for (int i = 0; i < n; i++) sum += importance[i] * up;
    float floor_weight = sum / (float)n * IMPORTANCE_FLOOR;
    for (int s = 0; s < n_sub; s++)
        for (int i = 0; i < in->n; i++) in->w[i][first + s] = importance[s * in->n + i] * up + floor_weight;
    for (int i = 0; i < in->n; i++)
        for (int l = first; l < first + n_sub; l++)
            in->w[i][l] *= sqrtf(ENERGY_SHARE * energy + in->x[i][l] * in->x[i][l]);
}

/* Weights so small that their sums could vanish count as none. */
static void level_weightless(sh_quant_lanes *in, int first, int n_sub)
{
    float most[LANES] = {0};
    for (int i = 0; i < in->n; i++)
        for (int l = first; l < first + n_sub; l++) most[l] = in->w[i][l] > most[l] ? in->w[i][l] : most[l];
    for (int l = first; l < first + n_sub; l++)
        for (int i = 0; most[l] < 0x1p-40f && i < in->n; i++) in->w[i][l] = 1;
}

void sh_quant_weigh(sh_quant_lanes *in, int first, int n_sub, const float *importance, float energy)
{
    for (int i = 0; !importance && i < in->n; i++)
        for (int l = first; l < first + n_sub; l++) in->w[i][l] = 1;
    if (!importance) return;
    weigh_by_importance(in, first, n_sub, importance, energy);
    level_weightless(in, first, n_sub);
}

void sh_quant_blank(sh_quant_lanes *in, int first)
{
    for (int i = 0; i < in->n; i++)
        for (int l = first; l < LANES; l++) in->x[i][l] = 0, in->w[i][l] = 1;
}
