/* from_json_parts.c - the small sections of tokenizer.json: normaliser, splitters, decoder, template,
 * configuration. */
#include <string.h>

#include "codec/base64.h"
#include "text/from_json.h"

enum { MAX_STEPS = 64 };

bool json_has_type(const json_t *v, const char *type)
{
    const char *key;
    json_t *member;
    size_t i;
    const char *own = json_string_value(json_object_get(v, "type"));
    if (own && strcmp(own, type) == 0) return true;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) if (json_has_type(member, type)) return true;
    json_array_foreach(v, i, member) if (json_has_type(member, type)) return true;
    return false;
}

static const char *type_of(const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    return type ? type : "";
}

static bool flag(const json_t *v, const char *key, bool absent)
{
    const json_t *f = json_object_get(v, key);
    return json_is_boolean(f) ? json_is_true(f) : absent;
}

static int unknown(const char *where, const char *what, const json_t *v, sh_err *err)
{
    return sh_fail(err, SH_E_UNSUPPORTED, "%s: the %s type \"%.64s\" is not known", where, what, type_of(v));
}

/* A copy of a string member that lives with t; empty when absent. */
static int copy_str(sh_tokenizer *t, const json_t *v, sh_str *out, sh_err *err)
{
    *out = sh_str_n(NULL, json_string_length(v));
    out->p = sh_arena_strndup(t->arena, json_is_string(v) ? json_string_value(v) : "", out->n);
    return out->p ? SH_OK : sh_fail_nomem(err, out->n);
}

/* {"String": s} or {"Regex": s} (or a bare string): one of *string and *regex. */
static int read_pattern(sh_tokenizer *t, const json_t *v, sh_str *string, const sh_regex **regex,
                        const char *where, sh_err *err)
{
    const json_t *re = json_object_get(v, "Regex"), *s = json_is_string(v) ? v : json_object_get(v, "String");
    if (json_is_string(re))
        return tok_add_regex(t, sh_str_n(json_string_value(re), json_string_length(re)), regex, where, err);
    if (!json_is_string(s) || json_string_length(s) == 0)
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: a pattern must be {\"Regex\": ...} or a non-empty {\"String\": ...}", where);
    return copy_str(t, s, string, err);
}

/* Call fn for v, or for each member of a "Sequence" in it. */
typedef int (*part_fn)(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err);
static int each_part(sh_tokenizer *t, const json_t *v, const char *list, part_fn fn, int depth,
                     const char *where, sh_err *err)
{
    size_t i;
    const json_t *item;
    if (!v) return SH_OK;
    if (!json_is_object(v))
        return sh_fail(err, SH_E_CORRUPT, "%s: a \"%s\" member is not an object", where, list);
    if (strcmp(type_of(v), "Sequence") != 0) return fn(t, v, where, err);
    if (depth > 8 || json_array_size(json_object_get(v, list)) > MAX_STEPS)
        return sh_fail(err, SH_E_LIMIT, "%s: more than %d steps in \"%s\"", where, MAX_STEPS, list);
    json_array_foreach(json_object_get(v, list), i, item)
    {
        int rc = each_part(t, item, list, fn, depth + 1, where, err);
        if (rc < 0) return rc;
    }
    return SH_OK;
}

/* --- normaliser --- */

static int charsmap_part(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    const json_t *map = json_object_get(v, "precompiled_charsmap");
    sh_buf raw = {0};
    norm_step *s;
    int rc = sh_base64_decode(&raw, json_is_string(map) ? json_string_value(map) : "",
                              json_string_length(map), SH_BASE64_STD, err);
    if (rc < 0 || !raw.n) goto out; /* an empty map changes nothing */
    s = tok_push_norm(t, NORM_CHARSMAP, err);
    rc = s ? tok_set_charsmap(s, t->arena, raw.p, raw.n, where, err) : SH_E_NOMEM;
out:
    sh_buf_clear(&raw);
    return rc;
}

static int bert_part(sh_tokenizer *t, const json_t *v, sh_err *err)
{
    norm_step *s = tok_push_norm(t, NORM_BERT, err);
    if (!s) return SH_E_NOMEM;
    s->clean = flag(v, "clean_text", true);
    s->cjk = flag(v, "handle_chinese_chars", true);
    s->lower = flag(v, "lowercase", true);
    s->accents = flag(v, "strip_accents", s->lower);
    return SH_OK;
}

