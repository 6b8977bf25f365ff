/* deps.h - the libraries this program was built with and runs on. */
#ifndef SH_CLI_DEPS_H
#define SH_CLI_DEPS_H

#include <stddef.h>

enum { SH_DEPS_MAX = 16 };
typedef struct sh_dep {
    const char *name, *version, *use;
} sh_dep;
size_t sh_deps(sh_dep out[SH_DEPS_MAX]);
const char *sh_compiler(void);

#endif
