/* make_model.c - a model of a known shape with random weights: for measuring speed and memory, not for talking.
 *
 *   make_model SHAPE TYPE VOCAB.gguf OUT.gguf
 *
 *   SHAPE   qwen2.5-0.5b | llama-3.2-1b: the published sizes, with tied embeddings
 *   TYPE    q8_0 | q4_0 | q4_k. The matrix of embeddings, which is the output matrix too, is q6_k beside q4_0
 *           and q4_k, as in the files people have. Where rows are no multiple of 256 (896 columns), q5_0 takes
 *           the place of q4_k and q8_0 that of q6_k, also as in those files
 *   VOCAB   a GGUF with the tokenizer; its tokenizer.* keys are copied
 *
 * The weights are uniform with variance 1 / columns, so that activations stay near 1 through all layers; the
 * norms are 1. Equal arguments give equal bytes on every machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/endian.h"
#include "base/mem.h"
#include "base/rng.h"
#include "formats/gguf_writer.h"
#include "os/pool.h"
#include "tensor/quant.h"

enum { TILE_FLOATS = 1 << 21 }; /* floats made, quantised and written at a time */

typedef struct shape {
    const char *name, *arch, *title;
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_ctx;
    float rope_base, norm_eps;
    bool has_qkv_bias;
} shape;

static const shape shapes[] = {
    {"qwen2.5-0.5b", "qwen2", "Qwen2.5 0.5B shape", 24, 896, 14, 2, 64, 4864, 32768, 1e6f, 1e-6f, true},
    {"llama-3.2-1b", "llama", "Llama 3.2 1B shape", 16, 2048, 32, 8, 64, 8192, 131072, 5e5f, 1e-5f, false},
};

typedef struct recipe {
    const char *name;
    uint32_t file_type; /* general.file_type, as llama.cpp numbers them */
    enum sh_dtype matrix, embedding;
} recipe;

static const recipe recipes[] = {
    {"q8_0", 7, SH_Q8_0, SH_Q8_0},
    {"q4_0", 2, SH_Q4_0, SH_Q6_K},
    {"q4_k", 15, SH_Q4_K, SH_Q6_K},
};

typedef struct maker {
    const shape *shape;
    const recipe *recipe;
    uint64_t n_vocab;
    sh_gguf_writer *w;
    sh_pool *pool;
    float *floats;   /* [TILE_FLOATS] */
    uint8_t *blocks; /* the same, quantised; no type is longer than its floats */
    uint64_t n_tensors;
    bool is_writing; /* every tensor is visited twice, in one order: declared, then written */
} maker;

/* The type that takes the place of a K type whose block of 256 does not divide the row. */
static enum sh_dtype fit_type(enum sh_dtype t, uint64_t n_cols)
{
    if (n_cols % sh_dtypes[t].block_elements == 0) return t;
    return t == SH_Q4_K ? SH_Q5_0 : SH_Q8_0;
}

typedef struct filling {
    float *dst;
    uint64_t seed;
    size_t n_cols;
    float scale;
} filling;

/* A stream of its own for every row, so that the split among threads does not matter. */
static void fill_rows(void *ud, size_t begin, size_t end, size_t i_worker)
{
    const filling *f = ud;
    (void)i_worker;
    for (size_t row = begin; row < end; row++) {
        sh_rng rng = {f->seed + row * 0x632be59bd9b4e019ull};
        for (size_t i = 0; i < f->n_cols; i++)
            f->dst[row * f->n_cols + i] = ((float)sh_rng_unit(&rng) - 0.5f) * f->scale;
    }
}

