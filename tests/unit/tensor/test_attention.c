/* test_attention.c - every level equals the reference bit for bit, for every cache type, and the reference is
 * right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "unit/tensor/tensor_fixture.h"

enum { N_CTX = 112, MAX_DIM = 256, /* biases: one longer than the context for each query to start elsewhere */
       N_BIAS = N_CTX + 32, MAX_QUERIES = SH_ATTENTION_MAX_QUERIES };

typedef struct scene {
    sh_kv_head kv;
    void *memory;
    float *q, *out; /* [MAX_QUERIES, MAX_DIM] */
    float *k, *v;   /* [N_CTX, MAX_DIM], what was written */
    sh_attention_query queries[MAX_QUERIES];
    sh_attention_job job;
} scene;

/* Unwritten places are NaN, so that whoever uses one is found out. */
static void open_scene(scene *s, const sh_kernels *k, enum sh_kv_type type, uint32_t dim, size_t written,
                       uint64_t seed)
{
    sh_rng rng = {seed};
    size_t bytes = sh_kv_head_bytes(type, dim, N_CTX);
    memset(s, 0, sizeof *s);
    s->memory = sh_alloc_aligned(1, bytes);
    s->q = sh_alloc(MAX_QUERIES * MAX_DIM, sizeof(float));
    s->out = sh_zalloc(MAX_QUERIES * MAX_DIM, sizeof(float));
    s->k = sh_alloc(N_CTX * MAX_DIM, sizeof(float));
    s->v = sh_alloc(N_CTX * MAX_DIM, sizeof(float));
    s->job.scratch = sh_alloc_aligned(sh_attention_scratch(N_CTX), sizeof(float));
    memset(s->memory, 0xff, bytes);
    sh_kv_head_place(&s->kv, type, dim, N_CTX, s->memory);
    fixture_floats(&rng, s->q, MAX_QUERIES * MAX_DIM);
    fixture_floats(&rng, s->k, N_CTX * MAX_DIM);
    fixture_floats(&rng, s->v, N_CTX * MAX_DIM);
    for (size_t pos = 0; pos < written; pos++)
        k->kv_write(&s->kv, pos, s->k + pos * MAX_DIM, s->v + pos * MAX_DIM);
}

static void close_scene(scene *s)
{
    sh_free(s->memory), sh_free(s->q), sh_free(s->out), sh_free(s->k), sh_free(s->v), sh_free(s->job.scratch);
}

enum shape { CAUSAL, SAME, WINDOW, SCATTERED, SHAPE_COUNT };

static void ask(scene *s, const sh_kernels *k, enum shape shape, size_t n, size_t written, float slope,
                float softcap, bool biased)
{
    sh_rng rng = {n * 7 + written};
    static float bias[N_BIAS];
    fixture_floats(&(sh_rng){77}, bias, N_BIAS);
    for (size_t i = 0; i < n; i++) {
        uint32_t end = (uint32_t)written, begin = 0;
        if (shape == CAUSAL || shape == WINDOW)
            end = (uint32_t)(written > n ? written - n + i + 1 : 1 + i % written);
        if (shape == WINDOW) begin = end > 21 ? end - 21 : 0;
        if (shape == SCATTERED) {
            begin = (uint32_t)(sh_rng_u64(&rng) % written);
            end = begin + 1 + (uint32_t)(sh_rng_u64(&rng) % (written - begin));
        }
        s->queries[i] = (sh_attention_query){s->q + i * MAX_DIM, s->out + i * MAX_DIM, begin, end,
                                             slope * (float)(i + 1), biased ? bias + i % 32 : NULL};
    }
    s->job.kv = &s->kv, s->job.queries = s->queries, s->job.n_queries = n;
    s->job.scale = 0.125f, s->job.softcap = softcap;
    k->attention(&s->job);
}

