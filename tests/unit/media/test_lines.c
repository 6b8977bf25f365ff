/* test_lines.c - lines on pages that are drawn here: letters are bars of three heights, words are rows of
 * letters. */
#include "unit/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "media/lines.h"

enum { LETTER_W = 7, LETTER_H = 14, PITCH = 40, MAX_DRAWN = 64 };

typedef struct drawing {
    sh_image *img;
    sh_rng rng;
    double slope;
    sh_box lines[MAX_DRAWN]; /* as drawn */
    size_t n;
} drawing;

static drawing sheet(uint32_t w, uint32_t h, uint8_t paper)
{
    drawing d = {.rng = (sh_rng){7}};
    sh_err err = {0};
    assert_ok(sh_image_new(&d.img, w, h, 1, &err), &err);
    memset(d.img->px, paper, (size_t)w * h);
    return d;
}

static uint32_t any(drawing *d, uint32_t n)
{
    return (uint32_t)(sh_rng_u64(&d->rng) % n);
}

static void bar(drawing *d, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint8_t ink)
{
    for (uint32_t i = x; i < x + w; i++)
        for (uint32_t j = y; j < y + h; j++) {
            int64_t row = j + (int64_t)lround(d->slope * i);
            if (i < d->img->w && row >= 0 && row < d->img->h) d->img->px[(size_t)row * d->img->w + i] = ink;
        }
}

/* A line of words from x to at most x1, its letters standing on y. */
static void line(drawing *d, uint32_t x, uint32_t y, uint32_t x1, uint8_t ink)
{
    sh_box *b = &d->lines[d->n++];
    *b = (sh_box){x, y - LETTER_H, 0, LETTER_H};
    while (x + 8 * (LETTER_W + 3) < x1) {
        for (uint32_t n = 3 + any(d, 5); n; n--, x += LETTER_W + 3) {
            uint32_t rise = any(d, 3) == 0 ? 7 : 0, fall = any(d, 5) == 0 ? 6 : 0;
            bar(d, x, y - LETTER_H - rise, LETTER_W, LETTER_H + rise + fall, ink);
            if (any(d, 4) == 0) bar(d, x + 2, y - LETTER_H - rise - 5, 3, 3, ink); /* a dot */
        }
        b->w = x - 3 - b->x;
        x += 9;
    }
}

static void column(drawing *d, uint32_t x, uint32_t x1, uint32_t y, unsigned n)
{
    for (unsigned i = 0; i < n; i++) line(d, x, y + i * PITCH, x1, 20);
}

/* Every line as drawn is found once, in the order expected; its box encloses the letters' middle band. */
static void expect(const drawing *d, const size_t *order, bool rtl)
{
    sh_lines found = {0};
    sh_lines_opts opts = {.rtl = rtl};
    sh_err err = {0};
    assert_ok(sh_lines_find(&found, d->img, &opts, &err), &err);
    if (found.n != d->n) fail_msg("%zu lines were found (expected %zu)", found.n, d->n);
    for (size_t i = 0; i < found.n; i++) {
        const sh_box *want = &d->lines[order ? order[i] : i], *got = &found.boxes[i];
        double left = want->y + d->slope * want->x, right = want->y + d->slope * (want->x + want->w);
        double top = left < right ? left : right, bottom = (left < right ? right : left) + want->h;
        if (abs((int)got->x - (int)want->x) > 3 ||
            abs((int)(got->x + got->w) - (int)(want->x + want->w)) > 3 || got->y > top + 2 ||
            got->y + got->h < bottom - 2 || got->y + 16 < top || got->y + got->h > bottom + 10)
            fail_msg("line %zu: (%u, %u) %u x %u (drawn at (%u, %u) %u x %u)", i, got->x, got->y, got->w,
                     got->h, want->x, want->y, want->w, want->h);
    }
    sh_lines_clear(&found);
}

static void finish(drawing *d)
{
    sh_image_free(d->img);
}

static void test_blank(void **state)
{
    (void)state;
    for (unsigned paper = 0; paper < 256; paper += 51) {
        drawing d = sheet(300, 200, (uint8_t)paper);
        expect(&d, NULL, false);
        finish(&d);
    }
    drawing one = sheet(1, 1, 255);
    expect(&one, NULL, false);
    finish(&one);
}

static void test_one_line(void **state)
{
    (void)state;
    drawing d = sheet(500, 60, 255);
    line(&d, 10, 40, 490, 0);
    expect(&d, NULL, false);
    finish(&d);
    /* Light on dark. */
    d = sheet(500, 60, 30);
    line(&d, 10, 40, 490, 240);
    expect(&d, NULL, false);
    finish(&d);
}

static void test_column(void **state)
{
    (void)state;
    drawing d = sheet(800, 1000, 250);
    column(&d, 50, 750, 60, 20);
    expect(&d, NULL, false);
    finish(&d);
}

