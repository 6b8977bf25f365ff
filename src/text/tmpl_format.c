/* tmpl_format.c - "..." % values and "...".format(values), with Python's format specifications for text and
 * numbers. */
#include "text/tmpl_run.h"

#include <math.h>
#include <stdio.h>

#include "base/utf8.h"

typedef struct spec {
    sh_str fill;          /* one code point; empty: a blank */
    char align;           /* < > ^ =, or 0 */
    char sign;            /* + - or blank, or 0 */
    bool alt, zero;       /* # and 0 */
    char group;           /* , or _ or 0 */
    int width, precision; /* -1: not given */
    char type;            /* 0: by the value */
} spec;

enum { MAX_WIDTH = 100000, MAX_PRECISION = 300 };

/* digits at p[*i..]: a number up to max; -1 when there is none, -2 when it is larger. */
static int read_number(sh_str s, size_t *i, int max)
{
    int v = -1;
    for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9'; ++*i) {
        v = (v < 0 ? 0 : v) * 10 + (s.p[*i] - '0');
        if (v > max) return -2;
    }
    return v;
}

/* --- fields: text and numbers laid out by a spec --- */

static void put_fill(tmpl_buf *b, const spec *f, int64_t n)
{
    for (; n > 0 && !b->r->rc; n--) {
        if (f->fill.n)
            sh_tb_add(b, f->fill.p, f->fill.n, false);
        else
            sh_tb_add(b, f->zero ? "0" : " ", 1, false);
    }
}

/* sign, then body, padded to the width; standard alignment when none was asked for. */
static void put_field(tmpl_buf *b, const spec *f, const char *sign, const tv_str *body, char standard)
{
    char align = f->align ? f->align : f->zero && standard == '>' ? '=' : standard;
    int64_t pad = f->width - (int64_t)sh_ts_len(body) - (int64_t)strlen(sign);
    int64_t left = pad <= 0 || align == '<' || align == '=' ? 0 : align == '^' ? pad / 2 : pad;
    if (pad < 0) pad = 0;
    put_fill(b, f, left);
    sh_tb_puts(b, sign);
    if (align == '=') put_fill(b, f, pad);
    sh_tb_ts(b, body);
    if (align != '=') put_fill(b, f, pad - left);
}

static int put_text(tmpl_buf *b, const spec *f, const tv_str *s)
{
    if (f->align == '=')
        return sh_tmpl_type_error(b->r, "'=' alignment not allowed in string format specifier");
    if (f->sign) return sh_tmpl_type_error(b->r, "Sign not allowed in string format specifier");
    size_t end = f->precision >= 0 ? sh_ts_offset(s, (size_t)f->precision) : s->n;
    const tv_str *cut = sh_ts_sub(b->r, s, 0, end);
    if (cut) put_field(b, f, "", cut, '<');
    return b->r->rc;
}

static const char *sign_of(const spec *f, bool negative)
{
    return negative ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
}

/* Group the integer digits of text[0..n): every `step` digits a separator. */
static size_t group_digits(const char *text, size_t n, char sep, size_t step, char *out)
{
    size_t digits = 0, k = 0;
    while (digits < n && ((text[digits] >= '0' && text[digits] <= '9') || (step == 4 && text[digits] >= 'A')))
        digits++;
    for (size_t i = 0; i < n; i++) {
        if (i && i < digits && (digits - i) % step == 0) out[k++] = sep;
        out[k++] = text[i];
    }
    return k;
}

