/* render.c - generations in the JSON of OpenAI's API: whole answers and server-sent events. */
#include "codec/json.h"
#include "server/render.h"

static const char *finish_name(enum sh_finish f)
{
    return f == SH_FINISH_LENGTH ? "length" : "stop";
}

size_t sh_render_length(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

json_t *sh_render_text(const char *p, size_t n)
{
    json_t *text = json_stringn(p ? p : "", n);
    if (text) return text;
    sh_buf quoted = {0};
    sh_json_quote(&quoted, p, n);
    if (quoted.failed || sh_json_parse(&text, quoted.p, quoted.n, "text", NULL) < 0) text = NULL;
    sh_buf_clear(&quoted);
    return text;
}

/* The text of one token, and its exact bytes (which alone may be half a character). */
static json_t *token_entry(const sh_job *j, sh_token id, float logprob)
{
    char bytes[256];
    const sh_tokenizer *t = sh_model_tokenizer(j->model->model);
    int64_t n = sh_tokenizer_decode(t, &id, 1, false, bytes, sizeof bytes, NULL);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof bytes ? (size_t)n : sizeof bytes;
    json_t *list = json_array();
    for (size_t i = 0; i < len; i++) json_array_append_new(list, json_integer((unsigned char)bytes[i]));
    /* JSON has no infinity: a token that cannot be drawn gets OpenAI's own floor. */
    double lp = logprob > -9999.0f ? (double)logprob : -9999.0;
    return json_pack("{s:o,s:f,s:o}", "token", sh_render_text(bytes, len), "logprob", lp, "bytes", list);
}

json_t *sh_render_token_logprob(const sh_job *j, const sh_event *ev)
{
    json_t *entry = token_entry(j, ev->token, ev->logprob), *top = json_array();
    for (uint32_t i = 0; i < ev->n_top; i++)
        json_array_append_new(top, token_entry(j, ev->top[i].token, ev->top[i].logprob));
    json_object_set_new(entry, "top_logprobs", top);
    return entry;
}

/* completions: parallel lists; text_offset counts characters. */
static json_t *empty_lists(void)
{
    return json_pack("{s:[],s:[],s:[],s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
}

static void add_to_lists(json_t *lists, const sh_job *j, sh_choice *c, const sh_event *ev)
{
    json_t *entry = token_entry(j, ev->token, ev->logprob), *top = json_object();
    for (uint32_t i = 0; i < ev->n_top; i++) {
        json_t *e = token_entry(j, ev->top[i].token, ev->top[i].logprob);
        json_object_set(top, json_string_value(json_object_get(e, "token")), json_object_get(e, "logprob"));
        json_decref(e);
    }
    json_array_append(json_object_get(lists, "tokens"), json_object_get(entry, "token"));
    json_array_append(json_object_get(lists, "token_logprobs"), json_object_get(entry, "logprob"));
    json_array_append_new(json_object_get(lists, "top_logprobs"), top);
    json_array_append_new(json_object_get(lists, "text_offset"), json_integer((json_int_t)c->n_logprob_text));
    c->n_logprob_text += sh_render_length(ev->text, ev->n_text);
    json_decref(entry);
}

void sh_render_logprob(sh_job *j, sh_choice *c, const sh_event *ev)
{
    if (!j->want_logprobs || ev->kind != SH_EVENT_TOKEN) return;
    if (!c->logprobs) c->logprobs = j->is_chat ? json_array() : empty_lists();
    if (j->is_chat)
        json_array_append_new(c->logprobs, sh_render_token_logprob(j, ev));
    else
        add_to_lists(c->logprobs, j, c, ev);
}

static json_t *usage_of(const sh_job *j)
{
    uint64_t generated = 0, prompt = 0, cached = 0;
    for (unsigned i = 0; i < j->n_choices; i++) {
        generated += j->choices[i].n_generated;
        if (i % j->n_per_prompt) continue;
        prompt += j->choices[i].n_prompt;
        cached += j->choices[i].n_cached;
    }
    return json_pack("{s:I,s:I,s:I,s:{s:I}}", "prompt_tokens", (json_int_t)prompt, "completion_tokens",
                     (json_int_t)generated, "total_tokens", (json_int_t)(prompt + generated),
                     "prompt_tokens_details", "cached_tokens", (json_int_t)cached);
}

static json_t *envelope(const sh_job *j, const char *object, json_t *choices)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:s,s:o}", "id", j->id, "object", object, "created",
                     (json_int_t)j->created_unix, "model", j->model->name, "system_fingerprint", "shoal",
                     "choices", choices);
}

static void send_event(sh_buf *out, json_t *doc)
{
    sh_buf_puts(out, "data: ");
    if (!doc || sh_json_write(out, doc, 0, NULL) < 0) out->failed = true;
    sh_buf_puts(out, "\n\n");
    json_decref(doc);
}

static void send_choice(sh_job *j, json_t *choice, sh_buf *out)
{
    json_t *doc =
        envelope(j, j->is_chat ? "chat.completion.chunk" : "text_completion", json_pack("[o]", choice));
    if (j->include_usage) json_object_set_new(doc, "usage", json_null());
    send_event(out, doc);
}

