/* wav.c - the chunks of RIFF WAVE files.
 *
 *   | RIFF, RIFX, RF64 or BW64 | size u32 | WAVE | chunks: id, size u32, bytes, one zero byte after an odd
 * size | fmt : | tag u16 | channels u16 | rate u32 | bytes a second u32 | bytes a block u16 | bits u16 |
 *         extensible (tag 0xFFFE): | 22 u16 | valid bits u16 | speakers u32 | GUID of 16 bytes, which begins
 * with the tag | ds64: | size of the whole u64 | size of data u64 | ...   (RF64 and BW64, whose 32-bit sizes
 * are then 0xFFFFFFFF) data: blocks of one sample of every channel
 *
 * RIFX is the same with every number big-endian, the samples too. Other chunks are passed over. */
#include "media/wav.h"

#include <inttypes.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "media/wav_internal.h"

static const uint32_t size_unknown = 0xffffffff;

typedef struct wav_in {
    const uint8_t *p;
    size_t n;
    bool big; /* RIFX */
    bool has_fmt, has_data;
    uint32_t tag, n_channels, rate, n_block_bytes, bits;
    uint64_t long_data_bytes; /* from ds64, or 0 */
    size_t data_off, n_data_bytes;
    const char *where;
    sh_err *err;
} wav_in;

static uint32_t get_u16(const wav_in *in, size_t off)
{
    uint16_t v = sh_get_u16(in->p + off);
    return in->big ? __builtin_bswap16(v) : v;
}

static uint32_t get_u32(const wav_in *in, size_t off)
{
    uint32_t v = sh_get_u32(in->p + off);
    return in->big ? __builtin_bswap32(v) : v;
}

static bool is_id(const uint8_t *p, const char *id)
{
    return memcmp(p, id, 4) == 0;
}

bool sh_wav_probe(const void *data, size_t n)
{
    const uint8_t *p = data;
    return n >= 12 && is_id(p + 8, "WAVE") &&
           (is_id(p, "RIFF") || is_id(p, "RIFX") || is_id(p, "RF64") || is_id(p, "BW64"));
}

static const char *encoding_name(uint32_t tag)
{
    static const struct {
        uint32_t tag;
        const char *name;
    } names[] = {
        {SH_WAV_PCM, "PCM"},  {SH_WAV_FLOAT, "float"}, {SH_WAV_ALAW, "A-law"}, {SH_WAV_MULAW, "mu-law"},
        {0x0002, "MS ADPCM"}, {0x0011, "IMA ADPCM"},   {0x0031, "GSM 6.10"},   {0x0040, "G.721"},
        {0x0050, "MPEG"},     {0x0055, "MP3"},         {0x00ff, "AAC"},        {0x0161, "WMA"},
        {0x1610, "AAC"},      {0x674f, "Vorbis"},      {0xf1ac, "FLAC"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].tag == tag) return names[i].name;
    return "an unknown encoding";
}

/* The tag out of the GUID of an extensible format, whose other 14 bytes must be those of
 * KSDATAFORMAT_SUBTYPE. The GUID begins with a u32 and two u16, which RIFX turns round; its last eight bytes
 * have no order. */
static int read_extensible(wav_in *in, size_t off, size_t n)
{
    static const uint8_t tail[8] = {0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71};
    if (n < 40)
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: extensible fmt chunk of %zu bytes at byte %zu; expected at least 40", in->where,
                       n, off);
    in->tag = get_u32(in, off + 24);
    if (in->tag > 0xffff || get_u16(in, off + 28) != 0 || get_u16(in, off + 30) != 0x10 ||
        memcmp(in->p + off + 32, tail, sizeof tail) != 0)
        return sh_fail(in->err, SH_E_UNSUPPORTED,
                       "%s: unknown sub-format at byte %zu; expected PCM, float, A-law or mu-law", in->where,
                       off + 24);
    return SH_OK;
}

static int read_fmt(wav_in *in, size_t off, size_t n)
{
    if (n < 16)
        return sh_fail(in->err, SH_E_CORRUPT, "%s: fmt chunk of %zu bytes at byte %zu; expected at least 16",
                       in->where, n, off);
    in->tag = get_u16(in, off);
    in->n_channels = get_u16(in, off + 2);
    in->rate = get_u32(in, off + 4);
    in->n_block_bytes = get_u16(in, off + 12);
    in->bits = get_u16(in, off + 14);
    in->has_fmt = true;
    return in->tag == SH_WAV_EXTENSIBLE ? read_extensible(in, off, n) : SH_OK;
}

