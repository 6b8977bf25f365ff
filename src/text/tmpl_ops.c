/* tmpl_ops.c - attributes, subscripts and arithmetic, by Python's rules. */
#include "text/tmpl_ast.h"

#include <math.h>

#include "base/mem.h"

int sh_tv_undef_attr(tmpl_run *r, tv obj, tv name, tv *out)
{
    tv_undef *u = sh_tmpl_alloc(r, 1, sizeof *u);
    if (!u) return r->rc;
    *u = (tv_undef){.why = UNDEF_ATTR, .name = name, .owner = sh_tv_type_name(obj)};
    *out = (tv){.kind = TV_UNDEF, .u = u};
    return SH_OK;
}

int sh_tv_hint_undef(tmpl_run *r, const char *sentence, tv *out)
{
    int rc = sh_tv_undef_attr(r, tv_none(), tv_none(), out);
    if (rc < 0) return rc;
    tv_undef *u = sh_tmpl_alloc(r, 1, sizeof *u);
    if (!u) return r->rc;
    *u = (tv_undef){.why = UNDEF_HINT, .owner = sentence};
    out->u = u;
    return SH_OK;
}

static int loop_attr(tmpl_run *r, const tv_loop *l, sh_str name, tv *out)
{
    int64_t i = (int64_t)l->i, n = (int64_t)l->n;
    if (sh_str_is(name, "index"))
        *out = tv_int(i);
    else if (sh_str_is(name, "index0"))
        *out = tv_int(i - 1);
    else if (sh_str_is(name, "first"))
        *out = tv_bool(i == 1);
    else if (sh_str_is(name, "last"))
        *out = tv_bool(i == n);
    else if (sh_str_is(name, "length"))
        *out = tv_int(n);
    else if (sh_str_is(name, "revindex"))
        *out = tv_int(n - i + 1);
    else if (sh_str_is(name, "revindex0"))
        *out = tv_int(n - i);
    else if (sh_str_is(name, "depth"))
        *out = tv_int((int64_t)l->depth + 1);
    else if (sh_str_is(name, "depth0"))
        *out = tv_int(l->depth);
    else if (sh_str_is(name, "previtem")) {
        if (i < 2) return sh_tv_hint_undef(r, "there is no previous item", out);
        *out = l->items[i - 2];
    } else if (sh_str_is(name, "nextitem")) {
        if (i >= n) return sh_tv_hint_undef(r, "there is no next item", out);
        *out = l->items[i];
    }
    return SH_OK;
}

static int number_attr(tv v, sh_str name, tv *out)
{
    bool rational = v.kind != TV_FLOAT;
    if (sh_str_is(name, "real") || (rational && sh_str_is(name, "numerator")))
        *out = rational ? tv_int(v.kind == TV_BOOL ? v.b : v.i) : v;
    if (sh_str_is(name, "imag")) *out = rational ? tv_int(0) : tv_float(0);
    if (rational && sh_str_is(name, "denominator")) *out = tv_int(1);
    return SH_OK;
}

/* Attributes that are no methods: loop.index, namespace members, macro.name ... TV_MISSING when there is
 * none. */
static int own_attr(tmpl_run *r, tv obj, sh_str name, tv *out)
{
    *out = (tv){0};
    switch (obj.kind) {
    case TV_LOOP: return loop_attr(r, obj.loop, name, out);
    case TV_NS: *out = sh_dict_get_str(obj.d, name); return SH_OK;
    case TV_MACRO: return sh_tmpl_macro_attr(r, obj.macro, name, out);
    case TV_SEQ:
        if (obj.seq->kind == SEQ_GROUP && sh_str_is(name, "grouper")) *out = obj.seq->items[0];
        if (obj.seq->kind == SEQ_GROUP && sh_str_is(name, "list")) *out = obj.seq->items[1];
        return SH_OK;
    case TV_BOOL:
    case TV_INT:
    case TV_FLOAT: return number_attr(obj, name, out);
    case TV_CYCLER:
        if (sh_str_is(name, "current")) *out = obj.cycler->items[obj.cycler->i];
        return SH_OK;
    default: return SH_OK;
    }
}

