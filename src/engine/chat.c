/* chat.c - see chat.h. */
#include "engine/chat.h"

#include "base/mem.h"
#include "os/clock.h"

typedef struct span_list {
    sh_span *spans;
    size_t n, cap;
} span_list;

/* ---- the model's template ---- */

static void special_add(json_t *special, const char *key, const sh_tokenizer *t, sh_token id)
{
    const char *spelling = id >= 0 ? sh_tokenizer_token(t, id) : NULL;
    if (spelling) json_object_set_new(special, key, json_string(spelling));
}

static int render_template(const sh_model *m, const sh_chat_input *in, sh_buf *text, sh_span **spans,
                           size_t *n_spans, sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(m);
    sh_template_opts opts = SH_TEMPLATE_OPTS_INIT;
    enum sh_template_error kind;
    sh_chat_input full = *in;
    json_t *special = NULL;
    opts.now_unix = sh_unix_seconds();
    if (!full.special && t) {
        if (!(special = json_object())) return sh_fail_nomem(err, 64);
        special_add(special, "bos_token", t, sh_tokenizer_bos(t));
        special_add(special, "eos_token", t, sh_tokenizer_eos(t));
        full.special = special;
    }
    int rc = sh_template_chat(sh_model_template(m), &full, &opts, text, spans, n_spans, &kind, err);
    json_decref(special);
    return rc;
}

/* A role comes from the conversation too, but templates build special tokens around it ("<|" + role + "|>").
 * Spans that are just the role of some message, a plain word, are therefore no foreign text. */
static bool is_role(const json_t *messages, sh_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_')) return false;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
        if (role && sh_str_is(s, role)) return true;
    }
    return false;
}

static size_t drop_role_spans(const sh_chat_input *in, sh_str text, sh_span *spans, size_t n_spans)
{
    size_t kept = 0;
    for (size_t i = 0; i < n_spans; i++)
        if (!is_role(in->messages, sh_str_n(text.p + spans[i].begin, spans[i].end - spans[i].begin)))
            spans[kept++] = spans[i];
    return kept;
}

/* ---- plain conversations ---- */

static bool has_chatml(const sh_model *m)
{
    const sh_tokenizer *t = sh_model_tokenizer(m);
    return t && sh_tokenizer_find(t, "<|im_start|>") >= 0 && sh_tokenizer_find(t, "<|im_end|>") >= 0;
}

static int span_add(span_list *list, size_t begin, size_t end, sh_err *err)
{
    if (begin == end) return SH_OK;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        sh_span *spans = sh_realloc(list->spans, cap, sizeof *spans);
        if (!spans) return sh_fail_nomem(err, cap * sizeof *spans);
        list->spans = spans;
        list->cap = cap;
    }
    list->spans[list->n++] = (sh_span){begin, end};
    return SH_OK;
}

/* A string, or the text parts of a list of parts. */
static void add_content(const json_t *content, sh_buf *text)
{
    if (json_is_string(content)) sh_buf_add(text, json_string_value(content), json_string_length(content));
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_object_get(json_array_get(content, i), "text");
        if (json_is_string(part)) sh_buf_add(text, json_string_value(part), json_string_length(part));
    }
}

static void add_role(sh_buf *text, bool chatml, const char *role)
{
    if (chatml) {
        sh_buf_printf(text, "<|im_start|>%s\n", role);
        return;
    }
    char first = role[0] >= 'a' && role[0] <= 'z' ? (char)(role[0] - 'a' + 'A') : role[0];
    sh_buf_printf(text, "%c%s:", first, role + 1);
}

static int add_message(const json_t *message, bool chatml, bool open_ended, sh_buf *text, span_list *spans,
                       sh_err *err)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool", "developer"};
    const char *wanted = json_string_value(json_object_get(message, "role")), *role = NULL;
    for (size_t i = 0; wanted && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(wanted, roles[i]) == 0) role = roles[i];
    if (!role)
        return sh_fail(err, SH_E_INVALID,
                       "a message's role must be system, user, assistant, tool or developer");
    add_role(text, chatml, role);
    if (!chatml) sh_buf_putc(text, ' ');
    size_t begin = text->n;
    add_content(json_object_get(message, "content"), text);
    int rc = span_add(spans, begin, text->n, err);
    if (!open_ended) sh_buf_puts(text, chatml ? "<|im_end|>\n" : "\n");
    return rc;
}

