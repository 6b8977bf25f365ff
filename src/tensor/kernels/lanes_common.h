/* lanes_common.h - what the bodies need of the compiler. */
#ifndef SH_TENSOR_KERNELS_LANES_COMMON_H
#define SH_TENSOR_KERNELS_LANES_COMMON_H

#include <stddef.h>

#define SH_INLINE static inline __attribute__((always_inline, unused))
#if defined(__clang__)
#define SH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SH_UNROLL _Pragma("GCC unroll 32")
#endif

#endif