/* getattr(obj, name): TV_MISSING when Python would raise AttributeError. */
static int python_getattr(tmpl_run *r, tv obj, tv name, tv *out)
{
    bool unsafe = false;
    int rc = own_attr(r, obj, sh_ts_str(name.s), out);
    if (rc < 0 || out->kind) return rc;
    const tmpl_builtin *b = sh_tmpl_find_method(obj, sh_ts_str(name.s), &unsafe);
    if (unsafe) {
        tv_undef *u = sh_tmpl_alloc(r, 1, sizeof *u);
        if (!u) return r->rc;
        *u = (tv_undef){.why = UNDEF_UNSAFE, .name = name, .owner = sh_tv_type_name(obj)};
        *out = (tv){.kind = TV_UNDEF, .u = u};
    } else if (b) {
        tv_func *f = sh_tmpl_alloc(r, 1, sizeof *f);
        if (!f) return r->rc;
        *f = (tv_func){b, obj};
        *out = (tv){.kind = TV_FUNC, .fn = f};
    }
    return SH_OK;
}

/* obj[key]: TV_MISSING when Python would raise TypeError or LookupError. */
static int python_getitem(tmpl_run *r, tv obj, tv key, tv *out)
{
    int64_t i;
    *out = (tv){0};
    if (obj.kind == TV_DICT) {
        *out = sh_dict_get(obj.d, key);
        return sh_tmpl_steps(r, 1);
    }
    if (!tv_to_int(key, &i)) return SH_OK;
    if (obj.kind == TV_STR) {
        int64_t n = (int64_t)sh_ts_len(obj.s);
        if (i < 0) i += n;
        if (i < 0 || i >= n) return SH_OK;
        size_t begin = sh_ts_offset(obj.s, (size_t)i), end = begin + 1;
        while (end < obj.s->n && ((unsigned char)obj.s->p[end] & 0xc0) == 0x80) end++;
        const tv_str *s = sh_ts_sub(r, obj.s, begin, end);
        if (!s) return r->rc;
        *out = tv_of(s);
        return sh_tmpl_steps(r, obj.s->ascii ? 0 : obj.s->n / 64);
    }
    if (obj.kind != TV_SEQ || obj.seq->kind > SEQ_RANGE) return SH_OK;
    if (i < 0) i += (int64_t)obj.seq->n;
    if (i >= 0 && i < (int64_t)obj.seq->n) *out = tv_seq_at(obj.seq, (size_t)i);
    return SH_OK;
}

int sh_tv_getattr(tmpl_run *r, tv obj, tv name, tv *out)
{
    if (obj.kind == TV_UNDEF) return sh_tmpl_undefined(r, obj);
    int rc = python_getattr(r, obj, name, out);
    if (rc < 0 || out->kind) return rc;
    if ((rc = python_getitem(r, obj, name, out)) < 0 || out->kind) return rc;
    return sh_tv_undef_attr(r, obj, name, out);
}

int sh_tv_getitem(tmpl_run *r, tv obj, tv key, tv *out)
{
    if (obj.kind == TV_UNDEF) return sh_tmpl_undefined(r, obj);
    int rc = python_getitem(r, obj, key, out);
    if (rc < 0 || out->kind) return rc;
    if (key.kind == TV_STR && ((rc = python_getattr(r, obj, key, out)) < 0 || out->kind)) return rc;
    return sh_tv_undef_attr(r, obj, key, out);
}

static int slice_string(tmpl_run *r, const tv_str *s, int64_t first, size_t n, int64_t step, tv *out)
{
    tmpl_buf b = {.r = r};
    if (step == 1) {
        size_t begin = sh_ts_offset(s, (size_t)first), end = n ? sh_ts_offset(s, (size_t)first + n) : begin;
        const tv_str *t = sh_ts_sub(r, s, begin, end);
        if (!t) return r->rc;
        *out = tv_of(t);
        return sh_tmpl_steps(r, s->ascii ? 0 : s->n / 64);
    }
    /* walk the bytes once in the direction of the step, taking every |step|-th code point */
    size_t at = n ? sh_ts_offset(s, (size_t)first) : 0;
    for (size_t k = 0; k < n && !r->rc; k++) {
        size_t end = at + 1;
        while (end < s->n && ((unsigned char)s->p[end] & 0xc0) == 0x80) end++;
        sh_tb_sub(&b, s, at, end);
        sh_tmpl_steps(r, 1);
        for (int64_t m = 0; k + 1 < n && m < (step > 0 ? step : -step); m++) {
            if (step > 0) {
                do at++;
                while (at < s->n && ((unsigned char)s->p[at] & 0xc0) == 0x80);
            } else {
                do at--;
                while (at > 0 && ((unsigned char)s->p[at] & 0xc0) == 0x80);
            }
        }
    }
    return sh_tb_done(&b, out);
}

