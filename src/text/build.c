/* build.c - what all loaders share: steps, merges, tries, ends of answers. */
#include "text/tokenizer_internal.h"

#include <string.h>

int tok_new(sh_tokenizer **out, sh_err *err)
{
    sh_tokenizer *t = sh_new(sizeof *t, err);
    if (!t) return SH_E_NOMEM;
    t->arena = sh_arena_open();
    if (!t->arena) {
        sh_free(t);
        return sh_fail_nomem(err, sizeof *t);
    }
    t->unk = t->bos = t->eos = t->eot = t->eom = t->sep = t->pad = t->cls = t->mask = -1;
    t->add_bos = t->add_eos = -1;
    *out = t;
    return SH_OK;
}

/* Arrays of steps grow by copying inside the arena: there are at most a dozen. */
static void *push(sh_arena *arena, void *items, size_t *n, size_t size, sh_err *err)
{
    char *grown = sh_arena_zalloc(arena, *n + 1, size);
    if (!grown) {
        sh_fail_nomem(err, size);
        return NULL;
    }
    if (*n) memcpy(grown, items, *n * size);
    (*n)++;
    return grown;
}

norm_step *tok_push_norm(sh_tokenizer *t, enum norm_kind kind, sh_err *err)
{
    norm_step *s = push(t->arena, t->norm, &t->n_norm, sizeof *s, err);
    if (!s) return NULL;
    t->norm = s;
    s += t->n_norm - 1;
    s->kind = kind;
    return s;
}

split_step *tok_push_split(sh_tokenizer *t, enum split_kind kind, sh_err *err)
{
    split_step *s = push(t->arena, t->split, &t->n_split, sizeof *s, err);
    if (!s) return NULL;
    t->split = s;
    s += t->n_split - 1;
    s->kind = kind;
    return s;
}

dec_step *tok_push_dec(sh_tokenizer *t, enum dec_kind kind, sh_err *err)
{
    dec_step *s = push(t->arena, t->dec, &t->n_dec, sizeof *s, err);
    if (!s) return NULL;
    t->dec = s;
    s += t->n_dec - 1;
    s->kind = kind;
    return s;
}

int tok_add_regex(sh_tokenizer *t, sh_str pattern, const sh_regex **out, const char *where, sh_err *err)
{
    sh_regex **all = sh_realloc(t->regexes, t->n_regexes + 1, sizeof *all);
    if (!all) return sh_fail_nomem(err, sizeof *all);
    t->regexes = all;
    int rc = sh_regex_open(&all[t->n_regexes], pattern, where, err);
    if (rc == SH_OK) *out = all[t->n_regexes++];
    return rc;
}

/* --- BPE --- */

/* --- merges, a batch at a time ---
 *
 * A merge needs three look-ups in the vocabulary and one place in the table of pairs, each in memory that is
 * cold. Doing every step for a whole batch before the next step lets the misses overlap: a third of the time
 * of one by one. */

enum { QUEUE = 32, JOB_BYTES = 256 };

typedef struct merge_job {
    sh_str a, b; /* as given, for messages */
    uint32_t rank, n[3];
    const char *raw[3]; /* left, right, both */
    uint64_t hash[3];
    int32_t id[3]; /* -2: still to be found */
    char room[JOB_BYTES];
} merge_job;

struct merge_queue {
    merge_job jobs[QUEUE];
    size_t n;
};

int tok_bpe_begin(sh_tokenizer *t, size_t n_merges, sh_err *err)
{
    tok_bpe *b = &t->bpe;
    size_t cap = 64;
    if (n_merges >= UINT32_MAX / 4) return sh_fail(err, SH_E_LIMIT, "%zu merges are too many", n_merges);
    while (cap < n_merges * 2) cap *= 2;
    b->pairs = sh_alloc(cap, sizeof *b->pairs);
    if (!b->pairs) return sh_fail_nomem(err, cap * sizeof *b->pairs);
    memset(b->pairs, 0xff, cap * sizeof *b->pairs);
    b->mask = (uint32_t)cap - 1;
    b->n_merges = n_merges;
    b->queue = sh_alloc(1, sizeof *b->queue);
    if (!b->queue) return sh_fail_nomem(err, sizeof *b->queue);
    b->queue->n = 0;
    return SH_OK;
}

