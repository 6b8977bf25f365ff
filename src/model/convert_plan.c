/* convert_plan.c - which tensors a GGUF file gets, by the names and layouts of the architecture table. */
#include "model/convert_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/shown.h"

static void spell(char *out, size_t cap, const char *stem, uint32_t layer, uint32_t expert,
                  const char *suffix)
{
    size_t n = 0;
    for (const char *p = stem; *p && n + 12 < cap; p++) {
        if (*p == '%' || *p == '#')
            n += (size_t)snprintf(out + n, cap - n, "%u", *p == '%' ? layer : expert);
        else
            out[n++] = *p;
    }
    snprintf(out + n, cap - n, "%s", suffix);
}

/* Published files may lack the family's prefix of all names, or have one more in front. */
static const sh_tensor *find_named(const sh_model *m, const sh_name *name, uint32_t layer, uint32_t expert,
                                   const char *suffix)
{
    const sh_arch *a = m->hp.arch;
    char text[256], outer[320];
    bool bare = name->bare && strcmp(suffix, ".weight") == 0;
    spell(text, sizeof text, name->stem, layer, expert, bare ? "" : suffix);
    const sh_tensor *t = sh_tensors_find(m->tensors, text);
    if (!t && a->hf_prefix && sh_starts_with(text, a->hf_prefix))
        t = sh_tensors_find(m->tensors, text + strlen(a->hf_prefix));
    if (!t && a->outer_prefix) {
        snprintf(outer, sizeof outer, "%s%s", a->outer_prefix, text);
        t = sh_tensors_find(m->tensors, outer);
    }
    return t;
}

static const sh_tensor *find_source(const sh_model *m, enum sh_slot slot, uint32_t layer, uint32_t expert,
                                    const char *suffix, const sh_name **name)
{
    for (size_t i = 0; (*name = sh_arch_name(m->hp.arch, false, slot, i)); i++) {
        const sh_tensor *t = find_named(m, *name, layer, expert, suffix);
        if (t) return t;
    }
    return NULL;
}

static sh_piece *add_piece(sh_plan *p, sh_err *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;
        sh_piece *grown = sh_realloc(p->pieces, cap, sizeof *grown);
        if (!grown) return sh_fail_nomem(err, cap * sizeof *grown), NULL;
        p->pieces = grown;
        p->cap = cap;
    }
    sh_piece *piece = &p->pieces[p->n++];
    *piece = (sh_piece){.n_parts = 1};
    return piece;
}

static bool is_expert(enum sh_slot s)
{
    return (s >= SH_SLOT_EXPERT_GATE && s <= SH_SLOT_EXPERT_DOWN) || s == SH_SLOT_EXPERT_GATE_UP;
}

/* Gate and up of all experts in one tensor [n_experts, 2 n_ff_expert, n_embd]: GGUF keeps them apart. */
static int add_gate_up(sh_plan *p, uint32_t layer, sh_err *err)
{
    const sh_hparams *hp = &p->m->hp;
    const enum sh_slot halves[] = {SH_SLOT_EXPERT_GATE, SH_SLOT_EXPERT_UP};
    const sh_name *name;
    int rc;
    if (!sh_arch_has_slot(hp, SH_SLOT_EXPERT_GATE_UP, layer)) return SH_OK;
    const sh_tensor *t = find_source(p->m, SH_SLOT_EXPERT_GATE_UP, layer, 0, ".weight", &name);
    if (!t) return SH_OK;
    if ((rc = sh_tensor_require(p->m->tensors, t, err)) < 0) return rc;
    for (uint32_t i = 0; i < 2; i++) {
        sh_piece *piece = add_piece(p, err);
        if (!piece) return SH_E_NOMEM;
        spell(piece->name, sizeof piece->name, sh_arch_gguf_stem(hp, halves[i]), layer, 0, ".weight");
        piece->slot = halves[i];
        piece->source_name = name;
        piece->source = t;
        piece->i_layer = layer;
        piece->i_part = i;
        piece->n_parts = 2;
        piece->suffix = ".weight";
        piece->n_dims = 3;
        piece->dims[0] = t->dims[0];
        piece->dims[1] = hp->n_ff_expert; /* the binder compared the stored shape with these */
        piece->dims[2] = hp->n_experts;
    }
    return SH_OK;
}

