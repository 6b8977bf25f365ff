/* bench_grammar.c - what a grammar costs a token.
 *
 *   bench_grammar MODEL.gguf [SCHEMA.json|GRAMMAR.gbnf] [ANSWERS]
 *
 * Walks ANSWERS (20) random answers of the grammar over the model's vocabulary (weights are not read): each
 * step makes the mask, draws an allowed token with a taste for long ones and goes on by it. Prints
 * microseconds of wall time: the mask's median, 90th and 99th percentile and largest, for the first answer
 * (nothing known yet) and for the rest, and the median of going on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shoal/grammar.h>
#include <shoal/model.h>

#include "base/rng.h"
#include "os/file.h"

enum { MAX_STEPS = 512, MAX_TIMES = 1 << 16 };

static const char usual_schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\","
    "\"minimum\":0,"
    "\"maximum\":150},\"email\":{\"type\":\"string\",\"format\":\"email\"},\"tags\":{\"type\":\"array\","
    "\"items\":"
    "{\"enum\":[\"red\",\"green\",\"blue\"]},\"maxItems\":5},\"address\":{\"type\":\"object\",\"properties\":"
    "{"
    "\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\"},\"zip\":{\"type\":\"string\","
    "\"pattern\":"
    "\"^[0-9]{5}$\"}},\"required\":[\"street\",\"city\"],\"additionalProperties\":false},\"score\":{\"type\":"
    "\"number\"}},\"required\":[\"name\",\"age\",\"tags\",\"address\"],\"additionalProperties\":false}";

typedef struct times {
    double us[MAX_TIMES];
    size_t n;
} times;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void times_add(times *t, double us)
{
    if (t->n < MAX_TIMES) t->us[t->n++] = us;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void times_print(const char *what, times *t)
{
    if (!t->n) return;
    qsort(t->us, t->n, sizeof *t->us, compare);
    printf("%-22s n %6zu  median %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f us\n", what, t->n, t->us[t->n / 2],
           t->us[t->n * 9 / 10], t->us[t->n * 99 / 100], t->us[t->n - 1]);
}

/* An allowed token: the longest of a few drawn. */
static sh_token draw(const sh_tokenizer *t, const uint32_t *words, sh_rng *rng)
{
    sh_token best = -1;
    int32_t n = sh_tokenizer_size(t);
    size_t longest = 0;
    for (int tries = 0, found = 0; found < 3 && (tries < 200000 || best < 0); tries++) {
        sh_token id = (sh_token)(sh_rng_unit(rng) * n);
        if (!(words[id / 32] >> id % 32 & 1)) continue;
        size_t length = strlen(sh_tokenizer_token(t, id));
        if (best < 0 || length > longest) best = id, longest = length;
        found++;
    }
    return best;
}

static int walk(const sh_grammar *g, const sh_tokenizer *t, sh_rng *rng, times *mask, times *accept,
                sh_err *err)
{
    sh_grammar_state *s = NULL;
    int rc = sh_grammar_state_open(&s, g, t, err);
    for (int i = 0; i < MAX_STEPS && rc == SH_OK && !sh_grammar_state_is_over(s); i++) {
        const uint32_t *words;
        double a = now_us();
        if ((rc = sh_grammar_state_mask(s, &words, err)) < 0) break;
        double b = now_us();
        sh_token id = draw(t, words, rng);
        if (sh_tokenizer_is_end(t, id)) break;
        double c = now_us();
        rc = sh_grammar_state_accept(s, id, err);
        times_add(mask, b - a);
        times_add(accept, now_us() - c);
    }
    sh_grammar_state_free(s);
    return rc;
}

static int open_grammar(sh_grammar **g, const char *path, sh_err *err)
{
    sh_buf text = {0};
    if (!path) return sh_grammar_from_json_schema(g, usual_schema, sizeof usual_schema - 1, "schema", err);
    int rc = sh_file_read(path, 8 << 20, &text, err);
    if (rc == SH_OK)
        rc = sh_ends_with(path, ".gbnf") ? sh_grammar_from_gbnf(g, text.p, text.n, path, err)
                                         : sh_grammar_from_json_schema(g, text.p, text.n, path, err);
    sh_buf_clear(&text);
    return rc;
}

static int measure(const sh_model *m, const char *path, int answers, sh_err *err)
{
    static times first, later, accept;
    const sh_tokenizer *t = sh_model_tokenizer(m);
    sh_grammar *g = NULL;
    sh_grammar_state *s = NULL;
    sh_rng rng = {1};
    double a = now_us();
    int rc = open_grammar(&g, path, err);
    double b = now_us();
    if (rc == SH_OK) rc = sh_grammar_state_open(&s, g, t, err);
    double c = now_us();
    sh_grammar_state_free(s);
    if (rc == SH_OK)
        printf("vocabulary %d; grammar compiled in %.0f us, vocabulary sorted in %.0f us\n",
               sh_tokenizer_size(t), b - a, c - b);
    for (int i = 0; i < answers && rc == SH_OK; i++) rc = walk(g, t, &rng, i ? &later : &first, &accept, err);
    times_print("mask, first answer", &first);
    times_print("mask, later answers", &later);
    times_print("accept", &accept);
    sh_grammar_unref(g);
    return rc;
}

int main(int argc, char **argv)
{
    sh_err err = {0};
    sh_runtime *rt = NULL;
    sh_model *m = NULL;
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.vocab_only = true;
    if (argc < 2)
        return fprintf(stderr, "usage: bench_grammar MODEL.gguf [SCHEMA.json|GRAMMAR.gbnf] [ANSWERS]\n"), 2;
    int rc = sh_runtime_open(&rt, NULL, &err);
    if (rc == SH_OK) rc = sh_model_open(&m, rt, argv[1], &mo, &err);
    if (rc == SH_OK)
        rc = measure(m, argc > 2 && *argv[2] ? argv[2] : NULL, argc > 3 ? atoi(argv[3]) : 20, &err);
    if (rc < 0) fprintf(stderr, "bench_grammar: %s\n", err.msg);
    sh_model_free(m);
    sh_runtime_free(rt);
    return rc < 0;
}
