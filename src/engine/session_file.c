/* session_file.c - a session's state on disk.
 *
 *   |   0 | "SHOALSES" | version u32 = 1 | cache type u32 (0 f16, 1 f32, 2 q8) |
 *   |  16 | model fingerprint, 32 bytes |
 *   |  48 | n_vocab u32 | n_tokens u32 | has_logits u32 | 0 u32 | kv_bytes u64 |
 *   |  72 | tokens u32[n_tokens] | cache [kv_bytes] | logits f32[n_vocab] when has_logits | SHA-256 of all
 * before |
 *
 * Numbers are little-endian. The file is exactly as long as its header says. It appears by rename when whole,
 * so a machine that loses power keeps the old one. A file is checked to the last byte before the session is
 * touched. */
#include "engine/session_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/endian.h"
#include "base/mem.h"
#include "os/file.h"

enum { HEADER_BYTES = 72, VERSION = 1 };
static const char magic[8] = {'S', 'H', 'O', 'A', 'L', 'S', 'E', 'S'};

/* ---- saving ---- */

typedef struct save_job {
    sh_writer *file;
    sh_hasher *hasher;
    uint64_t n_bytes;
} save_job;

static int save_count(void *ud, const void *p, size_t n, sh_err *err)
{
    (void)p, (void)err;
    *(uint64_t *)ud += n;
    return SH_OK;
}

static int save_add(void *ud, const void *p, size_t n, sh_err *err)
{
    save_job *job = ud;
    int rc = sh_hasher_add(job->hasher, p, n, err);
    return rc < 0 ? rc : sh_writer_add(job->file, p, n, err);
}

static int save_header(const sh_session *s, save_job *job, uint64_t kv_bytes, sh_err *err)
{
    uint8_t h[HEADER_BYTES] = {0};
    sh_digest fingerprint;
    int rc = sh_model_fingerprint(s->model, &fingerprint, err);
    if (rc < 0) return rc;
    memcpy(h, magic, sizeof magic);
    sh_put_u32(h + 8, VERSION);
    sh_put_u32(h + 12, (uint32_t)s->cache);
    memcpy(h + 16, fingerprint.bytes, SH_SHA256_BYTES);
    sh_put_u32(h + 48, s->n_vocab);
    sh_put_u32(h + 52, s->n_used);
    sh_put_u32(h + 56, s->has_logits);
    sh_put_u64(h + 64, kv_bytes);
    return save_add(job, h, sizeof h, err);
}

/* n 4-byte numbers in file order, a block at a time. */
static int save_words(save_job *job, const void *words, size_t n, sh_err *err)
{
    uint8_t block[4096];
    const uint8_t *from = words;
    for (size_t i = 0; i < n;) {
        size_t k = n - i < sizeof block / 4 ? n - i : sizeof block / 4;
        for (size_t j = 0; j < k; j++) {
            uint32_t w;
            memcpy(&w, from + 4 * (i + j), 4);
            sh_put_u32(block + 4 * j, w);
        }
        int rc = save_add(job, block, 4 * k, err);
        if (rc < 0) return rc;
        i += k;
    }
    return SH_OK;
}

int sh_session_save(const sh_session *s, const char *path, sh_err *err)
{
    save_job job = {0};
    uint64_t kv_bytes = 0;
    sh_digest digest;
    int rc;
    if ((rc = sh_kv_save(s->kv, save_count, &kv_bytes, err)) < 0) return rc;
    if ((rc = sh_hasher_open(&job.hasher, err)) < 0) goto out;
    if ((rc = sh_writer_open(&job.file, path, err)) < 0) goto out;
    if ((rc = save_header(s, &job, kv_bytes, err)) < 0) goto out;
    if ((rc = save_words(&job, s->tokens, s->n_used, err)) < 0) goto out;
    if ((rc = sh_kv_save(s->kv, save_add, &job, err)) < 0) goto out;
    if (s->has_logits && (rc = save_words(&job, s->logits, s->n_vocab, err)) < 0) goto out;
    if ((rc = sh_hasher_finish(job.hasher, &digest, err)) < 0) goto out;
    if ((rc = sh_writer_add(job.file, digest.bytes, sizeof digest.bytes, err)) < 0) goto out;
    rc = sh_writer_commit(job.file, err);
out:
    sh_writer_free(job.file);
    sh_hasher_free(job.hasher);
    return rc;
}

/* ---- reading ---- */

