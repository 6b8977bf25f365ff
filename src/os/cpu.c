/* cpu.c - the probe, made once. */
#include "os/cpu.h"

#include <pthread.h>

#include "os/cpu_internal.h"

/* Facts of the machine, written once before anyone can read them. */
static sh_cpu_info info;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void probe(void) { sh_cpu_probe(&info); }

const sh_cpu_info *sh_cpu(void)
{
    pthread_once(&once, probe);
    return &info;
}
