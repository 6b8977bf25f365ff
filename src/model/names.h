/* names.h - the lists of tensor names that rows of the architecture table point to. */
#ifndef SH_MODEL_NAMES_H
#define SH_MODEL_NAMES_H

#include "model/arch.h"

extern const sh_name sh_names_gguf[], sh_names_gguf_falcon[], sh_names_gguf_phi3[];
extern const sh_name sh_names_llama[], sh_names_mixtral[], sh_names_qwen_moe[], sh_names_sandwich[],
    sh_names_olmo2[];
extern const sh_name sh_names_starcoder2[], sh_names_phi[], sh_names_phi3[];
extern const sh_name sh_names_gpt2[], sh_names_bigcode[], sh_names_neo[], sh_names_gptj[], sh_names_neox[];
extern const sh_name sh_names_falcon[];

#endif
