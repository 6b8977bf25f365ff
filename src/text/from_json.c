/* from_json.c - tokenizer.json: the vocabulary and merges are streamed, the small sections become trees.
 *
 * A vocabulary of 150,000 entries is most of the file; its strings are views into the text unless an escape
 * had to be decoded. The order of members is free, so everything is collected first and built afterwards. */
#include "text/from_json.h"

#include <string.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_reader.h"

enum { MAX_ID = 1 << 24 };

typedef struct json_token {
    sh_str text;
    double score;
    int64_t id;
} json_token;

typedef struct json_doc {
    sh_arena *arena;
    const char *where;
    json_token *tokens;
    size_t n_tokens, cap_tokens;
    sh_str *merges;              /* two each */
    size_t n_merges, cap_merges; /* counted in strings */
    sh_str type, unk_token, prefix, suffix;
    bool has_unk_token, is_list, byte_fallback, fuse_unk, ignore_merges, has_model;
    int64_t unk_id, max_chars;
    sh_str normalizer, pre_tokenizer, post_processor, decoder, added;
    sh_err *err;
} json_doc;

static int grow(void **items, size_t n, size_t *cap, size_t size, sh_err *err)
{
    if (n < *cap) return SH_OK;
    size_t more = *cap ? *cap * 2 : 1024;
    void *p = sh_realloc(*items, more, size);
    if (!p) return sh_fail_nomem(err, more * size);
    *items = p;
    *cap = more;
    return SH_OK;
}

/* A string that outlives the reader's scratch. */
static int keep(json_doc *d, const sh_json_reader *r, sh_str *out)
{
    *out = r->str;
    if (r->str.n && r->str.p >= r->begin && r->str.p < r->end) return SH_OK;
    out->p = sh_arena_strndup(d->arena, r->str.p, r->str.n);
    return out->p ? SH_OK : sh_fail_nomem(d->err, r->str.n);
}

static int wrong(json_doc *d, const sh_json_reader *r, const char *what)
{
    return sh_fail(d->err, SH_E_CORRUPT, "%s: byte %zu: %s", d->where, (size_t)(r->p - r->begin), what);
}

static int add_token(json_doc *d, sh_str text, int64_t id, double score)
{
    int rc = grow((void **)&d->tokens, d->n_tokens, &d->cap_tokens, sizeof *d->tokens, d->err);
    if (rc == SH_OK) d->tokens[d->n_tokens++] = (json_token){text, score, id};
    return rc;
}

/* {"token": id, ...} */
static int read_vocab_object(json_doc *d, sh_json_reader *r)
{
    int ev, rc;
    sh_str text;
    while ((ev = sh_json_next(r, d->err)) == SH_JSON_KEY) {
        if ((rc = keep(d, r, &text)) < 0) return rc;
        if ((ev = sh_json_next(r, d->err)) < 0) return ev;
        if (ev != SH_JSON_NUMBER || !r->is_int || r->integer < 0 || r->integer >= MAX_ID)
            return wrong(d, r, "expected a token id from 0 to 16777215");
        if ((rc = add_token(d, text, r->integer, 0)) < 0) return rc;
    }
    return ev < 0 ? ev : SH_OK;
}

/* [["token", score], ...] */
static int read_vocab_list(json_doc *d, sh_json_reader *r)
{
    int ev, rc;
    sh_str text;
    d->is_list = true;
    while ((ev = sh_json_next(r, d->err)) == SH_JSON_ARRAY) {
        if ((ev = sh_json_next(r, d->err)) < 0) return ev;
        if (ev != SH_JSON_STRING) return wrong(d, r, "expected a token's spelling");
        if ((rc = keep(d, r, &text)) < 0) return rc;
        if ((ev = sh_json_next(r, d->err)) < 0) return ev;
        if (ev != SH_JSON_NUMBER) return wrong(d, r, "expected a token's score");
        if ((rc = add_token(d, text, (int64_t)d->n_tokens, r->num)) < 0) return rc;
        if ((ev = sh_json_next(r, d->err)) < 0) return ev;
        if (ev != SH_JSON_ARRAY_END) return wrong(d, r, "expected the end of a [token, score] pair");
        if (d->n_tokens > MAX_ID) return wrong(d, r, "the vocabulary has more than 16777216 tokens");
    }
    if (ev < 0) return ev;
    return ev == SH_JSON_ARRAY_END ? SH_OK : wrong(d, r, "expected a [token, score] pair");
}

