/* mel.h - log-mel features: what a speech model sees of a sound.
 *
 *   frames of n_fft samples, one every `hop`, times a periodic Hann window -> |DFT|^2, n_fft / 2 + 1 bins
 *   -> Slaney mel bank (0 to 8000 Hz, area normalised) -> L = log10(max(., 1e-10))
 *   -> L = max(L, the largest L of the window - 8) -> (L + 4) / 4
 *
 * Frame t is centred at sample t * hop: the window is mirrored by n_fft / 2 samples at both ends. Float
 * arithmetic in one order and logarithms of our own: same bits on every machine and for any number of
 * threads. */
#ifndef SH_MEDIA_MEL_H
#define SH_MEDIA_MEL_H

#include <jansson.h>

#include "media/sound.h"

/* What preprocessor_config.json of a Whisper model says. */
typedef struct sh_mel_recipe {
    uint32_t n_mels;   /* feature_size: 80, 128 */
    uint32_t rate;     /* sampling_rate: 16000 Hz */
    uint32_t hop;      /* hop_length: 160 samples from frame to frame */
    uint32_t n_fft;    /* 400 samples a frame */
    uint32_t n_frames; /* of one chunk: chunk_length (seconds) * rate / hop; 3000 */
} sh_mel_recipe;

/* The settings that every published Whisper model up to large-v2 has (80 mels, 30 s chunks). */
#define SH_MEL_RECIPE_INIT {.n_mels = 80, .rate = 16000, .hop = 160, .n_fft = 400, .n_frames = 3000}

/* From preprocessor_config.json, or from processor_config.json, which holds the same under
 * "feature_extractor". Keys that are absent have the values of SH_MEL_RECIPE_INIT; n_samples and
 * nb_max_frames follow from the others and are not read. SH_E_UNSUPPORTED: another kind of extractor, dither,
 * normalisation or padding with another value than 0; SH_E_INVALID, SH_E_RANGE: a key of the wrong type or
 * outside its range. */
int sh_mel_recipe_read(sh_mel_recipe *r, const json_t *doc, sh_err *err);
/* The same from the files of a model folder: preprocessor_config.json, else processor_config.json. Messages
 * name the file; SH_E_NOTFOUND when there is neither. */
int sh_mel_recipe_load(sh_mel_recipe *r, const char *folder, sh_err *err);

/* Features of one window of a sound: n_frames * hop samples from sample `start` on, cut there or filled up
 * with silence (also when start is at or behind the end). One chunk: n_frames = r->n_frames. The clamp looks
 * at this window alone. sound     at the recipe's rate (SH_E_INVALID otherwise), borrowed n_frames  the
 * window must be longer than n_fft / 2 samples: SH_E_RANGE out       [n_mels, n_frames], frames contiguous
 *   pool      may be NULL
 * Heap: the window once more. A window of silence is all -1.5. */
int sh_mel_compute(const sh_mel_recipe *r, const sh_sound *sound, size_t start, size_t n_frames,
                   sh_pool *pool, float *out, sh_err *err);

/* Parts that tests compare with published ones. */
void sh_mel_window(float *out, uint32_t n_fft); /* [n_fft] */
/* The filters as a dense array [n_fft / 2 + 1 bins, n_mels]. */
int sh_mel_filters(const sh_mel_recipe *r, float *out, sh_err *err);

#endif
