/* test_wav.c - every encoding with values known by hand, every layout of chunks, every lie about sizes. */
#include "unit/media/wav_bytes.h"

#include <math.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/mem.h"
#include "media/wav.h"

static const wav_spec mono16 = {.tag = 1, .n_channels = 1, .rate = 16000, .bits = 16};

/* Parses an exact-size copy, so that the address sanitizer sees a read behind the end. */
static int parse(sh_sound *out, const sh_buf *b, size_t n, sh_err *err)
{
    assert_false(b->failed);
    uint8_t *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    if (n) memcpy(exact, b->p, n);
    int rc = sh_wav_parse(out, exact, n, "x.wav", err);
    free(exact);
    return rc;
}

static void expect(const sh_buf *b, const float *values, size_t n)
{
    sh_sound s = {0};
    sh_err err = {0};
    assert_ok(parse(&s, b, b->n, &err), &err);
    assert_int_equal(s.n, n);
    for (size_t i = 0; i < n; i++)
        if (s.samples[i] != values[i])
            fail_msg("sample %zu is %a, expected %a", i, (double)s.samples[i], (double)values[i]);
    sh_sound_clear(&s);
}

static void expect_error(const sh_buf *b, int code, const char *part)
{
    sh_sound s = {0};
    sh_err err = {0};
    int rc = parse(&s, b, b->n, &err);
    if (rc != code || !strstr(err.msg, part) || strchr(err.msg, '\n'))
        fail_msg("code %d, \"%s\"; expected %d, \"%s\"", rc, err.msg, code, part);
    assert_null(s.samples);
}

/* The numbers that each format stores for the values 0, least, most, 1/2 and -1/4, in the order of their
 * bytes as they count (not as they lie). */
typedef struct format_case {
    uint32_t tag, bits;
    uint64_t stored[5];
    float values[5];
} format_case;

static const format_case format_cases[] = {
    {1, 8, {128, 0, 255, 192, 96}, {0, -1, 127 / 128.f, 0.5f, -0.25f}},
    {1, 16, {0, 0x8000, 0x7fff, 0x4000, 0xe000}, {0, -1, 32767 / 32768.f, 0.5f, -0.25f}},
    {1, 12, {0, 0x8000, 0x7ff0, 0x4000, 0xe000}, {0, -1, 2047 / 2048.f, 0.5f, -0.25f}},
    {1, 24, {0, 0x800000, 0x7fffff, 0x400000, 0xe00000}, {0, -1, 8388607 / 8388608.f, 0.5f, -0.25f}},
    {1, 20, {0, 0x800000, 0x7ffff0, 0x400000, 0xe00000}, {0, -1, 524287 / 524288.f, 0.5f, -0.25f}},
    {1, 32, {0, 0x80000000, 0x7fffff00, 0x40000000, 0xe0000000}, {0, -1, 8388607 / 8388608.f, 0.5f, -0.25f}},
    {3,
     32,
     {0, 0xbf800000, 0x3f7fffff, 0x3f000000, 0xbe800000},
     {0, -1, 16777215 / 16777216.f, 0.5f, -0.25f}},
    {3,
     64,
     {0, 0xbff0000000000000, 0x3ff0000000000000, 0x3fe0000000000000, 0xbfd0000000000000},
     {0, -1, 1, 0.5f, -0.25f}},
    /* G.711: the least steps, the greatest levels, and the middle of a segment */
    {6,
     8,
     {0xd5, 0x55, 0xaa, 0x2a, 0x80},
     {1 / 4096.f, -1 / 4096.f, 4032 / 4096.f, -4032 / 4096.f, 688 / 4096.f}},
    {7, 8, {0xff, 0x00, 0x80, 0x8f, 0x7e}, {0, -8031 / 8192.f, 8031 / 8192.f, 4191 / 8192.f, -2 / 8192.f}},
};

static void test_formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(format_cases); i++) {
        const format_case *c = &format_cases[i];
        for (int variant = 0; variant < 4; variant++) {
            wav_spec s = {
                .riff = variant & 1 ? "RIFX" : "RIFF", .tag = c->tag, .n_channels = 1, .rate = 44100};
            s.bits = c->bits;
            s.is_extensible = variant & 2;
            sh_buf data = {0}, b = {0};
            for (size_t k = 0; k < 5; k++) put_number(&data, &s, c->stored[k], (c->bits + 7) / 8);
            put_wav(&b, &s, data.p, data.n);
            expect(&b, c->values, 5);
            sh_buf_clear(&data);
            sh_buf_clear(&b);
        }
    }
}

/* Both laws rise with the code's level and are odd; that and the values above leave no room for another
 * table. */