static void openai_begin(sh_job *j, sh_buf *out)
{
    for (unsigned i = 0; i < j->n_choices; i++) {
        if (j->is_chat)
            send_choice(j,
                        json_pack("{s:i,s:{s:s,s:s},s:n,s:n}", "index", (int)i, "delta", "role", "assistant",
                                  "content", "", "logprobs", "finish_reason"),
                        out);
        else if (j->choices[i].echo.n)
            send_choice(j,
                        json_pack("{s:i,s:o,s:n,s:n}", "index", (int)i, "text",
                                  sh_render_text(j->choices[i].echo.p, j->choices[i].echo.n), "logprobs",
                                  "finish_reason"),
                        out);
    }
}

static json_t *logprobs_of_event(sh_job *j, sh_choice *c, const sh_event *ev)
{
    if (!j->want_logprobs || ev->kind != SH_EVENT_TOKEN) return json_null();
    if (j->is_chat) return json_pack("{s:[o],s:n}", "content", sh_render_token_logprob(j, ev), "refusal");
    json_t *lists = empty_lists();
    add_to_lists(lists, j, c, ev);
    return lists;
}

static void send_error(const sh_choice *c, sh_buf *out)
{
    const char *text = c->finish == SH_FINISH_CANCELLED ? "the generation was cancelled" : c->error.msg;
    send_event(out, json_pack("{s:{s:s,s:s,s:n,s:n}}", "error", "message", text, "type", "server_error",
                              "param", "code"));
}

static void openai_chunk(sh_job *j, sh_choice *c, const sh_event *ev, sh_buf *out)
{
    bool carries = ev->n_text || (j->want_logprobs && ev->kind == SH_EVENT_TOKEN);
    if (carries) {
        json_t *text = json_stringn(ev->text, ev->n_text), *logprobs = logprobs_of_event(j, c, ev);
        if (j->is_chat)
            send_choice(j,
                        json_pack("{s:i,s:{s:o},s:o,s:n}", "index", (int)c->index, "delta", "content", text,
                                  "logprobs", logprobs, "finish_reason"),
                        out);
        else
            send_choice(j,
                        json_pack("{s:i,s:o,s:o,s:n}", "index", (int)c->index, "text", text, "logprobs",
                                  logprobs, "finish_reason"),
                        out);
    }
    if (ev->kind != SH_EVENT_DONE) return;
    if (c->finish == SH_FINISH_ERROR || c->finish == SH_FINISH_CANCELLED) {
        send_error(c, out);
        return;
    }
    const char *reason = finish_name(c->finish);
    if (j->is_chat)
        send_choice(j,
                    json_pack("{s:i,s:{},s:n,s:s}", "index", (int)c->index, "delta", "logprobs",
                              "finish_reason", reason),
                    out);
    else
        send_choice(j,
                    json_pack("{s:i,s:s,s:n,s:s}", "index", (int)c->index, "text", "", "logprobs",
                              "finish_reason", reason),
                    out);
}

static void openai_end(sh_job *j, sh_buf *out)
{
    if (j->include_usage) {
        json_t *doc = envelope(j, j->is_chat ? "chat.completion.chunk" : "text_completion", json_array());
        json_object_set_new(doc, "usage", usage_of(j));
        send_event(out, doc);
    }
    sh_buf_puts(out, "data: [DONE]\n\n");
}

static json_t *choice_of(sh_job *j, sh_choice *c)
{
    json_t *logprobs = c->logprobs ? json_incref(c->logprobs) : json_null();
    const char *reason = finish_name(c->finish);
    if (j->is_chat) {
        if (c->logprobs) logprobs = json_pack("{s:o,s:n}", "content", logprobs, "refusal");
        json_t *text = c->text.failed ? NULL : sh_render_text(c->text.p, c->text.n);
        return json_pack("{s:i,s:{s:s,s:o,s:n},s:o,s:s}", "index", (int)c->index, "message", "role",
                         "assistant", "content", text, "refusal", "logprobs", logprobs, "finish_reason",
                         reason);
    }
    sh_buf whole = {0};
    sh_buf_add(&whole, c->echo.p ? c->echo.p : "", c->echo.n);
    sh_buf_add(&whole, c->text.p ? c->text.p : "", c->text.n);
    json_t *text = whole.failed || c->text.failed ? NULL : sh_render_text(whole.p, whole.n);
    sh_buf_clear(&whole);
    return json_pack("{s:i,s:o,s:o,s:s}", "index", (int)c->index, "text", text, "logprobs", logprobs,
                     "finish_reason", reason);
}

static json_t *openai_answer(sh_job *j)
{
    json_t *choices = json_array();
    for (unsigned i = 0; i < j->n_choices; i++) json_array_append_new(choices, choice_of(j, &j->choices[i]));
    if (json_array_size(choices) != j->n_choices) { /* memory is short: no half answers */
        json_decref(choices);
        return NULL;
    }
    json_t *doc = envelope(j, j->is_chat ? "chat.completion" : "text_completion", choices);
    if (doc) json_object_set_new(doc, "usage", usage_of(j));
    return doc;
}

const sh_render_ops sh_render_openai = {.stream_type = "text/event-stream; charset=utf-8",
                                        .heartbeat = ": still working\n\n",
                                        .begin = openai_begin,
                                        .chunk = openai_chunk,
                                        .end = openai_end,
                                        .answer = openai_answer};
