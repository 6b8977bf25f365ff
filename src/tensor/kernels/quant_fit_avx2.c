/* quant_fit_avx2.c - the searches of the K-quant writers, eight lanes to a vector. */
#include "tensor/quant_fit_impl.h"

const sh_quant_fit sh_quant_fit_avx2 = SH_QUANT_FIT_TABLE("avx2");
