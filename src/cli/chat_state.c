/* chat_state.c - a conversation: its messages, its settings, and the engine that answers. */
#include "cli/chat_state.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/answer_form.h"
#include "codec/json.h"
#include "engine/chat.h"
#include "os/file.h"

struct sh_chat_state {
    sh_cli *cli;
    sh_model *model;
    sh_engine *engine;
    json_t *messages; /* without the system message */
    char *system;     /* or NULL */
    sh_sampling sampling;
    sh_grammar *grammar; /* every answer follows it, or NULL */
    uint32_t max_tokens, n_ctx;
    bool told_dropped;
    sh_generated last;
};

void sh_getline_free(char *line)
{
    free(line);
}

int sh_chat_open(sh_chat_state **out, sh_cli *cli, sh_model *m, const sh_args *args, sh_err *err)
{
    if (!sh_model_chat_template(m))
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "chat: this model has no chat template (use 'shoal run' to continue a text)");
    sh_chat_state *c = sh_new(sizeof *c, err);
    int rc = SH_E_NOMEM;
    if (!c) return rc;
    c->cli = cli;
    c->model = m;
    c->messages = json_array();
    c->max_tokens = (uint32_t)sh_args_int(args, "max-tokens", 0);
    sh_sampling_from_args(&c->sampling, m, args);
    if ((rc = sh_grammar_from_args(&c->grammar, args, err)) < 0) goto fail;
    sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
    sh_model_info info;
    sh_model_get_info(m, &info);
    eo.n_slots = 1;
    eo.n_ctx = (uint32_t)sh_args_int(args, "ctx",
                                     info.n_ctx_train && info.n_ctx_train < 8192 ? info.n_ctx_train : 8192);
    eo.cache = sh_cache_type_from_args(args);
    c->n_ctx = eo.n_ctx;
    if ((rc = sh_engine_open(&c->engine, m, &eo, err)) < 0) goto fail;
    const char *system = sh_args_str(args, "system", NULL), *load = sh_args_str(args, "load", NULL);
    if (system && (rc = sh_chat_set_system(c, system, err)) < 0) goto fail;
    if (load && (rc = sh_chat_load(c, load, err)) < 0) goto fail;
    *out = c;
    return SH_OK;
fail:
    sh_chat_free(c);
    return rc;
}

void sh_chat_free(sh_chat_state *c)
{
    if (!c) return;
    sh_engine_free(c->engine);
    json_decref(c->messages);
    sh_generated_clear(&c->last);
    sh_grammar_unref(c->grammar);
    sh_free(c->system);
    sh_free(c);
}

/* System message and the messages from index `first` on, as tokens. */
static int encode_from(const sh_chat_state *c, size_t first, sh_token **ids, size_t *n, sh_err *err)
{
    json_t *all = json_array();
    if (c->system) json_array_append_new(all, json_pack("{s:s,s:s}", "role", "system", "content", c->system));
    for (size_t i = first; i < json_array_size(c->messages); i++)
        json_array_append(all, json_array_get(c->messages, i));
    sh_chat_input in = {.messages = all, .add_generation_prompt = true};
    int rc = sh_chat_encode(c->model, &in, ids, n, err);
    json_decref(all);
    return rc;
}

size_t sh_chat_next_turn(const json_t *messages, size_t i)
{
    size_t n = json_array_size(messages);
    for (i++; i < n; i++) {
        const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
        if (role && strcmp(role, "user") == 0) return i;
    }
    return n;
}

static void note_dropped(sh_chat_state *c, bool dropped)
{
    if (dropped && !c->told_dropped && !c->cli->quiet)
        fputs("(the beginning of this conversation no longer fits the context and is left out)\n",
              c->cli->diag);
    c->told_dropped = dropped;
}

/* The longest tail of the conversation, in whole turns, that leaves a quarter of the context for the answer;
 * the last turn alone may take more. */
static int encode_fitting(sh_chat_state *c, sh_token **ids, size_t *n, sh_err *err)
{
    size_t room = c->n_ctx - c->n_ctx / 4, n_messages = json_array_size(c->messages);
    for (size_t first = 0;;) {
        int rc = encode_from(c, first, ids, n, err);
        if (rc < 0) return rc;
        size_t next = sh_chat_next_turn(c->messages, first);
        bool is_last = next >= n_messages;
        if (*n <= room || (is_last && *n < c->n_ctx)) return note_dropped(c, first > 0), SH_OK;
        sh_free(*ids);
        *ids = NULL;
        if (is_last)
            return sh_fail(err, SH_E_RANGE, "the message has %zu tokens and the context holds %u (see --ctx)",
                           *n, c->n_ctx);
        first = next;
    }
}

