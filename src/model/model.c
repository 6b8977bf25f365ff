/* model.c - opening a model by what its path turns out to be; what it says about itself. */
#include "model/model.h"

#include <ctype.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "model/load.h"
#include "os/file.h"
#include "tensor/exactmath.h"

/* ---- tables that follow from hparams ---- */

/* m_h = 2^(-max (h+1) / n) for n heads, n a power of two; the others take every second step of the next finer
 * series. The reference keeps slopes in BF16 (Press et al. 2022, arXiv:2108.12409; Falcon-RW). */
static const float *alibi_slopes(const sh_hparams *hp, sh_arena *arena)
{
    float *slopes = sh_arena_alloc(arena, hp->n_heads, sizeof *slopes);
    uint32_t n = 1;
    while (2 * n <= hp->n_heads) n *= 2;
    for (uint32_t h = 0; slopes && h < hp->n_heads; h++) {
        double power =
            h < n ? -hp->alibi_max_bias * (h + 1.0) / n : -hp->alibi_max_bias / 2 * (2.0 * (h - n) + 1) / n;
        slopes[h] = sh_bf16_to_f32(sh_f32_to_bf16((float)sh_pow(2, power)));
    }
    return slopes;
}

int sh_model_prepare(sh_model *m, sh_err *err)
{
    const sh_hparams *hp = &m->hp;
    bool local = false;
    int rc;
    for (uint32_t i = 0; i < hp->n_layers; i++) local = local || hp->layers[i].local_rope;
    if ((rc = sh_rope_init(&m->rope, &hp->rope, hp->n_rot, m->arena, err)) < 0) return rc;
    if ((rc = sh_rope_init(&m->rope_local, &hp->rope_local, local ? hp->n_rot : 0, m->arena, err)) < 0)
        return rc;
    if (hp->position != SH_POSITION_ALIBI) return SH_OK;
    m->alibi_slopes = alibi_slopes(hp, m->arena);
    return m->alibi_slopes ? SH_OK : sh_fail_nomem(err, hp->n_heads * sizeof(float));
}

int sh_load_weights(sh_model *m, bool is_gguf, const sh_model_opts *opts, sh_err *err)
{
    sh_bind_opts bind = {
        .is_gguf = is_gguf, .rt = m->rt, .on_progress = opts->on_progress, .progress_ud = opts->progress_ud};
    if (opts->vocab_only) return SH_OK;
    if (!sh_kind_can_run(&m->hp))
        return sh_fail(err, SH_E_UNSUPPORTED, "%s models cannot be computed yet, only described",
                       m->hp.arch->name);
    int rc = sh_bind(&m->binding, &m->w, &m->hp, m->tensors, &bind, err);
    return rc < 0 ? rc : sh_model_prepare(m, err);
}

int sh_load_template(sh_model *m, const char *text, size_t n, sh_err *err)
{
    sh_err why = {0};
    if (!(m->template_text = sh_strndup(text, n))) return sh_fail_nomem(err, n);
    int rc = sh_template_open(&m->template, text, n, &why);
    if (rc == SH_E_NOMEM) return sh_fail_nomem(err, n);
    if (rc < 0 && !(m->template_error = sh_arena_strdup(m->arena, why.msg)))
        return sh_fail_nomem(err, sizeof why.msg);
    return SH_OK;
}

/* ---- description ---- */

/* The type that most bytes have, in capitals. */
static const char *common_type(sh_model *m)
{
    uint64_t bytes[SH_DTYPE_COUNT] = {0};
    size_t best = 0;
    for (size_t i = 0; i < sh_tensors_count(m->tensors); i++) {
        const sh_tensor *t = sh_tensors_at(m->tensors, i);
        if (sh_dtype_is_known(t->dtype)) bytes[t->dtype] += t->n_bytes;
    }
    for (size_t d = 0; d < SH_DTYPE_COUNT; d++)
        if (bytes[d] > bytes[best]) best = d;
    char *name = sh_arena_strdup(m->arena, sh_dtypes[best].name);
    for (char *p = name; p && *p; p++) *p = (char)toupper((unsigned char)*p);
    return name;
}

static void describe_tensors(sh_model *m)
{
    const char *label = NULL;
    uint64_t type, n_bytes = 0;
    m->info.container = sh_tensors_container(m->tensors);
    m->info.file_bytes = sh_tensors_file_bytes(m->tensors);
    for (size_t i = 0; i < sh_tensors_count(m->tensors); i++) {
        const sh_tensor *t = sh_tensors_at(m->tensors, i);
        uint64_t n = 1;
        for (uint32_t d = 0; d < t->n_dims; d++) n *= t->dims[d];
        if (!sh_dtype_is_known(t->dtype)) continue;
        m->info.n_parameters += n;
        n_bytes += t->n_bytes;
    }
    m->info.weight_bytes =
        m->w.n_bytes ? m->w.n_bytes : n_bytes; /* not loaded: about what loading would take */
    if (sh_meta_get_u64(m->tensors, "general.file_type", &type, UINT32_MAX, NULL) == SH_OK)
        label = sh_gguf_file_type(type);
    m->info.quantization = label ? label : common_type(m);
}

