/* test_tok_golden.c - every folder of tokenizer goldens: both directions, streams, pairs, pieces of the
 * splitters.
 *
 * tests/data/tokenizers holds a few of them; the large set is found through SHOAL_GOLDEN_DIR. The ids in
 * these files were made by the tokenizers library and by sentencepiece. */
#include <dirent.h>

#include "tok_cases.h"

#include "text/tokenizer_internal.h"

typedef struct text_item {
    const char *p;
    size_t n;
} text_item;

static text_item text_at(const json_t *texts, int i)
{
    const json_t *v = json_array_get(json_object_get(texts, "texts"), (size_t)i);
    return (text_item){json_string_value(v), json_string_length(v)};
}

/* 64-bit FNV-1a over ids as u32 little-endian: how a very long row of ids is recorded. */
static uint64_t fnv(ids row)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < row.n; i++)
        for (int k = 0; k < 4; k++) h = (h ^ (((uint32_t)row.p[i] >> (8 * k)) & 255)) * 0x100000001b3ull;
    return h;
}

static int check_long(const char *name, int i, ids got, const json_t *c)
{
    const char *hash = json_string_value(json_object_get(c, "fnv1a64"));
    assert_non_null(hash);
    if ((json_int_t)got.n == json_integer_value(json_object_get(c, "count")) &&
        fnv(got) == strtoull(hash, NULL, 16))
        return 0;
    print_message("%s, text %d: %zu ids, hash %016llx\n", name, i, got.n, (unsigned long long)fnv(got));
    return 1;
}

static int check_ids(const sh_tokenizer *t, const char *name, int i, text_item text, const json_t *c,
                     const json_t *top)
{
    char what[300];
    int bad = 0;
    const json_t *list = json_object_get(c, "ids"), *special = json_object_get(c, "ids_special");
    ids got = encode(t, text.p, text.n, false, true);
    snprintf(what, sizeof what, "%s encode", name);
    if (!list) {
        bad += check_long(what, i, got, c);
        free(got.p);
        return bad;
    }
    ids want = ids_of(list);
    bad += ids_differ(what, i, got, want);
    free(got.p);
    got = encode(t, text.p, text.n, true, true);
    snprintf(what, sizeof what, "%s encode with special", name);
    ids full;
    if (special) {
        full = ids_of(special);
    } else {
        ids pre = ids_of(json_object_get(top, "prefix")), suf = ids_of(json_object_get(top, "suffix"));
        full = (ids){malloc((pre.n + want.n + suf.n + 1) * sizeof(sh_token)), 0};
        for (size_t k = 0; k < pre.n; k++) full.p[full.n++] = pre.p[k];
        for (size_t k = 0; k < want.n; k++) full.p[full.n++] = want.p[k];
        for (size_t k = 0; k < suf.n; k++) full.p[full.n++] = suf.p[k];
        free(pre.p);
        free(suf.p);
    }
    bad += ids_differ(what, i, got, full);
    free(full.p);
    free(got.p);
    const json_t *plain = json_object_get(c, "ids_no_parse_special");
    ids no_parse = plain ? ids_of(plain) : want;
    got = encode(t, text.p, text.n, false, false);
    snprintf(what, sizeof what, "%s encode as plain text", name);
    bad += ids_differ(what, i, got, no_parse);
    if (plain) free(no_parse.p);
    free(got.p);
    free(want.p);
    return bad;
}

static int check_decoded(const sh_tokenizer *t, const char *name, int i, text_item text, const json_t *c)
{
    char what[300];
    int bad = 0;
    const json_t *list = json_object_get(c, "ids"), *d = json_object_get(c, "decoded"),
                 *s = json_object_get(c, "decoded_skip");
    if (!list) return 0;
    ids row = ids_of(list);
    text_item want = d ? (text_item){json_string_value(d), json_string_length(d)} : text;
    bytes got = decode(t, row, false);
    snprintf(what, sizeof what, "%s decode", name);
    bad += text_differs(what, i, got.p, got.n, want.p, want.n);
    free(got.p);
    if (s) want = (text_item){json_string_value(s), json_string_length(s)};
    got = decode(t, row, true);
    snprintf(what, sizeof what, "%s decode skipping", name);
    bad += text_differs(what, i, got.p, got.n, want.p, want.n);
    free(got.p);
    free(row.p);
    return bad;
}

