/* text/grammar.h - grammars from parsed JSON, and the text between a schema and its automaton. Public half:
 * <shoal/grammar.h>. */
#ifndef SH_TEXT_GRAMMAR_H
#define SH_TEXT_GRAMMAR_H

#include <jansson.h>
#include <shoal/grammar.h>

#include "base/buf.h"

/* sh_grammar_from_json_schema over a parsed schema (an object, true or false). */
int sh_grammar_from_schema(sh_grammar **out, const json_t *schema, const char *where, sh_err *err);
/* The GBNF text that a schema is compiled through, appended to out; any GBNF reader takes it. */
int sh_schema_to_gbnf(sh_buf *out, const json_t *schema, const char *where, sh_err *err);

#endif
