/* load_tokenizer.c - the tokenizer and the chat template that lie beside a model's weights. */
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "model/load.h"
#include "os/file.h"

enum { MAX_VOCABULARY_BYTES = 256 << 20, MAX_CONFIG_BYTES = 16 << 20 };

/* The file `name` of a folder, if it is there: SH_E_NOTFOUND leaves *err alone. */
static int read_member(const char *folder, const char *name, size_t max, sh_buf *out, sh_err *err)
{
    char *path = sh_path_join(folder, name);
    int rc = !path                  ? sh_fail_nomem(err, strlen(name))
             : sh_file_exists(path) ? sh_file_read(path, max, out, err)
                                    : SH_E_NOTFOUND;
    sh_free(path);
    return rc;
}

static int from_json(sh_model *m, const char *folder, const sh_buf *config, sh_err *err)
{
    sh_buf text = {0};
    int rc = read_member(folder, "tokenizer.json", MAX_VOCABULARY_BYTES, &text, err);
    if (rc == SH_OK)
        rc = sh_tokenizer_from_json(&m->tokenizer, text.p, text.n, config->p, config->n, "tokenizer.json",
                                    err);
    sh_buf_clear(&text);
    return rc;
}

static int from_sentencepiece(sh_model *m, const char *folder, sh_err *err)
{
    static const char *const names[] = {"tokenizer.model", "sentencepiece.bpe.model", "spiece.model"};
    int rc = SH_E_NOTFOUND;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && rc == SH_E_NOTFOUND; i++) {
        sh_buf data = {0};
        rc = read_member(folder, names[i], MAX_VOCABULARY_BYTES, &data, err);
        if (rc == SH_OK) rc = sh_tokenizer_from_sentencepiece(&m->tokenizer, data.p, data.n, names[i], err);
        sh_buf_clear(&data);
    }
    return rc;
}

static int from_bpe_files(sh_model *m, const char *folder, sh_err *err)
{
    sh_buf vocab = {0}, merges = {0};
    int rc = read_member(folder, "vocab.json", MAX_VOCABULARY_BYTES, &vocab, err);
    if (rc == SH_E_NOTFOUND) rc = read_member(folder, "encoder.json", MAX_VOCABULARY_BYTES, &vocab, err);
    if (rc < 0) goto out;
    rc = read_member(folder, "merges.txt", MAX_VOCABULARY_BYTES, &merges, err);
    if (rc == SH_E_NOTFOUND) rc = read_member(folder, "vocab.bpe", MAX_VOCABULARY_BYTES, &merges, err);
    if (rc == SH_OK)
        rc = sh_tokenizer_from_bpe_files(&m->tokenizer, vocab.p, vocab.n, merges.p, merges.n, "gpt-2",
                                         "vocab.json", err);
out:
    sh_buf_clear(&vocab);
    sh_buf_clear(&merges);
    return rc;
}

int sh_load_tokenizer_folder(sh_model *m, const char *folder, sh_err *err)
{
    sh_buf config = {0};
    int rc = read_member(folder, "tokenizer_config.json", MAX_CONFIG_BYTES, &config, err);
    if (rc < 0 && rc != SH_E_NOTFOUND) goto out;
    if ((rc = from_json(m, folder, &config, err)) != SH_E_NOTFOUND) goto out;
    if ((rc = from_sentencepiece(m, folder, err)) != SH_E_NOTFOUND) goto out;
    rc = from_bpe_files(m, folder, err);
out:
    sh_buf_clear(&config);
    return rc;
}

int sh_load_tokenizer_file(sh_model *m, const char *path, sh_err *err)
{
    sh_buf data = {0};
    const char *where = sh_path_base(path);
    int rc;
    if (sh_file_is_dir(path)) {
        rc = sh_load_tokenizer_folder(m, path, err);
        return rc == SH_E_NOTFOUND
                   ? sh_fail(err, rc, "%s: no tokenizer.json, tokenizer.model or vocab.json", path)
                   : rc;
    }
    if ((rc = sh_file_read(path, MAX_VOCABULARY_BYTES, &data, err)) < 0) goto out;
    if (data.n && data.p[0] == '{')
        rc = sh_tokenizer_from_json(&m->tokenizer, data.p, data.n, NULL, 0, where, err);
    else if (sh_ends_with(path, ".bin"))
        rc = sh_tokenizer_from_llama2c(&m->tokenizer, data.p, data.n, (int32_t)m->hp.n_vocab, where, err);
    else rc = sh_tokenizer_from_sentencepiece(&m->tokenizer, data.p, data.n, where, err);
out:
    sh_buf_clear(&data);
    return rc;
}