static int add_merge(json_doc *d, sh_str a, sh_str b)
{
    int rc = grow((void **)&d->merges, d->n_merges + 1, &d->cap_merges, sizeof *d->merges, d->err);
    if (rc < 0) return rc;
    d->merges[d->n_merges++] = a;
    d->merges[d->n_merges++] = b;
    return SH_OK;
}

/* "a b" or ["a", "b"] */
static int read_merge(json_doc *d, sh_json_reader *r, int ev)
{
    sh_str a, b;
    int rc;
    if (ev == SH_JSON_STRING) {
        if ((rc = keep(d, r, &a)) < 0) return rc;
        const char *space = memchr(a.p, ' ', a.n);
        if (!space) return wrong(d, r, "a merge has no space between its parts");
        size_t n = (size_t)(space - a.p);
        return add_merge(d, sh_str_n(a.p, n), sh_str_n(space + 1, a.n - n - 1));
    }
    if (ev != SH_JSON_ARRAY) return wrong(d, r, "expected a merge");
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_STRING) return wrong(d, r, "expected the left part of a merge");
    if ((rc = keep(d, r, &a)) < 0) return rc;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_STRING) return wrong(d, r, "expected the right part of a merge");
    if ((rc = keep(d, r, &b)) < 0) return rc;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_ARRAY_END) return wrong(d, r, "expected the end of a merge");
    return add_merge(d, a, b);
}

static int read_merges(json_doc *d, sh_json_reader *r)
{
    int ev, rc;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_ARRAY) return wrong(d, r, "expected a list of merges");
    while ((ev = sh_json_next(r, d->err)) > 0 && ev != SH_JSON_ARRAY_END)
        if ((rc = read_merge(d, r, ev)) < 0) return rc;
    return ev < 0 ? ev : SH_OK;
}

static int read_str(json_doc *d, sh_json_reader *r, sh_str *out)
{
    int ev = sh_json_next(r, d->err);
    if (ev < 0) return ev;
    if (ev == SH_JSON_NULL) return SH_OK;
    return ev == SH_JSON_STRING ? keep(d, r, out) : wrong(d, r, "expected a string");
}

static int read_bool(json_doc *d, sh_json_reader *r, bool *out)
{
    int ev = sh_json_next(r, d->err);
    if (ev < 0) return ev;
    if (ev == SH_JSON_BOOL) *out = r->flag;
    return ev == SH_JSON_BOOL || ev == SH_JSON_NULL ? SH_OK : wrong(d, r, "expected true or false");
}

static int read_count(json_doc *d, sh_json_reader *r, int64_t *out)
{
    int ev = sh_json_next(r, d->err);
    if (ev < 0) return ev;
    if (ev == SH_JSON_NULL) return SH_OK;
    if (ev != SH_JSON_NUMBER || !r->is_int || r->integer < 0) return wrong(d, r, "expected a count");
    *out = r->integer;
    return SH_OK;
}

static int read_model(json_doc *d, sh_json_reader *r)
{
    int ev, rc;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_OBJECT) return wrong(d, r, "expected the model object");
    d->has_model = true;
    while ((ev = sh_json_next(r, d->err)) == SH_JSON_KEY) {
        sh_str key = r->str;
        if (sh_str_is(key, "type")) {
            rc = read_str(d, r, &d->type);
        } else if (sh_str_is(key, "vocab")) {
            if ((ev = sh_json_next(r, d->err)) < 0) return ev;
            rc = ev == SH_JSON_OBJECT  ? read_vocab_object(d, r)
                 : ev == SH_JSON_ARRAY ? read_vocab_list(d, r)
                                       : wrong(d, r, "expected a vocabulary");
        } else if (sh_str_is(key, "merges")) {
            rc = read_merges(d, r);
        } else if (sh_str_is(key, "unk_token")) {
            rc = read_str(d, r, &d->unk_token);
        } else if (sh_str_is(key, "unk_id")) {
            rc = read_count(d, r, &d->unk_id);
        } else if (sh_str_is(key, "continuing_subword_prefix")) {
            rc = read_str(d, r, &d->prefix);
        } else if (sh_str_is(key, "end_of_word_suffix")) {
            rc = read_str(d, r, &d->suffix);
        } else if (sh_str_is(key, "max_input_chars_per_word")) {
            rc = read_count(d, r, &d->max_chars);
        } else if (sh_str_is(key, "fuse_unk")) {
            rc = read_bool(d, r, &d->fuse_unk);
        } else if (sh_str_is(key, "byte_fallback")) {
            rc = read_bool(d, r, &d->byte_fallback);
        } else if (sh_str_is(key, "ignore_merges")) {
            rc = read_bool(d, r, &d->ignore_merges);
        } else {
            rc = sh_json_skip(r, d->err);
        }
        if (rc < 0) return rc;
    }
    return ev < 0 ? ev : SH_OK;
}

