/* fuzz: server */
/* fuzz_multipart.c - any header and body as a form: parts lie within the body, in order, and a refusal is one
 * line. The input's first line is the Content-Type, the rest the body. */
#include <stdlib.h>
#include <string.h>

#include "server/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char type[256];
    const uint8_t *line_end = memchr(data, '\n', size);
    size_t n_type = line_end ? (size_t)(line_end - data) : 0;
    if (!line_end || n_type >= sizeof type) return 0;
    memcpy(type, data, n_type);
    type[n_type] = 0;
    const char *body = (const char *)line_end + 1;
    size_t n = size - n_type - 1;
    sh_multipart m;
    sh_err err = {0};
    (void)sh_multipart_is(type);
    if (sh_multipart_parse(&m, type, body, n, &err) < 0) {
        if (!err.msg[0] || strchr(err.msg, '\n')) abort();
        return 0;
    }
    const char *at = body;
    for (size_t i = 0; i < m.n; i++) {
        const sh_part *p = &m.parts[i];
        if (!p->name.p || p->data.p < at || p->data.n > (size_t)(body + n - p->data.p)) abort();
        at = p->data.p + p->data.n;
        if (p->name.p < body || p->name.p + p->name.n > p->data.p) abort();
    }
    return 0;
}
