/* names.c - how the published checkpoints and GGUF name and lay out their tensors.
 *
 * Names are facts of the formats: Hugging Face's are the attribute paths of the reference implementations,
 * GGUF's those that llama.cpp reads. Families that llama.cpp does not know (gptj, codegen, gptneo) use its
 * vocabulary of names too. */
#include "model/names_internal.h"

const sh_name sh_names_gguf[] = {
    ROWS(EMBED, "token_embd"),
    ROWS(POSITION, "position_embd"),
    ROWS(OUTPUT_NORM, "output_norm"),
    ROWS(OUTPUT, "output"),
    ROWS(ROPE_FREQS, "rope_freqs"),
    ROWS(ROPE_LONG, "rope_factors_long"),
    ROWS(ROPE_SHORT, "rope_factors_short"),
    ROWS(ATTN_NORM, "blk.%.attn_norm"),
    ROWS(Q, "blk.%.attn_q"),
    ROWS(K, "blk.%.attn_k"),
    ROWS(V, "blk.%.attn_v"),
    FUSED(QKV, CONCAT, "blk.%.attn_qkv"),
    ROWS(O, "blk.%.attn_output"),
    ROWS(Q_NORM, "blk.%.attn_q_norm"),
    ROWS(K_NORM, "blk.%.attn_k_norm"),
    ROWS(ATTN_POST_NORM, "blk.%.post_attention_norm"),
    ROWS(FFN_NORM, "blk.%.ffn_norm"),
    ROWS(GATE, "blk.%.ffn_gate"),
    ROWS(UP, "blk.%.ffn_up"),
    ROWS(DOWN, "blk.%.ffn_down"),
    ROWS(FFN_POST_NORM, "blk.%.post_ffw_norm"),
    ROWS(ROUTER, "blk.%.ffn_gate_inp"),
    ROWS(EXPERT_GATE, "blk.%.ffn_gate_exps"),
    ROWS(EXPERT_GATE, "blk.%.ffn_gate.#"), /* one an expert: files of early 2024 */
    ROWS(EXPERT_UP, "blk.%.ffn_up_exps"),
    ROWS(EXPERT_UP, "blk.%.ffn_up.#"),
    ROWS(EXPERT_DOWN, "blk.%.ffn_down_exps"),
    ROWS(EXPERT_DOWN, "blk.%.ffn_down.#"),
    ROWS(SHARED_GATE, "blk.%.ffn_gate_shexp"),
    ROWS(SHARED_UP, "blk.%.ffn_up_shexp"),
    ROWS(SHARED_DOWN, "blk.%.ffn_down_shexp"),
    ROWS(SHARED_ROUTER, "blk.%.ffn_gate_inp_shexp"),
    END,
};
/* Two parallel norms: attn_norm_2 stands before attention and attn_norm before the MLP. One norm: attn_norm.
 */
const sh_name sh_names_gguf_falcon[] = {
    ROWS(ATTN_NORM, "blk.%.attn_norm_2"),
    ROWS(ATTN_NORM, "blk.%.attn_norm"),
    ROWS(FFN_NORM, "blk.%.ffn_norm"),
    ROWS(FFN_NORM, "blk.%.attn_norm"),
    END,
};
const sh_name sh_names_gguf_phi3[] = {FUSED(GATE_UP, CONCAT, "blk.%.ffn_up"), END};

