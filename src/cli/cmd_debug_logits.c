/* cmd_debug_logits.c - shoal debug logits and debug digest: what a model computes, as raw numbers and as one
 * hash. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/open.h"
#include "codec/digest.h"
#include "engine/chat.h"
#include "model/forward.h"
#include "os/file.h"

/* A file of little-endian floats [rows, cols], written in pieces and hashed on the way. path NULL: only
 * hashed. */
typedef struct float_sink {
    sh_writer *writer;
    sh_hasher *hasher;
} float_sink;

static int sink_open(float_sink *s, const char *path, sh_err *err)
{
    int rc = sh_hasher_open(&s->hasher, err);
    if (rc == SH_OK && path) rc = sh_writer_open(&s->writer, path, err);
    return rc;
}

static int sink_add(float_sink *s, const float *p, size_t n, sh_err *err)
{
    int rc = sh_hasher_add(s->hasher, p, n * sizeof *p, err);
    return rc == SH_OK && s->writer ? sh_writer_add(s->writer, p, n * sizeof *p, err) : rc;
}

static int sink_finish(float_sink *s, char hex[2 * SH_SHA256_BYTES + 1], sh_err *err)
{
    sh_digest d;
    int rc = sh_hasher_finish(s->hasher, &d, err);
    if (rc < 0) return rc;
    sh_hex(d.bytes, sizeof d.bytes, hex);
    return s->writer ? sh_writer_commit(s->writer, err) : SH_OK;
}

static void sink_clear(float_sink *s)
{
    sh_writer_free(s->writer);
    sh_hasher_free(s->hasher);
}

static enum sh_kv_type kv_type(const sh_args *args, const char *fallback)
{
    const char *v = sh_args_str(args, "kv", fallback);
    return strcmp(v, "f32") == 0 ? SH_KV_F32 : strcmp(v, "q8") == 0 ? SH_KV_Q8 : SH_KV_F16;
}

/* What both commands run on. */
typedef struct probe {
    sh_opened o;
    sh_model_info info;
    sh_kv *kv;
    sh_forward *forward;
    float *logits, *hidden, *layers; /* of one chunk */
    size_t chunk;
} probe;

static int probe_open(probe *p, sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.allow_no_tokenizer = true;
    int rc = sh_open_model(&p->o, cli, args, sh_args_at(args, 0), &mo, err);
    if (rc == SH_OK) sh_model_get_info(p->o.model, &p->info);
    return rc;
}

static int probe_begin(probe *p, enum sh_kv_type type, size_t n_tokens, size_t chunk, sh_err *err)
{
    int rc;
    if (!n_tokens) return sh_fail(err, SH_E_INVALID, "no tokens (give at least one id)");
    p->chunk = chunk && chunk < n_tokens ? chunk : n_tokens;
    if (n_tokens > UINT32_MAX / 2) return sh_fail(err, SH_E_RANGE, "%zu tokens are too many", n_tokens);
    if ((rc = sh_kv_open(&p->kv, p->o.model, type, (uint32_t)n_tokens, err)) < 0) return rc;
    if ((rc = sh_forward_open(&p->forward, p->o.model, (uint32_t)p->chunk, err)) < 0) return rc;
    size_t n;
    if (!sh_mul(&n, p->chunk, p->info.n_vocab) || !(p->logits = sh_new_array(n, sizeof(float), err)))
        return SH_E_NOMEM;
    return SH_OK;
}

static void probe_clear(probe *p)
{
    sh_forward_free(p->forward);
    sh_kv_free(p->kv);
    sh_free(p->logits);
    sh_free(p->hidden);
    sh_free(p->layers);
    sh_opened_clear(&p->o);
}

