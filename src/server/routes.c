/* routes.c - every path that the server answers. */
#include "server/exchange.h"

const sh_route sh_routes[] = {
    {"POST", "/v1/chat/completions", SH_ROUTE_STREAMS, sh_api_chat, sh_chat_fields, "OpenAI",
     "Answer a conversation", "ChatCompletion"},
    {"POST", "/v1/completions", SH_ROUTE_STREAMS, sh_api_completions, sh_completion_fields, "OpenAI",
     "Go on with a text", "Completion"},
    {"GET", "/v1/models", 0, sh_api_models, NULL, "OpenAI", "List the models", "ModelList"},
    {"GET", "/v1/models/*", 0, sh_api_model, NULL, "OpenAI", "Describe a model", "Model"},
    {"POST", "/api/generate", SH_ROUTE_STREAMS, sh_api_ollama_generate, sh_ollama_generate_fields, "Ollama",
     "Go on with a text, or answer it", "OllamaGenerated"},
    {"POST", "/api/chat", SH_ROUTE_STREAMS, sh_api_ollama_chat, sh_ollama_chat_fields, "Ollama",
     "Answer a conversation", "OllamaChat"},
    {"GET", "/api/tags", 0, sh_api_ollama_tags, NULL, "Ollama", "List the models", "OllamaModels"},
    {"GET", "/api/ps", 0, sh_api_ollama_ps, NULL, "Ollama", "List the models in memory", "OllamaModels"},
    {"POST", "/api/show", 0, sh_api_ollama_show, sh_ollama_show_fields, "Ollama", "Describe a model",
     "OllamaModel"},
    {"GET", "/api/version", 0, sh_api_ollama_version, NULL, "Ollama", "The server's version",
     "OllamaVersion"},
    {"POST", "/tokenize", 0, sh_api_tokenize, sh_tokenize_fields, "Text", "Text to token ids", "Tokens"},
    {"POST", "/detokenize", 0, sh_api_detokenize, sh_detokenize_fields, "Text", "Token ids to text",
     "Content"},
    {"GET", "/health", SH_ROUTE_OPEN, sh_api_health, NULL, "Operation", "Say that the server is alive",
     "Health"},
    {"GET", "/metrics", 0, sh_api_metrics, NULL, "Operation", "Counters for Prometheus", NULL},
    {"GET", "/openapi.json", SH_ROUTE_OPEN, sh_api_openapi, NULL, "Operation", "This description",
     "Description"},
    {"GET", "/", SH_ROUTE_OPEN, sh_api_root, NULL, "Operation", "One line of text for people", NULL},
    {0},
};

size_t sh_route_count(void)
{
    return sizeof sh_routes / sizeof *sh_routes - 1;
}
