/* wav_internal.h - between the two halves of the WAV reader: chunks (wav.c) and samples (wav_samples.c). */
#ifndef SH_MEDIA_WAV_INTERNAL_H
#define SH_MEDIA_WAV_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sh_wav_tag {
    SH_WAV_PCM = 1,
    SH_WAV_FLOAT = 3,
    SH_WAV_ALAW = 6,
    SH_WAV_MULAW = 7,
    SH_WAV_EXTENSIBLE = 0xfffe
};

/* Turns n blocks of n_channels samples each into the means of their channels, full scale 1.0. Returns the
 * blocks done: fewer than n when the next one has a value that is not finite or beyond SH_SOUND_MAX_LEVEL. */
typedef size_t (*sh_wav_mix_fn)(float *out, const uint8_t *p, size_t n, uint32_t n_channels);

/* NULL when there is no such encoding with so many bytes a sample. big: numbers are big-endian. */
sh_wav_mix_fn sh_wav_mixer(uint32_t tag, uint32_t n_bytes, bool big);

#endif
