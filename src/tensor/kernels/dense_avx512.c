/* dense_avx512.c - lanes_dense.h for this instruction set. */
#if defined(__x86_64__)
#include "tensor/kernels/lanes_avx512.h"

#include "tensor/kernels/lanes_dense.h"
#endif