static size_t int_digits(uint64_t v, unsigned base, bool upper, char *out)
{
    char rev[72];
    size_t n = 0, k = 0;
    do rev[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
    while ((v /= base) > 0);
    while (n > 0) out[k++] = rev[--n];
    return k;
}

static int put_int(tmpl_buf *b, const spec *f, int64_t i)
{
    char text[160], grouped[200], sign[8];
    char type = f->type ? f->type : 'd';
    unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    uint64_t v = i < 0 ? -(uint64_t)i : (uint64_t)i;
    size_t n = 0, least = f->precision > 0 ? (size_t)f->precision : 0;
    size_t digits = int_digits(v, base, type == 'X', text);
    if (least > 80) least = 80;
    if (digits < least) { /* the precision of % is a least number of digits */
        memmove(text + least - digits, text, digits);
        memset(text, '0', least - digits);
        digits = least;
    }
    n = digits;
    snprintf(sign, sizeof sign, "%s%s", sign_of(f, i < 0),
             !f->alt || base == 10 ? ""
             : type == 'x'         ? "0x"
             : type == 'X'         ? "0X"
             : type == 'o'         ? "0o"
                                   : "0b");
    const char *p = text;
    if (f->group) n = group_digits(text, n, f->group, base == 10 ? 3 : 4, grouped), p = grouped;
    const tv_str *s = sh_ts_copy(b->r, p, n, false);
    if (s) put_field(b, f, sign, s, '>');
    return b->r->rc;
}

static int put_float(tmpl_buf *b, const spec *f, double v)
{
    char text[800], grouped[1100];
    char type = f->type;
    int n, precision = f->precision < 0 ? 6 : f->precision;
    double x = fabs(v);
    if (isnan(v)) {
        n = snprintf(text, sizeof text, "nan");
    } else if (isinf(v)) {
        n = snprintf(text, sizeof text, "inf");
    } else if (type == 0 && f->precision < 0) {
        n = (int)sh_float_repr(x, text);
    } else if (type == 0 || type == 'g' || type == 'G' || type == 'n') {
        n = snprintf(text, sizeof text,
                     type == 'G' ? f->alt ? "%#.*G" : "%.*G"
                     : f->alt    ? "%#.*g"
                                 : "%.*g",
                     precision, x);
        if (type == 0 && !strpbrk(text, ".e")) n += snprintf(text + n, sizeof text - (size_t)n, ".0");
    } else if (type == 'e' || type == 'E') {
        n = snprintf(text, sizeof text, type == 'E' ? "%.*E" : "%.*e", precision, x);
    } else if (type == '%') {
        n = snprintf(text, sizeof text, "%.*f%%", precision, x * 100);
    } else {
        n = snprintf(text, sizeof text, "%.*f", precision, x);
    }
    if (n < 0 || n >= (int)sizeof text) return sh_tmpl_limit(b->r, "digits of a number", sizeof text);
    const char *p = text;
    size_t len = (size_t)n;
    if (f->group) len = group_digits(text, len, f->group, 3, grouped), p = grouped;
    const tv_str *s = sh_ts_copy(b->r, p, len, false);
    if (s) put_field(b, f, sign_of(f, signbit(v) && !isnan(v)), s, '>');
    return b->r->rc;
}

static int put_char(tmpl_buf *b, const spec *f, int64_t i)
{
    char enc[4];
    if (i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000))
        return sh_tmpl_type_error(b->r, "%%c arg not in range(0x110000)");
    const tv_str *s = sh_ts_copy(b->r, enc, sh_utf8_encode((uint32_t)i, enc), false);
    if (s) put_field(b, f, "", s, '<');
    return b->r->rc;
}

/* --- the % operator --- */

typedef struct percent {
    const tv_str *fmt;
    size_t i;
    const tv *items; /* the tuple, or the one value */
    size_t n_items, i_item;
    tv mapping; /* for %(name)s */
} percent;

static int next_item(tmpl_run *r, percent *p, tv *out)
{
    if (p->i_item >= p->n_items) return sh_tmpl_type_error(r, "not enough arguments for format string");
    *out = p->items[p->i_item++];
    return SH_OK;
}

/* An argument for `*`, or digits. */
static int number_or_star(tmpl_run *r, percent *p, int max, int *out)
{
    tv v;
    int64_t i;
    sh_str s = sh_ts_str(p->fmt);
    if (p->i >= s.n || s.p[p->i] != '*') {
        *out = read_number(s, &p->i, max);
        return *out == -2 ? sh_tmpl_limit(r, "width or precision", (unsigned)max) : SH_OK;
    }
    p->i++;
    int rc = next_item(r, p, &v);
    if (rc < 0) return rc;
    if (!tv_to_int(v, &i)) return sh_tmpl_type_error(r, "* wants int");
    if (i < -max || i > max) return sh_tmpl_limit(r, "width or precision", (unsigned)max);
    *out = (int)i;
    return SH_OK;
}

static int percent_name(tmpl_run *r, percent *p, tv *out)
{
    sh_str s = sh_ts_str(p->fmt);
    size_t begin = ++p->i;
    for (int depth = 1; p->i < s.n; p->i++) {
        depth += s.p[p->i] == '(' ? 1 : s.p[p->i] == ')' ? -1 : 0;
        if (depth == 0) break;
    }
    if (p->i >= s.n) return sh_tmpl_type_error(r, "incomplete format key");
    sh_str key = {s.p + begin, p->i - begin};
    p->i++;
    if (p->mapping.kind != TV_DICT) return sh_tmpl_type_error(r, "format requires a mapping");
    *out = sh_dict_get_str(p->mapping.d, key);
    return out->kind ? SH_OK
                     : sh_tmpl_type_error(r, "KeyError: '%.*s'", key.n > 100 ? 100 : (int)key.n, key.p);
}

