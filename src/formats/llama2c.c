/* llama2c.c - the legacy checkpoint of llama2.c.
 *
 *   int32    dim hidden_dim n_layers n_heads n_kv_heads vocab_size seq_len
 *   float32  token_embedding [vocab, dim]
 *            each for all layers together: attention norm [dim], wq [dim, dim], wk [kv_dim, dim],
 *            wv [kv_dim, dim], wo [dim, dim], ffn norm [dim], w1 [hidden, dim], w2 [dim, hidden],
 *            w3 [hidden, dim]
 *            final norm [dim], two rotary tables [seq_len, head_size / 2] that nobody uses any more,
 *            and, when vocab_size is negative, the output matrix [vocab, dim]
 *
 * There is no magic number: a file is one when the sizes its header implies add up to the file's size
 * exactly. */
#include "formats/llama2c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "formats/tensors_internal.h"

enum { HEADER_BYTES = 7 * 4, MAX_LAYERS = 1024, MAX_WIDTH = 1 << 20, MAX_VOCAB = 1 << 24 };

/* Turns the layout above into places, in file order. */
typedef struct layout {
    const uint8_t *data;
    uint64_t pos;
    sh_tensors *t; /* NULL: only measure */
    sh_err *err;
} layout;

static int skip(layout *l, uint64_t rows, uint64_t cols)
{
    uint64_t n_bytes;
    bool fits = sh_mul_u64(&n_bytes, rows, cols) && sh_mul_u64(&n_bytes, n_bytes, 4) &&
                sh_add_u64(&l->pos, l->pos, n_bytes);
    return fits ? SH_OK : SH_E_CORRUPT;
}

/* One matrix [rows, cols], or a vector when rows is 0. */
static int add(layout *l, const char *name, uint64_t rows, uint64_t cols)
{
    uint64_t off = l->pos;
    int rc = skip(l, rows ? rows : 1, cols);
    if (rc < 0 || !l->t) return rc;
    sh_tensor x = {.dtype = SH_F32,
                   .type_name = "f32",
                   .n_dims = rows ? 2 : 1,
                   .dims = {cols, rows ? rows : 1, 1, 1},
                   .data = l->data + off,
                   .n_bytes = l->pos - off,
                   .file_off = off};
    x.name = sh_arena_strdup(l->t->arena, name);
    return x.name ? sh_tensors_add(l->t, &x, l->err) : sh_fail_nomem(l->err, strlen(name));
}

static int add_layers(layout *l, uint32_t n_layers, const char *kind, uint64_t rows, uint64_t cols)
{
    char name[96];
    int rc = SH_OK;
    for (uint32_t i = 0; i < n_layers && rc == SH_OK; i++) {
        snprintf(name, sizeof name, "model.layers.%" PRIu32 ".%s.weight", i, kind);
        rc = add(l, name, rows, cols);
    }
    return rc;
}

static int lay_out(layout *l, const sh_llama2c_info *c)
{
    uint64_t dim = c->dim, hidden = c->hidden_dim, head = dim / c->n_heads, kv_dim = head * c->n_kv_heads;
    const struct {
        const char *kind;
        uint64_t rows, cols;
    } layers[] = {
        {"input_layernorm", 0, dim},       {"self_attn.q_proj", dim, dim},
        {"self_attn.k_proj", kv_dim, dim}, {"self_attn.v_proj", kv_dim, dim},
        {"self_attn.o_proj", dim, dim},    {"post_attention_layernorm", 0, dim},
        {"mlp.gate_proj", hidden, dim},    {"mlp.down_proj", dim, hidden},
        {"mlp.up_proj", hidden, dim},
    };
    l->pos = HEADER_BYTES;
    int rc = add(l, "model.embed_tokens.weight", c->vocab_size, dim);
    for (size_t i = 0; i < sizeof layers / sizeof *layers && rc == SH_OK; i++)
        rc = add_layers(l, c->n_layers, layers[i].kind, layers[i].rows, layers[i].cols);
    if (rc == SH_OK) rc = add(l, "model.norm.weight", 0, dim);
    if (rc == SH_OK) rc = skip(l, c->seq_len, head / 2 * 2); /* two tables of half a head each */
    if (rc == SH_OK && !c->tied) rc = add(l, "lm_head.weight", c->vocab_size, dim);
    return rc;
}

