/* tmpl_value.c - containers, equality, order, iteration. Everything that descends into values is bounded in
 * depth. */
#include "text/tmpl_run.h"

#include <math.h>

#include "base/map.h"
#include "base/utf8.h"

enum { MAX_VALUE_DEPTH = 500 };

tv_seq *sh_seq_new(tmpl_run *r, enum tv_seq_kind kind, const tv *items, size_t n)
{
    static const tv nothing;
    tv_seq *s = sh_tmpl_alloc(r, 1, sizeof *s);
    if (s) *s = (tv_seq){.items = items ? items : &nothing, .n = n, .kind = kind};
    return s;
}

int sh_tv_list_of(tmpl_run *r, const tv *items, size_t n, enum tv_seq_kind kind, tv *out)
{
    tv_seq *s = sh_seq_new(r, kind, items, n);
    if (!s) return r->rc;
    *out = (tv){.kind = TV_SEQ, .seq = s};
    return SH_OK;
}

int sh_seq_pair(tmpl_run *r, tv a, tv b, tv *out)
{
    tv *two = sh_tmpl_alloc(r, 2, sizeof *two);
    if (!two) return r->rc;
    two[0] = a;
    two[1] = b;
    return sh_tv_list_of(r, two, 2, SEQ_TUPLE, out);
}

/* --- dicts --- */

bool sh_tv_hashable(tv v)
{
    if (v.kind == TV_DICT) return false;
    if (v.kind != TV_SEQ) return true;
    if (!tv_is_tuple(v)) return v.seq->kind != SEQ_LIST;
    for (size_t i = 0; i < v.seq->n; i++)
        if (v.seq->items[i].kind == TV_SEQ ? !tv_is_tuple(v.seq->items[i]) : v.seq->items[i].kind == TV_DICT)
            return false;
    return true;
}

/* Equal keys hash alike: 1, 1.0 and true are one key. Tuples hash by length only, they are rare as keys.
 * The place of the dict in memory is the seed: nobody can aim collisions at it. */
static uint64_t hash_of(const tv_dict *d, tv k)
{
    uint64_t seed = (uintptr_t)d;
    int64_t i = (int64_t)k.kind;
    if (k.kind == TV_STR) return sh_hash(k.s->p, k.s->n, seed);
    if (k.kind == TV_FLOAT && k.f >= -9e18 && k.f <= 9e18 && k.f == floor(k.f))
        i = (int64_t)k.f;
    else if (k.kind == TV_FLOAT)
        return sh_hash(&k.f, sizeof k.f, seed);
    else if (k.kind == TV_SEQ)
        i = (int64_t)k.seq->n;
    else
        (void)tv_to_int(k, &i);
    return sh_hash(&i, sizeof i, seed);
}

static bool keys_equal(tv a, tv b)
{
    bool eq = false;
    if (a.kind == TV_STR && b.kind == TV_STR) return a.s->n == b.s->n && memcmp(a.s->p, b.s->p, a.s->n) == 0;
    if (a.kind == TV_STR || b.kind == TV_STR) return false;
    return sh_tv_equal(NULL, a, b, &eq) == SH_OK && eq;
}

tv_dict *sh_dict_new(tmpl_run *r, size_t n_expected)
{
    tv_dict *d = sh_tmpl_alloc(r, 1, sizeof *d);
    if (!d) return NULL;
    *d = (tv_dict){0};
    if (n_expected > UINT32_MAX / 8) return sh_tmpl_limit(r, "dict entries", UINT32_MAX / 8), NULL;
    if (!n_expected) return d;
    d->keys = sh_tmpl_alloc(r, n_expected, sizeof *d->keys);
    d->vals = sh_tmpl_alloc(r, n_expected, sizeof *d->vals);
    d->cap = (uint32_t)n_expected;
    return d->keys && d->vals ? d : NULL;
}

/* The entry of key, or the free place of the index in *place. */
static int64_t dict_find(const tv_dict *d, tv key, uint32_t *place)
{
    if (!d->index) {
        for (uint32_t i = 0; i < d->n; i++)
            if (keys_equal(d->keys[i], key)) return i;
        return -1;
    }
    uint32_t i = (uint32_t)hash_of(d, key) & (d->cap_index - 1);
    for (; d->index[i]; i = (i + 1) & (d->cap_index - 1))
        if (keys_equal(d->keys[d->index[i] - 1], key)) return d->index[i] - 1;
    *place = i;
    return -1;
}

