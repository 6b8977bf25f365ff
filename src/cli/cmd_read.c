/* cmd_read.c - shoal read: text from pictures. */
#include <shoal/read.h>

#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "codec/json.h"
#include "media/image.h"
#include "os/file.h"

/* What was read of all pictures, in the form that was asked for. */
typedef struct report {
    sh_buf text;
    json_t *documents; /* --json */
    bool with_boxes;   /* --lines */
} report;

static json_t *page_json(const char *path, const sh_reader *r, const sh_image *img, const sh_page *p)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < p->n_lines; i++) {
        const sh_read_line *l = &p->lines[i];
        json_array_append_new(lines, json_pack("{s:s#,s:[I,I,I,I],s:f,s:b}", "text", l->text, (int)l->n,
                                               "box", (json_int_t)l->x, (json_int_t)l->y, (json_int_t)l->w,
                                               (json_int_t)l->h, "confidence", (double)l->confidence, "rtl",
                                               l->is_rtl));
    }
    return json_pack("{s:s,s:I,s:I,s:s,s:s,s:s#,s:f,s:o}", "image", path, "width",
                     (json_int_t)sh_image_width(img), "height", (json_int_t)sh_image_height(img), "engine",
                     sh_reader_engine(r), "lang", sh_reader_languages(r), "text", p->text, (int)p->n_text,
                     "confidence", (double)p->confidence, "lines", lines);
}

static int add_page(report *rep, const char *path, const sh_reader *r, const sh_image *img, const sh_page *p,
                    sh_err *err)
{
    if (rep->documents) {
        json_t *doc = page_json(path, r, img, p);
        return doc && json_array_append_new(rep->documents, doc) == 0 ? SH_OK : sh_fail_nomem(err, p->n_text);
    }
    if (!rep->with_boxes) sh_buf_add(&rep->text, p->text, p->n_text);
    for (size_t i = 0; rep->with_boxes && i < p->n_lines; i++) {
        const sh_read_line *l = &p->lines[i];
        sh_buf_printf(&rep->text, "%u,%u,%u,%u\t%.3f\t%s\n", l->x, l->y, l->w, l->h, (double)l->confidence,
                      l->text);
    }
    return sh_buf_ok(&rep->text, err);
}

static int read_image(report *rep, sh_reader *r, const char *path, const sh_read_opts *ro, sh_err *err)
{
    sh_image *img = NULL;
    sh_page page = {0};
    sh_image_opts io = SH_IMAGE_OPTS_INIT;
    io.orient = true;
    int rc = sh_image_load(&img, path, &io, err);
    if (rc == SH_OK && (rc = sh_reader_read(r, img, ro, &page, err)) < 0)
        rc = sh_fail_in(err, rc, "%.150s", path);
    if (rc == SH_OK) rc = add_page(rep, path, r, img, &page, err);
    sh_page_clear(&page);
    sh_image_free(img);
    return rc;
}

/* To the file, or what has come so far to standard output. */
static int deliver(report *rep, sh_cli *cli, const char *path, bool is_last, sh_err *err)
{
    int rc = SH_OK;
    if (rep->documents && is_last) {
        const json_t *one = json_array_size(rep->documents) == 1 ? json_array_get(rep->documents, 0) : NULL;
        rc = sh_json_write(&rep->text, one ? one : rep->documents, JSON_INDENT(2), err);
        sh_buf_putc(&rep->text, '\n');
        if (rc == SH_OK) rc = sh_buf_ok(&rep->text, err);
    }
    if (rc < 0 || (path && !is_last)) return rc;
    if (path) return sh_file_write(path, rep->text.p ? rep->text.p : "", rep->text.n, err);
    fwrite(rep->text.p ? rep->text.p : "", 1, rep->text.n, cli->out);
    sh_buf_reset(&rep->text);
    return SH_OK;
}

