/* fuzz: codec */
/* fuzz_json_reader.c - any bytes through the reader, the tree and the writer, with jansson as the judge:
 * both accept the same texts (but for what json.h says differs), and equal texts give equal trees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "fuzz_json_reader: %s: %s\n", what, detail);
    abort(); /* how a fuzz target reports a finding */
}

/* Every byte of every view is read, so that a sanitizer sees a wrong one. */
static int read_events(const char *p, size_t n, sh_err *err)
{
    sh_json_reader r;
    unsigned depth = 0, sum = 0;
    int t;
    sh_json_reader_init(&r, p, n, "fuzz");
    while ((t = sh_json_next(&r, err)) > 0) {
        if (t == SH_JSON_KEY || t == SH_JSON_STRING)
            for (size_t i = 0; i < r.str.n; i++) sum += (unsigned char)r.str.p[i];
        depth += t == SH_JSON_OBJECT || t == SH_JSON_ARRAY;
        depth -= t == SH_JSON_OBJECT_END || t == SH_JSON_ARRAY_END;
    }
    if (t == SH_JSON_END && depth) give_up("unbalanced events", "");
    sh_json_reader_clear(&r);
    return t + (int)(sum & 0);
}

/* Why jansson may refuse what we take. */
static int is_known_difference(const json_error_t *e)
{
    return json_error_code(e) == json_error_null_byte_in_key || strstr(e->text, "invalid Unicode") != NULL;
}

static void judge(const char *p, size_t n, int rc, const json_t *ours, const sh_err *err)
{
    json_error_t e, big;
    if (memchr(p, 0, n) && rc < 0) return; /* jansson 2.14 takes a NUL after the document for its end */
    json_t *theirs = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (theirs && rc == SH_OK && !json_equal(ours, theirs)) give_up("trees differ", "");
    if (theirs && rc < 0 && rc != SH_E_LIMIT) give_up("refused, jansson accepts", err->msg);
    if (!theirs && rc == SH_OK && !is_known_difference(&e)) {
        /* Integers beyond 64 bits are reals to us: ask again with all integers as reals. */
        theirs = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &big);
        if (!theirs && !is_known_difference(&big)) give_up("accepted, jansson refuses", big.text);
    }
    json_decref(theirs);
}

static void write_and_read_again(const json_t *v)
{
    static const size_t flags[] = {0, JSON_INDENT(2) | JSON_SORT_KEYS, JSON_ENSURE_ASCII};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        sh_buf text = {0};
        json_t *again = NULL;
        sh_err err = {0};
        if (sh_json_write(&text, v, flags[i], &err) < 0) give_up("cannot be written", err.msg);
        if (sh_json_parse(&again, text.p, text.n, "again", &err) < 0) give_up("written text is refused", err.msg);
        if (!json_equal(v, again)) give_up("written text means something else", text.p);
        json_decref(again);
        sh_buf_clear(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    sh_err err = {0}, reader_err = {0};
    json_t *v = NULL;
    int reader_rc = read_events(p, size, &reader_err);
    int rc = sh_json_parse(&v, p, size, "fuzz", &err);
    /* The tree refuses one thing more, a NUL in a key: it may do so before the reader meets another fault. */
    bool nul_key = rc == SH_E_CORRUPT && strstr(err.msg, "NUL");
    if (reader_rc != rc && !nul_key) give_up("reader and tree disagree", err.msg);
    if (!nul_key) judge(p, size, rc, v, &err);
    if (rc == SH_OK) write_and_read_again(v);
    json_decref(v);
    return 0;
}
