/* test_grammar.c - GBNF, the automaton, and masks judged by feeding every token on its own. */
#include "unit/test.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/grammar.h"
#include "text/grammar_internal.h"
#include "text/tokenizer.h"

static sh_grammar *compile(const char *text)
{
    sh_grammar *g = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_from_gbnf(&g, text, strlen(text), "grammar", &err), &err);
    return g;
}

static bool takes(const sh_grammar *g, const char *p)
{
    sh_grammar_state *s = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_state_open(&s, g, NULL, &err), &err);
    bool ok = sh_grammar_state_feed(s, p, strlen(p), &err) == SH_OK && sh_grammar_state_is_complete(s);
    sh_grammar_state_free(s);
    return ok;
}

static void test_notation(void **state)
{
    (void)state;
    static const struct {
        const char *grammar, *texts[10]; /* "+" taken, "-" refused */
    } cases[] = {
        {"root ::= \"a\" | \"bc\" # end\n", {"+a", "+bc", "-b", "-abc", "-"}},
        {"root ::= \"a\"\n  | \"b\"\n\n# comment\n | \"c\"", {"+a", "+b", "+c"}},
        {"root ::= (\n \"a\"\n \"b\" |\n \"c\" )+", {"+ab", "+cab", "-a", "-"}},
        {"root ::= \"\\x41\\u0642\\U0001F600\\n\\t\\\\\\\"\"", {"+A\xd9\x82\xf0\x9f\x98\x80\n\t\\\"", "-A"}},
        {"root ::= [a-c^\\]-]*", {"+", "+a-]^c", "-d"}},
        {"root ::= [^a-c\\n]", {"+d", "+\xd9\x82", "+\xf4\x8f\xbf\xbf", "-a", "-\n", "-\xd9", "-dd"}},
        {"root ::= .",
         {"+\x7f", "+\xc2\x80", "+\xed\x9f\xbf", "+\xee\x80\x80", "-\xed\xa0\x80", "-\xc0\x80",
          "-\xf4\x90\x80\x80"}},
        {"root ::= [\\u0400-\\U0001F000]",
         {"+\xd0\x80", "+\xf0\x9f\x80\x80", "+\xe2\x82\xac", "-\xcf\xbf", "-\xf0\x9f\x80\x81"}},
        {"root ::= \"ab\"{2} [0-9]{1,3} x?\nx ::= \"x\"{2,}",
         {"+abab1", "+abab123xx", "+abab1xxxx", "-ab1", "-abab1x", "-abab1234"}},
        {"root ::= a_b-1 \"\" *\na_b-1 ::= \"q\" {0,1}", {"+", "+q", "-qq"}},
        {"root ::= \"(\" root \")\" | \"\"", {"+", "+(())", "-(()", "-)"}},
        {"root ::= e* \"x\"\ne ::= \"\" | \"e\"", {"+x", "+eex", "-e"}},
        {"root ::= s\ns ::= \"a\" s | \"b\"", {"+b", "+aaaaaaaaaaaab", "-a"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_grammar *g = compile(cases[i].grammar);
        for (size_t k = 0; k < COUNT(cases[i].texts) && cases[i].texts[k]; k++)
            if (takes(g, cases[i].texts[k] + 1) != (cases[i].texts[k][0] == '+'))
                fail_msg("%s: %s", cases[i].grammar, cases[i].texts[k]);
        sh_grammar_unref(g);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *grammar;
        int code;
        const char *words;
    } cases[] = {
        {"", SH_E_INVALID, "no rule is called root"},
        {"a ::= \"x\"", SH_E_INVALID, "no rule is called root"},
        {"root ::= b", SH_E_INVALID, "line 1, column 10: rule b is not defined"},
        {"root ::= \"a\nb\"", SH_E_INVALID, "line 1, column 12: a literal"},
        {"root ::= [b-a]", SH_E_INVALID, "column 11: a range"},
        {"root ::= [", SH_E_INVALID, "a literal or class"},
        {"root ::= []", SH_E_INVALID, "no character"},
        {"root ::= (\"a\"", SH_E_INVALID, "without its ')'"},
        {"root ::= \"a\")", SH_E_INVALID, "without its group"},
        {"root ::= \"a\"\nroot ::= \"b\"", SH_E_INVALID, "line 2, column 1: a rule of this name"},
        {"root : \"a\"", SH_E_INVALID, "expected ::="},
        {"root ::= \"\\q\"", SH_E_INVALID, "unknown escape"},
        {"root ::= \"\\ud800\"", SH_E_INVALID, "no Unicode character"},
        {"root ::= \"a\"{3,2}", SH_E_INVALID, "fewer"},
        {"root ::= \"a\"{99999}", SH_E_LIMIT, "65536"},
        {"root ::= ((\"a\"{60000}){60000})", SH_E_LIMIT, "too large"},
        {"root ::= <think>", SH_E_UNSUPPORTED, "tokens"},
        {"root ::= root \"a\" | \"b\"", SH_E_INVALID, "rule root is left-recursive"},
        {"root ::= x\nx ::= y \"a\" | \"b\"\ny ::= \"\" x | \"c\"", SH_E_INVALID, "left-recursive"},
        {"root ::= n root \"a\" | \"b\"\nn ::= \"n\"?", SH_E_INVALID, "rule root is left-recursive"},
        {"root ::= \"a\" root", SH_E_INVALID, "rule root can never end"},
        {"root ::= \"\xff\"", SH_E_INVALID, "UTF-8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        sh_grammar *g = NULL;
        sh_err err = {0};
        int rc = sh_grammar_from_gbnf(&g, cases[i].grammar, strlen(cases[i].grammar), "grammar", &err);
        if (rc != cases[i].code || !strstr(err.msg, cases[i].words))
            fail_msg("%s: code %d: %s", cases[i].grammar, rc, err.msg);
        assert_null(g);
    }
    sh_buf deep = {0};
    sh_err err = {0};
    sh_grammar *g = NULL;
    sh_buf_puts(&deep, "root ::= ");
    for (int i = 0; i < 5000; i++) sh_buf_putc(&deep, '(');
    assert_int_equal(sh_grammar_from_gbnf(&g, deep.p, deep.n, "grammar", &err), SH_E_LIMIT);
    sh_buf_clear(&deep);
}

/* Every code point, by the classes that cut UTF-8's ranges in awkward places. */
static void test_ranges_exhaustively(void **state)
{
    (void)state;
    static const uint32_t bounds[][2] = {{0x61, 0x7ff},      {0x80, 0x80},     {0x7fe, 0x10001},
                                         {0x123, 0x4567},    {0xd000, 0xf123}, {0xffff, 0x10000},
                                         {0x12345, 0xfedcb}, {0, 0x10ffff}};
    for (size_t i = 0; i < COUNT(bounds); i++) {
        char text[64], bytes[4];
        sh_err err = {0};
        snprintf(text, sizeof text, "root ::= [\\U%08X-\\U%08X]", bounds[i][0], bounds[i][1]);
        sh_grammar *g = compile(text);
        gram_pool pool;
        uint32_t start, s;
        assert_ok(gram_pool_init(&pool, g, &err), &err);
        assert_ok(gram_pool_enter(&pool, g->root, GRAM_STACK_EMPTY, &start, &err), &err);
        for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
            if (cp == 0xd800) cp = 0xe000;
            size_t n = sh_utf8_encode(cp, bytes);
            s = start;
            for (size_t k = 0; k < n; k++)
                assert_ok(gram_pool_step(&pool, s, (uint8_t)bytes[k], &s, &err), &err);
            bool in = cp >= bounds[i][0] && cp <= bounds[i][1];
            if ((s != GRAM_STATE_DEAD && pool.states[s].complete) != in) fail_msg("U+%04X of %s", cp, text);
        }
        gram_pool_clear(&pool);
        sh_grammar_unref(g);
    }
}

/* --- masks --- */

/* A byte vocabulary with pieces that end in the middle of characters and of JSON. */
static sh_tokenizer *open_vocabulary(void)
{
    static const char *const pieces[] = {
        "\"",       "{\"",    "\":",      "\",\"",    "\"}",          "\"}]", "}}",   "true",
        "fal",      "se",     "null",     "ab",       "abc",          " a",   "\\u",  "\\",
        "00",       "12",     ".5",       "e+",       "[[",           "]]",   "], ",  "\xd9",
        "\xd9\x82", "\x82\"", "\xf0\x9f", "\x98\x80", "a\":1,\"b\":", "\n  ", "},\n", "x\"]}"};
    static sh_str tokens[3 + 256 + COUNT(pieces)];
    static char names[256][8];
    static int32_t types[COUNT(tokens)];
    static float scores[COUNT(tokens)];
    sh_vocab_desc d = {.model = "llama",
                       .tokens = tokens,
                       .n_tokens = COUNT(tokens),
                       .scores = scores,
                       .types = types,
                       .bos = 1,
                       .eos = 2,
                       .eot = -1,
                       .eom = -1,
                       .unk = 0,
                       .sep = -1,
                       .pad = -1,
                       .cls = -1,
                       .mask = -1,
                       .add_bos = 1,
                       .add_eos = 0,
                       .add_space_prefix = 0,
                       .remove_extra_whitespaces = 0};
    tokens[0] = sh_str_of("<unk>"), types[0] = 2;
    tokens[1] = sh_str_of("<s>"), types[1] = 3;
    tokens[2] = sh_str_of("</s>"), types[2] = 3;
    for (int b = 0; b < 256; b++) {
        snprintf(names[b], sizeof names[b], "<0x%02X>", (unsigned)b);
        tokens[3 + b] = sh_str_of(names[b]);
        types[3 + b] = 6;
    }
    for (size_t i = 0; i < COUNT(pieces); i++) tokens[259 + i] = sh_str_of(pieces[i]), types[259 + i] = 1;
    sh_tokenizer *t = NULL;
    sh_err err = {0};
    assert_ok(sh_tokenizer_from_vocab(&t, &d, "test", &err), &err);
    return t;
}

static bool bit(const uint32_t *words, sh_token id)
{
    return words[id / 32] >> id % 32 & 1;
}

/* The mask says of every token what feeding it to a copy says. Returns how many are allowed. */
static size_t judge_mask(sh_grammar_state *s, const sh_tokenizer *t)
{
    const uint32_t *words;
    sh_err err = {0};
    size_t n = 0;
    assert_ok(sh_grammar_state_mask(s, &words, &err), &err);
    sh_grammar_state *copy = NULL;
    for (sh_token id = 0; id < sh_tokenizer_size(t); id++) {
        if (!copy) assert_ok(sh_grammar_state_copy(&copy, s, &err), &err);
        bool ok = sh_grammar_state_accept(copy, id, &err) == SH_OK;
        if (ok != bit(words, id)) fail_msg("token %d (%s): mask %d", id, sh_tokenizer_token(t, id), !ok);
        n += ok;
        if (ok) sh_grammar_state_free(copy), copy = NULL;
    }
    sh_grammar_state_free(copy);
    return n;
}

static sh_token pick(const uint32_t *words, int32_t n_vocab, sh_rng *rng)
{
    sh_token id;
    do id = (sh_token)(sh_rng_unit(rng) * n_vocab);
    while (!bit(words, id));
    return id;
}

/* Random walks by the mask: judged at each step, and what was written is what the grammar takes. */
static void walk_randomly(const sh_grammar *g, const sh_tokenizer *t, uint64_t seed, int max_steps)
{
    sh_rng rng = {seed};
    sh_grammar_state *s = NULL, *bytes = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_state_open(&s, g, t, &err), &err);
    assert_ok(sh_grammar_state_open(&bytes, g, NULL, &err), &err);
    for (int i = 0; i < max_steps && !sh_grammar_state_is_over(s); i++) {
        const uint32_t *words;
        char text[64];
        assert_true(judge_mask(s, t) > 0);
        assert_ok(sh_grammar_state_mask(s, &words, &err), &err);
        sh_token id = pick(words, sh_tokenizer_size(t), &rng);
        assert_int_equal(sh_tokenizer_is_end(t, id) && !sh_grammar_state_is_complete(s), false);
        if (sh_tokenizer_is_end(t, id)) break;
        assert_ok(sh_grammar_state_accept(s, id, &err), &err);
        const char *name = sh_tokenizer_token(t, id);
        size_t n = strlen(name);
        if (id >= 3 && id < 259)
            text[0] = (char)(id - 3), n = 1;
        else
            memcpy(text, name, n);
        assert_ok(sh_grammar_state_feed(bytes, text, n, &err), &err);
        assert_int_equal(sh_grammar_state_is_complete(s), sh_grammar_state_is_complete(bytes));
    }
    sh_grammar_state_free(s);
    sh_grammar_state_free(bytes);
}

static const char json_gbnf[] =
    "root ::= value\nvalue ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\" ws\npair ::= string \":\" ws value\n"
    "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
    "string ::= \"\\\"\" char* \"\\\"\" ws\nchar ::= [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | "
    "\"u\" [0-9a-fA-F]{4})\n"
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? ([eE] [-+]? [0-9]+)? ws\nws ::= [ \\n]{0,3}\n";

static void test_masks(void **state)
{
    (void)state;
    static const char *const grammars[] = {
        json_gbnf,
        "root ::= \"{\\\"a\\\":1,\\\"b\\\":\" [0-9]+ (\"}}\" | \"},\\n\" root)",
        "root ::= (\"\xd9\x82\" | \"\xf0\x9f\x98\x80\" | .)+ \"\\\"\"",
        "root ::= x{0,7} y\nx ::= \"ab\" | \"abc\" | \"a\"\ny ::= [^a]* \"]\"?",
        "root ::= \"[\" root \"]\" | \"[]\"",
    };
    sh_tokenizer *t = open_vocabulary();
    for (size_t i = 0; i < COUNT(grammars); i++) {
        sh_grammar *g = compile(grammars[i]);
        for (uint64_t seed = 1; seed <= 4; seed++) walk_randomly(g, t, seed, 40);
        sh_grammar_unref(g);
    }
    sh_tokenizer_free(t);
}

/* A state that outgrows its pool goes on in a fresh one, and masks stay right. */
static void test_growth(void **state)
{
    (void)state;
    sh_tokenizer *t = open_vocabulary();
    sh_grammar *g = compile("root ::= \"[\" root \"]\" | \"x\"");
    sh_grammar_state *s = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_state_open(&s, g, t, &err), &err);
    for (int i = 0; i < 20000; i++) {
        const uint32_t *words;
        assert_ok(sh_grammar_state_feed(s, "[", 1, &err), &err);
        if (i % 10 == 0) assert_ok(sh_grammar_state_mask(s, &words, &err), &err);
    }
    assert_true(judge_mask(s, t) >= 3);
    assert_ok(sh_grammar_state_feed(s, "x", 1, &err), &err);
    for (int i = 0; i < 20000; i++) {
        assert_false(sh_grammar_state_is_complete(s));
        assert_ok(sh_grammar_state_feed(s, "]", 1, &err), &err);
    }
    assert_true(sh_grammar_state_is_over(s));
    assert_int_equal(sh_grammar_state_feed(s, "]", 1, &err), SH_E_INVALID);
    sh_grammar_state_free(s);
    sh_grammar_unref(g);
    sh_tokenizer_free(t);
}

