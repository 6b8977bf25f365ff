/* cpu_x86.c - CPUID and XGETBV (Intel SDM volume 2A; AMD APM volume 3 for leaf 0x8000001D).
 * An instruction set counts only when the operating system saves its registers too: XCR0 tells. */
#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>
#include <string.h>

#include "os/cpu_internal.h"

typedef struct regs {
    uint32_t a, b, c, d;
} regs;

static regs cpuid(uint32_t leaf, uint32_t sub)
{
    regs r = {0};
    __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d); /* leaves r zero beyond the highest leaf */
    return r;
}

static bool bit(uint64_t word, unsigned i) { return word >> i & 1; }

static uint64_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void probe_name(sh_cpu_info *out)
{
    char text[49] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        regs r = cpuid(0x80000002u + i, 0);
        memcpy(text + 16 * i, &r, 16);
    }
    const char *begin = text + strspn(text, " ");
    size_t n = strlen(begin);
    while (n && begin[n - 1] == ' ') n--;
    memcpy(out->name, begin, n);
}

/* Leaf 4 (Intel) and 0x8000001D (AMD) describe one cache per sub-leaf in the same form. */
static void probe_caches(sh_cpu_info *out)
{
    regs vendor = cpuid(0, 0);
    uint32_t leaf = vendor.c == 0x444d4163u ? 0x8000001du : 4; /* "cAMD" of AuthenticAMD */
    for (uint32_t i = 0; i < 8; i++) {
        regs r = cpuid(leaf, i);
        uint32_t type = r.a & 31, level = r.a >> 5 & 7;
        if (type == 0) break;
        if (type == 2) continue; /* instructions only */
        unsigned bytes = ((r.b >> 22) + 1) * ((r.b >> 12 & 0x3ff) + 1) * ((r.b & 0xfff) + 1) * (r.c + 1);
        if (level == 1) out->l1d_bytes = bytes;
        if (level == 2) out->l2_bytes = bytes;
        if (level == 3) out->l3_bytes = bytes;
    }
}

void sh_cpu_probe(sh_cpu_info *out)
{
    probe_name(out);
    probe_caches(out);
    regs f1 = cpuid(1, 0), f7 = cpuid(7, 0), f7_1 = cpuid(7, 1);
    if (!bit(f1.c, 27)) return; /* OSXSAVE: without it no wide register is saved */
    uint64_t saved = xcr0();
    bool ymm = (saved & 0x6) == 0x6, zmm = ymm && (saved & 0xe0) == 0xe0, tiles = (saved & 0x60000) == 0x60000;
    out->avx2 = ymm && bit(f7.b, 5);
    out->f16c = ymm && bit(f1.c, 29);
    out->avx512 = zmm && bit(f7.b, 16) && bit(f7.b, 17) && bit(f7.b, 30) && bit(f7.b, 31) && bit(f7.c, 11);
    out->avx512_bf16 = out->avx512 && bit(f7_1.a, 5);
    if (tiles && bit(f7.d, 24) && (bit(f7.d, 25) || bit(f7.d, 22)) && sh_amx_request()) {
        out->amx_int8 = bit(f7.d, 25);
        out->amx_bf16 = bit(f7.d, 22);
    }
}

#endif
