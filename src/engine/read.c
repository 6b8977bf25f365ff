/* read.c - readers: choosing an engine, completing what it read, ordering and joining the lines. */
#include "engine/read.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "media/lines.h"

/* In the order in which they are tried when the caller names none. */
static const sh_reader_ops *const engines[] = {&sh_reader_tesseract};

struct sh_line_sink {
    sh_page *page;
    size_t cap;
};

static const sh_reader_ops *find_engine(const char *engine, sh_err *err)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (engines[i]->takes(engine)) return engines[i];
    sh_fail(err, SH_E_NOTFOUND, "no engine '%.100s' that reads (expected tesseract)", engine);
    return NULL;
}

int sh_reader_open(sh_reader **out, const sh_reader_opts *opts, sh_err *err)
{
    const sh_reader_opts defaults = SH_READER_OPTS_INIT;
    if (!opts) opts = &defaults;
    if (opts->engine) {
        const sh_reader_ops *ops = find_engine(opts->engine, err);
        return ops ? ops->open(out, opts, err) : SH_E_NOTFOUND;
    }
    int rc = SH_E_UNSUPPORTED;
    for (size_t i = 0; rc == SH_E_UNSUPPORTED && i < sizeof engines / sizeof *engines; i++)
        rc = engines[i]->open(out, opts, err);
    return rc;
}

void sh_reader_free(sh_reader *r)
{
    if (r) r->ops->free(r);
}

const char *sh_reader_engine(const sh_reader *r)
{
    return r->engine;
}
const char *sh_reader_languages(const sh_reader *r)
{
    return r->languages;
}

int sh_reader_list_languages(char **out, const char *engine, sh_err *err)
{
    sh_buf names = {0};
    const sh_reader_ops *ops = engine ? find_engine(engine, err) : engines[0];
    int rc = ops ? SH_OK : SH_E_NOTFOUND;
    if (ops && !ops->list_languages)
        rc = sh_fail(err, SH_E_UNSUPPORTED, "%s has no languages to choose from", ops->name);
    if (rc == SH_OK) rc = ops->list_languages(&names, err);
    if (rc == SH_OK && !(*out = sh_buf_detach(&names))) rc = sh_fail_nomem(err, names.n);
    sh_buf_clear(&names);
    return rc;
}

void sh_text_free(char *text)
{
    sh_free(text);
}

void sh_page_clear(sh_page *p)
{
    for (size_t i = 0; i < p->n_lines; i++) sh_free(p->lines[i].text);
    sh_free(p->lines);
    sh_free(p->text);
    *p = (sh_page){0};
}

static bool is_rtl_letter(uint32_t c)
{
    return (c >= 0x0590 && c <= 0x08ff && !(c >= 0x0660 && c <= 0x0669) && !(c >= 0x06f0 && c <= 0x06f9)) ||
           (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfefc) || (c >= 0x10800 && c <= 0x10fff) ||
           (c >= 0x1e800 && c <= 0x1efff);
}

/* Letters of any other script; what is no letter (digits, punctuation, symbols) has no side. */
static bool is_other_letter(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= 0xc0 && !(c >= 0x2000 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x303f) &&
            !is_rtl_letter(c) && !(c >= 0x0660 && c <= 0x06f9) && c != 0xfeff && c != 0xfffd);
}

bool sh_text_is_rtl(const char *text, size_t n)
{
    size_t n_rtl = 0, n_other = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        bool ok;
        at += sh_utf8_decode(text + at, n - at, &c, &ok);
        n_rtl += is_rtl_letter(c);
        n_other += is_other_letter(c);
    }
    return n_rtl > n_other;
}

int sh_line_sink_add(sh_line_sink *sink, const sh_read_line *line, const char *text, size_t n, sh_err *err)
{
    sh_page *p = sink->page;
    while (n && (unsigned char)text[n - 1] <= ' ') n--;
    while (n && (unsigned char)*text <= ' ') text++, n--;
    if (!n) return SH_OK;
    if (p->n_lines == sink->cap) {
        size_t cap = sink->cap ? 2 * sink->cap : 64;
        sh_read_line *lines = sh_realloc(p->lines, cap, sizeof *lines);
        if (!lines) return sh_fail_nomem(err, cap * sizeof *lines);
        p->lines = lines;
        sink->cap = cap;
    }
    sh_read_line *l = &p->lines[p->n_lines];
    *l = *line;
    if (!(l->text = sh_strndup(text, n))) return sh_fail_nomem(err, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)l->text[i] < ' ') l->text[i] = ' '; /* a line is one line */
    l->n = n;
    l->is_rtl = sh_text_is_rtl(text, n);
    l->confidence = line->confidence >= 0 && line->confidence <= 1 ? line->confidence : line->confidence > 1;
    p->n_lines++;
    return SH_OK;
}

