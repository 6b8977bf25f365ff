/* wav.h - RIFF WAVE files: RIFF, RIFX (big-endian), RF64 and BW64; PCM of 1 to 32 bits, float of 32 and 64
 * bits, A-law, mu-law, plain or as WAVE_FORMAT_EXTENSIBLE; any number of channels, any rate from
 * SH_SOUND_MIN_RATE to _MAX_RATE.
 *
 * Sizes are taken for what they are worth: a data chunk that ends beyond the file is what is there (a
 * recording that was cut off), size 0xFFFFFFFF is a stream of unknown length (written to a pipe), and so is 0
 * when the size of the whole file was left open too. Bytes of an unfinished last block are left out. */
#ifndef SH_MEDIA_WAV_H
#define SH_MEDIA_WAV_H

#include <stdbool.h>

#include "media/sound.h"

bool sh_wav_probe(const void *data, size_t n); /* does it begin as a WAVE file does? */
/* As sh_sound_parse, for data that sh_wav_probe accepts (others: SH_E_CORRUPT). Heap: 4 bytes for each sample
 * frame that is really there, so at most 4 times n. */
int sh_wav_parse(sh_sound *out, const void *data, size_t n, const char *where, sh_err *err);

#endif
