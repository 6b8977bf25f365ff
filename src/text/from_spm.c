/* from_spm.c - sentencepiece's tokenizer.model and llama2.c's tokenizer.bin.
 *
 * tokenizer.model is a protobuf message; only these fields matter here (numbers from
 * sentencepiece_model.proto): ModelProto      1 pieces (repeated), 2 trainer_spec, 3 normalizer_spec
 *   SentencePiece   1 piece, 2 score (fixed32), 3 type
 *   TrainerSpec     3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback, 40..43 unk, bos, eos, pad
 * id NormalizerSpec  2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5
 * escape_whitespaces The wire reader is bounded by the message it is in and skips what it does not know. */
#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/endian.h"

typedef struct wire {
    const uint8_t *p, *end;
} wire;

typedef struct field {
    uint32_t number;
    uint64_t value; /* varint, fixed32, fixed64 */
    wire bytes;     /* length-delimited */
    unsigned kind;
} field;

static bool get_varint(wire *w, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 70 && w->p < w->end; shift += 7) {
        uint8_t b = *w->p++;
        if (shift < 64) *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

/* The next field: 1, 0 at the end, -1 when the bytes are no message. */
static int get_field(wire *w, field *f)
{
    uint64_t key, n;
    if (w->p == w->end) return 0;
    if (!get_varint(w, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return -1;
    *f = (field){.number = (uint32_t)(key >> 3), .kind = key & 7};
    size_t left;
    switch (f->kind) {
    case 0:
        return get_varint(w, &f->value) ? 1 : -1;
    case 1:
        if (w->end - w->p < 8) return -1;
        f->value = sh_get_u64(w->p);
        w->p += 8;
        return 1;
    case 2:
        if (!get_varint(w, &n)) return -1;
        left = (size_t)(w->end - w->p);
        if (n > left) return -1;
        f->bytes = (wire){w->p, w->p + n};
        w->p += n;
        return 1;
    case 5:
        if (w->end - w->p < 4) return -1;
        f->value = sh_get_u32(w->p);
        w->p += 4;
        return 1;
    default:
        return -1;
    }
}

typedef struct spm_file {
    tok_entry *entries;
    float *scores;
    size_t n, cap;
    uint64_t model_type;
    bool byte_fallback, suffix, dummy_prefix, remove_spaces, escape;
    int32_t unk, bos, eos, pad;
    wire charsmap;
} spm_file;

static bool read_piece(wire w, tok_entry *e, float *score)
{
    field f;
    int more;
    *e = (tok_entry){.text = {"", 0}, .type = TOK_NORMAL};
    *score = 0;
    while ((more = get_field(&w, &f)) > 0) {
        if (f.number == 1 && f.kind == 2)
            e->text = sh_str_n((const char *)f.bytes.p, (size_t)(f.bytes.end - f.bytes.p));
        if (f.number == 2 && f.kind == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(score, &bits, 4);
        }
        if (f.number == 3 && f.kind == 0 && f.value >= TOK_NORMAL && f.value <= TOK_BYTE)
            e->type = (uint8_t)f.value;
    }
    e->in_model = e->type == TOK_NORMAL || e->type == TOK_USER || e->type == TOK_UNUSED;
    return more == 0 && *score > -1e30f && *score < 1e30f;
}

static bool read_trainer(wire w, spm_file *s)
{
    field f;
    int more;
    while ((more = get_field(&w, &f)) > 0) {
        if (f.kind != 0) continue;
        int32_t id = f.value > INT32_MAX ? -1 : (int32_t)f.value;
        switch (f.number) {
        case 3:
            s->model_type = f.value;
            break;
        case 24:
            s->suffix = f.value != 0;
            break;
        case 35:
            s->byte_fallback = f.value != 0;
            break;
        case 40:
            s->unk = id;
            break;
        case 41:
            s->bos = id;
            break;
        case 42:
            s->eos = id;
            break;
        case 43:
            s->pad = id;
            break;
        default:
            break;
        }
    }
    return more == 0;
}

static bool read_normalizer(wire w, spm_file *s)
{
    field f;
    int more;
    while ((more = get_field(&w, &f)) > 0) {
        if (f.number == 2 && f.kind == 2) s->charsmap = f.bytes;
        if (f.number == 3 && f.kind == 0) s->dummy_prefix = f.value != 0;
        if (f.number == 4 && f.kind == 0) s->remove_spaces = f.value != 0;
        if (f.number == 5 && f.kind == 0) s->escape = f.value != 0;
    }
    return more == 0;
}

static int add_piece(spm_file *s, wire w, const char *where, sh_err *err)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;
        tok_entry *e = sh_realloc(s->entries, cap, sizeof *e);
        if (!e) return sh_fail_nomem(err, cap * sizeof *e);
        s->entries = e;
        float *scores = sh_realloc(s->scores, cap, sizeof *scores);
        if (!scores) return sh_fail_nomem(err, cap * sizeof *scores);
        s->scores = scores;
        s->cap = cap;
    }
    if (!read_piece(w, &s->entries[s->n], &s->scores[s->n]))
        return sh_fail(err, SH_E_CORRUPT, "%s: piece %zu is not a sentencepiece message", where, s->n);
    s->n++;
    return SH_OK;
}

static int read_model(spm_file *s, wire all, const char *where, sh_err *err)
{
    wire w = all;
    field f;
    int more, rc;
    bool ok = true;
    while ((more = get_field(&w, &f)) > 0 && ok) {
        if (f.kind != 2) continue;
        if (f.number == 1 && (rc = add_piece(s, f.bytes, where, err)) < 0) return rc;
        if (f.number == 2) ok = read_trainer(f.bytes, s);
        if (f.number == 3) ok = read_normalizer(f.bytes, s);
    }
    if (more < 0 || !ok)
        return sh_fail(err, SH_E_CORRUPT, "%s: byte %zu: not a sentencepiece model (a broken protobuf field)",
                       where, (size_t)(w.p - all.p));
    if (!s->n) return sh_fail(err, SH_E_CORRUPT, "%s: a sentencepiece model without pieces", where);
    if (s->model_type != 1 && s->model_type != 2)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: sentencepiece model type %llu is neither unigram nor BPE",
                       where, (unsigned long long)s->model_type);
    return SH_OK;
}

