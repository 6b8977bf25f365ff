/* test_exactmath.c - accuracy against the C library in a wider type, special values, known bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/half.h"
#include "base/rng.h"
#include "tensor/exactmath.h"

/* FNV-like mix of many results, as first computed. */
#define SH_TEST_QUICK_BITS UINT64_C(0x0907db86ea2896fc)
#define SH_TEST_BITS UINT64_C(0x68bb8d10663ac0d7)

static double true_exp(double x) { return (double)expl(x); }
static double true_tanh(double x) { return (double)tanhl(x); }
static double true_erf(double x) { return (double)erfl(x); }
static double true_sigmoid(double x) { return (double)(1 / (1 + expl(-(long double)x))); }
static double true_silu(double x) { return (double)(x / (1 + expl(-(long double)x))); }
static double true_gelu_quick(double x) { return (double)(x / (1 + expl(-1.702L * (long double)x))); }
static double true_gelu_erf(double x) { return (double)(0.5L * x * erfcl(-x / sqrtl(2))); }
static double true_gelu_tanh(double x)
{
    long double u = sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x);
    return (double)(x / (1 + expl(-2 * u)));
}

/* |got - want| in units of the last place of want as a float. */
static double ulps(float got, double want)
{
    if (got == (float)want) return 0;
    int e;
    frexp(want, &e);
    return fabs(got - want) / ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static void check(const char *name, float (*f)(float), double (*truth)(double), double max_ulps)
{
    double worst = 0;
    float worst_at = 0;
    for (uint32_t u = 0; u < 0x7f800000u; u += 4999)
        for (uint32_t sign = 0; sign < 2; sign++) {
            float x = sh_f32_from_bits(u | sign << 31);
            double e = ulps(f(x), truth(x));
            if (!(e <= worst)) worst = e, worst_at = x;
        }
    for (int i = -120000; i <= 120000; i++) {
        float x = (float)i * 1e-3f + 1e-7f;
        double e = ulps(f(x), truth(x));
        if (!(e <= worst)) worst = e, worst_at = x;
    }
    printf("%s: worst %.3f ulp at %g\n", name, worst, (double)worst_at);
    assert_true(worst <= max_ulps);
}

static void test_float_functions(void **state)
{
    (void)state;
    check("exp", sh_expf, true_exp, 0.53);
    check("tanh", sh_tanhf, true_tanh, 0.53);
    check("erf", sh_erff, true_erf, 0.53);
    check("sigmoid", sh_sigmoidf, true_sigmoid, 0.53);
    check("silu", sh_siluf, true_silu, 0.53);
    check("gelu_quick", sh_gelu_quickf, true_gelu_quick, 0.53);
    check("gelu_erf", sh_gelu_erff, true_gelu_erf, 0.53);
    check("gelu_tanh", sh_gelu_tanhf, true_gelu_tanh, 0.53);
}

static void test_specials(void **state)
{
    (void)state;
    float (*const all[])(float) = {sh_expf,  sh_tanhf,     sh_erff,       sh_sigmoidf,
                                   sh_siluf, sh_gelu_erff, sh_gelu_tanhf, sh_gelu_quickf};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) assert_true(isnan(all[i](NAN)));
    assert_true(sh_expf(INFINITY) == INFINITY && sh_expf(-INFINITY) == 0 && sh_expf(0) == 1 && sh_expf(-0.0f) == 1);
    assert_true(sh_expf(88.8f) == INFINITY && sh_expf(-104) == 0 && sh_expf(-103.9f) == 0x1p-149f);
    assert_true(sh_tanhf(INFINITY) == 1 && sh_tanhf(-INFINITY) == -1 && signbit(sh_tanhf(-0.0f)));
    assert_true(sh_erff(INFINITY) == 1 && sh_erff(-INFINITY) == -1 && signbit(sh_erff(-0.0f)));
    for (size_t i = 4; i < 7; i++) {
        assert_true(all[i](INFINITY) == INFINITY);
        assert_true(all[i](-INFINITY) == 0 && all[i](-1e30f) == 0);
    }
}

/* The relative error in units of 2^-53. */
static double double_ulps(double got, long double want)
{
    int e;
    if ((long double)got == want) return 0;
    frexpl(want, &e);
    return (double)(fabsl((long double)got - want) / ldexpl(1, e - 53));
}