static void test_two_columns(void **state)
{
    static const size_t from_right[] = {0, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                                        1, 2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 25};
    (void)state;
    drawing d = sheet(1200, 800, 255);
    line(&d, 60, 50, 1150, 0); /* a title across both */
    column(&d, 50, 560, 130, 12);
    column(&d, 640, 1150, 145, 12); /* not level with the first */
    line(&d, 60, 690, 1150, 0);
    expect(&d, NULL, false);
    expect(&d, from_right, true);
    finish(&d);
}

static void test_skew(void **state)
{
    (void)state;
    for (int degrees = -3; degrees <= 3; degrees++) {
        drawing d = sheet(1000, 900, 255);
        d.slope = tan(degrees * 3.14159265358979 / 180);
        column(&d, 60, 940, 150, 14);
        expect(&d, NULL, false);
        sh_lines found = {0};
        sh_err err = {0};
        assert_ok(sh_lines_find(&found, d.img, NULL, &err), &err);
        assert_true(fabs(found.skew - d.slope) < 0.003);
        /* Cut out and turned, a line is about as high as it was drawn. */
        for (size_t i = 0; i < found.n; i++) {
            sh_image *cut = NULL;
            assert_ok(sh_lines_cut(&cut, d.img, &found, i, &err), &err);
            assert_in_range(cut->h, LETTER_H + 4, LETTER_H + 13 + 20);
            sh_image_free(cut);
        }
        sh_lines_clear(&found);
        finish(&d);
    }
}

static void test_noise(void **state)
{
    (void)state;
    drawing d = sheet(800, 600, 245);
    column(&d, 50, 750, 60, 12);
    for (int i = 0; i < 1500; i++) { /* specks of one and two pixels */
        uint32_t x = any(&d, 799), y = any(&d, 599);
        if (y % PITCH > 24 && y % PITCH < 36) d.img->px[y * 800 + x] = d.img->px[y * 800 + x + 1] = 10;
    }
    for (size_t i = 0; i < 800 * 600; i++) { /* a shadow across the page, and grain */
        int v = d.img->px[i] - (int)(i % 800) / 8 - (int)any(&d, 9);
        d.img->px[i] = (uint8_t)(v < 0 ? 0 : v);
    }
    expect(&d, NULL, false);
    finish(&d);
}

/* A frame, a rule and a picture beside text are no lines. */
static void test_no_text(void **state)
{
    (void)state;
    drawing d = sheet(900, 700, 255);
    column(&d, 60, 500, 80, 12);
    bar(&d, 10, 10, 880, 3, 0), bar(&d, 10, 685, 880, 3, 0);
    bar(&d, 10, 10, 3, 678, 0), bar(&d, 887, 10, 3, 678, 0);
    bar(&d, 60, 600, 400, 2, 0);
    bar(&d, 580, 100, 260, 240, 60);
    expect(&d, NULL, false);
    finish(&d);
}

static void test_large(void **state)
{
    (void)state;
    drawing d = sheet(3000, 4000, 255), large = {0};
    sh_err err = {0};
    drawing small = sheet(750, 1000, 255);
    column(&small, 50, 700, 60, 20);
    assert_ok(sh_image_resize(&large.img, small.img, 3000, 4000, SH_FILTER_BICUBIC, &err), &err);
    sh_lines found = {0};
    assert_ok(sh_lines_find(&found, large.img, NULL, &err), &err);
    assert_int_equal(found.n, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_in_range(found.boxes[i].x, 4 * 48, 4 * 52);
        assert_in_range(found.boxes[i].y + found.boxes[i].h, 4 * small.lines[i].y + 4 * LETTER_H - 8,
                        4 * small.lines[i].y + 4 * LETTER_H + 40);
    }
    sh_lines_clear(&found);
    finish(&d), finish(&small), finish(&large);
}

static void test_order_of_many(void **state)
{
    enum { N = 3000 };
    static sh_box boxes[N];
    static size_t order[N];
    static bool seen[N], begins[N];
    (void)state;
    sh_rng rng = {3};
    sh_err err = {0};
    for (size_t i = 0; i < N; i++)
        boxes[i] = (sh_box){(uint32_t)(sh_rng_u64(&rng) % 3000), (uint32_t)(sh_rng_u64(&rng) % 4000),
                            1 + (uint32_t)(sh_rng_u64(&rng) % 300), 1 + (uint32_t)(sh_rng_u64(&rng) % 50)};
    assert_ok(sh_lines_order(order, begins, boxes, N, true, &err), &err);
    for (size_t i = 0; i < N; i++) {
        assert_in_range(order[i], 0, N - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
    assert_ok(sh_lines_order(order, NULL, boxes, 0, false, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blank),        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_column),       cmocka_unit_test(test_two_columns),
        cmocka_unit_test(test_skew),         cmocka_unit_test(test_noise),
        cmocka_unit_test(test_no_text),      cmocka_unit_test(test_large),
        cmocka_unit_test(test_order_of_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