/* The bytes of one part; false when it is no spelling of this vocabulary or does not fit. */
static bool unmap_part(const tok_vocab *v, sh_str s, char *raw, size_t cap, uint32_t *n_raw)
{
    size_t n = 0;
    if (!v->byte_level) {
        if (s.n > cap) return false;
        memcpy(raw, s.p, s.n);
        *n_raw = (uint32_t)s.n;
        return true;
    }
    for (size_t i = 0; i < s.n;) {
        size_t len = 1;
        uint32_t cp = (unsigned char)s.p[i];
        int byte = (int)cp;
        if (cp <= 32 || cp >= 127) {
            if (u8_len(s.p + i) > s.n - i) return false;
            cp = u8_get(s.p + i, &len);
            byte = letter_to_byte(cp);
        }
        if (byte < 0 || n == cap) return false;
        raw[n++] = (char)byte;
        i += len;
    }
    *n_raw = (uint32_t)n;
    return true;
}

/* The result of a merge with continuing_subword_prefix leaves out the right part's prefix. */
static bool job_fill(const sh_tokenizer *t, merge_job *j, char *room, size_t cap)
{
    const tok_vocab *v = &t->vocab;
    size_t skip = t->bpe.prefix ? strlen(t->bpe.prefix) : 0;
    /* left, right and left again with right less its prefix */
    if (!unmap_part(v, j->a, room, cap, &j->n[0])) return false;
    if (!unmap_part(v, j->b, room + j->n[0], cap - j->n[0], &j->n[1])) return false;
    j->raw[0] = j->raw[2] = room;
    j->raw[1] = room + j->n[0];
    j->n[2] = j->n[0] + j->n[1];
    if (!skip || j->n[1] < skip || memcmp(j->raw[1], t->bpe.prefix, skip) != 0) return true;
    char *both = room + j->n[2];
    if (cap < 2 * (size_t)j->n[2]) return false;
    memcpy(both, room, j->n[0]);
    memcpy(both + j->n[0], j->raw[1] + skip, j->n[1] - skip);
    j->raw[2] = both;
    j->n[2] -= (uint32_t)skip;
    return true;
}

static void pair_put(tok_bpe *b, uint32_t left, uint32_t right, uint32_t rank, int32_t id)
{
    uint32_t i = bpe_pair_hash(left, right) & b->mask;
    for (; b->pairs[i].a != UINT32_MAX; i = (i + 1) & b->mask)
        if (b->pairs[i].a == left && b->pairs[i].b == right) break;
    b->n_pairs += b->pairs[i].a == UINT32_MAX;
    b->pairs[i] = (tok_pair){left, right, rank, id};
}

static void job_hash(const sh_tokenizer *t, merge_job *j)
{
    for (int k = 0; k < 3; k++) {
        j->id[k] = -2;
        if (j->n[k] == 1 && t->vocab.byte_level) {
            j->id[k] = t->bpe.byte_id[(uint8_t)j->raw[k][0]];
            continue;
        }
        j->hash[k] = vocab_hash(&t->vocab, j->raw[k], j->n[k]);
        vocab_fetch(&t->vocab, j->hash[k]);
    }
}

static int job_put(sh_tokenizer *t, const merge_job *j, bool strict, const char *where, sh_err *err)
{
    if (j->id[0] >= 0 && j->id[1] >= 0 && j->id[2] >= 0) {
        pair_put(&t->bpe, (uint32_t)j->id[0], (uint32_t)j->id[1], j->rank, j->id[2]);
        return SH_OK;
    }
    if (!strict) return SH_OK;
    return sh_fail(err, SH_E_CORRUPT,
                   "%s: merge %u \"%.*s %.*s\" has a part or result outside the vocabulary", where,
                   (unsigned)j->rank, (int)(j->a.n < 64 ? j->a.n : 64), j->a.p,
                   (int)(j->b.n < 64 ? j->b.n : 64), j->b.p);
}

