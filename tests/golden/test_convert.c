/* test_convert.c - conversion to GGUF: every reference folder gives the same logits from the file that
 * sh_convert writes (within the reference's tolerance where q and k rows change their order, else to the
 * bit), every type is written and runs, and a conversion that fails leaves no file. */
#include "families.h"
#include "model_golden.h"

#include <unistd.h>

#include "base/fault.h"
#include "formats/gguf_writer.h"
#include "model/arch.h"
#include "model/convert.h"
#include "os/file.h"

static char *temp_path(void)
{
    char path[] = "/tmp/shoal-convert-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    return sh_strdup(path);
}

static sh_convert_opts to_type(const char *type)
{
    sh_convert_opts o = SH_CONVERT_OPTS_INIT;
    o.target = sh_mixture_find(type);
    assert_non_null(o.target);
    return o;
}

static void convert(sh_runtime *rt, const char *in, const char *out, const sh_convert_opts *o,
                    sh_convert_report *report)
{
    sh_err err = {0};
    if (sh_convert(rt, in, out, o, report, &err) < 0) fail_msg("%s: %s", in, err.msg);
}

/* One reference folder through our converter: both sequences and the greedy ids. */
static void test_family(void **state)
{
    char folder[1024];
    sh_token tokens[GOLDEN_MAX_TOKENS];
    sh_runtime *rt = golden_runtime(NULL, 2);
    char *path = temp_path();
    sh_convert_opts o = to_type("f32");
    golden_path(folder, SHOAL_GOLDEN_DIR "/golden/models", *state);
    convert(rt, folder, path, &o, NULL);
    sh_model *hf = golden_open(rt, folder), *gguf = golden_open(rt, path);
    const sh_hparams *hp = sh_model_hparams(hf);
    /* F16 and BF16 products sum exactly widened values in the same order as F32 does. */
    bool turned = hp->arch->hf_rope != hp->arch->gguf_rope || hp->rope.scaling != SH_ROPE_SCALE_NONE;
    for (size_t s = 0; s < 2; s++) {
        uint32_t n = golden_sequence(folder, s, tokens);
        float *a = golden_logits(hf, tokens, n), *b = golden_logits(gguf, tokens, n);
        double worst = golden_max_error(a, b, (size_t)n * hp->n_vocab);
        if (!(worst <= (turned ? 1e-4 : 0)))
            fail_msg("%s: sequence %zu: off by %g", (const char *)*state, s, worst);
        sh_free(a), sh_free(b);
    }
    golden_greedy(folder, gguf);
    unlink(path);
    sh_free(path);
    sh_model_free(hf), sh_model_free(gguf);
    sh_runtime_free(rt);
}

static const char *bundled(void)
{
    return SHOAL_SOURCE_DIR "/models/minnow.gguf";
}

/* Every mixture is written from the bundled model, opens, and answers the more alike the more bits it has. */
static void test_every_type(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 2);
    sh_token tokens[] = {0, 2273, 366, 619, 266, 589, 459, 317, 266, 1200, 44, 381};
    const uint32_t n = sizeof tokens / sizeof *tokens;
    sh_model *source = golden_open(rt, bundled());
    float *want = golden_logits(source, tokens, n);
    const size_t n_vocab = sh_model_hparams(source)->n_vocab;
    (void)state;
    for (size_t i = 0; sh_mixture_at(i); i++) {
        const sh_mixture *mix = sh_mixture_at(i);
        char *path = temp_path();
        sh_convert_opts o = to_type(mix->name);
        sh_convert_report report;
        sh_model_info info;
        o.allow_requantize = true;
        convert(rt, bundled(), path, &o, &report);
        sh_model *m = golden_open(rt, path);
        sh_model_get_info(m, &info);
        assert_string_equal(info.name, "Minnow");
        assert_non_null(sh_model_tokenizer(m));
        assert_non_null(sh_model_chat_template(m));
        float *got = golden_logits(m, tokens, n);
        double noise = 0, signal = 0;
        for (size_t k = 0; k < n * n_vocab; k++) {
            noise += ((double)got[k] - want[k]) * ((double)got[k] - want[k]);
            signal += (double)want[k] * want[k];
        }
        double bits = (double)report.bytes_out * 8 / (double)report.n_weights;
        print_message("%-8s %5.2f bits a weight, noise to signal %.2g\n", mix->name, bits, noise / signal);
        /* Three trits a weight make noise; the rest must stay near. */
        bool coarse = mix->base == SH_TQ1_0 || mix->base == SH_TQ2_0;
        assert_true(noise / signal < (coarse ? 3.0 : bits < 5 ? 0.1 : bits < 8 ? 0.02 : 1e-3));
        sh_free(got);
        sh_model_free(m);
        unlink(path);
        sh_free(path);
    }
    sh_free(want);
    sh_model_free(source);
    sh_runtime_free(rt);
}

