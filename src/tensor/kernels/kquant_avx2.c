/* kquant_avx2.c - lanes_kquant.h for this instruction set. */
#if defined(__x86_64__)
#include "tensor/kernels/lanes_avx2.h"

#include "tensor/kernels/lanes_kquant.h"
#endif
