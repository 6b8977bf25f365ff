/* gguf_cursor.c - taking numbers, strings and names off a GGUF file, never beyond its end. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/endian.h"
#include "base/mem.h"
#include "formats/gguf_internal.h"

int sh_gguf_bad(gguf_in *in, int code, size_t off, const char *fmt, ...)
{
    if (!in->err) return code;
    char reason[256];
    sh_quoted q;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    if (!in->part) return sh_fail(in->err, code, "%s: at byte %zu: %s", in->where, off, reason);
    return sh_fail(in->err, code, "%s: %s %" PRIu64 "%s%s at byte %zu: %s", in->where, in->part, in->i_entry,
                   in->name ? " " : "", in->name ? sh_quote_name(&q, sh_str_of(in->name)) : "", off, reason);
}

int sh_gguf_take(gguf_in *in, size_t n, const char *what, const uint8_t **p)
{
    if (in->n - in->pos < n)
        return sh_gguf_bad(in, SH_E_CORRUPT, in->pos,
                           "the file ends inside the %s (%zu bytes wanted, %zu left)", what, n,
                           in->n - in->pos);
    *p = in->data + in->pos;
    in->pos += n;
    return SH_OK;
}

int sh_gguf_take_u32(gguf_in *in, const char *what, uint32_t *v)
{
    const uint8_t *p;
    int rc = sh_gguf_take(in, 4, what, &p);
    if (rc == SH_OK) *v = sh_get_u32(p);
    return rc;
}

int sh_gguf_take_u64(gguf_in *in, const char *what, uint64_t *v)
{
    const uint8_t *p;
    int rc = sh_gguf_take(in, 8, what, &p);
    if (rc == SH_OK) *v = sh_get_u64(p);
    return rc;
}

int sh_gguf_take_str(gguf_in *in, const char *what, sh_str *s)
{
    uint64_t n;
    int rc = sh_gguf_take_u64(in, what, &n);
    if (rc < 0) return rc;
    if (n > in->n - in->pos)
        return sh_gguf_bad(in, SH_E_CORRUPT, in->pos - 8,
                           "length %" PRIu64 " of the %s reaches past the end of the file (%zu left)", n,
                           what, in->n - in->pos);
    *s = sh_str_n((const char *)in->data + in->pos, (size_t)n);
    in->pos += (size_t)n;
    return SH_OK;
}

int sh_gguf_take_name(gguf_in *in, const char **out)
{
    size_t off = in->pos;
    sh_str s;
    int rc = sh_gguf_take_str(in, "name", &s);
    if (rc < 0) return rc;
    const char *fault = sh_name_fault(s);
    if (fault) return sh_gguf_bad(in, SH_E_CORRUPT, off, "the name %s", fault);
    *out = in->name = sh_arena_strndup(in->t->arena, s.p, s.n);
    return *out ? SH_OK : sh_fail_nomem(in->err, s.n);
}