static int add_slot(sh_plan *p, enum sh_slot slot, uint32_t layer, const char *suffix, sh_err *err)
{
    const sh_hparams *hp = &p->m->hp;
    const sh_name *name;
    if (slot == SH_SLOT_EXPERT_GATE_UP) return add_gate_up(p, layer, err);
    bool is_matrix_of_output = slot == SH_SLOT_OUTPUT && strcmp(suffix, ".weight") == 0;
    if (slot != SH_SLOT_OUTPUT && !sh_arch_has_slot(hp, slot, layer)) return SH_OK;
    if (is_matrix_of_output && hp->tied_output) return SH_OK;
    const sh_tensor *t = find_source(p->m, slot, layer, 0, suffix, &name);
    if (!t)
        return SH_OK; /* stored in another way (fused, alone) or not there: the binder checked what must be */
    const char *stem = sh_arch_gguf_stem(hp, slot);
    if (!stem)
        return sh_fail(err, SH_E_UNSUPPORTED, "tensor '%s' has no place in a GGUF file of architecture %s",
                       t->name, hp->arch->name);
    int rc = sh_tensor_require(p->m->tensors, t, err);
    if (rc < 0) return rc;
    sh_piece *piece = add_piece(p, err);
    if (!piece) return SH_E_NOMEM;
    bool is_matrix = t->n_dims > 1, stacked = is_expert(slot) && t->n_dims == 3;
    spell(piece->name, sizeof piece->name, stem, layer, 0, suffix);
    piece->slot = slot;
    piece->source_name = name;
    piece->source = t;
    piece->i_layer = layer;
    piece->suffix = suffix;
    piece->n_dims = is_expert(slot) ? 3 : is_matrix ? 2 : 1;
    piece->dims[0] = is_matrix && name->transposed ? t->dims[1] : t->dims[0];
    piece->dims[1] = !is_matrix ? 1 : name->transposed ? t->dims[0] : t->dims[1];
    piece->dims[2] = is_expert(slot) ? hp->n_experts : 1;
    if (stacked && t->dims[2] != hp->n_experts)
        return sh_fail(err, SH_E_CORRUPT, "tensor '%s' holds %llu experts, not %u", t->name,
                       (unsigned long long)t->dims[2], hp->n_experts);
    return SH_OK;
}

static int add_values(sh_plan *p, enum sh_slot slot, const float *values, uint32_t n, sh_err *err)
{
    const char *stem = sh_arch_gguf_stem(&p->m->hp, slot);
    float *copy = sh_arena_alloc(p->arena, n, sizeof *copy);
    sh_piece *piece = copy ? add_piece(p, err) : NULL;
    if (!piece) return sh_fail_nomem(err, n * sizeof *copy);
    memcpy(copy, values, n * sizeof *copy);
    spell(piece->name, sizeof piece->name, stem ? stem : sh_slot_text(slot), 0, 0, ".weight");
    piece->slot = slot;
    piece->n_dims = 1;
    piece->dims[0] = n;
    piece->dims[1] = piece->dims[2] = 1;
    piece->values = copy;
    return SH_OK;
}

static int add_rope_factors(sh_plan *p, sh_err *err)
{
    const sh_rope_params *r = &p->m->hp.rope;
    const uint32_t n_rot = p->m->hp.n_rot, pairs = n_rot / 2;
    int rc = SH_OK;
    if (r->scaling == SH_ROPE_SCALE_LLAMA3) {
        float *divisors = sh_arena_alloc(p->arena, pairs, sizeof *divisors);
        if (!divisors) return sh_fail_nomem(err, pairs * sizeof *divisors);
        sh_rope_llama3_divisors(r, n_rot, divisors);
        rc = add_values(p, SH_SLOT_ROPE_FREQS, divisors, pairs, err);
    } else if (r->scaling == SH_ROPE_SCALE_LONGROPE) {
        rc = add_values(p, SH_SLOT_ROPE_LONG, r->long_factor, pairs, err);
        if (rc == SH_OK) rc = add_values(p, SH_SLOT_ROPE_SHORT, r->short_factor, pairs, err);
    }
    return rc;
}

