/* ref_elementwise.c - norms, softmax, activations, rope: one element after another. */
#include <math.h>

#include "tensor/exactmath.h"
#include "tensor/kernels/tables.h"

void sh_ref_rms_norm(float *y, const float *x, const float *gain, size_t n, float eps, bool add_one)
{
    float lanes[16] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % 16] += x[i] * x[i];
    float s = 1 / sqrtf(sh_ref_tree(lanes) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * s;
        y[i] = !gain ? v : v * (add_one ? gain[i] + 1 : gain[i]);
    }
}

void sh_ref_layer_norm(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps)
{
    float sums[16] = {0}, squares[16] = {0};
    for (size_t i = 0; i < n; i++) sums[i % 16] += x[i];
    float mean = sh_ref_tree(sums) / (float)n;
    for (size_t i = 0; i < n; i++) {
        float d = x[i] - mean;
        squares[i % 16] += d * d;
    }
    float s = 1 / sqrtf(sh_ref_tree(squares) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * s;
        if (gain) v = v * gain[i];
        if (bias) v = v + bias[i];
        y[i] = v;
    }
}

void sh_ref_softmax(float *x, size_t n)
{
    float max = -INFINITY, lanes[16] = {0};
    for (size_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) {
        x[i] = max == -INFINITY ? 0 : sh_expf(x[i] - max);
        lanes[i % 16] += x[i];
    }
    float sum = sh_ref_tree(lanes);
    if (sum == 0) return;
    for (size_t i = 0; i < n; i++) x[i] = x[i] / sum;
}

static float activation(enum sh_activation act, float x)
{
    switch (act) {
    case SH_ACTIVATION_SILU:
        return sh_siluf(x);
    case SH_ACTIVATION_GELU_TANH:
        return sh_gelu_tanhf(x);
    case SH_ACTIVATION_GELU_ERF:
        return sh_gelu_erff(x);
    case SH_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case SH_ACTIVATION_GELU_QUICK:
        return sh_gelu_quickf(x);
    case SH_ACTIVATION_TANH:
        return sh_tanhf(x);
    }
    return x;
}

void sh_ref_activate(enum sh_activation act, float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = activation(act, gate[i]);
        gate[i] = up ? v * up[i] : v;
    }
}

void sh_ref_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i];
}

void sh_ref_scale(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = y[i] * s;
}

void sh_ref_mul_add(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = y[i] + s * x[i];
}

void sh_ref_softcap(float *y, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = cap * sh_tanhf(y[i] / cap);
}

static void rotate(float *a, float *b, float c, float s)
{
    float x = *a, y = *b;
    *a = x * c - y * s;
    *b = x * s + y * c;
}

void sh_ref_rope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, enum sh_rope_style style,
                 const float *cos_t, const float *sin_t)
{
    size_t half = n_rot / 2;
    for (size_t h = 0; h < n_heads; h++, x += head_dim)
        for (size_t j = 0; j < half; j++) {
            if (style == SH_ROPE_HALF)
                rotate(&x[j], &x[j + half], cos_t[j], sin_t[j]);
            else
                rotate(&x[2 * j], &x[2 * j + 1], cos_t[j], sin_t[j]);
        }
}
