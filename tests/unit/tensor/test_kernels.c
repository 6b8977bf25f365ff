/* test_kernels.c - norms, softmax, activations, rope and act_encode: every level equals the reference bit for
 * bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tensor/exactmath.h"
#include "tensor/matmul.h"
#include "unit/tensor/tensor_fixture.h"

static const size_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 48, 64, 100, 896, 1000, 4864};
enum { MAX = 4864, N_SIZES = sizeof sizes / sizeof sizes[0], GUARD = 20 };

typedef struct inputs {
    float x[MAX + GUARD], gain[MAX + GUARD], bias[MAX + GUARD];
} inputs;

/* kind 0: ordinary; 1: with infinities, NaN, zeros of both signs, subnormals; 2: all -inf */
static void fill(inputs *in, size_t n, int kind, uint64_t seed)
{
    static const float special[] = {INFINITY, -INFINITY, NAN,    0,     -0.0f,  1e-40f,
                                    -1e-45f,  3e38f,     -3e38f, 88.7f, -103.9f};
    sh_rng rng = {seed};
    fixture_floats(&rng, in->x, MAX + GUARD);
    fixture_floats(&rng, in->gain, MAX + GUARD);
    fixture_floats(&rng, in->bias, MAX + GUARD);
    for (size_t i = 0; i < n; i++) {
        if (kind == 1 && sh_rng_u64(&rng) % 7 == 0)
            in->x[i] = special[sh_rng_u64(&rng) % (sizeof special / sizeof special[0])];
        if (kind == 2) in->x[i] = -INFINITY;
    }
}

/* One operation in place over in->x. */
typedef void (*operation)(const sh_kernels *k, inputs *in, size_t n);

static void op_rms(const sh_kernels *k, inputs *in, size_t n)
{
    k->rms_norm(in->x, in->x, in->gain, n, 1e-6f, false);
}
static void op_rms_gemma(const sh_kernels *k, inputs *in, size_t n)
{
    k->rms_norm(in->x, in->x, in->gain, n, 1e-5f, true);
}
static void op_rms_plain(const sh_kernels *k, inputs *in, size_t n)
{
    k->rms_norm(in->x, in->x, NULL, n, 1e-5f, false);
}
static void op_layer(const sh_kernels *k, inputs *in, size_t n)
{
    k->layer_norm(in->x, in->x, in->gain, in->bias, n, 1e-5f);
}
static void op_layer_plain(const sh_kernels *k, inputs *in, size_t n)
{
    k->layer_norm(in->x, in->x, NULL, NULL, n, 1e-12f);
}
static void op_softmax(const sh_kernels *k, inputs *in, size_t n)
{
    k->softmax(in->x, n);
}
static void op_silu(const sh_kernels *k, inputs *in, size_t n)
{
    k->activate(SH_ACTIVATION_SILU, in->x, in->bias, n);
}
static void op_gelu(const sh_kernels *k, inputs *in, size_t n)
{
    k->activate(SH_ACTIVATION_GELU_ERF, in->x, NULL, n);
}
static void op_gelu_tanh(const sh_kernels *k, inputs *in, size_t n)
{
    k->activate(SH_ACTIVATION_GELU_TANH, in->x, in->gain, n);
}
static void op_relu(const sh_kernels *k, inputs *in, size_t n)
{
    k->activate(SH_ACTIVATION_RELU, in->x, NULL, n);
}
static void op_add(const sh_kernels *k, inputs *in, size_t n)
{
    k->add(in->x, in->bias, n);
}
static void op_scale(const sh_kernels *k, inputs *in, size_t n)
{
    k->scale(in->x, 0.3f, n);
}
static void op_mul_add(const sh_kernels *k, inputs *in, size_t n)
{
    k->mul_add(in->x, in->bias, 0.7f, n);
}
static void op_softcap(const sh_kernels *k, inputs *in, size_t n)
{
    k->softcap(in->x, 30, n);
}

static const struct {
    const char *name;
    operation run;
} operations[] = {
    {"rms_norm", op_rms},
    {"rms_norm + 1", op_rms_gemma},
    {"rms_norm without gain", op_rms_plain},
    {"layer_norm", op_layer},
    {"layer_norm plain", op_layer_plain},
    {"softmax", op_softmax},
    {"silu", op_silu},
    {"gelu_erf", op_gelu},
    {"gelu_tanh", op_gelu_tanh},
    {"relu", op_relu},
    {"add", op_add},
    {"scale", op_scale},
    {"mul_add", op_mul_add},
    {"softcap", op_softcap},
};

