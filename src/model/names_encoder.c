/* names_encoder.c - names of tensors of encoders, of decoders that attend to one, and of what stands behind
 * them.
 *
 * Hugging Face's are the attribute paths of the reference implementations. GGUF's are llama.cpp's where it
 * has the part: BERT's, and "v." and "a." for the towers of its multimodal files; the rest follows its manner
 * (docs/gguf.md). */
#include "model/names_internal.h"

#define HF_LAYER(slot, stem) ROWS(slot, "encoder.layer." stem)

/* ---- text embedders ---- */

const sh_name sh_names_bert[] = {
    ROWS(EMBED, "embeddings.word_embeddings"),
    ROWS(TYPES, "embeddings.token_type_embeddings"),
    ROWS(POSITION, "embeddings.position_embeddings"),
    ROWS(EMBED_NORM, "embeddings.LayerNorm"),
    HF_LAYER(Q, "%.attention.self.query"),
    HF_LAYER(K, "%.attention.self.key"),
    HF_LAYER(V, "%.attention.self.value"),
    HF_LAYER(O, "%.attention.output.dense"),
    HF_LAYER(ATTN_POST_NORM, "%.attention.output.LayerNorm"),
    HF_LAYER(UP, "%.intermediate.dense"),
    HF_LAYER(DOWN, "%.output.dense"),
    HF_LAYER(FFN_POST_NORM, "%.output.LayerNorm"),
    ROWS(POOLER, "^classifier.dense"),
    ROWS(POOLER, "pooler.dense"),
    ROWS(CLASSIFIER, "^classifier.out_proj"),
    ROWS(CLASSIFIER, "^classifier"),
    END,
};
const sh_name sh_names_mpnet[] = {
    HF_LAYER(Q, "%.attention.attn.q"),
    HF_LAYER(K, "%.attention.attn.k"),
    HF_LAYER(V, "%.attention.attn.v"),
    HF_LAYER(O, "%.attention.attn.o"),
    HF_LAYER(ATTN_POST_NORM, "%.attention.LayerNorm"),
    ROWS(REL_BIAS, "encoder.relative_attention_bias"),
    END,
};
const sh_name sh_names_gguf_bert[] = {
    ROWS(TYPES, "token_types"),
    ROWS(EMBED_NORM, "token_embd_norm"),
    ROWS(ATTN_POST_NORM, "blk.%.attn_output_norm"),
    ROWS(FFN_POST_NORM, "blk.%.layer_output_norm"),
    ROWS(REL_BIAS, "attn_rel_b"),
    ROWS(POOLER, "cls"),
    ROWS(CLASSIFIER, "cls.output"),
    END,
};

/* ---- pictures ---- */

const sh_name sh_names_vit[] = {
    ROWS(PATCH, "embeddings.patch_embeddings.projection"),
    BARE(CLASS_TOKEN, ROWS, "embeddings.cls_token"),
    BARE(POSITION, ROWS, "embeddings.position_embeddings"),
    HF_LAYER(ATTN_NORM, "%.layernorm_before"),
    HF_LAYER(Q, "%.attention.attention.query"),
    HF_LAYER(K, "%.attention.attention.key"),
    HF_LAYER(V, "%.attention.attention.value"),
    HF_LAYER(O, "%.attention.output.dense"),
    HF_LAYER(FFN_NORM, "%.layernorm_after"),
    HF_LAYER(UP, "%.intermediate.dense"),
    HF_LAYER(DOWN, "%.output.dense"),
    ROWS(OUTPUT_NORM, "layernorm"),
    ROWS(POOLER, "pooler.dense"),
    ROWS(CLASSIFIER, "^classifier"),
    END,
};
const sh_name sh_names_deit[] = {
    BARE(DISTIL_TOKEN, ROWS, "embeddings.distillation_token"),
    ROWS(CLASSIFIER, "^cls_classifier"),
    ROWS(CLASSIFIER, "^classifier"),
    ROWS(CLASSIFIER2, "^distillation_classifier"),
    END,
};
const sh_name sh_names_beit[] = {
    BARE(ATTN_SCALE, ROWS, "encoder.layer.%.lambda_1"),
    BARE(FFN_SCALE, ROWS, "encoder.layer.%.lambda_2"),
    BARE(LAYER_REL_BIAS, ROWS,
         "encoder.layer.%.attention.attention.relative_position_bias.relative_position_bias_table"),
    BARE(REL_BIAS, ROWS, "encoder.relative_position_bias.relative_position_bias_table"),
    ROWS(POOL_NORM, "pooler.layernorm"),
    END,
};
#define HF_TOWER(tower)                                                                                      \
    ROWS(ATTN_NORM, tower ".encoder.layers.%.layer_norm1"),                                                  \
        ROWS(Q, tower ".encoder.layers.%.self_attn.q_proj"),                                                 \
        ROWS(K, tower ".encoder.layers.%.self_attn.k_proj"),                                                 \
        ROWS(V, tower ".encoder.layers.%.self_attn.v_proj"),                                                 \
        ROWS(O, tower ".encoder.layers.%.self_attn.out_proj"),                                               \
        ROWS(FFN_NORM, tower ".encoder.layers.%.layer_norm2"), ROWS(UP, tower ".encoder.layers.%.mlp.fc1"),  \
        ROWS(DOWN, tower ".encoder.layers.%.mlp.fc2")
