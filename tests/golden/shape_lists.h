/* shape_lists.h - the tensors of published checkpoints, by rule: names as the published files have them,
 * sizes by letters. Written from the files themselves and not from names.c, so that each checks the other.
 *
 * '%' is the layer and '#' the expert. Sizes, rows first as PyTorch prints them: V vocabulary, E width, F
 * inner, Q query rows, K key (or value) rows, P q k v together, W gate and up together, X experts, R rotary
 * pairs, C context. A rule whose name begins with '-' is stored and of no use (buffers of old writers). */
#ifndef SH_TESTS_SHAPE_LISTS_H
#define SH_TESTS_SHAPE_LISTS_H

#include "model_golden.h"

#include "base/arena.h"
#include "formats/tensors.h"

typedef struct rule {
    const char *name, *dims;
} rule;
typedef struct sizes {
    uint64_t v, e, f, l, heads, kv_heads, head_dim, x, rot, ctx;
} sizes;

/* clang-format off */
#define LLAMA_LAYER(prefix) \
    {prefix ".input_layernorm.weight", "E"}, {prefix ".post_attention_layernorm.weight", "E"}, \
    {prefix ".self_attn.q_proj.weight", "QE"}, {prefix ".self_attn.k_proj.weight", "KE"}, \
    {prefix ".self_attn.v_proj.weight", "KE"}, {prefix ".self_attn.o_proj.weight", "EQ"}
static const rule hf_llama[] = {
    {"model.embed_tokens.weight", "VE"}, {"model.norm.weight", "E"}, LLAMA_LAYER("model.layers.%"), {NULL, NULL}};
static const rule hf_head[] = {{"lm_head.weight", "VE"}, {NULL, NULL}};
static const rule hf_mlp[] = {
    {"model.layers.%.mlp.gate_proj.weight", "FE"}, {"model.layers.%.mlp.up_proj.weight", "FE"},
    {"model.layers.%.mlp.down_proj.weight", "EF"}, {NULL, NULL}};
static const rule hf_experts[] = {
    {"model.layers.%.block_sparse_moe.gate.weight", "XE"},
    {"model.layers.%.block_sparse_moe.experts.#.w1.weight", "FE"},
    {"model.layers.%.block_sparse_moe.experts.#.w2.weight", "EF"},
    {"model.layers.%.block_sparse_moe.experts.#.w3.weight", "FE"}, {NULL, NULL}};
static const rule hf_qkv_bias[] = {
    {"model.layers.%.self_attn.q_proj.bias", "Q"}, {"model.layers.%.self_attn.k_proj.bias", "K"},
    {"model.layers.%.self_attn.v_proj.bias", "K"}, {NULL, NULL}};
static const rule hf_inv_freq[] = {{"-model.layers.%.self_attn.rotary_emb.inv_freq", "R"}, {NULL, NULL}};
static const rule hf_sandwich[] = {
    {"model.layers.%.pre_feedforward_layernorm.weight", "E"}, {"model.layers.%.post_feedforward_layernorm.weight", "E"},
    {NULL, NULL}};
static const rule hf_phi[] = {
    {"model.embed_tokens.weight", "VE"}, {"model.final_layernorm.weight", "E"}, {"model.final_layernorm.bias", "E"},
    {"lm_head.weight", "VE"}, {"lm_head.bias", "V"},
    {"model.layers.%.input_layernorm.weight", "E"}, {"model.layers.%.input_layernorm.bias", "E"},
    {"model.layers.%.self_attn.q_proj.weight", "QE"}, {"model.layers.%.self_attn.k_proj.weight", "KE"},
    {"model.layers.%.self_attn.v_proj.weight", "KE"}, {"model.layers.%.self_attn.dense.weight", "EQ"},
    {"model.layers.%.self_attn.dense.bias", "E"}, {"model.layers.%.mlp.fc1.weight", "FE"},
    {"model.layers.%.mlp.fc1.bias", "F"}, {"model.layers.%.mlp.fc2.weight", "EF"}, {"model.layers.%.mlp.fc2.bias", "E"},
    {NULL, NULL}};
