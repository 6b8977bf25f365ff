/* cmd_convert.c - shoal convert and shoal quantize: writing GGUF. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "model/convert.h"
#include "store/model_names.h"

static int on_progress(void *ud, double done)
{
    sh_progress_update(ud, done);
    return 0;
}

static int find_target(sh_cli *cli, const sh_mixture **out, const char *name, sh_err *err)
{
    sh_buf names = {0};
    if ((*out = sh_mixture_find(name))) return SH_OK;
    for (size_t i = 0; sh_mixture_at(i); i++)
        sh_buf_printf(&names, "%s%s", i ? " " : "", sh_mixture_at(i)->name);
    int rc =
        sh_fail(err, SH_E_INVALID, "unknown type '%s' (expected one of: %s)", name, names.p ? names.p : "");
    sh_buf_clear(&names);
    return sh_usage(cli, rc);
}

/* "minnow" and f16 -> "minnow-f16.gguf" in the current folder. */
static char *default_output(const char *in, const char *type)
{
    sh_buf b = {0};
    char *name = sh_names_of_path(in);
    sh_buf_printf(&b, "%s-%s.gguf", name ? name : "model", type);
    sh_free(name);
    return sh_buf_detach(&b);
}

static json_t *counts_json(const sh_convert_report *r)
{
    json_t *counts = json_object();
    for (int d = 0; d < SH_DTYPE_COUNT; d++)
        if (r->by_type[d]) json_object_set_new(counts, sh_dtypes[d].name, json_integer(r->by_type[d]));
    return counts;
}

static int print_report(sh_cli *cli, const char *out, const sh_convert_report *r, sh_err *err)
{
    double bits = r->n_weights ? (double)r->bytes_out * 8 / (double)r->n_weights : 0;
    if (cli->json)
        return sh_print_json(cli,
                             json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:o}", "file", out, "type",
                                       r->target, "bytes_in", (json_int_t)r->bytes_in, "bytes",
                                       (json_int_t)r->bytes_out, "tensors", (json_int_t)r->n_tensors,
                                       "weights", (json_int_t)r->n_weights, "bits_per_weight", bits,
                                       "fallbacks", (json_int_t)r->n_fallbacks, "important",
                                       (json_int_t)r->n_important, "types", counts_json(r)),
                             err);
    char size[16];
    fprintf(cli->out, "%s: %s, %u tensors, %s, %.2f bits a weight (", out, r->target, r->n_tensors,
            sh_human_bytes(size, (double)r->bytes_out), bits);
    const char *comma = "";
    for (int d = 0; d < SH_DTYPE_COUNT; d++)
        if (r->by_type[d])
            fprintf(cli->out, "%s%u %s", comma, r->by_type[d], sh_dtypes[d].name), comma = ", ";
    fputs(")\n", cli->out);
    if (!r->has_tokenizer && !cli->quiet)
        fputs("no tokenizer was found: the file takes token ids only (--tokenizer FILE puts one in)\n",
              cli->diag);
    if (r->n_fallbacks && !cli->quiet)
        fprintf(cli->diag,
                "%u tensors have rows that blocks of this type do not divide: they got the nearest type that "
                "fits\n",
                r->n_fallbacks);
    return SH_OK;
}

static int convert(sh_cli *cli, const char *model, const char *out, sh_convert_opts *o, sh_err *err)
{
    sh_runtime *rt = NULL;
    char *path = NULL, *made = NULL;
    sh_convert_report report;
    sh_progress bar;
    sh_runtime_opts ro = {.version = 1, .n_threads = cli->n_threads, .cpu = cli->cpu};
    int rc = sh_names_resolve(&path, model, err);
    if (rc < 0) return rc;
    const sh_mixture *type = o->target;
    if (!out && !type && (rc = sh_mixture_of_file(&type, path, err)) < 0) goto out;
    if (!out && !(out = made = default_output(path, type->name))) {
        rc = sh_fail_nomem(err, 0);
        goto out;
    }
    if ((rc = sh_runtime_open(&rt, &ro, err)) < 0) goto out;
    sh_progress_begin(&bar, cli, "converting", "", 1);
    o->on_progress = on_progress;
    o->progress_ud = &bar;
    rc = sh_convert(rt, path, out, o, &report, err);
    sh_progress_done(&bar);
    if (rc == SH_OK) rc = print_report(cli, out, &report, err);
out:
    sh_runtime_free(rt);
    sh_free(path);
    sh_free(made);
    return rc;
}

