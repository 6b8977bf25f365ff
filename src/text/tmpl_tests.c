/* tmpl_tests.c - what may stand behind `is`. */
#include "text/tmpl_run.h"

#include <math.h>
#include <utf8proc.h>

#define TEST(name) static int name(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
/* A test that needs its value only. */
#define SIMPLE(name, condition)                                                                              \
    TEST(name)                                                                                               \
    {                                                                                                        \
        (void)r, (void)a, (void)raw;                                                                         \
        *out = tv_bool(condition);                                                                           \
        return SH_OK;                                                                                        \
    }

static bool is_iterable(tv v)
{
    return v.kind == TV_STR || v.kind == TV_SEQ || v.kind == TV_DICT || v.kind == TV_UNDEF ||
           v.kind == TV_LOOP;
}

static bool is_sequence(tv v)
{
    return v.kind == TV_STR || v.kind == TV_DICT || v.kind == TV_UNDEF ||
           (v.kind == TV_SEQ && v.seq->kind <= SEQ_RANGE);
}

static bool is_callable(tv v)
{
    return v.kind == TV_FUNC || v.kind == TV_MACRO || v.kind == TV_UNDEF || v.kind == TV_JOINER ||
           v.kind == TV_LOOP;
}

SIMPLE(is_defined, self.kind != TV_UNDEF)
SIMPLE(is_undefined, self.kind == TV_UNDEF)
SIMPLE(is_none, self.kind == TV_NONE)
SIMPLE(is_boolean, self.kind == TV_BOOL)
SIMPLE(is_true, self.kind == TV_BOOL && self.b)
SIMPLE(is_false, self.kind == TV_BOOL && !self.b)
SIMPLE(is_integer, self.kind == TV_INT)
SIMPLE(is_float, self.kind == TV_FLOAT)
SIMPLE(is_number, tv_is_number(self))
SIMPLE(is_string, self.kind == TV_STR)
SIMPLE(is_mapping, self.kind == TV_DICT)
SIMPLE(is_iterable_test, is_iterable(self))
SIMPLE(is_sequence_test, is_sequence(self))
SIMPLE(is_callable_test, is_callable(self))
SIMPLE(is_escaped, self.kind == TV_STR && self.s->markup)

static int parity(tmpl_run *r, tv v, int64_t by, bool *divides)
{
    int64_t i;
    if (v.kind == TV_UNDEF) return sh_tmpl_undefined(r, v);
    if (by == 0) return sh_tmpl_type_error(r, "integer modulo by zero");
    if (tv_to_int(v, &i))
        *divides = by == -1 || i % by == 0;
    else if (v.kind == TV_FLOAT)
        *divides = fmod(v.f, (double)by) == 0;
    else
        return sh_tmpl_type_error(r, "unsupported operand type(s) for %%: '%s' and 'int'",
                                  sh_tv_type_name(v));
    return SH_OK;
}

TEST(is_even)
{
    bool even = false;
    (void)a, (void)raw;
    int rc = parity(r, self, 2, &even);
    *out = tv_bool(even);
    return rc;
}

TEST(is_odd)
{
    int rc = is_even(r, self, a, raw, out);
    /* value % 2 == 1: a fraction is neither */
    bool whole = self.kind != TV_FLOAT || self.f == floor(self.f);
    *out = tv_bool(rc == SH_OK && !out->b && whole);
    return rc;
}

TEST(is_divisibleby)
{
    int64_t by;
    bool divides = false;
    (void)raw;
    if (!tv_to_int(a[0], &by)) return sh_tmpl_type_error(r, "divisibleby needs an integer");
    int rc = parity(r, self, by, &divides);
    *out = tv_bool(divides);
    return rc;
}

static int is_case(tmpl_run *r, tv self, bool upper, tv *out)
{
    const tv_str *s;
    int rc = sh_tv_str(r, self, &s);
    if (rc < 0) return rc;
    const tmpl_builtin *b =
        sh_tmpl_find_method(tv_of(s), sh_str_of(upper ? "isupper" : "islower"), &(bool){0});
    return sh_tmpl_call_builtin(r, b, tv_of(s), &(tmpl_argv){0}, out);
}

