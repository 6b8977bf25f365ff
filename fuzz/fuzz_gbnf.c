/* fuzz: text */
/* A grammar from anybody: it is refused, or it can be walked. The first byte says how many bytes at the end
 * are the text that is fed to it; a state and its copy must agree. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "text/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    sh_grammar *g = NULL;
    sh_grammar_state *s = NULL, *copy = NULL;
    sh_err err = {0};
    if (n < 1) return 0;
    size_t n_text = data[0] < n - 1 ? data[0] : n - 1, n_grammar = n - 1 - n_text;
    const uint8_t *text = data + 1 + n_grammar;
    int rc = sh_grammar_from_gbnf(&g, (const char *)data + 1, n_grammar, "fuzz", &err);
    assert(rc == SH_OK || err.msg[0]);
    if (rc == SH_OK && sh_grammar_state_open(&s, g, NULL, &err) == SH_OK) {
        for (size_t i = 0; i < n_text; i++) {
            rc = sh_grammar_state_feed(s, text + i, 1, &err);
            if (rc < 0) break;
        }
        if (sh_grammar_state_copy(&copy, s, &err) == SH_OK) {
            assert(sh_grammar_state_is_complete(s) == sh_grammar_state_is_complete(copy));
            assert(sh_grammar_state_is_over(s) == sh_grammar_state_is_over(copy));
        }
    }
    sh_grammar_state_free(copy);
    sh_grammar_state_free(s);
    sh_grammar_unref(g);
    return 0;
}