static int write_matrix(maker *m, enum sh_dtype type, uint64_t n_cols, uint64_t n_rows, sh_err *err)
{
    size_t tile = TILE_FLOATS / n_cols, row_bytes;
    int rc = SH_OK;
    if (!sh_dtype_row_bytes(&row_bytes, type, n_cols)) return sh_fail(err, SH_E_RANGE, "row size");
    for (uint64_t row = 0; row < n_rows && rc == SH_OK; row += tile) {
        size_t n = n_rows - row < tile ? (size_t)(n_rows - row) : tile;
        /* Uniform in [-1/2, 1/2) has variance 1/12. */
        filling f = {m->floats, m->n_tensors << 40 | row, (size_t)n_cols, sqrtf(12.0f / (float)n_cols)};
        sh_pool_run(m->pool, n, 1, fill_rows, &f);
        if ((rc = sh_quantize(type, m->floats, m->blocks, n, (size_t)n_cols, NULL, m->pool, err)) < 0) break;
        rc = sh_gguf_write(m->w, m->blocks, n * row_bytes, err);
    }
    return rc;
}

static int add_matrix(maker *m, const char *name, enum sh_dtype type, uint64_t n_cols, uint64_t n_rows,
                      sh_err *err)
{
    type = fit_type(type, n_cols);
    m->n_tensors++;
    if (m->is_writing) return write_matrix(m, type, n_cols, n_rows, err);
    return sh_gguf_declare(m->w, name, type, 2, (uint64_t[]){n_cols, n_rows}, err);
}

static int add_vector(maker *m, const char *name, uint64_t n, float value, sh_err *err)
{
    m->n_tensors++;
    if (!m->is_writing) return sh_gguf_declare(m->w, name, SH_F32, 1, &n, err);
    for (uint64_t i = 0; i < n; i++) sh_put_f32(m->blocks + 4 * i, value);
    return sh_gguf_write(m->w, m->blocks, (size_t)n * 4, err);
}

typedef struct layer_part {
    const char *suffix;
    uint64_t n_cols, n_rows; /* n_rows 0: a vector of n_cols */
    float value;
    bool is_wanted;
} layer_part;

static int add_layer(maker *m, uint32_t i_layer, sh_err *err)
{
    const shape *s = m->shape;
    uint64_t d = s->n_embd, q = (uint64_t)s->n_heads * s->head_dim, kv = (uint64_t)s->n_kv_heads * s->head_dim;
    const layer_part parts[] = {
        {"attn_norm.weight", d, 0, 1, true},         {"attn_q.weight", d, q, 0, true},
        {"attn_q.bias", q, 0, 0, s->has_qkv_bias},   {"attn_k.weight", d, kv, 0, true},
        {"attn_k.bias", kv, 0, 0, s->has_qkv_bias},  {"attn_v.weight", d, kv, 0, true},
        {"attn_v.bias", kv, 0, 0, s->has_qkv_bias},  {"attn_output.weight", q, d, 0, true},
        {"ffn_norm.weight", d, 0, 1, true},          {"ffn_gate.weight", d, s->n_ff, 0, true},
        {"ffn_up.weight", d, s->n_ff, 0, true},      {"ffn_down.weight", s->n_ff, d, 0, true},
    };
    int rc = SH_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == SH_OK; i++) {
        const layer_part *p = &parts[i];
        char name[64];
        if (!p->is_wanted) continue;
        snprintf(name, sizeof name, "blk.%u.%s", i_layer, p->suffix);
        rc = p->n_rows ? add_matrix(m, name, m->recipe->matrix, p->n_cols, p->n_rows, err)
                       : add_vector(m, name, p->n_cols, p->value, err);
    }
    return rc;
}

/* One visit of all tensors, in file order. */
static int visit(maker *m, sh_err *err)
{
    m->n_tensors = 0;
    int rc = add_matrix(m, "token_embd.weight", m->recipe->embedding, m->shape->n_embd, m->n_vocab, err);
    for (uint32_t i = 0; i < m->shape->n_layers && rc == SH_OK; i++) rc = add_layer(m, i, err);
    if (rc == SH_OK) rc = add_vector(m, "output_norm.weight", m->shape->n_embd, 1, err);
    return rc;
}

static int set_key_u32(maker *m, const char *key, uint32_t value, sh_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->shape->arch, key);
    return sh_gguf_set_u32(m->w, name, value, err);
}

static int set_key_f32(maker *m, const char *key, float value, sh_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", m->shape->arch, key);
    return sh_gguf_set_f32(m->w, name, value, err);
}

