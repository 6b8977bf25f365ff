/* tmpl_render.h - the stages of one rendering, for sh_template_render and sh_template_chat. Each returns
 * SH_OK or the error that it recorded in the run; sh_tmpl_end is due in every case. */
#ifndef SH_TEXT_TMPL_RENDER_H
#define SH_TEXT_TMPL_RENDER_H

#include "text/tmpl_ast.h"

int sh_tmpl_begin(tmpl_run *r, const sh_template *t, const sh_template_opts *opts, sh_err *err);
int sh_tmpl_set_json(tmpl_run *r, const json_t *vars); /* each variable that the template names */
void sh_tmpl_set(tmpl_run *r, const char *name, tv v);
int sh_tmpl_text(tmpl_run *r, const tv_str **out); /* run it */
int sh_tmpl_deliver(tmpl_run *r, const tv_str *s, size_t n, sh_buf *out, sh_span **spans, size_t *n_spans);
void sh_tmpl_end(tmpl_run *r, enum sh_template_error *kind);

#endif
