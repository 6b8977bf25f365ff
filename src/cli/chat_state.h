/* chat_state.h - a conversation: its messages, its settings, and the engine that answers. */
#ifndef SH_CLI_CHAT_STATE_H
#define SH_CLI_CHAT_STATE_H

#include "cli/generate.h"

typedef struct sh_chat_state sh_chat_state;

/* Settings come from args (see cmd_chat.c). m is borrowed. */
int sh_chat_open(sh_chat_state **out, sh_cli *cli, sh_model *m, const sh_args *args, sh_err *err);
void sh_chat_free(sh_chat_state *c);
/* Add the user's message, print the answer as it comes, keep both. A message that cannot be answered is taken
 * back. When the conversation no longer fits the context, its oldest turns are left out (and a note is
 * printed once). */
int sh_chat_say(sh_chat_state *c, const char *text, sh_err *err);
/* Answer the last message again; the old answer comes back when that fails. */
int sh_chat_retry(sh_chat_state *c, sh_err *err);
int sh_chat_set_system(sh_chat_state *c, const char *text,
                       sh_err *err); /* "" removes it; the conversation begins anew */
void sh_chat_clear(sh_chat_state *c);
int sh_chat_set(sh_chat_state *c, const char *arg, sh_err *err); /* "NAME VALUE"; "" prints all */
/* {"model": ..., "messages": [...]} */
int sh_chat_save(const sh_chat_state *c, const char *path, sh_err *err);
int sh_chat_load(sh_chat_state *c, const char *path, sh_err *err);
void sh_chat_print_stats(const sh_chat_state *c);
/* Where the next turn begins after message i: the index of the next user's message, or the number of
 * messages. */
size_t sh_chat_next_turn(const json_t *messages, size_t i);
void sh_getline_free(char *line); /* what getline() allocated */

#endif
