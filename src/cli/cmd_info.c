/* cmd_info.c - shoal info: what a model is, what it needs, and whether this machine can run it.
 *
 * The weights need not be there: a folder with config.json, better with a list of the tensors
 * (model/manifest.h), is described too, so that one can ask before downloading. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "model/manifest.h"
#include "model/memory.h"
#include "os/file.h"
#include "os/machine.h"

enum { CTX_USUAL_MAX = 4096 };

typedef struct facts {
    sh_opened o;
    sh_model_info m;
    const sh_hparams *hp;
    sh_manifest manifest; /* file NULL: none */
    bool has_weights;
    const char *quantization;
    char quantization_text[24];
    uint64_t n_parameters, n_active;
    sh_memory_ask ask;
    sh_memory need;
    uint64_t have; /* 0: unknown */
    uint32_t longest;
    const char *kv_name;
} facts;

/* Nine tenths of what is free leave the rest of the machine some air. */
static const char *verdict(const facts *f)
{
    if (!f->have) return "unknown";
    if (f->need.total > f->have) return "no";
    return f->need.total > f->have / 10 * 9 ? "tight" : "fits";
}

static const char *upper(char out[24], const char *name)
{
    size_t n = 0;
    for (; name[n] && n < 23; n++) out[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 32) : name[n];
    out[n] = 0;
    return out;
}

/* Parameters, type and weights: from the files, else from the manifest, else from the shape. */
static int find_weights(facts *f, sh_err *err)
{
    f->ask.weights = sh_memory_weights(f->o.model);
    f->has_weights = f->ask.weights > 0;
    f->n_parameters = f->m.n_parameters;
    f->quantization = f->m.quantization;
    if (!f->has_weights && sh_file_is_dir(f->o.path)) {
        sh_err none = {0};
        int rc = sh_manifest_read(&f->manifest, f->o.path, f->hp, &none);
        if (rc < 0 && rc != SH_E_NOTFOUND) return sh_fail(err, rc, "%s: %s", f->o.path, none.msg);
        const sh_dtype_info *type = sh_dtype_get(f->manifest.dtype);
        f->n_parameters = f->manifest.n_parameters;
        f->ask.weights = f->manifest.n_bytes;
        f->quantization = upper(f->quantization_text, type ? type->name : "unknown type");
    } else if (!f->has_weights) {
        f->n_parameters = sh_shape_parameters(f->hp); /* a file that holds a vocabulary alone */
    }
    f->n_active = sh_shape_active(f->hp, f->n_parameters);
    return SH_OK;
}

static int find_facts(facts *f, sh_cli *cli, const sh_args *args, sh_err *err)
{
    static const struct {
        const char *name;
        enum sh_kv_type type;
    } types[] = {{"f16", SH_KV_F16}, {"f32", SH_KV_F32}, {"q8", SH_KV_Q8}};
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.vocab_only = true;
    mo.allow_no_tokenizer = true;
    int rc = sh_open_model(&f->o, cli, args, sh_args_at(args, 0), &mo, err);
    if (rc < 0) return rc;
    sh_model_get_info(f->o.model, &f->m);
    f->hp = sh_model_hparams(f->o.model);
    if ((rc = find_weights(f, err)) < 0) return rc;
    const uint32_t trained = f->m.n_ctx_train;
    f->ask.n_ctx =
        (uint32_t)sh_args_int(args, "ctx", trained && trained < CTX_USUAL_MAX ? trained : CTX_USUAL_MAX);
    f->ask.n_threads = sh_pool_threads(sh_model_runtime(f->o.model)->pool);
    f->kv_name = sh_args_str(args, "kv", "f16");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, f->kv_name) == 0) f->ask.kv = types[i].type;
    f->have = sh_machine_available_bytes();
    sh_memory_needed(&f->need, f->hp, &f->ask);
    f->longest = sh_memory_longest(f->hp, &f->ask, f->have);
    return SH_OK;
}

