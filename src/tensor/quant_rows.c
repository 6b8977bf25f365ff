/* quant_rows.c - rows of floats to blocks: the checks, the choice of the writer, and the share-out among
 * threads. */
#include "tensor/quant.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "tensor/quant_writers.h"

static sh_quant_row_fn *const writers[SH_DTYPE_COUNT] = {
    [SH_F32] = sh_quant_row_f32,     [SH_F16] = sh_quant_row_f16,       [SH_BF16] = sh_quant_row_bf16,
    [SH_Q8_0] = sh_quant_row_q8_0,   [SH_Q4_0] = sh_quant_row_q4_0,     [SH_Q4_1] = sh_quant_row_q4_1,
    [SH_Q5_0] = sh_quant_row_q5_0,   [SH_Q5_1] = sh_quant_row_q5_1,     [SH_Q2_K] = sh_quant_row_q2_k,
    [SH_Q3_K] = sh_quant_row_q3_k,   [SH_Q4_K] = sh_quant_row_q4_k,     [SH_Q5_K] = sh_quant_row_q5_k,
    [SH_Q6_K] = sh_quant_row_q6_k,   [SH_IQ4_NL] = sh_quant_row_iq4_nl, [SH_IQ4_XS] = sh_quant_row_iq4_xs,
    [SH_TQ1_0] = sh_quant_row_tq1_0, [SH_TQ2_0] = sh_quant_row_tq2_0,   [SH_MXFP4] = sh_quant_row_mxfp4,
};

bool sh_quant_can_write(enum sh_dtype t)
{
    return sh_dtype_get((uint32_t)t) && writers[t];
}

/* The first element that is no finite number, or n. */
static size_t first_non_finite(const float *x, size_t n)
{
    size_t i = 0;
    /* Whole chunks first: the exponent is all ones exactly when adding one to it carries into the sign. */
    for (; i + 64 <= n; i += 64) {
        uint32_t carry = 0;
        for (size_t j = 0; j < 64; j++) carry |= (sh_f32_bits(x[i + j]) & 0x7fffffffu) + 0x00800000u;
        if (carry >> 31) break;
    }
    while (i < n && isfinite(x[i])) i++;
    return i;
}

static int check_call(enum sh_dtype t, size_t n_cols, const float *importance, size_t *row_bytes, sh_err *err)
{
    const sh_dtype_info *info = sh_dtype_get((uint32_t)t);
    if (!info) return sh_fail(err, SH_E_INVALID, "no element type has the number %u", (unsigned)t);
    if (!writers[t])
        return sh_fail(err, SH_E_UNSUPPORTED, "tensors of type %s can be read but not written", info->name);
    if (!sh_dtype_row_bytes(row_bytes, t, n_cols))
        return sh_fail(err, SH_E_RANGE, "a row of %zu elements cannot be %s: it must be a multiple of %u",
                       n_cols, info->name, (unsigned)info->block_elements);
    for (size_t i = 0; importance && i < n_cols; i++)
        if (!isfinite(importance[i]) || importance[i] < 0)
            return sh_fail(err, SH_E_INVALID,
                           "importance of column %zu is %g, which must be finite and not negative", i,
                           (double)importance[i]);
    return SH_OK;
}

/* What stops a row, or {.column = SH_QUANT_ROW_OK}. */
typedef struct row_fault {
    ptrdiff_t column;
    bool is_value; /* the element itself is no finite number; else the scale of the block that begins there */
} row_fault;

static row_fault write_row(const sh_quant_fit *fit, enum sh_dtype t, const float *x, uint8_t *dst,
                           size_t n_cols, const float *importance)
{
    if (sh_dtypes[t].is_quantized) {
        size_t bad = first_non_finite(x, n_cols);
        if (bad < n_cols) return (row_fault){(ptrdiff_t)bad, true};
    }
    return (row_fault){writers[t](x, dst, n_cols, importance, fit), false};
}

static int fail_row(enum sh_dtype t, const float *src, size_t row, size_t n_cols, row_fault fault,
                    sh_err *err)
{
    const sh_dtype_info *info = &sh_dtypes[t];
    const float *x = src + row * n_cols + fault.column;
    if (fault.is_value)
        return sh_fail(err, SH_E_RANGE, "row %zu, column %td is %g, which %s cannot hold", row, fault.column,
                       (double)*x, info->name);
    float amax = 0;
    for (uint32_t i = 0; i < info->block_elements; i++) amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    return sh_fail(err, SH_E_RANGE,
                   "row %zu, columns %td to %td reach %g: their %s scale exceeds 65504, the largest f16", row,
                   fault.column, fault.column + (ptrdiff_t)info->block_elements - 1, (double)amax,
                   info->name);
}

typedef struct quant_job {
    const sh_quant_fit *fit;
    enum sh_dtype type;
    const float *src, *importance;
    uint8_t *dst;
    size_t n_cols, row_bytes;
    /* The lowest row that failed: the report must not depend on which thread came first. */
    atomic_size_t bad_row;
} quant_job;

static void quant_range(void *ud, size_t begin, size_t end, size_t i_worker)
{
    quant_job *job = ud;
    (void)i_worker;
    for (size_t r = begin; r < end; r++) {
        if (r > atomic_load_explicit(&job->bad_row, memory_order_relaxed)) return;
        row_fault fault = write_row(job->fit, job->type, job->src + r * job->n_cols,
                                    job->dst + r * job->row_bytes, job->n_cols, job->importance);
        if (fault.column == SH_QUANT_ROW_OK) continue;
        size_t seen = atomic_load(&job->bad_row);
        while (r < seen && !atomic_compare_exchange_weak(&job->bad_row, &seen, r)) continue;
        return;
    }
}

int sh_quantize(enum sh_dtype t, const float *src, void *dst, size_t n_rows, size_t n_cols,
                const float *importance, sh_pool *pool, sh_err *err)
{
    quant_job job = {.fit = sh_quant_fit_get(),
                     .type = t,
                     .src = src,
                     .importance = importance,
                     .dst = dst,
                     .n_cols = n_cols};
    int rc = check_call(t, n_cols, importance, &job.row_bytes, err);
    if (rc < 0) return rc;
    atomic_init(&job.bad_row, SIZE_MAX);
    sh_pool_run(pool, n_rows, 1, quant_range, &job);
    size_t row = atomic_load(&job.bad_row);
    if (row == SIZE_MAX) return SH_OK;
    row_fault fault =
        write_row(job.fit, t, src + row * n_cols, job.dst + row * job.row_bytes, n_cols, importance);
    return fail_row(t, src, row, n_cols, fault, err);
}

int sh_quantize_row_with(const sh_quant_fit *fit, uint32_t type, const float *src, void *dst, size_t n_cols,
                         const float *importance, sh_err *err)
{
    size_t row_bytes;
    enum sh_dtype t = (enum sh_dtype)type;
    int rc = check_call(t, n_cols, importance, &row_bytes, err);
    if (rc < 0) return rc;
    row_fault fault = write_row(fit, t, src, dst, n_cols, importance);
    return fault.column == SH_QUANT_ROW_OK ? SH_OK : fail_row(t, src, 0, n_cols, fault, err);
}

int sh_quantize_row(enum sh_dtype t, const float *src, void *dst, size_t n_cols, const float *importance,
                    sh_err *err)
{
    return sh_quantize_row_with(sh_quant_fit_get(), (uint32_t)t, src, dst, n_cols, importance, err);
}

void sh_dequantize_row(enum sh_dtype t, const void *src, float *dst, size_t n_cols)
{
    sh_dtypes[t].decode(src, dst, n_cols);
}
