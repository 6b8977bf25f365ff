/* tmpl_filters.h - the two tables of filters: over sequences and values, and over text. */
#ifndef SH_TEXT_TMPL_FILTERS_H
#define SH_TEXT_TMPL_FILTERS_H

#include "text/tmpl_run.h"

const tmpl_builtin *sh_tmpl_find_text_filter(sh_str name);
/* Fill out[] with the keys of items by `attribute` (TV_MISSING or none: the item itself; "a.b,c" gives lists
 * when many is allowed), strings in lower case unless case_sensitive. */
int sh_tmpl_sort_keys(tmpl_run *r, const tv *items, size_t n, tv attribute, bool case_sensitive, bool many,
                      tv *out);
/* Stable order of keys: order[i] is the index of the i-th. */
int sh_tmpl_sort(tmpl_run *r, const tv *keys, size_t n, bool reverse, size_t *order);

#endif
