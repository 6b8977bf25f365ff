/* convert_meta.c - metadata of a GGUF file: what the model is, its tokenizer, its chat template. */
#include "model/convert_meta.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/gguf_config.h"

static int set_id(sh_gguf_writer *w, const char *key, sh_token id, sh_err *err)
{
    return id < 0 ? SH_OK : sh_gguf_set_u32(w, key, (uint32_t)id, err);
}

static int set_flag(sh_gguf_writer *w, const char *key, int flag, sh_err *err)
{
    return flag < 0 ? SH_OK : sh_gguf_set_bool(w, key, flag != 0, err);
}

static int write_special(sh_gguf_writer *w, const sh_vocab_desc *d, sh_err *err)
{
    const struct {
        const char *key;
        sh_token id;
    } ids[] = {
        {"bos", d->bos},       {"eos", d->eos},     {"eot", d->eot}, {"eom", d->eom},   {"unknown", d->unk},
        {"seperator", d->sep}, {"padding", d->pad}, {"cls", d->cls}, {"mask", d->mask},
    };
    int rc = SH_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && rc == SH_OK; i++) {
        char key[64];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i].key);
        rc = set_id(w, key, ids[i].id, err);
    }
    if (rc == SH_OK) rc = set_flag(w, "tokenizer.ggml.add_bos_token", d->add_bos, err);
    if (rc == SH_OK) rc = set_flag(w, "tokenizer.ggml.add_eos_token", d->add_eos, err);
    if (rc == SH_OK) rc = set_flag(w, "tokenizer.ggml.add_space_prefix", d->add_space_prefix, err);
    if (rc == SH_OK)
        rc = set_flag(w, "tokenizer.ggml.remove_extra_whitespaces", d->remove_extra_whitespaces, err);
    return rc;
}

/* Embeddings may have more rows than there are tokens: readers want a name for each row. */
typedef struct padded {
    sh_str *tokens;
    int32_t *types;
    float *scores;
    char *names;
} padded;

static void padded_clear(padded *p)
{
    sh_free(p->tokens);
    sh_free(p->types);
    sh_free(p->scores);
    sh_free(p->names);
}

static int pad(padded *p, const sh_vocab_desc *d, size_t n, sh_err *err)
{
    enum { NAME_BYTES = 32, UNUSED = 5, NORMAL = 1 };
    size_t extra = n - d->n_tokens;
    p->tokens = sh_new_array(n, sizeof *p->tokens, err);
    p->types = sh_new_array(n, sizeof *p->types, err);
    p->scores = sh_new_array(n, sizeof *p->scores, err);
    p->names = sh_new_array(extra + 1, NAME_BYTES, err);
    if (!p->tokens || !p->types || !p->scores || !p->names) return SH_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        bool known = i < d->n_tokens;
        char *name = known ? NULL : p->names + (i - d->n_tokens) * NAME_BYTES;
        if (!known) snprintf(name, NAME_BYTES, "[PAD%zu]", i);
        p->tokens[i] = known ? d->tokens[i] : sh_str_of(name);
        p->types[i] = !known ? UNUSED : d->types ? d->types[i] : NORMAL;
        p->scores[i] = !known ? -1000.0f : d->scores ? d->scores[i] : 0;
    }
    return SH_OK;
}

static int write_tokenizer(sh_gguf_writer *w, const sh_model *m, sh_err *err)
{
    sh_vocab_desc d;
    padded all = {0};
    int rc = sh_tokenizer_describe(m->tokenizer, &d, err);
    if (rc < 0) return rc;
    if (d.n_tokens > m->hp.n_vocab)
        return sh_fail(err, SH_E_CORRUPT, "the tokenizer has %zu tokens and the model %u", d.n_tokens,
                       m->hp.n_vocab);
    if ((rc = pad(&all, &d, m->hp.n_vocab, err)) < 0) goto out;
    if ((rc = sh_gguf_set_str(w, "tokenizer.ggml.model", sh_str_of(d.model), err)) < 0) goto out;
    if (d.pre && (rc = sh_gguf_set_str(w, "tokenizer.ggml.pre", sh_str_of(d.pre), err)) < 0) goto out;
    if ((rc = sh_gguf_set_strings(w, "tokenizer.ggml.tokens", all.tokens, m->hp.n_vocab, err)) < 0) goto out;
    if (d.scores && (rc = sh_gguf_set_f32s(w, "tokenizer.ggml.scores", all.scores, m->hp.n_vocab, err)) < 0)
        goto out;
    if ((rc = sh_gguf_set_i32s(w, "tokenizer.ggml.token_type", all.types, m->hp.n_vocab, err)) < 0) goto out;
    if (d.merges && (rc = sh_gguf_set_strings(w, "tokenizer.ggml.merges", d.merges, d.n_merges, err)) < 0)
        goto out;
    if (d.charsmap &&
        (rc = sh_gguf_set_u8s(w, "tokenizer.ggml.precompiled_charsmap", d.charsmap, d.n_charsmap, err)) < 0)
        goto out;
    rc = write_special(w, &d, err);
out:
    padded_clear(&all);
    return rc;
}