static void test_operations(void **state)
{
    (void)state;
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT], *ref = sh_kernels_get(SH_CPU_REF);
    size_t n_levels = fixture_levels(levels), where = 0;
    inputs *a = sh_alloc(1, sizeof *a), *b = sh_alloc(1, sizeof *b);
    for (size_t o = 0; o < sizeof operations / sizeof operations[0]; o++)
        for (size_t s = 0; s < N_SIZES; s++)
            for (int kind = 0; kind < 3; kind++)
                for (size_t l = 0; l < n_levels; l++) {
                    fill(a, sizes[s], kind, 31 * s + (uint64_t)kind);
                    fill(b, sizes[s], kind, 31 * s + (uint64_t)kind);
                    operations[o].run(ref, a, sizes[s]);
                    operations[o].run(levels[l], b, sizes[s]);
                    /* the guard behind n is compared too: nothing was written there */
                    if (!fixture_all_same(a->x, b->x, sizes[s] + GUARD, &where)) {
                        printf("%s %s n %zu kind %d: element %zu is %a, want %a\n", levels[l]->name,
                               operations[o].name, sizes[s], kind, where, (double)b->x[where],
                               (double)a->x[where]);
                        fail();
                    }
                }
    sh_free(a);
    sh_free(b);
}

/* The reference itself against plain double arithmetic. */
static void test_reference_is_right(void **state)
{
    (void)state;
    const sh_kernels *ref = sh_kernels_get(SH_CPU_REF);
    inputs *in = sh_alloc(1, sizeof *in);
    float y[MAX];
    enum { N = 100 };
    double sum = 0, squares = 0, var = 0, total = 0;
    fill(in, N, 0, 5);
    for (int i = 0; i < N; i++)
        sum += in->x[i], squares += (double)in->x[i] * in->x[i], total += exp(in->x[i]);
    for (int i = 0; i < N; i++) var += (in->x[i] - sum / N) * (in->x[i] - sum / N);
    ref->rms_norm(y, in->x, in->gain, N, 1e-3f, true);
    for (int i = 0; i < N; i++)
        assert_float_equal(y[i], in->x[i] / sqrt(squares / N + 1e-3) * (in->gain[i] + 1.0), 1e-5);
    ref->layer_norm(y, in->x, in->gain, in->bias, N, 1e-3f);
    for (int i = 0; i < N; i++)
        assert_float_equal(y[i], (in->x[i] - sum / N) / sqrt(var / N + 1e-3) * in->gain[i] + in->bias[i],
                           1e-5);
    memcpy(y, in->x, sizeof y);
    ref->softmax(y, N);
    for (int i = 0; i < N; i++) assert_float_equal(y[i], exp(in->x[i]) / total, 1e-6);
    float minus[3] = {-INFINITY, -INFINITY, -INFINITY};
    ref->softmax(minus, 3);
    assert_true(minus[0] == 0 && minus[1] == 0 && minus[2] == 0);
    sh_free(in);
}

static void check_rope(const sh_kernels *k, size_t head_dim, size_t n_rot, enum sh_rope_style style)
{
    enum { HEADS = 3 };
    float a[HEADS * 256], b[HEADS * 256], c[128], s[128], plain[HEADS * 256];
    sh_rng rng = {head_dim + n_rot};
    size_t where = 0;
    fixture_floats(&rng, a, HEADS * head_dim);
    memcpy(b, a, sizeof a);
    memcpy(plain, a, sizeof a);
    for (size_t j = 0; j < n_rot / 2; j++) {
        double sd, cd;
        sh_sincos((double)j * 0.7 + 0.1, &sd, &cd);
        c[j] = (float)cd, s[j] = (float)sd;
    }
    sh_kernels_get(SH_CPU_REF)->rope(a, HEADS, head_dim, n_rot, style, c, s);
    k->rope(b, HEADS, head_dim, n_rot, style, c, s);
    assert_true(fixture_all_same(a, b, HEADS * head_dim, &where));
    for (size_t h = 0; h < HEADS; h++)
        for (size_t j = 0; j < n_rot / 2; j++) {
            size_t i0 = h * head_dim + (style == SH_ROPE_HALF ? j : 2 * j),
                   i1 = i0 + (style == SH_ROPE_HALF ? n_rot / 2 : 1);
            assert_float_equal(a[i0], plain[i0] * c[j] - plain[i1] * s[j], 1e-5);
            assert_float_equal(a[i1], plain[i0] * s[j] + plain[i1] * c[j], 1e-5);
        }
    for (size_t i = 0; i < HEADS * head_dim; i++)
        if (i % head_dim >= n_rot) assert_true(a[i] == plain[i]);
}

