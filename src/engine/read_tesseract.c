/* read_tesseract.c - reading with Tesseract (Apache-2.0), when this machine has it.
 *
 * The library and what it stands on are 30 MB that take a while to load, so nothing is linked:
 * libtesseract.so.5 is looked for when a reader is opened, its functions are looked up by name, and their
 * types come from its own header (SHOAL_TESSERACT: the header was there at build time). It is never unloaded
 * again, because it keeps threads.
 *
 * Pages are given as grey bytes with a margin, since letters that touch the edge are lost. */
#include "engine/read.h"

#include <string.h>

#include "base/mem.h"

#define INSTALL "install the Debian packages tesseract-ocr and tesseract-ocr-fas"

static bool takes(const char *engine)
{
    return strcmp(engine, "tesseract") == 0;
}

#ifndef SHOAL_TESSERACT

static int open_reader(sh_reader **out, const sh_reader_opts *opts, sh_err *err)
{
    (void)out, (void)opts;
    return sh_fail(err, SH_E_UNSUPPORTED,
                   "this program was built without Tesseract (for the build, install the Debian "
                   "package libtesseract-dev; for its use, tesseract-ocr)");
}

static int list_languages(sh_buf *out, sh_err *err)
{
    (void)out;
    return open_reader(NULL, NULL, err);
}

static void free_reader(sh_reader *r)
{
    (void)r;
}

const sh_reader_ops sh_reader_tesseract = {.name = "tesseract",
                                           .takes = takes,
                                           .open = open_reader,
                                           .list_languages = list_languages,
                                           .free = free_reader};

#else

#include <dlfcn.h>
#include <tesseract/capi.h>

#define LIBRARY "libtesseract.so.5"
enum { MARGIN = 20, MAX_SIDE = 32767 /* its coordinates have 16 bits */ };

/* Each function that is used, under its own name in a table. */
#define FUNCTIONS(X)                                                                                         \
    X(TessVersion)                                                                                           \
    X(TessDeleteText)                                                                                        \
    X(TessDeleteTextArray)                                                                                   \
    X(TessBaseAPICreate)                                                                                     \
    X(TessBaseAPIDelete)                                                                                     \
    X(TessBaseAPISetVariable)                                                                                \
    X(TessBaseAPIInit3)                                                                                      \
    X(TessBaseAPIGetAvailableLanguagesAsVector)                                                              \
    X(TessBaseAPIGetDatapath)                                                                                \
    X(TessBaseAPISetPageSegMode)                                                                             \
    X(TessBaseAPISetImage)                                                                                   \
    X(TessBaseAPISetSourceResolution)                                                                        \
    X(TessBaseAPIRecognize)                                                                                  \
    X(TessBaseAPIGetIterator)                                                                                \
    X(TessBaseAPIClear)                                                                                      \
    X(TessResultIteratorDelete)                                                                              \
    X(TessResultIteratorNext)                                                                                \
    X(TessResultIteratorGetPageIterator)                                                                     \
    X(TessResultIteratorGetUTF8Text)                                                                         \
    X(TessResultIteratorConfidence)                                                                          \
    X(TessPageIteratorBoundingBox)                                                                           \
    X(TessPageIteratorIsAtBeginningOf)

typedef struct tesseract {
    void *library;
#define X(name) __typeof__(&name) name;
    FUNCTIONS(X)
#undef X
    TessBaseAPI *api;
} tesseract;

typedef struct reader {
    sh_reader base;
    tesseract t;
    char *engine, *languages;
} reader;

static void tesseract_clear(tesseract *t)
{
    if (t->api) t->TessBaseAPIDelete(t->api);
    if (t->library) dlclose(t->library);
    *t = (tesseract){0};
}

/* Find the library and its functions and make an object, without a language yet. */
static int tesseract_init(tesseract *t, sh_err *err)
{
    *t = (tesseract){0};
    if (!(t->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)))
        return sh_fail(err, SH_E_UNSUPPORTED, "Tesseract is not on this machine (" INSTALL "): %.200s",
                       dlerror());
