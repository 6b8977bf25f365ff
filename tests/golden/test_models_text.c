/* test_models_text.c - every text family against what the reference computes from the same weights: logits,
 * hidden states and each layer within 1e-4, the same argmax everywhere, the same 32 greedy ids; and no bit of
 * difference between one pass and any cutting of the prompt, any batch, any number of threads, any
 * instruction set. */
#include "families.h"
#include "model_golden.h"

#include <unistd.h>

#include "base/endian.h"
#include "formats/tensors.h"

static const double TOLERANCE = 1e-4;

typedef struct family {
    char dir[1024];
    sh_token tokens[2][GOLDEN_MAX_TOKENS];
    uint32_t n[2];
    uint32_t n_vocab, n_embd, n_layers;
} family;

/* Five families come with the project; all of them with the reference data. */
static const char *models_dir(void)
{
    static const char all[] = SHOAL_GOLDEN_DIR "/golden/models",
                      some[] = SHOAL_SOURCE_DIR "/tests/data/models";
    return sh_file_is_dir(all) ? all : some;
}

static const char *family_dir(const char *name, char out[1024])
{
    return golden_path(out, models_dir(), name);
}

static bool family_is_here(const char *name)
{
    char dir[1024];
    return sh_file_is_dir(family_dir(name, dir));
}

static void family_open(family *f, const char *name, const sh_model *m)
{
    family_dir(name, f->dir);
    for (size_t s = 0; s < 2; s++) f->n[s] = golden_sequence(f->dir, s, f->tokens[s]);
    f->n_vocab = sh_model_hparams(m)->n_vocab, f->n_embd = sh_model_hparams(m)->n_embd,
    f->n_layers = sh_model_hparams(m)->n_layers;
}

static float *floats(size_t n)
{
    float *p = sh_alloc(n, sizeof *p);
    assert_non_null(p);
    return p;
}

/* The greatest difference from a file that must have exactly n floats. */
static double error_of(const family *f, const char *file, const float *got, size_t n)
{
    size_t n_file;
    float *want = golden_floats(f->dir, file, &n_file);
    assert_int_equal(n_file, n);
    double worst = golden_max_error(got, want, n);
    sh_free(want);
    return worst;
}

static void check_argmax(const family *f, const char *file, const float *got, uint32_t n)
{
    size_t n_file;
    float *want = golden_floats(f->dir, file, &n_file);
    for (uint32_t t = 0; t < n; t++) {
        const size_t row = (size_t)t * f->n_vocab;
        assert_int_equal(golden_argmax(got + row, f->n_vocab), golden_argmax(want + row, f->n_vocab));
    }
    sh_free(want);
}

/* Both sequences alone; logits0 [n, V] is kept by the caller. */
static double check_values(const family *f, const sh_model *m, float *logits0)
{
    double worst = 0;
    float *hidden = floats((size_t)f->n[0] * f->n_embd),
          *layers = floats((size_t)(f->n_layers + 1) * f->n[0] * f->n_embd);
    float *logits1 = floats((size_t)f->n[1] * f->n_vocab);
    for (int s = 0; s < 2; s++) {
        golden_run r;
        char name[32];
        float *logits = s ? logits1 : logits0;
        golden_run_open(&r, m, SH_KV_F32);
        golden_feed(&r, f->tokens[s], f->n[s], logits, hidden, s ? NULL : layers);
        golden_run_close(&r);
        snprintf(name, sizeof name, "logits_%d.f32", s);
        double e = error_of(f, name, logits, (size_t)f->n[s] * f->n_vocab);
        check_argmax(f, name, logits, f->n[s]);
        snprintf(name, sizeof name, "hidden_%d.f32", s);
        double h = error_of(f, name, hidden, (size_t)f->n[s] * f->n_embd);
        double l = s ? 0 : error_of(f, "layers.f32", layers, (size_t)(f->n_layers + 1) * f->n[0] * f->n_embd);
        if (e > worst) worst = e;
        if (!(e <= TOLERANCE && h <= TOLERANCE && l <= TOLERANCE))
            fail_msg("%s: sequence %d: logits off by %g, hidden by %g, layers by %g", f->dir, s, e, h, l);
    }
    sh_free(hidden);
    sh_free(layers);
    sh_free(logits1);
    return worst;
}

/* Longrope's choice of factors depends on the length so far: rows of earlier chunks differ by design, the
 * last ones do not. */
static uint32_t first_comparable(const sh_model *m)
{
    const sh_hparams *hp = sh_model_hparams(m);
    return hp->rope.scaling == SH_ROPE_SCALE_LONGROPE ? hp->rope.original_ctx : 0;
}