static int read_document(json_doc *d, sh_json_reader *r)
{
    int ev, rc;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    if (ev != SH_JSON_OBJECT) return wrong(d, r, "expected an object");
    while ((ev = sh_json_next(r, d->err)) == SH_JSON_KEY) {
        sh_str *section = sh_str_is(r->str, "normalizer")       ? &d->normalizer
                          : sh_str_is(r->str, "pre_tokenizer")  ? &d->pre_tokenizer
                          : sh_str_is(r->str, "post_processor") ? &d->post_processor
                          : sh_str_is(r->str, "decoder")        ? &d->decoder
                          : sh_str_is(r->str, "added_tokens")   ? &d->added
                                                                : NULL;
        if (sh_str_is(r->str, "model")) {
            rc = read_model(d, r);
        } else {
            const char *begin = r->p;
            rc = sh_json_skip(r, d->err);
            if (section) *section = sh_str_n(begin, (size_t)(r->p - begin));
        }
        if (rc < 0) return rc;
    }
    if (ev < 0) return ev;
    if ((ev = sh_json_next(r, d->err)) < 0) return ev;
    return d->has_model && d->n_tokens ? SH_OK : wrong(d, r, "the file has no model with a vocabulary");
}

static int parse_section(sh_str text, json_t **out, const char *where, sh_err *err)
{
    while (text.n && (*text.p == ' ' || *text.p == '\n' || *text.p == '\r' || *text.p == '\t'))
        text.p++, text.n--;
    if (!text.n || *text.p == 'n') return SH_OK;
    return sh_json_parse(out, text.p, text.n, where, err);
}

static int parse_sections(const json_doc *d, json_parts *p, sh_str config, sh_err *err)
{
    int rc;
    if ((rc = parse_section(d->normalizer, &p->normalizer, d->where, err)) < 0) return rc;
    if ((rc = parse_section(d->pre_tokenizer, &p->pre_tokenizer, d->where, err)) < 0) return rc;
    if ((rc = parse_section(d->post_processor, &p->post_processor, d->where, err)) < 0) return rc;
    if ((rc = parse_section(d->decoder, &p->decoder, d->where, err)) < 0) return rc;
    if ((rc = parse_section(d->added, &p->added, d->where, err)) < 0) return rc;
    return parse_section(config, &p->config, "tokenizer_config.json", err);
}

/* --- building --- */

static int added_of(const json_t *v, tok_added *a, const char *where, sh_err *err)
{
    const json_t *content = json_object_get(v, "content");
    json_int_t id = json_integer_value(json_object_get(v, "id"));
    if (!json_is_string(content) || !json_is_integer(json_object_get(v, "id")) || id < 0 || id >= MAX_ID)
        return sh_fail(err, SH_E_CORRUPT, "%s: an added token needs \"content\" and an \"id\" below 16777216",
                       where);
    *a = (tok_added){.id = (int32_t)id,
                     .content = sh_str_n(json_string_value(content), json_string_length(content)),
                     .single_word = json_is_true(json_object_get(v, "single_word")),
                     .lstrip = json_is_true(json_object_get(v, "lstrip")),
                     .rstrip = json_is_true(json_object_get(v, "rstrip")),
                     .normalized = json_is_true(json_object_get(v, "normalized")),
                     .special = json_is_true(json_object_get(v, "special"))};
    return SH_OK;
}