static int list_languages(sh_cli *cli, const char *engine, sh_err *err)
{
    char *names = NULL;
    int rc = sh_reader_list_languages(&names, engine, err);
    if (rc < 0) return rc;
    if (cli->json) {
        json_t *list = json_array();
        for (const char *p = names; *p; p += strcspn(p, "\n"), p += *p == '\n')
            json_array_append_new(list, json_stringn(p, strcspn(p, "\n")));
        rc = sh_print_json(cli, list, err);
    } else if (*names) {
        fprintf(cli->out, "%s\n", names);
    }
    sh_text_free(names);
    return rc;
}

static int run_read(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_reader_opts opts = SH_READER_OPTS_INIT;
    sh_read_opts ro = SH_READ_OPTS_INIT;
    report rep = {.with_boxes = sh_args_has(args, "lines")};
    sh_reader *r = NULL;
    const char *path = sh_args_str(args, "output", NULL);
    size_t n = sh_args_count(args);
    int rc;
    if (sh_args_has(args, "list-langs")) return list_languages(cli, sh_args_str(args, "engine", NULL), err);
    if (!n && cli->in_is_tty) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "read: an IMAGE is needed"));
    ro.single_line = sh_args_has(args, "single-line");
    ro.dpi = (uint32_t)sh_args_int(args, "dpi", 0);
    if (sh_args_has(args, "rtl")) ro.order = SH_ORDER_RIGHT_TO_LEFT;
    opts.engine = sh_args_str(args, "engine", NULL);
    opts.languages = sh_args_str(args, "lang", NULL);
    if ((rc = sh_reader_open(&r, &opts, err)) < 0) goto out;
    if (cli->json && !(rep.documents = json_array())) {
        rc = sh_fail_nomem(err, 64);
        goto out;
    }
    for (size_t i = 0; i < (n ? n : 1); i++) {
        if (i && !rep.documents) sh_buf_putc(&rep.text, '\f');
        if ((rc = read_image(&rep, r, n ? sh_args_at(args, i) : "-", &ro, err)) < 0) goto out;
        if ((rc = deliver(&rep, cli, path, i + 1 >= n, err)) < 0) goto out;
    }
out:
    json_decref(rep.documents);
    sh_buf_clear(&rep.text);
    sh_reader_free(r);
    return rc;
}

const sh_command sh_cmd_read = {
    .name = "read",
    .synopsis = "IMAGE...",
    .summary = "Read the text in pictures of pages and lines",
    .details =
        "IMAGE is a PNG, JPEG, PGM or PPM file; '-' is standard input, as is no IMAGE with piped input. "
        "Lines are "
        "printed in reading order, with an empty line between blocks and a form feed between pictures.\n\n"
        "With --json one picture gives an object {image, width, height, engine, lang, text, confidence, "
        "lines}, several "
        "a list of these; a line is {text, box: [x, y, width, height], confidence, rtl}.\n\n"
        "The engine is Tesseract 5 (Debian packages tesseract-ocr, and tesseract-ocr-fas and others for "
        "languages "
        "besides English).",
    .opts =
        (const sh_opt[]){
            {"lang", 'l', SH_OPT_STR, "L",
             "languages, as eng+fas (default: English, and Persian when installed)", 0, 0, false},
            {"list-langs", 0, SH_OPT_FLAG, NULL, "print the installed languages", 0, 0, false},
            {"engine", 0, SH_OPT_STR, "NAME", "what reads: tesseract", 0, 0, false},
            {"lines", 0, SH_OPT_FLAG, NULL,
             "print x,y,width,height, confidence and text of each line, parted by tabs", 0, 0, false},
            {"single-line", 0, SH_OPT_FLAG, NULL, "each picture is one line of text", 0, 0, false},
            {"rtl", 0, SH_OPT_FLAG, NULL, "columns are read from the right (default: told by the script)", 0,
             0, false},
            {"dpi", 0, SH_OPT_INT, "N", "resolution of the scan (default: guessed)", 50, 2400, false},
            {"output", 'o', SH_OPT_FILE, "FILE", "write there instead of standard output", 0, 0, false},
            {0}},
    .min_args = 0,
    .max_args = -1,
    .arg_kinds = {SH_ARG_FILE},
    .run = run_read,
};
