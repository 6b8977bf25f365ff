/* The law of the engine, proven: logits and text depend on model, prompt, seed and settings alone. Every CPU
 * level that this machine has, with 1, 2, 3 and 7 threads, prompts cut into chunks of 1, 3, 16 and 512, alone
 * and among neighbours. */
#include "golden/engine_golden.h"

#include "base/rng.h"
#include "codec/digest.h"
#include "formats/gguf_writer.h"
#include "model/forward.h"
#include "tensor/quant.h"
#include "unit/tmpdir.h"

enum { N_PROMPT = 37, N_STEPS = 6, MAX_VOCAB = 4096, N_NEIGHBOURS = 3 };

static const char *const levels[] = {"ref", "avx2", "avx512", "amx", "neon"};
static const int threads[] = {1, 2, 3, 7};
static const uint32_t chunks[] = {1, 3, 16, 512};

/* What a run gives: the logits after the prompt and after each of some fixed tokens. */
typedef struct trace {
    float logits[N_STEPS][MAX_VOCAB];
} trace;

static void tokens_of(sh_token *ids, size_t n, uint32_t n_vocab, uint32_t first)
{
    for (size_t i = 0; i < n; i++) ids[i] = (sh_token)((first + i * 2654435761u % 977u) % n_vocab);
}

/* The sequence of interest together with neighbours of other lengths, whose chunks come before and after it. */
static void run_trace(sh_model *m, enum sh_kv_type type, uint32_t chunk, bool neighbours, trace *out)
{
    enum { N_SEQ = N_NEIGHBOURS + 1, ME = 1 };
    const uint32_t n_vocab = sh_model_hparams(m)->n_vocab, n_seq = neighbours ? N_SEQ : 1,
                   me = neighbours ? ME : 0;
    static float other[N_SEQ][MAX_VOCAB];
    sh_token ids[N_SEQ][2 * (N_PROMPT + N_STEPS)];
    uint32_t done[N_SEQ] = {0}, total[N_SEQ];
    sh_kv *kv[N_SEQ] = {NULL};
    sh_forward *f = NULL;
    sh_err err = {0};
    assert_true(n_vocab <= MAX_VOCAB);
    assert_ok(sh_forward_open(&f, m, N_SEQ * 512, &err), &err);
    for (uint32_t s = 0; s < n_seq; s++) {
        total[s] = s == me ? N_PROMPT + N_STEPS - 1 : 20 + 13 * s;
        tokens_of(ids[s], total[s], n_vocab, s == me ? 5 : 100 + s);
        assert_ok(sh_kv_open(&kv[s], m, type, 128, &err), &err);
    }
    for (uint32_t step = 0; step < N_STEPS;) {
        sh_chunk batch[N_SEQ];
        size_t n_batch = 0;
        bool told = false;
        for (uint32_t s = 0; s < n_seq; s++) {
            uint32_t left = s == me && done[s] < N_PROMPT ? N_PROMPT - done[s]
                            : s == me                     ? 1
                                                          : total[s] - done[s];
            uint32_t n = s == me ? chunk : 1 + (chunk + s) % 9;
            if (left == 0) continue;
            if (n > left) n = left;
            bool last = s == me && done[s] + n >= N_PROMPT;
            told |= last;
            batch[n_batch++] = (sh_chunk){.kv = kv[s],
                                          .tokens = ids[s] + done[s],
                                          .n_tokens = n,
                                          .want = last || s != me ? SH_WANT_LAST : SH_WANT_NONE,
                                          .logits = s == me ? out->logits[step] : other[s]};
            done[s] += n;
        }
        assert_ok(sh_forward_run(f, batch, n_batch, &err), &err);
        step += told;
    }
    sh_forward_free(f);
    for (uint32_t s = 0; s < n_seq; s++) sh_kv_free(kv[s]);
}

/* The plain kernels take seconds over a model of real size: there they run a sample of the combinations. */
static bool is_sampled(size_t level, size_t i_threads, size_t i_chunk)
{
    return level > 0 || (i_threads % 2 == 1 && i_chunk % 2 == 1);
}

static void check_model(const char *path, enum sh_kv_type type, bool sample)
{
    static trace want, got;
    char hex[2 * SH_SHA256_BYTES + 1];
    sh_digest digest;
    sh_err err = {0};
    unsigned n_runs = 0;
    memset(&want, 0, sizeof want);
    for (size_t l = 0; l < COUNT(levels); l++) {
        for (size_t t = 0; t < COUNT(threads); t++) {
            sh_runtime *rt = NULL;
            sh_runtime_opts o = {.version = 1, .n_threads = threads[t], .cpu = levels[l]};
            if (sh_runtime_open(&rt, &o, &err) < 0) { /* a level that this machine has not */
                assert_true(l > 0);
                break;
            }
            sh_model *m = model_open(rt, path);
            size_t bytes = sh_model_hparams(m)->n_vocab * sizeof(float);
            for (size_t c = 0; c < COUNT(chunks); c++)
                for (int neighbours = 0; neighbours < 2; neighbours++) {
                    if (sample && !is_sampled(l, t, c)) continue;
                    trace *to = n_runs++ ? &got : &want;
                    run_trace(m, type, chunks[c], neighbours, to);
                    for (int i = 0; i < N_STEPS; i++)
                        assert_memory_equal(to->logits[i], want.logits[i], bytes);
                }
            sh_model_free(m);
            sh_runtime_free(rt);
        }
    }
    assert_true(n_runs >= COUNT(threads) * COUNT(chunks) * (sample ? 0.5 : 2));
    assert_ok(sh_sha256(&want, sizeof want, &digest, &err), &err);
    sh_hex(&digest, sizeof digest, hex);
    print_message("%u runs, logits %.16s: %s\n", n_runs, hex, sh_path_base(path));
}