static int set_meta(maker *m, const sh_tensors *vocab, sh_err *err)
{
    const shape *s = m->shape;
    int rc;
    if ((rc = sh_gguf_set_str(m->w, "general.architecture", sh_str_of(s->arch), err)) < 0) return rc;
    if ((rc = sh_gguf_set_str(m->w, "general.name", sh_str_of(s->title), err)) < 0) return rc;
    if ((rc = sh_gguf_set_u32(m->w, "general.file_type", m->recipe->file_type, err)) < 0) return rc;
    if ((rc = sh_gguf_set_u32(m->w, "general.quantization_version", 2, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "vocab_size", (uint32_t)m->n_vocab, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "context_length", s->n_ctx, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "embedding_length", s->n_embd, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "block_count", s->n_layers, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "feed_forward_length", s->n_ff, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "attention.head_count", s->n_heads, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "attention.head_count_kv", s->n_kv_heads, err)) < 0) return rc;
    if ((rc = set_key_u32(m, "rope.dimension_count", s->head_dim, err)) < 0) return rc;
    if ((rc = set_key_f32(m, "rope.freq_base", s->rope_base, err)) < 0) return rc;
    if ((rc = set_key_f32(m, "attention.layer_norm_rms_epsilon", s->norm_eps, err)) < 0) return rc;
    for (size_t i = 0; i < sh_tensors_meta_count(vocab) && rc == SH_OK; i++) {
        const sh_meta *meta = sh_tensors_meta_at(vocab, i);
        if (sh_starts_with(meta->key, "tokenizer.")) rc = sh_gguf_copy_meta(m->w, meta, err);
    }
    return rc;
}

static int make(maker *m, const char *vocab_path, const char *out_path, sh_err *err)
{
    sh_tensors *vocab = NULL;
    int rc;
    if ((rc = sh_tensors_open(&vocab, vocab_path, err)) < 0) goto out;
    const sh_meta *tokens = sh_tensors_meta(vocab, "tokenizer.ggml.tokens");
    if (!tokens || !tokens->n_elems) {
        rc = sh_fail(err, SH_E_INVALID, "%s: no tokenizer.ggml.tokens", vocab_path);
        goto out;
    }
    m->n_vocab = tokens->n_elems;
    m->floats = sh_new_array(TILE_FLOATS, sizeof(float), err);
    m->blocks = sh_new_array(TILE_FLOATS, sizeof(float), err);
    if (!m->floats || !m->blocks) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if ((rc = sh_pool_open(&m->pool, 0, err)) < 0) goto out;
    if ((rc = sh_gguf_writer_open(&m->w, out_path, err)) < 0) goto out;
    if ((rc = set_meta(m, vocab, err)) < 0) goto out;
    if ((rc = visit(m, err)) < 0) goto out;
    if ((rc = sh_gguf_begin(m->w, err)) < 0) goto out;
    m->is_writing = true;
    if ((rc = visit(m, err)) < 0) goto out;
    rc = sh_gguf_commit(m->w, err);
out:
    sh_gguf_writer_free(m->w);
    sh_pool_free(m->pool);
    sh_free(m->floats);
    sh_free(m->blocks);
    sh_tensors_free(vocab);
    return rc;
}

int main(int argc, char **argv)
{
    maker m = {0};
    sh_err err = {0};
    for (size_t i = 0; argc == 5 && i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, argv[1]) == 0) m.shape = &shapes[i];
    for (size_t i = 0; argc == 5 && i < sizeof recipes / sizeof *recipes; i++)
        if (strcmp(recipes[i].name, argv[2]) == 0) m.recipe = &recipes[i];
    if (!m.shape || !m.recipe) {
        fprintf(stderr, "usage: make_model qwen2.5-0.5b|llama-3.2-1b q8_0|q4_0|q4_k VOCAB.gguf OUT.gguf\n");
        return 2;
    }
    if (make(&m, argv[3], argv[4], &err) < 0) {
        fprintf(stderr, "make_model: %s\n", err.msg);
        return 1;
    }
    return 0;
}