static int normalizer_part(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    static const struct {
        const char *name;
        enum norm_kind kind;
    } plain[] = {{"NFC", NORM_NFC},   {"NFD", NORM_NFD},         {"NFKC", NORM_NFKC},
                 {"NFKD", NORM_NFKD}, {"Lowercase", NORM_LOWER}, {"StripAccents", NORM_STRIP_ACCENTS},
                 {"Nmt", NORM_NMT}};
    const char *type = type_of(v);
    int rc;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(type, plain[i].name) == 0)
            return tok_push_norm(t, plain[i].kind, err) ? SH_OK : SH_E_NOMEM;
    if (strcmp(type, "Precompiled") == 0) return charsmap_part(t, v, where, err);
    if (strcmp(type, "BertNormalizer") == 0) return bert_part(t, v, err);
    norm_step step = {0};
    if (strcmp(type, "Strip") == 0) {
        step = (norm_step){
            .kind = NORM_STRIP, .left = flag(v, "strip_left", true), .right = flag(v, "strip_right", true)};
    } else if (strcmp(type, "Replace") == 0) {
        step.kind = NORM_REPLACE;
        if ((rc = read_pattern(t, json_object_get(v, "pattern"), &step.pattern, &step.regex, where, err)) < 0)
            return rc;
        if ((rc = copy_str(t, json_object_get(v, "content"), &step.content, err)) < 0) return rc;
    } else if (strcmp(type, "Prepend") == 0) {
        step.kind = NORM_PREPEND;
        if ((rc = copy_str(t, json_object_get(v, "prepend"), &step.content, err)) < 0) return rc;
    } else if (strcmp(type, "ByteLevel") == 0) {
        step.kind = NORM_BYTES;
        t->mapped = true;
    } else {
        return unknown(where, "normalizer", v, err);
    }
    norm_step *s = tok_push_norm(t, step.kind, err);
    if (!s) return SH_E_NOMEM;
    *s = step;
    return SH_OK;
}

int json_build_normalizer(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    return each_part(t, v, "normalizers", normalizer_part, 0, where, err);
}

/* --- splitters --- */

static int read_behavior(const json_t *v, enum split_behavior absent, enum split_behavior *out,
                         const char *where, sh_err *err)
{
    static const char *const names[] = {[SPLIT_REMOVED] = "Removed",
                                        [SPLIT_ISOLATED] = "Isolated",
                                        [SPLIT_PREVIOUS] = "MergedWithPrevious",
                                        [SPLIT_NEXT] = "MergedWithNext",
                                        [SPLIT_CONTIGUOUS] = "Contiguous"};
    const char *name = json_string_value(v);
    *out = absent;
    if (!name) return SH_OK;
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) return *out = (enum split_behavior)i, SH_OK;
    return sh_fail(err, SH_E_UNSUPPORTED, "%s: the split behavior \"%.64s\" is not known", where, name);
}

static int split_part(sh_tokenizer *t, const json_t *v, split_step *s, const char *where, sh_err *err)
{
    const json_t *pattern = json_object_get(v, "pattern"), *re = json_object_get(pattern, "Regex");
    int rc = read_behavior(json_object_get(v, "behavior"), SPLIT_ISOLATED, &s->behavior, where, err);
    if (rc < 0) return rc;
    s->invert = flag(v, "invert", false);
    /* the known patterns cover every text, so keeping only the matches is the same as isolating them */
    bool all = s->invert ? s->behavior == SPLIT_REMOVED : s->behavior == SPLIT_ISOLATED;
    s->fast =
        all && re ? fast_from_regex(sh_str_n(json_string_value(re), json_string_length(re))) : FAST_COUNT;
    s->kind = SPLIT_FAST;
    if (s->fast != FAST_COUNT) return SH_OK;
    if ((rc = read_pattern(t, pattern, &s->string, &s->regex, where, err)) < 0) return rc;
    s->kind = s->regex ? SPLIT_PATTERN : SPLIT_STRING;
    return SH_OK;
}

static int meta_part(sh_tokenizer *t, const json_t *v, split_step *s, const char *where, sh_err *err)
{
    const char *scheme = json_string_value(json_object_get(v, "prepend_scheme"));
    s->kind = SPLIT_META;
    s->split = flag(v, "split", true);
    s->prepend = flag(v, "add_prefix_space", true) ? META_ALWAYS : META_NEVER;
    if (scheme)
        s->prepend = strcmp(scheme, "always") == 0  ? META_ALWAYS
                     : strcmp(scheme, "first") == 0 ? META_FIRST
                                                    : META_NEVER;
    int rc = copy_str(t, json_object_get(v, "replacement"), &s->string, err);
    if (rc == SH_OK && (s->string.n == 0 || u8_len(s->string.p) != s->string.n))
        return sh_fail(err, SH_E_CORRUPT, "%s: Metaspace needs a replacement of one character", where);
    return rc;
}