static int check_stream(const sh_tokenizer *t, const char *name, int k, const json_t *s)
{
    sh_err err = {0};
    bool skip = json_object_get(s, "i") != NULL;
    ids row = ids_of(json_object_get(s, "ids"));
    const json_t *pieces = json_object_get(s, "pieces");
    sh_detok *d = NULL;
    sh_buf all = {0};
    int bad = 0;
    bool whole_run = true;
    assert_ok(sh_detok_open(&d, t, skip, &err), &err);
    for (size_t i = 0; i < row.n; i++) {
        const json_t *p = json_array_get(pieces, i);
        size_t before = all.n;
        assert_ok(sh_detok_add(d, row.p[i], &all, &err), &err);
        const char *got = sh_buf_str(&all).p + before;
        size_t n = all.n - before;
        char what[300];
        snprintf(what, sizeof what, "%s stream %d piece %zu", name, k, i);
        if (json_is_object(p)) {
            /* the library gives up here: what it gave out is no longer the beginning of the decoding */
            whole_run = false;
            break;
        }
        if (json_is_string(p))
            bad += text_differs(what, k, got, n, json_string_value(p), json_string_length(p));
        else
            bad += text_differs(what, k, got, n, "", 0);
    }
    /* the pieces and what the flush gives are the whole decoding */
    bytes whole = decode(t, row, skip);
    size_t given = all.n;
    assert_ok(sh_detok_flush(d, &all, &err), &err);
    char what[300];
    snprintf(what, sizeof what, "%s stream joined", name);
    /* a run of byte tokens that turns out ill-formed at the end changes what was given out before: then only
     * the parts that were certain can be compared, and they were, above */
    whole_run = whole_run && given <= whole.n && memcmp(sh_buf_str(&all).p, whole.p, given) == 0;
    if (whole_run) bad += text_differs(what, k, sh_buf_str(&all).p, all.n, whole.p, whole.n);
    const json_t *want = json_object_get(s, "decoded");
    if (want)
        bad += text_differs("stream decoded", k, whole.p, whole.n, json_string_value(want),
                            json_string_length(want));
    free(whole.p);
    sh_detok_free(d);
    sh_buf_clear(&all);
    free(row.p);
    return bad;
}

static int check_pair(const sh_tokenizer *t, const char *name, int k, const json_t *c)
{
    sh_err err = {0};
    sh_pair_opts opts = SH_PAIR_OPTS_INIT;
    opts.parse_special = true;
    opts.max_tokens = (size_t)json_integer_value(json_object_get(c, "max_length"));
    const json_t *a = json_object_get(c, "a"), *b = json_object_get(c, "b");
    ids want = ids_of(json_object_get(c, "ids")), types = ids_of(json_object_get(c, "type_ids"));
    sh_token got[4096];
    int32_t got_types[4096];
    int64_t n = sh_tokenizer_encode_pair(t, json_string_value(a), json_string_length(a),
                                         json_is_string(b) ? json_string_value(b) : NULL,
                                         json_string_length(b), &opts, got, got_types, 4096, &err);
    if (n < 0) assert_ok((int)n, &err);
    char what[300];
    snprintf(what, sizeof what, "%s pair", name);
    int bad = ids_differ(what, k, (ids){got, (size_t)n}, want);
    bad += ids_differ("type ids of the pair", k, (ids){got_types, (size_t)n}, types);
    free(want.p);
    free(types.p);
    return bad;
}

/* Ends of pieces in code points, as the splitters alone give them. */
typedef struct piece_log {
    size_t at, n, cap;
    size_t *end;
} piece_log;

