/* tmpl_chat.c - a conversation, prepared as the transformers library prepares it. */
#include "text/tmpl_render.h"

#include "base/mem.h"

/* Marks the end of the answer that is to be continued. Its last blank tells whether the template keeps
 * trailing blanks. */
static const char tag[] = "CONTINUE_FINAL_MESSAGE_TAG ";
enum { TAG_BYTES = sizeof tag - 1 };

typedef struct chat {
    tmpl_run r;
    const sh_chat_input *in;
    json_t **parsed; /* arguments that were JSON strings; the values borrow from them */
    size_t n_parsed, cap_parsed;
} chat;

static int keep_parsed(chat *c, json_t *j)
{
    if (c->n_parsed == c->cap_parsed) {
        size_t cap = c->cap_parsed ? c->cap_parsed * 2 : 8;
        json_t **more = sh_realloc(c->parsed, cap, sizeof *more);
        if (!more) {
            json_decref(j);
            return c->r.rc = sh_fail_nomem(c->r.err, cap * sizeof *more);
        }
        c->parsed = more;
        c->cap_parsed = cap;
    }
    c->parsed[c->n_parsed++] = j;
    return SH_OK;
}

/* call.function.arguments: a JSON string of an object becomes the object. Anything else stays as it is. */
static int parse_arguments(chat *c, tv call)
{
    tv fn = call.kind == TV_DICT ? sh_dict_get_str(call.d, sh_str_of("function")) : tv_none();
    tv args = fn.kind == TV_DICT ? sh_dict_get_str(fn.d, sh_str_of("arguments")) : tv_none();
    json_error_t why;
    int rc;
    if (args.kind != TV_STR) return SH_OK;
    json_t *j = json_loadb(args.s->p, args.s->n, 0, &why);
    if (!j) return SH_OK;
    if (!json_is_object(j)) {
        json_decref(j);
        return SH_OK;
    }
    if ((rc = keep_parsed(c, j)) < 0 || (rc = sh_tv_from_json(&c->r, j, true, &args)) < 0) return rc;
    const tv_str *key = sh_ts_new(&c->r, "arguments", 9, true);
    return key ? sh_dict_set(&c->r, fn.d, tv_of(key), args) : c->r.rc;
}

static int fill_alias(tmpl_run *r, tv_dict *msg, const char *name, tv value)
{
    if (sh_dict_get_str(msg, sh_str_of(name)).kind != TV_MISSING) return SH_OK;
    const tv_str *key = sh_ts_new(r, name, strlen(name), true);
    return key ? sh_dict_set(r, msg, tv_of(key), value) : r->rc;
}

static int fill_reasoning(tmpl_run *r, tv_dict *msg)
{
    static const char *const aliases[] = {"reasoning_content", "thinking", "reasoning"};
    tv value = {0};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases && !value.kind; i++)
        value = sh_dict_get_str(msg, sh_str_of(aliases[i]));
    if (!value.kind) return SH_OK;
    int rc = fill_alias(r, msg, "reasoning_content", value);
    return rc < 0 ? rc : fill_alias(r, msg, "thinking", value);
}

static int prepare_message(chat *c, const json_t *message, tv *out)
{
    tv whole;
    int rc = sh_tv_from_json(&c->r, message, true, &whole);
    if (rc < 0) return rc;
    if (whole.kind != TV_DICT) return sh_tmpl_type_error(&c->r, "a message is not an object");
    tv_dict *msg = sh_dict_new(&c->r, whole.d->n);
    if (!msg) return c->r.rc;
    for (uint32_t i = 0; i < whole.d->n; i++) {
        if (whole.d->vals[i].kind == TV_NONE) continue;
        if ((rc = sh_dict_set(&c->r, msg, whole.d->keys[i], whole.d->vals[i])) < 0) return rc;
    }
    if ((rc = fill_reasoning(&c->r, msg)) < 0) return rc;
    tv calls = sh_dict_get_str(msg, sh_str_of("tool_calls"));
    if (c->in->parse_tool_arguments && tv_is_list(calls))
        for (size_t i = 0; i < calls.seq->n; i++)
            if ((rc = parse_arguments(c, calls.seq->items[i])) < 0) return rc;
    *out = (tv){.kind = TV_DICT, .d = msg};
    return SH_OK;
}

