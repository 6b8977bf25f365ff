/* grammar.c - making, sharing and ending grammars. */
#include "text/grammar_internal.h"

#include <string.h>

#include "codec/json.h"

int sh_grammar_from_gbnf(sh_grammar **out, const char *text, size_t n, const char *where, sh_err *err)
{
    gram_rules rules = {0};
    int rc = gram_parse(&rules, text, n, where, err);
    if (rc == SH_OK) rc = gram_check(&rules, err);
    if (rc == SH_OK) rc = gram_compile(out, &rules, err);
    gram_rules_clear(&rules);
    return rc;
}

int sh_grammar_from_schema(sh_grammar **out, const json_t *schema, const char *where, sh_err *err)
{
    sh_buf text = {0};
    int rc = sh_schema_to_gbnf(&text, schema, where, err);
    if (rc == SH_OK) rc = sh_grammar_from_gbnf(out, text.p, text.n, where, err);
    sh_buf_clear(&text);
    return rc;
}

int sh_grammar_from_json_schema(sh_grammar **out, const char *json, size_t n, const char *where, sh_err *err)
{
    json_t *schema = NULL;
    int rc = sh_json_parse(&schema, json, n, where, err);
    if (rc == SH_OK) rc = sh_grammar_from_schema(out, schema, where, err);
    json_decref(schema);
    return rc;
}

int sh_grammar_from_json_object(sh_grammar **out, sh_err *err)
{
    static const char any_object[] = "{\"type\": \"object\"}";
    return sh_grammar_from_json_schema(out, any_object, sizeof any_object - 1, "json_object", err);
}

sh_grammar *sh_grammar_ref(const sh_grammar *g)
{
    sh_grammar *mine = (sh_grammar *)(uintptr_t)g;
    if (mine) atomic_fetch_add(&mine->n_refs, 1);
    return mine;
}

void sh_grammar_unref(sh_grammar *g)
{
    if (!g || atomic_fetch_sub(&g->n_refs, 1) > 1) return;
    gram_masks_free(g->masks);
    pthread_mutex_destroy(&g->lock);
    sh_free(g->nodes);
    sh_free(g->edges);
    sh_free(g->calls);
    sh_free(g);
}
