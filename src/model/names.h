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
/* encoders, and decoders that look at one */
extern const sh_name sh_names_gguf_bert[], sh_names_gguf_cross[], sh_names_gguf_after[], sh_names_gguf_vision[],
    sh_names_gguf_audio[], sh_names_gguf_text_tower[];
extern const sh_name sh_names_bert[], sh_names_mpnet[], sh_names_vit[], sh_names_deit[], sh_names_beit[];
extern const sh_name sh_names_trocr[], sh_names_whisper[], sh_names_whisper_encoder[];
extern const sh_name sh_names_clip_text[], sh_names_clip_vision[], sh_names_siglip_text[], sh_names_siglip_vision[];

#endif
