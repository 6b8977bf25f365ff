/* ids.h - token ids as people and files write them. */
#ifndef SH_CLI_IDS_H
#define SH_CLI_IDS_H

#include <shoal/tokenizer.h>

/* "1 2 3", "1,2,3" or "[1, 2, 3]". *out owned by the caller (sh_free). */
int sh_ids_parse(sh_token **out, size_t *n, const char *text, size_t n_text, sh_err *err);
/* A JSON file: a list of ids, or a list of such lists of which `sequence` is taken. */
int sh_ids_read(sh_token **out, size_t *n, const char *path, size_t sequence, sh_err *err);

#endif