static int run_convert(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_convert_opts o = SH_CONVERT_OPTS_INIT;
    const char *type = sh_args_str(args, "type", NULL);
    int rc;
    if (type && (rc = find_target(cli, &o.target, type, err)) < 0) return rc;
    o.overwrite = sh_args_has(args, "force");
    o.pure = sh_args_has(args, "pure");
    o.allow_requantize = sh_args_has(args, "allow-requantize");
    o.name = sh_args_str(args, "name", NULL);
    o.tokenizer_path = sh_args_str(args, "tokenizer", NULL);
    o.imatrix_path = sh_args_str(args, "imatrix", NULL);
    return convert(cli, sh_args_at(args, 0), sh_args_at(args, 1), &o, err);
}

#define OPT_PURE {"pure", 0, SH_OPT_FLAG, NULL, "every matrix in the same type", 0, 0, false}
#define OPT_FORCE {"force", 'f', SH_OPT_FLAG, NULL, "replace an existing file", 0, 0, false}
#define OPT_AGAIN                                                                                            \
    {"allow-requantize", 0, SH_OPT_FLAG, NULL, "quantise tensors that are quantised already", 0, 0, false}
#define OPT_IMATRIX                                                                                          \
    {"imatrix", 0, SH_OPT_FILE, "FILE", "GGUF file with the importance of columns (NAME.in_sum2)",           \
     0,         0, false}
#define TYPES                                                                                                \
    "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k_s q3_k_m q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl "      \
    "iq4_xs tq1_0 tq2_0"

const sh_command sh_cmd_convert = {
    .name = "convert",
    .synopsis = "MODEL [OUT.gguf]",
    .summary = "Write a GGUF file from a Hugging Face folder, safetensors, llama2.c or GGUF",
    .details =
        "Types: " TYPES
        ".\nq4_k means q4_k_m, and so on. Without OUT the file is called NAME-TYPE.gguf, in this folder.\n\n"
        "  shoal convert ./Qwen2.5-0.5B-Instruct qwen.gguf --type q4_k_m",
    .opts = (const sh_opt[]){{"type", 't', SH_OPT_STR, "TYPE", "type of the matrices (default: the source's)",
                              0, 0, false},
                             {"name", 0, SH_OPT_STR, "TEXT",
                              "the model's name in the file (default: the source's)", 0, 0, false},
                             OPT_PURE,
                             OPT_AGAIN,
                             OPT_IMATRIX,
                             OPT_FORCE,
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = 2,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_FILE},
    .run = run_convert,
};

static int run_quantize(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_convert_opts o = SH_CONVERT_OPTS_INIT;
    size_t n = sh_args_count(args);
    int rc = find_target(cli, &o.target, sh_args_at(args, n - 1), err);
    if (rc < 0) return rc;
    o.overwrite = sh_args_has(args, "force");
    o.pure = sh_args_has(args, "pure");
    o.allow_requantize = sh_args_has(args, "allow-requantize");
    o.imatrix_path = sh_args_str(args, "imatrix", NULL);
    return convert(cli, sh_args_at(args, 0), n == 3 ? sh_args_at(args, 1) : NULL, &o, err);
}

const sh_command sh_cmd_quantize = {
    .name = "quantize",
    .synopsis = "MODEL [OUT.gguf] TYPE",
    .summary = "Make a smaller GGUF file of a model",
    .details = "Types: " TYPES
               ".\nThe mixtures with a letter at the end give some tensors more bits, as llama.cpp's do.\n\n"
               "  shoal quantize model-f16.gguf model-q4.gguf q4_k_m",
    .opts = (const sh_opt[]){OPT_PURE, OPT_AGAIN, OPT_IMATRIX, OPT_FORCE, {0}},
    .min_args = 2,
    .max_args = 3,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_FILE, SH_ARG_TYPE},
    .run = run_quantize,
};
