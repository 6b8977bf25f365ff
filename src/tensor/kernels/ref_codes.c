/* ref_codes.c - stored blocks to integers. Layouts: docs/quantisation.md. */
#include "tensor/kernels/ref_codes.h"

#include <string.h>

#include "tensor/quant_codes.h"

static void nibbles(const uint8_t *p, int8_t *q)
{
    for (int j = 0; j < 16; j++) {
        q[j] = p[j] & 15;
        q[j + 16] = (int8_t)(p[j] >> 4);
    }
}

static void add_bits(uint32_t bits, int value, int8_t *q)
{
    for (int j = 0; j < 32; j++) q[j] = (int8_t)(q[j] + (int)(bits >> j & 1) * value);
}

static void offset(int8_t *q, int n, int by)
{
    for (int j = 0; j < n; j++) q[j] = (int8_t)(q[j] - by);
}

static void look_up(const int8_t levels[16], int8_t *q, int n)
{
    for (int j = 0; j < n; j++) q[j] = levels[q[j]];
}

void sh_ref_unpack32(enum sh_dtype t, const uint8_t *p, sh_ref_block32 *out)
{
    out->d = t == SH_MXFP4 ? sh_e8m0_half(p[0]) : sh_get_f16(p);
    out->has_min = t == SH_Q4_1 || t == SH_Q5_1;
    out->m = out->has_min ? sh_get_f16(p + 2) : 0;
    switch ((int)t) {
    case SH_Q8_0:
        memcpy(out->q, p + 2, 32);
        break;
    case SH_Q4_0:
        nibbles(p + 2, out->q), offset(out->q, 32, 8);
        break;
    case SH_Q4_1:
        nibbles(p + 4, out->q);
        break;
    case SH_Q5_0:
        nibbles(p + 6, out->q), add_bits(sh_get_u32(p + 2), 16, out->q), offset(out->q, 32, 16);
        break;
    case SH_Q5_1:
        nibbles(p + 8, out->q), add_bits(sh_get_u32(p + 4), 16, out->q);
        break;
    case SH_IQ4_NL:
        nibbles(p + 2, out->q), look_up(sh_iq4_levels, out->q, 32);
        break;
    case SH_MXFP4:
        nibbles(p + 1, out->q), look_up(sh_fp4_levels, out->q, 32);
        break;
    }
}

static void unpack_q2_k(const uint8_t *p, sh_ref_block256 *out)
{
    out->d = sh_get_f16(p + 80), out->dmin = sh_get_f16(p + 82);
    for (int i = 0; i < 256; i++) out->q[i] = p[16 + 32 * (i / 128) + i % 32] >> 2 * (i / 32 % 4) & 3;
    for (int s = 0; s < 16; s++) out->scale[s] = p[s] & 15, out->min[s] = p[s] >> 4;
}

static void unpack_q3_k(const uint8_t *p, sh_ref_block256 *out)
{
    const uint8_t *scales = p + 96;
    out->d = sh_get_f16(p + 108);
    for (int i = 0; i < 256; i++) {
        int low = p[32 + 32 * (i / 128) + i % 32] >> 2 * (i / 32 % 4) & 3, high = p[i % 32] >> (i / 32) & 1;
        out->q[i] = (int8_t)(low + 4 * high - 4);
    }
    for (int s = 0; s < 16; s++) {
        int low = scales[s % 8] >> 4 * (s / 8) & 15, high = scales[8 + s % 4] >> 2 * (s / 4) & 3;
        out->scale[s] = (low | high << 4) - 32;
    }
}

/* Q4_K, and Q5_K when high is not NULL: its bit g is the fifth bit of sub-block g. */
static void unpack_q4_k(const uint8_t *p, const uint8_t *high, const uint8_t *qs, sh_ref_block256 *out)
{
    out->d = sh_get_f16(p), out->dmin = sh_get_f16(p + 2);
    for (int i = 0; i < 256; i++) {
        int q = qs[32 * (i / 64) + i % 32] >> 4 * (i / 32 % 2) & 15;
        out->q[i] = (int8_t)(high ? q | (high[i % 32] >> (i / 32) & 1) << 4 : q);
    }
    for (int s = 0; s < 16; s++) {
        uint8_t scale, min;
        sh_get_scale_min_k4(p + 4, (unsigned)s / 2, &scale, &min);
        out->scale[s] = scale, out->min[s] = min;
    }
}

static void unpack_q6_k(const uint8_t *p, sh_ref_block256 *out)
{
    out->d = sh_get_f16(p + 208);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, k = i / 32 % 4;
        int low = p[64 * half + 32 * (k & 1) + i % 32] >> 4 * (k >> 1) & 15,
            high = p[128 + 32 * half + i % 32] >> 2 * k & 3;
        out->q[i] = (int8_t)((low | high << 4) - 32);
    }
    for (int s = 0; s < 16; s++) out->scale[s] = (int8_t)p[192 + s];
}

static void unpack_iq4_xs(const uint8_t *p, sh_ref_block256 *out)
{
    out->d = sh_get_f16(p);
    for (int g = 0; g < 8; g++) nibbles(p + 8 + 16 * g, out->q + 32 * g);
    look_up(sh_iq4_levels, out->q, 256);
    for (int s = 0; s < 16; s++) {
        int g = s / 2;
        out->scale[s] = ((p[4 + g / 2] >> 4 * (g % 2) & 15) | (sh_get_u16(p + 2) >> 2 * g & 3) << 4) - 32;
    }
}

void sh_ref_unpack256(enum sh_dtype t, const uint8_t *p, sh_ref_block256 *out)
{
    memset(out, 0, sizeof *out);
    out->has_min = t == SH_Q2_K || t == SH_Q4_K || t == SH_Q5_K;
    switch ((int)t) {
    case SH_Q2_K:
        unpack_q2_k(p, out);
        break;
    case SH_Q3_K:
        unpack_q3_k(p, out);
        break;
    case SH_Q4_K:
        unpack_q4_k(p, NULL, p + 16, out);
        break;
    case SH_Q5_K:
        unpack_q4_k(p, p + 16, p + 48, out);
        break;
    case SH_Q6_K:
        unpack_q6_k(p, out);
        break;
    case SH_IQ4_XS:
        unpack_iq4_xs(p, out);
        break;
    }
}
