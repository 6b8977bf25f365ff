/* resample_sound.h - from one sample rate to another, any ratio, band-limited.
 *
 * A polyphase windowed sinc (Kaiser, beta for 100 dB). With F the lower of the two rates: flat within 0.001 dB
 * up to 0.455 F, everything from F / 2 on rejected by at least 100 dB, linear phase, no delay. Tables come
 * from exactmath.h and every output is one sum in one order: same bits on every machine and for any number of
 * threads. */
#ifndef SH_MEDIA_RESAMPLE_SOUND_H
#define SH_MEDIA_RESAMPLE_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "os/pool.h"

/* Samples that n samples become: n * to / from, to nearest (half up). SIZE_MAX when that is no size_t. */
size_t sh_resample_sound_count(size_t n, uint32_t from, uint32_t to);

/* out [sh_resample_sound_count(n, from, to)]: sample j is the sound at time j / to, the sound being 0 before
 * in[0] and after in[n - 1]. in is borrowed and may not overlap out. pool may be NULL. SH_E_RANGE: a rate
 * outside SH_SOUND_MIN_RATE..SH_SOUND_MAX_RATE; SH_E_NOMEM. */
int sh_resample_sound(float *out, const float *in, size_t n, uint32_t from, uint32_t to, sh_pool *pool,
                      sh_err *err);

#endif
