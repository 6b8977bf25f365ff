/* relax_internal.h - the instruction that tells a core it is in a spin loop. */
#ifndef SH_OS_RELAX_INTERNAL_H
#define SH_OS_RELAX_INTERNAL_H

#if defined(__x86_64__) || defined(__i386__)
static inline void sh_cpu_relax(void) { __builtin_ia32_pause(); }
#elif defined(__aarch64__)
static inline void sh_cpu_relax(void) { __asm__ volatile("isb" ::: "memory"); } /* yield is a no-op on most cores */
#else
static inline void sh_cpu_relax(void) { __asm__ volatile("" ::: "memory"); }
#endif

#endif
