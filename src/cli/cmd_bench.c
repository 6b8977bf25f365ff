/* cmd_bench.c - shoal bench: prompt processing and text generation speed of a model on this machine. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "model/forward.h"
#include "os/clock.h"
#include "os/cpu.h"

typedef struct bench {
    sh_cli *cli;
    sh_model *model;
    sh_kv *kv;
    sh_forward *forward;
    float *logits;
    sh_token *tokens;
    uint32_t chunk;
    sh_model_info info;
} bench;

typedef struct measure {
    const char *name; /* "pp" or "tg" */
    uint32_t n;
    double mean, deviation, median; /* tokens per second */
} measure;

/* One repetition: n tokens as prompt chunks, or one by one. Returns seconds, or a negative code. */
static int once(bench *b, bool is_prompt, uint32_t n, double *seconds, sh_err *err)
{
    sh_kv_rewind(b->kv, 0);
    uint64_t begin = sh_now_us();
    for (uint32_t i = 0; i < n;) {
        uint32_t k = is_prompt ? (n - i < b->chunk ? n - i : b->chunk) : 1;
        sh_chunk c = {.kv = b->kv,
                      .tokens = b->tokens + i,
                      .n_tokens = k,
                      .want = !is_prompt || i + k == n ? SH_WANT_LAST : SH_WANT_NONE,
                      .logits = b->logits};
        int rc = sh_forward_run(b->forward, &c, 1, err);
        if (rc < 0) return rc;
        i += k;
    }
    *seconds = (double)(sh_now_us() - begin) * 1e-6;
    return SH_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int repeat(bench *b, measure *m, bool is_prompt, uint32_t n, int rounds, sh_err *err)
{
    double *rates = sh_new_array((size_t)rounds, sizeof *rates, err), seconds, sum = 0, squares = 0;
    int rc =
        rates ? once(b, is_prompt, is_prompt ? n : (n < 8 ? n : 8), &seconds, err) : SH_E_NOMEM; /* warm-up */
    for (int r = 0; r < rounds && rc == SH_OK; r++) {
        if ((rc = once(b, is_prompt, n, &seconds, err)) < 0) break;
        rates[r] = n / seconds;
        sum += rates[r];
    }
    if (rc == SH_OK) {
        m->name = is_prompt ? "pp" : "tg";
        m->n = n;
        m->mean = sum / rounds;
        for (int r = 0; r < rounds; r++) squares += (rates[r] - m->mean) * (rates[r] - m->mean);
        m->deviation = rounds > 1 ? sqrt(squares / (rounds - 1)) : 0;
        qsort(rates, (size_t)rounds, sizeof *rates, by_value);
        m->median = rounds % 2 ? rates[rounds / 2] : (rates[rounds / 2 - 1] + rates[rounds / 2]) / 2;
    }
    sh_free(rates);
    return rc;
}

static int bench_open(bench *b, const sh_args *args, uint32_t n_ctx, sh_err *err)
{
    const char *type = sh_args_str(args, "cache-type", "f16");
    enum sh_kv_type kv = strcmp(type, "f32") == 0  ? SH_KV_F32
                         : strcmp(type, "q8") == 0 ? SH_KV_Q8
                                                   : SH_KV_F16;
    int rc;
    sh_model_get_info(b->model, &b->info);
    b->chunk = (uint32_t)sh_args_int(args, "chunk", 512);
    b->logits = sh_new_array(b->info.n_vocab, sizeof *b->logits, err);
    b->tokens = sh_new_array(n_ctx, sizeof *b->tokens, err);
    if (!b->logits || !b->tokens) return SH_E_NOMEM;
    sh_rng rng = {1};
    for (uint32_t i = 0; i < n_ctx; i++) b->tokens[i] = (sh_token)(sh_rng_u64(&rng) % b->info.n_vocab);
    if ((rc = sh_kv_open(&b->kv, b->model, kv, n_ctx, err)) < 0) return rc;
    return sh_forward_open(&b->forward, b->model, b->chunk, err);
}

static void print_row(const bench *b, const sh_opened *o, const measure *m)
{
    char size[16], test[24];
    snprintf(test, sizeof test, "%s%u", m->name, m->n);
    /* Bytes of weights read per generated token tell how near to the memory's speed a run is. */
    double gbs = m->name[0] == 't' ? m->mean * (double)b->info.weight_bytes * 1e-9 : 0;
    fprintf(b->cli->out, "| %-24.24s | %9s | %-7s | %7d | %6s | %10.2f +- %-7.*f |", b->info.name,
            sh_human_bytes(size, (double)b->info.file_bytes), sh_runtime_cpu(o->rt),
            sh_runtime_threads(o->rt), test, m->mean, m->deviation < 1e4 ? 2 : 0, m->deviation);
    if (gbs > 0)
        fprintf(b->cli->out, " %6.1f GB/s |\n", gbs);
    else
        fprintf(b->cli->out, " %6s      |\n", "");
}

static int run_bench(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    bench b = {.cli = cli};
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.allow_no_tokenizer = true;
    uint32_t n_prompt = (uint32_t)sh_args_int(args, "prompt", 512),
             n_gen = (uint32_t)sh_args_int(args, "generate", 128);
    int rounds = (int)sh_args_int(args, "rounds", 5),
        rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), &mo, err);
    if (rc < 0) return rc;
    b.model = o.model;
    if ((rc = bench_open(&b, args, (n_prompt > n_gen ? n_prompt : n_gen) + 1, err)) < 0) goto out;
    measure rows[2];
    size_t n = 0;
    if (!cli->json)
        fprintf(cli->out, "cpu: %s\n| %-24s | %9s | %-7s | %7s | %6s | %-21s | %-11s |\n|%s|\n",
                sh_cpu()->name, "model", "size", "level", "threads", "test", "tokens/s", "weights",
                "--------------------------|-----------|---------|---------|--------|-----------------------|"
                "-------------");
    for (int is_prompt = 1; is_prompt >= 0 && rc == SH_OK; is_prompt--) {
        uint32_t count = is_prompt ? n_prompt : n_gen;
        if (!count || (rc = repeat(&b, &rows[n], is_prompt, count, rounds, err)) < 0) continue;
        if (!cli->json) print_row(&b, &o, &rows[n]);
        fflush(cli->out);
        n++;
    }
    if (rc == SH_OK && cli->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_pack("{s:s,s:i,s:f,s:f,s:f}", "test", rows[i].name, "tokens",
                                                  (int)rows[i].n, "mean", rows[i].mean, "deviation",
                                                  rows[i].deviation, "median", rows[i].median));
        rc = sh_print_json(cli,
                           json_pack("{s:s,s:s,s:s,s:i,s:s,s:I,s:I,s:I,s:o}", "model", b.info.name, "cpu",
                                     sh_cpu()->name, "level", sh_runtime_cpu(o.rt), "threads",
                                     sh_runtime_threads(o.rt), "quantization", b.info.quantization,
                                     "file_bytes", (json_int_t)b.info.file_bytes, "weight_bytes",
                                     (json_int_t)b.info.weight_bytes, "peak_rss_bytes",
                                     (json_int_t)sh_peak_rss_bytes(), "results", list),
                           err);
    }
out:
    sh_forward_free(b.forward);
    sh_kv_free(b.kv);
    sh_free(b.logits);
    sh_free(b.tokens);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_bench = {
    .name = "bench",
    .synopsis = "MODEL",
    .summary = "Measure prompt processing and generation speed",
    .details = "pp N: a prompt of N tokens in one go; tg N: N tokens one after another. Mean and standard "
               "deviation over the rounds after\n"
               "a warm-up; 'weights' is the rate at which generation read the model.",
    .opts =
        (const sh_opt[]){
            {"prompt", 'p', SH_OPT_INT, "N", "prompt length (default 512; 0 skips)", 0, 1 << 20, false},
            {"generate", 'n', SH_OPT_INT, "N", "tokens to generate (default 128; 0 skips)", 0, 1 << 20,
             false},
            {"rounds", 'r', SH_OPT_INT, "N", "repetitions (default 5)", 1, 1000, false},
            {"chunk", 0, SH_OPT_INT, "N", "prompt tokens per pass (default 512)", 1, 8192, false},
            {"cache-type", 0, SH_OPT_CHOICE, "f16|f32|q8", "precision of the key-value cache (default f16)",
             0, 0, false},
            {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_bench,
};