static int percent_flags(tmpl_run *r, percent *p, spec *f)
{
    sh_str s = sh_ts_str(p->fmt);
    for (; p->i < s.n; p->i++) {
        char c = s.p[p->i];
        if (c == '-')
            f->align = '<';
        else if (c == '+')
            f->sign = '+';
        else if (c == ' ')
            f->sign = f->sign ? f->sign : ' ';
        else if (c == '#')
            f->alt = true;
        else if (c == '0')
            f->zero = true;
        else
            break;
    }
    int rc = number_or_star(r, p, MAX_WIDTH, &f->width);
    if (rc < 0) return rc;
    if (f->width < -1) f->align = '<', f->width = -f->width;
    if (p->i < s.n && s.p[p->i] == '.') {
        p->i++;
        if ((rc = number_or_star(r, p, MAX_PRECISION, &f->precision)) < 0) return rc;
        if (f->precision < 0) f->precision = 0;
    }
    while (p->i < s.n && strchr("hlL", s.p[p->i]) && s.p[p->i]) p->i++;
    if (f->align == '<') f->zero = false;
    return SH_OK;
}

static int percent_value(tmpl_buf *b, spec *f, char c, tv v)
{
    tmpl_buf text = {.r = b->r};
    tv s;
    int64_t i;
    int rc;
    f->type = c;
    switch (c) {
    case 's':
    case 'r':
    case 'a':
        if (c == 's')
            sh_tb_str(&text, v);
        else
            sh_tb_repr(&text, v);
        if ((rc = sh_tb_done(&text, &s)) < 0) return rc;
        f->sign = 0;
        f->zero = false;
        if (!f->align) f->align = '>';
        return put_text(b, f, s.s);
    case 'c':
        if (!f->align) f->align = '>';
        if (tv_to_int(v, &i)) return put_char(b, f, i);
        if (v.kind == TV_STR && sh_ts_len(v.s) == 1) return f->zero = false, put_text(b, f, v.s);
        return sh_tmpl_type_error(b->r, "%%c requires int or char");
    case 'd':
    case 'i':
    case 'u':
        f->type = 'd';
        if (v.kind == TV_FLOAT && fabs(v.f) < 9.2e18) v = tv_int((int64_t)v.f);
        if (tv_to_int(v, &i)) return put_int(b, f, i);
        return sh_tmpl_type_error(b->r, "%%%c format: a real number is required, not %s", c,
                                  sh_tv_type_name(v));
    case 'x':
    case 'X':
    case 'o':
        if (tv_to_int(v, &i)) return put_int(b, f, i);
        return sh_tmpl_type_error(b->r, "%%%c format: an integer is required, not %s", c, sh_tv_type_name(v));
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (tv_is_number(v)) return put_float(b, f, tv_to_double(v));
        return sh_tmpl_type_error(b->r, "must be real number, not %s", sh_tv_type_name(v));
    default: return sh_tmpl_type_error(b->r, "unsupported format character in a %% format");
    }
}

int sh_tmpl_percent(tmpl_run *r, const tv_str *fmt, tv args, tv *out)
{
    tmpl_buf b = {.r = r};
    percent p = {.fmt = fmt, .items = &args, .n_items = 1, .mapping = args};
    int rc = SH_OK;
    if (tv_is_tuple(args)) p.items = args.seq->items, p.n_items = args.seq->n;
    while (rc == SH_OK && p.i < fmt->n) {
        const char *mark = memchr(fmt->p + p.i, '%', fmt->n - p.i);
        size_t at = mark ? (size_t)(mark - fmt->p) : fmt->n;
        spec f = {.width = -1, .precision = -1};
        tv v = {0};
        sh_tb_sub(&b, fmt, p.i, at);
        p.i = at + 1;
        if (!mark) break;
        if (p.i >= fmt->n) return sh_tmpl_type_error(r, "incomplete format");
        if (fmt->p[p.i] == '(' && (rc = percent_name(r, &p, &v)) < 0) break;
        if ((rc = percent_flags(r, &p, &f)) < 0) break;
        if (p.i >= fmt->n) return sh_tmpl_type_error(r, "incomplete format");
        char c = fmt->p[p.i++];
        if (c == '%') {
            sh_tb_puts(&b, "%");
            continue;
        }
        if (!v.kind && (rc = next_item(r, &p, &v)) < 0) break;
        rc = percent_value(&b, &f, c, v);
    }
    if (rc < 0) return rc;
    if (p.i_item < p.n_items && (tv_is_tuple(args) || args.kind != TV_DICT) && !tv_is_list(args))
        return sh_tmpl_type_error(r, "not all arguments converted during string formatting");
    return sh_tb_done(&b, out);
}

