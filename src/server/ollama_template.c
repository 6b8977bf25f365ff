/* ollama_template.c - the part of Go's text/template that prompts of /api/generate use. */
#include "base/mem.h"
#include "server/ollama.h"

enum { MAX_NESTED = 16, MAX_SPANS = 4096 };

typedef struct filler {
    const sh_ollama_vars *vars;
    sh_buf *out;
    sh_span *spans;
    size_t n_spans, cap_spans;
    struct {
        bool is_written, was_written, has_else;
    } level[MAX_NESTED]; /* of each open `if` */
    size_t depth;
    bool over; /* .Response was met */
} filler;

static bool is_written(const filler *f)
{
    for (size_t i = 0; i < f->depth; i++)
        if (!f->level[i].is_written) return false;
    return !f->over;
}

static sh_str trim(sh_str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0])) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1])) s.n--;
    return s;
}

/* The variable's text; NULL when there is none of that name. */
static const char *value_of(const filler *f, sh_str name)
{
    const struct {
        const char *name, *value;
    } known[] = {{".System", f->vars->system},
                 {".Prompt", f->vars->prompt},
                 {".Suffix", f->vars->suffix},
                 {".Response", ""}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (sh_str_is(name, known[i].name)) return known[i].value ? known[i].value : "";
    return NULL;
}

static int unsupported(sh_str action, sh_err *err)
{
    return sh_fail(
        err, SH_E_UNSUPPORTED,
        "'template': {{ %.*s }} is not supported (.System, .Prompt, .Suffix, .Response, if, else, end are)",
        action.n < 80 ? (int)action.n : 80, action.p);
}

static int put_value(filler *f, sh_str name, sh_err *err)
{
    const char *value = value_of(f, name);
    if (!value) return unsupported(name, err);
    if (!is_written(f)) return SH_OK;
    if (sh_str_is(name, ".Response")) f->over = true;
    if (!*value) return SH_OK;
    if (f->n_spans == f->cap_spans) {
        size_t cap = f->cap_spans ? 2 * f->cap_spans : 8;
        if (cap > MAX_SPANS) return sh_fail(err, SH_E_LIMIT, "'template': more than %d variables", MAX_SPANS);
        sh_span *spans = sh_realloc(f->spans, cap, sizeof *spans);
        if (!spans) return sh_fail_nomem(err, cap * sizeof *spans);
        f->spans = spans;
        f->cap_spans = cap;
    }
    size_t begin = f->out->n;
    sh_buf_puts(f->out, value);
    f->spans[f->n_spans++] = (sh_span){begin, f->out->n};
    return SH_OK;
}

static int begin_if(filler *f, sh_str condition, sh_err *err)
{
    sh_str name = trim(condition);
    bool negated = name.n > 4 && memcmp(name.p, "not ", 4) == 0;
    if (negated) name = trim(sh_str_n(name.p + 4, name.n - 4));
    const char *value = value_of(f, name);
    if (!value) return unsupported(condition, err);
    if (f->depth == MAX_NESTED)
        return sh_fail(err, SH_E_LIMIT, "'template': more than %d nested ifs", MAX_NESTED);
    bool holds = (*value != 0) != negated;
    f->level[f->depth].is_written = f->level[f->depth].was_written = holds;
    f->level[f->depth++].has_else = false;
    return SH_OK;
}

static int act(filler *f, sh_str action, sh_err *err)
{
    if (action.n >= 4 && memcmp(action.p, "/*", 2) == 0) return SH_OK;
    if (action.n > 3 && memcmp(action.p, "if ", 3) == 0)
        return begin_if(f, sh_str_n(action.p + 3, action.n - 3), err);
    if (sh_str_is(action, "end")) {
        if (!f->depth) return sh_fail(err, SH_E_INVALID, "'template': {{ end }} without an if");
        f->depth--;
        return SH_OK;
    }
    if (sh_str_is(action, "else")) {
        if (!f->depth || f->level[f->depth - 1].has_else)
            return sh_fail(err, SH_E_INVALID, "'template': {{ else }} without an if");
        f->level[f->depth - 1].is_written = !f->level[f->depth - 1].was_written;
        f->level[f->depth - 1].has_else = true;
        return SH_OK;
    }
    return put_value(f, action, err);
}

/* Text up to the next action, which may ask for its blanks to go. */
static void put_text(filler *f, sh_str text, bool trim_left, bool trim_right)
{
    sh_str trimmed = trim(text);
    const char *end = trim_right ? trimmed.p + trimmed.n : text.p + text.n;
    const char *begin = trim_left ? trimmed.p : text.p;
    if (is_written(f) && end > begin) sh_buf_add(f->out, begin, (size_t)(end - begin));
}

static int fill(filler *f, const char *p, sh_err *err)
{
    bool trim_left = false;
    int rc = SH_OK;
    for (const char *open; (open = strstr(p, "{{")) && rc == SH_OK;) {
        bool trim_before = open[2] == '-' && open[3] && strchr(" \t\r\n", open[3]);
        const char *body = open + 2 + trim_before, *close = strstr(body, "}}");
        if (!close) return sh_fail(err, SH_E_INVALID, "'template': {{ is not closed");
        put_text(f, sh_str_n(p, (size_t)(open - p)), trim_left, trim_before);
        trim_left = close - body >= 2 && close[-1] == '-' && strchr(" \t\r\n", close[-2]);
        rc = act(f, trim(sh_str_n(body, (size_t)(close - body) - trim_left)), err);
        p = close + 2;
    }
    put_text(f, sh_str_of(p), trim_left, false);
    if (rc == SH_OK && f->depth) rc = sh_fail(err, SH_E_INVALID, "'template': an if has no {{ end }}");
    return rc == SH_OK ? sh_buf_ok(f->out, err) : rc;
}

int sh_ollama_template(const char *source, const sh_ollama_vars *vars, sh_buf *out, sh_span **spans,
                       size_t *n_spans, sh_err *err)
{
    filler f = {.vars = vars, .out = out};
    int rc = fill(&f, source, err);
    if (rc < 0) {
        sh_free(f.spans);
        return rc;
    }
    *spans = f.spans;
    *n_spans = f.n_spans;
    return SH_OK;
}
