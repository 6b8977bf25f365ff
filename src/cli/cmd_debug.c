/* cmd_debug.c - shoal debug: quantise and dequantise raw arrays, render templates, run a sampling chain. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/open.h"
#include "codec/json.h"
#include "engine/chain.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/pool.h"
#include "tensor/quant.h"
#include "text/chat_template.h"

static int run_group(sh_cli *cli, const sh_args *args, sh_err *err)
{
    char name[64];
    if (sh_args_count(args)) {
        snprintf(name, sizeof name, "debug %s", sh_args_at(args, 0));
        return sh_usage(cli, sh_help_unknown(name, err));
    }
    return sh_help_write(cli->out, "debug", cli->color && cli->out_is_tty, err);
}

const sh_command sh_cmd_debug = {
    .name = "debug",
    .synopsis = "COMMAND",
    .summary = "Look inside: logits, digests, quantisation, templates, features",
    .details = "Arrays are raw little-endian files.",
    .max_args = 1,
    .arg_kinds = {SH_ARG_WORDS},
    .arg_words = "logits|digest|quantize|dequantize|template|sample|mel|pixels",
    .run = run_group,
};

enum { MAX_ARRAY_BYTES = 1 << 30 };

static int read_floats(sh_buf *out, const char *path, sh_err *err)
{
    int rc = sh_file_read(path, MAX_ARRAY_BYTES, out, err);
    if (rc == SH_OK && (out->n % sizeof(float) != 0 || !out->n))
        rc = sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes (expected a multiple of 4: float32 values)", path,
                     out->n);
    return rc;
}

static int find_type(enum sh_dtype *out, sh_cli *cli, const char *name, sh_err *err)
{
    int t = sh_dtype_find(name);
    if (t >= 0) {
        *out = (enum sh_dtype)t;
        return SH_OK;
    }
    sh_buf names = {0};
    for (int i = 0; i < SH_DTYPE_COUNT; i++)
        if (sh_dtypes[i].name) sh_buf_printf(&names, "%s%s", names.n ? " " : "", sh_dtypes[i].name);
    int rc =
        sh_fail(err, SH_E_INVALID, "unknown type '%s' (expected one of: %s)", name, names.p ? names.p : "");
    sh_buf_clear(&names);
    return sh_usage(cli, rc);
}

static int run_quantize(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_buf in = {0}, importance = {0};
    void *out = NULL;
    sh_pool *pool = NULL;
    enum sh_dtype type;
    size_t row_bytes, out_bytes;
    const char *path = sh_args_str(args, "output", NULL), *imatrix = sh_args_str(args, "imatrix", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug quantize: -o OUT is needed"));
    if ((rc = find_type(&type, cli, sh_args_at(args, 0), err)) < 0) return rc;
    if ((rc = read_floats(&in, sh_args_at(args, 1), err)) < 0) goto out;
    size_t n = in.n / sizeof(float), cols = (size_t)sh_args_int(args, "cols", (int64_t)n);
    if (n % cols != 0 || !sh_dtype_row_bytes(&row_bytes, type, cols) ||
        !sh_mul(&out_bytes, row_bytes, n / cols)) {
        rc = sh_fail(err, SH_E_INVALID,
                     "%zu values in rows of %zu: rows must be whole and a multiple of %u for %s", n, cols,
                     sh_dtypes[type].block_elements, sh_dtypes[type].name);
        goto out;
    }
    if (imatrix && (rc = read_floats(&importance, imatrix, err)) < 0) goto out;
    if (imatrix && importance.n != cols * sizeof(float)) {
        rc = sh_fail(err, SH_E_INVALID, "%s: %zu weights (expected %zu, one per column)", imatrix,
                     importance.n / sizeof(float), cols);
        goto out;
    }
    if (!(out = sh_new_array(out_bytes, 1, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if ((rc = sh_pool_open(&pool, (size_t)cli->n_threads, err)) < 0) goto out;
    if ((rc = sh_quantize(type, (const float *)(void *)in.p, out, n / cols, cols,
                          imatrix ? (const float *)(void *)importance.p : NULL, pool, err)) < 0)
        goto out;
    rc = sh_file_write(path, out, out_bytes, err);
    if (rc == SH_OK && cli->json)
        rc = sh_print_json(cli,
                           json_pack("{s:s,s:I,s:I,s:I}", "type", sh_dtypes[type].name, "rows",
                                     (json_int_t)(n / cols), "cols", (json_int_t)cols, "bytes",
                                     (json_int_t)out_bytes),
                           err);
out:
    sh_pool_free(pool);
    sh_free(out);
    sh_buf_clear(&in);
    sh_buf_clear(&importance);
    return rc;
}

const sh_command sh_cmd_debug_quantize = {
    .name = "debug quantize",
    .synopsis = "TYPE IN.f32",
    .summary = "Quantise a raw float32 array to blocks",
    .opts = (const sh_opt[]){{"output", 'o', SH_OPT_FILE, "OUT.u8", "file to write", 0, 0, false},
                             {"cols", 0, SH_OPT_INT, "N", "row length (default: one row)", 1, 1 << 30, false},
                             {"imatrix", 0, SH_OPT_FILE, "F.f32", "importance of each column, float32 [cols]",
                              0, 0, false},
                             {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_TYPE, SH_ARG_FILE},
    .run = run_quantize,
};

static int run_dequantize(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_buf in = {0};
    float *out = NULL;
    enum sh_dtype type;
    size_t n;
    const char *path = sh_args_str(args, "output", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug dequantize: -o OUT is needed"));
    if ((rc = find_type(&type, cli, sh_args_at(args, 0), err)) < 0) return rc;
    if ((rc = sh_file_read(sh_args_at(args, 1), MAX_ARRAY_BYTES, &in, err)) < 0) goto out;
    const sh_dtype_info *info = &sh_dtypes[type];
    if (in.n % info->block_bytes != 0) {
        rc = sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes (expected a multiple of %u, the block of %s)",
                     sh_args_at(args, 1), in.n, info->block_bytes, info->name);
        goto out;
    }
    if (!sh_mul(&n, in.n / info->block_bytes, info->block_elements) ||
        !(out = sh_new_array(n, sizeof *out, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    if (n) sh_dequantize_row(type, in.p, out, n);
    rc = sh_file_write(path, out, n * sizeof *out, err);
    if (rc == SH_OK && cli->json)
        rc = sh_print_json(cli, json_pack("{s:s,s:I}", "type", info->name, "values", (json_int_t)n), err);
out:
    sh_free(out);
    sh_buf_clear(&in);
    return rc;
}

const sh_command sh_cmd_debug_dequantize = {
    .name = "debug dequantize",
    .synopsis = "TYPE IN.u8",
    .summary = "Turn raw blocks into a float32 array",
    .opts = (const sh_opt[]){{"output", 'o', SH_OPT_FILE, "OUT.f32", "file to write", 0, 0, false}, {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_TYPE, SH_ARG_FILE},
    .run = run_dequantize,
};

/* A conversation is {"messages": [...], "tools": [...], "special_tokens": {...}, "kwargs": {...},
 * "add_generation_prompt": b, "continue_final_message": b}, or just a list of messages.
 * continue_final_message is also looked for in kwargs. */
