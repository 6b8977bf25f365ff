/* map.h - byte string -> 64-bit value, open addressing. Keys are hashed with a per-map random-free seed given by the
 * caller; maps over foreign keys (JSON, vocabularies) should seed from sh_os_entropy, lest somebody aim collisions. */
#ifndef SH_BASE_MAP_H
#define SH_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sh_map sh_map;

sh_map *sh_map_open(uint64_t seed); /* NULL on shortage of memory */
void sh_map_free(sh_map *m);
/* Insert or replace. The key's bytes are BORROWED and must outlive the map. False on shortage of memory. */
bool sh_map_set(sh_map *m, const void *key, size_t n, uint64_t value);
bool sh_map_get(const sh_map *m, const void *key, size_t n, uint64_t *value); /* false when absent; value may be NULL */
size_t sh_map_count(const sh_map *m);
bool sh_map_reserve(sh_map *m, size_t n_keys);

/* The hash itself (wyhash-like mixing of 64-bit multiplies; not cryptographic). */
uint64_t sh_hash(const void *p, size_t n, uint64_t seed);

#endif
