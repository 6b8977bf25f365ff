/* api_text.c - POST /tokenize and /detokenize. */
#include "base/mem.h"
#include "codec/json.h"
#include "server/server_internal.h"

#define IDS_SCHEMA "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0}}"

const sh_field sh_tokenize_fields[] = {
    {"content", SH_FIELD_STR, 0, 0, true, false, NULL, "The text."},
    {"model", SH_FIELD_STR, 0, 0, false, true, NULL, "A name that GET /v1/models lists; absent: the first."},
    {"add_special", SH_FIELD_BOOL, 0, 0, false, true, NULL,
     "Add the tokens that begin or end every text (default false)."},
    {"parse_special", SH_FIELD_BOOL, 0, 0, false, true, NULL,
     "Special tokens written in the text become those tokens (default true)."},
    {"with_pieces", SH_FIELD_BOOL, 0, 0, false, true, NULL,
     "Answer with objects {id, piece} instead of ids."},
    {0},
};

const sh_field sh_detokenize_fields[] = {
    {"tokens", SH_FIELD_OTHER, 0, 0, true, false, IDS_SCHEMA, "Token ids."},
    {"model", SH_FIELD_STR, 0, 0, false, true, NULL, "A name that GET /v1/models lists; absent: the first."},
    {"skip_special", SH_FIELD_BOOL, 0, 0, false, true, NULL, "Leave control tokens out (default false)."},
    {0},
};

/* Written straight as text: as JSON values the tokens of one large body would take hundreds of megabytes. */
static void tokens_text(sh_buf *out, const sh_tokenizer *t, const sh_token *ids, size_t n, bool with_pieces)
{
    sh_buf_puts(out, "{\"tokens\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) sh_buf_putc(out, ',');
        if (!with_pieces) {
            sh_buf_printf(out, "%d", (int)ids[i]);
            continue;
        }
        const char *spelling = sh_tokenizer_token(t, ids[i]);
        sh_buf_printf(out, "{\"id\":%d,\"piece\":", (int)ids[i]);
        sh_json_quote(out, spelling ? spelling : "", spelling ? strlen(spelling) : 0);
        sh_buf_putc(out, '}');
    }
    sh_buf_printf(out, "],\"count\":%zu}", n);
}

static int64_t encode(const sh_tokenizer *t, const json_t *text, sh_encode_opts eo, sh_token *ids, size_t cap,
                      sh_err *err)
{
    return sh_tokenizer_encode(t, json_string_value(text), json_string_length(text), eo, ids, cap, err);
}

int sh_api_tokenize(sh_exchange *x)
{
    const sh_served_model *m = sh_find_model(x, sh_field_str(x->json, "model", NULL));
    if (!m) return SH_OK;
    const sh_tokenizer *t = sh_model_tokenizer(m->model);
    const json_t *content = json_object_get(x->json, "content");
    sh_encode_opts eo = {.add_special = sh_field_bool(x->json, "add_special", false),
                         .parse_special = sh_field_bool(x->json, "parse_special", true)};
    sh_err err = {0};
    /* A token spells at least one byte in nearly every text: one pass, not one to count and one to write. */
    size_t cap = json_string_length(content) + 16;
    sh_token *ids = sh_new_array(cap, sizeof *ids, &err);
    int64_t n = ids ? encode(t, content, eo, ids, cap, &err) : SH_E_NOMEM;
    if (n > (int64_t)cap) {
        sh_free(ids);
        cap = (size_t)n;
        ids = sh_new_array(cap, sizeof *ids, &err);
        n = ids ? encode(t, content, eo, ids, cap, &err) : SH_E_NOMEM;
    }
    if (n < 0) {
        sh_reply_failure(x, (int)n, "content", &err);
    } else {
        sh_buf text = {0};
        tokens_text(&text, t, ids, (size_t)n, sh_field_bool(x->json, "with_pieces", false));
        sh_reply_text(x, 200, "application/json", &text);
    }
    sh_free(ids);
    return SH_OK;
}

static int read_ids(sh_token *ids, const json_t *list, int32_t n_vocab, sh_err *err)
{
    const json_t *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id >= n_vocab)
            return sh_fail(err, SH_E_INVALID, "'tokens[%zu]': expected a token id from 0 to %d", i,
                           n_vocab - 1);
        ids[i] = (sh_token)id;
    }
    return SH_OK;
}

int sh_api_detokenize(sh_exchange *x)
{
    const sh_served_model *m = sh_find_model(x, sh_field_str(x->json, "model", NULL));
    if (!m) return SH_OK;
    const sh_tokenizer *t = sh_model_tokenizer(m->model);
    const json_t *list = json_object_get(x->json, "tokens");
    bool skip = sh_field_bool(x->json, "skip_special", false);
    sh_err err = {0};
    sh_buf text = {0}, quoted = {0};
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return sh_reply_error(x, 400, "tokens", NULL, "'tokens': expected a list of token ids");
    sh_token *ids = sh_new_array(n + 1, sizeof *ids, &err);
    int rc = ids ? read_ids(ids, list, sh_tokenizer_size(t), &err) : SH_E_NOMEM;
    int64_t len = rc < 0 ? rc : sh_tokenizer_decode(t, ids, n, skip, NULL, 0, &err);
    if (len >= 0 && !sh_buf_reserve(&text, (size_t)len)) len = sh_fail_nomem(&err, (unsigned long long)len);
    if (len >= 0) len = sh_tokenizer_decode(t, ids, n, skip, text.p, (size_t)len, &err);
    if (len < 0) {
        sh_reply_failure(x, len == SH_E_RANGE ? SH_E_INVALID : (int)len, "tokens", &err);
    } else {
        sh_buf_puts(&quoted, "{\"content\":");
        sh_json_quote(&quoted, text.p, (size_t)len); /* ill-formed bytes become U+FFFD */
        sh_buf_puts(&quoted, "}");
        sh_reply_text(x, 200, "application/json", &quoted);
    }
    sh_buf_clear(&quoted);
    sh_buf_clear(&text);
    sh_free(ids);
    return SH_OK;
}
