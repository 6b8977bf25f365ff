/* mel_fft.c - power spectra of real frames, four at a time.
 *
 * A real DFT of n points is a complex one of n / 2: even samples as real, odd ones as imaginary parts, and
 * one pass that takes the two apart. The complex one is Stockham's autosorting transform of mixed radix (400:
 * 200 = 5 * 5 * 4 * 2): a stage reads one buffer and writes the other, so there is no bit reversal. Stage
 * with radix r, m = points left / r and stride s (r m s = n / 2), w = exp(-2 pi i / (r m)):
 *
 *   dst[q + s (r p + k)] = w^(p k) sum over j of src[q + s (p + m j)] exp(-2 pi i j k / r)      p < m, q < s,
 * k < r */
#include "media/mel_internal.h"

#include "base/mem.h"
#include "tensor/exactmath.h"

typedef sh_mel_lanes lanes;
typedef sh_mel_complex complex;

static const double two_pi = 0x1.921fb54442d18p+2;

typedef struct stage {
    const sh_mel_fft *fft;
    uint32_t radix, m, stride;
} stage;

static inline complex plus(complex a, complex b)
{
    return (complex){a.re + b.re, a.im + b.im};
}

static inline complex minus(complex a, complex b)
{
    return (complex){a.re - b.re, a.im - b.im};
}

/* a - i b */
static inline complex minus_i(complex a, complex b)
{
    return (complex){a.re + b.im, a.im - b.re};
}

/* a + i b */
static inline complex plus_i(complex a, complex b)
{
    return (complex){a.re - b.im, a.im + b.re};
}

/* x exp(-2 pi i k / n), 0 <= k < n */
static inline complex turned(complex x, const sh_mel_fft *f, uint32_t k)
{
    float c = f->cos[k], s = f->sin[k];
    return (complex){x.re * c + x.im * s, x.im * c - x.re * s};
}

/* The k-th twiddle of a stage at p: exp(-2 pi i p k / (r m)). */
static inline complex twiddled(complex x, const stage *st, uint32_t p, uint32_t k)
{
    return p ? turned(x, st->fft, 2 * st->stride * p * k) : x;
}

static void stage_2(const stage *st, const complex *src, complex *dst)
{
    for (uint32_t p = 0; p < st->m; p++) {
        for (uint32_t q = 0; q < st->stride; q++) {
            complex a = src[q + st->stride * p], b = src[q + st->stride * (p + st->m)];
            complex *y = dst + q + st->stride * 2 * p;
            y[0] = plus(a, b);
            y[st->stride] = twiddled(minus(a, b), st, p, 1);
        }
    }
}

static void stage_4(const stage *st, const complex *src, complex *dst)
{
    const size_t s = st->stride, step = s * st->m;
    for (uint32_t p = 0; p < st->m; p++) {
        for (uint32_t q = 0; q < st->stride; q++) {
            const complex *x = src + q + s * p;
            complex *y = dst + q + s * 4 * p;
            complex a = plus(x[0], x[2 * step]), b = minus(x[0], x[2 * step]);
            complex c = plus(x[step], x[3 * step]), d = minus(x[step], x[3 * step]);
            y[0] = plus(a, c);
            y[s] = twiddled(minus_i(b, d), st, p, 1);
            y[2 * s] = twiddled(minus(a, c), st, p, 2);
            y[3 * s] = twiddled(plus_i(b, d), st, p, 3);
        }
    }
}

static void stage_5(const stage *st, const complex *src, complex *dst)
{
    const float c1 = 0x1.3c6ef4p-2f, c2 = -0x1.9e377ap-1f, s1 = 0x1.e6f0e2p-1f,
                s2 = 0x1.2cf23p-1f; /* of 2 pi k / 5 */
    const size_t s = st->stride, step = s * st->m;
    for (uint32_t p = 0; p < st->m; p++) {
        for (uint32_t q = 0; q < st->stride; q++) {
            const complex *x = src + q + s * p;
            complex *y = dst + q + s * 5 * p, x0 = x[0];
            complex t1 = plus(x[step], x[4 * step]), t2 = plus(x[2 * step], x[3 * step]);
            complex t3 = minus(x[step], x[4 * step]), t4 = minus(x[2 * step], x[3 * step]);
            complex m1 = {x0.re + c1 * t1.re + c2 * t2.re, x0.im + c1 * t1.im + c2 * t2.im};
            complex m2 = {x0.re + c2 * t1.re + c1 * t2.re, x0.im + c2 * t1.im + c1 * t2.im};
            complex n1 = {s1 * t3.re + s2 * t4.re, s1 * t3.im + s2 * t4.im};
            complex n2 = {s2 * t3.re - s1 * t4.re, s2 * t3.im - s1 * t4.im};
            y[0] = plus(x0, plus(t1, t2));
            y[s] = twiddled(minus_i(m1, n1), st, p, 1);
            y[2 * s] = twiddled(minus_i(m2, n2), st, p, 2);
            y[3 * s] = twiddled(plus_i(m2, n2), st, p, 3);
            y[4 * s] = twiddled(plus_i(m1, n1), st, p, 4);
        }
    }
}

