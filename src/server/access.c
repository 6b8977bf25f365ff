/* access.c - who may ask: the origin of a request, and its bearer token. */
#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "server/server_internal.h"

/* Equal bytes in a time that does not depend on where they differ. */
static bool same_secret(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned char difference = na != nb;
    for (size_t i = 0; i < na; i++) difference |= (unsigned char)(a[i] ^ b[nb ? i % nb : 0]);
    return difference == 0;
}

/* Whether the name in a Host header ("localhost:8080", "127.0.0.1", "[::1]:8080") can only mean this machine.
 * The whole name counts: localhost.example is anybody's. */
static bool names_this_machine(const char *host, const char *own)
{
    char name[256];
    struct in_addr v4;
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n >= sizeof name || n > strlen(host) || (host[n] && host[n] != ':')) return false;
    memcpy(name, host, n);
    name[n] = 0;
    if (strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 || strcasecmp(name, own) == 0)
        return true;
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* A name that was pointed at 127.0.0.1 (DNS rebinding) shows in Host. Only a server without a token must
 * care. */
static bool is_rebound(const sh_exchange *x)
{
    const char *host = sh_exchange_header(x, "Host");
    return !x->server->token && x->server->is_loopback && host && !names_this_machine(host, x->server->host);
}

/* A page of some web site must not reach the server: its Origin gives it away. */
static bool is_foreign_page(const sh_exchange *x)
{
    const char *origin = sh_exchange_header(x, "Origin"), *host = sh_exchange_header(x, "Host"),
               *allowed = x->server->cors_origin;
    if (!origin || (allowed && (strcmp(allowed, "*") == 0 || strcasecmp(allowed, origin) == 0))) return false;
    const char *authority = strstr(origin, "://");
    return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

static bool has_token(const sh_exchange *x, const char *given)
{
    return given && strncasecmp(given, "Bearer ", 7) == 0 && same_secret(given + 7, x->server->token);
}

bool sh_access_check(sh_exchange *x)
{
    if (is_rebound(x)) {
        sh_reply_error(x, 403, NULL, "host_not_allowed",
                       "the Host header does not name this machine (a server without a token answers to "
                       "localhost only)");
        return false;
    }
    if (is_foreign_page(x)) {
        sh_reply_error(x, 403, NULL, "origin_not_allowed",
                       "requests from this origin are not allowed (see --cors)");
        return false;
    }
    /* A browser asks OPTIONS before it may send a token. */
    if (!x->server->token || (x->route && x->route->flags & SH_ROUTE_OPEN) ||
        strcmp(x->method, "OPTIONS") == 0)
        return true;
    const char *given = sh_exchange_header(x, "Authorization");
    if (has_token(x, given)) return true;
    x->extra_name = "WWW-Authenticate";
    x->extra_value = "Bearer";
    sh_reply_error(x, 401, NULL, "invalid_api_key",
                   given ? "the bearer token is wrong"
                         : "a bearer token is needed (Authorization: Bearer ...)");
    return false;
}