/* "models/minnow/" and "models/minnow.gguf" are both minnow. */
static char *name_of(sh_arena *arena, const char *path)
{
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--) {
    }
    for (size_t dot = end; dot > begin + 1; dot--)
        if (path[dot - 1] == '.' && (!strncmp(path + dot, "gguf", 4) || !strncmp(path + dot, "bin", 3) ||
                                     !strncmp(path + dot, "safetensors", 11))) {
            end = dot - 1;
            break;
        }
    return sh_arena_strndup(arena, path + begin, end - begin);
}

static int describe(sh_model *m, const char *path, sh_err *err)
{
    const sh_hparams *hp = &m->hp;
    sh_str name;
    m->info.architecture = hp->arch->name;
    m->info.container = "safetensors";
    m->info.quantization = "";
    if (m->tensors) describe_tensors(m);
    if (m->tensors && sh_meta_get_str(m->tensors, "general.name", &name, NULL) == SH_OK)
        m->info.name = sh_arena_strndup(m->arena, name.p, name.n);
    else
        m->info.name = name_of(m->arena, path);
    m->info.n_layers = hp->n_layers, m->info.n_embd = hp->n_embd, m->info.n_heads = hp->n_heads;
    m->info.n_kv_heads = hp->n_kv_heads, m->info.head_dim = hp->head_dim, m->info.n_ff = hp->n_ff;
    m->info.n_vocab = hp->n_vocab, m->info.n_ctx_train = hp->n_ctx_train;
    m->info.kv_bytes_per_token = (uint64_t)hp->n_layers * hp->n_kv_heads * hp->head_dim * 2 * 2;
    return m->info.name && m->info.quantization ? SH_OK : sh_fail_nomem(err, 64);
}

/* ---- opening ---- */

static int open_any(sh_model *m, const char *path, const sh_model_opts *opts, sh_err *err)
{
    if (sh_file_is_dir(path)) return sh_load_hf(m, path, path, opts, err);
    if (sh_ends_with(path, ".safetensors") || sh_ends_with(path, ".safetensors.index.json")) {
        char *folder = sh_path_sibling(path, ".");
        int rc = folder ? sh_load_hf(m, folder, path, opts, err) : sh_fail_nomem(err, strlen(path));
        sh_free(folder);
        return rc;
    }
    int rc = sh_tensors_open(&m->tensors, path, err);
    if (rc < 0) return rc;
    const char *container = sh_tensors_container(m->tensors);
    if (!strcmp(container, "gguf")) return sh_load_gguf(m, path, opts, err);
    if (!strcmp(container, "llama2c")) return sh_load_llama2c(m, path, opts, err);
    return sh_fail(err, SH_E_UNSUPPORTED,
                   "%s: a safetensors file is opened by a name that ends in .safetensors", path);
}

int sh_model_open(sh_model **out, sh_runtime *rt, const char *path, const sh_model_opts *opts, sh_err *err)
{
    static const sh_model_opts defaults = SH_MODEL_OPTS_INIT;
    int rc = SH_E_NOMEM;
    sh_model *m = sh_new(sizeof *m, err);
    if (!m) return SH_E_NOMEM;
    if (!opts) opts = &defaults;
    m->rt = rt;
    m->sampling = (sh_model_sampling){-1, -1, -1, -1, -1};
    if (!(m->arena = sh_arena_open())) {
        sh_fail_nomem(err, sizeof *m);
        goto out;
    }
    if ((rc = open_any(m, path, opts, err)) < 0) goto out;
    if (!m->tokenizer && !opts->allow_no_tokenizer) {
        rc = sh_fail(err, SH_E_NOTFOUND, "%s: no tokenizer found", path);
        goto out;
    }
    if ((rc = describe(m, path, err)) < 0) goto out;
    *out = m;
    return SH_OK;
out:
    sh_model_free(m);
    return rc;
}

void sh_model_free(sh_model *m)
{
    if (!m) return;
    sh_template_free(m->template);
    sh_free(m->template_text);
    sh_tokenizer_free(m->tokenizer);
    sh_binding_free(m->binding);
    sh_tensors_free(m->tensors);
    sh_arena_free(m->arena);
    sh_free(m);
}

void sh_model_get_info(const sh_model *m, sh_model_info *out)
{
    *out = m->info;
}
const sh_tokenizer *sh_model_tokenizer(const sh_model *m)
{
    return m->tokenizer;
}
const char *sh_model_chat_template(const sh_model *m)
{
    return m->template_text;
}
sh_runtime *sh_model_runtime(const sh_model *m)
{
    return m->rt;
}
const sh_hparams *sh_model_hparams(const sh_model *m)
{
    return &m->hp;
}
const sh_template *sh_model_template(const sh_model *m)
{
    return m->template;
}
const char *sh_model_template_error(const sh_model *m)
{
    return m->template_error;
}
void sh_model_get_sampling(const sh_model *m, sh_model_sampling *out)
{
    *out = m->sampling;
}
