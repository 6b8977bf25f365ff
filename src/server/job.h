/* job.h - one or more generations behind one HTTP request, and the answer they become.
 *
 * The engine's thread calls job_on_event; libmicrohttpd's thread asks for bytes. They meet under job->lock. A
 * connection with nothing to send is suspended and resumed when there is. Life: one reference for the
 * connection, one for each request whose DONE has not come; the watcher frees a job when none is left (the
 * engine's thread must not wait for itself). Lock order: server->lock before job->lock. */
#ifndef SH_SERVER_JOB_H
#define SH_SERVER_JOB_H

#include "server/server_internal.h"

enum { SH_MAX_CHOICES = 16 };
struct sh_render_ops;

typedef struct sh_choice {
    struct sh_job *job;
    unsigned index;
    sh_request *request;
    sh_buf text, echo;     /* echo: completions that give the prompt back */
    json_t *logprobs;      /* list of entries in the API's shape, when asked for */
    size_t n_logprob_text; /* completions: characters so far, for text_offset */
    enum sh_finish finish;
    uint32_t n_prompt, n_cached, n_generated;
    uint64_t queue_us, prefill_us, decode_us;
    sh_buf ids; /* of sh_token: prompt and answer, when the job keeps them */
    sh_err error;
    bool done;
} sh_choice;

typedef struct sh_job {
    struct sh_job *next, *prev; /* server->jobs */
    struct sh_server *server;
    struct MHD_Connection *connection; /* NULL once the client has gone */
    int fd;                            /* its socket, watched while suspended; -1 */
    pthread_mutex_t lock;
    unsigned refs;
    const sh_served_model *model;
    const struct sh_render_ops *render;
    bool is_chat, stream, include_usage, want_logprobs, keep_ids;
    bool suspended, gone, finished;
    uint64_t last_write_us;
    char id[40];
    int64_t created_unix;
    sh_buf out; /* bytes waiting to be sent; from out_off on */
    size_t out_off;
    unsigned n_choices, n_done, n_per_prompt;
    sh_choice choices[SH_MAX_CHOICES];
} sh_job;

/* One prompt of a request. */
typedef struct sh_prompt {
    sh_token *ids;
    size_t n;
    sh_buf echo; /* text to give back in front of the answer; empty: none */
} sh_prompt;

typedef struct sh_job_opts {
    const sh_served_model *model;
    const struct sh_render_ops *render; /* of what API the answer is; NULL: OpenAI's */
    bool is_chat, stream, include_usage;
    bool keep_ids;            /* sh_choice.ids is filled */
    const sh_prompt *prompts; /* [n_prompts], borrowed for the call */
    unsigned n_prompts,
        n_per_prompt; /* the choices are all answers to the first prompt, then to the second, ... */
    sh_request_opts
        request; /* prompt, on_event and ud are set by the job; the seed grows by one from choice to choice */
} sh_job_opts;

/* Submit and bind to the exchange; on success x->job is set and the answer comes from sh_job_answer. On
 * failure nothing runs. */
int sh_job_start(sh_exchange *x, const sh_job_opts *opts, sh_err *err);
/* Called by http.c whenever libmicrohttpd asks for the answer: queue it, or suspend until there is one. */
enum MHD_Result sh_job_answer(sh_exchange *x);
void sh_job_disconnect(
    sh_job *j); /* the connection ended: cancels what still runs, drops the connection's reference */
void sh_job_cancel(sh_job *j);
void sh_job_free(sh_job *j); /* watcher only, when refs is 0 */

#endif
