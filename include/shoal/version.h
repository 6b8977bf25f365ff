/* shoal/version.h - the version of these headers; sh_version() is that of the library that runs. */
#ifndef SHOAL_VERSION_H
#define SHOAL_VERSION_H

#include <shoal/err.h>

#define SHOAL_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif
SH_API const char *sh_version(void); /* "0.1.0" */
#ifdef __cplusplus
}
#endif
#endif