static int splitter_part(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    const char *type = type_of(v);
    split_step step = {.behavior = SPLIT_REMOVED};
    int rc = SH_OK;
    if (strcmp(type, "ByteLevel") == 0) {
        step = (split_step){.kind = SPLIT_BYTES,
                            .add_prefix_space = flag(v, "add_prefix_space", true),
                            .use_regex = flag(v, "use_regex", true)};
    } else if (strcmp(type, "Split") == 0) {
        rc = split_part(t, v, &step, where, err);
    } else if (strcmp(type, "Metaspace") == 0) {
        rc = meta_part(t, v, &step, where, err);
    } else if (strcmp(type, "BertPreTokenizer") == 0) {
        step.kind = SPLIT_BERT;
    } else if (strcmp(type, "Digits") == 0) {
        step.kind = SPLIT_DIGITS;
        step.behavior = flag(v, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    } else if (strcmp(type, "Punctuation") == 0) {
        step.kind = SPLIT_PUNCTUATION;
        rc = read_behavior(json_object_get(v, "behavior"), SPLIT_ISOLATED, &step.behavior, where, err);
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        step.kind = SPLIT_SPACES;
    } else if (strcmp(type, "Whitespace") == 0) {
        step.kind = SPLIT_PATTERN;
        step.invert = true;
        rc = tok_add_regex(t, sh_str_of("\\w+|[^\\w\\s]+"), &step.regex, where, err);
    } else if (strcmp(type, "CharDelimiterSplit") == 0) {
        step.kind = SPLIT_STRING;
        rc = read_pattern(t, json_object_get(v, "delimiter"), &step.string, &step.regex, where, err);
    } else if (strcmp(type, "FixedLength") == 0) {
        json_int_t length = json_integer_value(json_object_get(v, "length"));
        step.kind = SPLIT_LENGTH;
        step.length = length > 0 ? (size_t)length : 5;
    } else {
        return unknown(where, "pre-tokenizer", v, err);
    }
    if (rc < 0) return rc;
    split_step *s = tok_push_split(t, step.kind, err);
    if (!s) return SH_E_NOMEM;
    *s = step;
    return SH_OK;
}

int json_build_splits(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    int rc = each_part(t, v, "pretokenizers", splitter_part, 0, where, err);
    for (size_t i = 0; rc == SH_OK && i < t->n_split; i++)
        if (t->split[i].kind == SPLIT_BYTES && (i + 1 < t->n_split || !t->vocab.byte_level)) t->mapped = true;
    return rc;
}

/* --- decoder --- */

static int decoder_part(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    const char *type = type_of(v), *scheme = json_string_value(json_object_get(v, "prepend_scheme"));
    dec_step step = {0};
    int rc = SH_OK;
    if (strcmp(type, "ByteLevel") == 0) {
        step.kind = DEC_BYTES;
    } else if (strcmp(type, "Replace") == 0) {
        step.kind = DEC_REPLACE;
        if ((rc = read_pattern(t, json_object_get(v, "pattern"), &step.pattern, &step.regex, where, err)) < 0)
            return rc;
        rc = copy_str(t, json_object_get(v, "content"), &step.content, err);
    } else if (strcmp(type, "ByteFallback") == 0) {
        step.kind = DEC_BYTE_FALLBACK;
    } else if (strcmp(type, "Fuse") == 0) {
        step.kind = DEC_FUSE;
    } else if (strcmp(type, "Strip") == 0) {
        json_int_t start = json_integer_value(json_object_get(v, "start")),
                   stop = json_integer_value(json_object_get(v, "stop"));
        step.kind = DEC_STRIP;
        step.start = start > 0 ? (size_t)start : 0;
        step.stop = stop > 0 ? (size_t)stop : 0;
        rc = copy_str(t, json_object_get(v, "content"), &step.content, err);
    } else if (strcmp(type, "Metaspace") == 0) {
        step.kind = DEC_META;
        step.keep_first = scheme ? strcmp(scheme, "never") == 0 : !flag(v, "add_prefix_space", true);
        rc = copy_str(t, json_object_get(v, "replacement"), &step.pattern, err);
    } else if (strcmp(type, "WordPiece") == 0) {
        step.kind = DEC_WORDPIECE;
        step.cleanup = flag(v, "cleanup", true);
        rc = copy_str(t, json_object_get(v, "prefix"), &step.pattern, err);
    } else if (strcmp(type, "BPEDecoder") == 0) {
        step.kind = DEC_BPE;
        rc = copy_str(t, json_object_get(v, "suffix"), &step.pattern, err);
    } else {
        return unknown(where, "decoder", v, err);
    }
    if (rc < 0) return rc;
    dec_step *s = tok_push_dec(t, step.kind, err);
    if (!s) return SH_E_NOMEM;
    *s = step;
    return SH_OK;
}

int json_build_decoder(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    int rc = each_part(t, v, "decoders", decoder_part, 0, where, err);
    if (rc == SH_OK && !t->n_dec && !tok_push_dec(t, DEC_JOIN, err)) return SH_E_NOMEM;
    return rc;
}

/* --- template --- */

static bool template_put(tok_item *items, size_t *n, int64_t id, int64_t type)
{
    if (*n >= MAX_STEPS || type < 0 || type > 1 << 20) return false;
    items[(*n)++] = (tok_item){(int32_t)id, (int32_t)type};
    return true;
}

/* One member of a "single" or "pair" list; a special token may stand for several ids. */
static bool template_item(const sh_tokenizer *t, const json_t *v, const json_t *specials, tok_item *items,
                          size_t *n)
{
    const json_t *special = json_object_get(v, "SpecialToken"), *seq = json_object_get(v, "Sequence"), *id;
    const char *name = json_string_value(json_object_get(special ? special : seq, "id"));
    json_int_t type = json_integer_value(json_object_get(special ? special : seq, "type_id"));
    size_t i;
    if (!name) return false;
    if (seq) return template_put(items, n, strcmp(name, "B") == 0 ? ITEM_B : ITEM_A, type);
    json_array_foreach(json_object_get(json_object_get(specials, name), "ids"), i, id)
    {
        json_int_t value = json_integer_value(id);
        if (value < 0 || value >= t->vocab.n || !template_put(items, n, value, type)) return false;
    }
    return true;
}

static int template_list(sh_tokenizer *t, const json_t *list, const json_t *specials, tok_item **out,
                         size_t *n_out, const char *where, sh_err *err)
{
    tok_item items[MAX_STEPS];
    size_t n = 0, i, n_a = 0;
    const json_t *v;
    json_array_foreach(list, i, v) if (!template_item(t, v, specials, items, &n)) return sh_fail(
        err, SH_E_CORRUPT, "%s: item %zu of a template is not a known token or sequence", where, i);
    for (i = 0; i < n; i++) n_a += items[i].id == ITEM_A;
    if (n_a != 1) return sh_fail(err, SH_E_CORRUPT, "%s: a template must contain the sequence A once", where);
    *out = sh_arena_alloc(t->arena, n, sizeof **out);
    if (!*out) return sh_fail_nomem(err, n * sizeof **out);
    memcpy(*out, items, n * sizeof *items);
    *n_out = n;
    return SH_OK;
}

static int pair_id(const sh_tokenizer *t, const json_t *v, int64_t *id, const char *where, sh_err *err)
{
    const json_t *number = json_array_get(v, 1);
    *id = json_integer_value(number);
    if (!json_is_integer(number) || *id < 0 || *id >= t->vocab.n)
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: a post-processor needs [token, id] with an id of the vocabulary", where);
    return SH_OK;
}

/* [CLS] A [SEP] B [SEP], or <s> A </s></s> B </s> */
static int bert_template(sh_tokenizer *t, const json_t *v, bool roberta, const char *where, sh_err *err)
{
    int64_t cls, sep;
    int rc;
    if ((rc = pair_id(t, json_object_get(v, "cls"), &cls, where, err)) < 0) return rc;
    if ((rc = pair_id(t, json_object_get(v, "sep"), &sep, where, err)) < 0) return rc;
    t->single = sh_arena_zalloc(t->arena, 3, sizeof *t->single);
    t->pair = sh_arena_zalloc(t->arena, 6, sizeof *t->pair);
    if (!t->single || !t->pair) return sh_fail_nomem(err, 9 * sizeof *t->pair);
    int second = roberta ? 0 : 1;
    t->n_single = t->n_pair = 0;
    template_put(t->single, &t->n_single, cls, 0);
    template_put(t->single, &t->n_single, ITEM_A, 0);
    template_put(t->single, &t->n_single, sep, 0);
    template_put(t->pair, &t->n_pair, cls, 0);
    template_put(t->pair, &t->n_pair, ITEM_A, 0);
    template_put(t->pair, &t->n_pair, sep, 0);
    if (roberta) template_put(t->pair, &t->n_pair, sep, 0);
    template_put(t->pair, &t->n_pair, ITEM_B, second);
    template_put(t->pair, &t->n_pair, sep, second);
    return SH_OK;
}

static int template_part(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    const char *type = type_of(v);
    int rc;
    if (strcmp(type, "ByteLevel") == 0) return SH_OK; /* moves offsets only */
    if (strcmp(type, "RobertaProcessing") == 0) return bert_template(t, v, true, where, err);
    if (strcmp(type, "BertProcessing") == 0) return bert_template(t, v, false, where, err);
    if (strcmp(type, "TemplateProcessing") != 0) return unknown(where, "post-processor", v, err);
    const json_t *specials = json_object_get(v, "special_tokens");
    if ((rc = template_list(t, json_object_get(v, "single"), specials, &t->single, &t->n_single, where,
                            err)) < 0)
        return rc;
    return template_list(t, json_object_get(v, "pair"), specials, &t->pair, &t->n_pair, where, err);
}

int json_build_template(sh_tokenizer *t, const json_t *v, const char *where, sh_err *err)
{
    return each_part(t, v, "processors", template_part, 0, where, err);
}

/* --- tokenizer_config.json --- */

/* "bos_token": "..." or {"content": "..."} */
static sh_token config_token(const sh_tokenizer *t, const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    return json_is_string(v) ? vocab_find_text(&t->vocab, json_string_value(v), json_string_length(v)) : -1;
}

static sh_token first_named(const sh_tokenizer *t, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sh_token id = vocab_find_text(&t->vocab, names[i], strlen(names[i]));
        if (id >= 0 && t->vocab.type[id] == TOK_CONTROL) return id;
    }
    return -1;
}

