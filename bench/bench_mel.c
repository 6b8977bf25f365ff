/* bench_mel.c - how fast sound becomes what a speech model is given: seconds of sound in a second.
 *
 *   bench_mel [SECONDS [THREADS [ROUNDS]]]
 *
 * Sound of SECONDS (30) is read from a WAV file in memory (44.1 kHz, stereo, 16 bits), resampled to 16 kHz,
 * and made log-mel features with 80 and 128 mels. Wall time, best of ROUNDS (9), each step by itself; 1
 * thread unless told otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "base/rng.h"
#include "media/mel.h"
#include "os/clock.h"

enum { RATE = 44100, N_CHANNELS = 2, HEAD = 44 };

static uint8_t *make_wav(size_t n_blocks, size_t *n_bytes)
{
    sh_rng rng = {1};
    *n_bytes = HEAD + n_blocks * N_CHANNELS * 2;
    uint8_t *p = sh_alloc(*n_bytes, 1);
    if (!p) return NULL;
    memcpy(p, "RIFF....WAVEfmt ", 16);
    sh_put_u32(p + 4, (uint32_t)(*n_bytes - 8));
    sh_put_u32(p + 16, 16);
    sh_put_u16(p + 20, 1);
    sh_put_u16(p + 22, N_CHANNELS);
    sh_put_u32(p + 24, RATE);
    sh_put_u32(p + 28, RATE * N_CHANNELS * 2);
    sh_put_u16(p + 32, N_CHANNELS * 2);
    sh_put_u16(p + 34, 16);
    memcpy(p + 36, "data", 4);
    sh_put_u32(p + 40, (uint32_t)(n_blocks * N_CHANNELS * 2));
    for (size_t i = HEAD; i < *n_bytes; i += 2) sh_put_u16(p + i, (uint16_t)(sh_rng_u64(&rng) >> 51));
    return p;
}

static void tell(const char *what, double sound_seconds, uint64_t best_us)
{
    printf("%-28s %9.2f ms %9.0f s/s\n", what, 1e-3 * (double)best_us,
           sound_seconds / (1e-6 * (double)best_us));
}

static int bench_features(const sh_sound *s, uint32_t n_mels, sh_pool *pool, int rounds, sh_err *err)
{
    sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    char what[32];
    uint64_t best = UINT64_MAX;
    int rc = SH_OK;
    r.n_mels = n_mels;
    size_t n_frames = s->n / r.hop;
    float *out = sh_new_array(n_frames * n_mels, sizeof *out, err);
    if (!out) return SH_E_NOMEM;
    for (int i = 0; i < rounds && rc == SH_OK; i++) {
        uint64_t begin = sh_now_us();
        rc = sh_mel_compute(&r, s, 0, n_frames, pool, out, err);
        uint64_t took = sh_now_us() - begin;
        if (took < best) best = took;
    }
    snprintf(what, sizeof what, "features, %u mels", n_mels);
    if (rc == SH_OK) tell(what, (double)s->n / s->rate, best);
    sh_free(out);
    return rc;
}

/* WAV and resampler; *out is the sound at 16 kHz. */
static int bench_reading(sh_sound *out, double seconds, sh_pool *pool, int rounds, sh_err *err)
{
    uint64_t best_wav = UINT64_MAX, best_rate = UINT64_MAX;
    size_t n_bytes;
    int rc = SH_OK;
    uint8_t *wav = make_wav((size_t)(seconds * RATE), &n_bytes);
    if (!wav) return sh_fail_nomem(err, n_bytes);
    for (int i = 0; i < rounds && rc == SH_OK; i++) {
        sh_sound_clear(out);
        uint64_t begin = sh_now_us();
        if ((rc = sh_sound_parse(out, wav, n_bytes, "made", err)) < 0) break;
        uint64_t middle = sh_now_us();
        rc = sh_sound_resample(out, 16000, pool, err);
        uint64_t end = sh_now_us();
        if (middle - begin < best_wav) best_wav = middle - begin;
        if (end - middle < best_rate) best_rate = end - middle;
    }
    sh_free(wav);
    if (rc < 0) return rc;
    tell("WAV, 44.1 kHz stereo", seconds, best_wav);
    tell("resampled to 16 kHz", seconds, best_rate);
    return SH_OK;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 30;
    long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 1,
         rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 9;
    sh_pool *pool = NULL;
    sh_sound s = {0};
    sh_err err = {0};
    if (!(seconds >= 1 && seconds <= 10000) || threads < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_mel [SECONDS [THREADS [ROUNDS]]], 1 to 10000 seconds\n");
        return 2;
    }
    int rc = sh_pool_open(&pool, (size_t)threads, &err);
    if (rc == SH_OK) rc = bench_reading(&s, seconds, pool, (int)rounds, &err);
    if (rc == SH_OK) rc = bench_features(&s, 80, pool, (int)rounds, &err);
    if (rc == SH_OK) rc = bench_features(&s, 128, pool, (int)rounds, &err);
    if (rc < 0) fprintf(stderr, "bench_mel: %s\n", err.msg);
    sh_sound_clear(&s);
    sh_pool_free(pool);
    return rc < 0;
}
