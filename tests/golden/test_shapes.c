/* test_shapes.c - published models, without their weights: what config.json says and the list of the
 * checkpoint's tensors make up the model, every tensor is used once, and a list with one tensor missing, too
 * many or of another shape is refused by its name.
 *
 * Configurations: tests/data/shapes. Lists: shape_lists.h. For models that the reference data has a manifest
 * of (names and metadata of a GGUF file that another converter wrote) our list for GGUF must have exactly
 * those names, and the metadata, in a file of the full size that is all hole, must give the shape that
 * config.json gives. */
#include "shape_lists.h"

#include <unistd.h>

#include "base/endian.h"
#include "model/bind.h"
#include "model/hf_config.h"
#include "model/load.h"
#include "model/memory.h"

#define CONFIGS SHOAL_SOURCE_DIR "/tests/data/shapes"
#define MANIFESTS SHOAL_GOLDEN_DIR "/lm/model_arch_manifests"

enum { MAX_PARTS = 6 };

typedef struct published {
    const char *name; /* folder below CONFIGS */
    sizes s;
    uint64_t n_parameters; /* as published; for codegen what its sizes give */
    const rule *hf[MAX_PARTS], *gguf[MAX_PARTS];
    const char *manifests[2]; /* names of all together; metadata of the first */
} published;

/* clang-format off */
#define HF_LLAMA {hf_llama, hf_mlp, hf_head}
#define GGUF_LLAMA {gguf_base, gguf_qkv, gguf_mlp, gguf_head}
static const published models[] = {
    {"mistral-7b-instruct-v0.2", {32000, 4096, 14336, 32, 32, 8, 128, 0, 128, 32768}, 7241732096,
     HF_LLAMA, GGUF_LLAMA, {"Mistral-7B-Instruct-v0.2"}},
    {"llama-2-13b", {32000, 5120, 13824, 40, 40, 40, 128, 0, 128, 4096}, 13015864320,
     {hf_llama, hf_mlp, hf_head, hf_inv_freq}, GGUF_LLAMA, {NULL}},
    {"llama-3-8b-instruct", {128256, 4096, 14336, 32, 32, 8, 128, 0, 128, 8192}, 8030261248,
     HF_LLAMA, GGUF_LLAMA, {"Meta-Llama-3-8B-Instruct"}},
    {"llama-3.1-8b-instruct", {128256, 4096, 14336, 32, 32, 8, 128, 0, 128, 131072}, 8030261248,
     HF_LLAMA, {gguf_base, gguf_qkv, gguf_mlp, gguf_head, gguf_freqs},
     {"Meta-Llama-3-8B-Instruct", "Meta-Llama-3.1-8B-Instruct"}},
    {"mixtral-8x7b-instruct-v0.1", {32000, 4096, 14336, 32, 32, 8, 128, 8, 128, 32768}, 46702792704,
     {hf_llama, hf_experts, hf_head}, {gguf_base, gguf_qkv, gguf_experts, gguf_head}, {"Mixtral-8x7B-Instruct-v0.1"}},
    {"qwen2.5-0.5b-instruct", {151936, 896, 4864, 24, 14, 2, 64, 0, 64, 32768}, 494032768,
     {hf_llama, hf_mlp, hf_qkv_bias}, {gguf_base, gguf_qkv, gguf_mlp, gguf_qkv_bias}, {"Qwen2.5-0.5B-Instruct"}},
    {"qwen2.5-7b-instruct", {152064, 3584, 18944, 28, 28, 4, 128, 0, 128, 32768}, 7615616512,
     {hf_llama, hf_mlp, hf_qkv_bias, hf_head}, {gguf_base, gguf_qkv, gguf_mlp, gguf_qkv_bias, gguf_head}, {NULL}},
    {"gemma-2b-it", {256000, 2048, 16384, 18, 8, 1, 256, 0, 256, 8192}, 2506172416,
     {hf_llama, hf_mlp}, {gguf_base, gguf_qkv, gguf_mlp}, {"gemma-2b-it"}},
    {"gemma-2-2b-it", {256000, 2304, 9216, 26, 8, 4, 256, 0, 256, 8192}, 2614341888,
     {hf_llama, hf_mlp, hf_sandwich}, {gguf_base, gguf_qkv, gguf_mlp, gguf_sandwich}, {"gemma-2-2b-it"}},
    {"gemma-2-9b-it", {256000, 3584, 14336, 42, 16, 8, 256, 0, 256, 8192}, 9241705984,
     {hf_llama, hf_mlp, hf_sandwich}, {gguf_base, gguf_qkv, gguf_mlp, gguf_sandwich}, {NULL}},
    {"phi-2", {51200, 2560, 10240, 32, 32, 32, 80, 0, 32, 2048}, 2779683840, {hf_phi, hf_qkv_bias},
     {gguf_phi, gguf_qkv, gguf_qkv_bias}, {NULL}},
    {"phi-3-mini-128k-instruct", {32064, 3072, 8192, 32, 32, 32, 96, 0, 96, 131072}, 3821079552,
     {hf_phi3}, {gguf_base, gguf_fused, gguf_head, gguf_long}, {"Phi-3-mini-128k-instruct"}},
    {"codegen-350m", {51200, 1024, 4096, 20, 16, 16, 64, 0, 32, 2048}, 356712448,
     {hf_codegen}, {gguf_codegen}, {NULL}},
    {"codegen-2b", {51200, 2560, 10240, 32, 32, 32, 80, 0, 64, 2048}, 2779356160,
     {hf_codegen}, {gguf_codegen}, {NULL}},
    {"codegen-6b", {51200, 4096, 16384, 33, 16, 16, 256, 0, 64, 2048}, 7064213504,
     {hf_codegen}, {gguf_codegen}, {NULL}},
    {"codegen-16b", {51200, 6144, 24576, 34, 24, 24, 256, 0, 64, 2048}, 16032155648,
     {hf_codegen}, {gguf_codegen}, {NULL}},
};
/* clang-format on */
enum { N_MODELS = sizeof models / sizeof models[0] };

