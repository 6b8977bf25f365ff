/* exactmath_double.c - exp, log, pow, sin and cos of doubles, for tables made once (rope, YaRN, schedules).
 *
 * Series are the Taylor ones, long enough for double; where one double is too short a value is a pair hi + lo
 * (Dekker 1971: sums and products of doubles with their exact rounding errors, no FMA needed). The reductions and the
 * arrangement of log, sin and cos follow what fdlibm (Sun, 1993) published. */
#include "tensor/exactmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct pair {
    double hi, lo;
} pair;

static pair two_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (pair){s, (a - (s - t)) + (b - t)};
}

static pair two_product(double a, double b)
{
    double split = 134217729.0 * a, ah = split - (split - a), al = a - ah;
    split = 134217729.0 * b;
    double bh = split - (split - b), bl = b - bh, p = a * b;
    return (pair){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static const double ln2_hi = 0x1.62e42feep-1, ln2_lo = 0x1.a39ef35793c76p-33; /* hi has 21 trailing zero bits */

/* 2^n for -1022 <= n <= 1023 */
static double power_of_2(int n)
{
    uint64_t u = (uint64_t)(n + 1023) << 52;
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

double sh_exp(double x)
{
    if (x != x) return x;
    if (x > 709.8) return INFINITY;
    if (x < -745.2) return 0;
    int n = (int)rint(x * 0x1.71547652b82fep+0);
    double r = (x - n * ln2_hi) - n * ln2_lo, p = 0;
    static const double c[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                               1.0 / 40320,      1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,
                               1.0 / 6,          1.0 / 2};
    for (int i = 0; i < 12; i++) p = p * r + c[i];
    double e = 1 + (r + (r * r) * p);
    return e * power_of_2(n / 2) * power_of_2(n - n / 2); /* two steps: 2^1024 and 2^-1075 are no doubles */
}

/* x = 2^k m with sqrt(1/2) <= m < sqrt(2), x > 0 and finite. */
static double split_exponent(double x, int *k)
{
    double m = frexp(x, k);
    if (m < 0x1.6a09e667f3bcdp-1) m += m, --*k;
    return m;
}

double sh_log(double x)
{
    if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
    if (x > 0x1.fffffffffffffp1023) return x;
    int k;
    double f = split_exponent(x, &k) - 1, s = f / (2 + f), z = s * s, p = 0;
    for (int i = 23; i >= 3; i -= 2) p = p * z + 2.0 / i;
    double half_square = 0.5 * f * f;
    return k * ln2_hi - ((half_square - (s * (half_square + z * p) + k * ln2_lo)) - f);
}

/* log(x) to about 2^-63 relative: k ln 2 + 2 (s + s^3/3 + s^5/5 + ...), the first two terms as pairs. */
static pair log_pair(double x)
{
    int k;
    double m = split_exponent(x, &k), f = m - 1;
    pair den = two_sum(m, 1);
    double sh = f / den.hi;
    pair back = two_product(sh, den.hi);
    double sl = (((f - back.hi) - back.lo) - sh * den.lo) / den.hi;
    pair z = two_product(sh, sh);
    z.lo += 2 * sh * sl;
    double p = 0;
    for (int i = 27; i >= 5; i -= 2) p = p * z.hi + 1.0 / i;
    pair c = two_sum(0x1.5555555555555p-2, z.hi * p);
    c.lo += 0x1.5555555555555p-56 + z.lo * p;
    pair w = two_product(z.hi, c.hi);
    w.lo += z.hi * c.lo + z.lo * c.hi;
    pair sw = two_product(sh, w.hi);
    pair sum = two_sum(sh, sw.hi);
    sum.lo += sl + (sw.lo + (sh * w.lo + sl * w.hi));
    pair out = two_sum(k * ln2_hi, 2 * sum.hi);
    return two_sum(out.hi, out.lo + (2 * sum.lo + k * ln2_lo));
}

double sh_pow(double x, double y)
{
    if (!(x > 0) || x > 0x1.fffffffffffffp1023 || y != y) return NAN;
    pair l = log_pair(x), p = two_product(y, l.hi);
    double e = sh_exp(p.hi), rest = p.lo + y * l.lo;
    return e > 0x1.fffffffffffffp1023 || e == 0 ? e : e + e * rest;
}

/* sin and cos of x + y, |x| <= pi/4, y below half an ulp of x. */
static double sin_small(double x, double y)
{
    static const double c[] = {1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                               1.0 / 362880,          -1.0 / 5040,          1.0 / 120};
    double z = x * x, v = z * x, r = 0;
    for (int i = 0; i < 7; i++) r = r * z + c[i];
    return x - ((z * (0.5 * y - v * r) - y) + v * (1.0 / 6));
}

static double cos_small(double x, double y)
{
    static const double c[] = {1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800,
                               1.0 / 40320,          -1.0 / 720,         1.0 / 24};
    double z = x * x, r = 0;
    for (int i = 0; i < 7; i++) r = r * z + c[i];
    double half = 0.5 * z, w = 1 - half;
    return w + (((1 - w) - half) + (z * (z * r) - x * y));
}

/* pi/2 in three parts of 53 bits. */
static const double pio2_1 = 0x1.921fb54442d18p+0, pio2_2 = 0x1.1a62633145c07p-54, pio2_3 = -0x1.f1976b7ed8fbcp-110;

void sh_sincos(double x, double *sin_out, double *cos_out)
{
    if (!(fabs(x) < 0x1p30)) {
        *sin_out = *cos_out = NAN;
        return;
    }
    double n = rint(x * 0x1.45f306dc9c883p-1); /* 2 / pi */
    pair p1 = two_product(n, pio2_1), p2 = two_product(n, pio2_2);
    pair a = two_sum(x - p1.hi, -p1.lo), b = two_sum(a.hi, -p2.hi);
    pair r = two_sum(b.hi, a.lo + (b.lo - (p2.lo + n * pio2_3)));
    double s = sin_small(r.hi, r.lo), c = cos_small(r.hi, r.lo);
    switch ((int64_t)n & 3) {
    case 0: *sin_out = s, *cos_out = c; break;
    case 1: *sin_out = c, *cos_out = -s; break;
    case 2: *sin_out = -s, *cos_out = -c; break;
    default: *sin_out = -c, *cos_out = s; break;
    }
}
