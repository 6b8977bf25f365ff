/* fuzz: server */
/* fuzz_fields.c - any bytes as the body of each route: what the rows let through has the types and ranges
 * that handlers rely on, and what they refuse is told in an answer that is JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "server/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "fuzz_fields: %s: %s\n", what, detail);
    abort(); /* how a fuzz target reports a finding */
}

/* The handlers cast these without looking again. */
static void use_value(const json_t *body, const sh_field *f)
{
    bool given = json_object_get(body, f->name) && !json_is_null(json_object_get(body, f->name));
    double d = f->kind == SH_FIELD_NUM ? sh_field_num(body, f->name, f->lo) : 0;
    int64_t i = f->kind == SH_FIELD_INT ? sh_field_int(body, f->name, (int64_t)f->lo) : 0;
    /* null in a free-form field is for the handler to refuse. */
    if (f->required && !given && f->kind != SH_FIELD_OTHER) give_up("a required field is absent", f->name);
    if (f->kind == SH_FIELD_NUM && !(d >= f->lo && d <= f->hi)) give_up("a number out of range", f->name);
    if (f->kind == SH_FIELD_INT && !((double)i >= f->lo && (double)i <= f->hi))
        give_up("out of range", f->name);
    if (f->kind == SH_FIELD_STR && given && !sh_field_str(body, f->name, NULL)) give_up("no text", f->name);
}

static void tell(int rc, const char *param, const sh_err *err)
{
    sh_exchange x = {0};
    json_t *answer = NULL;
    sh_err why = {0};
    if (!err->msg[0] || strchr(err->msg, '\n')) give_up("not one line", err->msg);
    sh_reply_failure(&x, rc, param, err);
    if (x.status != 400) give_up("status", err->msg);
    if (sh_json_parse(&answer, x.reply.p, x.reply.n, "answer", &why) < 0)
        give_up("the answer is no JSON", why.msg);
    json_decref(answer);
    sh_buf_clear(&x.reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body = NULL;
    sh_err err = {0};
    int rc = sh_json_parse(&body, (const char *)data, size, "body", &err);
    if (rc < 0) {
        tell(rc, NULL, &err);
        return 0;
    }
    for (const sh_route *r = sh_routes; r->method; r++) {
        const char *param = NULL;
        if (!r->fields) continue;
        if ((rc = sh_fields_check(body, r->fields, &param, &err)) < 0)
            tell(rc, param, &err);
        else
            for (const sh_field *f = r->fields; f->name; f++) use_value(body, f);
    }
    json_decref(body);
    return 0;
}