static int dict_reindex(tmpl_run *r, tv_dict *d)
{
    uint32_t cap = d->cap_index ? d->cap_index * 2 : 32;
    uint32_t *index = sh_tmpl_alloc(r, cap, sizeof *index);
    if (!index) return r->rc;
    memset(index, 0, cap * sizeof *index);
    d->index = index;
    d->cap_index = cap;
    for (uint32_t e = 0; e < d->n; e++) {
        uint32_t i = (uint32_t)hash_of(d, d->keys[e]) & (cap - 1);
        while (index[i]) i = (i + 1) & (cap - 1);
        index[i] = e + 1;
    }
    return SH_OK;
}

static int dict_room(tmpl_run *r, tv_dict *d)
{
    if (d->n < d->cap) return SH_OK;
    if (d->cap > UINT32_MAX / 4) return sh_tmpl_limit(r, "dict entries", UINT32_MAX / 4);
    uint32_t cap = d->cap ? d->cap * 2 : 4;
    tv *keys = sh_tmpl_alloc(r, cap, sizeof *keys), *vals = sh_tmpl_alloc(r, cap, sizeof *vals);
    if (!keys || !vals) return r->rc;
    if (d->n) memcpy(keys, d->keys, d->n * sizeof *keys), memcpy(vals, d->vals, d->n * sizeof *vals);
    d->keys = keys;
    d->vals = vals;
    d->cap = cap;
    return SH_OK;
}

int sh_dict_set(tmpl_run *r, tv_dict *d, tv key, tv value)
{
    int rc;
    uint32_t place = 0;
    if (!sh_tv_hashable(key)) return sh_tmpl_type_error(r, "unhashable type: '%s'", sh_tv_type_name(key));
    if ((rc = sh_tmpl_steps(r, 1)) < 0) return rc;
    int64_t e = dict_find(d, key, &place);
    if (e >= 0) {
        d->vals[e] = value;
        return SH_OK;
    }
    if ((rc = dict_room(r, d)) < 0) return rc;
    d->keys[d->n] = key;
    d->vals[d->n] = value;
    d->n++;
    if (d->n > 8 && d->n * 2 > d->cap_index) return dict_reindex(r, d);
    if (d->index) d->index[place] = d->n;
    return SH_OK;
}

tv sh_dict_get(const tv_dict *d, tv key)
{
    uint32_t place;
    int64_t e = sh_tv_hashable(key) ? dict_find(d, key, &place) : -1;
    return e >= 0 ? d->vals[e] : (tv){0};
}

tv sh_dict_get_str(const tv_dict *d, sh_str key)
{
    tv_str s = {.p = key.p, .n = key.n};
    return sh_dict_get(d, tv_of(&s));
}

/* --- JSON --- */

static int from_json(tmpl_run *r, const json_t *j, bool content, unsigned depth, tv *out);

static int dict_from_json(tmpl_run *r, const json_t *j, bool content, unsigned depth, tv *out)
{
    tv_dict *d = sh_dict_new(r, json_object_size(j));
    if (!d) return r->rc;
    for (void *it = json_object_iter((json_t *)j); it; it = json_object_iter_next((json_t *)j, it)) {
        tv value;
        const char *key = json_object_iter_key(it);
        const tv_str *s = sh_ts_new(r, key, strlen(key), content);
        int rc = s ? from_json(r, json_object_iter_value(it), content, depth + 1, &value) : r->rc;
        if (rc < 0 || (rc = sh_dict_set(r, d, tv_of(s), value)) < 0) return rc;
    }
    *out = (tv){.kind = TV_DICT, .d = d};
    return SH_OK;
}

static int list_from_json(tmpl_run *r, const json_t *j, bool content, unsigned depth, tv *out)
{
    size_t n = json_array_size(j);
    tv *items = sh_tmpl_alloc(r, n, sizeof *items);
    if (!items) return r->rc;
    for (size_t i = 0; i < n; i++) {
        int rc = from_json(r, json_array_get(j, i), content, depth + 1, &items[i]);
        if (rc < 0) return rc;
    }
    return sh_tv_list_of(r, items, n, SEQ_LIST, out);
}

static int from_json(tmpl_run *r, const json_t *j, bool content, unsigned depth, tv *out)
{
    const tv_str *s;
    if (depth > MAX_VALUE_DEPTH) return sh_tmpl_limit(r, "nesting of the input", MAX_VALUE_DEPTH);
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT: return dict_from_json(r, j, content, depth, out);
    case JSON_ARRAY: return list_from_json(r, j, content, depth, out);
    case JSON_STRING:
        if (!(s = sh_ts_new(r, json_string_value(j), json_string_length(j), content))) return r->rc;
        *out = tv_of(s);
        return SH_OK;
    case JSON_INTEGER: *out = tv_int(json_integer_value(j)); return SH_OK;
    case JSON_REAL: *out = tv_float(json_real_value(j)); return SH_OK;
    case JSON_TRUE: *out = tv_bool(true); return SH_OK;
    case JSON_FALSE: *out = tv_bool(false); return SH_OK;
    default: *out = tv_none(); return SH_OK;
    }
}

