/* wav_samples.c - the samples of WAV files as floats.
 *
 * PCM of one byte is unsigned, of more bytes signed. Bits that do not fill their bytes are the upper ones, so
 * the bytes alone give the scale. A-law and mu-law are ITU-T G.711. */
#include "media/wav_internal.h"

#include <math.h>

#include "base/endian.h"
#include "media/sound.h"

static inline double pcm8(const uint8_t *p)
{
    return (p[0] - 128) * 0x1p-7;
}

static inline double pcm16(const uint8_t *p)
{
    return (int16_t)sh_get_u16(p) * 0x1p-15;
}

static inline double pcm16_big(const uint8_t *p)
{
    return (int16_t)__builtin_bswap16(sh_get_u16(p)) * 0x1p-15;
}

/* Three bytes as the upper ones of an int32. */
static inline double pcm24(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[2] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 8) * 0x1p-31;
}

static inline double pcm24_big(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8) * 0x1p-31;
}

static inline double pcm32(const uint8_t *p)
{
    return (int32_t)sh_get_u32(p) * 0x1p-31;
}

static inline double pcm32_big(const uint8_t *p)
{
    return (int32_t)__builtin_bswap32(sh_get_u32(p)) * 0x1p-31;
}

static inline double float32(const uint8_t *p)
{
    return sh_get_f32(p);
}

static inline double float32_big(const uint8_t *p)
{
    uint8_t q[4] = {p[3], p[2], p[1], p[0]};
    return sh_get_f32(q);
}

static inline double float64(const uint8_t *p)
{
    return sh_get_f64(p);
}

static inline double float64_big(const uint8_t *p)
{
    uint8_t q[8] = {p[7], p[6], p[5], p[4], p[3], p[2], p[1], p[0]};
    return sh_get_f64(q);
}

/* Every second bit inverted; sign (1: positive), 3 bits of segment, 4 of interval: levels below 2^12. */
static inline double alaw(const uint8_t *p)
{
    unsigned v = p[0] ^ 0x55u, segment = v >> 4 & 7, interval = v & 15;
    unsigned level = segment ? (2 * interval + 33) << (segment - 1) : 2 * interval + 1;
    return (v & 0x80 ? (int)level : -(int)level) * 0x1p-12;
}

/* All bits inverted; sign (1: negative), segment, interval, with a bias of 33: levels below 2^13. */
static inline double mulaw(const uint8_t *p)
{
    unsigned v = p[0] ^ 0xffu, segment = v >> 4 & 7, interval = v & 15;
    unsigned level = ((2 * interval + 33) << segment) - 33;
    return (v & 0x80 ? -(int)level : (int)level) * 0x1p-13;
}

/* The loop of every format: inlined into a function for each, so that `read` is no call. */
static inline __attribute__((always_inline)) size_t mix(float *out, const uint8_t *p, size_t n,
                                                        uint32_t n_channels, double (*read)(const uint8_t *),
                                                        size_t n_bytes)
{
    for (size_t i = 0; i < n; i++) {
        double sum = read(p);
        p += n_bytes;
        for (uint32_t c = 1; c < n_channels; c++, p += n_bytes) sum += read(p);
        double mean = n_channels > 1 ? sum / n_channels : sum;
        if (!(fabs(mean) <= (double)SH_SOUND_MAX_LEVEL)) return i;
        out[i] = (float)mean;
    }
    return n;
}

/* X(reader, bytes of a sample) */
#define READERS(X)                                                                                           \
    X(pcm8, 1)                                                                                               \
    X(pcm16, 2)                                                                                              \
    X(pcm16_big, 2)                                                                                          \
    X(pcm24, 3)                                                                                              \
    X(pcm24_big, 3)                                                                                          \
    X(pcm32, 4)                                                                                              \
    X(pcm32_big, 4)                                                                                          \
    X(float32, 4)                                                                                            \
    X(float32_big, 4)                                                                                        \
    X(float64, 8)                                                                                            \
    X(float64_big, 8)                                                                                        \
    X(alaw, 1)                                                                                               \
    X(mulaw, 1)

#define X(reader, bytes)                                                                                     \
    static size_t mix_##reader(float *out, const uint8_t *p, size_t n, uint32_t n_channels)                  \
    {                                                                                                        \
        return mix(out, p, n, n_channels, reader, bytes);                                                    \
    }
READERS(X)
#undef X

static const struct {
    uint32_t tag, n_bytes;
    sh_wav_mix_fn mix[2]; /* little-endian, big-endian */
} mixers[] = {
    {SH_WAV_PCM, 1, {mix_pcm8, mix_pcm8}},
    {SH_WAV_PCM, 2, {mix_pcm16, mix_pcm16_big}},
    {SH_WAV_PCM, 3, {mix_pcm24, mix_pcm24_big}},
    {SH_WAV_PCM, 4, {mix_pcm32, mix_pcm32_big}},
    {SH_WAV_FLOAT, 4, {mix_float32, mix_float32_big}},
    {SH_WAV_FLOAT, 8, {mix_float64, mix_float64_big}},
    {SH_WAV_ALAW, 1, {mix_alaw, mix_alaw}},
    {SH_WAV_MULAW, 1, {mix_mulaw, mix_mulaw}},
};

sh_wav_mix_fn sh_wav_mixer(uint32_t tag, uint32_t n_bytes, bool big)
{
    for (size_t i = 0; i < sizeof mixers / sizeof *mixers; i++)
        if (mixers[i].tag == tag && mixers[i].n_bytes == n_bytes) return mixers[i].mix[big];
    return NULL;
}
