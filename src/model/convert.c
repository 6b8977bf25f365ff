/* convert.c - writing GGUF from any model that opens. */
#include "model/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/convert_meta.h"
#include "model/convert_plan.h"
#include "model/shown.h"
#include "os/file.h"
#include "tensor/quant.h"

/* Rows are decoded, put in order and quantised in batches of about this many floats. */
enum { BATCH_FLOATS = 1 << 22 };

typedef struct converter {
    sh_model *m;
    sh_plan plan;
    sh_gguf_writer *writer;
    sh_tensors *imatrix;
    const sh_convert_opts *opts;
    const sh_mixture *target;
    sh_convert_report report;
    float *rows, *importance; /* one batch; one row's worth */
    uint8_t *blocks;
    uint64_t done_bytes, all_bytes;
} converter;

/* The mixture that says what most of the source is. */
static const sh_mixture *same_as_source(const sh_tensors *t)
{
    uint64_t bytes[SH_DTYPE_COUNT] = {0};
    int best = SH_F32;
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        if (sh_dtype_is_known(x->dtype)) bytes[x->dtype] += x->n_bytes;
    }
    uint64_t file_type;
    if (sh_meta_get_u64(t, "general.file_type", &file_type, UINT32_MAX, NULL) == SH_OK)
        for (size_t i = 0; sh_mixture_at(i); i++)
            if (sh_mixture_at(i)->file_type == file_type) return sh_mixture_at(i);
    for (int d = 0; d < SH_DTYPE_COUNT; d++)
        if (bytes[d] > bytes[best]) best = d;
    return sh_mixture_find(best == SH_F64 ? "f32" : sh_dtypes[best].name);
}

int sh_mixture_of_file(const sh_mixture **out, const char *path, sh_err *err)
{
    sh_tensors *t = NULL;
    int rc = sh_tensors_open(&t, path, err);
    if (rc < 0) return rc;
    if (!(*out = same_as_source(t)))
        rc = sh_fail(err, SH_E_INVALID, "%s: its type cannot be written (give --type)", path);
    sh_tensors_free(t);
    return rc;
}

static int choose_type(converter *c, sh_piece *p, sh_err *err)
{
    const sh_hparams *hp = &c->m->hp;
    bool is_embed = strcmp(p->name, "token_embd.weight") == 0, fell_back = false;
    sh_tensor_place place = {.name = p->name,
                             .n_dims = p->n_dims,
                             .cols = p->dims[0],
                             .i_layer = p->i_layer,
                             .n_layers = hp->n_layers,
                             .n_query_groups = hp->n_kv_heads ? hp->n_heads / hp->n_kv_heads : 1,
                             .is_output =
                                 strcmp(p->name, "output.weight") == 0 || (is_embed && hp->tied_output)};
    if (p->source && !p->source_name && (p->n_dims < 2 || !c->opts->target)) {
        p->dtype = p->source->dtype; /* a GGUF file's vectors keep their type; without a target all do */
        return SH_OK;
    }
    p->dtype = sh_mixture_type(c->target, &place, c->opts->pure, &fell_back);
    c->report.n_fallbacks += fell_back;
    if (!p->source || p->source->dtype == p->dtype) return SH_OK;
    bool was_quantized = sh_dtypes[p->source->dtype].is_quantized;
    if (was_quantized && !c->opts->allow_requantize)
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "tensor '%s' is %s already: quantising it again loses quality twice (allow it with "
                       "--allow-requantize)",
                       sh_show(&(sh_shown){{0}}, p->source->name), sh_dtypes[p->source->dtype].name);
    return SH_OK;
}

static int declare_all(converter *c, sh_err *err)
{
    int rc = SH_OK;
    bool quantized = sh_dtypes[c->target->base].is_quantized;
    if ((rc = sh_convert_write_meta(c->writer, c->m, c->opts, c->target->file_type, quantized, err)) < 0)
        return rc;
    for (size_t i = 0; i < c->plan.n && rc == SH_OK; i++) {
        sh_piece *p = &c->plan.pieces[i];
        if ((rc = choose_type(c, p, err)) < 0) break;
        uint64_t n = p->dims[0] * p->dims[1] * p->dims[2];
        c->report.by_type[p->dtype]++;
        c->report.n_weights += n;
        c->all_bytes += n;
        rc = sh_gguf_declare(c->writer, p->name, p->dtype, p->n_dims, p->dims, err);
    }
    c->report.n_tensors = (uint32_t)c->plan.n;
    return rc == SH_OK ? sh_gguf_begin(c->writer, err) : rc;
}