#define X(name)                                                                                              \
    if (!(t->name = (__typeof__(t->name))dlsym(t->library, #name))) goto no_function;
    FUNCTIONS(X)
#undef X
    if (!(t->api = t->TessBaseAPICreate())) {
        tesseract_clear(t);
        return sh_fail_nomem(err, 1 << 20);
    }
    /* It would print what it thinks of a page to the error stream. */
    t->TessBaseAPISetVariable(t->api, "debug_file", "/dev/null");
    return SH_OK;
no_function:
    tesseract_clear(t);
    return sh_fail(err, SH_E_UNSUPPORTED, LIBRARY " lacks a function that is needed (version 5 is expected)");
}

/* The installed languages; NULL when none. To be freed with TessDeleteTextArray. Only an object that was
 * given a language knows its folder, so this fails to open one that cannot exist. */
static char **available(tesseract *t)
{
    (void)t->TessBaseAPIInit3(t->api, NULL, "-");
    return t->TessBaseAPIGetAvailableLanguagesAsVector(t->api);
}

static bool list_has(char **list, const char *name, size_t n)
{
    for (; list && *list; list++)
        if (strlen(*list) == n && strncmp(*list, name, n) == 0) return true;
    return false;
}

/* Names joined by `separator`; "osd" only finds the orientation and is no language. */
static void join(sh_buf *out, char **list, const char *separator)
{
    size_t begin = out->n;
    for (; list && *list; list++)
        if (strcmp(*list, "osd") != 0) sh_buf_printf(out, "%s%s", out->n > begin ? separator : "", *list);
}

/* Every language of "a+b" must be installed. Names are checked here because the library takes them as file
 * names. */
static int check_languages(char **list, const char *languages, sh_err *err)
{
    sh_buf names = {0};
    int rc = SH_OK;
    for (const char *p = languages; rc == SH_OK; p++) {
        size_t n = strcspn(p, "+");
        if (!list_has(list, p, n)) {
            join(&names, list, ", ");
            rc = sh_fail(
                err, SH_E_NOTFOUND,
                "no language '%.*s' for Tesseract (installed: %.200s; others are Debian packages such as "
                "tesseract-ocr-fas)",
                (int)(n < 40 ? n : 40), p, names.n ? names.p : "none");
        }
        p += n;
        if (!*p) break;
    }
    sh_buf_clear(&names);
    return rc;
}

static int choose_languages(reader *r, const char *asked, sh_err *err)
{
    char **list = available(&r->t);
    bool has_fas = list_has(list, "fas", 3);
    int rc = check_languages(list, asked ? asked : "eng", err);
    if (list) r->t.TessDeleteTextArray(list);
    if (rc < 0) return rc;
    r->languages = sh_strdup(asked ? asked : has_fas ? "eng+fas" : "eng");
    return r->languages ? SH_OK : sh_fail_nomem(err, 1);
}

static void free_reader(sh_reader *base)
{
    reader *r = (reader *)base;
    tesseract_clear(&r->t);
    sh_free(r->engine);
    sh_free(r->languages);
    sh_free(r);
}

static int open_reader(sh_reader **out, const sh_reader_opts *opts, sh_err *err)
{
    reader *r = sh_new(sizeof *r, err);
    sh_buf name = {0};
    int rc = r ? tesseract_init(&r->t, err) : SH_E_NOMEM;
    if (rc < 0) goto fail;
    if ((rc = choose_languages(r, opts->languages, err)) < 0) goto fail;
    if (r->t.TessBaseAPIInit3(r->t.api, NULL, r->languages) != 0) {
        rc = sh_fail(err, SH_E_CORRUPT, "Tesseract cannot load '%.80s' from %.200s", r->languages,
                     r->t.TessBaseAPIGetDatapath(r->t.api));
        goto fail;
    }
    sh_buf_printf(&name, "tesseract %s", r->t.TessVersion());
    if (!(r->engine = sh_buf_detach(&name))) {
        rc = sh_fail_nomem(err, 32);
        goto fail;
    }
    r->base = (sh_reader){.ops = &sh_reader_tesseract, .engine = r->engine, .languages = r->languages};
    *out = &r->base;
    return SH_OK;
fail:
    if (r) free_reader(&r->base);
    return rc;
}

static int list_languages(sh_buf *out, sh_err *err)
{
    tesseract t;
    int rc = tesseract_init(&t, err);
    if (rc < 0) return rc;
    char **list = available(&t);
    join(out, list, "\n");
    if (list) t.TessDeleteTextArray(list);
    tesseract_clear(&t);
    return sh_buf_ok(out, err);
}

/* The picture in grey inside a margin of its own background: the median of its edge. */
static int with_margin(sh_image **out, const sh_image *img, sh_err *err)
{
    sh_image *grey = NULL, *wide = NULL;
    uint32_t count[256] = {0}, n_edge = 0, below = 0, background = 0;
    int rc = sh_image_to_grey(&grey, img, err);
    if (rc < 0) return rc;
    if ((rc = sh_image_new(&wide, grey->w + 2 * MARGIN, grey->h + 2 * MARGIN, 1, err)) < 0) goto out;
    for (uint32_t x = 0; x < grey->w; x++, n_edge += 2)
        count[grey->px[x]]++, count[grey->px[(size_t)(grey->h - 1) * grey->w + x]]++;
    for (uint32_t y = 0; y < grey->h; y++, n_edge += 2)
        count[grey->px[(size_t)y * grey->w]]++, count[grey->px[(size_t)y * grey->w + grey->w - 1]]++;
    while (background < 255 && (below += count[background]) <= n_edge / 2) background++;
    memset(wide->px, (int)background, (size_t)wide->w * wide->h);
    for (uint32_t y = 0; y < grey->h; y++)
        memcpy(wide->px + (size_t)(y + MARGIN) * wide->w + MARGIN, grey->px + (size_t)y * grey->w, grey->w);
    *out = wide;
out:
    sh_image_free(grey);
    return rc;
}

/* [a, b) without the margin, inside 0..limit. */
static void span(uint32_t *at, uint32_t *len, int a, int b, uint32_t limit)
{
    int lo = a - MARGIN, hi = b - MARGIN, max = (int)limit;
    lo = lo < 0 ? 0 : lo > max - 1 ? max - 1 : lo;
    hi = hi > max ? max : hi <= lo ? lo + 1 : hi;
    *at = (uint32_t)lo;
    *len = (uint32_t)(hi - lo);
}

static int add_line(const tesseract *t, const TessResultIterator *it, const sh_image *img, sh_line_sink *sink,
                    sh_err *err)
{
    const TessPageIterator *at = t->TessResultIteratorGetPageIterator((TessResultIterator *)it);
    char *text = t->TessResultIteratorGetUTF8Text(it, RIL_TEXTLINE);
    sh_read_line line = {.confidence = t->TessResultIteratorConfidence(it, RIL_TEXTLINE) / 100.0f,
                         .begins_block = t->TessPageIteratorIsAtBeginningOf(at, RIL_PARA)};
    int left, top, right, bottom, rc = SH_OK;
    if (text && t->TessPageIteratorBoundingBox(at, RIL_TEXTLINE, &left, &top, &right, &bottom)) {
        span(&line.x, &line.w, left, right, img->w);
        span(&line.y, &line.h, top, bottom, img->h);
        rc = sh_line_sink_add(sink, &line, text, strlen(text), err);
    }
    if (text) t->TessDeleteText(text);
    return rc;
}

static int read_page(sh_reader *base, const sh_image *img, const sh_read_opts *opts, sh_line_sink *sink,
                     sh_err *err)
{
    const tesseract *t = &((reader *)base)->t;
    sh_image *wide = NULL;
    TessResultIterator *it = NULL;
    int rc;
    if (img->w > MAX_SIDE - 2 * MARGIN || img->h > MAX_SIDE - 2 * MARGIN)
        return sh_fail(err, SH_E_LIMIT, "the picture has %u x %u pixels (at most %d on a side can be read)",
                       img->w, img->h, MAX_SIDE - 2 * MARGIN);
    if ((rc = with_margin(&wide, img, err)) < 0) return rc;
    t->TessBaseAPISetPageSegMode(t->api, opts->single_line ? PSM_SINGLE_LINE : PSM_AUTO);
    t->TessBaseAPISetImage(t->api, wide->px, (int)wide->w, (int)wide->h, 1, (int)wide->w);
    if (opts->dpi) t->TessBaseAPISetSourceResolution(t->api, (int)opts->dpi);
    if (t->TessBaseAPIRecognize(t->api, NULL) != 0) {
        rc = sh_fail(err, SH_E_UNSUPPORTED, "Tesseract could not read the picture");
        goto out;
    }
    it = t->TessBaseAPIGetIterator(t->api); /* NULL: a page without text */
    for (bool more = it; more && rc == SH_OK; more = t->TessResultIteratorNext(it, RIL_TEXTLINE))
        rc = add_line(t, it, img, sink, err);
out:
    if (it) t->TessResultIteratorDelete(it);
    t->TessBaseAPIClear(t->api);
    sh_image_free(wide);
    return rc;
}

const sh_reader_ops sh_reader_tesseract = {.name = "tesseract",
                                           .takes = takes,
                                           .open = open_reader,
                                           .read_page = read_page,
                                           .list_languages = list_languages,
                                           .free = free_reader};

#endif
