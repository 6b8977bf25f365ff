/* cmd_run.c - shoal run: one prompt, one answer. */
#include "base/mem.h"
#include "cli/answer_form.h"
#include "cli/commands.h"
#include "cli/generate.h"
#include "engine/chat.h"

enum { MAX_STOPS = 16 };

static bool is_raw(const sh_model *m, const sh_args *args)
{
    return sh_args_has(args, "raw") || !sh_model_chat_template(m);
}

/* The prompt as tokens: a chat turn when the model has a template, else plain text with BOS. */
static int prompt_tokens(sh_token **ids, size_t *n, const sh_model *m, const sh_args *args,
                         const sh_buf *text, sh_err *err)
{
    bool raw = is_raw(m, args);
    const char *system = sh_args_str(args, "system", NULL);
    if (raw && system)
        return sh_fail(err, SH_E_INVALID, "--system: needs a model with a chat template, and no --raw");
    if (raw) return sh_text_encode(m, text->p ? text->p : "", text->n, ids, n, err);
    json_t *messages = json_array(), *content = json_stringn(text->p ? text->p : "", text->n);
    if (system) json_array_append_new(messages, json_pack("{s:s,s:s}", "role", "system", "content", system));
    if (!content) {
        json_decref(messages);
        return sh_fail(err, SH_E_INVALID, "the prompt is not valid UTF-8 (give --raw to send it as bytes)");
    }
    json_array_append_new(messages, json_pack("{s:s,s:o}", "role", "user", "content", content));
    sh_chat_input in = {.messages = messages, .add_generation_prompt = true};
    int rc = sh_chat_encode(m, &in, ids, n, err);
    json_decref(messages);
    return rc;
}

static void print_stats(sh_cli *cli, const sh_generated *g)
{
    json_t *s = sh_generated_stats(g);
    if (!s) return;
    fprintf(cli->diag, "prompt: %u tokens (%.1f/s)   answer: %u tokens (%.1f/s)\n", g->n_prompt,
            json_real_value(json_object_get(s, "prompt_tokens_per_second")), g->n_generated,
            json_real_value(json_object_get(s, "tokens_per_second")));
    json_decref(s);
}

static int answer(sh_cli *cli, const sh_args *args, const sh_model *m, sh_engine *e, const sh_token *ids,
                  size_t n, const sh_grammar *grammar, sh_err *err)
{
    sh_generated g = {0};
    const char *stops[MAX_STOPS + 1];
    size_t n_stops = 0;
    while (n_stops < MAX_STOPS && sh_args_nth(args, "stop", n_stops))
        stops[n_stops] = sh_args_nth(args, "stop", n_stops), n_stops++;
    bool is_chat = !is_raw(m, args);
    if (is_chat && sh_chat_stop(m)) stops[n_stops++] = sh_chat_stop(m);
    sh_generate_job job = {.engine = e,
                           .prompt = ids,
                           .n_prompt = n,
                           .max_tokens = (uint32_t)sh_args_int(args, "max-tokens", 0),
                           .stop = stops,
                           .n_stop = n_stops,
                           .grammar = grammar,
                           .is_reply = is_chat,
                           .ignore_end = sh_args_has(args, "ignore-end"),
                           .keep_special = sh_args_has(args, "show-special"),
                           .silent = cli->json};
    sh_sampling_from_args(&job.sampling, m, args);
    int rc = sh_generate(&g, cli, &job, err);
    if (rc == SH_OK && cli->json) {
        json_t *doc = sh_generated_stats(&g);
        json_object_set_new(doc, "text", json_stringn(g.text.p ? g.text.p : "", g.text.n));
        json_object_set_new(doc, "seed", json_integer((json_int_t)job.sampling.seed));
        rc = sh_print_json(cli, doc, err);
    } else if (rc == SH_OK) {
        /* A continued text goes into a pipe as it is, byte for byte. */
        bool needs_newline = !g.text.n || g.text.p[g.text.n - 1] != '\n';
        if (needs_newline && (is_chat || cli->out_is_tty)) fputc('\n', cli->out);
        fflush(cli->out);
        if (sh_args_has(args, "verbose")) print_stats(cli, &g);
    }
    if (g.finish == SH_FINISH_CANCELLED) cli->exit_code = 1;
    sh_generated_clear(&g);
    return rc;
}

