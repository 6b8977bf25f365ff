/* fuzz: text */
/* A schema from anybody: it is refused, or its GBNF compiles, or only the automaton's own limits refuse that.
 * What the automaton writes by always taking a byte that it may is JSON as long as it is complete. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"
#include "text/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A text of the grammar: at each place one of the bytes that may come, by a small generator. */
static void write_something(const sh_grammar *g, uint32_t seed)
{
    sh_grammar_state *s = NULL;
    sh_buf text = {0};
    json_t *v = NULL;
    sh_err err = {0};
    if (sh_grammar_state_open(&s, g, NULL, &err) < 0) return;
    for (int steps = 0; steps < 400 && !sh_grammar_state_is_over(s); steps++) {
        int tries = 0;
        uint8_t byte = 0;
        for (; tries < 256; tries++) {
            seed = seed * 1664525u + 1013904223u;
            byte = tries < 64 ? (uint8_t)(seed >> 24) : (uint8_t)(byte + 1);
            if (sh_grammar_state_feed(s, &byte, 1, &err) == SH_OK) break;
        }
        if (tries == 256) break;
        sh_buf_putc(&text, (char)byte);
    }
    if (sh_grammar_state_is_complete(s) && !text.failed) {
        int rc = sh_json_parse(&v, text.p, text.n, "fuzz", &err);
        assert(rc == SH_OK || rc == SH_E_LIMIT);
    }
    json_decref(v);
    sh_buf_clear(&text);
    sh_grammar_state_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    sh_buf gbnf = {0};
    json_t *schema = NULL;
    sh_grammar *g = NULL;
    sh_err err = {0};
    if (sh_json_parse(&schema, (const char *)data, n, "fuzz", &err) == SH_OK &&
        sh_schema_to_gbnf(&gbnf, schema, "fuzz", &err) == SH_OK) {
        int rc = sh_grammar_from_gbnf(&g, gbnf.p, gbnf.n, "fuzz", &err);
        assert(rc == SH_OK || rc == SH_E_LIMIT || (rc == SH_E_INVALID && strstr(err.msg, "can never end")));
        if (rc == SH_OK) write_something(g, (uint32_t)n);
    }
    sh_grammar_unref(g);
    sh_buf_clear(&gbnf);
    json_decref(schema);
    return 0;
}