/* Lines found by their shapes, each read alone. */
static int read_by_lines(sh_reader *r, const sh_image *img, const sh_read_opts *opts, sh_line_sink *sink,
                         sh_err *err)
{
    sh_lines lines = {0};
    sh_lines_opts lo = {.rtl = opts->order == SH_ORDER_RIGHT_TO_LEFT};
    sh_buf text = {0};
    int rc = opts->single_line ? SH_OK : sh_lines_find(&lines, img, &lo, err);
    size_t n = opts->single_line ? 1 : lines.n;
    for (size_t i = 0; rc == SH_OK && i < n; i++) {
        sh_image *cut = NULL;
        sh_read_line line = {.w = img->w, .h = img->h, .begins_block = true};
        sh_buf_reset(&text);
        if (!opts->single_line) {
            const sh_box *b = &lines.boxes[i];
            line = (sh_read_line){
                .x = b->x, .y = b->y, .w = b->w, .h = b->h, .begins_block = lines.begins_column[i]};
            rc = sh_lines_cut(&cut, img, &lines, i, err);
        }
        if (rc == SH_OK) rc = r->ops->read_line(r, cut ? cut : img, &text, &line.confidence, err);
        if (rc == SH_OK) rc = sh_buf_ok(&text, err);
        if (rc == SH_OK) rc = sh_line_sink_add(sink, &line, text.p ? text.p : "", text.n, err);
        sh_image_free(cut);
    }
    sh_buf_clear(&text);
    sh_lines_clear(&lines);
    return rc;
}

static bool most_are_rtl(const sh_page *p)
{
    size_t n_rtl = 0, n_all = 0;
    for (size_t i = 0; i < p->n_lines; i++)
        n_all += p->lines[i].n, n_rtl += p->lines[i].is_rtl ? p->lines[i].n : 0;
    return 2 * n_rtl > n_all;
}

/* Engines order columns from left to right, whatever is written in them. */
static int order_from_right(sh_page *p, sh_err *err)
{
    size_t n = p->n_lines, *order = sh_new_array(n, sizeof *order, err);
    sh_box *boxes = sh_new_array(n, sizeof *boxes, err);
    bool *begins = sh_new_array(n, sizeof *begins, err);
    sh_read_line *sorted = sh_new_array(n, sizeof *sorted, err);
    int rc = order && boxes && begins && sorted ? SH_OK : SH_E_NOMEM;
    for (size_t i = 0; rc == SH_OK && i < n; i++)
        boxes[i] = (sh_box){p->lines[i].x, p->lines[i].y, p->lines[i].w, p->lines[i].h};
    if (rc == SH_OK) rc = sh_lines_order(order, begins, boxes, n, true, err);
    if (rc == SH_OK) {
        for (size_t i = 0; i < n; i++) {
            sorted[i] = p->lines[order[i]];
            sorted[i].begins_block |= begins[i];
        }
        memcpy(p->lines, sorted, n * sizeof *sorted);
    }
    sh_free(order);
    sh_free(boxes);
    sh_free(begins);
    sh_free(sorted);
    return rc;
}

static int join_text(sh_page *p, sh_err *err)
{
    sh_buf all = {0};
    double sum = 0;
    size_t n_bytes = 0;
    for (size_t i = 0; i < p->n_lines; i++) {
        const sh_read_line *l = &p->lines[i];
        if (i && l->begins_block) sh_buf_putc(&all, '\n');
        sh_buf_add(&all, l->text, l->n);
        sh_buf_putc(&all, '\n');
        sum += (double)l->confidence * (double)l->n;
        n_bytes += l->n;
    }
    p->confidence = n_bytes ? (float)(sum / (double)n_bytes) : 0;
    p->n_text = all.n;
    p->text = sh_buf_detach(&all);
    return p->text ? SH_OK : sh_fail_nomem(err, p->n_text);
}

int sh_reader_read(sh_reader *r, const sh_image *img, const sh_read_opts *opts, sh_page *out, sh_err *err)
{
    const sh_read_opts defaults = SH_READ_OPTS_INIT;
    sh_page page = {0};
    sh_line_sink sink = {.page = &page};
    int rc;
    if (!opts) opts = &defaults;
    if (r->ops->read_page)
        rc = r->ops->read_page(r, img, opts, &sink, err);
    else
        rc = read_by_lines(r, img, opts, &sink, err);
    bool from_right =
        opts->order == SH_ORDER_RIGHT_TO_LEFT || (opts->order == SH_ORDER_AUTO && most_are_rtl(&page));
    if (rc == SH_OK && from_right && page.n_lines > 1) rc = order_from_right(&page, err);
    if (rc == SH_OK) rc = join_text(&page, err);
    if (rc < 0)
        sh_page_clear(&page);
    else
        *out = page;
    return rc;
}
