/* tmpl_filters.c - filters over sequences and values. What jinja2 makes lazily is made at once here: an error
 * in an item shows where the filter stands, not where its result is read. */
#include "text/tmpl_filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTER(name) static int name(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)

static int want_int(tmpl_run *r, tv v, int64_t standard, int64_t *out)
{
    *out = standard;
    if (!v.kind || tv_to_int(v, out)) return SH_OK;
    return sh_tmpl_type_error(r, "an integer is expected, not %s", sh_tv_type_name(v));
}

static tv *new_items(tmpl_run *r, size_t n) { return sh_tmpl_alloc(r, n, sizeof(tv)); }

FILTER(filter_length)
{
    size_t n = 0;
    (void)a, (void)raw;
    int rc = sh_tv_len(r, self, &n);
    *out = tv_int((int64_t)n);
    return rc;
}

FILTER(filter_default)
{
    (void)raw;
    bool replace = self.kind == TV_UNDEF || (sh_tv_truth(a[1]) && !sh_tv_truth(self));
    *out = !replace ? self : a[0].kind ? a[0] : sh_tv_lit(r, "");
    return r->rc;
}

FILTER(filter_list)
{
    const tv *items;
    size_t n;
    (void)a, (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    return rc < 0 ? rc : sh_tv_list_of(r, items, n, SEQ_LIST, out);
}

FILTER(filter_items)
{
    (void)a, (void)raw;
    if (self.kind == TV_UNDEF) return sh_tv_list_of(r, NULL, 0, SEQ_ITER, out);
    if (self.kind != TV_DICT) return sh_tmpl_type_error(r, "Can only get item pairs from a mapping.");
    tv *items = new_items(r, self.d->n);
    if (!items) return r->rc;
    for (uint32_t i = 0; i < self.d->n; i++)
        if (sh_seq_pair(r, self.d->keys[i], self.d->vals[i], &items[i]) < 0) return r->rc;
    return sh_tv_list_of(r, items, self.d->n, SEQ_ITER, out);
}

FILTER(filter_first)
{
    tv_iter it;
    (void)a, (void)raw;
    int rc = sh_tv_iter(r, self, &it);
    if (rc < 0 || (rc = sh_tv_next(r, &it, out)) < 0) return rc;
    return rc > 0 ? SH_OK : sh_tv_hint_undef(r, "No first item, sequence was empty.", out);
}

static bool is_reversible(tv v) { return v.kind != TV_SEQ || v.seq->kind != SEQ_ITER; }

FILTER(filter_last)
{
    const tv *items;
    size_t n;
    (void)a, (void)raw;
    if (!is_reversible(self)) return sh_tmpl_type_error(r, "'generator' object is not reversible");
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    if (n == 0) return sh_tv_hint_undef(r, "No last item, sequence was empty.", out);
    *out = items[n - 1];
    return SH_OK;
}

FILTER(filter_reverse)
{
    const tv *items;
    size_t n;
    (void)a, (void)raw;
    if (self.kind == TV_STR) return sh_tv_slice(r, self, (tv){0}, (tv){0}, tv_int(-1), out);
    int rc = sh_tv_items(r, self, &items, &n);
    tv *copy = rc < 0 ? NULL : new_items(r, n);
    if (!copy) return r->rc;
    for (size_t i = 0; i < n; i++) copy[i] = items[n - 1 - i];
    return sh_tv_list_of(r, copy, n, is_reversible(self) ? SEQ_ITER : SEQ_LIST, out);
}

FILTER(filter_join)
{
    tmpl_buf b = {.r = r};
    const tv *items;
    const tv_str *sep = NULL;
    size_t n;
    (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0 || (a[0].kind && (rc = sh_tv_str(r, a[0], &sep)) < 0)) return rc;
    if (a[1].kind && a[1].kind != TV_NONE) {
        tv *keys = new_items(r, n);
        if (!keys || sh_tmpl_sort_keys(r, items, n, a[1], true, false, keys) < 0) return r->rc;
        items = keys;
    }
    for (size_t i = 0; i < n && !r->rc; i++) {
        if (i && sep) sh_tb_ts(&b, sep);
        sh_tb_str(&b, items[i]);
    }
    return sh_tb_done(&b, out);
}

/* --- map, select, reject --- */

static int map_attribute(tmpl_run *r, const tv *items, size_t n, const tmpl_argv *raw, tv *kept)
{
    tv attribute = {0}, standard = {0};
    for (size_t k = 0; k < raw->n_kw; k++) {
        if (sh_str_is(raw->kw[k].name, "attribute"))
            attribute = raw->kw[k].value;
        else if (sh_str_is(raw->kw[k].name, "default"))
            standard = raw->kw[k].value;
        else
            return sh_tmpl_type_error(r, "Unexpected keyword argument '%.*s'", (int)raw->kw[k].name.n,
                                      raw->kw[k].name.p);
    }
    if (!attribute.kind) return sh_tmpl_type_error(r, "map requires a filter argument");
    int rc = sh_tmpl_sort_keys(r, items, n, attribute, true, false, kept);
    for (size_t i = 0; rc == SH_OK && standard.kind > TV_NONE && i < n; i++)
        if (kept[i].kind == TV_UNDEF) kept[i] = standard;
    return rc;
}

FILTER(filter_map)
{
    const tv *items;
    size_t n;
    (void)a;
    if (!sh_tv_truth(self)) return sh_tv_list_of(r, NULL, 0, SEQ_ITER, out); /* also of none */
    int rc = sh_tv_items(r, self, &items, &n);
    tv *kept = rc < 0 ? NULL : new_items(r, n);
    if (!kept) return r->rc;
    if (raw->n_pos == 0) {
        rc = map_attribute(r, items, n, raw, kept);
    } else {
        if (raw->pos[0].kind != TV_STR) return sh_tmpl_type_error(r, "map requires the name of a filter");
        const tv_str *name = raw->pos[0].s;
        const tmpl_builtin *f = sh_tmpl_find_filter(sh_ts_str(name));
        if (!f)
            return sh_tmpl_type_error(r, "No filter named '%.*s'.", name->n > 100 ? 100 : (int)name->n,
                                      name->p);
        tmpl_argv rest = {raw->pos + 1, raw->n_pos - 1, raw->kw, raw->n_kw};
        for (size_t i = 0; rc == SH_OK && i < n; i++)
            rc = sh_tmpl_call_builtin(r, f, items[i], &rest, &kept[i]);
    }
    return rc < 0 ? rc : sh_tv_list_of(r, kept, n, SEQ_ITER, out);
}

/* The items whose value (or attribute) passes the test named by the next argument, or is true when none is
 * named. */
static int select_items(tmpl_run *r, tv self, const tmpl_argv *raw, bool by_attr, bool wanted, tv *out)
{
    const tv *items, *values;
    const tmpl_builtin *test = NULL;
    size_t n, k = 0, used = by_attr;
    if (!sh_tv_truth(self)) return sh_tv_list_of(r, NULL, 0, SEQ_ITER, out); /* also of none */
    int rc = sh_tv_items(r, self, &items, &n);
    tv *kept = rc < 0 ? NULL : new_items(r, n);
    if (!kept) return r->rc;
    values = items;
    if (by_attr) {
        if (raw->n_pos == 0) return sh_tmpl_type_error(r, "Missing parameter for attribute name");
        tv *keys = new_items(r, n);
        if (!keys || sh_tmpl_sort_keys(r, items, n, raw->pos[0], true, false, keys) < 0) return r->rc;
        values = keys;
    }
    if (raw->n_pos > used) {
        const tv name = raw->pos[used++];
        test = name.kind == TV_STR ? sh_tmpl_find_test(sh_ts_str(name.s)) : NULL;
        if (!test) return sh_tmpl_type_error(r, "No test with that name in select or reject");
    }
    tmpl_argv rest = {raw->pos + used, raw->n_pos - used, raw->kw, raw->n_kw};
    for (size_t i = 0; i < n; i++) {
        tv ok = tv_bool(sh_tv_truth(values[i]));
        if ((rc = sh_tmpl_steps(r, 1)) < 0) return rc;
        if (test && (rc = sh_tmpl_call_builtin(r, test, values[i], &rest, &ok)) < 0) return rc;
        if (sh_tv_truth(ok) == wanted) kept[k++] = items[i];
    }
    return sh_tv_list_of(r, kept, k, SEQ_ITER, out);
}

FILTER(filter_select) { return (void)a, select_items(r, self, raw, false, true, out); }
FILTER(filter_reject) { return (void)a, select_items(r, self, raw, false, false, out); }
FILTER(filter_selectattr) { return (void)a, select_items(r, self, raw, true, true, out); }
FILTER(filter_rejectattr) { return (void)a, select_items(r, self, raw, true, false, out); }

/* --- order --- */

FILTER(filter_sort)
{
    const tv *items;
    size_t n;
    (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    tv *keys = new_items(r, n), *sorted = new_items(r, n);
    size_t *order = sh_tmpl_alloc(r, n, sizeof *order);
    if (!keys || !sorted || !order) return r->rc;
    if ((rc = sh_tmpl_sort_keys(r, items, n, a[2], sh_tv_truth(a[1]), true, keys)) < 0) return rc;
    if ((rc = sh_tmpl_sort(r, keys, n, sh_tv_truth(a[0]), order)) < 0) return rc;
    for (size_t i = 0; i < n; i++) sorted[i] = items[order[i]];
    return sh_tv_list_of(r, sorted, n, SEQ_LIST, out);
}

FILTER(filter_dictsort)
{
    (void)raw;
    if (self.kind == TV_UNDEF) return sh_tmpl_undefined(r, self);
    if (self.kind != TV_DICT)
        return sh_tmpl_type_error(r, "'%s' object has no attribute 'items'", sh_tv_type_name(self));
    bool by_value = a[1].kind == TV_STR && sh_str_is(sh_ts_str(a[1].s), "value");
    if (a[1].kind && !by_value && !(a[1].kind == TV_STR && sh_str_is(sh_ts_str(a[1].s), "key")))
        return sh_tmpl_type_error(r, "You can only sort by either \"key\" or \"value\"");
    const tv_dict *d = self.d;
    tv *keys = new_items(r, d->n), *sorted = new_items(r, d->n);
    size_t *order = sh_tmpl_alloc(r, d->n, sizeof *order);
    if (!keys || !sorted || !order) return r->rc;
    int rc =
        sh_tmpl_sort_keys(r, by_value ? d->vals : d->keys, d->n, (tv){0}, sh_tv_truth(a[0]), false, keys);
    if (rc < 0 || (rc = sh_tmpl_sort(r, keys, d->n, sh_tv_truth(a[2]), order)) < 0) return rc;
    for (uint32_t i = 0; i < d->n; i++)
        if ((rc = sh_seq_pair(r, d->keys[order[i]], d->vals[order[i]], &sorted[i])) < 0) return rc;
    return sh_tv_list_of(r, sorted, d->n, SEQ_LIST, out);
}

FILTER(filter_unique)
{
    const tv *items;
    size_t n, k = 0;
    (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    tv *keys = new_items(r, n), *kept = new_items(r, n);
    tv_dict *seen = sh_dict_new(r, 0);
    if (!keys || !kept || !seen) return r->rc;
    if ((rc = sh_tmpl_sort_keys(r, items, n, a[1], sh_tv_truth(a[0]), false, keys)) < 0) return rc;
    for (size_t i = 0; i < n; i++) {
        uint32_t before = seen->n;
        if ((rc = sh_dict_set(r, seen, keys[i], tv_none())) < 0) return rc;
        if (seen->n > before) kept[k++] = items[i];
    }
    return sh_tv_list_of(r, kept, k, SEQ_ITER, out);
}

static int extreme(tmpl_run *r, tv self, const tv *a, bool largest, tv *out)
{
    const tv *items;
    size_t n, best = 0;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    if (n == 0) return sh_tv_hint_undef(r, "No aggregated item, sequence was empty.", out);
    tv *keys = new_items(r, n);
    if (!keys || sh_tmpl_sort_keys(r, items, n, a[1], sh_tv_truth(a[0]), false, keys) < 0) return r->rc;
    for (size_t i = 1; i < n; i++) {
        int c;
        if ((rc = sh_tv_compare(r, keys[i], keys[best], largest ? ">" : "<", &c)) < 0) return rc;
        if (c != 2 && (largest ? c > 0 : c < 0)) best = i;
    }
    *out = items[best];
    return SH_OK;
}
FILTER(filter_min) { return (void)raw, extreme(r, self, a, false, out); }
FILTER(filter_max) { return (void)raw, extreme(r, self, a, true, out); }

FILTER(filter_groupby)
{
    const tv *items;
    size_t n, n_groups = 0;
    bool same;
    (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    tv *real = new_items(r, n), *keys = new_items(r, n), *sorted = new_items(r, n), *groups = new_items(r, n);
    size_t *order = sh_tmpl_alloc(r, n, sizeof *order);
    if (!real || !keys || !sorted || !groups || !order) return r->rc;
    if ((rc = sh_tmpl_sort_keys(r, items, n, a[0], true, false, real)) < 0) return rc;
    for (size_t i = 0; i < n; i++)
        if (real[i].kind == TV_UNDEF && a[1].kind > TV_NONE) real[i] = a[1];
    if ((rc = sh_tmpl_sort_keys(r, real, n, (tv){0}, sh_tv_truth(a[2]), false, keys)) < 0) return rc;
    if ((rc = sh_tmpl_sort(r, keys, n, false, order)) < 0) return rc;
    for (size_t i = 0; i < n; i++) sorted[i] = items[order[i]];
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n; end++) {
            if ((rc = sh_tv_equal(r, keys[order[begin]], keys[order[end]], &same)) < 0) return rc;
            if (!same) break;
        }
        tv members;
        if ((rc = sh_tv_list_of(r, sorted + begin, end - begin, SEQ_LIST, &members)) < 0) return rc;
        if ((rc = sh_seq_pair(r, real[order[begin]], members, &groups[n_groups])) < 0) return rc;
        groups[n_groups++].seq->kind = SEQ_GROUP;
    }
    return sh_tv_list_of(r, groups, n_groups, SEQ_LIST, out);
}

/* --- parts --- */

/* Lists of `size` items; the last one is filled up with `fill` when given. */
FILTER(filter_batch)
{
    const tv *items;
    size_t n, k = 0;
    int64_t size;
    (void)raw;
    int rc = want_int(r, a[0], 0, &size);
    if (rc < 0 || (rc = sh_tv_items(r, self, &items, &n)) < 0) return rc;
    if (size < 1) return sh_tmpl_type_error(r, "batch needs a positive size");
    bool fill = a[1].kind && a[1].kind != TV_NONE;
    tv *lists = new_items(r, n);
    if (!lists) return r->rc;
    for (size_t i = 0; i < n; i += (size_t)size) {
        size_t len = n - i < (uint64_t)size ? n - i : (size_t)size, padded = fill ? (size_t)size : len;
        tv *part = new_items(r, padded);
        if (!part || sh_tmpl_steps(r, padded) < 0) return r->rc;
        memcpy(part, items + i, len * sizeof *part);
        for (size_t j = len; j < padded; j++) part[j] = a[1];
        if ((rc = sh_tv_list_of(r, part, padded, SEQ_LIST, &lists[k++])) < 0) return rc;
        if (n - i <= (uint64_t)size) break;
    }
    return sh_tv_list_of(r, lists, k, SEQ_ITER, out);
}

/* `slices` lists of nearly the same length, the longer ones first; the shorter ones get one `fill` when
 * given. */
FILTER(filter_slice)
{
    const tv *items;
    size_t n, at = 0;
    int64_t slices;
    (void)raw;
    int rc = want_int(r, a[0], 0, &slices);
    if (rc < 0 || (rc = sh_tv_items(r, self, &items, &n)) < 0) return rc;
    if (slices < 1) return sh_tmpl_type_error(r, "slice needs a positive number of parts");
    tv *lists = new_items(r, (size_t)slices);
    if (!lists || sh_tmpl_steps(r, (uint64_t)slices) < 0) return r->rc;
    size_t least = n / (size_t)slices, longer = n % (size_t)slices;
    bool fill = a[1].kind && a[1].kind != TV_NONE;
    for (size_t i = 0; i < (size_t)slices; i++) {
        bool is_long = i < longer, padded = fill && !is_long;
        size_t len = least + is_long;
        tv *part = new_items(r, len + padded);
        if (!part) return r->rc;
        if (len) memcpy(part, items + at, len * sizeof *part);
        if (padded) part[len] = a[1];
        at += len;
        if ((rc = sh_tv_list_of(r, part, len + padded, SEQ_LIST, &lists[i])) < 0) return rc;
    }
    return sh_tv_list_of(r, lists, (size_t)slices, SEQ_ITER, out);
}

/* --- numbers --- */

FILTER(filter_sum)
{
    const tv *items;
    size_t n;
    (void)raw;
    int rc = sh_tv_items(r, self, &items, &n);
    if (rc < 0) return rc;
    tv *keys = new_items(r, n);
    if (!keys || sh_tmpl_sort_keys(r, items, n, a[0], true, false, keys) < 0) return r->rc;
    *out = a[1].kind ? a[1] : tv_int(0);
    if (out->kind == TV_STR)
        return sh_tmpl_type_error(r, "sum() can't sum strings [use ''.join(seq) instead]");
    for (size_t i = 0; rc == SH_OK && i < n; i++) rc = sh_tv_binop(r, 0 /* + */, *out, keys[i], out);
    return rc;
}

FILTER(filter_abs)
{
    int64_t i;
    (void)a, (void)raw;
    if (self.kind == TV_UNDEF) return sh_tmpl_type_error(r, "bad operand type for abs(): 'Undefined'");
    if (self.kind == TV_FLOAT) return *out = tv_float(fabs(self.f)), SH_OK;
    if (!tv_to_int(self, &i))
        return sh_tmpl_type_error(r, "bad operand type for abs(): '%s'", sh_tv_type_name(self));
    if (i == INT64_MIN) return sh_tmpl_type_error(r, "an integer beyond 64 bits");
    *out = tv_int(i < 0 ? -i : i);
    return SH_OK;
}

static int float_to_int(tmpl_run *r, double f, tv *out)
{
    if (!(f >= -0x1p63 && f < 0x1p63))
        return sh_tmpl_type_error(r, "cannot convert float to a 64-bit integer");
    *out = tv_int((int64_t)f);
    return SH_OK;
}

FILTER(filter_int)
{
    int64_t base, i;
    double f;
    (void)raw;
    int rc = want_int(r, a[1], 10, &base);
    if (rc < 0) return rc;
    tv standard = a[0].kind ? a[0] : tv_int(0);
    if (self.kind == TV_UNDEF) return sh_tmpl_undefined(r, self);
    if (self.kind == TV_FLOAT && !isnan(self.f)) return float_to_int(r, self.f, out);
    *out = standard;
    if (tv_to_int(self, &i)) return *out = tv_int(i), SH_OK;
    if (self.kind != TV_STR) return SH_OK;
    rc = sh_str_to_int(sh_ts_str(self.s), base < 0 || base > 36 ? 1 : (int)base, &i);
    if (rc == SH_E_RANGE) return sh_tmpl_type_error(r, "an integer beyond 64 bits");
    if (rc == SH_OK) return *out = tv_int(i), SH_OK;
    if (sh_str_to_float(sh_ts_str(self.s), &f) && isfinite(f)) return float_to_int(r, f, out);
    return SH_OK;
}

FILTER(filter_float)
{
    double f;
    (void)raw;
    if (self.kind == TV_UNDEF) return sh_tmpl_undefined(r, self);
    if (tv_is_number(self)) return *out = tv_float(tv_to_double(self)), SH_OK;
    if (self.kind == TV_STR && sh_str_to_float(sh_ts_str(self.s), &f)) return *out = tv_float(f), SH_OK;
    *out = a[0].kind ? a[0] : tv_float(0);
    return SH_OK;
}

/* Round half to even on the decimal value, as Python: printf rounds exactly. */
static double round_to(double v, int64_t precision)
{
    char text[400];
    double f;
    if (!isfinite(v) || precision > 300) return v;
    if (precision < -308) return copysign(0.0, v);
    if (precision < 0) {
        double unit = pow(10, (double)-precision);
        return nearbyint(v / unit) * unit;
    }
    if (fabs(v) >= 0x1p53) return v;
    int n = snprintf(text, sizeof text, "%.*f", (int)precision, v);
    for (int i = 0; i < n; i++)
        if (text[i] == ',') text[i] = '.'; /* the decimal point of some locales */
    return sh_str_to_float((sh_str){text, (size_t)n}, &f) ? f : v;
}

static int round_int(tmpl_run *r, int64_t i, int64_t precision, tv *out)
{
    int64_t unit = 1;
    *out = tv_int(i);
    if (precision >= 0) return SH_OK;
    for (int64_t k = 0; k < -precision; k++) {
        if (!__builtin_mul_overflow(unit, 10, &unit)) continue;
        *out = tv_int(0);
        return SH_OK;
    }
    int64_t rest = i % unit, down = i - rest;
    if (rest < 0) {
        rest += unit; /* round from the multiple below */
        if (__builtin_sub_overflow(down, unit, &down))
            return sh_tmpl_type_error(r, "an integer beyond 64 bits");
    }
    bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
    if (up && __builtin_add_overflow(down, unit, &down))
        return sh_tmpl_type_error(r, "an integer beyond 64 bits");
    *out = tv_int(down);
    return SH_OK;
}

FILTER(filter_round)
{
    int64_t precision, i;
    (void)raw;
    int rc = want_int(r, a[0], 0, &precision);
    if (rc < 0) return rc;
    if (!tv_is_number(self))
        return sh_tmpl_type_error(r, "type %s doesn't define __round__ method", sh_tv_type_name(self));
    sh_str method = a[1].kind == TV_STR ? sh_ts_str(a[1].s) : sh_str_of(a[1].kind ? "?" : "common");
    bool ceiling = sh_str_is(method, "ceil");
    if (ceiling || sh_str_is(method, "floor")) {
        double unit = pow(10, (double)precision), v = tv_to_double(self) * unit;
        *out = tv_float((ceiling ? ceil(v) : floor(v)) / unit);
        return SH_OK;
    }
    if (!sh_str_is(method, "common")) return sh_tmpl_type_error(r, "method must be common, ceil or floor");
    if (tv_to_int(self, &i)) return round_int(r, i, precision, out);
    *out = tv_float(round_to(self.f, precision));
    return SH_OK;
}

/* obj.name without falling back to obj["name"] */
FILTER(filter_attr)
{
    bool unsafe;
    (void)raw;
    if (a[0].kind != TV_STR) return sh_tmpl_type_error(r, "attribute name must be string");
    if (self.kind == TV_DICT && !sh_tmpl_find_method(self, sh_ts_str(a[0].s), &unsafe) && !unsafe)
        return sh_tv_undef_attr(r, self, a[0], out);
    return sh_tv_getattr(r, self, a[0], out);
}

const tmpl_builtin *sh_tmpl_find_filter(sh_str name)
{
    static const tmpl_builtin table[] = {
        {"length", filter_length, "", 0},
        {"count", filter_length, "", 0},
        {"default", filter_default, "default_value boolean", 0},
        {"d", filter_default, "default_value boolean", 0},
        {"join", filter_join, "d attribute", 0},
        {"items", filter_items, "", 0},
        {"list", filter_list, "", 0},
        {"map", filter_map, "*", 0},
        {"select", filter_select, "*", 0},
        {"reject", filter_reject, "*", 0},
        {"selectattr", filter_selectattr, "*", 0},
        {"rejectattr", filter_rejectattr, "*", 0},
        {"first", filter_first, "", 0},
        {"last", filter_last, "", 0},
        {"reverse", filter_reverse, "", 0},
        {"sort", filter_sort, "reverse case_sensitive attribute", 0},
        {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
        {"unique", filter_unique, "case_sensitive attribute", 0},
        {"min", filter_min, "case_sensitive attribute", 0},
        {"max", filter_max, "case_sensitive attribute", 0},
        {"groupby", filter_groupby, "attribute default case_sensitive", 1},
        {"batch", filter_batch, "linecount fill_with", 1},
        {"slice", filter_slice, "slices fill_with", 1},
        {"sum", filter_sum, "attribute start", 0},
        {"abs", filter_abs, "", 0},
        {"int", filter_int, "default base", 0},
        {"float", filter_float, "default", 0},
        {"round", filter_round, "precision method", 0},
        {"attr", filter_attr, "name", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sh_str_is(name, table[i].name)) return &table[i];
    return sh_tmpl_find_text_filter(name);
}
