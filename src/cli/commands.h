/* commands.h - one row per command, each in its cmd_<verb>.c. */
#ifndef SH_CLI_COMMANDS_H
#define SH_CLI_COMMANDS_H

#include "cli/cli.h"

extern const sh_command sh_cmd_run, sh_cmd_chat, sh_cmd_serve, sh_cmd_list, sh_cmd_info, sh_cmd_embed,
    sh_cmd_tokenize,
    sh_cmd_detokenize, sh_cmd_convert, sh_cmd_quantize, sh_cmd_bench, sh_cmd_eval, sh_cmd_completion,
    sh_cmd_version, sh_cmd_help, sh_cmd_debug, sh_cmd_debug_logits, sh_cmd_debug_digest,
    sh_cmd_debug_quantize, sh_cmd_debug_dequantize, sh_cmd_debug_template, sh_cmd_debug_sample, sh_cmd_debug_mel,
    sh_cmd_debug_pixels, sh_cmd_read;

#endif