static int read_config(sh_hparams *hp, sh_arena *arena, const char *name, sh_err *err)
{
    char folder[1024];
    golden_path(folder, CONFIGS, name);
    json_t *config = golden_json(folder, "config.json");
    int rc = sh_hf_config_read(hp, config, arena, err);
    json_decref(config);
    return rc;
}

/* ---- every tensor once ---- */

static bool name_is(const char *text, const char *stem, uint32_t layer, uint32_t expert, const char *suffix)
{
    char composed[256];
    size_t n = 0;
    for (const char *p = stem; *p; p++) {
        if (*p == '%' || *p == '#')
            n += (size_t)snprintf(composed + n, sizeof composed - n, "%u", *p == '%' ? layer : expert);
        else
            composed[n++] = *p;
    }
    snprintf(composed + n, sizeof composed - n, "%s", suffix);
    return strcmp(text, composed) == 0;
}

/* How many weights of the model a tensor could be, by the names of its family alone. */
static unsigned count_uses(const sh_hparams *hp, bool is_gguf, const sh_tensor *t)
{
    static const char *const suffixes[] = {".weight", ".bias"};
    unsigned n = 0, layer = 0, expert = 0;
    const char *digits = strpbrk(t->name, "0123456789"), *more = strstr(t->name, ".experts.");
    if (digits && (sh_starts_with(t->name, "blk.") || strstr(t->name, "layers.") || strstr(t->name, ".h.")))
        layer = (unsigned)strtoul(digits, NULL, 10);
    if (more) expert = (unsigned)strtoul(more + 9, NULL, 10);
    for (int s = 0; s < SH_SLOT_COUNT; s++) {
        /* A bias of the output and divisors of rotary frequencies may be there whatever the shape says. */
        bool loose = s == SH_SLOT_OUTPUT || s == SH_SLOT_ROPE_FREQS;
        if (!loose && !sh_arch_has_slot(hp, (enum sh_slot)s, layer)) continue;
        const sh_name *name, *whole = sh_arch_name(hp->arch, is_gguf, SH_SLOT_GATE_UP, 0);
        for (size_t i = 0; (name = sh_arch_name(hp->arch, is_gguf, (enum sh_slot)s, i)); i++)
            for (size_t k = 0; k < 2; k++) {
                /* phi3's ffn_up is gate and up in GGUF: one tensor, one use. */
                if (s == SH_SLOT_UP && whole && strcmp(whole->stem, name->stem) == 0) continue;
                n += name_is(t->name, name->stem, layer, expert, name->bare ? "" : suffixes[k]);
            }
    }
    return n;
}