static void test_ends(void **state)
{
    (void)state;
    sh_tokenizer *t = open_vocabulary();
    sh_grammar *g = compile("root ::= \"a\" \"b\"?");
    sh_grammar_state *s = NULL;
    const uint32_t *words;
    sh_err err = {0};
    assert_ok(sh_grammar_state_open(&s, g, t, &err), &err);
    assert_ok(sh_grammar_state_mask(s, &words, &err), &err);
    assert_false(bit(words, 0) || bit(words, 1) || bit(words, 2));
    assert_int_equal(sh_grammar_state_accept(s, 2, &err), SH_E_INVALID);
    assert_int_equal(sh_grammar_state_accept(s, 1, &err), SH_E_INVALID);
    assert_int_equal(sh_grammar_state_accept(s, 9999, &err), SH_E_RANGE);
    assert_ok(sh_grammar_state_feed(s, "a", 1, &err), &err);
    assert_ok(sh_grammar_state_mask(s, &words, &err), &err);
    assert_true(bit(words, 2));
    assert_ok(sh_grammar_state_accept(s, 2, &err), &err);
    assert_false(sh_grammar_state_is_over(s));
    assert_ok(sh_grammar_state_feed(s, "b", 1, &err), &err);
    assert_true(sh_grammar_state_is_over(s));
    sh_grammar_state_free(s);
    assert_ok(sh_grammar_state_open(&s, g, NULL, &err), &err);
    assert_int_equal(sh_grammar_state_mask(s, &words, &err), SH_E_INVALID);
    sh_grammar_state_free(s);
    sh_grammar_unref(g);
    sh_tokenizer_free(t);
}

