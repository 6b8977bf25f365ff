/* version.c */
#include <shoal/version.h>

const char *sh_version(void) { return SHOAL_VERSION; }
