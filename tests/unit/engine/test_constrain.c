/* test_constrain.c - the bundled model answers by schemas and grammars: what it says is parsed by the JSON
 * reader and judged by a small validator that shares nothing with the compiler. */
#include "unit/test.h"

#include <math.h>

#include "base/mem.h"
#include "codec/json.h"
#include "engine/chat.h"
#include "engine/constrain.h"
#include "text/grammar.h"

#include <shoal/engine.h>

static sh_runtime *rt;
static sh_model *model;
static sh_engine *engine;

static int open_all(void **state)
{
    (void)state;
    sh_err err = {0};
    sh_runtime_opts ro = SH_RUNTIME_OPTS_INIT;
    sh_engine_opts eo = SH_ENGINE_OPTS_INIT;
    eo.n_ctx = 1024;
    ro.n_threads = 2;
    assert_ok(sh_runtime_open(&rt, &ro, &err), &err);
    assert_ok(sh_model_open(&model, rt, SHOAL_SOURCE_DIR "/models/minnow.gguf", NULL, &err), &err);
    assert_ok(sh_engine_open(&engine, model, &eo, &err), &err);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    sh_engine_free(engine);
    sh_model_free(model);
    sh_runtime_free(rt);
    return 0;
}

/* --- an independent judge of the keywords that the schemas below use --- */

static bool is_valid(const json_t *v, const json_t *schema);

static bool has_type(const json_t *v, const char *type)
{
    if (strcmp(type, "integer") == 0)
        return json_is_number(v) && floor(json_number_value(v)) == json_number_value(v);
    return (strcmp(type, "object") == 0 && json_is_object(v)) ||
           (strcmp(type, "array") == 0 && json_is_array(v)) ||
           (strcmp(type, "string") == 0 && json_is_string(v)) ||
           (strcmp(type, "number") == 0 && json_is_number(v)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(type, "null") == 0 && json_is_null(v));
}

static size_t characters(const char *p)
{
    size_t n = 0;
    for (; *p; p++) n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

static double bound(const json_t *schema, const char *key, double otherwise)
{
    const json_t *v = json_object_get(schema, key);
    return v ? json_number_value(v) : otherwise;
}

static bool object_is_valid(json_t *v, const json_t *schema)
{
    const json_t *props = json_object_get(schema, "properties"),
                 *rest = json_object_get(schema, "additionalProperties");
    json_t *x;
    const char *key;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i,
                       x) if (!json_object_get(v, json_string_value(x))) return false;
    json_object_foreach(v, key, x)
    {
        const json_t *of = json_object_get(props, key);
        if (!is_valid(x, of ? of : rest ? rest : json_true())) return false;
    }
    return true;
}

static bool is_valid(const json_t *v, const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *list = json_object_get(schema, "enum");
    json_t *x;
    size_t i;
    if (json_is_boolean(schema)) return json_is_true(schema);
    if (type && !has_type(v, json_string_value(type))) return false;
    if (list) {
        bool found = false;
        json_array_foreach(list, i, x) found = found || json_equal((json_t *)(uintptr_t)v, x);
        if (!found) return false;
    }
    if (json_is_number(v) && (json_number_value(v) < bound(schema, "minimum", -INFINITY) ||
                              json_number_value(v) > bound(schema, "maximum", INFINITY)))
        return false;
    if (json_is_string(v)) {
        size_t n = characters(json_string_value(v));
        return (double)n >= bound(schema, "minLength", 0) &&
               (double)n <= bound(schema, "maxLength", INFINITY);
    }
    if (json_is_array(v)) {
        json_array_foreach(v, i, x) if (!is_valid(x, json_object_get(schema, "items"))) return false;
        return (double)json_array_size(v) >= bound(schema, "minItems", 0) &&
               (double)json_array_size(v) <= bound(schema, "maxItems", INFINITY);
    }
    return !json_is_object(v) || object_is_valid((json_t *)(uintptr_t)v, schema);
}

/* --- one answer --- */

typedef struct answer {
    sh_buf text;
    enum sh_finish finish;
    sh_err error;
} answer;

static int on_event(void *ud, const sh_event *ev)
{
    answer *a = ud;
    sh_buf_add(&a->text, ev->text, ev->n_text);
    if (ev->kind == SH_EVENT_DONE) {
        a->finish = ev->finish;
        if (ev->error) a->error = *ev->error;
    }
    return 0;
}

static void ask(answer *a, const sh_grammar *g, uint64_t seed, float temperature)
{
    json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", "Tell me of the fox.");
    sh_chat_input in = {.messages = messages, .add_generation_prompt = true};
    sh_token *ids = NULL;
    size_t n = 0;
    sh_err err = {0};
    sh_request *r = NULL;
    assert_ok(sh_chat_encode(model, &in, &ids, &n, &err), &err);
    sh_request_opts o = SH_REQUEST_OPTS_INIT;
    o.prompt = ids, o.n_prompt = n;
    o.grammar = g;
    o.is_reply = true;
    o.max_tokens = 600;
    o.sampling.seed = seed;
    o.sampling.temperature = temperature;
    o.on_event = on_event;
    o.ud = a;
    assert_ok(sh_engine_submit(engine, &o, &r, &err), &err);
    sh_request_wait(r);
    sh_request_free(r);
    sh_free(ids);
    json_decref(messages);
}