static int plan_by_slots(sh_plan *p, sh_err *err)
{
    const sh_hparams *hp = &p->m->hp;
    int rc = SH_OK;
    for (int s = 0; s < SH_SLOT_FIRST_OF_LAYER && rc == SH_OK; s++) {
        rc = add_slot(p, (enum sh_slot)s, 0, ".weight", err);
        if (rc == SH_OK) rc = add_slot(p, (enum sh_slot)s, 0, ".bias", err);
    }
    if (rc == SH_OK) rc = add_rope_factors(p, err);
    for (uint32_t l = 0; l < hp->n_layers && rc == SH_OK; l++)
        for (int s = SH_SLOT_FIRST_OF_LAYER; s < SH_SLOT_COUNT && rc == SH_OK; s++) {
            rc = add_slot(p, (enum sh_slot)s, l, ".weight", err);
            if (rc == SH_OK && !is_expert((enum sh_slot)s))
                rc = add_slot(p, (enum sh_slot)s, l, ".bias", err);
        }
    return rc;
}

/* From GGUF every tensor keeps its name and shape. */
static int plan_copy(sh_plan *p, sh_err *err)
{
    for (size_t i = 0; i < sh_tensors_count(p->m->tensors); i++) {
        const sh_tensor *t = sh_tensors_at(p->m->tensors, i);
        sh_piece *piece = add_piece(p, err);
        if (!piece) return SH_E_NOMEM;
        if (t->n_dims > 3 || strlen(t->name) >= sizeof piece->name)
            return sh_fail(err, SH_E_UNSUPPORTED,
                           "tensor '%.80s' has more dimensions or a longer name than a model's tensors have",
                           sh_show(&(sh_shown){{0}}, t->name));
        snprintf(piece->name, sizeof piece->name, "%s", t->name);
        piece->source = t;
        piece->n_dims = t->n_dims;
        for (uint32_t d = 0; d < 3; d++) piece->dims[d] = t->dims[d];
        if (sscanf(t->name, "blk.%u.", &piece->i_layer) != 1) piece->i_layer = 0;
    }
    return SH_OK;
}

int sh_plan_from_model(sh_plan *p, sh_err *err)
{
    return strcmp(sh_tensors_container(p->m->tensors), "gguf") == 0 ? plan_copy(p, err)
                                                                    : plan_by_slots(p, err);
}

int sh_plan_expert(const sh_plan *p, const sh_piece *piece, uint32_t expert, const sh_tensor **out,
                   sh_err *err)
{
    if (!piece->source_name || piece->n_dims < 3 || piece->source->n_dims == 3) {
        *out = piece->source;
        return SH_OK;
    }
    const sh_tensor *t = find_named(p->m, piece->source_name, piece->i_layer, expert, piece->suffix);
    if (!t) return sh_fail(err, SH_E_CORRUPT, "expert %u of '%s' is missing", expert, piece->source->name);
    if (t->dims[0] != piece->source->dims[0] || t->dims[1] != piece->source->dims[1] ||
        t->dtype != piece->source->dtype)
        return sh_fail(err, SH_E_CORRUPT, "tensor '%s' differs in shape or type from '%s'", t->name,
                       piece->source->name);
    *out = t;
    return SH_OK;
}

uint64_t sh_plan_source_row(const sh_plan *p, const sh_piece *piece, uint64_t to)
{
    const sh_hparams *hp = &p->m->hp;
    const uint64_t q = (uint64_t)hp->n_heads * hp->head_dim, kv = (uint64_t)hp->n_kv_heads * hp->head_dim;
    /* llama2.c files have the interleaved order already. */
    bool turn = piece->source_name && hp->rope.style != hp->arch->gguf_rope;
    if (!piece->source_name) return to;
    if (piece->slot == SH_SLOT_Q || piece->slot == SH_SLOT_K)
        return turn ? sh_row_of_interleaved(hp, to) : to;
    if (piece->slot != SH_SLOT_QKV) return to;
    unsigned part = to < q ? 0 : to < q + kv ? 1 : 2;
    uint64_t row = part == 0 ? to : part == 1 ? to - q : to - q - kv;
    return sh_layout_row(hp, piece->source_name->layout, piece->slot, part,
                         part < 2 && turn ? sh_row_of_interleaved(hp, row) : row);
}
