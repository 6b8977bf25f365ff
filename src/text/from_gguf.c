/* from_gguf.c - a tokenizer from what GGUF metadata says (sh_vocab_desc). */
#include "text/tokenizer_internal.h"

#include <string.h>

static uint8_t type_at(const sh_vocab_desc *d, size_t i)
{
    return d->types && d->types[i] >= TOK_NORMAL && d->types[i] <= TOK_BYTE ? (uint8_t)d->types[i]
                                                                            : TOK_NORMAL;
}

static bool in_model(enum tok_model model, uint8_t type)
{
    if (type == TOK_NORMAL) return true;
    /* sentencepiece may build user-defined and unused pieces from smaller ones */
    return (model == MODEL_SPM || model == MODEL_UNIGRAM) && (type == TOK_USER || type == TOK_UNUSED);
}

static int build_vocab(sh_tokenizer *t, const sh_vocab_desc *d, bool byte_level, sh_err *err)
{
    tok_entry *e = sh_new_array(d->n_tokens ? d->n_tokens : 1, sizeof *e, err);
    if (!e) return SH_E_NOMEM;
    for (size_t i = 0; i < d->n_tokens; i++) {
        uint8_t type = type_at(d, i);
        sh_str text = d->tokens[i].p ? d->tokens[i] : sh_str_n("", 0);
        e[i] = (tok_entry){text, type, in_model(t->model, type), type != TOK_NORMAL};
    }
    int rc = vocab_build(&t->vocab, t->arena, e, d->n_tokens, byte_level, err);
    sh_free(e);
    if (rc < 0 || !d->scores) return rc;
    t->vocab.score = sh_arena_alloc(t->arena, d->n_tokens, sizeof *t->vocab.score);
    if (!t->vocab.score) return sh_fail_nomem(err, d->n_tokens * sizeof *t->vocab.score);
    memcpy(t->vocab.score, d->scores, d->n_tokens * sizeof *d->scores);
    return SH_OK;
}

/* Control and user-defined tokens are cut out of the raw text; only the first kind is refused in plain text.
 */
static int add_added(sh_tokenizer *t, sh_err *err)
{
    int rc = SH_OK;
    for (int32_t i = 0; i < t->vocab.n && rc == SH_OK; i++) {
        uint8_t type = t->vocab.type[i];
        if (type != TOK_CONTROL && type != TOK_USER && type != TOK_UNKNOWN) continue;
        tok_added a = {.id = i, .content = vocab_text(&t->vocab, i), .special = type != TOK_USER};
        rc = tok_added_add(t, &a, err);
    }
    return rc;
}

static int add_merges(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    int rc = tok_bpe_begin(t, d->n_merges, err);
    for (size_t i = 0; i < d->n_merges && rc == SH_OK; i++) {
        sh_str m = d->merges[i];
        const char *space = m.n > 2 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
        if (!space)
            return sh_fail(err, SH_E_CORRUPT, "%s: merge %zu has no space between its parts", where, i);
        size_t n = (size_t)(space - m.p);
        rc = tok_bpe_merge(t, sh_str_n(m.p, n), sh_str_n(space + 1, m.n - n - 1), (uint32_t)i, false, where,
                           err);
    }
    return rc < 0 ? rc : tok_bpe_end(t, false, where, err);
}

static norm_step *push_replace(sh_tokenizer *t, const char *from, const char *to, sh_err *err)
{
    norm_step *s = tok_push_norm(t, NORM_REPLACE, err);
    if (s) s->pattern = sh_str_of(from), s->content = sh_str_of(to);
    return s;
}

static int build_gpt2(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    const char *pre = d->pre ? d->pre : "default";
    int rc;
    t->model = MODEL_BPE;
    if (!d->merges)
        return sh_fail(err, SH_E_CORRUPT, "%s: a gpt2 vocabulary without tokenizer.ggml.merges", where);
    if ((rc = build_vocab(t, d, true, err)) < 0 || (rc = tok_set_pre(t, pre, where, err)) < 0) return rc;
    split_step *s = tok_push_split(t, SPLIT_BYTES, err);
    if (!s || !tok_push_dec(t, DEC_BYTES, err)) return SH_E_NOMEM;
    t->bpe.ignore_merges = pre_ignores_merges(pre);
    if ((rc = tok_symbols(t, err)) < 0 || (rc = add_merges(t, d, where, err)) < 0) return rc;
    return tok_template_bos_eos(t, d->add_bos >= 0 ? d->add_bos : pre_adds_bos(pre), d->add_eos == 1, err);
}

