/* families.h - the reference folders of the text families, one list for all tests that go through them. What
 * each is: the README of the reference data; how its files are read: docs/models.md. */
#ifndef SH_TESTS_FAMILIES_H
#define SH_TESTS_FAMILIES_H

/* clang-format off */
static const char *const families[] = {
    "llama", "llama_gqa_256", "llama_sharded", "llama_f16", "llama3_rope", "llama_linear_rope", "llama_yarn",
    "llama_bias", "mistral", "qwen2", "qwen2_tied", "qwen3", "gpt2", "gemma", "gemma2", "gemma3_text", "phi", "phi3",
    "phi3_longrope", "starcoder2", "olmo2", "smollm3", "granite", "gpt_neox", "gpt_neox_seq", "gpt_neo", "gptj",
    "codegen", "gpt_bigcode", "falcon_7b", "falcon_40b", "falcon_rw", "mixtral", "qwen2_moe", "qwen2_moe_norm",
    "qwen3_moe",
};
/* clang-format on */
enum { N_FAMILIES = sizeof families / sizeof families[0] };

#endif