/* Any radix, by the sum itself. */
static void stage_any(const stage *st, const complex *src, complex *dst)
{
    const size_t s = st->stride, step = s * st->m;
    const uint32_t r = st->radix, n = st->fft->n;
    for (uint32_t p = 0; p < st->m; p++) {
        for (uint32_t q = 0; q < st->stride; q++) {
            const complex *x = src + q + s * p;
            for (uint32_t k = 0; k < r; k++) {
                complex sum = x[0];
                for (uint32_t j = 1; j < r; j++)
                    sum = plus(sum, turned(x[j * step], st->fft, j * k % r * (n / r)));
                dst[q + s * (r * p + k)] = twiddled(sum, st, p, k);
            }
        }
    }
}

/* The transform of a, in a or b: returns which. */
static const complex *transform(const sh_mel_fft *f, complex *a, complex *b)
{
    stage st = {.fft = f, .m = f->n / 2, .stride = 1};
    for (uint32_t i = 0; i < f->n_stages; i++) {
        st.radix = f->factors[i];
        st.m /= st.radix;
        switch (st.radix) {
        case 2:
            stage_2(&st, a, b);
            break;
        case 4:
            stage_4(&st, a, b);
            break;
        case 5:
            stage_5(&st, a, b);
            break;
        default:
            stage_any(&st, a, b);
        }
        st.stride *= st.radix;
        complex *t = a;
        a = b, b = t;
    }
    return a;
}

void sh_mel_fft_power(const sh_mel_fft *f, const float *x, size_t hop, lanes *power, complex *a, complex *b)
{
    const uint32_t half = f->n / 2;
    const float *x1 = x + hop, *x2 = x1 + hop, *x3 = x2 + hop;
    for (uint32_t i = 0; i < half; i++) {
        uint32_t even = 2 * i, odd = even + 1;
        a[i].re = (lanes){x[even], x1[even], x2[even], x3[even]} * f->window[even];
        a[i].im = (lanes){x[odd], x1[odd], x2[odd], x3[odd]} * f->window[odd];
    }
    const complex *z = transform(f, a, b);
    /* The even samples have the spectrum e, the odd ones o, of conjugate halves; the whole has e + o exp(-2
     * pi i k / n). */
    for (uint32_t k = 0; k <= half; k++) {
        complex p = z[k < half ? k : 0], q = z[k ? half - k : 0];
        complex e = {(p.re + q.re) * 0.5f, (p.im - q.im) * 0.5f};
        complex o = {(p.im + q.im) * 0.5f, (q.re - p.re) * 0.5f};
        complex y = plus(e, turned(o, f, k));
        power[k] = y.re * y.re + y.im * y.im;
    }
}

/* n / 2 as a product: fives, fours, then what is left in rising order. */
static int factor(sh_mel_fft *f, sh_err *err)
{
    uint32_t rest = f->n / 2;
    f->n_stages = 0;
    while (rest % 5 == 0) f->factors[f->n_stages++] = 5, rest /= 5;
    while (rest % 4 == 0) f->factors[f->n_stages++] = 4, rest /= 4;
    for (uint32_t d = 2; d <= SH_FFT_MAX_FACTOR; d++)
        while (rest % d == 0) f->factors[f->n_stages++] = d, rest /= d;
    return rest == 1 ? SH_OK
                     : sh_fail(err, SH_E_UNSUPPORTED, "n_fft %u has a prime factor above %d; 400 is usual",
                               f->n, SH_FFT_MAX_FACTOR);
}

void sh_mel_window(float *out, uint32_t n_fft)
{
    for (uint32_t k = 0; k < n_fft; k++) {
        double s, c;
        sh_sincos(two_pi * k / n_fft, &s, &c);
        out[k] = (float)(0.5 - 0.5 * c);
    }
}

int sh_mel_fft_init(sh_mel_fft *f, uint32_t n, sh_err *err)
{
    *f = (sh_mel_fft){.n = n};
    if (n < 2 || n > SH_FFT_MAX_POINTS || n % 2)
        return sh_fail(err, SH_E_UNSUPPORTED, "n_fft %u; expected an even number up to %d", n,
                       SH_FFT_MAX_POINTS);
    int rc = factor(f, err);
    if (rc < 0) return rc;
    if (!(f->window = sh_new_array(3 * (size_t)n, sizeof *f->window, err))) return SH_E_NOMEM;
    f->cos = f->window + n;
    f->sin = f->cos + n;
    for (uint32_t k = 0; k < n; k++) {
        double s, c;
        sh_sincos(two_pi * k / n, &s, &c);
        f->cos[k] = (float)c;
        f->sin[k] = (float)s;
    }
    sh_mel_window(f->window, n);
    return SH_OK;
}

void sh_mel_fft_clear(sh_mel_fft *f)
{
    sh_free(f->window);
    *f = (sh_mel_fft){0};
}
