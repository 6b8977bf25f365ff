/* endian.h - little-endian reads and writes at any alignment; every stored or sent number goes through these. */
#ifndef SH_BASE_ENDIAN_H
#define SH_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SH_LE(bits, v) (v)
#else
#define SH_LE(bits, v) __builtin_bswap##bits(v)
#endif

static inline uint16_t sh_get_u16(const void *p) { uint16_t v; memcpy(&v, p, 2); return SH_LE(16, v); }
static inline uint32_t sh_get_u32(const void *p) { uint32_t v; memcpy(&v, p, 4); return SH_LE(32, v); }
static inline uint64_t sh_get_u64(const void *p) { uint64_t v; memcpy(&v, p, 8); return SH_LE(64, v); }
static inline void sh_put_u16(void *p, uint16_t v) { v = SH_LE(16, v); memcpy(p, &v, 2); }
static inline void sh_put_u32(void *p, uint32_t v) { v = SH_LE(32, v); memcpy(p, &v, 4); }
static inline void sh_put_u64(void *p, uint64_t v) { v = SH_LE(64, v); memcpy(p, &v, 8); }
static inline float sh_get_f32(const void *p) { uint32_t u = sh_get_u32(p); float f; memcpy(&f, &u, 4); return f; }
static inline double sh_get_f64(const void *p) { uint64_t u = sh_get_u64(p); double f; memcpy(&f, &u, 8); return f; }
static inline void sh_put_f32(void *p, float f) { uint32_t u; memcpy(&u, &f, 4); sh_put_u32(p, u); }
static inline void sh_put_f64(void *p, double f) { uint64_t u; memcpy(&u, &f, 8); sh_put_u64(p, u); }

#endif