/* Append the tag to the text of dict[key]. */
static int append_tag(chat *c, tv_dict *d, const char *key)
{
    tv v = sh_dict_get_str(d, sh_str_of(key));
    if (v.kind != TV_STR) return sh_tmpl_type_error(&c->r, "the last message has no text to continue");
    const tv_str *mark = sh_ts_new(&c->r, tag, TAG_BYTES, true),
                 *name = sh_ts_new(&c->r, key, strlen(key), true);
    const tv_str *both = mark && name ? sh_ts_concat(&c->r, v.s, mark) : NULL;
    if (!both) return c->r.rc;
    return sh_dict_set(&c->r, d, tv_of(name), tv_of(both));
}

static int mark_end(chat *c, tv last)
{
    tv content = last.kind == TV_DICT ? sh_dict_get_str(last.d, sh_str_of("content")) : tv_none();
    if (!tv_is_list(content))
        return last.kind == TV_DICT ? append_tag(c, last.d, "content")
                                    : sh_tmpl_type_error(&c->r, "there is no message to continue");
    for (size_t i = content.seq->n; i-- > 0;) {
        tv part = content.seq->items[i];
        if (part.kind == TV_DICT && sh_dict_get_str(part.d, sh_str_of("text")).kind != TV_MISSING)
            return append_tag(c, part.d, "text");
    }
    return sh_tmpl_type_error(&c->r, "the last message has no text to continue");
}

static int prepare(chat *c)
{
    tmpl_run *r = &c->r;
    size_t n = json_array_size(c->in->messages);
    tv messages, tools, *items = sh_tmpl_alloc(r, n, sizeof *items);
    int rc;
    if (!items) return r->rc;
    for (size_t i = 0; i < n; i++)
        if ((rc = prepare_message(c, json_array_get(c->in->messages, i), &items[i])) < 0) return rc;
    if (c->in->continue_final_message && (rc = mark_end(c, n ? items[n - 1] : tv_none())) < 0) return rc;
    if ((rc = sh_tv_list_of(r, items, n, SEQ_LIST, &messages)) < 0) return rc;
    if ((rc = sh_tmpl_set_json(r, c->in->special)) < 0 || (rc = sh_tmpl_set_json(r, c->in->kwargs)) < 0)
        return rc;
    if ((rc = sh_tv_from_json(r, c->in->tools, false, &tools)) < 0) return rc;
    if (!json_object_get(c->in->kwargs, "documents")) sh_tmpl_set(r, "documents", tv_none());
    sh_tmpl_set(r, "messages", messages);
    sh_tmpl_set(r, "tools", tools);
    sh_tmpl_set(r, "add_generation_prompt", tv_bool(c->in->add_generation_prompt));
    return SH_OK;
}

/* Where a rendering that is to be continued ends: at the last tag, before blanks that the template would have
 * trimmed. */
static int cut_at_tag(chat *c, const tv_str *text, size_t *n)
{
    sh_str all = sh_ts_str(text), mark = {tag, TAG_BYTES - 1};
    size_t at = SIZE_MAX;
    for (size_t i = 0; (i = sh_str_find(all, mark, i)) != SIZE_MAX; i++) at = i;
    if (at == SIZE_MAX)
        return sh_tmpl_type_error(&c->r, "the message to continue does not appear in what the template made");
    *n = at;
    if (all.n - at >= TAG_BYTES && all.p[at + TAG_BYTES - 1] == ' ') return SH_OK;
    tv kept;
    const tv_str *before = sh_ts_sub(&c->r, text, 0, at);
    int rc = before ? sh_ts_strip(&c->r, before, tv_none(), 2, &kept) : c->r.rc;
    if (rc == SH_OK) *n = kept.s->n;
    return rc;
}

int sh_template_chat(const sh_template *t, const sh_chat_input *in, const sh_template_opts *opts, sh_buf *out,
                     sh_span **spans, size_t *n_spans, enum sh_template_error *kind, sh_err *err)
{
    chat c = {.in = in};
    const tv_str *text;
    size_t n = 0;
    int rc = sh_tmpl_begin(&c.r, t, opts, err);
    if (rc == SH_OK && in->continue_final_message && in->add_generation_prompt)
        rc = sh_tmpl_type_error(&c.r, "continue_final_message and add_generation_prompt exclude each other");
    if (rc == SH_OK) rc = prepare(&c);
    if (rc == SH_OK) rc = sh_tmpl_text(&c.r, &text);
    if (rc == SH_OK) n = text->n;
    if (rc == SH_OK && in->continue_final_message) rc = cut_at_tag(&c, text, &n);
    if (rc == SH_OK) rc = sh_tmpl_deliver(&c.r, text, n, out, spans, n_spans);
    sh_tmpl_end(&c.r, kind);
    for (size_t i = 0; i < c.n_parsed; i++) json_decref(c.parsed[i]);
    sh_free(c.parsed);
    return rc;
}