#define HF_TEXT_TOWER                                                                                        \
    HF_TOWER("text_model"), ROWS(EMBED, "text_model.embeddings.token_embedding"),                            \
        ROWS(POSITION, "text_model.embeddings.position_embedding"),                                          \
        ROWS(OUTPUT_NORM, "text_model.final_layer_norm"), BARE(LOGIT_SCALE, ROWS, "logit_scale"),            \
        BARE(LOGIT_BIAS, ROWS, "logit_bias")
#define HF_VISION_TOWER                                                                                      \
    HF_TOWER("vision_model"), ROWS(PATCH, "vision_model.embeddings.patch_embedding"),                        \
        ROWS(POSITION, "vision_model.embeddings.position_embedding")
const sh_name sh_names_clip_text[] = {HF_TEXT_TOWER, ROWS(PROJECTION, "text_projection"), END};
const sh_name sh_names_siglip_text[] = {HF_TEXT_TOWER, ROWS(PROJECTION, "text_model.head"), END};
const sh_name sh_names_clip_vision[] = {
    HF_VISION_TOWER,
    BARE(CLASS_TOKEN, ROWS, "vision_model.embeddings.class_embedding"),
    ROWS(EMBED_NORM, "vision_model.pre_layrnorm"),
    ROWS(POOL_NORM, "vision_model.post_layernorm"),
    ROWS(PROJECTION, "visual_projection"),
    END,
};
const sh_name sh_names_siglip_vision[] = {
    HF_VISION_TOWER,
    ROWS(OUTPUT_NORM, "vision_model.post_layernorm"),
    BARE(PROBE, ROWS, "vision_model.head.probe"),
    BARE(PROBE_QKV, ROWS, "vision_model.head.attention.in_proj_weight"),
    BARE(PROBE_QKV_BIAS, ROWS, "vision_model.head.attention.in_proj_bias"),
    ROWS(PROBE_O, "vision_model.head.attention.out_proj"),
    ROWS(PROBE_NORM, "vision_model.head.layernorm"),
    ROWS(PROBE_UP, "vision_model.head.mlp.fc1"),
    ROWS(PROBE_DOWN, "vision_model.head.mlp.fc2"),
    END,
};

/* ---- decoders that read an encoder's states ---- */

#define HF_SEQ2SEQ_LAYERS(side)                                                                              \
    ROWS(Q, side "layers.%.self_attn.q_proj"), ROWS(K, side "layers.%.self_attn.k_proj"),                    \
        ROWS(V, side "layers.%.self_attn.v_proj"), ROWS(O, side "layers.%.self_attn.out_proj"),              \
        ROWS(UP, side "layers.%.fc1"), ROWS(DOWN, side "layers.%.fc2")
#define HF_CROSS(side)                                                                                       \
    ROWS(CROSS_Q, side "layers.%.encoder_attn.q_proj"), ROWS(CROSS_K, side "layers.%.encoder_attn.k_proj"),  \
        ROWS(CROSS_V, side "layers.%.encoder_attn.v_proj"),                                                  \
        ROWS(CROSS_O, side "layers.%.encoder_attn.out_proj")

const sh_name sh_names_trocr[] = {
    ROWS(EMBED, "embed_tokens"),
    ROWS(EMBED, "^decoder.output_projection"), /* files may keep either of two equal matrices */
    ROWS(POSITION, "embed_positions"),
    ROWS(EMBED_NORM, "layernorm_embedding"),
    ROWS(OUTPUT, "^decoder.output_projection"),
    HF_SEQ2SEQ_LAYERS(""),
    HF_CROSS(""),
    ROWS(ATTN_POST_NORM, "layers.%.self_attn_layer_norm"),
    ROWS(CROSS_POST_NORM, "layers.%.encoder_attn_layer_norm"),
    ROWS(FFN_POST_NORM, "layers.%.final_layer_norm"),
    END,
};
const sh_name sh_names_whisper[] = {
    ROWS(EMBED, "decoder.embed_tokens"),
    ROWS(POSITION, "decoder.embed_positions"),
    ROWS(OUTPUT_NORM, "decoder.layer_norm"),
    ROWS(OUTPUT, "^proj_out"),
    HF_SEQ2SEQ_LAYERS("decoder."),
    HF_CROSS("decoder."),
    ROWS(ATTN_NORM, "decoder.layers.%.self_attn_layer_norm"),
    ROWS(CROSS_NORM, "decoder.layers.%.encoder_attn_layer_norm"),
    ROWS(FFN_NORM, "decoder.layers.%.final_layer_norm"),
    END,
};
const sh_name sh_names_whisper_encoder[] = {
    ROWS(CONV1, "encoder.conv1"),
    ROWS(CONV2, "encoder.conv2"),
    ROWS(POSITION, "encoder.embed_positions"),
    ROWS(OUTPUT_NORM, "encoder.layer_norm"),
    HF_SEQ2SEQ_LAYERS("encoder."),
    ROWS(ATTN_NORM, "encoder.layers.%.self_attn_layer_norm"),
    ROWS(FFN_NORM, "encoder.layers.%.final_layer_norm"),
    END,
};

