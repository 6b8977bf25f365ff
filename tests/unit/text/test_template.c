/* The engine's own promises: errors with lines, limits, provenance of text, conversations, shortage of
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fault.h"
#include "base/mem.h"
#include "text/chat_template.h"

typedef struct rendering {
    sh_buf out;
    sh_span *spans;
    size_t n_spans;
    enum sh_template_error kind;
    int rc;
    sh_err err;
} rendering;

static void rendering_clear(rendering *x)
{
    sh_buf_clear(&x->out);
    sh_free(x->spans);
    *x = (rendering){0};
}

static void render(rendering *x, const char *source, const char *vars, const sh_template_opts *opts)
{
    json_error_t why;
    sh_template *t = NULL;
    json_t *j = json_loads(vars, 0, &why);
    assert_non_null(j);
    *x = (rendering){0};
    x->rc = sh_template_open(&t, source, strlen(source), &x->err);
    if (x->rc == SH_OK)
        x->rc = sh_template_render(t, j, opts, &x->out, &x->spans, &x->n_spans, &x->kind, &x->err);
    sh_template_free(t);
    json_decref(j);
}

static void expect(const char *source, const char *vars, const char *want)
{
    rendering x;
    render(&x, source, vars, NULL);
    if (x.rc < 0) print_message("%s: %s\n", source, x.err.msg);
    assert_int_equal(x.rc, SH_OK);
    assert_int_equal(x.kind, SH_TEMPLATE_OK);
    assert_string_equal(sh_buf_str(&x.out).p, want);
    rendering_clear(&x);
}

static void expect_error(const char *source, int rc, enum sh_template_error kind, const char *part)
{
    rendering x;
    render(&x, source, "{\"messages\": [{\"content\": \"x\"}], \"d\": {}}", NULL);
    assert_int_equal(x.rc, rc);
    assert_int_equal(x.kind, kind);
    if (!strstr(x.err.msg, part)) print_message("%s\n", x.err.msg);
    assert_non_null(strstr(x.err.msg, part));
    assert_int_equal(x.out.n, 0);
    rendering_clear(&x);
}

static void syntax_errors_name_the_line(void **state)
{
    (void)state;
    expect_error("a\n{% if x %}\nb", SH_E_CORRUPT, SH_TEMPLATE_OK, "endif");
    expect_error("a\n\n{{ 1 + }}", SH_E_CORRUPT, SH_TEMPLATE_OK, "line 3:");
    expect_error("{% include 'x' %}", SH_E_CORRUPT, SH_TEMPLATE_OK, "cannot read other files");
    expect_error("{% extends 'x' %}", SH_E_CORRUPT, SH_TEMPLATE_OK, "refused");
    expect_error("\n{{ 99999999999999999999 }}", SH_E_CORRUPT, SH_TEMPLATE_OK,
                 "line 2: an integer beyond 64 bits");
    expect_error("\xff", SH_E_CORRUPT, SH_TEMPLATE_OK, "UTF-8");
}

static void errors_have_a_kind(void **state)
{
    (void)state;
    expect_error("{{ raise_exception('no: ' ~ 3) }}", SH_E_INVALID, SH_TEMPLATE_RAISED, "no: 3");
    expect_error("\n{{ nope.x }}", SH_E_INVALID, SH_TEMPLATE_UNDEFINED, "line 2: 'nope' is undefined");
    expect_error("{{ d.x.y }}", SH_E_INVALID, SH_TEMPLATE_UNDEFINED, "'dict' has no attribute 'x'");
    expect_error("{{ messages.append(1) }}", SH_E_INVALID, SH_TEMPLATE_SECURITY,
                 "'append' of 'list' object is unsafe");
    expect_error("{{ ''.__class__() }}", SH_E_INVALID, SH_TEMPLATE_SECURITY, "__class__");
    expect_error("{{ 'a' + 1 }}", SH_E_INVALID, SH_TEMPLATE_OTHER,
                 "can only concatenate str (not \"int\") to str");
    expect_error("{{ 1|from_json }}", SH_E_INVALID, SH_TEMPLATE_OTHER, "from_json");
}

static void long_messages_are_cut_between_characters(void **state)
{
    rendering x;
    (void)state;
    render(&x, "{{ raise_exception('x' + '\xd8\xb3' * 400) }}", "{}", NULL);
    assert_int_equal(x.kind, SH_TEMPLATE_RAISED);
    assert_int_equal(strlen(x.err.msg), sizeof x.err.msg - 1);
    rendering_clear(&x);
    render(&x, "{{ raise_exception('\xd8\xb3' * 400) }}", "{}", NULL);
    assert_int_equal(strlen(x.err.msg), sizeof x.err.msg - 2);
    rendering_clear(&x);
}

static void everything_is_bounded(void **state)
{
    static const struct {
        const char *source, *what;
    } cases[] = {
        {"{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}", "depth of calls"},
        {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "depth of calls"},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps"},
        {"{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "output bytes"},
        {"{{ 'x' * 999999999999 }}", "output bytes"},
        {"{{ [1] * 999999999999 }}", ""},
        {"{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
         ""},
        {"{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l "
         "}}",
         "nesting"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ "
         "ns.l|tojson }}",
         "nesting"},
        {"{% set ns = namespace(l=[], k=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% set ns.k = "
         "[ns.k] %}"
         "{% endfor %}{{ ns.l == ns.k }}",
         "nesting"},
        {"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "nesting"},
        {"{{ '%1000000d' % 1 }}", "width"},
        {"{{ 'a'|center(99999999999) }}", "output bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(cases[i].source, SH_E_LIMIT, SH_TEMPLATE_OTHER, cases[i].what);
    sh_template_opts opts = SH_TEMPLATE_OPTS_INIT;
    opts.max_output_bytes = 4;
    rendering x;
    render(&x, "12345", "{}", &opts);
    assert_int_equal(x.rc, SH_E_LIMIT);
    rendering_clear(&x);
    render(&x, "1234", "{}", &opts);
    assert_int_equal(x.rc, SH_OK);
    rendering_clear(&x);
}

static void nesting_of_source_is_bounded(void **state)
{
    static const char *const parts[] = {"(", "[", "{% if 1 %}", "not ", "-", "1 if 1 else ", "x.a"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sh_buf b = {0};
        sh_err err = {0};
        sh_template *t = NULL;
        if (parts[i][0] != '{') sh_buf_puts(&b, "{{ ");
        for (int k = 0; k < 20000; k++) sh_buf_puts(&b, i == 6 && k ? ".a" : parts[i]);
        sh_buf_puts(&b, " }}");
        assert_int_equal(sh_template_open(&t, b.p, b.n, &err), SH_E_CORRUPT);
        assert_non_null(strstr(err.msg, "deep"));
        sh_buf_clear(&b);
    }
    sh_buf b = {0};
    sh_buf_puts(&b, "{{ 0");
    for (int k = 0; k < 20000; k++) sh_buf_puts(&b, " + 1");
    sh_buf_puts(&b, " }}");
    expect(b.p, "{}", "20000"); /* length is not depth */
    sh_buf_clear(&b);
}

