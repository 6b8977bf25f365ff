/* test_sound.c - sounds from files: what is accepted, what other files are called, the rate they are brought
 * to. */
#include "unit/media/wav_bytes.h"

#include <math.h>

#include "base/fault.h"
#include "base/mem.h"
#include "media/resample_sound.h"
#include "media/sound.h"
#include "os/file.h"
#include "unit/tmpdir.h"

static void test_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *part;
    } cases[] = {
        {"", 0, SH_E_CORRUPT, "empty"},
        {"fLaC\0\0\0\"", 8, SH_E_UNSUPPORTED, "a FLAC file; expected a WAV file"},
        {"OggS\0\2\0\0", 8, SH_E_UNSUPPORTED, "an Ogg file"},
        {"ID3\4\0\0\0\0", 8, SH_E_UNSUPPORTED, "an MP3 file"},
        {"\xff\xfb\x90\x64", 4, SH_E_UNSUPPORTED, "an MP3 file"},
        {"\xff\xf1\x50\x80", 4, SH_E_UNSUPPORTED, "an AAC file"},
        {"\0\0\0\x1c"
         "ftypM4A ",
         12, SH_E_UNSUPPORTED, "an MP4 file"},
        {"\x1a\x45\xdf\xa3", 4, SH_E_UNSUPPORTED, "a WebM or Matroska file"},
        {"FORM\0\0\0\0AIFF", 12, SH_E_UNSUPPORTED, "an AIFF file"},
        {"RIFF\4\0\0\0AVI ", 12, SH_E_UNSUPPORTED, "a RIFF file of another kind"},
        {"RIFF\4\0\0\0WAVE", 12, SH_E_CORRUPT, "no fmt chunk"},
        {"R", 1, SH_E_UNSUPPORTED, "no sound file that is known"},
        {"\xff", 1, SH_E_UNSUPPORTED, "no sound file that is known"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_sound s = {0};
        sh_err err = {0};
        assert_int_equal(sh_sound_parse(&s, cases[i].bytes, cases[i].n, "upload", &err), cases[i].code);
        if (!strstr(err.msg, cases[i].part) || strncmp(err.msg, "upload: ", 8) != 0)
            fail_msg("\"%s\"", err.msg);
        assert_null(s.samples);
    }
}

/* A file of two channels at 44100 Hz, n blocks, both channels the same tone. */
static void put_tone(sh_buf *b, size_t n)
{
    const wav_spec spec = {.tag = 1, .n_channels = 2, .rate = 44100, .bits = 16};
    sh_buf data = {0};
    for (size_t i = 0; i < 2 * n; i++) {
        double t = (double)(i / 2) / 44100;
        put_number(&data, &spec, (uint16_t)(int16_t)lrint(16384 * sin(6.283185307179586 * 440 * t)), 2);
    }
    put_wav(b, &spec, data.p, data.n);
    sh_buf_clear(&data);
}

static void test_read(void **state)
{
    (void)state;
    sh_buf b = {0};
    sh_sound s = {0};
    sh_err err = {0};
    char *dir = tmpdir_make();
    const char *path = tmpdir_path(dir, "tone.wav");
    put_tone(&b, 44100);
    assert_ok(sh_file_write(path, b.p, b.n, &err), &err);
    assert_ok(sh_sound_read(&s, path, 0, NULL, &err), &err);
    assert_int_equal(s.n, 44100);
    assert_int_equal(s.rate, 44100);
    sh_sound_clear(&s);
    assert_null(s.samples);
    assert_ok(sh_sound_read(&s, path, 16000, NULL, &err), &err);
    assert_int_equal(s.n, 16000);
    assert_int_equal(s.rate, 16000);
    for (size_t i = 200; i < 15800;
         i++) { /* away from the ends: 16-bit rounding and the ripple of the filter */
        double expected = 0.5 * sin(6.283185307179586 * 440 * (double)i / 16000);
        if (fabs((double)s.samples[i] - expected) > 4e-5)
            fail_msg("sample %zu is %g, expected %g", i, (double)s.samples[i], expected);
    }
    sh_sound_clear(&s);
    sh_sound_clear(NULL);
    assert_int_equal(sh_sound_read(&s, dir, 0, NULL, &err), SH_E_IO);
    assert_ok(sh_file_remove(path, &err), &err);
    assert_int_equal(sh_sound_read(&s, path, 0, NULL, &err), SH_E_NOTFOUND);
    assert_non_null(strstr(err.msg, "tone.wav"));
    tmpdir_remove(dir);
    sh_buf_clear(&b);
}

/* Any request for memory may be refused: nothing leaks, *out stays as it was. */
static void test_out_of_memory(void **state)
{
    (void)state;
#ifdef SHOAL_FAULT
    sh_buf b = {0};
    sh_err err = {0};
    char *dir = tmpdir_make();
    const char *path = tmpdir_path(dir, "tone.wav");
    put_tone(&b, 4000);
    assert_ok(sh_file_write(path, b.p, b.n, &err), &err);
    long k = 0;
    for (int rc = -1; rc != SH_OK; k++) {
        sh_sound s = {0};
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_sound_read(&s, path, 16000, NULL, &err);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        if (rc != SH_OK) {
            assert_int_equal(rc, SH_E_NOMEM);
            assert_null(s.samples);
        }
        sh_sound_clear(&s);
    }
    assert_true(k >= 5); /* file, samples, resampled samples, two tables at least */
    tmpdir_remove(dir);
    sh_buf_clear(&b);
#else
    skip();
#endif
}

static void test_resample_keeps_on_failure(void **state)
{
    (void)state;
    sh_sound s = {sh_new_array(100, sizeof(float), NULL), 100, 16000};
    const sh_sound before = s;
    sh_err err = {0};
    assert_ok(sh_sound_resample(&s, 16000, NULL, &err), &err);
    assert_ptr_equal(s.samples, before.samples);
    assert_int_equal(sh_sound_resample(&s, 999, NULL, &err), SH_E_RANGE);
    assert_non_null(strstr(err.msg, "from 16000 to 999"));
    assert_ptr_equal(s.samples, before.samples);
    assert_int_equal(s.rate, 16000);
    assert_ok(sh_sound_resample(&s, 8000, NULL, &err), &err);
    assert_int_equal(s.n, 50);
    sh_sound_clear(&s);
    s = (sh_sound){NULL, 0, 44100}; /* an empty sound stays one */
    assert_ok(sh_sound_resample(&s, 16000, NULL, &err), &err);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.rate, 16000);
    sh_sound_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_resample_keeps_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