/* One line of JSON for an answer: the message and its statistics. */
static int print_json_line(const sh_chat_state *c, const json_t *message, sh_err *err)
{
    json_t *doc = json_copy((json_t *)message), *stats = sh_generated_stats(&c->last);
    sh_buf line = {0};
    json_object_update(doc, stats);
    int rc = sh_json_write(&line, doc, 0, err);
    if (rc == SH_OK) fprintf(c->cli->out, "%s\n", line.p);
    sh_buf_clear(&line);
    json_decref(stats);
    json_decref(doc);
    return rc;
}

static int keep_answer(sh_chat_state *c, sh_err *err)
{
    json_t *text = json_stringn(c->last.text.p ? c->last.text.p : "", c->last.text.n);
    json_t *message = json_pack("{s:s,s:o}", "role", "assistant", "content", text);
    if (!message || json_array_append(c->messages, message) != 0) {
        json_decref(message);
        return sh_fail_nomem(err, c->last.text.n);
    }
    int rc = SH_OK;
    if (c->cli->json)
        rc = print_json_line(c, message, err);
    else
        fputs(c->last.finish == SH_FINISH_CANCELLED ? " ...\n" : "\n", c->cli->out);
    json_decref(message);
    if (fflush(c->cli->out) != 0 && rc == SH_OK)
        rc = sh_fail(err, SH_E_IO, "the output could not be written");
    /* With a fixed seed every turn would draw the same numbers: each takes the next stream. */
    c->sampling.seed++;
    return rc;
}

static int answer(sh_chat_state *c, sh_err *err)
{
    sh_token *ids = NULL;
    size_t n = 0;
    int rc = encode_fitting(c, &ids, &n, err);
    if (rc < 0) return rc;
    const char *stop = sh_chat_stop(c->model);
    sh_generate_job job = {.engine = c->engine,
                           .grammar = c->grammar,
                           .prompt = ids,
                           .n_prompt = n,
                           .sampling = c->sampling,
                           .max_tokens = c->max_tokens,
                           .stop = &stop,
                           .n_stop = stop ? 1 : 0,
                           .is_reply = true,
                           .silent = c->cli->json};
    rc = sh_generate(&c->last, c->cli, &job, err);
    sh_free(ids);
    return rc < 0 ? rc : keep_answer(c, err);
}

int sh_chat_say(sh_chat_state *c, const char *text, sh_err *err)
{
    size_t n = json_array_size(c->messages);
    json_t *content = json_string(text);
    if (!content) return sh_fail(err, SH_E_INVALID, "the message is not valid UTF-8");
    json_array_append_new(c->messages, json_pack("{s:s,s:o}", "role", "user", "content", content));
    int rc = answer(c, err);
    if (rc < 0)
        while (json_array_size(c->messages) > n) json_array_remove(c->messages, n);
    return rc;
}

int sh_chat_retry(sh_chat_state *c, sh_err *err)
{
    size_t n = json_array_size(c->messages);
    const json_t *last = json_array_get(c->messages, n - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (!n || !role) return sh_fail(err, SH_E_INVALID, "there is no answer to try again");
    if (strcmp(role, "assistant") != 0) return answer(c, err); /* a loaded conversation that waits for one */
    if (n < 2) return sh_fail(err, SH_E_INVALID, "there is no message to answer again");
    json_t *old = json_incref(json_array_get(c->messages, n - 1));
    json_array_remove(c->messages, n - 1);
    int rc = answer(c, err);
    if (rc < 0 && json_array_size(c->messages) < n) json_array_append(c->messages, old);
    json_decref(old);
    return rc;
}

int sh_chat_set_system(sh_chat_state *c, const char *text, sh_err *err)
{
    char *copy = NULL;
    if (*text && !(copy = sh_strdup(text))) return sh_fail_nomem(err, strlen(text));
    sh_free(c->system);
    c->system = copy;
    sh_chat_clear(c);
    return SH_OK;
}

void sh_chat_clear(sh_chat_state *c)
{
    json_array_clear(c->messages);
    c->told_dropped = false;
}

static void print_settings(const sh_chat_state *c)
{
    const sh_sampling *s = &c->sampling;
    fprintf(c->cli->diag,
            "temperature %g   top-k %d   top-p %g   min-p %g   repeat-penalty %g   seed %llu   max-tokens "
            "%u%s   context %u\n",
            (double)s->temperature, s->top_k, (double)s->top_p, (double)s->min_p,
            (double)s->repetition_penalty, (unsigned long long)s->seed, c->max_tokens,
            c->max_tokens ? "" : " (no limit)", c->n_ctx);
}

int sh_chat_set(sh_chat_state *c, const char *arg, sh_err *err)
{
    static const struct {
        const char *name;
        double lo, hi;
    } rows[] = {
        {"temperature", 0, 100},
        {"top-k", 0, 1 << 24},
        {"top-p", 0, 1},
        {"min-p", 0, 1},
        {"repeat-penalty", 0.01, 100},
        {"seed", 0, 9007199254740991.0},
        {"max-tokens", 0, 1 << 24},
    };
    if (!*arg) return print_settings(c), SH_OK;
    size_t n = strcspn(arg, " "), k = 0, n_rows = sizeof rows / sizeof *rows;
    while (k < n_rows && (strlen(rows[k].name) != n || memcmp(rows[k].name, arg, n) != 0)) k++;
    if (k == n_rows)
        return sh_fail(err, SH_E_INVALID, "no setting '%.*s' (/set alone shows them)", (int)(n < 60 ? n : 60),
                       arg);
    const char *text = arg + n + strspn(arg + n, " ");
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= rows[k].lo && v <= rows[k].hi))
        return sh_fail(err, SH_E_INVALID, "%s: '%.60s' (expected a number from %.16g to %.16g)", rows[k].name,
                       text, rows[k].lo, rows[k].hi);
    switch (k) {
    case 0:
        c->sampling.temperature = (float)v;
        break;
    case 1:
        c->sampling.top_k = (int32_t)v;
        break;
    case 2:
        c->sampling.top_p = (float)v;
        break;
    case 3:
        c->sampling.min_p = (float)v;
        break;
    case 4:
        c->sampling.repetition_penalty = (float)v;
        break;
    case 5:
        c->sampling.seed = (uint64_t)v;
        break;
    default:
        c->max_tokens = (uint32_t)v;
        break;
    }
    return SH_OK;
}

