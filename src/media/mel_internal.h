/* mel_internal.h - the two parts of the log-mel features: the power spectra and the filters. */
#ifndef SH_MEDIA_MEL_INTERNAL_H
#define SH_MEDIA_MEL_INTERNAL_H

#include "media/mel.h"

/* Frames are worked on four at a time, one in each lane: no operation ever mixes lanes. */
enum { SH_MEL_LANES = 4 };
typedef float sh_mel_lanes __attribute__((vector_size(SH_MEL_LANES * sizeof(float))));

/* The real DFT of n points, n even. */

enum { SH_FFT_MAX_POINTS = 16384, SH_FFT_MAX_STAGES = 16, SH_FFT_MAX_FACTOR = 31 };

typedef struct sh_mel_complex {
    sh_mel_lanes re, im;
} sh_mel_complex;

typedef struct sh_mel_fft {
    uint32_t n;                                    /* 400 */
    uint32_t n_stages, factors[SH_FFT_MAX_STAGES]; /* of n / 2 */
    float *window;                                 /* [n], the owner of all three */
    float *cos, *sin;                              /* [n]: of 2 pi k / n */
} sh_mel_fft;

/* SH_E_UNSUPPORTED when n is odd, beyond SH_FFT_MAX_POINTS, or has a prime factor above SH_FFT_MAX_FACTOR.
 * clear takes a half-made one. */
int sh_mel_fft_init(sh_mel_fft *f, uint32_t n, sh_err *err);
void sh_mel_fft_clear(sh_mel_fft *f);
/* |DFT|^2 of SH_MEL_LANES frames; frame l begins at x + l * hop.
 *   power [n / 2 + 1], a, b [n / 2 each] scratch */
void sh_mel_fft_power(const sh_mel_fft *f, const float *x, size_t hop, sh_mel_lanes *power, sh_mel_complex *a,
                      sh_mel_complex *b);

/* The filters without their zeros. */

typedef struct sh_mel_bank {
    uint32_t n_mels;
    uint32_t *first, *count; /* [n_mels] bins */
    float *weights;          /* those of filter 0, of filter 1, ... */
} sh_mel_bank;

int sh_mel_bank_init(sh_mel_bank *b, const sh_mel_recipe *r, sh_err *err);
void sh_mel_bank_clear(sh_mel_bank *b);

#endif
