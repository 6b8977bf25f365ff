/* tmpl_sort.c - keys and stable order, for sort, dictsort, groupby, unique, min and max. */
#include "text/tmpl_filters.h"

enum { MAX_PATH = 16 };

/* "a.0.b" as the parts that jinja2 looks up one after the other: names, and numbers where a part is all
 * digits. */
typedef struct path {
    tv parts[MAX_PATH];
    size_t n;
} path;

static int path_add(tmpl_run *r, path *p, sh_str part)
{
    int64_t i;
    bool digits = part.n > 0;
    if (p->n == MAX_PATH) return sh_tmpl_limit(r, "parts of an attribute", MAX_PATH);
    for (size_t k = 0; k < part.n; k++) digits &= part.p[k] >= '0' && part.p[k] <= '9';
    if (digits && sh_str_to_int(part, 10, &i) == SH_OK) {
        p->parts[p->n++] = tv_int(i);
        return SH_OK;
    }
    const tv_str *s = sh_ts_new(r, part.p, part.n, false);
    if (!s) return r->rc;
    p->parts[p->n++] = tv_of(s);
    return SH_OK;
}

static int path_parse(tmpl_run *r, tv attribute, sh_str text, path *p)
{
    int rc = SH_OK;
    p->n = 0;
    if (attribute.kind == TV_MISSING || attribute.kind == TV_NONE) return SH_OK;
    if (attribute.kind != TV_STR) {
        p->parts[p->n++] = attribute;
        return SH_OK;
    }
    for (size_t begin = 0, i = 0; rc == SH_OK && i <= text.n; i++) {
        if (i < text.n && text.p[i] != '.') continue;
        rc = path_add(r, p, (sh_str){text.p + begin, i - begin});
        begin = i + 1;
    }
    return rc;
}

static int path_get(tmpl_run *r, const path *p, tv item, bool case_sensitive, tv *out)
{
    int rc = SH_OK;
    *out = item;
    for (size_t i = 0; rc == SH_OK && i < p->n; i++) rc = sh_tv_getitem(r, *out, p->parts[i], out);
    if (rc == SH_OK && !case_sensitive && out->kind == TV_STR) rc = sh_ts_case(r, out->s, 'L', out);
    return rc;
}

/* Several attributes, comma-separated: each key is a list of the single ones. */
static int many_keys(tmpl_run *r, const tv *items, size_t n, sh_str text, bool case_sensitive, tv *out)
{
    size_t n_paths = 1;
    for (size_t i = 0; i < text.n; i++) n_paths += text.p[i] == ',';
    for (size_t i = 0; i < n; i++) {
        tv *parts = sh_tmpl_alloc(r, n_paths, sizeof *parts);
        int rc = parts ? sh_tv_list_of(r, parts, n_paths, SEQ_LIST, &out[i]) : r->rc;
        if (rc < 0) return rc;
    }
    for (size_t k = 0, begin = 0; k < n_paths; k++) {
        path p;
        size_t end = begin;
        while (end < text.n && text.p[end] != ',') end++;
        tv_str one = {.p = text.p + begin, .n = end - begin};
        int rc = path_parse(r, tv_of(&one), sh_ts_str(&one), &p);
        for (size_t i = 0; rc == SH_OK && i < n; i++)
            rc = path_get(r, &p, items[i], case_sensitive, (tv *)&out[i].seq->items[k]);
        if (rc < 0) return rc;
        begin = end + 1;
    }
    return SH_OK;
}

int sh_tmpl_sort_keys(tmpl_run *r, const tv *items, size_t n, tv attribute, bool case_sensitive, bool many,
                      tv *out)
{
    path p;
    sh_str text = attribute.kind == TV_STR ? sh_ts_str(attribute.s) : (sh_str){"", 0};
    if (many && text.n && memchr(text.p, ',', text.n))
        return many_keys(r, items, n, text, case_sensitive, out);
    int rc = path_parse(r, attribute, text, &p);
    for (size_t i = 0; rc == SH_OK && i < n; i++) rc = path_get(r, &p, items[i], case_sensitive, &out[i]);
    return rc;
}

static int merge(tmpl_run *r, const tv *keys, const size_t *in, size_t lo, size_t mid, size_t hi,
                 bool reverse, size_t *out)
{
    size_t i = lo, j = mid, k = lo;
    while (i < mid && j < hi) {
        int c, rc = sh_tv_compare(r, keys[in[j]], keys[in[i]], "<", &c);
        if (rc < 0) return rc;
        bool take_right = c != 2 && (reverse ? c > 0 : c < 0);
        out[k++] = take_right ? in[j++] : in[i++];
    }
    while (i < mid) out[k++] = in[i++];
    while (j < hi) out[k++] = in[j++];
    return SH_OK;
}

int sh_tmpl_sort(tmpl_run *r, const tv *keys, size_t n, bool reverse, size_t *order)
{
    size_t *spare = sh_tmpl_alloc(r, n, sizeof *spare), *from = order, *to = spare;
    if (!spare) return r->rc;
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            int rc = merge(r, keys, from, lo, mid, hi, reverse, to);
            if (rc < 0) return rc;
        }
        size_t *t = from;
        from = to;
        to = t;
    }
    if (from != order && n) memcpy(order, from, n * sizeof *order);
    return SH_OK;
}