int sh_chat_save(const sh_chat_state *c, const char *path, sh_err *err)
{
    if (!*path) return sh_fail(err, SH_E_INVALID, "no file name (expected /save FILE)");
    sh_model_info info;
    sh_model_get_info(c->model, &info);
    json_t *all = json_array();
    if (c->system) json_array_append_new(all, json_pack("{s:s,s:s}", "role", "system", "content", c->system));
    json_array_extend(all, c->messages);
    json_t *doc = json_pack("{s:s,s:o}", "model", info.name, "messages", all);
    sh_buf text = {0};
    int rc = sh_json_write(&text, doc, JSON_INDENT(2), err);
    if (rc == SH_OK) rc = sh_file_write(path, text.p, text.n, err);
    json_decref(doc);
    sh_buf_clear(&text);
    return rc;
}

static int check_message(const json_t *m, size_t i, const char *path, sh_err *err)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    bool known =
        role && (strcmp(role, "user") == 0 || strcmp(role, "assistant") == 0 || strcmp(role, "system") == 0);
    if (known && json_is_string(json_object_get(m, "content"))) return SH_OK;
    return sh_fail(
        err, SH_E_CORRUPT,
        "%s: messages[%zu]: expected an object with a role (system, user, assistant) and a text as content",
        path, i);
}

int sh_chat_load(sh_chat_state *c, const char *path, sh_err *err)
{
    json_t *doc = NULL;
    const json_t *m;
    size_t i;
    if (!*path) return sh_fail(err, SH_E_INVALID, "no file name (expected /load FILE)");
    int rc = sh_json_read_file(&doc, path, 64u << 20, err);
    if (rc < 0) return rc;
    json_t *messages = json_object_get(doc, "messages");
    if (!json_is_array(messages))
        rc = sh_fail(err, SH_E_CORRUPT, "%s: expected an object with a list 'messages'", path);
    json_array_foreach(messages, i, m) if (rc == SH_OK) rc = check_message(m, i, path, err);
    if (rc == SH_OK) {
        const json_t *first = json_array_get(messages, 0);
        const char *role = json_string_value(json_object_get(first, "role"));
        bool has_system = role && strcmp(role, "system") == 0;
        rc = sh_chat_set_system(c, has_system ? json_string_value(json_object_get(first, "content")) : "",
                                err);
        if (rc == SH_OK) {
            json_array_extend(c->messages, messages);
            if (has_system) json_array_remove(c->messages, 0);
        }
    }
    json_decref(doc);
    return rc;
}

void sh_chat_print_stats(const sh_chat_state *c)
{
    const sh_generated *g = &c->last;
    if (!g->n_prompt) {
        fputs("no answer yet\n", c->cli->diag);
        return;
    }
    double prefill = (double)g->prefill_us * 1e-6, decode = (double)g->decode_us * 1e-6;
    fprintf(c->cli->diag, "prompt %u tokens (%u from the cache), %.1f/s   answer %u tokens, %.1f/s\n",
            g->n_prompt, g->n_cached, prefill > 0 ? (g->n_prompt - g->n_cached) / prefill : 0.0,
            g->n_generated, decode > 0 && g->n_generated ? (g->n_generated - 1) / decode : 0.0);
}