static int log_piece(void *ud, const char *p, size_t n)
{
    piece_log *l = ud;
    for (size_t i = 0; i < n; i++) l->at += (p[i] & 0xc0) != 0x80;
    assert_true(l->n < l->cap);
    l->end[l->n++] = l->at;
    return SH_OK;
}

static int check_pieces(const sh_tokenizer *t, const char *name, int i, text_item text, const json_t *item)
{
    const json_t *ends = json_object_get(item, "ends"), *norm = json_object_get(item, "normalized");
    if (!ends) return 0;
    sh_err err = {0};
    piece_log l = {.cap = text.n * 4 + 64};
    l.end = calloc(l.cap, sizeof *l.end);
    tok_enc e = {.t = t, .on_piece = log_piece, .ud = &l, .err = &err};
    sh_str s = sh_str_n(text.p, text.n);
    if (t->n_norm) assert_ok(norm_run(&e, text.p, text.n, &s), &err);
    int bad = 0;
    if (norm)
        bad += text_differs("normalised", i, s.p, s.n, json_string_value(norm), json_string_length(norm));
    assert_ok(split_run(&e, s.p, s.n, true), &err);
    bool same = l.n == json_array_size(ends);
    for (size_t k = 0; same && k < l.n; k++)
        same = (json_int_t)l.end[k] == json_integer_value(json_array_get(ends, k));
    if (!same)
        print_message("%s, text %d: %zu pieces, expected %zu, or other ends\n", name, i, l.n,
                      json_array_size(ends)),
            bad++;
    enc_clear(&e);
    free(l.end);
    return bad;
}

/* Whether the pieces cover the normalised text one to one (Metaspace may put a character in front). */
static bool covers(const sh_tokenizer *t)
{
    for (size_t i = 0; i < t->n_split; i++) {
        if (t->split[i].kind == SPLIT_META) return false;
        if (t->split[i].kind == SPLIT_BYTES && t->split[i].add_prefix_space) return false;
    }
    return true;
}

static int check_folder(const char *root, const char *name, const json_t *texts)
{
    char dir[1024];
    int bad = 0;
    size_t k;
    const json_t *c;
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    json_t *top = read_json(dir, "cases.json"), *pretok = read_json(dir, "pretok.json");
    sh_tokenizer *t = top ? open_json(dir) : NULL;
    if (t) {
        assert_int_equal(sh_tokenizer_size(t), (int)json_integer_value(json_object_get(top, "vocab_size")));
        json_array_foreach(json_object_get(top, "cases"), k, c)
        {
            int i = (int)json_integer_value(json_object_get(c, "i"));
            bad += check_ids(t, name, i, text_at(texts, i), c, top);
            bad += check_decoded(t, name, i, text_at(texts, i), c);
        }
        json_array_foreach(json_object_get(top, "streams"), k, c) bad += check_stream(t, name, (int)k, c);
        json_array_foreach(json_object_get(top, "pairs"), k, c) bad += check_pair(t, name, (int)k, c);
        json_array_foreach(json_object_get(top, "truncated_longest_first"), k, c) bad +=
            check_pair(t, name, (int)k, c);
        if (covers(t)) json_array_foreach(json_object_get(pretok, "items"), k, c)
            {
                int i = (int)json_integer_value(json_object_get(c, "i"));
                bad += check_pieces(t, name, i, text_at(texts, i), c);
            }
        print_message("%s: %zu texts, %d differences\n", name, json_array_size(json_object_get(top, "cases")),
                      bad);
    }
    sh_tokenizer_free(t);
    json_decref(top);
    json_decref(pretok);
    return bad;
}