static void check_chunks(const family *f, const sh_model *m, const float *whole, const uint32_t *sizes,
                         size_t n_sizes)
{
    golden_run r;
    const uint32_t from = first_comparable(m);
    float *logits = floats((size_t)f->n[0] * f->n_vocab);
    golden_run_open(&r, m, SH_KV_F32);
    for (uint32_t at = 0, i = 0; at < f->n[0]; i++) {
        uint32_t n = sizes[i % n_sizes] < f->n[0] - at ? sizes[i % n_sizes] : f->n[0] - at;
        golden_feed(&r, f->tokens[0] + at, n, logits + (size_t)at * f->n_vocab, NULL, NULL);
        at += n;
    }
    golden_run_close(&r);
    if (memcmp(logits + (size_t)from * f->n_vocab, whole + (size_t)from * f->n_vocab,
               (f->n[0] - from) * f->n_vocab * sizeof *logits))
        fail_msg("%s: chunks of %u... differ from one pass", f->dir, sizes[0]);
    sh_free(logits);
}

/* 37 tokens fed, cut back to 20, sequence 1 after them: as if the rest had never been there. */
static void check_rewind(const family *f, const sh_model *m)
{
    enum { KEPT = 20 };
    golden_run a, b;
    const size_t n = (size_t)f->n[1] * f->n_vocab;
    float *scrap = floats((size_t)f->n[0] * f->n_vocab), *rewound = floats(n), *fresh = floats(n);
    golden_run_open(&a, m, SH_KV_F32);
    golden_run_open(&b, m, SH_KV_F32);
    golden_feed(&a, f->tokens[0], f->n[0], scrap, NULL, NULL);
    sh_kv_rewind(a.kv, KEPT);
    golden_feed(&a, f->tokens[1], f->n[1], rewound, NULL, NULL);
    golden_feed(&b, f->tokens[0], KEPT, scrap, NULL, NULL);
    golden_feed(&b, f->tokens[1], f->n[1], fresh, NULL, NULL);
    assert_memory_equal(rewound, fresh, n * sizeof *fresh);
    golden_run_close(&a);
    golden_run_close(&b);
    sh_free(scrap);
    sh_free(rewound);
    sh_free(fresh);
}

/* Both sequences, and a third one half way through, in one batch: each as if alone. */
static void check_batch(const family *f, const sh_model *m, const float *whole)
{
    golden_run r[3];
    sh_err err = {0};
    const uint32_t from = first_comparable(m), n0 = f->n[0], n1 = f->n[1];
    float *l0 = floats((size_t)n0 * f->n_vocab), *l1 = floats((size_t)n1 * f->n_vocab),
          *l2 = floats(f->n_vocab), *alone = floats((size_t)n1 * f->n_vocab);
    for (int i = 0; i < 3; i++) golden_run_open(&r[i], m, SH_KV_F32);
    golden_feed(&r[2], f->tokens[0], n0 - 1, l0, NULL, NULL);
    const sh_chunk chunks[] = {
        {.kv = r[1].kv, .tokens = f->tokens[1], .n_tokens = n1, .want = SH_WANT_ALL, .logits = l1},
        {.kv = r[2].kv, .tokens = f->tokens[0] + n0 - 1, .n_tokens = 1, .want = SH_WANT_LAST, .logits = l2},
        {.kv = r[0].kv, .tokens = f->tokens[0], .n_tokens = n0, .want = SH_WANT_ALL, .logits = l0}};
    if (sh_forward_run(r[0].f, chunks, 3, &err) < 0) fail_msg("%s: %s", f->dir, err.msg);
    assert_memory_equal(l0 + (size_t)from * f->n_vocab, whole + (size_t)from * f->n_vocab,
                        (n0 - from) * f->n_vocab * sizeof *l0);
    assert_memory_equal(l2, whole + (size_t)(n0 - 1) * f->n_vocab, f->n_vocab * sizeof *l2);
    sh_kv_rewind(r[1].kv, 0);
    golden_feed(&r[1], f->tokens[1], n1, alone, NULL, NULL);
    assert_memory_equal(l1, alone, (size_t)n1 * f->n_vocab * sizeof *l1);
    for (int i = 0; i < 3; i++) golden_run_close(&r[i]);
    sh_free(l0);
    sh_free(l1);
    sh_free(l2);
    sh_free(alone);
}

static void check_machine(const family *f, const char *cpu, int n_threads, const float *whole)
{
    golden_run r;
    float *logits = floats((size_t)f->n[0] * f->n_vocab);
    sh_runtime *rt = golden_runtime(cpu, n_threads);
    if (!rt) {
        sh_free(logits);
        return;
    }
    sh_model *m = golden_open(rt, f->dir);
    golden_run_open(&r, m, SH_KV_F32);
    golden_feed(&r, f->tokens[0], f->n[0], logits, NULL, NULL);
    if (memcmp(logits, whole, (size_t)f->n[0] * f->n_vocab * sizeof *logits))
        fail_msg("%s: %s with %d threads differs", f->dir, cpu, n_threads);
    golden_run_close(&r);
    sh_model_free(m);
    sh_runtime_free(rt);
    sh_free(logits);
}