int sh_tv_from_json(tmpl_run *r, const json_t *j, bool content, tv *out)
{
    return from_json(r, j, content, 0, out);
}

/* --- Python's view --- */

bool sh_tv_truth(tv v)
{
    switch (v.kind) {
    case TV_MISSING:
    case TV_UNDEF:
    case TV_NONE: return false;
    case TV_BOOL: return v.b;
    case TV_INT: return v.i != 0;
    case TV_FLOAT: return v.f != 0;
    case TV_STR: return v.s->n > 0;
    case TV_SEQ: return v.seq->kind == SEQ_ITER || v.seq->n > 0;
    case TV_DICT: return v.d->n > 0;
    case TV_LOOP: return v.loop->n > 0;
    default: return true;
    }
}

const char *sh_tv_type_name(tv v)
{
    static const char *const seqs[SEQ_COUNT] = {"list",      "tuple",       "_GroupTuple", "range",
                                                "dict_keys", "dict_values", "dict_items",  "generator"};
    switch (v.kind) {
    case TV_NONE: return "NoneType";
    case TV_BOOL: return "bool";
    case TV_INT: return "int";
    case TV_FLOAT: return "float";
    case TV_STR: return v.s->markup ? "Markup" : "str";
    case TV_SEQ: return seqs[v.seq->kind];
    case TV_DICT: return "dict";
    case TV_NS: return "Namespace";
    case TV_LOOP: return "LoopContext";
    case TV_FUNC: return "function";
    case TV_MACRO: return "Macro";
    case TV_CYCLER: return "Cycler";
    case TV_JOINER: return "Joiner";
    default: return "Undefined";
    }
}

static int equal(tmpl_run *r, tv a, tv b, unsigned depth, bool *out);

static int seq_equal(tmpl_run *r, const tv_seq *a, const tv_seq *b, unsigned depth, bool *out)
{
    bool ta = a->kind == SEQ_TUPLE || a->kind == SEQ_GROUP, tb = b->kind == SEQ_TUPLE || b->kind == SEQ_GROUP;
    *out = a == b;
    if (*out || a->n != b->n || a->kind == SEQ_ITER || (a->kind != b->kind && !(ta && tb))) return SH_OK;
    for (size_t i = 0; i < a->n; i++) {
        int rc = equal(r, tv_seq_at(a, i), tv_seq_at(b, i), depth + 1, out);
        if (rc < 0 || !*out) return rc;
    }
    *out = true;
    return SH_OK;
}

static int dict_equal(tmpl_run *r, const tv_dict *a, const tv_dict *b, unsigned depth, bool *out)
{
    *out = a == b;
    if (*out || a->n != b->n) return SH_OK;
    for (uint32_t i = 0; i < a->n; i++) {
        tv other = sh_dict_get(b, a->keys[i]);
        int rc = other.kind ? equal(r, a->vals[i], other, depth + 1, out) : SH_OK;
        if (rc < 0 || !other.kind || !*out) return rc;
    }
    *out = true;
    return SH_OK;
}

static bool numbers_equal(tv a, tv b)
{
    int64_t i, j;
    if (tv_to_int(a, &i) && tv_to_int(b, &j)) return i == j;
    double x = tv_to_double(a), y = tv_to_double(b);
    if (x != y) return false;
    /* a large integer may round to the float: compare as integers then */
    if (a.kind == TV_INT) return y < 0x1p63 && (int64_t)y == a.i;
    if (b.kind == TV_INT) return x < 0x1p63 && (int64_t)x == b.i;
    return true;
}

