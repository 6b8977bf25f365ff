/* runtime.h - the inside of <shoal/runtime.h>: the pool and the kernel table that model code is handed. */
#ifndef SH_TENSOR_RUNTIME_H
#define SH_TENSOR_RUNTIME_H

#include <shoal/runtime.h>

#include "os/pool.h"
#include "tensor/kernels.h"

struct sh_runtime {
    sh_pool *pool;
    const sh_kernels *kernels;
};

#endif