/* Run all tokens in chunks; logits and hidden states go to their sinks chunk by chunk. */
static int run_tokens(probe *p, const sh_token *ids, size_t n, float_sink *logits, float_sink *hidden,
                      sh_err *err)
{
    for (size_t i = 0; i < n; i += p->chunk) {
        size_t k = n - i < p->chunk ? n - i : p->chunk;
        sh_chunk c = {.kv = p->kv,
                      .tokens = ids + i,
                      .n_tokens = (uint32_t)k,
                      .want = SH_WANT_ALL,
                      .logits = p->logits,
                      .hidden = p->hidden,
                      .layers = p->layers};
        int rc = sh_forward_run(p->forward, &c, 1, err);
        if (rc == SH_OK) rc = sink_add(logits, p->logits, k * p->info.n_vocab, err);
        if (rc == SH_OK && hidden) rc = sink_add(hidden, p->hidden, k * p->info.n_embd, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

static int read_ids(sh_token **ids, size_t *n, sh_cli *cli, const sh_args *args, sh_err *err)
{
    const char *text = sh_args_str(args, "ids", NULL), *file = sh_args_str(args, "ids-file", NULL);
    if (!text == !file)
        return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug logits: give either --ids or --ids-file"));
    return text ? sh_ids_parse(ids, n, text, strlen(text), err)
                : sh_ids_read(ids, n, file, (size_t)sh_args_int(args, "sequence", 0), err);
}

static int run_logits(sh_cli *cli, const sh_args *args, sh_err *err)
{
    probe p = {0};
    float_sink out = {0}, hidden = {0};
    sh_token *ids = NULL;
    size_t n = 0, n_layer_floats = 0;
    char hex[2 * SH_SHA256_BYTES + 1];
    const char *path = sh_args_str(args, "output", NULL), *hidden_path = sh_args_str(args, "hidden", NULL),
               *layers_path = sh_args_str(args, "layers", NULL);
    int rc = read_ids(&ids, &n, cli, args, err);
    if (rc < 0 || (rc = probe_open(&p, cli, args, err)) < 0) goto out;
    size_t chunk = (size_t)sh_args_int(args, "chunk", 0);
    if (layers_path && chunk && chunk < n) {
        rc = sh_fail(err, SH_E_INVALID,
                     "--layers writes [layers + 1, tokens, width] of one pass: leave out --chunk");
        goto out;
    }
    if ((rc = probe_begin(&p, kv_type(args, "f32"), n, chunk, err)) < 0 ||
        (rc = sink_open(&out, path, err)) < 0)
        goto out;
    if (hidden_path && ((rc = sink_open(&hidden, hidden_path, err)) < 0 ||
                        !(p.hidden = sh_new_array(p.chunk * p.info.n_embd, sizeof(float), err)))) {
        rc = rc < 0 ? rc : SH_E_NOMEM;
        goto out;
    }
    if (layers_path && (!sh_mul3(&n_layer_floats, p.info.n_layers + 1, n, p.info.n_embd) ||
                        !(p.layers = sh_new_array(n_layer_floats, sizeof(float), err)))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if ((rc = run_tokens(&p, ids, n, &out, hidden_path ? &hidden : NULL, err)) < 0) goto out;
    if (layers_path && (rc = sh_file_write(layers_path, p.layers, n_layer_floats * sizeof(float), err)) < 0)
        goto out;
    char ignored[2 * SH_SHA256_BYTES + 1];
    if (hidden_path && (rc = sink_finish(&hidden, ignored, err)) < 0) goto out;
    if ((rc = sink_finish(&out, hex, err)) < 0) goto out;
    rc = sh_print_json(cli,
                       json_pack("{s:[I,i],s:s,s:s,s:i}", "shape", (json_int_t)n, (int)p.info.n_vocab,
                                 "sha256", hex, "level", sh_runtime_cpu(p.o.rt), "threads",
                                 sh_runtime_threads(p.o.rt)),
                       err);
out:
    sink_clear(&out);
    sink_clear(&hidden);
    sh_free(ids);
    probe_clear(&p);
    return rc;
}

const sh_command sh_cmd_debug_logits = {
    .name = "debug logits",
    .synopsis = "MODEL",
    .summary = "Write a model's logits for given token ids",
    .details =
        "OUT is float32 little-endian [tokens, vocabulary]; its shape and SHA-256 are printed as JSON.",
    .opts =
        (const sh_opt[]){
            {"ids", 0, SH_OPT_STR, "1,2,3", "token ids", 0, 0, false},
            {"ids-file", 0, SH_OPT_FILE, "F.json", "JSON list of ids, or list of such lists", 0, 0, false},
            {"sequence", 0, SH_OPT_INT, "N", "which list of --ids-file (default 0)", 0, 1 << 20, false},
            {"chunk", 0, SH_OPT_INT, "N", "tokens per pass (default: all at once)", 1, 1 << 24, false},
            {"kv", 0, SH_OPT_CHOICE, "f32|f16|q8", "key-value cache (default f32)", 0, 0, false},
            {"hidden", 0, SH_OPT_FILE, "F", "also write the states after the final norm [tokens, width]", 0,
             0, false},
            {"layers", 0, SH_OPT_FILE, "F",
             "also write what enters block 0 and what each block gives [layers + 1, tokens, width]", 0, 0,
             false},
            {"output", 'o', SH_OPT_FILE, "OUT.f32", "file to write (default: none, only the digest)", 0, 0,
             false},
            SH_OPT_TOKENIZER,
            {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_logits,
};

static sh_token argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (sh_token)best;
}

static int run_digest(sh_cli *cli, const sh_args *args, sh_err *err)
{
    probe p = {0};
    float_sink sink = {0};
    sh_token *ids = NULL;
    size_t n = 0;
    char hex[2 * SH_SHA256_BYTES + 1];
    const char *prompt = sh_args_str(args, "prompt", NULL);
    size_t n_gen = (size_t)sh_args_int(args, "tokens", 0);
    int rc;
    if (!prompt) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug digest: --prompt TEXT is needed"));
    if ((rc = probe_open(&p, cli, args, err)) < 0) goto out;
    if ((rc = sh_text_encode(p.o.model, prompt, strlen(prompt), &ids, &n, err)) < 0) goto out;
    if ((rc = sink_open(&sink, NULL, err)) < 0) goto out;
    size_t chunk = (size_t)sh_args_int(args, "chunk", 0);
    if ((rc = probe_begin(&p, kv_type(args, "f16"), n + n_gen, chunk && chunk < n ? chunk : n, err)) < 0)
        goto out;
    if ((rc = run_tokens(&p, ids, n, &sink, NULL, err)) < 0) goto out;
    size_t last = (n - 1) % p.chunk;
    for (size_t i = 0; i < n_gen; i++, last = 0) {
        sh_token next = argmax(p.logits + last * p.info.n_vocab, p.info.n_vocab);
        if ((rc = run_tokens(&p, &next, 1, &sink, NULL, err)) < 0) goto out;
    }
    if ((rc = sink_finish(&sink, hex, err)) < 0) goto out;
    if (cli->json)
        rc = sh_print_json(cli,
                           json_pack("{s:s,s:I,s:I,s:s,s:i}", "sha256", hex, "prompt_tokens", (json_int_t)n,
                                     "generated_tokens", (json_int_t)n_gen, "level", sh_runtime_cpu(p.o.rt),
                                     "threads", sh_runtime_threads(p.o.rt)),
                           err);
    else
        fprintf(cli->out, "%s\n", hex);
out:
    sink_clear(&sink);
    sh_free(ids);
    probe_clear(&p);
    return rc;
}

const sh_command sh_cmd_debug_digest = {
    .name = "debug digest",
    .synopsis = "MODEL",
    .summary = "Hash a prompt's and greedy tokens' logits: equal on every machine",
    .details = "The SHA-256 does not depend on the CPU level, the number of threads or the chunking.",
    .opts =
        (const sh_opt[]){
            {"prompt", 'p', SH_OPT_STR, "TEXT", "text to score (plain, no chat template)", 0, 0, false},
            {"tokens", 'n', SH_OPT_INT, "N", "greedy tokens after it (default 0)", 0, 1 << 20, false},
            {"chunk", 0, SH_OPT_INT, "N", "prompt tokens per pass (default: all at once)", 1, 1 << 24, false},
            {"kv", 0, SH_OPT_CHOICE, "f16|f32|q8", "key-value cache (default f16)", 0, 0, false},
            SH_OPT_TOKENIZER,
            {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_digest,
};