static int equal(tmpl_run *r, tv a, tv b, unsigned depth, bool *out)
{
    if (depth > MAX_VALUE_DEPTH)
        return r ? sh_tmpl_limit(r, "nesting of values", MAX_VALUE_DEPTH) : SH_E_LIMIT;
    if (r && sh_tmpl_steps(r, 1) < 0) return r->rc;
    *out = false;
    if (tv_is_number(a) && tv_is_number(b)) {
        *out = numbers_equal(a, b);
    } else if (a.kind == b.kind) {
        switch (a.kind) {
        case TV_STR:
            *out = a.s->n == b.s->n && memcmp(a.s->p, b.s->p, a.s->n) == 0;
            return r ? sh_tmpl_steps(r, *out ? a.s->n / 64 : 0) : SH_OK;
        case TV_SEQ: return seq_equal(r, a.seq, b.seq, depth, out);
        case TV_DICT: return dict_equal(r, a.d, b.d, depth, out);
        case TV_NONE:
        case TV_UNDEF: *out = true; break;
        case TV_FUNC: *out = a.fn->b == b.fn->b && a.fn->self.kind == TV_MISSING; break;
        default: *out = a.d == b.d; break; /* the pointer is the identity */
        }
    }
    return SH_OK;
}

int sh_tv_equal(tmpl_run *r, tv a, tv b, bool *out) { return equal(r, a, b, 0, out); }

static int compare_strings(const tv_str *a, const tv_str *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int c = n ? memcmp(a->p, b->p, n) : 0; /* the order of UTF-8 bytes is the order of code points */
    return c ? c : (a->n > b->n) - (a->n < b->n);
}

static int compare(tmpl_run *r, tv a, tv b, const char *op, unsigned depth, int *out)
{
    int rc;
    if (depth > MAX_VALUE_DEPTH) return sh_tmpl_limit(r, "nesting of values", MAX_VALUE_DEPTH);
    if ((rc = sh_tmpl_steps(r, 1)) < 0) return rc;
    if (a.kind == TV_UNDEF) return sh_tmpl_undefined(r, a);
    if (b.kind == TV_UNDEF) return sh_tmpl_undefined(r, b);
    if (tv_is_number(a) && tv_is_number(b)) {
        int64_t i, j;
        double x = tv_to_double(a), y = tv_to_double(b);
        if (tv_to_int(a, &i) && tv_to_int(b, &j))
            *out = (i > j) - (i < j);
        else
            *out = isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
        return SH_OK;
    }
    if (a.kind == TV_STR && b.kind == TV_STR) {
        *out = compare_strings(a.s, b.s);
        return sh_tmpl_steps(r, (a.s->n < b.s->n ? a.s->n : b.s->n) / 64);
    }
    if ((tv_is_list(a) && tv_is_list(b)) || (tv_is_tuple(a) && tv_is_tuple(b))) {
        size_t n = a.seq->n < b.seq->n ? a.seq->n : b.seq->n;
        for (size_t i = 0; i < n; i++) {
            bool same;
            if ((rc = equal(r, a.seq->items[i], b.seq->items[i], depth + 1, &same)) < 0) return rc;
            if (!same) return compare(r, a.seq->items[i], b.seq->items[i], op, depth + 1, out);
        }
        *out = (a.seq->n > b.seq->n) - (a.seq->n < b.seq->n);
        return SH_OK;
    }
    return sh_tmpl_type_error(r, "'%s' not supported between instances of '%s' and '%s'", op,
                              sh_tv_type_name(a), sh_tv_type_name(b));
}

int sh_tv_compare(tmpl_run *r, tv a, tv b, const char *op, int *out) { return compare(r, a, b, op, 0, out); }

int sh_tv_contains(tmpl_run *r, tv container, tv item, bool *out)
{
    tv_iter it;
    tv x;
    int rc;
    *out = false;
    if (container.kind == TV_STR) {
        if (item.kind != TV_STR)
            return sh_tmpl_type_error(r, "'in <string>' requires string as left operand, not %s",
                                      sh_tv_type_name(item));
        if ((rc = sh_tmpl_pay_bytes(r, container.s->n)) < 0) return rc;
        *out = sh_str_find(sh_ts_str(container.s), sh_ts_str(item.s), 0) != SIZE_MAX;
        return SH_OK;
    }
    if (container.kind == TV_DICT || (container.kind == TV_SEQ && container.seq->kind == SEQ_KEYS)) {
        if (!sh_tv_hashable(item))
            return sh_tmpl_type_error(r, "unhashable type: '%s'", sh_tv_type_name(item));
        if (container.kind == TV_DICT) {
            *out = sh_dict_get(container.d, item).kind != TV_MISSING;
            return SH_OK;
        }
    }
    bool has_in = container.kind == TV_SEQ || container.kind == TV_UNDEF || container.kind == TV_LOOP;
    if (!has_in)
        return sh_tmpl_type_error(r, "argument of type '%s' is not iterable", sh_tv_type_name(container));
    if ((rc = sh_tv_iter(r, container, &it)) < 0) return rc;
    while (!*out && (rc = sh_tv_next(r, &it, &x)) > 0)
        if ((rc = sh_tv_equal(r, x, item, out)) < 0) break;
    return rc < 0 ? rc : SH_OK;
}

