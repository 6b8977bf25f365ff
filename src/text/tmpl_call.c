/* tmpl_call.c - calls: binding arguments to the parameters of builtins, and the global functions. */
#include "text/tmpl_run.h"

#include <stdio.h>
#include <time.h>

/* Position of the next parameter name in *p; false at the end. */
static bool next_param(const char **p, sh_str *name)
{
    while (**p == ' ') ++*p;
    if (!**p) return false;
    size_t n = strcspn(*p, " ");
    *name = (sh_str){*p, n};
    *p += n;
    return true;
}

static int bind(tmpl_run *r, const tmpl_builtin *b, const tmpl_argv *raw, tv a[TMPL_MAX_PARAMS])
{
    sh_str name;
    size_t n = 0, used = 0;
    for (const char *p = b->params; next_param(&p, &name); n++) {
        if (n < raw->n_pos) a[n] = raw->pos[n];
        for (size_t k = 0; k < raw->n_kw; k++) {
            if (!sh_str_eq(raw->kw[k].name, name)) continue;
            if (a[n].kind)
                return sh_tmpl_type_error(r, "%s() got multiple values for argument '%.*s'", b->name,
                                          (int)name.n, name.p);
            a[n] = raw->kw[k].value;
            used++;
        }
        if (n < b->n_required && !a[n].kind)
            return sh_tmpl_type_error(r, "%s() missing a required argument: '%.*s'", b->name, (int)name.n,
                                      name.p);
    }
    if (raw->n_pos > n)
        return sh_tmpl_type_error(r, "%s() takes at most %zu argument(s), %zu given", b->name, n, raw->n_pos);
    if (used < raw->n_kw) return sh_tmpl_type_error(r, "%s() got an unexpected keyword argument", b->name);
    return SH_OK;
}

int sh_tmpl_call_builtin(tmpl_run *r, const tmpl_builtin *b, tv self, const tmpl_argv *raw, tv *out)
{
    tv a[TMPL_MAX_PARAMS] = {{0}};
    int rc = b->params[0] == '*' ? SH_OK : bind(r, b, raw, a);
    return rc < 0 ? rc : b->fn(r, self, a, raw, out);
}

int sh_tmpl_call(tmpl_run *r, tv callee, const tmpl_argv *args, tv *out)
{
    switch (callee.kind) {
    case TV_UNDEF: return sh_tmpl_undefined(r, callee);
    case TV_FUNC: return sh_tmpl_call_builtin(r, callee.fn->b, callee.fn->self, args, out);
    case TV_MACRO: return sh_tmpl_call_macro(r, callee.macro, args, out);
    case TV_LOOP: return sh_tmpl_call_loop(r, callee.loop, args, out);
    case TV_JOINER: *out = callee.cycler->i++ ? callee.cycler->items[0] : sh_tv_lit(r, ""); return r->rc;
    default: return sh_tmpl_type_error(r, "'%s' object is not callable", sh_tv_type_name(callee));
    }
}

/* --- global functions --- */

static int raise_exception(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    const tv_str *s;
    (void)self, (void)raw, (void)out;
    int rc = sh_tv_str(r, a[0], &s);
    if (rc < 0) return rc;
    return sh_tmpl_raise(r, SH_TEMPLATE_RAISED, "%.*s", s->n > 4096 ? 4096 : (int)s->n, s->p);
}

static int call_range(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    enum { MAX_RANGE = 100000 };
    int64_t v[3] = {0, 0, 1}, first;
    (void)self;
    for (int i = 0; i < 3; i++)
        if (a[i].kind && !tv_to_int(a[i], &v[i]))
            return sh_tmpl_type_error(r, "'%s' object cannot be interpreted as an integer",
                                      sh_tv_type_name(a[i]));
    if (raw->n_pos == 1) v[1] = v[0], v[0] = 0;
    if (v[2] == 0) return sh_tmpl_type_error(r, "range() arg 3 must not be zero");
    uint64_t width = v[2] > 0 ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t stride = v[2] > 0 ? (uint64_t)v[2] : -(uint64_t)v[2], n = 0;
    if (v[2] > 0 ? v[1] > v[0] : v[1] < v[0]) n = (width - 1) / stride + 1;
    first = v[0];
    if (n > MAX_RANGE)
        return sh_tmpl_type_error(r, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                                  MAX_RANGE);
    int rc = sh_tv_list_of(r, NULL, (size_t)n, SEQ_RANGE, out);
    if (rc < 0) return rc;
    out->seq->items = NULL;
    out->seq->start = first;
    out->seq->stop = v[1];
    out->seq->step = v[2];
    return SH_OK;
}

