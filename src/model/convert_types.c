/* convert_types.c - which type each tensor gets. The mixtures are those of llama.cpp's quantiser, so that
 * files of equal name are of about equal size and quality. */
#include <string.h>
#include <strings.h>

#include "model/convert.h"

static const sh_mixture mixtures[] = {
    {"f32", 0, SH_F32, false},      {"f16", 1, SH_F16, false},        {"bf16", 32, SH_BF16, false},
    {"q8_0", 7, SH_Q8_0, false},    {"q4_0", 2, SH_Q4_0, false},      {"q4_1", 3, SH_Q4_1, false},
    {"q5_0", 8, SH_Q5_0, false},    {"q5_1", 9, SH_Q5_1, false},      {"q2_k", 10, SH_Q2_K, true},
    {"q3_k_s", 11, SH_Q3_K, false}, {"q3_k_m", 12, SH_Q3_K, true},    {"q4_k_s", 14, SH_Q4_K, true},
    {"q4_k_m", 15, SH_Q4_K, true},  {"q5_k_s", 16, SH_Q5_K, false},   {"q5_k_m", 17, SH_Q5_K, true},
    {"q6_k", 18, SH_Q6_K, false},   {"iq4_nl", 25, SH_IQ4_NL, false}, {"iq4_xs", 30, SH_IQ4_XS, false},
    {"tq1_0", 36, SH_TQ1_0, false}, {"tq2_0", 37, SH_TQ2_0, false},
};

const sh_mixture *sh_mixture_at(size_t i)
{
    return i < sizeof mixtures / sizeof *mixtures ? &mixtures[i] : NULL;
}

const sh_mixture *sh_mixture_find(const char *name)
{
    static const char *const aliases[][2] = {{"q3_k", "q3_k_m"}, {"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(name, aliases[i][0]) == 0) name = aliases[i][1];
    for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures; i++)
        if (strcasecmp(name, mixtures[i].name) == 0) return &mixtures[i];
    return NULL;
}

/* The first and last eighth of the layers, and every third between. */
static bool gets_more_bits(uint32_t i, uint32_t n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool is_part(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static enum sh_dtype mixed_type(const sh_mixture *m, const sh_tensor_place *p)
{
    const bool more = gets_more_bits(p->i_layer, p->n_layers);
    const bool value = is_part(p->name, "attn_v."), down = is_part(p->name, "ffn_down"),
               fused = is_part(p->name, "attn_qkv.");
    const bool out = is_part(p->name, "attn_output.");
    switch (m->file_type) {
    case 10: /* q2_k */
        return value                  ? (p->n_query_groups >= 4 ? SH_Q4_K : SH_Q3_K)
               : down || out || fused ? SH_Q3_K
                                      : SH_Q2_K;
    case 12: /* q3_k_m */
        if (value) return p->i_layer < 2 ? SH_Q5_K : SH_Q4_K;
        if (down) return p->i_layer < p->n_layers / 16 ? SH_Q5_K : more ? SH_Q4_K : SH_Q3_K;
        return out || fused ? SH_Q4_K : SH_Q3_K;
    case 14: /* q4_k_s */
        return (value && p->i_layer < 4) || (down && p->i_layer < p->n_layers / 8) ? SH_Q5_K : SH_Q4_K;
    case 15: /* q4_k_m */
        return (value || down) && more ? SH_Q6_K : fused ? SH_Q5_K : SH_Q4_K;
    case 17: /* q5_k_m */
        return ((value || down) && more) || fused ? SH_Q6_K : SH_Q5_K;
    default:
        return m->base;
    }
}

/* The nearest type whose blocks fit the row. */
static enum sh_dtype fitting(enum sh_dtype t, uint64_t cols, bool *fell_back)
{
    while (cols % sh_dtypes[t].block_elements != 0) {
        *fell_back = true;
        switch (t) {
        case SH_Q2_K:
        case SH_Q3_K:
        case SH_IQ4_XS:
        case SH_TQ1_0:
        case SH_TQ2_0:
            t = SH_IQ4_NL;
            break;
        case SH_Q4_K:
            t = SH_Q5_0;
            break;
        case SH_Q5_K:
            t = SH_Q5_1;
            break;
        case SH_Q6_K:
            t = SH_Q8_0;
            break;
        default:
            t = SH_F16;
        }
    }
    return t;
}

enum sh_dtype sh_mixture_type(const sh_mixture *m, const sh_tensor_place *p, bool pure, bool *fell_back)
{
    bool is_weight = strlen(p->name) > 7 && strcmp(p->name + strlen(p->name) - 7, ".weight") == 0;
    *fell_back = false;
    if (p->n_dims < 2 || !is_weight || is_part(p->name, "_norm.") || is_part(p->name, "ffn_gate_inp") ||
        is_part(p->name, "position_embd"))
        return SH_F32;
    enum sh_dtype t = m->base;
    bool quantized = sh_dtypes[t].is_quantized;
    if (!pure && quantized && p->is_output)
        t = t == SH_Q8_0 ? SH_Q8_0 : SH_Q6_K;
    else if (!pure && m->is_mixed && !is_part(p->name, "token_embd"))
        t = mixed_type(m, p);
    return fitting(t, p->cols, fell_back);
}