static void test_family(void **state)
{
    const char *name = *state;
    if (!family_is_here(name)) {
        print_message("skipped: no %s in %s\n", name, models_dir());
        skip();
    }
    static const uint32_t ones[] = {1}, fives[] = {5}, mixed[] = {10, 1, 1, 25};
    static const char *const levels[] = {"ref", "avx2", "avx512", "amx"};
    sh_runtime *rt = golden_runtime(NULL, 2);
    char dir[1024];
    family f;
    sh_model *m = golden_open(rt, family_dir(name, dir));
    family_open(&f, name, m);
    float *whole = floats((size_t)f.n[0] * f.n_vocab);
    double worst = check_values(&f, m, whole);
    golden_greedy(f.dir, m);
    check_chunks(&f, m, whole, ones, 1);
    check_chunks(&f, m, whole, fives, 1);
    check_chunks(&f, m, whole, mixed, 4);
    check_rewind(&f, m);
    check_batch(&f, m, whole);
    sh_model_free(m);
    sh_runtime_free(rt);
    for (int i = 0; i < 4; i++) check_machine(&f, levels[i], 1 + i, whole);
    check_machine(&f, NULL, 7, whole);
    print_message("%-18s logits within %.2g, 32 greedy ids\n", name, worst);
    sh_free(whole);
}

/* The same weights under what transformers 5 writes as config.json. */
static void test_config_v5(void **state)
{
    (void)state;
    char dir[] = "/tmp/shoal-v5-XXXXXX", from[1200], to[1200], link[1200];
    sh_runtime *rt = golden_runtime(NULL, 1);
    assert_non_null(mkdtemp(dir));
    golden_path(to, dir, "model.safetensors");
    golden_path(link, dir, "config.json");
    for (int i = 0; i < N_FAMILIES; i++) {
        if (!strcmp(families[i], "llama_sharded") || !family_is_here(families[i])) continue;
        family f;
        family_dir(families[i], f.dir);
        char weights[1200];
        assert_int_equal(symlink(golden_path(weights, f.dir, "model.safetensors"), to), 0);
        assert_int_equal(symlink(golden_path(from, f.dir, "config.v5.json"), link), 0);
        sh_model *m = golden_open(rt, dir);
        family_open(&f, families[i], m);
        float *logits = floats((size_t)f.n[0] * f.n_vocab);
        check_values(&f, m, logits);
        sh_free(logits);
        sh_model_free(m);
        assert_int_equal(unlink(to) | unlink(link), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    sh_runtime_free(rt);
}

/* GPT-2 as published: no "transformer." before the names, a mask called attn.bias. */
static void test_gpt2_published(void **state)
{
    (void)state;
    if (!sh_file_is_dir(SHOAL_GOLDEN_DIR "/golden/models/gpt2/published")) {
        print_message("skipped: no gpt2/published\n");
        skip();
    }
    char dir[] = "/tmp/shoal-gpt2-XXXXXX", from[1200], to[1200], from2[1200], to2[1200];
    sh_runtime *rt = golden_runtime(NULL, 1);
    family f;
    assert_non_null(mkdtemp(dir));
    family_dir("gpt2", f.dir);
    assert_int_equal(symlink(golden_path(from, f.dir, "config.json"), golden_path(to, dir, "config.json")),
                     0);
    assert_int_equal(symlink(golden_path(from2, f.dir, "published/model.safetensors"),
                             golden_path(to2, dir, "model.safetensors")),
                     0);
    sh_model *m = golden_open(rt, dir);
    family_open(&f, "gpt2", m);
    float *logits = floats((size_t)f.n[0] * f.n_vocab);
    check_values(&f, m, logits);
    golden_greedy(f.dir, m);
    sh_free(logits);
    sh_model_free(m);
    sh_runtime_free(rt);
    assert_int_equal(unlink(to) | unlink(to2) | rmdir(dir), 0);
}

/* ---- experts as transformers 5 may write them: two stacks a layer ---- */

static void add_tensor(sh_buf *header, sh_buf *data, const char *name, const char *shape, const void *p,
                       size_t n)
{
    sh_buf_printf(header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                  header->n > 1 ? "," : "", name, shape, data->n, data->n + n);
    sh_buf_add(data, p, n);
}

/* Bytes of one expert's matrix, appended. */
static void append_expert(sh_buf *out, const sh_tensors *t, int layer, int e, const char *which)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe.experts.%d.%s.weight", layer, e, which);
    const sh_tensor *x = sh_tensors_find(t, name);
    assert_non_null(x);
    sh_buf_add(out, x->data, x->n_bytes);
}

static void stack_experts(const sh_tensors *t, const sh_hparams *hp, sh_buf *header, sh_buf *data)
{
    for (int layer = 0; layer < (int)hp->n_layers; layer++) {
        sh_buf gate_up = {0}, down = {0};
        char name[128], shape[64];
        for (int e = 0; e < (int)hp->n_experts; e++) {
            append_expert(&gate_up, t, layer, e, "w1");
            append_expert(&gate_up, t, layer, e, "w3");
            append_expert(&down, t, layer, e, "w2");
        }
        snprintf(name, sizeof name, "model.layers.%d.mlp.experts.gate_up_proj", layer);
        snprintf(shape, sizeof shape, "%u,%u,%u", hp->n_experts, 2 * hp->n_ff_expert, hp->n_embd);
        add_tensor(header, data, name, shape, gate_up.p, gate_up.n);
        snprintf(name, sizeof name, "model.layers.%d.mlp.experts.down_proj", layer);
        snprintf(shape, sizeof shape, "%u,%u,%u", hp->n_experts, hp->n_embd, hp->n_ff_expert);
        add_tensor(header, data, name, shape, down.p, down.n);
        sh_buf_clear(&gate_up);
        sh_buf_clear(&down);
    }
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        char name[128], shape[64];
        unsigned layer;
        if (strstr(x->name, ".experts.")) continue;
        snprintf(name, sizeof name, "%s", x->name);
        if (sscanf(x->name, "model.layers.%u.block_sparse_moe.gate", &layer) == 1 &&
            strstr(x->name, "moe.gate"))
            snprintf(name, sizeof name, "model.layers.%u.mlp.gate.weight", layer);
        if (x->n_dims == 1)
            snprintf(shape, sizeof shape, "%zu", (size_t)x->dims[0]);
        else
            snprintf(shape, sizeof shape, "%zu,%zu", (size_t)x->dims[1], (size_t)x->dims[0]);
        add_tensor(header, data, name, shape, x->data, x->n_bytes);
    }
}

