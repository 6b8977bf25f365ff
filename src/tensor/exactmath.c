/* exactmath.c - the float functions; the vector versions in kernels/lanes_math.h take the very same steps.
 *
 * exp(x) = 2^n (1 + q), n = x log2(e) rounded to even, q = exp(x - n ln 2) - 1. n is read from the low mantissa bits of
 * x log2(e) + 1.5 * 2^52 and added to the exponent field, which needs no conversion and is the same in every lane. */
#include "tensor/exactmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tensor/exactmath_internal.h"

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static double polynomial(const double *c, int n, double x)
{
    double p = c[0];
    for (int i = 1; i < n; i++) p = p * x + c[i];
    return p;
}

/* NaN passes both comparisons and stays. */
static double clamp(double x, double limit) { return x > limit ? limit : x < -limit ? -limit : x; }

/* exp(x) - 1 = (2^n - 1) + 2^n q; returns q and 2^n's exponent as it is added to a double's bits. */
static double exp_parts(double x, uint64_t *exponent)
{
    double t = x * SH_EXACT_LOG2E + SH_EXACT_ROUNDER;
    double r = x - (t - SH_EXACT_ROUNDER) * SH_EXACT_LN2;
    *exponent = bits_of(t) << 52;
    return r * polynomial(sh_exact_exp, SH_EXACT_EXP_TERMS, r);
}

static double exp_short(double x)
{
    uint64_t exponent;
    double q = exp_parts(clamp(x, SH_EXACT_EXP_LIMIT), &exponent);
    return from_bits(bits_of(1 + q) + exponent);
}

static double tanh_short(double x)
{
    uint64_t exponent;
    double twice = fabs(x) + fabs(x);
    double q = exp_parts(twice > SH_EXACT_TANH_LIMIT ? SH_EXACT_TANH_LIMIT : twice, &exponent);
    double power = from_bits(bits_of(1.0) + exponent), e = (power - 1) + power * q;
    return copysign(e / (e + 2), x);
}

/* erfc of x >= 1. */
static double erfc_tail(double x)
{
    double t = 1 / (1 + 0.5 * x);
    return exp_short(-(x * x)) * (t * polynomial(sh_exact_erfc, SH_EXACT_ERFC_TERMS, t));
}

/* erf of 0 <= x < 1. */
static double erf_small(double x) { return x * polynomial(sh_exact_erf, SH_EXACT_ERF_TERMS, x * x); }

static double erf_short(double x)
{
    double a = fabs(x);
    return copysign(a < 1 ? erf_small(a) : 1 - erfc_tail(a), x);
}

/* 1 + erf(x), accurate in the left tail too. */
static double erf_plus_1(double x)
{
    double a = fabs(x);
    if (a < 1) return 1 + copysign(erf_small(a), x);
    return x < 0 ? erfc_tail(a) : 2 - erfc_tail(a);
}

static double gate_input(float x) { return x < -SH_EXACT_GATE_LIMIT ? -SH_EXACT_GATE_LIMIT : (double)x; }

float sh_expf(float x) { return (float)exp_short(x); }
float sh_tanhf(float x) { return (float)tanh_short(x); }
float sh_erff(float x) { return (float)erf_short(x); }
float sh_sigmoidf(float x) { return (float)(1 / (1 + exp_short(-(double)x))); }

float sh_siluf(float x)
{
    double v = gate_input(x);
    return (float)(v / (1 + exp_short(-v)));
}

float sh_gelu_quickf(float x)
{
    double v = gate_input(x);
    return (float)(v / (1 + exp_short(-(SH_EXACT_GELU_QUICK * v))));
}

float sh_gelu_erff(float x)
{
    double v = gate_input(x);
    return (float)((0.5 * v) * erf_plus_1(v * SH_EXACT_SQRT_HALF));
}

/* 0.5 x (1 + tanh u) = x / (1 + exp(-2u)), which keeps its relative accuracy for negative x. */
float sh_gelu_tanhf(float x)
{
    double v = gate_input(x), u = SH_EXACT_SQRT_2_PI * (v + SH_EXACT_GELU_CUBE * ((v * v) * v));
    return (float)(v / (1 + exp_short(-2 * u)));
}
