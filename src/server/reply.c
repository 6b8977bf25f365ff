/* reply.c - setting the answer of an exchange. */
#include <stdarg.h>
#include <stdio.h>

#include "codec/json.h"
#include "server/exchange.h"

static const char out_of_memory[] =
    "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";

int sh_reply_text(sh_exchange *x, int status, const char *content_type, sh_buf *text)
{
    sh_buf_clear(&x->reply);
    x->status = status;
    x->content_type = content_type;
    x->reply = *text;
    *text = (sh_buf){0};
    if (!x->reply.failed) return SH_OK;
    sh_buf_clear(&x->reply); /* half an answer is worse than none */
    sh_buf_puts(&x->reply, out_of_memory);
    x->content_type = "application/json";
    x->status = 500;
    return SH_OK;
}

int sh_reply_json(sh_exchange *x, int status, json_t *doc)
{
    sh_buf text = {0};
    if (!doc || sh_json_write(&text, doc, 0, NULL) < 0) text.failed = true;
    json_decref(doc);
    return sh_reply_text(x, status, "application/json", &text);
}

static void quote_or_null(sh_buf *out, const char *text)
{
    if (text)
        sh_json_quote(out, text, strlen(text));
    else
        sh_buf_puts(out, "null");
}

bool sh_is_ollama_path(const char *path)
{
    return path && sh_starts_with(path, "/api/");
}

int sh_reply_error(sh_exchange *x, int status, const char *param, const char *code, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    const char *type = status == 401   ? "authentication_error"
                       : status == 403 ? "permission_error"
                       : status == 429 ? "rate_limit_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    /* Quoted here, not by jansson: the message may hold bytes of the request that are no UTF-8, or be cut
     * within a character. */
    sh_buf text = {0};
    if (sh_is_ollama_path(x->path)) {
        sh_buf_puts(&text, "{\"error\":");
        quote_or_null(&text, message);
        sh_buf_puts(&text, "}");
        return sh_reply_text(x, status, "application/json", &text);
    }
    sh_buf_puts(&text, "{\"error\":{\"message\":");
    quote_or_null(&text, message);
    sh_buf_printf(&text, ",\"type\":\"%s\",\"param\":", type);
    quote_or_null(&text, param);
    sh_buf_puts(&text, ",\"code\":");
    quote_or_null(&text, code);
    sh_buf_puts(&text, "}}");
    return sh_reply_text(x, status, "application/json", &text);
}

int sh_reply_failure(sh_exchange *x, int rc, const char *param, const sh_err *err)
{
    switch (rc) {
    case SH_E_BUSY:
        x->extra_name = "Retry-After";
        x->extra_value = "1";
        return sh_reply_error(x, 429, param, "queue_full", "%s", err->msg);
    case SH_E_NOTFOUND:
        return sh_reply_error(x, 404, param, NULL, "%s", err->msg);
    case SH_E_CANCELLED:
        return sh_reply_error(x, 503, param, "stopping", "%s", err->msg);
    case SH_E_NOMEM:
    case SH_E_IO:
        return sh_reply_error(x, 500, param, NULL, "%s", err->msg);
    case SH_E_RANGE:
        return sh_reply_error(x, 400, param, "context_length_exceeded", "%s", err->msg);
    default:
        return sh_reply_error(x, 400, param, NULL, "%s", err->msg);
    }
}
