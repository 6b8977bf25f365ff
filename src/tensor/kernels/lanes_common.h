/* lanes_common.h - what the bodies need of the compiler. */
#ifndef SH_TENSOR_KERNELS_LANES_COMMON_H
#define SH_TENSOR_KERNELS_LANES_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define SH_INLINE static inline __attribute__((always_inline, unused))
#if defined(__clang__)
#define SH_UNROLL _Pragma("clang loop unroll(full)")
#define SH_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define SH_UNROLL _Pragma("GCC unroll 32")
#define SH_NO_UNROLL _Pragma("GCC unroll 1")
#endif
/* A single token reads weights at the speed of memory; a block's lines are not read in order, so the hardware's own
 * prefetcher is helped: [p, p + n_bytes) is what will be read PREFETCH_AHEAD bytes earlier in the stream. */
enum { PREFETCH_AHEAD = 6144 };
SH_INLINE void prefetch_ahead(const uint8_t *p, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i += 64) __builtin_prefetch(p + PREFETCH_AHEAD + i, 0, 3);
}

#endif