static int slice_seq(tmpl_run *r, tv_seq *s, int64_t first, int64_t last, size_t n, int64_t step, tv *out)
{
    enum tv_seq_kind kind = s->kind == SEQ_GROUP ? SEQ_TUPLE : s->kind;
    if (step == 1 && s->items) return sh_tv_list_of(r, s->items + (n ? first : 0), n, kind, out);
    if (!s->items) {
        int rc = sh_tv_list_of(r, NULL, n, SEQ_RANGE, out);
        if (rc < 0) return rc;
        out->seq->items = NULL;
        if (__builtin_mul_overflow(first, s->step, &out->seq->start) ||
            __builtin_add_overflow(s->start, out->seq->start, &out->seq->start))
            out->seq->start = s->stop; /* nothing is left then */
        if (__builtin_mul_overflow(s->step, step, &out->seq->step))
            out->seq->step = step < 0 ? INT64_MIN : INT64_MAX;
        if (__builtin_mul_overflow(last, s->step, &out->seq->stop) ||
            __builtin_add_overflow(s->start, out->seq->stop, &out->seq->stop))
            out->seq->stop = s->stop; /* only shown, never walked to */
        return SH_OK;
    }
    tv *items = sh_tmpl_alloc(r, n, sizeof *items);
    if (!items || sh_tmpl_steps(r, n) < 0) return r->rc;
    for (size_t k = 0; k < n; k++) items[k] = s->items[first + (int64_t)k * step];
    return sh_tv_list_of(r, items, n, kind, out);
}

int sh_tv_slice(tmpl_run *r, tv obj, tv lo, tv hi, tv step, tv *out)
{
    int64_t st = 1, first, last, junk;
    size_t len;
    int rc;
    if (obj.kind == TV_UNDEF) return sh_tmpl_undefined(r, obj);
    bool sliceable = obj.kind == TV_STR || (obj.kind == TV_SEQ && obj.seq->kind <= SEQ_RANGE);
    if (!sliceable) return sh_tmpl_type_error(r, "'%s' object cannot be sliced", sh_tv_type_name(obj));
    const tv bounds[3] = {lo, hi, step};
    for (int i = 0; i < 3; i++)
        if (bounds[i].kind > TV_NONE && !tv_to_int(bounds[i], &junk))
            return sh_tmpl_type_error(r, "slice indices must be integers or None, not %s",
                                      sh_tv_type_name(bounds[i]));
        else if (bounds[i].kind == TV_UNDEF)
            return sh_tmpl_type_error(r, "slice indices must be integers or None, not Undefined");
    if (tv_to_int(step, &st) && st == 0) return sh_tmpl_type_error(r, "slice step cannot be zero");
    if ((rc = sh_tv_len(r, obj, &len)) < 0) return rc;
    size_t n = sh_slice_resolve((int64_t)len, lo, hi, st, &first, &last);
    return obj.kind == TV_STR ? slice_string(r, obj.s, first, n, st, out)
                              : slice_seq(r, obj.seq, first, last, n, st, out);
}

/* --- arithmetic --- */

static const char *const op_text[] = {
    [OP_ADD] = "+",       [OP_SUB] = "-", [OP_MUL] = "*",          [OP_DIV] = "/",
    [OP_FLOORDIV] = "//", [OP_MOD] = "%", [OP_POW] = "** or pow()"};

static int unsupported(tmpl_run *r, int op, tv a, tv b)
{
    return sh_tmpl_type_error(r, "unsupported operand type(s) for %s: '%s' and '%s'", op_text[op],
                              sh_tv_type_name(a), sh_tv_type_name(b));
}

static int overflow(tmpl_run *r) { return sh_tmpl_type_error(r, "an integer beyond 64 bits"); }