/* sentencepiece's own ids for tokenizer.model, which it never parses special tokens in. */
static int check_sentencepiece(const char *dir, const char *model, const char *name, const json_t *texts)
{
    sh_err err = {0};
    sh_tokenizer *t = NULL;
    int bad = 0;
    size_t k;
    const json_t *c;
    json_t *top = read_json(dir, "sp_cases.json");
    bytes b = read_all(model ? model : dir, model ? "llama2_tokenizer.model" : "tokenizer.model");
    if (top && b.p) {
        char what[300];
        snprintf(what, sizeof what, "%s tokenizer.model", name);
        assert_ok(sh_tokenizer_from_sentencepiece(&t, b.p, b.n, name, &err), &err);
        assert_int_equal(sh_tokenizer_bos(t), (int)json_integer_value(json_object_get(top, "bos")));
        assert_int_equal(sh_tokenizer_eos(t), (int)json_integer_value(json_object_get(top, "eos")));
        json_array_foreach(json_object_get(top, "cases"), k, c)
        {
            int i = (int)json_integer_value(json_object_get(c, "i"));
            text_item text = text_at(texts, i);
            ids got = encode(t, text.p, text.n, false, false);
            if (json_object_get(c, "ids")) {
                ids want = ids_of(json_object_get(c, "ids"));
                bad += ids_differ(what, i, got, want);
                free(want.p);
            } else {
                bad += check_long(what, i, got, c);
            }
            free(got.p);
            bad += check_decoded(t, what, i, text, c);
        }
        print_message("%s: %zu texts, %d differences\n", what, json_array_size(json_object_get(top, "cases")),
                      bad);
    }
    free(b.p);
    sh_tokenizer_free(t);
    json_decref(top);
    return bad;
}

static int check_invalid(const char *root)
{
    json_t *top = read_json(root, "invalid_bytes.json");
    const char *names[] = {"bbpe_gpt2", "spm_bpe_legacy", "wordpiece_uncased"};
    int bad = 0;
    for (size_t n = 0; n < COUNT(names) && top; n++) {
        char dir[1024];
        size_t k;
        const json_t *c;
        snprintf(dir, sizeof dir, "%s/%s", root, names[n]);
        sh_tokenizer *t = open_json(dir);
        if (!t) continue;
        json_array_foreach(json_object_get(top, "items"), k, c)
        {
            const char *hex = json_string_value(json_object_get(c, "hex"));
            char raw[256];
            size_t len = strlen(hex) / 2;
            assert_true(len < sizeof raw);
            for (size_t i = 0; i < len; i++) {
                char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
                raw[i] = (char)strtoul(two, NULL, 16);
            }
            ids got = encode(t, raw, len, false, true), want = ids_of(json_object_get(c, names[n]));
            bad += ids_differ(names[n], (int)k, got, want);
            free(got.p);
            free(want.p);
        }
        sh_tokenizer_free(t);
    }
    json_decref(top);
    return bad;
}

/* All folders of one root. Returns differences, or -1 when the root is not there. */
static int check_root(const char *root)
{
    int bad = 0;
    json_t *texts = read_json(root, "texts.json");
    DIR *d = opendir(root);
    if (!texts || !d) {
        if (d) closedir(d);
        return -1;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char dir[1024];
        if (e->d_name[0] == '.' || strchr(e->d_name, '.')) continue;
        snprintf(dir, sizeof dir, "%s/%s", root, e->d_name);
        bad += check_folder(root, e->d_name, texts);
        bad += check_sentencepiece(dir, NULL, e->d_name, texts);
    }
    closedir(d);
    bad += check_invalid(root);
    json_decref(texts);
    return bad;
}

static void test_small_set(void **state)
{
    (void)state;
    assert_int_equal(check_root(SHOAL_SOURCE_DIR "/tests/data/tokenizers"), 0);
}

static void test_large_set(void **state)
{
    (void)state;
    int bad = check_root(SHOAL_GOLDEN_DIR "/golden/tokenizers");
    if (bad < 0) {
        print_message("skipped: no %s\n", SHOAL_GOLDEN_DIR "/golden/tokenizers");
        skip();
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small_set), cmocka_unit_test(test_large_set)};
    return cmocka_run_group_tests_name("tokenizer goldens", tests, NULL, NULL);
}
