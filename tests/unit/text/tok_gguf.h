/* unit/text/tok_gguf.h - a reader of the metadata of vocabulary-only GGUF files, enough for tests (the text
 * layer may not use formats/). The file is trusted. */
#ifndef SH_UNIT_TOK_GGUF_H
#define SH_UNIT_TOK_GGUF_H

#include "base/endian.h"
#include "tok_cases.h"

typedef struct gguf_vocab {
    bytes file;
    sh_vocab_desc desc;
    char model[64], pre[64];
} gguf_vocab;

static inline uint64_t gguf_u64(const char **p)
{
    uint64_t v = sh_get_u64(*p);
    *p += 8;
    return v;
}
static inline uint32_t gguf_u32(const char **p)
{
    uint32_t v = sh_get_u32(*p);
    *p += 4;
    return v;
}
static inline sh_str gguf_str(const char **p)
{
    size_t n = (size_t)gguf_u64(p);
    sh_str s = sh_str_n(*p, n);
    *p += n;
    return s;
}

/* Bytes of one value of a scalar type. */
static inline size_t gguf_size(uint32_t type)
{
    static const uint8_t size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    assert_true(type < sizeof size);
    return size[type];
}

static inline void gguf_array(gguf_vocab *g, sh_str key, const char **p)
{
    uint32_t type = gguf_u32(p);
    size_t n = (size_t)gguf_u64(p);
    if (type == 8) {
        sh_str *list = malloc((n + 1) * sizeof *list);
        assert_non_null(list);
        for (size_t i = 0; i < n; i++) list[i] = gguf_str(p);
        if (sh_str_is(key, "tokenizer.ggml.tokens"))
            g->desc.tokens = list, g->desc.n_tokens = n;
        else if (sh_str_is(key, "tokenizer.ggml.merges"))
            g->desc.merges = list, g->desc.n_merges = n;
        else
            free(list);
        return;
    }
    size_t bytes_all = n * gguf_size(type);
    void *copy = malloc(bytes_all + 1);
    assert_non_null(copy);
    memcpy(copy, *p, bytes_all);
    *p += bytes_all;
    if (sh_str_is(key, "tokenizer.ggml.scores"))
        g->desc.scores = copy;
    else if (sh_str_is(key, "tokenizer.ggml.token_type"))
        g->desc.types = copy;
    else if (sh_str_is(key, "tokenizer.ggml.precompiled_charsmap"))
        g->desc.charsmap = copy, g->desc.n_charsmap = bytes_all;
    else
        free(copy);
}

static inline void gguf_scalar(gguf_vocab *g, sh_str key, uint32_t type, const char **p)
{
    const struct {
        const char *name;
        int32_t *to;
    } keys[] = {{"bos_token_id", &g->desc.bos},
                {"eos_token_id", &g->desc.eos},
                {"eot_token_id", &g->desc.eot},
                {"eom_token_id", &g->desc.eom},
                {"unknown_token_id", &g->desc.unk},
                {"seperator_token_id", &g->desc.sep},
                {"padding_token_id", &g->desc.pad},
                {"cls_token_id", &g->desc.cls},
                {"mask_token_id", &g->desc.mask},
                {"add_bos_token", &g->desc.add_bos},
                {"add_eos_token", &g->desc.add_eos},
                {"add_space_prefix", &g->desc.add_space_prefix},
                {"remove_extra_whitespaces", &g->desc.remove_extra_whitespaces}};
    const char *prefix = "tokenizer.ggml.";
    if (type == 8) {
        sh_str s = gguf_str(p);
        if (sh_str_is(key, "tokenizer.ggml.model"))
            snprintf(g->model, sizeof g->model, "%.*s", (int)s.n, s.p), g->desc.model = g->model;
        if (sh_str_is(key, "tokenizer.ggml.pre"))
            snprintf(g->pre, sizeof g->pre, "%.*s", (int)s.n, s.p), g->desc.pre = g->pre;
        return;
    }
    for (size_t i = 0; i < COUNT(keys); i++)
        if (key.n > 15 && memcmp(key.p, prefix, 15) == 0 &&
            sh_str_is(sh_str_n(key.p + 15, key.n - 15), keys[i].name))
            *keys[i].to = type == 7 ? **p : (int32_t)sh_get_u32(*p);
    *p += gguf_size(type);
}

/* False when the file is not there. */
static inline bool gguf_open(gguf_vocab *g, const char *dir, const char *name)
{
    *g = (gguf_vocab){.file = read_all(dir, name)};
    if (!g->file.p) return false;
    g->desc = (sh_vocab_desc){.bos = -1,
                              .eos = -1,
                              .eot = -1,
                              .eom = -1,
                              .unk = -1,
                              .sep = -1,
                              .pad = -1,
                              .cls = -1,
                              .mask = -1,
                              .add_bos = -1,
                              .add_eos = -1,
                              .add_space_prefix = -1,
                              .remove_extra_whitespaces = -1};
    const char *p = g->file.p + 8;
    gguf_u64(&p);
    for (uint64_t n = gguf_u64(&p); n; n--) {
        sh_str key = gguf_str(&p);
        uint32_t type = gguf_u32(&p);
        if (type == 9)
            gguf_array(g, key, &p);
        else
            gguf_scalar(g, key, type, &p);
    }
    return true;
}

static inline void gguf_close(gguf_vocab *g)
{
    free((void *)(uintptr_t)g->desc.tokens);
    free((void *)(uintptr_t)g->desc.merges);
    free((void *)(uintptr_t)g->desc.scores);
    free((void *)(uintptr_t)g->desc.types);
    free((void *)(uintptr_t)g->desc.charsmap);
    free(g->file.p);
}

#endif