static int int_pow(tmpl_run *r, int64_t a, int64_t b, tv *out)
{
    int64_t v = 1;
    if (b < 0) {
        if (a == 0) return sh_tmpl_type_error(r, "0.0 cannot be raised to a negative power");
        *out = tv_float(pow((double)a, (double)b));
        return SH_OK;
    }
    if (a == 0 || a == 1 || a == -1)
        b = b == 0 ? 0 : (b & 1) ? 1 : 2; /* the only bases that never overflow */
    for (; b > 0; b--)
        if (__builtin_mul_overflow(v, a, &v)) return overflow(r);
    *out = tv_int(v);
    return SH_OK;
}

static int int_op(tmpl_run *r, int op, int64_t a, int64_t b, tv *out)
{
    int64_t v = 0;
    bool wrapped = false;
    switch (op) {
    case OP_ADD: wrapped = __builtin_add_overflow(a, b, &v); break;
    case OP_SUB: wrapped = __builtin_sub_overflow(a, b, &v); break;
    case OP_MUL: wrapped = __builtin_mul_overflow(a, b, &v); break;
    case OP_POW: return int_pow(r, a, b, out);
    default:
        if (b == 0)
            return sh_tmpl_type_error(r, op == OP_DIV ? "division by zero"
                                                      : "integer division or modulo by zero");
        if (op == OP_DIV) {
            *out = tv_float((double)a / (double)b);
            return SH_OK;
        }
        if (b == -1) { /* INT64_MIN / -1 traps */
            wrapped = op == OP_FLOORDIV && __builtin_sub_overflow((int64_t)0, a, &v);
        } else {
            v = op == OP_MOD ? a % b : a / b;
            if (a % b != 0 && (a < 0) != (b < 0))
                v = op == OP_MOD ? v + b : v - 1; /* towards minus infinity */
        }
    }
    *out = tv_int(v);
    return wrapped ? overflow(r) : SH_OK;
}

static int float_op(tmpl_run *r, int op, double a, double b, tv *out)
{
    double v = 0;
    bool divides = op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD;
    if (divides && b == 0) return sh_tmpl_type_error(r, "float division by zero");
    if (op == OP_POW && a == 0 && b < 0)
        return sh_tmpl_type_error(r, "0.0 cannot be raised to a negative power");
    if (op == OP_POW && a < 0 && b != floor(b) && isfinite(b))
        return sh_tmpl_type_error(r, "complex numbers are not supported");
    switch (op) {
    case OP_ADD: v = a + b; break;
    case OP_SUB: v = a - b; break;
    case OP_MUL: v = a * b; break;
    case OP_DIV: v = a / b; break;
    case OP_POW: v = pow(a, b); break;
    default: {
        double m = fmod(a, b), q;
        if (m != 0 ? (b < 0) != (m < 0) : signbit(b) != signbit(m)) m = m != 0 ? m + b : copysign(0.0, b);
        q = (a - m) / b;
        double f = floor(q);
        if (q - f > 0.5) f += 1;
        v = op == OP_MOD ? m : q != 0 ? f : copysign(0.0, a / b);
    }
    }
    if (op == OP_POW && isinf(v) && isfinite(a) && isfinite(b))
        return sh_tmpl_type_error(r, "(34, 'Numerical result out of range')");
    *out = tv_float(v);
    return SH_OK;
}

static int repeat(tmpl_run *r, tv a, int64_t times, tv *out)
{
    size_t n, total;
    if (times < 0) times = 0;
    if (a.kind == TV_STR) {
        tmpl_buf b = {.r = r};
        if (!sh_mul(&total, a.s->n, (size_t)times) || total > r->max_output)
            return sh_tmpl_limit(r, "output bytes", r->max_output);
        for (int64_t i = 0; total && i < times && !sh_tmpl_steps(r, 1); i++) sh_tb_ts(&b, a.s);
        return sh_tb_done(&b, out);
    }
    n = a.seq->n;
    if (!sh_mul(&total, n, (size_t)times) || sh_tmpl_steps(r, total) < 0)
        return r->rc ? r->rc : sh_tmpl_limit(r, "memory", r->max_bytes);
    tv *items = sh_tmpl_alloc(r, total, sizeof *items);
    if (!items) return r->rc;
    for (size_t i = 0; i < total; i++) items[i] = a.seq->items[i % n];
    return sh_tv_list_of(r, items, total, a.seq->kind == SEQ_GROUP ? SEQ_TUPLE : a.seq->kind, out);
}

