/* gguf_vocab.c - the tokenizer in GGUF metadata, handed to text/ as a neutral description. */
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "model/load.h"

static const sh_meta *array_of(const sh_tensors *t, const char *key, enum sh_meta_type elem)
{
    const sh_meta *m = sh_tensors_meta(t, key);
    return m && m->type == SH_META_ARRAY && m->elem_type == elem ? m : NULL;
}

/* -1 when absent or outside the vocabulary. */
static sh_token token_at(const sh_tensors *t, const char *key, size_t n_tokens)
{
    uint64_t v;
    return sh_meta_get_u64(t, key, &v, INT32_MAX, NULL) == SH_OK && v < n_tokens ? (sh_token)v : -1;
}

static int flag_at(const sh_tensors *t, const char *key)
{
    bool v;
    return sh_meta_get_bool(t, key, &v, NULL) == SH_OK ? v : -1;
}

/* A string of the metadata with a NUL; NULL when absent or memory is short (*failed tells). */
static char *text_at(const sh_tensors *t, const char *key, bool *failed)
{
    sh_str s;
    if (sh_meta_get_str(t, key, &s, NULL) != SH_OK) return NULL;
    char *text = sh_strndup(s.n ? s.p : "", s.n);
    *failed = *failed || !text;
    return text;
}

typedef struct copies { char *model, *pre; float *scores; int32_t *types; } copies;

/* Packed little-endian numbers lie at any alignment in the file: the description wants plain arrays. */
static int copy_numbers(copies *c, const sh_tensors *t, size_t n, sh_err *err)
{
    const sh_meta *scores = array_of(t, "tokenizer.ggml.scores", SH_META_F32);
    const sh_meta *types = array_of(t, "tokenizer.ggml.token_type", SH_META_I32);
    if (scores && scores->n_elems != n)
        return sh_fail(err, SH_E_CORRUPT, "tokenizer.ggml.scores: %llu entries for %zu tokens",
                       (unsigned long long)scores->n_elems, n);
    if (types && types->n_elems != n)
        return sh_fail(err, SH_E_CORRUPT, "tokenizer.ggml.token_type: %llu entries for %zu tokens",
                       (unsigned long long)types->n_elems, n);
    if (scores && !(c->scores = sh_new_array(n, sizeof *c->scores, err))) return SH_E_NOMEM;
    if (types && !(c->types = sh_new_array(n, sizeof *c->types, err))) return SH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (scores) c->scores[i] = sh_get_f32(scores->elems + 4 * i);
        if (types) c->types[i] = (int32_t)sh_get_u32(types->elems + 4 * i);
    }
    return SH_OK;
}

static void fill_special(sh_vocab_desc *d, const sh_tensors *t)
{
    const struct { const char *key; sh_token *id;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", &d->bos},
        {"tokenizer.ggml.eos_token_id", &d->eos},
        {"tokenizer.ggml.eot_token_id", &d->eot},
        {"tokenizer.ggml.eom_token_id", &d->eom},
        {"tokenizer.ggml.unknown_token_id", &d->unk},
        {"tokenizer.ggml.seperator_token_id", &d->sep}, /* spelt so in the format */
        {"tokenizer.ggml.padding_token_id", &d->pad},
        {"tokenizer.ggml.cls_token_id", &d->cls},
        {"tokenizer.ggml.mask_token_id", &d->mask},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) *ids[i].id = token_at(t, ids[i].key, d->n_tokens);
    d->add_bos = flag_at(t, "tokenizer.ggml.add_bos_token");
    d->add_eos = flag_at(t, "tokenizer.ggml.add_eos_token");
    d->add_space_prefix = flag_at(t, "tokenizer.ggml.add_space_prefix");
    d->remove_extra_whitespaces = flag_at(t, "tokenizer.ggml.remove_extra_whitespaces");
}

int sh_gguf_tokenizer(sh_tokenizer **out, const sh_tensors *t, sh_err *err)
{
    copies c = {0};
    bool failed = false;
    const sh_meta *tokens = array_of(t, "tokenizer.ggml.tokens", SH_META_STRING);
    const sh_meta *merges = array_of(t, "tokenizer.ggml.merges", SH_META_STRING);
    const sh_meta *charsmap = sh_tensors_meta(t, "tokenizer.ggml.precompiled_charsmap");
    int rc;
    if (!tokens || !tokens->n_elems) return SH_E_NOTFOUND;
    sh_vocab_desc d = {.tokens = tokens->strings, .n_tokens = (size_t)tokens->n_elems};
    c.model = text_at(t, "tokenizer.ggml.model", &failed);
    c.pre = text_at(t, "tokenizer.ggml.pre", &failed);
    if (failed) {
        rc = sh_fail_nomem(err, 64);
        goto out;
    }
    if (!c.model) {
        rc = sh_fail(err, SH_E_CORRUPT, "no tokenizer.ggml.model in the metadata");
        goto out;
    }
    if ((rc = copy_numbers(&c, t, d.n_tokens, err)) < 0) goto out;
    d.model = c.model, d.pre = c.pre, d.scores = c.scores, d.types = c.types;
    if (merges) d.merges = merges->strings, d.n_merges = (size_t)merges->n_elems;
    if (charsmap && charsmap->type == SH_META_ARRAY && charsmap->elems)
        d.charsmap = charsmap->elems, d.n_charsmap = (size_t)charsmap->n_elem_bytes;
    fill_special(&d, t);
    rc = sh_tokenizer_from_vocab(out, &d, "tokenizer.ggml", err);
out:
    sh_free(c.model);
    sh_free(c.pre);
    sh_free(c.scores);
    sh_free(c.types);
    return rc;
}