/* Gemma 4: merges over characters with U+2581 for spaces, line breaks apart from other text. */
static int build_gemma4(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    int rc;
    t->model = MODEL_BPE;
    if (!d->merges)
        return sh_fail(err, SH_E_CORRUPT, "%s: a gemma4 vocabulary without tokenizer.ggml.merges", where);
    if ((rc = build_vocab(t, d, false, err)) < 0) return rc;
    if (!push_replace(t, " ", META, err)) return SH_E_NOMEM;
    split_step *s = tok_push_split(t, SPLIT_PATTERN, err);
    dec_step *dec = tok_push_dec(t, DEC_SPM, err);
    if (!s || !dec) return SH_E_NOMEM;
    t->gemma4 = true;
    dec->keep_first = true;
    s->behavior = SPLIT_CONTIGUOUS;
    if ((rc = tok_add_regex(t, sh_str_of("\\n+"), &s->regex, where, err)) < 0) return rc;
    t->bpe.byte_fallback = t->bpe.fuse_unk = true;
    if ((rc = tok_symbols(t, err)) < 0 || (rc = add_merges(t, d, where, err)) < 0) return rc;
    return tok_template_bos_eos(t, d->add_bos != 0, d->add_eos == 1, err);
}

static bool has_bytes(const tok_vocab *v)
{
    for (int32_t i = 0; i < v->n; i++)
        if (v->type[i] == TOK_BYTE) return true;
    return false;
}

static int push_spm(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    norm_step *s = tok_push_norm(t, NORM_SPM, err);
    dec_step *dec = tok_push_dec(t, DEC_SPM, err);
    if (!s || !dec) return SH_E_NOMEM;
    s->dummy_prefix = d->add_space_prefix != 0;
    s->remove_spaces = d->remove_extra_whitespaces == 1;
    s->escape = true;
    dec->keep_first = !s->dummy_prefix && !s->remove_spaces;
    dec->all_leading = s->remove_spaces;
    t->bpe.byte_fallback = has_bytes(&t->vocab);
    return d->charsmap && d->n_charsmap
               ? tok_set_charsmap(s, t->arena, d->charsmap, d->n_charsmap, where, err)
               : SH_OK;
}

static int check_scores(const sh_vocab_desc *d, const char *where, sh_err *err)
{
    if (!d->scores)
        return sh_fail(err, SH_E_CORRUPT, "%s: a %s vocabulary without tokenizer.ggml.scores", where,
                       d->model);
    for (size_t i = 0; i < d->n_tokens; i++)
        if (!(d->scores[i] > -1e30f && d->scores[i] < 1e30f))
            return sh_fail(err, SH_E_CORRUPT, "%s: the score of token %zu is not a number", where, i);
    return SH_OK;
}

static int build_llama(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    int rc;
    t->model = MODEL_SPM;
    if ((rc = check_scores(d, where, err)) < 0 || (rc = build_vocab(t, d, false, err)) < 0) return rc;
    if ((rc = push_spm(t, d, where, err)) < 0 || (rc = tok_symbols(t, err)) < 0) return rc;
    return tok_template_bos_eos(t, d->add_bos != 0, d->add_eos == 1, err);
}

static int build_t5(sh_tokenizer *t, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    int rc;
    t->model = MODEL_UNIGRAM;
    if ((rc = check_scores(d, where, err)) < 0 || (rc = build_vocab(t, d, false, err)) < 0) return rc;
    double *scores = sh_new_array(d->n_tokens, sizeof *scores, err);
    if (!scores) return SH_E_NOMEM;
    for (size_t i = 0; i < d->n_tokens; i++) scores[i] = (double)d->scores[i];
    rc = tok_unigram_build(t, scores, true, err);
    sh_free(scores);
    if (rc < 0 || (rc = push_spm(t, d, where, err)) < 0) return rc;
    return tok_template_bos_eos(t, d->add_bos == 1, d->add_eos != 0, err);
}

/* Pieces that begin a word carry U+2581, those that continue one carry nothing. The text is read as uncased
 * BERT does. */
