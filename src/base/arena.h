/* arena.h - memory that lives and dies together: many small allocations, one free. */
#ifndef SH_BASE_ARENA_H
#define SH_BASE_ARENA_H

#include <stddef.h>

typedef struct sh_arena sh_arena;

/* All zero is not a valid arena: open it. NULL on shortage of memory. Not thread-safe. */
sh_arena *sh_arena_open(void);
void sh_arena_free(sh_arena *a);  /* frees everything allocated from it; NULL is a no-op */
void sh_arena_reset(sh_arena *a); /* keeps the largest chunk for reuse; all pointers given out become invalid */
/* 16-byte aligned, not cleared (sh_arena_zalloc clears); NULL on shortage or overflow. */
void *sh_arena_alloc(sh_arena *a, size_t n, size_t size);
void *sh_arena_zalloc(sh_arena *a, size_t n, size_t size);
char *sh_arena_strdup(sh_arena *a, const char *s);
char *sh_arena_strndup(sh_arena *a, const char *s, size_t n);
size_t sh_arena_bytes(const sh_arena *a); /* bytes held from the heap */

#endif
