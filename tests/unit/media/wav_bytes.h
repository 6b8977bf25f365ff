/* wav_bytes.h - WAV files made in memory for tests. */
#ifndef SH_UNIT_MEDIA_WAV_BYTES_H
#define SH_UNIT_MEDIA_WAV_BYTES_H

#include "unit/test.h"

#include "base/buf.h"
#include "base/endian.h"

typedef struct wav_spec {
    const char *riff; /* NULL: "RIFF" */
    uint32_t tag, n_channels, rate, bits;
    bool is_extensible;
} wav_spec;

static inline void put_number(sh_buf *b, const wav_spec *s, uint64_t v, size_t n_bytes)
{
    bool big = s->riff && strcmp(s->riff, "RIFX") == 0;
    for (size_t i = 0; i < n_bytes; i++) sh_buf_putc(b, (char)(v >> 8 * (big ? n_bytes - 1 - i : i)));
}

/* A chunk's head; its bytes are the caller's to add. */
static inline void put_chunk(sh_buf *b, const wav_spec *s, const char *id, uint32_t size)
{
    sh_buf_add(b, id, 4);
    put_number(b, s, size, 4);
}

static inline void put_riff(sh_buf *b, const wav_spec *s, uint32_t size)
{
    put_chunk(b, s, s->riff ? s->riff : "RIFF", size);
    sh_buf_add(b, "WAVE", 4);
}

static inline void put_fmt(sh_buf *b, const wav_spec *s)
{
    uint32_t n_block_bytes = s->n_channels * ((s->bits + 7) / 8);
    put_chunk(b, s, "fmt ", s->is_extensible ? 40 : 16);
    put_number(b, s, s->is_extensible ? 0xfffe : s->tag, 2);
    put_number(b, s, s->n_channels, 2);
    put_number(b, s, s->rate, 4);
    put_number(b, s, (uint64_t)s->rate * n_block_bytes, 4);
    put_number(b, s, n_block_bytes, 2);
    put_number(b, s, s->bits, 2);
    if (!s->is_extensible) return;
    put_number(b, s, 22, 2);
    put_number(b, s, s->bits, 2);
    put_number(b, s, 0, 4);
    put_number(b, s, s->tag, 4);
    put_number(b, s, 0, 2);
    put_number(b, s, 0x10, 2);
    sh_buf_add(b, "\x80\x00\x00\xaa\x00\x38\x9b\x71", 8);
}

/* The whole file, n_data bytes of data in it. */
static inline void put_wav(sh_buf *b, const wav_spec *s, const void *data, size_t n_data)
{
    put_riff(b, s, (uint32_t)(4 + 8 + (s->is_extensible ? 40 : 16) + 8 + n_data + n_data % 2));
    put_fmt(b, s);
    put_chunk(b, s, "data", (uint32_t)n_data);
    sh_buf_add(b, data, n_data);
    if (n_data % 2) sh_buf_putc(b, 0);
}

#endif
