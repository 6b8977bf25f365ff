/* render.h - generations in the words of an API: whole answers, and what is streamed.
 *
 * One table of functions per API. All are called with job->lock held, append to out, and mark it failed when
 * memory is short. */
#ifndef SH_SERVER_RENDER_H
#define SH_SERVER_RENDER_H

#include "server/job.h"

typedef struct sh_render_ops {
    const char *stream_type; /* media type of a stream */
    const char *heartbeat;   /* bytes that keep a silent stream alive and mean nothing to who reads it */
    void (*begin)(sh_job *j, sh_buf *out);
    void (*chunk)(sh_job *j, sh_choice *c, const sh_event *ev, sh_buf *out); /* TOKEN and DONE */
    void (*end)(sh_job *j, sh_buf *out);                                     /* after the last DONE */
    json_t *(*answer)(sh_job *j); /* a new reference; NULL when memory is short */
} sh_render_ops;

extern const sh_render_ops sh_render_openai; /* chats and completions: server-sent events */
extern const sh_render_ops sh_render_ollama; /* /api/chat and /api/generate: a JSON object a line */

/* Keep the log-probability of a token in c->logprobs, for whole answers. */
void sh_render_logprob(sh_job *j, sh_choice *c, const sh_event *ev);
/* One entry of a list of log-probabilities: token, logprob, bytes, top_logprobs. */
json_t *sh_render_token_logprob(const sh_job *j, const sh_event *ev);
size_t sh_render_length(const char *p, size_t n); /* characters of UTF-8 */
/* A JSON string of any bytes (token ids need not spell whole characters): what is no UTF-8 becomes U+FFFD. */
json_t *sh_render_text(const char *p, size_t n);

#endif
