/* Renderings of published chat templates, byte for byte as transformers makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>

#include "base/mem.h"
#include "text/chat_template.h"

#define GOLDEN SHOAL_GOLDEN_DIR "/golden/chat_templates"
#define TEMPLATES SHOAL_GOLDEN_DIR "/lm/chat_templates"
enum { CLOCK = 1769862896 /* 2026-01-31 12:34:56 UTC, as when the goldens were made */ };

typedef struct tally {
    unsigned n, failed, rendered;
} tally;

static const char *const kind_names[] = {"ok", "raise_exception", "undefined", "security", "other"};

static bool read_file(const char *path, sh_buf *out)
{
    char block[65536];
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sh_buf_add(out, block, n);
    fclose(f);
    return true;
}

/* One rendering, or the name of its error in *kind with the message in err. */
static bool render(const sh_template *t, const json_t *special, const json_t *conv, bool generate,
                   sh_buf *out, enum sh_template_error *kind, sh_err *err)
{
    json_t *kwargs = json_deep_copy(json_object_get(conv, "kwargs"));
    sh_template_opts opts = SH_TEMPLATE_OPTS_INIT;
    opts.now_unix = CLOCK;
    sh_chat_input in = {.messages = json_object_get(conv, "messages"), .special = special, .kwargs = kwargs};
    in.tools = json_object_get(conv, "tools");
    in.continue_final_message = json_is_true(json_object_get(kwargs, "continue_final_message"));
    in.add_generation_prompt = generate;
    json_object_del(kwargs, "continue_final_message");
    sh_span *spans = NULL;
    size_t n_spans = 0;
    int rc = sh_template_chat(t, &in, &opts, out, &spans, &n_spans, kind, err);
    for (size_t i = 0; rc == SH_OK && i < n_spans; i++) {
        assert_true(spans[i].begin < spans[i].end && spans[i].end <= out->n);
        assert_true(i == 0 || spans[i - 1].end <= spans[i].begin);
    }
    sh_free(spans);
    json_decref(kwargs);
    return rc == SH_OK;
}

static void complain(tally *s, const char *name, const char *conv, const char *what, const char *want,
                     const char *got)
{
    size_t i = 0;
    while (want[i] && want[i] == got[i]) i++;
    size_t from = i > 60 ? i - 60 : 0;
    print_message("%s, %s, %s: differs at byte %zu\n  expected: %.140s\n  rendered: %.140s\n", name, conv,
                  what, i, want + from, got + from);
    s->failed++;
}

static void check(tally *s, const char *name, const char *conv, const char *what, const char *want_text,
                  const char *want_error, const char *want_message, bool ok, const sh_buf *got,
                  enum sh_template_error kind, const sh_err *err)
{
    s->n++;
    s->rendered += want_text != NULL;
    if (want_text && ok) {
        if (got->n == strlen(want_text) && memcmp(sh_buf_str(got).p, want_text, got->n) == 0) return;
        complain(s, name, conv, what, want_text, sh_buf_str(got).p);
    } else if (want_text) {
        complain(s, name, conv, what, want_text, err->msg);
    } else if (ok) {
        complain(s, name, conv, what, want_message, sh_buf_str(got).p);
    } else if (strcmp(want_error, kind_names[kind]) != 0) {
        complain(s, name, conv, what, want_error, kind_names[kind]);
    } else if (kind == SH_TEMPLATE_RAISED && strcmp(want_message, err->msg) != 0) {
        complain(s, name, conv, what, want_message, err->msg);
    }
}

static void check_conversation(tally *s, const char *name, const sh_template *t, const json_t *all,
                               const json_t *conv, const json_t *want)
{
    sh_err err = {0};
    sh_buf out = {0}, full = {0};
    enum sh_template_error kind;
    const char *cname = json_string_value(json_object_get(conv, "name"));
    const char *text = json_string_value(json_object_get(want, "text"));
    const char *gp = json_string_value(json_object_get(want, "gp"));
    const char *text_gp = json_string_value(json_object_get(want, "text_gp"));
    const char *error = json_string_value(json_object_get(want, "error"));
    const char *message = json_string_value(json_object_get(want, "message"));
    const json_t *special = json_object_get(all, "special_tokens");
    bool ok = render(t, special, conv, false, &out, &kind, &err);
    check(s, name, cname, "text", text, error, message, ok, &out, kind, &err);
    if (gp) sh_buf_puts(&full, text), sh_buf_puts(&full, gp), text_gp = sh_buf_str(&full).p;
    if (text_gp) {
        sh_buf_reset(&out);
        ok = render(t, special, conv, true, &out, &kind, &err);
        check(s, name, cname, "with generation prompt", text_gp, NULL, NULL, ok, &out, kind, &err);
    }
    sh_buf_clear(&out);
    sh_buf_clear(&full);
}

static void check_template(tally *s, const char *name, const json_t *all)
{
    char path[1024];
    sh_buf source = {0};
    sh_err err = {0};
    sh_template *t = NULL;
    json_error_t why;
    snprintf(path, sizeof path, TEMPLATES "/%s.jinja", name);
    assert_true(read_file(path, &source));
    int rc = sh_template_open(&t, source.p, source.n, &err);
    if (rc < 0) print_message("%s: %s\n", name, err.msg);
    assert_int_equal(rc, SH_OK);
    snprintf(path, sizeof path, GOLDEN "/rendered/%s.json", name);
    json_t *want = json_load_file(path, 0, &why), *convs = json_object_get(all, "conversations");
    assert_int_equal(json_array_size(want), json_array_size(convs));
    for (size_t i = 0; i < json_array_size(convs); i++)
        check_conversation(s, name, t, all, json_array_get(convs, i), json_array_get(want, i));
    json_decref(want);
    sh_template_free(t);
    sh_buf_clear(&source);
}

static void published_templates(void **state)
{
    tally s = {0};
    unsigned n_templates = 0;
    json_error_t why;
    (void)state;
    json_t *all = json_load_file(GOLDEN "/conversations.json", 0, &why);
    DIR *dir = opendir(TEMPLATES);
    if (!all || !dir) {
        print_message("skipped: no goldens in " GOLDEN "\n");
        if (dir) closedir(dir);
        json_decref(all);
        skip();
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char name[300];
        snprintf(name, sizeof name, "%s", e->d_name);
        char *dot = strstr(name, ".jinja");
        if (!dot) continue;
        *dot = 0;
        check_template(&s, name, all);
        n_templates++;
    }
    closedir(dir);
    json_decref(all);
    print_message("%u templates: %u of %u renderings and errors as expected\n", n_templates, s.n - s.failed,
                  s.n);
    assert_true(s.rendered > 1000);
    assert_int_equal(s.failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
