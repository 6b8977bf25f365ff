/* fuzz: media */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "media/mel.h"
#include "media/wav.h"

enum { N_FRAMES = 8, MAX_SAMPLES = 4096, MAX_RATE = 48000 };

/* What was accepted can be brought to a model's rate and gives finite features. */
static void use(sh_sound *s)
{
    static float features[80 * N_FRAMES];
    const sh_mel_recipe r = SH_MEL_RECIPE_INIT;
    sh_err err = {0};
    if (sh_sound_resample(s, r.rate, NULL, &err) != SH_OK) __builtin_trap();
    if (sh_mel_compute(&r, s, s->n / 3, N_FRAMES, NULL, features, &err) != SH_OK) __builtin_trap();
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (!isfinite(features[i])) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sh_sound s = {0};
    sh_err err = {0};
    int rc = sh_sound_parse(&s, data, size, "fuzz", &err);
    if (rc == SH_OK) {
        if (!sh_wav_probe(data, size) || s.n > size) __builtin_trap();
        if (s.rate < SH_SOUND_MIN_RATE || s.rate > SH_SOUND_MAX_RATE) __builtin_trap();
        for (size_t i = 0; i < s.n; i++)
            if (!(fabsf(s.samples[i]) <= SH_SOUND_MAX_LEVEL)) __builtin_trap();
        if (s.n <= MAX_SAMPLES && s.rate <= MAX_RATE) use(&s);
    } else if (s.samples || !err.msg[0] || strchr(err.msg, '\n')) {
        __builtin_trap(); /* a refusal is one clear line and leaves nothing behind */
    }
    sh_sound_clear(&s);
    return 0;
}
