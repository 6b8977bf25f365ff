/* bench_tokenizer.c - how fast a tokenizer opens, encodes and decodes.
 *
 *   bench_tokenizer TOKENIZER.json TEXT [ROUNDS]
 *
 * The text is cut into chunks of about 4096 bytes at line ends, one encode call each with ids kept, as a
 * server would; then the whole text in one call. Processor time, best of ROUNDS (5). peer_tokenizers.py
 * prints the same for the tokenizers library and runs both in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "text/tokenizer.h"

enum { CHUNK = 4096 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *p = NULL;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    if (size >= 0 && (p = malloc((size_t)size + 1))) *n = fread(p, 1, (size_t)size, f);
    fclose(f);
    return p;
}

/* End of the chunk that begins at p. */
static const char *chunk_end(const char *p, const char *end)
{
    if (end - p <= CHUNK) return end;
    const char *q = p + CHUNK;
    while (q < end && q[-1] != '\n') q++;
    return q;
}

/* Ids of the whole text; chunked or in one call. */
static int64_t encode_all(const sh_tokenizer *t, const char *text, size_t n, bool chunked, sh_token *ids,
                          size_t cap)
{
    sh_encode_opts opts = {.parse_special = true};
    int64_t total = 0;
    for (const char *p = text, *end = text + n; p < end;) {
        const char *stop = chunked ? chunk_end(p, end) : end;
        int64_t got =
            sh_tokenizer_encode(t, p, (size_t)(stop - p), opts, ids + total, cap - (size_t)total, NULL);
        if (got < 0) return got;
        total += got;
        p = stop;
    }
    return total;
}

static double best_encode(const sh_tokenizer *t, const char *text, size_t n, bool chunked, int rounds,
                          sh_token *ids, int64_t *n_ids)
{
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        double begin = seconds();
        *n_ids = encode_all(t, text, n, chunked, ids, n + 16);
        double took = seconds() - begin;
        if (took < best) best = took;
    }
    return best;
}

int main(int argc, char **argv)
{
    size_t n_json = 0, n = 0;
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    char *json = argc > 2 ? read_file(argv[1], &n_json) : NULL,
         *text = argc > 2 ? read_file(argv[2], &n) : NULL;
    int rounds = argc > 3 ? atoi(argv[3]) : 5;
    if (!json || !text || rounds < 1) {
        fprintf(stderr, "usage: bench_tokenizer TOKENIZER.json TEXT [ROUNDS]\n");
        return 2;
    }
    double begin = seconds();
    int rc = sh_tokenizer_from_json(&t, json, n_json, NULL, 0, argv[1], &err);
    double opened = seconds() - begin;
    sh_token *ids = malloc((n + 16) * sizeof *ids);
    if (rc < 0 || !ids) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    int64_t n_chunked, n_whole;
    double chunked = best_encode(t, text, n, true, rounds, ids, &n_chunked);
    double whole = best_encode(t, text, n, false, rounds, ids, &n_whole);
    begin = seconds();
    int64_t back = n_whole < 0 ? n_whole : sh_tokenizer_decode(t, ids, (size_t)n_whole, false, NULL, 0, &err);
    double decoded = seconds() - begin;
    double mb = (double)n / 1e6;
    printf("{\"open_ms\": %.1f, \"chunked_MB_s\": %.2f, \"whole_MB_s\": %.2f, \"decode_MB_s\": %.1f, "
           "\"ids\": %lld, \"bytes\": %zu, \"back\": %lld}\n",
           1e3 * opened, mb / chunked, mb / whole, mb / decoded, (long long)n_chunked, n, (long long)back);
    sh_tokenizer_free(t);
    free(ids);
    free(json);
    free(text);
    return n_chunked < 0 || n_whole < 0 || back < 0;
}