/* False with *field and *wanted set when a number is not plausible. */
static bool read_info(sh_llama2c_info *c, const uint8_t *p, size_t *i_field, const char **wanted)
{
    int32_t v[7];
    static const int32_t max[7] = {MAX_WIDTH, MAX_WIDTH, MAX_LAYERS, MAX_WIDTH,
                                   MAX_WIDTH, MAX_VOCAB, 1 << 24};
    for (size_t i = 0; i < 7; i++) {
        v[i] = (int32_t)sh_get_u32(p + 4 * i);
        int32_t size = i == 5 && v[i] < 0 && v[i] != INT32_MIN ? -v[i] : v[i];
        if (size < 1 || size > max[i]) {
            *i_field = i;
            *wanted = "a size within reason";
            return false;
        }
    }
    *c = (sh_llama2c_info){.dim = (uint32_t)v[0],
                           .hidden_dim = (uint32_t)v[1],
                           .n_layers = (uint32_t)v[2],
                           .n_heads = (uint32_t)v[3],
                           .n_kv_heads = (uint32_t)v[4],
                           .vocab_size = (uint32_t)(v[5] < 0 ? -v[5] : v[5]),
                           .seq_len = (uint32_t)v[6],
                           .tied = v[5] > 0};
    if (c->dim % c->n_heads || c->dim / c->n_heads % 2) {
        *i_field = 3;
        *wanted = "a number that cuts dim into heads of an even size";
        return false;
    }
    if (c->n_heads % c->n_kv_heads) {
        *i_field = 4;
        *wanted = "a divisor of n_heads";
        return false;
    }
    return true;
}

bool sh_llama2c_probe(const uint8_t *data, size_t n)
{
    sh_llama2c_info c;
    size_t i_field;
    const char *wanted;
    layout measure = {0};
    return n > HEADER_BYTES && read_info(&c, data, &i_field, &wanted) && lay_out(&measure, &c) == SH_OK &&
           measure.pos == n;
}

static int add_keys(sh_tensors *t, const sh_llama2c_info *c, sh_err *err)
{
    const struct {
        const char *key;
        uint32_t value;
    } keys[] = {
        {"llama2c.dim", c->dim},
        {"llama2c.hidden_dim", c->hidden_dim},
        {"llama2c.n_layers", c->n_layers},
        {"llama2c.n_heads", c->n_heads},
        {"llama2c.n_kv_heads", c->n_kv_heads},
        {"llama2c.vocab_size", c->vocab_size},
        {"llama2c.seq_len", c->seq_len},
    };
    sh_meta tied = {.key = "llama2c.tied", .type = SH_META_BOOL, .v.b = c->tied};
    int rc = SH_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && rc == SH_OK; i++)
        rc = sh_tensors_add_meta(t, &(sh_meta){.key = keys[i].key, .type = SH_META_U32, .v.u = keys[i].value},
                                 err);
    return rc < 0 ? rc : sh_tensors_add_meta(t, &tied, err);
}

static int check_header(sh_llama2c_info *c, const uint8_t *data, size_t n, const char *where, sh_err *err)
{
    static const char *const fields[7] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                          "n_kv_heads", "vocab_size", "seq_len"};
    size_t i_field;
    const char *wanted;
    layout measure = {0};
    if (n < HEADER_BYTES)
        return sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes; expected a llama2.c header of %d", where, n,
                       HEADER_BYTES);
    if (!read_info(c, data, &i_field, &wanted))
        return sh_fail(err, SH_E_CORRUPT, "%s: %s at byte %zu is %" PRId32 "; expected %s", where,
                       fields[i_field], i_field * 4, (int32_t)sh_get_u32(data + i_field * 4), wanted);
    if (lay_out(&measure, c) < 0)
        return sh_fail(err, SH_E_CORRUPT, "%s: the sizes in the header overflow", where);
    if (measure.pos != n)
        return sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes; expected %" PRIu64 " by the sizes in the header",
                       where, n, measure.pos);
    return SH_OK;
}

int sh_llama2c_parse(sh_tensors **out, sh_llama2c_info *info, const uint8_t *data, size_t n,
                     const char *where, sh_err *err)
{
    sh_llama2c_info c;
    char room[208];
    layout place = {.data = data, .err = err};
    int rc = check_header(&c, data, n, sh_short_path(where, room), err);
    if (rc < 0 || (rc = sh_tensors_new(&place.t, "llama2c", where, data, n, err)) < 0) return rc;
    if ((rc = lay_out(&place, &c)) < 0 || (rc = add_keys(place.t, &c, err)) < 0) {
        sh_tensors_free(place.t);
        return rc;
    }
    *info = c;
    *out = place.t;
    return SH_OK;
}

int sh_llama2c_open(sh_tensors **out, sh_llama2c_info *info, const char *path, sh_err *err)
{
    sh_map_file map;
    sh_tensors *t = NULL;
    int rc = sh_map_file_open(&map, path, err);
    if (rc < 0) return rc;
    if ((rc = sh_llama2c_parse(&t, info, map.data, map.n, path, err)) < 0) {
        sh_map_file_close(&map);
        return rc;
    }
    t->map = map;
    *out = t;
    return SH_OK;
}