/* The output with [ ] around what came from the messages. */
static void expect_marks(const char *source, const char *want)
{
    rendering x;
    sh_buf marked = {0};
    render(&x, source,
           "{\"messages\": [{\"role\": \"user\", \"content\": \"  ab,cd \", \"n\": 5, \"tags\": [\"p\", "
           "\"q\"]}], \"own\": \"ours\"}",
           NULL);
    if (x.rc < 0) print_message("%s: %s\n", source, x.err.msg);
    assert_int_equal(x.rc, SH_OK);
    size_t at = 0;
    for (size_t i = 0; i < x.n_spans; i++) {
        assert_true(x.spans[i].begin >= at && x.spans[i].end > x.spans[i].begin && x.spans[i].end <= x.out.n);
        sh_buf_add(&marked, x.out.p + at, x.spans[i].begin - at);
        sh_buf_putc(&marked, '[');
        sh_buf_add(&marked, x.out.p + x.spans[i].begin, x.spans[i].end - x.spans[i].begin);
        sh_buf_putc(&marked, ']');
        at = x.spans[i].end;
    }
    sh_buf_add(&marked, x.out.p + at, x.out.n - at);
    assert_string_equal(sh_buf_str(&marked).p, want);
    sh_buf_clear(&marked);
    rendering_clear(&x);
}

