/* from_files.c - GPT-2's own pair of files: vocab.json ({"token": id}) and merges.txt (a line per merge). */
#include "text/tokenizer_internal.h"

#include <string.h>

#include "codec/json_reader.h"

enum { MAX_ID = 1 << 24 };

typedef struct id_list {
    sh_str *text;
    int64_t *id;
    size_t n, cap;
    int64_t max_id;
} id_list;

static int list_add(id_list *l, sh_str text, int64_t id, sh_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 1024;
        sh_str *t = sh_realloc(l->text, cap, sizeof *t);
        if (!t) return sh_fail_nomem(err, cap * sizeof *t);
        l->text = t;
        int64_t *ids = sh_realloc(l->id, cap, sizeof *ids);
        if (!ids) return sh_fail_nomem(err, cap * sizeof *ids);
        l->id = ids;
        l->cap = cap;
    }
    l->text[l->n] = text;
    l->id[l->n++] = id;
    if (id > l->max_id) l->max_id = id;
    return SH_OK;
}

static int read_vocab(id_list *l, sh_arena *arena, const char *json, size_t n, const char *where, sh_err *err)
{
    sh_json_reader r;
    int ev, rc = SH_OK;
    sh_json_reader_init(&r, json, n, where);
    if ((ev = sh_json_next(&r, err)) > 0 && ev != SH_JSON_OBJECT)
        rc = sh_fail(err, SH_E_CORRUPT, "%s: expected an object of token ids", where);
    while (rc == SH_OK && ev > 0 && (ev = sh_json_next(&r, err)) == SH_JSON_KEY) {
        sh_str text = {sh_arena_strndup(arena, r.str.p, r.str.n), r.str.n};
        if (!text.p) rc = sh_fail_nomem(err, text.n);
        if (rc < 0 || (ev = sh_json_next(&r, err)) < 0) break;
        if (ev != SH_JSON_NUMBER || !r.is_int || r.integer < 0 || r.integer >= MAX_ID)
            rc = sh_fail(err, SH_E_CORRUPT, "%s: byte %zu: expected a token id from 0 to %d", where,
                         (size_t)(r.p - r.begin), MAX_ID - 1);
        else
            rc = list_add(l, text, r.integer, err);
    }
    if (rc == SH_OK && ev < 0) rc = ev;
    if (rc == SH_OK && (!l->n || (size_t)l->max_id > 2 * l->n + 65536))
        rc = sh_fail(err, SH_E_CORRUPT, "%s: %zu tokens with ids up to %lld", where, l->n,
                     (long long)l->max_id);
    sh_json_reader_clear(&r);
    return rc;
}

static bool has_letters_only(sh_str s)
{
    for (size_t i = 0, len; i < s.n; i += len)
        if (letter_to_byte(u8_get(s.p + i, &len)) < 0) return false;
    return true;
}

/* "<|endoftext|>" and the like stand in the vocabulary without a mark; they are the control tokens. */
static bool is_control_name(sh_str s)
{
    return (s.n > 4 && memcmp(s.p, "<|", 2) == 0 && memcmp(s.p + s.n - 2, "|>", 2) == 0) ||
           sh_str_is(s, "<s>") || sh_str_is(s, "</s>") || sh_str_is(s, "<pad>") || sh_str_is(s, "<unk>") ||
           sh_str_is(s, "<mask>");
}

static int build_vocab(sh_tokenizer *t, const id_list *l, sh_err *err)
{
    size_t n = (size_t)l->max_id + 1;
    tok_entry *e = sh_new_array(n, sizeof *e, err);
    int rc;
    if (!e) return SH_E_NOMEM;
    for (size_t i = 0; i < l->n; i++) {
        bool control = is_control_name(l->text[i]);
        e[l->id[i]] =
            (tok_entry){l->text[i], control ? TOK_CONTROL : TOK_NORMAL, true, !has_letters_only(l->text[i])};
    }
    rc = vocab_build(&t->vocab, t->arena, e, n, true, err);
    for (int32_t i = 0; rc == SH_OK && i < t->vocab.n; i++) {
        if (t->vocab.type[i] != TOK_CONTROL) continue;
        tok_added a = {.id = i, .content = vocab_text(&t->vocab, i), .special = true};
        rc = tok_added_add(t, &a, err);
    }
    sh_free(e);
    return rc;
}