/* ---- GGUF ---- */

const sh_name sh_names_gguf_cross[] = {
    ROWS(EMBED_NORM, "token_embd_norm"),
    ROWS(CROSS_NORM, "blk.%.cross_attn_norm"),
    ROWS(CROSS_POST_NORM, "blk.%.cross_attn_output_norm"),
    ROWS(CROSS_Q, "blk.%.cross_attn_q"),
    ROWS(CROSS_K, "blk.%.cross_attn_k"),
    ROWS(CROSS_V, "blk.%.cross_attn_v"),
    ROWS(CROSS_O, "blk.%.cross_attn_output"),
    END,
};
const sh_name sh_names_gguf_after[] = {
    /* norms after the sums: TrOCR */
    ROWS(EMBED_NORM, "token_embd_norm"),
    ROWS(ATTN_POST_NORM, "blk.%.attn_output_norm"),
    ROWS(FFN_POST_NORM, "blk.%.layer_output_norm"),
    ROWS(CROSS_POST_NORM, "blk.%.cross_attn_output_norm"),
    ROWS(CROSS_Q, "blk.%.cross_attn_q"),
    ROWS(CROSS_K, "blk.%.cross_attn_k"),
    ROWS(CROSS_V, "blk.%.cross_attn_v"),
    ROWS(CROSS_O, "blk.%.cross_attn_output"),
    END,
};
const sh_name sh_names_gguf_text_tower[] = {
    ROWS(PROJECTION, "text_projection"),
    ROWS(LOGIT_SCALE, "logit_scale"),
    ROWS(LOGIT_BIAS, "logit_bias"),
    END,
};
#define GGUF_TOWER(t)                                                                                        \
    ROWS(POSITION, t ".position_embd"), ROWS(EMBED_NORM, t ".pre_ln"), ROWS(OUTPUT_NORM, t ".post_ln"),      \
        ROWS(ATTN_NORM, t ".blk.%.ln1"), ROWS(Q, t ".blk.%.attn_q"), ROWS(K, t ".blk.%.attn_k"),             \
        ROWS(V, t ".blk.%.attn_v"), ROWS(O, t ".blk.%.attn_out"), ROWS(FFN_NORM, t ".blk.%.ln2"),            \
        ROWS(UP, t ".blk.%.ffn_up"), ROWS(DOWN, t ".blk.%.ffn_down")
const sh_name sh_names_gguf_vision[] = {
    GGUF_TOWER("v"),
    ROWS(PATCH, "v.patch_embd"),
    ROWS(CLASS_TOKEN, "v.class_embd"),
    ROWS(DISTIL_TOKEN, "v.distil_embd"),
    ROWS(REL_BIAS, "v.attn_rel_b"),
    ROWS(LAYER_REL_BIAS, "v.blk.%.attn_rel_b"),
    ROWS(ATTN_SCALE, "v.blk.%.ls1"),
    ROWS(FFN_SCALE, "v.blk.%.ls2"),
    ROWS(POOLER, "v.pooler"),
    ROWS(POOL_NORM, "v.pool_ln"),
    ROWS(CLASSIFIER, "v.cls"),
    ROWS(CLASSIFIER2, "v.cls_distil"),
    ROWS(PROJECTION, "v.projection"),
    ROWS(PROBE, "v.head.probe"),
    ROWS(PROBE_QKV, "v.head.attn_qkv"),
    BARE(PROBE_QKV_BIAS, ROWS, "v.head.attn_qkv.bias"),
    ROWS(PROBE_O, "v.head.attn_out"),
    ROWS(PROBE_NORM, "v.head.ln"),
    ROWS(PROBE_UP, "v.head.ffn_up"),
    ROWS(PROBE_DOWN, "v.head.ffn_down"),
    END,
};
const sh_name sh_names_gguf_audio[] = {
    GGUF_TOWER("a"),
    ROWS(CONV1, "a.conv1d.1"),
    ROWS(CONV2, "a.conv1d.2"),
    END,
};
