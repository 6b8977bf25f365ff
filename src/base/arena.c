/* arena.c - memory that lives and dies together. Chunks double up to 1 MiB; a larger request gets its own chunk. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

enum { CHUNK_FIRST = 4096, CHUNK_MAX = 1 << 20, ALIGN = 16 };

typedef struct chunk {
    struct chunk *next;
    size_t cap, used;
    _Alignas(16) char data[];
} chunk;

struct sh_arena {
    chunk *head; /* the chunk being filled; older ones behind it */
    size_t next_cap, held;
};

sh_arena *sh_arena_open(void)
{
    sh_arena *a = sh_zalloc(1, sizeof *a);
    if (a) a->next_cap = CHUNK_FIRST;
    return a;
}

void sh_arena_free(sh_arena *a)
{
    if (!a) return;
    for (chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        sh_free(c);
    }
    sh_free(a);
}

void sh_arena_reset(sh_arena *a)
{
    chunk *keep = NULL;
    for (chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        if (!keep || c->cap > keep->cap) {
            if (keep) a->held -= keep->cap, sh_free(keep);
            keep = c;
        } else {
            a->held -= c->cap;
            sh_free(c);
        }
    }
    if (keep) keep->next = NULL, keep->used = 0;
    a->head = keep;
}

void *sh_arena_alloc(sh_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (!sh_mul(&bytes, n, size) || bytes > SIZE_MAX / 2) return NULL;
    bytes = sh_align_up(bytes ? bytes : 1, ALIGN);
    chunk *c = a->head;
    if (!c || c->cap - c->used < bytes) {
        size_t cap = bytes > a->next_cap ? bytes : a->next_cap;
        c = sh_alloc(1, sizeof *c + cap);
        if (!c) return NULL;
        c->cap = cap;
        c->used = 0;
        c->next = a->head;
        a->head = c;
        a->held += cap;
        if (a->next_cap < CHUNK_MAX) a->next_cap *= 2;
    }
    void *p = c->data + c->used;
    c->used += bytes;
    return p;
}

void *sh_arena_zalloc(sh_arena *a, size_t n, size_t size)
{
    void *p = sh_arena_alloc(a, n, size);
    return p ? memset(p, 0, n * size) : NULL;
}

char *sh_arena_strndup(sh_arena *a, const char *s, size_t n)
{
    size_t bytes;
    char *p = sh_add(&bytes, n, 1) ? sh_arena_alloc(a, bytes, 1) : NULL;
    if (!p) return NULL;
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *sh_arena_strdup(sh_arena *a, const char *s) { return sh_arena_strndup(a, s, strlen(s)); }

size_t sh_arena_bytes(const sh_arena *a) { return a->held; }