const sh_name sh_names_llama[] = {
    ROWS(EMBED, "model.embed_tokens"),
    ROWS(OUTPUT_NORM, "model.norm"),
    ROWS(OUTPUT, "lm_head"),
    ROWS(ATTN_NORM, "model.layers.%.input_layernorm"),
    ROWS(Q, "model.layers.%.self_attn.q_proj"),
    ROWS(K, "model.layers.%.self_attn.k_proj"),
    ROWS(V, "model.layers.%.self_attn.v_proj"),
    ROWS(O, "model.layers.%.self_attn.o_proj"),
    ROWS(Q_NORM, "model.layers.%.self_attn.q_norm"),
    ROWS(K_NORM, "model.layers.%.self_attn.k_norm"),
    ROWS(FFN_NORM, "model.layers.%.post_attention_layernorm"),
    ROWS(GATE, "model.layers.%.mlp.gate_proj"),
    ROWS(UP, "model.layers.%.mlp.up_proj"),
    ROWS(DOWN, "model.layers.%.mlp.down_proj"),
    END,
};
const sh_name sh_names_mixtral[] = {
    ROWS(ROUTER, "model.layers.%.block_sparse_moe.gate"),
    ROWS(EXPERT_GATE, "model.layers.%.block_sparse_moe.experts.#.w1"),
    ROWS(EXPERT_UP, "model.layers.%.block_sparse_moe.experts.#.w3"),
    ROWS(EXPERT_DOWN, "model.layers.%.block_sparse_moe.experts.#.w2"),
    /* as transformers 5 may write it */
    ROWS(ROUTER, "model.layers.%.mlp.gate"),
    BARE(EXPERT_GATE_UP, CONCAT, "model.layers.%.mlp.experts.gate_up_proj"),
    BARE(EXPERT_DOWN, ROWS, "model.layers.%.mlp.experts.down_proj"),
    END,
};
const sh_name sh_names_qwen_moe[] = {
    ROWS(ROUTER, "model.layers.%.mlp.gate"),
    ROWS(EXPERT_GATE, "model.layers.%.mlp.experts.#.gate_proj"),
    ROWS(EXPERT_UP, "model.layers.%.mlp.experts.#.up_proj"),
    ROWS(EXPERT_DOWN, "model.layers.%.mlp.experts.#.down_proj"),
    BARE(EXPERT_GATE_UP, CONCAT, "model.layers.%.mlp.experts.gate_up_proj"),
    BARE(EXPERT_DOWN, ROWS, "model.layers.%.mlp.experts.down_proj"),
    ROWS(SHARED_GATE, "model.layers.%.mlp.shared_expert.gate_proj"),
    ROWS(SHARED_UP, "model.layers.%.mlp.shared_expert.up_proj"),
    ROWS(SHARED_DOWN, "model.layers.%.mlp.shared_expert.down_proj"),
    ROWS(SHARED_ROUTER, "model.layers.%.mlp.shared_expert_gate"),
    END,
};
const sh_name sh_names_sandwich[] = {
    ROWS(ATTN_POST_NORM, "model.layers.%.post_attention_layernorm"),
    ROWS(FFN_NORM, "model.layers.%.pre_feedforward_layernorm"),
    ROWS(FFN_POST_NORM, "model.layers.%.post_feedforward_layernorm"), END,
};
const sh_name sh_names_olmo2[] = {
    ROWS(ATTN_POST_NORM, "model.layers.%.post_attention_layernorm"),
    ROWS(FFN_POST_NORM, "model.layers.%.post_feedforward_layernorm"), END,
};
const sh_name sh_names_starcoder2[] = {ROWS(UP, "model.layers.%.mlp.c_fc"),
                                       ROWS(DOWN, "model.layers.%.mlp.c_proj"), END};
const sh_name sh_names_phi[] = {
    ROWS(OUTPUT_NORM, "model.final_layernorm"), ROWS(O, "model.layers.%.self_attn.dense"),
    ROWS(UP, "model.layers.%.mlp.fc1"), ROWS(DOWN, "model.layers.%.mlp.fc2"), END,
};
const sh_name sh_names_phi3[] = {
    FUSED(QKV, CONCAT, "model.layers.%.self_attn.qkv_proj"),
    FUSED(GATE_UP, CONCAT, "model.layers.%.mlp.gate_up_proj"),
    END,
};