static int queue_flush(sh_tokenizer *t, bool strict, const char *where, sh_err *err)
{
    struct merge_queue *q = t->bpe.queue;
    const tok_vocab *v = &t->vocab;
    int32_t candidate[QUEUE][3];
    int rc = SH_OK;
    for (size_t i = 0; i < q->n; i++)
        for (int k = 0; k < 3; k++) {
            candidate[i][k] = q->jobs[i].id[k] == -2 ? vocab_candidate(v, q->jobs[i].hash[k]) : -1;
            if (candidate[i][k] >= 0) __builtin_prefetch(&v->raw_off[candidate[i][k]]);
        }
    for (size_t i = 0; i < q->n; i++)
        for (int k = 0; k < 3; k++)
            if (candidate[i][k] >= 0) __builtin_prefetch(v->raw + v->raw_off[candidate[i][k]]);
    for (size_t i = 0; i < q->n; i++) {
        merge_job *j = &q->jobs[i];
        for (int k = 0; k < 3; k++)
            if (j->id[k] == -2)
                j->id[k] = candidate[i][k] < 0 ? -1 : vocab_find_hashed(v, j->raw[k], j->n[k], j->hash[k]);
        if (j->id[0] >= 0 && j->id[1] >= 0)
            __builtin_prefetch(
                &t->bpe.pairs[bpe_pair_hash((uint32_t)j->id[0], (uint32_t)j->id[1]) & t->bpe.mask], 1);
    }
    for (size_t i = 0; i < q->n && rc == SH_OK; i++) rc = job_put(t, &q->jobs[i], strict, where, err);
    q->n = 0;
    return rc;
}

/* A merge too long for the queue's jobs, at once. */
static int merge_long(sh_tokenizer *t, merge_job *j, bool strict, const char *where, sh_err *err)
{
    size_t cap;
    if (!sh_add(&cap, j->a.n, j->b.n) || !sh_mul(&cap, cap, 2))
        return sh_fail(err, SH_E_LIMIT, "%s: a merge is too long", where);
    char *room = sh_alloc(cap, 1);
    if (!room) return sh_fail_nomem(err, cap);
    for (int k = 0; k < 3; k++) j->id[k] = -1;
    if (job_fill(t, j, room, cap))
        for (int k = 0; k < 3; k++) j->id[k] = vocab_find(&t->vocab, j->raw[k], j->n[k]);
    int rc = job_put(t, j, strict, where, err);
    sh_free(room);
    return rc;
}

int tok_bpe_merge(sh_tokenizer *t, sh_str a, sh_str b, uint32_t rank, bool strict, const char *where,
                  sh_err *err)
{
    struct merge_queue *q = t->bpe.queue;
    merge_job *j = &q->jobs[q->n];
    j->a = a;
    j->b = b;
    j->rank = rank;
    if (!job_fill(t, j, j->room, JOB_BYTES)) return merge_long(t, j, strict, where, err);
    job_hash(t, j);
    return ++q->n == QUEUE ? queue_flush(t, strict, where, err) : SH_OK;
}

int tok_bpe_end(sh_tokenizer *t, bool strict, const char *where, sh_err *err)
{
    int rc = queue_flush(t, strict, where, err);
    sh_free(t->bpe.queue);
    t->bpe.queue = NULL;
    return rc;
}

static void fill_byte_ids(sh_tokenizer *t)
{
    tok_bpe *b = &t->bpe;
    const tok_vocab *v = &t->vocab;
    size_t n_suffix = b->suffix ? strlen(b->suffix) : 0;
    char s[64];
    if (n_suffix > sizeof s - 1) n_suffix = sizeof s - 1;
    for (int i = 0; i < 256; i++) {
        bool usable = v->byte_level || i < 0x80;
        s[0] = (char)i;
        if (n_suffix) memcpy(s + 1, b->suffix, n_suffix);
        b->byte_id[i] = usable ? vocab_find(v, s, 1) : -1;
        b->last_id[i] = usable ? vocab_find(v, s, 1 + n_suffix) : -1;
    }
}

/* Whether some token has U+2581 after another character (a text must then not be cut there). */
static bool meta_inside(const tok_vocab *v)
{
    for (int32_t i = 0; i < v->n; i++) {
        sh_str s = vocab_raw(v, i);
        if (!v->in_model[i]) continue;
        for (size_t k = 1; k + META_BYTES <= s.n; k++)
            if (s.p[k] == META[0] && memcmp(s.p + k, META, META_BYTES) == 0 &&
                (k < META_BYTES || memcmp(s.p + k - META_BYTES, META, META_BYTES) != 0))
                return true;
    }
    return false;
}

