/* mel.c - log-mel features of one window of sound. */
#include "media/mel.h"

#include <string.h>

#include "base/mem.h"
#include "media/mel_internal.h"
#include "tensor/exactmath.h"

enum { GRAIN = 8 };

static const float floor_power = 1e-10f, floor_log = -10, range_log = 8;

typedef struct mel_job {
    sh_mel_fft fft;
    sh_mel_bank bank;
    size_t hop, n_frames;
    float *padded; /* the window, mirrored at both ends, then zeros for frames that fill up the last group */
    size_t n_sounding;   /* all of padded behind this is 0 */
    sh_mel_lanes *power; /* [threads, n_fft / 2 + 1] */
    sh_mel_complex *z;   /* [threads, n_fft] */
    float *out;          /* [n_mels, n_frames] */
} mel_job;

/* The window with n_fft / 2 mirrored samples at both ends. */
static int pad(mel_job *job, const sh_sound *sound, size_t start, sh_err *err)
{
    const size_t half = job->fft.n / 2, n = job->n_frames * job->hop;
    size_t n_there = start < sound->n ? sound->n - start : 0;
    if (n_there > n) n_there = n;
    float *p = job->padded = sh_new_array(n + 2 * half + (SH_MEL_LANES - 1) * job->hop, sizeof *p, err);
    if (!p) return SH_E_NOMEM;
    if (n_there) memcpy(p + half, sound->samples + start, n_there * sizeof *p);
    for (size_t i = 1; i <= half; i++) p[half - i] = p[half + i];
    for (size_t i = 1; i <= half; i++) p[half + n - 1 + i] = p[half + n - 1 - i];
    job->n_sounding = n + 2 * half;
    while (job->n_sounding && p[job->n_sounding - 1] == 0) job->n_sounding--;
    return SH_OK;
}

static float log10_power(float x)
{
    return x > floor_power ? (float)(sh_log((double)x) * 0x1.bcb7b1526e50ep-2) : floor_log;
}

/* Frames of one group: SH_MEL_LANES from frame t on, or as many as are left. */
static void write_frames(const mel_job *job, size_t t, const sh_mel_lanes *power)
{
    size_t n = job->n_frames - t < SH_MEL_LANES ? job->n_frames - t : SH_MEL_LANES;
    const float *w = job->bank.weights;
    for (uint32_t m = 0; m < job->bank.n_mels; m++) {
        const sh_mel_lanes *p = power + job->bank.first[m];
        float *out = job->out + m * job->n_frames + t;
        sh_mel_lanes sum = {0};
        for (uint32_t k = 0; k < job->bank.count[m]; k++) sum += p[k] * *w++;
        for (size_t l = 0; l < n; l++) out[l] = log10_power(sum[l]);
    }
}

static void run_groups(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const mel_job *job = ud;
    const size_t n = job->fft.n;
    sh_mel_lanes *power = job->power + i_worker * (n / 2 + 1);
    sh_mel_complex *z = job->z + i_worker * n;
    size_t g = begin;
    for (; g < end && g * SH_MEL_LANES * job->hop < job->n_sounding; g++) {
        sh_mel_fft_power(&job->fft, job->padded + g * SH_MEL_LANES * job->hop, job->hop, power, z, z + n / 2);
        write_frames(job, g * SH_MEL_LANES, power);
    }
    /* A short sound in a long window is mostly this: silence, of which the floor is known. */
    size_t t_end = end * SH_MEL_LANES < job->n_frames ? end * SH_MEL_LANES : job->n_frames;
    for (uint32_t m = 0; m < job->bank.n_mels; m++)
        for (size_t t = g * SH_MEL_LANES; t < t_end; t++) job->out[m * job->n_frames + t] = floor_log;
}

/* Nothing is let fall more than range_log below the loudest value. */
static void clamp_and_scale(float *out, size_t n)
{
    float top = floor_log;
    for (size_t i = 0; i < n; i++) top = out[i] > top ? out[i] : top;
    const float least = top - range_log;
    for (size_t i = 0; i < n; i++) out[i] = ((out[i] > least ? out[i] : least) + 4) * 0.25f;
}

static int check_window(const sh_mel_recipe *r, const sh_sound *sound, size_t n_frames, sh_err *err)
{
    if (sound->rate != r->rate)
        return sh_fail(err, SH_E_INVALID, "a sound of %u samples a second; the model expects %u", sound->rate,
                       r->rate);
    size_t n_samples, n_bytes;
    if (n_frames < 1 || !sh_mul(&n_samples, n_frames, r->hop) || n_samples <= r->n_fft / 2 ||
        !sh_mul3(&n_bytes, n_frames, r->n_mels, sizeof(float)) || n_samples > SIZE_MAX / 8)
        return sh_fail(err, SH_E_RANGE, "a window of %zu frames; expected more than %u samples", n_frames,
                       r->n_fft / 2);
    return SH_OK;
}

int sh_mel_compute(const sh_mel_recipe *r, const sh_sound *sound, size_t start, size_t n_frames,
                   sh_pool *pool, float *out, sh_err *err)
{
    mel_job job = {.hop = r->hop, .n_frames = n_frames, .out = out};
    const size_t n_threads = sh_pool_threads(pool), n_groups = (n_frames + SH_MEL_LANES - 1) / SH_MEL_LANES;
    int rc = check_window(r, sound, n_frames, err);
    if (rc < 0 || (rc = sh_mel_fft_init(&job.fft, r->n_fft, err)) < 0 ||
        (rc = sh_mel_bank_init(&job.bank, r, err)) < 0 || (rc = pad(&job, sound, start, err)) < 0)
        goto out;
    job.power = sh_alloc_aligned(n_threads * (r->n_fft / 2 + 1), sizeof *job.power);
    job.z = sh_alloc_aligned(n_threads * r->n_fft, sizeof *job.z);
    if (!job.power || !job.z) {
        rc = sh_fail_nomem(err, n_threads * r->n_fft * sizeof *job.z);
        goto out;
    }
    sh_pool_run(pool, n_groups, GRAIN, run_groups, &job);
    clamp_and_scale(out, n_frames * r->n_mels);
out:
    sh_free(job.z);
    sh_free(job.power);
    sh_free(job.padded);
    sh_mel_bank_clear(&job.bank);
    sh_mel_fft_clear(&job.fft);
    return rc;
}
