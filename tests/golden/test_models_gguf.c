/* test_models_gguf.c - the same families from GGUF files: each reference folder is rewritten as GGUF by the
 * names and layouts of the architecture table and the metadata of gguf_config_write.c, and must give the same
 * logits. Where q and k rows are permuted the sums run in another order, so those are held to the reference's
 * tolerance; the others must be equal bit for bit. */
#include "families.h"
#include "model_golden.h"

#include <unistd.h>

#include "formats/gguf_writer.h"
#include "formats/tensors.h"
#include "model/arch.h"
#include "model/gguf_config.h"
#include "model/rope.h"
#include "tensor/quant.h"

enum { MAX_PIECES = 512 };

typedef struct piece {
    enum sh_dtype dtype;
    char name[96];
    uint64_t dims[3];
    uint32_t n_dims;
    float *data;
    size_t n;
} piece;
typedef struct rewriting {
    const sh_hparams *hp;
    const sh_tensors *from;
    piece pieces[MAX_PIECES];
    size_t n;
} rewriting;

static void with_numbers(char out[256], const char *stem, uint32_t layer, uint32_t expert, const char *suffix)
{
    size_t n = 0;
    for (const char *p = stem; *p; p++) {
        if (*p == '%' || *p == '#')
            n += (size_t)snprintf(out + n, 256 - n, "%u", *p == '%' ? layer : expert);
        else
            out[n++] = *p;
    }
    snprintf(out + n, 256 - n, "%s", suffix);
}

static const sh_tensor *find_source(const rewriting *r, enum sh_slot slot, uint32_t layer, uint32_t expert,
                                    const char *suffix, const sh_name **name)
{
    for (size_t i = 0; (*name = sh_arch_name(r->hp->arch, false, slot, i)); i++) {
        char text[256];
        with_numbers(text, (*name)->stem, layer, expert, suffix);
        const sh_tensor *t = sh_tensors_find(r->from, text);
        if (t) return t;
    }
    return NULL;
}

/* Row `to` of what GGUF stores is this row of what the folder stores. */
static uint64_t source_row(const sh_hparams *hp, enum sh_slot slot, const sh_name *name, uint64_t to)
{
    const uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;
    bool turn = hp->arch->hf_rope != hp->arch->gguf_rope;
    if (slot == SH_SLOT_Q || slot == SH_SLOT_K) return turn ? sh_row_of_interleaved(hp, to) : to;
    if (slot != SH_SLOT_QKV) return to;
    unsigned part = to < q ? 0 : to < q + kv ? 1 : 2;
    uint64_t row = part == 0 ? to : part == 1 ? to - q : to - q - kv;
    return sh_layout_row(hp, name->layout, slot, part,
                         part < 2 && turn ? sh_row_of_interleaved(hp, row) : row);
}

/* One expert's matrix is appended to the stack that its first one began. */
static piece *piece_for(rewriting *r, const char *name, size_t more)
{
    piece *p = r->n && !strcmp(r->pieces[r->n - 1].name, name) ? &r->pieces[r->n - 1] : NULL;
    if (!p) {
        assert_true(r->n < MAX_PIECES);
        p = &r->pieces[r->n++];
        memset(p, 0, sizeof *p);
        snprintf(p->name, sizeof p->name, "%s", name);
    }
    p->data = sh_realloc(p->data, p->n + more, sizeof *p->data);
    assert_non_null(p->data);
    p->n += more;
    return p;
}