static int write_sampling(sh_gguf_writer *w, const sh_model_sampling *s, sh_err *err)
{
    const struct {
        const char *key;
        double v;
        bool is_int;
    } rows[] = {
        {"general.sampling.temp", s->temperature, false},
        {"general.sampling.top_k", s->top_k, true},
        {"general.sampling.top_p", s->top_p, false},
        {"general.sampling.min_p", s->min_p, false},
        {"general.sampling.penalty_repeat", s->repetition_penalty, false},
    };
    int rc = SH_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rc == SH_OK; i++) {
        if (rows[i].v < 0) continue;
        rc = rows[i].is_int ? sh_gguf_set_i32(w, rows[i].key, (int32_t)rows[i].v, err)
                            : sh_gguf_set_f32(w, rows[i].key, (float)rows[i].v, err);
    }
    return rc;
}

/* What holds for one file's layout only; and of a tokenizer that another one takes the place of, every key:
 * left beside the new ones (merges, scores, ids of special tokens) they would describe neither. */
static bool is_left_out(const char *key, bool other_tokenizer)
{
    return sh_starts_with(key, "split.") || strcmp(key, "general.alignment") == 0 ||
           (other_tokenizer &&
            (sh_starts_with(key, "tokenizer.ggml.") || sh_starts_with(key, "tokenizer.huggingface.")));
}

static int copy_all(sh_gguf_writer *w, const sh_tensors *t, bool other_tokenizer, sh_err *err)
{
    int rc = SH_OK;
    for (size_t i = 0; i < sh_tensors_meta_count(t) && rc == SH_OK; i++) {
        const sh_meta *meta = sh_tensors_meta_at(t, i);
        if (!is_left_out(meta->key, other_tokenizer)) rc = sh_gguf_copy_meta(w, meta, err);
    }
    return rc;
}

int sh_convert_write_meta(sh_gguf_writer *w, const sh_model *m, const sh_convert_opts *o, uint32_t file_type,
                          bool quantized, sh_err *err)
{
    bool from_gguf = strcmp(sh_tensors_container(m->tensors), "gguf") == 0;
    int rc = from_gguf ? copy_all(w, m->tensors, o->tokenizer_path != NULL, err)
                       : sh_gguf_config_write(w, &m->hp, err);
    if (rc < 0) return rc;
    if (!from_gguf && (rc = sh_gguf_set_str(w, "general.type", sh_str_of("model"), err)) < 0) return rc;
    const char *name = o->name ? o->name : m->info.name;
    if ((o->name || !from_gguf) && (rc = sh_gguf_set_str(w, "general.name", sh_str_of(name), err)) < 0)
        return rc;
    if ((rc = sh_gguf_set_u32(w, "general.file_type", file_type, err)) < 0) return rc;
    if (quantized && (rc = sh_gguf_set_u32(w, "general.quantization_version", 2, err)) < 0) return rc;
    if (from_gguf && !o->tokenizer_path) return SH_OK;
    if (m->tokenizer && (rc = write_tokenizer(w, m, err)) < 0) return rc;
    if (from_gguf) return SH_OK;
    if (m->template_text &&
        (rc = sh_gguf_set_str(w, "tokenizer.chat_template", sh_str_of(m->template_text), err)) < 0)
        return rc;
    return write_sampling(w, &m->sampling, err);
}
