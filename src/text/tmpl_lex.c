/* tmpl_lex.c - template source to tokens.
 *
 * Outside tags everything is text. Whitespace around tags is settled here, as jinja2 does with trim_blocks
 * and lstrip_blocks on: one newline after a block tag or comment goes; blanks before one that starts its line
 * go; `-` takes all whitespace on its side and `+` keeps it. Inside a tag, `%}` and `}}` end it only outside
 * brackets. */
#include "text/tmpl_ast.h"

#include "base/utf8.h"

typedef struct lexer {
    sh_arena *arena;
    const char *src;
    size_t n, pos;
    size_t line_pos; /* newlines before this offset are counted in line */
    uint32_t line;
    bool line_starting; /* the last tag ended with a newline, or nothing came before */
    tmpl_token *tok;
    size_t n_tok, cap_tok;
    sh_err *err;
} lexer;

enum { MAX_BRACKETS = 256 };

static uint32_t line_at(lexer *x, size_t pos)
{
    for (; x->line_pos < pos; x->line_pos++) x->line += x->src[x->line_pos] == '\n';
    return x->line;
}

static tmpl_token *push(lexer *x, enum tmpl_token_kind kind, size_t begin, size_t end)
{
    if (x->n_tok == x->cap_tok) {
        size_t cap = x->cap_tok ? x->cap_tok * 2 : 256;
        tmpl_token *tok = sh_arena_alloc(x->arena, cap, sizeof *tok);
        if (!tok) return NULL;
        if (x->n_tok) memcpy(tok, x->tok, x->n_tok * sizeof *tok);
        x->tok = tok;
        x->cap_tok = cap;
    }
    tmpl_token *t = &x->tok[x->n_tok++];
    *t = (tmpl_token){.kind = kind, .line = line_at(x, begin), .text = {x->src + begin, end - begin}};
    return t;
}

static int push_rc(lexer *x, enum tmpl_token_kind kind, size_t begin, size_t end)
{
    return push(x, kind, begin, end) ? SH_OK : sh_fail_nomem(x->err, sizeof(tmpl_token));
}

#define lex_fail(x, pos, ...) lex_fail_at(x, line_at(x, pos), __VA_ARGS__)
static int lex_fail_at(lexer *x, uint32_t line, const char *what)
{
    return sh_fail(x->err, SH_E_CORRUPT, "template: line %u: %s", line, what);
}

static char at(const lexer *x, size_t i) { return i < x->n ? x->src[i] : 0; }
static bool looking_at(const lexer *x, size_t i, const char *s)
{
    size_t n = strlen(s);
    return i <= x->n && x->n - i >= n && memcmp(x->src + i, s, n) == 0;
}

static size_t skip_space(const lexer *x, size_t i)
{
    while (i < x->n) {
        uint32_t cp;
        bool ok;
        size_t k = sh_utf8_decode(x->src + i, x->n - i, &cp, &ok);
        if (!sh_cp_is_space(cp)) break;
        i += k;
    }
    return i;
}

static size_t rskip_space(const lexer *x, size_t begin, size_t end)
{
    while (end > begin) {
        size_t i = end - 1;
        while (i > begin && ((unsigned char)x->src[i] & 0xc0) == 0x80) i--;
        uint32_t cp;
        bool ok;
        sh_utf8_decode(x->src + i, end - i, &cp, &ok);
        if (!sh_cp_is_space(cp)) break;
        end = i;
    }
    return end;
}

/* The end of a tag whose closing mark is `close` ("%}", "#}"): 0 when there is none at i, else the offset
 * behind it and behind the whitespace that it takes. */
static size_t tag_end(const lexer *x, size_t i, const char *close, bool is_variable)
{
    if (at(x, i) == '-' && looking_at(x, i + 1, close)) return skip_space(x, i + 3);
    if (!is_variable && at(x, i) == '+' && looking_at(x, i + 1, close)) return i + 3;
    if (!looking_at(x, i, close)) return 0;
    return i + 2 + (!is_variable && at(x, i + 2) == '\n');
}

/* Text [begin, end) before a tag that opens at `end` with the given sign. */
static int push_text(lexer *x, size_t begin, size_t end, char sign, bool is_variable)
{
    if (sign == '-') {
        end = rskip_space(x, begin, end);
    } else if (sign != '+' && !is_variable) {
        size_t l = end;
        while (l > begin && x->src[l - 1] != '\n') l--;
        if ((l > begin || x->line_starting) && skip_space(x, l) >= end) end = l;
    }
    return end > begin ? push_rc(x, TOK_TEXT, begin, end) : SH_OK;
}

static size_t sign_len(const lexer *x, size_t i) { return at(x, i) == '-' || at(x, i) == '+'; }

/* `{% raw %}` at i: the offset behind it, else 0. */
static size_t raw_begin(const lexer *x, size_t i)
{
    i = skip_space(x, i + 2 + sign_len(x, i + 2));
    if (!looking_at(x, i, "raw")) return 0;
    i = skip_space(x, i + 3);
    if (looking_at(x, i, "-%}")) return skip_space(x, i + 3);
    return looking_at(x, i, "%}") ? i + 2 : 0;
}