static size_t count_lines(const char *p, size_t n)
{
    size_t lines = 1;
    for (const char *q = p; (q = memchr(q, '\n', n - (size_t)(q - p))); q++) lines++;
    return lines;
}

static int read_merges(sh_tokenizer *t, const char *p, size_t n, const char *where, sh_err *err)
{
    int rc = tok_bpe_begin(t, count_lines(p, n), err);
    uint32_t rank = 0;
    size_t line_no = 0;
    for (const char *end = p + n; p < end && rc == SH_OK;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        sh_str line = {p, (size_t)((stop ? stop : end) - p)};
        p = stop ? stop + 1 : end;
        line_no++;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (!line.n || (line_no == 1 && line.n >= 8 && memcmp(line.p, "#version", 8) == 0)) continue;
        const char *space = memchr(line.p, ' ', line.n);
        size_t cut = space ? (size_t)(space - line.p) : 0;
        if (!space || !cut)
            return sh_fail(err, SH_E_CORRUPT, "%s: line %zu of the merges is not \"left right\"", where,
                           line_no);
        rc = tok_bpe_merge(t, sh_str_n(line.p, cut), sh_str_n(space + 1, line.n - cut - 1), rank++, true,
                           where, err);
    }
    t->bpe.n_merges = rank;
    return rc < 0 ? rc : tok_bpe_end(t, true, where, err);
}

static void pick_ids(sh_tokenizer *t)
{
    static const char *const eos[] = {"<|end_of_text|>", "</s>", "<|endoftext|>"}, *const bos[] = {
                                                                                       "<|begin_of_text|>",
                                                                                       "<s>",
                                                                                       "<|endoftext|>"};
    for (size_t i = 0; i < 3; i++) {
        if (t->eos < 0) t->eos = sh_tokenizer_find(t, eos[i]);
        if (t->bos < 0) t->bos = sh_tokenizer_find(t, bos[i]);
    }
}

static int build(sh_tokenizer *t, const id_list *l, const char *merges, size_t n_merges, const char *pattern,
                 const char *where, sh_err *err)
{
    int rc;
    t->model = MODEL_BPE;
    if ((rc = build_vocab(t, l, err)) < 0 || (rc = tok_set_pre(t, pattern, where, err)) < 0) return rc;
    if (!tok_push_split(t, SPLIT_BYTES, err) || !tok_push_dec(t, DEC_BYTES, err)) return SH_E_NOMEM;
    t->bpe.ignore_merges = pre_ignores_merges(pattern);
    if ((rc = tok_symbols(t, err)) < 0 || (rc = read_merges(t, merges, n_merges, where, err)) < 0) return rc;
    pick_ids(t);
    if ((rc = tok_template_bos_eos(t, pre_adds_bos(pattern), false, err)) < 0) return rc;
    return tok_finish(t, err);
}

int sh_tokenizer_from_bpe_files(sh_tokenizer **out, const char *vocab_json, size_t n_vocab,
                                const char *merges, size_t n_merges, const char *pattern, const char *where,
                                sh_err *err)
{
    id_list l = {.max_id = -1};
    sh_tokenizer *t = NULL;
    sh_arena *arena = sh_arena_open();
    int rc = arena ? read_vocab(&l, arena, vocab_json, n_vocab, where, err) : sh_fail_nomem(err, 1);
    if (rc == SH_OK) rc = tok_new(&t, err);
    if (rc == SH_OK) rc = build(t, &l, merges, n_merges, pattern, where, err);
    if (rc == SH_OK)
        *out = t;
    else
        sh_tokenizer_free(t);
    sh_free(l.text);
    sh_free(l.id);
    sh_arena_free(arena);
    return rc;
}
