/* test_tokenizer.c - what the goldens do not say: matchers against their patterns, long pieces, spans, GGUF
 * round trips, other file formats, broken files, failing memory. */
#include <pthread.h>
#include <time.h>

#include "base/fault.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"
#include "tok_cases.h"

#define SMALL_DIR SHOAL_SOURCE_DIR "/tests/data/tokenizers"

static sh_tokenizer *open_small(const char *name)
{
    char dir[1024];
    snprintf(dir, sizeof dir, SMALL_DIR "/%s", name);
    sh_tokenizer *t = open_json(dir);
    assert_non_null(t);
    return t;
}

static sh_tokenizer *open_text(const char *json)
{
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    assert_ok(sh_tokenizer_from_json(&t, json, strlen(json), NULL, 0, "test", &err), &err);
    return t;
}

/* A code point from the places where patterns decide: ASCII, cases, marks, digits, spaces, other scripts. */
static uint32_t random_cp(sh_rng *r)
{
    static const uint32_t some[] = {
        ' ',    ' ',     ' ',     '\n',    '\r',    '\t',    '\'',   '\'',   's',    'S',    0x17f, 't',
        'r',    'e',     'l',     'L',     'd',     '/',     '!',    '_',    '1',    '2',    0x660, 0x6f1,
        0xbd,   0x2167,  0x85,    0xa0,    0x2028,  0x3000,  0x200b, 0x200c, 0xfeff, 0x180e, 0x301, 0x64b,
        0x93e,  0x20dd,  'A',     'B',     0xc9,    0xe9,    0x1c5,  0x2b0,  0x5d0,  0x627,  0x6cc, 0x4e2d,
        0xac00, 0x1f600, 0x1d400, 0x1d7ce, 0x10400, 0x10428, 0xfffd, 0x2019, 0xe000};
    uint64_t pick = sh_rng_u64(r);
    if (pick % 8 < 6) return some[(pick >> 8) % COUNT(some)];
    /* below U+0C00, where utf8proc and PCRE2 know the same characters */
    return (uint32_t)((pick >> 8) % 0xc00);
}

static size_t random_text(sh_rng *r, char *out, size_t n_chars)
{
    size_t n = 0;
    for (size_t i = 0; i < n_chars; i++) n += sh_utf8_encode(random_cp(r), out + n);
    return n;
}

