/* ids.c - token ids as people and files write them. */
#include "cli/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

int sh_ids_parse(sh_token **out, size_t *n, const char *text, size_t n_text, sh_err *err)
{
    const char *p = text;
    sh_token *ids = sh_new_array(n_text / 2 + 1, sizeof *ids, err);
    size_t count = 0;
    if (!ids) return SH_E_NOMEM;
    for (;;) {
        p += strspn(p, " \t\r\n,[]");
        if (!*p) break;
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < INT32_MIN || v > INT32_MAX || (*end && !strchr(" \t\r\n,[]", *end))) {
            sh_free(ids);
            return sh_fail(err, SH_E_INVALID,
                           "token ids: '%.20s' (expected whole numbers separated by spaces or commas)", p);
        }
        ids[count++] = (sh_token)v;
        p = end;
    }
    *out = ids;
    *n = count;
    return SH_OK;
}

int sh_ids_read(sh_token **out, size_t *n, const char *path, size_t sequence, sh_err *err)
{
    json_t *doc = NULL;
    sh_token *ids = NULL;
    int rc = sh_json_read_file(&doc, path, 64u << 20, err);
    if (rc < 0) return rc;
    const json_t *list = json_is_array(json_array_get(doc, 0)) ? json_array_get(doc, sequence) : doc;
    size_t count = json_array_size(list);
    if (!json_is_array(list)) {
        rc = sh_fail(err, SH_E_INVALID, "%s: expected a list of token ids, or a list of lists with entry %zu",
                     path, sequence);
        goto out;
    }
    if (!(ids = sh_new_array(count + 1, sizeof *ids, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < INT32_MIN || id > INT32_MAX) {
            rc = sh_fail(err, SH_E_INVALID, "%s: entry %zu is not a token id", path, i);
            goto out;
        }
        ids[i] = (sh_token)id;
    }
    *out = ids;
    *n = count;
    ids = NULL;
out:
    sh_free(ids);
    json_decref(doc);
    return rc;
}