static void test_float_weights(void **state)
{
    (void)state;
    if (!sh_file_exists(TINY_LLAMA "/config.json")) skip();
    for (int type = 0; type < SH_KV_TYPE_COUNT; type++) check_model(TINY_LLAMA, (enum sh_kv_type)type, false);
    check_model(SHOAL_GOLDEN_DIR "/golden/models/qwen3", SH_KV_F16, false);
    check_model(SHOAL_GOLDEN_DIR "/golden/models/gpt2", SH_KV_F16, false);
}

static void test_story_model(void **state)
{
    (void)state;
    if (!sh_file_exists(MINNOW "/config.json")) skip();
    check_model(MINNOW, SH_KV_F16, true);
}

/* ---- quantised weights: a small llama of random numbers, its matrices in every type in turn ---- */

enum {
    EMBD = 256,
    FF = 512,
    HEADS = 4,
    KV_HEADS = 2,
    HEAD_DIM = 64,
    LAYERS = 4,
    QUANT_VOCAB = 320,
    MAX_TENSORS = 64
};

typedef struct part {
    char name[48];
    enum sh_dtype dtype;
    uint64_t dims[2]; /* columns, rows; rows 0: a vector */
} part;

static void add_part(part *parts, size_t *n, const char *name, enum sh_dtype dtype, uint64_t cols,
                     uint64_t rows)
{
    assert_true(*n < MAX_TENSORS);
    part *p = &parts[(*n)++];
    snprintf(p->name, sizeof p->name, "%s.weight", name);
    p->dtype = dtype, p->dims[0] = cols, p->dims[1] = rows;
}

static size_t quantised_parts(part *parts)
{
    static const enum sh_dtype types[] = {SH_Q8_0, SH_Q4_K, SH_Q6_K, SH_Q4_0, SH_Q5_K, SH_IQ4_NL, SH_Q2_K,
                                          SH_Q5_0, SH_F16,  SH_Q3_K, SH_Q4_1, SH_BF16, SH_Q5_1};
    static const struct {
        const char *name;
        uint64_t cols, rows;
    } maps[] = {{"attn_q", EMBD, HEADS * HEAD_DIM},
                {"attn_k", EMBD, KV_HEADS * HEAD_DIM},
                {"attn_v", EMBD, KV_HEADS * HEAD_DIM},
                {"attn_output", HEADS * HEAD_DIM, EMBD},
                {"ffn_gate", EMBD, FF},
                {"ffn_up", EMBD, FF},
                {"ffn_down", FF, EMBD}};
    size_t n = 0, turn = 0;
    char name[32];
    add_part(parts, &n, "token_embd", types[turn++], EMBD, QUANT_VOCAB);
    add_part(parts, &n, "output", types[turn++], EMBD, QUANT_VOCAB);
    add_part(parts, &n, "output_norm", SH_F32, EMBD, 0);
    for (int l = 0; l < LAYERS; l++) {
        for (size_t k = 0; k < COUNT(maps); k++, turn++) {
            snprintf(name, sizeof name, "blk.%d.%s", l, maps[k].name);
            add_part(parts, &n, name, types[turn % COUNT(types)], maps[k].cols, maps[k].rows);
        }
        snprintf(name, sizeof name, "blk.%d.attn_norm", l);
        add_part(parts, &n, name, SH_F32, EMBD, 0);
        snprintf(name, sizeof name, "blk.%d.ffn_norm", l);
        add_part(parts, &n, name, SH_F32, EMBD, 0);
    }
    assert_true(turn > 2 * COUNT(types));
    return n;
}

static void set_quantised_meta(sh_gguf_writer *w)
{
    static const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {{"llama.block_count", LAYERS},           {"llama.context_length", 256},
                   {"llama.embedding_length", EMBD},        {"llama.feed_forward_length", FF},
                   {"llama.attention.head_count", HEADS},   {"llama.attention.head_count_kv", KV_HEADS},
                   {"llama.rope.dimension_count", HEAD_DIM}};
    sh_err err = {0};
    assert_ok(sh_gguf_set_str(w, "general.architecture", sh_str_of("llama"), &err), &err);
    assert_ok(sh_gguf_set_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, &err), &err);
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_ok(sh_gguf_set_u32(w, numbers[i].key, numbers[i].value, &err), &err);
}