/* A file made of what the bundled model holds, after one more tensor that no model would miss. */
static void write_with_extra(const char *path, const char *extra)
{
    static const uint8_t blocks[34 * 2]; /* Q8_0, two rows of zeros */
    sh_tensors *t = NULL;
    sh_gguf_writer *w = NULL;
    sh_err err = {0};
    assert_int_equal(sh_tensors_open(&t, bundled(), &err), SH_OK);
    assert_int_equal(sh_gguf_writer_open(&w, path, &err), SH_OK);
    for (size_t i = 0; i < sh_tensors_meta_count(t); i++)
        assert_int_equal(sh_gguf_copy_meta(w, sh_tensors_meta_at(t, i), &err), SH_OK);
    assert_int_equal(sh_gguf_declare(w, extra, SH_Q8_0, 2, (uint64_t[]){32, 2}, &err), SH_OK);
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        assert_int_equal(sh_gguf_declare(w, x->name, x->dtype, x->n_dims, x->dims, &err), SH_OK);
    }
    assert_int_equal(sh_gguf_begin(w, &err), SH_OK);
    assert_int_equal(sh_gguf_write(w, blocks, sizeof blocks, &err), SH_OK);
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        assert_int_equal(sh_gguf_write(w, x->data, (size_t)x->n_bytes, &err), SH_OK);
    }
    assert_int_equal(sh_gguf_commit(w, &err), SH_OK);
    sh_gguf_writer_free(w);
    sh_tensors_free(t);
}

/* U+009B begins a terminal's commands and U+202E turns its text around: such a name is shown as ASCII. */
static void test_hostile_name(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 1);
    char *in = temp_path(), *out = temp_path();
    sh_err err = {0};
    sh_convert_opts o = to_type("q4_0");
    (void)state;
    write_with_extra(in, "\xc2\x9b"
                         "2J\xe2\x80\xae.rotary_emb.inv_freq");
    assert_int_equal(sh_convert(rt, in, out, &o, NULL, &err), SH_E_UNSUPPORTED);
    if (!strstr(err.msg, "tensor '??2J???.rotary_emb.inv_freq' is q8_0 already")) fail_msg("%s", err.msg);
    assert_false(sh_file_exists(out));
    unlink(in);
    sh_free(in), sh_free(out);
    sh_runtime_free(rt);
}

/* With another tokenizer no key of the file's own stays: neither merges nor ids of special tokens. */
static void test_other_tokenizer(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 1);
    char *path = temp_path();
    sh_err err = {0};
    sh_tensors *before = NULL, *after = NULL;
    sh_str kind = {0};
    sh_convert_opts o = SH_CONVERT_OPTS_INIT;
    (void)state;
    o.tokenizer_path = SHOAL_SOURCE_DIR "/tests/data/tokenizers/spm_bpe_legacy/tokenizer.model";
    convert(rt, bundled(), path, &o, NULL);
    assert_int_equal(sh_tensors_open(&before, bundled(), &err), SH_OK);
    assert_int_equal(sh_tensors_open(&after, path, &err), SH_OK);
    assert_int_equal(sh_meta_get_str(after, "tokenizer.ggml.model", &kind, &err), SH_OK);
    assert_true(kind.n == 5 && !memcmp(kind.p, "llama", 5));
    const char *const stale[] = {"tokenizer.ggml.merges", "tokenizer.ggml.padding_token_id"};
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
        assert_non_null(sh_tensors_meta(before, stale[i]));
        assert_null(sh_tensors_meta(after, stale[i]));
    }
    assert_non_null(sh_tensors_meta(after, "tokenizer.chat_template")); /* the model's, not the tokenizer's */
    sh_model *m = golden_open(rt, path);
    assert_int_equal(sh_tokenizer_size(sh_model_tokenizer(m)), sh_model_hparams(m)->n_vocab);
    sh_model_free(m);
    sh_tensors_free(before), sh_tensors_free(after);
    unlink(path);
    sh_free(path);
    sh_runtime_free(rt);
}