/* Without a configuration: what the template puts in front, and the customary names. */
static void guess_ids(sh_tokenizer *t)
{
    static const char *const bos[] = {"<s>",   "<bos>",        "<|begin_of_text|>", "<|startoftext|>",
                                      "[CLS]", "<|endoftext|>"};
    static const char *const eos[] = {"</s>",       "<eos>",         "<|end_of_text|>",
                                      "<|im_end|>", "<|endoftext|>", "[SEP]"};
    if (t->bos < 0 && t->n_single && t->single[0].id >= 0) t->bos = t->single[0].id;
    if (t->bos < 0) t->bos = first_named(t, bos, sizeof bos / sizeof *bos);
    if (t->eos < 0 && t->n_single && t->single[t->n_single - 1].id >= 0)
        t->eos = t->single[t->n_single - 1].id;
    if (t->eos < 0) t->eos = first_named(t, eos, sizeof eos / sizeof *eos);
}

int json_apply_config(sh_tokenizer *t, const json_t *config, const char *where, sh_err *err)
{
    (void)where;
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    t->bos = config_token(t, config, "bos_token");
    t->eos = config_token(t, config, "eos_token");
    t->pad = config_token(t, config, "pad_token");
    t->sep = config_token(t, config, "sep_token");
    t->cls = config_token(t, config, "cls_token");
    t->mask = config_token(t, config, "mask_token");
    if (t->unk < 0) t->unk = t->model == MODEL_BPE ? t->unk : config_token(t, config, "unk_token");
    if (t->bos < 0 && t->eos < 0) guess_ids(t); /* no configuration, or one that names neither */
    const json_t *add = json_object_get(config, "add_bos_token");
    bool has_bos = t->n_single && t->single[0].id == t->bos && t->bos >= 0;
    bool has_eos = t->n_single && t->single[t->n_single - 1].id == t->eos && t->eos >= 0;
    /* the Llama classes make their template from these two keys; other classes only have what the file says
     */
    bool llama = class && sh_starts_with(class, "LlamaTokenizer");
    bool want_bos = json_is_boolean(add) && llama ? json_is_true(add) : has_bos;
    bool want_eos = llama && json_is_boolean(json_object_get(config, "add_eos_token"))
                        ? flag(config, "add_eos_token", has_eos)
                        : has_eos;
    if (want_bos == has_bos && want_eos == has_eos) return SH_OK;
    t->n_single = t->n_pair = 0;
    return tok_template_bos_eos(t, want_bos, want_eos, err);
}