/* Every hand-written matcher cuts as its pattern does under PCRE2. */
static void test_matchers(void **state)
{
    (void)state;
    static uint8_t classes[65536];
    sh_rng r = {7};
    uc_fill_table(classes);
    for (int which = 0; which < FAST_COUNT; which++) {
        sh_err err = {0};
        sh_regex *re = NULL;
        sh_regex_work work = {0};
        assert_int_equal(fast_from_regex(sh_str_of(fast_source((enum fast_pattern)which))), which);
        assert_ok(sh_regex_open(&re, sh_str_of(fast_source((enum fast_pattern)which)), "pattern", &err),
                  &err);
        for (int round = 0; round < 20000; round++) {
            char text[256];
            size_t n = random_text(&r, text, 1 + sh_rng_u64(&r) % 40);
            for (size_t at = 0; at < n;) {
                size_t begin = 0, end = 0;
                assert_int_equal(sh_regex_find(re, &work, text, n, at, &begin, &end, &err), 1);
                size_t len = fast_next((enum fast_pattern)which, classes, text + at, text + n);
                if (begin != at || end != at + len) {
                    print_error(
                        "pattern %d, round %d: piece at %zu has %zu bytes, PCRE2 says %zu..%zu of \"%.*s\"\n",
                        which, round, at, len, begin, end, (int)n, text);
                    fail();
                }
                at += len;
            }
        }
        sh_regex_work_clear(&work);
        sh_regex_free(re);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Joining what a row decodes to gives the text back. */
static void assert_round_trip(const sh_tokenizer *t, const char *text, size_t n)
{
    ids row = encode(t, text, n, false, false);
    bytes back = decode(t, row, false);
    assert_int_equal(text_differs("round trip", 0, back.p, back.n, text, n), 0);
    free(row.p);
    free(back.p);
}

/* A megabyte without a place to cut costs n log n: a square would take minutes, not seconds. */
static void test_long_pieces(void **state)
{
    (void)state;
    static const char *const names[] = {"bbpe_llama3",    "bbpe_gpt2",         "bbpe_o200k",
                                        "spm_bpe_legacy", "wordpiece_uncased", "clip_like"};
    static const char *const units[] = {"a", " ", "\n", "ab", "é", "e\xcc\x81\xcc\xa7", "1", "'", "\xff"};
    enum { N = 1 << 20 };
    char *text = malloc(N);
    assert_non_null(text);
    for (size_t k = 0; k < COUNT(names); k++) {
        sh_tokenizer *t = open_small(names[k]);
        for (size_t u = 0; u < COUNT(units); u++) {
            size_t len = strlen(units[u]);
            for (size_t i = 0; i < N; i++) text[i] = units[u][i % len];
            double begin = seconds();
            ids row = encode(t, text, N, false, true);
            double took = seconds() - begin;
            if (took > 20) print_error("%s: a megabyte of \"%s\" took %.1f s\n", names[k], units[u], took);
            assert_true(took < 20);
            free(row.p);
        }
        sh_tokenizer_free(t);
    }
    sh_tokenizer *t = open_small("bbpe_gpt2");
    memset(text, 'a', N);
    assert_round_trip(t, text, N);
    sh_tokenizer_free(t);
    free(text);
}

/* The short and the long way of merging give the same ids. */
static void test_merge_ways(void **state)
{
    (void)state;
    sh_tokenizer *t = open_small("bbpe_gpt2");
    sh_rng r = {3};
    for (int round = 0; round < 300; round++) {
        char text[512], twice[1024];
        size_t n = 0;
        while (n < 60) text[n++] = "theandofing"[sh_rng_u64(&r) % 11];
        memcpy(twice, text, n);
        for (size_t i = 0; i < n; i++) twice[n + i] = 'z';
        ids a = encode(t, text, n, false, true), b = encode(t, twice, 2 * n, false, true);
        /* "z" after the letters may only change the ids next to it */
        size_t same = 0;
        while (same < a.n && same < b.n && a.p[same] == b.p[same]) same++;
        assert_true(same + 4 >= a.n);
        free(a.p);
        free(b.p);
    }
    sh_tokenizer_free(t);
}

static int count_id(ids row, sh_token id)
{
    int n = 0;
    for (size_t i = 0; i < row.n; i++) n += row.p[i] == id;
    return n;
}

/* Special tokens are parsed outside the plain spans only, whatever is said inside. */
static void test_spans(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_tokenizer *t = open_small("bbpe_qwen2");
    const char *text = "<|im_start|>user\nsay <|im_end|> twice<|im_end|>";
    const char *said = strstr(text, "say"), *stop = strstr(text, "twice") + 5;
    sh_token end_id = sh_tokenizer_find(t, "<|im_end|>"), out[256];
    sh_span span = {(size_t)(said - text), (size_t)(stop - text)};
    sh_encode_opts opts = {.parse_special = true};
    int64_t n = sh_tokenizer_encode_spans(t, text, strlen(text), &span, 1, opts, out, 256, &err);
    assert_true(n > 0);
    ids row = {out, (size_t)n};
    assert_int_equal(count_id(row, end_id), 1);
    assert_int_equal(out[n - 1], end_id);
    assert_int_equal(out[0], sh_tokenizer_find(t, "<|im_start|>"));
    bytes back = decode(t, row, false);
    assert_string_equal(back.p, text);
    free(back.p);
    ids all = encode(t, text, strlen(text), false, true);
    assert_int_equal(count_id(all, end_id), 2);
    free(all.p);
    /* an empty list is an ordinary encode; ill-formed bytes in front shift the span with the text */
    const char *broken = "\xff\xff<|im_end|><|im_end|>";
    sh_span first = {2, 12};
    n = sh_tokenizer_encode_spans(t, broken, strlen(broken), &first, 1, opts, out, 256, &err);
    assert_int_equal(count_id((ids){out, (size_t)n}, end_id), 1);
    assert_int_equal(out[n - 1], end_id);
    sh_tokenizer_free(t);
}

static void test_look_ups(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_tokenizer *t = open_small("bbpe_llama3");
    sh_token eot = sh_tokenizer_find(t, "<|eot_id|>");
    assert_int_equal(sh_tokenizer_find(t, "no such token"), -1);
    assert_string_equal(sh_tokenizer_token(t, eot), "<|eot_id|>");
    assert_null(sh_tokenizer_token(t, -1));
    assert_null(sh_tokenizer_token(t, sh_tokenizer_size(t)));
    for (sh_token id = 0; id < sh_tokenizer_size(t); id++)
        assert_int_equal(sh_tokenizer_find(t, sh_tokenizer_token(t, id)), id);
    assert_true(sh_tokenizer_is_special(t, eot));
    assert_true(sh_tokenizer_is_end(t, eot));
    assert_false(sh_tokenizer_is_end(t, 0));
    assert_string_equal(sh_tokenizer_token(t, sh_tokenizer_bos(t)), "<|begin_of_text|>");
    assert_string_equal(sh_tokenizer_token(t, sh_tokenizer_eos(t)), "<|end_of_text|>");
    assert_ok(sh_tokenizer_add_end(t, 5, &err), &err);
    assert_true(sh_tokenizer_is_end(t, 5));
    assert_int_equal(sh_tokenizer_add_end(t, sh_tokenizer_size(t), &err), SH_E_RANGE);
    sh_token bad = sh_tokenizer_size(t);
    assert_int_equal(sh_tokenizer_decode(t, &bad, 1, false, NULL, 0, &err), SH_E_RANGE);
    /* counting and short buffers */
    sh_encode_opts opts = {.add_special = true};
    sh_token two[2] = {-7, -7};
    int64_t n = sh_tokenizer_encode(t, "one two three", 13, opts, NULL, 0, &err);
    assert_true(n > 2);
    assert_int_equal(sh_tokenizer_encode(t, "one two three", 13, opts, two, 1, &err), n);
    assert_int_equal(two[0], sh_tokenizer_bos(t));
    assert_int_equal(two[1], -7);
    sh_tokenizer_free(t);
}

/* describe, then from_vocab: the same ids for every text of texts.json. Returns differences. */
static int round_trip_gguf(const sh_tokenizer *t, const char *name)
{
    sh_err err = {0};
    sh_vocab_desc d;
    sh_tokenizer *again = NULL;
    int bad = 0;
    size_t i;
    const json_t *v;
    assert_ok(sh_tokenizer_describe(t, &d, &err), &err);
    assert_ok(sh_tokenizer_from_vocab(&again, &d, name, &err), &err);
    json_t *texts = read_json(SMALL_DIR, "texts.json");
    json_array_foreach(json_object_get(texts, "texts"), i, v)
    {
        ids a = encode(t, json_string_value(v), json_string_length(v), true, true);
        ids b = encode(again, json_string_value(v), json_string_length(v), true, true);
        bad += ids_differ(name, (int)i, b, a);
        free(a.p);
        free(b.p);
    }
    for (sh_token id = 0; id < sh_tokenizer_size(t); id++) {
        assert_int_equal(sh_tokenizer_is_special(t, id), sh_tokenizer_is_special(again, id));
        assert_int_equal(sh_tokenizer_is_end(t, id), sh_tokenizer_is_end(again, id));
    }
    json_decref(texts);
    sh_tokenizer_free(again);
    return bad;
}

static void test_describe(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_vocab_desc d;
    static const char *const kept[] = {"bbpe_llama3", "bbpe_gpt2", "bbpe_o200k", "spm_bpe_legacy",
                                       "wordpiece_uncased"};
    static const char *const refused[] = {"clip_like", "added_flags", "metaspace_first_nosplit"};
    for (size_t i = 0; i < COUNT(kept); i++) {
        sh_tokenizer *t = open_small(kept[i]);
        assert_int_equal(round_trip_gguf(t, kept[i]), 0);
        sh_tokenizer_free(t);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        sh_tokenizer *t = open_small(refused[i]);
        assert_int_equal(sh_tokenizer_describe(t, &d, &err), SH_E_UNSUPPORTED);
        assert_true(strlen(err.msg) > 40);
        sh_tokenizer_free(t);
    }
    bytes b = read_all(SMALL_DIR "/spm_unigram_persian", "tokenizer.model");
    sh_tokenizer *t = NULL;
    assert_ok(sh_tokenizer_from_sentencepiece(&t, b.p, b.n, "model", &err), &err);
    assert_ok(sh_tokenizer_describe(t, &d, &err), &err);
    assert_string_equal(d.model, "t5");
    assert_true(d.n_charsmap > 1000 && d.remove_extra_whitespaces == 1 && d.add_space_prefix == 1);
    sh_tokenizer_free(t);
    free(b.p);
}

static void test_minnow(void **state)
{
    (void)state;
    sh_err err = {0};
    const char *dir = SHOAL_GOLDEN_DIR "/models/minnow";
    bytes json = read_all(dir, "tokenizer.json"), config = read_all(dir, "tokenizer_config.json");
    if (!json.p) {
        print_message("skipped: no %s\n", dir);
        skip();
    }
    sh_tokenizer *t = NULL;
    assert_ok(sh_tokenizer_from_json(&t, json.p, json.n, config.p, config.n, "minnow", &err), &err);
    assert_int_equal(sh_tokenizer_size(t), 4096);
    assert_int_equal(round_trip_gguf(t, "minnow"), 0);
    sh_tokenizer_free(t);
    free(json.p);
    free(config.p);
}

/* shared_*: answers for tokenizers that lie elsewhere in the large data. */
static int check_shared(const sh_tokenizer *t, const char *name)
{
    char dir[1024];
    int bad = 0;
    size_t k;
    const json_t *c;
    snprintf(dir, sizeof dir, "%s/golden/tokenizers/%s", SHOAL_GOLDEN_DIR, name);
    json_t *top = read_json(dir, "cases.json"), *texts = read_json(SMALL_DIR, "texts.json");
    if (!top) top = read_json(dir, "sp_cases.json");
    bool sp = strstr(name, "model") != NULL, skip_named = strcmp(name, "shared_llama3.2") == 0;
    json_array_foreach(json_object_get(top, "cases"), k, c)
    {
        json_int_t i = json_integer_value(json_object_get(c, "i"));
        const json_t *text = json_array_get(json_object_get(texts, "texts"), (size_t)i),
                     *plain = json_object_get(c, "ids_no_parse_special");
        const json_t *list = json_object_get(c, "ids");
        if (!list) continue;
        if (skip_named && plain) list = plain; /* its files have no special tokens */
        ids want = ids_of(list),
            got = encode(t, json_string_value(text), json_string_length(text), false, !sp);
        bad += ids_differ(name, (int)i, got, want);
        const json_t *decoded = json_object_get(c, "decoded");
        bytes back = decode(t, got, false);
        if (!(skip_named && plain))
            bad += text_differs(name, (int)i, back.p, back.n, json_string_value(decoded ? decoded : text),
                                json_string_length(decoded ? decoded : text));
        free(back.p);
        free(want.p);
        free(got.p);
    }
    print_message("%s: %zu texts, %d differences\n", name, json_array_size(json_object_get(top, "cases")),
                  bad);
    json_decref(top);
    json_decref(texts);
    return bad;
}

static void test_shared(void **state)
{
    (void)state;
    sh_err err = {0};
    const char *dir = SHOAL_GOLDEN_DIR "/lm/tokenizers";
    static const char *const jsons[][2] = {
        {"gpt2", "shared_gpt2"}, {"tinyllama", "shared_tinyllama"}, {"minilm", "shared_minilm"}};
    int bad = 0;
    for (size_t i = 0; i < COUNT(jsons); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", dir, jsons[i][0]);
        sh_tokenizer *t = open_json(path);
        if (!t) {
            print_message("skipped: no %s\n", path);
            skip();
        }
        bad += check_shared(t, jsons[i][1]);
        if (i) bad += round_trip_gguf(t, jsons[i][0]);
        sh_tokenizer_free(t);
    }
    sh_tokenizer *t = NULL;
    bytes vocab = read_all(dir, "llama3.2/encoder.json"), merges = read_all(dir, "llama3.2/vocab.bpe");
    assert_ok(
        sh_tokenizer_from_bpe_files(&t, vocab.p, vocab.n, merges.p, merges.n, "llama-bpe", "llama3.2", &err),
        &err);
    bad += check_shared(t, "shared_llama3.2");
    sh_tokenizer_free(t);
    free(vocab.p);
    free(merges.p);
    bytes model = read_all(dir, "llama2_tokenizer.model"), bin = read_all(dir, "llama2_tokenizer.bin");
    assert_ok(sh_tokenizer_from_sentencepiece(&t, model.p, model.n, "llama2", &err), &err);
    bad += check_shared(t, "shared_llama2_model");
    bad += round_trip_gguf(t, "llama2 model");
    sh_tokenizer_free(t);
    assert_ok(sh_tokenizer_from_llama2c(&t, bin.p, bin.n, 32000, "llama2.bin", &err), &err);
    bad += check_shared(t, "shared_llama2_model");
    sh_tokenizer_free(t);
    free(model.p);
    free(bin.p);
    assert_int_equal(bad, 0);
}

/* One tokenizer, four threads that encode, decode and describe: the same answers, and nothing for the thread
 * sanitizer. */
typedef struct worker {
    const sh_tokenizer *t;
    const json_t *texts;
    uint64_t sum;
} worker;

static void *work(void *ud)
{
    worker *w = ud;
    size_t i;
    const json_t *v;
    sh_vocab_desc d;
    sh_err err = {0};
    w->sum = 0;
    if (sh_tokenizer_describe(w->t, &d, &err) == SH_OK) w->sum += d.n_merges;
    json_array_foreach(w->texts, i, v)
    {
        sh_token row[512];
        sh_encode_opts opts = {.parse_special = true};
        int64_t n =
            sh_tokenizer_encode(w->t, json_string_value(v), json_string_length(v), opts, row, 512, &err);
        for (int64_t k = 0; k < n && k < 512; k++) w->sum = w->sum * 31 + (uint64_t)row[k];
        if (n > 0 && n < 512)
            w->sum += (uint64_t)sh_tokenizer_decode(w->t, row, (size_t)n, true, NULL, 0, &err);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static const char *const names[] = {"bbpe_gpt2", "spm_bpe_legacy", "wordpiece_uncased", "clip_like"};
    json_t *texts = read_json(SMALL_DIR, "texts.json");
    for (size_t k = 0; k < COUNT(names); k++) {
        sh_tokenizer *t = open_small(names[k]);
        worker w[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            w[i] = (worker){t, json_object_get(texts, "texts"), 0};
            assert_int_equal(pthread_create(&threads[i], NULL, work, &w[i]), 0);
        }
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        for (int i = 1; i < 4; i++) assert_true(w[i].sum == w[0].sum);
        assert_true(w[0].sum != 0);
        sh_tokenizer_free(t);
    }
    json_decref(texts);
}

/* Splits and normalisers that no golden folder uses, with pieces worked out by hand. */
static void test_rare_steps(void **state)
{
    (void)state;
    static const char head[] = "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,"
                               "\"ab\":1,\"-\":2,\"ab-\":3,\"-ab\":4,\"--\":5}},";
    static const struct {
        const char *behavior;
        int n, want[6];
    } cases[] = {{"Removed", 2, {1, 1}},
                 {"Isolated", 4, {1, 2, 2, 1}},
                 {"Contiguous", 3, {1, 5, 1}},
                 {"MergedWithPrevious", 3, {3, 2, 1}},
                 {"MergedWithNext", 3, {1, 2, 4}}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[1024];
        snprintf(json, sizeof json,
                 "%s\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"-\"},\"behavior\":\"%s\","
                 "\"invert\":false}}",
                 head, cases[i].behavior);
        sh_tokenizer *t = open_text(json);
        ids row = encode(t, "ab--ab", 6, false, true);
        assert_int_equal(row.n, cases[i].n);
        for (size_t k = 0; k < row.n; k++) assert_int_equal(row.p[k], cases[i].want[k]);
        free(row.p);
        sh_tokenizer_free(t);
    }
}

/* A pattern that would take for ever is an error. */
static void test_pattern_limits(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_tokenizer *t = open_text(
        "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0}},\"pre_tokenizer\":{"
        "\"type\":\"Split\","
        "\"pattern\":{\"Regex\":\"(?:(?:a|aa)+)+$(?<=b)\"},\"behavior\":\"Isolated\",\"invert\":false}}");
    char text[200];
    memset(text, 'a', sizeof text);
    sh_encode_opts opts = {0};
    assert_int_equal(sh_tokenizer_encode(t, text, sizeof text, opts, NULL, 0, &err), SH_E_LIMIT);
    sh_tokenizer_free(t);
}

/* Broken files: a code and one line that names the file, never a tokenizer. */
static void test_bad_files(void **state)
{
    (void)state;
    static const char *const jsons[] = {
        "",
        "[]",
        "{",
        "{\"model\":{}}",
        "{\"model\":{\"vocab\":{\"a\":-1}}}",
        "{\"model\":{\"vocab\":{\"a\":16777216}}}",
        "{\"model\":{\"vocab\":{\"a\":16000000}}}",
        "{\"model\":{\"type\":\"Other\",\"vocab\":{\"a\":0}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}",
        "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"normalizer\":{\"type\":\"X\"}}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"}"
        ",\"behavior\":\"Isolated\"}}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"added_tokens\":[{\"content\":\"x\"}]}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
        "\"AAAAAAAA\"},\"decoder\":{\"type\":\"?\"}}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",9],"
        "\"sep\":[\"a\",0]}}",
        "{\"model\":{\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}"
        "}"};
    for (size_t i = 0; i < COUNT(jsons); i++) {
        sh_err err = {0};
        sh_tokenizer *t = NULL;
        int rc = sh_tokenizer_from_json(&t, jsons[i], strlen(jsons[i]), NULL, 0, "broken.json", &err);
        if (rc >= 0) print_error("accepted: %s\n", jsons[i]);
        assert_true(rc == SH_E_CORRUPT || rc == SH_E_UNSUPPORTED);
        assert_null(t);
        assert_int_equal(err.code, rc);
        assert_non_null(strstr(err.msg, "broken.json"));
    }
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    bytes b = read_all(SMALL_DIR "/spm_bpe_legacy", "tokenizer.model");
    assert_non_null(b.p);
    for (size_t n = 0; n < b.n; n += 1 + n / 7) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, b.p, n);
        int rc = sh_tokenizer_from_sentencepiece(&t, cut, n, "cut", &err);
        free(cut);
        if (rc == SH_OK)
            sh_tokenizer_free(t), t = NULL; /* a cut between fields leaves a smaller model */
        else
            assert_int_equal(rc, SH_E_CORRUPT);
    }
    assert_int_equal(sh_tokenizer_from_llama2c(&t, b.p, b.n, 1 << 30, "bin", &err), SH_E_CORRUPT);
    assert_int_equal(sh_tokenizer_from_llama2c(&t, b.p, 3, 1, "bin", &err), SH_E_CORRUPT);
    sh_vocab_desc d = {.model = "gpt2", .pre = "nobody"};
    assert_int_equal(sh_tokenizer_from_vocab(&t, &d, "gguf", &err), SH_E_CORRUPT);
    sh_str one = {"a", 1};
    d.tokens = &one;
    d.n_tokens = 1;
    d.merges = &one;
    assert_int_equal(sh_tokenizer_from_vocab(&t, &d, "gguf", &err), SH_E_UNSUPPORTED);
    d.model = "llama";
    assert_int_equal(sh_tokenizer_from_vocab(&t, &d, "gguf", &err), SH_E_CORRUPT);
    d.model = "rwkv";
    assert_int_equal(sh_tokenizer_from_vocab(&t, &d, "gguf", &err), SH_E_UNSUPPORTED);
    assert_null(t);
    free(b.p);
}

