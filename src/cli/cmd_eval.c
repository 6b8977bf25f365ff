/* cmd_eval.c - shoal eval: perplexity of a model on a text.
 *
 * The text is cut into windows of `ctx` tokens (BOS first where the model wants it). In each window the
 * second half is scored, so every scored token has at least ctx / 2 tokens before it; this is the measure
 * that llama.cpp's perplexity tool prints. exp of the mean negative log-probability; the error bar is that of
 * the mean, carried through exp. */
#include <math.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "model/forward.h"
#include "os/file.h"
#include "tensor/exactmath.h"

typedef struct eval {
    sh_model *model;
    sh_kv *kv;
    sh_forward *forward;
    float *logits;
    sh_token *window;
    uint32_t n_vocab, ctx;
    double sum, squares;
    uint64_t n_scored;
} eval;

static double log_prob(const float *logits, uint32_t n, sh_token id)
{
    double max = logits[0], total = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > max) max = logits[i];
    for (uint32_t i = 0; i < n; i++) total += sh_exp(logits[i] - max);
    return logits[id] - max - sh_log(total);
}

/* Score one window: logits come in chunks so that [ctx, n_vocab] is never held. */
static int score_window(eval *e, const sh_token *tokens, uint32_t first_scored, uint32_t chunk, sh_err *err)
{
    sh_kv_rewind(e->kv, 0);
    for (uint32_t i = 0; i < e->ctx; i += chunk) {
        uint32_t n = e->ctx - i < chunk ? e->ctx - i : chunk;
        sh_chunk c = {.kv = e->kv,
                      .tokens = tokens + i,
                      .n_tokens = n,
                      .want = i + n >= first_scored ? SH_WANT_ALL : SH_WANT_NONE,
                      .logits = e->logits};
        int rc = sh_forward_run(e->forward, &c, 1, err);
        if (rc < 0) return rc;
        for (uint32_t j = 0; j < n; j++) {
            uint32_t target = i + j + 1;
            if (target < first_scored || target >= e->ctx) continue;
            double nll = -log_prob(e->logits + (size_t)j * e->n_vocab, e->n_vocab, tokens[target]);
            e->sum += nll;
            e->squares += nll * nll;
            e->n_scored++;
        }
    }
    return SH_OK;
}

static int tokens_of_file(sh_token **ids, int64_t *n, const sh_model *m, const char *path, sh_err *err)
{
    sh_buf text = {0};
    const sh_tokenizer *t = sh_model_tokenizer(m);
    sh_encode_opts eo = {0};
    int rc = sh_file_read(path, (size_t)1 << 30, &text, err);
    if (rc < 0) goto out;
    *n = sh_tokenizer_encode(t, text.p ? text.p : "", text.n, eo, NULL, 0, err);
    if (*n < 0 || !(*ids = sh_new_array((size_t)*n + 1, sizeof **ids, err))) {
        rc = *n < 0 ? (int)*n : SH_E_NOMEM;
        goto out;
    }
    *n = sh_tokenizer_encode(t, text.p ? text.p : "", text.n, eo, *ids, (size_t)*n, err);
    rc = *n < 0 ? (int)*n : SH_OK;
out:
    sh_buf_clear(&text);
    return rc;
}

static int score_all(eval *e, sh_cli *cli, const sh_args *args, const sh_token *ids, int64_t n, sh_err *err)
{
    sh_token bos = sh_tokenizer_bos(sh_model_tokenizer(e->model));
    bool add_bos = bos >= 0 && !sh_args_has(args, "no-bos");
    int64_t n_windows = n / e->ctx, limit = sh_args_int(args, "windows", 0);
    if (limit && limit < n_windows) n_windows = limit;
    if (!n_windows)
        return sh_fail(err, SH_E_RANGE, "the text has %lld tokens and one window needs %u (see --ctx)",
                       (long long)n, e->ctx);
    sh_progress bar;
    int rc = SH_OK;
    sh_progress_begin(&bar, cli, "scoring", "windows", (double)n_windows);
    for (int64_t w = 0; w < n_windows && rc == SH_OK; w++) {
        memcpy(e->window, ids + w * e->ctx, e->ctx * sizeof *ids);
        if (add_bos) e->window[0] = bos;
        rc = score_window(e, e->window, e->ctx / 2, 128, err);
        sh_progress_update(&bar, (double)(w + 1));
    }
    sh_progress_done(&bar);
    return rc;
}

static int run_eval(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    eval e = {0};
    sh_token *ids = NULL;
    int64_t n = 0;
    sh_model_info info;
    int rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), NULL, err);
    if (rc < 0) return rc;
    sh_model_get_info(o.model, &info);
    e.model = o.model;
    e.n_vocab = info.n_vocab;
    e.ctx = (uint32_t)sh_args_int(args, "ctx",
                                  info.n_ctx_train && info.n_ctx_train < 512 ? info.n_ctx_train : 512);
    if ((rc = tokens_of_file(&ids, &n, o.model, sh_args_at(args, 1), err)) < 0) goto out;
    if (!(e.logits = sh_new_array((size_t)128 * e.n_vocab, sizeof *e.logits, err)) ||
        !(e.window = sh_new_array(e.ctx, sizeof *e.window, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if ((rc = sh_kv_open(&e.kv, o.model, SH_KV_F16, e.ctx, err)) < 0) goto out;
    if ((rc = sh_forward_open(&e.forward, o.model, 128, err)) < 0) goto out;
    if ((rc = score_all(&e, cli, args, ids, n, err)) < 0) goto out;
    double count = (double)e.n_scored, mean = e.sum / count, variance = e.squares / count - mean * mean;
    double ppl = exp(mean), bar = count > 1 && variance > 0 ? ppl * sqrt(variance / (count - 1)) : 0;
    if (cli->json)
        rc = sh_print_json(cli,
                           json_pack("{s:s,s:s,s:f,s:f,s:f,s:I,s:i}", "model", info.name, "text",
                                     sh_args_at(args, 1), "perplexity", ppl, "error", bar, "nll", mean,
                                     "tokens", (json_int_t)e.n_scored, "context", (int)e.ctx),
                           err);
    else
        fprintf(cli->out, "perplexity %.4f +- %.4f (%llu tokens scored, context %u)\n", ppl, bar,
                (unsigned long long)e.n_scored, e.ctx);
out:
    sh_forward_free(e.forward);
    sh_kv_free(e.kv);
    sh_free(e.logits);
    sh_free(e.window);
    sh_free(ids);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_eval = {
    .name = "eval",
    .synopsis = "MODEL TEXTFILE",
    .summary = "Measure a model's perplexity on a text, with its error bar",
    .opts =
        (const sh_opt[]){{"ctx", 'c', SH_OPT_INT, "N",
                          "window in tokens; the second half of each is scored (default 512)", 4, 1 << 20,
                          false},
                         {"windows", 0, SH_OPT_INT, "N", "only the first N windows", 1, 1 << 30, false},
                         {"no-bos", 0, SH_OPT_FLAG, NULL, "do not put BOS in front of a window", 0, 0, false},
                         SH_OPT_TOKENIZER,
                         {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_FILE},
    .run = run_eval,
};