int sh_tv_len(tmpl_run *r, tv v, size_t *out)
{
    switch (v.kind) {
    case TV_UNDEF: *out = 0; return SH_OK;
    case TV_STR: *out = sh_ts_len(v.s); return sh_tmpl_steps(r, v.s->ascii ? 0 : v.s->n / 64);
    case TV_DICT: *out = v.d->n; return SH_OK;
    case TV_LOOP: *out = v.loop->n; return SH_OK;
    case TV_SEQ:
        if (v.seq->kind != SEQ_ITER) {
            *out = v.seq->n;
            return SH_OK;
        }
        break;
    default: break;
    }
    return sh_tmpl_type_error(r, "object of type '%s' has no len()", sh_tv_type_name(v));
}

int sh_tv_iter(tmpl_run *r, tv v, tv_iter *it)
{
    *it = (tv_iter){.v = v};
    switch (v.kind) {
    case TV_UNDEF: return SH_OK;
    case TV_STR: it->n = v.s->n; return SH_OK;
    case TV_DICT: it->n = v.d->n; return SH_OK;
    case TV_SEQ:
        it->i = v.seq->kind == SEQ_ITER ? v.seq->i_next : 0;
        it->n = v.seq->n;
        return SH_OK;
    case TV_LOOP: it->i = v.loop->i, it->n = v.loop->n; return SH_OK;
    default: return sh_tmpl_type_error(r, "'%s' object is not iterable", sh_tv_type_name(v));
    }
}

int sh_tv_next(tmpl_run *r, tv_iter *it, tv *out)
{
    if (it->i >= it->n) return 0;
    int rc = sh_tmpl_steps(r, 1);
    if (rc < 0) return rc;
    if (it->v.kind == TV_STR) {
        uint32_t cp;
        bool ok;
        size_t k = sh_utf8_decode(it->v.s->p + it->i, it->n - it->i, &cp, &ok);
        const tv_str *s = sh_ts_sub(r, it->v.s, it->i, it->i + k);
        if (!s) return r->rc;
        *out = tv_of(s);
        it->i += k;
        return 1;
    }
    if (it->v.kind == TV_DICT)
        *out = it->v.d->keys[it->i];
    else if (it->v.kind == TV_LOOP)
        *out = it->v.loop->items[it->i];
    else
        *out = tv_seq_at(it->v.seq, it->i);
    it->i++;
    if (it->v.kind == TV_SEQ && it->v.seq->kind == SEQ_ITER) it->v.seq->i_next = it->i;
    return 1;
}

int sh_tv_items(tmpl_run *r, tv v, const tv **items, size_t *n)
{
    tv_iter it;
    int rc = sh_tv_iter(r, v, &it);
    if (rc < 0) return rc;
    if (v.kind == TV_SEQ && v.seq->items) {
        *items = v.seq->items + it.i;
        *n = v.seq->n - it.i;
        if (v.seq->kind == SEQ_ITER) v.seq->i_next = v.seq->n;
        return SH_OK;
    }
    if (v.kind == TV_DICT) {
        *items = v.d->keys;
        *n = v.d->n;
        return SH_OK;
    }
    size_t cap = v.kind == TV_STR ? sh_ts_len(v.s) : it.n - it.i;
    tv *all = sh_tmpl_alloc(r, cap, sizeof *all);
    if (!all) return r->rc;
    for (*n = 0; (rc = sh_tv_next(r, &it, &all[*n])) > 0;) ++*n;
    *items = all;
    return rc;
}

size_t sh_slice_resolve(int64_t len, tv lo, tv hi, int64_t step, int64_t *first, int64_t *last)
{
    int64_t a, b, low = step < 0 ? -1 : 0, high = step < 0 ? len - 1 : len;
    if (!tv_to_int(lo, &a))
        a = step < 0 ? high : low;
    else if (a < 0)
        a = a + len < low ? low : a + len;
    else if (a > high)
        a = high;
    if (!tv_to_int(hi, &b))
        b = step < 0 ? low : high;
    else if (b < 0)
        b = b + len < low ? low : b + len;
    else if (b > high)
        b = high;
    *first = a;
    if (last) *last = b;
    if (step > 0 ? a >= b : a <= b) return 0;
    uint64_t width = step > 0 ? (uint64_t)(b - a) : (uint64_t)(a - b);
    uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    return (size_t)((width + stride - 1) / stride);
}
