/* tensors_names.c - what a name and a shape must be, and how messages say a name or a path. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "formats/tensors_internal.h"

const char *sh_name_fault(sh_str name)
{
    if (name.n == 0) return "is empty";
    if (name.n > MAX_NAME_BYTES) return "is longer than 65535 bytes";
    if (!sh_utf8_valid(name.p, name.n)) return "is not valid UTF-8";
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f) return "has a control character";
    return NULL;
}

const char *sh_quote_name(sh_quoted *out, sh_str name)
{
    size_t room = sizeof out->text - sizeof "''...", n = name.n;
    bool cut = n > room;
    if (cut) n = room, n -= sh_utf8_tail(name.p, n);
    snprintf(out->text, sizeof out->text, "'%.*s%s'", (int)n, name.p ? name.p : "", cut ? "..." : "");
    return out->text;
}

const char *sh_short_path(const char *path, char out[208])
{
    size_t n = strlen(path), keep = 200;
    if (n <= keep) return path;
    snprintf(out, 208, "...%s", path + n - keep);
    return out;
}

bool sh_shape_bytes(uint64_t *out, enum sh_dtype dtype, uint32_t n_dims, const uint64_t *dims)
{
    uint64_t n_elements = 1, widest = 1, n_bytes;
    size_t row_bytes, unit_bytes;
    for (uint32_t i = 0; i < n_dims; i++) {
        if (!sh_mul_u64(&widest, widest, dims[i] ? dims[i] : 1)) return false;
        n_elements *= dims[i];
    }
    uint64_t row = n_dims ? dims[0] : 1;
    if (!sh_dtype_row_bytes(&row_bytes, dtype, row)) return false;
    /* The whole as one row: its size bounds every partial product. A row that fits the block makes the whole
     * fit it. */
    if (row && !sh_dtype_row_bytes(&unit_bytes, dtype, widest)) return false;
    n_bytes = row ? n_elements / row * row_bytes : 0;
    *out = n_bytes;
    return true;
}