/* Importance of the columns of a tensor, from an imatrix file: sums of squares, a row for each expert. *out
 * is NULL when the file says nothing of it, or saw no input of this expert (sums all zero). */
static int importance_of(converter *c, const sh_piece *p, uint64_t expert, const float **out, sh_err *err)
{
    char name[128];
    const uint64_t n = p->dims[0];
    bool any = false;
    *out = NULL;
    if (!c->imatrix) return SH_OK;
    snprintf(name, sizeof name, "%s.in_sum2", p->name);
    const sh_tensor *sums = sh_tensors_find(c->imatrix, name);
    if (!sums) return SH_OK;
    if (sums->dtype != SH_F32 || sums->dims[0] != n || sums->dims[1] != p->dims[2] || sums->dims[2] != 1)
        return sh_fail(err, SH_E_CORRUPT, "%s: tensor '%s' is %s [%llu, %llu] (expected f32 [%llu, %llu])",
                       c->opts->imatrix_path, name, sums->type_name, (unsigned long long)sums->dims[1],
                       (unsigned long long)sums->dims[0], (unsigned long long)p->dims[2],
                       (unsigned long long)n);
    float *grown = sh_realloc(c->importance, (size_t)n, sizeof *grown);
    if (!grown) return sh_fail_nomem(err, n * sizeof *grown);
    c->importance = grown;
    sh_dtypes[SH_F32].decode(sums->data + expert * n * sizeof(float), grown, (size_t)n);
    for (uint64_t i = 0; i < n; i++) {
        if (!(grown[i] >= 0) || !isfinite(grown[i]))
            return sh_fail(
                err, SH_E_CORRUPT, "%s: tensor '%s': element %llu is %g (expected finite, not negative)",
                c->opts->imatrix_path, name, (unsigned long long)(expert * n + i), (double)grown[i]);
        any = any || grown[i] > 0;
    }
    if (any) *out = grown;
    c->report.n_important += expert == 0;
    return SH_OK;
}

/* Values of `n` rows from row `from` on of one matrix, in the order that GGUF wants. whole: the decoded
 * matrix when it is stored turned over, else NULL. */
static void fill_rows(const converter *c, const sh_piece *p, const sh_tensor *t, const uint8_t *data,
                      const float *whole, uint64_t from, size_t n)
{
    const uint64_t cols = p->dims[0], rows = p->dims[1];
    const size_t n_cols = (size_t)cols;
    size_t row_bytes = 0;
    const bool is_gain =
        p->source_name && p->n_dims == 1 && strcmp(p->suffix, ".weight") == 0 && c->m->hp.norm_add_one;
    sh_dtype_row_bytes(&row_bytes, t->dtype, cols); /* fits: the container checked shape against type */
    for (size_t i = 0; i < n; i++) {
        float *to = c->rows + i * n_cols;
        uint64_t row = sh_plan_source_row(&c->plan, p, from + i);
        if (whole)
            for (uint64_t k = 0; k < cols; k++) to[k] = whole[k * rows + row];
        else
            sh_dequantize_row(t->dtype, data + row * row_bytes, to, n_cols);
        for (uint64_t k = 0; is_gain && k < cols; k++) to[k] += 1;
    }
}

static int emit_rows(converter *c, const sh_piece *p, size_t n, const float *importance, sh_err *err)
{
    size_t row_bytes, cols = (size_t)p->dims[0];
    if (!sh_dtype_row_bytes(&row_bytes, p->dtype, cols))
        return sh_fail(err, SH_E_RANGE, "tensor '%s' is too large", p->name);
    int rc = sh_quantize(p->dtype, c->rows, c->blocks, n, cols, importance, c->m->rt->pool, err);
    return rc < 0 ? sh_fail_in(err, rc, "tensor '%s'", p->name)
                  : sh_gguf_write(c->writer, c->blocks, n * row_bytes, err);
}

