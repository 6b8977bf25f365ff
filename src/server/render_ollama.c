/* render_ollama.c - generations in the JSON of Ollama's API: whole answers, or one object a line. */
#include "codec/json.h"
#include "engine/chat.h"
#include "server/ollama.h"
#include "server/render.h"

static json_t *head_of(const sh_job *j, bool done)
{
    char now[32];
    sh_ollama_time(now, j->created_unix);
    return json_pack("{s:s,s:s,s:b}", "model", j->model->name, "created_at", now, "done", done);
}

static void send_line(sh_buf *out, json_t *doc)
{
    if (!doc || sh_json_write(out, doc, 0, NULL) < 0) out->failed = true;
    sh_buf_puts(out, "\n");
    json_decref(doc);
}

static void set_text(const sh_job *j, json_t *doc, const char *p, size_t n)
{
    json_t *text = sh_render_text(p, n);
    if (j->is_chat)
        json_object_set_new(doc, "message", json_pack("{s:s,s:o}", "role", "assistant", "content", text));
    else
        json_object_set_new(doc, "response", text);
}

static void set_context(const sh_choice *c, json_t *doc)
{
    json_t *context = json_array();
    for (size_t i = 0; i + sizeof(sh_token) <= c->ids.n; i += sizeof(sh_token)) {
        sh_token id;
        memcpy(&id, c->ids.p + i, sizeof id);
        json_array_append_new(context, json_integer(id));
    }
    json_object_set_new(doc, "context", context);
}

/* Why it ended, and the counts. Times are in nanoseconds; a model is loaded when the server starts, so what
 * stands before the prompt is the time in the queue. */
static void set_end(const sh_job *j, const sh_choice *c, json_t *doc)
{
    json_object_set_new(doc, "done_reason", json_string(c->finish == SH_FINISH_LENGTH ? "length" : "stop"));
    if (j->keep_ids) set_context(c, doc);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"total_duration", 1000 * (c->queue_us + c->prefill_us + c->decode_us)},
        {"load_duration", 1000 * c->queue_us},
        {"prompt_eval_count", c->n_prompt},
        {"prompt_eval_duration", 1000 * c->prefill_us},
        {"eval_count", c->n_generated},
        {"eval_duration", 1000 * c->decode_us},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_object_set_new(doc, counts[i].name, json_integer((json_int_t)counts[i].value));
}

static void ollama_begin(sh_job *j, sh_buf *out)
{
    (void)j;
    (void)out;
}

static void ollama_chunk(sh_job *j, sh_choice *c, const sh_event *ev, sh_buf *out)
{
    bool has_logprob = j->want_logprobs && ev->kind == SH_EVENT_TOKEN;
    if (ev->n_text || has_logprob) {
        json_t *doc = head_of(j, false);
        set_text(j, doc, ev->text, ev->n_text);
        if (has_logprob)
            json_object_set_new(doc, "logprobs", json_pack("[o]", sh_render_token_logprob(j, ev)));
        send_line(out, doc);
    }
    if (ev->kind != SH_EVENT_DONE) return;
    if (c->finish == SH_FINISH_ERROR || c->finish == SH_FINISH_CANCELLED) {
        const char *text = c->finish == SH_FINISH_CANCELLED ? "the generation was cancelled" : c->error.msg;
        send_line(out, json_pack("{s:o}", "error", sh_render_text(text, strlen(text))));
        return;
    }
    json_t *doc = head_of(j, true);
    set_text(j, doc, "", 0);
    set_end(j, c, doc);
    send_line(out, doc);
}

static void ollama_end(sh_job *j, sh_buf *out)
{
    (void)j;
    (void)out;
}

static json_t *ollama_answer(sh_job *j)
{
    sh_choice *c = &j->choices[0];
    json_t *doc = c->text.failed || c->ids.failed ? NULL : head_of(j, true);
    if (!doc) return NULL;
    set_text(j, doc, c->text.p, c->text.n);
    if (c->logprobs) json_object_set(doc, "logprobs", c->logprobs);
    set_end(j, c, doc);
    return doc;
}

/* A blank before the next object is white space to every JSON reader; an empty line would be an object less.
 */
const sh_render_ops sh_render_ollama = {.stream_type = "application/x-ndjson",
                                        .heartbeat = " ",
                                        .begin = ollama_begin,
                                        .chunk = ollama_chunk,
                                        .end = ollama_end,
                                        .answer = ollama_answer};