static int render(sh_buf *out, enum sh_template_error *kind, const sh_template *t, const json_t *doc,
                  const sh_args *args, sh_err *err)
{
    json_t *kwargs = json_copy(json_object_get(doc, "kwargs"));
    bool continue_final = json_is_true(json_object_get(doc, "continue_final_message")) ||
                          json_is_true(json_object_get(kwargs, "continue_final_message"));
    json_object_del(kwargs, "continue_final_message");
    const json_t *messages = json_is_array(doc) ? doc : json_object_get(doc, "messages"),
                 *tools = json_object_get(doc, "tools");
    sh_chat_input in = {.messages = messages,
                        .tools = json_is_array(tools) ? tools : NULL,
                        .special = json_object_get(doc, "special_tokens"),
                        .kwargs = json_is_object(kwargs) ? kwargs : NULL,
                        .add_generation_prompt = sh_args_has(args, "generation-prompt") ||
                                                 json_is_true(json_object_get(doc, "add_generation_prompt")),
                        .continue_final_message = continue_final,
                        .parse_tool_arguments = sh_args_has(args, "parse-tool-arguments")};
    sh_template_opts to = SH_TEMPLATE_OPTS_INIT;
    to.now_unix = sh_args_int(args, "now", sh_unix_seconds());
    int rc = json_is_array(messages)
                 ? sh_template_chat(t, &in, &to, out, NULL, NULL, kind, err)
                 : sh_fail(err, SH_E_INVALID, "%s: expected a list of messages, or an object that holds one",
                           sh_args_at(args, 1));
    json_decref(kwargs);
    return rc;
}

