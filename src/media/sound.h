/* sound.h - one channel of sound in memory: read from a file or an upload, brought to the rate a model wants.
 *
 * Samples are float, full scale of integer formats is 1.0 (a 16-bit sample v is v / 32768). Sounds of several
 * channels become the mean of their channels while they are read. Every sample of a sound that was read is
 * finite and within
 * +-SH_SOUND_MAX_LEVEL. */
#ifndef SH_MEDIA_SOUND_H
#define SH_MEDIA_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "os/pool.h"

enum { SH_SOUND_MIN_RATE = 1000, SH_SOUND_MAX_RATE = 768000 }; /* Hz that a file may claim */
#define SH_SOUND_MAX_LEVEL 1e6f
#define SH_SOUND_MAX_BYTES ((size_t)UINT32_MAX) /* of a file: 37 hours of 16-bit sound at 16 kHz */

/* All zero is an empty sound. */
typedef struct sh_sound {
    float *samples; /* [n], owned */
    size_t n;
    uint32_t rate; /* samples per second */
} sh_sound;

void sh_sound_clear(sh_sound *s); /* frees; NULL and all zero are fine */

/* Read a whole sound file from memory (today: WAV, see wav.h). `where` names the source in messages. *out is
 * written only on success and is then the caller's (sh_sound_clear). SH_E_UNSUPPORTED: another kind of file
 * (the message names the common ones) or encoding; SH_E_CORRUPT; SH_E_NOMEM. */
int sh_sound_parse(sh_sound *out, const void *data, size_t n, const char *where, sh_err *err);
/* The same from a path ("-": standard input), SH_E_LIMIT beyond SH_SOUND_MAX_BYTES; then brought to `rate`
 * (0: as the file has it). pool may be NULL. */
int sh_sound_read(sh_sound *out, const char *path, uint32_t rate, sh_pool *pool, sh_err *err);

/* Bring s to another rate in place by sh_resample_sound; s is unchanged on failure. Nothing to do when the
 * rate is already right. */
int sh_sound_resample(sh_sound *s, uint32_t rate, sh_pool *pool, sh_err *err);

#endif
