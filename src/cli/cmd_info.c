/* cmd_info.c - shoal info: what a model is, and whether this machine can run it. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "os/machine.h"

static json_t *info_json(const sh_model_info *m, const char *path, uint32_t ctx, uint64_t need, uint64_t have)
{
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:I,s:{s:i,s:I,s:I,s:I,s:b}}", "name",
        m->name, "path", path, "architecture", m->architecture, "container", m->container, "quantization",
        m->quantization, "parameters", (json_int_t)m->n_parameters, "file_bytes", (json_int_t)m->file_bytes,
        "layers", (int)m->n_layers, "embedding", (int)m->n_embd, "heads", (int)m->n_heads, "kv_heads",
        (int)m->n_kv_heads, "head_dim", (int)m->head_dim, "feed_forward", (int)m->n_ff, "vocabulary",
        (int)m->n_vocab, "context", (int)m->n_ctx_train, "kv_bytes_per_token",
        (json_int_t)m->kv_bytes_per_token, "memory", "context", (int)ctx, "weights",
        (json_int_t)m->weight_bytes, "needed", (json_int_t)need, "available", (json_int_t)have, "fits",
        need <= have);
}

static const char *human_count(char out[16], double n)
{
    if (n >= 1e9)
        snprintf(out, 16, "%.2f B", n / 1e9);
    else if (n >= 1e6)
        snprintf(out, 16, "%.2f M", n / 1e6);
    else
        snprintf(out, 16, "%.0f k", n / 1e3);
    return out;
}

static int run_info(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.vocab_only = true;
    mo.allow_no_tokenizer = true;
    int rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), &mo, err);
    if (rc < 0) return rc;
    sh_model_info m;
    sh_model_get_info(o.model, &m);
    uint32_t ctx =
        (uint32_t)sh_args_int(args, "ctx", m.n_ctx_train && m.n_ctx_train < 4096 ? m.n_ctx_train : 4096);
    const uint64_t working = 64u << 20; /* scratch, tokenizer, program */
    uint64_t have = sh_machine_available_bytes(),
             need = m.weight_bytes + (uint64_t)ctx * m.kv_bytes_per_token + working;
    if (cli->json) {
        rc = sh_print_json(cli, info_json(&m, o.path, ctx, need, have), err);
    } else {
        char a[16], b[16], c[16], d[16];
        const sh_tokenizer *t = sh_model_tokenizer(o.model);
        fprintf(cli->out, "name          %s\narchitecture  %s\nfile          %s (%s, %s, %s)\n", m.name,
                m.architecture, o.path, m.container, m.quantization, sh_human_bytes(a, (double)m.file_bytes));
        fprintf(cli->out,
                "parameters    %s\nshape         %u layers, width %u, %u heads of %u (%u for keys and "
                "values), feed-forward %u\n",
                human_count(b, (double)m.n_parameters), m.n_layers, m.n_embd, m.n_heads, m.head_dim,
                m.n_kv_heads, m.n_ff);
        fprintf(cli->out, "vocabulary    %u tokens%s\ncontext       %u tokens\nchat template %s\n", m.n_vocab,
                t ? "" : " (no tokenizer)", m.n_ctx_train, sh_model_chat_template(o.model) ? "yes" : "no");
        fprintf(cli->out, "memory        %s for %u tokens of context: %s (%s are free)\n",
                sh_human_bytes(c, (double)need), ctx,
                need <= have ? "this machine can run it" : "more than this machine has free",
                sh_human_bytes(d, (double)have));
    }
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_info = {
    .name = "info",
    .synopsis = "MODEL",
    .summary = "Describe a model and the memory it needs",
    .opts = (const sh_opt[]){{"ctx", 'c', SH_OPT_INT, "N",
                              "context length to count memory for (default: the model's, at most 4096)", 1,
                              1 << 24, false},
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_info,
};