static void answer_by_schema(const char *schema_text)
{
    json_t *schema = NULL, *v = NULL;
    sh_grammar *g = NULL;
    sh_err err = {0};
    assert_ok(sh_json_parse(&schema, schema_text, strlen(schema_text), "schema", &err), &err);
    assert_ok(sh_grammar_from_schema(&g, schema, "schema", &err), &err);
    for (uint64_t seed = 0; seed < 20; seed++) {
        answer a = {0};
        sh_grammar_state *s = NULL;
        ask(&a, g, seed, seed ? 1.0f : 0);
        if (a.finish != SH_FINISH_STOP) fail_msg("seed %d ends by %d: %s", (int)seed, a.finish, a.error.msg);
        assert_ok(sh_json_parse(&v, a.text.p, a.text.n, a.text.p, &err), &err);
        if (!is_valid(v, schema)) fail_msg("seed %d: %s", (int)seed, a.text.p);
        assert_ok(sh_grammar_state_open(&s, g, NULL, &err), &err);
        assert_ok(sh_grammar_state_feed(s, a.text.p, a.text.n, &err), &err);
        assert_true(sh_grammar_state_is_complete(s));
        sh_grammar_state_free(s);
        json_decref(v);
        sh_buf_clear(&a.text);
    }
    sh_grammar_unref(g);
    json_decref(schema);
}

static void test_schemas(void **state)
{
    (void)state;
    answer_by_schema("{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":3,"
                     "\"maxLength\":16},"
                     "\"age\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":250},\"kind\":{\"enum\":["
                     "\"fox\",\"hen\",7]},"
                     "\"ok\":{\"type\":\"boolean\"}},\"required\":[\"name\",\"age\",\"kind\"],"
                     "\"additionalProperties\":false}");
    answer_by_schema(
        "{\"type\":\"array\",\"minItems\":1,\"maxItems\":4,\"items\":{\"type\":\"object\",\"properties\":{"
        "\"word\":{\"type\":\"string\",\"maxLength\":12},\"n\":{\"type\":\"number\",\"minimum\":0,"
        "\"maximum\":1}},"
        "\"required\":[\"word\",\"n\"],\"additionalProperties\":false}}");
}

static void test_choices_end_at_once(void **state)
{
    (void)state;
    static const char text[] = "root ::= \"fox\" | \"h\xc3\xa9n\"";
    sh_grammar *g = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_from_gbnf(&g, text, sizeof text - 1, "grammar", &err), &err);
    for (uint64_t seed = 0; seed < 10; seed++) {
        answer a = {0};
        ask(&a, g, seed, 2.0f);
        assert_int_equal(a.finish, SH_FINISH_STOP);
        assert_true(strcmp(a.text.p, "fox") == 0 || strcmp(a.text.p, "h\xc3\xa9n") == 0);
        sh_buf_clear(&a.text);
    }
    sh_grammar_unref(g);
}

/* A grammar that allows all changes nothing. */
static void test_anything_goes(void **state)
{
    (void)state;
    static const char text[] = "root ::= [^\\x00]*";
    sh_grammar *g = NULL;
    sh_err err = {0};
    assert_ok(sh_grammar_from_gbnf(&g, text, sizeof text - 1, "grammar", &err), &err);
    for (uint64_t seed = 0; seed < 3; seed++) {
        answer with = {0}, without = {0};
        ask(&with, g, seed, seed ? 0.7f : 0);
        ask(&without, NULL, seed, seed ? 0.7f : 0);
        assert_string_equal(with.text.p, without.text.p);
        sh_buf_clear(&with.text);
        sh_buf_clear(&without.text);
    }
    sh_grammar_unref(g);
}

static void test_masks_over_logits(void **state)
{
    (void)state;
    static const char text[] = "root ::= \"a\"";
    const sh_tokenizer *t = sh_model_tokenizer(model);
    int32_t n = sh_tokenizer_size(t) + 5;
    float *logits = sh_zalloc((size_t)n, sizeof *logits);
    const float *masked;
    sh_grammar *g = NULL;
    sh_constraint *c = NULL;
    sh_err err = {0};
    bool over;
    int32_t n_allowed = 0;
    assert_ok(sh_grammar_from_gbnf(&g, text, sizeof text - 1, "grammar", &err), &err);
    assert_int_equal(sh_constraint_open(&c, g, NULL, n, false, &err), SH_E_UNSUPPORTED);
    assert_ok(sh_constraint_open(&c, g, t, n, false, &err), &err);
    assert_ok(sh_constraint_apply(c, logits, &masked, &err), &err);
    sh_token a = -1;
    for (int32_t i = 0; i < n; i++)
        if (masked[i] == 0) n_allowed++, a = i;
    assert_true(n_allowed == 1 || n_allowed == 2); /* the letter, and its byte token where there is one */
    assert_int_equal(sh_constraint_accept(c, sh_tokenizer_eos(t), &over, &err), SH_E_INVALID);
    assert_ok(sh_constraint_accept(c, a, &over, &err), &err);
    assert_true(over);
    sh_constraint_free(c);
    sh_grammar_unref(g);
    sh_free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_choices_end_at_once),
        cmocka_unit_test(test_anything_goes),
        cmocka_unit_test(test_masks_over_logits),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
