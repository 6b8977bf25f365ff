/* metrics.c - counters in Prometheus' text format 0.0.4. */
#include <inttypes.h>

#include "os/clock.h"
#include "server/server_internal.h"

const double sh_latency_bounds[SH_LATENCY_BUCKETS] = {0.001, 0.005, 0.025, 0.1, 0.25, 0.5,
                                                      1,     2.5,   5,     10,  30,   60};

void sh_metrics_count(struct sh_server *s, const sh_route *route, int status, uint64_t us)
{
    sh_route_metrics *m = &s->metrics[route ? (size_t)(route - sh_routes) : sh_route_count()];
    int class = status / 100;
    if (class >= 0 && class < SH_STATUS_CLASSES)
        atomic_fetch_add_explicit(&m->by_class[class], 1, memory_order_relaxed);
    size_t b = 0;
    while (b < SH_LATENCY_BUCKETS && (double)us * 1e-6 > sh_latency_bounds[b]) b++;
    atomic_fetch_add_explicit(&m->bucket[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
}

static unsigned long long value(atomic_ullong *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void write_routes(struct sh_server *s, sh_buf *out)
{
    /* aborted: the client left before there was a status. */
    static const char *const classes[SH_STATUS_CLASSES] = {"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"};
    size_t n = sh_route_count();
    sh_buf_puts(out, "# HELP shoal_http_requests_total Requests by route and status class.\n# TYPE "
                     "shoal_http_requests_total counter\n");
    for (size_t i = 0; i <= n; i++)
        for (int c = 0; c < SH_STATUS_CLASSES; c++) {
            unsigned long long v = value(&s->metrics[i].by_class[c]);
            if (v)
                sh_buf_printf(
                    out, "shoal_http_requests_total{method=\"%s\",route=\"%s\",status=\"%s\"} %llu\n",
                    i < n ? sh_routes[i].method : "", i < n ? sh_routes[i].path : "other", classes[c], v);
        }
    sh_buf_puts(
        out,
        "# HELP shoal_http_request_seconds Time from the first byte of a request to the end of its answer.\n"
        "# TYPE shoal_http_request_seconds histogram\n");
    for (size_t i = 0; i < n; i++) {
        sh_route_metrics *m = &s->metrics[i];
        unsigned long long sum = 0;
        if (!value(&m->count)) continue;
        for (size_t b = 0; b <= SH_LATENCY_BUCKETS; b++) {
            sum += value(&m->bucket[b]);
            sh_buf_printf(out, "shoal_http_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"",
                          sh_routes[i].method, sh_routes[i].path);
            if (b < SH_LATENCY_BUCKETS)
                sh_buf_printf(out, "%g\"} %llu\n", sh_latency_bounds[b], sum);
            else
                sh_buf_printf(out, "+Inf\"} %llu\n", sum);
        }
        sh_buf_printf(out, "shoal_http_request_seconds_sum{method=\"%s\",route=\"%s\"} %.6f\n",
                      sh_routes[i].method, sh_routes[i].path, (double)value(&m->sum_us) * 1e-6);
        sh_buf_printf(out, "shoal_http_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
                      sh_routes[i].method, sh_routes[i].path, sum);
    }
}

/* A label value: backslash, quote and newline are escaped. */
static void label(sh_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\' || *p == '"' || *p == '\n') sh_buf_putc(out, '\\');
        sh_buf_putc(out, *p == '\n' ? 'n' : *p);
    }
}

typedef uint64_t (*reader)(const sh_engine_stats *);
static uint64_t active(const sh_engine_stats *s)
{
    return s->n_active;
}
static uint64_t waiting(const sh_engine_stats *s)
{
    return s->n_waiting;
}
static uint64_t slots(const sh_engine_stats *s)
{
    return s->n_slots;
}
static uint64_t requests(const sh_engine_stats *s)
{
    return s->n_requests;
}
static uint64_t rejected(const sh_engine_stats *s)
{
    return s->n_rejected;
}
static uint64_t cancelled(const sh_engine_stats *s)
{
    return s->n_cancelled;
}
static uint64_t prompt_tokens(const sh_engine_stats *s)
{
    return s->n_prompt_tokens;
}
static uint64_t cached_tokens(const sh_engine_stats *s)
{
    return s->n_cached_tokens;
}
static uint64_t generated_tokens(const sh_engine_stats *s)
{
    return s->n_generated_tokens;
}

static void write_engines(struct sh_server *s, sh_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        reader read;
    } rows[] = {
        {"shoal_requests_active", "gauge", "Generations in progress.", active},
        {"shoal_requests_waiting", "gauge", "Generations in the queue.", waiting},
        {"shoal_slots", "gauge", "Generations that can run at the same time.", slots},
        {"shoal_generations_total", "counter", "Generations accepted.", requests},
        {"shoal_generations_rejected_total", "counter", "Generations refused because the queue was full.",
         rejected},
        {"shoal_generations_cancelled_total", "counter",
         "Generations whose client left, or that a stop cut off.", cancelled},
        {"shoal_prompt_tokens_total", "counter", "Prompt tokens.", prompt_tokens},
        {"shoal_prompt_tokens_cached_total", "counter", "Prompt tokens that were in the cache already.",
         cached_tokens},
        {"shoal_generated_tokens_total", "counter", "Generated tokens.", generated_tokens},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        sh_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[r].name, rows[r].help, rows[r].name,
                      rows[r].type);
        for (size_t i = 0; i < s->n_models; i++) {
            sh_engine_stats stats;
            sh_engine_get_stats(s->models[i].engine, &stats);
            sh_buf_printf(out, "%s{model=\"", rows[r].name);
            label(out, s->models[i].name);
            sh_buf_printf(out, "\"} %" PRIu64 "\n", rows[r].read(&stats));
        }
    }
}

int sh_api_metrics(sh_exchange *x)
{
    sh_buf out = {0};
    write_engines(x->server, &out);
    write_routes(x->server, &out);
    sh_buf_printf(&out,
                  "# HELP process_resident_memory_max_bytes The most memory the process has had resident.\n"
                  "# TYPE process_resident_memory_max_bytes gauge\nprocess_resident_memory_max_bytes %" PRIu64
                  "\n"
                  "# HELP shoal_uptime_seconds Seconds since the server started.\n# TYPE "
                  "shoal_uptime_seconds gauge\nshoal_uptime_seconds %.3f\n",
                  sh_peak_rss_bytes(), (double)(sh_now_us() - x->server->started_us) * 1e-6);
    return sh_reply_text(x, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}
