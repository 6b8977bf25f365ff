/* quant_fit_avx512.c - the searches of the K-quant writers, sixteen lanes to a vector. */
#include "tensor/quant_fit_impl.h"

const sh_quant_fit sh_quant_fit_avx512 = SH_QUANT_FIT_TABLE("avx512");