/* dict(mapping or pairs, name=value ...) */
static int make_dict(tmpl_run *r, const tmpl_argv *raw, tv_dict **out)
{
    tv_dict *d = sh_dict_new(r, raw->n_kw);
    const tv *pairs, *two;
    size_t n, k;
    int rc;
    if (!d) return r->rc;
    if (raw->n_pos > 1) return sh_tmpl_type_error(r, "dict expected at most 1 argument, got %zu", raw->n_pos);
    if (raw->n_pos == 1 && raw->pos[0].kind == TV_DICT) {
        const tv_dict *from = raw->pos[0].d;
        for (uint32_t i = 0; i < from->n; i++)
            if ((rc = sh_dict_set(r, d, from->keys[i], from->vals[i])) < 0) return rc;
    } else if (raw->n_pos == 1) {
        if ((rc = sh_tv_items(r, raw->pos[0], &pairs, &n)) < 0) return rc;
        for (size_t i = 0; i < n; i++) {
            if ((rc = sh_tv_items(r, pairs[i], &two, &k)) < 0) return rc;
            if (k != 2)
                return sh_tmpl_type_error(
                    r, "dictionary update sequence element #%zu has length %zu; 2 is required", i, k);
            if ((rc = sh_dict_set(r, d, two[0], two[1])) < 0) return rc;
        }
    }
    for (size_t i = 0; i < raw->n_kw; i++) {
        const tv_str *name = sh_ts_new(r, raw->kw[i].name.p, raw->kw[i].name.n, false);
        if (!name || (rc = sh_dict_set(r, d, tv_of(name), raw->kw[i].value)) < 0) return r->rc;
    }
    *out = d;
    return SH_OK;
}

static int call_dict(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    tv_dict *d = NULL;
    (void)self, (void)a;
    int rc = make_dict(r, raw, &d);
    if (rc == SH_OK) *out = (tv){.kind = TV_DICT, .d = d};
    return rc;
}

static int call_namespace(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    int rc = call_dict(r, self, a, raw, out);
    if (rc == SH_OK) out->kind = TV_NS;
    return rc;
}

static int call_cycler(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    (void)self, (void)a;
    if (raw->n_pos == 0 || raw->n_kw) return sh_tmpl_type_error(r, "at least one item has to be provided");
    tv_cycler *c = sh_tmpl_alloc(r, 1, sizeof *c);
    if (!c) return r->rc;
    *c = (tv_cycler){.items = raw->pos, .n = raw->n_pos};
    *out = (tv){.kind = TV_CYCLER, .cycler = c};
    return SH_OK;
}

static int call_joiner(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    tv *sep = sh_tmpl_alloc(r, 1, sizeof *sep);
    tv_cycler *c = sh_tmpl_alloc(r, 1, sizeof *c);
    (void)self, (void)raw;
    if (!c) return r->rc;
    *sep = a[0].kind ? a[0] : sh_tv_lit(r, ", ");
    *c = (tv_cycler){.items = sep, .n = 1};
    *out = (tv){.kind = TV_JOINER, .cycler = c};
    return r->rc;
}

/* Days since 1970 to a civil date (proleptic Gregorian), then the fields that strftime reads. The C library's
 * own conversions are not used: they know time zones and locales. */
static void civil_time(int64_t t, struct tm *tm)
{
    int64_t days = t / 86400, secs = t % 86400;
    if (secs < 0) secs += 86400, days--;
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *tm = (struct tm){
        .tm_sec = (int)(secs % 60), .tm_min = (int)(secs / 60 % 60), .tm_hour = (int)(secs / 3600)};
    tm->tm_mday = (int)(doy - (153 * mp + 2) / 5 + 1);
    tm->tm_mon = (int)month - 1;
    tm->tm_year = (int)(year - 1900);
    tm->tm_wday = (int)((days % 7 + 11) % 7);
    tm->tm_yday = (int)(month > 2 ? doy + 59 + leap : doy - 306);
}

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

static void put_number(tmpl_buf *b, int v, int width, bool pad)
{
    char text[16];
    sh_tb_add(b, text, (size_t)snprintf(text, sizeof text, "%0*d", pad ? width : 1, v), false);
}

static void put_time(tmpl_buf *b, const struct tm *tm, int64_t t, char c, bool pad);

static void put_times(tmpl_buf *b, const struct tm *tm, int64_t t, const char *fmt)
{
    for (; *fmt; fmt++)
        if (*fmt == '%')
            put_time(b, tm, t, *++fmt, true);
        else
            sh_tb_add(b, fmt, 1, false);
}

