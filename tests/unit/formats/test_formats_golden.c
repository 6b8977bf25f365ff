/* test_formats_golden.c - real model files: every one opens, its numbers are numbers, and where the reference
 * data say what is inside, that is what we see. `test_formats_golden --dump PATH` prints all that was read, a
 * line each, for tests/integration/peer_gguf.py. */
#include "unit/formats/fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/endian.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "formats/llama2c.h"

static bool have_goldens;

static const char *golden_path(const char *name)
{
    static char paths[4][1024];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", SHOAL_GOLDEN_DIR, name);
    return p;
}

static int find_goldens(void **state)
{
    (void)state;
    struct stat st;
    have_goldens = stat(golden_path("golden/models"), &st) == 0;
    if (!have_goldens) print_message("skipped: no reference data in %s\n", SHOAL_GOLDEN_DIR);
    return 0;
}

static sh_tensors *open_golden(const char *name)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    int rc = sh_tensors_open(&t, golden_path(name), &err);
    if (rc < 0) fail_msg("%s: %s", name, err.msg);
    return t;
}

static void sha_text(const void *p, size_t n, char out[2 * SH_SHA256_BYTES + 1])
{
    sh_digest digest;
    assert_int_equal(sh_sha256(p, n, &digest, NULL), SH_OK);
    sh_hex(digest.bytes, sizeof digest.bytes, out);
}

/* The shapes and SHA-256 sums of identify/truth.json. */
static void check_truth(const char *file)
{
    json_t *truth = NULL, *want;
    sh_err err = {0};
    char name[256];
    const char *tensor;
    assert_ok(sh_json_read_file(&truth, golden_path("golden/identify/truth.json"), 64 << 20, &err), &err);
    json_t *tensors = json_object_get(json_object_get(json_object_get(truth, "files"), file), "tensors");
    snprintf(name, sizeof name, "golden/identify/%s", file);
    sh_tensors *t = open_golden(name);
    assert_int_equal(sh_tensors_count(t), json_object_size(tensors));
    json_object_foreach(tensors, tensor, want)
    {
        char sha[2 * SH_SHA256_BYTES + 1];
        const sh_tensor *x = sh_tensors_find(t, tensor);
        const json_t *shape = json_object_get(want, "shape");
        assert_non_null(x);
        assert_int_equal(x->n_dims, json_array_size(shape));
        for (size_t i = 0; i < x->n_dims; i++)
            assert_int_equal(x->dims[i], json_integer_value(json_array_get(shape, x->n_dims - 1 - i)));
        sha_text(x->data, x->n_bytes, sha);
        assert_string_equal(sha, json_string_value(json_object_get(want, "sha256")));
    }
    sh_tensors_free(t);
    json_decref(truth);
}

static void test_truth(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    check_truth("gguf/tiny.gguf");
    check_truth("safetensors/model.safetensors");
    sh_tensors *t = open_golden("golden/identify/gguf/tiny.gguf");
    const sh_meta *list = sh_tensors_meta(t, "golden.list");
    assert_true(sh_str_is(sh_tensors_meta(t, "golden.text")->v.s, "\u00e9\u2713"));
    assert_int_equal(list->n_elems, 3);
    assert_int_equal(sh_get_u32(list->elems + 8), 3);
    sh_tensors_free(t);
}

/* Each malformed file is refused in one line that names it. */
static void test_malformed(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    const char *folder = golden_path("golden/identify/safetensors");
    DIR *d = opendir(folder);
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1400];
        sh_tensors *t = NULL;
        sh_err err = {0};
        if (strncmp(e->d_name, "bad_", 4) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_true(sh_tensors_open(&t, path, &err) < 0);
        assert_null(t);
        assert_non_null(strstr(err.msg, e->d_name));
        assert_null(strchr(err.msg, '\n'));
        n++;
    }
    closedir(d);
    assert_int_equal(n, 14);
}

/* A folder of model folders: each that holds a model opens and is sound. Returns how many did. */
static size_t check_models(const char *name)
{
    DIR *d = opendir(golden_path(name));
    size_t n = 0;
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));) {
        static const char *const files[] = {"model.safetensors", "model.safetensors.index.json"};
        char path[1024];
        struct stat st;
        for (size_t i = 0; i < COUNT(files); i++) {
            snprintf(path, sizeof path, "%s/%.200s/%s", name, e->d_name, files[i]);
            if (e->d_name[0] == '.' || stat(golden_path(path), &st) != 0) continue;
            snprintf(path, sizeof path, "%s/%.200s", name, e->d_name);
            sh_tensors *t = open_golden(path);
            sh_err err = {0};
            assert_true(sh_tensors_count(t) > 0);
            touch_all(t);
            assert_ok(sh_tensors_check_values(t, &err), &err);
            sh_tensors_free(t);
            n++;
            break;
        }
    }
    closedir(d);
    return n;
}

static void test_models(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    size_t n = check_models("golden/models");
    print_message("%zu models\n", n);
    assert_true(n >= 50);
    assert_true(check_models("golden/optimize/models") >= 5);
}