typedef struct shared {
    const sh_grammar *g;
    const sh_tokenizer *t;
    uint64_t seed;
} shared;

static void *walk_in_thread(void *ud)
{
    const shared *a = ud;
    for (uint64_t i = 0; i < 3; i++) walk_randomly(a->g, a->t, a->seed + i, 25);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    sh_tokenizer *t = open_vocabulary();
    sh_grammar *g = compile(json_gbnf);
    pthread_t threads[4];
    shared args[4];
    for (size_t i = 0; i < COUNT(threads); i++) {
        args[i] = (shared){g, t, 100 * (i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, walk_in_thread, &args[i]), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
    sh_grammar_unref(g);
    sh_tokenizer_free(t);
}

#ifdef SHOAL_FAULT
/* Fail each allocation in turn: an error, no leak, and the next try works. */
static void test_out_of_memory(void **state)
{
    (void)state;
    sh_tokenizer *t = open_vocabulary();
    int rc = SH_E_NOMEM;
    for (long k = 0; rc != SH_OK; k++) {
        sh_grammar *g = NULL;
        sh_grammar_state *s = NULL, *copy = NULL;
        const uint32_t *words;
        sh_err err = {0};
        sh_fault_arm(SH_FAULT_ALLOC, k);
        rc = sh_grammar_from_gbnf(&g, json_gbnf, sizeof json_gbnf - 1, "grammar", &err);
        if (rc == SH_OK) rc = sh_grammar_state_open(&s, g, t, &err);
        if (rc == SH_OK) rc = sh_grammar_state_feed(s, "[{\"a", 4, &err);
        if (rc == SH_OK) rc = sh_grammar_state_mask(s, &words, &err);
        if (rc == SH_OK) rc = sh_grammar_state_copy(&copy, s, &err);
        sh_fault_arm(SH_FAULT_ALLOC, -1);
        assert_true(rc == SH_OK || rc == SH_E_NOMEM);
        sh_grammar_state_free(copy);
        sh_grammar_state_free(s);
        sh_grammar_unref(g);
    }
    sh_tokenizer_free(t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notation),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_ranges_exhaustively),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_threads),
#ifdef SHOAL_FAULT
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