static void expect_refusal(const char *model, const sh_hparams *hp, bool is_gguf, const sh_tensor *list,
                           size_t n, const char *name, const char *says)
{
    sh_err err = {0};
    if (sh_bind_check(hp, is_gguf, list, n, &err) != SH_E_CORRUPT)
        fail_msg("%s: %s: nobody noticed (%s)", model, name, says);
    if (!strstr(err.msg, name) || !strstr(err.msg, says) || strchr(err.msg, '\n'))
        fail_msg("%s: '%s' does not say '%s' of %s", model, err.msg, says, name);
}

/* Of a matrix that holds several, a missing one is reported by the name that it would have alone. */
static const char *name_when_missing(const sh_hparams *hp, bool is_gguf, const char *name, char out[128])
{
    static const char *const fused[] = {"self_attn.qkv_proj", "mlp.gate_up_proj", "attn.qkv_proj", "attn_qkv",
                                        "ffn_up"};
    snprintf(out, 128, "%s", name);
    for (size_t i = 0; i < sizeof fused / sizeof fused[0]; i++) {
        char *at = strstr(out, fused[i]);
        if (!strcmp(fused[i], "ffn_up") && !sh_arch_name(hp->arch, is_gguf, SH_SLOT_GATE_UP, 0)) continue;
        if (at) *at = 0;
    }
    return out;
}

/* The list makes up the model; without any one tensor, with it in another shape, or with one more it does
 * not. */
static void check_list(const char *model, const sh_hparams *hp, bool is_gguf, const listing *l)
{
    sh_err err = {0};
    char text[128];
    if (sh_bind_check(hp, is_gguf, l->t, l->n, &err) < 0) fail_msg("%s: %s", model, err.msg);
    sh_tensor *copy = sh_alloc(l->n + 1, sizeof *copy);
    assert_non_null(copy);
    for (size_t i = 0; i < l->n; i++) {
        const sh_tensor *t = &l->t[i];
        const unsigned uses = count_uses(hp, is_gguf, t);
        if (uses != (l->is_idle[i] ? 0 : 1)) fail_msg("%s: %s has %u uses", model, t->name, uses);
        if (l->is_idle[i]) continue;
        memcpy(copy, l->t, l->n * sizeof *copy);
        copy[i].dims[t->n_dims - 1]++;
        expect_refusal(model, hp, is_gguf, copy, l->n, t->name, "shape [");
        copy[i] = l->t[l->n - 1];
        /* GGUF files do not say whether there are biases: those present count. */
        if (is_gguf && (sh_ends_with(t->name, ".bias") || sh_starts_with(t->name, "rope_freqs"))) continue;
        expect_refusal(model, hp, is_gguf, copy, l->n - 1, name_when_missing(hp, is_gguf, t->name, text),
                       "is missing");
    }
    static const char *const extra[] = {"model.layers.0.self_attn.q_proj.lora_A", "blk.0.attn_sinks.weight"};
    memcpy(copy, l->t, l->n * sizeof *copy);
    for (size_t i = 0; i < 2; i++) {
        copy[l->n] = (sh_tensor){.name = extra[i], .dtype = SH_F32, .n_dims = 1, .dims = {8, 1, 1, 1}};
        expect_refusal(model, hp, is_gguf, copy, l->n + 1, extra[i], "is not part of this");
    }
    sh_free(copy);
}

static void check_sizes(const char *model, const sh_hparams *hp, const sizes *s)
{
    const uint64_t found[] = {hp->n_vocab,   hp->n_embd,     hp->n_layers,
                              hp->n_heads,   hp->n_kv_heads, hp->head_dim,
                              hp->n_experts, hp->n_rot,      hp->n_experts ? hp->n_ff_expert : hp->n_ff};
    const uint64_t wanted[] = {s->v, s->e, s->l, s->heads, s->kv_heads, s->head_dim, s->x, s->rot, s->f};
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        if (found[i] != wanted[i])
            fail_msg("%s: size %zu is %llu (expected %llu)", model, i, (unsigned long long)found[i],
                     (unsigned long long)wanted[i]);
}

