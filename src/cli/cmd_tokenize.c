/* cmd_tokenize.c - shoal tokenize and detokenize. */
#include <inttypes.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/open.h"
#include "codec/json.h"

static int open_tokenizer(sh_opened *o, const sh_tokenizer **t, sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_model_opts mo = SH_MODEL_OPTS_INIT;
    mo.vocab_only = true;
    int rc = sh_open_model(o, cli, args, sh_args_at(args, 0), &mo, err);
    if (rc < 0) return rc;
    *t = sh_model_tokenizer(o->model);
    if (*t) return SH_OK;
    rc =
        sh_fail(err, SH_E_UNSUPPORTED, "%s: the model has no tokenizer (give one with --tokenizer)", o->path);
    sh_opened_clear(o);
    return rc;
}

static int encode(sh_token **out, size_t *n, const sh_tokenizer *t, const sh_buf *text, sh_encode_opts eo,
                  sh_err *err)
{
    int64_t count = sh_tokenizer_encode(t, text->p ? text->p : "", text->n, eo, NULL, 0, err);
    if (count < 0) return (int)count;
    sh_token *ids = sh_new_array((size_t)count + 1, sizeof *ids, err);
    if (!ids) return SH_E_NOMEM;
    count = sh_tokenizer_encode(t, text->p ? text->p : "", text->n, eo, ids, (size_t)count, err);
    if (count < 0) {
        sh_free(ids);
        return (int)count;
    }
    *out = ids;
    *n = (size_t)count;
    return SH_OK;
}

static int print_tokens(sh_cli *cli, const sh_args *args, const sh_tokenizer *t, const sh_token *ids,
                        size_t n, sh_err *err)
{
    bool only_ids = sh_args_has(args, "ids");
    if (cli->json) {
        json_t *list = json_array(), *tokens = json_array();
        for (size_t i = 0; i < n; i++) {
            const char *spelling = sh_tokenizer_token(t, ids[i]);
            json_array_append_new(list, json_integer(ids[i]));
            json_t *s = json_string(spelling ? spelling : "");
            json_array_append_new(tokens, s ? s : json_null()); /* a spelling of raw bytes is not JSON text */
        }
        json_t *doc = json_pack("{s:o,s:I}", "ids", list, "count", (json_int_t)n);
        if (doc && !only_ids)
            json_object_set_new(doc, "tokens", tokens);
        else
            json_decref(tokens);
        return sh_print_json(cli, doc, err);
    }
    for (size_t i = 0; i < n; i++) {
        if (only_ids)
            fprintf(cli->out, "%s%" PRId32, i ? " " : "", ids[i]);
        else
            fprintf(cli->out, "%8" PRId32 "  %s\n", ids[i], sh_tokenizer_token(t, ids[i]));
    }
    if (only_ids) fputc('\n', cli->out);
    return SH_OK;
}

static int run_tokenize(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    const sh_tokenizer *t;
    sh_buf text = {0};
    sh_token *ids = NULL;
    size_t n = 0;
    int rc = open_tokenizer(&o, &t, cli, args, err);
    if (rc < 0) return rc;
    sh_encode_opts eo = {.add_special = !sh_args_has(args, "no-special"),
                         .parse_special = !sh_args_has(args, "no-parse-special")};
    if ((rc = sh_read_prompt(&text, cli, args, 1, err)) < 0) goto out;
    if ((rc = encode(&ids, &n, t, &text, eo, err)) < 0) goto out;
    rc = print_tokens(cli, args, t, ids, n, err);
out:
    sh_free(ids);
    sh_buf_clear(&text);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_tokenize = {
    .name = "tokenize",
    .synopsis = "MODEL [TEXT...]",
    .summary = "Show the tokens a model sees in a text",
    .details = "Without TEXT, or with '-', the text is read from standard input.",
    .opts = (const sh_opt[]){{"ids", 0, SH_OPT_FLAG, NULL, "only the numbers, on one line", 0, 0, false},
                             {"no-special", 0, SH_OPT_FLAG, NULL,
                              "do not add the tokens that begin or end every text", 0, 0, false},
                             {"no-parse-special", 0, SH_OPT_FLAG, NULL,
                              "treat special tokens written in TEXT as plain text", 0, 0, false},
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = -1,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_TEXT},
    .run = run_tokenize,
};

static int run_detokenize(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    const sh_tokenizer *t;
    sh_buf text = {0}, quoted = {0};
    sh_token *ids = NULL;
    char *plain = NULL;
    size_t n = 0;
    bool skip = sh_args_has(args, "skip-special");
    int rc = open_tokenizer(&o, &t, cli, args, err);
    if (rc < 0) return rc;
    if ((rc = sh_read_prompt(&text, cli, args, 1, err)) < 0) goto out;
    if ((rc = sh_ids_parse(&ids, &n, text.p ? text.p : "", text.n, err)) < 0) goto out;
    int64_t len = sh_tokenizer_decode(t, ids, n, skip, NULL, 0, err);
    rc = (int)(len < 0 ? len : 0);
    if (rc < 0) goto out;
    if (!(plain = sh_new_array((size_t)len + 1, 1, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    len = sh_tokenizer_decode(t, ids, n, skip, plain, (size_t)len, err);
    rc = (int)(len < 0 ? len : 0);
    if (rc < 0) goto out;
    if (cli->json) {
        sh_json_quote(&quoted, plain, (size_t)len);
        if ((rc = sh_buf_ok(&quoted, err)) < 0) goto out;
        fprintf(cli->out, "{\"text\": %s}\n", quoted.p);
    } else {
        fwrite(plain, 1, (size_t)len, cli->out);
        if (cli->out_is_tty) fputc('\n', cli->out);
    }
out:
    sh_buf_clear(&quoted);
    sh_buf_clear(&text);
    sh_free(plain);
    sh_free(ids);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_detokenize = {
    .name = "detokenize",
    .synopsis = "MODEL [ID...]",
    .summary = "Turn token ids back into text",
    .details =
        "Ids are separated by spaces or commas; without any, or with '-', they are read from standard input.",
    .opts = (const sh_opt[]){{"skip-special", 0, SH_OPT_FLAG, NULL, "leave control tokens out of the text", 0,
                              0, false},
                             SH_OPT_TOKENIZER,
                             {0}},
    .min_args = 1,
    .max_args = -1,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_NONE},
    .run = run_detokenize,
};
