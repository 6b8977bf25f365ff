/* rng.h - the one pseudo-random stream of Shoal: splitmix64 (Steele, Lea, Flood 2014). Same seed, same numbers, on
 * every machine. Not for keys or nonces: those come from sh_os_entropy. */
#ifndef SH_BASE_RNG_H
#define SH_BASE_RNG_H

#include <stdint.h>

typedef struct sh_rng { uint64_t state; } sh_rng;

static inline uint64_t sh_rng_u64(sh_rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}
/* Uniform in [0, 1) with 53 random bits. */
static inline double sh_rng_unit(sh_rng *r) { return (double)(sh_rng_u64(r) >> 11) * 0x1p-53; }

#endif