/* ---- GGUF headers of manifests ---- */

static void put_u32(sh_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    sh_put_u32(bytes, v);
    sh_buf_add(b, bytes, 4);
}

static void put_u64(sh_buf *b, uint64_t v)
{
    uint8_t bytes[8];
    sh_put_u64(bytes, v);
    sh_buf_add(b, bytes, 8);
}

static void put_str(sh_buf *b, const char *s)
{
    put_u64(b, strlen(s));
    sh_buf_puts(b, s);
}

/* A manifest's text as the value it stands for; counts and numbers of the tokenizer are left out. */
static bool put_value(sh_buf *b, const char *key, const char *text)
{
    char *end;
    if (sh_starts_with(key, "tokenizer.") || sh_ends_with(key, ".weight") || sh_ends_with(key, ".bias"))
        return false;
    put_str(b, key);
    double number = strtod(text, &end);
    if (end == text || *end) {
        put_u32(b, SH_META_STRING);
        put_str(b, text);
    } else if (strpbrk(text, ".e")) {
        float f = (float)number;
        put_u32(b, SH_META_F32);
        sh_buf_add(b, &f, 4); /* little-endian machines only, as all of this reference data */
    } else {
        put_u32(b, SH_META_U32);
        put_u32(b, (uint32_t)number);
    }
    return true;
}

/* The header of a GGUF file; *n_bytes: what the file must have in all. */
static void make_header(sh_buf *out, const json_t *manifest, const listing *l, uint64_t *n_bytes)
{
    sh_buf meta = {0}, infos = {0};
    uint64_t n_meta = 0, at = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)manifest, key, value) n_meta +=
        put_value(&meta, key, json_string_value(value));
    for (size_t i = 0; l && i < l->n; i++) {
        const sh_tensor *t = &l->t[i];
        const bool is_vector = t->n_dims == 1;
        put_str(&infos, t->name);
        put_u32(&infos, t->n_dims);
        for (uint32_t d = 0; d < t->n_dims; d++) put_u64(&infos, t->dims[d]);
        put_u32(&infos, is_vector ? SH_F32 : SH_F16);
        put_u64(&infos, at);
        at += (elements_of(t) * (is_vector ? 4 : 2) + 31) / 32 * 32;
    }
    sh_buf_puts(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, l ? l->n : 0);
    put_u64(out, n_meta);
    sh_buf_add(out, meta.p, meta.n);
    if (infos.n) sh_buf_add(out, infos.p, infos.n);
    while (out->n % 32) sh_buf_putc(out, 0);
    *n_bytes = out->n + at;
    sh_buf_clear(&meta);
    sh_buf_clear(&infos);
}

/* The shape as the metadata gives it, and the tensors as a reader sees them in a file of the full size. */
static void check_metadata(const published *p, const json_t *manifest, const listing *l)
{
    char path[] = "/tmp/shoal-shape-XXXXXX";
    sh_buf header = {0};
    sh_tensors *t = NULL;
    sh_hparams hp = {0};
    sh_err err = {0};
    uint64_t n_bytes;
    listing seen = {.n = l->n, .t = sh_alloc(l->n, sizeof *seen.t), .is_idle = sh_zalloc(l->n, sizeof(bool))};
    sh_arena *arena = sh_arena_open();
    int fd = mkstemp(path);
    assert_true(fd >= 0 && arena && seen.t && seen.is_idle);
    make_header(&header, manifest, l, &n_bytes);
    assert_int_equal(write(fd, header.p, header.n), header.n);
    assert_int_equal(ftruncate(fd, (off_t)n_bytes), 0);
    close(fd);
    if (sh_tensors_open(&t, path, &err) < 0 || sh_gguf_config_read(&hp, t, arena, &err) < 0)
        fail_msg("%s as GGUF: %s", p->name, err.msg);
    unlink(path);
    for (size_t i = 0; i < l->n; i++) seen.t[i] = *sh_tensors_at(t, i);
    check_sizes(p->name, &hp, &p->s);
    check_list(p->name, &hp, true, &seen);
    listing_clear(&seen);
    sh_tensors_free(t);
    sh_arena_free(arena);
    sh_buf_clear(&header);
}