static int count_ids(const json_doc *d, const json_t *added, size_t *n, sh_err *err)
{
    tok_added a;
    size_t i;
    const json_t *item;
    *n = 0;
    for (i = 0; i < d->n_tokens; i++)
        if ((size_t)d->tokens[i].id >= *n) *n = (size_t)d->tokens[i].id + 1;
    json_array_foreach(added, i, item)
    {
        int rc = added_of(item, &a, d->where, err);
        if (rc < 0) return rc;
        if ((size_t)a.id >= *n) *n = (size_t)a.id + 1;
    }
    if (*n > 2 * (d->n_tokens + json_array_size(added)) + 65536)
        return sh_fail(err, SH_E_CORRUPT, "%s: token ids reach %zu, but there are only %zu tokens", d->where,
                       *n - 1, d->n_tokens + json_array_size(added));
    return SH_OK;
}

static bool is_byte_name(sh_str s)
{
    return s.n == 6 && memcmp(s.p, "<0x", 3) == 0 && s.p[5] == '>';
}

static int build_vocab(sh_tokenizer *t, const json_doc *d, const json_parts *parts, double **scores,
                       sh_err *err)
{
    size_t n, i;
    const json_t *item;
    int rc = count_ids(d, parts->added, &n, err);
    if (rc < 0) return rc;
    tok_entry *e = sh_new_array(n, sizeof *e, err);
    *scores = sh_new_array(n, sizeof **scores, err);
    if (!e || !*scores) {
        rc = SH_E_NOMEM;
        goto out;
    }
    for (i = 0; i < d->n_tokens; i++) {
        const json_token *tok = &d->tokens[i];
        bool byte = d->byte_fallback && is_byte_name(tok->text);
        e[tok->id] = (tok_entry){tok->text, byte ? TOK_BYTE : TOK_NORMAL, true, false};
        (*scores)[tok->id] = tok->score;
    }
    json_array_foreach(parts->added, i, item)
    {
        tok_added a;
        if ((rc = added_of(item, &a, d->where, err)) < 0) goto out;
        bool known = e[a.id].text.p && sh_str_eq(e[a.id].text, a.content);
        if (!known) e[a.id] = (tok_entry){a.content, TOK_NORMAL, false, false};
        e[a.id].type = a.special ? TOK_CONTROL : TOK_USER;
    }
    bool bytes = t->model == MODEL_BPE && (json_has_type(parts->pre_tokenizer, "ByteLevel") ||
                                           json_has_type(parts->normalizer, "ByteLevel"));
    rc = vocab_build(&t->vocab, t->arena, e, n, bytes, err);
    json_array_foreach(parts->added, i, item)
    {
        tok_added a;
        if (rc < 0 || (rc = added_of(item, &a, d->where, err)) < 0 || (rc = tok_added_add(t, &a, err)) < 0)
            break;
    }
out:
    sh_free(e);
    return rc;
}

static int pick_model(sh_tokenizer *t, const json_doc *d, sh_err *err)
{
    static const struct {
        const char *name;
        enum tok_model model;
    } names[] = {{"BPE", MODEL_BPE},
                 {"Unigram", MODEL_UNIGRAM},
                 {"WordPiece", MODEL_WORDPIECE},
                 {"WordLevel", MODEL_WORDLEVEL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sh_str_is(d->type, names[i].name)) return t->model = names[i].model, SH_OK;
    if (d->type.n)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: a model of type \"%.*s\" is not known", d->where,
                       (int)(d->type.n < 64 ? d->type.n : 64), d->type.p);
    t->model = d->is_list          ? MODEL_UNIGRAM
               : d->n_merges       ? MODEL_BPE
               : d->max_chars >= 0 ? MODEL_WORDPIECE
                                   : MODEL_WORDLEVEL;
    return SH_OK;
}