static void test_stacked_experts(void **state)
{
    (void)state;
    if (!family_is_here("mixtral")) {
        print_message("skipped: no mixtral\n");
        skip();
    }
    char dir[] = "/tmp/shoal-experts-XXXXXX", from[1200], to[1200], weights[1200];
    uint8_t size[8];
    sh_buf header = {0}, data = {0}, file = {0};
    sh_tensors *t = NULL;
    sh_err err = {0};
    family f;
    sh_runtime *rt = golden_runtime(NULL, 1);
    sh_model *m = golden_open(rt, family_dir("mixtral", f.dir));
    assert_int_equal(sh_tensors_open(&t, f.dir, &err), SH_OK);
    sh_buf_putc(&header, '{');
    stack_experts(t, sh_model_hparams(m), &header, &data);
    sh_buf_putc(&header, '}');
    while (header.n % 8) sh_buf_putc(&header, ' ');
    sh_put_u64(size, header.n);
    sh_buf_add(&file, size, 8);
    sh_buf_add(&file, header.p, header.n);
    sh_buf_add(&file, data.p, data.n);
    sh_model_free(m);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(sh_file_write(golden_path(weights, dir, "model.safetensors"), file.p, file.n, &err),
                     SH_OK);
    assert_int_equal(symlink(golden_path(from, f.dir, "config.json"), golden_path(to, dir, "config.json")),
                     0);
    m = golden_open(rt, dir);
    family_open(&f, "mixtral", m);
    float *logits = floats((size_t)f.n[0] * f.n_vocab);
    check_values(&f, m, logits);
    golden_greedy(f.dir, m);
    sh_free(logits);
    sh_model_free(m);
    sh_tensors_free(t);
    sh_runtime_free(rt);
    sh_buf_clear(&header);
    sh_buf_clear(&data);
    sh_buf_clear(&file);
    assert_int_equal(unlink(to) | unlink(weights) | rmdir(dir), 0);
}

int main(void)
{
    struct CMUnitTest tests[N_FAMILIES + 3];
    for (int i = 0; i < N_FAMILIES; i++)
        tests[i] = (struct CMUnitTest){families[i], test_family, NULL, NULL, (void *)(uintptr_t)families[i]};
    tests[N_FAMILIES] = (struct CMUnitTest)cmocka_unit_test(test_config_v5);
    tests[N_FAMILIES + 1] = (struct CMUnitTest)cmocka_unit_test(test_gpt2_published);
    tests[N_FAMILIES + 2] = (struct CMUnitTest)cmocka_unit_test(test_stacked_experts);
    return _cmocka_run_group_tests("models_text", tests, N_FAMILIES + 3, NULL, NULL);
}