static void test_laws(void **state)
{
    (void)state;
    for (uint32_t tag = 6; tag <= 7; tag++) {
        uint8_t codes[256];
        wav_spec spec = {.tag = tag, .n_channels = 1, .rate = 8000, .bits = 8};
        sh_buf b = {0};
        sh_sound s = {0};
        sh_err err = {0};
        for (int i = 0; i < 256; i++) codes[i] = (uint8_t)i;
        put_wav(&b, &spec, codes, 256);
        assert_ok(parse(&s, &b, b.n, &err), &err);
        const uint8_t invert = tag == 6 ? 0x55 : 0x7f;
        for (int i = 0; i < 128; i++) {
            float here = s.samples[(0x80 | i) ^ invert],
                  before = i ? s.samples[(0x80 | (i - 1)) ^ invert] : -1;
            assert_true(here > before);
            assert_true(s.samples[i ^ invert] == -here);
            /* Steps within a segment of 16 codes are equal, and double from one to the next (A-law's first
             * two are equal). */
            if (i % 16 > 1) assert_true(here - before == before - s.samples[(0x80 | (i - 2)) ^ invert]);
        }
        sh_sound_clear(&s);
        sh_buf_clear(&b);
    }
}

static void test_channels(void **state)
{
    (void)state;
    wav_spec s = {.tag = 1, .n_channels = 3, .rate = 8000, .bits = 16};
    sh_buf data = {0}, b = {0};
    static const int16_t in[] = {3, 6, -3, 32767, 32767, 32767, -32768, 32767, 1};
    for (size_t i = 0; i < COUNT(in); i++) put_number(&data, &s, (uint16_t)in[i], 2);
    put_wav(&b, &s, data.p, data.n);
    expect(&b, (float[]){2 / 32768.f, 32767 / 32768.f, 0}, 3);
    sh_buf_clear(&b);
    s.n_channels = 9; /* one block */
    put_wav(&b, &s, data.p, data.n);
    expect(&b, (float[]){(float)((3 + 6 - 3 + 3 * 32767) / 9.0 / 32768)}, 1);
    sh_buf_clear(&b);
    sh_buf_clear(&data);
}

static const uint8_t two[4] = {0x00, 0x40, 0x00, 0xe0}; /* two samples of 16 bits */
static const float two_values[] = {0.5f, -0.25f, 0, 0, 0, 0};

static void test_other_chunks(void **state)
{
    (void)state;
    for (int padded = 0; padded < 2; padded++) {
        sh_buf b = {0};
        put_riff(&b, &mono16, 1000);
        put_chunk(&b, &mono16, "LIST", 5); /* odd, with the pad byte or without */
        sh_buf_add(&b, "INFOx\0", padded ? 6 : 5);
        put_fmt(&b, &mono16);
        put_chunk(&b, &mono16, "fact", 4);
        sh_buf_add(&b, "\2\0\0\0", 4);
        put_chunk(&b, &mono16, "data", 4);
        sh_buf_add(&b, two, 4);
        put_chunk(&b, &mono16, "LIST", 4);
        sh_buf_add(&b, "INFO", 4);
        expect(&b, two_values, 2); /* what follows is no sound */
        sh_buf_clear(&b);
    }
    sh_buf b = {0};
    put_riff(&b, &mono16, 1000);
    put_chunk(&b, &mono16, "data", 4); /* before fmt: not allowed, and clear all the same */
    sh_buf_add(&b, two, 4);
    put_fmt(&b, &mono16);
    expect(&b, two_values, 2);
    sh_buf_clear(&b);
}

static void put_open(sh_buf *b, uint32_t whole, uint32_t size)
{
    put_riff(b, &mono16, whole);
    put_fmt(b, &mono16);
    put_chunk(b, &mono16, "data", size);
    sh_buf_add(b, two, 4);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint32_t whole, size;
        size_t n;
    } cases[] = {
        {0xffffffff, 0xffffffff, 2}, {0, 0, 2},        {0xffffffff, 0, 2}, {40, 4, 2}, {0, 4, 2},
        {40, 0x7fffffff, 2},         {40, 1000001, 2}, {40, 3, 1},         {40, 0, 0}, {40, 2, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_buf b = {0};
        put_open(&b, cases[i].whole, cases[i].size);
        expect(&b, two_values, cases[i].n);
        sh_buf_clear(&b);
    }
}

static void test_rf64(void **state)
{
    (void)state;
    static const char *const ids[] = {"RF64", "BW64"};
    static const struct {
        uint64_t size; /* in ds64 */
        size_t n;
    } cases[] = {{4, 2}, {2, 1}, {UINT64_MAX, 6}, {0, 6}};
    for (size_t i = 0; i < COUNT(ids) * COUNT(cases); i++) {
        wav_spec s = mono16;
        sh_buf b = {0};
        s.riff = ids[i % 2];
        put_riff(&b, &s, 0xffffffff);
        put_chunk(&b, &s, "ds64", 28);
        put_number(&b, &s, 1000, 8);
        put_number(&b, &s, cases[i / 2].size, 8);
        put_number(&b, &s, 2, 8);
        put_number(&b, &s, 0, 4);
        put_fmt(&b, &s);
        put_chunk(&b, &s, "data", 0xffffffff);
        sh_buf_add(&b, two, 4);
        sh_buf_add(&b, "\0\0\0\0\0\0\0\0", 8);
        expect(&b, two_values, cases[i / 2].n);
        sh_buf_clear(&b);
    }
}