/* An early GPT-2 checkpoint carries masks and no head; the sharded Llama is spread over four files. */
static void test_special_models(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    sh_tensors *t = open_golden("golden/models/llama_sharded");
    assert_int_equal(sh_tensors_files(t), 4);
    assert_int_equal(sh_tensors_count(t), 21);
    assert_int_equal(sh_tensors_find(t, "lm_head.weight")->i_file, 3);
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < sh_tensors_count(t); i++) n_bytes += sh_tensors_at(t, i)->n_bytes;
    assert_int_equal(n_bytes, 135808); /* total_size of the index */
    sh_tensors_free(t);
    t = open_golden("golden/models/gpt2/published/model.safetensors");
    const sh_tensor *mask = sh_tensors_find(t, "h.0.attn.bias");
    assert_non_null(mask);
    assert_int_equal(mask->n_dims, 4);
    sh_tensors_free(t);
}

static void test_vocabularies(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    static const struct {
        const char *name;
        size_t n_tokens;
    } cases[] = {
        {"llama-spm", 32000}, {"llama-bpe", 128256}, {"qwen2", 151936}, {"gpt-2", 50257},
        {"bert-bge", 30522},  {"falcon", 65024},     {"phi-3", 32064},  {"command-r", 256000},
        {"gemma-4", 262144},  {"starcoder", 49152},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[256];
        snprintf(path, sizeof path, "lm/gguf_vocab_tokenizer_goldens/ggml-vocab-%s.gguf", cases[i].name);
        sh_tensors *t = open_golden(path);
        const sh_meta *tokens = sh_tensors_meta(t, "tokenizer.ggml.tokens");
        assert_non_null(tokens);
        assert_int_equal(tokens->elem_type, SH_META_STRING);
        assert_int_equal(tokens->n_elems, cases[i].n_tokens);
        touch_all(t);
        sh_tensors_free(t);
    }
}

static void test_small_models(void **state)
{
    (void)state;
    if (!have_goldens) skip();
    sh_tensors *t = open_golden("lm/gguf_ollama_llama-2-tiny-random/llama-2-tiny-random.gguf");
    sh_llama2c_info info;
    sh_err err = {0};
    assert_int_equal(sh_tensors_count(t), 12);
    assert_ok(sh_tensors_check_values(t, &err), &err);
    sh_tensors_free(t);
    assert_ok(sh_llama2c_open(&t, &info, golden_path("lm/stories260K/stories260K.bin"), &err), &err);
    assert_true(info.dim == 64 && info.hidden_dim == 172 && info.n_layers == 5 && info.n_heads == 8);
    assert_true(info.n_kv_heads == 4 && info.vocab_size == 512 && info.seq_len == 512 && info.tied);
    assert_ok(sh_tensors_check_values(t, &err), &err);
    sh_tensors_free(t);
}

/* ---- the dump ---- */

static void dump_value(const sh_meta *m)
{
    char sha[2 * SH_SHA256_BYTES + 1];
    sh_buf all = {0};
    switch (m->type) {
    case SH_META_STRING:
        sha_text(m->v.s.p, m->v.s.n, sha);
        printf("%s", sha);
        break;
    case SH_META_ARRAY:
        for (uint64_t i = 0; m->strings && i < m->n_elems; i++) {
            uint8_t word[8];
            sh_put_u64(word, m->strings[i].n);
            sh_buf_add(&all, word, 8);
            sh_buf_add(&all, m->strings[i].p, m->strings[i].n);
        }
        if (m->strings)
            sha_text(sh_buf_str(&all).p, all.n, sha);
        else
            sha_text(m->elems, m->n_elem_bytes, sha);
        printf("%d %" PRIu64 " %s", (int)m->elem_type, m->n_elems, sha);
        break;
    case SH_META_F32:
    case SH_META_F64:
        printf("%.17g", m->v.f);
        break;
    case SH_META_BOOL:
        printf("%d", m->v.b);
        break;
    default:
        printf("%016" PRIx64, m->v.u);
    }
    sh_buf_clear(&all);
}

static int dump(const char *path)
{
    sh_tensors *t = NULL;
    sh_err err = {0};
    if (sh_tensors_open(&t, path, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    for (size_t i = 0; i < sh_tensors_meta_count(t); i++) {
        const sh_meta *m = sh_tensors_meta_at(t, i);
        printf("key\t%s\t%d\t", m->key, (int)m->type);
        dump_value(m);
        printf("\n");
    }
    for (size_t i = 0; i < sh_tensors_count(t); i++) {
        const sh_tensor *x = sh_tensors_at(t, i);
        char sha[2 * SH_SHA256_BYTES + 1];
        sha_text(x->data, x->n_bytes, sha);
        printf("tensor\t%s\t%s\t", x->name, x->type_name);
        for (uint32_t d = 0; d < x->n_dims; d++) printf("%s%" PRIu64, d ? "," : "", x->dims[d]);
        printf("\t%" PRIu64 "\t%s\n", x->file_off, sha);
    }
    sh_tensors_free(t);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--dump") == 0) return dump(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth),        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_models),       cmocka_unit_test(test_special_models),
        cmocka_unit_test(test_vocabularies), cmocka_unit_test(test_small_models),
    };
    return cmocka_run_group_tests(tests, find_goldens, NULL);
}