static void content_is_marked(void **state)
{
    (void)state;
#define M "messages[0]"
    expect_marks("<{{ " M ".content }}>{{ own }}", "<[  ab,cd ]>ours");
    expect_marks("<{{ " M ".content|trim }}>", "<[ab,cd]>");
    expect_marks("{{ '<' + " M ".content.strip() + '>' }}", "<[ab,cd]>");
    expect_marks("{{ '<' ~ " M ".role ~ '|' ~ " M ".tags[1] ~ own ~ '>' }}", "<[user]|[q]ours>");
    expect_marks("{{ ('<' + " M ".content + '>')[2:6] }}", "[ ab,]");
    expect_marks("{{ ('<' + " M ".role + '>')[3:] }}", "[er]>");
    expect_marks("{{ ('<' + " M ".role + '>')[::-1] }}", ">[resu]<");
    expect_marks("{% for p in " M ".content.split(',') %}({{ p }}){% endfor %}", "([  ab])([cd ])");
    expect_marks("{{ " M ".content.replace(',', ' - ').strip() }}", "[ab] - [cd]");
    expect_marks("{{ 'x,y'.replace(',', " M ".role) }}", "x[user]y");
    expect_marks("{{ " M ".tags|join(', ') }}", "[p], [q]");
    expect_marks("{{ ' '.join(" M ".tags) }}", "[p] [q]");
    expect_marks("{{ " M ".role|upper }}{{ own|upper }}", "[USER]OURS");
    expect_marks("{{ " M ".tags|tojson }}", "[\"[p]\", \"[q]\"]");
    expect_marks("{{ " M ".tags }}", "[['p'], ['q']]");
    expect_marks("{{ " M ".n }}{{ " M ".tags|length }}", "52");
    expect_marks("{% set x %}<{{ " M ".role }}>{% endset %}{{ x }}{{ x|replace('<', '') }}",
                 "<[user]>[user]>");
    expect_marks("{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(" M ".role) + m(own) }}", "<[user]><ours>");
    expect_marks("{% set ns = namespace(s='') %}{% for i in range(3) %}{% set ns.s = ns.s + '-' + " M
                 ".role %}{% endfor %}{{ ns.s }}",
                 "-[user]-[user]-[user]");
    expect_marks("{{ '{}:{}'.format(own, " M ".role) }} {{ '%s:%s' % (own, " M ".role) }}",
                 "ours:[user] ours:[user]");
    expect_marks("{% for k, v in " M ".items() %}{{ k }}{% if loop.first %}={{ v }} {% endif %}{% endfor %}",
                 "[role]=[user] [contentntags]");
    expect_marks("{{ " M ".role * 2 }}{{ " M ".role|indent }}{{ " M ".role[0] }}", "[useruseruseru]");
    expect_marks("{{ [" M ".role, own]|map('string')|join }}", "[user]ours");
#undef M
}

/* A string that is appended to in two ways keeps both: growing in place never shows. */
static void strings_do_not_change(void **state)
{
    (void)state;
    expect("{% set a = 'x' + s %}{% set b = a + 'b' %}{% set c = a + 'c' %}{{ a }} {{ b }} {{ c }} {{ b + "
           "'d' }} {{ b + 'e' }} {{ b }}",
           "{\"s\": \"y\"}", "xy xyb xyc xybd xybe xyb");
}

static void chat(rendering *x, const char *source, const char *messages, bool go_on, bool generate,
                 bool parse)
{
    json_error_t why;
    sh_template *t = NULL;
    json_t *j = json_loads(messages, 0, &why), *special = json_pack("{s:s}", "bos_token", "<s>");
    sh_chat_input in = {.messages = j,
                        .special = special,
                        .continue_final_message = go_on,
                        .add_generation_prompt = generate};
    in.parse_tool_arguments = parse;
    *x = (rendering){0};
    assert_non_null(j);
    assert_int_equal(sh_template_open(&t, source, strlen(source), &x->err), SH_OK);
    x->rc = sh_template_chat(t, &in, NULL, &x->out, &x->spans, &x->n_spans, &x->kind, &x->err);
    sh_template_free(t);
    json_decref(j);
    json_decref(special);
}

static void expect_chat(const char *source, const char *messages, bool go_on, bool parse, const char *want)
{
    rendering x;
    chat(&x, source, messages, go_on, false, parse);
    if (x.rc < 0) print_message("%s\n", x.err.msg);
    assert_int_equal(x.rc, SH_OK);
    assert_string_equal(sh_buf_str(&x.out).p, want);
    rendering_clear(&x);
}