static void take(rewriting *r, enum sh_slot slot, uint32_t layer, uint32_t expert, const char *suffix)
{
    const sh_name *name;
    char text[256];
    if (!sh_arch_has_slot(r->hp, slot, layer) && slot != SH_SLOT_OUTPUT) return;
    const sh_tensor *t = find_source(r, slot, layer, expert, suffix, &name);
    const char *stem = sh_arch_gguf_stem(r->hp, slot);
    if (!t || (slot == SH_SLOT_OUTPUT && !strcmp(suffix, ".weight") && r->hp->tied_output)) return;
    bool matrix = t->n_dims > 1, expert_slot = slot >= SH_SLOT_EXPERT_GATE && slot <= SH_SLOT_EXPERT_DOWN;
    const uint64_t rows = !matrix ? t->dims[0] : name->transposed ? t->dims[0] : t->dims[1];
    const uint64_t cols = !matrix ? 1 : name->transposed ? t->dims[1] : t->dims[0];
    float *all = sh_alloc(rows * cols, sizeof *all);
    sh_dtypes[t->dtype].decode(t->data, all, rows * cols);
    assert_non_null(stem);
    with_numbers(text, stem, layer, 0, suffix);
    piece *p = piece_for(r, text, rows * cols);
    float *to = p->data + p->n - rows * cols;
    bool gain = !matrix && !strcmp(suffix, ".weight");
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t from = source_row(r->hp, slot, name, i);
        for (uint64_t c = 0; c < cols; c++)
            to[i * cols + c] = (name->transposed && matrix ? all[c * rows + from] : all[from * cols + c]) +
                               (gain && r->hp->norm_add_one ? 1 : 0);
    }
    p->n_dims = expert_slot ? 3 : matrix ? 2 : 1;
    p->dims[0] = matrix ? cols : rows, p->dims[1] = matrix ? rows : 1, p->dims[2] = expert + 1;
    sh_free(all);
}

static void add_vector(rewriting *r, enum sh_slot slot, const float *values, uint32_t n)
{
    char text[256];
    with_numbers(text, sh_arch_gguf_stem(r->hp, slot), 0, 0, ".weight");
    piece *p = piece_for(r, text, n);
    p->n_dims = 1, p->dims[0] = n;
    memcpy(p->data, values, n * sizeof *values);
}

static void collect(rewriting *r)
{
    const sh_hparams *hp = r->hp;
    const uint32_t pairs = hp->n_rot / 2;
    for (int s = 0; s < SH_SLOT_FIRST_OF_LAYER; s++) {
        take(r, (enum sh_slot)s, 0, 0, ".weight");
        take(r, (enum sh_slot)s, 0, 0, ".bias");
    }
    for (uint32_t l = 0; l < hp->n_layers; l++)
        for (int s = SH_SLOT_FIRST_OF_LAYER; s < SH_SLOT_COUNT; s++) {
            bool experts = s >= SH_SLOT_EXPERT_GATE && s <= SH_SLOT_EXPERT_DOWN;
            for (uint32_t e = 0; e < (experts ? hp->n_experts : 1); e++)
                take(r, (enum sh_slot)s, l, e, ".weight");
            if (!experts) take(r, (enum sh_slot)s, l, 0, ".bias");
        }
    if (hp->rope.scaling == SH_ROPE_SCALE_LLAMA3) {
        float divisors[512];
        sh_rope_llama3_divisors(&hp->rope, hp->n_rot, divisors);
        add_vector(r, SH_SLOT_ROPE_FREQS, divisors, pairs);
    }
    if (hp->rope.scaling == SH_ROPE_SCALE_LONGROPE) {
        add_vector(r, SH_SLOT_ROPE_LONG, hp->rope.long_factor, pairs);
        add_vector(r, SH_SLOT_ROPE_SHORT, hp->rope.short_factor, pairs);
    }
}

static int write_piece(sh_gguf_writer *w, const piece *p, sh_err *err)
{
    const size_t n_cols = (size_t)p->dims[0], n_rows = p->n / n_cols;
    size_t row_bytes;
    if (p->dtype == SH_F32) return sh_gguf_write(w, p->data, p->n * sizeof(float), err);
    assert_true(sh_dtype_row_bytes(&row_bytes, p->dtype, n_cols));
    uint8_t *blocks = sh_alloc(n_rows, row_bytes);
    assert_non_null(blocks);
    int rc = sh_quantize(p->dtype, p->data, blocks, n_rows, n_cols, NULL, NULL, err);
    if (rc == SH_OK) rc = sh_gguf_write(w, blocks, n_rows * row_bytes, err);
    sh_free(blocks);
    return rc;
}