#ifdef SHOAL_FAULT
/* Opening, encoding, describing and decoding with the k-th allocation failing: an error and no leak (the
 * address sanitizer watches), then success. */
static void torture(const char *name)
{
    char dir[1024];
    snprintf(dir, sizeof dir, SMALL_DIR "/%s", name);
    bytes b = read_all(dir, "tokenizer.json");
    for (long k = 0;; k += 1 + k / 20) {
        sh_err err = {0};
        sh_tokenizer *t = NULL;
        sh_vocab_desc d;
        sh_buf out = {0};
        sh_token row[64];
        sh_encode_opts opts = {.add_special = true, .parse_special = true};
        static const char text[] =
            "Cafe\xcc\x81 <|endoftext|> and more  text that is long enough to want the heap for merging: "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        sh_fault_arm(SH_FAULT_ALLOC, k);
        int rc = sh_tokenizer_from_json(&t, b.p, b.n, NULL, 0, name, &err);
        if (rc == SH_OK) {
            int64_t n = sh_tokenizer_encode(t, text, sizeof text - 1, opts, row, 64, &err);
            rc = n < 0 ? (int)n : SH_OK;
            if (n > 64) n = 64;
            if (rc == SH_OK) rc = sh_tokenizer_decode_to(t, row, (size_t)n, true, &out, &err);
            if (rc == SH_OK) rc = sh_tokenizer_describe(t, &d, &err);
            if (rc == SH_E_UNSUPPORTED) rc = SH_OK;
        }
        bool fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        sh_buf_clear(&out);
        sh_tokenizer_free(t);
        if (!fired) {
            assert_ok(rc, &err);
            break;
        }
    }
    free(b.p);
}

static void test_memory(void **state)
{
    (void)state;
    torture("bbpe_llama3");
    torture("bbpe_qwen2");
    torture("spm_bpe_legacy");
    torture("wordpiece_uncased");
    torture("clip_like");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matchers),       cmocka_unit_test(test_long_pieces),
        cmocka_unit_test(test_merge_ways),     cmocka_unit_test(test_spans),
        cmocka_unit_test(test_look_ups),       cmocka_unit_test(test_describe),
        cmocka_unit_test(test_minnow),         cmocka_unit_test(test_shared),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_rare_steps),
        cmocka_unit_test(test_pattern_limits), cmocka_unit_test(test_bad_files),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_memory),
#endif
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