static size_t count_tensors(const json_t *manifest)
{
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)manifest, key, value) n +=
        sh_ends_with(key, ".weight") || sh_ends_with(key, ".bias");
    return n;
}

/* The manifests have the names of our list, no more and no fewer. */
static void check_names(const published *p, json_t *const *manifests, size_t n, const listing *l)
{
    size_t in_manifests = 0;
    for (size_t m = 0; m < n; m++) in_manifests += count_tensors(manifests[m]);
    for (size_t i = 0; i < l->n; i++) {
        bool found = false;
        for (size_t m = 0; m < n; m++) found = found || json_object_get(manifests[m], l->t[i].name);
        if (!found) fail_msg("%s: the manifest has no %s", p->name, l->t[i].name);
    }
    assert_int_equal(in_manifests, l->n);
}

/* ---- the tests ---- */

static void test_model(void **state)
{
    const published *p = *state;
    sh_hparams hp;
    sh_err err = {0};
    listing hf = {0}, gguf = {0};
    json_t *manifests[2] = {NULL, NULL};
    size_t n_manifests = 0;
    sh_arena *arena = sh_arena_open();
    if (read_config(&hp, arena, p->name, &err) < 0) fail_msg("%s: %s", p->name, err.msg);
    check_sizes(p->name, &hp, &p->s);
    assert_int_equal(hp.n_ctx_train, p->s.ctx);
    for (size_t i = 0; p->hf[i]; i++) listing_add_rules(&hf, p->hf[i], &p->s);
    for (size_t i = 0; p->gguf[i]; i++) listing_add_rules(&gguf, p->gguf[i], &p->s);
    assert_true(listing_parameters(&hf) == p->n_parameters && sh_shape_parameters(&hp) == p->n_parameters);
    check_list(p->name, &hp, false, &hf);
    if (gguf.n) check_list(p->name, &hp, true, &gguf);
    for (; n_manifests < 2 && p->manifests[n_manifests] && sh_file_is_dir(MANIFESTS); n_manifests++) {
        char file[128];
        snprintf(file, sizeof file, "%s.json", p->manifests[n_manifests]);
        manifests[n_manifests] = golden_json(MANIFESTS, file);
    }
    if (n_manifests) {
        check_names(p, manifests, n_manifests, &gguf);
        check_metadata(p, manifests[0], &gguf);
    }
    print_message("%-28s %zu tensors, %llu parameters, %zu in GGUF%s\n", p->name, hf.n,
                  (unsigned long long)p->n_parameters, gguf.n, n_manifests ? " as in the manifest" : "");
    json_decref(manifests[0]);
    json_decref(manifests[1]);
    listing_clear(&hf);
    listing_clear(&gguf);
    sh_arena_free(arena);
}

/* What the manifest of the 9B adds to the 2B's: settings, no names. */
static void test_gemma2_settings(void **state)
{
    sh_hparams hp;
    sh_err err = {0};
    sh_arena *arena = sh_arena_open();
    (void)state;
    assert_int_equal(read_config(&hp, arena, "gemma-2-9b-it", &err), SH_OK);
    assert_true(hp.attention_softcap == 50 && hp.final_softcap == 30);
    assert_true(hp.layers[0].window == 4096 && hp.layers[1].window == 0);
    assert_true(hp.attention_scale == 0.0625f && hp.embed_scale > 59.8f && hp.embed_scale < 59.9f);
    sh_arena_free(arena);
}

static void expect_unknown(int rc, const sh_err *err, const char *name)
{
    char quoted[160];
    snprintf(quoted, sizeof quoted, "architecture '%.60s' is not supported (nearest: ", name);
    assert_int_equal(rc, SH_E_UNSUPPORTED);
    const char *at = strstr(err->msg, quoted);
    if (!at || strchr(err->msg, '\n')) fail_msg("'%s' does not say %s", err->msg, quoted);
    /* three names that this version does support, and the end of the sentence */
    unsigned n = 0;
    for (at += strlen(quoted); *at && *at != ')'; n++) {
        char near[64];
        size_t length = strcspn(at, ",)");
        assert_true(length > 0 && length < sizeof near);
        snprintf(near, sizeof near, "%.*s", (int)length, at);
        if (!sh_arch_by_hf(near) && !sh_arch_by_gguf(near)) fail_msg("'%s' is nearest and unknown", near);
        at += length + (at[length] == ',' ? 2 : 0);
    }
    assert_int_equal(n, 3);
    assert_string_equal(at, ")");
}