static void test_double_functions(void **state)
{
    (void)state;
    sh_rng rng = {1};
    double worst[5] = {0};
    for (int i = 0; i < 300000; i++) {
        double x = (sh_rng_unit(&rng) - 0.5) * 1400, p = exp((sh_rng_unit(&rng) - 0.5) * 60), s, c;
        double y = (sh_rng_unit(&rng) - 0.5) * 6, a = ldexp(sh_rng_unit(&rng) - 0.5, (int)(sh_rng_u64(&rng) % 31));
        double e[5] = {double_ulps(sh_exp(x), expl(x)), double_ulps(sh_log(p), logl(p)),
                       double_ulps(sh_pow(p, y), powl(p, y)), 0, 0};
        sh_sincos(a, &s, &c);
        e[3] = double_ulps(s, sinl(a)), e[4] = double_ulps(c, cosl(a));
        for (int k = 0; k < 5; k++) worst[k] = e[k] > worst[k] ? e[k] : worst[k];
    }
    printf("exp %.2f log %.2f pow %.2f sin %.2f cos %.2f ulp\n", worst[0], worst[1], worst[2], worst[3], worst[4]);
    for (int k = 0; k < 5; k++) assert_true(worst[k] <= 2);
}

static void test_double_specials(void **state)
{
    (void)state;
    double s, c;
    assert_true(sh_exp(710) == INFINITY && sh_exp(-746) == 0 && sh_exp(-745) == 0x1p-1074 && sh_exp(0) == 1);
    assert_true(isnan(sh_exp(NAN)) && isnan(sh_log(-1)) && sh_log(0) == -INFINITY && sh_log(1) == 0);
    assert_true(sh_log(INFINITY) == INFINITY && sh_log(0x1p-1074) < -744.44 && sh_log(0x1p-1074) > -744.45);
    assert_true(sh_pow(10000, 0) == 1 && sh_pow(1, 77) == 1 && sh_pow(2, 10) == 1024 && sh_pow(1e300, 2) == INFINITY);
    assert_true(sh_pow(1e-300, 2) == 0 && sh_pow(4, 0.5) == 2 && isnan(sh_pow(-1, 2)));
    sh_sincos(0, &s, &c);
    assert_true(s == 0 && c == 1);
    sh_sincos(0x1p30, &s, &c);
    assert_true(isnan(s) && isnan(c));
    sh_sincos(INFINITY, &s, &c);
    assert_true(isnan(s) && isnan(c));
}

/* The bits themselves: whatever compiler, flags or machine builds this, these may not change. */
static void test_known_bits(void **state)
{
    (void)state;
    uint64_t h = 0, quick = 0;
    float (*const all[])(float) = {sh_expf, sh_tanhf, sh_erff, sh_sigmoidf, sh_siluf, sh_gelu_erff, sh_gelu_tanhf};
    for (int i = -4000; i < 4000; i++)
        for (size_t f = 0; f < sizeof all / sizeof all[0]; f++)
            h = (h ^ sh_f32_bits(all[f]((float)i / 256))) * 0x100000001b3ull;
    for (int i = -4000; i < 4000; i++) quick = (quick ^ sh_f32_bits(sh_gelu_quickf((float)i / 256))) * 0x100000001b3ull;
    for (int i = 1; i < 4000; i++) {
        double s, c;
        sh_sincos(i * 0.37, &s, &c);
        double v[] = {s, c, sh_exp(i * 0.1 - 200), sh_log(i * 0.3), sh_pow(i, -0.77)};
        for (size_t k = 0; k < 5; k++) {
            union { double d; uint64_t u; } b = {v[k]};
            h = (h ^ b.u) * 0x100000001b3ull;
        }
    }
    printf("bits %016llx %016llx\n", (unsigned long long)h, (unsigned long long)quick);
    assert_true(h == SH_TEST_BITS && quick == SH_TEST_QUICK_BITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_functions), cmocka_unit_test(test_specials),
        cmocka_unit_test(test_double_functions), cmocka_unit_test(test_double_specials),
        cmocka_unit_test(test_known_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