static void test_rope(void **state)
{
    (void)state;
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels);
    levels[n_levels++] = sh_kernels_get(SH_CPU_REF);
    static const size_t shapes[][2] = {{64, 64}, {128, 128}, {80, 32}, {80, 20}, {96, 96}, {256, 64}, {6, 4}};
    for (size_t l = 0; l < n_levels; l++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            check_rope(levels[l], shapes[i][0], shapes[i][1], SH_ROPE_HALF);
            check_rope(levels[l], shapes[i][0], shapes[i][1], SH_ROPE_INTERLEAVED);
        }
}

static void test_act_encode(void **state)
{
    (void)state;
    static const size_t cols[] = {256, 512, 1280, 4608};
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels);
    inputs *in = sh_alloc(1, sizeof *in);
    for (size_t i = 0; i < sizeof cols / sizeof cols[0]; i++)
        for (int act = 0; act < SH_ACT_COUNT; act++)
            for (int kind = 0; kind < 3; kind++) {
                enum sh_act_kind ak = (enum sh_act_kind)act;
                size_t n = cols[i], bytes = sh_act_stride(ak, n);
                void *want = sh_alloc_aligned(1, bytes), *got = sh_alloc_aligned(1, bytes);
                fill(in, n, kind, i);
                memset(want, 7, bytes), memset(got, 7, bytes);
                sh_kernels_get(SH_CPU_REF)->act_encode(ak, in->x, want, n);
                for (size_t l = 0; l < n_levels; l++) {
                    levels[l]->act_encode(ak, in->x, got, n);
                    assert_memory_equal(want, got, bytes);
                }
                sh_free(want);
                sh_free(got);
            }
    sh_free(in);
}

/* Every step-th of all 2^32 floats, and everything near the ends of the ranges, through the vector functions.
 */
static void test_vector_functions(void **state)
{
    (void)state;
    enum { N = 4096, STEP = 997 };
    const sh_kernels *levels[SH_CPU_LEVEL_COUNT];
    size_t n_levels = fixture_levels(levels), where = 0;
    static const enum sh_activation acts[] = {SH_ACTIVATION_SILU, SH_ACTIVATION_GELU_TANH,
                                              SH_ACTIVATION_GELU_ERF, SH_ACTIVATION_GELU_QUICK,
                                              SH_ACTIVATION_TANH};
    enum { N_ACTS = sizeof acts / sizeof acts[0] };
    float (*const scalar[N_ACTS])(float) = {sh_siluf, sh_gelu_tanhf, sh_gelu_erff, sh_gelu_quickf, sh_tanhf};
    static float x[N], y[N], want[N];
    for (uint64_t u = 0; u < UINT64_C(1) << 32; u += (uint64_t)N * STEP) {
        for (size_t i = 0; i < N; i++) x[i] = sh_f32_from_bits((uint32_t)(u + i * STEP));
        for (size_t a = 0; a <= N_ACTS; a++) {
            for (size_t i = 0; i < N; i++) want[i] = a < N_ACTS ? scalar[a](x[i]) : 1 * sh_tanhf(x[i] / 1);
            for (size_t l = 0; l < n_levels; l++) {
                memcpy(y, x, sizeof y);
                if (a < N_ACTS)
                    levels[l]->activate(acts[a], y, NULL, N);
                else
                    levels[l]->softcap(y, 1, N);
                assert_true(fixture_all_same(want, y, N, &where));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_reference_is_right),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_act_encode),
        cmocka_unit_test(test_vector_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