int sh_session_file_layout(sh_session_file *out, const void *data, size_t n, const char *where, sh_err *err)
{
    const uint8_t *p = data;
    sh_session_file f = {0};
    if (n < HEADER_BYTES + SH_SHA256_BYTES || memcmp(p, magic, sizeof magic) != 0)
        return sh_fail(err, SH_E_CORRUPT, "%s: not a session file", where);
    if (sh_get_u32(p + 8) != VERSION)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s: session file of version %u: this program reads %d", where,
                       sh_get_u32(p + 8), VERSION);
    uint32_t cache = sh_get_u32(p + 12), has_logits = sh_get_u32(p + 56);
    f.n_vocab = sh_get_u32(p + 48);
    f.n_tokens = sh_get_u32(p + 52);
    f.kv_bytes = sh_get_u64(p + 64);
    if (cache > SH_CACHE_Q8) return sh_fail(err, SH_E_CORRUPT, "%s: offset 12: cache type %u", where, cache);
    if (has_logits > 1)
        return sh_fail(err, SH_E_CORRUPT, "%s: offset 56: %u, expected 0 or 1", where, has_logits);
    f.cache = (enum sh_cache_type)cache;
    f.has_logits = has_logits;
    memcpy(f.fingerprint.bytes, p + 16, SH_SHA256_BYTES);
    uint64_t want = HEADER_BYTES + SH_SHA256_BYTES + 4 * (uint64_t)f.n_tokens;
    if (f.has_logits) want += 4 * (uint64_t)f.n_vocab;
    if (!sh_add_u64(&want, want, f.kv_bytes) || want != n)
        return sh_fail(err, SH_E_CORRUPT, "%s: %zu bytes long: its header speaks of %" PRIu64, where, n,
                       want);
    f.tokens = p + HEADER_BYTES;
    f.kv = f.tokens + 4 * (size_t)f.n_tokens;
    f.logits = f.has_logits ? f.kv + f.kv_bytes : NULL;
    for (uint32_t i = 0; i < f.n_tokens; i++)
        if (sh_get_u32(f.tokens + 4 * (size_t)i) >= f.n_vocab)
            return sh_fail(err, SH_E_CORRUPT, "%s: token %u is %u: the vocabulary has %u", where, i,
                           sh_get_u32(f.tokens + 4 * (size_t)i), f.n_vocab);
    *out = f;
    return SH_OK;
}

int sh_session_file_parse(sh_session_file *out, const void *data, size_t n, const char *where, sh_err *err)
{
    sh_session_file f;
    sh_digest digest;
    int rc;
    if ((rc = sh_session_file_layout(&f, data, n, where, err)) < 0) return rc;
    if ((rc = sh_sha256(data, n - SH_SHA256_BYTES, &digest, err)) < 0) return rc;
    if (memcmp(digest.bytes, (const uint8_t *)data + n - SH_SHA256_BYTES, SH_SHA256_BYTES) != 0)
        return sh_fail(err, SH_E_CORRUPT, "%s: its content does not match its digest", where);
    *out = f;
    return SH_OK;
}

typedef struct kv_reader {
    const uint8_t *p;
    uint64_t left;
} kv_reader;

static int kv_read(void *ud, void *p, size_t n, sh_err *err)
{
    kv_reader *r = ud;
    if (n > r->left) return sh_fail(err, SH_E_CORRUPT, "the cache is shorter than its tokens need");
    memcpy(p, r->p, n);
    r->p += n;
    r->left -= n;
    return SH_OK;
}

static int restore_check(const sh_session *s, const sh_session_file *f, const char *path, sh_err *err)
{
    static const char *const cache_names[] = {
        [SH_CACHE_F16] = "f16", [SH_CACHE_F32] = "f32", [SH_CACHE_Q8] = "q8"};
    sh_digest mine;
    if (f->cache != s->cache)
        return sh_fail(err, SH_E_INVALID, "%s: made with a %s cache: this session has %s", path,
                       cache_names[f->cache], cache_names[s->cache]);
    if (f->n_tokens > s->n_ctx)
        return sh_fail(err, SH_E_RANGE, "%s: %u tokens: this session has room for %u", path, f->n_tokens,
                       s->n_ctx);
    int rc = sh_model_fingerprint(s->model, &mine, err);
    if (rc < 0) return rc;
    if (f->n_vocab != s->n_vocab || memcmp(&mine, &f->fingerprint, sizeof mine) != 0)
        return sh_fail(err, SH_E_INVALID, "%s: made with another model", path);
    return SH_OK;
}

/* The cache is read into a new one, so that a failure leaves the session's own alone. */
static int restore_cache(sh_session *s, const sh_session_file *f, sh_err *err)
{
    kv_reader r = {f->kv, f->kv_bytes};
    sh_kv *kv = NULL;
    int rc = sh_kv_open(&kv, s->model, sh_kv_get_type(s->kv), s->n_ctx, err);
    if (rc < 0) return rc;
    rc = sh_kv_restore(kv, f->n_tokens, kv_read, &r, err);
    if (rc == SH_OK && r.left > 0)
        rc = sh_fail(err, SH_E_CORRUPT, "the cache is longer than its tokens need");
    if (rc < 0) {
        sh_kv_free(kv);
        return rc;
    }
    sh_kv_free(s->kv);
    s->kv = kv;
    return SH_OK;
}

static int restore_state(sh_session *s, const sh_session_file *f, const char *path, sh_err *err)
{
    int rc = restore_cache(s, f, err);
    if (rc < 0) return sh_fail_in(err, rc, "%s", path);
    for (uint32_t i = 0; i < f->n_tokens; i++) s->tokens[i] = (sh_token)sh_get_u32(f->tokens + 4 * (size_t)i);
    for (uint32_t i = 0; f->has_logits && i < f->n_vocab; i++)
        s->logits[i] = sh_get_f32(f->logits + 4 * (size_t)i);
    s->n_used = f->n_tokens;
    s->has_logits = f->has_logits;
    return SH_OK;
}

int sh_session_restore(sh_session *s, const char *path, sh_err *err)
{
    sh_map_file map;
    sh_session_file f;
    int rc = sh_map_file_open(&map, path, err);
    if (rc < 0) return rc;
    rc = sh_session_file_parse(&f, map.data, map.n, path, err);
    if (rc == SH_OK) rc = restore_check(s, &f, path, err);
    if (rc == SH_OK) rc = restore_state(s, &f, path, err);
    sh_map_file_close(&map);
    return rc;
}