static const rule hf_phi3[] = {
    {"model.embed_tokens.weight", "VE"}, {"model.norm.weight", "E"}, {"lm_head.weight", "VE"},
    {"model.layers.%.input_layernorm.weight", "E"}, {"model.layers.%.post_attention_layernorm.weight", "E"},
    {"model.layers.%.self_attn.qkv_proj.weight", "PE"}, {"model.layers.%.self_attn.o_proj.weight", "EQ"},
    {"model.layers.%.mlp.gate_up_proj.weight", "WE"}, {"model.layers.%.mlp.down_proj.weight", "EF"}, {NULL, NULL}};
static const rule hf_codegen[] = {
    {"transformer.wte.weight", "VE"}, {"transformer.ln_f.weight", "E"}, {"transformer.ln_f.bias", "E"},
    {"lm_head.weight", "VE"}, {"lm_head.bias", "V"},
    {"transformer.h.%.ln_1.weight", "E"}, {"transformer.h.%.ln_1.bias", "E"},
    {"-transformer.h.%.attn.causal_mask", "CC"}, {"transformer.h.%.attn.qkv_proj.weight", "PE"},
    {"transformer.h.%.attn.out_proj.weight", "EQ"}, {"transformer.h.%.mlp.fc_in.weight", "FE"},
    {"transformer.h.%.mlp.fc_in.bias", "F"}, {"transformer.h.%.mlp.fc_out.weight", "EF"},
    {"transformer.h.%.mlp.fc_out.bias", "E"}, {NULL, NULL}};

static const rule gguf_base[] = {
    {"token_embd.weight", "VE"}, {"output_norm.weight", "E"}, {"blk.%.attn_norm.weight", "E"},
    {"blk.%.attn_output.weight", "EQ"}, {"blk.%.ffn_norm.weight", "E"}, {NULL, NULL}};
static const rule gguf_head[] = {{"output.weight", "VE"}, {NULL, NULL}};
static const rule gguf_qkv[] = {
    {"blk.%.attn_q.weight", "QE"}, {"blk.%.attn_k.weight", "KE"}, {"blk.%.attn_v.weight", "KE"}, {NULL, NULL}};
static const rule gguf_mlp[] = {
    {"blk.%.ffn_gate.weight", "FE"}, {"blk.%.ffn_up.weight", "FE"}, {"blk.%.ffn_down.weight", "EF"}, {NULL, NULL}};
static const rule gguf_experts[] = {
    {"blk.%.ffn_gate_inp.weight", "XE"}, {"blk.%.ffn_gate_exps.weight", "XFE"}, {"blk.%.ffn_up_exps.weight", "XFE"},
    {"blk.%.ffn_down_exps.weight", "XEF"}, {NULL, NULL}};
static const rule gguf_qkv_bias[] = {
    {"blk.%.attn_q.bias", "Q"}, {"blk.%.attn_k.bias", "K"}, {"blk.%.attn_v.bias", "K"}, {NULL, NULL}};
static const rule gguf_sandwich[] = {
    {"blk.%.post_attention_norm.weight", "E"}, {"blk.%.post_ffw_norm.weight", "E"}, {NULL, NULL}};
static const rule gguf_fused[] = {
    {"blk.%.attn_qkv.weight", "PE"}, {"blk.%.ffn_up.weight", "WE"}, {"blk.%.ffn_down.weight", "EF"}, {NULL, NULL}};
#define GGUF_PARALLEL \
    {"token_embd.weight", "VE"}, {"output_norm.weight", "E"}, {"output_norm.bias", "E"}, {"output.weight", "VE"}, \
    {"output.bias", "V"}, {"blk.%.attn_norm.weight", "E"}, {"blk.%.attn_norm.bias", "E"}, \
    {"blk.%.attn_output.weight", "EQ"}, {"blk.%.ffn_up.weight", "FE"}, {"blk.%.ffn_up.bias", "F"}, \
    {"blk.%.ffn_down.weight", "EF"}, {"blk.%.ffn_down.bias", "E"}