/* ---- JSON ---- */

static json_t *memory_json(const facts *f)
{
    json_t *m =
        json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:s,s:i}", "context", (int)f->ask.n_ctx, "weights",
                  (json_int_t)f->need.weights, "kv_cache", (json_int_t)f->need.kv_cache, "scratch",
                  (json_int_t)f->need.scratch, "program", (json_int_t)f->need.program, "needed",
                  (json_int_t)f->need.total, "available", (json_int_t)f->have, "fits",
                  f->need.total <= f->have, "verdict", verdict(f), "longest_context", (int)f->longest);
    if (m && sh_kind_has_cache(f->hp)) json_object_set_new(m, "kv_type", json_string(f->kv_name));
    return m;
}

static json_t *info_json(const facts *f)
{
    const sh_model_info *m = &f->m;
    json_t *doc =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:I,s:b,s:o}", "name",
                  m->name, "path", f->o.path, "kind", sh_kind_text(f->hp), "architecture", m->architecture,
                  "container", m->container, "quantization", f->quantization, "parameters",
                  (json_int_t)f->n_parameters, "active_parameters", (json_int_t)f->n_active, "file_bytes",
                  (json_int_t)(f->has_weights ? m->file_bytes : 0), "layers", (int)m->n_layers, "embedding",
                  (int)m->n_embd, "heads", (int)m->n_heads, "kv_heads", (int)m->n_kv_heads, "head_dim",
                  (int)m->head_dim, "feed_forward", (int)m->n_ff, "vocabulary", (int)m->n_vocab, "context",
                  (int)m->n_ctx_train, "kv_bytes_per_token",
                  (json_int_t)(sh_kind_has_cache(f->hp) ? m->kv_bytes_per_token : 0), "weights_here",
                  f->has_weights, "memory", memory_json(f));
    if (doc && f->manifest.file)
        json_object_set_new(doc, "manifest",
                            json_pack("{s:s,s:I,s:I}", "file", f->manifest.file, "tensors",
                                      (json_int_t)f->manifest.n_tensors, "bytes",
                                      (json_int_t)f->manifest.n_bytes));
    return doc;
}

/* ---- text ---- */

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

static void print_source(FILE *out, const facts *f)
{
    char size[16];
    if (f->has_weights || !sh_file_is_dir(f->o.path))
        fprintf(out, "file          %s (%s, %s, %s)\n", f->o.path, f->m.container, f->quantization,
                sh_human_bytes(size, (double)f->m.file_bytes));
    else if (f->manifest.file)
        fprintf(out,
                "folder        %s (weights not here; %s lists %zu tensors, all of them part of the model)\n",
                f->o.path, f->manifest.file, f->manifest.n_tensors);
    else
        fprintf(out, "folder        %s (weights not here, and no list of them: counted from config.json)\n",
                f->o.path);
    if (!f->has_weights && f->need.weights)
        fprintf(out, "download      about %s (%s)\n", sh_human_bytes(size, (double)f->need.weights),
                f->quantization);
}

static void print_shape(FILE *out, const facts *f)
{
    const sh_model_info *m = &f->m;
    char all[16], active[16];
    if (!f->n_parameters)
        fprintf(out, "parameters    unknown\n");
    else if (f->n_active != f->n_parameters)
        fprintf(out, "parameters    %s, %s of them at work on a token (%u of %u experts a layer)\n",
                human_count(all, (double)f->n_parameters), human_count(active, (double)f->n_active),
                f->hp->n_experts_used, f->hp->n_experts);
    else
        fprintf(out, "parameters    %s\n", human_count(all, (double)f->n_parameters));
    fprintf(out,
            "shape         %u layers, width %u, %u heads of %u (%u for keys and values), feed-forward %u\n",
            m->n_layers, m->n_embd, m->n_heads, m->head_dim, m->n_kv_heads, m->n_ff);
    if (m->n_vocab)
        fprintf(out, "vocabulary    %u tokens%s\n", m->n_vocab,
                sh_model_tokenizer(f->o.model) ? "" : " (no tokenizer)");
    fprintf(out, "context       %u %s\n", m->n_ctx_train, m->n_vocab ? "tokens" : "positions");
    if (sh_kind_has_cache(f->hp))
        fprintf(out, "chat template %s\n", sh_model_chat_template(f->o.model) ? "yes" : "no");
}