static void compare(const sh_kernels *k, enum sh_kv_type type, uint32_t dim, size_t written)
{
    static const size_t counts[] = {1, 2, 3, 4, 7, 8, 14, 32};
    scene a, b;
    size_t where = 0;
    open_scene(&a, sh_kernels_get(SH_CPU_REF), type, dim, written, dim + written);
    open_scene(&b, k, type, dim, written, dim + written);
    assert_memory_equal(a.memory, b.memory, sh_kv_head_bytes(type, dim, N_CTX));
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (int shape = 0; shape < SHAPE_COUNT; shape++)
            for (int extra = 0; extra < 4; extra++) {
                float slope = extra == 1 ? 0.03f : 0, softcap = extra == 2 ? 5 : 0;
                ask(&a, sh_kernels_get(SH_CPU_REF), (enum shape)shape, counts[c], written, slope, softcap,
                    extra == 3);
                ask(&b, k, (enum shape)shape, counts[c], written, slope, softcap, extra == 3);
                if (!fixture_all_same(a.out, b.out, MAX_QUERIES * MAX_DIM, &where)) {
                    printf("%s type %d dim %u, %zu positions, %zu queries, shape %d, extra %d: query %zu "
                           "element %zu\n",
                           k->name, (int)type, dim, written, counts[c], shape, extra, where / MAX_DIM,
                           where % MAX_DIM);
                    fail();
                }
                for (size_t i = 0; i < dim; i++) assert_true(a.out[i] == a.out[i]);
            }
    close_scene(&a);
    close_scene(&b);
}

static void test_levels_agree(void **state)
{
    (void)state;
    static const uint32_t dims[] = {16, 64, 80, 96, 128, 256, 20, 7, 72};
    static const size_t written[] = {1, 5, 16, 17, 63, 64, 112};
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels);
    for (size_t l = 0; l < n_levels; l++)
        for (int type = 0; type < SH_KV_TYPE_COUNT; type++)
            for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
                for (size_t w = 0; w < sizeof written / sizeof written[0]; w++)
                    compare(levels[l], (enum sh_kv_type)type, dims[d], written[w]);
}

/* Against double arithmetic; the tolerance is what the cache type rounds away. */
static void test_reference_is_right(void **state)
{
    (void)state;
    static const double tolerance[SH_KV_TYPE_COUNT] = {1e-5, 4e-3, 0.06};
    enum { DIM = 64, N = 40 };
    for (int type = 0; type < SH_KV_TYPE_COUNT; type++) {
        scene s;
        open_scene(&s, sh_kernels_get(SH_CPU_REF), (enum sh_kv_type)type, DIM, N, 3);
        ask(&s, sh_kernels_get(SH_CPU_REF), SAME, 2, N, 0.02f, 4, false);
        for (size_t i = 0; i < 2; i++) {
            double p[N], total = 0;
            for (size_t j = 0; j < N; j++) {
                double dot = 0;
                for (size_t e = 0; e < DIM; e++) dot += (double)s.q[i * MAX_DIM + e] * s.k[j * MAX_DIM + e];
                p[j] = exp(4 * tanh((dot + 0.02 * (double)(i + 1) * (double)j) * 0.125 / 4));
                total += p[j];
            }
            for (size_t e = 0; e < DIM; e++) {
                double want = 0;
                for (size_t j = 0; j < N; j++) want += p[j] / total * s.v[j * MAX_DIM + e];
                assert_float_equal(s.out[i * MAX_DIM + e], want, tolerance[type]);
            }
        }
        close_scene(&s);
    }
}

static void test_layout(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, sh_kernels_get(SH_CPU_REF), SH_KV_F32, 20, 33, 1);
    for (size_t pos = 0; pos < 33; pos++)
        for (size_t e = 0; e < 20; e++) {
            assert_true(((float *)s.kv.keys)[((pos / 16) * 20 + e) * 16 + pos % 16] ==
                        s.k[pos * MAX_DIM + e]);
            assert_true(((float *)s.kv.values)[pos * 20 + e] == s.v[pos * MAX_DIM + e]);
        }
    assert_int_equal(sh_kv_head_bytes(SH_KV_F16, 64, 32), 2 * 64 * 32 * 2);
    assert_int_equal(sh_kv_head_bytes(SH_KV_Q8, 64, 32), 2 * 64 * 32 + 2 * 32 * 2 * 4);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_right),
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
