/* mel_bank.c - Slaney's mel filters (Auditory Toolbox, 1998), as published speech models were trained with
 * them.
 *
 * mel(f) = 3 f / 200 below 1000 Hz, 15 + 27 ln(f / 1000) / ln 6.4 above. n_mels + 2 points equally spaced in
 * mel from 0 to 8000 Hz; filter m is the triangle over points m, m + 1, m + 2, of area 1: its height is 2 /
 * (right - left). */
#include "media/mel_internal.h"

#include "base/mem.h"
#include "tensor/exactmath.h"

static const double knee_hz = 1000, knee_mel = 15, max_hz = 8000;

static double mel_of_hz(double hz)
{
    return hz < knee_hz ? hz * 3 / 200 : knee_mel + 27 * sh_log(hz / knee_hz) / sh_log(6.4);
}

static double hz_of_mel(double mel)
{
    return mel < knee_mel ? mel * 200 / 3 : knee_hz * sh_exp((mel - knee_mel) * sh_log(6.4) / 27);
}

static double point_hz(uint32_t i, uint32_t n_mels)
{
    return hz_of_mel(mel_of_hz(max_hz) * i / (n_mels + 1));
}

/* The height of a triangle at hz, 0 outside. */
static double height(double hz, const double corner[3])
{
    double rise = (hz - corner[0]) / (corner[1] - corner[0]),
           fall = (corner[2] - hz) / (corner[2] - corner[1]);
    double least = rise < fall ? rise : fall;
    return least > 0 ? least * 2 / (corner[2] - corner[0]) : 0;
}

int sh_mel_bank_init(sh_mel_bank *b, const sh_mel_recipe *r, sh_err *err)
{
    const uint32_t n_bins = r->n_fft / 2 + 1, n_mels = r->n_mels;
    size_t n_weights = 0;
    *b = (sh_mel_bank){.n_mels = n_mels};
    /* A bin lies in two triangles at most: each half of a triangle is the other half of its neighbour. */
    b->first = sh_new_array(2 * (size_t)n_mels, sizeof *b->first, err);
    b->weights = b->first ? sh_new_array(2 * (size_t)n_bins, sizeof *b->weights, err) : NULL;
    if (!b->weights) return SH_E_NOMEM;
    b->count = b->first + n_mels;
    for (uint32_t m = 0; m < n_mels; m++) {
        const double corner[3] = {point_hz(m, n_mels), point_hz(m + 1, n_mels), point_hz(m + 2, n_mels)};
        for (uint32_t k = 0; k < n_bins; k++) {
            double h = height((double)k * r->rate / r->n_fft, corner);
            if (h == 0) continue;
            if (!b->count[m]) b->first[m] = k;
            b->count[m]++;
            b->weights[n_weights++] = (float)h;
        }
    }
    return SH_OK;
}

void sh_mel_bank_clear(sh_mel_bank *b)
{
    sh_free(b->first);
    sh_free(b->weights);
    *b = (sh_mel_bank){0};
}

int sh_mel_filters(const sh_mel_recipe *r, float *out, sh_err *err)
{
    sh_mel_bank b;
    int rc = sh_mel_bank_init(&b, r, err);
    if (rc == SH_OK) {
        const float *w = b.weights;
        for (size_t i = 0; i < (r->n_fft / 2 + 1) * (size_t)r->n_mels; i++) out[i] = 0;
        for (size_t m = 0; m < r->n_mels; m++)
            for (size_t k = 0; k < b.count[m]; k++) out[(b.first[m] + k) * r->n_mels + m] = *w++;
    }
    sh_mel_bank_clear(&b);
    return rc;
}