static int report_progress(converter *c, uint64_t n, sh_err *err)
{
    c->done_bytes += n;
    if (c->opts->on_progress &&
        c->opts->on_progress(c->opts->progress_ud, (double)c->done_bytes / (double)c->all_bytes))
        return sh_fail(err, SH_E_CANCELLED, "cancelled");
    return SH_OK;
}

/* A vector's bias of fused or permuted rows lies as the rows do: it is written as a matrix of one column. */
static void as_column(sh_piece *p)
{
    if (p->n_dims == 1) p->dims[1] = p->dims[0], p->dims[0] = 1;
}

static int emit_matrix(converter *c, const sh_piece *piece, const sh_tensor *t, const uint8_t *data,
                       uint64_t expert, sh_err *err)
{
    sh_piece p = *piece;
    if (p.suffix && strcmp(p.suffix, ".bias") == 0) as_column(&p);
    const size_t cols = (size_t)p.dims[0];
    float *whole = NULL;
    size_t n_all = 0, batch = cols ? BATCH_FLOATS / cols : 1;
    const float *importance = NULL;
    int rc = sh_dtypes[p.dtype].is_quantized ? importance_of(c, &p, expert, &importance, err) : SH_OK;
    if (rc < 0) return rc;
    if (!batch) batch = 1;
    if (batch > p.dims[1]) batch = (size_t)p.dims[1];
    size_t row_bytes;
    if (!sh_mul(&n_all, batch, cols) || !sh_dtype_row_bytes(&row_bytes, p.dtype, cols))
        return sh_fail(err, SH_E_RANGE, "tensor '%s' is too large", p.name);
    float *rows = sh_realloc(c->rows, n_all, sizeof *rows);
    if (rows) c->rows = rows;
    uint8_t *blocks = sh_realloc(c->blocks, batch, row_bytes);
    if (blocks) c->blocks = blocks;
    if (!rows || !blocks) return sh_fail_nomem(err, n_all * sizeof *rows);
    if (p.source_name && p.source_name->transposed && p.n_dims > 1) {
        if (!sh_mul(&n_all, cols, (size_t)p.dims[1]) || !(whole = sh_new_array(n_all, sizeof *whole, err)))
            return SH_E_NOMEM;
        sh_dtypes[t->dtype].decode(data, whole, n_all);
    }
    for (uint64_t r = 0; r < p.dims[1] && rc == SH_OK; r += batch) {
        size_t n = p.dims[1] - r < batch ? (size_t)(p.dims[1] - r) : batch;
        fill_rows(c, &p, t, data, whole, r, n);
        rc = emit_rows(c, &p, n, importance, err);
        if (rc == SH_OK) rc = report_progress(c, n * cols, err);
    }
    sh_free(whole);
    return rc;
}

/* Unchanged bytes need no decoding: same type, rows in the same order. */
static bool is_verbatim(const sh_piece *p)
{
    return !p->source_name && p->source && p->source->dtype == p->dtype;
}

static int emit_piece(converter *c, const sh_piece *p, sh_err *err)
{
    int rc = SH_OK;
    if (p->values) {
        rc = sh_gguf_write(c->writer, p->values, (size_t)p->dims[0] * sizeof(float), err);
        return rc == SH_OK ? report_progress(c, p->dims[0], err) : rc;
    }
    if (is_verbatim(p)) {
        rc = sh_gguf_write(c->writer, p->source->data, (size_t)p->source->n_bytes, err);
        return rc == SH_OK ? report_progress(c, p->dims[0] * p->dims[1] * p->dims[2], err) : rc;
    }
    for (uint64_t e = 0; e < p->dims[2] && rc == SH_OK; e++) {
        const sh_tensor *t;
        if ((rc = sh_plan_expert(&c->plan, p, (uint32_t)e, &t, err)) < 0) break;
        /* Experts stacked in one tensor follow each other. */
        const uint64_t n_stored = p->dims[2] * p->n_parts, i_stored = e * p->n_parts + p->i_part;
        const uint8_t *data = t->data + (t->n_dims == 3 ? i_stored * (t->n_bytes / n_stored) : 0);
        rc = emit_matrix(c, p, t, data, e, err);
    }
    return rc;
}