static void test_refusals(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 1);
    char *path = temp_path();
    sh_err err = {0};
    sh_convert_opts o = to_type("q4_0");
    (void)state;
    assert_int_equal(sh_convert(rt, bundled(), path, &o, NULL, &err), SH_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "--allow-requantize"));
    assert_false(sh_file_exists(path));
    assert_int_equal(sh_convert(rt, "/nonexistent/model", path, &o, NULL, &err), SH_E_NOTFOUND);
    assert_int_equal(sh_convert(rt, bundled(), bundled(), &o, NULL, &err), SH_E_EXISTS);
    o.allow_requantize = true;
    o.imatrix_path = SHOAL_SOURCE_DIR "/README.md";
    assert_true(sh_convert(rt, bundled(), path, &o, NULL, &err) < 0);
    assert_false(sh_file_exists(path));
    assert_null(sh_mixture_find("q9_9"));
    sh_free(path);
    sh_runtime_free(rt);
}

static int cancel(void *ud, double done)
{
    (void)ud;
    return done > 0.5;
}

static void test_cancelled(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 1);
    char *path = temp_path();
    sh_err err = {0};
    sh_convert_opts o = to_type("f16");
    (void)state;
    o.allow_requantize = true;
    o.on_progress = cancel;
    assert_int_equal(sh_convert(rt, bundled(), path, &o, NULL, &err), SH_E_CANCELLED);
    assert_false(sh_file_exists(path));
    sh_free(path);
    sh_runtime_free(rt);
}

#ifdef SHOAL_FAULT
/* Whatever call fails, there is no file or a whole one, and nothing leaks. Every call of the first 40, then
 * every 37th. */
static void test_faults(void **state)
{
    sh_runtime *rt = golden_runtime(NULL, 1);
    (void)state;
    for (int kind = 0; kind < SH_FAULT_COUNT; kind++)
        for (long k = 0;; k += k < 40 ? 1 : 37) {
            char *path = temp_path();
            sh_err err = {0};
            sh_convert_opts o = to_type("q8_0");
            sh_fault_arm((enum sh_fault_kind)kind, k);
            int rc = sh_convert(rt, SHOAL_SOURCE_DIR "/tests/data/models/llama", path, &o, NULL, &err);
            bool fired = sh_fault_fired((enum sh_fault_kind)kind);
            sh_fault_arm((enum sh_fault_kind)kind, -1);
            /* The last call makes the folder durable after the rename: the file it leaves is whole. */
            if (sh_file_exists(path))
                sh_model_free(golden_open(rt, path));
            else
                assert_true(rc < 0);
            unlink(path);
            sh_free(path);
            if (!fired) {
                assert_int_equal(rc, SH_OK);
                break;
            }
        }
    sh_runtime_free(rt);
}
#endif

int main(void)
{
    struct CMUnitTest tests[N_FAMILIES + 8];
    size_t n = 0;
    bool have = sh_file_exists(SHOAL_GOLDEN_DIR "/golden/models/llama/config.json");
    if (!have) print_message("skipped: families, there is no " SHOAL_GOLDEN_DIR "/golden/models\n");
    for (size_t i = 0; have && i < N_FAMILIES; i++)
        tests[n++] = (struct CMUnitTest){
            .name = families[i], .test_func = test_family, .initial_state = (void *)(uintptr_t)families[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_every_type);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_hostile_name);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_other_tokenizer);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_refusals);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_cancelled);
#ifdef SHOAL_FAULT
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_faults);
#endif
    return _cmocka_run_group_tests("convert", tests, n, NULL, NULL);
}