static void print_machine(FILE *out, const facts *f)
{
    char free_text[16], more[16];
    const char *is = verdict(f);
    if (!f->have) {
        fprintf(out, "machine       how much memory is free here is unknown\n");
        return;
    }
    fprintf(out, "machine       %s free: ", sh_human_bytes(free_text, (double)f->have));
    if (strcmp(is, "fits") == 0)
        fprintf(out, "this machine can run it");
    else if (strcmp(is, "tight") == 0)
        fprintf(out, "this machine can run it, but it fits tightly");
    else if (f->longest)
        fprintf(out, "it does not fit; a context of up to %u tokens would", f->longest);
    else
        fprintf(out, "it does not fit, whatever the context (%s more are needed)",
                sh_human_bytes(more, (double)(f->need.total - f->have)));
    if (strcmp(is, "no") != 0 && f->longest > f->ask.n_ctx && sh_kind_has_cache(f->hp))
        fprintf(out, " (with up to %u tokens of context)", f->longest);
    fputc('\n', out);
}

static void print_memory(FILE *out, const facts *f)
{
    const sh_memory *n = &f->need;
    char text[16];
    if (!n->weights) {
        fprintf(out, "memory        unknown: nothing here says how large the weights are\n");
        return;
    }
    fprintf(out, "memory        %s for %u %s of context\n", sh_human_bytes(text, (double)n->total),
            f->ask.n_ctx, f->m.n_vocab ? "tokens" : "positions");
    fprintf(out, "  weights     %s\n", sh_human_bytes(text, (double)n->weights));
    if (n->kv_cache)
        fprintf(out, "  KV cache    %s (%s)\n", sh_human_bytes(text, (double)n->kv_cache), f->kv_name);
    fprintf(out, "  scratch     %s\n", sh_human_bytes(text, (double)n->scratch));
    fprintf(out, "  program     %s\n", sh_human_bytes(text, (double)n->program));
    print_machine(out, f);
}

static int run_info(sh_cli *cli, const sh_args *args, sh_err *err)
{
    facts f = {0};
    int rc = find_facts(&f, cli, args, err);
    if (rc == SH_OK && cli->json) {
        rc = sh_print_json(cli, info_json(&f), err);
    } else if (rc == SH_OK) {
        fprintf(cli->out, "name          %s\nkind          %s\narchitecture  %s\n", f.m.name,
                sh_kind_text(f.hp), f.m.architecture);
        print_source(cli->out, &f);
        print_shape(cli->out, &f);
        print_memory(cli->out, &f);
    }
    sh_manifest_clear(&f.manifest);
    sh_opened_clear(&f.o);
    return rc;
}

const sh_command sh_cmd_info = {
    .name = "info",
    .synopsis = "MODEL",
    .summary = "Describe a model and the memory it needs",
    .details = "MODEL may be a folder with config.json and no weights: what would be downloaded is counted "
               "from it, or\n"
               "from a list of its tensors beside it (model.safetensors.index.json, or a JSON manifest).",
    .opts = (const sh_opt[]){{"ctx", 'c', SH_OPT_INT, "N",
                              "context length to count memory for (default: the model's, at most 4096)", 1,
                              1 << 24, false},
                             {"kv", 0, SH_OPT_CHOICE, "f16|f32|q8",
                              "precision of the key-value cache (default f16)", 0, 0, false},
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_MODEL},
    .run = run_info,
};