int tok_symbols(sh_tokenizer *t, sh_err *err)
{
    fill_byte_ids(t);
    for (int i = 0; i < 256; i++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[6] = {'<', '0', 'x', hex[i >> 4], hex[i & 15], '>'};
        t->byte_tok[i] = vocab_find_text(&t->vocab, name, sizeof name);
    }
    t->bpe.self = sh_arena_zalloc(t->arena, (size_t)t->vocab.n, 1);
    t->bpe.cut_meta = !t->vocab.byte_level && !t->bpe.suffix && !t->bpe.prefix && !t->bpe.ignore_merges &&
                      vocab_find(&t->vocab, META, META_BYTES) >= 0 && !meta_inside(&t->vocab);
    return t->bpe.self ? SH_OK : sh_fail_nomem(err, (size_t)t->vocab.n);
}

/* --- unigram, WordPiece --- */

int tok_unigram_build(sh_tokenizer *t, const double *scores, bool f32, sh_err *err)
{
    tok_unigram *u = &t->unigram;
    const tok_vocab *v = &t->vocab;
    double low = 0, high = 0;
    bool any = false;
    int rc;
    u->f32 = f32;
    u->score = sh_arena_alloc(t->arena, (size_t)v->n, sizeof *u->score);
    if (!u->score) return sh_fail_nomem(err, (size_t)v->n * sizeof *u->score);
    if ((rc = tok_trie_reserve(&u->trie, v->raw_off[v->n] - (uint32_t)v->n, err)) < 0) return rc;
    for (int32_t i = 0; i < v->n; i++) {
        double s = f32 ? (double)(float)scores[i] : scores[i];
        if (!(s > -1e30 && s < 1e30))
            return sh_fail(err, SH_E_CORRUPT, "the score of token %d is not a number", (int)i);
        u->score[i] = s;
        if (v->in_model[i] && v->type[i] != TOK_UNUSED) {
            sh_str str = vocab_raw(v, i);
            if ((rc = tok_trie_add(&u->trie, str.p, str.n, i, err)) < 0) return rc;
        }
        /* sentencepiece takes the bounds from normal pieces, the tokenizers library from all */
        if (f32 && v->type[i] != TOK_NORMAL) continue;
        if (!any || s < low) low = s;
        if (!any || s > high) high = s;
        any = true;
    }
    u->unk_score = f32 ? (double)(float)(low - 10) : low - 10;
    u->max_score = high;
    return tok_symbols(t, err);
}

int tok_wordpiece_build(sh_tokenizer *t, bool meta_style, const char *prefix, sh_err *err)
{
    tok_wordpiece *w = &t->wordpiece;
    const tok_vocab *v = &t->vocab;
    size_t n_prefix = strlen(prefix);
    int rc = SH_OK;
    for (int32_t i = 0; i < v->n && rc == SH_OK; i++) {
        sh_str s = vocab_raw(v, i);
        if (!v->in_model[i]) continue;
        size_t skip = meta_style ? META_BYTES : n_prefix;
        /* U+2581 alone continues a word: nothing would follow it at a beginning */
        bool marked = s.n >= skip + meta_style && skip && memcmp(s.p, meta_style ? META : prefix, skip) == 0;
        if (meta_style) {
            rc = tok_trie_add(marked ? &w->first : &w->rest, s.p + (marked ? skip : 0),
                              s.n - (marked ? skip : 0), i, err);
            continue;
        }
        rc = tok_trie_add(&w->first, s.p, s.n, i, err);
        if (rc == SH_OK && marked) rc = tok_trie_add(&w->rest, s.p + skip, s.n - skip, i, err);
    }
    w->prefix = prefix;
    return rc;
}

/* --- added tokens --- */

int tok_added_add(sh_tokenizer *t, const tok_added *a, sh_err *err)
{
    tok_added_set *set = &t->added;
    if (a->content.n == 0) return SH_OK;
    if (set->n >= set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 64;
        tok_added *items = sh_realloc(set->items, cap, sizeof *items);
        if (!items) return sh_fail_nomem(err, cap * sizeof *items);
        set->items = items;
        set->cap = cap;
    }
    char *copy = sh_arena_strndup(t->arena, a->content.p, a->content.n);
    if (!copy) return sh_fail_nomem(err, a->content.n);
    set->items[set->n] = *a;
    set->items[set->n++].content.p = copy;
    return SH_OK;
}