static int run(converter *c, const char *out, sh_err *err)
{
    int rc = sh_plan_from_model(&c->plan, err);
    if (rc == SH_OK) rc = sh_gguf_writer_open(&c->writer, out, err);
    if (rc == SH_OK) rc = declare_all(c, err);
    for (size_t i = 0; i < c->plan.n && rc == SH_OK; i++) rc = emit_piece(c, &c->plan.pieces[i], err);
    if (rc == SH_OK && c->imatrix && !c->report.n_important)
        rc = sh_fail(err, SH_E_INVALID,
                     "%s: importance of no tensor that is quantised here (expected NAME.in_sum2)",
                     c->opts->imatrix_path);
    return rc == SH_OK ? sh_gguf_commit(c->writer, err) : rc;
}

/* What a model that cannot run would not be worth: names and shapes must make up the model. */
static int open_source(converter *c, sh_runtime *rt, const char *in, const sh_convert_opts *o, sh_err *err)
{
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.vocab_only = true;
    mo.allow_no_tokenizer = true;
    mo.tokenizer_path = o->tokenizer_path;
    int rc = sh_model_open(&c->m, rt, in, &mo, err);
    if (rc < 0) return rc;
    if (!sh_kind_can_run(&c->m->hp) || !sh_kind_has_cache(&c->m->hp))
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: %s models cannot be written as GGUF yet", in,
                       c->m->hp.arch->name);
    if (!c->m->tensors || !sh_tensors_count(c->m->tensors))
        return sh_fail(err, SH_E_NOTFOUND, "%s: no weights to convert", in);
    size_t n = sh_tensors_count(c->m->tensors);
    sh_tensor *list = sh_new_array(n, sizeof *list, err);
    if (!list) return SH_E_NOMEM;
    for (size_t i = 0; i < n; i++) list[i] = *sh_tensors_at(c->m->tensors, i);
    rc = sh_bind_check(&c->m->hp, strcmp(sh_tensors_container(c->m->tensors), "gguf") == 0, list, n, err);
    sh_free(list);
    return rc < 0 ? sh_fail_in(err, rc, "%s", in) : rc;
}

int sh_convert(sh_runtime *rt, const char *in, const char *out, const sh_convert_opts *opts,
               sh_convert_report *report, sh_err *err)
{
    converter c = {.opts = opts};
    int rc;
    if (!opts->overwrite && sh_file_exists(out))
        return sh_fail(err, SH_E_EXISTS, "%s exists already (--force replaces it)", out);
    if ((rc = open_source(&c, rt, in, opts, err)) < 0) goto done;
    c.plan.m = c.m;
    c.target = opts->target ? opts->target : same_as_source(c.m->tensors);
    if (!c.target) {
        rc = sh_fail(err, SH_E_INVALID, "%s: its type cannot be written (give --type)", in);
        goto done;
    }
    if (!(c.plan.arena = sh_arena_open())) {
        rc = sh_fail_nomem(err, 0);
        goto done;
    }
    if (opts->imatrix_path && (rc = sh_tensors_open(&c.imatrix, opts->imatrix_path, err)) < 0) goto done;
    c.report.target = c.target->name;
    c.report.has_tokenizer = c.m->tokenizer != NULL;
    c.report.bytes_in = sh_tensors_file_bytes(c.m->tensors);
    if ((rc = run(&c, out, err)) < 0) goto done;
    sh_file_size(out, &c.report.bytes_out, NULL);
    if (report) *report = c.report;
done:
    sh_gguf_writer_free(c.writer);
    sh_tensors_free(c.imatrix);
    sh_arena_free(c.plan.arena);
    sh_free(c.plan.pieces);
    sh_free(c.rows);
    sh_free(c.blocks);
    sh_free(c.importance);
    sh_model_free(c.m);
    return rc;
}
