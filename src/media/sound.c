/* sound.c - sounds from files and uploads. */
#include "media/sound.h"

#include <string.h>

#include "base/mem.h"
#include "media/resample_sound.h"
#include "media/wav.h"
#include "os/file.h"

void sh_sound_clear(sh_sound *s)
{
    if (!s) return;
    sh_free(s->samples);
    *s = (sh_sound){0};
}

/* What people hand in instead of a WAV file, by the bytes it begins with (after off); NULL when unknown. */
static const char *other_kind(const uint8_t *p, size_t n)
{
    static const struct {
        const char *magic;
        size_t off, n;
        const char *name;
    } kinds[] = {
        {"fLaC", 0, 4, "a FLAC file"},
        {"OggS", 0, 4, "an Ogg file"},
        {"ID3", 0, 3, "an MP3 file"},
        {"ftyp", 4, 4, "an MP4 file"},
        {"FORM", 0, 4, "an AIFF file"},
        {"caff", 0, 4, "a CAF file"},
        {"\x1a\x45\xdf\xa3", 0, 4, "a WebM or Matroska file"},
        {"#!AMR", 0, 5, "an AMR file"},
        {"riff", 0, 4, "a Wave64 file"},
        {".snd", 0, 4, "an AU file"},
        {"RIFF", 0, 4, "a RIFF file of another kind"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].off + kinds[i].n && memcmp(p + kinds[i].off, kinds[i].magic, kinds[i].n) == 0)
            return kinds[i].name;
    /* Eleven bits of sync: layers 1 to 3 of MPEG audio, and with layer bits 0 the ADTS frames of AAC. */
    if (n >= 2 && p[0] == 0xff && (p[1] & 0xe0) == 0xe0) return p[1] & 6 ? "an MP3 file" : "an AAC file";
    return NULL;
}

int sh_sound_parse(sh_sound *out, const void *data, size_t n, const char *where, sh_err *err)
{
    if (sh_wav_probe(data, n)) return sh_wav_parse(out, data, n, where, err);
    if (n == 0) return sh_fail(err, SH_E_CORRUPT, "%s: empty; expected a WAV file", where);
    const char *kind = other_kind(data, n);
    return sh_fail(err, SH_E_UNSUPPORTED, "%s: %s; expected a WAV file", where,
                   kind ? kind : "no sound file that is known");
}

int sh_sound_read(sh_sound *out, const char *path, uint32_t rate, sh_pool *pool, sh_err *err)
{
    sh_buf file = {0};
    sh_sound s = {0};
    int rc = sh_file_read(path, SH_SOUND_MAX_BYTES, &file, err);
    if (rc == SH_OK) rc = sh_sound_parse(&s, file.p ? file.p : "", file.n, path, err);
    sh_buf_clear(&file); /* before the resampler asks for memory */
    if (rc == SH_OK && rate) rc = sh_sound_resample(&s, rate, pool, err);
    if (rc == SH_OK)
        *out = s;
    else
        sh_sound_clear(&s);
    return rc;
}

int sh_sound_resample(sh_sound *s, uint32_t rate, sh_pool *pool, sh_err *err)
{
    if (s->rate == rate) return SH_OK;
    size_t n = sh_resample_sound_count(s->n, s->rate, rate);
    float *samples = sh_new_array(n, sizeof *samples, err);
    if (!samples) return SH_E_NOMEM;
    int rc = sh_resample_sound(samples, s->samples, s->n, s->rate, rate, pool, err);
    if (rc < 0) {
        sh_free(samples);
        return rc;
    }
    sh_free(s->samples);
    *s = (sh_sound){samples, n, rate};
    return SH_OK;
}