static void write_gguf(rewriting *r, const char *path)
{
    sh_gguf_writer *w = NULL;
    sh_err err = {0};
    int rc = sh_gguf_writer_open(&w, path, &err);
    if (rc == SH_OK) rc = sh_gguf_config_write(w, r->hp, &err);
    for (size_t i = 0; i < r->n && rc == SH_OK; i++)
        rc = sh_gguf_declare(w, r->pieces[i].name, r->pieces[i].dtype, r->pieces[i].n_dims, r->pieces[i].dims,
                             &err);
    if (rc == SH_OK) rc = sh_gguf_begin(w, &err);
    for (size_t i = 0; i < r->n && rc == SH_OK; i++) rc = write_piece(w, &r->pieces[i], &err);
    if (rc == SH_OK) rc = sh_gguf_commit(w, &err);
    sh_gguf_writer_free(w);
    if (rc < 0) fail_msg("%s: %s", path, err.msg);
}

/* Types of a mixture that has every kind of encoded activation in one product of q, k and v. */
static enum sh_dtype mixed_type(const char *name)
{
    static const struct {
        const char *part;
        enum sh_dtype dtype;
    } types[] = {
        {"attn_q.", SH_Q4_K},   {"attn_k.", SH_Q8_0}, {"attn_v.", SH_F16},    {"attn_output.", SH_Q5_0},
        {"ffn_gate.", SH_Q4_0}, {"ffn_up.", SH_Q6_K}, {"ffn_down.", SH_Q5_K}, {"token_embd.", SH_Q6_K},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strstr(name, types[i].part)) return types[i].dtype;
    return SH_F32;
}

static void rewrite(const char *folder, const sh_hparams *hp, const char *path, bool mixed)
{
    rewriting *r = sh_zalloc(1, sizeof *r);
    sh_tensors *from = NULL;
    sh_err err = {0};
    if (sh_tensors_open(&from, folder, &err) < 0) fail_msg("%s", err.msg);
    r->hp = hp, r->from = from;
    collect(r);
    for (size_t i = 0; i < r->n; i++) r->pieces[i].dtype = mixed ? mixed_type(r->pieces[i].name) : SH_F32;
    write_gguf(r, path);
    for (size_t i = 0; i < r->n; i++) sh_free(r->pieces[i].data);
    sh_free(r);
    sh_tensors_free(from);
}

static void test_family(void **state)
{
    char folder[1024], path[] = "/tmp/shoal-gguf-XXXXXX";
    sh_token tokens[2][GOLDEN_MAX_TOKENS];
    sh_runtime *rt = golden_runtime(NULL, 2);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    golden_path(folder, SHOAL_GOLDEN_DIR "/golden/models", *state);
    sh_model *hf = golden_open(rt, folder);
    const sh_hparams *hp = sh_model_hparams(hf);
    rewrite(folder, hp, path, false);
    sh_model *gguf = golden_open(rt, path);
    bool turned = hp->arch->hf_rope != hp->arch->gguf_rope || hp->rope.scaling != SH_ROPE_SCALE_NONE;
    double worst = 0;
    for (size_t s = 0; s < 2; s++) {
        uint32_t n = golden_sequence(folder, s, tokens[s]);
        float *a = golden_logits(hf, tokens[s], n), *b = golden_logits(gguf, tokens[s], n);
        double e = golden_max_error(a, b, (size_t)n * hp->n_vocab);
        if (e > worst) worst = e;
        sh_free(a);
        sh_free(b);
    }
    if (!(worst <= (turned ? 1e-4 : 0))) fail_msg("%s: off by %g", (const char *)*state, worst);
    golden_greedy(folder, gguf);
    print_message("%-18s as GGUF: within %.2g\n", (const char *)*state, worst);
    sh_model_free(hf);
    sh_model_free(gguf);
    sh_runtime_free(rt);
    unlink(path);
}

/* Blocks of many types in one model: near the floats, and the same bits on every machine and for every
 * cutting. */
