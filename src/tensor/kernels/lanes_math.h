/* lanes_math.h - the float functions of exactmath.c over 16 lanes, step for step. Include a lanes_<set>.h first. */
#ifndef SH_TENSOR_KERNELS_LANES_MATH_H
#define SH_TENSOR_KERNELS_LANES_MATH_H

#include "tensor/exactmath_internal.h"

SH_INLINE vd vd_polynomial(const double *c, int n, vd x)
{
    vd p = vd_set1(c[0]);
    SH_UNROLL
    for (int i = 1; i < n; i++) p = vd_add(vd_mul(p, x), vd_set1(c[i]));
    return p;
}

SH_INLINE vd vd_negate(vd x) { return vd_mul(x, vd_set1(-1)); }

/* exp(x) - 1 = (2^n - 1) + 2^n q: returns q, and n in the low bits of *t. */
SH_INLINE vd vd_exp_parts(vd x, vd *t)
{
    *t = vd_add(vd_mul(x, vd_set1(SH_EXACT_LOG2E)), vd_set1(SH_EXACT_ROUNDER));
    vd n = vd_sub(*t, vd_set1(SH_EXACT_ROUNDER)), r = vd_sub(x, vd_mul(n, vd_set1(SH_EXACT_LN2)));
    return vd_mul(r, vd_polynomial(sh_exact_exp, SH_EXACT_EXP_TERMS, r));
}

SH_INLINE vd vd_exp(vd x)
{
    vd t, q;
    x = vd_max(vd_set1(-SH_EXACT_EXP_LIMIT), vd_min(vd_set1(SH_EXACT_EXP_LIMIT), x));
    q = vd_exp_parts(x, &t);
    return vd_add_exponent(vd_add(vd_set1(1), q), t);
}

SH_INLINE vd vd_tanh(vd x)
{
    vd a = vd_abs(x), t, q = vd_exp_parts(vd_min(vd_set1(SH_EXACT_TANH_LIMIT), vd_add(a, a)), &t);
    vd power = vd_add_exponent(vd_set1(1), t), e = vd_add(vd_sub(power, vd_set1(1)), vd_mul(power, q));
    return vd_copysign(vd_div(e, vd_add(e, vd_set1(2))), x);
}

SH_INLINE vd vd_erfc_tail(vd x)
{
    vd t = vd_div(vd_set1(1), vd_add(vd_set1(1), vd_mul(vd_set1(0.5), x)));
    return vd_mul(vd_exp(vd_negate(vd_mul(x, x))), vd_mul(t, vd_polynomial(sh_exact_erfc, SH_EXACT_ERFC_TERMS, t)));
}

SH_INLINE vd vd_erf_plus_1(vd x)
{
    vd one = vd_set1(1), a = vd_abs(x), tail = vd_erfc_tail(a);
    vd small = vd_mul(a, vd_polynomial(sh_exact_erf, SH_EXACT_ERF_TERMS, vd_mul(a, a)));
    vd large = vd_select_lt(x, vd_set1(0), tail, vd_sub(vd_set1(2), tail));
    return vd_select_lt(a, one, vd_add(one, vd_copysign(small, x)), large);
}

SH_INLINE vd vd_gate_input(vd x) { return vd_max(vd_set1(-SH_EXACT_GATE_LIMIT), x); }

SH_INLINE vd vd_silu(vd x)
{
    vd v = vd_gate_input(x);
    return vd_div(v, vd_add(vd_set1(1), vd_exp(vd_negate(v))));
}

SH_INLINE vd vd_gelu_quick(vd x)
{
    vd v = vd_gate_input(x);
    return vd_div(v, vd_add(vd_set1(1), vd_exp(vd_negate(vd_mul(vd_set1(SH_EXACT_GELU_QUICK), v)))));
}

SH_INLINE vd vd_gelu_erf(vd x)
{
    vd v = vd_gate_input(x);
    return vd_mul(vd_mul(vd_set1(0.5), v), vd_erf_plus_1(vd_mul(v, vd_set1(SH_EXACT_SQRT_HALF))));
}

SH_INLINE vd vd_gelu_tanh(vd x)
{
    vd v = vd_gate_input(x), cube = vd_mul(vd_mul(v, v), v);
    vd u = vd_mul(vd_set1(SH_EXACT_SQRT_2_PI), vd_add(v, vd_mul(vd_set1(SH_EXACT_GELU_CUBE), cube)));
    return vd_div(v, vd_add(vd_set1(1), vd_exp(vd_mul(vd_set1(-2), u))));
}

SH_INLINE vf vf_exp(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_exp(lo), vd_exp(hi));
}

SH_INLINE vf vf_tanh(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_tanh(lo), vd_tanh(hi));
}

SH_INLINE vf vf_silu(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_silu(lo), vd_silu(hi));
}

SH_INLINE vf vf_gelu_quick(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_gelu_quick(lo), vd_gelu_quick(hi));
}

SH_INLINE vf vf_gelu_erf(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_gelu_erf(lo), vd_gelu_erf(hi));
}

SH_INLINE vf vf_gelu_tanh(vf x)
{
    vd lo, hi;
    vf_to_d(x, &lo, &hi);
    return vd_to_f(vd_gelu_tanh(lo), vd_gelu_tanh(hi));
}

#endif
