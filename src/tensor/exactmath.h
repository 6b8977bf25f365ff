/* exactmath.h - exp, log, sin, cos, tanh, erf, pow of our own: only IEEE +, -, *, /, sqrt and integer steps
 * in a fixed order, so that every machine gives the same bits. The C library's versions differ between
 * machines and releases. Accuracy: float functions within 0.53 ulp, double ones within 2 ulp on the ranges
 * stated. NaN in gives NaN out. */
#ifndef SH_TENSOR_EXACTMATH_H
#define SH_TENSOR_EXACTMATH_H

float sh_expf(float x); /* 0 below -103.97, +inf above 88.72 */
float sh_tanhf(float x);
float sh_erff(float x);
float sh_sigmoidf(float x); /* 1 / (1 + exp(-x)) */
float sh_siluf(float x);    /* x * sigmoid(x) */
float sh_gelu_erff(float x);
float sh_gelu_quickf(float x); /* x * sigmoid(1.702 x) */
float sh_gelu_tanhf(float x);
double sh_exp(double x);
double sh_log(double x); /* x > 0; 0 gives -inf, below NaN */
double sh_pow(double x,
              double y); /* x > 0, else NaN: exp(y log x) with guard bits for 2 ulp at |y log x| < 100 */
void sh_sincos(double x, double *sin_out,
               double *cos_out); /* |x| < 2^30, else NaN; Cody-Waite reduction in three parts */

#endif