static void test_unknown(void **state)
{
    /* clang-format off */
    static const char *const names[] = {
        "command-r",
        "bert-like",
        "",
        "GEMMA2",
        "no\\such'thing",
        "llama\xd9\x84\xd8\xa7\xd9\x85\xd8\xa7",
        "an-architecture-with-a-name-of-one-hundred-characters-which-is-more-than-any-reader-keeps-of-it-here",
    };
    /* clang-format on */
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sh_buf file = {0};
        sh_tensors *t = NULL;
        sh_hparams hp = {0};
        sh_err err = {0};
        uint64_t n_bytes;
        sh_arena *arena = sh_arena_open();
        json_t *config = json_pack("{ss}", "model_type", names[i]),
               *manifest = json_pack("{ss}", "general.architecture", names[i]);
        char shown[128];
        size_t n = strlen(names[i]);
        for (size_t k = 0; k <= n; k++) shown[k] = (signed char)names[i][k] < 0 ? '?' : names[i][k];
        expect_unknown(sh_hf_config_read(&hp, config, arena, &err), &err, shown);
        make_header(&file, manifest, NULL, &n_bytes);
        if (sh_gguf_parse(&t, (const uint8_t *)file.p, file.n, "file", &err) < 0) fail_msg("%s", err.msg);
        err = (sh_err){0};
        expect_unknown(sh_gguf_config_read(&hp, t, arena, &err), &err, shown);
        sh_tensors_free(t);
        sh_buf_clear(&file);
        json_decref(config);
        json_decref(manifest);
        sh_arena_free(arena);
    }
}

/* A model that this version does not run, as published: the line, whichever way it comes. */
static void test_command_r(void **state)
{
    sh_hparams hp;
    sh_err err = {0};
    sh_arena *arena = sh_arena_open();
    (void)state;
    expect_unknown(read_config(&hp, arena, "c4ai-command-r-v01", &err), &err, "cohere");
    sh_arena_free(arena);
    if (!sh_file_is_dir(MANIFESTS)) {
        print_message("skipped in part: no manifests at " MANIFESTS "\n");
        return;
    }
    json_t *manifest = golden_json(MANIFESTS, "c4ai-command-r-v01.json");
    sh_buf file = {0};
    sh_tensors *t = NULL;
    uint64_t n_bytes;
    arena = sh_arena_open();
    make_header(&file, manifest, NULL, &n_bytes);
    err = (sh_err){0};
    if (sh_gguf_parse(&t, (const uint8_t *)file.p, file.n, "file", &err) < 0) fail_msg("%s", err.msg);
    expect_unknown(sh_gguf_config_read(&hp, t, arena, &err), &err, "command-r");
    sh_tensors_free(t);
    sh_buf_clear(&file);
    json_decref(manifest);
    sh_arena_free(arena);
}

int main(void)
{
    if (!sh_file_is_dir(MANIFESTS))
        print_message("skipped: comparison with " MANIFESTS ", which is not there\n");
    struct CMUnitTest tests[N_MODELS + 3];
    for (size_t i = 0; i < N_MODELS; i++)
        tests[i] = (struct CMUnitTest){models[i].name, test_model, NULL, NULL, (void *)(uintptr_t)&models[i]};
    tests[N_MODELS] = (struct CMUnitTest)cmocka_unit_test(test_gemma2_settings);
    tests[N_MODELS + 1] = (struct CMUnitTest)cmocka_unit_test(test_unknown);
    tests[N_MODELS + 2] = (struct CMUnitTest)cmocka_unit_test(test_command_r);
    return _cmocka_run_group_tests("shapes", tests, N_MODELS + 3, NULL, NULL);
}
