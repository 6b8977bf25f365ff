/* fields.h - the fields of a JSON request as rows: what is checked, and what /openapi.json says, come from
 * the same row. */
#ifndef SH_SERVER_FIELDS_H
#define SH_SERVER_FIELDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/fail.h"

enum sh_field_kind { SH_FIELD_BOOL, SH_FIELD_INT, SH_FIELD_NUM, SH_FIELD_STR, SH_FIELD_OTHER };

typedef struct sh_field {
    const char *name;
    enum sh_field_kind kind;
    double lo, hi; /* INT, NUM: the closed range */
    bool required, nullable;
    const char *schema; /* OTHER: its JSON Schema; the handler checks the value itself, as strictly as the
                           schema says */
    const char *help;
} sh_field;

/* Check `body` against rows (ending with name NULL). On failure: one line, and *param is the field's name (or
 * NULL). */
int sh_fields_check(const json_t *body, const sh_field *rows, const char **param, sh_err *err);
/* The object schema of the rows; a new reference, NULL when out of memory. */
json_t *sh_fields_schema(const sh_field *rows);

/* Values of checked fields. */
double sh_field_num(const json_t *body, const char *name, double fallback);
int64_t sh_field_int(const json_t *body, const char *name, int64_t fallback);
bool sh_field_bool(const json_t *body, const char *name, bool fallback);
const char *sh_field_str(const json_t *body, const char *name, const char *fallback);

#endif
