/* vocab.c - spellings, raw bytes and the index over them.
 *
 * Two contiguous blobs (spellings; raw bytes when the vocabulary is byte-level) with offset tables, and an
 * open-addressed index with 32-bit tags: a look-up of an absent string touches one cache line. */
#include "text/tokenizer_internal.h"

#include <string.h>

bool vocab_unmap(sh_buf *out, sh_str s)
{
    size_t before = out->n;
    for (size_t i = 0; i < s.n;) {
        size_t len;
        int b = letter_to_byte(u8_get(s.p + i, &len));
        if (b < 0) {
            out->n = before;
            sh_buf_add(out, s.p, s.n);
            return false;
        }
        sh_buf_putc(out, (char)b);
        i += len;
    }
    return true;
}

void vocab_map(sh_buf *out, const char *p, size_t n)
{
    char c[4];
    for (size_t i = 0; i < n; i++) sh_buf_add(out, c, sh_utf8_encode(byte_to_letter((uint8_t)p[i]), c));
}

/* vocab_unmap into memory that is large enough (the result is never longer than the spelling). */
static bool unmap_into(char *out, size_t *n_out, sh_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        size_t len = 1;
        uint32_t cp = (unsigned char)s.p[i];
        int b = (int)cp;
        if (cp <= 32 || cp >= 127) {
            cp = u8_get(s.p + i, &len);
            b = letter_to_byte(cp);
        }
        if (b < 0) {
            memcpy(out, s.p, s.n);
            *n_out = s.n;
            return false;
        }
        out[n++] = (char)b;
        i += len;
    }
    *n_out = n;
    return true;
}

int32_t vocab_candidate(const tok_vocab *v, uint64_t h)
{
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = (uint32_t)h & v->mask; v->slots[i].id >= 0; i = (i + 1) & v->mask)
        if (v->slots[i].tag == tag) return v->slots[i].id;
    return -1;
}

int32_t vocab_find_hashed(const tok_vocab *v, const char *raw, size_t n, uint64_t h)
{
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = (uint32_t)h & v->mask; v->slots[i].id >= 0; i = (i + 1) & v->mask) {
        if (v->slots[i].tag != tag) continue;
        sh_str s = vocab_raw(v, v->slots[i].id);
        if (s.n == n && memcmp(s.p, raw, n) == 0) return v->slots[i].id;
    }
    return -1;
}

int32_t vocab_find(const tok_vocab *v, const char *raw, size_t n)
{
    return n > v->max_raw ? -1 : vocab_find_hashed(v, raw, n, vocab_hash(v, raw, n));
}

/* The first of equal strings wins, as in every library that keeps a list. */
static void index_put(tok_vocab *v, int32_t id, uint64_t h)
{
    sh_str s = vocab_raw(v, id);
    uint32_t tag = (uint32_t)(h >> 32), i = (uint32_t)h & v->mask;
    for (; v->slots[i].id >= 0; i = (i + 1) & v->mask) {
        if (v->slots[i].tag != tag) continue;
        sh_str other = vocab_raw(v, v->slots[i].id);
        if (other.n == s.n && memcmp(other.p, s.p, s.n) == 0) return;
    }
    v->slots[i] = (tok_slot){tag, id};
}

int32_t vocab_find_text(const tok_vocab *v, const char *text, size_t n)
{
    uint64_t id;
    if (sh_map_get(v->others, text, n, &id)) return (int32_t)id;
    sh_buf raw = {0};
    int32_t found = -1;
    if (v->byte_level)
        vocab_unmap(&raw, sh_str_n(text, n));
    else
        sh_buf_add(&raw, text, n);
    if (!raw.failed) found = vocab_find(v, sh_buf_str(&raw).p, raw.n);
    if (found >= 0 && !sh_str_eq(vocab_text(v, found), sh_str_n(text, n))) found = -1;
    sh_buf_clear(&raw);
    return found;
}

/* The valid prefix check that u8_get relies on: a spelling from a file may be any bytes. */
static bool entries_total(const tok_entry *e, size_t n, size_t *total, sh_err *err)
{
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        if (!sh_add(total, *total, e[i].text.n + 1) || *total >= UINT32_MAX) {
            sh_fail(err, SH_E_LIMIT, "the vocabulary's spellings are larger than 4 GiB");
            return false;
        }
    }
    return true;
}

