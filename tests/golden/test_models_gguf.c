/* test_models_gguf.c - the same families from GGUF files: each reference folder is rewritten as GGUF by the
 * names and layouts of the architecture table and the metadata of gguf_config_write.c, and must give the same
 * logits. Where q and k rows are permuted the sums run in another order, so those are held to the reference's
 * tolerance; the others must be equal bit for bit. */
#include "model_golden.h"

#include <unistd.h>

#include "formats/gguf_writer.h"
#include "formats/tensors.h"
#include "model/arch.h"
#include "model/gguf_config.h"
#include "model/rope.h"

static const char *const families[] = {
    "llama",          "llama_gqa_256", "llama3_rope",  "llama_linear_rope",
    "llama_yarn",     "llama_bias",    "mistral",      "qwen2",
    "qwen2_tied",     "qwen3",         "gpt2",         "gemma",
    "gemma2",         "gemma3_text",   "phi",          "phi3",
    "phi3_longrope",  "starcoder2",    "olmo2",        "smollm3",
    "granite",        "gpt_neox",      "gpt_neox_seq", "gpt_neo",
    "gptj",           "codegen",       "gpt_bigcode",  "falcon_7b",
    "falcon_40b",     "falcon_rw",     "mixtral",      "qwen2_moe",
    "qwen2_moe_norm", "qwen3_moe",
};
enum { N_FAMILIES = sizeof families / sizeof families[0], MAX_PIECES = 512 };

typedef struct piece { char name[96]; uint64_t dims[3]; uint32_t n_dims; float *data; size_t n; } piece;
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
        if (*p == '%' || *p == '#') n += (size_t)snprintf(out + n, 256 - n, "%u", *p == '%' ? layer : expert);
        else out[n++] = *p;
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

static void write_gguf(rewriting *r, const char *path)
{
    sh_gguf_writer *w = NULL;
    sh_err err = {0};
    int rc = sh_gguf_writer_open(&w, path, &err);
    if (rc == SH_OK) rc = sh_gguf_config_write(w, r->hp, &err);
    for (size_t i = 0; i < r->n && rc == SH_OK; i++)
        rc = sh_gguf_declare(w, r->pieces[i].name, SH_F32, r->pieces[i].n_dims, r->pieces[i].dims, &err);
    if (rc == SH_OK) rc = sh_gguf_begin(w, &err);
    for (size_t i = 0; i < r->n && rc == SH_OK; i++)
        rc = sh_gguf_write(w, r->pieces[i].data, r->pieces[i].n * sizeof(float), &err);
    if (rc == SH_OK) rc = sh_gguf_commit(w, &err);
    sh_gguf_writer_free(w);
    if (rc < 0) fail_msg("%s: %s", path, err.msg);
}

static void rewrite(const char *folder, const sh_hparams *hp, const char *path)
{
    rewriting *r = sh_zalloc(1, sizeof *r);
    sh_tensors *from = NULL;
    sh_err err = {0};
    if (sh_tensors_open(&from, folder, &err) < 0) fail_msg("%s", err.msg);
    r->hp = hp, r->from = from;
    collect(r);
    write_gguf(r, path);
    for (size_t i = 0; i < r->n; i++) sh_free(r->pieces[i].data);
    sh_free(r);
    sh_tensors_free(from);
}

static float *logits_of(const sh_model *m, const sh_token *tokens, uint32_t n)
{
    golden_run r;
    float *logits = sh_alloc((size_t)n * sh_model_hparams(m)->n_vocab, sizeof *logits);
    assert_non_null(logits);
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, tokens, n, logits, NULL, NULL);
    golden_run_close(&r);
    return logits;
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
    rewrite(folder, hp, path);
    sh_model *gguf = golden_open(rt, path);
    json_t *ids = golden_json(folder, "input_ids.json");
    bool turned = hp->arch->hf_rope != hp->arch->gguf_rope || hp->rope.scaling != SH_ROPE_SCALE_NONE;
    double worst = 0;
    for (size_t s = 0; s < 2; s++) {
        uint32_t n = golden_tokens(
            json_array_get(json_is_array(ids) ? ids : json_object_get(ids, "input_ids"), s), tokens[s]);
        float *a = logits_of(hf, tokens[s], n), *b = logits_of(gguf, tokens[s], n);
        double e = golden_max_error(a, b, (size_t)n * hp->n_vocab);
        if (e > worst) worst = e;
        sh_free(a);
        sh_free(b);
    }
    if (!(worst <= (turned ? 1e-4 : 0))) fail_msg("%s: off by %g", (const char *)*state, worst);
    print_message("%-18s as GGUF: within %.2g\n", (const char *)*state, worst);
    json_decref(ids);
    sh_model_free(hf);
    sh_model_free(gguf);
    sh_runtime_free(rt);
    unlink(path);
}

int main(void)
{
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/golden/models")) {
        printf("skipped: no reference data at " SHOAL_GOLDEN_DIR "/golden/models\n");
        return 77;
    }
    struct CMUnitTest tests[N_FAMILIES];
    for (int i = 0; i < N_FAMILIES; i++)
        tests[i] = (struct CMUnitTest){families[i], test_family, NULL, NULL, (void *)(uintptr_t)families[i]};
    return _cmocka_run_group_tests("models_gguf", tests, N_FAMILIES, NULL, NULL);
}