static int escaped(tmpl_run *r, const tv_str *s, const tv_str **out)
{
    tmpl_buf b = {.r = r};
    tv v;
    sh_tb_escape(&b, s);
    int rc = sh_tb_done(&b, &v);
    if (rc == SH_OK) *out = v.s;
    return rc;
}

static int add_strings(tmpl_run *r, const tv_str *a, const tv_str *b, tv *out)
{
    bool markup = a->markup || b->markup;
    int rc = SH_OK;
    if (markup && !a->markup) rc = escaped(r, a, &a);
    if (markup && !b->markup && rc == SH_OK) rc = escaped(r, b, &b);
    const tv_str *s = rc == SH_OK ? sh_ts_concat(r, a, b) : NULL;
    if (!s) return r->rc;
    if (markup && !s->markup) {
        tv_str *m = sh_tmpl_alloc(r, 1, sizeof *m);
        if (!m) return r->rc;
        *m = *s;
        m->markup = true;
        s = m;
    }
    *out = tv_of(s);
    return SH_OK;
}

static int add_seqs(tmpl_run *r, const tv_seq *a, const tv_seq *b, tv *out)
{
    size_t n = a->n + b->n;
    tv *items = sh_tmpl_alloc(r, n, sizeof *items);
    if (!items || sh_tmpl_steps(r, n / 8) < 0) return r->rc;
    if (a->n) memcpy(items, a->items, a->n * sizeof *items);
    if (b->n) memcpy(items + a->n, b->items, b->n * sizeof *items);
    return sh_tv_list_of(r, items, n, a->kind == SEQ_GROUP ? SEQ_TUPLE : a->kind, out);
}

static int add(tmpl_run *r, tv a, tv b, tv *out)
{
    if (a.kind == TV_STR && b.kind == TV_STR) return add_strings(r, a.s, b.s, out);
    if ((tv_is_list(a) && tv_is_list(b)) || (tv_is_tuple(a) && tv_is_tuple(b)))
        return add_seqs(r, a.seq, b.seq, out);
    if (a.kind == TV_STR || tv_is_list(a) || tv_is_tuple(a)) {
        const char *t = a.kind == TV_STR ? "str" : sh_tv_type_name(a);
        return sh_tmpl_type_error(r, "can only concatenate %s (not \"%s\") to %s", t, sh_tv_type_name(b), t);
    }
    return unsupported(r, OP_ADD, a, b);
}

int sh_tv_binop(tmpl_run *r, int op, tv a, tv b, tv *out)
{
    int64_t i, j;
    if (a.kind == TV_STR && op == OP_MOD) return sh_tmpl_percent(r, a.s, b, out);
    if (a.kind == TV_UNDEF) return sh_tmpl_undefined(r, a);
    if (b.kind == TV_UNDEF) return sh_tmpl_undefined(r, b);
    if (tv_is_number(a) && tv_is_number(b)) {
        if (tv_to_int(a, &i) && tv_to_int(b, &j)) return int_op(r, op, i, j, out);
        return float_op(r, op, tv_to_double(a), tv_to_double(b), out);
    }
    if (op == OP_ADD) return add(r, a, b, out);
    bool a_repeats = a.kind == TV_STR || tv_is_list(a) || tv_is_tuple(a);
    bool b_repeats = b.kind == TV_STR || tv_is_list(b) || tv_is_tuple(b);
    if (op == OP_MUL && a_repeats && tv_to_int(b, &i)) return repeat(r, a, i, out);
    if (op == OP_MUL && b_repeats && tv_to_int(a, &i)) return repeat(r, b, i, out);
    return unsupported(r, op, a, b);
}

int sh_tv_unary(tmpl_run *r, int op, tv a, tv *out)
{
    int64_t i;
    if (op == OP_NOT) {
        *out = tv_bool(!sh_tv_truth(a));
        return SH_OK;
    }
    if (a.kind == TV_UNDEF) return sh_tmpl_undefined(r, a);
    if (a.kind == TV_FLOAT) {
        *out = tv_float(op == OP_NEG ? -a.f : a.f);
        return SH_OK;
    }
    if (!tv_to_int(a, &i))
        return sh_tmpl_type_error(r, "bad operand type for unary %s: '%s'", op == OP_NEG ? "-" : "+",
                                  sh_tv_type_name(a));
    if (op == OP_NEG && i == INT64_MIN) return overflow(r);
    *out = tv_int(op == OP_NEG ? -i : i);
    return SH_OK;
}