static void put_time(tmpl_buf *b, const struct tm *tm, int64_t t, char c, bool pad)
{
    int hour12 = tm->tm_hour % 12 ? tm->tm_hour % 12 : 12;
    switch (c) {
    case 'd': put_number(b, tm->tm_mday, 2, pad); break;
    case 'e': sh_tb_puts(b, pad && tm->tm_mday < 10 ? " " : ""), put_number(b, tm->tm_mday, 1, false); break;
    case 'm': put_number(b, tm->tm_mon + 1, 2, pad); break;
    case 'Y': put_number(b, tm->tm_year + 1900, 4, false); break;
    case 'y': put_number(b, (tm->tm_year + 1900) % 100, 2, pad); break;
    case 'H': put_number(b, tm->tm_hour, 2, pad); break;
    case 'I': put_number(b, hour12, 2, pad); break;
    case 'M': put_number(b, tm->tm_min, 2, pad); break;
    case 'S': put_number(b, tm->tm_sec, 2, pad); break;
    case 'f': sh_tb_puts(b, "000000"); break;
    case 'j': put_number(b, tm->tm_yday + 1, 3, pad); break;
    case 'p': sh_tb_puts(b, tm->tm_hour < 12 ? "AM" : "PM"); break;
    case 'w': put_number(b, tm->tm_wday, 1, false); break;
    case 'u': put_number(b, tm->tm_wday ? tm->tm_wday : 7, 1, false); break;
    case 'U': put_number(b, (tm->tm_yday + 7 - tm->tm_wday) / 7, 2, pad); break;
    case 'W': put_number(b, (tm->tm_yday + 7 - (tm->tm_wday + 6) % 7) / 7, 2, pad); break;
    case 'A': sh_tb_puts(b, day_names[tm->tm_wday]); break;
    case 'a': sh_tb_add(b, day_names[tm->tm_wday], 3, false); break;
    case 'B': sh_tb_puts(b, month_names[tm->tm_mon]); break;
    case 'b':
    case 'h': sh_tb_add(b, month_names[tm->tm_mon], 3, false); break;
    case 's': sh_tb_int(b, t); break;
    case 'F': put_times(b, tm, t, "%Y-%m-%d"); break;
    case 'T': put_times(b, tm, t, "%H:%M:%S"); break;
    case 'R': put_times(b, tm, t, "%H:%M"); break;
    case 'D':
    case 'x': put_times(b, tm, t, "%m/%d/%y"); break;
    case 'X': put_times(b, tm, t, "%H:%M:%S"); break;
    case 'r': put_times(b, tm, t, "%I:%M:%S %p"); break;
    case 'c': put_times(b, tm, t, "%a %b %e %H:%M:%S %Y"); break;
    case 'n': sh_tb_puts(b, "\n"); break;
    case 't': sh_tb_puts(b, "\t"); break;
    case 'Z':
    case 'z': break; /* a naive datetime has no zone */
    default:
        if (c != '%') sh_tb_puts(b, "%");
        sh_tb_add(b, &c, 1, false);
    }
}

static int strftime_now(tmpl_run *r, tv self, const tv *a, const tmpl_argv *raw, tv *out)
{
    tmpl_buf b = {.r = r};
    struct tm tm;
    (void)self, (void)raw;
    if (a[0].kind != TV_STR) return sh_tmpl_type_error(r, "strftime_now() takes a format string");
    civil_time(r->now_unix, &tm);
    const tv_str *s = a[0].s;
    for (size_t i = 0; i < s->n; i++) {
        bool pad = true;
        if (s->p[i] != '%' || i + 1 == s->n) {
            sh_tb_add(&b, s->p + i, 1, false);
            continue;
        }
        if (s->p[++i] == '-' && i + 1 < s->n) pad = false, i++;
        put_time(&b, &tm, r->now_unix, s->p[i], pad);
    }
    return sh_tb_done(&b, out);
}

const tmpl_builtin *sh_tmpl_find_global(sh_str name)
{
    static const tmpl_builtin table[] = {
        {"raise_exception", raise_exception, "message", 1},
        {"strftime_now", strftime_now, "format", 1},
        {"range", call_range, "start stop step", 1},
        {"dict", call_dict, "*", 0},
        {"namespace", call_namespace, "*", 0},
        {"cycler", call_cycler, "*", 0},
        {"joiner", call_joiner, "sep", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (sh_str_is(name, table[i].name)) return &table[i];
    return NULL;
}
