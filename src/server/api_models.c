/* api_models.c - models, health, and the root. */
#include <shoal/version.h>

#include "model/model.h"
#include "os/clock.h"
#include "server/server_internal.h"

static json_t *model_json(const sh_served_model *m)
{
    sh_model_info info;
    sh_engine_stats stats;
    sh_model_get_info(m->model, &info);
    sh_engine_get_stats(m->engine, &stats);
    return json_pack("{s:s,s:s,s:I,s:s,s:{s:s,s:s,s:I,s:I,s:i,s:i,s:b}}", "id", m->name, "object", "model",
                     "created", (json_int_t)m->created_unix, "owned_by", "shoal", "meta", "architecture",
                     info.architecture, "quantization", info.quantization, "parameters",
                     (json_int_t)info.n_parameters, "bytes", (json_int_t)info.file_bytes, "vocabulary",
                     (int)info.n_vocab, "context", (int)info.n_ctx_train, "chat",
                     sh_model_chat_template(m->model) != NULL);
}

int sh_api_models(sh_exchange *x)
{
    json_t *list = json_array();
    for (size_t i = 0; i < x->server->n_models; i++)
        json_array_append_new(list, model_json(&x->server->models[i]));
    return sh_reply_json(x, 200, json_pack("{s:s,s:o}", "object", "list", "data", list));
}

int sh_api_model(sh_exchange *x)
{
    const sh_served_model *m = sh_find_model(x, x->rest);
    return m ? sh_reply_json(x, 200, model_json(m)) : SH_OK;
}

int sh_api_health(sh_exchange *x)
{
    uint32_t active = 0, waiting = 0;
    for (size_t i = 0; i < x->server->n_models; i++) {
        sh_engine_stats stats;
        sh_engine_get_stats(x->server->models[i].engine, &stats);
        active += stats.n_active;
        waiting += stats.n_waiting;
    }
    return sh_reply_json(x, 200,
                         json_pack("{s:s,s:s,s:i,s:i,s:f}", "status", "ok", "version", sh_version(), "active",
                                   (int)active, "waiting", (int)waiting, "uptime_seconds",
                                   (double)(sh_now_us() - x->server->started_us) * 1e-6));
}

int sh_api_root(sh_exchange *x)
{
    sh_buf text = {0};
    sh_buf_printf(&text,
                  "Shoal %s. GET /openapi.json describes what this server answers; POST /v1/chat/completions "
                  "converses.\n",
                  sh_version());
    return sh_reply_text(x, 200, "text/plain; charset=utf-8", &text);
}
