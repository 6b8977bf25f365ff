/* cmd_embed.c - shoal embed: texts to vectors. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "codec/json.h"
#include "engine/embed.h"
#include "os/file.h"

enum { MAX_TEXTS = 1 << 20, MAX_INPUT_BYTES = 1 << 30 };

typedef struct inputs {
    json_t *doc; /* of --input */
    sh_buf text; /* of standard input */
    sh_str *texts;
    size_t n;
} inputs;

static void inputs_clear(inputs *in)
{
    json_decref(in->doc);
    sh_buf_clear(&in->text);
    sh_free(in->texts);
}

/* A list of strings, or an object with one under "texts". */
static int read_list(inputs *in, const char *path, sh_err *err)
{
    int rc = sh_json_read_file(&in->doc, path, MAX_INPUT_BYTES, err);
    if (rc < 0) return rc;
    const json_t *list = json_is_object(in->doc) ? json_object_get(in->doc, "texts") : in->doc;
    in->n = json_array_size(list);
    if (!json_is_array(list) || !in->n || in->n > MAX_TEXTS)
        return sh_fail(err, SH_E_INVALID, "%s: expected a list of 1 to %d texts", path, MAX_TEXTS);
    if (!(in->texts = sh_new_array(in->n, sizeof *in->texts, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < in->n; i++) {
        const json_t *s = json_array_get(list, i);
        if (!json_is_string(s)) return sh_fail(err, SH_E_INVALID, "%s: entry %zu is no text", path, i);
        in->texts[i] = sh_str_n(json_string_value(s), json_string_length(s));
    }
    return SH_OK;
}

/* Every argument behind the model is a text of its own; without any, standard input is one. */
static int read_inputs(inputs *in, sh_cli *cli, const sh_args *args, sh_err *err)
{
    const char *path = sh_args_str(args, "input", NULL);
    const size_t n = sh_args_count(args) - 1;
    if (path && n)
        return sh_usage(cli, sh_fail(err, SH_E_INVALID, "embed: either --input or texts, not both"));
    if (path) return read_list(in, path, err);
    if (!n && cli->in_is_tty)
        return sh_usage(cli, sh_fail(err, SH_E_INVALID, "embed: no text (give TEXT or --input)"));
    in->n = n ? n : 1;
    if (!(in->texts = sh_new_array(in->n, sizeof *in->texts, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < n; i++) in->texts[i] = sh_str_of(sh_args_at(args, i + 1));
    if (n) return SH_OK;
    int rc = sh_read_prompt(&in->text, cli, args, 1, err);
    in->texts[0] = sh_buf_str(&in->text);
    return rc;
}

static int print_vectors(sh_cli *cli, const float *v, size_t n, size_t dim, uint64_t n_tokens, sh_err *err)
{
    if (!cli->json) {
        for (size_t i = 0; i < n * dim; i++)
            fprintf(cli->out, "%.7g%c", (double)v[i], (i + 1) % dim ? ' ' : '\n');
        return SH_OK;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < dim; k++) json_array_append_new(row, json_real((double)v[i * dim + k]));
        json_array_append_new(rows, row);
    }
    return sh_print_json(cli,
                         json_pack("{s:I,s:I,s:o}", "dim", (json_int_t)dim, "tokens", (json_int_t)n_tokens,
                                   "embeddings", rows),
                         err);
}

static int run_embed(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    inputs in = {0};
    sh_embedder *e = NULL;
    float *vectors = NULL;
    uint64_t n_tokens = 0;
    const char *path = sh_args_str(args, "output", NULL);
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    int rc = read_inputs(&in, cli, args, err);
    if (rc < 0 || (rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), &mo, err)) < 0) {
        inputs_clear(&in);
        return rc;
    }
    if ((rc = sh_embedder_open(&e, o.model, o.path, err)) < 0) goto out;
    const size_t dim = sh_embedder_dim(e);
    if (!(vectors = sh_new_array(in.n, dim * sizeof *vectors, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    rc = sh_embedder_run(e, in.texts, in.n, sh_args_str(args, "prompt-name", NULL), vectors, &n_tokens, err);
    if (rc < 0) goto out;
    if (!path)
        rc = print_vectors(cli, vectors, in.n, dim, n_tokens, err);
    else if ((rc = sh_file_write(path, vectors, in.n * dim * sizeof *vectors, err)) == SH_OK)
        rc = sh_print_json(cli,
                           json_pack("{s:[I,I],s:I}", "shape", (json_int_t)in.n, (json_int_t)dim, "tokens",
                                     (json_int_t)n_tokens),
                           err);
out:
    sh_free(vectors);
    sh_embedder_free(e);
    sh_opened_clear(&o);
    inputs_clear(&in);
    return rc;
}

const sh_command sh_cmd_embed = {
    .name = "embed",
    .synopsis = "MODEL [TEXT...]",
    .summary = "Turn texts into vectors",
    .details = "MODEL is an encoder of text: MiniLM, E5, BGE, GTE, MPNet and other folders of the BERT "
               "family. Each TEXT\n"
               "gives one vector, in order; without TEXT and --input standard input is one text. Pooling, "
               "unit length,\n"
               "prompts and the longest text are what the model's own files say; longer texts are cut.\n\n"
               "  shoal embed all-MiniLM-L6-v2 'a cat' 'a kitten'\n"
               "  shoal embed e5-small --prompt-name query --input q.json -o q.f32",
    .opts = (const sh_opt[]){{"input", 'i', SH_OPT_FILE, "TEXTS.json", "a JSON list of texts", 0, 0, false},
                             {"prompt-name", 0, SH_OPT_STR, "NAME",
                              "put this prompt of the model before each text", 0, 0, false},
                             {"output", 'o', SH_OPT_FILE, "OUT.f32",
                              "write float32 [texts, dim] there and print the shape", 0, 0, false},
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = -1,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_TEXT},
    .run = run_embed,
};
