/* model_names.h - what a person may write for MODEL, and the file or folder it means.
 *
 * Looked up in this order:
 *   1. a path that exists (anything with a slash, or an existing file or folder);
 *   2. $SHOAL_HOME/models/NAME, NAME.gguf or NAME.bin, with NAME-TAG for NAME:TAG;
 *   3. the models that came with the program: ../share/shoal/models and, in a build tree, the project's
 * models/ folder. Names are case-sensitive and hold letters, digits, '.', '_', '-' and one ':' before the
 * tag; nothing else, so a name can never leave the folder it is looked up in. */
#ifndef SH_STORE_MODEL_NAMES_H
#define SH_STORE_MODEL_NAMES_H

#include <stdint.h>

#include "base/buf.h"

/* The model that is used when none is named. */
#define SH_DEFAULT_MODEL "minnow"

/* *path is owned by the caller (sh_free). SH_E_NOTFOUND says where it looked and what is there. */
int sh_names_resolve(char **path, const char *model, sh_err *err);

typedef struct sh_name_entry {
    char *name, *path;
    uint64_t n_bytes;
    int64_t modified_unix;
    int is_bundled; /* came with the program, not in $SHOAL_HOME */
} sh_name_entry;
/* All installed models in order of name; *out owned, freed with sh_names_free. */
int sh_names_list(sh_name_entry **out, size_t *n, sh_err *err);
void sh_names_free(sh_name_entry *entries, size_t n);
/* "dir/minnow.gguf" -> "minnow"; a folder gives its own name. Owned by the caller; NULL when out of memory.
 */
char *sh_names_of_path(const char *path);

#endif