static void test_mixed_types(void **state)
{
    static const char *const levels[] = {"ref", "avx2", "avx512", "amx"};
    enum { N_TOKENS = 200 };
    char path[] = "/tmp/shoal-gguf-XXXXXX";
    sh_token tokens[N_TOKENS];
    sh_runtime *rt = golden_runtime(NULL, 2);
    const char *folder = SHOAL_GOLDEN_DIR "/golden/models/llama_gqa_256";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = (sh_token)(i * 37 % 251);
    sh_model *hf = golden_open(rt, folder);
    rewrite(folder, sh_model_hparams(hf), path, true);
    sh_model *gguf = golden_open(rt, path);
    const size_t v = sh_model_hparams(hf)->n_vocab, n = N_TOKENS * v;
    float *floats = golden_logits(hf, tokens, N_TOKENS), *blocks = golden_logits(gguf, tokens, N_TOKENS);
    double noise = 0, signal = 0;
    for (size_t i = 0; i < n; i++) {
        noise += ((double)floats[i] - (double)blocks[i]) * ((double)floats[i] - (double)blocks[i]);
        signal += (double)floats[i] * (double)floats[i];
    }
    /* Random weights with sharp attention: each bit fewer triples the noise (F16 1e-12, Q8_0 0.003, Q4_0
     * 0.36). */
    print_message("llama_gqa_256 of mixed blocks: noise to signal %.3g\n", noise / signal);
    assert_true(noise / signal > 1e-6 && noise / signal < 0.12);
    for (int i = 0; i < 4; i++) {
        sh_runtime *other = golden_runtime(levels[i], 1 + 2 * i);
        if (!other) continue;
        sh_model *m = golden_open(other, path);
        float *again = sh_alloc(n, sizeof *again);
        golden_run r;
        golden_run_open(&r, m, SH_KV_F32);
        for (uint32_t at = 0; at < N_TOKENS; at += 40 + (uint32_t)i)
            golden_feed(&r, tokens + at,
                        N_TOKENS - at < 40u + (uint32_t)i ? N_TOKENS - at : 40u + (uint32_t)i, again + at * v,
                        NULL, NULL);
        golden_run_close(&r);
        if (memcmp(again, blocks, n * sizeof *again)) fail_msg("%s differs", levels[i]);
        sh_free(again);
        sh_model_free(m);
        sh_runtime_free(other);
    }
    sh_free(floats);
    sh_free(blocks);
    sh_model_free(hf);
    sh_model_free(gguf);
    sh_runtime_free(rt);
    unlink(path);
}

/* A file that another program wrote. */
static void test_foreign_file(void **state)
{
    const char *path = SHOAL_GOLDEN_DIR "/lm/gguf_ollama_llama-2-tiny-random/llama-2-tiny-random.gguf";
    sh_token tokens[] = {1, 15043, 3186};
    sh_model_info info;
    (void)state;
    if (!sh_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    sh_runtime *rt = golden_runtime(NULL, 2);
    sh_model *m = golden_open(rt, path);
    sh_model_get_info(m, &info);
    assert_string_equal(info.name, "LLaMA v2");
    assert_string_equal(info.container, "gguf");
    assert_string_equal(info.quantization, "F16");
    assert_true(info.n_vocab == 32000 && info.n_layers == 1 && info.head_dim == 4 &&
                info.n_ctx_train == 4096);
    assert_int_equal(info.kv_bytes_per_token, 2 * 2 * 2 * 4);
    assert_int_equal(sh_tokenizer_size(sh_model_tokenizer(m)), 32000);
    assert_int_equal(sh_tokenizer_bos(sh_model_tokenizer(m)), 1);
    float *logits = golden_logits(m, tokens, 3);
    for (size_t i = 0; i < 3 * 32000; i++) assert_true(logits[i] > -100 && logits[i] < 100);
    sh_free(logits);
    sh_model_free(m);
    sh_runtime_free(rt);
}

int main(void)
{
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/golden/models")) {
        printf("skipped: no reference data at " SHOAL_GOLDEN_DIR "/golden/models\n");
        return 77;
    }
    struct CMUnitTest tests[N_FAMILIES + 2];
    for (int i = 0; i < N_FAMILIES; i++)
        tests[i] = (struct CMUnitTest){families[i], test_family, NULL, NULL, (void *)(uintptr_t)families[i]};
    tests[N_FAMILIES] = (struct CMUnitTest)cmocka_unit_test(test_mixed_types);
    tests[N_FAMILIES + 1] = (struct CMUnitTest)cmocka_unit_test(test_foreign_file);
    return _cmocka_run_group_tests("models_gguf", tests, N_FAMILIES + 2, NULL, NULL);
}