static void conversations_are_prepared(void **state)
{
    const char *keep = "{{ bos_token }}{% for m in messages %}({{ m.content }}){% endfor %}end";
    const char *trim = "{% for m in messages %}({{ m.content|trim }}){% endfor %}end";
    (void)state;
    expect_chat(keep, "[{\"content\": \"a \"}]", false, false, "<s>(a )end");
    expect_chat(keep, "[{\"content\": \"a \"}]", true, false, "<s>(a ");
    expect_chat(trim, "[{\"content\": \"a \"}]", true, false, "(a");
    expect_chat("{{ messages[0].content[0].text }}!",
                "[{\"content\": [{\"type\": \"text\", \"text\": \"a\"}]}]", true, false, "a");
    expect_chat("{{ messages[0].content is defined }}{{ tools is none }}{{ documents is none }}{{ "
                "add_generation_prompt }}",
                "[{\"content\": null}]", false, false, "FalseTrueTrueFalse");
    expect_chat("{{ messages[0].reasoning_content }}{{ messages[0].thinking }}", "[{\"reasoning\": \"r\"}]",
                false, false, "rr");
    const char *calls = "{{ messages[0].tool_calls[0].function.arguments is mapping }}";
    const char *message = "[{\"tool_calls\": [{\"function\": {\"arguments\": \"{\\\"a\\\": 1}\"}}]}]";
    expect_chat(calls, message, false, true, "True");
    expect_chat(calls, message, false, false, "False");
}

static void conversations_that_cannot_go_on(void **state)
{
    rendering x;
    (void)state;
    chat(&x, "fixed", "[{\"content\": \"a\"}]", true, false, false);
    assert_int_equal(x.rc, SH_E_INVALID);
    assert_non_null(strstr(x.err.msg, "does not appear"));
    rendering_clear(&x);
    chat(&x, "fixed", "[]", true, false, false);
    assert_int_equal(x.rc, SH_E_INVALID);
    rendering_clear(&x);
    chat(&x, "fixed", "[{\"content\": \"a\"}]", true, true, false);
    assert_int_equal(x.rc, SH_E_INVALID);
    rendering_clear(&x);
    chat(&x, "fixed", "[5]", false, false, false);
    assert_int_equal(x.rc, SH_E_INVALID);
    rendering_clear(&x);
}

static void every_allocation_may_fail(void **state)
{
#ifdef SHOAL_FAULT
    const char *source =
        "{% macro mac(a, b=[1]) %}{{ a ~ b }}{% endmacro %}{% set ns = namespace(s='') %}"
        "{% for m in messages %}{% set ns.s = ns.s + m.content + '-' * 300 %}{{ mac(m.content)|upper }}{% "
        "endfor %}"
        "{{ ns.s }}{{ messages|tojson(indent=2) }}{{ {'a': 1, 'b': 2}|dictsort }}{{ '%s' % messages }}";
    long k = 0;
    for (;; k++) {
        rendering x;
        json_error_t why;
        sh_template *t = NULL;
        json_t *j = json_loads("{\"messages\": [{\"content\": \"x\"}, {\"content\": \"y\"}]}", 0, &why);
        x = (rendering){0};
        sh_fault_arm(SH_FAULT_ALLOC, k);
        x.rc = sh_template_open(&t, source, strlen(source), &x.err);
        if (x.rc == SH_OK)
            x.rc = sh_template_render(t, j, NULL, &x.out, &x.spans, &x.n_spans, &x.kind, &x.err);
        bool fired = sh_fault_fired(SH_FAULT_ALLOC);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        if (fired && x.rc != SH_E_NOMEM) print_message("allocation %ld: %s\n", k, x.err.msg);
        assert_int_equal(x.rc, fired ? SH_E_NOMEM : SH_OK);
        sh_template_free(t);
        json_decref(j);
        rendering_clear(&x);
        if (!fired) break;
    }
    assert_true(k > 10);
#endif
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_errors_name_the_line),
        cmocka_unit_test(errors_have_a_kind),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(nesting_of_source_is_bounded),
        cmocka_unit_test(content_is_marked),
        cmocka_unit_test(strings_do_not_change),
        cmocka_unit_test(conversations_are_prepared),
        cmocka_unit_test(conversations_that_cannot_go_on),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