static int run_template(sh_cli *cli, const sh_args *args, sh_err *err)
{
    static const char *const kinds[] = {"ok", "raise_exception", "undefined", "security", "other"};
    sh_buf source = {0}, out = {0};
    sh_template *t = NULL;
    json_t *doc = NULL;
    enum sh_template_error kind = SH_TEMPLATE_OK;
    sh_err why = {0};
    int rc = sh_file_read(sh_args_at(args, 0), 16u << 20, &source, err);
    if (rc < 0 || (rc = sh_json_read_file(&doc, sh_args_at(args, 1), 64u << 20, err)) < 0) goto out;
    if ((rc = sh_template_open(&t, source.p ? source.p : "", source.n, err)) < 0) {
        sh_fail_in(err, rc, "%s", sh_args_at(args, 0));
        goto out;
    }
    rc = render(&out, &kind, t, doc, args, &why);
    if (rc == SH_OK && cli->json)
        rc = sh_print_json(cli, json_pack("{s:s%}", "text", out.p ? out.p : "", out.n), err);
    else if (rc == SH_OK)
        fwrite(out.p ? out.p : "", 1, out.n, cli->out);
    else if (cli->json && kind != SH_TEMPLATE_OK) {
        cli->exit_code = 1;
        rc = sh_print_json(cli, json_pack("{s:s,s:s}", "error", kinds[kind], "message", why.msg), err);
    } else
        rc = kind != SH_TEMPLATE_OK ? sh_fail(err, rc, "%s: %s", kinds[kind], why.msg)
                                    : sh_fail(err, rc, "%s", why.msg);
out:
    sh_template_free(t);
    json_decref(doc);
    sh_buf_clear(&out);
    sh_buf_clear(&source);
    return rc;
}

const sh_command sh_cmd_debug_template = {
    .name = "debug template",
    .synopsis = "FILE.jinja CONVERSATION.json",
    .summary = "Render a chat template over a conversation",
    .details = "CONVERSATION is a list of messages, or an object with messages, tools, special_tokens, "
               "kwargs, add_generation_prompt and\n"
               "continue_final_message. The text is printed as it is, without a newline of ours.",
    .opts = (const sh_opt[]){{"generation-prompt", 'g', SH_OPT_FLAG, NULL,
                              "end with what makes the model answer", 0, 0, false},
                             {"parse-tool-arguments", 0, SH_OPT_FLAG, NULL,
                              "tool arguments that are JSON strings are parsed first, as the server does", 0,
                              0, false},
                             {"now", 0, SH_OPT_INT, "UNIX", "the time that strftime_now sees (default: now)",
                              -62135596800.0, 253402300799.0, false},
                             {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_FILE},
    .run = run_template,
};

static int run_sample(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_buf logits = {0};
    json_t *settings = NULL, *doc = NULL;
    const char *path = sh_args_str(args, "settings", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug sample: --settings F.json is needed"));
    if ((rc = read_floats(&logits, sh_args_at(args, 0), err)) < 0) goto out;
    if ((rc = sh_json_read_file(&settings, path, 64u << 20, err)) < 0) goto out;
    size_t n = logits.n / sizeof(float), vocab = (size_t)sh_args_int(args, "vocab", (int64_t)n);
    if (n % vocab != 0) {
        rc = sh_fail(err, SH_E_INVALID, "%s: %zu values are not whole rows of %zu", sh_args_at(args, 0), n,
                     vocab);
        goto out;
    }
    if ((rc = sh_sample_describe(&doc, (const float *)(void *)logits.p, n / vocab, (int32_t)vocab, settings,
                                 err)) < 0)
        goto out;
    rc = sh_print_json(cli, doc, err);
out:
    json_decref(settings);
    sh_buf_clear(&logits);
    return rc;
}

const sh_command sh_cmd_debug_sample = {
    .name = "debug sample",
    .synopsis = "LOGITS.f32",
    .summary = "Run a chain of sampling steps over raw logits",
    .details =
        "Settings: {\"chain\": [[\"temperature\", 0.7], [\"top_k\", 40]], \"history\": [ids], \"counted\": "
        "[ids], \"eos\": id,\n"
        "\"row\": index, \"u\": number in [0, 1) to draw with, \"top\": n}. docs/engine.md lists the steps.",
    .opts =
        (const sh_opt[]){{"settings", 0, SH_OPT_FILE, "F.json", "what to run", 0, 0, false},
                         {"vocab", 0, SH_OPT_INT, "N", "row length (default: one row)", 1, 1 << 24, false},
                         {0}},
    .min_args = 1,
    .max_args = 1,
    .arg_kinds = {SH_ARG_FILE},
    .run = run_sample,
};
