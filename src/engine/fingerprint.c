/* fingerprint.c - what a model computes, as a digest (session_internal.h). */
#include "engine/session_internal.h"

#include "base/endian.h"
#include "base/mem.h"

enum { N_PROBE = 4 };

static int hash_u32(sh_hasher *h, uint32_t v, sh_err *err)
{
    uint8_t bytes[4];
    sh_put_u32(bytes, v);
    return sh_hasher_add(h, bytes, sizeof bytes, err);
}

static int hash_probe(sh_hasher *h, sh_model *m, uint32_t n_vocab, sh_err *err)
{
    const sh_token probe[N_PROBE] = {0, (sh_token)(n_vocab / 3), (sh_token)(n_vocab / 2),
                                     (sh_token)(n_vocab - 1)};
    sh_kv *kv = NULL;
    sh_forward *f = NULL;
    float *logits = sh_new_array(n_vocab, sizeof *logits, err);
    if (!logits) return SH_E_NOMEM;
    sh_chunk chunk = {.tokens = probe, .n_tokens = N_PROBE, .want = SH_WANT_LAST, .logits = logits};
    int rc;
    if ((rc = sh_kv_open(&kv, m, SH_KV_F32, 16, err)) < 0) goto out;
    if ((rc = sh_forward_open(&f, m, N_PROBE, err)) < 0) goto out;
    chunk.kv = kv;
    if ((rc = sh_forward_run(f, &chunk, 1, err)) < 0) goto out;
    for (uint32_t i = 0; i < n_vocab; i++) sh_put_f32(&logits[i], logits[i]); /* little-endian in place */
    rc = sh_hasher_add(h, logits, (size_t)n_vocab * sizeof *logits, err);
out:
    sh_forward_free(f);
    sh_kv_free(kv);
    sh_free(logits);
    return rc;
}

int sh_model_fingerprint(sh_model *m, sh_digest *out, sh_err *err)
{
    const sh_hparams *hp = sh_model_hparams(m);
    const uint32_t shape[] = {hp->n_vocab,    hp->n_layers, hp->n_embd, hp->n_heads,
                              hp->n_kv_heads, hp->head_dim, hp->n_ff};
    sh_hasher *h = NULL;
    int rc = sh_hasher_open(&h, err);
    for (size_t i = 0; i < sizeof shape / sizeof *shape && rc == SH_OK; i++) rc = hash_u32(h, shape[i], err);
    if (rc == SH_OK) rc = hash_probe(h, m, hp->n_vocab, err);
    if (rc == SH_OK) rc = sh_hasher_finish(h, out, err);
    sh_hasher_free(h);
    return rc;
}