const sh_name sh_names_gpt2[] = {
    ROWS(EMBED, "transformer.wte"), ROWS(POSITION, "transformer.wpe"), ROWS(OUTPUT_NORM, "transformer.ln_f"),
    ROWS(OUTPUT, "lm_head"), ROWS(ATTN_NORM, "transformer.h.%.ln_1"), ROWS(FFN_NORM, "transformer.h.%.ln_2"),
    FUSED_COLS(QKV, CONCAT, "transformer.h.%.attn.c_attn"), COLS(O, "transformer.h.%.attn.c_proj"),
    COLS(UP, "transformer.h.%.mlp.c_fc"), COLS(DOWN, "transformer.h.%.mlp.c_proj"), END,
};
const sh_name sh_names_bigcode[] = {
    FUSED(QKV, GROUPED, "transformer.h.%.attn.c_attn"), ROWS(O, "transformer.h.%.attn.c_proj"),
    ROWS(UP, "transformer.h.%.mlp.c_fc"), ROWS(DOWN, "transformer.h.%.mlp.c_proj"), END,
};
const sh_name sh_names_neo[] = {
    ROWS(Q, "transformer.h.%.attn.attention.q_proj"), ROWS(K, "transformer.h.%.attn.attention.k_proj"),
    ROWS(V, "transformer.h.%.attn.attention.v_proj"), ROWS(O, "transformer.h.%.attn.attention.out_proj"),
    ROWS(UP, "transformer.h.%.mlp.c_fc"), ROWS(DOWN, "transformer.h.%.mlp.c_proj"), END,
};
const sh_name sh_names_gptj[] = {
    ROWS(EMBED, "transformer.wte"),
    ROWS(OUTPUT_NORM, "transformer.ln_f"),
    ROWS(OUTPUT, "lm_head"),
    ROWS(ATTN_NORM, "transformer.h.%.ln_1"),
    ROWS(Q, "transformer.h.%.attn.q_proj"),
    ROWS(K, "transformer.h.%.attn.k_proj"),
    ROWS(V, "transformer.h.%.attn.v_proj"),
    FUSED(QKV, CODEGEN, "transformer.h.%.attn.qkv_proj"),
    ROWS(O, "transformer.h.%.attn.out_proj"),
    ROWS(UP, "transformer.h.%.mlp.fc_in"),
    ROWS(DOWN, "transformer.h.%.mlp.fc_out"),
    END,
};
const sh_name sh_names_neox[] = {
    ROWS(EMBED, "gpt_neox.embed_in"),
    ROWS(OUTPUT_NORM, "gpt_neox.final_layer_norm"),
    ROWS(OUTPUT, "embed_out"),
    ROWS(ATTN_NORM, "gpt_neox.layers.%.input_layernorm"),
    ROWS(FFN_NORM, "gpt_neox.layers.%.post_attention_layernorm"),
    FUSED(QKV, GROUPED, "gpt_neox.layers.%.attention.query_key_value"),
    ROWS(O, "gpt_neox.layers.%.attention.dense"),
    ROWS(UP, "gpt_neox.layers.%.mlp.dense_h_to_4h"),
    ROWS(DOWN, "gpt_neox.layers.%.mlp.dense_4h_to_h"),
    END,
};
const sh_name sh_names_falcon[] = {
    ROWS(EMBED, "transformer.word_embeddings"),
    ROWS(OUTPUT_NORM, "transformer.ln_f"),
    ROWS(OUTPUT, "lm_head"),
    ROWS(ATTN_NORM, "transformer.h.%.input_layernorm"),
    ROWS(ATTN_NORM, "transformer.h.%.ln_attn"),
    ROWS(FFN_NORM, "transformer.h.%.post_attention_layernorm"),
    ROWS(FFN_NORM, "transformer.h.%.ln_mlp"),
    FUSED(QKV, GROUPED, "transformer.h.%.self_attention.query_key_value"),
    ROWS(O, "transformer.h.%.self_attention.dense"),
    ROWS(UP, "transformer.h.%.mlp.dense_h_to_4h"),
    ROWS(DOWN, "transformer.h.%.mlp.dense_4h_to_h"),
    END,
};
