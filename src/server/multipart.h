/* multipart.h - bodies of the type multipart/form-data (RFC 7578): what HTML forms and OpenAI's clients
 * upload files with. Nothing is copied: parts are views into the body. Pure functions. */
#ifndef SH_SERVER_MULTIPART_H
#define SH_SERVER_MULTIPART_H

#include "base/buf.h"

enum { SH_MULTIPART_MAX_PARTS = 64 };

/* One field of a form; all borrowed from the body. */
typedef struct sh_part {
    sh_str name;     /* as written between its quotes: a \" in it stays two bytes */
    sh_str filename; /* p NULL: a plain field, no file */
    sh_str type;     /* Content-Type of the part; p NULL when it has none */
    sh_str data;
} sh_part;

typedef struct sh_multipart {
    sh_part parts[SH_MULTIPART_MAX_PARTS];
    size_t n;
} sh_multipart;

/* Whether a Content-Type header names a form; NULL is none. */
bool sh_multipart_is(const char *content_type);
/* Split a body. SH_E_INVALID: the header has no usable boundary. SH_E_CORRUPT, with the offset: a part
 * without a name, or the closing boundary is missing. SH_E_LIMIT: too many parts. */
int sh_multipart_parse(sh_multipart *out, const char *content_type, const char *body, size_t n, sh_err *err);
/* The first part of this name, or NULL. */
const sh_part *sh_multipart_find(const sh_multipart *m, const char *name);

#endif