static const rule gguf_phi[] = {GGUF_PARALLEL, {"blk.%.attn_output.bias", "E"}, {NULL, NULL}};
static const rule gguf_codegen[] = {GGUF_PARALLEL, {"blk.%.attn_qkv.weight", "PE"}, {NULL, NULL}};
static const rule gguf_long[] = {{"rope_factors_long.weight", "R"}, {"rope_factors_short.weight", "R"}, {NULL, NULL}};
static const rule gguf_freqs[] = {{"rope_freqs.weight", "R"}, {NULL, NULL}};
/* clang-format on */

typedef struct listing {
    sh_arena *arena;
    sh_tensor *t;  /* [n] */
    bool *is_idle; /* [n] stored and of no use */
    size_t n, cap;
} listing;

static uint64_t size_of_letter(char letter, const sizes *s)
{
    const uint64_t q = s->heads * s->head_dim, k = s->kv_heads * s->head_dim;
    switch (letter) {
    case 'V':
        return s->v;
    case 'E':
        return s->e;
    case 'F':
        return s->f;
    case 'Q':
        return q;
    case 'K':
        return k;
    case 'P':
        return q + 2 * k;
    case 'W':
        return 2 * s->f;
    case 'X':
        return s->x;
    case 'R':
        return s->rot / 2;
    case 'C':
        return s->ctx;
    default:
        fail_msg("no size '%c'", letter);
        return 0;
    }
}

static void listing_add(listing *l, const rule *r, const sizes *s, uint64_t layer, uint64_t expert)
{
    char name[128];
    size_t n = 0;
    const bool idle = r->name[0] == '-';
    for (const char *p = r->name + idle; *p && n < sizeof name - 24; p++) {
        if (*p == '%' || *p == '#')
            n += (size_t)snprintf(name + n, sizeof name - n, "%llu",
                                  (unsigned long long)(*p == '%' ? layer : expert));
        else
            name[n++] = *p;
    }
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 512;
        l->t = sh_realloc(l->t, l->cap, sizeof *l->t);
        l->is_idle = sh_realloc(l->is_idle, l->cap, sizeof *l->is_idle);
        assert_true(l->t && l->is_idle);
    }
    sh_tensor *t = &l->t[l->n];
    *t = (sh_tensor){.name = sh_arena_strndup(l->arena, name, n), .dtype = SH_BF16, .dims = {1, 1, 1, 1}};
    assert_non_null(t->name);
    for (const char *d = r->dims; *d; d++) t->n_dims++;
    for (uint32_t d = 0; d < t->n_dims; d++) t->dims[d] = size_of_letter(r->dims[t->n_dims - 1 - d], s);
    l->is_idle[l->n++] = idle;
}

static void listing_add_rules(listing *l, const rule *rules, const sizes *s)
{
    if (!l->arena) assert_non_null(l->arena = sh_arena_open());
    for (const rule *r = rules; r->name; r++) {
        const uint64_t layers = strchr(r->name, '%') ? s->l : 1, experts = strchr(r->name, '#') ? s->x : 1;
        for (uint64_t i = 0; i < layers; i++)
            for (uint64_t e = 0; e < experts; e++) listing_add(l, r, s, i, e);
    }
}

static void listing_clear(listing *l)
{
    sh_free(l->t);
    sh_free(l->is_idle);
    sh_arena_free(l->arena);
    *l = (listing){0};
}

static uint64_t elements_of(const sh_tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* Elements of all tensors that are of use. */
static uint64_t listing_parameters(const listing *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!l->is_idle[i]) n += elements_of(&l->t[i]);
    return n;
}

#endif