/* --- str.format --- */

static int parse_spec(tmpl_run *r, sh_str s, spec *f)
{
    size_t i = 0, k = 0;
    uint32_t cp;
    bool ok;
    *f = (spec){.width = -1, .precision = -1};
    if (s.n) k = sh_utf8_decode(s.p, s.n, &cp, &ok);
    if (k < s.n && strchr("<>=^", s.p[k]) && s.p[k])
        f->fill = (sh_str){s.p, k}, f->align = s.p[k], i = k + 1;
    else if (s.n && s.p[0] && strchr("<>=^", s.p[0]))
        f->align = s.p[0], i = 1;
    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-' || s.p[i] == ' ')) f->sign = s.p[i++];
    if (i < s.n && s.p[i] == '#') f->alt = true, i++;
    if (i < s.n && s.p[i] == '0') f->zero = true, i++;
    if ((f->width = read_number(s, &i, MAX_WIDTH)) == -2) return sh_tmpl_limit(r, "width", MAX_WIDTH);
    if (i < s.n && (s.p[i] == ',' || s.p[i] == '_')) f->group = s.p[i++];
    if (i < s.n && s.p[i] == '.') {
        i++;
        if ((f->precision = read_number(s, &i, MAX_PRECISION)) == -2)
            return sh_tmpl_limit(r, "precision", MAX_PRECISION);
        if (f->precision == -1) return sh_tmpl_type_error(r, "Format specifier missing precision");
    }
    if (i < s.n) f->type = s.p[i++];
    return i == s.n ? SH_OK : sh_tmpl_type_error(r, "Invalid format specifier");
}

static int put_formatted(tmpl_buf *b, tv v, sh_str text)
{
    spec f;
    int64_t i;
    int rc;
    if (text.n == 0) return sh_tb_str(b, v), b->r->rc;
    if ((rc = parse_spec(b->r, text, &f)) < 0) return rc;
    if (v.kind == TV_STR && (f.type == 0 || f.type == 's')) return put_text(b, &f, v.s);
    bool floating = f.type && strchr("eEfFgG%n", f.type);
    if (v.kind == TV_FLOAT && (f.type == 0 || floating)) return put_float(b, &f, v.f);
    if (tv_to_int(v, &i)) {
        if (floating && f.type != 'n') return put_float(b, &f, (double)i);
        if (f.type == 'c') return put_char(b, &f, i);
        if (f.precision >= 0)
            return sh_tmpl_type_error(b->r, "Precision not allowed in integer format specifier");
        if (f.type == 'n') f.type = 'd';
        if (f.type == 0 || strchr("dxXob", f.type)) return put_int(b, &f, i);
    }
    if (v.kind != TV_STR && !tv_is_number(v))
        return sh_tmpl_type_error(b->r, "unsupported format string passed to %s.__format__",
                                  sh_tv_type_name(v));
    return sh_tmpl_type_error(b->r, "Unknown format code for object of type '%s'", sh_tv_type_name(v));
}

typedef struct formatter {
    tmpl_run *r;
    const tmpl_argv *args;
    int64_t i_auto; /* the next {} */
} formatter;

static int first_field(formatter *f, sh_str name, tv *out)
{
    int64_t i;
    if (name.n == 0) {
        i = f->i_auto++;
    } else if (sh_str_to_int(name, 10, &i) < 0) {
        for (size_t k = 0; k < f->args->n_kw; k++) {
            if (!sh_str_eq(f->args->kw[k].name, name)) continue;
            *out = f->args->kw[k].value;
            return SH_OK;
        }
        return sh_tmpl_type_error(f->r, "KeyError: '%.*s'", name.n > 100 ? 100 : (int)name.n, name.p);
    }
    if (i < 0 || (size_t)i >= f->args->n_pos)
        return sh_tmpl_type_error(f->r, "Replacement index %lld out of range for positional args tuple",
                                  (long long)i);
    *out = f->args->pos[i];
    return SH_OK;
}

