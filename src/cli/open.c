/* open.c - the runtime, the model by name, progress on a terminal. */
#include "cli/open.h"

#include <sys/ioctl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/args.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/model_names.h"

const char *sh_human_bytes(char out[16], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    while (bytes >= 999.5 && u < 4) bytes /= 1000, u++;
    snprintf(out, 16, u && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return out;
}

void sh_progress_begin(sh_progress *p, const sh_cli *cli, const char *label, const char *unit, double total)
{
    *p = (sh_progress){.cli = cli, .label = label, .unit = unit, .total = total, .begin_us = sh_now_us()};
}

void sh_progress_line(char out[SH_PROGRESS_LINE], const sh_progress *p, double done, double seconds,
                      unsigned width)
{
    double share = p->total > 0 && done < p->total ? done / p->total : 1,
           rate = seconds > 0 ? done / seconds : 0;
    char tail[96], bar[40] = "", human[16];
    if (strcmp(p->unit, "B") == 0)
        snprintf(tail, sizeof tail, " %3.0f%% %s/s", share * 100, sh_human_bytes(human, rate));
    else if (p->unit[0])
        snprintf(tail, sizeof tail, " %3.0f%% %.0f %s/s", share * 100, rate, p->unit);
    else
        snprintf(tail, sizeof tail, " %3.0f%%", share * 100);
    if (share > 0.01 && share < 1 && seconds > 0.5) {
        size_t n = strlen(tail);
        snprintf(tail + n, sizeof tail - n, " %.0fs left", seconds / share * (1 - share));
    }
    int room = (int)width - (int)strlen(p->label) - (int)strlen(tail) - 4, n = room > 30 ? 30 : room;
    if (n > 4) {
        bar[0] = ' ', bar[1] = '[';
        for (int i = 0; i < n; i++) bar[2 + i] = i < (int)(share * n) ? '#' : ' ';
        bar[2 + n] = ']', bar[3 + n] = 0;
    }
    snprintf(out, SH_PROGRESS_LINE, "%s%s%s", p->label, bar, tail);
}

static void draw(const sh_progress *p, double done, double seconds)
{
    struct winsize ws = {0};
    char line[SH_PROGRESS_LINE];
    sh_progress_line(line, p, done, seconds,
                     ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col ? ws.ws_col : 80);
    fprintf(p->cli->diag, "\r\033[K%s", line);
    fflush(p->cli->diag);
}

void sh_progress_update(sh_progress *p, double done)
{
    if (!p->cli->diag_is_tty || p->cli->quiet || p->cli->json) return;
    uint64_t now = sh_now_us();
    if (now - p->begin_us < 200000 || now - p->last_us < 100000) return; /* short work shows no bar at all */
    p->last_us = now;
    p->shown = true;
    draw(p, done, (double)(now - p->begin_us) * 1e-6);
}

void sh_progress_done(sh_progress *p)
{
    if (!p->shown) return;
    fputs("\r\033[K", p->cli->diag);
    fflush(p->cli->diag);
    p->shown = false;
}

static int on_load(void *ud, double done)
{
    sh_progress_update(ud, done);
    return 0;
}

int sh_open_model(sh_opened *out, sh_cli *cli, const sh_args *args, const char *name,
                  const sh_model_opts *opts, sh_err *err)
{
    sh_opened o = {0};
    int rc;
    sh_progress bar;
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    if (opts) mo = *opts;
    sh_runtime_opts ro = {.version = 1, .n_threads = cli->n_threads, .cpu = cli->cpu};
    if ((rc = sh_names_resolve(&o.path, name ? name : SH_DEFAULT_MODEL, err)) < 0) goto fail;
    if ((rc = sh_runtime_open(&o.rt, &ro, err)) < 0) goto fail;
    sh_progress_begin(&bar, cli, "loading", "", 1);
    mo.on_progress = on_load;
    mo.progress_ud = &bar;
    mo.tokenizer_path = sh_args_str(args, "tokenizer", mo.tokenizer_path);
    rc = sh_model_open(&o.model, o.rt, o.path, &mo, err);
    sh_progress_done(&bar);
    if (rc < 0) goto fail;
    *out = o;
    return SH_OK;
fail:
    sh_opened_clear(&o);
    return rc;
}

void sh_opened_clear(sh_opened *o)
{
    sh_model_free(o->model);
    sh_runtime_free(o->rt);
    sh_free(o->path);
    *o = (sh_opened){0};
}

int sh_model_folder(char **out, const char *name, sh_err *err)
{
    char *path = NULL;
    int rc = sh_names_resolve(&path, name, err);
    if (rc < 0) return rc;
    const size_t n_dir = (size_t)(sh_path_base(path) - path);
    *out = sh_file_is_dir(path) ? sh_strdup(path) : n_dir ? sh_strndup(path, n_dir) : sh_strdup(".");
    if (!*out) rc = sh_fail_nomem(err, strlen(path) + 1);
    sh_free(path);
    return rc;
}

int sh_read_prompt(sh_buf *out, const sh_cli *cli, const sh_args *args, size_t first, sh_err *err)
{
    const size_t max_prompt_bytes = 64u << 20;
    size_t n = sh_args_count(args);
    bool is_dash = n == first + 1 && strcmp(sh_args_at(args, first), "-") == 0;
    if (is_dash || (n <= first && !cli->in_is_tty)) {
        int rc = sh_file_read("-", max_prompt_bytes, out, err);
        if (rc < 0) return rc;
        /* The newline that ends the last line of a pipe is not part of the question. */
        if (out->n && out->p[out->n - 1] == '\n') out->p[--out->n] = 0;
        if (out->n && out->p[out->n - 1] == '\r') out->p[--out->n] = 0;
    } else {
        for (size_t i = first; i < n; i++) {
            if (i > first) sh_buf_putc(out, ' ');
            sh_buf_puts(out, sh_args_at(args, i));
        }
    }
    return sh_buf_ok(out, err);
}

int sh_print_json(sh_cli *cli, json_t *doc, sh_err *err)
{
    char *text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(doc);
    if (!text) return sh_fail_nomem(err, 0);
    fprintf(cli->out, "%s\n", text);
    free(text);
    return SH_OK;
}