static void fill_texts(tok_vocab *v, const tok_entry *e, char *text, uint32_t *off)
{
    size_t at = 0;
    for (int32_t i = 0; i < v->n; i++) {
        off[i] = (uint32_t)at;
        if (e[i].text.n) memcpy(text + at, e[i].text.p, e[i].text.n);
        at += e[i].text.n;
        text[at++] = 0;
        v->type[i] = e[i].text.p ? e[i].type : TOK_UNUSED;
        v->in_model[i] = e[i].text.p && e[i].in_model && e[i].text.n;
    }
    off[v->n] = (uint32_t)at;
}

/* Raw forms; a spelling with a letter that stands for no byte can never come out of the model. */
static void fill_raws(tok_vocab *v, const tok_entry *e, char *raw, uint32_t *off)
{
    size_t at = 0, n;
    for (int32_t i = 0; i < v->n; i++) {
        sh_str s = vocab_text(v, i);
        off[i] = (uint32_t)at;
        bool mapped = false;
        n = s.n;
        if (e[i].literal || !sh_utf8_valid(s.p, s.n))
            memcpy(raw + at, s.p, s.n);
        else
            mapped = unmap_into(raw + at, &n, s);
        v->in_model[i] = v->in_model[i] && mapped;
        at += n;
        raw[at++] = 0;
    }
    off[v->n] = (uint32_t)at;
}

/* The model's tokens, hashed a batch ahead of the insertion so that the slots' lines are there when needed.
 */
static void index_model(tok_vocab *v)
{
    enum { BATCH = 32 };
    uint64_t hash[BATCH];
    for (int32_t first = 0; first < v->n; first += BATCH) {
        int32_t end = v->n - first < BATCH ? v->n : first + BATCH;
        for (int32_t i = first; i < end; i++) {
            sh_str s = vocab_raw(v, i);
            if (!v->in_model[i]) continue;
            hash[i - first] = vocab_hash(v, s.p, s.n);
            vocab_fetch(v, hash[i - first]);
            if (s.n > v->max_raw) v->max_raw = (uint32_t)s.n;
        }
        for (int32_t i = first; i < end; i++)
            if (v->in_model[i]) index_put(v, i, hash[i - first]);
    }
}

static int build_index(tok_vocab *v, sh_err *err)
{
    size_t cap = 64;
    while (cap < (size_t)v->n * 2) cap *= 2;
    v->slots = sh_alloc(cap, sizeof *v->slots);
    v->others = sh_map_open(v->seed);
    if (!v->slots || !v->others) return sh_fail_nomem(err, cap * sizeof *v->slots);
    memset(v->slots, 0xff, cap * sizeof *v->slots);
    v->mask = (uint32_t)cap - 1;
    index_model(v);
    for (int32_t i = 0; i < v->n; i++) {
        sh_str s = vocab_text(v, i);
        if (v->in_model[i] || !s.n || sh_map_get(v->others, s.p, s.n, NULL)) continue;
        if (!sh_map_set(v->others, s.p, s.n, (uint64_t)i)) return sh_fail_nomem(err, s.n);
    }
    return SH_OK;
}

int vocab_build(tok_vocab *v, sh_arena *arena, const tok_entry *entries, size_t n, bool byte_level,
                sh_err *err)
{
    size_t total;
    if (n == 0 || n > INT32_MAX / 4) return sh_fail(err, SH_E_CORRUPT, "a vocabulary of %zu tokens", n);
    if (!entries_total(entries, n, &total, err)) return SH_E_LIMIT;
    *v = (tok_vocab){.n = (int32_t)n,
                     .byte_level = byte_level,
                     .seed = (uint64_t)(uintptr_t)arena * 0x9e3779b97f4a7c15ull};
    char *text = sh_arena_alloc(arena, total, 1), *raw = byte_level ? sh_arena_alloc(arena, total, 1) : text;
    uint32_t *text_off = sh_arena_alloc(arena, n + 1, sizeof *text_off);
    uint32_t *raw_off = byte_level ? sh_arena_alloc(arena, n + 1, sizeof *raw_off) : text_off;
    v->type = sh_arena_alloc(arena, n, 1);
    v->in_model = sh_arena_alloc(arena, n, 1);
    if (!text || !raw || !text_off || !raw_off || !v->type || !v->in_model)
        return sh_fail_nomem(err, total * 2);
    v->text = text;
    v->raw = raw;
    v->text_off = text_off;
    v->raw_off = raw_off;
    fill_texts(v, entries, text, text_off);
    if (byte_level) fill_raws(v, entries, raw, raw_off);
    return build_index(v, err);
}

void vocab_clear(tok_vocab *v)
{
    sh_free(v->slots);
    sh_map_free(v->others);
    v->slots = NULL;
    v->others = NULL;
}