/* The bytes of the data chunk at off that are there. */
static size_t data_bytes(const wav_in *in, size_t off, uint32_t size)
{
    size_t n_left = in->n - off;
    uint32_t whole = get_u32(in, 4);
    uint64_t n = size;
    if (size == size_unknown)
        n = in->long_data_bytes ? in->long_data_bytes : n_left;
    else if (size == 0 && (whole == 0 || whole == size_unknown))
        n = n_left;
    return n < n_left ? (size_t)n : n_left;
}

/* Pass over the chunks until both fmt and data were met or the file ends. */
static int read_chunks(wav_in *in)
{
    int rc = SH_OK;
    for (size_t off = 12; rc == SH_OK && in->n - off >= 8 && !(in->has_fmt && in->has_data);) {
        const uint8_t *id = in->p + off;
        uint32_t size = get_u32(in, off + 4);
        off += 8;
        size_t n_left = in->n - off, n = size < n_left ? size : n_left;
        if (is_id(id, "fmt ") && !in->has_fmt) {
            rc = read_fmt(in, off, n);
        } else if (is_id(id, "ds64") && n >= 16) {
            in->long_data_bytes = (uint64_t)get_u32(in, off + 12) << 32 | get_u32(in, off + 8);
        } else if (is_id(id, "data") && !in->has_data) {
            n = data_bytes(in, off, size);
            in->data_off = off;
            in->n_data_bytes = n;
            in->has_data = true;
        }
        off += n;
        /* Writers that forget the pad byte exist; no id begins with NUL. */
        if (n % 2 && off < in->n && in->p[off] == 0) off++;
    }
    if (rc == SH_OK && !(in->has_fmt && in->has_data))
        rc = sh_fail(in->err, SH_E_CORRUPT, "%s: no %s chunk in %zu bytes of WAVE", in->where,
                     in->has_fmt ? "data" : "fmt", in->n);
    return rc;
}

/* The decoder of what fmt says, or a message that tells which part of it does not fit. */
static int choose_mixer(sh_wav_mix_fn *out, const wav_in *in)
{
    uint32_t n_bytes = (in->bits + 7) / 8;
    if (in->n_channels == 0)
        return sh_fail(in->err, SH_E_CORRUPT, "%s: 0 channels; expected at least 1", in->where);
    if (in->rate < SH_SOUND_MIN_RATE || in->rate > SH_SOUND_MAX_RATE)
        return sh_fail(in->err, SH_E_CORRUPT, "%s: %" PRIu32 " samples a second; expected %d to %d",
                       in->where, in->rate, SH_SOUND_MIN_RATE, SH_SOUND_MAX_RATE);
    *out = sh_wav_mixer(in->tag, n_bytes, in->big);
    if (!*out)
        return sh_fail(in->err, SH_E_UNSUPPORTED,
                       "%s: %s (tag 0x%04" PRIx32 ") of %" PRIu32
                       " bits; expected PCM of 1 to 32 bits, float of 32 or "
                       "64, A-law or mu-law of 8",
                       in->where, encoding_name(in->tag), in->tag, in->bits);
    if (in->n_block_bytes != in->n_channels * n_bytes)
        return sh_fail(in->err, SH_E_CORRUPT,
                       "%s: blocks of %" PRIu32 " bytes; expected %" PRIu32 " for %" PRIu32
                       " channels of %" PRIu32 " bits",
                       in->where, in->n_block_bytes, in->n_channels * n_bytes, in->n_channels, in->bits);
    return SH_OK;
}

int sh_wav_parse(sh_sound *out, const void *data, size_t n, const char *where, sh_err *err)
{
    wav_in in = {.p = data, .n = n, .where = where, .err = err};
    sh_wav_mix_fn mix = NULL;
    int rc;
    if (!sh_wav_probe(data, n))
        return sh_fail(err, SH_E_CORRUPT, "%s: expected RIFF and WAVE in 12 bytes", where);
    in.big = is_id(in.p, "RIFX");
    if ((rc = read_chunks(&in)) < 0 || (rc = choose_mixer(&mix, &in)) < 0) return rc;
    size_t n_blocks = in.n_data_bytes / in.n_block_bytes;
    float *samples = sh_alloc(n_blocks, sizeof *samples);
    if (!samples) return sh_fail_nomem(err, n_blocks * sizeof *samples);
    size_t done = mix(samples, in.p + in.data_off, n_blocks, in.n_channels);
    if (done < n_blocks) {
        sh_free(samples);
        return sh_fail(err, SH_E_CORRUPT, "%s: sample %zu at byte %zu is not finite or beyond +-%g", where,
                       done, in.data_off + done * in.n_block_bytes, (double)SH_SOUND_MAX_LEVEL);
    }
    *out = (sh_sound){samples, n_blocks, in.rate};
    return SH_OK;
}