/* One byte or two of a good file changed. */
static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        size_t off;
        uint16_t value;
        int code;
        const char *part;
    } cases[] = {
        {0, 0x5858, SH_E_CORRUPT, "expected RIFF and WAVE"},
        {8, 0x5858, SH_E_CORRUPT, "expected RIFF and WAVE"},
        {12, 0x5858, SH_E_CORRUPT, "no fmt chunk"},
        {16, 15, SH_E_CORRUPT, "fmt chunk of 15 bytes at byte 20"},
        {20, 0x55, SH_E_UNSUPPORTED, "MP3 (tag 0x0055)"},
        {20, 0x2, SH_E_UNSUPPORTED, "MS ADPCM"},
        {20, 0x1234, SH_E_UNSUPPORTED, "unknown encoding (tag 0x1234)"},
        {20, 0xfffe, SH_E_CORRUPT, "extensible fmt chunk of 16 bytes"},
        {22, 0, SH_E_CORRUPT, "0 channels"},
        {22, 2, SH_E_CORRUPT, "blocks of 2 bytes; expected 4 for 2 channels of 16 bits"},
        {24, 999, SH_E_CORRUPT, "999 samples a second; expected 1000 to 768000"},
        {26, 0x7fff, SH_E_CORRUPT, "samples a second"},
        {32, 0, SH_E_CORRUPT, "blocks of 0 bytes"},
        {34, 0, SH_E_UNSUPPORTED, "PCM (tag 0x0001) of 0 bits"},
        {34, 64, SH_E_UNSUPPORTED, "PCM (tag 0x0001) of 64 bits"},
        {34, 0xffff, SH_E_UNSUPPORTED, "of 65535 bits"},
        {36, 0x5858, SH_E_CORRUPT, "no data chunk"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_buf b = {0};
        put_wav(&b, &mono16, two, 4);
        sh_put_u16(b.p + cases[i].off, cases[i].value);
        expect_error(&b, cases[i].code, cases[i].part);
        sh_buf_clear(&b);
    }
    for (size_t off = 44; off < 60; off++) { /* every byte of the sub-format counts */
        wav_spec s = mono16;
        sh_buf b = {0};
        s.is_extensible = true;
        put_wav(&b, &s, two, 4);
        b.p[off] = (char)(b.p[off] ^ 0x40);
        expect_error(&b, SH_E_UNSUPPORTED, off < 46 ? "unknown encoding" : "unknown sub-format at byte 44");
        sh_buf_clear(&b);
    }
}

static void test_bad_samples(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1.001e6, -1e300};
    for (size_t i = 0; i < COUNT(bad); i++) {
        wav_spec s = {.tag = 3, .n_channels = 2, .rate = 16000, .bits = 64};
        double data[6] = {0, 1e6, -1e6, -1e6, bad[i], 0};
        uint8_t bytes[sizeof data];
        sh_buf b = {0};
        for (size_t k = 0; k < 6; k++) sh_put_f64(bytes + 8 * k, 2 * data[k]);
        put_wav(&b, &s, bytes, 32);
        expect_error(&b, SH_E_CORRUPT, "sample 1 at byte 60"); /* the mean is -2e6 */
        sh_buf_clear(&b);
        for (size_t k = 0; k < 6; k++) sh_put_f64(bytes + 8 * k, k == 4 ? 2 * data[k] : data[k]);
        put_wav(&b, &s, bytes, sizeof bytes);
        expect_error(&b, SH_E_CORRUPT, "sample 2 at byte 76 is not finite or beyond +-1e+06");
        b.n = 44 + 32;
        expect(&b, (float[]){5e5f, -1e6f}, 2);
        sh_buf_clear(&b);
    }
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    wav_spec s = mono16;
    sh_buf b = {0};
    s.is_extensible = true;
    put_wav(&b, &s, two, 4);
    for (size_t n = 0; n < b.n; n++) {
        sh_sound out = {0};
        sh_err err = {0};
        int rc = parse(&out, &b, n, &err);
        assert_int_equal(rc, n < 68 ? SH_E_CORRUPT : SH_OK); /* from 68 on: data chunk cut short */
        if (rc == SH_OK) assert_int_equal(out.n, (n - 68) / 2);
        sh_sound_clear(&out);
    }
    sh_buf_clear(&b);
}

static void test_out_of_memory(void **state)
{
    (void)state;
#ifdef SHOAL_FAULT
    sh_buf b = {0};
    sh_sound out = {0};
    sh_err err = {0};
    put_wav(&b, &mono16, two, 4);
    sh_fault_arm(SH_FAULT_ALLOC, 0);
    int rc = parse(&out, &b, b.n, &err);
    sh_fault_arm(SH_FAULT_ALLOC, -1);
    assert_int_equal(rc, SH_E_NOMEM);
    assert_null(out.samples);
    sh_buf_clear(&b);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),      cmocka_unit_test(test_laws),
        cmocka_unit_test(test_channels),     cmocka_unit_test(test_other_chunks),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_rf64),
        cmocka_unit_test(test_bad_headers),  cmocka_unit_test(test_bad_samples),
        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
