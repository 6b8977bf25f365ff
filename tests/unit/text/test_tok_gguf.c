/* test_tok_gguf.c - vocabularies of GGUF files against recorded ids, how fast they open, and the way back to
 * GGUF. */
#include <dirent.h>
#include <time.h>

#include "tok_gguf.h"

static const char vocab_dir[] = SHOAL_GOLDEN_DIR "/lm/gguf_vocab_tokenizer_goldens";
static const char text_mark[] = "\n__ggml_vocab_test__\n";

/* Processor seconds: the machine may be busy with other things. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sh_tokenizer *open_vocab(const sh_vocab_desc *d, const char *name)
{
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    assert_ok(sh_tokenizer_from_vocab(&t, d, name, &err), &err);
    return t;
}

/* One line of ids of an .out file. */
static ids read_line(const char **p)
{
    ids r = {malloc(65536 * sizeof(sh_token)), 0};
    assert_non_null(r.p);
    while (**p && **p != '\n') {
        char *end;
        long id = strtol(*p, &end, 10);
        if (end == *p) {
            ++*p;
            continue;
        }
        assert_true(r.n < 65536);
        r.p[r.n++] = (sh_token)id;
        *p = end;
    }
    if (**p) ++*p;
    return r;
}

static int check_texts(const sh_tokenizer *t, const char *name)
{
    char file[300];
    int bad = 0, n = 0;
    snprintf(file, sizeof file, "%s.inp", name);
    bytes in = read_all(vocab_dir, file);
    snprintf(file, sizeof file, "%s.out", name);
    bytes out = read_all(vocab_dir, file);
    const char *want_at = out.p;
    for (char *p = in.p; p && want_at && *want_at; n++) {
        char *stop = strstr(p, text_mark);
        size_t len = stop ? (size_t)(stop - p) : (size_t)(in.p + in.n - p);
        ids want = read_line(&want_at), got = encode(t, p, len, false, false);
        bad += ids_differ(name, n, got, want);
        free(want.p);
        free(got.p);
        p = stop ? stop + sizeof text_mark - 1 : NULL;
    }
    free(in.p);
    free(out.p);
    if (n) print_message("%s: %d texts, %d differences\n", name, n, bad);
    return bad;
}

/* describe -> from_vocab keeps every id of some texts. */
static int check_round_trip(const sh_tokenizer *t, const char *name)
{
    static const char *const texts[] = {"Hello, World! 12345 it's  fine", "سلام دنیا ۱۲۳",
                                        "  two  spaces\n\n\tand tabs ", "naïve café 你好 🙂", ""};
    sh_err err = {0};
    sh_vocab_desc d;
    int bad = 0;
    assert_ok(sh_tokenizer_describe(t, &d, &err), &err);
    sh_tokenizer *again = open_vocab(&d, name);
    for (size_t i = 0; i < COUNT(texts); i++) {
        ids a = encode(t, texts[i], strlen(texts[i]), true, true),
            b = encode(again, texts[i], strlen(texts[i]), true, true);
        bad += ids_differ("round trip", (int)i, b, a);
        bytes x = decode(t, a, false), y = decode(again, a, false);
        bad += text_differs("round trip decode", (int)i, y.p, y.n, x.p, x.n);
        free(a.p);
        free(b.p);
        free(x.p);
        free(y.p);
    }
    assert_int_equal(sh_tokenizer_bos(t), sh_tokenizer_bos(again));
    assert_int_equal(sh_tokenizer_eos(t), sh_tokenizer_eos(again));
    sh_tokenizer_free(again);
    return bad;
}

static void test_vocabularies(void **state)
{
    (void)state;
    int bad = 0, n = 0;
    DIR *d = opendir(vocab_dir);
    if (!d) {
        print_message("skipped: no %s\n", vocab_dir);
        skip();
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        gguf_vocab g;
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".gguf") != 0) continue;
        assert_true(gguf_open(&g, vocab_dir, e->d_name));
        double begin = now();
        sh_tokenizer *t = open_vocab(&g.desc, e->d_name);
        print_message("%s: %zu tokens opened in %.1f ms of processor time\n", e->d_name, g.desc.n_tokens,
                      1e3 * (now() - begin));
        gguf_close(&g); /* the tokenizer keeps nothing of it */
        bad += check_texts(t, e->d_name);
        bad += check_round_trip(t, e->d_name);
        sh_tokenizer_free(t);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vocabularies)};
    return cmocka_run_group_tests_name("tokenizer vocabularies of GGUF", tests, NULL, NULL);
}