/* Control pieces are cut out when special tokens are parsed; user-defined ones always, after normalising. */
static int add_added(sh_tokenizer *t, sh_err *err)
{
    int rc = SH_OK;
    for (int32_t i = 0; i < t->vocab.n && rc == SH_OK; i++) {
        uint8_t type = t->vocab.type[i];
        if (type != TOK_CONTROL && type != TOK_USER && type != TOK_UNKNOWN) continue;
        tok_added a = {.id = i,
                       .content = vocab_text(&t->vocab, i),
                       .special = type != TOK_USER,
                       .normalized = type == TOK_USER};
        rc = tok_added_add(t, &a, err);
    }
    return rc;
}

static int build(sh_tokenizer *t, const spm_file *s, bool bos, const char *where, sh_err *err)
{
    int rc;
    double *scores = NULL;
    t->model = s->model_type == 1 ? MODEL_UNIGRAM : MODEL_SPM;
    t->unk = s->unk;
    t->bos = s->bos;
    t->eos = s->eos;
    t->pad = s->pad;
    if ((rc = vocab_build(&t->vocab, t->arena, s->entries, s->n, false, err)) < 0) return rc;
    t->vocab.score = sh_arena_alloc(t->arena, s->n, sizeof *t->vocab.score);
    norm_step *norm = tok_push_norm(t, NORM_SPM, err);
    dec_step *dec = tok_push_dec(t, DEC_SPM, err);
    if (!t->vocab.score || !norm || !dec) return sh_fail_nomem(err, s->n * sizeof *t->vocab.score);
    memcpy(t->vocab.score, s->scores, s->n * sizeof *s->scores);
    norm->dummy_prefix = s->dummy_prefix;
    norm->remove_spaces = s->remove_spaces;
    norm->escape = s->escape;
    norm->suffix = s->suffix;
    dec->keep_first = !s->dummy_prefix && !s->remove_spaces;
    dec->all_leading = s->remove_spaces;
    t->bpe.byte_fallback = s->byte_fallback;
    t->user_frozen = true;
    if (s->charsmap.p < s->charsmap.end &&
        (rc = tok_set_charsmap(norm, t->arena, s->charsmap.p, (size_t)(s->charsmap.end - s->charsmap.p),
                               where, err)) < 0)
        return rc;
    if (t->model == MODEL_UNIGRAM) {
        scores = sh_new_array(s->n, sizeof *scores, err);
        if (!scores) return SH_E_NOMEM;
        for (size_t i = 0; i < s->n; i++) scores[i] = (double)s->scores[i];
        rc = tok_unigram_build(t, scores, true, err);
        sh_free(scores);
    } else {
        rc = tok_symbols(t, err);
    }
    if (rc < 0 || (rc = add_added(t, err)) < 0) return rc;
    int32_t n = t->vocab.n;
    if (t->bos >= n) t->bos = -1;
    if (t->eos >= n) t->eos = -1;
    if (t->unk >= n) t->unk = -1;
    if ((rc = tok_template_bos_eos(t, bos, false, err)) < 0) return rc;
    return tok_finish(t, err);
}

