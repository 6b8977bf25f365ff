/* check_values.c - is every number in a model a number?
 *
 * A quantised block is judged by what it decodes to: a scale that is NaN or infinite spoils its values. The
 * two types whose scale has no such code in half precision have a byte that stands for NaN instead, looked at
 * on its own. */
#include <inttypes.h>
#include <math.h>

#include "base/endian.h"
#include "formats/tensors_internal.h"

enum { CHUNK = 4096 }; /* elements decoded at a time: a multiple of every block */

/* Index of the first value that is not finite, or n. */
static size_t first_bad(const float *v, size_t n)
{
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &v[i], 4);
        u &= 0x7fffffffu;
        worst = u > worst ? u : worst;
    }
    if (worst < 0x7f800000u) return n;
    size_t i = 0;
    while (isfinite(v[i])) i++;
    return i;
}

static bool is_integer(enum sh_dtype t)
{
    return t == SH_I8 || t == SH_I16 || t == SH_I32 || t == SH_I64;
}

/* A scale byte without meaning in the block: E8M0's 0xff, and both NaNs of unsigned E4M3. */
static bool bad_scale_byte(enum sh_dtype t, const uint8_t *block)
{
    if (t == SH_MXFP4) return block[0] == 0xff;
    if (t != SH_NVFP4) return false;
    for (int i = 0; i < 4; i++)
        if ((block[i] & 0x7f) == 0x7f) return true;
    return false;
}

/* The first element that is no number, or n. */
static uint64_t check_decoded(const sh_tensor *x, uint64_t n)
{
    const sh_dtype_info *info = &sh_dtypes[x->dtype];
    float values[CHUNK];
    const uint8_t *p = x->data;
    for (uint64_t at = 0; at < n; at += CHUNK) {
        size_t step = n - at < CHUNK ? (size_t)(n - at) : CHUNK, n_blocks = step / info->block_elements;
        if (x->dtype == SH_MXFP4 || x->dtype == SH_NVFP4)
            for (size_t b = 0; b < n_blocks; b++)
                if (bad_scale_byte(x->dtype, p + b * info->block_bytes)) return at + b * info->block_elements;
        info->decode(p, values, step);
        size_t i = first_bad(values, step);
        if (i < step) return at + i;
        p += n_blocks * info->block_bytes;
    }
    return n;
}

/* A double beyond float's range is a number all the same. */
static uint64_t check_f64(const sh_tensor *x, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(sh_get_f64(x->data + 8 * i))) return i;
    return n;
}

int sh_tensors_check_values(const sh_tensors *t, sh_err *err)
{
    for (size_t i = 0; i < t->n_tensors; i++) {
        const sh_tensor *x = &t->tensors[i];
        const sh_dtype_info *info = sh_dtype_get(x->dtype);
        if (!info || is_integer(x->dtype)) continue;
        uint64_t n = x->n_bytes / info->block_bytes * info->block_elements;
        uint64_t at = x->dtype == SH_F64 ? check_f64(x, n) : check_decoded(x, n);
        if (at == n) continue;
        char path[208];
        sh_quoted q;
        return sh_fail(err, SH_E_CORRUPT,
                       "%s: tensor %s: element %" PRIu64 " (at byte %" PRIu64 ") is not a finite number",
                       sh_short_path(sh_tensors_file(t, x->i_file), path),
                       sh_quote_name(&q, sh_str_of(x->name)), at,
                       x->file_off + at / info->block_elements * info->block_bytes);
    }
    return SH_OK;
}
