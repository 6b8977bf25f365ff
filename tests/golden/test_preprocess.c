/* What a vision model is given: decoded colours, resampled bytes and floats, against Pillow and the published
 * processors (goldens made with Pillow 13 and its older order of passes). The .p13 files were resampled in
 * another order: they must not match, or the comparison would be blind to it. */
#include "unit/test.h"

#include <math.h>

#include "base/endian.h"
#include "base/mem.h"
#include "codec/json.h"
#include "media/image.h"
#include "os/file.h"

static char folder[512];

static void read_all(sh_buf *out, const char *name)
{
    char path[1024];
    sh_err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(sh_file_read(path, 64 << 20, out, &err), &err);
}

static bool has_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return sh_file_exists(path);
}

static sh_image *decode(const char *name)
{
    sh_buf bytes = {0};
    sh_image *img = NULL;
    sh_err err = {0};
    read_all(&bytes, name);
    assert_ok(sh_image_decode(&img, bytes.p, bytes.n, NULL, &err), &err);
    sh_buf_clear(&bytes);
    return img;
}

/* The stem of "clip_pad_rgba_64x48.png" without its ending. */
static void stem_of(char out[64], const char *file)
{
    snprintf(out, 64, "%.*s", (int)strcspn(file, "."), file);
}

static int worst_byte(const uint8_t *a, const uint8_t *b, size_t n)
{
    int worst = 0;
    for (size_t i = 0; i < n; i++)
        if (abs(a[i] - b[i]) > worst) worst = abs(a[i] - b[i]);
    return worst;
}

static float worst_float(const float *a, const sh_buf *want, size_t n)
{
    float worst = 0;
    assert_int_equal(want->n, n * sizeof(float));
    for (size_t i = 0; i < n; i++) worst = fmaxf(worst, fabsf(a[i] - sh_get_f32(want->p + 4 * i)));
    return worst;
}

static void colours_of(const char *file)
{
    char stem[64], name[96];
    sh_buf want = {0};
    sh_image *rgb = NULL, *img = decode(file);
    sh_err err = {0};
    stem_of(stem, file);
    snprintf(name, sizeof name, "rgb_%s.u8", stem);
    read_all(&want, name);
    assert_ok(sh_image_to_rgb(&rgb, img, SH_ALPHA_DROP, &err), &err);
    assert_int_equal(want.n, (size_t)rgb->w * rgb->h * 3);
    int worst = worst_byte(rgb->px, (const uint8_t *)want.p, want.n);
    /* libjpeg's inverse transform and upsampling round otherwise than stb's. */
    assert_in_range(worst, 0, strstr(file, ".jpg") ? 4 : 0);
    sh_image_free(rgb);
    sh_image_free(img);
    sh_buf_clear(&want);
}

/* The picture to resample: from the .u8 for the JPEG, whose decoding differs by a level or two. */
static sh_image *source_of(const char *file)
{
    sh_image *img = decode(file), *exact = NULL;
    sh_buf rgb = {0};
    sh_err err = {0};
    if (!strstr(file, ".jpg")) return img;
    read_all(&rgb, "rgb_photo_90x120.u8");
    assert_int_equal(rgb.n, (size_t)img->w * img->h * 3);
    assert_ok(sh_image_from_pixels(&exact, (const uint8_t *)rgb.p, img->w, img->h, 3, &err), &err);
    sh_image_free(img);
    sh_buf_clear(&rgb);
    return exact;
}

static void check_pixels(const sh_image *img, const sh_image_recipe *r, const char *name, bool equal)
{
    sh_buf want = {0};
    float *pixels = NULL;
    uint32_t h, w;
    sh_err err = {0};
    read_all(&want, name);
    assert_ok(sh_image_pixels(img, r, &pixels, &h, &w, &err), &err);
    float worst = worst_float(pixels, &want, (size_t)3 * h * w);
    if (equal ? worst > 1e-6f : worst < 1e-3f)
        fail_msg("%s: differs by %g (expected %s)", name, (double)worst,
                 equal ? "1e-6 at most" : "a difference");
    sh_free(pixels);
    sh_buf_clear(&want);
}

static unsigned check_processor(const char *processor, const json_t *row, const char *file)
{
    char stem[64], name[192];
    unsigned n_checked = 1;
    sh_image_recipe r;
    sh_err err = {0};
    sh_image *img = source_of(file);
    stem_of(stem, file);
    assert_ok(sh_image_recipe_read(&r, json_object_get(row, "config"), &err), &err);
    snprintf(name, sizeof name, "%s_%s.f32", processor, stem);
    check_pixels(img, &r, name, true);
    snprintf(name, sizeof name, "%s_%s.p13.f32", processor, stem);
    if (has_file(name)) check_pixels(img, &r, name, false), n_checked++;
    snprintf(name, sizeof name, "%s_%s.white.f32", processor, stem);
    r.alpha = SH_ALPHA_WHITE;
    if (has_file(name)) check_pixels(img, &r, name, true), n_checked++;
    sh_image_free(img);
    return n_checked;
}

static json_t *read_table(void)
{
    char path[1024];
    json_t *table = NULL;
    sh_err err = {0};
    snprintf(path, sizeof path, "%s/table.json", folder);
    assert_ok(sh_json_read_file(&table, path, 1 << 20, &err), &err);
    return table;
}

static void test_colours(void **state)
{
    json_t *table = read_table(), *row;
    const char *file;
    (void)state;
    json_object_foreach(json_object_get(table, "images"), file, row) colours_of(file);
    assert_int_equal(json_object_size(json_object_get(table, "images")), 6);
    json_decref(table);
}

static void test_pixels(void **state)
{
    json_t *table = read_table(), *row, *size;
    const char *file, *processor;
    unsigned n = 0;
    (void)state;
    json_object_foreach(json_object_get(table, "processors"), processor, row)
        json_object_foreach(json_object_get(table, "images"), file, size) n +=
        check_processor(processor, row, file);
    /* 6 processors by 6 pictures, 5 of the later order, 4 composited on white. */
    assert_int_equal(n, 45);
    json_decref(table);
}

/* Larger changes of size, up and down, as whole pictures. */
static void test_resized(void **state)
{
    static const struct {
        const char *name;
        enum sh_image_filter filter;
    } rows[] = {{"resized_trocr384_bilinear.png", SH_FILTER_BILINEAR},
                {"resized_clip224_bicubic.png", SH_FILTER_BICUBIC},
                {"resized_down9_bicubic.png", SH_FILTER_BICUBIC},
                {"resized_down7_bilinear.png", SH_FILTER_BILINEAR}};
    (void)state;
    sh_image *img = decode("text_200x100.png");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sh_image *want = decode(rows[i].name), *got = NULL;
        sh_err err = {0};
        assert_int_equal(want->channels, 3);
        assert_ok(sh_image_resize(&got, img, want->w, want->h, rows[i].filter, &err), &err);
        assert_memory_equal(got->px, want->px, (size_t)want->w * want->h * 3);
        sh_image_free(got);
        sh_image_free(want);
    }
    sh_image_free(img);
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s/golden/models/preprocess", SHOAL_GOLDEN_DIR);
    if (!sh_file_is_dir(folder)) {
        printf("skipped: %s is not there\n", folder);
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_colours), cmocka_unit_test(test_pixels),
                                       cmocka_unit_test(test_resized)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