static int run_run(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_opened o;
    sh_engine *engine = NULL;
    sh_token *ids = NULL;
    sh_grammar *grammar = NULL;
    size_t n = 0;
    sh_buf text = {0};
    if (sh_args_nth(args, "stop", MAX_STOPS))
        return sh_usage(cli, sh_fail(err, SH_E_INVALID, "--stop: given more than %d times", MAX_STOPS));
    int rc = sh_grammar_from_args(&grammar, args, err);
    if (rc < 0) return rc;
    if ((rc = sh_open_model(&o, cli, args, sh_args_at(args, 0), NULL, err)) < 0) {
        sh_grammar_unref(grammar);
        return rc;
    }
    sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
    eo.n_slots = 1;
    eo.n_ctx = (uint32_t)sh_args_int(args, "ctx", 0);
    eo.cache = sh_cache_type_from_args(args);
    if (sh_args_count(args) < 2 && cli->in_is_tty && sh_model_chat_template(o.model) &&
        !sh_args_has(args, "raw")) {
        rc = sh_usage(
            cli,
            sh_fail(err, SH_E_INVALID,
                    "run: no prompt (give one as an argument or through a pipe; 'shoal chat' converses)"));
        goto out;
    }
    if ((rc = sh_read_prompt(&text, cli, args, 1, err)) < 0) goto out;
    if ((rc = prompt_tokens(&ids, &n, o.model, args, &text, err)) < 0) goto out;
    if ((rc = sh_engine_open(&engine, o.model, &eo, err)) < 0) goto out;
    rc = answer(cli, args, o.model, engine, ids, n, grammar, err);
out:
    sh_engine_free(engine);
    sh_grammar_unref(grammar);
    sh_free(ids);
    sh_buf_clear(&text);
    sh_opened_clear(&o);
    return rc;
}

const sh_command sh_cmd_run = {
    .name = "run",
    .synopsis = "MODEL [PROMPT...]",
    .summary = "Answer one prompt",
    .details = "PROMPT is the rest of the line; without it, or with '-', it is read from standard input. A "
               "model with a chat template\n"
               "gets it as a user's message, others continue it as text. Ctrl-C ends the answer.\n\n"
               "  shoal run minnow \"Tell me a story about a fox.\"\n"
               "  echo \"What happened next?\" | shoal run minnow -\n"
               "  shoal run model.gguf --raw --temperature 0 -n 64 \"Once upon a time\"",
    .opts =
        (const sh_opt[]){
            {"max-tokens", 'n', SH_OPT_INT, "N",
             "at most N tokens of answer (default: until the model ends or the context is full)", 1, 1 << 24,
             false},
            {"system", 0, SH_OPT_STR, "TEXT", "system message", 0, 0, false},
            {"raw", 0, SH_OPT_FLAG, NULL, "no chat template: continue the text as it is", 0, 0, false},
            {"stop", 0, SH_OPT_STR, "TEXT", "end the answer before TEXT (up to 16 times)", 0, 0, true},
            {"ignore-end", 0, SH_OPT_FLAG, NULL, "go on when the model says that it is done", 0, 0, false},
            {"show-special", 0, SH_OPT_FLAG, NULL, "print control tokens too", 0, 0, false},
            SH_OPTS_FORM,
            SH_OPTS_SAMPLING,
            SH_OPTS_CONTEXT,
            SH_OPT_TOKENIZER,
            {"verbose", 'v', SH_OPT_FLAG, NULL, "print token counts and speeds afterwards", 0, 0, false},
            {0}},
    .min_args = 1,
    .max_args = -1,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_TEXT},
    .run = run_run,
};