TEST(is_upper) { return (void)a, (void)raw, is_case(r, self, true, out); }
TEST(is_lower) { return (void)a, (void)raw, is_case(r, self, false, out); }

static bool same_object(tv a, tv b)
{
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case TV_NONE: return true;
    case TV_BOOL: return a.b == b.b;
    case TV_INT: return a.i == b.i && a.i >= -5 && a.i <= 256; /* the integers that exist once */
    default: return a.d == b.d;
    }
}
TEST(is_sameas)
{
    (void)r, (void)raw;
    *out = tv_bool(same_object(self, a[0]));
    return SH_OK;
}

TEST(is_eq)
{
    bool eq = false;
    (void)raw;
    int rc = sh_tv_equal(r, self, a[0], &eq);
    *out = tv_bool(eq);
    return rc;
}

TEST(is_ne)
{
    int rc = is_eq(r, self, a, raw, out);
    out->b = !out->b;
    return rc;
}

static int order(tmpl_run *r, tv x, tv y, const char *op, tv *out)
{
    int c;
    int rc = sh_tv_compare(r, x, y, op, &c);
    if (rc < 0) return rc;
    bool equal = op[1] == '=' && c == 0;
    *out = tv_bool(c != 2 && (equal || (op[0] == '<' ? c < 0 : c > 0)));
    return SH_OK;
}
TEST(is_lt) { return (void)raw, order(r, self, a[0], "<", out); }
TEST(is_le) { return (void)raw, order(r, self, a[0], "<=", out); }
TEST(is_gt) { return (void)raw, order(r, self, a[0], ">", out); }
TEST(is_ge) { return (void)raw, order(r, self, a[0], ">=", out); }

TEST(is_in)
{
    bool in = false;
    (void)raw;
    int rc = sh_tv_contains(r, a[0], self, &in);
    *out = tv_bool(in);
    return rc;
}

TEST(is_filter)
{
    (void)r, (void)a, (void)raw;
    *out = tv_bool(self.kind == TV_STR && sh_tmpl_find_filter(sh_ts_str(self.s)));
    return SH_OK;
}

TEST(is_test)
{
    (void)r, (void)a, (void)raw;
    *out = tv_bool(self.kind == TV_STR && sh_tmpl_find_test(sh_ts_str(self.s)));
    return SH_OK;
}

const tmpl_builtin *sh_tmpl_find_test(sh_str name)
{
    static const tmpl_builtin table[] = {
        {"defined", is_defined, "", 0},
        {"string", is_string, "", 0},
        {"none", is_none, "", 0},
        {"mapping", is_mapping, "", 0},
        {"iterable", is_iterable_test, "", 0},
        {"undefined", is_undefined, "", 0},
        {"sequence", is_sequence_test, "", 0},
        {"boolean", is_boolean, "", 0},
        {"true", is_true, "", 0},
        {"false", is_false, "", 0},
        {"number", is_number, "", 0},
        {"integer", is_integer, "", 0},
        {"float", is_float, "", 0},
        {"callable", is_callable_test, "", 0},
        {"escaped", is_escaped, "", 0},
        {"even", is_even, "", 0},
        {"odd", is_odd, "", 0},
        {"divisibleby", is_divisibleby, "num", 1},
        {"upper", is_upper, "", 0},
        {"lower", is_lower, "", 0},
        {"sameas", is_sameas, "other", 1},
        {"in", is_in, "seq", 1},
        {"filter", is_filter, "", 0},
        {"test", is_test, "", 0},
        {"eq", is_eq, "other", 1},
        {"equalto", is_eq, "other", 1},
        {"==", is_eq, "other", 1},
        {"ne", is_ne, "other", 1},
        {"!=", is_ne, "other", 1},
        {"lt", is_lt, "other", 1},
        {"lessthan", is_lt, "other", 1},
        {"<", is_lt, "other", 1},
        {"le", is_le, "other", 1},
        {"<=", is_le, "other", 1},
        {"gt", is_gt, "other", 1},
        {"greaterthan", is_gt, "other", 1},
        {">", is_gt, "other", 1},
        {"ge", is_ge, "other", 1},
        {">=", is_ge, "other", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sh_str_is(name, table[i].name)) return &table[i];
    return NULL;
}