/* name(.attr | [key])* */
static int resolve_field(formatter *f, sh_str field, tv *out)
{
    size_t i = 0;
    while (i < field.n && field.p[i] != '.' && field.p[i] != '[') i++;
    int rc = first_field(f, (sh_str){field.p, i}, out);
    while (rc == SH_OK && i < field.n) {
        bool is_item = field.p[i] == '[';
        size_t begin = ++i;
        int64_t index;
        while (i < field.n && (is_item ? field.p[i] != ']' : field.p[i] != '.' && field.p[i] != '[')) i++;
        if (i == begin || (is_item && i == field.n))
            return sh_tmpl_type_error(f->r, "Empty attribute in format string");
        const tv_str *s = sh_ts_new(f->r, field.p + begin, i - begin, false);
        if (!s) return f->r->rc;
        tv key = is_item && sh_str_to_int(sh_ts_str(s), 10, &index) == SH_OK ? tv_int(index) : tv_of(s);
        rc = is_item ? sh_tv_getitem(f->r, *out, key, out) : sh_tv_getattr(f->r, *out, key, out);
        i += is_item;
    }
    return rc;
}

/* Fields inside a spec ("{:>{w}}") are replaced first; one level, as Python allows. */
static int expand_spec(formatter *f, sh_str text, sh_str *out)
{
    tmpl_buf b = {.r = f->r};
    tv v;
    if (!memchr(text.p, '{', text.n)) {
        *out = text;
        return SH_OK;
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '{') {
            sh_tb_add(&b, text.p + i, 1, false);
            continue;
        }
        size_t end = i;
        while (end < text.n && text.p[end] != '}') end++;
        if (end == text.n) return sh_tmpl_type_error(f->r, "expected '}' before end of string");
        int rc = resolve_field(f, (sh_str){text.p + i + 1, end - i - 1}, &v);
        if (rc < 0) return rc;
        sh_tb_str(&b, v);
        i = end;
    }
    int rc = sh_tb_done(&b, &v);
    if (rc == SH_OK) *out = sh_ts_str(v.s);
    return rc;
}

/* The inside of one {...}. */
static int put_replacement(formatter *f, tmpl_buf *b, sh_str inside)
{
    size_t n = 0;
    char conversion = 0;
    tv v;
    sh_str text = {"", 0};
    for (bool bracket = false; n < inside.n && (bracket || (inside.p[n] != '!' && inside.p[n] != ':')); n++)
        bracket = inside.p[n] == '[' || (bracket && inside.p[n] != ']');
    sh_str field = {inside.p, n};
    if (n < inside.n && inside.p[n] == '!') {
        if (n + 1 >= inside.n)
            return sh_tmpl_type_error(f->r, "end of string while looking for conversion specifier");
        conversion = inside.p[n + 1];
        n += 2;
    }
    if (n < inside.n && inside.p[n] != ':')
        return sh_tmpl_type_error(f->r, "expected ':' after conversion specifier");
    if (n < inside.n) text = (sh_str){inside.p + n + 1, inside.n - n - 1};
    int rc = resolve_field(f, field, &v);
    if (rc < 0 || (rc = expand_spec(f, text, &text)) < 0) return rc;
    if (conversion == 'r' || conversion == 's' || conversion == 'a') {
        tmpl_buf t = {.r = f->r};
        if (conversion == 's')
            sh_tb_str(&t, v);
        else
            sh_tb_repr(&t, v);
        if ((rc = sh_tb_done(&t, &v)) < 0) return rc;
    } else if (conversion) {
        return sh_tmpl_type_error(f->r, "Unknown conversion specifier '%c'", conversion);
    }
    return put_formatted(b, v, text);
}

int sh_tmpl_format(tmpl_run *r, const tv_str *fmt, const tmpl_argv *args, tv *out)
{
    tmpl_buf b = {.r = r};
    formatter f = {r, args, 0};
    const char *p = fmt->p;
    for (size_t i = 0; i < fmt->n; i++) {
        bool twice = i + 1 < fmt->n && p[i + 1] == p[i];
        if (p[i] != '{' && p[i] != '}') {
            size_t begin = i;
            while (i + 1 < fmt->n && p[i + 1] != '{' && p[i + 1] != '}') i++;
            sh_tb_sub(&b, fmt, begin, i + 1);
        } else if (twice) {
            sh_tb_sub(&b, fmt, i, i + 1);
            i++;
        } else if (p[i] == '}') {
            return sh_tmpl_type_error(r, "Single '}' encountered in format string");
        } else {
            size_t begin = ++i;
            for (int depth = 1; i < fmt->n; i++) {
                depth += p[i] == '{' ? 1 : p[i] == '}' ? -1 : 0;
                if (depth == 0) break;
            }
            if (i >= fmt->n) return sh_tmpl_type_error(r, "expected '}' before end of string");
            int rc = put_replacement(&f, &b, (sh_str){p + begin, i - begin});
            if (rc < 0) return rc;
        }
    }
    return sh_tb_done(&b, out);
}