static int finish(sh_tokenizer **out, spm_file *s, bool bos, const char *where, sh_err *err)
{
    sh_tokenizer *t = NULL;
    int rc = tok_new(&t, err);
    if (rc == SH_OK) rc = build(t, s, bos, where, err);
    if (rc == SH_OK)
        *out = t;
    else
        sh_tokenizer_free(t);
    return rc;
}

int sh_tokenizer_from_sentencepiece(sh_tokenizer **out, const void *data, size_t n, const char *where,
                                    sh_err *err)
{
    spm_file s = {.model_type = 1,
                  .dummy_prefix = true,
                  .remove_spaces = true,
                  .escape = true,
                  .unk = 0,
                  .bos = 1,
                  .eos = 2,
                  .pad = -1};
    wire all = {data, (const uint8_t *)data + n};
    int rc = read_model(&s, all, where, err);
    if (rc == SH_OK) rc = finish(out, &s, s.model_type == 2, where, err);
    sh_free(s.entries);
    sh_free(s.scores);
    return rc;
}

/* max_token_length u32, then per token: score f32, length u32, bytes; spaces in place of U+2581. */
static int read_llama2c(spm_file *s, sh_arena *arena, const uint8_t *p, size_t n, int32_t vocab_size,
                        const char *where, sh_err *err)
{
    size_t at = 4;
    sh_buf text = {0};
    int rc = SH_OK;
    if (n < 4 || vocab_size <= 0 || (size_t)vocab_size > n / 8)
        return sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes cannot hold %d tokens", where, n, (int)vocab_size);
    s->entries = sh_new_array((size_t)vocab_size, sizeof *s->entries, err);
    s->scores = sh_new_array((size_t)vocab_size, sizeof *s->scores, err);
    if (!s->entries || !s->scores) return SH_E_NOMEM;
    for (; s->n < (size_t)vocab_size && rc == SH_OK; s->n++) {
        if (n - at < 8 || sh_get_u32(p + at + 4) > n - at - 8) {
            rc = sh_fail(err, SH_E_CORRUPT, "%s: byte %zu: token %zu does not fit the file", where, at, s->n);
            break;
        }
        uint32_t len = sh_get_u32(p + at + 4);
        float score = sh_get_f32(p + at);
        if (!(score > -1e30f && score < 1e30f)) score = 0;
        sh_buf_reset(&text);
        for (uint32_t i = 0; i < len; i++)
            if (p[at + 8 + i] == ' ')
                sh_buf_add(&text, META, META_BYTES);
            else
                sh_buf_putc(&text, (char)p[at + 8 + i]);
        sh_str str = sh_buf_str(&text);
        bool named = s->n == 1 || s->n == 2; /* "\n<s>\n" and "\n</s>\n": what llama2.c prints for them */
        if (named && str.n > 2 && str.p[0] == '\n' && str.p[str.n - 1] == '\n')
            str = sh_str_n(str.p + 1, str.n - 2);
        bool byte = str.n == 6 && memcmp(str.p, "<0x", 3) == 0 && str.p[5] == '>';
        uint8_t type = s->n == 0 ? TOK_UNKNOWN : named ? TOK_CONTROL : byte ? TOK_BYTE : TOK_NORMAL;
        const char *copy = sh_arena_strndup(arena, str.p, str.n);
        if (!copy) rc = sh_fail_nomem(err, str.n);
        s->entries[s->n] = (tok_entry){{copy, str.n}, type, type == TOK_NORMAL, false};
        s->scores[s->n] = score;
        at += 8 + len;
    }
    if (rc == SH_OK) rc = sh_buf_ok(&text, err);
    sh_buf_clear(&text);
    return rc;
}

int sh_tokenizer_from_llama2c(sh_tokenizer **out, const void *data, size_t n, int32_t vocab_size,
                              const char *where, sh_err *err)
{
    spm_file s = {.model_type = 2,
                  .dummy_prefix = true,
                  .escape = true,
                  .byte_fallback = true,
                  .unk = 0,
                  .bos = 1,
                  .eos = 2,
                  .pad = -1};
    sh_arena *arena = sh_arena_open();
    int rc = arena ? read_llama2c(&s, arena, data, n, vocab_size, where, err) : sh_fail_nomem(err, 1);
    if (rc == SH_OK) rc = finish(out, &s, true, where, err);
    sh_free(s.entries);
    sh_free(s.scores);
    sh_arena_free(arena);
    return rc;
}
