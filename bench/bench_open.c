/* bench_open.c - what a person waits for and what the machine must have: opening a model, the first token, memory.
 *
 *   bench_open MODEL [N_CTX [THREADS]]
 *
 * One fresh process: opens the model, opens a session with an F16 cache of N_CTX tokens (2048), scores one token,
 * then fills the context to its last place. Prints one JSON line; first_token_ms counts from the start of opening
 * to the logits of the first token; peak memory is all that was ever resident, mapped pages of the file included.
 * Whether the file lay in the page cache decides load_ms: run it twice. */
#include <stdio.h>
#include <stdlib.h>

#include <shoal/session.h>

#include "base/mem.h"
#include "base/rng.h"
#include "os/clock.h"
#include "os/cpu.h"

typedef struct opened {
    sh_runtime *rt;
    sh_model *model;
    sh_session *session;
    sh_token *tokens; /* [n_ctx] */
    sh_model_info info;
} opened;

typedef struct figures {
    uint64_t load_us, first_us, fill_us;
    uint64_t load_rss_bytes, first_rss_bytes, peak_rss_bytes;
} figures;

static int make_tokens(opened *o, uint32_t n, sh_err *err)
{
    sh_rng rng = {1};
    o->tokens = sh_new_array(n, sizeof *o->tokens, err);
    if (!o->tokens) return SH_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) o->tokens[i] = (sh_token)(sh_rng_u64(&rng) % o->info.n_vocab);
    return SH_OK;
}

static int run(opened *o, figures *f, const char *path, uint32_t n_ctx, int n_threads, sh_err *err)
{
    sh_runtime_opts ro = {.version = 1, .n_threads = n_threads};
    sh_session_opts so = SH_SESSION_OPTS_INIT;
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    int rc;
    so.n_ctx = n_ctx;
    mo.allow_no_tokenizer = true;
    uint64_t begin = sh_now_us();
    if ((rc = sh_runtime_open(&o->rt, &ro, err)) < 0) return rc;
    if ((rc = sh_model_open(&o->model, o->rt, path, &mo, err)) < 0) return rc;
    f->load_us = sh_now_us() - begin;
    f->load_rss_bytes = sh_peak_rss_bytes();
    sh_model_get_info(o->model, &o->info);
    if ((rc = make_tokens(o, n_ctx, err)) < 0) return rc;
    if ((rc = sh_session_open(&o->session, o->model, &so, err)) < 0) return rc;
    if ((rc = sh_session_prefill(o->session, o->tokens, 1, err)) < 0) return rc;
    f->first_us = sh_now_us() - begin;
    f->first_rss_bytes = sh_peak_rss_bytes();
    if ((rc = sh_session_prefill(o->session, o->tokens + 1, n_ctx - 1, err)) < 0) return rc;
    f->fill_us = sh_now_us() - begin - f->first_us;
    f->peak_rss_bytes = sh_peak_rss_bytes();
    return SH_OK;
}

static void print(const opened *o, const figures *f, uint32_t n_ctx)
{
    double file = (double)o->info.file_bytes;
    printf("{\"model\": \"%s\", \"cpu\": \"%s\", \"threads\": %d, \"file_bytes\": %llu, \"context\": %u, "
           "\"load_ms\": %.1f, \"first_token_ms\": %.1f, \"fill_ms\": %.1f, \"rss_after_load\": %.3f, "
           "\"rss_after_first_token\": %.3f, \"peak_rss\": %.3f, \"peak_rss_bytes\": %llu, \"kv_bytes\": %llu}\n",
           o->info.name, sh_cpu()->name, sh_runtime_threads(o->rt), (unsigned long long)o->info.file_bytes, n_ctx,
           (double)f->load_us * 1e-3, (double)f->first_us * 1e-3, (double)f->fill_us * 1e-3,
           (double)f->load_rss_bytes / file, (double)f->first_rss_bytes / file, (double)f->peak_rss_bytes / file,
           (unsigned long long)f->peak_rss_bytes, (unsigned long long)(o->info.kv_bytes_per_token * n_ctx));
}

int main(int argc, char **argv)
{
    opened o = {0};
    figures f = {0};
    sh_err err = {0};
    long n_ctx = argc > 2 ? strtol(argv[2], NULL, 10) : 2048, n_threads = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    if (argc < 2 || argc > 4 || n_ctx < 2 || n_ctx > 1 << 20 || n_threads < 0 || n_threads > 256) {
        fprintf(stderr, "usage: bench_open MODEL [N_CTX [THREADS]]\n");
        return 2;
    }
    int rc = run(&o, &f, argv[1], (uint32_t)n_ctx, (int)n_threads, &err);
    if (rc == SH_OK)
        print(&o, &f, (uint32_t)n_ctx);
    else
        fprintf(stderr, "bench_open: %s\n", err.msg);
    sh_session_free(o.session);
    sh_model_free(o.model);
    sh_runtime_free(o.rt);
    sh_free(o.tokens);
    return rc == SH_OK ? 0 : 1;
}
