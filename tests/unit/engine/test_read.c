/* test_read.c - what readers share: a page split for an engine that reads single lines, order, joining,
 * refusals. */
#include "unit/test.h"

#include "base/mem.h"
#include "engine/read.h"

enum { PAGE_W = 600, PAGE_H = 300 };

/* An engine that knows a line by how dark it is. */
typedef struct fake {
    sh_reader reader;
    unsigned n_calls, fails_at; /* 0: never */
} fake;

static int fake_line(sh_reader *r, const sh_image *line, sh_buf *text, float *confidence, sh_err *err)
{
    fake *f = (fake *)(void *)r;
    unsigned darkest = 255;
    if (++f->n_calls == f->fails_at) return sh_fail(err, SH_E_IO, "the engine stumbled");
    for (size_t i = 0; i < (size_t)line->w * line->h * line->channels; i++)
        if (line->px[i] < darkest) darkest = line->px[i];
    sh_buf_printf(text, "  line %u \n", darkest / 10);
    *confidence = (float)(darkest / 10) / 10;
    return SH_OK;
}

static const sh_reader_ops fake_ops = {.name = "fake", .read_line = fake_line};

/* A row of letters as bars, from x to x1. */
static void row(sh_image *img, uint32_t x, uint32_t x1, uint32_t y, uint8_t ink)
{
    for (; x + 8 < x1; x += 12)
        for (uint32_t j = 0; j < 20; j++) memset(img->px + (size_t)(y + j) * img->w + x, ink, 8);
}

static sh_image *blank(void)
{
    sh_image *img = NULL;
    sh_err err = {0};
    assert_int_equal(sh_image_new(&img, PAGE_W, PAGE_H, 1, &err), SH_OK);
    memset(img->px, 255, (size_t)PAGE_W * PAGE_H);
    return img;
}

/* Two columns of four lines, in ink 10 to 40 and 50 to 80. */
static sh_image *two_columns(void)
{
    sh_image *img = blank();
    for (uint32_t i = 0; i < 4; i++) {
        row(img, 20, 240, 60 + 40 * i, (uint8_t)(10 * (i + 1)));
        row(img, 360, 580, 60 + 40 * i, (uint8_t)(10 * (i + 5)));
    }
    return img;
}

static void expect(enum sh_read_order order, const char *text)
{
    fake f = {.reader = {&fake_ops, "fake", ""}};
    sh_image *img = two_columns();
    sh_read_opts opts = SH_READ_OPTS_INIT;
    sh_page page = {0};
    sh_err err = {0};
    opts.order = order;
    if (sh_reader_read(&f.reader, img, &opts, &page, &err) < 0) fail_msg("%s", err.msg);
    assert_string_equal(page.text, text);
    assert_int_equal(page.n_lines, 8);
    assert_int_equal(f.n_calls, 8);
    assert_float_equal(page.confidence, 0.45f, 1e-6);
    for (size_t i = 0; i < page.n_lines; i++) {
        const sh_read_line *l = &page.lines[i];
        assert_true(l->x + l->w <= PAGE_W && l->y + l->h <= PAGE_H && l->w > 180 && l->h >= 18 && l->h <= 30);
    }
    sh_page_clear(&page);
    sh_image_free(img);
}

static void test_lines_are_read_in_order(void **state)
{
    (void)state;
    expect(SH_ORDER_AUTO, "line 1\nline 2\nline 3\nline 4\n\nline 5\nline 6\nline 7\nline 8\n");
    expect(SH_ORDER_RIGHT_TO_LEFT, "line 5\nline 6\nline 7\nline 8\n\nline 1\nline 2\nline 3\nline 4\n");
}

static void test_blank_page_and_single_line(void **state)
{
    fake f = {.reader = {&fake_ops, "fake", ""}};
    sh_image *img = blank();
    sh_read_opts opts = SH_READ_OPTS_INIT;
    sh_page page = {0};
    sh_err err = {0};
    (void)state;
    assert_int_equal(sh_reader_read(&f.reader, img, NULL, &page, &err), SH_OK);
    assert_int_equal(page.n_lines, 0);
    assert_string_equal(page.text, "");
    sh_page_clear(&page);
    row(img, 20, 300, 60, 30), row(img, 20, 300, 160, 50);
    opts.single_line = true; /* not split, whatever is there */
    assert_int_equal(sh_reader_read(&f.reader, img, &opts, &page, &err), SH_OK);
    assert_string_equal(page.text, "line 3\n");
    assert_int_equal(page.lines[0].w, PAGE_W);
    sh_page_clear(&page);
    sh_image_free(img);
}

/* A failure midway leaves nothing behind and says what the engine said. */
static void test_failure(void **state)
{
    fake f = {.reader = {&fake_ops, "fake", ""}, .fails_at = 3};
    sh_image *img = two_columns();
    sh_page page = {0};
    sh_reader *r = NULL;
    sh_err err = {0};
    sh_reader_opts opts = SH_READER_OPTS_INIT;
    (void)state;
    assert_int_equal(sh_reader_read(&f.reader, img, NULL, &page, &err), SH_E_IO);
    assert_string_equal(err.msg, "the engine stumbled");
    assert_null(page.text);
    opts.engine = "no such";
    assert_int_equal(sh_reader_open(&r, &opts, &err), SH_E_NOTFOUND);
    sh_image_free(img);
}

static void test_script(void **state)
{
    static const struct {
        const char *text;
        bool rtl;
    } cases[] = {
        {"", false},    {"123 ۱۲۳", false},       {"abc", false},
        {"سلام", true}, {"سلام abc defg", false}, {"متن فارسی OK", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sh_text_is_rtl(cases[i].text, strlen(cases[i].text)), cases[i].rtl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_read_in_order),
        cmocka_unit_test(test_blank_page_and_single_line),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