static int build_model(sh_tokenizer *t, const json_doc *d, const double *scores, sh_err *err)
{
    int rc;
    t->bpe.fuse_unk = d->fuse_unk;
    t->bpe.byte_fallback = d->byte_fallback;
    t->bpe.ignore_merges = d->ignore_merges;
    if (d->unk_token.n) t->unk = vocab_find_text(&t->vocab, d->unk_token.p, d->unk_token.n);
    if (t->model == MODEL_UNIGRAM) {
        if (!d->is_list)
            return sh_fail(err, SH_E_CORRUPT, "%s: a Unigram vocabulary must be a list", d->where);
        t->unk = d->unk_id >= 0 && d->unk_id < t->vocab.n ? (int32_t)d->unk_id : -1;
        return tok_unigram_build(t, scores, false, err);
    }
    char *prefix = d->prefix.n ? sh_arena_strndup(t->arena, d->prefix.p, d->prefix.n) : NULL;
    char *suffix = d->suffix.n ? sh_arena_strndup(t->arena, d->suffix.p, d->suffix.n) : NULL;
    if ((d->prefix.n && !prefix) || (d->suffix.n && !suffix))
        return sh_fail_nomem(err, d->prefix.n + d->suffix.n);
    if (t->model != MODEL_BPE) {
        t->wordpiece.max_chars = d->max_chars >= 0 ? (size_t)d->max_chars : 100;
        if ((rc = tok_symbols(t, err)) < 0) return rc;
        return t->model == MODEL_WORDLEVEL ? SH_OK
                                           : tok_wordpiece_build(t, false, prefix ? prefix : "##", err);
    }
    if (d->prefix.n > 16 || d->suffix.n > 16)
        return sh_fail(err, SH_E_LIMIT, "%s: a subword prefix or suffix is longer than 16 bytes", d->where);
    t->bpe.prefix = prefix;
    t->bpe.suffix = suffix;
    if ((rc = tok_symbols(t, err)) < 0 || (rc = tok_bpe_begin(t, d->n_merges / 2, err)) < 0) return rc;
    for (size_t i = 0; i < d->n_merges && rc == SH_OK; i += 2)
        rc = tok_bpe_merge(t, d->merges[i], d->merges[i + 1], (uint32_t)(i / 2), true, d->where, err);
    return rc < 0 ? rc : tok_bpe_end(t, true, d->where, err);
}

static int build(sh_tokenizer *t, const json_doc *d, const json_parts *parts, sh_err *err)
{
    double *scores = NULL;
    int rc = pick_model(t, d, err);
    if (rc < 0 || (rc = build_vocab(t, d, parts, &scores, err)) < 0) goto out;
    if ((rc = build_model(t, d, scores, err)) < 0) goto out;
    if ((rc = json_build_normalizer(t, parts->normalizer, d->where, err)) < 0) goto out;
    if ((rc = json_build_splits(t, parts->pre_tokenizer, d->where, err)) < 0) goto out;
    if ((rc = json_build_decoder(t, parts->decoder, d->where, err)) < 0) goto out;
    if ((rc = json_build_template(t, parts->post_processor, d->where, err)) < 0) goto out;
    if ((rc = json_apply_config(t, parts->config, d->where, err)) < 0) goto out;
    rc = tok_finish(t, err);
out:
    sh_free(scores);
    return rc;
}

int sh_tokenizer_from_json(sh_tokenizer **out, const char *json, size_t n, const char *config_json,
                           size_t n_config, const char *where, sh_err *err)
{
    sh_tokenizer *t = NULL;
    json_parts parts = {0};
    json_doc d = {.where = where, .unk_id = -1, .max_chars = -1, .err = err};
    sh_json_reader r;
    sh_json_reader_init(&r, json, n, where);
    d.arena = sh_arena_open();
    int rc = d.arena ? tok_new(&t, err) : sh_fail_nomem(err, 1);
    if (rc < 0 || (rc = read_document(&d, &r)) < 0) goto out;
    if ((rc = parse_sections(&d, &parts, sh_str_n(config_json, config_json ? n_config : 0), err)) < 0)
        goto out;
    if ((rc = build(t, &d, &parts, err)) < 0) goto out;
    *out = t;
    t = NULL;
out:
    sh_tokenizer_free(t);
    sh_json_reader_clear(&r);
    json_decref(parts.normalizer);
    json_decref(parts.pre_tokenizer);
    json_decref(parts.post_processor);
    json_decref(parts.decoder);
    json_decref(parts.added);
    json_decref(parts.config);
    sh_free(d.tokens);
    sh_free(d.merges);
    sh_arena_free(d.arena);
    return rc;
}