int tok_added_finish(sh_tokenizer *t, sh_err *err)
{
    tok_added_set *set = &t->added;
    sh_buf bufs[2] = {0};
    sh_regex_work work = {0};
    int rc = SH_OK;
    for (size_t i = 0; i < set->n && rc == SH_OK; i++) {
        sh_str s = set->items[i].content;
        if (!set->items[i].normalized || !t->n_norm) {
            rc = tok_trie_add(&set->raw, s.p, s.n, (int32_t)i, err);
            set->has_raw = true;
            continue;
        }
        if (!t->user_frozen) rc = norm_steps(t->norm, t->n_norm, NULL, s, bufs, &work, &s, err);
        if (rc < 0 || !s.n) continue;
        rc = tok_trie_add(&set->normal, s.p, s.n, (int32_t)i, err);
        set->has_normal = true;
    }
    sh_buf_clear(&bufs[0]);
    sh_buf_clear(&bufs[1]);
    sh_regex_work_clear(&work);
    return rc;
}

/* --- templates and ends --- */

static void put_item(tok_item *items, size_t *n, int32_t id, int32_t type)
{
    if (id != -3) items[(*n)++] = (tok_item){id, type};
}

int tok_template_bos_eos(sh_tokenizer *t, bool bos, bool eos, sh_err *err)
{
    enum { NONE = -3 };
    int32_t b = bos && t->bos >= 0 ? t->bos : NONE, e = eos && t->eos >= 0 ? t->eos : NONE;
    t->single = sh_arena_zalloc(t->arena, 3, sizeof *t->single);
    t->pair = sh_arena_zalloc(t->arena, 6, sizeof *t->pair);
    if (!t->single || !t->pair) return sh_fail_nomem(err, 9 * sizeof *t->pair);
    put_item(t->single, &t->n_single, b, 0);
    put_item(t->single, &t->n_single, ITEM_A, 0);
    put_item(t->single, &t->n_single, e, 0);
    put_item(t->pair, &t->n_pair, b, 0);
    put_item(t->pair, &t->n_pair, ITEM_A, 0);
    put_item(t->pair, &t->n_pair, e, 0);
    /* encoders put their separator between the texts, decoders begin anew */
    put_item(t->pair, &t->n_pair, e != NONE && t->sep >= 0 ? t->sep : b, 1);
    put_item(t->pair, &t->n_pair, ITEM_B, 1);
    put_item(t->pair, &t->n_pair, e, 1);
    return SH_OK;
}

static bool is_end_name(sh_str s)
{
    static const char *const names[] = {"<|im_end|>",
                                        "<|eot_id|>",
                                        "<|eom_id|>",
                                        "<|end|>",
                                        "<end_of_turn>",
                                        "<|endoftext|>",
                                        "</s>",
                                        "<|return|>",
                                        "<|end_of_text|>",
                                        "<|eot|>",
                                        "<|eom|>",
                                        "<EOT>",
                                        "<|END_OF_TURN_TOKEN|>",
                                        "<|end_of_turn|>",
                                        "<eos>",
                                        "<turn|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sh_str_is(s, names[i])) return true;
    return false;
}

static bool needs_classes(const sh_tokenizer *t)
{
    for (size_t i = 0; i < t->n_split; i++)
        if (t->split[i].kind == SPLIT_FAST || t->split[i].kind == SPLIT_BYTES) return true;
    return false;
}

int tok_finish(sh_tokenizer *t, sh_err *err)
{
    int rc;
    sh_token *const ids[] = {&t->unk, &t->bos, &t->eos, &t->eot, &t->eom,
                             &t->sep, &t->pad, &t->cls, &t->mask};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (*ids[i] >= t->vocab.n) *ids[i] = -1;
    if (needs_classes(t)) {
        t->classes = sh_arena_alloc(t->arena, 65536, 1);
        if (!t->classes) return sh_fail_nomem(err, 65536);
        uc_fill_table(t->classes);
    }
    t->end = sh_arena_zalloc(t->arena, (size_t)t->vocab.n, 1);
    if (!t->end) return sh_fail_nomem(err, (size_t)t->vocab.n);
    for (int32_t i = 0; i < t->vocab.n; i++)
        t->end[i] = t->vocab.type[i] == TOK_CONTROL && is_end_name(vocab_text(&t->vocab, i));
    const sh_token ends[] = {t->eos, t->eot, t->eom};
    for (size_t i = 0; i < 3; i++)
        if (ends[i] >= 0) t->end[ends[i]] = 1;
    if (!t->n_single && (rc = tok_template_bos_eos(t, false, false, err)) < 0) return rc;
    return tok_added_finish(t, err);
}