static void write_quantised(const char *path)
{
    part parts[MAX_TENSORS];
    size_t n = quantised_parts(parts);
    static float x[EMBD * FF];
    static uint8_t bytes[sizeof x];
    sh_gguf_writer *w = NULL;
    sh_err err = {0};
    sh_rng r = {2026};
    assert_ok(sh_gguf_writer_open(&w, path, &err), &err);
    set_quantised_meta(w);
    for (size_t i = 0; i < n; i++)
        assert_ok(
            sh_gguf_declare(w, parts[i].name, parts[i].dtype, parts[i].dims[1] ? 2 : 1, parts[i].dims, &err),
            &err);
    assert_ok(sh_gguf_begin(w, &err), &err);
    for (size_t i = 0; i < n; i++) {
        size_t rows = parts[i].dims[1] ? parts[i].dims[1] : 1, row_bytes;
        for (size_t k = 0; k < rows * parts[i].dims[0]; k++)
            x[k] = parts[i].dims[1] ? (float)(sh_rng_unit(&r) + sh_rng_unit(&r) - 1) * 0.2f
                                    : 0.5f + (float)sh_rng_unit(&r);
        assert_ok(sh_quantize(parts[i].dtype, x, bytes, rows, parts[i].dims[0], NULL, NULL, &err), &err);
        assert_true(sh_dtype_row_bytes(&row_bytes, parts[i].dtype, parts[i].dims[0]));
        assert_ok(sh_gguf_write(w, bytes, rows * row_bytes, &err), &err);
    }
    assert_ok(sh_gguf_commit(w, &err), &err);
    sh_gguf_writer_free(w);
}

static void test_quantised_weights(void **state)
{
    (void)state;
    char *dir = tmpdir_make();
    const char *path = tmpdir_path(dir, "quantised.gguf");
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    write_quantised(copy);
    for (int type = 0; type < SH_KV_TYPE_COUNT; type++) check_model(copy, (enum sh_kv_type)type, false);
    tmpdir_remove(dir);
}

/* The model that comes with the program, where it was built. */
static void test_bundled_model(void **state)
{
    (void)state;
    static const char path[] = SHOAL_SOURCE_DIR "/models/minnow.gguf";
    if (!sh_file_exists(path)) {
        print_message("no %s\n", path);
        skip();
    }
    check_model(path, SH_KV_F16, true);
}

/* The batcher's answer to one request, beside others when `busy`. */
static void engine_text(sh_model *m, uint32_t chunk, bool busy, sh_buf *text)
{
    enum { N = 5 };
    static heard h[N];
    sh_token ids[N][64];
    sh_engine *e = NULL;
    sh_err err = {0};
    sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
    eo.n_slots = 3, eo.n_ctx = 128, eo.chunk = chunk;
    assert_ok(sh_engine_open(&e, m, &eo, &err), &err);
    for (int i = busy ? 0 : 2; i < (busy ? N : 3); i++) {
        static const char *const texts[N] = {"The sea", "A king had a horse and",
                                             "Once upon a time there lived a", "She said", "Then"};
        sh_request_opts o = SH_REQUEST_OPTS_INIT;
        o.prompt = ids[i], o.n_prompt = text_ids(m, texts[i], ids[i], 64);
        o.max_tokens = 16 + (uint32_t)i * 4;
        o.sampling.seed = 42 + (uint64_t)i, o.sampling.repetition_penalty = 1.1f;
        heard_submit(e, &h[i], &o);
    }
    for (int i = busy ? 0 : 2; i < (busy ? N : 3); i++) {
        heard_wait(&h[i]);
        if (i == 2) sh_buf_add(text, h[i].text.p, h[i].text.n);
        heard_clear(&h[i]);
    }
    sh_engine_free(e);
}

static void test_text(void **state)
{
    (void)state;
    sh_buf want = {0}, got = {0};
    sh_err err = {0};
    if (!sh_file_exists(MINNOW "/config.json")) skip();
    for (size_t l = 0; l < COUNT(levels); l++)
        for (size_t t = 0; t < COUNT(threads); t++) {
            sh_runtime *rt = NULL;
            sh_runtime_opts o = {.version = 1, .n_threads = threads[t], .cpu = levels[l]};
            if (sh_runtime_open(&rt, &o, &err) < 0) break;
            sh_model *m = model_open(rt, MINNOW);
            for (size_t c = 0; c < COUNT(chunks); c++)
                for (int busy = 0; busy < 2; busy++) {
                    if (!is_sampled(l, t, c)) continue;
                    sh_buf *to = want.n ? &got : &want;
                    sh_buf_reset(&got);
                    engine_text(m, chunks[c], busy, to);
                    assert_true(to->n > 20);
                    assert_string_equal(to->p, want.p);
                }
            sh_model_free(m);
            sh_runtime_free(rt);
        }
    sh_buf_clear(&want);
    sh_buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_weights),
        cmocka_unit_test(test_story_model),
        cmocka_unit_test(test_quantised_weights),
        cmocka_unit_test(test_bundled_model),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
