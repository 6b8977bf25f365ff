/* map.c - byte string -> 64-bit value, linear probing at a load of at most 3/4.
 * The hash folds 128-bit products, as in wyhash (Wang Yi, public domain); it is only ever used in memory. */
#include "base/map.h"

#include <string.h>

#include "base/mem.h"

typedef struct slot {
    const void *key; /* NULL: free */
    uint32_t n, hash;
    uint64_t value;
} slot;

struct sh_map {
    slot *slots;
    size_t cap, count;
    uint64_t seed;
};

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

uint64_t sh_hash(const void *data, size_t n, uint64_t seed)
{
    const uint64_t k0 = 0xa0761d6478bd642full, k1 = 0xe7037ed1a0b428dbull, k2 = 0x8ebc6af09c88c6e3ull;
    const unsigned char *p = data;
    uint64_t h = seed ^ fold(n ^ k0, k1);
    for (; n > 16; p += 16, n -= 16) h = fold(load64(p) ^ k1, load64(p + 8) ^ h);
    unsigned char tail[16] = {0};
    if (n) memcpy(tail, p, n);
    return fold(fold(load64(tail) ^ k1, load64(tail + 8) ^ h), k2 ^ n);
}

sh_map *sh_map_open(uint64_t seed)
{
    sh_map *m = sh_zalloc(1, sizeof *m);
    if (m) m->seed = seed;
    return m;
}

void sh_map_free(sh_map *m)
{
    if (!m) return;
    sh_free(m->slots);
    sh_free(m);
}

static slot *find(const sh_map *m, const void *key, size_t n, uint32_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && s->n == n && memcmp(s->key, key, n) == 0)) return s;
    }
}

bool sh_map_reserve(sh_map *m, size_t n_keys)
{
    size_t cap = m->cap ? m->cap : 16;
    if (n_keys > SIZE_MAX / 4) return false;
    while (cap / 4 * 3 < n_keys) cap *= 2;
    if (cap == m->cap) return true;
    slot *old = m->slots, *fresh = sh_zalloc(cap, sizeof *fresh);
    if (!fresh) return false;
    size_t old_cap = m->cap;
    m->slots = fresh;
    m->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].key) *find(m, old[i].key, old[i].n, old[i].hash) = old[i];
    sh_free(old);
    return true;
}

bool sh_map_set(sh_map *m, const void *key, size_t n, uint64_t value)
{
    if (n > UINT32_MAX || !sh_map_reserve(m, m->count + 1)) return false;
    uint32_t hash = (uint32_t)sh_hash(key, n, m->seed);
    slot *s = find(m, key, n, hash);
    if (!s->key) {
        m->count++;
        *s = (slot){n ? key : "", (uint32_t)n, hash, value};
    }
    s->value = value;
    return true;
}

bool sh_map_get(const sh_map *m, const void *key, size_t n, uint64_t *value)
{
    if (!m->cap || n > UINT32_MAX) return false;
    const slot *s = find(m, key, n, (uint32_t)sh_hash(key, n, m->seed));
    if (!s->key) return false;
    if (value) *value = s->value;
    return true;
}

size_t sh_map_count(const sh_map *m) { return m->count; }
