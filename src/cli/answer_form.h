/* answer_form.h - the options that give an answer's form: --grammar, --json-schema, --format. */
#ifndef SH_CLI_ANSWER_FORM_H
#define SH_CLI_ANSWER_FORM_H

#include <shoal/grammar.h>

#include "cli/cli.h"

#define SH_OPTS_FORM                                                                                         \
    {"grammar", 0, SH_OPT_FILE, "FILE", "the answer follows this GBNF grammar", 0, 0, false},                \
        {"json-schema",                                                                                      \
         0,                                                                                                  \
         SH_OPT_STR,                                                                                         \
         "SCHEMA",                                                                                           \
         "the answer is JSON of this schema (a file, or itself)",                                            \
         0,                                                                                                  \
         0,                                                                                                  \
         false},                                                                                             \
    {                                                                                                        \
        "format", 0, SH_OPT_CHOICE, "text|json", "json: the answer is a JSON object", 0, 0, false            \
    }

/* *out is the caller's (sh_grammar_unref), or NULL when no option asks for a form. SH_E_INVALID when two do.
 */
int sh_grammar_from_args(sh_grammar **out, const sh_args *args, sh_err *err);

#endif
