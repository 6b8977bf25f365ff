/* fuzz: text */
/* A chat template from anybody, rendered over a fixed conversation: it must end soon, within its limits,
 * without a leak. The first byte chooses the limits; the rest is the template. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "text/chat_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char conversation[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": "
    "\" \\u0633\\u0644\\u0627\\u0645 a,b\\n\"},"
    " {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"<b>\"}], \"tool_calls\": "
    "[{\"function\": {\"name\": \"f\","
    " \"arguments\": {\"x\": 1, \"y\": [1.5, null, true]}}}]}], \"tools\": [{\"type\": \"function\"}], "
    "\"n\": -7, \"f\": 2.5, \"s\": \"text\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    sh_template *t = NULL;
    sh_buf out = {0};
    sh_span *spans = NULL;
    size_t n_spans = 0;
    enum sh_template_error kind = SH_TEMPLATE_OK;
    sh_err err = {0};
    if (n < 1) return 0;
    sh_template_opts opts = SH_TEMPLATE_OPTS_INIT;
    opts.max_steps = 1000u << (data[0] & 7);
    opts.max_output_bytes = (size_t)64 << (data[0] >> 3 & 7) * 2;
    opts.max_depth = data[0] & 64 ? 10 : 0;
    if (sh_template_open(&t, (const char *)data + 1, n - 1, &err) == SH_OK) {
        json_error_t why;
        json_t *vars = json_loadb(conversation, sizeof conversation - 1, 0, &why);
        int rc = sh_template_render(t, vars, &opts, &out, &spans, &n_spans, &kind, &err);
        assert((rc == SH_OK) == (kind == SH_TEMPLATE_OK));
        assert(rc < 0 || out.n <= opts.max_output_bytes);
        for (size_t i = 0; i < n_spans; i++) assert(spans[i].begin < spans[i].end && spans[i].end <= out.n);
        json_decref(vars);
    }
    sh_free(spans);
    sh_buf_clear(&out);
    sh_template_free(t);
    return 0;
}