static int render_plain(const sh_model *m, const sh_chat_input *in, sh_buf *text, sh_span **spans,
                        size_t *n_spans, sh_err *err)
{
    bool chatml = has_chatml(m);
    span_list list = {0};
    size_t n = json_array_size(in->messages);
    int rc = SH_OK;
    for (size_t i = 0; i < n && rc == SH_OK; i++) {
        bool open_ended = in->continue_final_message && i + 1 == n;
        rc = add_message(json_array_get(in->messages, i), chatml, open_ended, text, &list, err);
    }
    if (in->add_generation_prompt && !in->continue_final_message) add_role(text, chatml, "assistant");
    if (rc == SH_OK) rc = sh_buf_ok(text, err);
    if (rc < 0 || !spans) {
        sh_free(list.spans);
    } else {
        *spans = list.spans;
        *n_spans = list.n;
    }
    return rc;
}

/* ---- both ---- */

static int render(const sh_model *m, const sh_chat_input *in, sh_buf *text, sh_span **spans, size_t *n_spans,
                  sh_err *err)
{
    return sh_model_template(m) ? render_template(m, in, text, spans, n_spans, err)
                                : render_plain(m, in, text, spans, n_spans, err);
}

int sh_chat_render(const sh_model *m, const sh_chat_input *in, sh_buf *out, sh_err *err)
{
    return render(m, in, out, NULL, NULL, err);
}

/* Encode into memory of a likely size, or once more into memory of the size it turned out to need. */
static int encode_spans(const sh_tokenizer *t, sh_str text, const sh_span *spans, size_t n_spans,
                        bool add_special, sh_token **ids, size_t *n, sh_err *err)
{
    sh_encode_opts opts = {.add_special = add_special, .parse_special = true};
    size_t cap = text.n / 2 + 16;
    for (;;) {
        sh_token *out = sh_new_array(cap, sizeof *out, err);
        if (!out) return SH_E_NOMEM;
        int64_t count = sh_tokenizer_encode_spans(t, text.p, text.n, spans, n_spans, opts, out, cap, err);
        if (count >= 0 && (size_t)count <= cap) {
            *ids = out;
            *n = (size_t)count;
            return SH_OK;
        }
        sh_free(out);
        if (count < 0) return (int)count;
        cap = (size_t)count;
    }
}

int sh_chat_encode(const sh_model *m, const sh_chat_input *in, sh_token **ids, size_t *n, sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(m);
    sh_span *spans = NULL;
    size_t n_spans = 0;
    sh_buf text = {0};
    if (!t)
        return sh_fail(err, SH_E_UNSUPPORTED, "a conversation needs a tokenizer, and this model has none");
    int rc = render(m, in, &text, &spans, &n_spans, err);
    if (rc == SH_OK) n_spans = drop_role_spans(in, sh_buf_str(&text), spans, n_spans);
    if (rc == SH_OK)
        rc = encode_spans(t, sh_buf_str(&text), spans, n_spans, !sh_model_template(m), ids, n, err);
    sh_free(spans);
    sh_buf_clear(&text);
    return rc;
}

const char *sh_chat_stop(const sh_model *m)
{
    return sh_model_template(m) || has_chatml(m) ? NULL : "\nUser:";
}

int sh_text_encode(const sh_model *m, const char *text, size_t n_text, sh_token **ids, size_t *n, sh_err *err)
{
    return sh_spans_encode(m, sh_str_n(text, n_text), NULL, 0, ids, n, err);
}

int sh_spans_encode(const sh_model *m, sh_str text, const sh_span *spans, size_t n_spans, sh_token **ids,
                    size_t *n, sh_err *err)
{
    const sh_tokenizer *t = sh_model_tokenizer(m);
    if (!t) return sh_fail(err, SH_E_UNSUPPORTED, "text needs a tokenizer, and this model has none");
    int rc = encode_spans(t, text, spans, n_spans, true, ids, n, err);
    if (rc < 0 || *n > 0) return rc;
    sh_free(*ids);
    *ids = NULL;
    if (sh_tokenizer_bos(t) < 0) return sh_fail(err, SH_E_INVALID, "the prompt is empty");
    if (!(*ids = sh_new_array(1, sizeof **ids, err))) return SH_E_NOMEM;
    (*ids)[0] = sh_tokenizer_bos(t);
    *n = 1;
    return SH_OK;
}
