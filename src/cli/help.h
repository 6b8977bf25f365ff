/* help.h - texts made from the command table: help, man page, completions, suggestions. */
#ifndef SH_CLI_HELP_H
#define SH_CLI_HELP_H

#include "cli/cli.h"

enum { SH_HELP_COLUMNS = 80 };

/* name NULL or "": the overview. SH_E_NOTFOUND (with the nearest name) for an unknown command. */
int sh_help_write(FILE *out, const char *name, bool color, sh_err *err);
/* The man page, in roff's man macros. */
void sh_help_man(FILE *out);
/* "bash", "zsh" or "fish"; SH_E_INVALID for another shell. */
int sh_help_completion(FILE *out, const char *shell, sh_err *err);

/* SH_E_NOTFOUND for a command that is not in the table, with the nearest one that is. */
int sh_help_unknown(const char *name, sh_err *err);
/* Steps between two words: letters to insert, remove or change, neighbours to swap (optimal string alignment,
 * R. A. Wagner and R. Lowrance, 1975). 99 for words over 30 letters. */
unsigned sh_word_distance(const char *a, const char *b);
/* Is a word at this distance near enough to be what somebody meant by a word of n letters? */
bool sh_word_is_near(unsigned distance, size_t n);

/* Fill `text` into lines of at most `columns`: the first begins at column `at`, the others at column `indent`
 * (bytes, which are columns in our own ASCII texts). Writes no newline at the end. */
void sh_wrap(FILE *out, const char *text, size_t at, size_t indent, size_t columns);
/* The details of a command are paragraphs, separated by an empty line. One whose first line begins with a
 * space is shown as it is. Calls fn for each: n bytes at p, without the newline that ends it. */
void sh_each_paragraph(const char *text, void (*fn)(void *ud, const char *p, size_t n, bool as_is), void *ud);

#endif