static int lex_raw(lexer *x, size_t open)
{
    size_t begin = x->pos;
    x->line_starting = at(x, begin - 1) == '\n';
    for (size_t i = begin; i + 1 < x->n; i++) {
        if (x->src[i] != '{' || x->src[i + 1] != '%') continue;
        size_t j = skip_space(x, i + 2 + sign_len(x, i + 2)), end;
        if (!looking_at(x, j, "endraw")) continue;
        if (!(end = tag_end(x, skip_space(x, j + 6), "%}", false))) continue;
        int rc = push_text(x, begin, i, at(x, i + 2), false);
        x->pos = end;
        x->line_starting = at(x, end - 1) == '\n';
        return rc;
    }
    return lex_fail(x, open, "a raw block that is never closed: {% endraw %} is missing");
}

static int lex_comment(lexer *x, size_t open)
{
    for (size_t i = x->pos; i + 1 < x->n; i++) {
        size_t end = tag_end(x, i, "#}", false);
        if (!end) continue;
        x->pos = end;
        x->line_starting = at(x, end - 1) == '\n';
        return SH_OK;
    }
    return lex_fail(x, open, "a comment that is never closed: #} is missing");
}

/* --- inside tags --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
    return -1;
}

/* \xNN, \uNNNN, \UNNNNNNNN: digits at p[0..n_digits). */
static size_t hex_escape(const char *p, const char *end, int n_digits, char *out)
{
    uint32_t v = 0;
    if (end - p < n_digits) return 0;
    for (int i = 0; i < n_digits; i++) {
        int d = hex_value(p[i]);
        if (d < 0) return 0;
        v = v << 4 | (uint32_t)d;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return 0;
    return sh_utf8_encode(v, out);
}

/* One backslash escape at p (behind the backslash). Returns bytes read, 0 when it is malformed; sets *n_out.
 */
static size_t unescape(const char *p, const char *end, char *out, size_t *n_out)
{
    static const char from[] = "ntr\\'\"abfv", to[] = "\n\t\r\\'\"\a\b\f\v";
    const char *hit = *p ? strchr(from, *p) : NULL;
    if (hit) {
        out[0] = to[hit - from];
        *n_out = 1;
        return 1;
    }
    if (*p == '\n') {
        *n_out = 0;
        return 1;
    }
    if (*p == 'x' || *p == 'u' || *p == 'U') {
        int digits = *p == 'x' ? 2 : *p == 'u' ? 4 : 8;
        *n_out = hex_escape(p + 1, end, digits, out);
        return *n_out ? 1 + (size_t)digits : 0;
    }
    if (*p >= '0' && *p <= '7') {
        uint32_t v = 0;
        size_t k = 0;
        while (k < 3 && p + k < end && p[k] >= '0' && p[k] <= '7') v = v * 8 + (uint32_t)(p[k++] - '0');
        *n_out = sh_utf8_encode(v, out);
        return k;
    }
    if (*p == 'N') return 0; /* \N{name}: names of characters are not carried */
    out[0] = '\\';           /* an unknown escape stays as it is */
    *n_out = 1;
    return SIZE_MAX;
}

static int lex_string(lexer *x)
{
    size_t begin = x->pos, i = begin + 1, n = 0;
    char quote = x->src[begin];
    while (i < x->n && x->src[i] != quote) i += x->src[i] == '\\' ? 2 : 1;
    if (i >= x->n) return lex_fail(x, begin, "a string that is never closed");
    const char *p = x->src + begin + 1, *end = x->src + i;
    char *out = sh_arena_alloc(x->arena, i - begin, 1);
    if (!out) return sh_fail_nomem(x->err, i - begin);
    while (p < end) {
        if (*p != '\\') {
            out[n++] = *p++;
            continue;
        }
        char enc[4];
        size_t k = 0, used = unescape(++p, end, enc, &k);
        if (!used) return lex_fail(x, (size_t)(p - x->src), "a malformed backslash escape in a string");
        memcpy(out + n, enc, k); /* an escape is never shorter than what it stands for */
        n += k;
        if (used != SIZE_MAX) p += used;
    }
    tmpl_token *t = push(x, TOK_STRING, begin, i);
    if (!t) return sh_fail_nomem(x->err, sizeof *t);
    t->text = (sh_str){out, n};
    x->pos = i + 1;
    return SH_OK;
}

static size_t digits_end(const lexer *x, size_t i)
{
    while ((at(x, i) >= '0' && at(x, i) <= '9') ||
           (at(x, i) == '_' && at(x, i + 1) >= '0' && at(x, i + 1) <= '9'))
        i++;
    return i;
}

/* End of the float literal at begin, or begin when it is an integer. */
static size_t float_end(const lexer *x, size_t begin)
{
    size_t i = digits_end(x, begin), end = begin;
    if (begin > 0 && x->src[begin - 1] == '.') return begin;
    if (at(x, i) == '.' && digits_end(x, i + 1) > i + 1) end = i = digits_end(x, i + 1);
    if ((at(x, i) | 32) == 'e') {
        size_t j = i + 1 + sign_len(x, i + 1);
        if (digits_end(x, j) > j) end = digits_end(x, j);
    }
    return end;
}

static int lex_number(lexer *x)
{
    size_t begin = x->pos, end = float_end(x, begin);
    tmpl_token *t;
    if (end > begin) {
        if (!(t = push(x, TOK_FLOAT, begin, end))) return sh_fail_nomem(x->err, sizeof *t);
        x->pos = end;
        return sh_str_to_float(t->text, &t->f) ? SH_OK : lex_fail(x, begin, "a malformed number");
    }
    int base = 10;
    end = digits_end(x, begin);
    if (at(x, begin) == '0' && strchr("xXoObB", at(x, begin + 1)) && begin + 1 < x->n) {
        base = 0;
        for (end = begin + 2; hex_value(at(x, end)) >= 0 || at(x, end) == '_';) end++;
    }
    if (!(t = push(x, TOK_INT, begin, end))) return sh_fail_nomem(x->err, sizeof *t);
    x->pos = end;
    int rc = sh_str_to_int(t->text, base, &t->i);
    if (rc == SH_E_RANGE) return lex_fail(x, begin, "an integer beyond 64 bits");
    return rc < 0 ? lex_fail(x, begin, "a malformed number") : SH_OK;
}

static bool is_name_byte(char c)
{
    return c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static int lex_name(lexer *x)
{
    size_t begin = x->pos, i = begin;
    while (i < x->n && is_name_byte(x->src[i])) {
        if ((unsigned char)x->src[i] >= 0x80 && skip_space(x, i) > i) break;
        i++;
    }
    x->pos = i;
    return push_rc(x, TOK_NAME, begin, i);
}

static int lex_operator(lexer *x, char *brackets, unsigned *depth)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    char c = x->src[x->pos];
    size_t n = 1;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (looking_at(x, x->pos, two[i])) n = 2;
    if (n == 1 && !strchr("+-/*%~[](){}><=.:|,;", c))
        return lex_fail(x, x->pos, "an unexpected character in a tag");
    if (c == '(' || c == '[' || c == '{') {
        if (*depth == MAX_BRACKETS) return lex_fail(x, x->pos, "brackets nested too deep");
        brackets[(*depth)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!*depth || brackets[--*depth] != c)
            return lex_fail(x, x->pos, "a closing bracket without its opening one");
    }
    x->pos += n;
    return push_rc(x, TOK_OP, x->pos - n, x->pos);
}

static int lex_tag(lexer *x, size_t open, bool is_variable)
{
    char brackets[MAX_BRACKETS];
    unsigned depth = 0;
    int rc = push_rc(x, is_variable ? TOK_VAR_BEGIN : TOK_BLOCK_BEGIN, open, open + 2);
    while (rc == SH_OK) {
        x->pos = skip_space(x, x->pos);
        if (x->pos >= x->n) return lex_fail(x, open, "a tag that is never closed");
        size_t end = depth ? 0 : tag_end(x, x->pos, is_variable ? "}}" : "%}", is_variable);
        if (end) {
            rc = push_rc(x, is_variable ? TOK_VAR_END : TOK_BLOCK_END, x->pos, x->pos + 2);
            x->pos = end;
            x->line_starting = x->src[end - 1] == '\n';
            return rc;
        }
        char c = x->src[x->pos];
        if (c >= '0' && c <= '9')
            rc = lex_number(x);
        else if (is_name_byte(c))
            rc = lex_name(x);
        else if (c == '"' || c == '\'')
            rc = lex_string(x);
        else
            rc = lex_operator(x, brackets, &depth);
    }
    return rc;
}

static size_t find_open(const lexer *x, size_t i)
{
    for (; i + 1 < x->n; i++) {
        const char *p = memchr(x->src + i, '{', x->n - 1 - i);
        if (!p) break;
        i = (size_t)(p - x->src);
        if (p[1] == '{' || p[1] == '%' || p[1] == '#') return i;
    }
    return x->n;
}

int sh_tmpl_lex(sh_arena *arena, const char *source, size_t n, tmpl_token **out, size_t *n_out, sh_err *err)
{
    lexer x = {.arena = arena, .src = source, .n = n, .line = 1, .line_starting = true, .err = err};
    int rc = SH_OK;
    while (rc == SH_OK && x.pos < n) {
        size_t open = find_open(&x, x.pos), raw;
        if (open == n) {
            rc = push_rc(&x, TOK_TEXT, x.pos, n);
            break;
        }
        char what = x.src[open + 1], sign = at(&x, open + 2);
        if ((rc = push_text(&x, x.pos, open, sign, what == '{')) < 0) break;
        x.pos = open + 2 + sign_len(&x, open + 2);
        if (what == '#') {
            rc = lex_comment(&x, open);
        } else if (what == '%' && (raw = raw_begin(&x, open))) {
            x.pos = raw;
            rc = lex_raw(&x, open);
        } else {
            rc = lex_tag(&x, open, what == '{');
        }
    }
    if (rc == SH_OK) rc = push_rc(&x, TOK_END, n, n);
    *out = x.tok;
    *n_out = x.n_tok;
    return rc;
}