static int build_bert(sh_tokenizer *t, const sh_vocab_desc *d, sh_err *err)
{
    int rc;
    t->model = MODEL_WORDPIECE;
    if ((rc = build_vocab(t, d, false, err)) < 0) return rc;
    norm_step *n = tok_push_norm(t, NORM_BERT, err);
    if (!n || !tok_push_split(t, SPLIT_BERT, err)) return SH_E_NOMEM;
    n->clean = n->cjk = n->accents = n->lower = true;
    dec_step *dec = tok_push_dec(t, DEC_SPM, err);
    if (!dec) return SH_E_NOMEM;
    t->wordpiece.max_chars = 100;
    if ((rc = tok_symbols(t, err)) < 0 || (rc = tok_wordpiece_build(t, true, "", err)) < 0) return rc;
    if (t->cls < 0) t->cls = t->bos;
    if (t->sep < 0) t->sep = t->eos;
    if (t->bos < 0) t->bos = t->cls;
    if (t->eos < 0) t->eos = t->sep;
    tok_item single[] = {{t->cls, 0}, {ITEM_A, 0}, {t->sep, 0}};
    tok_item pair[] = {{t->cls, 0}, {ITEM_A, 0}, {t->sep, 0}, {ITEM_B, 1}, {t->sep, 1}};
    t->single = sh_arena_alloc(t->arena, 3, sizeof *single);
    t->pair = sh_arena_alloc(t->arena, 5, sizeof *pair);
    if (!t->single || !t->pair) return sh_fail_nomem(err, sizeof single + sizeof pair);
    for (size_t i = 0; i < 3; i++)
        if (single[i].id != -1 || i == 1) t->single[t->n_single++] = single[i];
    for (size_t i = 0; i < 5; i++)
        if (i == 1 || i == 3 || (i == 0 ? t->cls : t->sep) >= 0) t->pair[t->n_pair++] = pair[i];
    return SH_OK;
}

static void copy_ids(sh_tokenizer *t, const sh_vocab_desc *d)
{
    int32_t n = (int32_t)(d->n_tokens < INT32_MAX ? d->n_tokens : INT32_MAX);
    const struct {
        sh_token *to, from;
    } ids[] = {{&t->unk, d->unk}, {&t->bos, d->bos}, {&t->eos, d->eos}, {&t->eot, d->eot},  {&t->eom, d->eom},
               {&t->sep, d->sep}, {&t->pad, d->pad}, {&t->cls, d->cls}, {&t->mask, d->mask}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        *ids[i].to = ids[i].from >= 0 && ids[i].from < n ? ids[i].from : -1;
    t->add_bos = d->add_bos;
    t->add_eos = d->add_eos;
}

/* An unknown token that no key names: the one of that type, or customarily the first. */
static void find_unknown(sh_tokenizer *t)
{
    for (int32_t i = 0; t->unk < 0 && i < t->vocab.n; i++)
        if (t->vocab.type[i] == TOK_UNKNOWN) t->unk = i;
    if (t->unk < 0 && (t->model == MODEL_SPM || t->model == MODEL_UNIGRAM)) t->unk = 0;
}

int sh_tokenizer_from_vocab(sh_tokenizer **out, const sh_vocab_desc *d, const char *where, sh_err *err)
{
    sh_tokenizer *t = NULL;
    int rc;
    if (!d->model || !d->tokens || !d->n_tokens)
        return sh_fail(err, SH_E_CORRUPT, "%s: the metadata has no tokenizer.ggml.model with tokens", where);
    if ((rc = tok_new(&t, err)) < 0) return rc;
    copy_ids(t, d);
    if (strcmp(d->model, "gpt2") == 0)
        rc = build_gpt2(t, d, where, err);
    else if (strcmp(d->model, "llama") == 0)
        rc = build_llama(t, d, where, err);
    else if (strcmp(d->model, "bert") == 0)
        rc = build_bert(t, d, err);
    else if (strcmp(d->model, "t5") == 0)
        rc = build_t5(t, d, where, err);
    else if (strcmp(d->model, "gemma4") == 0)
        rc = build_gemma4(t, d, where, err);
    else
        rc =
            sh_fail(err, SH_E_UNSUPPORTED, "%s: the tokenizer model \"%.64s\" is not known", where, d->model);
    if (rc == SH_OK) {
        find_unknown(t);
        if ((rc = add_added(t, err)) == SH_OK) rc = tok_finish(t, err);
    }
    if (rc == SH_OK)
        *out = t;
    else
        sh_tokenizer_free(t);
    return rc;
}
