/* exactmath_internal.h - the constants that the scalar functions and their vector twins share.
 *
 * The float functions work in double and round once at the end. Their series are as long as float needs
 * (relative error below 1e-9, a fiftieth of half an ulp), so a result is the correctly rounded one in most
 * cases and never further than 0.52 ulp from the true value. Every polynomial is Horner, highest power first,
 * multiply then add. */
#ifndef SH_TENSOR_EXACTMATH_INTERNAL_H
#define SH_TENSOR_EXACTMATH_INTERNAL_H

/* Adding this to a double below 2^51 rounds it to an integer (to even) that then stands in the low mantissa
 * bits. */
#define SH_EXACT_ROUNDER 0x1.8p52
#define SH_EXACT_LOG2E 0x1.71547652b82fep+0
#define SH_EXACT_LN2 0x1.62e42fefa39efp-1
#define SH_EXACT_SQRT_HALF 0x1.6a09e667f3bcdp-1
#define SH_EXACT_SQRT_2_PI 0x1.9884533d43651p-1 /* sqrt(2 / pi) */
#define SH_EXACT_GELU_QUICK 1.702
#define SH_EXACT_GELU_CUBE 0.044715
/* Arguments of the inner exp are clamped here: the results are 0, 1 or infinite as floats long before. */
#define SH_EXACT_EXP_LIMIT 700.0
#define SH_EXACT_TANH_LIMIT 40.0
#define SH_EXACT_GATE_LIMIT 1000.0 /* x of silu and gelu from below, so that -inf gives -0 and not NaN */

/* (exp(r) - 1) / r = sum r^i / (i + 1)!, |r| <= ln2 / 2 */
enum { SH_EXACT_EXP_TERMS = 8, SH_EXACT_ERF_TERMS = 9, SH_EXACT_ERFC_TERMS = 12 };
static const double sh_exact_exp[SH_EXACT_EXP_TERMS] = {
    1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1.0,
};
/* erf(x) / x in x^2, 0 <= x <= 1: Chebyshev fit, error 8.4e-13 */
static const double sh_exact_erf[SH_EXACT_ERF_TERMS] = {
    1.0589380641075019e-6,  -1.3909340021874599e-5, 1.1956562568207330e-4,
    -8.5426379970872296e-4, 5.2237834771892481e-3,  -2.6866133235095592e-2,
    1.1283791308604581e-1,  -3.7612638889635307e-1, 1.1283791670946767,
};
/* erfc(x) exp(x^2) / t in t = 1 / (1 + x / 2), 1 <= x <= 20: Chebyshev fit, error 1.2e-11 */
static const double sh_exact_erfc[SH_EXACT_ERFC_TERMS] = {
    0.073672183193887485,  -0.27703739240954454,  0.36944988112402355,    -0.15283795972440032,
    -0.024726002690589100, -0.051423561412862906, -0.0092709911690890693, 0.085157259461989466,
    0.17608074907910666,   0.24685473788504843,   0.28209365073432506,    0.28209481701752221,
};

#endif
